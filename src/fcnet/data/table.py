"""A table to learn from: its target, its columns, and what to say of them."""

import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fcnet.data.dataset import Dataset
from fcnet.data.splits import of_few_rows, split
from fcnet.data.table_file import is_number, read_table
from fcnet.errors import InputError, SettingError, unknown_name
from fcnet.types import Array
from fcnet.words import listed

MONTH = r"(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
DATE = "(?i)^({})$".format(
    "|".join(
        (
            r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([ T].*)?",  # 2024-02-21, 21.02.24
            r"\d{4}-\d{2}",
            rf"\d{{1,2}}\.?[ -]{MONTH}[ -]\d{{2,4}}.*",  # 21 Feb 2024
            rf"{MONTH} (\d{{1,2}},? )?\d{{4}}.*",  # Feb 21, 2024
            r"\d{1,2}:\d{2}(:\d{2})?",
        )
    )
)
MOST_CATEGORIES = 1000
MOST_CLASSES = 100
MOST_NOTES = 10  # of one kind
NAMELESS = r"Unnamed:? [\d.]+"  # by `read_table`, or by pandas, whose index such a column mostly is
ROW_NAMES = ("id", "index", "__index_level_0__")
LARGEST = 1e100  # squares of larger numbers overflow
ADVICE = "Leave it out by --drop {name!r}, or turn it into numbers or a few categories first."


def load_table(
    path: str | Path, *, target: str = "", drop: Sequence[str] = (), category: Sequence[str] = (), n_test: int | None = None
) -> Dataset:
    """Load a table to learn the column `target` from the others, split into training, validation and test rows.

    Parameters
    ----------
    path : path
    target : str
        The last column where it is not given.
    drop : sequence of str
        Columns to leave out.
    category : sequence of str
        Columns that are categories, also where they hold numbers.
    n_test : int, optional
        How many test rows to return; all where it is not given.

    Returns
    -------
    dataset : Dataset
        Whose rows are polars data frames.

    Raises
    ------
    FileFormatError, InputError
        If the file or a column cannot be used; it says which and what to do.
    SettingError
        If a column that is named is not there, or none is left.
    """
    frame = read_table(path, category, lambda name: name not in drop)
    for name in [*drop, *category, *([target] if target else [])]:
        if name not in frame.columns:
            raise SettingError(f"{path}: {unknown_name('column', name, frame.columns)}")
    if target in drop:
        raise SettingError(f"{path}: the target {target!r} is left out by --drop.")
    frame = frame.drop(drop)
    nameless = [name for name in frame.columns if re.fullmatch(NAMELESS, name) and name not in (target, *category)]
    frame = frame.drop(nameless)
    if not frame.columns:
        raise SettingError(f"{path}: every column is left out{' by --drop' * bool(drop)}.")
    is_default, target = not target, target or frame.columns[-1]
    if len(frame.columns) < 2:
        raise InputError(f"{path} has no column beside the target {target!r}.")
    labels, X = frame[target], frame.drop(target)
    for name in X.columns:
        _check_column(path, X[name])
    y, classes = _classes(path, labels)
    constant = [name for name in X.columns if _is_constant(X[name])]
    X = X.drop(constant)
    if not X.columns:
        raise InputError(f"{path}: every column beside the target {target!r} is constant: there is nothing to learn from.")
    notes = [f"Learning the column {target!r} from {X.shape[1]} other{'s' * (X.shape[1] > 1)}: {listed(classes)}"]
    if is_default:
        notes.append("That is the last column; --target COLUMN learns another")
    if nameless:
        notes.append(f"Left out, as they have no name: {listed(map(repr, nameless))}; what is to be learnt needs one")
    if constant:
        notes.append(f"Left out, as they hold one value or none: {listed(map(repr, constant))}")
    values = [name for name in X.columns if is_number(name)]
    if values:
        notes.append(f"By their looks these names are values, and the first line of a file has to hold names: {listed(values)}")
    notes += [*of_few_rows(y, classes, 3), *_kinds(X), *_row_numbers(X), *_missing(X)]
    parts = split(y, classes, str(path))
    rows = [(X[part], y[part]) for part in parts]
    (X_train, y_train), (X_val, y_val), (X_test, y_test) = rows
    arrays = (X_train, y_train, X_val, y_val, X_test[:n_test], y_test[:n_test])
    return Dataset(Path(path).stem, *arrays, classes, target=target, notes=notes)


def _check_column(path: str | Path, series: Any) -> None:
    import polars as pl

    name, n = series.name, len(series)
    advice = ADVICE.format(name=name)
    if series.dtype.is_numeric():
        large = (series.abs() > LARGEST) & series.is_finite()
        if large.any():
            row = int(large.arg_max() or 0)
            raise InputError(
                f"{path}: the column {name!r} holds {series[row]:g} in row {row + 1}, too large a number. {advice}"
            )
        return
    if series.dtype != pl.String:
        raise InputError(f"{path}: the column {name!r} holds {series.dtype}, not numbers or categories. {advice}")
    words = series.drop_nulls()
    if len(words) and words.str.contains(DATE).mean() > 0.9:
        raise InputError(f"{path}: the column {name!r} holds dates, as {words[0]!r}. {advice}")
    n_unique = words.n_unique()
    if n_unique > MOST_CATEGORIES or (n_unique > 20 and n_unique > n / 2):
        raise InputError(
            f"{path}: the column {name!r} has {n_unique:,} different texts in {n:,} rows: names or free text, not categories. "
            f"{advice}"
        )


def _is_constant(series: Any) -> bool:
    numbers = series.dtype.is_numeric()  # for a missing one stands the median, while a missing text is no category
    return int((series.filter(series.is_finite()) if numbers else series).n_unique()) <= 1


def _kinds(X: Any) -> Iterator[str]:
    numbers = [name for name in X.columns if X[name].dtype.is_numeric()]
    categories = [f"{name!r} ({X[name].drop_nulls().n_unique():,})" for name in X.columns if name not in numbers]
    if numbers:
        yield f"Numbers: {listed(map(repr, numbers))}"
    if categories:
        yield f"Categories, and how many: {listed(categories)}"


def _row_numbers(X: Any) -> Iterator[str]:
    names = [name for name in X.columns if X[name].dtype.is_numeric() and _counts_rows(X[name])]
    if names:
        options = listed(f"--drop {name!r}" for name in names)
        yield f"By their looks these number the rows, which says nothing of new ones; leave them out: {options}"


def _counts_rows(series: Any) -> bool:
    if not (series == series.round()).all() or series.n_unique() < len(series):
        return False
    return series.name.lower() in ROW_NAMES or bool(series.max() - series.min() == len(series) - 1)


def _missing(X: Any) -> Iterator[str]:
    gaps = list(_gaps(X))
    yield from gaps[:MOST_NOTES]
    if len(gaps) > MOST_NOTES:
        yield f"Values are missing in {len(gaps) - MOST_NOTES:,} more columns"


def _gaps(X: Any) -> Iterator[str]:
    for name in X.columns:
        numbers = X[name].dtype.is_numeric()
        n = len(X) - int(X[name].is_finite().sum()) if numbers else X[name].null_count()
        if n:
            how = "the median of the training rows" if numbers else "no category"
            yield f"{n:,} of {len(X):,} values of {name!r} are missing{' or infinite' * numbers}; they count as {how}"


def _classes(path: str | Path, labels: Any) -> tuple[Array, list[str]]:
    """Return class numbers and names: numbers in their order, words in that of the alphabet."""
    name = labels.name
    missing = labels.is_null() | (labels.is_nan() if labels.dtype.is_numeric() else labels.is_null())
    if missing.any():
        raise InputError(
            f"{path}: the target {name!r} is missing in {int(missing.sum()):,} of {len(labels):,} rows, first in row "
            f"{int(missing.arg_max() or 0) + 1}. Leave these rows out."
        )
    values = labels.to_list()
    found: list[Any] = sorted(set(values))
    if labels.dtype.is_numeric():
        whole = all(math.isfinite(value) and value == int(value) for value in found)
        if not whole or len(found) > MOST_CLASSES:
            raise InputError(
                f"{path}: the target {name!r} has {len(found):,} different numbers, as {found[0]:g}: that is a regression. Use "
                "fcnet.FCNetRegressor, or name another --target."
            )
        names = [str(int(value)) for value in found]
    else:
        names = [str(value) for value in found]
        if len(names) > MOST_CLASSES:
            raise InputError(f"{path}: the target {name!r} has {len(names):,} classes; name another --target.")
    if len(names) < 2:
        raise InputError(f"{path}: the target {name!r} has one class only, {names[0]!r}: there is nothing to learn.")
    places = {value: place for place, value in enumerate(found)}
    return np.array([places[value] for value in values], np.int64), names
