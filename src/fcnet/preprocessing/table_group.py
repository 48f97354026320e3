"""What all kinds of columns of a table have in common."""

from abc import ABC, abstractmethod
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike

from fcnet.data.cells import Dialect
from fcnet.types import Array

if TYPE_CHECKING:
    from fcnet.export.graph import Graph


class ColumnGroup(ABC):
    """The columns of one kind of a table, which are fitted, encoded and transformed together; each has outputs of its own.

    Attributes
    ----------
    names : list of str
    gaps : collection of str
        The columns with an output that is 1 where a value is missing, and 0 elsewhere.
    """

    names: list[str]
    gaps: Collection[str]

    @property
    @abstractmethod
    def widths(self) -> list[int]:
        """How many outputs each column has."""

    def categories(self, i: int) -> list[str] | None:
        """Return the categories of a column, None for one of numbers."""
        return None

    @abstractmethod
    def words(self, i: int) -> tuple[str, str]:
        """Return in words what a column is, and what a missing value counts as."""

    def cells(self, i: int, values: Array) -> list[Any]:
        """Return encoded values of a column as a table holds them."""
        names = self.categories(i)
        return list(values.tolist()) if names is None else [names[int(v)] if 0 <= v < len(names) else None for v in values]

    @abstractmethod
    def encode(self, frame: Any, dialect: Dialect | None, first_row: int) -> Array:
        """Return the columns of a polars data frame as float64 (n, n_columns)."""

    @abstractmethod
    def transform(self, X: Array) -> Array:
        """Return the outputs (n, sum of widths) of encoded columns (n, n_columns)."""

    @abstractmethod
    def examples(self, n: int, rng: np.random.Generator) -> Array:
        """Return encoded columns (n, n_columns) of random rows."""

    @abstractmethod
    def onnx_input(self, graph: "Graph", i: int) -> str:
        """Add the input of a column to a graph, and the nodes that encode it (rows, 1)."""

    @abstractmethod
    def onnx_values(self, i: int, x: Array) -> Array:
        """Return the values (n,) of that input for an encoded column."""

    @abstractmethod
    def to_onnx(self, graph: "Graph", i: int, x: str, dtype: DTypeLike) -> str:
        """Add the nodes that transform an encoded column (rows, 1) into its outputs."""
