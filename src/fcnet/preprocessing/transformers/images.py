"""Features of images as transformers."""

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from fcnet.errors import InputError, to_float, to_int
from fcnet.preprocessing.checks import image_shape_of
from fcnet.preprocessing.histograms import HistogramFeatures
from fcnet.preprocessing.representation import Dictionary, PatchRepresentation, dictionary_of
from fcnet.types import Array

SMALLEST_SIDE = 8  # of an image that is guessed: less is more likely a table
CELL, PATCH_SIZE, GRID = 8, 6, 2  # of images that are large enough


@dataclass(eq=False, repr=False)
class _ImageTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Features of images in rows, computed and returned in float32; images of bytes are not copied."""

    image_shape: Sequence[int] | None = None
    _: KW_ONLY
    max_value: float | None = None

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn from images what their features are, and how they are scaled.

        Parameters
        ----------
        X : array or data frame (n, height · width · channels)
        y : ignored

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If `image_shape` is not that of the rows, or a setting does not fit into the images.
        """
        self._fit(X)
        return self

    @abstractmethod
    def _fit(self, X: Any) -> Array | None:
        """Do what `fit` does; return the features of the images where they are known by then."""

    def _validated(self, X: Any, reset: bool, n_min: int = 1) -> Array:
        with np.errstate(over="ignore"):  # what float32 cannot hold is refused by scikit-learn
            return validate_data(self, X, reset=reset, dtype=(np.float32, np.uint8), ensure_min_samples=n_min)

    def _shape(self, n_features: int, of_table: tuple[int, int, int]) -> tuple[int, int, int]:
        """Return (height, width, channels) of a row: as given, or guessed."""
        if self.image_shape is not None:
            sides = np.ravel(self.image_shape).tolist()
            shape = image_shape_of([*sides, 1] if len(sides) == 2 else sides)
            if math.prod(shape) != n_features:
                raise InputError(
                    f"image_shape {shape} has {math.prod(shape)} values and X has {n_features} features: give the (height, "
                    "width, channels) of its images."
                )
            return shape
        for channels in (1, 3):
            side = math.isqrt(n_features // channels)
            if side >= SMALLEST_SIDE and side * side * channels == n_features:
                return side, side, channels
        return of_table

    def _white(self, X: Array) -> float:
        if self.max_value is None:
            return float(np.abs(X).max()) or 1.0  # black is divided by anything
        if to_float("max_value", self.max_value, 0) == 0:
            raise InputError("max_value must be above 0: pixels are divided by it.")
        return float(self.max_value)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags


@dataclass(eq=False, repr=False, kw_only=True)
class HistogramTransformer(_ImageTransformer):
    """Histograms of oriented gradients and of hues, standardised: `fcnet.preprocessing.HistogramFeatures` of images in rows.

    Needs scikit-image. Sides of one pixel are drawn two pixels wide.

    Parameters
    ----------
    image_shape : (height, width), (height, width, channels) or None
        Of the images, rows of height · width · channels values. With None, a row of side² or 3 · side² values, from 8 × 8
        pixels, is a square image, grey or of three colours, and any other row one line of grey pixels.
    cell : int or None
        Height and width of a cell of the gradients, in pixels; None is a quarter of the shorter side, at most 8.
    orientations : int
        Bins for the directions of gradients.
    hues : int
        Bins for the hues of images of three channels.
    grid : int
        Parts of an image down and across that have a histogram of hues each.
    max_value : float or None
        The value of white; None is the largest among the rows that it is fitted to.

    Attributes
    ----------
    features_ : fcnet.preprocessing.HistogramFeatures
    image_shape_ : tuple of ints
        (height, width, channels).
    n_features_in_ : int
    feature_names_in_ : array (n_features,)
        Where `X` was a data frame.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> X, _ = load_digits(return_X_y=True)
    >>> HistogramTransformer().fit_transform(X).shape
    (1797, 324)
    """

    cell: int | None = None
    orientations: int = 9
    hues: int = 10
    grid: int = GRID

    def fit_transform(self, X: Any, y: Any = None) -> Array:
        """Do what `fit` does, and return the features of the images, which are made once."""
        return self._fit(X)

    def _fit(self, X: Any) -> Array:
        X = self._validated(X, reset=True)
        self.image_shape_ = self._shape(X.shape[1], (1, X.shape[1], 1))
        X, shape = self._drawn(X)
        cell = min(CELL, max(1, min(shape[:2]) // 4)) if self.cell is None else self.cell
        self.features_ = HistogramFeatures(cell, self.orientations, self.hues, grid=self.grid, max_value=self._white(X))
        return self.features_.fit_transform(X, shape)

    def _drawn(self, X: Array) -> tuple[Array, tuple[int, ...]]:
        images = X.reshape(-1, *self.image_shape_)
        for axis in (1, 2):
            if images.shape[axis] == 1:
                images = images.repeat(2, axis)
        return images.reshape(len(X), math.prod(images.shape[1:])), images.shape[1:]

    @property
    def _n_features_out(self) -> int:
        return self.features_.n_outputs

    def transform(self, X: Any) -> Array:
        """Return the features, float32 (n, n_features_out), of images (n, height · width · channels)."""
        check_is_fitted(self)
        return self.features_.transform(self._drawn(self._validated(X, reset=False))[0])


@dataclass(eq=False, repr=False, kw_only=True)
class PatchTransformer(_ImageTransformer):
    """Responses of the patches of images to a dictionary that is learnt from them, pooled over the cells of a grid.

    The features are those of `fcnet.preprocessing.PatchFeatures`, or with `map_filters` of `StackedPatches`; with
    `n_components` they are whitened by `MirrorWhitening`.

    Parameters
    ----------
    image_shape : (height, width), (height, width, channels) or None
        As of `HistogramTransformer`; but with None a row that is no square image is one pixel with all values for channels, one
        patch.
    n_filters : int
        Even: half of them are the mirror images of the others.
    patch_size : int or None
        Height and width of a patch; None is 6, or what fits, and with `map_filters` 3.
    threshold : float or None
        What responses have to exceed; None is 0.25, and with `map_filters` 0.5.
    grid : int or None
        Cells down and across; None is 2, or what fits.
    map_filters : int or None
        Filters of a first layer, on whose pooled responses the others are learnt.
    map_patch_size : int
        Height and width of its patches.
    map_channels : int
        Channels that its responses are reduced to.
    map_layers : int
        2 for maps of maps; see `StackedPatches`.
    n_components : int or None
        Whitened principal components to reduce the features to, at most; None leaves the features as they are.
    regularisation : float
        What is added to the variances of standardised features before they are divided out.
    max_value : float or None
        The value of white, for which the contrast is measured; None is the largest among the rows that it is fitted to.
    random_state : int, RandomState or None

    Attributes
    ----------
    features_ : fcnet.preprocessing.PatchFeatures, StackedPatches or, with `n_components`, PatchRepresentation
    image_shape_ : tuple of ints
        (height, width, channels).
    n_features_in_ : int
    feature_names_in_ : array (n_features,)
        Where `X` was a data frame.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.linear_model import RidgeClassifier
    >>> from sklearn.pipeline import make_pipeline
    >>> X, y = load_digits(return_X_y=True)
    >>> model = make_pipeline(PatchTransformer(n_filters=100, random_state=0), RidgeClassifier())
    >>> model.fit(X[:1000], y[:1000]).score(X[1000:], y[1000:]) > 0.95
    True
    """

    n_filters: int = 400
    patch_size: int | None = None
    threshold: float | None = None
    grid: int | None = None
    map_filters: int | None = None
    map_patch_size: int = 5
    map_channels: int = 64
    map_layers: int = 1
    n_components: int | None = None
    regularisation: float = 1.0
    random_state: int | np.random.RandomState | None = None

    def _fit(self, X: Any) -> None:
        X = self._validated(X, reset=True, n_min=1 if self.n_components is None else 2)
        self.image_shape_ = self._shape(X.shape[1], (1, 1, X.shape[1]))
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        patches = dictionary_of(self._settings() | {"max_value": self._white(X), "seed": seed}).fit(X, self.image_shape_)
        self.features_: Dictionary | PatchRepresentation = patches
        if self.n_components is not None:
            n_components = to_int("n_components", self.n_components, 1)
            regularisation = to_float("regularisation", self.regularisation, 0)
            self.features_ = PatchRepresentation.fit([patches], X, n_components, regularisation, seed)

    def _settings(self) -> dict[str, Any]:
        height, width, _ = self.image_shape_
        names = ["n_filters", "patch_size", "threshold", "grid"]
        names += [] if self.map_filters is None else ["map_filters", "map_patch_size", "map_channels", "map_layers"]
        given = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        if self.map_filters is not None:
            return given
        size = to_int("patch_size", given.get("patch_size", min(PATCH_SIZE, height, width)), 1)
        return {"patch_size": size, "grid": max(1, min(GRID, height - size + 1, width - size + 1))} | given

    @property
    def _n_features_out(self) -> int:
        return self.features_.n_outputs if isinstance(self.features_, PatchRepresentation) else self.features_.n_features

    def transform(self, X: Any) -> Array:
        """Return the features or components, float32 (n, n_features_out), of images (n, height · width · channels)."""
        check_is_fitted(self)
        return self.features_.transform(self._validated(X, reset=False))
