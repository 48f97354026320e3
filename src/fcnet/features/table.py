"""Rows of a table as numbers: standardised and one-hot, by what the training rows hold."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from fcnet.errors import InputError
from fcnet.features.checks import check_arrays
from fcnet.types import Array
from fcnet.words import listed

Column = tuple[str, list[str] | None]
FARTHEST = 1e18  # standard deviations from the mean: what is beyond makes a network of float32 overflow


@dataclass
class TableFeatures:
    """Numbers as ``(x - mean) / std``, with the median where one is missing; of a category its place among those known.

    A category that is missing, or was not among the training rows, is zero in all its places.

    Parameters
    ----------
    columns : list of (name, categories)
        In the order of the encoded rows; categories are None for numbers.
    median, mean, std : float64 arrays (n_numbers,)
    """

    columns: list[Column]
    median: Array
    mean: Array
    std: Array

    kind = "table"

    def __post_init__(self) -> None:
        self._numbers = [i for i, (_, categories) in enumerate(self.columns) if categories is None]

    @property
    def n_inputs(self) -> int:
        """Columns."""
        return len(self.columns)

    @property
    def n_outputs(self) -> int:
        """Numbers and categories."""
        return sum(1 if categories is None else len(categories) for _, categories in self.columns)

    @classmethod
    def fit(cls, frame: Any) -> "TableFeatures":
        """Measure the columns of a polars data frame of numbers and text."""
        columns: list[Column] = []
        numbers = []
        for name in frame.columns:
            if frame[name].dtype.is_numeric():
                columns.append((name, None))
                numbers.append(_numbers(frame[name]))
            else:
                columns.append((name, sorted(set(frame[name].drop_nulls().to_list()))))
        values = np.array(numbers, np.float64).reshape(len(numbers), len(frame))
        median = np.array([np.median(row[np.isfinite(row)]) if np.isfinite(row).any() else 0.0 for row in values])
        values = np.where(np.isfinite(values), values, median.reshape(-1, 1))
        with np.errstate(over="ignore", invalid="ignore"):
            mean, std = values.mean(axis=1), values.std(axis=1)
        for (name, _), finite in zip([column for column in columns if column[1] is None], np.isfinite(std), strict=True):
            if not finite:
                raise InputError(f"The column {name!r} holds numbers whose squares are too large for float64: scale it.")
        return cls(columns, median, mean, np.where(std > 0, std, 1.0))

    def encode(self, frame: Any) -> Array:
        """Return the rows of a data frame, float64 (n, n_columns): numbers, and the number of each category, -1 for none.

        Raises
        ------
        InputError
            If a column is missing, or holds words instead of numbers or numbers instead of categories.
        """
        if not hasattr(frame, "with_columns"):
            raise InputError("The model takes a polars data frame; polars.from_pandas makes one of a pandas one.")
        missing = sorted({name for name, _ in self.columns} - set(frame.columns))
        if missing:
            raise InputError(
                f"There is no column {listed(map(repr, missing))}, which the model was trained on; there are "
                f"{listed(map(repr, sorted(frame.columns)))}."
            )
        out = np.empty((len(frame), len(self.columns)))
        medians = iter(self.median)
        for i, (name, categories) in enumerate(self.columns):
            if categories is None:
                values = _numbers(frame[name])
                out[:, i] = np.where(np.isfinite(values), values, next(medians))
            else:
                out[:, i] = _places(frame[name], categories)
        return out

    def unknown(self, frame: Any) -> dict[str, int]:
        """Return for columns how many values of `frame` are categories that no training row had, where there are any."""
        columns = ((name, categories) for name, categories in self.columns if categories is not None)
        unknown = {name: (_places(frame[name], known) < 0) & frame[name].is_not_null().to_numpy() for name, known in columns}
        return {name: int(rows.sum()) for name, rows in unknown.items() if rows.any()}

    def transform(self, X: Any, dtype: DTypeLike = np.float32) -> Array:
        """Return rows (n, n_outputs) for the network, of encoded ones or of a data frame.

        Raises
        ------
        InputError
            If a column does not fit, or a number is so far from those of the training rows that nothing can be computed.
        """
        X = self.encode(X) if hasattr(X, "columns") else np.asarray(X)
        out = np.zeros((len(X), self.n_outputs), dtype)
        place = number = 0
        for i, (name, categories) in enumerate(self.columns):
            if categories is None:
                scaled = (X[:, i] - self.mean[number]) / self.std[number]
                far = ~(np.abs(scaled) < FARTHEST)
                if far.any():
                    raise InputError(
                        f"The column {name!r} holds {X[far.argmax(), i]:g}, which is too far from what the model was trained "
                        "on. Correct it, or leave it empty."
                    )
                out[:, place] = scaled
                place, number = place + 1, number + 1
                continue
            known = np.flatnonzero(X[:, i] >= 0)
            out[known, place + X[known, i].astype(np.intp)] = 1
            place += len(categories)
        return out

    def get_config(self) -> dict[str, Any]:
        """Return what, with `arrays`, makes an equal one."""
        return {"columns": self.columns}

    def arrays(self) -> dict[str, Array]:
        """Return what was measured of the numbers."""
        return {"median": self.median, "mean": self.mean, "std": self.std}

    @classmethod
    def from_arrays(cls, config: Mapping[str, Any], arrays: Mapping[str, Array]) -> "TableFeatures":
        """Make one of what `get_config` and `arrays` returned.

        Raises
        ------
        InputError
            If they do not fit.
        """
        columns = [_column(column) for column in config["columns"]]
        n = sum(categories is None for _, categories in columns)
        check_arrays("table", arrays, dict.fromkeys(("median", "mean", "std"), (n,)))
        return cls(columns, arrays["median"], arrays["mean"], arrays["std"])


def places(categories: Sequence[str]) -> dict[str, int]:
    """Return the place of each category, under all the names that programs write for it: True for true, 1.0 for 1."""
    known = {category: place for place, category in enumerate(categories)}
    for number, place in _by_number(categories).items():
        if number.is_integer():
            known = {str(int(number)): place, f"{number:.1f}": place} | known
    if known.keys() <= {"true", "false"}:
        known |= {name: place for category, place in known.items() for name in (category.capitalize(), category.upper())}
    return known


def _column(column: Sequence[Any]) -> Column:
    name, categories = column
    if not isinstance(name, str) or not (categories is None or all(isinstance(category, str) for category in categories)):
        raise InputError("a column of a table needs a name, and categories that are text.")
    return name, categories


def _numbers(series: Any) -> Array:
    """Return a column as float64, NaN where a value is missing."""
    if not series.dtype.is_numeric():
        words = [(_number(str(value)) is not None, row, value) for row, value in enumerate(series) if value is not None]
        if words:
            _, row, word = min(words)  # the first that is no number, if any is none
            raise InputError(
                f"The column {series.name!r} holds {word!r} in row {row + 1}, and the model was trained on numbers there. "
                "Correct it, or leave it empty."
            )
        return np.full(len(series), np.nan)
    return np.asarray(series.cast(float).fill_null(np.nan).to_numpy())


def _places(series: Any, categories: list[str]) -> Array:
    """Return the place of each value among the categories, -1 for none; 1 is found where 1.0 is known, if nothing else is."""
    known, by_number, values = places(categories), _by_number(categories), series.cast(str).to_list()
    numbers = [_number(value) for value in values]
    have_words = any(number is None and value is not None for number, value in zip(numbers, values, strict=True))
    if any(values) and not have_words and all(_number(category) is None for category in categories):
        raise InputError(
            f"The column {series.name!r} holds {next(filter(None, values))}, and the model was trained on categories there, as "
            f"{', '.join(map(repr, categories[:3]))}."
        )
    found = [
        known.get(value, -1 if number is None else by_number.get(number, -1))
        for value, number in zip(values, numbers, strict=True)
    ]
    return np.array(found, np.int64)


def _by_number(categories: Sequence[str]) -> dict[float, int]:
    """Return the places of categories that are numbers, but for several that are the same number."""
    numbers = [_number(category) for category in categories]
    counts = Counter(numbers)
    return {number: place for place, number in enumerate(numbers) if number is not None and counts[number] == 1}


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None
