"""From raw images to whitened components of patch features."""

import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from fcnet.errors import InputError
from fcnet.preprocessing.base import Preprocessor, WeightImages
from fcnet.preprocessing.checks import check_arrays, image_shape_of
from fcnet.preprocessing.kmeans import unit_rows
from fcnet.preprocessing.patches import PatchFeatures
from fcnet.preprocessing.patches_onnx import add_features, add_unit_rows, add_whitening
from fcnet.preprocessing.stacked import StackedPatches
from fcnet.preprocessing.views import RandomSigns, Views
from fcnet.preprocessing.whitening import MirrorCovariance, MirrorWhitening, even_and_odd, side_by_side
from fcnet.types import Array, as_array

if TYPE_CHECKING:
    from fcnet.export.graph import Graph

_log = logging.getLogger(__name__)
BLOCK_BYTES = 1 << 28  # of features at once
ROWS_AT_ONCE = 512  # images that are added up

Dictionary = PatchFeatures | StackedPatches
Named = TypeVar("Named")
Rows = Callable[[Array], list[tuple[Array, Array]]]  # from images to the even and odd combinations of every covariance
AddUp = Callable[[str, Array, list[MirrorCovariance], Rows], None]


def add_up(what: str, X: Array, covariances: list[MirrorCovariance], rows_of: Rows) -> None:
    """Add the rows that `rows_of` computes from images to covariances, block by block; `what` names them in progress notes."""
    for start in range(0, len(X), ROWS_AT_ONCE):
        for covariance, (even, odd) in zip(covariances, rows_of(X[start : start + ROWS_AT_ONCE]), strict=True):
            covariance.add(even, odd)


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
        Whether `transform` gives the mean of the components of an image and its translations, divided by its length.
    """

    patches: list[Dictionary]
    whitening: MirrorWhitening
    unit_mean: bool = False

    kind = "patches"
    has_views = True

    @classmethod
    def fit(
        cls,
        patches: list[Dictionary],
        X: Array,
        n_components: int,
        regularisation: float = 1.0,
        seed: int = 0,
        add_up: AddUp = add_up,
    ) -> "PatchRepresentation":
        """Whiten the features of fitted dictionaries; those of several are reduced one by one, then whitened together.

        Parameters
        ----------
        patches : list of PatchFeatures or StackedPatches
        X : array (n, height · width · channels)
            Images of the training part.
        n_components, regularisation, seed : int, float and int
            As of `MirrorWhitening.fit`.
        add_up : callable
            Adds the rows of `X` up, like the function of this name.
        """
        orders, matmul = [part.mirrored() for part in patches], patches[0].matmul

        def of_features(X: Array) -> list[tuple[Array, Array]]:
            return [even_and_odd(part.transform(X), order) for part, order in zip(patches, orders, strict=True)]

        covariances = [MirrorCovariance(part.n_features // 2, part.n_features // 2) for part in patches]
        add_up("Features", X, covariances, of_features)
        _log.info("Whitening the features")
        if len(patches) == 1:
            whitening = MirrorWhitening.fit(orders[0], covariances[0], n_components, regularisation, seed, matmul)
            return cls(patches, whitening)
        n = 2 * n_components // 3 + 2
        reduced = [MirrorWhitening.fit(order, covariances.pop(0), n, None, seed, matmul) for order in orders]
        n_even = [part.even.shape[1] for part in reduced]

        def of_components(X: Array) -> list[tuple[Array, Array]]:
            rows = [part.transform(patch.transform(X), matmul) for part, patch in zip(reduced, patches, strict=True)]
            parts = zip(*(np.split(row, [n], axis=1) for row, n in zip(rows, n_even, strict=True)), strict=True)
            even, odd = (np.concatenate(part, axis=1) for part in parts)
            return [(even, odd)]

        joint = MirrorCovariance(sum(n_even), sum(part.odd.shape[1] for part in reduced))
        add_up("Reduced features", X, [joint], of_components)
        return cls(patches, MirrorWhitening.join(reduced, joint, n_components, regularisation, seed))

    def __post_init__(self) -> None:
        self.image_shape = self.patches[0].image_shape

    @property
    def n_inputs(self) -> int:
        return math.prod(self.patches[0].image_shape)

    @property
    def description(self) -> str:
        return f"{self.n_outputs:,} whitened components of {' and '.join(part.description for part in self.patches)}"

    @property
    def n_outputs(self) -> int:
        return self.whitening.n_components

    @property
    def mirror_signs(self) -> Array:
        return self.whitening.signs

    def check_views(self, views: Views) -> None:
        super().check_views(views)
        if views.shift and self.unit_mean:
            raise InputError("it averages over translations of what is a mean of translations.")

    def each_view(self, X: Any, dtype: DTypeLike, views: Views) -> Iterator[Array]:
        """Preprocess images, their translations as the dictionaries have them; mirrored, their components change signs."""
        moved = self.views(X, dtype) if views.shift else self.transform(X, dtype)[:, np.newaxis]
        for view in np.moveaxis(moved, 1, 0):
            yield view
            if views.mirror:
                yield view * self.mirror_signs

    def to_onnx(self, graph: "Graph", x: str, dtype: DTypeLike, views: Views) -> str:
        features = add_features(graph, self.patches, graph.cast(x, np.float32), self.unit_mean or views.shift > 0)
        if self.unit_mean:
            features = graph.add("ReduceMean", features, axes=[1])
        components = add_whitening(graph, self.whitening, features)
        if self.unit_mean:
            components = add_unit_rows(graph, components)
        components = graph.cast(components, dtype)
        if not views:
            return graph.add("Squeeze", components, np.array([1]))
        if not views.mirror:
            return components
        return graph.add("Concat", components, graph.add("Mul", components, self.mirror_signs.astype(dtype)), axis=1)

    def weight_images(self, first_weights: Array, image_shape: tuple[int, ...] | None) -> WeightImages | None:
        pixels = self.patches[0].of_pixels
        shape = (pixels.patch_size, pixels.patch_size, pixels.image_shape[2])
        unmirrored = pixels.filters[:, : pixels.n_filters // 2]  # the others are their mirror images
        return WeightImages(unmirrored, shape, "filters of patches")

    def augmentation(self, views: Views) -> RandomSigns | None:
        return RandomSigns(self.mirror_signs) if views.mirror else None  # translations are training rows of their own

    def transform(self, X: ArrayLike, dtype: DTypeLike = np.float32) -> Array:
        """Return the components (n, n_components) of raw images (n, height · width · channels)."""
        rows = unit_rows(self.means(X)) if self.unit_mean else self._components(X, moved=False)[:, 0]
        return rows.astype(dtype, copy=False)

    def views(self, X: ArrayLike, dtype: DTypeLike = np.float32) -> Array:
        """Return the components (n, n_views, n_components) of raw images and their translations; the image is view 0."""
        return self._components(X, moved=True).astype(dtype, copy=False)

    def means(self, X: ArrayLike, dtype: DTypeLike = np.float32) -> Array:
        """Return the means (n, n_components) over the views of raw images of their components."""
        return self._components(X, moved=True, mean=True)[:, 0].astype(dtype, copy=False)

    def _components(self, X: ArrayLike, moved: bool, mean: bool = False) -> Array:
        X = as_array(X)
        n_views = self.patches[0].n_views if moved else 1
        out = np.empty((len(X), 1 if mean else n_views, self.whitening.n_components), np.float32)
        at_once = max(1, BLOCK_BYTES // (4 * n_views * sum(patches.n_features for patches in self.patches)))
        for start in range(0, len(X), at_once):
            features = extract(self.patches, X[start : start + at_once], moved)
            if mean:  # before the projection, which is linear: it has a row to multiply instead of one for each view
                features = features.mean(axis=1, keepdims=True)
            components = self.whitening.transform(features.reshape(-1, features.shape[2]), self.patches[0].matmul)
            out[start : start + at_once] = components.reshape(*features.shape[:2], -1)
        return out

    def get_config(self) -> dict[str, Any]:
        config = {"patches": [patches.get_config() for patches in self.patches], "image_shape": self.image_shape}
        return config | ({"unit_mean": True} if self.unit_mean else {})

    def arrays(self) -> dict[str, Array]:
        whitening = {name: getattr(self.whitening, name) for name in ("even", "odd", "offset")}
        return numbered([part.arrays() for part in self.patches]) | whitening

    @classmethod
    def from_arrays(cls, config: Mapping[str, Any], arrays: Mapping[str, Array]) -> "PatchRepresentation":
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
    """Return unfitted features with these settings: of feature maps where there are settings of them."""
    return StackedPatches(**settings) if "map_filters" in settings else PatchFeatures(**settings)


def numbered(parts: Sequence[Mapping[str, Named]]) -> dict[str, Named]:
    """Return the items of all parts in one mapping, each name followed by the number of its part."""
    return {f"{name}{i}": value for i, part in enumerate(parts) for name, value in part.items()}


def extract(patches: Sequence[Dictionary], X: Array, moved: bool = False) -> Array:
    """Return the features of all dictionaries side by side, float32 (n, n_views, n_features)."""
    parts = [part.views(X) if moved else part.transform(X)[:, np.newaxis] for part in patches]
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=2)
