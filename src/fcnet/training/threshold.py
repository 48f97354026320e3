"""The probability above which the second of two classes is predicted, chosen by a metric on validation rows."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from fcnet.errors import SettingError
from fcnet.nn.loss import HALF, LEAST_THRESHOLD, Loss
from fcnet.training.metrics import AUTO, METRICS, Metric, f1_scores, get_metric
from fcnet.types import Array

# Metrics of decisions, by class counts (3, 2, n_thresholds), see `fcnet.training.metrics.class_counts`.
OF_COUNTS: dict[str, Callable[[Array], Array]] = {
    "accuracy": lambda counts: counts[2].sum(axis=0) / counts[0].sum(axis=0),
    "balanced_accuracy": lambda counts: (counts[2] / counts[0]).mean(axis=0),
    "f1": lambda counts: f1_scores(counts)[1],
}
INSTEAD = METRICS["balanced_accuracy"]  # of a metric that does not depend on decisions
ROUNDED = 1e-12  # metrics that differ by less are equal


def check_threshold(threshold: float | str, loss: Loss, n_outputs: int) -> None:
    """Raise SettingError unless a threshold, or "auto", is one for networks with this loss and so many outputs."""
    if threshold == AUTO:
        loss.check_two_classes(n_outputs)
    elif isinstance(threshold, str):
        raise SettingError(f'threshold must be a number above 0 and below 1, or "auto", got {threshold!r}.')
    elif threshold != HALF:
        loss.at(threshold, n_outputs)


def chosen_by(monitor: str, loss: Loss) -> Metric:
    """Return the metric that a threshold is chosen by: the monitor, or the balanced accuracy where that needs no decisions."""
    metric = get_metric(monitor, loss)
    return metric if metric.name in OF_COUNTS else INSTEAD


def best_threshold(metric: Metric, loss: Loss, logits: Array, y: Array, weights: Array | None = None) -> float:
    """Return the threshold for the second of two classes with the best value of a metric on some rows.

    Thresholds are tried between all neighbouring probabilities of the rows, in the middle, and below and above them all. Of
    several that are equally good it is 0.5 if that is one of them, else the one that is nearest to 0.5, and the lower of two.
    Where all rows that count are of one class it is 0.5.

    Parameters
    ----------
    metric : Metric
        One of `OF_COUNTS`.
    loss : Loss
    logits : array (n, 2), or (n, 1) of the sigmoid
    y : array (n,) of class numbers, or (n, 1) of zeros and ones
    weights : array (n,), optional
        How much each row counts.
    """
    is_second = (y if loss.one_label else y[:, 0]) > HALF
    odds = logits[:, -1].astype(np.float64) - (logits[:, 0] if loss.one_label else 0)
    p = np.exp(-np.logaddexp(0, -odds)).clip(LEAST_THRESHOLD, 1 - LEAST_THRESHOLD)  # what is beyond is not told apart
    p, place = np.unique(p, return_inverse=True)
    weights = np.ones(len(y)) if weights is None else weights.astype(np.float64)
    # Of the i-th of the thresholds the rows with p_i and above are predicted the second class.
    below = np.zeros((2, len(p) + 1))
    for i, rows in enumerate((~is_second, is_second)):
        below[i, 1:] = np.cumsum(np.bincount(place, weights * rows, len(p)))
    of = np.broadcast_to(below[:, -1:], below.shape)
    if not of.all():
        return HALF
    above = of - below
    counts = np.stack([of, np.stack([below.sum(axis=0), above.sum(axis=0)]), np.stack([below[0], above[1]])])
    thresholds = np.convolve([0.0, *p, 1.0], [0.5, 0.5], "valid")
    can_be = (thresholds >= LEAST_THRESHOLD) & (thresholds <= 1 - LEAST_THRESHOLD)
    values = np.where(can_be, OF_COUNTS[metric.name](counts), -np.inf)
    best = values >= values.max() - ROUNDED
    if best[np.searchsorted(p, HALF, side="right")]:
        return HALF
    return float(min(thresholds[best], key=lambda threshold: abs(threshold - HALF)))


def threshold_for(
    threshold: float | str, monitor: str, loss: Loss, logits: Array, y: Array, weights: Array | None = None
) -> float:
    """Return a threshold as it is, or for "auto" the one that is best on some rows by the monitor, see `chosen_by`."""
    if threshold != AUTO:
        return float(threshold)
    return best_threshold(chosen_by(monitor, loss), loss, logits, y, weights)


def at_threshold(metric: Metric, threshold: float | str) -> Metric:
    """Return the metric of what is decided at a threshold; with "auto" at the best one for the rows that it is of."""
    if threshold == HALF or (threshold == AUTO and metric.name not in OF_COUNTS):
        return metric

    def of(loss: Loss, logits: Array, y: Array, weights: Array | None) -> float:
        found = best_threshold(metric, loss, logits, y, weights) if isinstance(threshold, str) else threshold
        return metric.of(loss.at(found, logits.shape[1]), logits, y, weights)

    return replace(metric, of=of)
