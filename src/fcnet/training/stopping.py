"""Schedules that early stopping lowers in place of ending the training."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fcnet.errors import to_float
from fcnet.training.schedules import half_cosine

LEAST_RATE, DIVISOR = 1e-6, 5.0
SHARE, LEAST_EPOCHS = 0.5, 10  # of the epochs before, and at least so many, for a rate to go down in


class Slowing(ABC):
    """A schedule that `EarlyStopping` slows down where it would end the training."""

    @abstractmethod
    def __call__(self, iteration: int, per_epoch: int, total: int) -> float:
        """Return the factor of the rate."""

    @abstractmethod
    def reset(self) -> None:
        """Begin anew."""

    @abstractmethod
    def slow_down(self, row: Mapping[str, Any]) -> bool:
        """Lower the rate after the epoch with this row of the history; return whether there is no more to lower."""

    def is_over(self, row: Mapping[str, Any]) -> bool:
        """Return whether it has come to its end with this epoch."""
        return False


@dataclass
class Adaptive(Slowing):
    """A rate that is divided by 5, as long as it is above 1e-6, as `learning_rate="adaptive"`."""

    factor: float = 1.0  # of the first epochs
    lowered: float = field(init=False, repr=False)  # of now

    def __post_init__(self) -> None:
        self.factor = to_float("factor", self.factor, 0)
        self.reset()

    def __call__(self, iteration: int, per_epoch: int, total: int) -> float:
        return self.lowered

    def reset(self) -> None:
        self.lowered = self.factor

    def slow_down(self, row: Mapping[str, Any]) -> bool:
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

    def __post_init__(self) -> None:
        self.reset()

    def __call__(self, iteration: int, per_epoch: int, total: int) -> float:
        planned = half_cosine(1.0, 0.0, iteration / max(1, total - 1))
        if self.start is None:
            return planned
        at_start = half_cosine(1.0, 0.0, self.start / max(1, total - 1))
        return min(planned, half_cosine(at_start, 0.0, min((iteration - self.start) / (self.end - self.start), 1.0)))

    def reset(self) -> None:
        self.start: int | None = None  # where it began to go down
        self.end = 0

    def slow_down(self, row: Mapping[str, Any]) -> bool:
        if self.start is None:
            per_epoch = row["iteration"] // row["epoch"]
            self.start = row["iteration"]
            self.end = self.start + per_epoch * max(LEAST_EPOCHS, round(SHARE * row["epoch"]))
        return False

    def is_over(self, row: Mapping[str, Any]) -> bool:
        return self.start is not None and row["iteration"] >= self.end
