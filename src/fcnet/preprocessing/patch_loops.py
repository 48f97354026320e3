"""The two passes of patch features beside their products, as loops that numba compiles.

`fcnet.preprocessing.patch_passes` has both in NumPy.
"""

import numpy as np

from fcnet.engine.compiled import compiled
from fcnet.types import Array


@compiled
def normalised_patches(image: Array, size: int, epsilon: float, out: Array) -> None:
    """Write every patch of an image (height, width, channels), its mean taken and contrast divided out, to a row of `out`."""
    height, width, channels = image.shape
    row_length, n, row = size * channels, np.float32(size * size * channels), 0
    for y in range(height - size + 1):
        for x in range(width - size + 1):
            patch = out[row]
            total = np.float32(0)
            for i in range(size):
                line = image[y + i].reshape(-1)[x * channels : x * channels + row_length]
                part = patch[i * row_length : (i + 1) * row_length]
                for j in range(row_length):
                    part[j] = line[j]
                    total += line[j]
            mean = total / n
            squares = np.float32(0)
            for j in range(patch.size):
                patch[j] -= mean
                squares += patch[j] * patch[j]
            scale = np.float32(1) / np.sqrt(squares / n + np.float32(epsilon))
            for j in range(patch.size):
                patch[j] *= scale
            row += 1


@compiled
def threshold_and_pool(responses: Array, threshold: float, block_of_row: Array, block_of_column: Array, sums: Array) -> None:
    """Add what exceeds the threshold, on either side, to the sums of the block that a position lies in."""
    rows, columns, n = responses.shape
    limit, zero = np.float32(threshold), np.float32(0)
    sums[...] = zero
    for y in range(rows):
        for x in range(columns):
            z = responses[y, x]
            above, below = sums[block_of_row[y], block_of_column[x], 0], sums[block_of_row[y], block_of_column[x], 1]
            for k in range(n):
                above[k] += max(z[k] - limit, zero)
                below[k] += max(-z[k] - limit, zero)
