"""The column of a table that is learnt: classes, by their exact text, or a number."""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from fcnet.data.cells import number
from fcnet.data.table_columns import Columns, option
from fcnet.errors import InputError, unknown_name
from fcnet.types import Array
from fcnet.words import listed, number_words

MOST_CLASSES = 100
FEW_NUMBERS = 10  # that are not whole: up to so many may as well be classes
LEAST_ROWS = 10  # two of them to validate
TASKS = ("classification", "regression")


def read_target(path: str | Path, columns: Columns, target: str, task: str = "") -> tuple[Array, list[str]]:
    """Return what is to be learnt: class numbers (n,) with the names of the classes, or numbers (n, 1), float64, without any.

    Numbers are a regression where there are more than 100 different ones, or some are not whole, unless `task` says otherwise.
    Classes that are numbers are in their order, words in that of the alphabet. Whole numbers keep all their digits, and the
    zeros in front of them.

    Raises
    ------
    InputError
        If a row has no target, there is one class or number only, there are too many classes, numbers are not finite, or the
        task is a regression and they are no numbers.
    SettingError
        If there is no such task.
    """
    if task and task not in TASKS:
        raise unknown_name("task", task, TASKS)
    labels = columns.frame[target]
    missing = is_missing(labels)
    if missing.any():
        raise InputError(
            f"{path}: the target {target!r} is missing in {int(missing.sum()):,} of {len(labels):,} rows, first in row "
            f"{int(missing.arg_max() or 0) + 1}{_words(columns, target)}"
        )
    numeric = labels.dtype.is_numeric()
    text = columns.text(target) if numeric else labels
    n_unique = text.n_unique()
    few = n_unique <= MOST_CLASSES
    values = {word: number(word.replace(",", ".")) for word in text.unique()} if numeric and few else {}
    are_whole = few and all(value is not None and value == value.to_integral_value() for value in values.values())
    if task == "regression" or (numeric and not are_whole and not task):
        return _numbers(path, labels, target), []
    if numeric and None in values.values():
        raise InputError(f"{path}: the target {target!r} holds numbers that are not finite, which are no classes.")
    if not few:
        numbers = " Are they amounts? Then --task regression." * numeric
        raise InputError(f"{path}: the target {target!r} has {n_unique:,} classes; name another --target.{numbers}")
    names = _names_of_numbers(values) if numeric else {name: name for name in sorted(text.unique())}
    found = list(dict.fromkeys(names.values()))
    if len(found) < 2:
        raise InputError(f"{path}: the target {target!r} has one class only, {found[0]!r}: there is nothing to learn.")
    places = {name: place for place, name in enumerate(found)}
    return np.array([places[names[label]] for label in text.to_list()], np.int64), found


def is_missing(labels: Any) -> Any:
    """Return which rows of a column, a polars series, have no value."""
    return labels.is_null() | (labels.is_nan() if labels.dtype.is_numeric() else labels.is_null())


def _numbers(path: str | Path, labels: Any, target: str) -> Array:
    """Return the numbers of a column, (n, 1)."""
    if not labels.dtype.is_numeric():
        raise InputError(
            f"{path}: a regression learns a number, and the target {target!r} holds words, as {labels[0]!r}: leave out --task "
            "regression, or name another --target."
        )
    values: Array = labels.to_numpy().astype(np.float64)
    wrong = np.flatnonzero(~np.isfinite(values))
    if len(wrong):
        raise InputError(
            f"{path}: the target {target!r} is {values[wrong[0]]} in row {wrong[0] + 1}: leave out rows whose target is not "
            "finite."
        )
    if len(values) < LEAST_ROWS:
        raise InputError(f"{path} has {len(values)} rows, and a regression needs {LEAST_ROWS}, to train, validate and test.")
    if (values == values[0]).all():
        raise InputError(f"{path}: the target {target!r} is always {values[0]:g}: there is nothing to learn.")
    return values.reshape(-1, 1)


def are_numbers(classes: Sequence[str]) -> bool:
    """Return whether the names of all classes are numbers."""
    return all(number(name) is not None for name in classes)


def target_notes(y: Array, classes: Sequence[str], target: str, n_others: int, task: str = "") -> list[str]:
    """Say what is learnt, and how it may be learnt otherwise, where the `task` was found out."""
    others = f"{n_others} other{'s' * (n_others > 1)}"
    if not classes:
        low, mean, high = map(number_words, (y.min(), y.mean(), y.max()))
        notes = [f"Learning the column {target!r} from {others}: a number from {low} to {high}, {mean} in the mean"]
        if not task and (n := len(np.unique(y))) <= FEW_NUMBERS:
            notes.append(f"It has {n} values; --task classification learns each as a class")
        return notes
    notes = [f"Learning the column {target!r} from {others}: {listed(classes)}"]
    if len(classes) > 2 and not task and are_numbers(classes):
        notes.append(f"Each of these {len(classes)} numbers is a class; --task regression learns the number")
    return notes


def _names_of_numbers(values: Mapping[str, Decimal | None]) -> dict[str, str]:
    """Return the class of each text that is a number, in their order; 1 and 1.0 are one class, 1 and 01 are two."""
    ordered = sorted((value, word) for word, value in values.items() if value is not None)
    are_codes = any(re.match(r"[+-]?0\d", word) for word in values)
    return {word: word if are_codes else _plain(value) for value, word in ordered}


def _plain(value: Decimal) -> str:
    return str(int(value)) if value == value.to_integral_value() else f"{value:f}".rstrip("0")


def _words(columns: Columns, target: str) -> str:
    words = columns.words.get(target)
    if not words:
        return ". --drop-missing-targets leaves these rows out."
    others = sorted({word for name, found in columns.words.items() if name != target for word in found} - words.keys())
    counts = listed(f"{word!r} in {count:,}" for word, count in words.items())
    remedy = option("--missing", others) or "--missing ''"
    return (
        f" (read as missing: {counts}). If that is a class, say which words mean that a value is missing, by {remedy}; if not, "
        "--drop-missing-targets leaves these rows out."
    )
