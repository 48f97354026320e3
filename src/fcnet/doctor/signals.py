"""What goes through the layers of a network."""

import numpy as np

from fcnet.nn.layers import Affine, Dropout, LayerNorm
from fcnet.nn.members import MemberScale
from fcnet.nn.network import FullyConnectedNet
from fcnet.nn.tabular_network import TabularNet
from fcnet.types import Array


def probe_rows(network: FullyConnectedNet, X: Array) -> Array:
    """Return rows centred and divided by the root mean square of all, so that the network is judged and not their scale.

    A network for tables begins by the scale of its rows, which are left as they are.
    """
    if isinstance(network, TabularNet):
        return X
    Z = X - X.mean(axis=0)
    size = np.sqrt(np.square(Z, dtype=np.float64).mean())
    return np.asarray(Z / size, network.dtype) if size else Z


def spreads(network: FullyConnectedNet, X: Array) -> list[tuple[float, float]]:
    """Return the spread of what goes into each hidden affine layer, and of what then comes to its activation.

    That is by how much values deviate over rows from their mean, root mean square of units.
    """
    found: list[tuple[float, float]] = []
    out, before = X.copy(), None
    with np.errstate(over="ignore", invalid="ignore"):
        for layer in network.layers[:-1]:
            if before is not None and not isinstance(layer, LayerNorm | MemberScale | Dropout):
                found.append((before, _spread(out)))
                before = None
            before = _spread(out) if isinstance(layer, Affine) else before
            out = layer.forward(out, network.params, network.engine, None)[0]
    return found


def _spread(values: Array) -> float:
    return float(np.sqrt(np.var(values, axis=0, dtype=np.float64).mean()))
