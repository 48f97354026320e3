"""Cells of a table as numbers: values of columns of numbers, and places of categories among the known ones."""

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np

from fcnet.data.cells import as_numbers, as_text, number
from fcnet.errors import InputError
from fcnet.types import Array


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


def numbers_of(series: Any, *, decimal_comma: bool) -> Array:
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


def places_of(series: Any, categories: list[str]) -> Array:
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
