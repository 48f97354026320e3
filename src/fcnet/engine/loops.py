"""Fused kernels that numba compiles: one pass over the arrays, where NumPy takes one for every operation.

They change contiguous arrays of one dtype and any shape in place, and do not hold Python's lock. Scalars are converted to the
dtype of the arrays first; otherwise everything would be computed in a wider one. The equations are in `fcnet.nn`, those of the
steps in `fcnet.training.updates`. A step takes ``g + l2 p`` for the gradient, and returns ``l2/2 · Σ p²`` of the parameters as
they were before.
"""

from typing import Any

import numpy as np

from fcnet.engine.compiled import compiled
from fcnet.engine.masks import FIRST, PLACES, SECOND
from fcnet.types import Array

BLOCK = 1 << 12  # so many squares are added up in the dtype of the arrays, and their sums in float64


@compiled
def add_l2(dw: Array, w: Array, l2: float) -> float:
    """``dw += l2 w``; return ``l2/2 · Σ w²``."""
    dw, w, strength, penalty = dw.reshape(-1), w.reshape(-1), w.dtype.type(l2), 0.0
    for start in range(0, w.size, BLOCK):
        D, W = dw[start : start + BLOCK], w[start : start + BLOCK]
        squares = w.dtype.type(0)
        for i in range(W.size):
            squares += W[i] * W[i]
            D[i] += strength * W[i]
        penalty += 0.5 * l2 * squares
    return penalty if l2 else 0.0


@compiled
def _number(place: Any, one: Any, other: Any) -> Any:
    """Return the number of one place, see `numbers`; compilers do several signed comparisons at once, and not unsigned ones."""
    h = np.uint32(place * PLACES + one)
    h = np.uint32((h ^ (h >> np.uint32(16))) * FIRST)
    h = np.uint32((h ^ (h >> np.uint32(15)) ^ other) * SECOND)
    return np.int32((h ^ (h >> np.uint32(16))) >> np.uint32(1))


@compiled
def dropout(x: Array, one: int, other: int, place: int, below: int, scale: float, out: Array | None) -> None:
    """``out = 0`` where a number is below another, else ``scale x``; without `out`, x itself is changed."""
    x = x.reshape(-1)
    out = x if out is None else out.reshape(-1)
    factor, zero = x.dtype.type(scale), x.dtype.type(0)
    first, one_, other_, least = np.uint32(place), np.uint32(one), np.uint32(other), np.int32(below)
    for i in range(x.size):
        kept = factor * x[i]
        out[i] = kept if _number(np.uint32(first + i), one_, other_) >= least else zero


@compiled
def relu_backward(dout: Array, out: Array) -> None:
    """``dout = 0`` where ``out`` is not positive."""
    dout, out, zero = dout.reshape(-1), out.reshape(-1), out.dtype.type(0)
    for i in range(out.size):
        dout[i] = dout[i] if out[i] > zero else zero


@compiled
def scale_and_add(x: Array, factor: float, row: Array) -> None:
    n, d = x.shape
    scale = x.dtype.type(factor)
    for i in range(n):
        X = x[i]
        for j in range(d):
            X[j] = scale * X[j] + row[j]


@compiled
def bias_gradient(dout: Array, out: Array, factor: float) -> None:
    n, d = dout.shape
    scale = dout.dtype.type(factor)
    out[:] = dout.dtype.type(0)
    for i in range(n):
        g = dout[i]
        for j in range(d):
            out[j] += g[j]
            g[j] *= scale


@compiled
def layer_norm(x: Array, gamma: Array, beta: Array, epsilon: float, scales: Array, out: Array) -> None:
    """Normalise the rows of `x`, and write what they were multiplied by and ``γ x + β``."""
    n, d = x.shape
    real = x.dtype.type
    for i in range(n):
        row, y = x[i], out[i]
        total, squares = real(0), real(0)
        for j in range(d):
            total += row[j]
        mean = total / real(d)
        for j in range(d):
            row[j] -= mean
            squares += row[j] * row[j]
        scale = real(1) / np.sqrt(squares / real(d) + real(epsilon))
        scales[i, 0] = scale
        for j in range(d):
            row[j] *= scale
            y[j] = gamma[j] * row[j] + beta[j]


@compiled
def layer_norm_backward(dout: Array, z: Array, scales: Array, gamma: Array, dgamma: Array, dbeta: Array) -> None:
    """Replace `dout` by the gradient of the input, and write those of γ and β."""
    n, d = z.shape
    real = z.dtype.type
    dgamma[:] = real(0)
    dbeta[:] = real(0)
    for i in range(n):
        g, row = dout[i], z[i]
        total, along = real(0), real(0)
        for j in range(d):
            dgamma[j] += g[j] * row[j]
            dbeta[j] += g[j]
            g[j] *= gamma[j]
            total += g[j]
            along += g[j] * row[j]
        mean, slope, scale = total / real(d), along / real(d), scales[i, 0]
        for j in range(d):
            g[j] = scale * (g[j] - mean - slope * row[j])


@compiled
def softmax_cross_entropy(logits: Array, y: Array, losses: Array, label_smoothing: float) -> bool:
    """Write the loss of each row, and replace `logits` by the gradient of their mean; return False for labels that are none."""
    n, n_classes = logits.shape
    for i in range(n):
        if not -n_classes <= y[i] < n_classes:
            return False
    real = logits.dtype.type
    on, off, scale = real(1 - label_smoothing), real(label_smoothing / n_classes), real(1 / n)
    for i in range(n):
        row = logits[i]
        top = row[0]
        for j in range(1, n_classes):
            top = max(top, row[j])
        at_target = on * (row[y[i]] - top)
        total = real(0)
        for j in range(n_classes):
            shifted = row[j] - top
            at_target += off * shifted
            row[j] = np.exp(shifted)
            total += row[j]
        losses[i] = np.log(total) - at_target
        for j in range(n_classes):
            row[j] = scale * (row[j] / total - off)
        row[y[i]] -= scale * on
    return True


@compiled
def follow(average: Array, p: Array, share: float) -> None:
    average, p, step = average.reshape(-1), p.reshape(-1), p.dtype.type(share)
    for i in range(p.size):
        average[i] += step * (p[i] - average[i])


@compiled
def sgd(p: Array, g: Array, learning_rate: float, l2: float) -> float:
    real, penalty = p.dtype.type, 0.0
    p, g = p.reshape(-1), g.reshape(-1)
    lr, strength = real(learning_rate), real(l2)
    for start in range(0, p.size, BLOCK):
        P, G = p[start : start + BLOCK], g[start : start + BLOCK]
        squares = real(0)
        for i in range(P.size):
            old = P[i]
            squares += old * old
            P[i] = old - lr * (G[i] + strength * old)
        penalty += 0.5 * l2 * squares
    return penalty if l2 else 0.0


@compiled
def momentum(p: Array, g: Array, v: Array, learning_rate: float, momentum: float, l2: float) -> float:
    real, penalty = p.dtype.type, 0.0
    p, g, v = p.reshape(-1), g.reshape(-1), v.reshape(-1)
    lr, mu, strength = real(learning_rate), real(momentum), real(l2)
    for start in range(0, p.size, BLOCK):
        P, G, V = p[start : start + BLOCK], g[start : start + BLOCK], v[start : start + BLOCK]
        squares = real(0)
        for i in range(P.size):
            old = P[i]
            squares += old * old
            new = mu * V[i] - lr * (G[i] + strength * old)
            V[i] = new
            P[i] = old + new
        penalty += 0.5 * l2 * squares
    return penalty if l2 else 0.0


@compiled
def nesterov(p: Array, g: Array, v: Array, learning_rate: float, momentum: float, l2: float) -> float:
    real, penalty = p.dtype.type, 0.0
    p, g, v = p.reshape(-1), g.reshape(-1), v.reshape(-1)
    lr, mu, strength = real(learning_rate), real(momentum), real(l2)
    for start in range(0, p.size, BLOCK):
        P, G, V = p[start : start + BLOCK], g[start : start + BLOCK], v[start : start + BLOCK]
        squares = real(0)
        for i in range(P.size):
            old = P[i]
            squares += old * old
            descent = lr * (G[i] + strength * old)
            new = mu * V[i] - descent
            V[i] = new
            P[i] = old + mu * new - descent
        penalty += 0.5 * l2 * squares
    return penalty if l2 else 0.0


@compiled
def rmsprop(
    p: Array, g: Array, c: Array, learning_rate: float, decay_rate: float, rest: float, epsilon: float, l2: float
) -> float:
    real, penalty = p.dtype.type, 0.0
    p, g, c = p.reshape(-1), g.reshape(-1), c.reshape(-1)
    lr, decay, rest_, eps, strength = real(learning_rate), real(decay_rate), real(rest), real(epsilon), real(l2)
    for start in range(0, p.size, BLOCK):
        P, G, C = p[start : start + BLOCK], g[start : start + BLOCK], c[start : start + BLOCK]
        squares = real(0)
        for i in range(P.size):
            old = P[i]
            squares += old * old
            d = G[i] + strength * old
            new = decay * C[i] + rest_ * (d * d)
            C[i] = new
            P[i] = old - lr * d / np.sqrt(new + eps)
        penalty += 0.5 * l2 * squares
    return penalty if l2 else 0.0


@compiled
def adam(
    p: Array,
    g: Array,
    m: Array,
    v: Array,
    step_size: float,
    beta1: float,
    rest1: float,
    beta2: float,
    rest2: float,
    v_scale: float,
    epsilon: float,
    keep: float,
    l2: float,
) -> float:
    real, penalty = p.dtype.type, 0.0
    p, g, m, v = p.reshape(-1), g.reshape(-1), m.reshape(-1), v.reshape(-1)
    b1, r1, b2, r2 = real(beta1), real(rest1), real(beta2), real(rest2)
    step, scale, eps, kept, strength = real(step_size), real(v_scale), real(epsilon), real(keep), real(l2)
    for start in range(0, p.size, BLOCK):
        P, G = p[start : start + BLOCK], g[start : start + BLOCK]
        M, V = m[start : start + BLOCK], v[start : start + BLOCK]
        squares = real(0)
        for i in range(P.size):
            old = P[i]
            squares += old * old
            d = G[i] + strength * old
            first = b1 * M[i] + r1 * d
            second = b2 * V[i] + r2 * (d * d)
            M[i], V[i] = first, second
            P[i] = kept * old - step * first / (np.sqrt(scale * second) + eps)
        penalty += 0.5 * l2 * squares
    return penalty if l2 else 0.0
