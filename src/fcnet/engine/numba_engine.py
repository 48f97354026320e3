"""The engine with fused kernels that numba compiles, beside NumPy's matrix products."""

from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np

from fcnet.engine.masks import N_NUMBERS, Seed
from fcnet.engine.numpy_engine import NumpyEngine
from fcnet.engine.table_operations import CURVES
from fcnet.errors import SettingError
from fcnet.types import Array


@cache
def _loops(name: str = "loops") -> ModuleType:
    try:
        return import_module(f"fcnet.engine.{name}")
    except ImportError as error:  # a numba that is too old for this NumPy
        raise SettingError(f'numba is installed but cannot be used: {error} Take the engine "numpy".') from None


class NumbaEngine(NumpyEngine):
    """`NumpyEngine` with fused kernels: one pass over the arrays where it takes several.

    Only training uses them, so numba is not imported to predict.
    """

    name = "numba"

    def scale_and_add(self, x: Array, factor: float, row: Array, /) -> Array:
        if factor == 1.0:
            return super().scale_and_add(x, factor, row)
        _loops().scale_and_add(x, factor, row)
        return x

    def bias_gradient(self, dout: Array, out: Array, factor: float = 1.0, /) -> Array:
        if factor == 1.0:
            return super().bias_gradient(dout, out)
        _loops().bias_gradient(dout, out, factor)
        return out

    def layer_norm(self, x: Array, gamma: Array, beta: Array, epsilon: float, scales: Array, out: Array, /) -> None:
        _loops().layer_norm(x, gamma, beta, epsilon, scales, out)

    def layer_norm_backward(self, dout: Array, z: Array, scales: Array, gamma: Array, dgamma: Array, dbeta: Array, /) -> None:
        _loops().layer_norm_backward(dout, z, scales, gamma, dgamma, dbeta)

    def dropout(self, x: Array, seed: Seed, below: int, out: Array | None = None, /) -> Array:
        if not x.flags.c_contiguous:
            return super().dropout(x, seed, below, out)
        _loops().dropout(x, *seed, below, N_NUMBERS / (N_NUMBERS - below), out)
        return x if out is None else out

    def relu_backward(self, dout: Array, out: Array, /) -> Array:
        _loops().relu_backward(dout, out)
        return dout

    def softmax_cross_entropy(self, logits: Array, y: Array, label_smoothing: float, weights: Array | None = None) -> float:
        n, n_classes = logits.shape
        losses, is_whole = self.buffer("losses", (n,)), y.shape == (n,) and y.dtype.kind in "iu"
        if not is_whole or not _loops().softmax_cross_entropy(logits, y.astype(np.intp, copy=False), losses, label_smoothing):
            raise IndexError(f"The labels must be {n} whole numbers from 0 to {n_classes - 1}.")
        if weights is None:
            return float(losses.mean())
        shares = weights / weights.sum()
        logits *= (n * shares)[:, np.newaxis]
        return float(shares @ losses)

    def curve(self, curve: str, x: Array, slope: Array, out: Array, /) -> None:
        loops = _loops("table_loops")
        loops.curve(loops.NUMBERS[curve], CURVES[curve], loops.EXP[x.dtype.type], x, slope, out)

    def curve_backward(self, curve: str, dout: Array, x: Array, slope: Array, dslope: Array, /) -> None:
        loops = _loops("table_loops")
        loops.curve_backward(loops.NUMBERS[curve], CURVES[curve], loops.EXP[x.dtype.type], dout, x, slope, dslope)

    def periodic(self, x: Array, /, *arrays: Array) -> None:
        loops = _loops("table_loops")
        loops.periodic(loops.SINE[x.dtype.type], np.ascontiguousarray(x), *arrays)

    def periodic_backward(self, dout: Array, x: Array, /, *arrays: Array) -> None:
        loops = _loops("table_loops")
        loops.periodic_backward(loops.SINE[x.dtype.type], np.ascontiguousarray(dout), np.ascontiguousarray(x), *arrays)

    def scale_members(self, x: Array, scale: Array, bias: Array | None, out: Array, /) -> None:
        _loops("table_loops").scale_members(x, scale, bias, out)

    def scale_members_backward(
        self, dout: Array, x: Array, scale: Array, dx: Array, dscale: Array, dbias: Array | None, /
    ) -> None:
        _loops("table_loops").scale_members_backward(dout, x, scale, dx, dscale, dbias)

    def add_rows(self, out: Array, places: Array, rows: Array, /) -> None:
        _loops("table_loops").add_rows(out, np.ascontiguousarray(places), np.ascontiguousarray(rows))

    def follow(self, average: Array, p: Array, share: float, /) -> None:
        self._step("follow", (average, p), (share,))

    def add_l2(self, dW: Array, W: Array, l2: float, /) -> float:
        return float(self._step("add_l2", (dW, W), (l2,)))

    def sgd(self, p: Array, g: Array, /, *scalars: float) -> float:
        return float(self._step("sgd", (p, g), scalars))

    def momentum(self, p: Array, g: Array, v: Array, /, *scalars: float) -> float:
        return float(self._step("momentum", (p, g, v), scalars))

    def nesterov(self, p: Array, g: Array, v: Array, /, *scalars: float) -> float:
        return float(self._step("nesterov", (p, g, v), scalars))

    def rmsprop(self, p: Array, g: Array, c: Array, /, *scalars: float) -> float:
        return float(self._step("rmsprop", (p, g, c), scalars))

    def adam(self, p: Array, g: Array, m: Array, v: Array, /, *scalars: float) -> float:
        return float(self._step("adam", (p, g, m, v), scalars))

    def _step(self, name: str, arrays: tuple[Array, ...], scalars: tuple[float, ...]) -> Any:
        shape, dtype = arrays[0].shape, arrays[0].dtype
        for array in arrays:  # the loops go through memory as it lies
            if array.shape != shape or array.dtype != dtype or not array.flags.c_contiguous:
                return getattr(super(), name)(*arrays, *scalars)
        return getattr(_loops(), name)(*arrays, *scalars)
