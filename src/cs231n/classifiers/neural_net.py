"""The two-layer network of the exercise."""

from typing import Any

import numpy as np

from fcnet.nn.network import FullyConnectedNet
from fcnet.types import Array


def init_two_layer_model(input_size: int, hidden_size: int, output_size: int) -> dict[str, Array]:
    """Return float64 parameters: W1 and W2 of standard deviation 1e-5 from NumPy's global state, b1 and b2 zero."""
    return {
        "W1": 1e-5 * np.random.randn(input_size, hidden_size),  # noqa: NPY002  # the exercise seeds the global state
        "b1": np.zeros(hidden_size),
        "W2": 1e-5 * np.random.randn(hidden_size, output_size),  # noqa: NPY002  # as published
        "b2": np.zeros(output_size),
    }


def two_layer_net(X: Array, model: dict[str, Array], y: Array | None = None, reg: float = 0.0) -> Any:
    """Compute the scores of a two-layer ReLU network, or its loss and gradients.

    Parameters
    ----------
    X : array (n, input_size)
    model : dict
        W1 (input_size, hidden_size), b1 (hidden_size,), W2 (hidden_size, output_size), b2 (output_size,).
    y : integer array (n,), optional
    reg : float
        The loss is the mean cross-entropy + 0.5 · reg · ΣW²; biases are not regularised.

    Returns
    -------
    scores : array (n, output_size)
        Where `y` is not given.
    loss, grads : float, dict
        Where it is; `grads` has the names and shapes of `model`.
    """
    net = FullyConnectedNet([*model["W1"].shape, len(model["b2"])], dtype=model["W1"].dtype, params=model)
    if y is None:
        return net.logits(X)
    return net.loss_and_gradients(*net.check_data(X, y), l2=reg)
