"""What a layer is.

A forward returns its output and what its backward needs. A backward takes the gradient of the loss in that output, ``dout``,
and returns the gradient in the layer's input, and those in its parameters. Outputs live in the buffers of the engine and hold
until the layer runs again.

Shapes: ``x`` is (n, d_in), ``out`` and ``dout`` are (n, d_out), for n rows in a batch.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from fcnet.engine import NumpyEngine
from fcnet.errors import InputError
from fcnet.types import Array, Params

if TYPE_CHECKING:
    from fcnet.export.graph import Graph

Number = Callable[[float], Any]  # makes a constant of the network's dtype, for ONNX
Draw = Callable[[np.random.Generator, tuple[int, ...]], Array]  # draws an array of a shape


class Parameter(NamedTuple):
    """What a layer says of one of its parameters."""

    shape: tuple[int, ...]
    value: float = 0.0
    """Every entry's initial value, where none is drawn."""
    std: float | None = None
    """Standard deviation of the normal distribution of mean 0 that initial values are drawn from."""
    decayed: bool = False
    """Whether L2 and weight decay are for it, as for weights, and not for biases."""
    rate: float = 1.0
    """What the learning rate is multiplied by for it."""
    draw: Draw | None = None
    """Draws its initial values, where these are neither constant nor normal."""

    def initial(self, rng: np.random.Generator, dtype: DTypeLike) -> Array:
        """Return its initial values, an array of `dtype`."""
        if self.draw is not None:
            return self.draw(rng, self.shape).astype(dtype, copy=False)
        if self.std is None:
            return np.full(self.shape, self.value, dtype)
        drawn = rng.standard_normal(self.shape)
        drawn *= self.std
        return drawn.astype(dtype, copy=False)


def uniform(limit: float, rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Draw numbers evenly from -limit to limit."""
    return rng.uniform(-limit, limit, shape)


class Layer(ABC):
    """What the network asks of a layer.

    To be exported to ONNX a layer has ``to_onnx(graph, x, number, *arrays)``, too: it adds nodes to an
    `fcnet.export.graph.Graph` that compute from `x` what the layer predicts, and returns the name of the last. `number` makes a
    constant of the network's dtype; `arrays` are those of the layer's parameters, in their order.
    """

    parameters: Mapping[str, Parameter] = {}
    """By their names, which end with the number of the layer: no other layer has the same."""

    @abstractmethod
    def forward(self, x: Array, params: Params, engine: NumpyEngine, rng: np.random.Generator | None) -> tuple[Array, Any]:
        """Return the output, and what the backward needs; `params` are those of the whole network.

        Without `rng` it computes as for prediction.
        """

    @abstractmethod
    def backward(self, dout: Array, cache: Any, engine: NumpyEngine, input_gradient: bool) -> tuple[Array | None, Params]:
        """Return the gradient of the input, which may be None without `input_gradient`, and those of the own parameters."""


def parameters_of(layer: Layer) -> Mapping[str, Parameter]:
    """Return the parameters of a layer, none where it is of a class of one's own that says nothing of parameters."""
    return getattr(layer, "parameters", {})


def layer_to_onnx(layer: Layer, graph: "Graph", x: str, number: Number, params: Params) -> str:
    """Add a layer of a network with these `params` to an ONNX graph, and return the name of its output.

    Without a ``to_onnx``, or with an inherited one that knows nothing of its own ``forward``, it raises InputError.
    """
    kinds = (vars(kind) for kind in type(layer).__mro__)
    if not next(("to_onnx" in kind for kind in kinds if {"to_onnx", "forward"} & kind.keys()), False):
        raise InputError(
            f"The layer or activation {type(layer).__name__} is one of your own, which does not say what it is in ONNX: give "
            "its class a method to_onnx, see fcnet.nn.activations.register_activation."
        )
    added: str = layer.to_onnx(graph, x, number, *(params[name] for name in parameters_of(layer)))  # type: ignore[attr-defined]
    return added
