"""Products of float32 matrices whose factors are rounded to bfloat16, which some processors do several times as fast."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from typing import Any

import numpy as np

from fcnet.errors import SettingError
from fcnet.types import Array

Matmul = Callable[..., Array]  # of two arrays, and `out`


@cache
def _torch() -> Any:
    try:
        import torch
    except ImportError as error:
        raise SettingError(
            f'Products in bfloat16 need PyTorch: pip install "fcnet[bfloat16]", or take another engine ({error}).'
        ) from None
    torch.get_num_threads()  # what is set for a thread of a pool is not to become the number of this one
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")  # for all of the process: to set it around every product would not be safe
    of_cpu: dict[str, Any] = {"dtype": torch.float32, "device": "cpu"}
    finer = torch.full((64, 64), 1 + 2.0**-9, **of_cpu)
    if (finer @ torch.eye(64, **of_cpu) == finer).all():
        torch.set_float32_matmul_precision(before)
        raise SettingError(
            "This processor has no products in bfloat16 that PyTorch uses for float32 (AMX). Take another engine."
        )
    return torch


def check_bfloat16() -> None:
    """Raise SettingError if PyTorch cannot be used, or the processor has no products in bfloat16."""
    _torch()


def bfloat16_matmul(a: Array, b: Array, out: Array | None = None) -> Array:
    """Return ``a @ b``, (…, n, k) by (…, k, m) with equal leading sizes, of float32 factors that are rounded to bfloat16.

    Sums are added up in float32. A factor changes by at most one part in 256; a sum of products of either sign by about 0.2 %
    of its typical size. PyTorch rounds nothing in small products.
    """
    from_numpy = _torch().from_numpy
    if out is None:
        out = np.empty((*a.shape[:-1], b.shape[-1]), np.float32)
    # PyTorch warns of arrays that cannot be written to, and takes none that run backwards.
    a, b = (x.copy() if not x.flags.writeable or min(x.strides) < 0 else x for x in (a, b))
    _torch().matmul(from_numpy(a), from_numpy(b), out=from_numpy(out))
    return out


@contextmanager
def one_thread_each(matmul: Matmul) -> Iterator[Callable[[], None] | None]:
    """Have products take the thread that they are called in alone; gives what each such thread calls first."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"):
        if matmul is not bfloat16_matmul:
            yield None
            return
        before = _torch().get_num_threads()
        try:
            yield partial(_torch().set_num_threads, 1)
        finally:
            _torch().set_num_threads(before)
