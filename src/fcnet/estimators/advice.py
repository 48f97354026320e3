"""Warnings about fits that do not do what was hoped for."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from fcnet.estimators.parameters import Parameters
from fcnet.nn.network import FullyConnectedNet
from fcnet.types import Array

ROWS_TO_JUDGE_BY = 10_000
NOT_OF_LBFGS = ("dropout", "input_dropout", "early_stopping", "callbacks", "progress", "checkpoint")


def left_out(parameters: Parameters, n_rows: int, has_validation: bool) -> Iterator[Warning]:
    """Yield what is to be said of parameters that are left out or changed."""
    if parameters.solver == "lbfgs":
        names = [name for name in NOT_OF_LBFGS if getattr(parameters, name)] + ["X_val"] * has_validation
        if names:
            yield UserWarning(f"solver='lbfgs' leaves out {', '.join(names)}: take another solver for that.")
    elif not isinstance(parameters.batch_size, str) and parameters.batch_size > n_rows:
        yield UserWarning("Got `batch_size` larger than sample size. It is going to be clipped.")


def nothing_learnt(network: FullyConnectedNet, X: Any, y: Array, weights: Array | None) -> Iterator[Warning]:
    """Yield what is to be said where the best answer that is the same for all rows costs no more than the network's."""
    loss, n = network.loss, X.shape[0]
    if n > ROWS_TO_JUDGE_BY:
        rows = np.random.default_rng(0).choice(n, ROWS_TO_JUDGE_BY, replace=False)
        X, y, weights = X[rows], y[rows], None if weights is None else weights[rows]
    constant = np.broadcast_to(loss.constant_logits(y, network.n_classes, weights), (len(y), network.n_classes))
    reached, without = loss.value(network.logits(X), y, weights), loss.value(constant, y, weights)
    if reached >= without and (y != y[0]).any():  # a constant target needs no inputs
        yield ConvergenceWarning(
            f"The network has learnt no more than one answer for all rows has to say, by its loss on the training rows: it is "
            f"{reached:.4g}, that of the answer {without:.4g}. Try a larger max_iter or another learning_rate_init, and with "
            "scale_inputs=False scale X, by StandardScaler for one."
        )
