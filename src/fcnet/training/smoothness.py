"""How smooth images are, those of the weights of a first layer above all."""

import numpy as np

from fcnet.types import Array


def roughness(images: Array) -> Array:
    """Return how much neighbouring pixels of each image (n, height, width, channels) differ: 1 as in noise, 0 not at all.

    It is the mean square of their differences, over twice the variance of the pixels of a channel (Geary's C): over all orders
    of the pixels its mean is 1. An image of one shade counts as noise.
    """
    n, height, width, channels = images.shape
    if height * width < 2:
        return np.ones(n)
    differences = np.concatenate([np.square(np.diff(images, axis=axis)).reshape(n, -1) for axis in (1, 2)], axis=1).mean(axis=1)
    variance = images.reshape(n, -1, channels).var(axis=1, ddof=1).mean(axis=1)
    return np.where(variance > 0, differences / np.where(variance > 0, 2 * variance, 1), 1.0)


def has_structure(images: Array) -> Array:
    """Return of each image whether it is smoother than noise is by chance, which happens to one in a hundred at most."""
    return np.asarray(roughness(images) < 1 - 2 / np.sqrt(images[0].size))
