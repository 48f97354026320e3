"""The engine that computes with NumPy arrays and their BLAS."""

import math
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from fcnet.engine.masks import N_NUMBERS, Seed, draw_seed, numbers
from fcnet.engine.products import ONE_THREAD_WORK, Matmul, matmul
from fcnet.engine.table_operations import TableOperations
from fcnet.threads import is_sharing, one_blas_thread
from fcnet.types import Array, is_sparse

BLOCK_BYTES = 1 << 15  # so that the few arrays of an update fit in a core's second-level cache


def blocks(*arrays: Array) -> Iterator[tuple[Array, ...]]:
    """Walk through arrays of one shape together, in flat views that are small enough for the cache."""
    if not all(a.flags.c_contiguous for a in arrays):  # flattened, these would be copies, and changes to them lost
        yield arrays
        return
    flat = [a.reshape(-1) for a in arrays]
    size = BLOCK_BYTES // flat[0].itemsize
    for start in range(0, flat[0].size, size):
        yield tuple(a[start : start + size] for a in flat)


def cross_entropies(logits: Array, y: Array, label_smoothing: float = 0.0) -> Array:
    """Replace `logits` by their softmax; return the cross-entropy of each row, (n,), as in `fcnet.nn.losses.CrossEntropy`."""
    logits -= logits.max(axis=1, keepdims=True)  # so that no exponential overflows
    at_target = (1.0 - label_smoothing) * logits[np.arange(len(logits)), y]
    if label_smoothing:
        at_target += label_smoothing / logits.shape[1] * logits.sum(axis=1)
    np.exp(logits, out=logits)
    totals = logits.sum(axis=1, keepdims=True)
    logits /= totals
    return np.asarray(np.log(totals[:, 0]) - at_target)


def _with_l2(penalty: float, g: Array, p: Array, l2: float) -> tuple[float, Array]:
    return (penalty + 0.5 * l2 * float(np.vdot(p, p)), g + l2 * p) if l2 else (penalty, g)


class _Buffers(threading.local):
    """The buffers of each thread, so that several threads may predict with one network."""

    def __init__(self) -> None:
        self.made: dict[tuple[str, DTypeLike | None], tuple[Array, Array]] = {}  # memory, and the array last made of it


class NumpyEngine(TableOperations):
    """Array operations that write into buffers, which are allocated once and used again.

    Layers take functions of arrays from `xp`. What goes over memory several times is a method, which another engine can replace
    it by a fused kernel.

    Parameters
    ----------
    dtype : numpy dtype, default float32
        Type of every buffer; nothing is computed in a wider one.
    """

    name = "numpy"
    xp: ModuleType = np
    dtypes: tuple[str, ...] = ("float32", "float64")
    matmul: Matmul = staticmethod(matmul)
    blocks = staticmethod(blocks)

    def __init__(self, dtype: DTypeLike = np.float32) -> None:
        self.dtype = np.dtype(dtype)
        self._buffers = _Buffers()
        self.seeds: Mapping[str, Seed] | None = None

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return type(self), (self.dtype,)  # a copy makes buffers of its own

    def buffer(self, name: str, shape: tuple[int, ...], dtype: DTypeLike | None = None) -> Array:
        """Return an uninitialised array of `shape`: the same memory at every call with `name` in a thread.

        The memory grows to the largest shape asked for. A last, smaller batch allocates nothing.
        """
        made = self._buffers.made
        memory, array = made.get((name, dtype), (None, None))
        if array is not None and array.shape == shape:
            return array
        size = math.prod(shape)
        if memory is None or memory.size < size:
            memory = np.empty(size, dtype or self.dtype)
        array = memory[:size].reshape(shape)
        made[name, dtype] = memory, array
        return array

    def seed(self, name: str, rng: np.random.Generator) -> Seed:
        """Draw the seed of a mask, or return the one that `seeds` has under that name."""
        return draw_seed(rng) if self.seeds is None else self.seeds[name]

    def sharing(self, work: float = math.inf) -> AbstractContextManager[None]:
        """Return a context in which threads share large matrix products, and small ones take one thread.

        `work` is that of the largest product. Where a BLAS would not share it, the context changes nothing.
        """
        return nullcontext() if work < ONE_THREAD_WORK or is_sharing() else one_blas_thread()

    def affine(self, x: Array, W: Array, b: Array, out: Array, factor: float = 1.0) -> Array:
        """Write ``factor x W + b`` to `out`."""
        if is_sparse(x):
            out[...] = x @ W
        else:
            self.matmul(x, W, out=out)
        return self.scale_and_add(out, factor, b)

    def scale_and_add(self, x: Array, factor: float, row: Array, /) -> Array:
        """Multiply `x` by a factor, and add a row to each of its rows."""
        if factor != 1.0:
            x *= factor
        return np.add(x, row, out=x)

    def bias_gradient(self, dout: Array, out: Array, factor: float = 1.0, /) -> Array:
        """Write ``Σ_rows dout`` to `out`, and then multiply `dout` by a factor."""
        np.sum(dout, axis=0, out=out)
        if factor != 1.0:
            dout *= factor
        return out

    def weight_gradient(self, x: Array, dout: Array, out: Array) -> Array:
        """Write ``xᵀ dout`` to `out`."""
        if is_sparse(x):
            out[...] = x.T @ dout
            return out
        return self.matmul(x.T, dout, out=out)

    def add_l2(self, dW: Array, W: Array, l2: float, /) -> float:
        """Add ``l2 · W`` to `dW` and return ``l2/2 · ΣW²``, whose gradient that is."""
        squares = 0.0
        for dw, w in blocks(dW, W):
            squares += float(np.vdot(w, w))
            dw += l2 * w
        return 0.5 * l2 * squares

    def layer_norm(self, x: Array, gamma: Array, beta: Array, epsilon: float, scales: Array, out: Array, /) -> None:
        """Replace the rows of `x` by their normalised values z; write what they were multiplied by and ``γ z + β``."""
        x -= x.mean(axis=1, keepdims=True)
        np.square(x, out=out)
        np.mean(out, axis=1, keepdims=True, out=scales)
        scales += epsilon
        np.sqrt(scales, out=scales)
        np.divide(1, scales, out=scales)
        x *= scales
        np.multiply(x, gamma, out=out)
        out += beta

    def layer_norm_backward(self, dout: Array, z: Array, scales: Array, gamma: Array, dgamma: Array, dbeta: Array, /) -> None:
        """Replace `dout` by the gradient of the input, and write those of γ and β; `z` and `scales` are `layer_norm`'s."""
        np.sum(dout, axis=0, out=dbeta)
        product = np.multiply(dout, z, out=self.buffer("layer norm", z.shape))
        np.sum(product, axis=0, out=dgamma)
        dout *= gamma
        np.multiply(dout, z, out=product)
        along = product.mean(axis=1, keepdims=True)
        dout -= dout.mean(axis=1, keepdims=True)
        dout -= np.multiply(z, along, out=product)
        dout *= scales

    def dropout(self, x: Array, seed: Seed, below: int, out: Array | None = None, /) -> Array:
        """Return 0 where a number of the seed is below another, else `x` by the share of those that are not; `out` may be x."""
        out, place = x if out is None else out, seed.place
        for source, kept in blocks(x, out):
            np.multiply(source, N_NUMBERS / (N_NUMBERS - below), out=kept)
            kept *= numbers(seed._replace(place=place), kept.shape) >= below
            place += kept.size
        return out

    def relu(self, z: Array) -> Array:
        """Replace `z` by ``max(z, 0)``."""
        return np.maximum(z, 0, out=z)

    def relu_backward(self, dout: Array, out: Array, /) -> Array:
        """Set `dout` to zero where `out` is not positive."""
        on = np.greater(out, 0, out=self.buffer("relu on", out.shape, np.bool_))
        return np.multiply(dout, on, out=dout)  # np.copyto with a mask takes fifteen times as long

    def softmax_cross_entropy(self, logits: Array, y: Array, label_smoothing: float, weights: Array | None = None) -> float:
        """Replace `logits` by the gradient of the mean cross-entropy; return its value.

        Equations in `fcnet.nn.losses.CrossEntropy`.
        """
        n, n_classes = logits.shape
        loss = float(np.average(cross_entropies(logits, y, label_smoothing), weights=weights))
        logits[np.arange(n), y] -= 1.0 - label_smoothing
        if label_smoothing:
            logits -= label_smoothing / n_classes
        logits *= 1.0 / n if weights is None else (weights / weights.sum())[:, np.newaxis]
        return loss

    def follow(self, average: Array, p: Array, share: float, /) -> None:
        """Move an average a share of the way to `p`."""
        for A, P in blocks(average, p):
            A += A.dtype.type(share) * (P - A)

    # The steps of the update rules; their equations are in `fcnet.training.updates`. Each takes ``g + l2 p`` for the gradient,
    # and returns ``l2/2 · Σ p²`` of the parameters as they were before. The penalty therefore needs no pass of its own.

    def sgd(self, p: Array, g: Array, learning_rate: float, l2: float, /) -> float:
        """Change `p`."""
        penalty = 0.0
        for P, G in blocks(p, g):
            penalty, G = _with_l2(penalty, G, P, l2)
            P -= learning_rate * G
        return penalty

    def momentum(self, p: Array, g: Array, v: Array, learning_rate: float, mu: float, l2: float, /) -> float:
        """Change `p` and the velocity `v`."""
        penalty = 0.0
        for P, G, V in blocks(p, g, v):
            penalty, G = _with_l2(penalty, G, P, l2)
            V *= mu
            V -= learning_rate * G
            P += V
        return penalty

    def nesterov(self, p: Array, g: Array, v: Array, learning_rate: float, mu: float, l2: float, /) -> float:
        """Change `p` and the velocity `v`."""
        penalty = 0.0
        for P, G, V in blocks(p, g, v):
            penalty, G = _with_l2(penalty, G, P, l2)
            descent = learning_rate * G
            V *= mu
            V -= descent
            P -= descent
            P += mu * V
        return penalty

    def rmsprop(
        self, p: Array, g: Array, c: Array, learning_rate: float, decay: float, rest: float, epsilon: float, l2: float, /
    ) -> float:
        """Change `p` and the cache `c`."""
        penalty = 0.0
        for P, G, C in blocks(p, g, c):
            penalty, G = _with_l2(penalty, G, P, l2)
            C *= decay
            C += rest * (G * G)
            P -= learning_rate * G / np.sqrt(C + epsilon)
        return penalty

    def adam(
        self,
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
        /,
    ) -> float:
        """Change `p`, scaled by `keep` before, and the moments `m` and `v`."""
        penalty = 0.0
        for P, G, M, V in blocks(p, g, m, v):
            penalty, G = _with_l2(penalty, G, P, l2)
            M *= beta1
            M += rest1 * G
            V *= beta2
            V += rest2 * (G * G)
            if keep != 1.0:
                P *= keep
            P -= step_size * M / (np.sqrt(v_scale * V) + epsilon)
        return penalty
