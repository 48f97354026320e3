"""What is seen of a network in the midst of its training, at a batch."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fcnet.nn.activations import activation_name
from fcnet.nn.hidden import hidden_outputs
from fcnet.nn.layers import Affine
from fcnet.nn.members import Heads
from fcnet.training.state import TrainingState
from fcnet.types import Array, Params

TINY = 1e-30
MOST_VALUES = 1 << 15  # of a matrix, by which its norm is known to a few parts in a thousand
NUMBERS = ("ratios", "gradients", "weights", "gains", "flat")  # of a look
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


def look(state: TrainingState, before: Sequence[Array], probe: Any) -> Look:
    """Return what is seen after a batch.

    Parameters
    ----------
    state : TrainingState
        As it is after the batch, of whose gradients nothing has been written over.
    before : sequence of arrays
        The `sample` of the network before it.
    probe : array or CSR matrix (n_rows, n_inputs)
        Rows that are sent through the hidden layers.
    """
    network, names = state.network, weight_names(state.network)
    shapes = [network.params[name].shape for name in names]
    gradients = _norms(_few(state.gradients, names), shapes)  # before anything else, as it is in buffers
    weights = _norms(before, shapes)
    updates = _norms([now - old for now, old in zip(_few(network.params, names), before, strict=True)], shapes)
    return Look(
        state.iteration,
        updates / (weights + TINY),
        gradients,
        weights,
        _gains(weights, shapes),
        *stuck_units(network, probe),
    )


def gains_of(network: Any) -> Array:
    """Return the gains of a network as it is, (n_layers,)."""
    names = weight_names(network)
    shapes = [network.params[name].shape for name in names]
    return _gains(_norms(_few(network.params, names), shapes), shapes)


def _gains(norms: Array, shapes: Sequence[tuple[int, ...]]) -> Array:
    return norms / np.sqrt([shape[-1] for shape in shapes])


def look_at_end(last: Look, network: Any, probe: Any, iteration: int) -> Look:
    """Return a look at a trained network, with the updates and the gradients of the last look there was."""
    weights = _norms(sample(network), [network.params[name].shape for name in weight_names(network)])
    dead, flat = stuck_units(network, probe)
    return replace(last, iteration=iteration, weights=weights, dead=dead, flat=flat)


def packed(looks: Iterable[Look]) -> list[dict[str, Any]]:
    """Return looks in JSON's types; `unpacked` brings them back exactly."""
    return [
        {name: getattr(seen, name).tolist() for name in NUMBERS}
        | {"iteration": seen.iteration, "dead": [[len(units), np.packbits(units).tobytes().hex()] for units in seen.dead]}
        for seen in looks
    ]


def unpacked(rows: Iterable[dict[str, Any]]) -> list[Look]:
    """Return the looks that `packed` was given."""
    return [
        Look(
            iteration=row["iteration"],
            dead=[np.unpackbits(np.frombuffer(bytes.fromhex(bits), np.uint8), count=n).astype(bool) for n, bits in row["dead"]],
            **{name: np.array(row[name], float) for name in NUMBERS},
        )
        for row in rows
    ]


def sample(network: Any) -> list[Array]:
    """Return values of all weights, evenly spaced, as they are now; all of them of a matrix that is not large."""
    return [values.copy() for values in _few(network.params, weight_names(network))]


def weight_names(network: Any) -> list[str]:
    """Return the names of the weights of affine layers; of a network of one's own, those of two or more dimensions."""
    layers = getattr(network, "layers", None)
    if layers is None:
        return [name for name, p in network.params.items() if p.ndim > 1]
    return [layer.W for layer in layers if isinstance(layer, Affine | Heads)]


def _few(params: Params, names: Sequence[str]) -> list[Array]:
    """Return views of 2¹⁵ values of each of some parameters, or up to 2¹⁶ where there are no more; of all columns alike."""
    found = []
    for name in names:
        p = params[name]
        step = max(1, p.size // MOST_VALUES)
        while math.gcd(step, p.shape[-1]) > 1:
            step += 1
        found.append(p.reshape(-1)[::step])
    return found


def _norms(samples: Sequence[Array], shapes: Sequence[tuple[int, ...]]) -> Array:
    """Return the norms of parameters of these shapes by samples of them."""
    with np.errstate(over="ignore", invalid="ignore"):
        sums = [float(np.dot(p, p)) * (math.prod(shape) / len(p)) for p, shape in zip(samples, shapes, strict=True)]
        return np.sqrt(sums)  # a dot product copies nothing


def stuck_units(network: Any, probe: Any) -> tuple[list[Array], Array]:
    """Return which units of each hidden layer are 0 for all rows, and what share of its values is at flat ends."""
    kind, outputs = str(activation_name(getattr(network, "activation", ""))), hidden_outputs(network, probe)
    dead = [np.asarray((out <= 0).all(axis=0)) if kind == "relu" else np.zeros(out.shape[1], bool) for out in outputs]
    low, high = FLAT.get(kind, (-np.inf, np.inf))
    return dead, np.array([float(((out < low) | (out > high)).mean()) if kind in FLAT else 0.0 for out in outputs])
