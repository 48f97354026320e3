"""Temperature scaling: logits that are multiplied by one number, so that probabilities fit what happens."""

import numpy as np

from fcnet.nn.network import FullyConnectedNet
from fcnet.types import Array

ROOM = np.log(5.0)  # of the logarithm of the number, up and down


def best_scale(network: FullyConnectedNet, logits: Array, y: Array, low: float, high: float) -> float:
    """Return the number ``exp(low)`` to ``exp(high)`` that logits (n, k) are to be multiplied by for the least mean loss.

    Of cross-entropies that is a convex problem (temperature scaling, Guo et al. 2017).
    """
    from scipy.optimize import minimize_scalar

    def loss(log_scale: float) -> float:
        return float(network.loss.value(np.exp(log_scale).astype(logits.dtype) * logits, y))

    return float(np.exp(minimize_scalar(loss, bounds=(low, high), method="bounded").x))


def multiply_logits(network: FullyConnectedNet, scale: float) -> None:
    """Multiply the last weights and biases of a network by a number, and so all its logits, those of each member."""
    for name in network.layers[-1].parameters:
        network.params[name] *= scale


def fit_temperature(network: FullyConnectedNet, logits: Array, y: Array) -> float:
    """Divide a network's logits by the temperature with the least loss on validation rows, and return it; 1 where that is best.

    Parameters
    ----------
    network : FullyConnectedNet
        With probabilities. Its last weights and biases are changed.
    logits : array (n, k)
        Of rows that it was not trained on, perhaps means over views. They are computed with in float64.
    y : array (n,) or (n, k)
        Their targets.
    """
    logits = logits.astype(np.float64)
    scale = best_scale(network, logits, y, -ROOM, ROOM)
    if network.loss.value(scale * logits, y) >= network.loss.value(logits, y):
        return 1.0
    multiply_logits(network, scale)
    return 1 / scale


def fit_temperature_on(network: FullyConnectedNet, X: Array, y: Array) -> float:
    """Likewise on preprocessed rows X; of members of a network, whose probabilities are averaged, all have one temperature."""
    if getattr(network, "n_members", 1) == 1:
        return fit_temperature(network, network.logits(X), y)
    from scipy.optimize import minimize_scalar

    last = {name: network.params[name].copy() for name in network.layers[-1].parameters}

    def loss(log_scale: float) -> float:
        for name, p in last.items():
            network.params[name][...] = p * np.exp(log_scale).astype(p.dtype)
        return float(network.loss.value(network.logits(X).astype(np.float64), y))

    best = float(minimize_scalar(loss, bounds=(-ROOM, ROOM), method="bounded", options={"xatol": 1e-3}).x)
    if loss(best) >= loss(0.0):
        return 1.0
    loss(best)
    return float(np.exp(-best))
