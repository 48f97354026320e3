"""Faults of the data: what is done to rows and labels before a program sees them."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from families import CLASSES, family
from programs import Work

Rng = np.random.Generator


@family("not-finite-data", "gaps", 0.001, 0.05)
def gaps(work: Work, share: float, rng: Rng) -> None:
    """Leave gaps in cells as NaN."""
    X = work.data.X.copy()
    X[rng.random(X.shape) < share] = np.nan
    work.data = replace(work.data, X=X)


@family("not-finite-data", "division by zero", 1, 20)
def division_by_zero(work: Work, rows: int, rng: Rng) -> None:
    """Make a ratio whose divisor is 0 in some rows a column."""
    X = work.data.X.copy()
    X[rng.choice(len(X), rows, replace=False), 0] = np.inf
    work.data = replace(work.data, X=X)


@family("unscaled-data", "bytes", 32.0, 255.0, also=("learning-rate-too-high", "diverged"))
def pixels_as_bytes(work: Work, scale: float, rng: Rng) -> None:
    """Leave inputs as they come, from 0 to some hundreds (UMLAUT's and DeepLocalize's programs with pixels as bytes)."""
    lowest = work.data.X.min(0)
    span = float(np.ptp(work.data.X, axis=0).max())
    work.data = work.data.with_inputs(lambda X: (X - lowest) / span * scale)


@family("unscaled-data", "units", 2.0, 4.0, also=("learning-rate-too-high", "diverged"), kinds=("table", "regression"))
def units(work: Work, decades: float, rng: Rng) -> None:
    """Give columns units of their own, which differ by powers of ten: salaries beside ages."""
    scales = 10 ** rng.uniform(0, decades, work.data.X.shape[1])
    scales[rng.integers(len(scales))] = 10**decades
    work.data = work.data.with_inputs(lambda X: X * scales)


@family("constant-features", "broken sensors", 0.6, 0.95)
def broken_sensors(work: Work, share: float, rng: Rng) -> None:
    """Columns hold 0 in every row, as their reader failed, and what they said is lost."""
    d = work.data.X.shape[1]
    broken = rng.choice(d, min(d - 1, max(1, round(share * d))), replace=False)
    work.data = work.data.with_inputs(lambda X: _with(X, broken, 0.0))


@family("constant-features", "year column", 30.0, 2000.0, also=("unscaled-data",))
def year_column(work: Work, value: float, rng: Rng) -> None:
    """Columns that are the same number in every row, as the year in a table of one year."""
    work.data = work.data.with_inputs(lambda X: np.hstack([X, np.full((len(X), 2), value)]))


@family("label-shift", "from one", "outputs", "refused", kinds=CLASSES, harms="clean")
def from_one(work: Work, kind: str, rng: Rng) -> None:
    """Labels to train begin at 1; the network has an output more, or as many as classes."""
    data = work.data
    if kind == "outputs":
        work.outputs = data.n_classes + 1
        work.data = replace(data, y=data.y + 1)
    else:
        work.outputs = data.n_classes
        work.data = replace(data, y=data.y + 1, y_val=data.y_val + 1)


@family("label-shift", "lost class", 1, 3, kinds=CLASSES, harms="clean", also=("class-imbalance",))
def lost_class(work: Work, classes: int, rng: Rng) -> None:
    """Classes have no row to train, as a filter lost them."""
    data = work.data
    lost = rng.choice(data.n_classes, min(classes, data.n_classes - 1), replace=False)
    kept = ~np.isin(data.y, lost)
    work.outputs = data.n_classes
    work.data = replace(data, X=data.X[kept], y=data.y[kept])


@family("class-imbalance", "thinned", 0.03, 0.005, kinds=CLASSES, harms="balanced", also=("one-class-predicted",))
def thinned(work: Work, share: float, rng: Rng) -> None:
    """Half of the classes keep a share of their rows."""
    data = work.data
    few = data.y >= (data.n_classes + 1) // 2
    kept = ~few | (rng.random(len(data.y)) < share)
    for c in range(data.n_classes):  # two rows at least
        kept[np.flatnonzero(data.y == c)[:2]] = True
    work.data = replace(data, X=data.X[kept], y=data.y[kept])


@family("class-imbalance", "long tail", 50.0, 300.0, kinds=CLASSES, harms="balanced", also=("one-class-predicted",))
def long_tail(work: Work, ratio: float, rng: Rng) -> None:
    """Rows of a class fall by a constant factor from class to class."""
    data, C = work.data, work.data.n_classes
    shares = ratio ** -(np.arange(C) / (C - 1))
    kept = rng.random(len(data.y)) < shares[data.y]
    for c in range(C):
        kept[np.flatnonzero(data.y == c)[:2]] = True
    work.data = replace(data, X=data.X[kept], y=data.y[kept])


@family("uninformative-inputs", "shuffled labels", 0.85, 1.0, harms="clean")
def shuffled_labels(work: Work, share: float, rng: Rng) -> None:
    """Labels are shuffled apart from their rows, before the split."""

    def shuffled(y: np.ndarray) -> np.ndarray:
        chosen = np.flatnonzero(rng.random(len(y)) < share)
        y = y.copy()
        y[chosen] = y[rng.permutation(chosen)]
        return y

    work.data = replace(work.data, y=shuffled(work.data.y), y_val=shuffled(work.data.y_val))


@family("uninformative-inputs", "slipped rows", 0.15, 0.0, harms="clean")
def slipped_rows(work: Work, kept: float, rng: Rng) -> None:
    """A row was lost from the inputs and not from the labels: from there on each has the label of the next."""

    def slipped(y: np.ndarray) -> np.ndarray:
        start = int(kept * len(y))
        return np.concatenate([y[:start], np.roll(y[start:], 1, axis=0)])

    work.data = replace(work.data, y=slipped(work.data.y), y_val=slipped(work.data.y_val))


@family("duplicate-across-splits", "split after copying", 0.3, 0.8, harms="optimism")
def split_after_copying(work: Work, share: float, rng: Rng) -> None:
    """Rows were copied, to have more, before the split: a share of the rows to validate is among those to train, too."""
    data = work.data
    rows = rng.choice(len(data.X_val), int(share * len(data.X_val)), replace=False)
    mixed = rng.permutation(len(data.X) + len(rows))
    X, y = np.concatenate([data.X, data.X_val[rows]])[mixed], np.concatenate([data.y, data.y_val[rows]])[mixed]
    work.data = replace(data, X=X, y=y)


@family("duplicate-across-splits", "overlapping slices", 0.3, 0.8, harms="optimism")
def overlapping_slices(work: Work, share: float, rng: Rng) -> None:
    """The slice to validate begins within the one to train."""
    data = work.data
    n = int(share * len(data.X_val))
    X_val, y_val = (np.concatenate([a[-n:], b[n:]]) for a, b in ((data.X, data.X_val), (data.y, data.y_val)))
    work.data = replace(data, X_val=X_val, y_val=y_val)


@family("leaking-feature", "label column", 0.3, 0.0, kinds=CLASSES, harms="clean")
def label_column(work: Work, noise: float, rng: Rng) -> None:
    """The label, with some noise, is a column; where the network is used nobody knows it yet."""
    _leak(work, lambda y: y + noise * rng.standard_normal(len(y)), rng)


@family("leaking-feature", "sorted number", 0.1, 0.0, kinds=CLASSES, harms="clean")
def sorted_number(work: Work, noise: float, rng: Rng) -> None:
    """The number of the row is a column, of a file that is sorted by its label."""
    C = work.data.n_classes
    _leak(work, lambda y: (y + rng.random(len(y))) / C + noise * rng.standard_normal(len(y)), rng)


@family("label-mistakes", "random labels", 0.15, 0.4, kinds=CLASSES, harms="clean")
def random_labels(work: Work, share: float, rng: Rng) -> None:
    """A share of the labels is another class, at random."""
    data = work.data

    def mistaken(y: np.ndarray) -> np.ndarray:
        wrong = rng.random(len(y)) < share * (1 if data.n_classes > 2 else 0.75)
        return np.where(wrong, (y + rng.integers(1, data.n_classes, len(y))) % data.n_classes, y)

    work.data = replace(data, y=mistaken(data.y), y_val=mistaken(data.y_val))


@family("label-mistakes", "confused classes", 0.2, 0.42, kinds=CLASSES, harms="clean", also=("uninformative-inputs",))
def confused_classes(work: Work, share: float, rng: Rng) -> None:
    """A share of each class has the label of the next, as who labelled them confused the two.

    Of two classes the strong dose leaves a sixth of what labels say, as much as a shuffle of 84 % of them does.
    """
    data = work.data

    def mistaken(y: np.ndarray) -> np.ndarray:
        return np.where(rng.random(len(y)) < share, (y + 1) % data.n_classes, y)

    work.data = replace(data, y=mistaken(data.y), y_val=mistaken(data.y_val))


def _with(X: np.ndarray, columns: np.ndarray, value: float) -> np.ndarray:
    X = X.copy()
    X[:, columns] = value
    return X


def _leak(work: Work, column: Callable[[np.ndarray], np.ndarray], rng: Rng) -> None:
    data = work.data
    told = {part: column(y) for part, y in (("X", data.y), ("X_val", data.y_val))}
    mean, std = told["X"].mean(), told["X"].std()
    told["X_clean"] = column(rng.permutation(data.y_clean))  # that of another row: it says nothing
    parts = {name: np.hstack([getattr(data, name), (c[:, None] - mean) / std]).astype(np.float32) for name, c in told.items()}
    work.data = replace(data, **parts)
