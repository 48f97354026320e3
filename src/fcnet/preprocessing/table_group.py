"""What all kinds of columns of a table have in common, and how values are scaled."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike

from fcnet.data.cells import Dialect
from fcnet.errors import InputError
from fcnet.types import Array

if TYPE_CHECKING:
    from fcnet.export.graph import Graph

FARTHEST = 1e18  # standard deviations from the mean: what is beyond makes a network of float32 overflow


class ColumnGroup(ABC):
    """The columns of one kind of a table, which are fitted, encoded and transformed together; each has outputs of its own.

    Attributes
    ----------
    names : list of str
    widths : list of int
        How many outputs each column has.
    """

    names: list[str]

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


def measured(values: Array, name: str) -> tuple[float, float]:
    """Return the mean of finite values (n,) and their standard deviation, or raise InputError if it is not finite."""
    with np.errstate(over="ignore", invalid="ignore"):
        mean, std = values.mean(), values.std()
    if not np.isfinite(std):
        raise InputError(f"The column {name!r} holds numbers whose squares are too large for float64: scale it.")
    return float(mean), float(std)


def filled(values: Array, median: Array | float) -> Array:
    """Return values with the median for those that are missing or infinite."""
    return np.where(np.isfinite(values), values, median)


def median_of(values: Array) -> float:
    """Return the median of the values (n,) that are finite, 0 if none is."""
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if len(finite) else 0.0


def scaled(X: Array, center: Array, spread: Array, names: Sequence[str]) -> Array:
    """Return ``(X - center) / spread`` of columns (n, n_columns, …); InputError if a value is too far away."""
    with np.errstate(over="ignore"):
        out = (X - center) / spread
    near = np.abs(out) < FARTHEST
    if not near.all():
        row, column, *_ = np.argwhere(~near)[0]
        raise InputError(
            f"The column {names[column]!r} holds {np.atleast_1d(X[row, column])[-1]:g}, which is too far from what the model "
            "was trained on. Correct it, or leave it empty."
        )
    return np.asarray(out)
