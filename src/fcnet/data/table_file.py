"""Files of tables: read by polars, with columns typed by what they hold."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fcnet.errors import FcnetError, FileFormatError

TABLES = (".csv", ".parquet")
MISSING = ["", "NA", "N/A", "NaN", "nan", "NULL", "null", "None", "?"]


def read_table(path: str | Path, categories: Mapping[str, Sequence[str]] | None = None) -> Any:
    """Return a table as a polars data frame of float64 and text, missing values null.

    Parameters
    ----------
    path : path
        Of a ``.csv``, UTF-8 with commas and a line of names, or of a ``.parquet``.
    categories : mapping of column names to sequences of str, optional
        Those that a model knows: a column that has some of them is text, whatever else it looks like. One for which none are
        given is text in any case.

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
            names = [name or f"Unnamed {number}" for number, name in enumerate(_names(path), 1)]
            frame = pl.read_csv(path, infer_schema=False, null_values=MISSING, new_columns=names)
    except (pl.exceptions.PolarsError, UnicodeDecodeError, OSError) as error:
        advice = " Save it as UTF-8." if "utf" in str(error).lower() else ""
        raise FileFormatError(f"{path} cannot be read as a table: {str(error).splitlines()[0]}.{advice}") from None
    if path.suffix.lower() != ".parquet":
        _check_separator(path, frame.columns)
        frame = _without_blank_end(frame)
    if not len(frame):
        raise FileFormatError(f"{path} has no rows.")
    return frame.with_columns([_typed(path, frame[name], (categories or {}).get(name)) for name in frame.columns])


def _names(path: Path) -> list[str]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        names = next(csv.reader(file), [])
    if not any(names):
        raise FileFormatError(f"{path} is empty: it needs a line of column names, and rows.")
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise FileFormatError(f"{path} has several columns of the name {', '.join(map(repr, twice))}: rename them.")
    return names


def _check_separator(path: Path, names: list[str]) -> None:
    for sign, signs in ((";", "semicolons"), ("\t", "tabs")):
        if len(names) == 1 and sign in names[0]:
            raise FileFormatError(f"{path} has {signs} between its columns: save it with commas.")


def _without_blank_end(frame: Any) -> Any:
    """Leave out what empty lines at the end of a file have become."""
    import polars as pl

    filled = (~frame.select(pl.all_horizontal(pl.all().is_null())).to_series()).arg_true()
    return frame[: filled[-1] + 1 if len(filled) else 0]


def _typed(path: Path, series: Any, known: Sequence[str] | None) -> Any:
    """Return a column as numbers, text or, as it was, what is neither."""
    import polars as pl

    if series.dtype == pl.Boolean or series.dtype in (pl.Categorical, pl.Enum):
        return series.cast(pl.String)
    is_category = known is not None and not known
    if series.dtype.is_numeric() or series.dtype == pl.Null:
        return _numerals(series) if is_category else series.cast(pl.Float64)
    if series.dtype != pl.String:
        return series
    text = series.str.strip_chars()
    text = text.set(text.is_in(MISSING).fill_null(False), None)
    if known and text.is_in(known).any():
        return text
    numbers = text.cast(pl.Float64, strict=False)
    n, n_numbers = len(text) - text.null_count(), len(text) - numbers.null_count()
    if n == n_numbers and not is_category:
        return numbers
    truth = text.str.to_lowercase()
    if truth.is_in(["true", "false"]).all():
        return truth  # however a program writes them, they are the booleans of a .parquet
    if n_numbers > n / 2 and not is_category:
        row = int((text.is_not_null() & numbers.is_null()).arg_max() or 0)
        raise FileFormatError(
            f"{path}: the column {series.name!r} mixes numbers and words: row {row + 1} has {text[row]!r}. Correct it, or "
            f"write one of {', '.join(MISSING[1:4])} for what is missing."
        )
    return text


def _numerals(series: Any) -> Any:
    """Return numbers as text, whole ones without the point that they have where gaps made floats of them."""
    import polars as pl

    series = series.fill_nan(None) if series.dtype.is_float() else series
    is_whole = series.dtype.is_float() and (series.is_finite() & (series == series.round())).all()
    return (series.cast(pl.Int64) if is_whole else series).cast(pl.String)
