"""Rows of a table as numbers: standardised and one-hot, by the training rows."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike

from fcnet.data.cells import Dialect
from fcnet.errors import InputError
from fcnet.preprocessing.base import Column, Prepared, Preprocessor, PreprocessorSettings, TrainingRows
from fcnet.preprocessing.checks import check_arrays
from fcnet.preprocessing.frames import as_polars
from fcnet.preprocessing.scaling import Scaling
from fcnet.preprocessing.table_cells import numbers_of, places, places_of
from fcnet.preprocessing.views import Views
from fcnet.types import Array, as_array, is_frame
from fcnet.words import listed

if TYPE_CHECKING:
    from fcnet.export.graph import Graph

FARTHEST = 1e18  # standard deviations from the mean: what is beyond makes a network of float32 overflow


@dataclass
class TableFeatures(Preprocessor):
    """Numbers as ``(x - mean) / std``, the median for missing ones; categories one-hot.

    A category that is missing, or is in no training row, is zero in all its places.

    Parameters
    ----------
    columns : list of (name, categories)
        In the order of the encoded rows; categories are None for numbers.
    median, mean, std : float64 arrays (n_numbers,)
    dialect : Dialect, optional
        How text was written that numbers and categories were read from.
    """

    columns: list[Column] = field()  # needed, though there is one in the base
    median: Array
    mean: Array
    std: Array
    dialect: Dialect | None = None

    kind = "table"
    input_dtype = np.float64

    @property
    def n_inputs(self) -> int:
        return len(self.columns)

    @property
    def n_outputs(self) -> int:
        return sum(1 if categories is None else len(categories) for _, categories in self.columns)

    @classmethod
    def fit(cls, frame: Any, dialect: Dialect | None = None) -> "TableFeatures":
        """Find median, mean and standard deviation, or the categories, of each column of a polars data frame."""
        columns: list[Column] = []
        numbers = []
        for name in frame.columns:
            if frame[name].dtype.is_numeric():
                columns.append((name, None))
                numbers.append(numbers_of(frame[name], decimal_comma=False))
            else:
                columns.append((name, sorted(set(frame[name].drop_nulls().to_list()))))
        values = np.array(numbers, np.float64).reshape(len(numbers), len(frame))
        median = np.array([np.median(row[np.isfinite(row)]) if np.isfinite(row).any() else 0.0 for row in values])
        values = np.where(np.isfinite(values), values, median.reshape(-1, 1))
        with np.errstate(over="ignore", invalid="ignore"):
            mean, std = values.mean(axis=1), values.std(axis=1)
        if not np.isfinite(std).all():
            name = [name for name, categories in columns if categories is None][np.isfinite(std).argmin()]
            raise InputError(f"The column {name!r} holds numbers whose squares are too large for float64: scale it.")
        return cls(columns, median, mean, np.where(std > 0, std, 1.0), dialect)

    @property
    def description(self) -> str:
        return "columns of a table, numbers standardised and categories one-hot"

    def column_words(self) -> list[tuple[str, str, str]]:
        medians = iter(self.median)
        return [
            (name, "number", f"the median, {next(medians):,.6g}")
            if categories is None
            else (name, f"category: {listed(categories) or 'none'}", "no category")
            for name, categories in self.columns
        ]

    def encode(self, X: Any, dialect: Dialect | None = None) -> Array:
        """Return the rows of a data frame, float64 (n, n_columns): numbers, and the number of each category, -1 for none.

        Each cell is read by itself, whatever the other rows hold: text in a column of numbers by the decimal sign of a dialect,
        the table's own where none is given. An array is returned as it is.

        Raises
        ------
        InputError
            If a column is missing, or holds words instead of numbers or numbers instead of categories.
        """
        if not is_frame(X):
            return as_array(X)
        dialect = dialect or self.dialect
        frame = as_polars(X, [name for name, _ in self.columns])
        out = np.empty((len(frame), len(self.columns)))
        medians = iter(self.median)
        for i, (name, categories) in enumerate(self.columns):
            series = frame[name]
            if categories is None:
                values = numbers_of(series, decimal_comma=bool(dialect and name in dialect.decimal_commas))
                out[:, i] = np.where(np.isfinite(values), values, next(medians))
            else:
                out[:, i] = places_of(series, categories)
        return out

    def transform(self, X: Any, dtype: DTypeLike = np.float32) -> Array:
        """Return rows (n, n_outputs) for the network, of encoded ones or of a data frame.

        Raises
        ------
        InputError
            If a column does not fit, or a number is so far from those of the training rows that nothing can be computed.
        """
        X = self.encode(X)
        out = np.zeros((len(X), self.n_outputs), dtype)
        measured, place = zip(self.mean, self.std, strict=True), 0
        for i, (name, categories) in enumerate(self.columns):
            if categories is None:
                mean, std = next(measured)
                scaled = (X[:, i] - mean) / std
                far = ~(np.abs(scaled) < FARTHEST)
                if far.any():
                    raise InputError(
                        f"The column {name!r} holds {X[far.argmax(), i]:g}, which is too far from what the model was trained "
                        "on. Correct it, or leave it empty."
                    )
                out[:, place] = scaled
                place += 1
            else:
                known = np.flatnonzero(X[:, i] >= 0)
                out[known, place + X[known, i].astype(np.intp)] = 1
                place += len(categories)
        return out

    def onnx_inputs(self, graph: "Graph", dtype: DTypeLike, n_inputs: int) -> str:
        """Add inputs (rows, 1), float64 for numbers and strings for categories, and the nodes of `encode`.

        Raises
        ------
        InputError
            If a column has no name.
        """
        if not all(name for name, _ in self.columns):
            raise InputError(
                "A column of the table has no name, and an input of an ONNX graph needs one: name it, and train anew."
            )
        encoded, medians = [], iter(self.median)
        for name, categories in self.columns:
            if categories is None:
                x = graph.input(name, np.float64, 1)
                missing = graph.add("Or", graph.add("IsNaN", x), graph.add("IsInf", x))
                encoded.append(graph.add("Where", missing, next(medians), x))
            elif categories:
                known = places(categories)
                x = graph.add(
                    *("LabelEncoder", graph.input(name, object, 1)),
                    domain="ai.onnx.ml",
                    keys_strings=list(known),
                    values_int64s=list(known.values()),
                    default_int64=-1,
                )
                encoded.append(graph.cast(x, np.float64))
        return graph.add("Concat", *encoded, axis=1)

    def onnx_values(self, X: Array) -> dict[str, Array]:
        values: dict[str, Array] = {}
        for (name, categories), column in zip(self.columns, X.T, strict=True):
            if categories is None:
                values[name] = column[:, np.newaxis].copy()
            elif categories:
                texts = [categories[int(code)] if code >= 0 else "" for code in column]
                values[name] = np.array(texts, object)[:, np.newaxis]
        return values

    def to_onnx(self, graph: "Graph", x: str, dtype: DTypeLike, views: Views) -> str:
        known = [categories for _, categories in self.columns if categories != []]
        measured, parts = zip(self.mean, self.std, strict=True), []
        for i, categories in enumerate(known):
            column = graph.add("Gather", x, np.array([i]), axis=1)
            if categories is None:
                mean, std = next(measured)
                column = graph.add("Div", graph.add("Sub", column, mean), std)
            else:
                column = graph.add("Equal", column, np.arange(len(categories), dtype=np.float64))
            parts.append(graph.cast(column, dtype))
        return graph.add("Concat", *parts, axis=1)

    def example_rows(self, shape: tuple[int, int], rng: np.random.Generator, max_value: float | None) -> Array:
        measured = zip(self.mean, self.std, strict=True)
        columns = []
        for _, categories in self.columns:
            if categories is None:
                mean, std = next(measured)
                columns.append(mean + std * rng.standard_normal(shape[0]))
            else:
                columns.append(rng.integers(-1, len(categories), shape[0]).astype(np.float64))
        return np.column_stack(columns)

    def get_config(self) -> dict[str, Any]:
        return {"columns": self.columns, "dialect": self.dialect and asdict(self.dialect)}

    def arrays(self) -> dict[str, Array]:
        return {"median": self.median, "mean": self.mean, "std": self.std}

    @classmethod
    def from_arrays(cls, config: Mapping[str, Any], arrays: Mapping[str, Array]) -> "TableFeatures":
        columns = [_column(column) for column in config["columns"]]
        n = sum(categories is None for _, categories in columns)
        check_arrays("table", arrays, dict.fromkeys(("median", "mean", "std"), (n,)))
        dialect = config.get("dialect")  # which older files have not
        if not isinstance(dialect, Mapping | None):
            raise InputError("the dialect of a table needs names and values.")
        return cls(columns, **arrays, dialect=None if dialect is None else Dialect.from_dict(dialect))


class Table(PreprocessorSettings, frozen=True, tag="table"):
    """The columns of a table: numbers standardised, categories one-hot. Rows of numbers, and pixels, are standardised."""

    def fit(self, rows: TrainingRows) -> Prepared:
        """Fit `TableFeatures` on a data frame, and `Scaling` on an array."""
        began = time.monotonic()
        if is_frame(rows.X):
            preprocessor: Preprocessor = TableFeatures.fit(rows.X, rows.dialect)
        else:
            preprocessor = Scaling.fit(rows.X, image_shape=rows.image_shape if rows.mirror else None)
        return Prepared(preprocessor, preprocessor.transform(rows.X, rows.dtype), time.monotonic() - began)


def _column(column: Sequence[Any]) -> Column:
    name, categories = column
    if not isinstance(name, str) or not (categories is None or all(isinstance(category, str) for category in categories)):
        raise InputError("a column of a table needs a name, and categories that are text.")
    return name, categories
