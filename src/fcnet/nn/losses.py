"""Losses: each knows its gradient, its targets, its metric, and what it is in ONNX.

The last affine layer gives the logits s (n, k); a loss says what they mean. With `weights` w (n,) every mean is
``Σ_i w_i ℓ_i / Σ_i w_i``.
"""

import math
from abc import ABC, abstractmethod
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from fcnet.engine import NumpyEngine, cross_entropies
from fcnet.errors import SettingError, unknown_name
from fcnet.nn.base import Number
from fcnet.nn.checks import check_labels, check_targets
from fcnet.types import Array

if TYPE_CHECKING:
    from fcnet.export.graph import Graph

TINY = 1e-12  # in place of a share of 0, whose logarithm is not finite


def softmax(logits: Array) -> Array:
    """Return ``p_ij = exp(s_ij) / Σ_k exp(s_ik)``, rows that sum to one, shape and dtype of `logits`."""
    p = logits.copy()
    cross_entropies(p, np.zeros(len(p), np.intp))
    return p


def sigmoid(logits: Array, xp: ModuleType = np) -> Array:
    """Return ``1 / (1 + exp(-s))`` by way of tanh, which does not overflow; shape and dtype of `logits`."""
    out: Array = xp.tanh(logits * 0.5)
    out *= 0.5
    out += 0.5
    return out


def log_mean(logarithms: Array) -> Array:
    """Return the logarithm of the mean over the first axis of what these are the logarithms of; none of it may overflow."""
    return np.asarray(np.logaddexp.reduce(logarithms, axis=0) - math.log(len(logarithms)))


def log_mean_to_onnx(graph: "Graph", logarithms: str, number: Number, n: int) -> str:
    """Add `log_mean` over the second axis, which has `n` entries, to an ONNX graph, and return the name of its result."""
    total = graph.add("ReduceLogSumExp", logarithms, axes=[1], keepdims=0)
    return graph.add("Sub", total, number(math.log(n)))


def weighted_mean(values: Array, weights: Array | None) -> float:
    """Return the mean of values (n,), or ``Σ_i w_i v_i / Σ_i w_i``."""
    return float(values.mean() if weights is None else (values * weights).sum() / weights.sum())


class Loss(ABC):
    """What the network and the trainer ask of a loss."""

    name: str
    metric: str
    """What `score` returns, the larger the better: "accuracy" or "r2"."""
    out_activation: str
    """The function of the logits that `mean` is, as scikit-learn calls it."""
    has_labels: bool
    """Whether targets are classes or labels, for which `mean` gives probabilities; else they are values."""
    one_label: bool = False
    """Whether a row has exactly one of the labels, as it has of classes."""

    @abstractmethod
    def check_targets(self, y: ArrayLike, n: int, n_outputs: int, name: str) -> Array:
        """Return targets as this loss needs them, or raise InputError."""

    @abstractmethod
    def gradient(self, logits: Array, y: Array, engine: NumpyEngine, label_smoothing: float, weights: Array | None) -> float:
        """Replace `logits` by the gradient of the mean loss; return its value."""

    @abstractmethod
    def losses(self, logits: Array, y: Array, xp: ModuleType = np) -> Array:
        """Return the loss of each row, (n,), by the functions `xp` of the arrays' engine."""

    @abstractmethod
    def mean(self, logits: Array, xp: ModuleType = np) -> Array:
        """Return the expected target by the logits, (n, k): probabilities, or values."""

    def predict(self, logits: Array) -> Array:
        """Return the most probable target, shaped as `y`."""
        return self.mean(logits)

    @abstractmethod
    def score(self, logits: Array, y: Array, weights: Array | None = None) -> float:
        """Return the metric of this loss, `metric`."""

    @abstractmethod
    def mean_to_onnx(self, graph: "Graph", logits: str) -> str:
        """Add `mean` to an ONNX graph, and return the name of its result."""

    def label_to_onnx(self, graph: "Graph", logits: str, number: Number) -> str:
        """Add `predict` of labels, int64, to an ONNX graph, and return the name of its result."""
        return graph.cast(graph.add("Greater", logits, number(0)), np.int64)

    @abstractmethod
    def constant_logits(self, y: Array, n_outputs: int, weights: Array | None = None) -> Array:
        """Return the logits (n_outputs,) with the least loss where all rows have the same."""

    @abstractmethod
    def averaged(self, logits: Array) -> Array:
        """Return the logits (n, k) whose `mean` is the mean of those of several networks, (n_networks, n, k)."""

    @abstractmethod
    def averaged_to_onnx(self, graph: "Graph", logits: str, number: Number, n_networks: int) -> str:
        """Add `averaged` to an ONNX graph, of logits (n, n_networks, k), and return the name of its result."""

    def value(self, logits: Array, y: Array, weights: Array | None = None) -> float:
        """Return the mean loss."""
        return weighted_mean(self.losses(logits, y), weights)


class CrossEntropy(Loss):
    """Cross-entropy of the softmax of the logits, against class numbers (n,).

    ``ℓ_i = -Σ_j q_ij log p_ij`` with ``p = softmax(s)`` and ``q_ij = (1 - ε) [j = y_i] + ε / k``, where ε is the label
    smoothing (Szegedy et al. 2016, section 7); ``∂L/∂s = (p - q) / n``.
    """

    name, metric, out_activation = "cross_entropy", "accuracy", "softmax"
    has_labels = one_label = True

    def check_targets(self, y: ArrayLike, n: int, n_outputs: int, name: str) -> Array:
        return check_labels(y, n, n_outputs, name)

    def gradient(self, logits: Array, y: Array, engine: NumpyEngine, label_smoothing: float, weights: Array | None) -> float:
        return engine.softmax_cross_entropy(logits, y, label_smoothing, weights)

    def losses(self, logits: Array, y: Array, xp: ModuleType = np) -> Array:
        return cross_entropies(logits.copy(), y)

    def constant_logits(self, y: Array, n_outputs: int, weights: Array | None = None) -> Array:
        shares = np.bincount(y, weights, n_outputs)
        return np.asarray(np.log(np.maximum(shares / shares.sum(), TINY)))

    def mean(self, logits: Array, xp: ModuleType = np) -> Array:
        return softmax(logits)

    def mean_to_onnx(self, graph: "Graph", logits: str) -> str:
        return graph.add("Softmax", logits, axis=1)

    def label_to_onnx(self, graph: "Graph", logits: str, number: Number) -> str:
        return graph.add("ArgMax", logits, axis=1, keepdims=0)

    def averaged(self, logits: Array) -> Array:
        return log_mean(logits - np.logaddexp.reduce(logits, axis=2, keepdims=True))

    def averaged_to_onnx(self, graph: "Graph", logits: str, number: Number, n_networks: int) -> str:
        return log_mean_to_onnx(graph, graph.add("LogSoftmax", logits, axis=2), number, n_networks)

    def predict(self, logits: Array) -> Array:
        return np.asarray(logits.argmax(axis=1))

    def score(self, logits: Array, y: Array, weights: Array | None = None) -> float:
        return float(np.average(logits.argmax(axis=1) == y, weights=weights))


class _Elementwise(Loss):
    """A loss of each output by itself whose gradient is ``mean(s) - y``, the targets being (n, k)."""

    def check_targets(self, y: ArrayLike, n: int, n_outputs: int, name: str) -> Array:
        return check_targets(y, n, n_outputs, name)

    def gradient(self, logits: Array, y: Array, engine: NumpyEngine, label_smoothing: float, weights: Array | None) -> float:
        if label_smoothing:
            y = self._smoothed(y, label_smoothing)
        value = weighted_mean(self.losses(logits, y, engine.xp), weights)
        logits[...] = self.mean(logits, engine.xp)
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

    name, metric, out_activation = "binary_cross_entropy", "accuracy", "logistic"
    has_labels = True

    def check_targets(self, y: ArrayLike, n: int, n_outputs: int, name: str) -> Array:
        return check_targets(y, n, n_outputs, name, 0, 1)

    def losses(self, logits: Array, y: Array, xp: ModuleType = np) -> Array:
        losses: Array = (xp.logaddexp(xp.zeros_like(logits), logits) - y * logits).sum(axis=1)
        return losses

    def constant_logits(self, y: Array, n_outputs: int, weights: Array | None = None) -> Array:
        p = np.clip(np.average(y, axis=0, weights=weights), TINY, 1 - TINY)
        return np.asarray(np.log(p / (1 - p)))

    def mean(self, logits: Array, xp: ModuleType = np) -> Array:
        return sigmoid(logits, xp)

    def mean_to_onnx(self, graph: "Graph", logits: str) -> str:
        return graph.add("Sigmoid", logits)

    def averaged(self, logits: Array) -> Array:
        zero = np.zeros_like(logits)
        return np.asarray(log_mean(-np.logaddexp(zero, -logits)) - log_mean(-np.logaddexp(zero, logits)))

    def averaged_to_onnx(self, graph: "Graph", logits: str, number: Number, n_networks: int) -> str:
        # log σ(s) = min(s, 0) - log(1 + exp(-|s|)): of the node Softplus onnxruntime has none in float64.
        small = graph.add("Exp", graph.add("Neg", graph.add("Abs", logits)))
        rest = graph.add("Log", graph.add("Add", small, number(1)))
        shares = (graph.add("Sub", graph.add("Min", s, number(0)), rest) for s in (logits, graph.add("Neg", logits)))
        return graph.add("Sub", *(log_mean_to_onnx(graph, share, number, n_networks) for share in shares))

    def predict(self, logits: Array) -> Array:
        return np.asarray(logits > 0).astype(np.int64)

    def score(self, logits: Array, y: Array, weights: Array | None = None) -> float:
        """Return the share of rows all of whose labels are right."""
        return float(np.average(((logits > 0) == (y > 0.5)).all(axis=1), weights=weights))

    def _smoothed(self, y: Array, label_smoothing: float) -> Array:
        return y + label_smoothing * (0.5 - y)


class SquaredLoss(_Elementwise):
    """``ℓ_i = ½ Σ_j (s_ij - y_ij)²``, against targets (n, k); ``∂L/∂s = (s - y) / n``."""

    name, metric, out_activation = "squared_error", "r2", "identity"
    has_labels = False

    def losses(self, logits: Array, y: Array, xp: ModuleType = np) -> Array:
        losses: Array = 0.5 * xp.square(logits - y).sum(axis=1)
        return losses

    def constant_logits(self, y: Array, n_outputs: int, weights: Array | None = None) -> Array:
        return np.asarray(np.average(y, axis=0, weights=weights))

    def mean(self, logits: Array, xp: ModuleType = np) -> Array:
        return logits

    def mean_to_onnx(self, graph: "Graph", logits: str) -> str:
        return logits

    def averaged(self, logits: Array) -> Array:
        return np.asarray(logits.mean(axis=0))

    def averaged_to_onnx(self, graph: "Graph", logits: str, number: Number, n_networks: int) -> str:
        return graph.add("ReduceMean", logits, axes=[1], keepdims=0)

    def score(self, logits: Array, y: Array, weights: Array | None = None) -> float:
        """Return ``1 - Σ (y - ŷ)² / Σ (y - ȳ)²``, averaged over outputs; 1 where a constant is met, 0 where it is not."""
        residual = np.average(np.square(self.mean(logits) - y), axis=0, weights=weights)
        spread = np.average(np.square(y - np.average(y, axis=0, weights=weights)), axis=0, weights=weights)
        varies = (spread > 0) & (y != y[:1]).any(axis=0)  # of a constant the spread may be rounded
        share = np.divide(residual, spread, out=(residual > 0).astype(residual.dtype), where=varies)
        return float(1 - share.mean())


class PoissonLoss(SquaredLoss):
    """Half the Poisson deviance with logarithmic link, against targets (n, k) of at least 0.

    ``ℓ_i = Σ_j exp(s_ij) - y_ij s_ij + y_ij log y_ij - y_ij`` (McCullagh & Nelder 1989, section 2.3);
    ``∂L/∂s = (exp(s) - y) / n``.
    """

    name, out_activation = "poisson", "exp"

    def check_targets(self, y: ArrayLike, n: int, n_outputs: int, name: str) -> Array:
        return check_targets(y, n, n_outputs, name, 0)

    def losses(self, logits: Array, y: Array, xp: ModuleType = np) -> Array:
        constant = y * xp.log(xp.where(y > 0, y, 1)) - y
        losses: Array = (xp.exp(logits) - y * logits + constant).sum(axis=1)
        return losses

    def constant_logits(self, y: Array, n_outputs: int, weights: Array | None = None) -> Array:
        return np.log(np.maximum(super().constant_logits(y, n_outputs, weights), TINY))

    def mean(self, logits: Array, xp: ModuleType = np) -> Array:
        with np.errstate(over="ignore"):  # what is not finite is found by its value
            mean: Array = xp.exp(logits)
        return mean

    def averaged(self, logits: Array) -> Array:
        return log_mean(logits)

    def averaged_to_onnx(self, graph: "Graph", logits: str, number: Number, n_networks: int) -> str:
        return log_mean_to_onnx(graph, logits, number, n_networks)

    def mean_to_onnx(self, graph: "Graph", logits: str) -> str:
        return graph.add("Exp", logits)


LOSSES: dict[str, Loss] = {loss.name: loss for loss in (CrossEntropy(), BinaryCrossEntropy(), SquaredLoss(), PoissonLoss())}


def get_loss(name: str) -> Loss:
    """Return a loss by its name, or raise SettingError."""
    if name not in LOSSES:
        raise unknown_name("loss", name, LOSSES)
    return LOSSES[name]
