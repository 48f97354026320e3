"""Checks of validation rows against those to train."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np

from fcnet.doctor.finding import Finding, Severity
from fcnet.doctor.rows import Rows
from fcnet.types import Array, as_array

FEWEST, SHARE, MANY = 3, 0.02, 0.4  # validation rows that are to train on, too
TIMES, BY_NATURE = 2.0, 0.3  # of the share of training rows that have a twin there, and a share that is not left to nature
RARE = 0.1  # share of them that chance may explain
FAR_MEAN, FAR_SPREAD = 3.0, 5.0  # deviations, and times


def duplicates(rows: Rows, rng: np.random.Generator) -> Iterator[Finding]:
    """Yield whether validation rows are among those to train on, more of them than by chance."""
    if rows.X_val is None or not rows.X.shape[0] or not rows.X_val.shape[0]:
        return
    known = Counter(_hashes(rows.X))
    twins = np.array([each in known for each in _hashes(rows.X_val)])
    n, share = int(twins.sum()), float(twins.mean())
    if not n or _by_chance(rows, rng) > RARE * n:
        return
    within = sum(count for count in known.values() if count > 1) / rows.X.shape[0]
    # Of rows that are often alike by nature, as many are alike within the training rows.
    is_few = n < FEWEST or share < SHARE or (share < TIMES * within + SHARE and share < BY_NATURE)
    severity: Severity = "note" if is_few else "warning" if share < MANY else "error"
    yield Finding(
        code="duplicate-across-splits",
        severity=severity,
        message=f"{n:,} of {len(twins):,} validation rows ({share:.1%}) are training rows, too, value for value, and "
        f"{within:.1%} of the training rows have a twin there: validation says how well rows are remembered.",
        evidence={"rows": n, "share": share, "share_within_training": within, "first_row": int(twins.argmax())},
        remedy="Remove rows that are there twice, or keep copies together, before the rows are split.",
    )


def _hashes(X: Any) -> Iterator[int]:
    for start in range(0, X.shape[0], 4096):
        block = np.ascontiguousarray(as_array(X[start : start + 4096]))
        block = block + np.zeros((), block.dtype)  # of zero there are two
        yield from (hash(row.tobytes()) for row in block)


def _by_chance(rows: Rows, rng: np.random.Generator) -> float:
    """Return how many validation rows would have a twin if the values of columns had nothing to do with one another."""
    few = rows.sample(rng, 2000).X
    log_same = 0.0
    for column in few.T:
        shares = np.unique(column, return_counts=True)[1] / len(few)
        log_same += np.log(np.square(shares).sum())
    return float(rows.X_val.shape[0] * min(1.0, rows.X.shape[0] * np.exp(log_same)))


def other_scale(rows: Rows, rng: np.random.Generator) -> Iterator[Finding]:
    """Yield whether validation rows are in another scale than those to train on."""
    if rows.X_val is None or not rows.n_numbers or min(rows.X.shape[0], rows.X_val.shape[0]) < 10:
        return
    few = rows.sample(rng)
    (mean, spread), (val_mean, val_spread) = (_moments(each[:, : rows.n_numbers]) for each in (few.X, few.X_val))
    varies = (spread > 0) & (val_spread > 0)
    if not varies.any():
        return
    off = float(np.median(np.abs(val_mean - mean)[varies] / spread[varies]))
    times = float(np.exp(np.median(np.log(val_spread[varies] / spread[varies]))))
    if off > FAR_MEAN or not 1 / FAR_SPREAD < times < FAR_SPREAD:
        yield Finding(
            code="unscaled-data",
            severity="error",
            message=f"Validation rows are in another scale than training rows: the deviation of an input is {times:.3g} times "
            f"as large, and its mean {off:.3g} deviations away (medians of {int(varies.sum()):,} inputs).",
            evidence={"part": "validation", "times": times, "deviations": off},
            remedy="Scale all parts by the means and deviations of the training rows.",
        )


def _moments(X: Array) -> tuple[Array, Array]:
    X = X.astype(np.float64)
    return X.mean(axis=0), X.std(axis=0)
