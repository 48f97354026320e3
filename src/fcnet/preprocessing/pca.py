"""Principal components, with the variance along each."""

import numpy as np
from numpy.typing import DTypeLike

from fcnet.errors import InputError
from fcnet.types import Array

ROWS_AT_ONCE = 1024
ROUNDING = 1e-12  # of the largest variance: less than that is none
REACH = {"float32": 1e15, "float64": 1e140}  # what is larger, or smaller than one over it, has no useful square
LEAST_VARIANCE = 1e-280  # whose rounding float64 can still hold


def check_varies(X: Array, dtype: DTypeLike = np.float64) -> None:
    """Raise InputError if rows do not differ, as rounded means can make a variance of none, or by what has no square."""
    if (X[0] == X).all():
        raise InputError("X has no variance: all its rows are equal, and cannot be whitened.")
    if X.dtype.kind == "f":
        with np.errstate(over="ignore"):
            spread = float(np.ptp(X, axis=0).max())
        reach = REACH[np.dtype(dtype).name]
        if not 1 / reach <= spread <= reach:
            raise InputError(
                f"The values of X differ by up to {spread:.3g}, whose square {np.dtype(dtype)} cannot hold: scale X."
            )


def principal_components(X: Array) -> tuple[Array, Array, Array]:
    """Return mean, variances and components of rows, computed in float64.

    They are the eigenvalues and eigenvectors of the covariance ``(X - mean)ᵀ (X - mean) / (n - 1)``, those of no variance left
    out. The largest entry of a component is positive.

    Parameters
    ----------
    X : array (n, n_inputs)

    Returns
    -------
    mean : array (n_inputs,)
    variances : array (n_components,)
        Descending.
    components : array (n_components, n_inputs)
        Of length one.

    Raises
    ------
    InputError
        If `X` has no variance, or one that float64 cannot hold.
    """
    check_varies(X)
    n, n_inputs = X.shape
    blocks = [slice(start, start + ROWS_AT_ONCE) for start in range(0, n, ROWS_AT_ONCE)]
    first = X[0].astype(np.float64)  # sums around a point among the data lose no digits: of a constant they are zero
    mean = first + np.sum([(X[rows] - first).sum(axis=0) for rows in blocks], axis=0) / n
    if n < n_inputs:  # the covariance would be larger than the data
        _, lengths, components = np.linalg.svd(X - mean, full_matrices=False)
        variances = lengths**2 / (n - 1)
    else:
        covariance = np.zeros((n_inputs, n_inputs))
        for rows in blocks:
            centred = X[rows] - mean
            covariance += centred.T @ centred
        ascending, vectors = np.linalg.eigh(covariance / (n - 1))
        variances, components = ascending[::-1], vectors.T[::-1]
    kept = variances > ROUNDING * variances[0]
    variances, components = variances[kept], components[kept]
    largest = np.abs(components).argmax(axis=1)
    return mean, variances, components * np.sign(components[np.arange(len(largest)), largest, np.newaxis])
