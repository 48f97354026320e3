"""Metrics: how good a network is on some rows, of which one chooses the epoch that is kept.

They are computed here, as those of scikit-learn take longer to import than a small table takes to be learnt.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fcnet.errors import InputError, SettingError, unknown_name
from fcnet.nn.losses import Loss
from fcnet.types import Array
from fcnet.words import number_words

AUTO = "auto"  # the loss's own metric


@dataclass(frozen=True)
class Metric:
    """A number that says how good a network is.

    Parameters
    ----------
    name : str
        That of its columns in a history, after ``train_`` and ``val_``.
    words : str
        What people call it.
    of : callable
        ``of(loss, logits, y, weights)`` returns it by logits (n, k), targets as the loss needs them, and weights (n,) or None,
        or raises InputError where it is not defined for such targets.
    fits : callable
        ``fits(loss)``: whether a network with this loss has it.
    sign : int
        1 where it is to be high, -1 where it is to be low.
    is_share : bool
        Whether it is shown in per cent.
    in_units : bool
        Whether it has the unit of the targets.
    """

    name: str
    words: str
    of: Callable[[Loss, Array, Array, Array | None], float]
    fits: Callable[[Loss], bool]
    sign: int = 1
    is_share: bool = False
    in_units: bool = False

    def is_better(self, value: float, than: float) -> bool:
        """Return whether one value is better than another."""
        return self.sign * value > self.sign * than

    def shown(self, value: float, digits: int = 2) -> str:
        """Return a value for people, a share in per cent with so many digits, and others with as much."""
        return number_words(value) if self.in_units else f"{value:.{digits}%}" if self.is_share else f"{value:.{digits + 2}f}"


def class_counts(predicted: Array, y: Array, n_classes: int, weights: Array | None = None) -> Array:
    """Return the weights (3, n_classes) of the rows that are of each class, that are predicted it, and that are both."""
    weights = np.ones(len(y)) if weights is None else weights.astype(np.float64)
    each = ((y, weights), (predicted, weights), (y, weights * (predicted == y)))
    return np.stack([np.bincount(labels, own, n_classes) for labels, own in each])


def f1_scores(counts: Array) -> Array:
    """Return ``2 · both / (is + predicted)`` of each class by `class_counts`, 0 where it does not occur."""
    occurs = counts[0] + counts[1]
    return np.asarray(np.divide(2 * counts[2], occurs, out=np.zeros(occurs.shape), where=occurs > 0))


def _counts(loss: Loss, logits: Array, y: Array, weights: Array | None) -> Array:
    """Return `class_counts` (3, n_classes), or those (3, 2 · n_labels) of the absence of labels and then of their presence."""
    if loss.one_label:
        return class_counts(loss.predict(logits), y, logits.shape[1], weights)
    columns = zip(loss.predict(logits).T, (y > 0.5).T.astype(int), strict=True)
    return np.stack([class_counts(*column, 2, weights) for column in columns], axis=2).reshape(3, -1)


def _balanced_accuracy(loss: Loss, logits: Array, y: Array, weights: Array | None) -> float:
    """Return the share of the rows of a class that is right, the mean of all classes that rows have."""
    of, _, right = _counts(loss, logits, y, weights)
    return float((right[of > 0] / of[of > 0]).mean())


def _f1(loss: Loss, logits: Array, y: Array, weights: Array | None) -> float:
    """Return the F1 score of the second of two classes, or the mean of all classes, or labels, that are there or predicted."""
    n = logits.shape[1]
    counts = _counts(loss, logits, y, weights)[:, int(n == 2) if loss.one_label else n :]
    occurs = counts[0] + counts[1] > 0
    return float(f1_scores(counts)[occurs].mean()) if occurs.any() else 0.0


def _log_odds(logits: Array) -> Array:
    """Return ``s_j - log Σ_(k≠j) exp(s_k)``, float64 (n, k): they rank as probabilities do, which round to 1 where sure."""
    s = logits.astype(np.float64)
    s -= s.max(axis=1, keepdims=True)
    p = np.exp(s)
    below = np.sort(p, axis=1)[:, :-1].sum(axis=1, keepdims=True)  # in order, so that what is equal comes out as equal
    others = np.where(s < 0, below + 1 - p, np.maximum(below, np.finfo(np.float64).tiny))
    return np.asarray(s - np.log(others))


def _rankings(loss: Loss, logits: Array, y: Array, weights: Array | None) -> Iterator[tuple[Array, Array]]:
    """Yield the weights of rows without and with a class, or a label, that have a score of at least each that there is.

    Scores fall, so both rise, from 0 to the weight of all such rows. Of two classes it is the second, of more each in turn.
    """
    if not loss.one_label:
        scores, targets = logits, {j: column > 0.5 for j, column in enumerate(y.T)}
    elif logits.shape[1] == 2:
        scores, targets = logits[:, 1:] - logits[:, :1], {1: y == 1}
    else:
        scores, targets = _log_odds(logits), {j: y == j for j in range(logits.shape[1])}
    weights = np.ones(len(y)) if weights is None else weights.astype(np.float64)
    for score, (name, has) in zip(scores.T, targets.items(), strict=True):
        order = np.argsort(-score, kind="stable")
        last = np.flatnonzero(np.append(np.diff(score[order]) != 0, True))  # of the rows with the same score
        without, with_it = (np.append(0.0, np.cumsum((weights * rows)[order])[last]) for rows in (~has, has))
        if not without[-1] or not with_it[-1]:
            raise InputError(f"{'all' if with_it[-1] else 'none'} of the rows that count have class {name}")
        yield without, with_it


def _roc_auc(loss: Loss, logits: Array, y: Array, weights: Array | None) -> float:
    """Return the area under the curve of the rate of true over that of false positives, the mean of all classes."""
    curves = _rankings(loss, logits, y, weights)
    return float(np.mean([np.trapezoid(ones / ones[-1], zeros / zeros[-1]) for zeros, ones in curves]))


def _average_precision(loss: Loss, logits: Array, y: Array, weights: Array | None) -> float:
    """Return ``Σ_i (R_i - R_(i-1)) P_i`` with the recall R and the precision P at each score, the mean of all classes."""
    found = []
    for zeros, ones in _rankings(loss, logits, y, weights):
        said = zeros + ones
        precision = np.divide(ones, said, out=np.zeros(len(said)), where=said > 0)
        found.append((np.diff(ones) * precision[1:]).sum() / ones[-1])
    return float(np.mean(found))


def _rmse(loss: Loss, logits: Array, y: Array, weights: Array | None) -> float:
    """Return the root of the mean squared error, the mean of all outputs."""
    return float(np.sqrt(np.average(np.square(loss.mean(logits) - y), axis=0, weights=weights)).mean())


def _mae(loss: Loss, logits: Array, y: Array, weights: Array | None) -> float:
    """Return the mean absolute error, of all outputs."""
    return float(np.average(np.abs(loss.mean(logits) - y), axis=0, weights=weights).mean())


def _poisson_deviance(loss: Loss, logits: Array, y: Array, weights: Array | None) -> float:
    """Return the mean deviance, which is twice the loss, of all outputs."""
    return float(2 * loss.value(logits, y, weights) / logits.shape[1])


def _pinball_loss(loss: Loss, logits: Array, y: Array, weights: Array | None) -> float:
    """Return the mean loss of all quantiles."""
    return float(loss.value(logits, y, weights) / logits.shape[1])


_METRICS = (
    Metric(
        "accuracy", "accuracy", lambda loss, *rows: loss.score(*rows), lambda loss: loss.metric == "accuracy", is_share=True
    ),
    Metric("r2", "R²", lambda loss, *rows: loss.score(*rows), lambda loss: loss.metric == "r2"),
    Metric("d2", "D²", lambda loss, *rows: loss.score(*rows), lambda loss: loss.metric == "d2"),
    Metric("loss", "loss", lambda loss, *rows: loss.value(*rows), lambda loss: True, sign=-1),
    Metric("balanced_accuracy", "balanced accuracy", _balanced_accuracy, lambda loss: loss.has_labels, is_share=True),
    Metric("f1", "F1", _f1, lambda loss: loss.has_labels),
    Metric("roc_auc", "ROC AUC", _roc_auc, lambda loss: loss.has_labels),
    Metric("average_precision", "average precision", _average_precision, lambda loss: loss.has_labels),
    Metric("rmse", "RMSE", _rmse, lambda loss: loss.metric == "r2", sign=-1, in_units=True),
    Metric("mae", "MAE", _mae, lambda loss: loss.metric == "r2", sign=-1, in_units=True),
    Metric(
        "poisson_deviance", "Poisson deviance", _poisson_deviance, lambda loss: loss.name == "poisson", sign=-1, in_units=True
    ),
    Metric("pinball_loss", "pinball loss", _pinball_loss, lambda loss: loss.metric == "d2", sign=-1, in_units=True),
)
METRICS = {metric.name: metric for metric in _METRICS}
METRICS["log_loss"] = replace(METRICS["loss"], words="log-loss", fits=lambda loss: loss.has_labels)  # its other name


def get_metric(name: str, loss: Loss) -> Metric:
    """Return a metric by its name, or what a loss has as its own.

    Raises
    ------
    SettingError
        If there is no such metric, or networks with this loss do not have it.
    """
    if name == AUTO:  # which a loss of one's own may call as it likes
        own = loss.metric
        return METRICS.get(own) or Metric(own, own, lambda loss, *rows: loss.score(*rows), lambda loss: True)
    if name not in METRICS:
        raise unknown_name("monitor", name, (AUTO, *METRICS))
    if not METRICS[name].fits(loss):
        fitting = ", ".join(other for other, metric in METRICS.items() if metric.fits(loss))
        raise SettingError(f"{name} is no metric of a network with the loss {loss.name}. Those are: {fitting}.")
    return METRICS[name]


def check_metric(name: str, loss: Loss, y: Array, n_outputs: int, weights: Array | None = None) -> None:
    """Raise InputError unless networks with a loss and so many outputs have a metric that is defined for these targets."""
    try:
        get_metric(name, loss).of(loss, np.zeros((len(y), n_outputs), np.float32), y, weights)
    except SettingError:
        raise
    except InputError as error:
        raise InputError(
            f"{name} is not defined on the validation rows: {error}. Choose another metric, or validation rows of all classes."
        ) from None


def all_metrics(loss: Loss, logits: Array, y: Array) -> dict[str, float]:
    """Return every metric that a network with this loss has, and that is defined for these targets, by its name."""
    found = {}
    for metric in METRICS.values():
        if metric.fits(loss) and metric.name not in found:
            with suppress(InputError):
                found[metric.name] = metric.of(loss, logits, y, None)
    return found


def in_words(metrics: Mapping[str, Any], part: str) -> dict[str, str]:
    """Return the metrics of a part of the data, ``val`` or ``test``, as people call them, and as they read them."""
    names = [name for name in METRICS if metrics.get(f"{part}_{name}") is not None]
    return {METRICS[name].words: METRICS[name].shown(metrics[f"{part}_{name}"]) for name in names}
