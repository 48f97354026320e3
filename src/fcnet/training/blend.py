"""A network for tables and a linear model of the same inputs, blended."""

import numpy as np

from fcnet.nn.each_network import logits_of_each
from fcnet.nn.losses import Loss
from fcnet.nn.tabular_network import TabularNet
from fcnet.training.baselines import OF_LINEAR, fit_linear, rows_to_fit
from fcnet.training.calibration import effective_rows, few_enough
from fcnet.training.target_scale import meet_constants
from fcnet.types import Array

SHARES = np.linspace(0, 1, 11)


def one_hot_inputs(X: Array, network: TabularNet) -> Array:
    """Return inputs of a network with its categories one-hot, the missing one of each first: sparse, where it has any."""
    if not network.category_sizes:
        return X
    from scipy.sparse import csr_array

    n, m, sizes = len(X), network.n_numbers, np.array(network.category_sizes)
    codes, values = X[:, m:], np.ones(X.shape, X.dtype)
    values[:, :m] = X[:, :m]
    first = m + np.cumsum(sizes + 1) - (sizes + 1)
    columns = np.empty(X.shape, np.int64)
    columns[:, :m], columns[:, m:] = np.arange(m), first + np.where((codes >= 0) & (codes < sizes), codes + 1, 0)
    places = np.arange(0, X.size + 1, X.shape[1])
    found: Array = csr_array((values.reshape(-1), columns.reshape(-1), places), shape=(n, m + int((sizes + 1).sum())))
    return found


def mean_share(loss: Loss, logits: Array, linear: Array, y: Array, weights: Array | None = None) -> Array:
    """Return the share of a linear model's logits (n, k) with those of networks: a mean of shares, each by its likelihood.

    Classes have one together, (1,). Each output of a regression has one of its own, (k,): a share for all of them would be that
    of the output with the largest unit.

    With all shares alike before, that is what is to be expected after having seen the rows; of many rows it is the best share.
    The likelihood is that of classes, or of values with normal errors, whose variance is what they have. The logits of the
    networks, (n_networks, n, k), are blended one by one, as `TabularNet.with_shortcut` does, and then averaged.
    """
    logits, linear = logits.astype(np.float64), linear.astype(np.float64)
    if not loss.has_labels and linear.shape[1] > 1:
        columns = [np.s_[..., j : j + 1] for j in range(linear.shape[1])]
        return np.concatenate([mean_share(loss, logits[j], linear[j], y[j], weights) for j in columns])
    costs = np.array([loss.value(loss.averaged((1 - share) * logits + share * linear), y, weights) for share in SHARES])
    if not loss.has_labels:
        costs = np.log(np.maximum(costs, np.finfo(costs.dtype).tiny)) / 2
    return np.average(SHARES, weights=np.exp(effective_rows(len(y), weights) * (costs.min() - costs)), keepdims=True)


def blend(
    network: TabularNet,
    X: Array,
    y: Array,
    X_val: Array | None = None,
    y_val: Array | None = None,
    *,
    weights: Array | None = None,
    val_weights: Array | None = None,
    share: Array | None = None,
) -> tuple[TabularNet, Array | None]:
    """Fit a linear model, and return the network whose logits are a mean of its own and those of the linear model.

    Parameters
    ----------
    network : TabularNet
    X, y : arrays (n, n_inputs) and (n,) or (n, n_outputs)
        Preprocessed training rows, and their targets in the unit of the network's predictions.
    X_val, y_val : likewise, optional
        Rows that choose the share, see `mean_share`. Of more than two million logits as many rows as have these are used,
        drawn at random, always the same ones.
    weights, val_weights : arrays (n,), optional
        How much each row counts.
    share : array (1,) or (n_outputs,), optional
        The share, where it is known already.

    Returns
    -------
    network : TabularNet
        One that meets targets that are always the same exactly. It is the given one for other losses than the
        cross-entropy of classes and the squared error, and without validation rows.
    share : array (1,) or (n_outputs,), optional
        Of all classes together, or of each value; None where there is no linear model.
    """
    if network.loss.name not in OF_LINEAR or (share is None and X_val is None):
        return network, None
    n_inputs = network.n_numbers + sum(network.category_sizes) + len(network.category_sizes)
    rows = rows_to_fit(len(X), n_inputs, network.n_classes)
    linear = fit_linear(
        network.loss, one_hot_inputs(X[rows], network), y[rows], network.n_classes, None if weights is None else weights[rows]
    )
    W, bias = linear.params.values()
    if share is None:
        assert X_val is not None
        assert y_val is not None
        linear_logits = np.asarray(one_hot_inputs(X_val, network) @ W) + bias
        share = mean_share(network.loss, *few_enough(logits_of_each(network, X_val), linear_logits, y_val, val_weights))
    blended = network.with_shortcut(share, W, bias)
    if not network.loss.has_labels:  # the bias is rounded
        meet_constants(blended, y)
    return blended, share
