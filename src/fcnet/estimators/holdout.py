"""The rows that are set aside to validate on."""

import numpy as np

from fcnet.errors import InputError
from fcnet.types import Array


def validation_rows(n: int, fraction: float, classes: Array | None, rng: np.random.Generator) -> Array:
    """Return which of n rows are to validate on, a mask (n,): of every class its share, but never its last row."""
    chosen = np.zeros(n, bool)
    chosen[validation_folds(n, fraction, classes, rng)[0]] = True
    return chosen


def validation_folds(n: int, fraction: float, classes: Array | None, rng: np.random.Generator) -> list[Array]:
    """Return parts of n rows to validate on in turn, without a row in common, in each of every class its share.

    There are as many of the fraction as fit, of which the last may be smaller by up to a half. A row of each class is in none.
    """
    codes = np.zeros(n, int) if classes is None else classes
    rows = rng.permutation(n)
    rows = rows[np.argsort(codes[rows], kind="stable")]  # class by class
    counts = np.bincount(codes)
    size = np.repeat(counts, counts)
    place = np.arange(n) - np.repeat(np.cumsum(counts) - counts, counts)
    # The places of every class spread evenly over 0 to 1, so that the lowest of all are of every class its share.
    order = np.lexsort((rng.random(n), (place + 0.5) / size))
    held = rows[order[place[order] < size[order] - 1]]
    wanted = int(np.ceil(fraction * n))
    if min(wanted, len(held)) < 2:
        why = f"validation_fraction={fraction:g} of {n} rows is {wanted}"
        if wanted >= 2:
            why = f"of {n} rows {len(held)} can be spared, as one of each class is to train"
        raise InputError(
            "The validation set is too small. Increase 'validation_fraction' or the size of your dataset, or give X_val and "
            f"y_val: {why}, and early_stopping needs 2."
        )
    return [held[start : start + wanted] for start in range(0, max(1, round(len(held) / wanted)) * wanted, wanted)]
