"""Losses of classifications, and all losses by their names."""

from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from fcnet.engine import NumpyEngine, cross_entropies
from fcnet.errors import unknown_name
from fcnet.nn.base import Number
from fcnet.nn.checks import check_labels, check_targets
from fcnet.nn.loss import TINY, Elementwise, Loss, log_mean, log_mean_to_onnx
from fcnet.nn.regression_losses import AbsoluteLoss, PoissonLoss, QuantileLoss, SquaredLoss
from fcnet.types import Array

if TYPE_CHECKING:
    from fcnet.export.graph import Graph

__all__ = ["LOSSES", "Loss", "get_loss", "sigmoid", "softmax"]


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
        return graph.add("ArgMax", self.decisive_to_onnx(graph, logits), axis=1, keepdims=0)

    def averaged(self, logits: Array) -> Array:
        return log_mean(logits - np.logaddexp.reduce(logits, axis=2, keepdims=True))

    def averaged_to_onnx(self, graph: "Graph", logits: str, number: Number, n_networks: int) -> str:
        return log_mean_to_onnx(graph, graph.add("LogSoftmax", logits, axis=2), number, n_networks)

    def predict(self, logits: Array) -> Array:
        return np.asarray(self.decisive(logits).argmax(axis=1))

    def score(self, logits: Array, y: Array, weights: Array | None = None) -> float:
        return float(np.average(self.predict(logits) == y, weights=weights))


class BinaryCrossEntropy(Elementwise):
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
        return np.asarray(self.decisive(logits) > 0).astype(np.int64)

    def score(self, logits: Array, y: Array, weights: Array | None = None) -> float:
        """Return the share of rows all of whose labels are right."""
        return float(np.average((self.predict(logits) == (y > 0.5)).all(axis=1), weights=weights))

    def _smoothed(self, y: Array, label_smoothing: float) -> Array:
        return y + label_smoothing * (0.5 - y)


_LOSSES = (CrossEntropy(), BinaryCrossEntropy(), SquaredLoss(), PoissonLoss(), AbsoluteLoss())
LOSSES: dict[str, Loss] = {loss.name: loss for loss in _LOSSES}


def get_loss(name: str) -> Loss:
    """Return a loss by its name, such as ``quantile(0.1, 0.9)`` for a `QuantileLoss`, or raise SettingError."""
    if name.startswith(QuantileLoss.begin):
        return QuantileLoss.from_name(name)
    if name not in LOSSES:
        raise unknown_name("loss", name, [*LOSSES, "quantile(0.1, 0.9)"])
    return LOSSES[name]
