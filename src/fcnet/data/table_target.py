"""The column of a table that is learnt: its classes, by their exact text."""

import re
from pathlib import Path
from typing import Any

import numpy as np

from fcnet.data.cells import number
from fcnet.data.table_columns import Columns, option
from fcnet.errors import InputError
from fcnet.types import Array
from fcnet.words import listed

MOST_CLASSES = 100


def numbered_classes(path: str | Path, columns: Columns, target: str) -> tuple[Array, list[str]]:
    """Return class numbers and names: numbers in their order, words in that of the alphabet.

    Whole numbers keep all their digits, and the zeros in front of them. If a row has no class, there is one class only, there
    are too many, or the numbers are not whole, InputError is raised.
    """
    labels = columns.frame[target]
    missing = labels.is_null() | (labels.is_nan() if labels.dtype.is_numeric() else labels.is_null())
    if missing.any():
        raise InputError(
            f"{path}: the target {target!r} is missing in {int(missing.sum()):,} of {len(labels):,} rows, first in row "
            f"{int(missing.arg_max() or 0) + 1}{_words(columns, target)}"
        )
    numeric = labels.dtype.is_numeric()
    text = columns.text(target) if numeric else labels
    n_classes = text.n_unique()
    if n_classes > MOST_CLASSES and not numeric:
        raise InputError(f"{path}: the target {target!r} has {n_classes:,} classes; name another --target.")
    names = _names_of_numbers(path, text, labels) if numeric else {name: name for name in sorted(text.unique())}
    found = list(dict.fromkeys(names.values()))
    if len(found) < 2:
        raise InputError(f"{path}: the target {target!r} has one class only, {found[0]!r}: there is nothing to learn.")
    places = {name: place for place, name in enumerate(found)}
    return np.array([places[names[label]] for label in text.to_list()], np.int64), found


def _names_of_numbers(path: str | Path, text: Any, labels: Any) -> dict[str, str]:
    """Return the class of each text that is a whole number, in their order; 1 and 1.0 are one class, 1 and 01 are two."""
    n, first = text.n_unique(), labels.min()
    values = {} if n > MOST_CLASSES else {word: number(word.replace(",", ".")) for word in text.unique()}
    if n > MOST_CLASSES or any(value is None or value != value.to_integral_value() for value in values.values()):
        raise InputError(
            f"{path}: the target {text.name!r} has {n:,} different numbers, as {first:g}: that is a regression. Use "
            "fcnet.FCNetRegressor, or name another --target."
        )
    ordered = sorted((value, word) for word, value in values.items() if value is not None)
    are_codes = any(re.match(r"[+-]?0\d", word) for word in values)
    return {word: word if are_codes else str(int(value)) for value, word in ordered}


def _words(columns: Columns, target: str) -> str:
    words = columns.words.get(target)
    if not words:
        return ". Leave these rows out."
    others = sorted({word for name, found in columns.words.items() if name != target for word in found} - words.keys())
    counts = listed(f"{word!r} in {count:,}" for word, count in words.items())
    remedy = option("--missing", others) or "--missing ''"
    return (
        f" (read as missing: {counts}). If that is a class, say which words mean that a value is missing, by {remedy}; if not, "
        "leave these rows out."
    )
