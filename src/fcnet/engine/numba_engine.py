"""The engine with fused kernels that numba compiles, beside NumPy's matrix products."""

from functools import cache
from types import ModuleType
from typing import Any

import numpy as np

from fcnet.engine.numpy_engine import NumpyEngine
from fcnet.errors import SettingError
from fcnet.types import Array


@cache
def _loops() -> ModuleType:
    try:
        from fcnet.engine import loops
    except ImportError as error:  # a numba that is too old for this NumPy
        raise SettingError(f'numba is installed but cannot be used: {error} Take the engine "numpy".') from None
    return loops


def _step(name: str) -> Any:
    """Return a method for the loop of that name, which goes through memory as it lies; else it is NumPy's."""

    def step(self: NumpyEngine, p: Array, /, *others: Any) -> float:
        arrays = [p, *(other for other in others if isinstance(other, np.ndarray))]
        if all(a.shape == p.shape and a.dtype == p.dtype and a.flags.c_contiguous for a in arrays):
            return float(getattr(_loops(), name)(*(a.reshape(-1) for a in arrays), *others[len(arrays) - 1 :]))
        return float(getattr(NumpyEngine, name)(self, p, *others))

    return step


class NumbaEngine(NumpyEngine):
    """`NumpyEngine` with fused kernels: one pass over the arrays where it takes several.

    Only training uses them, so numba is not imported to predict.
    """

    name = "numba"

    def layer_norm(self, x: Array, gamma: Array, beta: Array, epsilon: float, scales: Array, out: Array, /) -> None:
        _loops().layer_norm(x, gamma, beta, epsilon, scales, out)

    def layer_norm_backward(self, dout: Array, z: Array, scales: Array, gamma: Array, dgamma: Array, dbeta: Array, /) -> None:
        _loops().layer_norm_backward(dout, z, scales, gamma, dgamma, dbeta)

    def relu_backward(self, dout: Array, out: Array, /) -> Array:
        _loops().relu_backward(dout, out)
        return dout

    def softmax_cross_entropy(self, logits: Array, y: Array, label_smoothing: float, weights: Array | None = None) -> float:
        n, n_classes = logits.shape
        if y.shape != (n,) or y.dtype.kind not in "iu" or y.min() < -n_classes or y.max() >= n_classes:  # loops check no bounds
            raise IndexError(f"The labels must be {n} whole numbers from 0 to {n_classes - 1}.")
        losses = self.buffer("losses", (n,))
        _loops().softmax_cross_entropy(logits, y.astype(np.intp, copy=False), losses, label_smoothing)
        if weights is None:
            return float(losses.mean())
        shares = weights / weights.sum()
        logits *= (n * shares)[:, np.newaxis]
        return float(shares @ losses)

    add_l2, sgd, momentum, nesterov, rmsprop, adam = map(_step, ("add_l2", "sgd", "momentum", "nesterov", "rmsprop", "adam"))
