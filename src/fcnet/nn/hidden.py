"""What the hidden layers of a network give for some rows."""

from typing import Any

import numpy as np

from fcnet.nn.layers import Affine, Dropout
from fcnet.nn.members import Heads
from fcnet.types import Array, is_sparse


def hidden_outputs(network: Any, X: Array) -> list[Array]:
    """Return the output of each hidden layer, (n, n_units), without dropout: what the affine layer after it takes.

    Of k members a row is there k times. A network of one's own without such `layers` gives none.

    Parameters
    ----------
    network : FullyConnectedNet
    X : array or CSR matrix (n, n_inputs)
        Rows in the network's dtype.
    """
    layers = getattr(network, "layers", [])
    x, outputs, is_hidden = X, [], False
    if is_sparse(X) and layers and not isinstance(layers[0], Affine | Dropout):
        x = X.toarray()
    with np.errstate(over="ignore", invalid="ignore"):
        for layer in layers:
            if isinstance(layer, Affine | Heads):
                if is_hidden:
                    outputs.append(np.array(x))
                is_hidden = True
            x = layer.forward(x, network.params, network.engine, None)[0]
    return outputs
