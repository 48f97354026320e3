"""Columns of dates: year, month, weekday, hour and elapsed days, standardised."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike

from fcnet.data.cells import Dialect
from fcnet.preprocessing.table_cells import seconds_of
from fcnet.preprocessing.table_group import ColumnGroup, filled, measured, scaled
from fcnet.types import Array

if TYPE_CHECKING:
    from fcnet.export.graph import Graph

PARTS = ("year", "month", "weekday", "hour", "elapsed days")
DAY = 86400.0  # seconds


def parts_of(seconds: Any, floor: Callable[[Any], Any]) -> tuple[Any, ...]:
    """Return `PARTS` of seconds since 1970, in the Gregorian calendar, months from 1, weekdays from Monday, 0.

    By arithmetic alone, for arrays and for graphs. Years are counted from March, so that a leap day is the last of its year,
    and in eras of 400 years, which have 146,097 days (Hinnant, "chrono-compatible low-level date algorithms").
    """
    days = floor(seconds / DAY)
    since_march_0 = days + 719468.0
    era = floor(since_march_0 / 146097.0)
    day = since_march_0 - era * 146097.0
    year = floor((day - floor(day / 1460.0) + floor(day / 36524.0) - floor(day / 146096.0)) / 365.0)
    day = day - (year * 365.0 + floor(year / 4.0) - floor(year / 100.0))
    month = floor((day * 5.0 + 2.0) / 153.0)  # 0 is March
    is_next_year = floor(month / 10.0)
    weekday = days + 3.0  # 1 January 1970 was a Thursday
    return (
        year + era * 400.0 + is_next_year,
        month + 3.0 - is_next_year * 12.0,
        weekday - floor(weekday / 7.0) * 7.0,
        (seconds - days * DAY) / 3600.0,
        seconds / DAY,
    )


@dataclass(eq=False)
class Dates(ColumnGroup):
    """``(part - mean) / std`` of those `PARTS` of each date that vary in training; for a missing date stands the median.

    The hour has minutes and seconds as its fraction. Days elapse from 1970 on, which standardising takes away again.

    Parameters
    ----------
    names : list of str
    median : float64 array (n_columns,)
        In seconds since 1970, UTC, as encoded dates are.
    mean, std : float64 arrays (n_columns, 5)
        Of the parts; the deviation is 0 for those that are left out.
    """

    names: list[str]
    median: Array
    mean: Array
    std: Array

    @classmethod
    def fit(cls, frame: Any, names: list[str]) -> "Dates":
        """Find the statistics of columns of a polars data frame."""
        median, mean, std = np.zeros(len(names)), np.zeros((len(names), len(PARTS))), np.zeros((len(names), len(PARTS)))
        for i, name in enumerate(names):
            seconds = seconds_of(frame[name])
            finite = np.sort(seconds[np.isfinite(seconds)])
            median[i] = finite[(len(finite) - 1) // 2] if len(finite) else 0.0  # no mean of two, which may have a time of day
            for j, part in enumerate(parts_of(filled(seconds, median[i]), np.floor)):
                mean[i, j], deviation = measured(part, name)
                std[i, j] = deviation if part.min() < part.max() else 0.0
        return cls(names, median, mean, std)

    @property
    def widths(self) -> list[int]:
        return [int(width) for width in (self.std > 0).sum(axis=1)]

    def words(self, i: int) -> tuple[str, str]:
        parts = (
            ", ".join(name for name, std in zip(PARTS, self.std[i], strict=True) if std > 0) or "nothing, as it did not vary"
        )
        day = str(np.datetime64(int(self.median[i]), "s")).removesuffix("T00:00:00")
        return f"date: {parts}", f"the median, {day}"

    def encode(self, frame: Any, dialect: Dialect | None, first_row: int) -> Array:
        columns = [seconds_of(frame[name], dialect, first_row) for name in self.names]
        return filled(np.array(columns, np.float64).reshape(len(columns), len(frame)).T, self.median)

    def transform(self, X: Array) -> Array:
        kept = self.std > 0
        parts = np.stack(parts_of(filled(X, self.median), np.floor), axis=2)
        return scaled(parts, self.mean, np.where(kept, self.std, np.inf), self.names)[:, kept]

    def examples(self, n: int, rng: np.random.Generator) -> Array:
        days = self.mean[:, -1] + self.std[:, -1] * rng.standard_normal((n, len(self.names)))
        return np.asarray(np.rint(days * DAY))

    def onnx_input(self, graph: "Graph", i: int) -> str:
        x = graph.input(self.names[i], np.float64, 1)
        missing = graph.add("Or", graph.add("IsNaN", x), graph.add("IsInf", x))
        return graph.add("Where", missing, self.median[i], x)

    def onnx_values(self, i: int, x: Array) -> Array:
        return x

    def to_onnx(self, graph: "Graph", i: int, x: str, dtype: DTypeLike) -> str:
        parts, kept = parts_of(_Node(graph, x), _Node.floor), self.std[i] > 0
        together = graph.add("Concat", *(part.name for part, is_kept in zip(parts, kept, strict=True) if is_kept), axis=1)
        return graph.cast(graph.add("Div", graph.add("Sub", together, self.mean[i, kept]), self.std[i, kept]), dtype)


@dataclass(frozen=True)
class _Node:
    """A float64 value of a graph, for arithmetic."""

    graph: "Graph"
    name: str

    def __add__(self, other: "_Node | float") -> "_Node":
        return self._with("Add", other)

    def __sub__(self, other: "_Node | float") -> "_Node":
        return self._with("Sub", other)

    def __mul__(self, other: float) -> "_Node":
        return self._with("Mul", other)

    def __truediv__(self, other: float) -> "_Node":
        return self._with("Div", other)

    def floor(self) -> "_Node":
        return _Node(self.graph, self.graph.add("Floor", self.name))

    def _with(self, op: str, other: "_Node | float") -> "_Node":
        return _Node(self.graph, self.graph.add(op, self.name, other.name if isinstance(other, _Node) else np.float64(other)))
