"""The scale of inputs that the estimators train in, and how a network goes to it and back."""

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from fcnet.errors import InputError
from fcnet.nn.network import FullyConnectedNet
from fcnet.training.target_scale import ROOM
from fcnet.types import Array, is_sparse

LARGEST = 20.0  # deviation from the mean, in what a column is divided by
STANDARDISED = 1e-3  # means and deviations that are no further from 0 and 1 than this are left alone
ROWS_AT_ONCE = 4096


@dataclass(frozen=True)
class InputScale:
    """Inputs are trained on as ``(x - mean) / scale``.

    A column's scale is its standard deviation, but at least a twentieth of its largest deviation: where a column is hardly ever
    another than usual, that would else be all but infinite. Of a column with two values it is their difference. What is always
    the same is not centred, and has the largest scale there is, so that it says little where it comes to differ.

    Sparse rows stay sparse: their columns are divided by the root mean square of what is not zero where that is more than 1,
    so that indicators, counts and weights of words are left as they are, or nearly so.
    """

    mean: Array  # (n_features,) of float64; of values that the type of the rows has, so that these come to the same scale
    scale: Array  # likewise

    @classmethod
    def of(cls, X: Any, weights: Array | None) -> Self | None:
        """Return the scale of rows, each counted by its weight; None where they are as they should be."""
        mean, scale = (_of_sparse if is_sparse(X) else _of_dense)(X, weights)
        limits = np.finfo(X.dtype)
        scale = np.maximum(scale, limits.tiny * ROOM)
        largest = np.maximum(np.abs(mean), scale)
        if largest.max() > limits.max / ROOM:
            raise not_finite(
                f"Column {largest.argmax()} of X has values of {largest.max():.3g}, for which {limits.dtype} has no room."
            )
        if (np.abs(scale - 1) <= STANDARDISED).all() and (np.abs(mean) <= STANDARDISED).all():
            return None
        return cls(*(values.astype(X.dtype).astype(np.float64) for values in (mean, scale)))

    def uncentred(self) -> Self:
        """Return the scale for rows from which no mean can be taken, as they are sparse."""
        return replace(self, mean=np.zeros_like(self.mean))

    def apply(self, X: Any) -> Any:
        """Return a copy of rows in the scale of training."""
        mean, scale = self.mean.astype(X.dtype), self.scale.astype(X.dtype)
        with np.errstate(over="ignore"):  # what is not finite is found by the network
            if is_sparse(X):
                return X.multiply(1 / scale).tocsr().astype(X.dtype, copy=False)
            X = np.subtract(X, mean, order="C")
            X /= scale
        return X

    def enter(self, network: FullyConnectedNet) -> None:
        """Bring the first layer from raw inputs to those in the scale of training."""
        W, b = _first_layer(network)
        b[...] = b + self.mean @ W.astype(np.float64)
        W *= self.scale[:, np.newaxis]

    def leave(self, network: FullyConnectedNet) -> None:
        """Bring the first layer back to raw inputs."""
        W, b = _first_layer(network)
        W /= self.scale[:, np.newaxis]
        b[...] = b - self.mean @ W.astype(np.float64)  # of the weights as they are rounded


def not_finite(cause: str) -> InputError:
    """Return an error that begins with the sentences of scikit-learn."""
    begin = "Solver produced non-finite parameter weights. The input data may contain large values and need to be preprocessed."
    return InputError(f"{begin} {cause}")


def _first_layer(network: FullyConnectedNet) -> tuple[Array, Array]:
    first = network.affine[0]
    return network.params[first.W], network.params[first.b]


def _of_dense(X: Array, weights: Array | None) -> tuple[Array, Array]:
    low, high = X.min(axis=0).astype(np.float64), X.max(axis=0).astype(np.float64)
    middle = low / 2 + high / 2
    unit = np.where(high > low, high - middle, 1.0)  # divided by it, no square is too large for a float
    total, sums, squares = 0.0, np.zeros(X.shape[1]), np.zeros(X.shape[1])
    two_values = high > low
    for start in range(0, X.shape[0], ROWS_AT_ONCE):
        block = X[start : start + ROWS_AT_ONCE]
        two_values &= ((block == low) | (block == high)).all(axis=0)
        Z = (block - middle) / unit
        w = np.ones(len(Z)) if weights is None else weights[start : start + ROWS_AT_ONCE].astype(np.float64)
        total, sums, squares = total + w.sum(), sums + w @ Z, squares + w @ np.square(Z)
    mean = middle + unit * (sums / total)
    deviation = unit * np.sqrt(np.maximum(squares / total - np.square(sums / total), 0))
    scale = np.maximum(deviation, np.maximum(high - mean, mean - low) / LARGEST)
    scale[two_values] = (high - low)[two_values]
    constant = high == low
    mean[constant] = 0
    scale[constant] = np.maximum(np.abs(high[constant]) / LARGEST, max(1.0, scale[~constant].max(initial=0)))
    return mean, scale


def _of_sparse(X: Any, weights: Array | None) -> tuple[Array, Array]:
    X = X.tocsc().astype(np.float64)
    unit = np.maximum(np.asarray(abs(X).max(axis=0).toarray()).ravel(), 1.0)
    w = np.ones(X.shape[0]) if weights is None else weights.astype(np.float64)
    relative = X.multiply(1 / unit)
    there, squares = w @ (relative != 0).astype(np.float64), w @ relative.power(2)
    deviation = unit * np.sqrt(squares / np.where(there > 0, there, 1))
    return np.zeros(X.shape[1]), np.maximum(np.maximum(deviation, unit / LARGEST), 1.0)
