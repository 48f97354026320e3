"""Nodes of the histograms of gradients and of hues.

Bins have sharp borders, and pixels are whole numbers that often lie on one: every step has the rounding of the library's own.
"""

import numpy as np

from fcnet.features import HistogramFeatures
from fcnet.onnx_export.graph import Graph
from fcnet.types import Array

EPSILON = 1e-5  # of scikit-image's normalisation of blocks
LARGEST = 0.2  # likewise


def add_histograms(graph: Graph, features: HistogramFeatures, x: str) -> str:
    """Add the histograms of images (rows, height · width · channels), float32 (rows, n_outputs), not yet standardised."""
    of_colour = features.image_shape[2] == 3
    pixels = graph.add("Div", graph.cast(x, np.float32), np.float32(features.max_value))
    parts = [_add_gradients(graph, features, pixels)]
    if of_colour:
        parts.append(_add_hues(graph, features, pixels))
    return graph.add("Concat", *parts, axis=1) if of_colour else parts[0]


def _add_gradients(graph: Graph, features: HistogramFeatures, pixels: str) -> str:
    height, width, channels = features.image_shape
    places = np.arange(height * width * channels).reshape(height, width, channels)
    down, across = (
        graph.cast(
            graph.add("Sub", *(graph.add("Gather", pixels, moved, axis=1) for moved in _neighbours(places, axis))), np.float64
        )
        for axis in (0, 1)
    )  # (rows, height · width, channels)
    squares = graph.add("Add", graph.add("Mul", down, down), graph.add("Mul", across, across))
    # The channel of the longest gradient, compared in float32 as there.
    longest = graph.add("ArgMax", graph.cast(graph.add("Sqrt", squares), np.float32), axis=2)
    chosen = graph.cast(graph.add("Equal", longest, np.arange(channels)), np.float64)
    down, across = (
        graph.add("ReduceSum", graph.add("Mul", part, chosen), np.array([2])) for part in (down, across)
    )  # (rows, height · width, 1)
    length = graph.add("Sqrt", graph.add("Add", graph.add("Mul", down, down), graph.add("Mul", across, across)))

    # The direction, from 0 to 180°, is at least that of a unit vector where their cross product is not negative.
    zero = np.float64(0)
    level = graph.add("And", graph.add("Equal", down, zero), graph.add("Less", across, zero))
    turned = graph.add("Or", graph.add("Less", down, zero), level)
    sign = graph.add("Where", turned, np.float64(-1), np.float64(1))
    angles = np.pi * np.arange(features.orientations) / features.orientations
    cross = graph.add(
        "Sub",
        graph.add("Mul", graph.add("Mul", down, sign), np.cos(angles)),
        graph.add("Mul", graph.add("Mul", across, sign), np.sin(angles)),
    )
    beyond = graph.cast(graph.add("GreaterOrEqual", cross, zero), np.float64)
    last = graph.add(
        "Where", np.arange(features.orientations) == features.orientations - 1, zero, _next(graph, beyond, features)
    )
    binned = graph.add("Mul", graph.add("Sub", beyond, last), length)
    histograms = graph.add("MatMul", _cells(features), binned)  # (rows, n_cells, orientations)

    n_down, n_across = height // features.cell, width // features.cell
    blocks = np.lib.stride_tricks.sliding_window_view(np.arange(n_down * n_across).reshape(n_down, n_across), (2, 2))
    gathered = graph.add("Gather", histograms, blocks.reshape(-1, 4), axis=1)
    x = graph.add("Reshape", gathered, np.array([0, blocks.size // 4, 4 * features.orientations]))
    x = _unit(graph, graph.add("Min", _unit(graph, x), np.float64(LARGEST)))
    return graph.cast(graph.add("Reshape", x, np.array([0, blocks.size * features.orientations])), np.float32)


def _neighbours(places: Array, axis: int) -> tuple[Array, Array]:
    """Return the places of the pixels after and before each along an axis; at the border twice its own."""
    after, before = (np.moveaxis(places.copy(), axis, 0) for _ in range(2))
    source = np.moveaxis(places, axis, 0)
    after[1:-1], before[1:-1] = source[2:], source[:-2]
    return tuple(np.moveaxis(moved, 0, axis).reshape(-1, places.shape[2]) for moved in (after, before))  # type: ignore[return-value]


def _next(graph: Graph, beyond: str, features: HistogramFeatures) -> str:
    return graph.add("Gather", beyond, np.roll(np.arange(features.orientations), -1), axis=2)


def _cells(features: HistogramFeatures) -> Array:
    """Return the weights (n_cells, height · width) of the means over cells."""
    height, width, _ = features.image_shape
    down, across = (np.arange(n // features.cell)[:, np.newaxis] == np.arange(n) // features.cell for n in (height, width))
    cells: Array = np.einsum("iy,jx->ijyx", down, across).reshape(-1, height * width)
    return cells / features.cell**2


def _unit(graph: Graph, x: str) -> str:
    squares = graph.add("ReduceSum", graph.add("Mul", x, x), np.array([2]))
    return graph.add("Div", x, graph.add("Sqrt", graph.add("Add", squares, np.float64(EPSILON**2))))


def _add_hues(graph: Graph, features: HistogramFeatures, pixels: str) -> str:
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
    means = graph.add("MatMul", _parts(features), weighted)  # (rows, grid², hues)
    return graph.add("Reshape", means, np.array([0, features.grid**2 * features.hues]))


def _parts(features: HistogramFeatures) -> Array:
    """Return the weights (grid², height · width) of the means over the parts of an image."""
    height, width, _ = features.image_shape
    down, across = (
        np.array([np.isin(np.arange(n), part) for part in np.array_split(np.arange(n), features.grid)]) for n in (height, width)
    )
    parts = np.einsum("iy,jx->ijyx", down, across).reshape(-1, height * width).astype(np.float32)
    return np.asarray(parts / parts.sum(axis=1, keepdims=True))
