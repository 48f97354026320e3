"""Columns of numbers: scaled."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import DTypeLike

from fcnet.data.cells import Dialect
from fcnet.errors import InputError
from fcnet.preprocessing.frames import PolarsColumns
from fcnet.preprocessing.table_cells import numbers_of
from fcnet.preprocessing.table_group import ColumnGroup
from fcnet.preprocessing.table_nodes import Node
from fcnet.types import Array

if TYPE_CHECKING:
    from fcnet.export.graph import Graph

FARTHEST = 1e18  # standard deviations from the mean: what is beyond makes a network of float32 overflow
CLIP = 3.0


@dataclass(eq=False)
class Numbers(ColumnGroup):
    """``(x - mean) / std`` of each number, with the median in the place of one that is missing or infinite.

    Robust: the median and the quartile range ``q75 - q25`` stand for mean and std, and ``z = (x - median) / (q75 - q25)``
    becomes ``z / sqrt(1 + (z / 3)²)``, which lies between -3 and 3 (Holzmüller, Grinsztajn and Steinwart 2024, "Better by
    default"). If the quartile range is 0, half of the range, ``(max - min) / 2``, stands for it, as it does there. A column
    that is constant in training has no output then, where there it has one that is always 0. Missing values count neither for
    the median nor for the quartiles.

    Parameters
    ----------
    names : list of str
    median : float64 array (n_columns,)
    mean, std : float64 arrays (n_columns, n_parts)
        What is subtracted, and then divided by. A part with an `std` of 0 is left out.
    gaps : collection of str
        The columns with a second output, 1 where the value is missing and 0 elsewhere.
    is_robust : bool
    """

    names: list[str]
    median: Array
    mean: Array
    std: Array
    gaps: Collection[str] = ()
    is_robust: bool = False

    parts: ClassVar[tuple[str, ...]] = ("number",)
    constant_std: ClassVar[float] = 1.0

    @staticmethod
    def read(column: Any, dialect: Dialect | None = None, first_row: int = 0) -> Array:
        """Return the values of a column, NaN where one is missing."""
        return numbers_of(column, dialect, first_row)

    @staticmethod
    def parts_of(x: Any, floor: Callable[[Any], Any]) -> tuple[Any, ...]:
        """Return what a value is divided into, for arrays and for graphs."""
        return (x,)

    @staticmethod
    def middle(values: Array) -> float:
        """Return the median of finite values."""
        return float(np.median(values))

    @classmethod
    def fit(cls, frame: PolarsColumns, names: list[str], *, is_robust: bool = False, indicator: bool = False) -> Self:
        """Find the statistics of columns of a data frame; with `indicator` those with gaps have an output that says so."""
        median, gaps = np.zeros(len(names)), []
        mean, std = np.zeros((len(names), len(cls.parts))), np.zeros((len(names), len(cls.parts)))
        for i, name in enumerate(names):
            values = cls.read(frame[name])
            finite = np.isfinite(values)
            if finite.any():
                median[i] = cls.middle(values[finite])
            if indicator and not finite.all():
                gaps.append(name)
            known = values[finite] if is_robust else np.where(finite, values, median[i])
            for j, part in enumerate(cls.parts_of(known, np.floor)):
                mean[i, j], std[i, j] = _robust(part) if is_robust else cls.standard(part)
            if not np.isfinite(std[i]).all():
                raise InputError(f"The column {name!r} holds numbers whose squares are too large for float64: scale it.")
        return cls(names, median, mean, std, gaps, is_robust)

    @classmethod
    def standard(cls, values: Array) -> tuple[float, float]:
        """Return mean and standard deviation, `constant_std` where that is 0."""
        with np.errstate(over="ignore", invalid="ignore"):
            mean, std = values.mean(), values.std()
        if values.min() == values.max():  # of which mean and deviation may be rounded
            mean, std = values[0], 0.0
        return mean, std or cls.constant_std

    @property
    def widths(self) -> list[int]:
        return [int(n) for n in (self.std > 0).sum(axis=1) + self._has_gaps]

    @cached_property
    def _has_gaps(self) -> Array:
        gaps = set(self.gaps)
        return np.array([name in gaps for name in self.names], bool)

    def words(self, i: int) -> tuple[str, str]:
        return "number", self._missing_words(i, f"{self.median[i]:,.6g}")

    def _missing_words(self, i: int, median: str) -> str:
        return f"the median, {median}{', and missing' if self._has_gaps[i] else ''}"

    def encode(self, frame: Any, dialect: Dialect | None, first_row: int) -> Array:
        out = self._values([frame[name] for name in self.names], dialect, first_row)
        return np.where(np.isfinite(out), out, np.where(self._has_gaps, np.nan, self.median))

    def _values(self, columns: list[Any], dialect: Dialect | None, first_row: int) -> Array:
        out = np.empty((len(columns[0]), len(columns)))
        for i, column in enumerate(columns):
            if not column.dtype.is_numeric():
                out[:, i] = self.read(column, dialect, first_row)
                continue
            numbers = column if column.dtype.is_float() else column.cast(float)
            out[:, i] = (numbers.fill_null(np.nan) if numbers.null_count() else numbers).to_numpy()
        return out

    def transform(self, X: Array) -> Array:
        is_known, kept = np.isfinite(X), self.std > 0
        parts = np.stack(self.parts_of(np.where(is_known, X, self.median), np.floor), axis=2)
        with np.errstate(over="ignore"):
            scaled = (parts - self.mean) / np.where(kept, self.std, np.inf)
        near = np.abs(scaled) < FARTHEST
        if self.is_robust:
            scaled = np.clip(scaled, -FARTHEST, FARTHEST)
            scaled /= np.sqrt(1 + (scaled / CLIP) ** 2)
        elif not near.all():
            row, column, _ = np.argwhere(~near)[0]
            raise InputError(
                f"The column {self.names[column]!r} holds {X[row, column]:g}, which is too far from what the model was trained "
                "on. Correct it, or leave it empty."
            )
        if not self.gaps:
            return np.asarray(scaled[:, kept])
        together = np.concatenate([scaled, ~is_known[:, :, np.newaxis]], axis=2)
        return np.asarray(together[:, np.column_stack([kept, self._has_gaps])])

    def examples(self, n: int, rng: np.random.Generator) -> Array:
        rows = self.mean[:, -1] + self.std[:, -1] * rng.standard_normal((n, len(self.names)))
        return np.where(self._has_gaps & (rng.random(rows.shape) < 0.5), np.nan, rows)

    def onnx_input(self, graph: "Graph", i: int) -> str:
        x = graph.input(self.names[i], np.float64, 1)
        missing = graph.add("Or", graph.add("IsNaN", x), graph.add("IsInf", x))
        return graph.add("Where", missing, np.float64(np.nan) if self._has_gaps[i] else self.median[i], x)

    def onnx_values(self, i: int, x: Array) -> Array:
        return x

    def to_onnx(self, graph: "Graph", i: int, x: str, dtype: DTypeLike) -> str:
        outputs, kept = [], self.std[i] > 0
        missing = graph.add("IsNaN", x) if self._has_gaps[i] else ""
        if kept.any():
            known = Node(graph, graph.add("Where", missing, self.median[i], x) if missing else x)
            parts = [part.name for part, is_kept in zip(self.parts_of(known, Node.floor), kept, strict=True) if is_kept]
            scaled = graph.add("Concat", *parts, axis=1) if len(parts) > 1 else parts[0]
            scaled = graph.add("Div", graph.add("Sub", scaled, self.mean[i, kept]), self.std[i, kept])
            if self.is_robust:
                near = Node(graph, graph.add("Clip", scaled, np.float64(-FARTHEST), np.float64(FARTHEST)))
                third = near / CLIP
                scaled = (near / Node(graph, graph.add("Sqrt", (third * third + 1.0).name))).name
            outputs.append(graph.cast(scaled, dtype))
        if missing:
            outputs.append(graph.cast(missing, dtype))
        return graph.add("Concat", *outputs, axis=1) if len(outputs) > 1 else outputs[0]


def _robust(values: Array) -> tuple[float, float]:
    """Return the median and the quartile range, of constant quartiles half the range, and 0 of no values."""
    if not len(values):
        return 0.0, 0.0
    low, median, high = np.quantile(values, [0.25, 0.5, 0.75])
    with np.errstate(over="ignore"):
        return median, high - low if high > low else (values.max() - values.min()) / 2
