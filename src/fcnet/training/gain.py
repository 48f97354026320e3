"""By how much the loss of a network is less than another one's, and whether that is more than chance."""

import numpy as np

from fcnet.types import Array

FEWEST_TO_JUDGE_BY = 20  # rows: of fewer chance alone often says that a good network is no better
ENOUGH_FOR_CHANCE, ERRORS = 50, 1.5  # rows from which on a gain is to be more than so many standard errors


def gain_over(losses: Array, others: Array, weights: Array | None = None) -> tuple[float, float]:
    """Return by how much the mean loss of rows is less than another, and the standard error of that, paired over the rows.

    Parameters
    ----------
    losses, others : arrays (n,)
        Of the network, and of what it is compared with.
    weights : array (n,), optional
        How much each row counts.
    """
    gains = others.astype(np.float64) - losses
    shares = np.full(len(gains), 1 / len(gains)) if weights is None else weights / weights.sum(dtype=np.float64)
    mean = float(shares @ gains)
    return mean, float(np.sqrt(np.square(shares * (gains - mean)).sum() * len(gains) / max(1, len(gains) - 1)))


def is_better(losses: Array, others: Array, weights: Array | None = None) -> bool | None:
    """Return whether the mean loss of rows is less than another by more than chance; None where rows are too few to tell.

    Of 50 rows or more it has to be less by 1.5 standard errors of the difference, paired over the rows: validation rows have
    chosen the epochs, so that of noise the network is mostly a little better. Of fewer a gain that is true is often within
    chance, and any is enough. Fewer than 20 are too few.

    Parameters
    ----------
    losses, others, weights : as there
        As in `gain_over`.
    """
    if len(losses) < FEWEST_TO_JUDGE_BY:
        return None
    gain, error = gain_over(losses, others, weights)
    return gain > (ERRORS * error if len(losses) >= ENOUGH_FOR_CHANCE else 0)
