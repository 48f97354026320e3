"""Cells of a table, each read by itself: as text, and as a number."""

import re
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any

from fcnet.data.dates import CLOCK, FORMATS
from fcnet.errors import InputError

MISSING = ("NA", "N/A", "n/a", "<NA>", "#N/A", "NaN", "nan", "NULL", "null", "None", "?")  # beside empty fields
DECIMAL_COMMA = (r"^([+-]?\d*),(\d+(?:[eE][+-]?\d+)?)$", "${1}.${2}")
NUMERAL = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?"
EXACT = 2.0**53  # floats of at least so much do not tell whole numbers apart


@dataclass(frozen=True)
class Dialect:
    """How the text was written that a model of a table learnt from, so that new text is read in the same way."""

    separator: str = ""
    """What stands between the columns; nothing where the table was a ``.parquet``."""
    decimal_commas: list[str] = field(default_factory=list)
    """The columns of numbers with a decimal comma; the others have a point."""
    missing: list[str] = field(default_factory=lambda: [*MISSING])
    """Words for what is missing, beside empty fields."""
    formats: dict[str, str] = field(default_factory=dict)
    """The columns of dates and of times of day that are text, and how each is written, as ``DD.MM.YYYY``."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take a pickle of before, too, which had fewer fields."""
        vars(self).update(vars(Dialect()) | state)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Dialect":
        """Make one of its fields, or raise InputError if they are others, or of other types; `formats` may be absent."""
        needed = {"separator", "decimal_commas", "missing"}
        if values.keys() - {"formats"} != needed or values["separator"] not in ("", *",;|\t"):
            raise InputError("the dialect of a table needs a separator, decimal_commas and missing.")
        for words in (values["decimal_commas"], values["missing"]):
            if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
                raise InputError("the dialect of a table has decimal_commas or missing words that are no text.")
        formats, known = values.get("formats", {}), [*FORMATS, CLOCK]
        if not isinstance(formats, dict) or not all(isinstance(name, str) and formats[name] in known for name in formats):
            raise InputError("the dialect of a table has formats of dates that are unknown.")
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """Return what `from_dict` makes an equal one of."""
        return {name: value for name, value in asdict(self).items() if value or name != "formats"}


def is_compound(series: Any) -> bool:
    """Return whether a polars column holds lists, bytes, durations or other things that have no plain text."""
    import polars as pl

    return bool(series.dtype.is_nested() or series.dtype in (pl.Binary, pl.Object, pl.Duration))


def check_simple(series: Any) -> None:
    """Raise InputError if a polars column `is_compound`."""
    import polars as pl

    if is_compound(series):
        what = (
            series.dtype if series.dtype != pl.Object else type(next(value for value in series if value is not None)).__name__
        )
        advice = ": turn it into a number, as of hours" if series.dtype == pl.Duration else ""
        raise InputError(f"The column {series.name!r} holds {what}, and numbers or text are needed{advice}.")


def is_constant(series: Any) -> bool:
    """Return whether a column holds one value or none; missing text is a value, while a median stands for numbers and dates."""
    is_text = not (series.dtype.is_numeric() or series.dtype.is_temporal())
    return int((series if is_text else known(series)).n_unique()) <= 1


def known(series: Any) -> Any:
    """Return the values of a column that are neither missing nor infinite."""
    return (series.filter(series.is_finite()) if series.dtype.is_float() else series).drop_nulls()


def as_text(series: Any) -> Any:
    """Return a polars column of any simple type as text, or raise InputError if it holds lists, bytes or the like.

    Whole numbers have all their digits, and no point where gaps made floats of them.
    """
    import polars as pl

    check_simple(series)
    if series.dtype.is_float():
        series = series.fill_nan(None)
        is_whole = (series == series.round()) & (series.abs() < EXACT)
        whole = series.set(~is_whole.fill_null(False), None).cast(pl.Int64).cast(pl.String)
        return whole.fill_null(series.cast(pl.String))
    return series.cast(pl.String)


def stripped(text: Any) -> Any:
    """Return text without blanks at its ends, null where it is empty."""
    return without(text.str.strip_chars(), [""])


def without(text: Any, words: Collection[str]) -> Any:
    """Return text with null in the place of these words."""
    return text.set(text.is_in(list(words)).fill_null(False), None)


def as_numbers(text: Any, *, decimal_comma: bool) -> tuple[Any, Any]:
    """Return text as float64, null where it is empty or a ``-`` alone, and which cells are no numbers."""
    import polars as pl

    text = without(stripped(text), ["-"])
    plain = text
    if decimal_comma:
        has_point = text.str.contains(".", literal=True).fill_null(False)  # of thousands perhaps: 1.200 is not 1.2
        plain = text.str.replace(*DECIMAL_COMMA).set(has_point, "a point")
    numbers = plain.cast(pl.Float64, strict=False)
    return numbers, text.is_not_null() & numbers.is_null()


def merged_numbers(column: Any, numbers: Any) -> list[str]:
    """Return two different whole numbers of a column, or of its text, that are one as float64 `numbers`, if there are any."""
    import polars as pl

    if not (numbers.abs() >= EXACT).any():
        return []
    digits = as_text(column).str.extract(r"^[+-]?\d+$", 0).str.replace(r"^(-?)\+?0*(\d)", "${1}${2}")
    pairs = pl.DataFrame({"text": digits, "number": numbers}).filter(numbers.abs() >= EXACT).drop_nulls().unique("text")
    twice = pairs.filter(pairs["number"].is_duplicated()).sort("number", "text")
    return list(twice["text"][:2])


def number(text: str | None) -> Decimal | None:
    """Return the finite number that a text is, with all its digits; None if it is none.

    Examples
    --------
    >>> number("1.50") == number("1.5"), number("1577134800018226901") == number("1577134800018226902"), number("nan")
    (True, False, None)
    """
    return Decimal(text) if text is not None and re.fullmatch(NUMERAL, text, re.ASCII) else None
