"""Histograms of gradients and of colours: hand-made features."""

import logging
import math
import time
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field, fields
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from msgspec import Meta
from numpy.typing import ArrayLike, DTypeLike

from fcnet.errors import SettingError, to_int
from fcnet.preprocessing.base import Preprocessor
from fcnet.preprocessing.checks import LARGEST, check_arrays, check_images, check_max_value, image_shape_of
from fcnet.preprocessing.fitting import Prepared, PreprocessorSettings, TrainingRows
from fcnet.preprocessing.histograms_onnx import add_histograms
from fcnet.preprocessing.scaling import Scaling
from fcnet.preprocessing.views import Views
from fcnet.settings import Count
from fcnet.types import Array

if TYPE_CHECKING:
    from fcnet.export.graph import Graph

_log = logging.getLogger(__name__)


@dataclass(eq=False)
class HistogramFeatures(Preprocessor):
    """Histograms of oriented gradients and of hues, standardised.

    Gradients are those of scikit-image's ``hog`` (Dalal & Triggs 2005): in every cell a histogram of their directions, weighted
    by their lengths, and normalised over blocks of 2 × 2 cells. A hue counts by its pixel's saturation.

    Parameters
    ----------
    cell : int
        Height and width of a cell of the gradients, in pixels.
    orientations : int
        Bins for the directions of gradients.
    hues : int
        Bins for the hues of colour images.
    grid : int
        Parts of an image down and across that have a histogram of hues each.
    max_value : float
        The value of white.

    Attributes
    ----------
    scaling : Scaling
        Of the features; by `fit`.
    image_shape : tuple of ints
    """

    cell: int = 8
    orientations: int = 9
    hues: int = 10
    _: KW_ONLY
    grid: int = 2
    max_value: float = 255.0
    image_shape: tuple[int, ...] = field(init=False)

    kind = "histograms"

    def __post_init__(self) -> None:
        for name in ("cell", "orientations", "hues", "grid"):
            setattr(self, name, to_int(name, getattr(self, name), 1))
        self.max_value = check_max_value(self.max_value)
        self.scaling = Scaling()

    def get_config(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self) if getattr(self, field.name) is not None}

    def set_shape(self, image_shape: tuple[int, ...]) -> None:
        """Take images of this shape, or raise SettingError if they have too few cells."""
        height, width, _ = self.image_shape = tuple(map(int, image_shape))
        if min(height, width) < max(2 * self.cell, self.grid):
            needs = f"2 × 2 cells of {self.cell} pixels and {self.grid} × {self.grid} histograms of hues"
            raise SettingError(f"{needs} do not fit into images of {height} × {width}.")

    def fit(self, X: ArrayLike, image_shape: tuple[int, ...]) -> "HistogramFeatures":
        """Do what `fit_transform` does, and return self."""
        self.fit_transform(X, image_shape)
        return self

    def fit_transform(self, X: ArrayLike, image_shape: tuple[int, ...], dtype: DTypeLike = np.float32) -> Array:
        """Compute the mean and standard deviation of the features of images, and return these standardised.

        Parameters
        ----------
        X : array (n, height · width · channels)
            Pixels from 0 to `max_value`.
        image_shape : tuple of ints
            (height, width, channels).
        dtype : dtype

        Raises
        ------
        InputError
            If cells do not fit into the images, or `X` does not have their shape.
        """
        self.set_shape(image_shape)
        histograms = self._histograms(X)
        self.scaling = Scaling.fit(histograms)
        return self.scaling.transform(histograms, dtype)

    def transform(self, X: ArrayLike, dtype: DTypeLike = np.float32) -> Array:
        """Return the features (n, n_features) of images (n, height · width · channels)."""
        return self.scaling.transform(self._histograms(X), dtype)

    @property
    def description(self) -> str:
        return f"standardised histograms of gradients{' and hues' * (self.image_shape[2] == 3)}"

    def to_onnx(self, graph: "Graph", x: str, dtype: DTypeLike, views: Views) -> str:
        return self.scaling.to_onnx(graph, graph.cast(add_histograms(graph, self, x), dtype), dtype, Views())

    @property
    def n_inputs(self) -> int:
        return math.prod(self.image_shape)

    @property
    def n_outputs(self) -> int:
        height, width, channels = self.image_shape
        blocks = (height // self.cell - 1) * (width // self.cell - 1)
        return 4 * blocks * self.orientations + (self.grid**2 * self.hues if channels == 3 else 0)

    def arrays(self) -> dict[str, Array]:
        return self.scaling.arrays()

    @classmethod
    def from_arrays(cls, config: Mapping[str, Any], arrays: Mapping[str, Array]) -> "HistogramFeatures":
        settings = dict(config)
        shape = settings.pop("image_shape")
        features = cls(**settings)
        features.set_shape(image_shape_of(shape))
        check_arrays("histograms", arrays, dict.fromkeys(("mean", "std"), (features.n_outputs,)))
        features.scaling = Scaling(**arrays)
        return features

    def _histograms(self, X: ArrayLike) -> Array:
        from skimage.feature import hog

        X = check_images(X, self.image_shape, LARGEST * min(1.0, self.max_value))
        images = X.reshape(-1, *self.image_shape).astype(np.float32) / np.float32(self.max_value)
        settings = {"orientations": self.orientations, "pixels_per_cell": (self.cell, self.cell), "cells_per_block": (2, 2)}
        rows = [
            np.concatenate([hog(image, channel_axis=2, **settings), *self._hues(image)]).astype(np.float32) for image in images
        ]
        return np.array(rows, np.float32).reshape(len(X), self.n_outputs)

    def _hues(self, image: Array) -> list[Array]:
        if image.shape[2] != 3:
            return []
        from skimage.color import rgb2hsv

        hsv = rgb2hsv(image)
        parts = [part for band in np.array_split(hsv, self.grid) for part in np.array_split(band, self.grid, axis=1)]
        return [np.histogram(part[..., 0], self.hues, (0, 1), weights=part[..., 1])[0] / part[..., 0].size for part in parts]


class Histograms(PreprocessorSettings, frozen=True, tag="histograms"):
    """Histograms of oriented gradients and of hues, standardised; see `HistogramFeatures`."""

    cell: Annotated[Count, Meta(description="Height and width, in pixels, of the cells that gradients are counted in.")] = 8
    orientations: Annotated[Count, Meta(description="Directions of gradients that are told apart.")] = 9
    hues: Annotated[Count, Meta(description="Hues that are told apart.")] = 10
    grid: Annotated[Count, Meta(description="Parts of an image, down and across, that hues are counted in.")] = 2

    def _check(self, views: Views, is_table: bool) -> None:
        self._features().set_shape(self._shape(views.image_shape))
        if views:
            raise SettingError("mirror and shift are for pixels and patches; histograms are made once for each image.")

    def fit(self, rows: TrainingRows) -> Prepared:
        """Make the histograms of images, and standardise them."""
        began = time.monotonic()
        _log.info("Histograms of gradients and hues")
        features = self._features(rows.max_value)
        prepared = features.fit_transform(rows.X, self._shape(rows.image_shape), rows.dtype)
        return Prepared(features, prepared, time.monotonic() - began)

    def _features(self, max_value: float = 255.0) -> HistogramFeatures:
        return HistogramFeatures(self.cell, self.orientations, self.hues, grid=self.grid, max_value=max_value)
