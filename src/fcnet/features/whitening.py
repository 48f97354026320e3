"""Regularised whitening of features that know their mirror image."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from fcnet.errors import InputError, to_int
from fcnet.types import Array

REGULARISATION = 1.0  # added to eigenvalues, as a share of the mean variance of the features, which are standardised
EXACT_SIZE = 4096  # up to so many dimensions every eigenvector is computed
N_ITERATIONS = 4
EXTRA = 1.15  # subspace iteration carries so many times the components that are asked for


class MirrorCovariance:
    """Covariance of features over images and their mirror images, added up block by block.

    With the even and odd combinations ``(f ± f[mirrored]) / √2`` of each pair of features that mirroring exchanges, it falls
    into two parts of half the size, because mirroring changes the sign of the odd ones alone.

    Parameters
    ----------
    mirrored : integer array (n_features,)
        The order in which the features of an image are those of its mirror image; no feature is its own.
    """

    def __init__(self, mirrored: Array) -> None:
        self.mirrored, self._pairs = mirrored, pairs(mirrored)
        size = len(mirrored) // 2
        self.parts = [np.zeros((size, size), np.float32, order="F") for _ in range(2)]  # lower triangles
        self.total = np.zeros(size)
        self.n = 0
        self.origin: Array | None = None

    def add(self, features: Array) -> None:
        """Add a block of features, float32 (n, n_features)."""
        from scipy.linalg.blas import ssyrk

        even, odd = even_and_odd(features, *self._pairs)
        if self.origin is None:  # squares around a point among the data lose fewer digits
            self.origin = even.mean(axis=0)
        even -= self.origin
        self.total += even.sum(axis=0, dtype=np.float64)
        self.n += len(features)
        for part, rows in zip(self.parts, (even, odd), strict=True):
            ssyrk(1.0, rows.T, beta=1.0, c=part, lower=1, overwrite_c=1)

    def arrays(self) -> dict[str, Array]:
        """Return all that has been added up so far."""
        assert self.origin is not None
        return {"even": self.parts[0], "odd": self.parts[1], "total": self.total, "n": np.array(self.n), "origin": self.origin}

    def load_arrays(self, arrays: Mapping[str, Array]) -> None:
        """Go on from what `arrays` returned."""
        self.parts = [np.asfortranarray(arrays[name]) for name in ("even", "odd")]
        self.total, self.n, self.origin = arrays["total"], int(arrays["n"]), arrays["origin"]

    def finish(self) -> tuple[Array, Array, list[Array]]:
        """Return the mean of the even combinations, the deviation of each feature, and the correlations of both parts."""
        if self.n < 2 or self.origin is None:
            raise InputError(f"A covariance needs at least 2 rows, got {self.n}.")
        centre = (self.total / self.n).astype(np.float32)
        even, odd = self.parts
        for start in range(0, len(centre), EXACT_SIZE):
            rows = slice(start, start + EXACT_SIZE)
            even[:, rows] -= self.n * np.outer(centre, centre[rows])
        variance = (even.diagonal() + odd.diagonal()) / (2 * self.n)
        std = np.sqrt(np.where(variance > 0, variance, 1))  # a constant feature becomes zero
        for part in self.parts:
            for start in range(0, len(std), EXACT_SIZE):
                rows = slice(start, start + EXACT_SIZE)
                part[start:, rows] /= np.outer(std[start:] * self.n, std[rows])
                block = part[rows, rows]
                block[...] = np.tril(block) + np.tril(block, -1).T
                part[rows, start + EXACT_SIZE :] = part[start + EXACT_SIZE :, rows].T
        return self.origin + centre, std, self.parts


@dataclass
class MirrorWhitening:
    """Projection on the leading principal components of standardised features, divided by ``sqrt(eigenvalue + 1)``.

    A component is made of even combinations of mirrored pairs of features, or of odd ones: mirroring an image changes the sign
    of the odd components, and nothing else.

    Parameters
    ----------
    mirrored : integer array (n_features,)
        As in `MirrorCovariance`.
    even, odd : float32 arrays (n_features / 2, n_even) and (n_features / 2, n_odd)
        Standardisation, components and scales in one.
    offset : float32 array (n_even,)
        Of the mean.
    """

    mirrored: Array
    even: Array
    odd: Array
    offset: Array

    def __post_init__(self) -> None:
        half = len(self.mirrored) // 2
        if self.even.shape[0] != half or self.odd.shape[0] != half or self.offset.shape != self.even.shape[1:]:
            raise InputError(
                f"the arrays even {self.even.shape}, odd {self.odd.shape} and offset {self.offset.shape} do not fit "
                f"{2 * half} features."
            )
        self._pairs = pairs(self.mirrored)

    @classmethod
    def fit(cls, covariance: MirrorCovariance, n_components: int, seed: int = 0) -> "MirrorWhitening":
        """Find the components, by subspace iteration where there are many features.

        Parameters
        ----------
        covariance : MirrorCovariance
            Used up by this.
        n_components : int
        seed : int
            Of the subspace that the iteration begins with.
        """
        rng = np.random.default_rng(seed)
        mean, std, parts = covariance.finish()
        n_components = min(to_int("n_components", n_components, 1), 2 * len(std))
        found = []
        while parts:
            found.append(leading_eigenvectors(parts.pop(0), n_components, rng))
        lowest = np.sort(np.concatenate([values for values, _ in found]))[-n_components]
        matrices = []
        for values, vectors in found:
            kept = values >= max(lowest, 0)
            scales = 1 / np.sqrt(values[kept] + np.float32(REGULARISATION))
            matrices.append(np.ascontiguousarray(vectors[:, kept] * scales / std[:, None], np.float32))
        even, odd = matrices
        return cls(covariance.mirrored, even, odd, mean @ even)

    @property
    def n_components(self) -> int:
        """Columns of what `transform` returns."""
        return int(self.even.shape[1] + self.odd.shape[1])

    @property
    def signs(self) -> Array:
        """The signs, float32 (n_components,), by which mirroring multiplies each component."""
        return np.repeat(np.array([1, -1], np.float32), [self.even.shape[1], self.odd.shape[1]])

    def transform(self, features: ArrayLike) -> Array:
        """Return the components, float32 (n, n_components), of features (n, n_features)."""
        features = np.asarray(features, np.float32)
        out = np.empty((len(features), self.n_components), np.float32)
        even, odd = even_and_odd(features, *self._pairs)
        n_even = self.even.shape[1]
        np.matmul(odd, self.odd, out=out[:, n_even:])
        np.subtract(even @ self.even, self.offset, out=out[:, :n_even])
        return out


def pairs(mirrored: Array) -> tuple[Array, Array]:
    """Return the first and the second feature of every pair that mirroring exchanges."""
    first = np.flatnonzero(np.arange(len(mirrored)) < mirrored)
    return first, mirrored[first]


def even_and_odd(features: Array, first: Array, second: Array) -> tuple[Array, Array]:
    """Return ``(f + f[mirrored]) / √2`` and ``(f - f[mirrored]) / √2`` for one feature of every pair."""
    one, other = (features.take(columns, axis=1) for columns in (first, second))
    one *= np.float32(0.5**0.5)
    other *= np.float32(0.5**0.5)
    even = one + other
    one -= other
    return even, one


def leading_eigenvectors(matrix: Array, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Return the largest eigenvalues of a symmetric matrix and their eigenvectors: at most n, ascending.

    Large matrices by subspace iteration (Halko, Martinsson & Tropp 2011), whose last vectors span about the space that is asked
    for, not each the exact eigenvector.
    """
    from scipy.linalg import eigh, qr

    size = len(matrix)
    n = min(n, size)
    if size <= EXACT_SIZE:
        return eigh(matrix, subset_by_index=[size - n, size - 1])  # type: ignore[no-any-return]
    # Half of the components asked for come from either part, give or take a few.
    carried = min(int(EXTRA * 0.5 * n), size)
    basis = rng.standard_normal((size, carried), np.float32)
    for _ in range(N_ITERATIONS):
        basis, _ = qr(matrix @ basis, mode="economic", overwrite_a=True)
    values, rotation = eigh(basis.T @ (matrix @ basis))
    return values, basis @ rotation
