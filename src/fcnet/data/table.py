"""A table to learn from: which of its columns, and what to say of them."""

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

import numpy as np

from fcnet.data.cells import MISSING, Dialect, as_numbers, as_text, is_compound, is_constant
from fcnet.data.dataset import Dataset
from fcnet.data.splits import of_few_rows, split
from fcnet.data.table_columns import columns_of, explained, unusable
from fcnet.data.table_file import TableFile, chosen_columns, filled, read_table, stem
from fcnet.data.table_notes import column_notes, left_out_notes, split_signs, target_signs
from fcnet.data.table_target import are_numbers, is_missing, read_target, target_notes
from fcnet.errors import InputError, SettingError, unknown_name
from fcnet.words import listed

NAMELESS = r"(Unnamed:? [\d.]+)?"  # by `read_table`, or by pandas, whose index such a column mostly is
COUNTERS = ("index", "level_0")  # what pandas calls an index that it has made a column of


class TableOptions(TypedDict, total=False):
    """How a table is read: its target, the columns to leave out and those that are categories, and how text is written.

    `task` says whether the target is classes or a number, "classification" or "regression", where that is not to be found out.
    Columns are named one by one or several with commas between them. `missing` are the words that mean a missing value, beside
    empty fields, in place of fcnet's own; `encoding` is UTF-8 and `decimal` found out where they are not given. With
    `drop_missing_targets` rows without a target are left out. `known` are columns that a model has learnt from: they are kept
    though pandas seems to have written them for its index, and what a row lacks counts as missing, as it did then. `gaps` and
    `rare` are the settings of the preprocessing: with `rare` there may be more categories.
    """

    target: str
    task: str
    drop: Sequence[str]
    category: Sequence[str]
    missing: Sequence[str]
    encoding: str
    decimal: str
    drop_missing_targets: bool
    known: Collection[str]
    gaps: str
    rare: int


def options_given(table: Mapping[str, Any]) -> str:
    """Return the options of a table that have a value, and a verb."""
    given = [f"--{name.replace('_', '-')}" for name, value in table.items() if value]
    return f"{listed(given)} {'is' if len(given) == 1 else 'are'}"


def load_table(
    path: str | Path,
    *,
    target: str = "",
    task: str = "",
    drop: Sequence[str] = (),
    category: Sequence[str] = (),
    missing: Sequence[str] = (),
    encoding: str = "",
    decimal: str = "",
    drop_missing_targets: bool = False,
    known: Collection[str] = (),
    gaps: str = "",
    rare: int = 0,
    n_test: int | None = None,
) -> Dataset:
    """Load a table to learn the column `target`, by default the last one, from the others.

    The options are those of `TableOptions`. The rows of all parts are polars data frames; of the test part `n_test`, or all.

    Raises
    ------
    FileFormatError, InputError
        If the file or a column cannot be used; it says which and what to do.
    SettingError
        If a column that is named is not there, none is left, or there is no such task.
    """
    file = read_table(path, encoding=encoding, known=known)
    if (missing or decimal) and not file.separator:
        raise SettingError(f"--missing and --decimal are for text, and {path} is a .parquet: missing is there what is null.")
    names = file.frame.columns
    if len(names) == 1:
        raise InputError(
            f"{path} has one column only, {names[0]!r}. Its first line must hold the names of the columns, with commas, "
            "semicolons, tabs or | between them, and every other line their values."
        )
    drop, category = (chosen_columns(path, typed, names) for typed in (drop, category))
    if target and target not in names:
        raise SettingError(f"{path}: {unknown_name('column', target, names)}")
    if target in drop:
        raise SettingError(f"{path}: the target {target!r} is left out by --drop.")
    rows = filled(file.frame)
    file.frame = (file.frame.filter(rows) if rows.any() else file.frame).drop(drop)
    is_default, wanted = not target, {*category, *known, *([target] if target else [])}
    indices = [name for name in file.frame.columns if _is_index(file, name)]
    index = [name for name in indices if name not in wanted]
    nameless = [name for name in file.frame.columns if re.fullmatch(NAMELESS, name) and name not in wanted]
    targets = [target] if target else [name for name in file.frame.columns if name not in (*indices, *nameless)]
    if not targets:
        raise SettingError(f"{path}: every column is left out{' by --drop' * bool(drop)}.")
    target = targets[-1]
    file.frame = file.frame.drop(nameless, index)
    if len(file.frame.columns) < 2:
        raise InputError(f"{path} has no column beside the target {target!r}.")
    words = (missing or MISSING) if file.separator else ()
    columns, n_without = columns_of(file, category, words, decimal, target), 0
    if drop_missing_targets and not (without := is_missing(columns.frame[target])).all():  # else the error says it
        file.frame, n_without = file.frame.filter(~without), int(without.sum())
        columns = columns_of(file, category, words, decimal, target)
    problems = {name: unusable(columns, name, rare) for name in file.frame.columns if name != target}
    problems[target] = columns.problems.get(target)
    found = {name: problem for name, problem in problems.items() if problem}
    if found:
        raise InputError(explained(path, found, target))
    y, classes = read_target(path, columns, target, task)
    X = columns.frame.drop(target)
    constant = [name for name in X.columns if is_constant(X[name])]
    X = X.drop(constant)
    if not X.columns:
        raise InputError(f"{path}: every column beside the target {target!r} is constant: there is nothing to learn from.")
    notes = [
        *target_notes(y, classes, target, X.shape[1], task),
        *["That is the last column; --target COLUMN learns another"] * is_default,
        *left_out_notes(nameless, index, constant, len(rows) - len(file.frame) - n_without),
        *[f"Left out, as their target is missing: {n_without:,} of {n_without + len(y):,} rows"] * bool(n_without),
        *(of_few_rows(y, classes, 3) if classes else []),
        *column_notes(X, columns, gaps),
        *target_signs(X, y, classes, target),
    ]
    groups, names = (y, classes) if classes else (np.zeros(len(y), np.int64), [target])
    advice = " If it is a number to learn: --task regression." if are_numbers(classes) else ""
    train, val, test = split(groups, names, str(path), advice=advice)
    arrays = (X[train], y[train], X[val], y[val], X[test[:n_test]], y[test[:n_test]])
    dialect = Dialect(file.separator, columns.decimal_commas, list(missing or MISSING), columns.formats)
    data = Dataset(stem(path), *arrays, classes, target=target, dialect=dialect)
    data.notes = [*notes, *split_signs(data)]
    return data


def _is_index(file: TableFile, name: str) -> bool:
    """Return whether a column is an index that pandas wrote: it says so, or the column counts rows, from 0 in each part."""
    if name in file.index:
        return True
    series = file.frame[name]
    if name not in COUNTERS or is_compound(series):
        return False
    numbers, _ = as_numbers(as_text(series), decimal_comma=False)
    return bool(((numbers == 0) | (numbers == numbers.shift(1) + 1)).fill_null(False).all())
