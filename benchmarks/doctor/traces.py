"""Trains a program and records what the tools that are compared look at.

`record` returns a `Trace`: the history, numbers of the gradients, activations and weights at the ends of epochs and in the
first steps, and how the training ended. A program whose data fcnet refuses has the trace of a training whose first loss is not
a number, as other libraries train on.
"""

import math
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from programs import Work
from scipy.special import softmax

from fcnet import FullyConnectedNet
from fcnet.errors import DivergedError, InputError
from fcnet.training.callbacks import Callback
from fcnet.training.history import History
from fcnet.training.state import TrainingState

FIRST_STEPS = 10
PROBE = 500  # rows that activations are measured on


@dataclass
class Trace:
    """What happened when a program was trained.

    Attributes
    ----------
    work : Work
    network : FullyConnectedNet or None
        As it was left; None where the data were refused.
    history : History
    epochs, steps : lists of dicts
        What `Recorder` measured at the ends of epochs, and in the first steps.
    end : str
        "done", "diverged" or "refused".
    seconds : float
    """

    work: Work
    network: FullyConnectedNet | None = None
    history: History = field(default_factory=History)
    epochs: list[dict[str, Any]] = field(default_factory=list)
    steps: list[dict[str, Any]] = field(default_factory=list)
    end: str = "done"
    seconds: float = math.nan


def gradients(network: FullyConnectedNet, X: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
    """Return the gradients of a batch without penalty and dropout."""
    _, found = network.loss_and_gradients(X, y)
    return {name: gradient.copy() for name, gradient in found.items()}


def activations(network: FullyConnectedNet, X: np.ndarray) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Return of each hidden layer the name of its activation, what goes in and what comes out."""
    found, x, hidden = [], X, 0
    for layer in network.layers[:-1]:
        before = x.copy()
        x = layer.forward(x, network.params, network.engine, None)[0].copy()
        if not layer.parameters and not type(layer).__name__.startswith("Dropout"):
            found.append((type(layer).__name__.lower(), before, x))
            hidden += 1
    return found


class Recorder(Callback):
    """Measures what the rules of other tools ask for; `checked` are the rows as the trainer has them."""

    def __init__(self, trace: Trace, checked: tuple[np.ndarray, np.ndarray]) -> None:
        self.trace, (self.X, self.y) = trace, checked
        self.size = trace.work.program.batch_size
        self.before: dict[str, np.ndarray] = {}

    def _measured(self, network: Any) -> dict[str, Any]:
        with np.errstate(all="ignore"):
            found = gradients(network, self.X[: self.size], self.y[: self.size])
            units = activations(network, self.X[:PROBE])
            weights = {name: p for name, p in network.params.items() if name.startswith("W")}
            ratios = {
                name: float(np.abs(p - self.before[name]).mean() / (np.abs(self.before[name]).mean() + 1e-9))
                for name, p in weights.items()
                if name in self.before
            }
            self.before = {name: p.copy() for name, p in weights.items()}
        return {
            "gradient_norms": [float(np.linalg.norm(found[name])) for name in weights],
            "gradient_means": {name: float(np.abs(g).mean()) for name, g in found.items()},
            "gradient_ranges": [float(np.ptp(np.percentile(g, [5, 95]))) for g in found.values()],
            "gradient_zeros": sum(int((g == 0).sum()) for g in found.values()) / sum(g.size for g in found.values()),
            "gradients_finite": all(np.isfinite(g).all() for g in found.values()),
            "weights_finite": all(np.isfinite(p).all() for p in weights.values()),
            "weight_variances": [float(p.var()) for p in weights.values()],
            "input_variances": [float(before.var()) for _, before, _ in units],
            "activations": [name for name, _, _ in units],
            "inactive": [float(((out > 0).mean(0) < 0.01).mean()) for _, _, out in units],
            "saturated": [saturated(name, before) for name, before, _ in units],
            "update_ratios": ratios,
        }

    def on_train_begin(self, state: TrainingState) -> None:
        self.trace.steps.append(self._measured(state.network))

    def on_batch_end(self, state: TrainingState) -> None:
        if state.iteration < FIRST_STEPS:
            self.trace.steps.append(self._measured(state.network) | {"loss": state.loss})

    def on_epoch_end(self, state: TrainingState) -> None:
        self.trace.epochs.append(self._measured(state.network))


def saturated(activation: str, before: np.ndarray) -> float:
    """Return the share of units that are within 1e-7 of an end of their range for 99 % of the rows."""
    ends = {"tanh": (-9.4999, 9.4999), "logistic": (-23.0, 16.99999)}.get(activation)
    if ends is None:
        return 0.0
    return float((((before > ends[0]) & (before < ends[1])).mean(0) < 0.01).mean())


def record(work: Work, watch: bool = True) -> Trace:
    """Train a program; without `watch` nothing but its history is kept."""
    trace, data = Trace(work), work.data
    network, trainer = work.build()
    began = time.perf_counter()
    try:
        X, y = network.check_data(data.X, data.y)
        network.check_data(data.X_val, data.y_val, "X_val", "y_val")
        if watch:
            trainer.callbacks = [Recorder(trace, (X, y)), *trainer.callbacks]
        keeper = Keeper(trace)
        trainer.callbacks = [*trainer.callbacks, keeper]
        trace.network = network
        trainer.fit(network, data.X, data.y, data.X_val, data.y_val)
    except InputError:
        trace.end, trace.network = "refused", None
    except DivergedError:
        trace.end = "diverged"
    trace.seconds = time.perf_counter() - began
    return trace


class Keeper(Callback):
    """Keeps the history also of a training that diverges."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace

    def on_epoch_end(self, state: TrainingState) -> None:
        self.trace.history = state.history


def scores(network: FullyConnectedNet, X: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """Return the score, which is accuracy or R², and of classes what else is measured of their probabilities."""
    with np.errstate(all="ignore"):
        logits = network.logits(X)
    if y.ndim == 2:
        return {"score": float(1 - ((logits - y) ** 2).sum() / ((y - y.mean(0)) ** 2).sum())}
    predicted = logits.argmax(1)
    right, shares = predicted == y, softmax(logits.astype(np.float64), axis=1)
    sure = shares.max(1)
    bins = np.minimum((sure * 10).astype(int), 9)
    error = sum(abs((right[bins == b] - sure[bins == b]).sum()) for b in range(10)) / len(y)
    inside = y < logits.shape[1]
    given = np.where(inside, shares[np.arange(len(y)), np.minimum(y, logits.shape[1] - 1)], 0.0)
    return {
        "score": float(right.mean()),
        "balanced": float(np.mean([right[y == c].mean() for c in np.unique(y)])),
        "log_loss": float(-np.log(np.maximum(given, 1e-12)).mean()),
        "calibration": float(error),
        "overconfidence": float(sure.mean() - right.mean()),
        "largest_share": float(np.bincount(predicted).max() / len(predicted)),
    }
