"""Products of float32 matrices whose factors are rounded to bfloat16, which some processors do several times as fast."""

import os
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np

from fcnet.errors import SettingError
from fcnet.types import Array

Matmul = Callable[..., Array]  # of two arrays, and `out`


def n_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def _torch() -> Any:
    if not find_spec("torch"):
        raise SettingError('Products in bfloat16 need PyTorch: pip install "fcnet[bfloat16]", or take another engine.')
    import torch

    torch.set_num_threads(n_cores())
    torch.set_float32_matmul_precision("medium")  # for all of the process: to set it around every product would not be safe
    odd = torch.full((64, 64), 1 + 2.0**-9)
    if (odd @ torch.eye(64) == odd).all():
        raise SettingError("This processor has no products in bfloat16 (AMX or AVX512-BF16). Take another engine.")
    return torch


def check_bfloat16() -> None:
    """Raise SettingError if PyTorch is not installed, or the processor has no products in bfloat16."""
    _torch()


def bfloat16_matmul(a: Array, b: Array, out: Array | None = None) -> Array:
    """Return ``a @ b``, (…, n, k) by (…, k, m), with the factors rounded to bfloat16 and sums in float32.

    Rounding a factor changes it by at most one part in 256, and the sums over many of them by much less.
    """
    from_numpy = _torch().from_numpy
    if out is None:
        out = np.empty((*a.shape[:-1], b.shape[-1]), np.float32)
    a, b = (x if x.flags.writeable else x.copy() for x in (a, b))  # PyTorch warns of the others
    _torch().matmul(from_numpy(a), from_numpy(b), out=from_numpy(out))
    return out


def use_one_thread(matmul: Matmul) -> None:
    """Let products of the calling thread be computed by it alone; those of the BLAS have a limit of the process."""
    if matmul is bfloat16_matmul:
        _torch().set_num_threads(1)
