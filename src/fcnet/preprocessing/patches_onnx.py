"""ONNX nodes of patch features, of pixels and of feature maps, and of their whitening."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from fcnet.preprocessing.patches import PatchFeatures
from fcnet.preprocessing.stacked import POOLING, StackedPatches
from fcnet.preprocessing.views import diagonal_moves, image_views
from fcnet.preprocessing.whitening import MirrorWhitening, mirrored_pairs
from fcnet.types import Array

if TYPE_CHECKING:
    from fcnet.export.graph import Graph


def add_features(graph: "Graph", dictionaries: Sequence[PatchFeatures | StackedPatches], images: str, moved: bool) -> str:
    """Add the features of all dictionaries side by side, float32 (rows, n_views, n_features), of float32 images."""
    parts = [_add_features(graph, patches, images, moved) for patches in dictionaries]
    return parts[0] if len(parts) == 1 else graph.add("Concat", *parts, axis=2)


def add_whitening(graph: "Graph", whitening: MirrorWhitening, features: str) -> str:
    """Add the whitened components (rows, n_views, n_components) of features."""
    one, other = (
        graph.add("Mul", graph.add("Gather", features, places, axis=2), np.float32(0.5**0.5))
        for places in mirrored_pairs(whitening.mirrored)
    )
    even = graph.add("Sub", graph.add("MatMul", graph.add("Add", one, other), whitening.even), whitening.offset)
    odd = graph.add("MatMul", graph.add("Sub", one, other), whitening.odd)
    return graph.add("Concat", even, odd, axis=2)


def add_unit_rows(graph: "Graph", x: str) -> str:
    """Add rows (rows, n_views, n) divided by their lengths."""
    length = graph.add("Sqrt", graph.add("ReduceSum", graph.add("Mul", x, x), np.array([2])))
    return graph.add("Div", x, length)


def _add_features(graph: "Graph", patches: PatchFeatures | StackedPatches, images: str, moved: bool) -> str:
    """Add the features of images and, if `moved`, of their translations, float32 (rows, n_views, n_features)."""
    border = patches.shift if moved else 0
    if isinstance(patches, StackedPatches) and patches.map_layers > 1:  # translations do not share the cells of their maps
        views = image_views(patches.image_shape, False, diagonal_moves(border))
        images, border = graph.add("Reshape", graph.add("Gather", images, views, axis=1), np.array([-1, views.shape[1]])), 0
    pooled = _add_pooled(graph, patches, images, _bordered_places(patches.image_shape, border), border)
    n_views = patches.n_views if moved else 1
    return graph.add("Reshape", pooled, np.array([-1, n_views, patches.n_features]))


def _bordered_places(image_shape: Sequence[int], border: int) -> Array:
    """Return where in an image's row the values of the image with a mirrored border are."""
    places = np.arange(math.prod(image_shape)).reshape(image_shape)
    return np.pad(places, ((border, border), (border, border), (0, 0)), mode="reflect")


def _add_pooled(graph: "Graph", patches: PatchFeatures | StackedPatches, images: str, places: Array, border: int) -> str:
    """Add the features of the cells of all views, float32 (rows, n_views · n_cells, 2 · n_filters).

    The patches are those of images whose values are at `places` in their rows, border included.
    """
    if isinstance(patches, StackedPatches):
        first = patches.first_for(border)
        rows, columns = first.cells
        responses = _add_pooled(graph, first, images, places, border=0)
        maps = graph.add("Sub", graph.add("MatMul", responses, patches.channels), patches.offset)
        images = graph.add("Reshape", maps, np.array([0, rows * columns * patches.map_channels]))
        places = np.arange(rows * columns * patches.map_channels).reshape(rows, columns, -1)
        patches, border = patches.second, border // POOLING
    size = patches.patch_size
    windows = np.moveaxis(sliding_window_view(places, (size, size), axis=(0, 1)), 2, 4)
    x = graph.add("Gather", images, windows.reshape(-1, patches.filters.shape[0]), axis=1)
    x = graph.add("Sub", x, graph.add("ReduceMean", x, axes=[2]))
    variance = graph.add("ReduceMean", graph.add("Mul", x, x), axes=[2])
    x = graph.add("Div", x, graph.add("Sqrt", graph.add("Add", variance, np.float32(patches.contrast_epsilon))))
    responses = graph.add("MatMul", x, patches.filters)
    weights = patches.pooling(border)
    sides = []
    for side in (responses, graph.add("Neg", responses)):
        beyond = graph.add("Relu", graph.add("Sub", side, np.float32(patches.threshold)))
        sides.append(graph.add("Sqrt", graph.add("MatMul", weights, beyond)))
    return graph.add("Concat", *sides, axis=2)
