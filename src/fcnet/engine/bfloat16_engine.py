"""The engine whose matrix products round their factors to bfloat16."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from fcnet.engine.numba_engine import NumbaEngine
from fcnet.engine.products import bfloat16_matmul, torch_products, torch_threads
from fcnet.errors import SettingError
from fcnet.threads import default_threads


class Bfloat16Engine(NumbaEngine):
    """`NumbaEngine` with matrix products by PyTorch, which rounds their factors to bfloat16.

    Parameters, gradients and sums stay float32.

    Raises
    ------
    SettingError
        If `dtype` is not float32, PyTorch is not installed, or the processor has no such products.
    """

    name = "bfloat16"
    dtypes = ("float32",)
    matmul = staticmethod(bfloat16_matmul)

    def __init__(self, dtype: DTypeLike = "float32") -> None:
        super().__init__(dtype)
        if self.dtype != np.float32:
            raise SettingError(f'The engine "bfloat16" computes in float32, not {self.dtype}: set dtype to "float32".')
        torch_products()

    @contextmanager
    def sharing(self, work: float = math.inf) -> Iterator[None]:
        """Return a context in which PyTorch's matrix products take as many threads as may share the work."""
        with super().sharing(work), torch_threads(default_threads()):
            yield

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return _bfloat16_or_numba, ()


def _bfloat16_or_numba() -> NumbaEngine:
    """Return the engine of an unpickled network: another one where this machine cannot compute in bfloat16."""
    try:
        return Bfloat16Engine()
    except SettingError:
        return NumbaEngine(np.float32)
