"""Principal components, with the variance along each."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

from fcnet.errors import InputError, to_float, to_int
from fcnet.types import Array

ROWS_AT_ONCE = 1024
ROUNDING = 1e-12  # of the largest variance: less than that is none
REACH = {"float32": 1e15, "float64": 1e140}  # what is larger, or smaller than one over it, has no useful square


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


@dataclass
class PCA:
    """``(X - mean) componentsᵀ / sqrt(variances + r σ²)``, with σ² the mean variance of the inputs.

    Parameters
    ----------
    mean : array (n_inputs,)
    components : array (n_components, n_inputs)
        Of length one, largest variance first.
    variances, shares : arrays (n_components,)
        The variance along each component, and what share of the variance of all inputs it is.
    ridge : float
        The r σ² above.
    """

    mean: Array
    components: Array
    variances: Array
    shares: Array
    ridge: float

    @classmethod
    def fit(cls, X: Array, n_components: int | float | None = None, regularisation: float = 0.0) -> "PCA":
        """Find the leading components of rows, the eigenvectors of ``(X - mean)ᵀ (X - mean) / (n - 1)``, in float64.

        Those of no variance are left out. The largest entry of each is positive.

        Parameters
        ----------
        X : array (n, n_inputs)
        n_components : int, float or None
            How many, at most as many as have variance; a float is the share of the variance that they have to explain, and
            None are all.
        regularisation : float
            The r above, at least 0.

        Raises
        ------
        InputError
            If a setting is out of range, or `X` has no variance, or one that float64 cannot hold.
        """
        regularisation = to_float("regularisation", regularisation, 0)
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
        varying = variances > ROUNDING * variances[0]
        variances, components = variances[varying], components[varying]
        largest = np.abs(components).argmax(axis=1)
        components = components * np.sign(components[np.arange(len(largest)), largest, np.newaxis])
        shares = variances / variances.sum()
        kept = slice(_n_kept(n_components, shares, min(X.shape)))
        return cls(mean, components[kept], variances[kept], shares[kept], regularisation * variances.sum() / n_inputs)

    @property
    def _scales(self) -> Array:
        return np.asarray(np.sqrt(self.variances + self.ridge)[:, np.newaxis])

    def transform(self, X: Array, dtype: DTypeLike = np.float32) -> Array:
        """Return the whitened components (n, n_components) of rows."""
        projection = (self.components / self._scales).astype(dtype).T
        return np.asarray(np.subtract(X, self.mean.astype(dtype), dtype=dtype) @ projection)

    def inverse(self, rows: Array) -> Array:
        """Return the rows (n, n_inputs) that have these components, and the mean in all other directions."""
        return np.asarray(rows @ (self.components * self._scales).astype(rows.dtype) + self.mean.astype(rows.dtype))


def _n_kept(n_components: int | float | None, shares: Array, largest: int) -> int:
    if n_components is None:
        return len(shares)
    if isinstance(n_components, float | np.floating):
        share = to_float("n_components", n_components, 0, 1)
        return min(int(np.searchsorted(shares.cumsum(), share, side="right")) + 1, len(shares))
    n = to_int("n_components", n_components, 1)
    if n > largest:
        raise InputError(f"n_components must be at most min(n_samples, n_features) = {largest}, got {n}.")
    return min(n, len(shares))
