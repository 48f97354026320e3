"""Rows of a table as estimators are given them: an array where all are numbers, else a data frame."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils.validation import _check_y, check_consistent_length, validate_data

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
        If they do not fit one another, targets are missing or not finite, or a column holds texts that are no categories.
    """
    if not is_frame(X):
        X, y = validate_data(estimator, X, y, dtype=None, ensure_all_finite=False, **checks)
        if X.dtype.kind not in "fiub":
            return _as_frame(X, [f"x{i}" for i in range(X.shape[1])]), y
        return X if X.dtype in FLOATS else X.astype(np.float64), y
    frame = as_polars(X)  # which names columns that are there twice
    validate_data(estimator, X, y, skip_check_array=True)
    y = _check_y(y, estimator=estimator, **checks)
    check_consistent_length(X, y)
    if not frame.height:
        raise InputError("X has no rows.")
    _refuse_texts(frame)
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
    found = [None if value is None or value != value else value for value in values.tolist()]  # noqa: PLR0124  # NaN
    kinds = {type(value) for value in found if value is not None}
    if kinds and kinds <= {bool, np.bool_}:
        return pl.Series(name, [value if value is None else bool(value) for value in found], pl.Boolean)
    try:
        return pl.Series(name, [np.nan if value is None else float(value) for value in found])
    except (TypeError, ValueError):
        return from_values(name, found)


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
