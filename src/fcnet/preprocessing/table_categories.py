"""Columns of categories: one-hot."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike

from fcnet.data.cells import Dialect, as_text
from fcnet.errors import InputError
from fcnet.preprocessing.table_cells import Places, places
from fcnet.preprocessing.table_group import ColumnGroup
from fcnet.types import Array
from fcnet.words import listed

if TYPE_CHECKING:
    from fcnet.export.graph import Graph


@dataclass(eq=False)
class Categories(ColumnGroup):
    """One output for each category, 1 where it is that; a category that is missing, or unknown, is zero in all its places.

    Parameters
    ----------
    names : list of str
    known : list of lists of str
        The categories of each column.
    """

    names: list[str]
    known: list[list[str]]

    @classmethod
    def fit(cls, frame: Any, names: list[str]) -> "Categories":
        """Find the categories of columns of a polars data frame."""
        return cls(names, [sorted(as_text(frame[name]).drop_nulls().unique()) for name in names])

    @property
    def widths(self) -> list[int]:
        return [len(known) for known in self.known]

    def categories(self, i: int) -> list[str] | None:
        return self.known[i]

    def words(self, i: int) -> tuple[str, str]:
        return f"category: {listed(self.known[i]) or 'none'}", "no category"

    @cached_property
    def _places(self) -> list[Places]:
        return [Places(known) for known in self.known]

    def encode(self, frame: Any, dialect: Dialect | None, first_row: int) -> Array:
        codes = [places.of(frame[name]) for places, name in zip(self._places, self.names, strict=True)]
        return np.array(codes, np.float64).reshape(len(codes), len(frame)).T

    def transform(self, X: Array) -> Array:
        widths = np.array(self.widths, np.intp)
        if (widths <= X).any():
            name = self.names[int((widths <= X).any(axis=0).argmax())]
            raise InputError(
                f"The column {name!r} of X holds {X[:, self.names.index(name)].max():g}, the place of no category."
            )
        out = np.zeros((len(X), widths.sum()), bool)
        rows, columns = np.nonzero(X >= 0)
        out[rows, (np.cumsum(widths) - widths)[columns] + X[rows, columns].astype(np.intp)] = True
        return out

    def examples(self, n: int, rng: np.random.Generator) -> Array:
        return rng.integers(-1, self.widths, (n, len(self.names))).astype(np.float64)

    def onnx_input(self, graph: "Graph", i: int) -> str:
        known = places(self.known[i])
        x = graph.add(
            *("LabelEncoder", graph.input(self.names[i], object, 1)),
            domain="ai.onnx.ml",
            keys_strings=list(known),
            values_int64s=list(known.values()),
            default_int64=-1,
        )
        return graph.cast(x, np.float64)

    def onnx_values(self, i: int, x: Array) -> Array:
        return np.array([self.known[i][int(code)] if code >= 0 else "" for code in x], object)

    def to_onnx(self, graph: "Graph", i: int, x: str, dtype: DTypeLike) -> str:
        return graph.cast(graph.add("Equal", x, np.arange(self.widths[i], dtype=np.float64)), dtype)
