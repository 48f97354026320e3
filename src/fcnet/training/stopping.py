"""Ending a training, or lowering its learning rate, when it no longer improves: the rules of scikit-learn's networks."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from msgspec import Meta

from fcnet.errors import to_float
from fcnet.settings import NotNegative, Settings
from fcnet.training.callbacks import Callback
from fcnet.training.schedules import half_cosine
from fcnet.training.state import TrainingState

LEAST_RATE, DIVISOR = 1e-6, 5.0
SHARE, LEAST_EPOCHS = 0.5, 10  # of the epochs before, and at least so many, for a rate to go down in


class InverseScaling(Settings):
    """``1 / (t + 1)^power`` after t rows have been gone through in whole epochs, as `learning_rate="invscaling"`.

    Parameters
    ----------
    n_rows : int
        Of an epoch.
    power : float
        At least 0.
    seen : int
        Rows of trainings before this one.
    """

    n_rows: int
    power: NotNegative = 0.5
    seen: Annotated[int, Meta(ge=0)] = 0

    def __call__(self, iteration: int, per_epoch: int, total: int) -> float:
        """Return the factor of the rate."""
        return float((self.seen + self.n_rows * (iteration // per_epoch) + 1) ** -self.power)


class Slowing(ABC):
    """A schedule that `StopWithoutImprovement` slows down where it would end the training."""

    @abstractmethod
    def __call__(self, iteration: int, per_epoch: int, total: int) -> float:
        """Return the factor of the rate."""

    @abstractmethod
    def slow_down(self, row: Mapping[str, Any]) -> bool:
        """Lower the rate after the epoch with this row of the history; return whether there is no more to lower."""

    def is_over(self, row: Mapping[str, Any]) -> bool:
        """Return whether it has come to its end with this epoch."""
        return False


@dataclass
class Adaptive(Slowing):
    """A rate that is divided by 5, as long as it is above 1e-6, as `learning_rate="adaptive"`.

    Parameters
    ----------
    factor : float
        Of the first epochs; `lowered` is that of now.
    """

    factor: float = 1.0
    lowered: float = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.factor = self.lowered = to_float("factor", self.factor, 0)

    def __call__(self, iteration: int, per_epoch: int, total: int) -> float:
        """Return the factor of the rate."""
        return self.lowered

    def slow_down(self, row: Mapping[str, Any]) -> bool:
        """Divide the rate."""
        if row["learning_rate"] <= LEAST_RATE:
            return True
        self.lowered /= DIVISOR
        return False


@dataclass
class Annealing(Slowing):
    """Half a cosine down to nothing over the epochs of a training, as `learning_rate="auto"`.

    Where training would end before, the rate goes down in half as many epochs as there were, but at least ten: a network that
    is left at a high rate is where its last steps happened to lead.
    """

    start: int | None = field(default=None, init=False, repr=False)
    end: int = field(default=0, init=False, repr=False)

    def __call__(self, iteration: int, per_epoch: int, total: int) -> float:
        """Return the factor of the rate."""
        planned = half_cosine(1.0, 0.0, iteration / max(1, total - 1))
        if self.start is None:
            return planned
        at_start = half_cosine(1.0, 0.0, self.start / max(1, total - 1))
        return min(planned, half_cosine(at_start, 0.0, min((iteration - self.start) / (self.end - self.start), 1.0)))

    def slow_down(self, row: Mapping[str, Any]) -> bool:
        """Begin to go down, if it has not begun."""
        if self.start is None:
            per_epoch = row["iteration"] // row["epoch"]
            self.start = row["iteration"]
            self.end = self.start + per_epoch * max(LEAST_EPOCHS, round(SHARE * row["epoch"]))
        return False

    def is_over(self, row: Mapping[str, Any]) -> bool:
        """Return whether the rate has come down to nothing."""
        return self.start is not None and row["iteration"] >= self.end


@dataclass
class StopWithoutImprovement(Callback):
    """Stop when for more than `patience` epochs in a row the training loss, or the validation score, has not improved by `tol`.

    Every training begins anew, with the `best`, the `count` and the state of `adaptive` that this was made with.

    Parameters
    ----------
    tol : float
        At least 0.
    patience : float
        At least 0; never is ``math.inf``.
    on_validation : bool
        Whether the validation score decides, not the training loss.
    adaptive : Slowing, optional
        A schedule that is slowed down instead of stopping.
    best : float
        The best loss or score so far, of earlier trainings too where it is given.
    count : int
        Epochs without improvement so far, likewise.
    """

    tol: float
    patience: float
    on_validation: bool = False
    adaptive: Slowing | None = None
    best: float = field(default=math.nan)
    count: int = 0
    has_stopped: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self.tol = to_float("tol", self.tol, 0)
        if self.patience != math.inf:
            self.patience = to_float("patience", self.patience, 0)
        self._begins = (self.best, self.count, vars(self.adaptive).copy() if self.adaptive is not None else {})

    def decides(self) -> Any:
        """Return when it stops."""
        return f"tol {self.tol:g}, n_iter_no_change {self.patience:g}, early_stopping {self.on_validation}"

    def on_train_begin(self, state: TrainingState) -> None:
        """Forget the training before, and count again what a resumed one has been through."""
        self.best, self.count, slowing = self._begins
        self.has_stopped = False
        if self.adaptive is not None:
            vars(self.adaptive).update(slowing)
        for row in state.history:
            self._count(state, row)

    def on_epoch_end(self, state: TrainingState) -> None:
        """Count, and stop or lower the rate where the count is full."""
        if self._count(state, state.history[-1]):
            self.has_stopped = True
            what = "validation score" if self.on_validation else "training loss"
            state.stop(f"the {what} did not improve by more than {self.tol:g} for {self.patience:g} epochs")

    def _count(self, state: TrainingState, row: Mapping[str, Any]) -> bool:
        """Return whether it is time to stop."""
        value = row[f"val_{state.network.loss.measure}"] if self.on_validation else -row["loss"]
        best = self.best if self.on_validation else -self.best
        first = math.isnan(best)
        self.count = 0 if first or value >= best + self.tol else self.count + 1
        if first or value > best:
            self.best = value if self.on_validation else -value
        if self.adaptive is not None and self.adaptive.is_over(row):
            return True
        if self.count <= self.patience:
            return False
        if self.adaptive is None or self.adaptive.slow_down(row):
            return True
        self.count = 0
        return False
