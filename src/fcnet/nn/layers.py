"""Layers: a forward, and beside it the backward that carries the gradient the other way.

A forward returns its output and what its backward needs. A backward takes the gradient of the loss with respect to
that output, ``dout``, and returns the gradient of the layer's input and those of its parameters. Outputs live in the
buffers of the engine and hold until the layer runs again.

Shapes: ``x`` is (n, d_in), ``out`` and ``dout`` are (n, d_out), for n rows in a batch.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from fcnet.engine import NumpyEngine, blocks
from fcnet.errors import SettingError, unknown_name
from fcnet.types import Array, Params, is_sparse


class Parameter(NamedTuple):
    """What a layer says of one of its parameters."""

    shape: tuple[int, ...]
    value: float = 0.0
    """Every entry's initial value, where none is drawn."""
    std: float | None = None
    """Standard deviation of the normal distribution of mean 0 that initial values are drawn from."""
    decayed: bool = False
    """Whether L2 and weight decay are for it, as for weights, and not for biases."""

    def initial(self, rng: np.random.Generator, dtype: DTypeLike) -> Array:
        """Return its initial values, an array of `dtype`."""
        if self.std is None:
            return np.full(self.shape, self.value, dtype)
        drawn = rng.standard_normal(self.shape)
        drawn *= self.std
        return drawn.astype(dtype, copy=False)


class Layer(ABC):
    """What the network asks of a layer."""

    parameters: Mapping[str, Parameter] = {}
    """By their names, which no other layer may have: a layer gets its number for them."""

    @abstractmethod
    def forward(self, x: Array, params: Params, engine: NumpyEngine, rng: np.random.Generator | None) -> tuple[Array, Any]:
        """Return the output, and what the backward needs; `params` are those of the whole network.

        Without `rng` it computes as for prediction.
        """

    @abstractmethod
    def backward(self, dout: Array, cache: Any, engine: NumpyEngine, input_gradient: bool) -> tuple[Array | None, Params]:
        """Return the gradient of the input, which may be None without `input_gradient`, and those of the own parameters."""


WEIGHT_INITS: dict[str, Callable[[int, int], float]] = {
    "he": lambda d_in, d_out: math.sqrt(2 / d_in),
    "glorot": lambda d_in, d_out: math.sqrt(2 / (d_in + d_out)),
}
"""Standard deviation of the initial weights (d_in, d_out)."""


class Affine(Layer):
    """``out = x W + b`` with W (d_in, d_out) and b (d_out,).

    b starts at zero, and W at random with a standard deviation that has a name in `WEIGHT_INITS` or is given.
    """

    def __init__(self, number: int, d_in: int, d_out: int, weight_init: str | float = "he") -> None:
        self.W, self.b = f"W{number}", f"b{number}"
        std = WEIGHT_INITS[weight_init](d_in, d_out) if isinstance(weight_init, str) else weight_init
        self.parameters = {self.W: Parameter((d_in, d_out), std=std, decayed=True), self.b: Parameter((d_out,))}

    def forward(self, x: Array, params: Params, engine: NumpyEngine, rng: np.random.Generator | None) -> tuple[Array, Any]:
        W, b = params[self.W], params[self.b]
        out = engine.buffer(f"out {self.W}", (x.shape[0], W.shape[1]))
        return engine.affine(x, W, b, out), (x, W)

    def backward(self, dout: Array, cache: Any, engine: NumpyEngine, input_gradient: bool) -> tuple[Array | None, Params]:
        """``dW = xᵀ dout``, ``db = Σ_rows dout``, ``dx = dout Wᵀ``."""
        x, W = cache
        xp = engine.xp
        dW = engine.weight_gradient(x, dout, engine.buffer(f"d{self.W}", W.shape))
        db = xp.sum(dout, axis=0, out=engine.buffer(f"d{self.b}", W.shape[1:]))
        dx = engine.matmul(dout, W.T, out=engine.buffer(f"dx {self.W}", x.shape)) if input_gradient else None
        return dx, {self.W: dW, self.b: db}


class LayerNorm(Layer):
    """``out = γ z + β`` with ``z = (x - mean) / sqrt(var + 1e-5)``, mean and variance over the units of a row.

    Layer normalisation (Ba, Kiros & Hinton 2016); γ and β are (d_in,).
    """

    epsilon = 1e-5

    def __init__(self, number: int, size: int) -> None:
        self.gamma, self.beta = f"gamma{number}", f"beta{number}"
        self.parameters = {self.gamma: Parameter((size,), 1.0), self.beta: Parameter((size,))}

    def forward(self, x: Array, params: Params, engine: NumpyEngine, rng: np.random.Generator | None) -> tuple[Array, Any]:
        gamma = params[self.gamma]
        out = engine.buffer(f"out {self.gamma}", x.shape)
        scales = engine.buffer(f"scales {self.gamma}", (len(x), 1))
        engine.layer_norm(x, gamma, params[self.beta], self.epsilon, scales, out)
        return out, (x, scales, gamma)

    def backward(self, dout: Array, cache: Any, engine: NumpyEngine, input_gradient: bool) -> tuple[Array | None, Params]:
        """``dγ = Σ_rows dout z``, ``dβ = Σ_rows dout``, ``dx = (d - mean(d) - z mean(d z)) / sqrt(var + 1e-5)``.

        d is ``γ dout``.
        """
        z, scales, gamma = cache
        dgamma, dbeta = (engine.buffer(f"d{name}", gamma.shape) for name in (self.gamma, self.beta))
        engine.layer_norm_backward(dout, z, scales, gamma, dgamma, dbeta)
        return dout, {self.gamma: dgamma, self.beta: dbeta}


class Dropout(Layer):
    """``out = x m / (1 - p)``, each entry of the mask m being 0 with probability p, else 1.

    "Inverted" dropout (Srivastava et al. 2014): scaled in training, so that prediction leaves x as it is.
    """

    def __init__(self, number: int, p: float) -> None:
        self.name, self.p = f"dropout {number}", p

    def forward(self, x: Array, params: Params, engine: NumpyEngine, rng: np.random.Generator | None) -> tuple[Array, Any]:
        if rng is None:
            return x, None
        if is_sparse(x):
            kept = x.copy()
            kept.data = self.forward(x.data, params, engine, rng)[0].copy()
            return kept, None
        scale = engine.buffer(f"{self.name} scale", x.shape)
        rng.random(out=scale, dtype=scale.dtype.type)
        xp = engine.xp
        xp.greater_equal(scale, self.p, out=scale)
        xp.multiply(scale, 1.0 / (1.0 - self.p), out=scale)
        return xp.multiply(x, scale, out=engine.buffer(self.name, x.shape)), scale

    def backward(self, dout: Array, cache: Any, engine: NumpyEngine, input_gradient: bool) -> tuple[Array | None, Params]:
        """``dx = dout m / (1 - p)``."""
        if cache is not None and input_gradient:
            engine.xp.multiply(dout, cache, out=dout)
        return dout, {}


NORMALISATIONS: dict[str, Callable[[int, int], Layer] | None] = {"none": None, "layer": LayerNorm}
"""Layers between an affine layer and its activation, made by the number of the affine layer and of its outputs."""


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


class ReLU(Activation):
    """``out = max(x, 0)``, in place."""

    def forward(self, x: Array, params: Params, engine: NumpyEngine, rng: np.random.Generator | None) -> tuple[Array, Any]:
        out = engine.relu(x)
        return out, out

    def backward(self, dout: Array, cache: Any, engine: NumpyEngine, input_gradient: bool) -> tuple[Array | None, Params]:
        """``dx = dout [out > 0]``."""
        return engine.relu_backward(dout, cache), {}


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


class Tanh(Activation):
    """``out = tanh(x)``, in place."""

    def forward(self, x: Array, params: Params, engine: NumpyEngine, rng: np.random.Generator | None) -> tuple[Array, Any]:
        out = engine.xp.tanh(x, out=x)
        return out, out

    def backward(self, dout: Array, cache: Any, engine: NumpyEngine, input_gradient: bool) -> tuple[Array | None, Params]:
        """``dx = dout (1 - out²)``."""
        for d, out in blocks(dout, cache):
            d *= 1 - out * out
        return dout, {}


class Logistic(Activation):
    """``out = 1 / (1 + exp(-x)) = (1 + tanh(x / 2)) / 2``, in place."""

    def forward(self, x: Array, params: Params, engine: NumpyEngine, rng: np.random.Generator | None) -> tuple[Array, Any]:
        for (out,) in blocks(x):
            out *= 0.5
            engine.xp.tanh(out, out=out)
            out *= 0.5
            out += 0.5
        return x, x

    def backward(self, dout: Array, cache: Any, engine: NumpyEngine, input_gradient: bool) -> tuple[Array | None, Params]:
        """``dx = dout out (1 - out)``."""
        for d, out in blocks(dout, cache):
            d *= out * (1 - out)
        return dout, {}


class Exponential(Activation):
    """``out = exp(x)``, in place: with rows of length one a Gaussian bump around the weights of each unit."""

    def forward(self, x: Array, params: Params, engine: NumpyEngine, rng: np.random.Generator | None) -> tuple[Array, Any]:
        out = engine.xp.exp(x, out=x)
        return out, out

    def backward(self, dout: Array, cache: Any, engine: NumpyEngine, input_gradient: bool) -> tuple[Array | None, Params]:
        """``dx = dout out``."""
        return engine.xp.multiply(dout, cache, out=dout), {}


class GELU(Activation):
    """``out = x (1 + t) / 2`` with ``t = tanh(√(2/π) (x + 0.044715 x³))`` (Hendrycks & Gimpel 2016, eq. 2).

    This is the usual approximation of ``x Φ(x)``, Φ being the normal distribution function.
    """

    c, a = float(np.sqrt(2 / np.pi)), 0.044715

    def forward(self, x: Array, params: Params, engine: NumpyEngine, rng: np.random.Generator | None) -> tuple[Array, Any]:
        tanh, out = engine.buffer(f"{self.name} tanh", x.shape), engine.buffer(self.name, x.shape)
        for x_, t, out_ in blocks(x, tanh, out):
            engine.xp.tanh(self.c * (x_ + self.a * x_ * x_ * x_), out=t)
            engine.xp.multiply(0.5 * x_, 1 + t, out=out_)
        return out, (x, tanh)

    def backward(self, dout: Array, cache: Any, engine: NumpyEngine, input_gradient: bool) -> tuple[Array | None, Params]:
        """``dx = dout [(1 + t)/2 + x (1 - t²)/2 · √(2/π) (1 + 3 · 0.044715 x²)]``."""
        for d, x, t in blocks(dout, *cache):
            d *= 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * (self.c * (1 + 3 * self.a * x * x))
        return dout, {}


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
    """Give an activation of your own a name, by which networks, estimators and recipes then know it.

    Only the name goes into a file: to load a network, register the same activation first.

    Parameters
    ----------
    name : str
        Not one that fcnet has; one of your own is replaced.
    activation : callable
        A class, as those of `fcnet.nn.layers`, whose objects are made by the number of the affine layer before them and have

        - ``forward(x, params, engine, rng)``, which returns the output, the shape of ``x`` (n, d), and what backward needs;
        - ``backward(dout, cache, engine, input_gradient)``, which returns the gradient of ``x``, and ``{}``;
        - to be exported to ONNX ``to_onnx(graph, x, number)``, which adds nodes by ``graph.add(op, *inputs)`` and returns the
          name of the last; ``number`` makes a constant of the network's type.

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
    """Return a new activation layer by its name or class, for the affine layer of that number.

    Raises
    ------
    SettingError
        If there is no activation of that name, or it makes no layer.
    """
    if callable(name):
        layer = None
        with suppress(TypeError):  # of what takes something else
            layer = name(number)
        if layer is None or not (hasattr(layer, "forward") and hasattr(layer, "backward")):
            raise SettingError(
                "activation must be a name, or a class whose objects are made by the number of their layer and have forward "
                f"and backward, as those of fcnet.nn.layers; got {name!r}."
            )
        return layer
    if name not in ACTIVATIONS:
        error = unknown_name("activation", name, ACTIVATIONS)
        raise SettingError(f"{error} One of your own has to be registered first: fcnet.nn.layers.register_activation.")
    return ACTIVATIONS[name](number)
