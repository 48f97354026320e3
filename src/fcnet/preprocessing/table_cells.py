"""Cells of a table as numbers: values of columns of numbers and of dates, and places of categories among the known ones."""

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np

from fcnet.data.cells import Dialect, as_numbers, as_text, number, stripped
from fcnet.data.dates import CLOCK, ISO, dates_of, hours_of
from fcnet.errors import InputError
from fcnet.types import Array


def places(categories: Sequence[str]) -> dict[str, int]:
    """Return the place of each category, under all the names that programs write for it: True for true, 1.0 for 1."""
    known = {category: place for place, category in enumerate(categories)}
    for value, place in _by_number(categories).items():
        if value == value.to_integral_value():
            known = {str(int(value)): place, f"{value:.1f}": place} | known
    if is_boolean(categories):
        known = {
            name: place for word, place in known.items() for name in (word.lower(), word.capitalize(), word.upper())
        } | known
    return known


def is_boolean(categories: Sequence[str] | None) -> bool:
    """Return whether a column holds true and false, or one of them."""
    return bool(categories) and {"true", "false"}.issuperset(map(str.lower, categories or ()))


def numbers_of(series: Any, dialect: Dialect | None = None, first_row: int = 0) -> Array:
    """Return a column of numbers, or of times of day as hours, as float64, NaN where a value is missing.

    `dialect` says how text is written, and errors count rows from `first_row`.
    """
    import polars as pl

    dialect = dialect or Dialect()
    if series.dtype.is_numeric() or series.dtype == pl.Boolean:
        return np.asarray(series.cast(float).fill_null(np.nan).to_numpy())
    if series.dtype == pl.Time:
        return _values(hours_of(series))
    text = as_text(series)
    if dialect.formats.get(series.name) == CLOCK:
        text = stripped(text)
        return _read(text, hours_of(text), f"times of day there, as {CLOCK}", first_row)
    comma = series.name in dialect.decimal_commas
    numbers, others = as_numbers(text, decimal_comma=comma)
    what = "numbers there"
    if others.any():
        row = int(others.arg_max())
        if not as_numbers(text[row : row + 1], decimal_comma=not comma)[1].any():
            what += f", with another decimal sign: say --decimal {'.' if comma else ','!r}"
    return _read(text.set(~others, None), numbers, what, first_row)


def seconds_of(series: Any, dialect: Dialect | None = None, first_row: int = 0) -> Array:
    """Return a column of dates as float64 seconds since 1970 in UTC, NaN where a value is missing.

    `dialect` says how text is written, as `ISO` where it does not, and errors count rows from `first_row`.
    """
    import polars as pl

    if series.dtype in (pl.Date, pl.Datetime):
        values = _values(_microseconds(series))
    else:
        text, form = stripped(as_text(series)), dialect.formats.get(series.name, ISO) if dialect else ISO
        values = _read(text, _microseconds(dates_of(text, form)), f"dates there, as {form}", first_row)
    return np.asarray(values / 1e6)  # by NumPy: polars multiplies by 1e-6, which may end before midnight


def _microseconds(dates: Any) -> Any:
    return dates.dt.epoch("us").cast(float)


def _read(text: Any, values: Any, what: str, first_row: int) -> Array:
    """Return the values of a column of text, or raise InputError for a text that has none."""
    others = text.is_not_null() & values.is_null()
    if others.any():
        row = int(others.arg_max())
        raise InputError(
            f"The column {text.name!r} holds {text[row]!r} in row {first_row + row + 1}, and the model was trained on {what}. "
            "Correct it, or leave it empty."
        )
    return _values(values)


def _values(series: Any) -> Array:
    return np.asarray(series.fill_null(np.nan).to_numpy())


class Places:
    """The places of known categories, as values are looked up in them."""

    def __init__(self, categories: Sequence[str]) -> None:
        self.categories, self._known, self._by_number = categories, places(categories), _by_number(categories)
        self._are_words = bool(categories) and not any(map(number, categories))

    def of(self, series: Any) -> Array:
        """Return the place of each value, -1 for an unknown one; 1 is found where 1.0 is known, if nothing else is."""
        known, text = self._known, as_text(series)
        words = text.drop_nulls().unique(maintain_order=True).to_list()
        numbers = [word for word in words if number(word) is not None]
        # Text may be a new category, whatever it looks like, unless there can be none.
        if numbers and self._are_words and (series.dtype.is_numeric() or is_boolean(self.categories)):
            raise InputError(
                f"The column {series.name!r} holds {numbers[0]}, and the model was trained on categories there, as "
                f"{', '.join(map(repr, self.categories[:3]))}."
            )
        found = {word: known.get(word, known.get(word.strip(), -1)) for word in words}  # of files blanks were taken off
        found |= {
            word: self._by_number.get(value, -1) for word in numbers if found[word] < 0 and (value := number(word)) is not None
        }
        return np.array([found.get(word, -1) for word in text.to_list()], np.int64)

    def unknown(self, series: Any) -> Any:
        """Return the values, as text, that have no place and are not missing."""
        text = as_text(series)
        return text.filter((self.of(series) < 0) & text.is_not_null().to_numpy())


def _by_number(categories: Sequence[str]) -> dict[Decimal, int]:
    """Return the places of categories that are numbers, but for several that are the same number."""
    numbers = [number(category) for category in categories]
    counts = Counter(numbers)
    return {value: place for place, value in enumerate(numbers) if value is not None and counts[value] == 1}
