"""Warnings about fits that do not do what was hoped for."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from fcnet.estimators.parameters import Parameters
from fcnet.nn.loss import weighted_mean
from fcnet.nn.losses import Loss
from fcnet.nn.network import FullyConnectedNet
from fcnet.training.gain import is_better
from fcnet.training.metrics import AUTO
from fcnet.training.target_scale import TargetScale
from fcnet.types import Array
from fcnet.words import number_words

ROWS_TO_JUDGE_BY = 10_000
NOT_OF_LBFGS = ("dropout", "input_dropout", "early_stopping", "callbacks", "progress", "checkpoint")


def left_out(parameters: Parameters, n_rows: int, has_validation: bool) -> Iterator[Warning]:
    """Yield what is to be said of parameters that are left out or changed."""
    if parameters.solver == "lbfgs":
        names = [name for name in NOT_OF_LBFGS if getattr(parameters, name)]
        if has_validation and getattr(parameters, "threshold", None) != AUTO:  # which is chosen on these rows
            names.append("X_val")
        if names:
            yield UserWarning(f"solver='lbfgs' leaves out {', '.join(names)}: take another solver for that.")
    elif not isinstance(parameters.batch_size, str) and parameters.batch_size > n_rows:
        yield UserWarning("Got `batch_size` larger than sample size. It is going to be clipped.")


def nothing_learnt(network: FullyConnectedNet, X: Any, y: Array, weights: Array | None) -> Iterator[Warning]:
    """Yield what is to be said where the best answer that is the same for all rows costs no more than the network's."""
    n = X.shape[0]
    if n > ROWS_TO_JUDGE_BY:
        rows = np.random.default_rng(0).choice(n, ROWS_TO_JUDGE_BY, replace=False)
        X, y, weights = X[rows], y[rows], None if weights is None else weights[rows]
    loss = network.loss
    constant = np.broadcast_to(loss.constant_logits(y, network.n_classes, weights), (len(y), network.n_classes))
    reached, without = (loss.value(logits, y, weights) for logits in (network.logits(X), constant))
    if reached >= without and (y != y[0]).any():  # a constant target needs no inputs
        own, other = map(number_words, (reached, without))
        yield ConvergenceWarning(
            f"The network has learnt no more than one answer for all rows has to say, by its loss on the training rows: it is "
            f"{own}, that of the answer {other}. Try a larger max_iter or another learning_rate_init, and with "
            "scale_inputs=False scale X, by StandardScaler for one."
        )


def no_better(
    loss: Loss,
    logits: Array,
    y: Array,
    weights: Array | None,
    y_train: Array,
    train_weights: Array | None,
    scale: TargetScale | None = None,
    *,
    is_blended: bool = False,
) -> Iterator[Warning]:
    """Yield what is to be said where the answer that is best for all training rows costs no more on validation rows.

    What is more is judged by `fcnet.training.gain.is_better`. Where all rows have the same target, nothing is said.

    Parameters
    ----------
    loss : Loss
    logits, y : arrays (n, k), and (n,) or (n, n_outputs)
        A network's logits of validation rows, and the targets of these.
    y_train : array (m,) or (m, n_outputs)
        Those of the training rows.
    weights, train_weights : arrays (n,) and (m,), optional
        How much each row counts.
    scale : TargetScale, optional
        That the network was trained in. Several values are judged in it together: the loss in their own units would be that of
        the one with the largest.
    is_blended : bool
        Whether a linear model has a share in the logits.
    """
    if (y == y[0]).all():
        return
    constant = np.broadcast_to(loss.constant_logits(y_train, logits.shape[1], train_weights), logits.shape)
    in_scale = ""
    if scale is not None and y.shape[1] > 1:
        logits, constant, y = scale.of_logits(logits), scale.of_logits(constant), scale.apply(y)
        in_scale = " in the scale of training"
    own, other = loss.losses(logits, y), loss.losses(constant, y)
    if is_better(own, other, weights) is not False:
        return
    if loss.has_labels and weighted_mean(other, weights) * len(y) < 1:  # the shares leave nothing to learn
        return
    costs = [weighted_mean(losses, weights) for losses in (own, other)]
    better = "not clearly better" if costs[0] < costs[1] else "no better"
    reached, without = map(number_words, costs)
    what, cost = ("the class shares", "log-loss") if loss.has_labels else ("one answer for all rows", "loss")
    blended = ", with a linear model blended in," * is_blended
    yield ConvergenceWarning(
        f"The network{blended} predicts {better} than {what}: on the {len(y):,} validation rows its {cost}{in_scale} is "
        f"{reached}, and {without} without any column. The columns may say nothing of the target. If they do, try more rows, "
        "or another learning_rate or monitor."
    )
