"""Columns of numbers: standardised."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike

from fcnet.data.cells import Dialect
from fcnet.preprocessing.table_cells import numbers_of
from fcnet.preprocessing.table_group import ColumnGroup, filled, measured, median_of, scaled
from fcnet.types import Array

if TYPE_CHECKING:
    from fcnet.export.graph import Graph


@dataclass(eq=False)
class Numbers(ColumnGroup):
    """``(x - mean) / std`` of each number, with the median in the place of one that is missing or infinite.

    Parameters
    ----------
    names : list of str
    median, mean, std : float64 arrays (n_columns,)
    """

    names: list[str]
    median: Array
    mean: Array
    std: Array

    @classmethod
    def fit(cls, frame: Any, names: list[str]) -> "Numbers":
        """Find the statistics of columns of a polars data frame, one column at a time."""
        found = []
        for name in names:
            values = numbers_of(frame[name])
            median = median_of(values)
            mean, std = measured(filled(values, median), name)
            found.append((median, mean, std if std > 0 else 1.0))
        return cls(names, *np.array(found, np.float64).reshape(-1, 3).T.copy())

    @property
    def widths(self) -> list[int]:
        return [1] * len(self.names)

    def words(self, i: int) -> tuple[str, str]:
        return "number", f"the median, {self.median[i]:,.6g}"

    def encode(self, frame: Any, dialect: Dialect | None, first_row: int) -> Array:
        import polars as pl

        columns = [frame[name] for name in self.names]
        plain = [i for i, column in enumerate(columns) if column.dtype.is_numeric()]
        out = np.empty((len(frame), len(columns)))
        if plain:  # all at once
            numbers = pl.DataFrame([columns[i] for i in plain])
            out[:, plain] = numbers.select(pl.all().cast(float).fill_null(np.nan)).to_numpy()
        for i in set(range(len(columns))).difference(plain):
            out[:, i] = numbers_of(columns[i], dialect, first_row)
        return filled(out, self.median)

    def transform(self, X: Array) -> Array:
        return scaled(filled(X, self.median), self.mean, self.std, self.names)

    def examples(self, n: int, rng: np.random.Generator) -> Array:
        return np.asarray(self.mean + self.std * rng.standard_normal((n, len(self.names))))

    def onnx_input(self, graph: "Graph", i: int) -> str:
        x = graph.input(self.names[i], np.float64, 1)
        missing = graph.add("Or", graph.add("IsNaN", x), graph.add("IsInf", x))
        return graph.add("Where", missing, self.median[i], x)

    def onnx_values(self, i: int, x: Array) -> Array:
        return x

    def to_onnx(self, graph: "Graph", i: int, x: str, dtype: DTypeLike) -> str:
        return graph.cast(graph.add("Div", graph.add("Sub", x, self.mean[i]), self.std[i]), dtype)
