"""What is seen of a network in the midst of its training, at a batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fcnet.nn.activations import activation_name
from fcnet.nn.layers import Affine
from fcnet.nn.members import Heads
from fcnet.training.state import TrainingState
from fcnet.types import Array, Params

TINY = 1e-30
FLAT = {"tanh": (-0.98, 0.98), "logistic": (0.02, 0.98)}
"""Below and above these an activation hardly changes with its input."""


@dataclass(frozen=True)
class Look:
    """A look at one batch; of layers, those with weights from the first to the last, or the hidden ones.

    Attributes
    ----------
    iteration : int
    ratios : array (n_layers,)
        The norm of an update as a share of that of the weights.
    gradients, weights : arrays (n_layers,)
        The norms of gradients, and of weights before the update.
    gains : array (n_layers,)
        The root mean square of a column of weights: about 1.4 by He's initial values, and 1 by those of LeCun.
    dead : sequence of boolean arrays (n_units,)
        Which units of a hidden layer are 0 for every row, as only those of ReLU can be.
    flat : array (n_hidden,)
        The share of values of a hidden layer that are at a flat end of tanh or logistic.
    """

    iteration: int
    ratios: Array
    gradients: Array
    weights: Array
    gains: Array
    dead: Sequence[Array]
    flat: Array


def look(state: TrainingState) -> Look | None:
    """Return what is seen after a batch whose update was asked for; None where it was not, or there are no such weights."""
    network, names = state.network, weight_names(state.network)
    gradients = _norms(state.gradients, names)  # before anything else, as it is in buffers
    update = state.update
    if update is None or state.before is None or not names:
        return None
    weights, outputs = _norms(state.before, names), state.activations
    sizes = np.sqrt([network.params[name].shape[-1] for name in names])
    kind = activation_name(network.activation) if hasattr(network, "activation") else None
    low, high = FLAT.get(str(kind), (-np.inf, np.inf))
    return Look(
        state.iteration,
        _norms(update, names) / (weights + TINY),
        gradients,
        weights,
        weights / sizes,
        [np.asarray((out <= 0).all(axis=0)) if kind == "relu" else np.zeros(out.shape[1], bool) for out in outputs],
        np.array([float(((out < low) | (out > high)).mean()) for out in outputs]),
    )


def weight_names(network: Any) -> list[str]:
    """Return the names of the weights of affine layers; of a network of one's own, those of two or more dimensions."""
    layers = getattr(network, "layers", None)
    if layers is None:
        return [name for name, p in network.params.items() if p.ndim > 1]
    return [layer.W for layer in layers if isinstance(layer, Affine | Heads)]


def _norms(params: Params, names: Sequence[str]) -> Array:
    with np.errstate(over="ignore", invalid="ignore"):
        flat = [params[name].ravel() for name in names]
        return np.sqrt([float(np.dot(p, p)) for p in flat])  # a dot product copies nothing
