"""Regularised whitening of features that know their mirror image."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from fcnet.engine.products import Matmul, matmul
from fcnet.errors import InputError, to_int
from fcnet.types import Array

MEAN_VARIANCE = 0.5  # of the components: four times as much costs a point of accuracy, half as much nothing
EXACT_SIZE = 4096  # up to so many dimensions every eigenvector is computed
N_ITERATIONS = 4
CARRIED, GUARD = 0.75, 20  # subspace iteration carries so large a share of the components asked for in either part, and more
BLOCK = 4096  # columns of a large matrix that are changed at once


class MirrorCovariance:
    """Covariance of features over images and their mirror images, added up block by block.

    It is that of combinations of the features: even ones, which mirroring leaves as they are, and odd ones, whose sign it
    changes. Over images and their mirror images these have no covariance with each other.

    Parameters
    ----------
    n_even, n_odd : int
    """

    def __init__(self, n_even: int, n_odd: int) -> None:
        self.parts = [np.zeros((size, size), np.float32, order="F") for size in (n_even, n_odd)]  # lower triangles
        self.total = np.zeros(n_even)
        self.n = 0
        self.origin = np.zeros(n_even, np.float32)

    def add(self, even: Array, odd: Array) -> None:
        """Add a block of rows, float32 (n, n_even) and (n, n_odd); `even` is overwritten."""
        from scipy.linalg.blas import ssyrk

        if self.n == 0:  # squares around a point among the data lose fewer digits
            self.origin = even.mean(axis=0)
        even -= self.origin
        self.total += even.sum(axis=0, dtype=np.float64)
        self.n += len(even)
        for part, rows in zip(self.parts, (even, odd), strict=True):
            if rows.shape[1]:
                ssyrk(1.0, rows.T, beta=1.0, c=part, lower=1, overwrite_c=1)

    def arrays(self) -> dict[str, Array]:
        """Return the sums so far."""
        return {"even": self.parts[0], "odd": self.parts[1], "total": self.total, "n": np.array(self.n), "origin": self.origin}

    def load_arrays(self, arrays: Mapping[str, Array]) -> None:
        """Go on from what `arrays` returned."""
        self.parts = [np.asfortranarray(arrays[name]) for name in ("even", "odd")]
        self.total, self.n, self.origin = arrays["total"], int(arrays["n"]), arrays["origin"]

    def finish(self) -> tuple[Array, list[Array]]:
        """Return the mean of the even combinations, and the covariances of both; this uses up what was added.

        Raises
        ------
        InputError
            If there were fewer than two rows.
        """
        if self.n < 2:
            raise InputError(f"A covariance needs at least 2 rows, got {self.n}.")
        centre = (self.total / self.n).astype(np.float32)
        for part in self.parts:
            for start in range(0, len(part), BLOCK):
                rows, below = slice(start, start + BLOCK), slice(start + BLOCK, None)
                part[start:, rows] /= self.n
                if part is self.parts[0]:
                    part[start:, rows] -= np.outer(centre[start:], centre[rows])
                block = part[rows, rows]
                block[...] = np.tril(block) + np.tril(block, -1).T
                part[rows, below] = part[below, rows].T
        return self.origin + centre, self.parts


@dataclass
class MirrorWhitening:
    """Projection on the leading principal components of standardised features, whitened with a regularisation r.

    Each is divided by ``sqrt(eigenvalue + r)``; as the mean variance of standardised features is 1, r is relative to it. Then
    all are divided by one number, so that the mean of their variances is ½. A component is made of even combinations
    ``(f + f[mirrored]) / √2`` of pairs of features that mirroring exchanges, or of odd ones, ``(f - f[mirrored]) / √2``.
    Mirroring an image changes the sign of the odd components, and nothing else.

    Parameters
    ----------
    mirrored : integer array (n_features,)
        The order in which the features of an image are those of its mirror image; no feature is its own.
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
        if self.even.shape[:1] != (half,) or self.odd.shape[:1] != (half,) or self.offset.shape != self.even.shape[1:]:
            raise InputError(
                f"the arrays even {self.even.shape}, odd {self.odd.shape} and offset {self.offset.shape} do not fit "
                f"{2 * half} features."
            )

    @classmethod
    def fit(
        cls,
        mirrored: Array,
        covariance: MirrorCovariance,
        n_components: int,
        regularisation: float | None = 1.0,
        seed: int = 0,
        matmul: Matmul = matmul,
    ) -> "MirrorWhitening":
        """Find the components, by subspace iteration where there are many features.

        Parameters
        ----------
        mirrored : integer array (n_features,)
        covariance : MirrorCovariance
            Of the combinations that `even_and_odd` gives of the features; used up by this.
        n_components : int
        regularisation : float, optional
            Added to the eigenvalues; with None components are not whitened.
        seed : int
            Of the subspace that the iteration begins with.
        matmul : callable
            Computes large matrix products.
        """
        mean, parts = covariance.finish()
        variance = (parts[0].diagonal() + parts[1].diagonal()) / 2
        std = np.sqrt(np.where(variance > 0, variance, 1))  # a constant feature becomes zero
        for part in parts:
            for start in range(0, len(std), BLOCK):
                columns = slice(start, start + BLOCK)
                part[:, columns] /= np.outer(std, std[columns])
        even, odd = _components(parts, n_components, regularisation, seed, matmul)
        even, odd = even / std[:, np.newaxis], odd / std[:, np.newaxis]
        return cls(mirrored, even, odd, mean @ even)

    @classmethod
    def join(
        cls,
        parts: Sequence["MirrorWhitening"],
        covariance: MirrorCovariance,
        n_components: int,
        regularisation: float = 1.0,
        seed: int = 0,
    ) -> "MirrorWhitening":
        """Whiten the components of several groups of features together, at a small part of the cost of all features at once.

        Each of `parts` is fitted with a `regularisation` of None. `covariance`, which is used up, is that of the even and odd
        components of all of them. The other parameters are those of `fit`.
        """
        mean, covariances = covariance.finish()
        even, odd = _components(covariances, n_components, regularisation, seed)
        return cls(
            side_by_side([part.mirrored for part in parts]),
            _chain([part.even for part in parts], even),
            _chain([part.odd for part in parts], odd),
            (np.concatenate([part.offset for part in parts]) + mean) @ even,
        )

    @property
    def n_components(self) -> int:
        """Columns of what `transform` returns."""
        return int(self.even.shape[1] + self.odd.shape[1])

    @property
    def signs(self) -> Array:
        """The signs, float32 (n_components,), by which mirroring multiplies each component."""
        return np.repeat(np.array([1, -1], np.float32), [self.even.shape[1], self.odd.shape[1]])

    def transform(self, features: ArrayLike, matmul: Matmul = matmul) -> Array:
        """Return the components, float32 (n, n_components), of features (n, n_features), multiplied by `matmul`."""
        features = np.asarray(features, np.float32)
        out = np.empty((len(features), self.n_components), np.float32)
        even, odd = even_and_odd(features, self.mirrored)
        n_even = self.even.shape[1]
        out[:, n_even:] = matmul(odd, self.odd)
        np.subtract(matmul(even, self.even), self.offset, out=out[:, :n_even])
        return out


def side_by_side(orders: Sequence[Array]) -> Array:
    """Return the order in which groups of features that stand side by side are those of the mirror image."""
    starts = np.cumsum([0, *(len(order) for order in orders)])
    return np.concatenate([start + order for start, order in zip(starts, orders, strict=False)])


def mirrored_pairs(mirrored: Array) -> tuple[Array, Array]:
    """Return the places of the first, and of the second, of all pairs that mirroring exchanges; none is its own."""
    first = np.flatnonzero(np.arange(len(mirrored)) < mirrored)
    return first, mirrored[first]


def even_and_odd(features: Array, mirrored: Array) -> tuple[Array, Array]:
    """Return ``(f + f[mirrored]) / √2`` and ``(f - f[mirrored]) / √2`` for the first feature of every pair."""
    one, other = (features.take(columns, axis=1) for columns in mirrored_pairs(mirrored))
    one *= np.float32(0.5**0.5)
    other *= np.float32(0.5**0.5)
    even = one + other
    one -= other
    return even, one


def _components(
    covariances: list[Array], n: int, regularisation: float | None, seed: int, matmul: Matmul = matmul
) -> tuple[Array, Array]:
    """Return the leading eigenvectors of both matrices, n in all, with their scales; the list is emptied."""
    rng = np.random.default_rng(seed)
    n = min(to_int("n_components", n, 1), sum(map(len, covariances)))
    found = []
    while covariances:
        found.append(leading_eigenvectors(covariances.pop(0), n, rng, matmul))
    everything = np.concatenate([values for values, _ in found])
    # Eigenvalues that are 0 but for rounding, whose errors add up as of a random walk: the largest is thousands of others.
    noise = np.finfo(np.float32).eps * np.sqrt(len(everything)) * max(everything.max(), 0)
    kept = everything >= noise
    kept[np.argsort(-everything, kind="stable")[n:]] = False  # of equal ones, too
    parts = np.split(kept, [len(found[0][0])])
    found = [(values[part], vectors[:, part]) for (values, vectors), part in zip(found, parts, strict=True)]
    if regularisation is None:
        return found[0][1], found[1][1]
    eigenvalues = np.concatenate([values for values, _ in found])
    variance = np.mean(eigenvalues / (eigenvalues + regularisation))
    scale = np.sqrt(MEAN_VARIANCE / variance) if variance > 0 else 1.0
    even, odd = ((vectors * (scale / np.sqrt(values + regularisation))).astype(np.float32) for values, vectors in found)
    return even, odd


def _chain(matrices: Sequence[Array], following: Array) -> Array:
    """Return the product of a block-diagonal matrix with another."""
    rows = np.split(following, np.cumsum([matrix.shape[1] for matrix in matrices])[:-1])
    return np.concatenate([matrix @ part for matrix, part in zip(matrices, rows, strict=True)])


def leading_eigenvectors(matrix: Array, n: int, rng: np.random.Generator, matmul: Matmul = matmul) -> tuple[Array, Array]:
    """Return the largest eigenvalues of a symmetric matrix and their eigenvectors: at most n, ascending.

    Of large matrices they are found by subspace iteration (Halko, Martinsson & Tropp 2011): the last of them span about the
    space that is asked for, but are not each an exact eigenvector.
    """
    from scipy.linalg import eigh, lu, qr

    size = len(matrix)
    n = min(n, size)
    if size <= EXACT_SIZE:
        values, vectors = eigh(matrix, subset_by_index=[size - n, size - 1])
        return values, vectors
    # About half of the components asked for come from either part, more of them from the even one.
    carried = min(int(CARRIED * n) + GUARD, size)
    basis = rng.standard_normal((size, carried), np.float32)
    for _ in range(N_ITERATIONS - 1):  # LU keeps the columns apart well enough between, in half the time
        basis, _ = lu(matmul(matrix, basis), permute_l=True, overwrite_a=True)
    basis, _ = qr(matmul(matrix, basis), mode="economic", overwrite_a=True)
    values, rotation = eigh(basis.T @ (matrix @ basis))
    return values, basis @ rotation
