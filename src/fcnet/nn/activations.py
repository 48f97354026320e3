"""Activations: functions of each entry, and their derivatives.

They overwrite their input, and the gradient that they are given, where that saves a pass over memory.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from fcnet.engine import NumpyEngine
from fcnet.errors import SettingError, unknown_name
from fcnet.nn.base import Layer, Number
from fcnet.types import Array, Params

if TYPE_CHECKING:
    from fcnet.export.graph import Graph


class Activation(Layer):
    """A function of each entry, without parameters."""

    def __init__(self, number: int) -> None:
        self.name = f"activation {number}"


class Identity(Activation):
    """``out = x``: hidden layers then are a linear bottleneck."""

    def forward(self, x: Array, params: Params, engine: NumpyEngine, rng: np.random.Generator | None) -> tuple[Array, Any]:
        return x, None

    def backward(self, dout: Array, cache: Any, engine: NumpyEngine, input_gradient: bool) -> tuple[Array | None, Params]:
        """``dx = dout``."""
        return dout, {}

    def to_onnx(self, graph: "Graph", x: str, number: Number) -> str:
        return x


class ReLU(Activation):
    """``out = max(x, 0)``, in place."""

    def forward(self, x: Array, params: Params, engine: NumpyEngine, rng: np.random.Generator | None) -> tuple[Array, Any]:
        out = engine.relu(x)
        return out, out

    def backward(self, dout: Array, cache: Any, engine: NumpyEngine, input_gradient: bool) -> tuple[Array | None, Params]:
        """``dx = dout [out > 0]``."""
        return engine.relu_backward(dout, cache), {}

    def to_onnx(self, graph: "Graph", x: str, number: Number) -> str:
        return graph.add("Relu", x)


class LeakyReLU(Activation):
    """``out = x`` where x > 0, else ``0.01 x``, in place (Maas et al. 2013)."""

    slope = 0.01

    def forward(self, x: Array, params: Params, engine: NumpyEngine, rng: np.random.Generator | None) -> tuple[Array, Any]:
        scaled = engine.xp.multiply(x, self.slope, out=engine.buffer("leaky relu", x.shape))
        out = engine.xp.maximum(x, scaled, out=x)
        return out, out

    def backward(self, dout: Array, cache: Any, engine: NumpyEngine, input_gradient: bool) -> tuple[Array | None, Params]:
        """``dx = dout`` where out > 0, else ``0.01 dout``."""
        slopes = engine.xp.greater(cache, 0, out=engine.buffer("leaky relu", dout.shape))
        slopes *= 1 - self.slope
        slopes += self.slope
        return engine.xp.multiply(dout, slopes, out=dout), {}

    def to_onnx(self, graph: "Graph", x: str, number: Number) -> str:
        return graph.add("Max", x, graph.add("Mul", x, number(self.slope)))


class Tanh(Activation):
    """``out = tanh(x)``, in place."""

    def forward(self, x: Array, params: Params, engine: NumpyEngine, rng: np.random.Generator | None) -> tuple[Array, Any]:
        out = engine.xp.tanh(x, out=x)
        return out, out

    def backward(self, dout: Array, cache: Any, engine: NumpyEngine, input_gradient: bool) -> tuple[Array | None, Params]:
        """``dx = dout (1 - out²)``."""
        for d, out in engine.blocks(dout, cache):
            d *= 1 - out * out
        return dout, {}

    def to_onnx(self, graph: "Graph", x: str, number: Number) -> str:
        return graph.add("Tanh", x)


class Logistic(Activation):
    """``out = 1 / (1 + exp(-x)) = (1 + tanh(x / 2)) / 2``, in place."""

    def forward(self, x: Array, params: Params, engine: NumpyEngine, rng: np.random.Generator | None) -> tuple[Array, Any]:
        for (out,) in engine.blocks(x):
            out *= 0.5
            engine.xp.tanh(out, out=out)
            out *= 0.5
            out += 0.5
        return x, x

    def backward(self, dout: Array, cache: Any, engine: NumpyEngine, input_gradient: bool) -> tuple[Array | None, Params]:
        """``dx = dout out (1 - out)``."""
        for d, out in engine.blocks(dout, cache):
            d *= out * (1 - out)
        return dout, {}

    def to_onnx(self, graph: "Graph", x: str, number: Number) -> str:
        return graph.add("Sigmoid", x)


class Exponential(Activation):
    """``out = exp(x)``, in place: with rows of length one a Gaussian bump around the weights of each unit."""

    def forward(self, x: Array, params: Params, engine: NumpyEngine, rng: np.random.Generator | None) -> tuple[Array, Any]:
        out = engine.xp.exp(x, out=x)
        return out, out

    def backward(self, dout: Array, cache: Any, engine: NumpyEngine, input_gradient: bool) -> tuple[Array | None, Params]:
        """``dx = dout out``."""
        return engine.xp.multiply(dout, cache, out=dout), {}

    def to_onnx(self, graph: "Graph", x: str, number: Number) -> str:
        return graph.add("Exp", x)


class GELU(Activation):
    """``out = x (1 + t) / 2`` with ``t = tanh(√(2/π) (x + 0.044715 x³))`` (Hendrycks & Gimpel 2016, eq. 2).

    This is the usual approximation of ``x Φ(x)``, Φ being the normal distribution function.
    """

    c, a = float(np.sqrt(2 / np.pi)), 0.044715

    def forward(self, x: Array, params: Params, engine: NumpyEngine, rng: np.random.Generator | None) -> tuple[Array, Any]:
        tanh, out = engine.buffer(f"{self.name} tanh", x.shape), engine.buffer(self.name, x.shape)
        for x_, t, out_ in engine.blocks(x, tanh, out):
            engine.xp.tanh(self.c * (x_ + self.a * x_ * x_ * x_), out=t)
            engine.xp.multiply(0.5 * x_, 1 + t, out=out_)
        return out, (x, tanh)

    def backward(self, dout: Array, cache: Any, engine: NumpyEngine, input_gradient: bool) -> tuple[Array | None, Params]:
        """``dx = dout [(1 + t)/2 + x (1 - t²)/2 · √(2/π) (1 + 3 · 0.044715 x²)]``."""
        for d, x, t in engine.blocks(dout, *cache):
            d *= 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * (self.c * (1 + 3 * self.a * x * x))
        return dout, {}

    def to_onnx(self, graph: "Graph", x: str, number: Number) -> str:
        cube = graph.add("Mul", graph.add("Mul", x, x), x)
        inner = graph.add("Add", x, graph.add("Mul", cube, number(self.a)))
        tanh = graph.add("Tanh", graph.add("Mul", inner, number(self.c)))
        return graph.add("Mul", graph.add("Mul", x, number(0.5)), graph.add("Add", tanh, number(1)))


ACTIVATIONS: dict[str, Callable[[int], Layer]] = {
    "relu": ReLU,
    "leaky_relu": LeakyReLU,
    "tanh": Tanh,
    "gelu": GELU,
    "logistic": Logistic,
    "identity": Identity,
    "exp": Exponential,
}


_BUILT_IN = frozenset(ACTIVATIONS)


def register_activation(name: str, activation: Callable[[int], Layer]) -> None:
    """Give an activation of your own a name for networks, estimators and recipes.

    A file holds the name alone. Register the same activation before you load a network that has it.

    Parameters
    ----------
    name : str
        None of fcnet's own activations. One that you registered before is replaced.
    activation : callable
        A class as those of `fcnet.nn.activations`. Its objects are made by the number of the affine layer before them, and have

        - ``forward(x, params, engine, rng)``, which returns the output, the shape of ``x`` (n, d), and what backward needs;
        - ``backward(dout, cache, engine, input_gradient)``, which returns the gradient of ``x``, and ``{}``;
        - for the export to ONNX ``to_onnx(graph, x, number)``, which adds nodes by ``graph.add(op, *inputs)`` and returns the
          name of the last. ``number`` makes a constant of the network's dtype.

        Both ways may overwrite what they are given.

    Raises
    ------
    SettingError
        If the name is one of fcnet's, or `activation` makes no layer.

    Examples
    --------
    >>> class Softsign(Activation):
    ...     def forward(self, x, params, engine, rng):
    ...         scale = 1 / (1 + abs(x))
    ...         return x * scale, scale
    ...
    ...     def backward(self, dout, cache, engine, input_gradient):
    ...         return dout * cache**2, {}
    >>> register_activation("softsign", Softsign)  # doctest: +SKIP
    >>> from fcnet import FullyConnectedNet, gradient_check
    >>> net = FullyConnectedNet([4, 10, 3], activation=Softsign, seed=0)
    >>> max(gradient_check(net, np.eye(4), [0, 1, 2, 0]).values()) < 1e-6
    True
    """
    if not isinstance(name, str) or not name or name in _BUILT_IN:
        raise SettingError(f"The name must be a text that is none of fcnet's own activations, got {name!r}.")
    if not callable(activation):
        raise SettingError(f"activation must be a class whose objects are layers, got {activation!r}.")
    get_activation(activation, 1)
    ACTIVATIONS[name] = activation


def activation_name(activation: str | Callable[[int], Layer]) -> str | Callable[[int], Layer]:
    """Return the name of an activation where it has one."""
    return next((name for name, known in ACTIVATIONS.items() if known is activation), activation)


def get_activation(name: str | Callable[[int], Layer], number: int) -> Layer:
    """Return a new activation layer by its name or class for the affine layer of that number, or raise SettingError."""
    if callable(name):
        layer = None
        with suppress(TypeError):  # of what takes something else
            layer = name(number)
        if layer is None or not (hasattr(layer, "forward") and hasattr(layer, "backward")):
            raise SettingError(
                "activation must be a name, or a class whose objects are made by the number of their layer and have forward "
                f"and backward, as those of fcnet.nn.activations; got {name!r}."
            )
        return layer
    if name not in ACTIVATIONS:
        error = unknown_name("activation", name, ACTIVATIONS)
        raise SettingError(f"{error} One of your own has to be registered first: fcnet.nn.activations.register_activation.")
    return ACTIVATIONS[name](number)
