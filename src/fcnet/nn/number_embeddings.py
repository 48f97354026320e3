"""Embeddings of numbers: each column of the input becomes several, by functions that are learnt for it alone."""

import math
from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from fcnet.engine import NumpyEngine
from fcnet.errors import SettingError
from fcnet.nn.base import Layer, Number, Parameter, uniform
from fcnet.types import Array, Params

if TYPE_CHECKING:
    from fcnet.export.graph import Graph


class PeriodicEmbedding(Layer):
    """For each column x its values ``V cos(2π f x + b) + c``, and x itself: (n, m) becomes (n, m · width).

    f and b are (m, n_frequencies), V (m, width - 1, n_frequencies) and c (m, width - 1). These are the periodic embeddings of
    Gorishniy, Rubachev & Babenko (2022, section 3.3) in the form that RealMLP gives them (PBLD; Holzmüller, Grinsztajn &
    Steinwart 2024): cosines with a bias in place of pairs of cosine and sine, no ReLU, and the number beside it. There f is
    drawn from a normal distribution of standard deviation `sigma`, b evenly from ±π, V and c from ±1/√n_frequencies; weight
    decay is for all four, and the learning rate is a tenth.
    """

    rate = 0.1

    def __init__(self, n_columns: int, n_frequencies: int, width: int, sigma: float) -> None:
        self.width, values, limit = width, width - 1, 1 / math.sqrt(n_frequencies)
        common: dict[str, Any] = {"decayed": True, "rate": self.rate}
        self.parameters = {
            "frequency0": Parameter((n_columns, n_frequencies), std=sigma, **common),
            "phase0": Parameter((n_columns, n_frequencies), draw=partial(uniform, math.pi), **common),
            "V0": Parameter((n_columns, values, n_frequencies), draw=partial(uniform, limit), **common),
            "c0": Parameter((n_columns, values), draw=partial(uniform, limit), **common),
        }

    def forward(self, x: Array, params: Params, engine: NumpyEngine, rng: np.random.Generator | None) -> tuple[Array, Any]:
        f, b, V, c = (params[name] for name in self.parameters)
        out = engine.buffer("periodic", (len(x), x.shape[1] * self.width))
        engine.periodic(x, f, b, V, c, out)
        return out, (x, f, b, V)

    def backward(self, dout: Array, cache: Any, engine: NumpyEngine, input_gradient: bool) -> tuple[Array | None, Params]:
        """With ``g = -Vᵀ dz sin(2π f x + b)``: ``df = Σ_rows 2π x g``, ``db = Σ_rows g``, ``dV = Σ_rows dz cos(…)ᵀ``.

        dz is the part of dout for the values; ``dc = Σ_rows dz``, and dx is the part of dout for x, plus ``2π Σ f g``.
        """
        x, f, b, V = cache
        dx = engine.buffer("d periodic", x.shape)
        df, db, dV, dc = (engine.buffer(f"d{name}", p.shape) for name, p in self.parameters.items())
        engine.periodic_backward(dout, x, f, b, V, dx, df, db, dV, dc)
        return dx, dict(zip(self.parameters, (df, db, dV, dc), strict=True))

    def to_onnx(self, graph: "Graph", x: str, number: Number, f: Array, b: Array, V: Array, c: Array) -> str:
        one_each = graph.add("Unsqueeze", x, np.array([2]))  # (n, m, 1)
        cosines = graph.add("Cos", graph.add("Add", graph.add("Mul", one_each, f * number(2 * math.pi)), b))
        values = graph.add("Add", of_columns(graph, cosines, V.swapaxes(1, 2)), c)
        return flat(graph, graph.add("Concat", values, one_each, axis=2), len(f) * self.width)


class PiecewiseLinearEmbedding(Layer):
    """For each column x its values ``relu(V e(x) + c)``: (n, m) becomes (n, m · width).

    ``e_t = (x - a_{t-1}) / (a_t - a_{t-1})`` for each bin t of the column, clipped to [0, 1], but not below in the first bin
    and not above in the last: the piecewise linear encoding of Gorishniy, Rubachev & Babenko (2022, eq. 1), and upon it a
    linear layer and ReLU for each column, as there (section 3.2). V is (m, bins, width), for as many bins as the column with
    the most has, and c (m, width); both are drawn evenly from ±1/√bins.

    The weights are added up over the bins once for a batch. A number then reads two rows: the sum below its bin, and the
    weights of its bin.

    Parameters
    ----------
    bins : sequence of m increasing sequences
        The bounds a_0, a_1, … of each column, such as `quantile_bins` returns.
    width : int
    """

    def __init__(self, bins: Sequence[Sequence[float]], width: int) -> None:
        counts = [len(bounds) - 1 for bounds in bins]
        if min(counts, default=0) < 1 or any(not low < high for bounds in bins for low, high in pairwise(bounds)):
            raise SettingError("bins must have two or more increasing bounds for each column of numbers.")
        self.width, shape = width, (len(bins), max(counts))
        # A bin that a column has not is never reached.
        self.inner, self.low, self.scale = np.full(shape, np.inf), np.zeros(shape), np.zeros(shape)
        for i, (bounds, count) in enumerate(zip(bins, counts, strict=True)):
            self.inner[i, : count - 1] = bounds[1:-1]
            self.low[i, :count], self.scale[i, :count] = bounds[:-1], 1 / np.diff(bounds)
        draw = partial(uniform, 1 / math.sqrt(max(counts)))
        V = Parameter((*shape, width), draw=draw, decayed=True)
        self.parameters = {"V0": V, "c0": Parameter((len(bins), width), draw=draw)}

    def forward(self, x: Array, params: Params, engine: NumpyEngine, rng: np.random.Generator | None) -> tuple[Array, Any]:
        xp, V, (n, m) = engine.xp, params["V0"], x.shape
        places = (x[:, :, np.newaxis] >= self.inner).sum(axis=2) + V.shape[1] * xp.arange(m)
        low, scale = (bounds.astype(engine.dtype).reshape(-1)[places] for bounds in (self.low, self.scale))
        e, below, weights = (x - low) * scale, (xp.cumsum(V, axis=1) - V).reshape(-1, self.width), V.reshape(-1, self.width)
        slopes = weights[places]
        out = xp.multiply(e[:, :, np.newaxis], slopes, out=engine.buffer("piecewise linear", slopes.shape))
        out += below[places]
        out += params["c0"]
        xp.maximum(out, 0, out=out)
        return out.reshape(n, -1), (places, e, scale, slopes, out)

    def backward(self, dout: Array, cache: Any, engine: NumpyEngine, input_gradient: bool) -> tuple[Array | None, Params]:
        """``dV_t = Σ_rows e_t dz``, ``dc = Σ_rows dz``, ``dx = V_t dz / (a_t - a_{t-1})`` for the bin t of x.

        dz is dout, but 0 where out is. Rows in bins above t have ``e_t = 1``.
        """
        places, e, scale, slopes, out = cache
        xp, V = engine.xp, self.parameters["V0"]
        dz = dout.reshape(out.shape) * (out > 0)
        in_bin, own = (engine.buffer(f"{name} of bins", V.shape) for name in ("rows", "d"))
        for sums, rows in ((in_bin, dz), (own, dz * e[:, :, np.newaxis])):
            sums.fill(0)
            engine.add_rows(sums.reshape(-1, self.width), places.reshape(-1), rows.reshape(-1, self.width))
        own += xp.cumsum(in_bin[:, ::-1], axis=1)[:, ::-1] - in_bin
        dx = (dz * slopes).sum(axis=2) * scale if input_gradient else None
        return dx, {"V0": own, "c0": dz.sum(axis=0)}

    def to_onnx(self, graph: "Graph", x: str, number: Number, V: Array, c: Array) -> str:
        largest = np.finfo(V.dtype).max
        least, most = np.zeros_like(V[:, :, 0]), np.ones_like(V[:, :, 0])
        least[:, 0] = -largest
        most[np.arange(len(most)), np.isfinite(self.inner).sum(axis=1)] = largest
        one_each = graph.add("Unsqueeze", x, np.array([2]))
        low, scale = self.low.astype(V.dtype), self.scale.astype(V.dtype)
        e = graph.add("Max", graph.add("Min", graph.add("Mul", graph.add("Sub", one_each, low), scale), most), least)
        return flat(graph, graph.add("Relu", graph.add("Add", of_columns(graph, e, V), c)), V.shape[0] * self.width)


def quantile_bins(X: Array, n_bins: int = 48) -> list[list[float]]:
    """Return bounds for `PiecewiseLinearEmbedding`: quantiles of each column of X (n, m), those that are equal once.

    As Gorishniy, Rubachev & Babenko (2022, section 3.2.1) choose them. A column of one value has a bin of length 1 from there.
    """
    bounds = [np.unique(column) for column in np.quantile(X, np.linspace(0, 1, n_bins + 1), axis=0).T.astype(np.float64)]
    return [(column if len(column) > 1 else column[0] + np.arange(2)).tolist() for column in bounds]


def of_columns(graph: "Graph", x: str, W: Array) -> str:
    """Multiply (n, m, d) by a matrix of each column, W (m, d, width), in an ONNX graph."""
    by_column = graph.add("MatMul", graph.add("Transpose", x, perm=[1, 0, 2]), W)
    return graph.add("Transpose", by_column, perm=[1, 0, 2])


def flat(graph: "Graph", x: str, width: int) -> str:
    """Turn (n, m, d) into (n, width) in an ONNX graph."""
    return graph.add("Reshape", x, np.array([0, width]))
