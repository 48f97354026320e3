"""Layers in a row: their parameters, what they compute, and its gradient."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike

from fcnet.engine import NumpyEngine
from fcnet.errors import InputError
from fcnet.nn.base import Layer, Number, Parameter, layer_to_onnx, parameters_of
from fcnet.types import Array, Params

if TYPE_CHECKING:
    from fcnet.export.graph import Graph


def draw(parameters: Mapping[str, Parameter], seed: int | np.random.Generator, dtype: DTypeLike) -> Params:
    """Return the initial values of parameters."""
    rng = np.random.default_rng(seed)
    return {name: p.initial(rng, dtype) for name, p in parameters.items()}


def check_params(params: Params, parameters: Mapping[str, Parameter], dtype: DTypeLike) -> Params:
    """Return arrays as they are; raise InputError if they have not the names and shapes of parameters, or another dtype."""
    expected = {name: p.shape for name, p in parameters.items()}
    found = {name: p.shape for name, p in params.items()}
    if found != expected:
        raise InputError(f"params must have the shapes {expected}, got {found}.")
    if any(p.dtype != dtype for p in params.values()):
        raise InputError(f"params must be {dtype}, got {', '.join(f'{n} {p.dtype}' for n, p in params.items())}.")
    return params


def forward(
    layers: Sequence[Layer], x: Array, params: Params, engine: NumpyEngine, rng: np.random.Generator | None
) -> tuple[Array, list[Any]]:
    """Return the output of the last layer, and what each layer's backward needs."""
    caches = []
    for layer in layers:
        x, cache = layer.forward(x, params, engine, rng)
        caches.append(cache)
    return x, caches


def backward(layers: Sequence[Layer], dout: Array, caches: Sequence[Any], engine: NumpyEngine) -> Params:
    """Return the gradients of all parameters by that of the last output."""
    grads: Params = {}
    gradient: Array | None = dout
    first = next(i for i, layer in enumerate(layers) if parameters_of(layer))  # no gradient is needed below it
    for i in range(len(layers) - 1, first - 1, -1):
        assert gradient is not None
        gradient, own = layers[i].backward(gradient, caches[i], engine, i > first)
        grads |= own
    return grads


def to_onnx(layers: Sequence[Layer], graph: "Graph", x: str, number: Number, params: Params) -> str:
    """Add layers to an ONNX graph, and return the name of the last output."""
    for layer in layers:
        x = layer_to_onnx(layer, graph, x, number, params)
    return x
