"""Principal components of features, scaled to nearly equal variance, in a basis where mirroring is a change of sign."""

import numpy as np
from numpy.typing import ArrayLike

from fcnet.errors import FcnetError, InputError, check_range
from fcnet.types import Array

ROWS_AT_ONCE = 1024  # features are gone through in blocks, so that memory does not grow with the number of rows
EXACT_SIZE = 3000  # up to here all eigenvectors are found, above it the leading ones by random projections
SHARE = 0.6  # of the components, so many are looked for among the even combinations, and among the odd ones


class MirrorWhitening:
    """Project features on their leading principal components and divide by ``sqrt(eigenvalue + regularisation)``.

    The mirror image of an image has the same features in another order, f' = f[permutation]. With the even and odd combinations
    ``s = (f + f') / √2`` and ``a = (f - f') / √2`` of each pair of features, mirroring leaves s as it is and changes the sign of a.
    Over images and mirror images together s and a do not correlate, so the principal components of each are found apart, at a
    quarter of the cost, and the components of a mirror image are those of the image times `signs`.

    Parameters
    ----------
    n_components : int
    regularisation : float
        Added to each eigenvalue of the correlation matrix, whose mean is 1.
    seed : int
        Of the random projections.

    Attributes
    ----------
    even, odd : float32 arrays (n_features / 2, n_even) and (n_features / 2, n_odd)
        The projections of s and a, scaled.
    offset : float32 array (n_even,)
        The projection of the mean, which is taken away.
    signs : float32 array (n_components,)
        1 for the even components, which come first, -1 for the odd ones.
    """

    def __init__(self, n_components: int = 3072, regularisation: float = 1.0, seed: int = 0) -> None:
        check_range("n_components", n_components, 1)
        check_range("regularisation", regularisation, 0)
        self.n_components, self.regularisation, self.seed = n_components, regularisation, seed

    def fit(self, features: Array, permutation: Array) -> "MirrorWhitening":
        """Measure means and covariances of `features` and of their mirror images, and find the components.

        Parameters
        ----------
        features : float array (n, n_features)
            Read in blocks of rows, so that it may be mapped from a file.
        permutation : integer array (n_features,)
            ``features[:, permutation]`` are those of the mirror images; of no feature the feature itself.

        Raises
        ------
        InputError
            If `permutation` is not such a permutation.
        """
        self._set_permutation(permutation)
        n, half = len(features), len(self._first)
        total = np.zeros(half)
        even, odd = (np.zeros((half, half), np.float32, order="F") for _ in range(2))
        for start in range(0, n, ROWS_AT_ONCE):
            s, a = self._split(features[start : start + ROWS_AT_ONCE])
            total += s.sum(axis=0, dtype=np.float64)
            _add_gram(even, s)
            _add_gram(odd, a)
        mean = (total / n).astype(np.float32)
        for gram in (even, odd):
            gram /= n
        for j in range(half):
            even[:, j] -= mean * mean[j]
        variance = (np.diag(even) + np.diag(odd)) / 2
        scale = np.where(variance > 0, 1 / np.sqrt(np.maximum(variance, 1e-30)), 0).astype(np.float32)
        values, vectors = [], []
        for covariance in (even, odd):
            for j in range(half):
                covariance[:, j] *= scale * scale[j]
            pairs = _leading_eigenpairs(covariance, min(half, max(1, int(SHARE * self.n_components))), self.seed)
            values.append(pairs[0])
            vectors.append(pairs[1])
        least = np.sort(np.concatenate(values))[::-1][: self.n_components][-1]
        kept = [v[:, w >= least] / np.sqrt(w[w >= least] + self.regularisation) for w, v in zip(values, vectors, strict=True)]
        self.even, self.odd = (np.ascontiguousarray(scale[:, None] * v, np.float32) for v in kept)
        self.offset = mean @ self.even
        return self

    def transform(self, features: ArrayLike) -> Array:
        """Return the components, float32 (n, n_components), of features (n, n_features)."""
        features = np.asarray(features)
        out = np.empty((len(features), len(self.signs)), np.float32)
        n_even = self.even.shape[1]
        for start in range(0, len(features), ROWS_AT_ONCE):
            rows = slice(start, start + ROWS_AT_ONCE)
            s, a = self._split(features[rows])
            out[rows, :n_even] = s @ self.even - self.offset
            out[rows, n_even:] = a @ self.odd
        return out

    @property
    def signs(self) -> Array:
        """What the components are multiplied by when the image is mirrored."""
        return np.repeat(np.float32([1, -1]), [self.even.shape[1], self.odd.shape[1]])

    def arrays(self) -> dict[str, Array]:
        """Return all that `from_arrays` needs."""
        return {"even": self.even, "odd": self.odd, "offset": self.offset, "permutation": self._permutation}

    @classmethod
    def from_arrays(cls, arrays: dict[str, Array]) -> "MirrorWhitening":
        """Return the whitening that has these arrays."""
        whitening = cls(arrays["even"].shape[1] + arrays["odd"].shape[1])
        whitening._set_permutation(arrays["permutation"])
        whitening.even, whitening.odd, whitening.offset = arrays["even"], arrays["odd"], arrays["offset"]
        half = len(whitening._first)
        if not len(whitening.even) == len(whitening.odd) == half or whitening.offset.shape != whitening.even.shape[1:]:
            raise InputError("The arrays of the whitening do not fit one another.")
        return whitening

    def _set_permutation(self, permutation: Array) -> None:
        every = np.arange(len(permutation))
        if not np.array_equal(permutation[permutation], every) or (permutation == every).any():
            raise InputError("permutation must pair every feature with another.")
        self._permutation = permutation
        self._first = np.flatnonzero(every < permutation)
        self._second = permutation[self._first]

    def _split(self, features: Array) -> tuple[Array, Array]:
        first, second = (features[:, columns].astype(np.float32) for columns in (self._first, self._second))
        first *= np.float32(np.sqrt(0.5))
        second *= np.float32(np.sqrt(0.5))
        return first + second, first - second


def _add_gram(gram: Array, rows: Array) -> None:
    """Add ``rowsᵀ rows`` to the lower triangle of `gram`, in place, where a product with NumPy would take the memory twice."""
    try:
        from scipy.linalg.blas import ssyrk
    except ImportError:
        raise FcnetError("Features of patches need SciPy: pip install scipy.") from None
    ssyrk(1.0, rows.T, 1.0, gram, lower=1, overwrite_c=1)


def _leading_eigenpairs(covariance: Array, k: int, seed: int) -> tuple[Array, Array]:
    """Return the `k` largest eigenvalues, falling, and their eigenvectors, of a matrix of which the lower triangle is given."""
    n = len(covariance)
    if n <= EXACT_SIZE:
        values, vectors = np.linalg.eigh(covariance, "L")
        return values[::-1][:k], vectors[:, ::-1][:, :k]
    for start in range(0, n, ROWS_AT_ONCE):
        stop = start + ROWS_AT_ONCE
        covariance[start:stop, stop:] = covariance[stop:, start:stop].T
        block = covariance[start:stop, start:stop]
        block[...] = np.tril(block) + np.tril(block, -1).T
    return _subspace_iteration(covariance, k, np.random.default_rng(seed))


def _subspace_iteration(matrix: Array, k: int, rng: np.random.Generator, iterations: int = 6) -> tuple[Array, Array]:
    """Halko, Martinsson & Tropp 2011, algorithms 4.4 and 5.3, for a symmetric matrix."""
    basis = rng.standard_normal((len(matrix), min(len(matrix), k + k // 10 + 10)), dtype=np.float32)
    for _ in range(iterations):
        basis, _ = np.linalg.qr(matrix @ basis)
    values, vectors = np.linalg.eigh(basis.T @ (matrix @ basis))
    return values[::-1][:k], (basis @ vectors[:, ::-1][:, :k])
