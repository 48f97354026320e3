"""The first layers for tables: numbers and categories side by side, and a scale of each that is learnt."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fcnet.engine import NumpyEngine
from fcnet.nn.base import Layer, Number, Parameter
from fcnet.nn.number_embeddings import PeriodicEmbedding, PiecewiseLinearEmbedding
from fcnet.types import Array, Params

if TYPE_CHECKING:
    from fcnet.export.graph import Graph

Embedding = PeriodicEmbedding | PiecewiseLinearEmbedding


class Scale(Layer):
    """``out = s x``, s being one number for each column, (d,), that begins at 1.

    RealMLP (Holzmüller, Grinsztajn & Steinwart 2024) has it before the first affine layer, with six times the learning rate and
    with weight decay: columns that serve nothing are soon small.
    """

    rate = 6.0

    def __init__(self, size: int) -> None:
        self.parameters = {"scale0": Parameter((size,), 1.0, decayed=True, rate=self.rate)}

    def forward(self, x: Array, params: Params, engine: NumpyEngine, rng: np.random.Generator | None) -> tuple[Array, Any]:
        scale, out = params["scale0"], engine.buffer("scaled", x.shape)
        engine.scale_members(x, scale[np.newaxis], None, out)
        return out, (x, scale)

    def backward(self, dout: Array, cache: Any, engine: NumpyEngine, input_gradient: bool) -> tuple[Array | None, Params]:
        """``ds = Σ_rows dout x``, ``dx = s dout``."""
        x, scale = cache
        dscale = engine.buffer("dscale0", scale.shape)
        engine.scale_members_backward(dout, x, scale[np.newaxis], dout, dscale[np.newaxis], None)
        return dout, {"scale0": dscale}

    def to_onnx(self, graph: "Graph", x: str, number: Number, scale: Array) -> str:
        return graph.add("Mul", x, scale)


class Categories(Layer):
    """Columns of category numbers, each replaced by the row of a table that belongs to it: (n, m) becomes (n, Σ widths).

    The numbers are 0 to size - 1. Any other, such as -1, is a category that is missing or unknown, and has the first row of the
    table; the one of number i has row i + 1. Tables of up to `one_hot_up_to` categories are fixed: one-hot, with zeros for the
    missing one; two categories share one column, with 1 and -1. Tables of more are learnt, and drawn from a normal distribution
    of standard deviation 1. All this is as in RealMLP (Holzmüller, Grinsztajn & Steinwart 2024), whose learnt tables have a
    width of 8.
    """

    def __init__(self, sizes: Sequence[int], one_hot_up_to: int, width: int, name: str = "category") -> None:
        self.sizes = np.array(sizes)
        self.names = [f"{name}{i}" if size > one_hot_up_to else None for i, size in enumerate(sizes)]
        self.fixed = {i: one_hot(size) for i, size in enumerate(sizes) if size <= one_hot_up_to}
        self.widths = [self.fixed[i].shape[1] if i in self.fixed else width for i in range(len(sizes))]
        self.parameters = {
            name: Parameter((size + 1, width), std=1.0, decayed=True)
            for name, size in zip(self.names, sizes, strict=True)
            if name is not None
        }

    def forward(self, x: Array, params: Params, engine: NumpyEngine, rng: np.random.Generator | None) -> tuple[Array, Any]:
        rows, out = self.rows(x, engine), engine.buffer("categories", (len(x), sum(self.widths)))
        for i, (name, columns) in enumerate(self._places()):
            out[:, columns] = (self.fixed[i] if name is None else params[name])[rows[:, i]]
        return out, rows

    def rows(self, x: Array, engine: NumpyEngine) -> Array:
        """Return the row of its table that each category number has."""
        return np.asarray(engine.xp.where((x >= 0) & (x < self.sizes), x, -1).astype(np.intp) + 1)

    def backward(self, dout: Array, cache: Any, engine: NumpyEngine, input_gradient: bool) -> tuple[Array | None, Params]:
        """Sum dout for each row of a table, over the rows of the batch that had it; x has no gradient."""
        grads = {}
        for i, (name, columns) in enumerate(self._places()):
            if name is not None:
                grads[name] = engine.buffer(f"d{name}", self.parameters[name].shape)
                grads[name].fill(0)
                engine.add_rows(grads[name], cache[:, i], dout[:, columns])
        return None, grads

    def to_onnx(self, graph: "Graph", x: str, number: Number, *tables: Array) -> str:
        sizes = np.array([number(size) for size in self.sizes])
        known = graph.add("And", graph.add("GreaterOrEqual", x, number(0)), graph.add("Less", x, sizes))
        rows = graph.cast(graph.add("Add", graph.add("Where", known, x, number(-1)), number(1)), np.int64)
        learnt, parts = iter(tables), []
        for i, name in enumerate(self.names):
            table = self.fixed[i].astype(sizes.dtype) if name is None else next(learnt)
            parts.append(graph.add("Gather", table, graph.add("Gather", rows, np.array(i), axis=1), axis=0))
        return graph.add("Concat", *parts, axis=1)

    def _places(self) -> list[tuple[str | None, slice]]:
        ends = np.cumsum(self.widths).tolist()
        return [(name, slice(end - width, end)) for name, end, width in zip(self.names, ends, self.widths, strict=True)]


def one_hot(size: int) -> Array:
    """Return the fixed table of so many categories, float32 (size + 1, width), with the missing one first."""
    return np.array([[0], [1], [-1]] if size == 2 else np.eye(size + 1)[:, 1:], np.float32)


class SideBySide(Layer):
    """The first columns by one layer, or as they are, and the others by another, beside one another in the output.

    It is the first layer of a network: no gradient is handed on.
    """

    def __init__(self, n_first: int, first: Embedding | None, others: Categories) -> None:
        self.n_first, self.first, self.others = n_first, first, others
        self.parameters = {**(first.parameters if first else {}), **others.parameters}

    def forward(self, x: Array, params: Params, engine: NumpyEngine, rng: np.random.Generator | None) -> tuple[Array, Any]:
        left, left_cache = x[:, : self.n_first], None
        if self.first is not None:
            left, left_cache = self.first.forward(left, params, engine, rng)
        right, right_cache = self.others.forward(x[:, self.n_first :], params, engine, rng)
        out = engine.buffer("side by side", (len(x), left.shape[1] + right.shape[1]))
        engine.xp.concatenate((left, right), axis=1, out=out)
        return out, (left.shape[1], left_cache, right_cache)

    def backward(self, dout: Array, cache: Any, engine: NumpyEngine, input_gradient: bool) -> tuple[Array | None, Params]:
        split, left_cache, right_cache = cache
        grads = self.others.backward(dout[:, split:], right_cache, engine, False)[1]
        if self.first is not None:
            grads = self.first.backward(dout[:, :split], left_cache, engine, False)[1] | grads
        return None, grads

    def to_onnx(self, graph: "Graph", x: str, number: Number, *arrays: Array) -> str:
        n_own, axis = len(self.first.parameters) if self.first else 0, np.array([1])
        left = graph.add("Slice", x, np.array([0]), np.array([self.n_first]), axis)
        if self.first is not None:
            left = self.first.to_onnx(graph, left, number, *arrays[:n_own])
        right = graph.add("Slice", x, np.array([self.n_first]), np.array([self.n_first + len(self.others.sizes)]), axis)
        return graph.add("Concat", left, self.others.to_onnx(graph, right, number, *arrays[n_own:]), axis=1)
