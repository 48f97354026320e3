"""Changes to a batch of images that leave their class as it is, made at random in place."""

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

    With the signs of `fcnet.preprocessing.PatchRepresentation` this mirrors the images that the rows were made of.
    """

    signs: Array

    def __call__(self, X: Array, rng: np.random.Generator) -> None:
        """Change a batch."""
        for row in np.flatnonzero(rng.random(len(X), dtype=np.float32) < 0.5):
            X[row] *= self.signs
