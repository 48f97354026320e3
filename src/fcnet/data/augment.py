"""Changes to a batch of images that leave their class as it is, made in place."""

from collections.abc import Callable

import numpy as np

from fcnet.types import Array


def mirror(image_shape: tuple[int, ...]) -> Callable[[Array, np.random.Generator], None]:
    """Return a function that mirrors each image of a batch, rows of height · width · channels, with probability ½."""

    def augment(X: Array, rng: np.random.Generator) -> None:
        rows = np.flatnonzero(rng.random(len(X), dtype=np.float32) < 0.5)
        images = X.reshape(-1, *image_shape)
        images[rows] = images[rows, :, ::-1]

    return augment
