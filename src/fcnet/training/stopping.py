"""Ending a training, or lowering its learning rate, when it no longer improves: the rules of scikit-learn's networks."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fcnet.errors import to_float
from fcnet.training.callbacks import Callback
from fcnet.training.named import Checked, number, whole_number
from fcnet.training.state import TrainingState

LEAST_RATE, DIVISOR = 1e-6, 5.0


@dataclass
class InverseScaling(Checked):
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
    power: float = number(0.5, 0)
    seen: int = whole_number(0, 0)

    def __call__(self, iteration: int, per_epoch: int, total: int) -> float:
        """Return the factor of the rate."""
        return float((self.seen + self.n_rows * (iteration // per_epoch) + 1) ** -self.power)


@dataclass
class Adaptive(Checked):
    """A rate that `StopWithoutImprovement` divides by 5 where it would end the training, as `learning_rate="adaptive"`.

    Parameters
    ----------
    factor : float
        Of the first epochs; `lowered` is that of now.
    """

    factor: float = number(1.0, 0)
    lowered: float = field(init=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.lowered = self.factor

    def __call__(self, iteration: int, per_epoch: int, total: int) -> float:
        """Return the factor of the rate."""
        return self.lowered


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
    adaptive : Adaptive, optional
        Lowered instead of stopping, as long as the rate is above 1e-6.
    best : float
        The best loss or score so far, of earlier trainings too where it is given.
    count : int
        Epochs without improvement so far, likewise.
    """

    tol: float
    patience: float
    on_validation: bool = False
    adaptive: Adaptive | None = None
    best: float = field(default=math.nan)
    count: int = 0

    def __post_init__(self) -> None:
        self.tol = to_float("tol", self.tol, 0)
        if self.patience != math.inf:
            self.patience = to_float("patience", self.patience, 0)
        self._begins = (self.best, self.count, None if self.adaptive is None else self.adaptive.lowered)

    def decides(self) -> Any:
        """Return when it stops."""
        return f"tol {self.tol:g}, n_iter_no_change {self.patience:g}, early_stopping {self.on_validation}"

    def on_train_begin(self, state: TrainingState) -> None:
        """Forget the training before, and count again what a resumed one has been through."""
        self.best, self.count, lowered = self._begins
        if self.adaptive is not None and lowered is not None:
            self.adaptive.lowered = lowered
        for row in state.history:
            self._count(state, row)

    def on_epoch_end(self, state: TrainingState) -> None:
        """Count, and stop or lower the rate where the count is full."""
        if self._count(state, state.history[-1]):
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
        if self.count <= self.patience:
            return False
        if self.adaptive is None or row["learning_rate"] <= LEAST_RATE:
            return True
        self.adaptive.lowered /= DIVISOR
        self.count = 0
        return False
