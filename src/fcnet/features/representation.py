"""Images as whitened features of their patches: what a network on features sees."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from fcnet.features.patches import PatchFeatures
from fcnet.features.whitening import MirrorWhitening
from fcnet.types import Array

ROWS_AT_ONCE = 500  # the features of so many images are held at once


@dataclass
class PatchRepresentation:
    """Features of patches, of one size or several, and their whitening; both fitted on training images.

    Parameters
    ----------
    patches : sequence of PatchFeatures
        Their features stand side by side.
    whitening : MirrorWhitening
    """

    patches: Sequence[PatchFeatures]
    whitening: MirrorWhitening

    def transform(self, X: ArrayLike, dtype: DTypeLike = np.float32) -> Array:
        """Return the components (n, n_components) in `dtype` of raw images (n, n_inputs)."""
        X = np.asarray(X)
        out = np.empty((len(X), len(self.whitening.signs)), dtype)
        for start in range(0, len(X), ROWS_AT_ONCE):
            rows = slice(start, start + ROWS_AT_ONCE)
            out[rows] = self.whitening.transform(features_of(self.patches, X[rows]))
        return out

    def mirrored(self, components: Array) -> Array:
        """Return the components of the mirror images."""
        return components * self.whitening.signs

    def arrays(self) -> dict[str, Array]:
        """Return all that `from_arrays` needs, beside `get_config`."""
        arrays = {f"whitening.{name}": array for name, array in self.whitening.arrays().items()}
        for i, patches in enumerate(self.patches):
            arrays |= {f"patches.{i}.{name}": array for name, array in patches.arrays().items()}
        return arrays

    def get_config(self) -> list[dict[str, Any]]:
        """Return the settings of every kind of patches."""
        return [patches.get_config() for patches in self.patches]

    @classmethod
    def from_arrays(cls, config: Sequence[dict[str, Any]], arrays: dict[str, Array]) -> "PatchRepresentation":
        """Return the representation that has these settings and arrays."""
        patches = [PatchFeatures.from_arrays(own, _under(f"patches.{i}.", arrays)) for i, own in enumerate(config)]
        return cls(patches, MirrorWhitening.from_arrays(_under("whitening.", arrays)))


def features_of(patches: Sequence[PatchFeatures], X: Array, out: Array | None = None) -> Array:
    """Return the features of all kinds of patches side by side, (n, n_features), written to `out` where it is given."""
    if out is None:
        out = np.empty((len(X), sum(p.n_features for p in patches)), np.float32)
    start = 0
    for p in patches:
        p.transform(X, out=out[:, start : start + p.n_features])
        start += p.n_features
    return out


def mirror_permutation(patches: Sequence[PatchFeatures]) -> Array:
    """Return the order of the features side by side in which they are those of the mirror image."""
    starts = np.cumsum([0, *(p.n_features for p in patches)])
    return np.concatenate([start + p.mirror_permutation for start, p in zip(starts, patches, strict=False)])


def _under(prefix: str, arrays: dict[str, Array]) -> dict[str, Array]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
