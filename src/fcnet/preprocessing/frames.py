"""Data frames of pandas and of Arrow, as polars has them."""

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import date, datetime
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np

from fcnet.data.cells import as_text
from fcnet.errors import InputError, nearest_names
from fcnet.types import Array, as_array, is_frame
from fcnet.words import listed


def as_polars(frame: Any, names: Collection[str] | None = None, rows: slice = slice(None)) -> Any:
    """Return columns of a data frame of polars, pandas or pyarrow, all or those of these names, as a polars one: `rows` of it.

    Raises
    ------
    InputError
        If a column is not there, or there twice, or `frame` is none of these.
    """
    import polars as pl

    labels = labels_of(frame)
    names = dict.fromkeys(labels if names is None else names)
    missing = sorted(names.keys() - set(labels))
    if missing:
        near = (nearest_names(name, [label for label in labels if label not in names]) for name in missing)
        hint = listed(dict.fromkeys(repr(name) for found in near for name in found))
        raise InputError(
            f"There is no column {listed(map(repr, missing))}, which the model was trained on; there are "
            f"{listed(map(repr, sorted(labels)))}.{f' Did you mean {hint}?' if hint else ''}"
        )
    twice = [name for name, n in Counter(labels).items() if n > 1 and name in names]
    if twice:
        raise InputError(f"There are several columns of the name {listed(map(repr, twice))}: rename them.")
    if hasattr(frame, "iloc"):
        columns = zip(labels, (column for _, column in frame.iloc[rows].items()), strict=True)
        return pl.DataFrame([_from_pandas(name, column) for name, column in columns if name in names])
    start, stop, _ = rows.indices(n_rows(frame))
    part = frame.slice(start, stop - start)
    return part if isinstance(part, pl.DataFrame) else pl.DataFrame(part)


def labels_of(frame: Any) -> list[str]:
    """Return the names of the columns of a data frame."""
    return [str(label) for label in (frame.column_names if hasattr(frame, "column_names") else frame.columns)]


class PolarsColumns:
    """The columns of a data frame by their names, or of an array, ``x0``, ``x1``, …, as polars has them.

    Those of pandas and of arrays, and chosen `rows` of any, are copied one by one, to save memory.
    """

    def __init__(self, frame: Any, rows: Array | None = None) -> None:
        self._rows = rows
        self._array = None if is_frame(frame) else as_array(frame)
        if self._array is not None:
            self.names = [f"x{i}" for i in range(self._array.shape[1])]
            return
        self.names = labels_of(frame)
        self._frame = frame if hasattr(frame, "iloc") else as_polars(frame)
        if hasattr(frame, "iloc"):
            as_polars(frame, rows=slice(0))  # for its checks

    def __len__(self) -> int:
        return len((self._frame if self._array is None else self._array) if self._rows is None else self._rows)

    def dtype(self, name: str) -> Any:
        """Return the type of a column."""
        return self[name].dtype if self._array is None else PolarsColumns(self._array[:0])[name].dtype

    def __getitem__(self, name: str) -> Any:
        import polars as pl

        rows = self._rows
        if self._array is not None:
            column = self._array[:, int(name[1:])]
            return pl.Series(name, np.ascontiguousarray(column) if rows is None else column[rows])
        if hasattr(self._frame, "iloc"):
            column = _from_pandas(name, self._frame.iloc[:, self.names.index(name)])
        else:
            column = self._frame[name]
        return column if rows is None else column.gather(rows)


def n_rows(frame: Any) -> int:
    """Return how many rows a data frame has, or raise InputError if it is none of polars, pandas or pyarrow."""
    if not hasattr(frame, "iloc") and not hasattr(frame, "__arrow_c_stream__"):
        raise InputError(f"The model takes a data frame of polars, pandas or pyarrow, got {type(frame).__name__}.")
    return len(frame)


def _from_pandas(name: str, series: Any) -> Any:
    """Return a column of pandas as one of polars, without pyarrow, which need not be installed."""
    import polars as pl

    if isinstance(series.dtype, np.dtype) and series.dtype.kind in "fiub":  # most columns: no more than that takes time
        return pl.Series(name, series.to_numpy())
    if hasattr(series, "sparse"):
        return _from_pandas(name, series.sparse.to_dense())
    if str(series.dtype).startswith("period"):  # which begins at a date
        series = series.dt.to_timestamp()
    if isinstance(series.dtype, np.dtype) and series.dtype.kind == "M":
        return pl.Series(name, series.to_numpy("datetime64[us]"))
    values = [None if missing else value for value, missing in zip(series.tolist(), series.isna(), strict=True)]
    column = from_values(name, values)
    if str(series.dtype) != "category":
        return column
    if column.dtype == pl.Object:  # as intervals are
        column = pl.Series(name, [None if value is None else str(value) for value in values], pl.String)
    return as_text(column).cast(pl.Categorical)  # also of numbers


def from_values(name: str, values: Sequence[Any]) -> Any:
    """Return a polars column of values, None where one is missing.

    Numbers of several types are floats, and dates of several types dates. Other mixtures are text.

    Raises
    ------
    InputError
        If polars has no type for the values, or some dates have a time zone and some have none.
    """
    import polars as pl

    types = {type(value) for value in values if value is not None}
    are_dates = all(issubclass(kind, date) for kind in types)
    if are_dates and len({getattr(value, "tzinfo", None) is None for value in values if value is not None}) > 1:
        raise InputError(f"The column {name!r} mixes dates with a time zone and without: give all of them one, or none.")
    try:
        if len(types) < 2:
            return pl.Series(name, values)
        if all(issubclass(kind, bool | np.bool_) for kind in types):
            return pl.Series(name, [value if value is None else bool(value) for value in values], pl.Boolean)
        if all(issubclass(kind, Real | Decimal | np.bool_) for kind in types):
            return pl.Series(name, [value if value is None else float(value) for value in values], pl.Float64)
        if are_dates:
            return pl.Series(name, [_moment(value) for value in values])
    except (TypeError, ValueError, ArithmeticError, pl.exceptions.PolarsError) as error:
        raise InputError(f"The column {name!r} cannot be read: {str(error).splitlines()[0]:.100}.") from None
    return pl.Series(name, [None if value is None else str(value) for value in values], pl.String)


def _moment(value: date | None) -> datetime | None:
    return value if value is None or isinstance(value, datetime) else datetime(value.year, value.month, value.day)
