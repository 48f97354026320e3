"""Checks of inputs and labels, with errors that say what is wrong and where."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from fcnet.errors import InputError, OverflowedError, unknown_name
from fcnet.types import Array, is_sparse

DTYPES = ("float32", "float64")
ROWS_AT_ONCE = 4096  # rows go through in blocks, so that memory does not grow with their number


def check_dtype(dtype: DTypeLike) -> np.dtype[Any]:
    """Return the dtype of a network's parameters, or raise SettingError if it is none of `DTYPES`."""
    if str(dtype) not in DTYPES and dtype not in (np.float32, np.float64):
        raise unknown_name("dtype", str(dtype), DTYPES)
    return np.dtype(dtype)


def check_inputs(X: Any, n_inputs: int, name: str = "X") -> Array:
    """Return `X` as an array or CSR matrix (n, n_inputs) of numbers, or raise InputError; `in_dtype` checks the values."""
    X = X.tocsr() if is_sparse(X) else np.asarray(X)
    if X.ndim != 2 or X.shape[1] != n_inputs:
        raise InputError(f"{name} must have shape (n, {n_inputs}) for this network, got {X.shape}.")
    if X.dtype.kind not in "fiub":
        raise InputError(f"{name} must hold numbers, got dtype {X.dtype}.")
    return X  # type: ignore[no-any-return]  # as NumPy types it


def in_dtype(X: Any, dtype: DTypeLike, name: str = "X", first_row: int = 0) -> Array:
    """Return an array (n, k) or CSR matrix in another dtype, or raise InputError if a value is not finite there.

    The error counts rows from `first_row`.
    """
    with np.errstate(over="ignore"):
        cast = X.astype(dtype, copy=False)
    if X.dtype.kind != "f":
        return cast  # type: ignore[no-any-return]  # as NumPy types it
    if is_sparse(X):
        wrong = np.flatnonzero(~np.isfinite(cast.data))
        if len(wrong):
            raise _not_finite(f"{name} holds {X.data[wrong[0]]}", X.data[wrong[0]], cast.dtype)
        return cast  # type: ignore[no-any-return]
    for start in range(0, len(X), ROWS_AT_ONCE):
        finite = np.isfinite(cast[start : start + ROWS_AT_ONCE])
        if not finite.all():
            row, column = np.argwhere(~finite)[0] + (start, 0)
            value = X[row, column]
            raise _not_finite(f"{name}[{row + first_row}, {column}] is {value}", value, cast.dtype)
    return cast  # type: ignore[no-any-return]


def _not_finite(said: str, value: Any, dtype: Any) -> InputError:
    if not np.isfinite(value):
        return InputError(f"{said}: remove or replace values that are not finite.")
    return InputError(f"{said}, which is too large for {dtype}: scale it, or compute in float64.")


def check_results(results: Array) -> Array:
    """Return the results of rows, or raise OverflowedError if those of a row are not finite."""
    finite = np.isfinite(results).all(axis=tuple(range(1, results.ndim)))
    if not finite.all():
        raise OverflowedError(
            f"Row {finite.argmin()} of X has values from which the network computes what is too large for {results.dtype}. "
            "Scale the inputs as those that it was trained on, or compute in float64."
        )
    return results


def check_weights(weights: ArrayLike, X: Array, name: str) -> Array:
    """Return a weight for each row of `X` as an array (n,) of its dtype, or raise InputError, also if all are zero."""
    with np.errstate(over="ignore"):
        weights = np.asarray(weights, X.dtype)
        total = weights.sum()
    if weights.shape != X.shape[:1] or not np.isfinite(total) or weights.min() < 0 or not total:
        raise InputError(
            f"{name} must hold a number of at least 0 for each of {X.shape[0]} rows, not only zeros, with a sum that is finite "
            f"in {X.dtype}."
        )
    return weights


def check_labels(y: ArrayLike, n: int, n_classes: int, name: str = "y") -> Array:
    """Return `y` as an array (n,) of class numbers, or raise InputError."""
    y = np.asarray(y)
    if y.shape != (n,):
        raise InputError(f"{name} must have shape ({n},), one label for each row, got {y.shape}.")
    if not np.issubdtype(y.dtype, np.integer):
        raise InputError(f"{name} must hold class numbers as integers, got dtype {y.dtype}.")
    wrong = np.flatnonzero((y < 0) | (y >= n_classes))
    if len(wrong):
        raise InputError(f"{name}[{wrong[0]}] is {y[wrong[0]]}, but the {n_classes} classes are numbered 0 to {n_classes - 1}.")
    return y


def check_targets(y: ArrayLike, n: int, n_outputs: int, name: str = "y", low: float = -np.inf, high: float = np.inf) -> Array:
    """Return `y`, (n,) for one output or not, as (n, n_outputs) finite numbers from `low` to `high`, or raise InputError."""
    y = np.asarray(y)
    if n_outputs == 1 and y.shape == (n,):
        y = y[:, np.newaxis]
    if y.shape != (n, n_outputs):
        raise InputError(f"{name} must have shape ({n}, {n_outputs}), a row of targets for each row, got {y.shape}.")
    if y.dtype.kind not in "fiub":
        raise InputError(f"{name} must hold numbers, got dtype {y.dtype}.")
    wrong = np.argwhere(~np.isfinite(y) | (y < low) | (y > high))
    if len(wrong):
        row, column = wrong[0]
        raise InputError(
            f"{name}[{row}, {column}] is {y[row, column]}, but targets have to be finite"
            + ("." if low == -np.inf else f" and at least {low:g}" + ("." if high == np.inf else f" and at most {high:g}."))
        )
    return y


def without_members(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a network without `members`, which version 0.1 had; raise InputError where it is not 1."""
    if config.get("members", 1) != 1:
        raise InputError(
            f"members = {config['members']}: this network is an ensemble in one, which fcnet no longer has. Train networks of "
            "several seeds, and average their probabilities."
        )
    return {key: value for key, value in config.items() if key != "members"}
