"""Files of tables: read by polars, with columns typed by what they hold."""

import csv
from collections.abc import Callable, Collection, Sequence
from itertools import dropwhile, islice
from pathlib import Path
from typing import Any

from fcnet.errors import FcnetError, FileFormatError

TABLES = (".csv", ".tsv", ".parquet")
MISSING = ["", "NA", "N/A", "NaN", "nan", "NULL", "null", "None", "?"]
DECIMAL_COMMA = r"^([+-]?\d*),(\d+(?:[eE][+-]?\d+)?)$", "${1}.${2}"
THOUSANDS = r"^[+-]?[1-9]\d{0,2}(,\d{3})+$"  # 1,200 may be either
POINTED_THOUSANDS = r"^[+-]?[1-9]\d{0,2}(\.\d{3})+$"
LINES_TO_JUDGE_BY = 20
EXACT = 2.0**53  # floats of at least so much do not tell whole numbers apart
FIGURE = r"^[+-]?\p{Sc}?\s?[+-]?(\d{1,3}([.,'\s]\d{3})+([.,]\d+)?|\d+([.,]\d+)?)\s?(\p{Sc}|%)?$"


def read_table(
    path: str | Path,
    categories: Collection[str] = (),
    is_needed: Callable[[str], bool] = lambda name: True,
) -> Any:
    """Return a table as a polars data frame of float64 and text, missing values null.

    Parameters
    ----------
    path : path
        Of a ``.parquet``, or of a ``.csv`` or ``.tsv``: UTF-8 with a line of names, and commas, semicolons or tabs between
        columns. With semicolons numbers may have decimal commas.
    categories : collection of str
        Names of columns that are categories, whatever they look like.
    is_needed : callable
        Whether a column of this name is; others are left as they are, whatever is wrong with them.

    Raises
    ------
    FileFormatError
        If there is no such file, it cannot be read, it is empty, columns have no names or two the same, or numbers are mixed
        with words or written with more than digits and a point.
    FcnetError
        If polars is not installed.
    """
    try:
        import polars as pl
    except ImportError:
        raise FcnetError('Reading a table needs polars: pip install "fcnet[tables]".') from None
    path = Path(path)
    if not path.is_file():
        raise FileFormatError(f"{path} is a folder, not a table." if path.is_dir() else f"There is no file {path}.")
    try:
        separator = ""
        if path.suffix.lower() == ".parquet":
            frame = pl.read_parquet(path)
        else:
            names, separator = _dialect(path)
            frame = pl.read_csv(path, separator=separator, infer_schema=False, new_columns=names)
    except (pl.exceptions.PolarsError, UnicodeDecodeError, csv.Error, OSError) as error:
        if "more fields" in str(error):
            _check_lengths(path, separator, len(names))
        advice = " Save it as UTF-8." if "utf" in str(error).lower() else ""
        raise FileFormatError(f"{path} cannot be read as a table: {str(error).splitlines()[0]}.{advice}") from None
    needed = list(filter(is_needed, frame.columns))
    if separator:
        frame = _without_blank_end(frame)
        frame = frame.with_columns([_without(frame[name], MISSING) for name in needed])
    if not len(frame):
        raise FileFormatError(f"{path} has no rows.")
    has_commas = separator == ";" and any(
        frame[name].str.contains(DECIMAL_COMMA[0]).any() and not frame[name].str.contains(THOUSANDS).all() for name in needed
    )
    return frame.with_columns([_typed(path, frame[name], name in categories, has_commas) for name in needed])


def _dialect(path: Path) -> tuple[list[str], str]:
    """Return the names of the columns, and the sign between them: most of the first lines have as many values by it."""
    lines: dict[str, list[list[str]]] = {}
    with path.open(newline="", encoding="utf-8-sig") as file:
        for sign in "\t;,":  # a field of numbers or words has commas in it sooner than semicolons
            file.seek(0)
            lines[sign] = [line for line in islice(csv.reader(file, delimiter=sign), LINES_TO_JUDGE_BY) if any(line)]
    separator = max(lines, key=lambda sign: _agreement(lines[sign]))
    first = [name.strip() for name in next(iter(lines[separator]), [])]
    names = [name for name in first if name]
    if not names:
        raise FileFormatError(f"{path} is empty: it needs a line of column names, and rows.")
    twice = sorted({name for name in names if names.count(name) > 1})
    if all(map(is_number, names)) and names != [str(number) for number in range(len(names))]:  # as pandas counts columns
        raise FileFormatError(
            f"{path} has only numbers in its first line, as {names[0]!r}: put a line of column names before it, or letters "
            "into the names."
        )
    if twice:
        raise FileFormatError(f"{path} has several columns of the name {', '.join(map(repr, twice))}: rename them.")
    for number, row in enumerate(lines[separator][1:], 1):
        if len(row) < len(first):
            raise _other_length(path, len(first), number, len(row))
    return [name or f"Unnamed {number}" for number, name in enumerate(first, 1)], separator


def _check_lengths(path: Path, separator: str, n_names: int) -> None:
    """Raise FileFormatError for the first row with more values than there are names."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        lines = dropwhile(lambda line: not any(line), csv.reader(file, delimiter=separator))
        for number, row in enumerate(lines):  # the names are number 0
            if len(row) > n_names:
                raise _other_length(path, n_names, number, len(row))


def _other_length(path: Path, n_names: int, row: int, n_values: int) -> FileFormatError:
    return FileFormatError(
        f"{path} has {n_names} names in its first line, and {n_values} value{'s' * (n_values != 1)} in row {row}. A text that "
        "holds the sign between columns needs quotes."
    )


def _agreement(lines: list[list[str]]) -> tuple[int, int]:
    """Return how many lines have as many values as the first one has, if these are several, and how many."""
    n = len(lines[0]) if lines else 0
    return sum(len(line) == n > 1 for line in lines), n


def is_number(text: str) -> bool:
    """Return whether a text is a number, with a point or a comma."""
    try:
        float(text.replace(",", "."))
    except ValueError:
        return False
    return True


def _without_blank_end(frame: Any) -> Any:
    """Leave out what empty lines at the end of a file have become."""
    import polars as pl

    filled = (~frame.select(pl.all_horizontal(pl.all().is_null())).to_series()).arg_true()
    return frame[: filled[-1] + 1 if len(filled) else 0]


def _typed(path: Path, series: Any, is_category: bool, has_commas: bool) -> Any:
    """Return a column as numbers, text or, as it was, what is neither."""
    import polars as pl

    if series.dtype == pl.Boolean or series.dtype in (pl.Categorical, pl.Enum):
        return series.cast(pl.String)
    if series.dtype.is_numeric() or series.dtype == pl.Null:
        return _numerals(series) if is_category else series.cast(pl.Float64)
    if series.dtype != pl.String:
        return series
    text = series.str.strip_chars()
    text = _without(text, MISSING)
    truth = text.str.to_lowercase()
    if text.null_count() < len(text) and truth.is_in(["true", "false"]).all():
        return truth  # however a program writes them, they are the booleans of a .parquet
    return text if is_category else _numbers_or_text(path, text, has_commas)


def _without(text: Any, words: Sequence[str]) -> Any:
    return text.set(text.is_in(words).fill_null(False), None)


def _numbers_or_text(path: Path, text: Any, has_commas: bool) -> Any:
    """Return text as the numbers that it is, or as it was; what is nearly numbers is refused."""
    import polars as pl

    plain = _without(text, ["-"])
    points, commas = (plain.filter(plain.str.contains(sign, literal=True)) for sign in ".,")
    if has_commas and not len(points) and not commas.str.contains(THOUSANDS).all():
        plain = plain.str.replace(*DECIMAL_COMMA)
    elif has_commas and len(points) and points.str.contains(POINTED_THOUSANDS).all():
        plain = plain.str.replace(r"\.", " ")  # 1.200 beside decimal commas is not 1.2
    numbers = plain.cast(pl.Float64, strict=False)
    figures = plain.str.contains(FIGURE) | numbers.is_not_null()
    n, n_numbers, n_figures = len(plain) - plain.null_count(), len(plain) - numbers.null_count(), int(figures.sum())
    if n == n_numbers:
        return numbers
    column, others = f"{path}: the column {text.name!r}", plain.is_not_null() & numbers.is_null()
    if n_figures > max(n_numbers, n / 2):
        row = int((others & figures).arg_max() or 0)
        raise FileFormatError(
            f"{column} holds numbers that are not plain, as {text[row]!r} in row {row + 1}. Write them with digits and a point "
            f"alone, as 1200.5; training can leave them out by --drop {text.name!r}, or take them for categories by --category "
            f"{text.name!r}."
        )
    if n_numbers > n / 2:
        row = int(others.arg_max() or 0)
        raise FileFormatError(
            f"{column} mixes numbers and words: row {row + 1} has {text[row]!r}. Correct it, or "
            f"write one of {', '.join(MISSING[1:4])} for what is missing."
        )
    return text


def _numerals(series: Any) -> Any:
    """Return numbers as text, whole ones without the point that they have where gaps made floats of them."""
    import polars as pl

    series = series.fill_nan(None) if series.dtype.is_float() else series
    is_whole = series.dtype.is_float() and ((series == series.round()) & (series.abs() < EXACT)).all()
    return (series.cast(pl.Int64) if is_whole else series).cast(pl.String)
