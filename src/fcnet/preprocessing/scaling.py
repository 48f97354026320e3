"""Scaling of inputs, fitted on the training part alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike

from fcnet.errors import InputError, unknown_name
from fcnet.preprocessing.checks import check_arrays
from fcnet.preprocessing.pixel_transform import PixelTransform
from fcnet.settings import Settings
from fcnet.types import Array, as_array, is_sparse

if TYPE_CHECKING:
    from fcnet.export.graph import Graph

SCALINGS = ("none", "mean", "standard")
ROWS_AT_ONCE = 1024  # float copies of uint8 rows are made in blocks that stay in the cache


@dataclass
class Scaling(PixelTransform):
    """``(X - mean) / std``, where either part may be absent.

    Parameters
    ----------
    mean, std : array (n_inputs,), optional
    """

    mean: Array | None = None
    std: Array | None = None

    kind = "scaling"

    def __post_init__(self) -> None:
        for name, values in self.arrays().items():
            array = np.asarray(values)
            setattr(self, name, array if array.dtype in (np.float32, np.float64) else array.astype(np.float64))

    @property
    def n_inputs(self) -> int | None:
        return None if self.mean is None else len(self.mean)

    @property
    def description(self) -> str:
        return "raw values" if self.mean is None else "values less their mean" if self.std is None else "standardised values"

    @classmethod
    def fit(cls, X: Array, kind: str = "standard", image_shape: tuple[int, ...] | None = None) -> "Scaling":
        """Compute the mean and, for "standard", the standard deviation of every input, in float64.

        Parameters
        ----------
        X : array (n, n_inputs)
        kind : {"none", "mean", "standard"}
        image_shape : tuple of ints, optional
            With it the statistics are those of the images and their mirror images together: scaling and mirroring commute.

        Raises
        ------
        SettingError
            If `kind` is unknown.
        """
        if kind not in SCALINGS:
            raise unknown_name("scaling", kind, SCALINGS)
        if kind == "none":
            return cls()
        total, squares = np.zeros(X.shape[1]), np.zeros(X.shape[1])
        first = X[0].astype(np.float64)  # sums of squares around a point among the data lose no digits
        with np.errstate(over="ignore", invalid="ignore"):
            for start in range(0, len(X), ROWS_AT_ONCE):
                block = X[start : start + ROWS_AT_ONCE] - first
                total += block.sum(axis=0)
                squares += np.einsum("ij,ij->j", block, block)
            mean = first + total / len(X)
            variance = np.maximum(squares / len(X) - (total / len(X)) ** 2, 0)
        if image_shape is not None:
            mirror_mean, mirror_variance = (a.reshape(image_shape)[:, ::-1].reshape(-1) for a in (mean, variance))
            variance = (variance + mirror_variance) / 2 + ((mean - mirror_mean) / 2) ** 2
            mean = (mean + mirror_mean) / 2
        if kind == "mean":
            return cls(mean)
        if not np.isfinite(variance).all():
            column = int(np.isfinite(variance).argmin())
            raise InputError(f"Input {column} holds values whose squares are too large for float64: scale it.")
        # A constant input is zero once its mean is taken; dividing by one keeps it there.
        return cls(mean, np.sqrt(np.where(variance > 0, variance, 1)))

    def transform(self, X: Any, dtype: DTypeLike = np.float32) -> Array:
        """Return the scaled inputs (n, n_inputs) in `dtype`; `X` is left as it is. Not scaled, a sparse matrix stays one."""
        if self.mean is None:
            return (X if is_sparse(X) else np.asarray(X)).astype(dtype, copy=False)
        X = as_array(X)
        mean = self.mean.astype(dtype)
        scale = None if self.std is None else _one_over(self.std, dtype)
        out = np.empty(X.shape, dtype)
        for start in range(0, len(X), ROWS_AT_ONCE):
            rows = slice(start, start + ROWS_AT_ONCE)
            np.subtract(X[rows], mean, out=out[rows], dtype=dtype)
            if scale is not None:
                out[rows] *= scale
        return out

    def _transform_nodes(self, graph: "Graph", x: str, dtype: DTypeLike) -> str:
        if self.mean is None:
            return x
        x = graph.add("Sub", x, self.mean.astype(dtype))
        return x if self.std is None else graph.add("Mul", x, (1 / self.std).astype(dtype))

    def example_rows(self, shape: tuple[int, int], rng: np.random.Generator, max_value: float | None) -> Array:
        if self.mean is None:
            return super().example_rows(shape, rng, max_value)
        return self.mean + rng.standard_normal(shape) * (1 if self.std is None else self.std)

    @classmethod
    def from_arrays(cls, config: Mapping[str, Any], arrays: Mapping[str, Array]) -> "Scaling":
        if list(arrays) == ["std"]:
            raise InputError("its scaling has a std and no mean.")
        check_arrays("scaling", arrays, dict.fromkeys(arrays, (len(next(iter(arrays.values()), [])),)), ("mean", "std"))
        return cls(**arrays)

    def arrays(self) -> dict[str, Array]:
        return {name: array for name, array in (("mean", self.mean), ("std", self.std)) if array is not None}


class _FittedScaling(Settings, frozen=True, tag_field="kind"):
    def fit(self, X: Array, mirrored_shape: tuple[int, ...] | None = None) -> Scaling:
        """Fit `Scaling` on rows; with the shape of images, on these and their mirror images together."""
        return Scaling.fit(X, str(self.__struct_config__.tag), mirrored_shape)


class NoScaling(_FittedScaling, frozen=True, tag="none"):
    """Values as they are."""


class Mean(_FittedScaling, frozen=True, tag="mean"):
    """The mean of each input subtracted."""


class Standard(_FittedScaling, frozen=True, tag="standard"):
    """The mean of each input subtracted, and divided by its standard deviation."""


def _one_over(std: Array, dtype: DTypeLike) -> Array:
    with np.errstate(over="ignore"):
        scale = (1 / std).astype(dtype)
    if not np.isfinite(scale).all():
        column = int(np.isfinite(scale).argmin())
        raise InputError(
            f"Input {column} has a standard deviation of {std[column]:.3g}, too small for {np.dtype(dtype)}: scale it."
        )
    return scale
