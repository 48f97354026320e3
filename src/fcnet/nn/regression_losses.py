"""Losses of regressions: targets are values."""

from collections.abc import Sequence
from itertools import pairwise
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from fcnet.errors import InputError, SettingError
from fcnet.nn.base import Number
from fcnet.nn.checks import check_targets
from fcnet.nn.loss import TINY, Elementwise, log_mean, log_mean_to_onnx
from fcnet.types import Array

if TYPE_CHECKING:
    from fcnet.export.graph import Graph


class SquaredLoss(Elementwise):
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
        return np.asarray(logits.mean(axis=0, dtype=np.float64).astype(logits.dtype))  # that of equal ones is exact

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
        mean = super().constant_logits(y, n_outputs, weights)
        return np.log(np.where(mean > 0, mean, TINY))

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


class AbsoluteLoss(SquaredLoss):
    """``ℓ_i = Σ_j |s_ij - y_ij|``, against targets (n, k); ``∂L/∂s = sign(s - y) / n``. The best constant is the median."""

    name = "absolute_error"

    def losses(self, logits: Array, y: Array, xp: ModuleType = np) -> Array:
        losses: Array = xp.abs(logits - y).sum(axis=1)
        return losses

    def slopes(self, logits: Array, y: Array, xp: ModuleType = np) -> Array:
        slopes: Array = xp.sign(logits - y)
        return slopes

    def constant_logits(self, y: Array, n_outputs: int, weights: Array | None = None) -> Array:
        return np.asarray(_quantiles(y, [0.5], weights)[0])


class QuantileLoss(SquaredLoss):
    """``ℓ_i = Σ_j max(τ_j (y_i - s_ij), (τ_j - 1)(y_i - s_ij))``, against targets (n, 1), with an output for each quantile τ_j.

    That is the pinball loss (Koenker & Bassett 1978); ``∂L/∂s_ij = ([s_ij > y_i] - τ_j) / n``. Predictions are the outputs
    in rising order, so that no quantile is below a lower one. The metric is D², ``1 - L / L_0`` with the loss L_0 of the
    quantiles of the targets.

    Parameters
    ----------
    quantiles : sequence of floats
        Between 0 and 1, in rising order.
    """

    metric, begin = "d2", "quantile("

    def __init__(self, quantiles: Sequence[float]) -> None:
        try:
            self.quantiles = [float(quantile) for quantile in quantiles]
        except (TypeError, ValueError):
            raise SettingError(f"quantiles must be numbers above 0 and below 1 in rising order, got {quantiles!r}.") from None
        bounds = [0.0, *self.quantiles, 1.0]
        if not self.quantiles or not all(low < high for low, high in pairwise(bounds)):
            raise SettingError(f"quantiles must be numbers above 0 and below 1 in rising order, got {list(quantiles)}.")
        self.name = f"{self.begin}{', '.join(repr(quantile) for quantile in self.quantiles)})"

    @classmethod
    def from_name(cls, name: str) -> "QuantileLoss":
        """Return the loss of a name, ``quantile(0.1, 0.9)``, or raise SettingError."""
        try:
            return cls([float(number) for number in name.removeprefix(cls.begin).removesuffix(")").split(",")])
        except ValueError as error:
            raise SettingError(f"The loss {name!r} must be written as quantile(0.1, 0.9): {error}") from None

    def check_targets(self, y: ArrayLike, n: int, n_outputs: int, name: str) -> Array:
        if n_outputs != len(self.quantiles):
            raise InputError(f"The loss {self.name} needs a network with {len(self.quantiles)} outputs, this has {n_outputs}.")
        return check_targets(y, n, 1, name)

    def losses(self, logits: Array, y: Array, xp: ModuleType = np) -> Array:
        below, quantiles = y - logits, self._array(logits)
        losses: Array = xp.maximum(quantiles * below, (quantiles - 1) * below).sum(axis=1)
        return losses

    def slopes(self, logits: Array, y: Array, xp: ModuleType = np) -> Array:
        slopes: Array = (logits > y) - self._array(logits)
        return slopes

    def constant_logits(self, y: Array, n_outputs: int, weights: Array | None = None) -> Array:
        return np.asarray(_quantiles(y, self.quantiles, weights)[:, 0])

    def mean(self, logits: Array, xp: ModuleType = np) -> Array:
        return np.sort(logits, axis=1)

    def mean_to_onnx(self, graph: "Graph", logits: str) -> str:
        return self._sorted_to_onnx(graph, logits, axis=1)

    def averaged(self, logits: Array) -> Array:
        return super().averaged(np.sort(logits, axis=2))

    def averaged_to_onnx(self, graph: "Graph", logits: str, number: Number, n_networks: int) -> str:
        return super().averaged_to_onnx(graph, self._sorted_to_onnx(graph, logits, axis=2), number, n_networks)

    def score(self, logits: Array, y: Array, weights: Array | None = None) -> float:
        """Return ``1 - L / L_0``; where the targets are a constant, 1 if it is met and else 0."""
        constant = np.broadcast_to(self.constant_logits(y, logits.shape[1], weights), logits.shape)
        loss, least = self.value(logits, y, weights), self.value(constant, y, weights)
        return 1 - loss / least if least else float(loss == 0)

    def _array(self, like: Array) -> Array:
        return np.array(self.quantiles, like.dtype)

    def _sorted_to_onnx(self, graph: "Graph", logits: str, axis: int) -> str:
        return graph.add("TopK", logits, np.array([len(self.quantiles)]), n_outputs=2, axis=axis, largest=0)


def _quantiles(y: Array, quantiles: Sequence[float], weights: Array | None) -> Array:
    """Return values (n_quantiles, k) of the targets (n, k) that no other constant has a lower loss than."""
    return np.asarray(np.quantile(y, quantiles, axis=0, weights=weights, method="inverted_cdf"))
