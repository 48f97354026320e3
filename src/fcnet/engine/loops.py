"""Loops that numba compiles: once through the arrays, where NumPy goes through them once for every operation.

They change contiguous arrays of one dtype in place, flat ones but for the logits, and hold no lock of Python. Scalars must
have the dtype of the arrays, or what is computed is wider. Equations stand where the functions of the same names are:
in `fcnet.nn` and, for the steps, in `fcnet.training.updates`. A step takes ``g + l2 p`` for the gradient and returns ``Σ p²``
of the parameters as they were before.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

from fcnet.types import Array

Scalar = Any
BLOCK = 1 << 12  # so many squares are added up in the dtype of the arrays, and their sums in float64


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a loop when it is first called, and keep the result for later processes where there is a place for it.

    Sums may be added up in any order, and a product may be added to without being rounded first.
    """
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": {"reassoc", "contract"}}
    try:
        return njit(cache=True, **options)(function)  # type: ignore[no-any-return]
    except RuntimeError:  # neither the folder of this file nor the user's cache can be written to
        return njit(**options)(function)  # type: ignore[no-any-return]


@compiled
def add_l2(dw: Array, w: Array, l2: Scalar) -> float:
    """``dw += l2 w``; return ``Σ w²``."""
    squares = 0.0
    for start in range(0, w.size, BLOCK):
        D, W = dw[start : start + BLOCK], w[start : start + BLOCK]
        block = w.dtype.type(0)
        for i in range(W.size):
            block += W[i] * W[i]
            D[i] += l2 * W[i]
        squares += block
    return squares


@compiled
def relu_backward(dout: Array, out: Array) -> None:
    """``dout = 0`` where ``out`` is not positive."""
    zero = out.dtype.type(0)
    for i in range(out.size):
        dout[i] = dout[i] if out[i] > zero else zero


@compiled
def softmax_cross_entropy(logits: Array, y: Array, losses: Array, on: Scalar, off: Scalar, scale: Scalar) -> None:
    """Write the loss of each row, and replace `logits` by the gradient of ``scale`` times their sum."""
    for i in range(len(logits)):
        row = logits[i]
        top = row[0]
        for j in range(1, row.size):
            top = max(top, row[j])
        at_target = on * (row[y[i]] - top)
        total = logits.dtype.type(0)
        for j in range(row.size):
            shifted = row[j] - top
            at_target += off * shifted
            row[j] = np.exp(shifted)
            total += row[j]
        losses[i] = np.log(total) - at_target
        for j in range(row.size):
            row[j] = scale * (row[j] / total - off)
        row[y[i]] -= scale * on


@compiled
def sgd(p: Array, g: Array, learning_rate: Scalar, l2: Scalar) -> float:
    squares = 0.0
    for start in range(0, p.size, BLOCK):
        P, G = p[start : start + BLOCK], g[start : start + BLOCK]
        block = p.dtype.type(0)
        for i in range(P.size):
            old = P[i]
            block += old * old
            P[i] = old - learning_rate * (G[i] + l2 * old)
        squares += block
    return squares


@compiled
def momentum(p: Array, g: Array, v: Array, learning_rate: Scalar, mu: Scalar, l2: Scalar) -> float:
    squares = 0.0
    for start in range(0, p.size, BLOCK):
        P, G, V = p[start : start + BLOCK], g[start : start + BLOCK], v[start : start + BLOCK]
        block = p.dtype.type(0)
        for i in range(P.size):
            old = P[i]
            block += old * old
            new = mu * V[i] - learning_rate * (G[i] + l2 * old)
            V[i] = new
            P[i] = old + new
        squares += block
    return squares


@compiled
def nesterov(p: Array, g: Array, v: Array, learning_rate: Scalar, mu: Scalar, l2: Scalar) -> float:
    squares = 0.0
    for start in range(0, p.size, BLOCK):
        P, G, V = p[start : start + BLOCK], g[start : start + BLOCK], v[start : start + BLOCK]
        block = p.dtype.type(0)
        for i in range(P.size):
            old = P[i]
            block += old * old
            descent = learning_rate * (G[i] + l2 * old)
            new = mu * V[i] - descent
            V[i] = new
            P[i] = old + mu * new - descent
        squares += block
    return squares


@compiled
def rmsprop(
    p: Array, g: Array, c: Array, learning_rate: Scalar, decay: Scalar, rest: Scalar, epsilon: Scalar, l2: Scalar
) -> float:
    squares = 0.0
    for start in range(0, p.size, BLOCK):
        P, G, C = p[start : start + BLOCK], g[start : start + BLOCK], c[start : start + BLOCK]
        block = p.dtype.type(0)
        for i in range(P.size):
            old = P[i]
            block += old * old
            d = G[i] + l2 * old
            new = decay * C[i] + rest * (d * d)
            C[i] = new
            P[i] = old - learning_rate * d / np.sqrt(new + epsilon)
        squares += block
    return squares


@compiled
def adam(
    p: Array,
    g: Array,
    m: Array,
    v: Array,
    step_size: Scalar,
    beta1: Scalar,
    rest1: Scalar,
    beta2: Scalar,
    rest2: Scalar,
    v_scale: Scalar,
    epsilon: Scalar,
    keep: Scalar,
    l2: Scalar,
) -> float:
    squares = 0.0
    for start in range(0, p.size, BLOCK):
        P, G = p[start : start + BLOCK], g[start : start + BLOCK]
        M, V = m[start : start + BLOCK], v[start : start + BLOCK]
        block = p.dtype.type(0)
        for i in range(P.size):
            old = P[i]
            block += old * old
            d = G[i] + l2 * old
            first = beta1 * M[i] + rest1 * d
            second = beta2 * V[i] + rest2 * (d * d)
            M[i], V[i] = first, second
            P[i] = keep * old - step_size * first / (np.sqrt(v_scale * second) + epsilon)
        squares += block
    return squares
