"""Losses: each is the mean over rows of what a row's outputs cost, and knows its gradient, its targets and its measure.

The last affine layer gives the logits s (n, k); a loss says what they mean. With `weights` w (n,) every mean is
``Σ_i w_i ℓ_i / Σ_i w_i``.
"""

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import ArrayLike

from fcnet.engine import NumpyEngine
from fcnet.errors import SettingError, unknown_name
from fcnet.nn.checks import check_labels, check_targets
from fcnet.types import Array

TINY = 1e-12  # stands for a share of nothing, whose logarithm is not finite


def softmax(logits: Array) -> Array:
    """Return ``p_ij = exp(s_ij) / Σ_k exp(s_ik)``, rows that sum to one, shape and dtype of `logits`."""
    p = logits - logits.max(axis=1, keepdims=True)
    np.exp(p, out=p)
    return np.asarray(np.divide(p, p.sum(axis=1, keepdims=True), out=p))


def sigmoid(logits: Array) -> Array:
    """Return ``1 / (1 + exp(-s))`` by way of tanh, which does not overflow; shape and dtype of `logits`."""
    out = np.tanh(logits * 0.5)
    out *= 0.5
    out += 0.5
    return np.asarray(out)


class Loss(ABC):
    """What the network and the trainer ask of a loss."""

    name: str
    measure: str
    """What `score` returns, the larger the better: "accuracy" or "r2"."""

    @abstractmethod
    def check_targets(self, y: ArrayLike, n: int, n_outputs: int, name: str) -> Array:
        """Return targets as this loss needs them, or raise InputError."""

    @abstractmethod
    def gradient(
        self, logits: Array, y: Array, engine: NumpyEngine, label_smoothing: float = 0.0, weights: Array | None = None
    ) -> float:
        """Replace `logits` by the gradient of the mean loss; return its value."""

    @abstractmethod
    def losses(self, logits: Array, y: Array) -> Array:
        """Return the loss of each row, (n,)."""

    @abstractmethod
    def mean(self, logits: Array) -> Array:
        """Return what the logits say the target is on average, (n, k): probabilities, or values."""

    @abstractmethod
    def predict(self, logits: Array) -> Array:
        """Return the most probable target, shaped as `y`."""

    @abstractmethod
    def score(self, logits: Array, y: Array, weights: Array | None = None) -> float:
        """Return the measure of this loss."""

    @abstractmethod
    def constant_logits(self, y: Array, n_outputs: int, weights: Array | None = None) -> Array:
        """Return the logits (n_outputs,) that cost least where all rows have the same."""

    def value(self, logits: Array, y: Array, weights: Array | None = None) -> float:
        """Return the mean loss."""
        return float(np.average(self.losses(logits, y), weights=weights))


class CrossEntropy(Loss):
    """Cross-entropy of the softmax of the logits, against class numbers (n,).

    ``ℓ_i = -Σ_j q_ij log p_ij`` with ``p = softmax(s)`` and ``q_ij = (1 - ε) [j = y_i] + ε / k``, where ε is the label
    smoothing (Szegedy et al. 2016, section 7); ``∂L/∂s = (p - q) / n``.
    """

    name, measure = "cross_entropy", "accuracy"

    def check_targets(self, y: ArrayLike, n: int, n_outputs: int, name: str) -> Array:
        return check_labels(y, n, n_outputs, name)

    def gradient(
        self, logits: Array, y: Array, engine: NumpyEngine, label_smoothing: float = 0.0, weights: Array | None = None
    ) -> float:
        return engine.softmax_cross_entropy(logits, y, label_smoothing, weights)

    def losses(self, logits: Array, y: Array) -> Array:
        shifted = logits - logits.max(axis=1, keepdims=True)
        at_label = shifted[np.arange(len(y)), y]
        return np.asarray(np.log(np.exp(shifted).sum(axis=1)) - at_label)

    def constant_logits(self, y: Array, n_outputs: int, weights: Array | None = None) -> Array:
        shares = np.bincount(y, weights, n_outputs)
        return np.asarray(np.log(np.maximum(shares / shares.sum(), TINY)))

    def mean(self, logits: Array) -> Array:
        return softmax(logits)

    def predict(self, logits: Array) -> Array:
        return np.asarray(logits.argmax(axis=1))

    def score(self, logits: Array, y: Array, weights: Array | None = None) -> float:
        return float(np.average(logits.argmax(axis=1) == y, weights=weights))


class _Elementwise(Loss):
    """A loss of each output by itself whose gradient is ``mean(s) - y``, the targets being (n, k)."""

    def check_targets(self, y: ArrayLike, n: int, n_outputs: int, name: str) -> Array:
        return check_targets(y, n, n_outputs, name)

    def gradient(
        self, logits: Array, y: Array, engine: NumpyEngine, label_smoothing: float = 0.0, weights: Array | None = None
    ) -> float:
        if label_smoothing:
            y = self._smoothed(y, label_smoothing)
        value = self.value(logits, y, weights)
        logits[...] = self.mean(logits)
        logits -= y
        if weights is None:
            logits /= len(logits)
        else:
            logits *= (weights / weights.sum())[:, np.newaxis]
        return value

    def _smoothed(self, y: Array, label_smoothing: float) -> Array:
        raise SettingError(f"label_smoothing is for classification, not for the loss {self.name}.")


class BinaryCrossEntropy(_Elementwise):
    """Cross-entropy of the sigmoid of every logit, against targets (n, k) in [0, 1].

    ``ℓ_i = Σ_j log(1 + exp(s_ij)) - q_ij s_ij`` with ``q = (1 - ε) y + ε / 2``; ``∂L/∂s = (σ(s) - q) / n``.
    """

    name, measure = "binary_cross_entropy", "accuracy"

    def check_targets(self, y: ArrayLike, n: int, n_outputs: int, name: str) -> Array:
        return check_targets(y, n, n_outputs, name, 0, 1)

    def losses(self, logits: Array, y: Array) -> Array:
        return np.asarray((np.logaddexp(0, logits) - y * logits).sum(axis=1))

    def constant_logits(self, y: Array, n_outputs: int, weights: Array | None = None) -> Array:
        p = np.clip(np.average(y, axis=0, weights=weights), TINY, 1 - TINY)
        return np.asarray(np.log(p / (1 - p)))

    def mean(self, logits: Array) -> Array:
        return sigmoid(logits)

    def predict(self, logits: Array) -> Array:
        return np.asarray(logits > 0).astype(np.int64)

    def score(self, logits: Array, y: Array, weights: Array | None = None) -> float:
        """Return the share of rows all of whose labels are right."""
        return float(np.average(((logits > 0) == (y > 0.5)).all(axis=1), weights=weights))

    def _smoothed(self, y: Array, label_smoothing: float) -> Array:
        return y + label_smoothing * (0.5 - y)


class SquaredLoss(_Elementwise):
    """``ℓ_i = ½ Σ_j (s_ij - y_ij)²``, against targets (n, k); ``∂L/∂s = (s - y) / n``."""

    name, measure = "squared_error", "r2"

    def losses(self, logits: Array, y: Array) -> Array:
        return np.asarray(0.5 * np.square(logits - y).sum(axis=1))

    def constant_logits(self, y: Array, n_outputs: int, weights: Array | None = None) -> Array:
        return np.asarray(np.average(y, axis=0, weights=weights))

    def mean(self, logits: Array) -> Array:
        return logits

    def predict(self, logits: Array) -> Array:
        return self.mean(logits)

    def score(self, logits: Array, y: Array, weights: Array | None = None) -> float:
        """Return ``1 - Σ (y - ŷ)² / Σ (y - ȳ)²``, averaged over outputs; 1 where a constant is met, 0 where it is not."""
        residual = np.average(np.square(self.mean(logits) - y), axis=0, weights=weights)
        spread = np.average(np.square(y - np.average(y, axis=0, weights=weights)), axis=0, weights=weights)
        share = np.divide(residual, spread, out=(residual > 0).astype(residual.dtype), where=spread > 0)
        return float(1 - share.mean())


class PoissonLoss(SquaredLoss):
    """Half the Poisson deviance with logarithmic link, against targets (n, k) of at least 0.

    ``ℓ_i = Σ_j exp(s_ij) - y_ij s_ij + y_ij log y_ij - y_ij`` (McCullagh & Nelder 1989, section 2.3);
    ``∂L/∂s = (exp(s) - y) / n``.
    """

    name = "poisson"

    def check_targets(self, y: ArrayLike, n: int, n_outputs: int, name: str) -> Array:
        return check_targets(y, n, n_outputs, name, 0)

    def losses(self, logits: Array, y: Array) -> Array:
        constant = y * np.log(np.where(y > 0, y, 1)) - y
        return np.asarray((np.exp(logits) - y * logits + constant).sum(axis=1))

    def constant_logits(self, y: Array, n_outputs: int, weights: Array | None = None) -> Array:
        return np.log(np.maximum(super().constant_logits(y, n_outputs, weights), TINY))

    def mean(self, logits: Array) -> Array:
        with np.errstate(over="ignore"):  # what is not finite is found by its value
            return np.asarray(np.exp(logits))


LOSSES: dict[str, Loss] = {loss.name: loss for loss in (CrossEntropy(), BinaryCrossEntropy(), SquaredLoss(), PoissonLoss())}


def get_loss(name: str) -> Loss:
    """Return a loss by its name.

    Raises
    ------
    SettingError
        If there is no loss of that name.
    """
    if name not in LOSSES:
        raise unknown_name("loss", name, LOSSES)
    return LOSSES[name]
