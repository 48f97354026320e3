"""Tables in files: read by polars, with columns typed by what they hold."""

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fcnet.data.dataset import Dataset
from fcnet.data.splits import split
from fcnet.errors import FcnetError, FileFormatError, InputError, SettingError, unknown_name
from fcnet.types import Array

MISSING = ["", "NA", "N/A", "NaN", "nan", "NULL", "null", "None", "?"]
DATE = r"^\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([ T].*)?$"
MOST_CATEGORIES = 1000
MOST_CLASSES = 100
LARGEST = 1e100  # squares of larger numbers overflow
TABLES = (".csv", ".parquet")
ADVICE = "Leave it out by --drop {name!r}, or turn it into numbers or a few categories first."


def read_table(path: str | Path, categories: Mapping[str, Sequence[str]] | None = None) -> Any:
    """Return a table as a polars data frame of float64 and text, missing values null.

    Parameters
    ----------
    path : path
        Of a ``.csv``, UTF-8 with commas and a line of names, or of a ``.parquet``.
    categories : mapping of column names to lists of str, optional
        Those that a model knows: a column that has some of them is text, whatever else it looks like.

    Raises
    ------
    FileFormatError
        If there is no such file, it cannot be read, it is empty, two columns have one name, or numbers and words are mixed.
    FcnetError
        If polars is not installed.
    """
    try:
        import polars as pl
    except ImportError:
        raise FcnetError('Reading a table needs polars: pip install "fcnet[tables]".') from None
    path = Path(path)
    if not path.is_file():
        raise FileFormatError(f"There is no file {path}.")
    try:
        if path.suffix.lower() == ".parquet":
            frame = pl.read_parquet(path)
        else:
            _check_names(path)
            frame = pl.read_csv(path, infer_schema=False, null_values=MISSING)
    except (pl.exceptions.PolarsError, UnicodeDecodeError, OSError) as error:
        advice = " Save it as UTF-8." if "utf" in str(error).lower() else ""
        raise FileFormatError(f"{path} cannot be read as a table: {str(error).splitlines()[0]}.{advice}") from None
    if path.suffix.lower() != ".parquet":
        _check_separator(path, frame.columns)
        frame = _without_blank_end(frame)
    if not len(frame):
        raise FileFormatError(f"{path} has no rows.")
    return frame.with_columns([_typed(path, frame[name], (categories or {}).get(name, [])) for name in frame.columns])


def _check_names(path: Path) -> None:
    with path.open(newline="", encoding="utf-8-sig") as file:
        names = next(csv.reader(file), [])
    if not any(names):
        raise FileFormatError(f"{path} is empty: it needs a line of column names, and rows.")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise FileFormatError(f"{path} has several columns of the name {', '.join(map(repr, twice))}: rename them.")


def _check_separator(path: Path, names: list[str]) -> None:
    for sign, signs in ((";", "semicolons"), ("\t", "tabs")):
        if len(names) == 1 and sign in names[0]:
            raise FileFormatError(f"{path} has {signs} between its columns: save it with commas.")


def _without_blank_end(frame: Any) -> Any:
    """Leave out what empty lines at the end of a file have become."""
    import polars as pl

    filled = (~frame.select(pl.all_horizontal(pl.all().is_null())).to_series()).arg_true()
    return frame[: filled[-1] + 1 if len(filled) else 0]


def _typed(path: Path, series: Any, known: Sequence[str]) -> Any:
    """Return a column as numbers, text or, as it was, what is neither."""
    import polars as pl

    if series.dtype == pl.Boolean or series.dtype in (pl.Categorical, pl.Enum):
        return series.cast(pl.String)
    if series.dtype.is_numeric() or series.dtype == pl.Null:
        return series.cast(pl.Float64)
    if series.dtype != pl.String:
        return series
    text = series.str.strip_chars()
    text = text.set(text.is_in(MISSING).fill_null(False), None)
    if known and text.is_in(known).any():
        return text
    numbers = text.cast(pl.Float64, strict=False)
    n, n_numbers = len(text) - text.null_count(), len(text) - numbers.null_count()
    if n == n_numbers:
        return numbers
    truth = text.str.to_lowercase()
    if truth.is_in(["true", "false"]).all():
        return truth  # however a program writes them, they are the booleans of a .parquet
    if n_numbers > n / 2:
        row = int((text.is_not_null() & numbers.is_null()).arg_max() or 0)
        raise FileFormatError(
            f"{path}: the column {series.name!r} mixes numbers and words: row {row + 1} has {text[row]!r}. Correct it, or "
            f"write one of {', '.join(MISSING[1:4])} for what is missing."
        )
    return text


def load_table(path: str | Path, *, target: str = "", drop: Sequence[str] = (), n_test: int | None = None) -> Dataset:
    """Load a table to learn the column `target` from the others, split into training, validation and test rows.

    Parameters
    ----------
    path : path
    target : str
        The last column where it is not given.
    drop : sequence of str
        Columns to leave out.
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
    frame = read_table(path)
    for name in [*drop, *([target] if target else [])]:
        if name not in frame.columns:
            raise SettingError(f"{path}: {unknown_name('column', name, frame.columns)}")
    if target in drop:
        raise SettingError(f"{path}: the target {target!r} is left out by --drop.")
    frame = frame.drop(drop)
    if not frame.columns:
        raise SettingError(f"{path}: every column is left out by --drop.")
    target = target or frame.columns[-1]
    if len(frame.columns) < 2:
        raise InputError(f"{path} has no column beside the target {target!r}.")
    labels, X = frame[target], frame.drop(target)
    for name in X.columns:
        _check_column(path, X[name])
    y, classes = _classes(path, labels)
    if all(X[name].n_unique() == 1 for name in X.columns):
        raise InputError(f"{path}: every column beside the target {target!r} is constant: there is nothing to learn from.")
    notes = [f"Learning the column {target!r} from {X.shape[1]} others: {', '.join(classes)}", *_missing(X)]
    parts = split(y, classes, str(path))
    rows = [(X[part], y[part]) for part in parts]
    (X_train, y_train), (X_val, y_val), (X_test, y_test) = rows
    return Dataset(Path(path).stem, X_train, y_train, X_val, y_val, X_test[:n_test], y_test[:n_test], classes, notes=notes)


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


def _missing(X: Any) -> Iterator[str]:
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
