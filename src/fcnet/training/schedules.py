"""Schedules: the learning rate of an iteration, as a multiple of the rate that was asked for.

A schedule is called with the number of the iteration, from 0, the iterations in an epoch, and those of the whole training.
"""

import math
from dataclasses import dataclass
from typing import Any, Protocol

from fcnet.training.named import Checked, make_named, number, whole_number


class Schedule(Protocol):
    """What the trainer asks of a schedule."""

    def __call__(self, iteration: int, per_epoch: int, total: int) -> float: ...


@dataclass(frozen=True)
class Constant:
    """``1``."""

    def __call__(self, iteration: int, per_epoch: int, total: int) -> float:
        return 1.0


@dataclass(frozen=True)
class Exponential(Checked):
    """``decay ** e`` in epoch e, counted from 0; the decay is from 0 to 1."""

    decay: float = number(0.95, 0, 1)

    def __call__(self, iteration: int, per_epoch: int, total: int) -> float:
        return float(self.decay ** (iteration // per_epoch))


@dataclass(frozen=True)
class Step(Checked):
    """``step_factor ** (e // step_epochs)`` in epoch e, counted from 0; the factor is from 0 to 1."""

    step_epochs: int = whole_number(10, 1)
    step_factor: float = number(0.1, 0, 1)

    def __call__(self, iteration: int, per_epoch: int, total: int) -> float:
        return float(self.step_factor ** (iteration // per_epoch // self.step_epochs))


def half_cosine(start: float, end: float, fraction: float) -> float:
    """Return where half a cosine from `start` to `end` is after a fraction of the way."""
    return end + (start - end) * (1 + math.cos(math.pi * fraction)) / 2


@dataclass(frozen=True)
class Cosine(Checked):
    """From 1 down to `final_fraction` along half a cosine (Loshchilov & Hutter 2017, without restarts)."""

    final_fraction: float = number(0.0, 0, 1)

    def __call__(self, iteration: int, per_epoch: int, total: int) -> float:
        return half_cosine(1.0, self.final_fraction, iteration / max(1, total - 1))


@dataclass(frozen=True)
class OneCycle(Checked):
    """Up from 1/25 to 1 in the first `warmup` of the iterations, then down to `final_fraction`, both along half a cosine.

    After Smith & Topin 2018, in the two-phase form that is common in practice, without a cycle of the momentum.
    """

    warmup: float = number(0.3, 0, 1)
    final_fraction: float = number(0.0, 0, 1)
    start_fraction = 1 / 25

    def __call__(self, iteration: int, per_epoch: int, total: int) -> float:
        fraction = iteration / max(1, total - 1)
        if fraction < self.warmup:
            return half_cosine(self.start_fraction, 1.0, fraction / self.warmup)
        return half_cosine(1.0, self.final_fraction, (fraction - self.warmup) / max(1 - self.warmup, 1e-12))


SCHEDULES: dict[str, type[Any]] = {
    "constant": Constant,
    "exponential": Exponential,
    "step": Step,
    "cosine": Cosine,
    "one_cycle": OneCycle,
}


def get_schedule(name: str, **settings: float) -> Schedule:
    """Return a schedule by its name, with those of `settings` that it has.

    Raises
    ------
    SettingError
        If the name is unknown, a setting belongs to no schedule, or a value is out of range.
    """
    schedule: Schedule = make_named("schedule", SCHEDULES, name, settings)
    return schedule
