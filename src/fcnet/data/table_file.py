"""Files of tables: found out how they are written, and read by polars."""

import csv
import io
import json
import logging
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import dropwhile, islice
from pathlib import Path
from typing import Any

from fcnet.data.text_file import name_of, read_bytes, to_utf8
from fcnet.errors import FcnetError, FileFormatError, SettingError, unknown_name

TABLE = r"(?i)\.((csv|tsv)(\.(gz|bz2|xz|zst|zip))?|parquet)$"
SEPARATORS = "\t;|,"  # a field of numbers or words has commas in it sooner than semicolons
LINES_TO_JUDGE_BY = 20

_log = logging.getLogger(__name__)


@dataclass
class TableFile:
    """A table as it is in its file."""

    frame: Any
    """A polars data frame: of a text file text, null where a field is empty; of a ``.parquet`` what it has."""
    separator: str = ""
    """What stands between the columns of text; nothing in a ``.parquet``."""
    index: list[str] = field(default_factory=list)
    """Columns that pandas has written for its index."""


def is_table(path: Path) -> bool:
    """Return whether the name of a file is that of a table."""
    return bool(re.search(TABLE, path.name))


def stem(path: str | Path) -> str:
    """Return the name of a file without its ending, of a compressed table without both."""
    path = Path(path)
    return re.sub(TABLE, "", path.name) if is_table(path) else path.stem


def read_table(path: str | Path, *, encoding: str = "", known: Collection[str] = (), separator: str = "") -> TableFile:
    """Read a table as it is: a ``.parquet``, or text with a line of names, compressed or not; ``-`` is standard input.

    Text is UTF-8, or what `encoding` or a byte-order mark says, with commas, semicolons, tabs or ``|`` between columns. Where
    `known` names the columns that there should be, the line of names alone tells which; `separator` is the expected one.

    Raises
    ------
    FileFormatError
        If there is no such file, it cannot be read, it is empty, columns have no names or two the same, or rows have more
        values than there are names, or fewer.
    SettingError
        If there is no such encoding.
    """
    import polars as pl

    path = Path(path)
    by_name = path.suffix.lower() == ".parquet" and path.is_file()
    content = b"" if by_name else read_bytes(path)
    try:
        if by_name or content.startswith(b"PAR1"):
            if encoding:
                raise SettingError(f"--encoding is for text, and {name_of(path)} is a .parquet.")
            file = _read_parquet(path if by_name else io.BytesIO(content))
        else:
            file = _read_text(path, to_utf8(path, content, encoding), known, separator)
    except (pl.exceptions.PolarsError, csv.Error, OSError, ValueError) as error:
        if isinstance(error, FcnetError):
            raise
        raise FileFormatError(f"{name_of(path)} cannot be read as a table: {str(error).splitlines()[0]}.") from None
    if not len(file.frame):
        raise FileFormatError(f"{name_of(path)} has no rows.")
    return file


def _read_parquet(source: Any) -> TableFile:
    import polars as pl

    pandas = json.loads(pl.read_parquet_metadata(source).get("pandas", "{}"))
    frame = pl.read_parquet(source)
    said = [name for name in pandas.get("index_columns", []) if isinstance(name, str)]  # a range is described, and no column
    index = [name for name in frame.columns if name in said or re.fullmatch(r"__index_level_\d+__", name)]
    return TableFile(frame, index=index)


def _read_text(path: Path, content: bytes, known: Collection[str], separator: str) -> TableFile:
    import polars as pl

    names, separator = _names(path, content, known, separator)
    try:
        frame = pl.read_csv(content, separator=separator, infer_schema=False, new_columns=names)
    except pl.exceptions.PolarsError as error:
        if "more fields" in str(error):
            _check_lengths(path, _lines(content, separator), len(names))
        raise
    last = frame[:, -1].is_null()  # also where a row has too few values
    try:
        _check_lengths(path, islice(_lines(content, separator), None if last.any() else LINES_TO_JUDGE_BY), len(names))
    except FileFormatError as error:
        if not known or last.all():  # where rows are to be predicted, no single row may decide
            raise
        _log.info("%s What a row lacks counts as missing.", error)
    rows = filled(frame).arg_true()
    return TableFile(frame[: rows[-1] + 1 if len(rows) else 0], separator)  # without empty lines at its end


def filled(frame: Any) -> Any:
    """Return which rows of a polars data frame have a value."""
    import polars as pl

    return frame.select(~pl.all_horizontal(pl.all().is_null())).to_series()


def _lines(content: bytes, separator: str) -> Iterator[list[str]]:
    """Read lines from that of the names on."""
    lines = csv.reader(io.TextIOWrapper(io.BytesIO(content), "utf-8", newline=""), delimiter=separator)
    return dropwhile(lambda line: not any(line), lines)


def _names(path: Path, content: bytes, known: Collection[str], expected: str) -> tuple[list[str], str]:
    """Return the names of the columns, and the sign between them.

    It is the one that finds most of the names that are known; otherwise the one by which most of the first lines have as many
    values as there are names.
    """
    lines = {sign: list(islice(_lines(content, sign), LINES_TO_JUDGE_BY)) for sign in SEPARATORS}
    heads = {sign: [name.strip() for name in next(iter(lines[sign]), [])] for sign in SEPARATORS}

    def fitness(sign: str) -> tuple[int, bool, tuple[int, int]]:
        n_known = len(set(heads[sign]).intersection(known))
        return n_known, n_known > 0 and sign == expected, _agreement([line for line in lines[sign] if any(line)])

    separator = max(SEPARATORS, key=fitness)
    first = heads[separator]
    names = [name for name in first if name]
    if not names:
        raise FileFormatError(f"{name_of(path)} is empty: it needs a line of column names, and rows.")
    twice = sorted({name for name in names if names.count(name) > 1})
    if all(map(is_number, names)) and names != [str(number) for number in range(len(names))]:  # as pandas counts columns
        raise FileFormatError(
            f"{name_of(path)} has only numbers in its first line, as {names[0]!r}: put a line of column names before it, or "
            "letters into the names."
        )
    if twice:
        raise FileFormatError(f"{name_of(path)} has several columns of the name {', '.join(map(repr, twice))}: rename them.")
    return [name or f"Unnamed {number}" for number, name in enumerate(first, 1)], separator


def _check_lengths(path: Path, lines: Iterable[list[str]], n_names: int) -> None:
    """Raise FileFormatError for the first row with more or fewer values than there are names."""
    for number, row in enumerate(lines):  # the names are number 0
        if len(row) > n_names or (any(row) and len(row) < n_names):
            raise FileFormatError(
                f"{name_of(path)} has {n_names} names in its first line, and {len(row)} value{'s' * (len(row) != 1)} in row "
                f"{number}. A text that holds the sign between columns needs quotes."
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


def chosen_columns(path: str | Path, typed: Iterable[str], names: Collection[str]) -> list[str]:
    """Return columns that were named one by one or with commas between them; a name that has a comma goes first.

    Where there is no such column, SettingError is raised.
    """
    chosen: dict[str, None] = {}
    for words in typed:
        for name in [words] if words in names else [word.strip() for word in words.split(",")]:
            if name not in names:
                raise SettingError(f"{name_of(Path(path))}: {unknown_name('column', name, names)}")
            chosen[name] = None
    return list(chosen)
