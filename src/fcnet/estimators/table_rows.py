"""Rows of a table as estimators are given them: an array where all are numbers, else a data frame."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils.validation import _check_y, check_consistent_length, validate_data

from fcnet.data.cells import MISSING, as_numbers, check_simple, merged_numbers, stripped, without
from fcnet.data.dates import formats_of
from fcnet.data.table_columns import are_texts
from fcnet.errors import InputError
from fcnet.estimators.fitted import FLOATS
from fcnet.preprocessing import TableFeatures
from fcnet.preprocessing.frames import PolarsColumns, as_polars, from_values
from fcnet.preprocessing.table import ROWS_AT_ONCE
from fcnet.types import Array, is_frame
from fcnet.words import listed


@dataclass(frozen=True)
class Rows:
    """Rows of a table, an array or a polars data frame, with their targets and what each counts.

    Parts share the table: `places` says which of its rows they are, None being all.
    """

    X: Any
    y: Array
    weights: Array | None = None
    places: Array | None = None

    def __getitem__(self, rows: Array) -> "Rows":
        places = rows if self.places is None else self.places[rows]
        return Rows(self.X, self.y[rows], None if self.weights is None else self.weights[rows], places)

    @property
    def columns(self) -> PolarsColumns:
        """The columns of these rows."""
        return PolarsColumns(self.X, self.places)

    def inputs(self, preprocessor: TableFeatures, dtype: str) -> Array:
        """Return the rows (n, n_outputs) as a preprocessor gives them to a network."""
        if self.places is None:
            return preprocessor.transform(self.X, dtype)
        out = np.empty((len(self.places), preprocessor.n_outputs), dtype)
        for start in range(0, len(out), ROWS_AT_ONCE):
            block = slice(start, start + ROWS_AT_ONCE)
            out[block] = preprocessor.transform(self.X[self.places[block]], dtype)
        return out


def read_rows(estimator: Any, X: Any, y: Any, **checks: Any) -> tuple[Any, Array]:
    """Return the rows to learn from, an array of numbers or a polars data frame, and checked targets.

    Raises
    ------
    ValueError
        If they do not fit one another, targets are missing or not finite, or a column cannot be learnt from.
    """
    if not is_frame(X):
        X, y = validate_data(estimator, X, y, dtype=None, ensure_all_finite=False, **checks)
        if X.dtype.kind not in "fiub":
            frame = _as_frame(X, [f"x{i}" for i in range(X.shape[1])])
            _refuse(frame)
            return frame, y
        if X.dtype in (np.int64, np.uint64):
            columns = PolarsColumns(X)
            _refuse_merged(columns[name] for name in columns.names)
        return X if X.dtype in FLOATS else X.astype(np.float64), y
    frame = as_polars(X)  # which names columns that are there twice
    if not frame.width:
        raise InputError("X has no columns.")
    validate_data(estimator, X, y, skip_check_array=True)
    y = _check_y(y, estimator=estimator, **checks)
    check_consistent_length(X, y)
    if not frame.height:
        raise InputError("X has no rows.")
    _refuse(frame)
    return frame, y


def read_again(estimator: Any, X: Any, names: Sequence[str], *, by_name: bool, are_numbers: bool) -> Any:
    """Return rows like those that were learnt from: data frames `by_name` of the columns, others by their order.

    Raises
    ------
    ValueError
        If they have another number of columns.
    """
    if is_frame(X) and by_name:
        return X
    if is_frame(X):
        as_polars(X, rows=slice(0))  # for its checks
    X = validate_data(estimator, X, reset=False, dtype=None, ensure_all_finite=False)
    return X if are_numbers and X.dtype.kind in "fiub" else _as_frame(X, names)


def _as_frame(X: Array, names: Sequence[str]) -> Any:
    import polars as pl

    return pl.DataFrame([_column(name, column) for name, column in zip(names, X.T, strict=True)])


def _column(name: str, values: Array) -> Any:
    """Return a column of an array as a polars one: numbers where all are, though they be written as text."""
    import polars as pl

    if values.dtype.kind in "fiub":
        return pl.Series(name, values.astype(np.float64))
    if values.dtype.kind in "mM":
        return pl.Series(name, values.astype(f"{values.dtype.kind}8[us]"))
    found = [None if value is None or value != value else value for value in values.tolist()]  # noqa: PLR0124  # NaN
    column = from_values(name, found)
    if column.dtype == pl.Null:
        return column.cast(pl.Float64)
    return _numbers_or_text(column) if column.dtype == pl.String else column


def _numbers_or_text(text: Any) -> Any:
    """Return text as the numbers that all of it is, by the rules for files, or as it was."""
    plain = without(stripped(text), MISSING)
    numbers, others = as_numbers(plain, decimal_comma=False)
    return text if others.any() or not numbers.count() or merged_numbers(plain, numbers) else numbers


def _refuse(frame: Any) -> None:
    """Raise InputError for columns that cannot be learnt from."""
    for column in frame:
        check_simple(column)
    _refuse_merged(frame)
    _refuse_texts(frame)


def _refuse_merged(columns: Iterable[Any]) -> None:
    for column in columns:
        if column.dtype.is_integer() and (same := merged_numbers(column, column.cast(float))):
            raise InputError(
                f"The column {column.name!r} holds whole numbers above 2^53, which the numbers of a network do not tell apart, "
                f"as {same[0]} and {same[1]}. Leave it out, or give a data frame in which it has the type category."
            )


def _refuse_texts(frame: Any) -> None:
    import polars as pl

    written = [column for column in frame if column.dtype == pl.String]
    for column in written:
        if forms := formats_of(column.str.strip_chars()):
            raise InputError(
                f"{column.name!r} holds dates as text, as {column.drop_nulls()[0]!r} ({' or '.join(forms)}). Turn them into "
                "dates, as pandas.to_datetime does; or give the column the type category, if they are no more than names."
            )
    counts = {column.name: column.drop_nulls().n_unique() for column in written}
    texts = {name: n for name, n in counts.items() if are_texts(n, frame.height)}
    if texts:
        whats = listed(f"{name!r} has {n:,} different texts in {frame.height:,} rows" for name, n in texts.items())
        raise InputError(
            f"{whats}: names or free text, not categories. Leave out what says nothing, turn numbers and dates that are text "
            "into their own type, and give columns whose texts are categories the type category."
        )
