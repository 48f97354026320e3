"""Matrix products: large ones are shared among threads; those of PyTorch round their factors to bfloat16."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache, lru_cache
from itertools import pairwise
from typing import Any

import numpy as np

from fcnet.errors import SettingError, install_extra
from fcnet.threads import default_threads, is_busy, is_sharing, one_blas_thread, share
from fcnet.types import Array

Matmul = Callable[..., Array]  # of two arrays, and `out`

# In operations; reading the second factor counts as some, too.
ONE_THREAD_WORK = 5e5  # a BLAS does a smaller product on one thread anyway
SHARED_WORK = 8e6  # a smaller one is done before another thread wakes
FINE_WORK = 1e8  # a larger one is cut finer, for whoever comes late to find a piece
HELD_WORK = 1e8  # a smaller one is not worth changing the number of BLAS's threads for
HEAD, HEAD_WORK = 1.06, 1.5e6  # the caller's piece is so much larger: other threads have to wake and to fetch the data
ALIGNED = 16  # rows or columns that the kernels of a BLAS take at a time


def work_of(rows: int, size: int) -> float:
    """Return the work of multiplying so many rows by a matrix of so many entries."""
    return (2 * rows + 16) * size


def matmul(a: Array, b: Array, out: Array | None = None) -> Array:
    """Return ``a @ b``, (n, k) by (k, m); threads share it in pieces where that is quicker.

    The pieces depend on the sizes and the number of threads alone. Which thread does which changes nothing.
    """
    work = (2 * len(a) + 16) * b.size  # as work_of, without a call
    if work < SHARED_WORK or is_busy() or (threads := default_threads()) == 1:
        return np.matmul(a, b, out=out)
    if not is_sharing():
        if work < HELD_WORK:
            return np.matmul(a, b, out=out)
        with one_blas_thread():
            return matmul(a, b, out)
    if out is None:
        out = np.empty((len(a), b.shape[1]), np.result_type(a, b))
    fine = work >= FINE_WORK
    n_pieces, head = (2 * threads, 1.0) if fine else (threads, HEAD + threads * HEAD_WORK / work)
    n, m = out.shape
    if n >= m:
        share(lambda i: np.matmul(a[i], b, out=out[i]), cut(n, n_pieces, head))
    else:
        share(lambda i: np.matmul(a, b[:, i], out=out[:, i]), cut(m, n_pieces, head))
    return out


@lru_cache(1024)
def cut(n: int, n_pieces: int, head: float = 1.0) -> list[slice]:
    """Cut a length into pieces, the first of which is `head` times as long as the mean, and the others alike."""
    aligned = ALIGNED if n >= n_pieces * ALIGNED**2 else 4 if n >= 16 * n_pieces else 1
    first = n * head / n_pieces
    ends = [first + (n - first) * i / (n_pieces - 1 or 1) for i in range(n_pieces - 1)]
    bounds = sorted({0, n, *(min(n, round(end / aligned) * aligned) for end in ends)})
    return [slice(start, end) for start, end in pairwise(bounds)]


@cache
def torch_products() -> Any:
    """Return PyTorch with products in bfloat16, or raise SettingError where it or the processor has none."""
    try:
        import torch
    except ImportError as error:
        install = install_extra("torch")
        raise SettingError(f"Products in bfloat16 need PyTorch: {install}; or take another engine ({error}).") from None
    torch.get_num_threads()  # reads the number for this thread now, before one is set for a thread of a pool
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")  # it holds for the whole process, so setting it around a product is not safe
    of_cpu: dict[str, Any] = {"dtype": torch.float32, "device": "cpu"}
    finer = torch.full((64, 64), 1 + 2.0**-9, **of_cpu)
    if (finer @ torch.eye(64, **of_cpu) == finer).all():
        torch.set_float32_matmul_precision(before)
        raise SettingError(
            "This processor has no products in bfloat16 that PyTorch uses for float32 (AMX). Take another engine."
        )
    return torch


def bfloat16_matmul(a: Array, b: Array, out: Array | None = None) -> Array:
    """Return ``a @ b``, (n, k) by (k, m), of float32 factors that are rounded to bfloat16.

    Sums are added up in float32. A factor changes by at most one part in 256, a sum of products by about 0.2 % of its typical
    size. PyTorch does not round in small products.
    """
    from_numpy = torch_products().from_numpy
    if out is None:
        out = np.empty((len(a), b.shape[1]), np.float32)
    # PyTorch warns of read-only arrays, and refuses negative strides.
    a, b = (x.copy() if not x.flags.writeable or min(x.strides) < 0 else x for x in (a, b))
    torch_products().matmul(from_numpy(a), from_numpy(b), out=from_numpy(out))
    return out


class _TorchThreads(threading.local):
    """The number set in each thread; and for all threads, the number before it was changed in any."""

    number: int | None = None
    lock, users, before = threading.Lock(), 0, 1


@contextmanager
def torch_threads(number: int) -> Iterator[None]:
    """Let PyTorch use so many threads for the matrix products of this thread.

    New threads begin with what was set last in any thread. All therefore put back what the first of them found.
    """
    import torch

    own, common = _torch_threads.number, _TorchThreads
    with common.lock:
        if not common.users:
            common.before = torch.get_num_threads()
        common.users += 1
    torch.set_num_threads(number)
    _torch_threads.number = number
    try:
        yield
    finally:
        _torch_threads.number = own
        with common.lock:
            common.users -= 1
            torch.set_num_threads(own or common.before)


_torch_threads = _TorchThreads()


def one_thread(matmul: Matmul) -> AbstractContextManager[None]:
    """Return a context in which matrix products take one thread, for a piece of shared work."""
    return torch_threads(1) if matmul is bfloat16_matmul else nullcontext()
