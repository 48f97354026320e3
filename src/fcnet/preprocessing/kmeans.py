"""Spherical k-means: the directions that patches lie along."""

import numpy as np

from fcnet.engine.products import Matmul, matmul
from fcnet.types import Array

ROWS_AT_ONCE = 4096


def unit_rows(rows: Array) -> Array:
    """Return the rows divided by their lengths; rows of no length stay zero."""
    scaled: Array = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.float32(1e-6))
    return scaled


def with_mirrored(filters: Array, flip: Array) -> Array:
    """Return filters in rows and behind them their mirror images, whose values are those of the filters in the order `flip`."""
    return np.concatenate([filters, filters[:, flip]])


def spherical_kmeans(
    rows: Array,
    n_directions: int,
    n_iterations: int,
    rng: np.random.Generator,
    flip: Array | None = None,
    matmul: Matmul = matmul,
) -> Array:
    """Return directions (n_directions, n) along which rows of length one (m, n) lie, in either sense.

    Each iteration assigns a row to the direction with the largest response, positive or negative. It replaces the directions by
    ``D ← D + Sᵀ X``, scaled to length one, with S the responses (Coates & Ng 2012). The first directions are random rows; a
    direction without rows becomes a random row again.

    Parameters
    ----------
    rows : float32 array (m, n)
    n_directions : int
    n_iterations : int
    rng : numpy.random.Generator
    flip : integer array (n,), optional
        The order of the columns in the mirror image of a row; then rows may also respond to mirrored directions.
    matmul : callable
        Computes matrix products.
    """
    directions = rows[rng.integers(len(rows), size=n_directions)]
    for _ in range(n_iterations):
        both = directions if flip is None else with_mirrored(directions, flip)
        sums = np.zeros_like(directions)
        for start in range(0, len(rows), ROWS_AT_ONCE):
            block = rows[start : start + ROWS_AT_ONCE]
            responses = matmul(block, both.T)
            nearest = np.abs(responses).argmax(axis=1)
            weighted = block * responses[np.arange(len(block)), nearest, None]
            if flip is not None:
                flipped = nearest >= n_directions
                weighted[flipped] = weighted[flipped][:, flip]
                nearest %= n_directions
            order = np.argsort(nearest, kind="stable")
            found, starts = np.unique(nearest[order], return_index=True)
            sums[found] += np.add.reduceat(weighted[order], starts)
        unused = np.flatnonzero(~sums.any(axis=1))
        sums += directions
        sums[unused] = rows[rng.integers(len(rows), size=len(unused))]
        directions = unit_rows(sums)
    return directions
