"""Augmentation: random changes to a batch of images that keep their class, made in place."""

from dataclasses import dataclass

import numpy as np

from fcnet.types import Array


@dataclass(frozen=True, eq=False)
class RandomView:
    """Replaces each image of a batch by one of its `views`, integers (n_views, n_inputs), drawn at random."""

    views: Array

    def __call__(self, X: Array, rng: np.random.Generator) -> None:
        """Change a batch."""
        for row, view in zip(X, rng.integers(len(self.views), size=len(X)), strict=True):
            row[...] = row[self.views[view]]


@dataclass(frozen=True, eq=False)
class RandomSigns:
    """Multiplies each row of a batch by `signs` with probability ½.

    With the `mirror_signs` of a `fcnet.preprocessing.PatchRepresentation` this mirrors the images.
    """

    signs: Array

    def __call__(self, X: Array, rng: np.random.Generator) -> None:
        """Change a batch."""
        for row in np.flatnonzero(rng.random(len(X), dtype=np.float32) < 0.5):
            X[row] *= self.signs
