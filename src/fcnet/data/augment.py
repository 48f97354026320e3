"""Changes to a batch of images that leave their class as it is, made at random in place."""

from collections.abc import Callable

import numpy as np

from fcnet.types import Array


def random_view(views: Array) -> Callable[[Array, np.random.Generator], None]:
    """Return a function that replaces each image of a batch by one of its `views`, drawn at random."""

    def augment(X: Array, rng: np.random.Generator) -> None:
        for row, view in zip(X, rng.integers(len(views), size=len(X)), strict=True):
            row[...] = row[views[view]]

    return augment


def random_signs(signs: Array) -> Callable[[Array, np.random.Generator], None]:
    """Return a function that multiplies each row of a batch by `signs` with probability ½.

    With the signs of `fcnet.features.PatchRepresentation` this mirrors the images that the rows were made of.
    """

    def augment(X: Array, rng: np.random.Generator) -> None:
        for row in np.flatnonzero(rng.random(len(X), dtype=np.float32) < 0.5):
            X[row] *= signs

    return augment
