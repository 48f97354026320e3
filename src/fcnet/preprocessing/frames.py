"""Data frames of pandas and of Arrow, as polars has them."""

from collections.abc import Collection
from typing import Any

import numpy as np

from fcnet.errors import InputError
from fcnet.words import listed


def as_polars(frame: Any, names: Collection[str]) -> Any:
    """Return the columns of these names of a data frame of polars, pandas or pyarrow, as a polars one.

    Raises
    ------
    InputError
        If a column is not there, or there twice, or `frame` is none of these.
    """
    import polars as pl

    labels = [str(label) for label in (frame.column_names if hasattr(frame, "column_names") else frame.columns)]
    missing = sorted(set(names) - set(labels))
    if missing:
        raise InputError(
            f"There is no column {listed(map(repr, missing))}, which the model was trained on; there are "
            f"{listed(map(repr, sorted(labels)))}."
        )
    twice = [name for name in names if labels.count(name) > 1]
    if twice:
        raise InputError(f"There are several columns of the name {listed(map(repr, twice))}: rename them.")
    if isinstance(frame, pl.DataFrame):
        return frame
    if hasattr(frame, "iloc"):
        return pl.DataFrame([_from_pandas(name, frame.iloc[:, labels.index(name)]) for name in names])
    if hasattr(frame, "__arrow_c_stream__"):
        return pl.DataFrame(frame)
    raise InputError(f"The model takes a data frame of polars, pandas or pyarrow, got {type(frame).__name__}.")


def _from_pandas(name: str, series: Any) -> Any:
    """Return a column of pandas as one of polars, without pyarrow, which need not be installed."""
    import polars as pl

    if isinstance(series.dtype, np.dtype) and series.dtype.kind in "fiub":
        return pl.Series(name, series.to_numpy())
    values = [None if missing else value for value, missing in zip(series.tolist(), series.isna(), strict=True)]
    try:
        return pl.Series(name, values)
    except TypeError:  # of several types
        return pl.Series(name, [None if value is None else str(value) for value in values])
