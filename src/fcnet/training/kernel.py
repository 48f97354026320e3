"""Kernel regression as a two-layer network: a hidden unit for every training row, and output weights that are solved for."""

import logging

import numpy as np

from fcnet.engine import default_engine, get_engine
from fcnet.engine.products import Matmul, matmul
from fcnet.errors import InputError
from fcnet.nn.network import FullyConnectedNet
from fcnet.training.calibration import best_scale, multiply_logits
from fcnet.types import Array

BLOCK = 2048  # rows of the kernel matrix at once

_log = logging.getLogger(__name__)


def fit_kernel(
    X: Array,
    y: Array,
    n_classes: int,
    *,
    gamma: float = 0.75,
    ridge: float = 2e-3,
    signs: Array | None = None,
    engine: str | None = None,
) -> tuple[FullyConnectedNet, Array]:
    """Return the two-layer network that is kernel ridge regression on the labels, and its logits of the training rows.

    Its hidden units are ``h_i(x) = exp(2γ (x_i · x − 1))`` for the training rows x_i: of rows of length one the Gaussian kernel
    ``exp(−γ ‖x − x_i‖²)``. Its output weights ``a`` solve ``(K + λ I) a = Y − 1/C`` with ``K_ij = h_i(x_j)``; 1/C is the bias
    of the logits (a "regularisation network", Poggio & Girosi 1990). It takes 2 n² bytes and n³/6 multiplications.

    Parameters
    ----------
    X : float32 array (n, n_inputs)
        Rows of length one.
    y : integer array (n,)
        Class numbers.
    n_classes, gamma, ridge : int, float, float
        C, γ and λ.
    signs : float32 array (n_inputs,), optional
        What mirroring multiplies the inputs by: K is then the mean over rows and their mirror images, which fits logits that
        are averaged over both.
    engine : str, optional
        Its products make K; the network has that of the default.

    Returns
    -------
    network : FullyConnectedNet
    fitted : float32 array (n, n_classes)
        Its logits of the training rows, averaged over their mirror images where there are `signs`.

    Raises
    ------
    InputError
        If K is not positive definite, which a larger `ridge` mends, or there is no finite solution.
    """
    n, n_inputs = X.shape
    of_engine = get_engine(engine or default_engine(), "float32").matmul
    targets = np.eye(n_classes, dtype=np.float32)[y]
    K = _kernel(X, gamma, ridge, signs, of_engine)
    weights = _solve(K, targets - np.float32(1 / n_classes))
    params = {
        "W1": np.float32(2 * gamma) * X.T,
        "b1": np.full(n, -2 * gamma, np.float32),
        "W2": weights,
        "b2": np.full(n_classes, 1 / n_classes, np.float32),
    }
    if not np.isfinite(weights).all():
        raise InputError("The kernel regression has no finite solution: inputs are not finite, or gamma is too large.")
    # Terms that cancel one another are added up: products of fewer bits than float32's would spoil the logits.
    network = FullyConnectedNet([n_inputs, n, n_classes], activation="exp", params=params)
    return network, targets - np.float32(ridge) * weights


def room_for_kernel(n: int) -> list[Array]:
    """Return an empty symmetric matrix, float32: blocks of its rows, each as far as the diagonal reaches in it."""
    shapes = [(min(BLOCK, n - start), min(start + BLOCK, n)) for start in range(0, n, BLOCK)]
    ends = np.cumsum([n_rows * n_columns for n_rows, n_columns in shapes])
    try:
        room = np.empty(ends[-1], np.float32)
    except MemoryError:
        raise InputError(f"A kernel of {n:,} rows needs {4e-9 * ends[-1]:.1f} GB of memory; use fewer rows.") from None
    return [part.reshape(shape) for part, shape in zip(np.split(room, ends[:-1]), shapes, strict=True)]


def _kernel(X: Array, gamma: float, ridge: float, signs: Array | None, matmul: Matmul) -> list[Array]:
    """Return K + λ I as `room_for_kernel` lays it out."""
    K = room_for_kernel(len(X))
    for block, own in zip(K, _rows_of(K), strict=True):
        rows, before = X[own], X[: own.stop]
        block[...] = _similarity(rows, before, gamma, matmul)
        if signs is not None:
            block += _similarity(rows * signs, before, gamma, matmul)
            block /= 2
        block[:, own][np.diag_indices(len(rows))] += np.float32(ridge)
        _log.info("Kernel of rows: %s of %s", f"{own.stop:,}", f"{len(X):,}")
    return K


def _rows_of(blocks: list[Array]) -> list[slice]:
    """Return which rows of the matrix each block has; the columns of the same numbers are its last."""
    return [slice(block.shape[1] - len(block), block.shape[1]) for block in blocks]


def _similarity(rows: Array, others: Array, gamma: float, matmul: Matmul) -> Array:
    similarity = matmul(rows, others.T)
    similarity -= 1
    similarity *= 2 * gamma
    return np.exp(similarity, out=similarity)


def _solve(A: list[Array], b: Array) -> Array:
    """Return the solution of A x = b for a symmetric matrix as `room_for_kernel` lays it out, which is used up.

    By Cholesky factors, block by block: what LAPACK does at once needs the other half of the matrix, too, and cannot be indexed
    by 32 bits with more than 46,340 rows.
    """
    from scipy.linalg import LinAlgError, cholesky, solve_triangular

    x = b.copy()
    parts = _rows_of(A)
    for k, own in enumerate(parts):
        try:
            corner = cholesky(A[k][:, own], lower=True, check_finite=False)
        except LinAlgError:
            raise InputError("The kernel matrix is not positive definite: choose a larger ridge.") from None
        A[k][:, own] = corner
        x[own] = solve_triangular(corner, x[own], lower=True, check_finite=False)
        for i in range(k + 1, len(A)):
            A[i][:, own] = solve_triangular(corner, A[i][:, own].T, lower=True, check_finite=False).T
            x[parts[i]] -= matmul(A[i][:, own], x[own])
            for j in range(k + 1, i + 1):
                A[i][:, parts[j]] -= matmul(A[i][:, own], A[j][:, own].T)
        _log.info("Cholesky factors: %s of %s", f"{own.stop:,}", f"{len(b):,}")
    for k, own in reversed(list(enumerate(parts))):
        x[own] = solve_triangular(A[k][:, own], x[own], lower=True, trans="T", check_finite=False)
        x[: own.start] -= A[k][:, : own.start].T @ x[own]
    return x


def calibrate(network: FullyConnectedNet, logits: Array, y: Array) -> float:
    """Multiply a network's logits by the number that has them fit labels best, and return it.

    Regressions on labels are shares of classes, whose softmax would hardly tell them apart. The number minimises the
    cross-entropy (temperature scaling, Guo et al. 2017).

    Parameters
    ----------
    network : FullyConnectedNet
        Its last weights and biases are changed.
    logits : array (n, n_classes)
        Of rows that it was not fitted on.
    y : integer array (n,)
    """
    scale = best_scale(lambda scale: network.loss.value(np.float64(scale).astype(logits.dtype) * logits, y), 0, 6)
    multiply_logits(network, scale)
    return scale
