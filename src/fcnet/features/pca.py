"""Principal components, with the variance along each."""

import numpy as np

from fcnet.errors import InputError
from fcnet.types import Array

ROWS_AT_ONCE = 1024
ROUNDING = 1e-12  # of the largest variance: less than that is none,
ROUNDING_OF_MEAN = 1e-28  # and less than that of a squared mean


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
        If `X` has no variance.
    """
    n, n_inputs = X.shape
    mean = X.mean(axis=0, dtype=np.float64)
    if n < n_inputs:  # the covariance would be larger than the data
        _, lengths, components = np.linalg.svd(X - mean, full_matrices=False)
        variances = lengths**2 / (n - 1)
    else:
        covariance = np.zeros((n_inputs, n_inputs))
        for start in range(0, n, ROWS_AT_ONCE):
            centred = X[start : start + ROWS_AT_ONCE] - mean
            covariance += centred.T @ centred
        ascending, vectors = np.linalg.eigh(covariance / (n - 1))
        variances, components = ascending[::-1], vectors.T[::-1]
    kept = variances > max(ROUNDING * variances[0], ROUNDING_OF_MEAN * np.square(mean).max())
    if not kept.any():
        raise InputError("X has no variance: all its rows are equal, and cannot be whitened.")
    variances, components = variances[kept], components[kept]
    largest = np.abs(components).argmax(axis=1)
    return mean, variances, components * np.sign(components[np.arange(len(largest)), largest, np.newaxis])
