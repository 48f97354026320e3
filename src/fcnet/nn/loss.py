"""What a loss is: its gradient, its targets, its metric, and what it is in ONNX.

The last affine layer gives the logits s (n, k); a loss says what they mean. With `weights` w (n,) every mean is
``Σ_i w_i ℓ_i / Σ_i w_i``.
"""

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import ArrayLike

from fcnet.engine import NumpyEngine
from fcnet.errors import SettingError, to_float
from fcnet.nn.base import Number
from fcnet.nn.checks import check_targets
from fcnet.types import Array

if TYPE_CHECKING:
    from fcnet.export.graph import Graph

TINY = 1e-12  # in place of a share of 0, whose logarithm is not finite
HALF, LEAST_THRESHOLD = 0.5, 1e-9


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
    threshold: float = HALF
    """Of two classes: the second is predicted where its probability is above this."""

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

    def at(self, threshold: float, n_outputs: int) -> Self:
        """Return this loss with another threshold for the second of two classes; probabilities and losses stay the same.

        Raises
        ------
        SettingError
            If the threshold is no number from 1e-9 to below 1, or is not 0.5 and the targets are not two classes.
        """
        if (threshold := to_float("threshold", threshold, LEAST_THRESHOLD, 1, below=True)) == self.threshold:
            return self
        if threshold != HALF:
            self.check_two_classes(n_outputs)
        loss = copy.copy(self)
        loss.threshold = threshold
        return loss

    def is_of_two_classes(self, n_outputs: int) -> bool:
        """Return whether so many outputs are for two classes."""
        return self.has_labels and n_outputs == 1 + self.one_label

    def check_two_classes(self, n_outputs: int) -> None:
        """Raise SettingError unless so many outputs are for two classes, between which a threshold decides."""
        if not self.has_labels:
            raise SettingError("threshold decides between two classes, and a regression has none.")
        if not self.is_of_two_classes(n_outputs):
            there = "is one" if n_outputs == 1 else f"are {n_outputs}"
            what = f"there {there} here" if self.one_label else "here a row has several labels"
            raise SettingError(f"threshold decides between two classes, and {what}: leave it at 0.5.")

    @property
    def log_odds(self) -> Array:
        """What the logits of two classes, or that of the second, are above where its probability is above the threshold."""
        odds = math.log(self.threshold / (1 - self.threshold))
        return np.array([0.0, odds] if self.one_label else [odds])

    def decisive(self, logits: Array) -> Array:
        """Return logits (n, k) by which the most probable class is the one to predict, in float64 where they are others."""
        return logits if self.threshold == HALF else logits.astype(np.float64) - self.log_odds

    def decisive_to_onnx(self, graph: "Graph", logits: str) -> str:
        """Add `decisive` to an ONNX graph, and return the name of its result."""
        return logits if self.threshold == HALF else graph.add("Sub", graph.cast(logits, np.float64), self.log_odds)

    def predict(self, logits: Array) -> Array:
        """Return the target to predict, shaped as `y`: the most probable one, of two classes by the `threshold`."""
        return self.mean(logits)

    @abstractmethod
    def score(self, logits: Array, y: Array, weights: Array | None = None) -> float:
        """Return the metric of this loss, `metric`."""

    @abstractmethod
    def mean_to_onnx(self, graph: "Graph", logits: str) -> str:
        """Add `mean` to an ONNX graph, and return the name of its result."""

    def label_to_onnx(self, graph: "Graph", logits: str, number: Number) -> str:
        """Add `predict` of labels, int64, to an ONNX graph, and return the name of its result."""
        zero = number(0) if self.threshold == HALF else np.float64(0)
        return graph.cast(graph.add("Greater", self.decisive_to_onnx(graph, logits), zero), np.int64)

    @abstractmethod
    def constant_logits(self, y: Array, n_outputs: int, weights: Array | None = None) -> Array:
        """Return the logits (n_outputs,) with the least loss where all rows have the same."""

    @abstractmethod
    def averaged(self, logits: Array) -> Array:
        """Return the logits (n, k) whose `mean` is the mean of those of several networks, (n_networks, n, k)."""

    @abstractmethod
    def averaged_to_onnx(self, graph: "Graph", logits: str, number: Number, n_networks: int) -> str:
        """Add `averaged` to an ONNX graph, of logits (n, n_networks, k), and return the name of its result."""

    def networks_to_onnx(self, graph: "Graph", logits: Sequence[str], number: Number) -> str:
        """Add `averaged` to an ONNX graph, of the logits of each network, and return the name of its result."""
        if len(logits) == 1:
            return logits[0]
        together = graph.add("Concat", *(graph.add("Unsqueeze", one, np.array([1])) for one in logits), axis=1)
        return self.averaged_to_onnx(graph, together, number, len(logits))

    def value(self, logits: Array, y: Array, weights: Array | None = None) -> float:
        """Return the mean loss."""
        return weighted_mean(self.losses(logits, y), weights)


class Elementwise(Loss):
    """A loss of each output by itself, the targets being (n, k)."""

    def check_targets(self, y: ArrayLike, n: int, n_outputs: int, name: str) -> Array:
        return check_targets(y, n, n_outputs, name)

    def gradient(self, logits: Array, y: Array, engine: NumpyEngine, label_smoothing: float, weights: Array | None) -> float:
        if label_smoothing:
            y = self._smoothed(y, label_smoothing)
        value = weighted_mean(self.losses(logits, y, engine.xp), weights)
        logits[...] = self.slopes(logits, y, engine.xp)
        if weights is None:
            logits /= len(logits)
        else:
            logits *= (weights / weights.sum())[:, np.newaxis]
        return value

    def slopes(self, logits: Array, y: Array, xp: ModuleType = np) -> Array:
        """Return the derivative of the loss of a row by each of its logits, (n, k)."""
        slopes: Array = self.mean(logits, xp)
        slopes -= y
        return slopes

    def _smoothed(self, y: Array, label_smoothing: float) -> Array:
        raise SettingError(f"label_smoothing is for classification, not for the loss {self.name}.")
