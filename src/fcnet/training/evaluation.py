"""How good a network is on some rows."""

import math

import numpy as np

from fcnet.errors import DivergedError, OverflowedError
from fcnet.training.state import Trainable
from fcnet.types import Array


def evaluate(network: Trainable, X: Array, y: Array, weights: Array | None = None) -> tuple[float, float]:
    """Return the loss without penalty and label smoothing, and the accuracy or R².

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
    return loss, network.loss.score(logits, y, weights)
