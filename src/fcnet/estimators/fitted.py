"""What a fitted estimator shows of its network."""

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted, validate_data

from fcnet.nn.network import FullyConnectedNet
from fcnet.types import Array

FLOATS = (np.float64, np.float32)


class FittedNetwork:
    """Attributes of a fitted estimator that its network holds."""

    network_: FullyConnectedNet

    @property
    def coefs_(self) -> list[Array]:
        """Weights of every layer, (n_in, n_out)."""
        return self._parameters("W")

    @property
    def intercepts_(self) -> list[Array]:
        """Biases of every layer, (n_out,)."""
        return self._parameters("b")

    def _parameters(self, kind: str) -> list[Array]:
        try:
            network = self.__dict__["network_"]
        except KeyError:
            raise AttributeError(f"This {type(self).__name__} is not fitted yet.") from None
        return [p for name, p in network.params.items() if name.startswith(kind) and name[1:].isdigit()]

    @property
    def n_layers_(self) -> int:
        """Layers, those of inputs and outputs among them."""
        return len(self.coefs_) + 1

    @property
    def out_activation_(self) -> str:
        """What makes outputs of logits: "softmax", "logistic", "identity" or "exp"."""
        self._parameters("W")
        names = {"cross_entropy": "softmax", "binary_cross_entropy": "logistic", "squared_error": "identity", "poisson": "exp"}
        return names[self.network_.loss.name]

    def _logits(self, X: Any) -> Array:
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse=["csr", "csc"], dtype=FLOATS, reset=False)
        return self.network_.logits(X)
