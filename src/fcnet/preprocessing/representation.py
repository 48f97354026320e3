"""From raw images to whitened components of patch features, in one object that a model file holds."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from fcnet.data.augment import RandomSigns
from fcnet.engine.products import Matmul
from fcnet.errors import InputError
from fcnet.preprocessing.base import Preprocessor
from fcnet.preprocessing.checks import check_arrays, image_shape_of
from fcnet.preprocessing.kmeans import unit_rows
from fcnet.preprocessing.patches import PatchFeatures
from fcnet.preprocessing.stacked import StackedPatches
from fcnet.preprocessing.views import Views
from fcnet.preprocessing.whitening import MirrorWhitening, side_by_side
from fcnet.types import Array

BLOCK_BYTES = 1 << 28  # of features at once

Dictionary = PatchFeatures | StackedPatches
Named = TypeVar("Named")


@dataclass
class PatchRepresentation(Preprocessor):
    """Patch features of one or several dictionaries side by side, whitened together.

    Parameters
    ----------
    patches : list of PatchFeatures or StackedPatches
        Fitted, for images of one shape.
    whitening : MirrorWhitening
        Fitted on the features of all of them.
    unit_mean : bool
        Whether `transform` gives the mean of the components of an image and its moved copies, divided by its length.
    """

    patches: list[Dictionary]
    whitening: MirrorWhitening
    unit_mean: bool = False

    kind = "patches"

    @property
    def matmul(self) -> Matmul:
        """What multiplies large matrices."""
        return self.patches[0].matmul

    @matmul.setter
    def matmul(self, matmul: Matmul) -> None:
        for part in self.patches:
            part.matmul = matmul

    @property
    def n_inputs(self) -> int:
        """Values of a raw image."""
        return math.prod(self.patches[0].image_shape)

    @property
    def image_shape(self) -> tuple[int, ...]:
        """(height, width, channels) of the images."""
        return self.patches[0].image_shape

    @property
    def n_outputs(self) -> int:
        """Components."""
        return self.whitening.n_components

    @property
    def mirror_signs(self) -> Array:
        """The signs, float32 (n_components,), by which mirroring an image multiplies its components."""
        return self.whitening.signs

    def augmentation(self, views: Views) -> RandomSigns | None:
        """Return what mirrors images at random; moved ones are rows of their own."""
        return RandomSigns(self.mirror_signs) if views.mirror else None

    def transform(self, X: ArrayLike, dtype: DTypeLike = np.float32) -> Array:
        """Return the components (n, n_components) of raw images (n, height · width · channels)."""
        rows = unit_rows(self.means(X)) if self.unit_mean else self._components(X, moved=False)[:, 0]
        return rows.astype(dtype, copy=False)

    def views(self, X: ArrayLike, dtype: DTypeLike = np.float32) -> Array:
        """Return the components (n, n_views, n_components) of raw images and of their moved copies; the image is view 0."""
        return self._components(X, moved=True).astype(dtype, copy=False)

    def means(self, X: ArrayLike, dtype: DTypeLike = np.float32) -> Array:
        """Return the means (n, n_components) over the views of raw images of their components."""
        return self._components(X, moved=True, mean=True)[:, 0].astype(dtype, copy=False)

    def _components(self, X: ArrayLike, moved: bool, mean: bool = False) -> Array:
        X = np.asarray(X)
        n_views = self.patches[0].n_views if moved else 1
        out = np.empty((len(X), 1 if mean else n_views, self.whitening.n_components), np.float32)
        at_once = max(1, BLOCK_BYTES // (4 * n_views * sum(patches.n_features for patches in self.patches)))
        for start in range(0, len(X), at_once):
            features = extract(self.patches, X[start : start + at_once], moved)
            if mean:  # before the projection, which is linear: it has a row to multiply instead of one for each view
                features = features.mean(axis=1, keepdims=True)
            components = self.whitening.transform(features.reshape(-1, features.shape[2]), self.matmul)
            out[start : start + at_once] = components.reshape(*features.shape[:2], -1)
        return out

    def get_config(self) -> dict[str, Any]:
        """Return what, with `arrays`, makes an equal representation."""
        config = {"patches": [patches.get_config() for patches in self.patches], "image_shape": self.patches[0].image_shape}
        return config | ({"unit_mean": True} if self.unit_mean else {})

    def arrays(self) -> dict[str, Array]:
        """Return the dictionaries and the whitening."""
        whitening = {name: getattr(self.whitening, name) for name in ("even", "odd", "offset")}
        return numbered([part.arrays() for part in self.patches]) | whitening

    @classmethod
    def from_arrays(cls, config: Mapping[str, Any], arrays: Mapping[str, Array]) -> "PatchRepresentation":
        """Make a representation of what `get_config` and `arrays` returned.

        Raises
        ------
        InputError
            If names or shapes do not fit.
        """
        patches, shape = [dictionary_of(settings) for settings in config["patches"]], image_shape_of(config["image_shape"])
        for part in patches:
            part.set_shape(shape)
        half = sum(part.n_features for part in patches) // 2
        learnt = numbered([part.array_shapes() for part in patches])
        n_even, n_odd = (arrays[name].shape[-1] if name in arrays and arrays[name].ndim else 0 for name in ("even", "odd"))
        whitened = {"even": (half, n_even), "odd": (half, n_odd), "offset": (n_even,)}
        check_arrays("representation", arrays, learnt | whitened)
        if any(array.dtype != np.float32 for array in arrays.values()):
            raise InputError("a representation has arrays of float32.")
        for i, part in enumerate(patches):
            part.set_arrays({name: arrays[f"{name}{i}"] for name in part.array_shapes()})
        whitening = MirrorWhitening(
            side_by_side([part.mirrored() for part in patches]), arrays["even"], arrays["odd"], arrays["offset"]
        )
        return cls(patches, whitening, bool(config.get("unit_mean", False)))


def dictionary_of(settings: Mapping[str, Any]) -> Dictionary:
    """Return the unfitted features of patches with these settings: of maps where there are some for maps."""
    return StackedPatches(**settings) if "map_filters" in settings else PatchFeatures(**settings)


def numbered(parts: Sequence[Mapping[str, Named]]) -> dict[str, Named]:
    """Return all that the parts have, each name with the number of its part."""
    return {f"{name}{i}": value for i, part in enumerate(parts) for name, value in part.items()}


def extract(patches: Sequence[Dictionary], X: Array, moved: bool = False) -> Array:
    """Return the features of all dictionaries side by side, float32 (n, n_views, n_features)."""
    parts = [part.views(X) if moved else part.transform(X)[:, np.newaxis] for part in patches]
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=2)
