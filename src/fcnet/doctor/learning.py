"""Whether a network can learn a few rows by heart."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from fcnet.doctor.finding import Finding
from fcnet.errors import FcnetError
from fcnet.nn.network import FullyConnectedNet
from fcnet.training.callbacks import Callback
from fcnet.training.state import TrainingState
from fcnet.training.trainer import Trainer
from fcnet.types import Array

ROWS, STEPS, PRODUCTS = 32, 200, 10**10
RATES = (3e-3, 3e-2)
LEARNT, STUCK = 0.1, 0.5  # share of the loss of a constant answer
VANISHED = 1e-3


class _UntilLearnt(Callback):
    """Ends a training once its loss is low enough."""

    def __init__(self, enough: float) -> None:
        self.enough, self.least = enough, np.inf

    def on_epoch_end(self, state: TrainingState) -> None:
        self.least = min(self.least, state.history[-1]["loss"])
        if self.least < self.enough:
            state.stop("learnt")


def learns_by_heart(network: FullyConnectedNet, X: Array, y: Array) -> Iterator[Finding]:
    """Yield whether 32 rows cannot be learnt by heart, without dropout and penalty, by 200 steps of Adam at most."""
    _, first = np.unique(X, axis=0, return_index=True)
    chosen = np.sort(first)[:ROWS]
    X, y = X[chosen], y[chosen]
    if len(y) < ROWS // 2 or not (y != y[0]).any():
        return
    constant = constant_loss(network, y)
    least, steps = np.inf, int(np.clip(PRODUCTS / (6 * ROWS * network.n_parameters), 30, STEPS))
    settings: dict[str, Any] = {"epochs": steps, "batches": "full", "train_rows": 0, "keep_best": False, "advise": False}
    for rate in RATES:
        watch = _UntilLearnt(LEARNT * constant)
        copy = network.astype(network.dtype)
        copy.scale_dropout(0.0)
        try:
            Trainer(update="adam", learning_rate=rate, callbacks=[watch], **settings).fit(copy, X, y)
        except FcnetError:  # it diverges
            continue
        finally:
            least = min(least, watch.least)
        if least < STUCK * constant:
            return
    left, ratio = least / constant, _gradient_ratio(network, X, y)
    said = f"{len(y)} rows cannot be learnt by heart: {steps} steps of Adam leave {left:.0%} of the loss of a constant answer"
    evidence = {"rows": len(y), "steps": steps, "share_of_loss": left, "gradient_ratio": ratio}
    if ratio < VANISHED and len(network.affine) > 2:
        yield Finding(
            code="vanishing-gradient",
            severity="warning",
            message=f"{said}, and the gradient of the first layer is {ratio:.1g} of that of the "
            "last, as shares of their weights.",
            evidence=evidence,
            remedy="Take fewer hidden layers, normalisation = layer, or activation = relu.",
            settings={"network.normalisation": "layer"},
            alternatives=[{"activation": "relu"}],
        )
    else:
        yield Finding(
            code="under-capacity",
            severity="note",
            message=f"{said}: the network may be too small.",
            evidence=evidence,
            remedy="If the training rows are not learnt well, take more hidden units.",
        )


def constant_loss(network: FullyConnectedNet, y: Array) -> float:
    """Return the loss of the best answer that is the same for all rows."""
    y = y if y.ndim == 1 else y.astype(np.float64)
    return network.loss.value(
        np.broadcast_to(network.loss.constant_logits(y, network.n_classes), (len(y), network.n_classes)), y
    )


def _gradient_ratio(network: FullyConnectedNet, X: Array, y: Array) -> float:
    """Return the gradient of the first weights over that of the last, each as a share of the weights."""
    grads, shares = network.loss_and_gradients(X, y)[1], []
    for layer in (network.affine[0], network.layers[-1]):
        name = next(iter(layer.parameters))
        size = float(np.linalg.norm(network.params[name]))
        shares.append(float(np.linalg.norm(grads[name])) / size if size else 0.0)
    return shares[0] / shares[1] if shares[1] else 0.0
