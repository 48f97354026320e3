"""Losses: each returns its value and the gradient with respect to the logits."""

import numpy as np

from fcnet.engine import NumpyEngine
from fcnet.types import Array


def softmax(logits: Array) -> Array:
    """Return ``p_ij = exp(s_ij) / Σ_k exp(s_ik)``, rows that sum to one, shape and dtype of `logits`."""
    p = logits - logits.max(axis=1, keepdims=True)
    np.exp(p, out=p)
    return np.asarray(np.divide(p, p.sum(axis=1, keepdims=True), out=p))


def softmax_cross_entropy(logits: Array, y: Array, engine: NumpyEngine, label_smoothing: float = 0.0) -> tuple[float, Array]:
    """Mean cross-entropy of the softmax of `logits` against class numbers `y`.

    ``L = -1/n Σ_i Σ_j q_ij log p_ij`` with ``p = softmax(logits)`` and ``q_ij = (1 - ε) [j = y_i] + ε / C``, where ε is the
    label smoothing (Szegedy et al. 2016, section 7); ``∂L/∂logits = (p - q) / n``.

    Parameters
    ----------
    logits : array (n, C)
        Overwritten by the gradient.
    y : integer array (n,)
        Class numbers 0 … C-1.
    engine : NumpyEngine
    label_smoothing : float in [0, 1)

    Returns
    -------
    loss : float
    dlogits : array (n, C)
        The memory of `logits`.
    """
    return engine.softmax_cross_entropy(logits, y, label_smoothing), logits


def cross_entropy(logits: Array, y: Array) -> float:
    """Return the mean cross-entropy ``-1/n Σ_i log softmax(logits)_{i, y_i}`` of logits (n, C) and class numbers (n,)."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    at_label = shifted[np.arange(len(y)), y]
    return float(np.mean(np.log(np.exp(shifted).sum(axis=1)) - at_label))
