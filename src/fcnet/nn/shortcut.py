"""A linear model beside the hidden layers of a network for tables: its logits are added to theirs."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from fcnet.engine import NumpyEngine
from fcnet.nn.base import Number, Parameter
from fcnet.nn.table_inputs import Categories
from fcnet.types import Array, Params

if TYPE_CHECKING:
    from fcnet.export.graph import Graph

NAME = "shortcut"


class Shortcut:
    """``out = x W + Σ_j T_j[c_j]`` of a row's numbers x, and the numbers c_j of its categories.

    W is (n_numbers, k). Each T_j has a row for each category of column j, and before them one for a category that is missing or
    unknown. All of it begins at 0.
    """

    def __init__(self, n_numbers: int, category_sizes: Sequence[int], n_outputs: int) -> None:
        self.n_numbers, self.n_outputs = n_numbers, n_outputs
        self.categories = Categories(category_sizes, 0, n_outputs, NAME) if category_sizes else None
        tables = self.categories.parameters if self.categories else {}
        shapes = {NAME: (n_numbers, n_outputs)} if n_numbers else {}
        self.parameters = {name: Parameter(shape) for name, shape in (shapes | {n: p.shape for n, p in tables.items()}).items()}

    def forward(self, x: Array, params: Params, engine: NumpyEngine) -> Array:
        """Return the logits of rows (n, n_numbers + n_categories), (n, k)."""
        out: Array = engine.xp.zeros((len(x), self.n_outputs), engine.dtype)
        if self.n_numbers:
            out += x[:, : self.n_numbers] @ params[NAME]
        if self.categories:
            each = self.categories.forward(x[:, self.n_numbers :], params, engine, None)[0]
            out += each.reshape(len(x), -1, self.n_outputs).sum(axis=1)
        return out

    def backward(self, dout: Array, x: Array, engine: NumpyEngine) -> Params:
        """``dW = xᵀ dout``; ``dT_j`` sums dout over the rows of each category."""
        grads = {NAME: x[:, : self.n_numbers].T @ dout} if self.n_numbers else {}
        if self.categories:
            rows = self.categories.rows(x[:, self.n_numbers :], engine)
            tiled = np.tile(dout, (1, rows.shape[1]))
            grads |= self.categories.backward(tiled, rows, engine, False)[1]
        return grads

    def to_onnx(self, graph: "Graph", x: str, number: Number, params: Params) -> str:
        """Add it to an ONNX graph, and return the name of its logits."""
        parts, axis, end = [], np.array([1]), self.n_numbers
        if self.n_numbers:
            numbers = graph.add("Slice", x, np.array([0]), np.array([end]), axis)
            parts.append(graph.add("MatMul", numbers, params[NAME]))
        if self.categories:
            codes = graph.add("Slice", x, np.array([end]), np.array([end + len(self.categories.sizes)]), axis)
            tables = self.categories.to_onnx(graph, codes, number, *(params[name] for name in self.categories.parameters))
            each = graph.add("Reshape", tables, np.array([0, -1, self.n_outputs]))
            parts.append(graph.add("ReduceSum", each, np.array([1]), keepdims=0))
        return parts[0] if len(parts) == 1 else graph.add("Add", *parts)
