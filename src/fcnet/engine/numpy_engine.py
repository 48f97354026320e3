"""The engine that computes with NumPy arrays and their BLAS."""

import math
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from fcnet.types import Array

BLOCK = 1 << 14  # elements: 64 KiB of float32, so that the few arrays of an update fit in a core's second-level cache


def blocks(*arrays: Array) -> Iterator[tuple[Array, ...]]:
    """Walk through arrays of one shape together, in flat views that are small enough for the cache."""
    if not all(a.flags.c_contiguous for a in arrays):  # flattened, these would be copies, and changes to them lost
        yield arrays
        return
    flat = [a.reshape(-1) for a in arrays]
    for start in range(0, flat[0].size, BLOCK):
        yield tuple(a[start : start + BLOCK] for a in flat)


class NumpyEngine:
    """Array operations into buffers that are made once and used again.

    Parameters
    ----------
    dtype : numpy dtype, default float32
        Type of every buffer; nothing is computed in a wider one.
    """

    name = "numpy"
    xp: ModuleType = np

    def __init__(self, dtype: DTypeLike = np.float32) -> None:
        self.dtype = np.dtype(dtype)
        self._buffers: dict[tuple[str, np.dtype[Any]], Array] = {}

    def buffer(self, name: str, shape: tuple[int, ...], dtype: DTypeLike | None = None) -> Array:
        """Return an uninitialised array of `shape`; the same memory at every call with `name`.

        The memory grows to the largest shape asked for, so that a last, smaller batch allocates nothing.
        """
        key = (name, np.dtype(dtype or self.dtype))
        size = math.prod(shape)
        flat = self._buffers.get(key)
        if flat is None or flat.size < size:
            flat = self._buffers[key] = np.empty(size, key[1])
        return flat[:size].reshape(shape)

    def affine(self, x: Array, W: Array, b: Array, out: Array) -> Array:
        """Write ``x W + b`` to `out`."""
        np.matmul(x, W, out=out)
        return np.add(out, b, out=out)

    def add_l2(self, dW: Array, W: Array, l2: float) -> float:
        """Add ``l2 · W`` to `dW` and return ``l2/2 · ΣW²``, whose gradient that is."""
        squares = 0.0
        for dw, w in blocks(dW, W):
            squares += float(np.vdot(w, w))
            dw += l2 * w
        return 0.5 * l2 * squares

    def relu(self, z: Array) -> Array:
        """Replace `z` by ``max(z, 0)``."""
        return np.maximum(z, 0, out=z)

    def relu_backward(self, dout: Array, out: Array) -> Array:
        """Set `dout` to zero where `out` is not positive."""
        on = np.greater(out, 0, out=self.buffer("relu on", out.shape, np.bool_))
        return np.multiply(dout, on, out=dout)  # np.copyto with a mask takes fifteen times as long

    def softmax_cross_entropy(self, logits: Array, y: Array, label_smoothing: float) -> float:
        """Replace `logits` by the gradient of the mean cross-entropy; return its value.

        Equations in `fcnet.nn.losses.softmax_cross_entropy`.
        """
        n, n_classes = logits.shape
        rows = np.arange(n)
        off = label_smoothing / n_classes
        on = 1.0 - label_smoothing
        logits -= logits.max(axis=1, keepdims=True)
        at_target = on * logits[rows, y]
        if off:
            at_target += off * logits.sum(axis=1)
        np.exp(logits, out=logits)
        totals = logits.sum(axis=1, keepdims=True)
        loss = float(np.mean(np.log(totals[:, 0]) - at_target))
        logits /= totals
        logits[rows, y] -= on
        if off:
            logits -= off
        logits *= 1.0 / n
        return loss
