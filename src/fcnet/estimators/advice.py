"""Warnings about fits that do not do what was hoped for."""

import warnings
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from fcnet.nn.network import FullyConnectedNet
from fcnet.types import Array

ROWS_TO_JUDGE_BY = 10_000
NOT_OF_LBFGS = ("dropout", "input_dropout", "early_stopping", "callbacks", "progress", "checkpoint")


def warn_of_what_lbfgs_leaves_out(estimator: Any, validation: tuple[Any, Any]) -> None:
    """Warn of parameters that L-BFGS has no use for."""
    names = [name for name in NOT_OF_LBFGS if getattr(estimator, name)] + ["X_val"] * (validation[0] is not None)
    if names:
        message = f"solver='lbfgs' leaves out {', '.join(names)}: take another solver for that."
        warnings.warn(message, UserWarning, stacklevel=6)


def warn_if_nothing_is_learnt(network: FullyConnectedNet, X: Any, y: Array, weights: Array | None) -> None:
    """Warn where the best answer that is the same for all rows costs no more than the network's."""
    loss, n = network.loss, X.shape[0]
    if n > ROWS_TO_JUDGE_BY:
        rows = np.random.default_rng(0).choice(n, ROWS_TO_JUDGE_BY, replace=False)
        X, y, weights = X[rows], y[rows], None if weights is None else weights[rows]
    constant = np.broadcast_to(loss.constant_logits(y, network.n_classes, weights), (len(y), network.n_classes))
    reached, without = loss.value(network.logits(X), y, weights), loss.value(constant, y, weights)
    if reached >= without and (y != y[0]).any():  # a constant target needs no inputs
        message = (
            f"The network has learnt no more than one answer for all rows has to say, by its loss on the training rows: it is "
            f"{reached:.4g}, that of the answer {without:.4g}. Try a larger max_iter or another learning_rate_init, and with "
            "scale_inputs=False scale X, by StandardScaler for one."
        )
        warnings.warn(message, ConvergenceWarning, stacklevel=7)
