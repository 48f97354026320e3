"""Numbers that say what is dropped: a hash of a seed that is drawn, and of the place of an entry.

No array of them is drawn or kept. A backward makes the same numbers again, and so does each part of a batch (counter-based
random numbers, as in Salmon et al. 2011).
"""

import math
from typing import NamedTuple

import numpy as np

from fcnet.types import Array

N_NUMBERS = 1 << 31
# The multipliers of a hash of 32 bits that mixes them about as well as two can (C. Wellons, "lowbias32"), and the golden ratio.
FIRST, SECOND, PLACES = np.uint32(0x7FEB352D), np.uint32(0x846CA68B), np.uint32(0x9E3779B9)


class Seed(NamedTuple):
    """Of the numbers of an array, or of a part of it that begins at a place."""

    one: int
    other: int
    place: int = 0


def draw_seed(rng: np.random.Generator) -> Seed:
    """Draw a seed, twice 31 bits."""
    return Seed(*divmod(int(rng.integers(N_NUMBERS**2)), N_NUMBERS))


def numbers(seed: Seed, shape: tuple[int, ...]) -> Array:
    """Return an int32 array of numbers from 0 to ``N_NUMBERS - 1``, each as likely as any other."""
    h = np.arange(math.prod(shape), dtype=np.uint32)
    h += np.uint32(seed.place % (1 << 32))
    h *= PLACES
    h += np.uint32(seed.one)
    h ^= h >> 16
    h *= FIRST
    h ^= h >> 15
    h ^= np.uint32(seed.other)
    h *= SECOND
    h ^= h >> 16
    h >>= 1
    return h.view(np.int32).reshape(shape)
