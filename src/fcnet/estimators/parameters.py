"""The parameters of the estimators: what they may be, and the update rules and schedules that they stand for."""

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Annotated, Any, Protocol

import numpy as np
from msgspec import Meta
from sklearn.utils._param_validation import HasMethods, Interval, Options, StrOptions

from fcnet.engine import ENGINES
from fcnet.nn.layers import NORMALISATIONS
from fcnet.settings import NotNegative, Settings
from fcnet.training.metrics import AUTO, METRICS
from fcnet.training.schedules import SCHEDULES, Constant, ScheduleRule, get_schedule
from fcnet.training.stopping import Adaptive, Annealing
from fcnet.training.updates import UPDATES, Adam, RMSProp, UpdateRule, get_update
from fcnet.words import PARAMETER_OF

CONSTRAINTS: dict[str, Any] = {
    "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
    "activation": [str, callable],  # names that are registered later, too: the network knows them
    "solver": [StrOptions({"lbfgs", *UPDATES}), HasMethods(["init", "step"])],
    "alpha": [StrOptions({"auto"}), Interval(Real, 0, None, closed="left")],
    "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
    "learning_rate": [StrOptions({"auto", "invscaling", "adaptive", *SCHEDULES}), callable],
    "learning_rate_init": [StrOptions({"auto"}), Interval(Real, 0, None, closed="neither")],
    "power_t": [Interval(Real, 0, None, closed="left")],
    "max_iter": [Interval(Integral, 1, None, closed="left")],
    "shuffle": ["boolean"],
    "random_state": ["random_state"],
    "tol": [Interval(Real, 0, None, closed="left")],
    "verbose": ["verbose"],
    "warm_start": ["boolean"],
    "momentum": [Interval(Real, 0, 1, closed="both")],
    "nesterovs_momentum": ["boolean"],
    "early_stopping": ["boolean"],
    "monitor": [StrOptions({AUTO, *METRICS})],
    "validation_fraction": [Interval(Real, 0, 1, closed="left")],
    "beta_1": [Interval(Real, 0, 1, closed="left")],
    "beta_2": [Interval(Real, 0, 1, closed="left")],
    "epsilon": [Interval(Real, 0, None, closed="neither")],
    "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), Options(Real, {np.inf})],
    "max_fun": [Interval(Integral, 1, None, closed="left")],
    "dropout": [Interval(Real, 0, 1, closed="left")],
    "input_dropout": [Interval(Real, 0, 1, closed="left")],
    "normalisation": [StrOptions(set(NORMALISATIONS))],
    "scale_inputs": ["boolean"],
    "callbacks": [list, tuple, None],
    "progress": ["boolean"],
    "checkpoint": [str, HasMethods("with_suffix"), None],
    "dtype": [StrOptions({"float32", "float64"}), Options(type, {np.float32, np.float64}), None],
    "engine": [StrOptions(set(ENGINES)), None],
    "threads": [Interval(Integral, 1, None, closed="left"), None],
}

LEAST_BATCH, MOST_BATCH, BATCHES = 64, 200, 64
RATE, PLAIN_RATE = 0.002, 0.001  # the second one, as that of the penalty, is scikit-learn's
PRIOR, FEWEST_ROWS, PLAIN_ALPHA = 2.0, 200, 1e-4


class Parameters(Protocol):
    """The parameters of an estimator that its training goes by."""

    solver: Any
    alpha: float | str
    batch_size: int | str
    learning_rate: Any
    learning_rate_init: float | str
    power_t: float
    max_iter: int
    shuffle: bool
    tol: float
    warm_start: bool
    momentum: float
    nesterovs_momentum: bool
    early_stopping: bool
    monitor: str
    n_iter_no_change: float
    max_fun: int
    checkpoint: Any
    threads: int | None


def rate_of(parameters: Parameters) -> float:
    """Return the learning rate."""
    if parameters.learning_rate_init == "auto":
        return RATE if _adapts(parameters) else PLAIN_RATE
    return float(parameters.learning_rate_init)


def l2_of(parameters: Parameters, batch: float, total: float, incremental: bool) -> float:
    """Return the strength of the penalty, where a batch and all rows weigh so much."""
    if parameters.alpha != "auto":
        return float(parameters.alpha) / batch
    # The parts of a partial_fit do not say how many rows there are.
    return PRIOR / max(total, FEWEST_ROWS) if _adapts(parameters) and not incremental else PLAIN_ALPHA / batch


def batch_size_of(parameters: Parameters, n_rows: int) -> int:
    """Return the size of the batches of so many rows."""
    size = parameters.batch_size
    if size == "auto":
        size = min(max(LEAST_BATCH, n_rows // BATCHES), MOST_BATCH) if _adapts(parameters) else MOST_BATCH
    return min(int(size), n_rows)


def _adapts(parameters: Parameters) -> bool:
    """Return whether the solver divides gradients by their usual size, so that one rate suits most data."""
    return parameters.solver != "lbfgs" and isinstance(update_rule(parameters), Adam | RMSProp)


def update_rule(parameters: Parameters) -> UpdateRule:
    """Return the update rule."""
    kind = parameters.solver
    if not isinstance(kind, str):
        return kind
    if kind == "sgd" and parameters.momentum:
        kind = "nesterov" if parameters.nesterovs_momentum else "momentum"
    names = {name: PARAMETER_OF.get(name, name) for name in UPDATES[kind].__struct_fields__}
    return get_update(kind, **{name: getattr(parameters, own) for name, own in names.items() if own in CONSTRAINTS})


def schedule_of(parameters: Parameters, n_rows: int, n_seen: int, factor: float, epoch: int | None) -> ScheduleRule:
    """Return the schedule of epochs of so many rows.

    Trainings before have gone through `n_seen` rows, and lowered a rate that adapts by `factor`; `epoch` is the number of this
    call of `partial_fit`.
    """
    schedule = parameters.learning_rate
    if schedule == "auto":
        return Annealing() if _adapts(parameters) and epoch is None else Constant()
    if schedule == "invscaling":
        return InverseScaling(n_rows, parameters.power_t, n_seen)
    if schedule == "adaptive":
        return Adaptive(factor)
    rule: ScheduleRule = get_schedule(schedule) if isinstance(schedule, str) else schedule
    return rule if epoch is None else EpochOf(rule, epoch, parameters.max_iter)


class InverseScaling(Settings):
    """``1 / (t + 1)^power`` after t rows in whole epochs, those of trainings before included: `learning_rate="invscaling"`."""

    n_rows: int  # of an epoch
    power: NotNegative = 0.5
    seen: Annotated[int, Meta(ge=0)] = 0

    def __call__(self, iteration: int, per_epoch: int, total: int) -> float:
        return float((self.seen + self.n_rows * (iteration // per_epoch) + 1) ** -self.power)


@dataclass(frozen=True)
class EpochOf:
    """One epoch of a schedule over `n_epochs`, the number `epoch` from 0; the last one again where there are more."""

    schedule: ScheduleRule
    epoch: int
    n_epochs: int

    def __call__(self, iteration: int, per_epoch: int, total: int) -> float:
        epoch = min(self.epoch, self.n_epochs - 1)
        return self.schedule(epoch * per_epoch + iteration, per_epoch, self.n_epochs * per_epoch)


def assign(estimator: Any, arguments: Mapping[str, Any]) -> None:
    """Set the arguments of a constructor as attributes."""
    for name, value in arguments.items():
        if name not in ("self", "__class__"):
            setattr(estimator, name, value)
