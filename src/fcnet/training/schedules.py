"""Schedules: the learning rate of an iteration, as a multiple of the rate that was asked for.

Dropout and weight decay can follow one, too.

A schedule is called with the number of the iteration, from 0, the iterations in an epoch, and those of the whole training.
"""

import math
from typing import Annotated, Any, ClassVar, Protocol

from msgspec import Meta

from fcnet.settings import Count, OnceDataclass, Share, make_kind, parts_of


class ScheduleRule(Protocol):
    """What the trainer asks of a schedule."""

    def __call__(self, iteration: int, per_epoch: int, total: int) -> float: ...


class Constant(OnceDataclass, tag_field="kind", tag="constant"):
    """``1``."""

    def __call__(self, iteration: int, per_epoch: int, total: int) -> float:
        return 1.0


class Exponential(OnceDataclass, tag_field="kind", tag="exponential"):
    """``decay ** e`` in epoch e, counted from 0."""

    decay: Annotated[Share, Meta(description="The rate is multiplied by it after every epoch.")] = 0.95

    def __call__(self, iteration: int, per_epoch: int, total: int) -> float:
        return float(self.decay ** (iteration // per_epoch))


class Step(OnceDataclass, tag_field="kind", tag="step"):
    """``step_factor ** (e // step_epochs)`` in epoch e, counted from 0."""

    step_epochs: Annotated[Count, Meta(description="Number of epochs between two reductions of the rate.")] = 10
    step_factor: Annotated[Share, Meta(description="What each reduction multiplies the rate by.")] = 0.1

    def __call__(self, iteration: int, per_epoch: int, total: int) -> float:
        return float(self.step_factor ** (iteration // per_epoch // self.step_epochs))


def half_cosine(start: float, end: float, fraction: float) -> float:
    """Return where half a cosine from `start` to `end` is after a fraction of the way."""
    return end + (start - end) * (1 + math.cos(math.pi * fraction)) / 2


class Cosine(OnceDataclass, tag_field="kind", tag="cosine"):
    """From 1 down to `final_fraction` along half a cosine (Loshchilov & Hutter 2017, without restarts)."""

    final_fraction: Annotated[Share, Meta(description="The last rate, as a share of the highest.")] = 0.0

    def __call__(self, iteration: int, per_epoch: int, total: int) -> float:
        return half_cosine(1.0, self.final_fraction, iteration / max(1, total - 1))


class OneCycle(OnceDataclass, tag_field="kind", tag="one_cycle"):
    """Up from 1/25 to 1 in the first `warmup` of the iterations, then down to `final_fraction`, both along half a cosine.

    After Smith & Topin 2018, in the two-phase form that is common in practice, without a cycle of the momentum.
    """

    warmup: Annotated[Share, Meta(description="Share of the iterations in which the rate rises.")] = 0.3
    final_fraction: Annotated[Share, Meta(description="The last rate, as a share of the highest.")] = 0.0
    start_fraction: ClassVar = 1 / 25

    def __call__(self, iteration: int, per_epoch: int, total: int) -> float:
        fraction = iteration / max(1, total - 1)
        if fraction < self.warmup:
            return half_cosine(self.start_fraction, 1.0, fraction / self.warmup)
        return half_cosine(1.0, self.final_fraction, (fraction - self.warmup) / max(1 - self.warmup, 1e-12))


class FlatCosine(OnceDataclass, tag_field="kind", tag="flat_cosine"):
    """1 in the first `flat` of the iterations, then down to 0 along half a cosine.

    With its default the "flat_cos" of dropout and weight decay in RealMLP (Holzmüller, Grinsztajn & Steinwart 2024).
    """

    flat: Annotated[Share, Meta(description="Share of the iterations before the fall.")] = 0.5

    def __call__(self, iteration: int, per_epoch: int, total: int) -> float:
        fraction = iteration / max(1, total - 1)
        return 1.0 if fraction < self.flat else half_cosine(1.0, 0.0, (fraction - self.flat) / max(1 - self.flat, 1e-12))


class LogCosine(OnceDataclass, tag_field="kind", tag="log_cosine"):
    """``(1 - cos(2π log2(1 + (2^cycles - 1) t))) / 2`` at a fraction t of the way.

    From 0 up to 1 and down to 0 in each cycle, which is twice as long as the one before. With four cycles the "coslog4" of
    RealMLP (Holzmüller, Grinsztajn & Steinwart 2024).
    """

    cycles: Annotated[int, Meta(ge=1, le=20, description="How often the rate rises and falls.")] = 4

    def __call__(self, iteration: int, per_epoch: int, total: int) -> float:
        turns = math.log2(1 + (2.0**self.cycles - 1) * iteration / max(1, total - 1))
        return (1 - math.cos(2 * math.pi * turns)) / 2

    def ends(self, n_epochs: int) -> list[int]:
        """Return the numbers of the epochs, from 1, in which cycles end."""
        return [round(n_epochs * (2**cycle - 1) / (2**self.cycles - 1)) for cycle in range(1, self.cycles + 1)]


Schedule = Constant | Exponential | Step | Cosine | OneCycle | FlatCosine | LogCosine
SCHEDULES = parts_of(Schedule)


def get_schedule(name: str, **settings: Any) -> Schedule:
    """Return a schedule by its name, with those of `settings` that it has.

    Raises
    ------
    SettingError
        If the name is unknown, a setting belongs to no schedule, or a value is out of range.
    """
    schedule: Schedule = make_kind("schedule", SCHEDULES, name, settings)
    return schedule
