"""Rows of a table as numbers: standardised and one-hot, by what the training rows hold."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from fcnet.data.cells import Dialect, as_numbers, as_text, number
from fcnet.errors import InputError
from fcnet.preprocessing.base import Prepared, Preprocessor, PreprocessorSettings, TrainingRows
from fcnet.preprocessing.checks import check_arrays
from fcnet.preprocessing.frames import as_polars
from fcnet.preprocessing.scaling import Scaling
from fcnet.types import Array, is_frame

Column = tuple[str, list[str] | None]
FARTHEST = 1e18  # standard deviations from the mean: what is beyond makes a network of float32 overflow


@dataclass
class TableFeatures(Preprocessor):
    """Numbers as ``(x - mean) / std``, with the median where one is missing; of a category its place among those known.

    A category that is missing, or was not among the training rows, is zero in all its places.

    Parameters
    ----------
    columns : list of (name, categories)
        In the order of the encoded rows; categories are None for numbers.
    median, mean, std : float64 arrays (n_numbers,)
    dialect : Dialect, optional
        How text was written that numbers and categories were read from.
    """

    columns: list[Column]
    median: Array
    mean: Array
    std: Array
    dialect: Dialect | None = None

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
    def fit(cls, frame: Any, dialect: Dialect | None = None) -> "TableFeatures":
        """Measure the columns of a polars data frame of numbers and text."""
        columns: list[Column] = []
        numbers = []
        for name in frame.columns:
            if frame[name].dtype.is_numeric():
                columns.append((name, None))
                numbers.append(_numbers(frame[name], decimal_comma=False))
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
        return cls(columns, median, mean, np.where(std > 0, std, 1.0), dialect)

    def encode(self, frame: Any) -> Array:
        """Return the rows of a data frame, float64 (n, n_columns): numbers, and the number of each category, -1 for none.

        Each cell is read by itself, whatever the other rows hold: text in a column of numbers by the dialect's decimal sign.

        Raises
        ------
        InputError
            If a column is missing, or holds words instead of numbers or numbers instead of categories.
        """
        frame = as_polars(frame, [name for name, _ in self.columns])
        out = np.empty((len(frame), len(self.columns)))
        medians = iter(self.median)
        for i, (name, categories) in enumerate(self.columns):
            series = frame[name]
            if categories is None:
                values = _numbers(series, decimal_comma=bool(self.dialect and name in self.dialect.decimal_commas))
                out[:, i] = np.where(np.isfinite(values), values, next(medians))
            else:
                out[:, i] = _places(series, categories)
        return out

    def unknown(self, frame: Any) -> dict[str, list[str]]:
        """Return of columns those values of a polars data frame that are categories no training row had, if there are any."""
        found: dict[str, list[str]] = {}
        for name, categories in self.columns:
            if categories is not None:
                text = as_text(frame[name])
                values = text.filter((_places(frame[name], categories) < 0) & text.is_not_null().to_numpy()).to_list()
                found |= {name: values} if values else {}
        return found

    def transform(self, X: Any, dtype: DTypeLike = np.float32) -> Array:
        """Return rows (n, n_outputs) for the network, of encoded ones or of a data frame.

        Raises
        ------
        InputError
            If a column does not fit, or a number is so far from those of the training rows that nothing can be computed.
        """
        X = self.encode(X) if is_frame(X) else np.asarray(X)
        out = np.zeros((len(X), self.n_outputs), dtype)
        place = rank = 0
        for i, (name, categories) in enumerate(self.columns):
            if categories is None:
                scaled = (X[:, i] - self.mean[rank]) / self.std[rank]
                far = ~(np.abs(scaled) < FARTHEST)
                if far.any():
                    raise InputError(
                        f"The column {name!r} holds {X[far.argmax(), i]:g}, which is too far from what the model was trained "
                        "on. Correct it, or leave it empty."
                    )
                out[:, place] = scaled
                place, rank = place + 1, rank + 1
                continue
            known = np.flatnonzero(X[:, i] >= 0)
            out[known, place + X[known, i].astype(np.intp)] = 1
            place += len(categories)
        return out

    def get_config(self) -> dict[str, Any]:
        """Return what, with `arrays`, makes an equal one."""
        return {"columns": self.columns, "dialect": self.dialect and asdict(self.dialect)}

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
        dialect = config.get("dialect")  # which older files have not
        if not isinstance(dialect, Mapping | None):
            raise InputError("the dialect of a table needs names and values.")
        return cls(
            columns, arrays["median"], arrays["mean"], arrays["std"], None if dialect is None else Dialect.from_dict(dialect)
        )


class Table(PreprocessorSettings, frozen=True, tag="table"):
    """The columns of a table: numbers standardised, categories one-hot."""

    def check(
        self, image_shape: tuple[int, ...] | None, mirror: bool = False, shift: int = 0, *, is_table: bool = False
    ) -> None:
        """Raise SettingError if images are to be mirrored or moved."""
        super().check(None, mirror, shift)

    def fit(self, rows: TrainingRows) -> Prepared:
        """Fit `TableFeatures` on a data frame; the columns of an array are standardised."""
        began = time.monotonic()
        preprocessor = TableFeatures.fit(rows.X, rows.dialect) if is_frame(rows.X) else Scaling.fit(rows.X)
        return Prepared(preprocessor, preprocessor.transform(rows.X, rows.dtype), time.monotonic() - began)


def places(categories: Sequence[str]) -> dict[str, int]:
    """Return the place of each category, under all the names that programs write for it: True for true, 1.0 for 1."""
    known = {category: place for place, category in enumerate(categories)}
    for value, place in _by_number(categories).items():
        if value == value.to_integral_value():
            known = {str(int(value)): place, f"{value:.1f}": place} | known
    if is_boolean(categories):
        known |= {name: place for category, place in known.items() for name in (category.capitalize(), category.upper())}
    return known


def is_boolean(categories: Sequence[str] | None) -> bool:
    """Return whether a column holds true and false, or one of them."""
    return bool(categories) and {"true", "false"}.issuperset(categories or ())


def _column(column: Sequence[Any]) -> Column:
    name, categories = column
    if not isinstance(name, str) or not (categories is None or all(isinstance(category, str) for category in categories)):
        raise InputError("a column of a table needs a name, and categories that are text.")
    return name, categories


def _numbers(series: Any, *, decimal_comma: bool) -> Array:
    """Return a column as float64, NaN where a value is missing."""
    if series.dtype.is_numeric():
        return np.asarray(series.cast(float).fill_null(np.nan).to_numpy())
    text = as_text(series)
    numbers, others = as_numbers(text, decimal_comma=decimal_comma)
    if others.any():
        row = int(others.arg_max())
        sign = "." if decimal_comma else ","
        other_sign = not as_numbers(text[row : row + 1], decimal_comma=not decimal_comma)[1].any()
        raise InputError(
            f"The column {series.name!r} holds {text[row]!r} in row {row + 1}, and the model was trained on numbers there"
            f"{f', with another decimal sign: say --decimal {sign!r}' if other_sign else ''}. Correct it, or leave it empty."
        )
    return np.asarray(numbers.fill_null(np.nan).to_numpy())


def _places(series: Any, categories: list[str]) -> Array:
    """Return the place of each value among the categories, -1 for none; 1 is found where 1.0 is known, if nothing else is."""
    known, by_number, text = places(categories), _by_number(categories), as_text(series)
    words = text.drop_nulls().unique(maintain_order=True).to_list()
    numbers = [word for word in words if number(word) is not None]
    # Text may be a new category, whatever it looks like, unless there can be none.
    if numbers and categories and not any(map(number, categories)) and (series.dtype.is_numeric() or is_boolean(categories)):
        raise InputError(
            f"The column {series.name!r} holds {numbers[0]}, and the model was trained on categories there, as "
            f"{', '.join(map(repr, categories[:3]))}."
        )
    found = {word: known.get(word, known.get(word.strip(), -1)) for word in words}  # of files blanks were taken off
    found |= {word: by_number.get(value, -1) for word in numbers if found[word] < 0 and (value := number(word)) is not None}
    return np.array([found.get(word, -1) for word in text.to_list()], np.int64)


def _by_number(categories: Sequence[str]) -> dict[Decimal, int]:
    """Return the places of categories that are numbers, but for several that are the same number."""
    numbers = [number(category) for category in categories]
    counts = Counter(numbers)
    return {value: place for place, value in enumerate(numbers) if value is not None and counts[value] == 1}
