"""Checks of what preprocessors are given, by callers and by files."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fcnet.errors import InputError, SettingError, to_float, to_int
from fcnet.types import Array, as_array

LARGEST_SIDE = 1 << 14
LARGEST = 1e15  # of what is squared and added up in float32; what is smaller than 1 / LARGEST has no square there


def check_images(X: ArrayLike, image_shape: tuple[int, ...], largest: float = LARGEST) -> Array:
    """Return images as an array (n, height · width · channels), or raise InputError if shape or values do not fit."""
    X = as_array(X)
    if X.ndim != 2 or X.shape[1] != math.prod(image_shape):
        raise InputError(f"X must have shape (n, {math.prod(image_shape)}), got {X.shape}.")
    if X.dtype.kind == "f" and X.size and not (-largest <= X.min() and X.max() <= largest):
        raise InputError(
            f"X holds values from {X.min():.3g} to {X.max():.3g}: pixels must be finite, and at most {largest:.3g} for float32."
        )
    return X


def check_max_value(value: Any) -> float:
    """Return the value of white as a float, or raise SettingError if float32 cannot hold contrasts relative to it."""
    if not 1 / LARGEST <= to_float("max_value", value, 0) <= LARGEST:
        raise SettingError(
            f"max_value, the value of white, must be from {1 / LARGEST:g} to {LARGEST:g}, got {value:.3g}: multiply the images "
            "by what makes it 1."
        )
    return float(value)


def check_finite(rows: Array, X: Array) -> Array:
    """Return `rows`, computed from those of `X`, or raise InputError if they are not finite."""
    finite = np.isfinite(rows).all(axis=1)
    if not finite.all():
        row = int(finite.argmin())
        raise InputError(
            f"Row {row} of X, with values of up to {np.abs(X[row]).max():.3g}, becomes what {rows.dtype} cannot hold: scale X."
        )
    return rows


def image_shape_of(value: Any) -> tuple[int, int, int]:
    """Return a shape that was read from a file, or raise InputError unless it is three whole numbers in range."""
    try:
        height, width, channels = (to_int("a side", side, 1, LARGEST_SIDE) for side in value)
    except (SettingError, TypeError, ValueError):
        raise InputError(f"an image shape must be three whole numbers from 1 to {LARGEST_SIDE}, got {value}.") from None
    return height, width, channels


def check_arrays(
    what: str, arrays: Mapping[str, Array], shapes: Mapping[str, tuple[int, ...]], names: Sequence[str] = ()
) -> None:
    """Raise InputError unless the arrays are floats of these shapes, and their names are `names`, or those of `shapes`."""
    if not set(arrays) <= set(names or shapes) or not set(arrays) >= set(shapes):
        raise InputError(f"its {what} does not have the arrays {', '.join(sorted(arrays)) or 'none'}.")
    for name, array in arrays.items():
        if array.shape != shapes[name] or array.dtype not in (np.float32, np.float64):
            raise InputError(f"its {what} needs {name!r} as floats of shape {shapes[name]}, got {array.dtype} {array.shape}.")


def column_of(column: Sequence[Any]) -> tuple[str, list[str] | None]:
    """Return the name and the categories of a column in a file, or raise InputError."""
    name, categories = column
    if not isinstance(name, str) or not (categories is None or all(isinstance(category, str) for category in categories)):
        raise InputError("a column of a table needs a name, and categories that are text.")
    return name, categories


def some_of(names: Sequence[str], chosen: Any) -> list[str]:
    """Return the columns of a list in a file that it must have, or raise InputError."""
    if not isinstance(chosen, list) or not set(names).issuperset(chosen):
        raise InputError("a table has columns of another kind than its model file says.")
    return [name for name in names if name in chosen]
