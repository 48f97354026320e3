"""The engine whose products round their factors to bfloat16."""

from numpy.typing import DTypeLike

from fcnet.engine.numba_engine import NumbaEngine
from fcnet.errors import SettingError
from fcnet.products import bfloat16_matmul, check_bfloat16


class Bfloat16Engine(NumbaEngine):
    """What `NumbaEngine` computes, with products of factors that are rounded to bfloat16, by PyTorch.

    Parameters, gradients and sums stay float32. On processors with AMX a product takes a fifth of the time.

    Raises
    ------
    SettingError
        If `dtype` is not float32, PyTorch is not installed, or the processor has no such products.
    """

    name = "bfloat16"
    matmul = staticmethod(bfloat16_matmul)

    def __init__(self, dtype: DTypeLike = "float32") -> None:
        super().__init__(dtype)
        if self.dtype != "float32":
            raise SettingError(f'The engine "bfloat16" computes in float32, not {self.dtype}.')
        check_bfloat16()
