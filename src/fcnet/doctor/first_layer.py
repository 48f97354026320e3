"""Whether the weights of a first layer, as images, are smooth or noise."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from msgspec.structs import replace

from fcnet.doctor.finding import Finding, Findings
from fcnet.doctor.looks import weight_names
from fcnet.errors import InputError
from fcnet.training.smoothness import roughness
from fcnet.types import Array

MOST_UNITS, SHUFFLES = 100, 20
SMOOTH = 0.5
TOLD = ("learning-rate-too-high", "learning-rate-too-low", "stopped-early", "batch-too-large", "over-fitting")
"""What goes with weights that are noise; sound networks that began with large weights have such, too."""


@dataclass(frozen=True)
class FirstLayer:
    """How far neighbouring pixels of weights go together.

    Attributes
    ----------
    correlation : float
        Of neighbouring pixels, the median over units: 1 of what is smooth, and about 0 of noise.
    by_chance : float
        The largest there was of 20 times the same with pixels in a random order.
    """

    correlation: float
    by_chance: float

    @property
    def words(self) -> str:
        """What is to be said of it, if anything."""
        if self.correlation <= self.by_chance:
            return (
                f" The weights of the first layer are noise: neighbouring pixels correlate by {self.correlation:.2f}, shuffled "
                f"ones by up to {self.by_chance:.2f}."
            )
        if self.correlation < SMOOTH:
            return ""
        return (
            f" The weights of the first layer are smooth images, whose neighbouring pixels correlate by {self.correlation:.2f}."
        )


def first_weights(network: Any, image_shape: Sequence[int]) -> Array:
    """Return the weights (n_inputs, n_units) of the first layer, or raise InputError where images of that shape do not fit."""
    weights: Array = network.params[weight_names(network)[0]]
    if len(weights) != math.prod(image_shape):
        raise InputError(f"image_shape {tuple(image_shape)} does not fit {len(weights)} inputs.")
    return weights


def first_layer(weights: Array, image_shape: Sequence[int]) -> FirstLayer:
    """Judge weights (height · width · channels, n_units) by 100 units at most."""
    height, width, channels = image_shape
    units = weights[:, :: -(-weights.shape[1] // MOST_UNITS)].T
    pixels = units.reshape(len(units), height * width, channels).astype(np.float64)
    rng = np.random.default_rng(0)
    orders = [np.arange(height * width), *(rng.permutation(height * width) for _ in range(SHUFFLES))]
    correlations = [1 - float(np.median(roughness(pixels[:, order].reshape(-1, height, width, channels)))) for order in orders]
    return FirstLayer(correlations[0], max(correlations[1:]))


def with_first_layer(findings: Iterable[Finding], weights: Array, image_shape: Sequence[int]) -> Findings:
    """Return findings, of which those of the training say how smooth the weights of the first layer are."""
    found = Findings(findings)
    if not any(finding.code in TOLD for finding in found) or not np.isfinite(weights).all():
        return found
    seen = first_layer(weights, image_shape)
    evidence = {"first_layer_correlation": seen.correlation, "first_layer_correlation_by_chance": seen.by_chance}
    return Findings(
        replace(each, message=each.message + seen.words, evidence=each.evidence | evidence) if each.code in TOLD else each
        for each in found
    )
