"""Changes to a batch of images that leave their class as it is, made in place."""

from collections.abc import Callable

import numpy as np

from fcnet.types import Array

COPY_BYTES = 1 << 15  # images are mirrored by way of a copy that stays in the cache


def mirror(image_shape: tuple[int, ...]) -> Callable[[Array, np.random.Generator], None]:
    """Return a function that mirrors each image of a batch, rows of height · width · channels, with probability ½."""

    def augment(X: Array, rng: np.random.Generator) -> None:
        rows = np.flatnonzero(rng.random(len(X), dtype=np.float32) < 0.5)
        images = X.reshape(-1, *image_shape)
        at_once = max(1, COPY_BYTES // images[0].nbytes)
        for start in range(0, len(rows), at_once):
            some = rows[start : start + at_once]
            images[some] = images[some, :, ::-1]

    return augment
