"""What the columns of a table are, by all that they hold: numbers, categories, or nothing to learn from."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fcnet.data.cells import DECIMAL_COMMA, as_numbers, as_text, is_compound, merged_numbers, stripped, without
from fcnet.data.dates import CLOCK, ISO, are_times, dates_of, formats_of, has_zone, hours_of, knows_zone
from fcnet.data.table_file import TableFile
from fcnet.words import listed

THOUSANDS = r"^[+-]?[1-9]\d{0,2}(,\d{3})+$"  # 1,200 may be either
POINTED_THOUSANDS = r"^[+-]?[1-9]\d{0,2}(\.\d{3})+$"
FIGURE = r"^[+-]?\p{Sc}?\s?[+-]?(\d{1,3}([.,'\s]\d{3})+([.,]\d+)?|\d+([.,]\d+)?)\s?(\p{Sc}|%)?$"
MONTH = r"(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
DATES = (
    r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([ T].*)?",  # 2024-02-21, 21.02.24
    r"\d{4}-\d{2}",
    rf"\d{{1,2}}\.?[ -]{MONTH}[ -]\d{{2,4}}.*",  # 21 Feb 2024
    rf"{MONTH} (\d{{1,2}},? )?\d{{4}}.*",  # Feb 21, 2024
    r"\d{1,2}:\d{2}(:\d{2})?",
)
LARGEST = 1e100  # squares of larger numbers overflow
MOST_CATEGORIES = 1000
WORDS = 3.0  # of so many and more a category has not, while free text has
MOST_WITH_RARE = 100_000  # where rare categories share a place


@dataclass(frozen=True)
class Problem:
    """Why a column cannot be used, and what can be done but for leaving it out."""

    what: str
    advice: str = "or turn it into numbers or a few categories first"


@dataclass
class Columns:
    """The columns of a table by what they hold."""

    frame: Any
    """A polars data frame of float64, text and dates in UTC, null where a value is missing."""
    raw: Any
    """The same as it is in the file."""
    texts: dict[str, Any] = field(default_factory=dict)
    """Those that are text in the file, as polars series without blanks at the ends, null where a value is missing."""
    decimal_commas: list[str] = field(default_factory=list)
    words: dict[str, dict[str, int]] = field(default_factory=dict)
    """Of columns the words that counted as missing, and how many there are."""
    formats: dict[str, str] = field(default_factory=dict)
    """Of dates and times of day that are text, and of all times of day, how they are written."""
    zones: dict[str, str] = field(default_factory=dict)
    """Of dates that are UTC now the time zone that they were in."""
    problems: dict[str, Problem] = field(default_factory=dict)

    def text(self, name: str) -> Any:
        """Return a column as it is written, null where a value is missing."""
        return self.texts[name] if name in self.texts else as_text(self.raw[name])


def columns_of(
    file: TableFile, categories: Collection[str], words: Sequence[str], decimal: str = "", target: str = ""
) -> Columns:
    """Return the columns of a table as numbers, dates, text or, where they are none of these, as they were.

    `categories` are columns that are categories, whatever they look like, and `words` mean a missing value, beside empty
    fields. `decimal` is the decimal sign, where it is known. The column `target` is not taken for dates.
    """
    import polars as pl

    columns = Columns(file.frame, file.frame)
    for series in file.frame:
        if is_compound(series) or (series.dtype.is_temporal() and series.name == target):
            columns.problems[series.name] = Problem(f"holds {series.dtype}, not numbers or categories")
        elif series.dtype == pl.String:
            text = stripped(series)
            found = text.filter(text.is_in(list(words)))
            columns.words |= {series.name: dict(found.alias("word").value_counts(sort=True).iter_rows())} if len(found) else {}
            columns.texts[series.name] = without(text, words)
    commas = (
        set(columns.texts) if decimal == "," else set() if decimal else guessed_commas(file.separator, columns.texts.values())
    )
    typed = []
    for series in file.frame:
        name = series.name
        if name in columns.problems:
            continue
        if name not in categories and (series.dtype.is_numeric() or series.dtype == pl.Null):
            typed.append(series.cast(pl.Float64))
            continue
        if name not in categories and series.dtype.is_temporal():
            typed.append(_of_time(series, columns))
            continue
        text = columns.text(name)
        truth = text.str.to_lowercase()
        if text.null_count() < len(text) and truth.is_in(["true", "false"]).all():
            typed.append(truth)  # however a program writes them, they are the booleans of a .parquet
        else:
            is_text = name in categories or series.dtype != pl.String
            dates = None if is_text or name == target else _of_time(text, columns)
            typed.append(text if is_text else _numbers_or_text(text, name in commas, columns) if dates is None else dates)
    columns.frame = file.frame.with_columns(typed)
    return columns


def _of_time(series: Any, columns: Columns) -> Any:
    """Return dates in UTC, times of day as hours, and None for text that is neither; dates of two formats are a problem."""
    import polars as pl

    name, is_text = series.name, series.dtype == pl.String
    if series.dtype == pl.Time or (is_text and are_times(series)):
        columns.formats[name] = CLOCK
        return hours_of(series)
    if not is_text:
        columns.zones |= {name: zone} if (zone := getattr(series.dtype, "time_zone", None)) not in (None, "UTC") else {}
        return _in_utc(series.dt.epoch("us").cast(pl.Datetime("us")), knows_zone(series))
    forms = formats_of(series)
    if len(forms) == 1:
        columns.formats[name] = forms[0]
        columns.zones |= {name: "the zones given"} if has_zone(series) else {}
        return _in_utc(dates_of(series, forms[0]), knows_zone(series))
    if forms:
        what = f"holds dates that may be {' or '.join(forms)}, as {series.drop_nulls()[0]!r}"
        columns.problems[name] = Problem(what, f"or write them as {ISO}")
        return series
    return None


def _in_utc(dates: Any, knows_zone: bool) -> Any:
    """Return dates that are in UTC, and say so if they have come from a zone."""
    return dates.dt.replace_time_zone("UTC") if knows_zone else dates


def guessed_commas(separator: str, texts: Collection[Any]) -> set[str]:
    """Return which columns of text have decimal commas, if they are numbers: where some have that cannot be thousands."""
    some = any(text.str.contains(DECIMAL_COMMA[0]).any() and not text.str.contains(THOUSANDS).all() for text in texts)
    return {text.name for text in texts if _has_comma(text)} if some and separator == ";" else set()


def _has_comma(text: Any) -> bool:
    """Return whether numbers of a column have a decimal comma, in a file where some have."""
    points, commas = (text.filter(text.str.contains(sign, literal=True)) for sign in ".,")
    if len(points):
        return bool(points.str.contains(POINTED_THOUSANDS).all())
    return not (len(commas) and commas.str.contains(THOUSANDS).all())


def _numbers_or_text(text: Any, comma: bool, columns: Columns) -> Any:
    """Return text as the numbers that it is, or as it was; what is nearly numbers is a problem."""
    numbers, others = as_numbers(text, decimal_comma=comma)
    n, n_numbers = len(text) - text.null_count(), len(numbers) - numbers.null_count()
    n -= int((text == "-").sum())
    if n == n_numbers:
        if comma:
            columns.decimal_commas.append(text.name)
        return numbers
    figures = text.str.contains(FIGURE) | numbers.is_not_null()
    if int(figures.sum()) > max(n_numbers, n / 2):
        row = int((others & figures).arg_max() or 0)
        sign = (
            ""
            if comma or not re.match(DECIMAL_COMMA[0], text[row])
            else ", say --decimal ',' where a comma is the decimal sign"
        )
        columns.problems[text.name] = Problem(
            f"holds numbers that are not plain, as {text[row]!r} in row {row + 1}",
            f"or write them with digits and a point alone, as 1200.5{sign}, or take them for categories by --category "
            f"{text.name!r}",
        )
    elif n_numbers > n / 2:
        row = int(others.arg_max() or 0)
        words = dict.fromkeys([*(word for found in columns.words.values() for word in found), text[row]])
        columns.problems[text.name] = Problem(
            f"mixes numbers and words: row {row + 1} has {text[row]!r}",
            f"or correct it, say which words mean that a value is missing, as {option('--missing', words)}, or take it for "
            f"categories by --category {text.name!r}",
        )
    return text


def are_texts(n_unique: int, n_rows: int, most: int = MOST_CATEGORIES) -> bool:
    """Return whether so many different texts in so many rows are names or free text, and not categories."""
    return n_unique > most or (n_unique > 20 and n_unique > n_rows / 2)


def unusable(columns: Columns, name: str, rare: int = 0) -> Problem | None:
    """Return what is wrong with a column to learn from, if anything is; with `rare` rare categories share a place."""
    series = columns.frame[name]
    if name in columns.problems:
        return columns.problems[name]
    if series.dtype.is_numeric():
        large = (series.abs() > LARGEST) & series.is_finite()
        if large.any():
            row = int(large.arg_max() or 0)
            return Problem(f"holds {series[row]:g} in row {row + 1}, too large a number")
        raw = columns.raw[name]
        same = [] if raw.dtype.is_float() else merged_numbers(columns.texts.get(name, raw), series)
        if same:
            return Problem(
                f"holds whole numbers above 2^53, which the numbers of a network do not tell apart, as {same[0]} and {same[1]}",
                f"or take them for categories by --category {name!r}",
            )
        return None
    if series.dtype.is_temporal():
        return None
    words = series.drop_nulls()
    if len(words) and words.str.contains(f"(?i)^({'|'.join(DATES)})$").mean() > 0.9:
        return Problem(f"holds dates, as {words[0]!r}")
    n, n_unique = len(series), words.n_unique()
    what = f"has {n_unique:,} different texts in {n:,} rows: names or free text, not categories"
    if are_texts(n_unique, n, MOST_WITH_RARE):
        return Problem(what)
    if n_unique <= MOST_CATEGORIES or (rare and words.str.count_matches(r"\s").mean() < WORDS):
        return None
    return Problem(what) if rare else Problem(what, "or let those in few rows share a place by --set rare=10")


def option(option: str, columns: Iterable[str]) -> str:
    """Return an option with columns as one types it: those whose names have commas each by themselves.

    Examples
    --------
    >>> option("--drop", ["a", "b, c", "d"])
    "--drop 'a,d' --drop 'b, c'"
    """
    names = list(columns)
    plain = ",".join(name for name in names if "," not in name)
    return " ".join(f"{option} {value!r}" for value in (plain, *(name for name in names if "," in name)) if value)


def explained(path: object, problems: Mapping[str, Problem], target: str) -> str:
    """Return an error that names all columns that cannot be used, and what to do."""
    parts = []
    others = {name: problem for name, problem in problems.items() if name != target}
    if target in problems:
        parts.append(f"the target {target!r} {problems[target].what}. Name another by --target, {problems[target].advice}.")
    if len(others) == 1:
        ((name, problem),) = others.items()
        parts.append(f"the column {name!r} {problem.what}. Leave it out by {option('--drop', others)}, {problem.advice}.")
    elif others:
        whats = listed((f"{name!r} {problem.what}" for name, problem in others.items()), sign="; ")
        parts.append(
            f"{len(others)} columns cannot be used: {whats}. Leave them out by {option('--drop', others)}, or turn them into "
            "numbers or a few categories first."
        )
    return f"{path}: {' And '.join(parts)}"
