"""Affine layers in the NTK parametrisation: with weights of standard deviation 1 that a factor makes small."""

import math
from typing import TYPE_CHECKING

import numpy as np

from fcnet.nn.base import Number, Parameter
from fcnet.nn.layers import Affine
from fcnet.types import Array, Params

if TYPE_CHECKING:
    from fcnet.export.graph import Graph

BIAS_RATE = 0.1
ROWS_OF_A_BIAS = 5
CONSTANT = 1e-5  # a unit whose values spread less, as a share of the largest, has the same for all rows, but for rounding


class NTKAffine(Affine):
    """``out = x W / sqrt(d_in) + b`` (Jacot, Gabriel & Hongler 2018) with W (d_in, d_out) and b (d_out,).

    Both are drawn from a normal distribution of standard deviation 1, and b has a tenth of the learning rate, as in RealMLP
    (Holzmüller, Grinsztajn & Steinwart 2024). `start` then fits them to rows, as there.
    """

    def __init__(self, number: int, d_in: int, d_out: int) -> None:
        super().__init__(number, d_in, d_out, 1.0)
        self.factor = 1 / math.sqrt(d_in)
        self.parameters = {**self.parameters, self.b: Parameter((d_out,), std=1.0, rate=BIAS_RATE)}

    def start(self, x: Array, params: Params, rng: np.random.Generator) -> None:
        """Set the initial values by the rows x (n, d_in) that reach the layer; see `start_units`."""
        start_units(x, params[self.W], params[self.b], self.factor, rng)

    def to_onnx(self, graph: "Graph", x: str, number: Number, W: Array, b: Array) -> str:
        return super().to_onnx(graph, x, number, W * number(self.factor), b)


def start_units(x: Array, W: Array, b: Array, factor: float, rng: np.random.Generator) -> None:
    """Fit the initial weights and biases of units to the rows x (n, d_in) that reach them.

    Each column of W is divided by the standard deviation of ``x W factor`` over the rows, and b becomes minus a mean of that
    over five rows, which are drawn for each unit with weights that are drawn evenly from all that are positive and sum to 1.
    So a unit begins with a spread of 1, and about as many rows on either side of 0 (RealMLP, whose code calls these "std" and
    "he+5"; the biases are after Steinwart 2019).
    """
    values = (x @ W) * factor
    spread = values.std(axis=0)
    spread[spread <= CONSTANT * np.abs(values).max(axis=0)] = 1
    W /= spread
    values /= spread
    units = W.shape[1]
    rows, shares = rng.integers(len(x), size=(ROWS_OF_A_BIAS, units)), rng.dirichlet(np.ones(ROWS_OF_A_BIAS), units).T
    b[...] = -(shares * values[rows, np.arange(units)]).sum(axis=0)
