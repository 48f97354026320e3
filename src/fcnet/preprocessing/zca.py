"""Whitening that leaves images looking like images."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from msgspec import Meta
from numpy.typing import ArrayLike, DTypeLike

from fcnet.engine.products import matmul
from fcnet.errors import InputError, to_float
from fcnet.preprocessing.checks import check_arrays
from fcnet.preprocessing.pca import check_varies
from fcnet.preprocessing.pixel_transform import PixelTransform
from fcnet.settings import NotNegative, Settings
from fcnet.types import Array, as_array

if TYPE_CHECKING:
    from fcnet.export.graph import Graph

ROWS_AT_ONCE = 1024
INVERTIBLE = 1e-5  # of the largest eigenvalue of the matrix: directions that it left out have less


@dataclass
class ZCA(PixelTransform):
    """``(X - mean) matrix`` with ``matrix = (C + r σ² I)^(-1/2)``, C the covariance of the inputs and σ² their mean variance.

    Directions of much variance get variance one. Those of less than r σ², mostly noise, are damped (Bell & Sejnowski 1997, with
    the regularisation of Coates, Ng & Lee 2011).

    Parameters
    ----------
    mean : array (n_inputs,)
    matrix : symmetric array (n_inputs, n_inputs)

    Examples
    --------
    >>> X = np.random.default_rng(0).standard_normal((1000, 3)) @ np.array([[3, 1, 0], [0, 1, 2], [0, 0, 1]])
    >>> bool(np.abs(np.cov(ZCA.fit(X, 0).transform(X, "float64"), rowvar=False) - np.eye(3)).max() < 0.01)
    True
    """

    mean: Array
    matrix: Array

    kind = "zca"

    @property
    def n_inputs(self) -> int:
        return len(self.mean)

    @property
    def description(self) -> str:
        return "whitened values (ZCA)"

    @classmethod
    def fit(cls, X: ArrayLike, regularisation: float = 0.1, image_shape: tuple[int, ...] | None = None) -> "ZCA":
        """Compute mean and covariance; matrix products are in float32, or in float64 where `X` is.

        Parameters
        ----------
        X : array (n, n_inputs)
        regularisation : float
            The r above, at least 0; with 0, directions without variance are left out.
        image_shape : tuple of ints, optional
            With it the statistics are those of the images and their mirror images together: whitening and mirroring commute.

        Raises
        ------
        InputError
            If `regularisation` is out of range, or `X` has no variance, or one that its dtype cannot hold.
        """
        regularisation = to_float("regularisation", regularisation, 0)
        X = np.asarray(X)
        dtype = np.float64 if X.dtype == np.float64 else np.float32
        check_varies(X, dtype)
        mean = X.mean(axis=0, dtype=np.float64)
        covariance = np.zeros((X.shape[1], X.shape[1]))
        for start in range(0, len(X), ROWS_AT_ONCE):
            centred = np.subtract(X[start : start + ROWS_AT_ONCE], mean, dtype=dtype)
            covariance += centred.T @ centred
        covariance /= len(X)
        if image_shape is not None:
            mirrored = np.arange(X.shape[1]).reshape(image_shape)[:, ::-1].reshape(-1)
            half_difference = (mean - mean[mirrored]) / 2
            covariance = (covariance + covariance[mirrored[:, None], mirrored]) / 2 + np.outer(half_difference, half_difference)
            mean = (mean + mean[mirrored]) / 2
        variance = covariance.trace() / len(covariance)
        if not 0 < variance < np.inf:
            raise InputError("X has no variance, or holds NaN or infinite values: it cannot be whitened.")
        eigenvalues, vectors = np.linalg.eigh(covariance)
        kept = eigenvalues > 1e-7 * eigenvalues[-1]  # the rest is rounding
        scales = 1 / np.sqrt(eigenvalues[kept] + regularisation * variance)
        vectors = vectors[:, kept]
        return cls(mean, (vectors * scales @ vectors.T).astype(dtype))

    def transform(self, X: Any, dtype: DTypeLike = np.float32) -> Array:
        """Return the whitened inputs (n, n_inputs) in `dtype`; `X` is left as it is."""
        X = as_array(X)
        matrix, mean = self.matrix.astype(dtype, copy=False), self.mean.astype(dtype)
        out = np.empty(X.shape, dtype)
        for start in range(0, len(X), ROWS_AT_ONCE):
            rows = slice(start, start + ROWS_AT_ONCE)
            matmul(np.subtract(X[rows], mean, dtype=dtype), matrix, out=out[rows])
        return out

    def inverse(self, rows: Array) -> Array:
        """Return the inputs that become these rows, with the mean in directions that have no variance."""
        inverse = np.linalg.pinv(self.matrix.astype(np.float64), rcond=INVERTIBLE, hermitian=True)
        return np.asarray(rows @ inverse.astype(rows.dtype) + self.mean.astype(rows.dtype))

    def _transform_nodes(self, graph: "Graph", x: str, dtype: DTypeLike) -> str:
        return graph.add("MatMul", graph.add("Sub", x, self.mean.astype(dtype)), self.matrix.astype(dtype))

    def example_rows(self, shape: tuple[int, int], rng: np.random.Generator, max_value: float | None) -> Array:
        scales = self.matrix.diagonal()  # of an input that is always the same it is 0
        return self.mean + rng.standard_normal(shape) / np.where(scales > 0, scales, 1)

    @classmethod
    def from_arrays(cls, config: Mapping[str, Any], arrays: Mapping[str, Array]) -> "ZCA":
        n = arrays["mean"].size
        check_arrays("whitening", arrays, {"mean": (n,), "matrix": (n, n)})
        return cls(**arrays)

    def arrays(self) -> dict[str, Array]:
        return {"mean": self.mean, "matrix": self.matrix}


class Whitened(Settings, frozen=True, tag_field="kind", tag="zca"):
    """Whitened by `ZCA`, with a regularisation relative to the mean variance of the inputs."""

    regularisation: Annotated[
        NotNegative, Meta(description="Added to the variance of every direction, as a share of their mean variance.")
    ] = 0.1

    def fit(self, X: Array, mirrored_shape: tuple[int, ...] | None = None) -> ZCA:
        """Fit `ZCA` on rows; with the shape of images, on these and their mirror images together."""
        return ZCA.fit(X, self.regularisation, mirrored_shape)
