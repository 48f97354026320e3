"""Columns of dates: year, month, weekday, hour and elapsed days, scaled."""

import warnings
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np

from fcnet.data.cells import Dialect
from fcnet.data.dates import CLOCK, knows_zone
from fcnet.errors import DataWarning, InputError, callers
from fcnet.preprocessing.frames import PolarsColumns
from fcnet.preprocessing.table_cells import seconds_of
from fcnet.preprocessing.table_numbers import Numbers
from fcnet.types import Array

DAY = 86400.0  # seconds
LATEST = 2.0**63  # seconds that datetime64 holds


@dataclass(eq=False)
class Dates(Numbers):
    """Year, month, weekday, hour and elapsed days of each date, scaled as `Numbers` are, but for what is constant in training.

    The hour has minutes and seconds as its fraction. Days elapse from 1970 on, which scaling takes away again. Encoded dates,
    and the median, are seconds since 1970 in UTC.

    Parameters
    ----------
    zoned : collection of str
        The columns that were in a time zone in training. Times without one are taken for UTC there, with a `DataWarning`.
    """

    zoned: Collection[str] = ()

    parts: ClassVar[tuple[str, ...]] = ("year", "month", "weekday", "hour", "elapsed days")
    constant_std: ClassVar[float] = 0.0

    @classmethod
    def fit(cls, frame: PolarsColumns, names: list[str], *, is_robust: bool = False, indicator: bool = False) -> Self:
        fitted = super().fit(frame, names, is_robust=is_robust, indicator=indicator)
        fitted.zoned = [name for name in names if knows_zone(frame[name])]
        return fitted

    @staticmethod
    def read(column: Any, dialect: Dialect | None = None, first_row: int = 0) -> Array:
        return seconds_of(column, dialect, first_row)

    @staticmethod
    def parts_of(x: Any, floor: Callable[[Any], Any]) -> tuple[Any, ...]:
        """Return `parts` of seconds since 1970, in the Gregorian calendar, months from 1, weekdays from Monday, 0.

        Years are counted from March, so that a leap day is the last of its year, and in eras of 400 years, which have 146,097
        days (Hinnant, "chrono-compatible low-level date algorithms").
        """
        days = floor(x / DAY)
        since_march_0 = days + 719468.0
        era = floor(since_march_0 / 146097.0)
        day = since_march_0 - era * 146097.0
        year = floor((day - floor(day / 1460.0) + floor(day / 36524.0) - floor(day / 146096.0)) / 365.0)
        day = day - (year * 365.0 + floor(year / 4.0) - floor(year / 100.0))
        month = floor((day * 5.0 + 2.0) / 153.0)  # 0 is March
        is_next_year = floor(month / 10.0)
        weekday = days + 3.0  # 1 January 1970 was a Thursday
        return (
            year + era * 400.0 + is_next_year,
            month + 3.0 - is_next_year * 12.0,
            weekday - floor(weekday / 7.0) * 7.0,
            (x - days * DAY) / 3600.0,
            x / DAY,
        )

    @staticmethod
    def middle(values: Array) -> float:
        """Return the lower median, which is one of the values: the mean of two days may have a time of day."""
        return float(np.sort(values)[(len(values) - 1) // 2])

    def words(self, i: int) -> tuple[str, str]:
        parts = [name for name, std in zip(self.parts, self.std[i], strict=True) if std > 0]
        (day,) = self.cells(i, self.median[i : i + 1])
        zone = " in UTC" * (self.names[i] in self.zoned)
        return f"date{zone}: {', '.join(parts) or 'nothing, as it did not vary'}", self._missing_words(i, day)

    def cells(self, i: int, values: Array) -> list[Any]:
        return [str(np.datetime64(int(seconds), "s")).removesuffix("T00:00:00") for seconds in values]

    def _values(self, columns: list[Any], dialect: Dialect | None, first_row: int) -> Array:
        self._tell_zones(columns)
        return np.column_stack([self.read(column, dialect, first_row) for column in columns])

    def _tell_zones(self, columns: list[Any]) -> None:
        """Warn of times without a zone where there was one in training, of a column once."""
        for column in columns:
            if column.name in self._unzoned and column.count() and not knows_zone(column):
                self._unzoned.remove(column.name)
                warnings.warn(
                    DataWarning(
                        f"The times of {column.name!r} have no time zone, and those that the model was trained on had one: "
                        "they are taken for UTC. Give them their zone if it is another."
                    ),
                    stacklevel=callers(),
                )

    @cached_property
    def _unzoned(self) -> set[str]:
        return set(self.zoned)

    def examples(self, n: int, rng: np.random.Generator) -> Array:
        return np.asarray(np.rint(super().examples(n, rng) * DAY))


def check_dates(names: list[str], median: Array, dialect: Dialect | None) -> None:
    """Raise InputError if columns of dates have a median that is none, or a format that is of times of day."""
    if not (np.abs(median) < LATEST).all():
        raise InputError("the median of a column of dates is no date.")
    if dialect and any(dialect.formats.get(name) == CLOCK for name in names):
        raise InputError("a column of dates has the format of times of day.")
