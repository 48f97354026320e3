"""Checks of inputs and labels, with errors that say what is wrong and where."""

import numpy as np
from numpy.typing import ArrayLike

from fcnet.errors import InputError
from fcnet.types import Array

ROWS_AT_ONCE = 4096  # inputs are gone through in blocks, so that memory does not grow with the number of rows


def check_inputs(X: ArrayLike, n_inputs: int, name: str = "X") -> Array:
    """Return `X` as an array (n, n_inputs) of finite numbers, in the dtype it has.

    Raises
    ------
    InputError
        If its shape does not fit, or it holds anything but finite numbers.
    """
    X = np.asarray(X)
    if X.ndim != 2 or X.shape[1] != n_inputs:
        raise InputError(f"{name} must have shape (n, {n_inputs}) for this network, got {X.shape}.")
    if X.dtype.kind not in "fiub":
        raise InputError(f"{name} must hold numbers, got dtype {X.dtype}.")
    if X.dtype.kind != "f":
        return X
    for start in range(0, len(X), ROWS_AT_ONCE):
        finite = np.isfinite(X[start : start + ROWS_AT_ONCE])
        if not finite.all():
            row, column = np.argwhere(~finite)[0] + (start, 0)
            raise InputError(f"{name}[{row}, {column}] is {X[row, column]}: remove or replace values that are not finite.")
    return X


def check_labels(y: ArrayLike, n: int, n_classes: int, name: str = "y") -> Array:
    """Return `y` as an array (n,) of class numbers.

    Raises
    ------
    InputError
        If its shape, its dtype or a label does not fit.
    """
    y = np.asarray(y)
    if y.shape != (n,):
        raise InputError(f"{name} must have shape ({n},), one label for each row, got {y.shape}.")
    if not np.issubdtype(y.dtype, np.integer):
        raise InputError(f"{name} must hold class numbers as integers, got dtype {y.dtype}.")
    wrong = np.flatnonzero((y < 0) | (y >= n_classes))
    if len(wrong):
        raise InputError(f"{name}[{wrong[0]}] is {y[wrong[0]]}, but the {n_classes} classes are numbered 0 to {n_classes - 1}.")
    return y
