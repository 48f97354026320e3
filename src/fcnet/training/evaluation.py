"""How good a network is on some rows."""

import math
from typing import Any

import numpy as np

from fcnet.errors import DivergedError, InputError, OverflowedError
from fcnet.nn.loss import HALF
from fcnet.training.metrics import AUTO, Metric, check_metric
from fcnet.training.state import Trainable
from fcnet.training.threshold import check_threshold
from fcnet.types import Array


def evaluate(
    network: Trainable, part: str, X: Array, y: Array, weights: Array | None = None, metric: Metric | None = None
) -> dict[str, float]:
    """Return the loss without penalty and label smoothing, the accuracy or R², and another metric, of a part of the data.

    Their names begin with that of the part, as ``val_loss``.

    Raises
    ------
    DivergedError
        If the loss is not finite.
    """
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            logits = network.logits(X)
            loss = network.loss.value(logits, y, weights)
    except OverflowedError:
        loss = math.nan
    if not math.isfinite(loss):
        raise DivergedError("scores")
    found = {"loss": loss, network.loss.metric: network.loss.score(logits, y, weights)}
    if metric is not None:  # at its threshold
        found[metric.name] = metric.of(network.loss, logits, y, weights)
    return {f"{part}_{name}": value for name, value in found.items()}


def check_monitor(
    name: str, threshold: float | str, network: Trainable, X: Array | None, y: Any, weights: Array | None
) -> None:
    """Raise InputError unless there is validation data for which a network has the metric that is to choose its epoch.

    That is a metric of decisions at a threshold, which is checked, too.
    """
    if name == AUTO and threshold == HALF:
        return
    needs = f"monitor = {name!r}" if name != AUTO else f"threshold = {threshold!r}"
    if X is None:
        raise InputError(f"{needs} needs validation data: give X_val and y_val to fit.")
    n_outputs = network.logits(X[:1]).shape[1]
    check_threshold(threshold, network.loss, n_outputs)
    check_metric(name, network.loss, y, n_outputs, weights)
