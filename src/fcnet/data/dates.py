"""Dates and times of day in text: how they are written, and what they are."""

import re
from typing import Any

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_YEAR, _MONTH, _DAY = r"(?P<year>\d{4})", r"(?P<month>\d{1,2})", r"(?P<day>\d{1,2})"
_NAME = rf"(?P<name>{'|'.join(MONTHS)})[a-z]*\.?"
_CLOCK = r"(?P<hour>[01]?\d|2[0-3]):(?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d(?:\.\d+)?))?"
_ZONE = r"\s?(?:Z|UTC|GMT|(?P<sign>[+-])(?P<zone_hour>\d{2})(?::?(?P<zone_minute>\d{2}))?)"

ISO, CLOCK = "YYYY-MM-DD", "hh:mm"
FORMATS = {
    form.replace("-", sign): pattern.replace("-", re.escape(sign))
    for sign in "-/."
    for form, pattern in {
        ISO: f"{_YEAR}-{_MONTH}-{_DAY}",
        "DD-MM-YYYY": f"{_DAY}-{_MONTH}-{_YEAR}",
        "MM-DD-YYYY": f"{_MONTH}-{_DAY}-{_YEAR}",
    }.items()
} | {"DD Month YYYY": rf"{_DAY}\.?[ -]{_NAME}[ -]{_YEAR}", "Month DD, YYYY": rf"{_NAME} {_DAY},? {_YEAR}"}
"""Dates, all of which may have a time of day after them, and a time zone."""


def formats_of(text: Any) -> list[str]:
    """Return the formats by which all of a polars column of text, without blanks at the ends, are dates; none for no text.

    Examples
    --------
    >>> import polars as pl
    >>> formats_of(pl.Series(["03.04.2024", None])), formats_of(pl.Series(["13.04.2024", "3.4.2024"]))
    (['DD.MM.YYYY', 'MM.DD.YYYY'], ['DD.MM.YYYY'])
    """
    first = _first(text)
    fits = [*FORMATS] if first and re.search(r"(^|\D)\d{4}(\D|$)", first) else []
    if fits:  # a few words rule most formats out
        fits = [form for form in fits if not dates_of(text.drop_nulls()[:9], form).null_count()]
    if fits:
        words = text.drop_nulls().unique()
        fits = [form for form in fits if not dates_of(words, form).null_count()]
    return fits


def dates_of(text: Any, form: str) -> Any:
    """Return text of a format as dates with times of day, in UTC where a zone is given, null where it is none.

    Examples
    --------
    >>> import polars as pl
    >>> dates_of(pl.Series(["2024-02-29T00:30+01:00", "2023-02-29"]), "YYYY-MM-DD").to_list()
    [datetime.datetime(2024, 2, 28, 23, 30), None]
    """
    import polars as pl

    parts = _parts(text, rf"{FORMATS[form]}(?:[ T]{_CLOCK}(?:{_ZONE})?)?")
    month = pl.col("month")
    if "name" in parts.columns:
        month = pl.col("name").str.to_lowercase().replace({name: f"{number}" for number, name in enumerate(MONTHS, 1)})
    day = pl.concat_str("year", month, "day", separator="-").str.to_date("%Y-%m-%d", strict=False)
    zone = (_number("zone_hour") * 60 + _number("zone_minute")) * 60
    seconds = _seconds() - pl.when(pl.col("sign") == "-").then(-zone).otherwise(zone)
    microseconds = day.dt.epoch("us") + (seconds * 1e6).round().cast(pl.Int64)
    return parts.select(microseconds.cast(pl.Datetime("us")).alias(text.name)).to_series()


def hours_of(times: Any) -> Any:
    """Return times of day, as text or as polars has them, as hours; null where text is none.

    Examples
    --------
    >>> import polars as pl
    >>> hours_of(pl.Series(["12:30", "9:00:36", "24:00"])).to_list()
    [12.5, 9.01, None]
    """
    import polars as pl

    if times.dtype == pl.Time:
        return times.cast(pl.Int64) / 3.6e12
    return (
        _parts(times, _CLOCK)
        .select(pl.when(pl.col("hour").is_not_null()).then(_seconds() / 3600).alias(times.name))
        .to_series()
    )


def are_times(text: Any) -> bool:
    """Return whether all of a column of text are times of day, and some are."""
    first = _first(text)
    return bool(first and re.fullmatch(_CLOCK, first) and hours_of(text).null_count() == text.null_count())


def has_zone(text: Any) -> bool:
    """Return whether times of day in text are said to be of a zone, another than UTC."""
    return bool(text.str.contains(r":\d{2}.*[+-]\d{2}(:?\d{2})?$").any())


def knows_zone(column: Any) -> bool:
    """Return whether times, as text or as polars has them, say that they are in a zone or in UTC."""
    import polars as pl

    if column.dtype == pl.String:
        return bool(column.str.contains(r":\d{2}.*([+-]\d{2}(:?\d{2})?|Z)$").any())
    return getattr(column.dtype, "time_zone", None) is not None


def _first(text: Any) -> str | None:
    """Return the first text that is not missing, in a moment."""
    row = text.is_not_null().arg_max()
    word: str | None = None if row is None else text[row]
    return word


def _parts(text: Any, pattern: str) -> Any:
    return text.str.extract_groups(rf"(?i)^{pattern}$").struct.unnest()


def _seconds() -> Any:
    return (_number("hour") * 60 + _number("minute")) * 60 + _number("second")


def _number(name: str) -> Any:
    import polars as pl

    return pl.col(name).cast(pl.Float64).fill_null(0)
