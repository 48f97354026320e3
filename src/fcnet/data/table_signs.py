"""Signs that something is wrong with a table to learn from: numbers and names alone, for others to put into words.

Each takes milliseconds to a few hundred of them for 100,000 rows, and says nothing where chance may explain what it sees.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import numpy as np

from fcnet.types import Array

FEWEST_ROWS = 20  # of fewer chance makes much
FEWEST_OF_OTHERS = 10  # rows of other classes than the largest
ROWS_OF_A_VALUE, MOST_VALUES = 10, 1000  # in the mean, so that a value has more than one class unless it tells; of a column
MANY_AT_FIRST = 0.7  # share of the first rows with a value of their own: of 1,000 values it is less
AT_FIRST = 1000  # rows by which most columns are told apart
SAME = 0.99999  # least share of the variance that a copy has in common
BY_CHANCE = 0.1  # most of the repeated rows that chance may explain
FEWEST_TO_VALIDATE, ENOUGH = 10, 50  # rows of a class, and of all
ROW_NAMES = ("id", "index", "__index_level_0__")
ID = re.compile(r"(?i:(^|[\W_])(id|ids|uuid|guid|key|nr|no|num|number))$|[a-z](Id|ID)$")


def id_columns(X: Any) -> list[str]:
    """Return the columns of a polars data frame that only tell rows apart.

    Their values are all different. Whole numbers are so by themselves where the column counts, rises or falls from row to row,
    or is called so, as ``customer_id``. Other numbers and dates are none.
    """
    return [name for name in X.columns if _is_id(X[name])]


def _is_id(series: Any) -> bool:
    n = len(series)
    if series.dtype.is_temporal() or series.null_count() or series[: 2 * FEWEST_ROWS].n_unique() < min(n, 2 * FEWEST_ROWS):
        return False
    if not series.dtype.is_numeric():
        return bool(n >= FEWEST_ROWS and series.n_unique() == n)
    values = series.to_numpy()
    if values.dtype.kind == "f" and not (values == np.round(values)).all():
        return False
    steps = np.diff(values.astype(np.float64))
    if n >= FEWEST_ROWS and ((steps > 0).all() or (steps < 0).all()):
        return True
    named = series.name.lower() in ROW_NAMES or (n >= FEWEST_ROWS and ID.search(series.name) is not None)
    return bool((named or values.max() - values.min() == n - 1) and series.n_unique() == n)


def telling_columns(X: Any, y: Array, *, has_classes: bool) -> list[str]:
    """Return the columns of a polars data frame each of which by itself tells the target of every row, as a copy of it does.

    Parameters
    ----------
    X : polars data frame (n, n_columns)
    y : array (n,) or (n, 1)
        Class numbers, or numbers.
    has_classes : bool
        With classes it is a column whose every value goes with one class alone, though there are at most 1,000, and ten rows
        to each in the mean; with numbers one that has more than 99.999 % of its variance in common with the target, or rises or
        falls with it always.
    """
    y = y.reshape(-1)
    if len(y) < FEWEST_ROWS:
        return []
    if not has_classes:
        return [name for name in X.columns if X[name].dtype.is_numeric() and _is_copy(X[name].to_numpy(), y)]
    counts = np.unique(y, return_counts=True)[1]
    if len(y) - counts.max() < FEWEST_OF_OTHERS:
        return []
    return [name for name in X.columns if _tells_class(X[name], y)]


def _tells_class(series: Any, y: Array) -> bool:
    import polars as pl

    first = slice(0, AT_FIRST)
    for rows in (first, slice(None)) if len(y) > AT_FIRST else (slice(None),):
        part = pl.DataFrame({"x": series[rows], "y": y[rows]})
        n_values = part["x"].n_unique()
        most = min(len(y) / ROWS_OF_A_VALUE, MOST_VALUES, MANY_AT_FIRST * len(part))
        if n_values > most or part.n_unique() > n_values:
            return False
    return True


def _is_copy(x: Array, y: Array) -> bool:
    first = slice(0, AT_FIRST)
    for rows in (first, slice(None)) if len(y) > AT_FIRST else (slice(None),):
        a, b = x[rows].astype(np.float64), y[rows].astype(np.float64)
        there = np.isfinite(a)
        a, b = a[there], b[there]
        if len(a) < max(FEWEST_ROWS, 0.9 * len(there)) or a.min() == a.max() or b.min() == b.max():
            return False
        if np.square(np.corrcoef(a, b)[0, 1]) < SAME and not _is_monotone(a, b):
            return False
    return True


def _is_monotone(a: Array, b: Array) -> bool:
    if 2 * min(len(np.unique(a)), len(np.unique(b))) < len(a):
        return False
    steps = np.diff(b[np.lexsort((b, a))])
    falling = np.diff(b[np.lexsort((-b, a))])
    return bool((steps >= 0).all() or (falling <= 0).all())


def repeated_rows(X: Any, y: Array, X_val: Any, y_val: Array) -> int:
    """Return how many rows to validate on are to train on, too, all values and the target; 0 where chance may explain them.

    Chance is how many there would be if the columns had nothing to do with one another, by their values in 2,000 rows.

    Parameters
    ----------
    X, X_val : polars data frames (n, n_columns) and (m, n_columns)
    y, y_val : arrays (n,) and (m,), or (n, 1) and (m, 1)
    """
    import polars as pl

    frames = [each.with_columns(pl.Series("", target.reshape(-1))) for each, target in ((X, y), (X_val, y_val))]
    hashes, of_val = (frame.hash_rows().to_numpy() for frame in frames)
    n = int(np.isin(of_val, hashes).sum())
    if not n:
        return 0
    different = frames[0].unique(maintain_order=True)  # else rows that are there twice would explain themselves
    few = different.sample(min(len(different), 2 * AT_FIRST), seed=0)
    same = 1.0
    for series in few:
        counts = series.alias("value").value_counts()["count"].to_numpy().astype(np.float64)
        same *= float((counts * (counts - 1)).sum()) / (len(few) * max(1, len(few) - 1))
    return n if len(y_val) * min(1.0, len(y) * same) <= BY_CHANCE * n else 0


def alike(labels: Iterable[Any]) -> list[list[str]]:
    """Return the labels that differ from one another in case or blanks alone, those that are alike together.

    Examples
    --------
    >>> alike(["Yes", "no", "yes "]), alike(["a", "b"])
    ([['Yes', 'yes ']], [])
    """
    found: dict[str, list[str]] = {}
    for label in labels:
        if isinstance(label, str):
            found.setdefault("".join(label.split()).casefold(), []).append(label)
    return [same for same in found.values() if len(same) > 1]


def rare_to_validate(y_val: Array, n_classes: int, of: Collection[int] | None = None) -> Sequence[int]:
    """Return the classes with so few rows to validate on, below 10 of 50 or more, that nothing can be said of each by them.

    Parameters
    ----------
    y_val : integer array (n,)
    n_classes : int
    of : collection of int, optional
        The classes that are asked for, all by default.
    """
    counts = np.bincount(y_val, minlength=n_classes)
    if counts.sum() < ENOUGH:
        return []
    return [int(k) for k in np.flatnonzero(counts < FEWEST_TO_VALIDATE) if of is None or k in of]
