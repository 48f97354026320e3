"""The linear model that a network is compared with, of the same inputs."""

import warnings

import numpy as np

from fcnet.nn.loss import TINY, Loss
from fcnet.nn.network import FullyConnectedNet
from fcnet.types import Array

OF_LINEAR = ("cross_entropy", "squared_error")  # the losses for which there is a linear model
MOST_PRODUCTS, FEWEST_OUTPUTS, MOST_ITERATIONS = 10**8, 10, 100


def rows_to_fit(n_rows: int, n_inputs: int, n_outputs: int) -> Array:
    """Return which of so many rows a linear model is fitted on."""
    most = max(1, MOST_PRODUCTS // (n_inputs * max(FEWEST_OUTPUTS, n_outputs)))
    return np.arange(n_rows) if n_rows <= most else np.sort(np.random.default_rng(0).permutation(n_rows)[:most])


def fit_linear(loss: Loss, X: Array, y: Array, n_outputs: int, weights: Array | None = None) -> FullyConnectedNet:
    """Fit a linear model, in a few seconds at most, and return it as a network without hidden layers.

    Of classes it is scikit-learn's `LogisticRegression`, with its default penalty and at most 100 iterations, whether they have
    converged or not; of numbers its `Ridge`. Where rows · inputs · outputs are more than 10⁸, outputs counted as 10 at least,
    it is fitted on as many rows as that allows, which are drawn at random, always the same ones.

    Parameters
    ----------
    loss : Loss
        The cross-entropy of classes, or the squared error.
    X : array or CSR array (n, n_inputs)
        Preprocessed training rows.
    y : array (n,) or (n, n_outputs)
    n_outputs : int
    weights : array (n,), optional
        How much each row counts, in relation to the others.
    """
    from sklearn.linear_model import LogisticRegression, Ridge

    rows = rows_to_fit(X.shape[0], X.shape[1], n_outputs)
    if len(rows) < X.shape[0]:
        X, y, weights = X[rows], y[rows], None if weights is None else weights[rows]
    if weights is not None:  # else their unit would say how much the penalty counts
        weights = weights / weights.mean(dtype=np.float64)
    W, b = np.zeros((X.shape[1], n_outputs)), loss.constant_logits(y, n_outputs, weights)
    if not loss.has_labels:
        model = Ridge().fit(X, y, weights)
        W, b = model.coef_.reshape(n_outputs, -1).T, np.reshape(model.intercept_, n_outputs)  # of one it gives fewer axes
    elif len(found := np.unique(y)) > 1:  # of one class the constant is right
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it has not converged
            model = LogisticRegression(max_iter=MOST_ITERATIONS).fit(X, y, weights)
        of_two = len(found) == 2  # which scikit-learn has one logit for
        W[:, found] = np.pad(model.coef_, ((int(of_two), 0), (0, 0))).T
        b[found] = np.pad(model.intercept_, (int(of_two), 0))
        b[np.setdiff1d(np.arange(n_outputs), found)] = np.log(TINY)
    if not np.isfinite(W).all():  # of inputs that are not scaled
        W, b = np.zeros_like(W), loss.constant_logits(y, n_outputs, weights)
    params = {"W1": W.astype(X.dtype), "b1": b.astype(X.dtype)}
    return FullyConnectedNet([X.shape[1], n_outputs], loss=loss.name, dtype=X.dtype, params=params)
