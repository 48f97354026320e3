"""An ensemble in one network: k members that share their weights, but for small parts of their own.

The rows of a batch are there k times, (n k, d), the members of a row after one another.
"""

import math
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from fcnet.engine import NumpyEngine
from fcnet.nn.base import Draw, Layer, Number, Parameter
from fcnet.nn.ntk import BIAS_RATE, start_units
from fcnet.types import Array, Params

if TYPE_CHECKING:
    from fcnet.export.graph import Graph


def per_feature(widths: Sequence[int], signs: bool) -> Draw:
    """Return what draws the first scale of members: for each member one number for all columns of a feature.

    From a normal distribution, or 1 and -1 alike, as TabM has it (Gorishniy, Kotelnikov & Babenko 2025).
    """
    return partial(_per_feature, tuple(widths), signs)


def _per_feature(widths: tuple[int, ...], signs: bool, rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    drawn = rng.standard_normal((shape[0], len(widths)))
    return np.repeat(np.sign(drawn) if signs else drawn, widths, axis=1)


class MemberScale(Layer):
    """``out_m = s_m x_m``, and ``+ c_m`` with a bias, for each member m; s and c are (k, d).

    Before and after a shared affine layer these are the r, s and b of BatchEnsemble (Wen, Tran & Ba 2020, eq. 5), whose scales
    begin at 1 in TabM (Gorishniy, Kotelnikov & Babenko 2025) but for the first. That one is drawn, and is all that the members
    of TabM-mini have of their own up to their last layer. A bias begins at 0, and is added to the one that the members share.

    Parameters
    ----------
    letter, number : str and int
        The name of the scale.
    size, n_members : int
        d, and k, which is at least 2.
    bias_rate : float, optional
        There is a bias, with so many times the learning rate.
    draw : optional
        Draws the scale. The layer is then the first, and takes rows (n, d) that the members share.
    """

    def __init__(
        self,
        letter: str,
        number: int,
        size: int,
        n_members: int,
        bias_rate: float | None = None,
        draw: Draw | None = None,
    ) -> None:
        self.scale, self.n_members, self.is_first, shape = f"{letter}{number}", n_members, draw is not None, (n_members, size)
        self.bias = None if bias_rate is None else f"c{number}"
        scale = {self.scale: Parameter(shape, 1.0, decayed=True, draw=draw)}
        self.parameters = scale if self.bias is None else {**scale, self.bias: Parameter(shape, rate=bias_rate or 0.0)}

    def forward(self, x: Array, params: Params, engine: NumpyEngine, rng: np.random.Generator | None) -> tuple[Array, Any]:
        scale, bias = params[self.scale], None if self.bias is None else params[self.bias]
        n = len(x) * (self.n_members if self.is_first else 1)
        out = engine.buffer(f"out {self.scale}", (n, x.shape[1]))
        engine.scale_members(x, scale, bias, out)
        return out, (x, scale)

    def backward(self, dout: Array, cache: Any, engine: NumpyEngine, input_gradient: bool) -> tuple[Array | None, Params]:
        """``ds_m = Σ_rows dout_m x_m``, ``dc_m = Σ_rows dout_m``, ``dx_m = s_m dout_m``, or its sum over m for shared rows."""
        x, scale = cache
        dscale = engine.buffer(f"d{self.scale}", scale.shape)
        dbias = None if self.bias is None else engine.buffer(f"d{self.bias}", scale.shape)
        dx = engine.buffer(f"dx {self.scale}", x.shape) if self.is_first else dout
        engine.scale_members_backward(dout, x, scale, dx, dscale, dbias)
        return dx, {self.scale: dscale} if self.bias is None or dbias is None else {self.scale: dscale, self.bias: dbias}

    def to_onnx(self, graph: "Graph", x: str, number: Number, scale: Array, bias: Array | None = None) -> str:
        """Rows are (n, k, d) from here on."""
        x = graph.add("Mul", graph.add("Unsqueeze", x, np.array([1])) if self.is_first else x, scale)
        return x if bias is None else graph.add("Add", x, bias)


class Heads(Layer):
    """``out_m = factor x_m W_m + b_m``: the last affine layer of each member, W (k, d_in, d_out) and b (k, d_out).

    In the NTK parametrisation `factor` is ``1 / sqrt(d_in)``, and else 1; `std` is that of the weights.
    """

    def __init__(self, number: int, d_in: int, d_out: int, n_members: int, std: float | None) -> None:
        self.W, self.b, self.n_members = f"W{number}", f"b{number}", n_members
        self.factor = 1.0 if std is not None else 1 / math.sqrt(d_in)
        W = Parameter((n_members, d_in, d_out), std=1.0 if std is None else std, decayed=True)
        b = Parameter((n_members, d_out), std=1.0, rate=BIAS_RATE) if std is None else Parameter((n_members, d_out))
        self.parameters = {self.W: W, self.b: b}

    def start(self, x: Array, params: Params, rng: np.random.Generator) -> None:
        """Set the initial values by the rows x (n k, d_in) that reach the layer; see `start_units`."""
        for m in range(self.n_members):
            start_units(x[m :: self.n_members], params[self.W][m], params[self.b][m], self.factor, rng)

    def forward(self, x: Array, params: Params, engine: NumpyEngine, rng: np.random.Generator | None) -> tuple[Array, Any]:
        W = params[self.W]
        out = engine.buffer(f"out {self.W}", (len(x), W.shape[2]))
        engine.xp.matmul(self._members(x), W, out=self._members(out))
        out *= self.factor
        by_row = out.reshape(-1, self.n_members, W.shape[2])
        by_row += params[self.b]
        return out, (x, W)

    def backward(self, dout: Array, cache: Any, engine: NumpyEngine, input_gradient: bool) -> tuple[Array | None, Params]:
        """``dW_m = factor x_mᵀ dout_m``, ``db_m = Σ_rows dout_m``, ``dx_m = factor dout_m W_mᵀ``."""
        x, W = cache
        xp, dx = engine.xp, None
        db = xp.sum(dout.reshape(-1, self.n_members, W.shape[2]), axis=0, out=engine.buffer(f"d{self.b}", W[:, 0].shape))
        dout *= self.factor
        dW = xp.matmul(self._members(x).swapaxes(1, 2), self._members(dout), out=engine.buffer(f"d{self.W}", W.shape))
        if input_gradient:
            dx = engine.buffer(f"dx {self.W}", x.shape)
            xp.matmul(self._members(dout), W.swapaxes(1, 2), out=self._members(dx))
        return dx, {self.W: dW, self.b: db}

    def to_onnx(self, graph: "Graph", x: str, number: Number, W: Array, b: Array) -> str:
        by_member = graph.add("MatMul", graph.add("Transpose", x, perm=[1, 0, 2]), W * number(self.factor))
        return graph.add("Add", graph.add("Transpose", by_member, perm=[1, 0, 2]), b)

    def _members(self, rows: Array) -> Array:
        """Return the rows (n k, d) as (k, n, d), without a copy."""
        return rows.reshape(-1, self.n_members, rows.shape[1]).swapaxes(0, 1)
