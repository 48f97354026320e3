"""The scale of targets that a regression is trained in, and how the last layer of its network goes there and back."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from fcnet.errors import InputError
from fcnet.nn.loss import Loss
from fcnet.nn.network import FullyConnectedNet
from fcnet.nn.regression_losses import PoissonLoss
from fcnet.types import Array

ROOM = 1e6  # by how much weights may be larger or smaller than what they are scaled by


@dataclass(frozen=True)
class TargetScale:
    """Targets (n, n_outputs) are trained on as ``(y - mean) / std``."""

    mean: Array  # (n_outputs,) of float64
    std: Array  # likewise

    @classmethod
    def of(cls, y: Array, weights: Array | None = None) -> Self:
        """Return the scale of targets, each row counted by its weight.

        Of what is always the same the std is 1, or a ten-thousandth of it if that is more: float32 has digits for so much.
        """
        y = y.astype(np.float64)
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is refused
            mean = np.average(y, axis=0, weights=weights)
            std = np.sqrt(np.average(np.square(y - mean), axis=0, weights=weights))
        return cls(mean, np.where((y != y[0]).any(axis=0), std, np.maximum(1, np.abs(mean) / 1e4)))

    @classmethod
    def plain(cls, n_outputs: int) -> Self:
        """Return the scale that leaves targets as they are."""
        return cls(np.zeros(n_outputs), np.ones(n_outputs))

    def check(self, dtype: Any, name: str, in_float64: str) -> None:
        """Raise InputError if weights of this type have no room for the scale; it says how to compute `in_float64`."""
        limits = np.finfo(dtype)
        least, largest = float(limits.tiny) * ROOM, float(limits.max) / ROOM
        for mean, std in zip(self.mean, self.std, strict=True):
            if not (least <= std <= largest and abs(mean) <= largest):
                raise InputError(
                    f"{name} has the mean {mean:.3g} and the standard deviation {std:.3g}, for which {limits.dtype} has no "
                    f"room: scale it{f', or {in_float64}' if limits.bits < 64 else ''}."
                )

    def check_digits(self, dtype: Any, name: str, in_float64: str) -> None:
        """Raise InputError if numbers of this type are further apart than a quarter of a standard deviation of the targets."""
        limits = np.finfo(dtype)
        for mean, std in zip(self.mean, self.std, strict=True):
            if self._step(mean, dtype) > std / 4:
                raise InputError(
                    f"{name} has the mean {mean:.6g} and the standard deviation {std:.3g}, for which {limits.dtype} has too "
                    f"few digits: subtract a number from it{f', or {in_float64}' if limits.bits < 64 else ''}."
                )

    @staticmethod
    def _step(mean: float, dtype: Any) -> float:
        """Return how far predictions near the mean are apart."""
        return float(np.spacing(np.abs(mean).astype(dtype)))

    def apply(self, y: Array) -> Array:
        """Return targets, float64, in the scale of training."""
        return np.asarray((y - self.mean) / self.std)

    @property
    def unit(self) -> Array:
        """What one in the scale of training is in that of the targets, (n_outputs,)."""
        return self.std

    def of_logits(self, logits: Array) -> Array:
        """Return the logits of a network in the scale of training, by those in that of the targets."""
        return self.apply(logits)

    def enter(self, network: FullyConnectedNet) -> None:
        """Bring the last layer from the scale of the targets as they were given to that of training."""
        for W, b in _last_layers(network):
            W /= self.std
            b -= self.mean
            b /= self.std

    def leave(self, network: FullyConnectedNet) -> None:
        """Bring the last layer back."""
        for W, b in _last_layers(network):
            W *= self.std
            b *= self.std
            b += self.mean


class RateScale(TargetScale):
    """Targets of at least 0, whose logarithm the network gives, are trained on as ``y / mean``."""

    @property
    def unit(self) -> Array:
        """The mean."""
        return np.where(self.mean > 0, self.mean, 1)

    def of_logits(self, logits: Array) -> Array:
        """Return logarithms in the scale of training."""
        return np.asarray(logits - np.log(self.unit))

    @staticmethod
    def _step(mean: float, dtype: Any) -> float:
        return float(mean * np.spacing(np.abs(np.log(mean)).astype(dtype))) if mean > 0 else 0.0

    def apply(self, y: Array) -> Array:
        """Return targets, float64, in the scale of training."""
        return np.asarray(y / self.unit)

    def enter(self, network: FullyConnectedNet) -> None:
        """Bring the last layer to the scale of training."""
        for _, b in _last_layers(network):
            b -= np.log(self.unit)

    def leave(self, network: FullyConnectedNet) -> None:
        """Bring it back."""
        for _, b in _last_layers(network):
            b += np.log(self.unit)


def scale_for(loss: Loss, y: Array, weights: Array | None = None) -> TargetScale:
    """Return the scale that targets (n, n_outputs) are trained in with a loss."""
    return (RateScale if loss.name == PoissonLoss.name else TargetScale).of(y, weights)


def bring_to_units(network: FullyConnectedNet, scale: TargetScale, y: Array) -> None:
    """Bring a trained network to the unit of its targets (n, k), of which those that are always the same become exact."""
    scale.leave(network)
    meet_constants(network, y)


def meet_constants(network: FullyConnectedNet, y: Array) -> None:
    """Have outputs whose training targets (n, k) are all the same give just that, whatever the inputs."""
    constant = (y == y[0]).all(axis=0)
    logits = network.loss.constant_logits(y[:1], network.n_classes)
    for params in network.all_params:
        for name in network.output_params:
            params[name] *= ~constant
    for _, b in _last_layers(network):
        b += np.where(constant, logits, 0).astype(b.dtype)


def _last_layers(network: FullyConnectedNet) -> list[tuple[Array, Array]]:
    W, b = network.layers[-1].parameters  # also of members that each have a last layer of their own
    return [(params[W], params[b]) for params in network.all_params]
