"""The two passes of patch features beside their products: in NumPy here, compiled in `patch_loops`."""

from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from fcnet.types import Array


def normalised_patches(image: Array, size: int, epsilon: float, out: Array) -> None:
    """Write every patch of an image (height, width, channels), normalised, to a row of `out`."""
    patches = sliding_window_view(image, (size, size), axis=(0, 1))
    out.reshape(*patches.shape[:2], size, size, -1)[...] = np.moveaxis(patches, 2, 4)
    normalise(out, epsilon)


def normalise(patches: Array, epsilon: float) -> None:
    """Take the mean of each patch (n, k) and divide its contrast out, in place."""
    patches -= patches.mean(axis=1, keepdims=True)
    patches /= np.sqrt(np.square(patches).mean(axis=1, keepdims=True) + np.float32(epsilon))


def threshold_and_pool(responses: Array, threshold: float, block_of_row: Array, block_of_column: Array, sums: Array) -> None:
    """Write to `sums` what exceeds the threshold, on either side, added up over each block of positions."""
    row_starts, column_starts = (np.flatnonzero(np.diff(blocks, prepend=-1)) for blocks in (block_of_row, block_of_column))
    for side, z in enumerate((responses, -responses)):
        beyond = np.maximum(z - np.float32(threshold), 0)
        sums[:, :, side] = np.add.reduceat(np.add.reduceat(beyond, row_starts, axis=0), column_starts, axis=1)


@cache
def passes() -> tuple[Callable[..., None], Callable[..., None]]:
    """Return the two passes beside the products: compiled where numba can be used."""
    try:
        from fcnet.preprocessing import patch_loops
    except ImportError:  # not installed, or not for this NumPy
        return normalised_patches, threshold_and_pool
    return patch_loops.normalised_patches, patch_loops.threshold_and_pool
