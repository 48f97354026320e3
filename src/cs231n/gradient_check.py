"""Numeric gradients under the exercise's name."""

from collections.abc import Callable

import numpy as np

from fcnet.nn.gradcheck import numerical_gradient
from fcnet.types import Array


def eval_numerical_gradient(f: Callable[[Array], float], x: Array, verbose: bool = False, h: float = 1e-5) -> Array:
    """Return the central differences of `f` at `x`, shape of `x`, which is put back as it was; if `verbose` print each."""
    gradient = numerical_gradient(f, x, h)
    if verbose:
        for index, slope in np.ndenumerate(gradient):
            print(index, slope)
    return gradient
