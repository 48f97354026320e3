"""The layers of a network beside its activations."""

import math
from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from fcnet.engine import NumpyEngine
from fcnet.engine.masks import N_NUMBERS
from fcnet.errors import SettingError, to_float, unknown_name
from fcnet.nn import activations
from fcnet.nn.base import Layer, Number, Parameter
from fcnet.types import Array, Params, is_sparse

if TYPE_CHECKING:
    from fcnet.export.graph import Graph

WEIGHT_INITS: dict[str, Callable[[int, int], float]] = {
    "he": lambda d_in, d_out: math.sqrt(2 / d_in),
    "glorot": lambda d_in, d_out: math.sqrt(2 / (d_in + d_out)),
}
"""Standard deviation of the initial weights (d_in, d_out)."""


def check_weight_init(value: Any) -> str | float:
    """Return a name of `WEIGHT_INITS`, or a standard deviation; raise SettingError if it is neither."""
    if isinstance(value, str) and value in WEIGHT_INITS:
        return str(value)
    try:
        return to_float("weight_init", value, 0)
    except SettingError:
        names = ", ".join(map(repr, WEIGHT_INITS))
        raise SettingError(f"weight_init must be {names} or a number of at least 0, got {value!r}.") from None


class Affine(Layer):
    """``out = a x W + b`` with W (d_in, d_out), b (d_out,) and a factor a, which is 1 here.

    b starts at zero, and W at random with a standard deviation that has a name in `WEIGHT_INITS` or is given.
    """

    factor = 1.0

    def __init__(self, number: int, d_in: int, d_out: int, weight_init: str | float = "he") -> None:
        self.W, self.b = f"W{number}", f"b{number}"
        std = WEIGHT_INITS[weight_init](d_in, d_out) if isinstance(weight_init, str) else weight_init
        self.parameters = {self.W: Parameter((d_in, d_out), std=std, decayed=True), self.b: Parameter((d_out,))}

    def forward(self, x: Array, params: Params, engine: NumpyEngine, rng: np.random.Generator | None) -> tuple[Array, Any]:
        W, b = params[self.W], params[self.b]
        out = engine.buffer(f"out {self.W}", (x.shape[0], W.shape[1]))
        return engine.affine(x, W, b, out, self.factor), (x, W)

    def backward(self, dout: Array, cache: Any, engine: NumpyEngine, input_gradient: bool) -> tuple[Array | None, Params]:
        """``dW = a xᵀ dout``, ``db = Σ_rows dout``, ``dx = a dout Wᵀ``."""
        x, W = cache
        db = engine.bias_gradient(
            dout, engine.buffer(f"d{self.b}", W.shape[1:]), self.factor
        )  # and dout is a dout from here on
        dW = engine.weight_gradient(x, dout, engine.buffer(f"d{self.W}", W.shape))
        dx = engine.matmul(dout, W.T, out=engine.buffer(f"dx {self.W}", x.shape)) if input_gradient else None
        return dx, {self.W: dW, self.b: db}

    def to_onnx(self, graph: "Graph", x: str, number: Number, W: Array, b: Array) -> str:
        return graph.add("Add", graph.add("MatMul", x, W), b)


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

    def to_onnx(self, graph: "Graph", x: str, number: Number, gamma: Array, beta: Array) -> str:
        return graph.add("LayerNormalization", x, gamma, beta, axis=-1, epsilon=self.epsilon)


class Dropout(Layer):
    """``out = x m / (1 - p)``, each entry of the mask m being 0 with probability p, else 1.

    "Inverted" dropout (Srivastava et al. 2014): scaled in training, so that prediction leaves x as it is. A schedule changes
    the `share` of p that holds.
    """

    share = 1.0

    def __init__(self, number: int, p: float) -> None:
        self.name, self.p = f"dropout {number}", p

    def forward(self, x: Array, params: Params, engine: NumpyEngine, rng: np.random.Generator | None) -> tuple[Array, Any]:
        if rng is None:
            return x, None
        if is_sparse(x):
            kept = x.copy()
            kept.data = self.forward(x.data, params, engine, rng)[0].copy()
            return kept, None
        seed, below = engine.seed(self.name, rng), min(round(self.p * self.share * N_NUMBERS), N_NUMBERS - 1)
        return engine.dropout(x, seed, below, engine.buffer(self.name, x.shape)), (seed, below)

    def backward(self, dout: Array, cache: Any, engine: NumpyEngine, input_gradient: bool) -> tuple[Array | None, Params]:
        """``dx = dout m / (1 - p)``."""
        if cache is not None and input_gradient:
            engine.dropout(dout, *cache)
        return dout, {}

    def to_onnx(self, graph: "Graph", x: str, number: Number) -> str:
        return x


NORMALISATIONS: dict[str, Callable[[int, int], Layer] | None] = {"none": None, "layer": LayerNorm}
"""Layers between an affine layer and its activation, made by the number of the affine layer and of its outputs."""


def make_layers(
    layer_sizes: list[int],
    activation: str | Callable[[int], Layer],
    normalisation: str,
    dropout: float,
    input_dropout: float,
    weight_init: str | float,
) -> list[Layer]:
    """Return the layers of a `FullyConnectedNet`, in their order, or raise SettingError."""
    if normalisation not in NORMALISATIONS:
        raise unknown_name("normalisation", normalisation, NORMALISATIONS)
    layers: list[Layer] = []
    last, make_normalisation = len(layer_sizes) - 1, NORMALISATIONS[normalisation]
    for number, (d_in, d_out) in enumerate(pairwise(layer_sizes), 1):
        if p := input_dropout if number == 1 else dropout:
            layers.append(Dropout(number, p))
        layers.append(Affine(number, d_in, d_out, weight_init))
        if number < last and make_normalisation is not None:
            layers.append(make_normalisation(number, d_out))
        if number < last:
            layers.append(activations.get_activation(activation, number))
    return layers


def __getattr__(name: str) -> Any:
    """Return an activation, or what else was here before activations had a file of their own: pickles ask for it."""
    return getattr(activations, name)
