"""ONNX nodes of the histograms of gradients and of hues.

Bins have sharp borders, and pixels are whole numbers that often lie on one: every step has the rounding of the library's own.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import DTypeLike

from fcnet.types import Array

if TYPE_CHECKING:
    from fcnet.export.graph import Graph
    from fcnet.preprocessing.histograms import HistogramFeatures

EPSILON = 1e-5  # of scikit-image's normalisation of blocks
LARGEST = 0.2  # likewise


def add_histograms(graph: "Graph", features: "HistogramFeatures", x: str) -> str:
    """Add the histograms of images (rows, height · width · channels), float32 (rows, n_outputs), not yet standardised."""
    of_colour = features.image_shape[2] == 3
    pixels = graph.add("Div", graph.cast(x, np.float32), np.float32(features.max_value))
    parts = [_add_gradients(graph, features, pixels)]
    if of_colour:
        parts.append(_add_hues(graph, features, pixels))
    return graph.add("Concat", *parts, axis=1) if of_colour else parts[0]


def _add_gradients(graph: "Graph", features: "HistogramFeatures", pixels: str) -> str:
    """Add the histograms of cells, normalised over blocks of 2 × 2 cells."""
    height, width, _ = features.image_shape
    down, across = _add_longest_gradient(graph, features.image_shape, pixels)
    length = graph.add("Sqrt", graph.add("Add", graph.add("Mul", down, down), graph.add("Mul", across, across)))
    lengths = graph.add("Mul", _add_directions(graph, features.orientations, down, across), length)
    rows, columns = height // features.cell, width // features.cell
    sides = [np.arange(n)[:, np.newaxis] == np.arange(side) // features.cell for n, side in ((rows, height), (columns, width))]
    histograms = graph.add("MatMul", _means(sides, np.float64), lengths)  # (rows, n_cells, orientations)

    blocks = sliding_window_view(np.arange(rows * columns).reshape(rows, columns), (2, 2)).reshape(-1, 4)
    x = graph.add("Gather", histograms, blocks, axis=1)
    x = graph.add("Reshape", x, np.array([0, len(blocks), 4 * features.orientations]))
    x = _add_unit(graph, graph.add("Min", _add_unit(graph, x), np.float64(LARGEST)))
    return graph.cast(graph.add("Reshape", x, np.array([0, blocks.size * features.orientations])), np.float32)


def _add_longest_gradient(graph: "Graph", image_shape: tuple[int, ...], pixels: str) -> list[str]:
    """Add the gradients down and across of every pixel, float64 (rows, height · width, 1), in the channel of the longest."""
    channels = image_shape[2]
    places = np.arange(math.prod(image_shape)).reshape(image_shape)
    gradients = []
    for axis, n in enumerate(image_shape[:2]):
        after, before = np.r_[0, 2:n, n - 1], np.r_[0, 0 : n - 2, n - 1]  # at the border there is no difference
        sides = (places.take(beside, axis).reshape(-1, channels) for beside in (after, before))
        difference = graph.add("Sub", *(graph.add("Gather", pixels, side, axis=1) for side in sides))
        gradients.append(graph.cast(difference, np.float64))
    squares = graph.add("Add", *(graph.add("Mul", part, part) for part in gradients))
    lengths = graph.cast(graph.add("Sqrt", squares), np.float32)  # as long as another is what is so in float32
    chosen = graph.cast(graph.add("Equal", graph.add("ArgMax", lengths, axis=2), np.arange(channels)), np.float64)
    return [graph.add("ReduceSum", graph.add("Mul", part, chosen), np.array([2])) for part in gradients]


def _add_directions(graph: "Graph", n: int, down: str, across: str) -> str:
    """Add the part of 180°, of n equal ones, that a gradient points to: ones and zeros, float64 (rows, height · width, n)."""
    zero = np.float64(0)
    level = graph.add("And", graph.add("Equal", down, zero), graph.add("Less", across, zero))
    sign = graph.add("Where", graph.add("Or", graph.add("Less", down, zero), level), np.float64(-1), np.float64(1))
    down, across = graph.add("Mul", down, sign), graph.add("Mul", across, sign)
    # A direction from 0 to 180° is at least that of a unit vector where their cross product is not negative.
    angles = np.pi * np.arange(n) / n
    cross = graph.add("Sub", graph.add("Mul", down, np.cos(angles)), graph.add("Mul", across, np.sin(angles)))
    beyond = graph.cast(graph.add("GreaterOrEqual", cross, zero), np.float64)
    return graph.add("MatMul", beyond, np.eye(n) - np.eye(n, k=-1))  # beyond one border, and not beyond the next


def _add_unit(graph: "Graph", x: str) -> str:
    """Add rows divided by their lengths."""
    squares = graph.add("ReduceSum", graph.add("Mul", x, x), np.array([2]))
    return graph.add("Div", x, graph.add("Sqrt", graph.add("Add", squares, np.float64(EPSILON**2))))


def _add_hues(graph: "Graph", features: "HistogramFeatures", pixels: str) -> str:
    height, width, _ = features.image_shape
    places = np.arange(height * width * 3).reshape(-1, 3)
    zero, one = np.float32(0), np.float32(1)
    red, green, blue = colours = [graph.add("Gather", pixels, places[:, channel], axis=1) for channel in range(3)]
    highest, lowest = graph.add("Max", *colours), graph.add("Min", *colours)
    delta = graph.add("Sub", highest, lowest)
    grey = graph.add("Equal", delta, zero)
    saturation = graph.add("Where", grey, zero, graph.add("Div", delta, highest))
    hue = ""
    for turn, (colour, before, after) in enumerate(((red, green, blue), (green, blue, red), (blue, red, green))):
        of_colour = graph.add("Div", graph.add("Sub", before, after), delta)
        if turn:
            of_colour = graph.add("Add", of_colour, np.float32(2 * turn))
        hue = graph.add("Where", graph.add("Equal", colour, highest), of_colour, hue) if hue else of_colour
    hue = graph.add("Div", hue, np.float32(6))
    hue = graph.add("Where", graph.add("Less", hue, zero), graph.add("Add", hue, one), hue)
    hue = graph.add("Unsqueeze", graph.add("Where", grey, zero, hue), np.array([2]))

    edges = np.linspace(0, 1, features.hues + 1, dtype=np.float32)
    stops = np.append(edges[1:-1], np.float32(np.inf))  # the last bin has both its borders
    inside = graph.add("And", graph.add("GreaterOrEqual", hue, edges[:-1]), graph.add("Less", hue, stops))
    weighted = graph.add("Mul", graph.cast(inside, np.float32), graph.add("Unsqueeze", saturation, np.array([2])))
    parts = [[np.isin(np.arange(n), part) for part in np.array_split(np.arange(n), features.grid)] for n in (height, width)]
    means = graph.add("MatMul", _means(parts, np.float32), weighted)  # (rows, grid², hues)
    return graph.add("Reshape", means, np.array([0, features.grid**2 * features.hues]))


def _means(sides: Sequence[Any], dtype: DTypeLike) -> Array:
    """Return the weights (n_parts, height · width) of the means over parts of an image, given those down and those across."""
    parts = np.einsum("iy,jx->ijyx", *sides)
    parts = parts.reshape(-1, math.prod(parts.shape[2:])).astype(dtype)
    return np.asarray(parts / parts.sum(axis=1, keepdims=True))
