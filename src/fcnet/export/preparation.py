"""Nodes that prepare raw inputs for a network, in every view that is averaged over."""

from collections.abc import Callable
from typing import Any

from numpy.typing import DTypeLike

from fcnet.errors import InputError
from fcnet.export.graph import Graph
from fcnet.export.histograms import add_histograms
from fcnet.export.patches import add_components
from fcnet.model import Model
from fcnet.preprocessing import ZCA, HistogramFeatures, PatchRepresentation, Scaling
from fcnet.preprocessing.views import all_moves, image_views


def add_preparation(graph: Graph, model: Model, x: str) -> str:
    """Add what prepares raw inputs (rows, n_inputs); return rows, or, where views are averaged over, (rows, n_views, …).

    Raises
    ------
    InputError
        If the kind of preparation is none that can be exported.
    """
    scaling, dtype = model.scaling, model.network.dtype
    if isinstance(scaling, PatchRepresentation):
        components = graph.cast(add_components(graph, scaling, x, moved=bool(model.average_shift)), dtype)
        if not model.average_mirror:
            return components
        return graph.add("Concat", components, graph.add("Mul", components, scaling.mirror_signs.astype(dtype)), axis=1)
    if scaling.kind not in NODES:
        raise InputError(f"Inputs prepared by {scaling.kind!r} cannot be exported to ONNX, those by {', '.join(NODES)} can.")
    prepared = NODES[scaling.kind](graph, scaling, x, dtype)
    if model.image_shape is None or not (model.average_mirror or model.average_shift):
        return prepared
    return graph.add(
        "Gather", prepared, image_views(model.image_shape, model.average_mirror, all_moves(model.average_shift)), axis=1
    )


def add_scaling(graph: Graph, scaling: Scaling, x: str, dtype: DTypeLike) -> str:
    """Add ``(x - mean) / std``, or what there is of it."""
    if scaling.mean is None:
        return x
    x = graph.add("Sub", x, scaling.mean.astype(dtype))
    return x if scaling.std is None else graph.add("Mul", x, (1 / scaling.std).astype(dtype))


def _add_zca(graph: Graph, zca: ZCA, x: str, dtype: DTypeLike) -> str:
    return graph.add("MatMul", graph.add("Sub", x, zca.mean.astype(dtype)), zca.matrix.astype(dtype))


def _add_scaled_histograms(graph: Graph, histograms: HistogramFeatures, x: str, dtype: DTypeLike) -> str:
    return add_scaling(graph, histograms.scaling, graph.cast(add_histograms(graph, histograms, x), dtype), dtype)


NODES: dict[str, Callable[[Graph, Any, str, DTypeLike], str]] = {
    "scaling": add_scaling,
    "zca": _add_zca,
    "histograms": _add_scaled_histograms,
}
