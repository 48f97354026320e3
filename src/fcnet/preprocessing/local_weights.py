"""Initial weights for images: each hidden unit begins with a patch at one place."""

import math

import numpy as np

from fcnet.preprocessing.kmeans import spherical_kmeans, unit_rows
from fcnet.preprocessing.views import random_places
from fcnet.types import Array

N_DIRECTIONS = 800
N_ITERATIONS = 8
N_PATCHES = 200_000
N_ROWS = 2000
SIGNS = np.array([-1, 1], np.float32)


def local_weights(X: Array, image_shape: tuple[int, ...], n_units: int, patch_size: int, rng: np.random.Generator) -> Array:
    """Return weights (n_inputs, n_units) that are zero except for a patch, at a random place for each unit.

    The patch is a direction of spherical k-means on random patches of the images, with a random sign. Every column is scaled so
    that the unit's input has the mean square of He's initialisation, ``2 · mean(X²)``. Labels are not used. All weights are
    trained. `X` holds preprocessed images, float (n, height · width · channels); whitened ones work best.
    """
    n = min(N_PATCHES, len(X) * (image_shape[0] - patch_size + 1) * (image_shape[1] - patch_size + 1))
    starts, corner = random_places(n, patch_size, image_shape, rng)
    patches = unit_rows(X[rng.integers(len(X), size=n)[:, np.newaxis], starts + corner])
    directions = spherical_kmeans(patches, min(N_DIRECTIONS, n_units), N_ITERATIONS, rng)
    chosen = directions[rng.integers(len(directions), size=n_units)] * rng.choice(SIGNS, size=(n_units, 1))
    weights = np.zeros((n_units, math.prod(image_shape)), X.dtype)
    starts, corner = random_places(n_units, patch_size, image_shape, rng)
    np.put_along_axis(weights, starts + corner, chosen.astype(X.dtype), axis=1)
    some = X[:N_ROWS]
    squares = np.square(some @ weights.T).mean(axis=0)
    weights *= np.sqrt(2 * np.square(some).mean() / np.where(squares > 0, squares, 1))[:, np.newaxis]
    return np.ascontiguousarray(weights.T)
