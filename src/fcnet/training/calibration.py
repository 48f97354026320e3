"""Temperature scaling: logits that are multiplied by one number, so that probabilities fit what happens."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from fcnet.nn.network import FullyConnectedNet
from fcnet.types import Array

MOST_LOGITS = 2_000_000  # of networks that predict together
ROOM = np.log(5.0)  # of the logarithm of the number, up and down
SPREAD = 0.3  # the standard deviation that the logarithm of the number has before rows are seen


def best_scale(loss: Callable[[float], float], low: float, high: float) -> float:
    """Return the number ``exp(low)`` to ``exp(high)`` with the least loss."""
    from scipy.optimize import minimize_scalar

    best = minimize_scalar(lambda log_scale: loss(float(np.exp(log_scale))), bounds=(low, high), method="bounded")
    return float(np.exp(best.x))


def multiply_logits(network: FullyConnectedNet, scale: float) -> None:
    """Multiply the last weights and biases of a network by a number, and so all its logits, those of each member."""
    for params in network.all_params:
        for name in network.output_params:
            params[name] *= scale


def few_enough(logits: Array, *of_rows: Array | None) -> list[Any]:
    """Return logits of several networks (n_networks, n, k), and more of the n rows: of as many rows as have two million logits.

    They are drawn at random, always the same ones.
    """
    n, most = logits.shape[1], max(1, MOST_LOGITS * logits.shape[1] // logits.size)
    rows = np.sort(np.random.default_rng(0).choice(n, most, replace=False)) if n > most else slice(None)
    return [logits[:, rows], *(None if values is None else values[rows] for values in of_rows)]


def effective_rows(n: int, weights: Array | None) -> float:
    """Return how many rows of one weight say as much as n rows with these (Kish 1965)."""
    return n if weights is None else float(weights.sum(dtype=np.float64) ** 2 / np.square(weights, dtype=np.float64).sum())


def fit_temperature(network: FullyConnectedNet, logits: Callable[[], Array], y: Array, weights: Array | None = None) -> float:
    """Divide a network's logits by the temperature with the least loss on validation rows, and return it; 1 where that is best.

    That is temperature scaling (Guo et al. 2017). Few rows say little of the temperature: its logarithm t costs
    ``t² / (2 n s²)`` besides, with s = 0.3, which makes it the most probable one if before that t is normal around 0 with the
    standard deviation s. So it stays near 1 where there are few rows, or all are right.

    Parameters
    ----------
    network : FullyConnectedNet
        With probabilities. Its last weights and biases are changed; of networks that predict together all have one temperature.
    logits : callable
        Returns the network's logits (n, k) of rows that it was not trained on, perhaps means over views; or those of each
        network that predicts together with it, (n_networks, n, k), which are computed once then. Of more than two million
        logits as many rows count as have these, drawn at random, always the same ones.
    y : array (n,) or (n, k)
        Their targets.
    weights : array (n,), optional
        How much each row counts.
    """
    plain = logits()
    if plain.ndim == 3:
        plain, y, weights = few_enough(plain, y, weights)
    plain, n = plain.astype(np.float64), effective_rows(len(y), weights)
    last = [params[name] for params in network.all_params for name in network.output_params]
    before = [p.copy() for p in last]
    is_plain = plain.ndim == 3 or (not network.checkpoints and getattr(network, "n_members", 1) == 1)

    def set_scale(scale: float) -> None:
        for p, p_before in zip(last, before, strict=True):
            p[...] = p_before * p.dtype.type(scale)

    def loss(scale: float) -> float:
        if is_plain:
            scaled = scale * plain
        else:
            set_scale(scale)
            try:
                scaled = logits().astype(np.float64)
            finally:  # a search that is stopped leaves the network as it was
                set_scale(1.0)
        if scaled.ndim == 3:
            scaled = network.loss.averaged(scaled)
        return network.loss.value(scaled, y, weights) + math.log(scale) ** 2 / (2 * n * SPREAD**2)

    scale = best_scale(loss, -ROOM, ROOM)
    if loss(scale) >= loss(1.0):
        scale = 1.0
    set_scale(scale)
    return 1 / scale
