"""Checks of what features are given, by callers and by files."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fcnet.errors import InputError
from fcnet.types import Array

LARGEST_SIDE = 1 << 14


def check_images(X: ArrayLike, image_shape: tuple[int, ...]) -> Array:
    """Return images as an array (n, height · width · channels), or raise InputError if they have another shape."""
    X = np.asarray(X)
    if X.ndim != 2 or X.shape[1] != math.prod(image_shape):
        raise InputError(f"X must have shape (n, {math.prod(image_shape)}), got {X.shape}.")
    return X


def image_shape_of(value: Any) -> tuple[int, int, int]:
    """Return a shape as read from a file, or raise InputError unless it is three whole numbers that an image may have."""
    sides = list(value)
    if len(sides) != 3 or any(type(side) is not int or not 1 <= side <= LARGEST_SIDE for side in sides):
        raise InputError(f"an image shape must be three whole numbers from 1 to {LARGEST_SIDE}, got {value}.")
    return sides[0], sides[1], sides[2]


def check_arrays(
    what: str, arrays: Mapping[str, Array], shapes: Mapping[str, tuple[int, ...]], names: Sequence[str] = ()
) -> None:
    """Raise InputError unless the arrays are of floats and have these shapes, and these names or those of `shapes`."""
    if not set(arrays) <= set(names or shapes) or not set(arrays) >= set(shapes):
        raise InputError(f"its {what} does not have the arrays {', '.join(sorted(arrays)) or 'none'}.")
    for name, array in arrays.items():
        if array.shape != shapes[name] or array.dtype not in (np.float32, np.float64):
            raise InputError(f"its {what} needs {name!r} as floats of shape {shapes[name]}, got {array.dtype} {array.shape}.")
