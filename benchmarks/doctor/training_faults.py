"""Faults of the training: rates, batches, epochs, penalties."""

from dataclasses import replace
from typing import Any

import numpy as np
from families import CLASSES, NOISY, family
from programs import Work, epochs

from fcnet.training.callbacks import Callback
from fcnet.training.state import TrainingState

Rng = np.random.Generator


@family("diverged", "huge rate", 30.0, 1000.0, update="momentum", normalisation="none", schedule="constant")
def huge_rate(work: Work, rate: float, rng: Rng) -> None:
    """A rate that makes the loss infinite, after some steps or at once."""
    work.change(learning_rate=rate)


@family("diverged", "unscaled targets", 100.0, 10_000.0, kinds=("regression",), update="momentum", also=("unscaled-data",))
def unscaled_targets(work: Work, scale: float, rng: Rng) -> None:
    """Targets of a regression are in their own unit, as prices, so that the squared error is enormous."""
    data = work.data
    parts = {name: getattr(data, name) * np.float32(scale) for name in ("y", "y_val", "y_clean")}
    work.data = replace(data, **parts)


@family("learning-rate-too-high", "rate of adam", 0.1, 1.0, update="adam", schedule="constant")
def rate_of_adam(work: Work, rate: float, rng: Rng) -> None:
    """Adam, with the rate of plain gradient descent."""
    work.change(learning_rate=rate * (0.3 if work.data.X.shape[1] > 1000 else 1.0))


@family("learning-rate-too-high", "added momentum", 0.98, 0.995, update="momentum", schedule="constant")
def added_momentum(work: Work, momentum: float, rng: Rng) -> None:
    """Momentum was raised and the rate was not lowered: its steps are up to a hundred times as long."""
    from fcnet.training.updates import Momentum

    work.change(learning_rate=3 * work.program.learning_rate)
    work.trainer_settings["update"] = Momentum(momentum=momentum)


@family("learning-rate-too-low", "divided rate", 100.0, 3000.0, update="adam", schedule="constant")
def divided_rate(work: Work, by: float, rng: Rng) -> None:
    """The rate is far too low (the exercise's own first training)."""
    work.change(learning_rate=work.program.learning_rate / by)


@family("learning-rate-too-low", "plain descent", 1e-3, 3e-5, update="sgd", schedule="constant", also=("stopped-early",))
def plain_descent(work: Work, rate: float, rng: Rng) -> None:
    """Plain gradient descent with the rate of Adam, after a change of the update rule."""
    work.change(learning_rate=rate)


class SpikeSchedule:
    """A schedule that begins with some steps far too long, as a warm-up the wrong way round."""

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def __call__(self, iteration: int, per_epoch: int, total: int) -> float:
        """Return the multiple of the rate."""
        return self.factor if iteration < 5 else 1.0


@family(
    "dead-units",
    "first steps",
    60.0,
    300.0,
    update="sgd",
    activation="relu",
    normalisation="none",
    hidden=(64,),
    schedule="constant",
    also=("learning-rate-too-high", "exploding-gradient"),
)
def first_steps(work: Work, factor: float, rng: Rng) -> None:
    """The first steps are so long that ReLUs die, and the later ones cannot wake them."""
    work.trainer_settings["schedule"] = SpikeSchedule(factor)


@family(
    "saturated-units",
    "unscaled into logistic",
    15.0,
    150.0,
    activation="logistic",
    normalisation="none",
    hidden=(64,),
    also=("unscaled-data",),
)
def unscaled_into_logistic(work: Work, scale: float, rng: Rng) -> None:
    """Logistic units are given inputs that are not scaled, and are at their ends."""
    work.data = work.data.with_inputs(lambda X: X * scale)


@family(
    "over-fitting", "trained on", 1.0, 4.0, kinds=CLASSES, update="adam", schedule="constant", keep_best=False, harms="loss"
)
def trained_on(work: Work, times: float, rng: Rng) -> None:
    """A wide network is trained on and on, without a penalty, and its last epoch is kept."""
    many = round(times * epochs(work.program.problem, work.program.batch_size, 2.0))
    work.change(epochs=many, hidden=(200, 200), l2=0.0, dropout=0.0, normalisation="none")


@family("over-fitting", "few rows", 0.15, 0.04, update="adam", also=("under-capacity",))
def few_rows(work: Work, share: float, rng: Rng) -> None:
    """There are far fewer rows than the network can learn by heart."""
    data = work.data
    n = max(20, round(share * len(data.X)))
    many = max(work.program.epochs, min(200, round(work.program.epochs * len(data.X) / n)))
    work.change(hidden=(200, 200), l2=0.0, dropout=0.0, epochs=many, normalisation="none")
    work.data = replace(data, X=data.X[:n], y=data.y[:n])


@family("over-regularised", "penalty", 0.15, 1.5, update="momentum")
def penalty(work: Work, l2: float, rng: Rng) -> None:
    """The L2 penalty is too strong."""
    work.change(l2=l2)


@family("over-regularised", "dropped", 0.8, 0.95, update="adam", normalisation="none")
def dropped(work: Work, share: float, rng: Rng) -> None:
    """Nearly all hidden units are dropped in training."""
    work.change(dropout=share)


@family("stopped-early", "few epochs", 0.06, 0.02, update="momentum", schedule="constant", also=("learning-rate-too-low",))
def few_epochs(work: Work, share: float, rng: Rng) -> None:
    """The training has so few epochs that it has hardly begun."""
    rate = 0.3 * work.program.learning_rate
    work.change(epochs=max(1, round(share * work.program.epochs)), learning_rate=rate)


class Impatience(Callback):
    """Stops at the first epoch that is not far better than the one before."""

    def __init__(self, tolerance: float) -> None:
        self.tolerance = tolerance

    def on_epoch_end(self, state: TrainingState) -> None:
        """Stop where the validation loss has not fallen by a large part."""
        losses = state.history.column("val_loss")
        if len(losses) > 1 and losses[-1] > (1 - self.tolerance) * losses[-2]:
            state.stop("it was not far better")


@family("stopped-early", "impatience", 0.1, 0.5, update="sgd", schedule="constant", also=("learning-rate-too-low",))
def impatience(work: Work, tolerance: float, rng: Rng) -> None:
    """Early stopping has no patience, and asks for too much of an epoch."""
    work.change(learning_rate=0.2 * work.program.learning_rate)
    work.callbacks.append(lambda: Impatience(tolerance))


@family("batch-too-large", "all rows", "quarter", "full", update="adam")
def all_rows(work: Work, size: Any, rng: Rng) -> None:
    """All rows, or a quarter of them, are one batch, for as many epochs as before."""
    work.change(batches="full") if size == "full" else work.change(batch_size=len(work.data.X) // 4)


@family("batch-too-large", "memory is there", 12, 40, update="momentum")
def memory_is_there(work: Work, times: int, rng: Rng) -> None:
    """Batches are as large as memory allows; rate and epochs were not changed."""
    work.change(batch_size=min(len(work.data.X), times * work.program.batch_size))


@family("one-class-predicted", "sorted rows", 24, 1, kinds=CLASSES, harms="clean", update="sgd", schedule="constant")
def sorted_rows(work: Work, runs: int, rng: Rng) -> None:
    """Rows are sorted by their class, or in runs that are, and are not shuffled: the last class that was seen is predicted."""
    data = work.data
    run = rng.integers(runs, size=len(data.y))
    order = np.lexsort((data.y, run))
    work.change(batches="ordered", epochs=max(2, work.program.epochs // 3))
    work.data = replace(data, X=data.X[order], y=data.y[order])


@family(
    "one-class-predicted",
    "nearly one class",
    0.02,
    0.004,
    kinds=CLASSES,
    harms="balanced",
    also=("class-imbalance", "label-shift"),
)
def nearly_one_class(work: Work, share: float, rng: Rng) -> None:
    """One class has nearly all rows, as a file that is sorted by class was cut."""
    data = work.data
    kept = (data.y == 0) | (rng.random(len(data.y)) < share)
    for c in range(data.n_classes):
        kept[np.flatnonzero(data.y == c)[:1]] = True
    work.data = replace(data, X=data.X[kept], y=data.y[kept])


@family(
    *("miscalibrated", "sure of itself", 1.0, 3.0),
    only=NOISY,
    also=("over-fitting",),
    harms="calibration",
    update="adam",
    schedule="constant",
    keep_best=False,
)
def sure_of_itself(work: Work, times: float, rng: Rng) -> None:
    """A network with layer normalisation is trained until it is sure of every training row."""
    many = round(times * epochs(work.program.problem, work.program.batch_size, 2.0))
    work.change(epochs=many, hidden=(150,), l2=0.0, dropout=0.0)


@family("miscalibrated", "smoothed", 0.35, 0.75, kinds=CLASSES, also=("over-regularised",), harms="calibration", update="adam")
def smoothed(work: Work, smoothing: float, rng: Rng) -> None:
    """Labels are smoothed so much that the network is never sure."""
    work.change(label_smoothing=smoothing)
