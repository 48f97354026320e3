"""Activations with a slope that is learnt for each unit."""

from typing import TYPE_CHECKING, Any

import numpy as np

from fcnet.engine import NumpyEngine
from fcnet.engine.table_operations import CURVES, SELU_ALPHA, SELU_SCALE
from fcnet.nn.base import Layer, Number, Parameter
from fcnet.types import Array, Params

if TYPE_CHECKING:
    from fcnet.export.graph import Graph

PARAMETRIC = tuple(CURVES)
"""Names of the functions that `Parametric` has."""


class Parametric(Layer):
    """``out = x + w (f(x) - x)`` with a w for each unit, (d,), that begins at 1.

    f is "selu", ``1.0507 max(x, 0) + 1.7581 (exp(min(x, 0)) - 1)`` (Klambauer et al. 2017); "mish", ``x tanh(log(1 + exp(x)))``
    (Misra 2019); or "silu", ``x / (1 + exp(-x))`` (Elfwing et al. 2018). In RealMLP (Holzmüller, Grinsztajn & Steinwart 2024)
    w has a tenth of the learning rate, and weight decay.
    """

    rate = 0.1

    def __init__(self, number: int, size: int, curve: str) -> None:
        self.curve, self.slope = curve, f"slope{number}"
        self.parameters = {self.slope: Parameter((size,), 1.0, decayed=True, rate=self.rate)}

    def forward(self, x: Array, params: Params, engine: NumpyEngine, rng: np.random.Generator | None) -> tuple[Array, Any]:
        slope, out = params[self.slope], engine.buffer(f"out {self.slope}", x.shape)
        engine.curve(self.curve, x, slope, out)
        return out, (x, slope)

    def backward(self, dout: Array, cache: Any, engine: NumpyEngine, input_gradient: bool) -> tuple[Array | None, Params]:
        """``dw = Σ_rows dout (f(x) - x)``, ``dx = dout (1 + w (f'(x) - 1))``.

        ``f' = 1.0507`` for x > 0, else ``1.7581 exp(x)``; ``t + x (1 - t²) σ(x)`` with ``t = tanh(log(1 + exp(x)))``;
        ``σ(x) (1 + x (1 - σ(x)))``.
        """
        x, slope = cache
        dslope = engine.buffer(f"d{self.slope}", slope.shape)
        engine.curve_backward(self.curve, dout, x, slope, dslope)
        return dout, {self.slope: dslope}

    def to_onnx(self, graph: "Graph", x: str, number: Number, slope: Array) -> str:
        # Of the nodes Selu, Softplus and Mish onnxruntime has none in float64.
        e = graph.add("Exp", graph.add("Min", x, number(CURVES[self.curve])))
        if self.curve == "selu":
            below = graph.add("Mul", graph.add("Sub", e, number(1)), number(SELU_ALPHA))
            value = graph.add("Mul", graph.add("Add", graph.add("Max", x, number(0)), below), number(SELU_SCALE))
        elif self.curve == "mish":
            n = graph.add("Mul", e, graph.add("Add", e, number(2)))
            value = graph.add("Mul", x, graph.add("Div", n, graph.add("Add", n, number(2))))
        else:
            value = graph.add("Mul", x, graph.add("Sigmoid", x))
        return graph.add("Add", x, graph.add("Mul", graph.add("Sub", value, x), slope))
