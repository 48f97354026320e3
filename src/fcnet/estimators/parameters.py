"""The parameters of the estimators: what they may be, and the update rules and schedules that they stand for."""

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Annotated, Any

import numpy as np
from msgspec import Meta
from sklearn.utils._param_validation import HasMethods, Interval, Options, StrOptions

from fcnet.engine import ENGINES
from fcnet.nn.layers import NORMALISATIONS
from fcnet.settings import NotNegative, Settings
from fcnet.training.schedules import SCHEDULES, Constant, ScheduleRule, get_schedule
from fcnet.training.stopping import Annealing
from fcnet.training.updates import SGD, UPDATES, Adam, Momentum, Nesterov, RMSProp, UpdateRule, get_update

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

PARAMETER_OF = {  # of the trainer's settings, where it has another name here
    "epochs": "max_iter",
    "learning_rate": "learning_rate_init",
    "update": "solver",
    "schedule": "learning_rate",
    "l2": "alpha",
    "batches": "shuffle",
    "seed": "random_state",
    "keep_best": "early_stopping",
    "callbacks": "stopping rule (early_stopping, tol, n_iter_no_change)",
}


LEAST_BATCH, MOST_BATCH, BATCHES = 64, 200, 64
RATE, PLAIN_RATE = 0.002, 0.001  # the second one, as that of the penalty, is scikit-learn's
PRIOR, FEWEST_ROWS, PLAIN_ALPHA = 2.0, 200, 1e-4


def rate_of(estimator: Any) -> float:
    """Return the learning rate that an estimator's parameters ask for."""
    if estimator.learning_rate_init == "auto":
        return RATE if _adapts(estimator) else PLAIN_RATE
    return float(estimator.learning_rate_init)


def l2_of(estimator: Any, batch: float, total: float, incremental: bool) -> float:
    """Return the strength of the penalty that an estimator's parameters ask for, where a batch and all rows weigh so much."""
    if estimator.alpha != "auto":
        return float(estimator.alpha) / batch
    # The parts of a partial_fit do not say how many rows there are.
    return PRIOR / max(total, FEWEST_ROWS) if _adapts(estimator) and not incremental else PLAIN_ALPHA / batch


def batch_size_of(estimator: Any, n_rows: int) -> int:
    """Return the size of the batches that an estimator's parameters ask for, of so many rows."""
    size = estimator.batch_size
    if size == "auto":
        size = min(max(LEAST_BATCH, n_rows // BATCHES), MOST_BATCH) if _adapts(estimator) else MOST_BATCH
    return int(min(size, n_rows))


def _adapts(estimator: Any) -> bool:
    """Return whether the solver divides gradients by their usual size, so that one rate suits most data."""
    return estimator.solver != "lbfgs" and isinstance(update_rule(estimator), Adam | RMSProp)


def update_rule(estimator: Any) -> UpdateRule:
    """Return the update rule that an estimator's parameters ask for."""
    if not isinstance(estimator.solver, str):
        return estimator.solver
    if estimator.solver == "sgd":
        rule = Nesterov if estimator.nesterovs_momentum else Momentum
        return rule(estimator.momentum) if estimator.momentum else SGD()
    if estimator.solver == "adam":
        return Adam(estimator.beta_1, estimator.beta_2, estimator.epsilon)
    return get_update(
        estimator.solver,
        momentum=estimator.momentum,
        beta1=estimator.beta_1,
        beta2=estimator.beta_2,
        epsilon=estimator.epsilon,
    )


def schedule_of(estimator: Any, n_rows: int, incremental: bool) -> ScheduleRule:
    """Return the schedule that an estimator's parameters ask for, for an epoch of so many rows."""
    schedule = estimator.learning_rate
    if schedule == "auto":
        return Annealing() if _adapts(estimator) and not incremental else Constant()
    if schedule == "invscaling":
        return InverseScaling(n_rows, estimator.power_t, estimator.t_)
    if schedule == "adaptive":
        return estimator._adaptive
    if isinstance(schedule, str):
        schedule = get_schedule(schedule)
    return EpochOf(schedule, estimator._n_partial_fits, estimator.max_iter) if incremental else schedule


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


@dataclass(frozen=True)
class EpochOf:
    """One epoch of a schedule over `n_epochs`, the number `epoch` from 0; the last one again where there are more."""

    schedule: ScheduleRule
    epoch: int
    n_epochs: int

    def __call__(self, iteration: int, per_epoch: int, total: int) -> float:
        """Return the factor of the rate."""
        epoch = min(self.epoch, self.n_epochs - 1)
        return self.schedule(epoch * per_epoch + iteration, per_epoch, self.n_epochs * per_epoch)


def assign(estimator: Any, arguments: Mapping[str, Any]) -> None:
    """Set the arguments of a constructor as attributes."""
    for name, value in arguments.items():
        if name not in ("self", "__class__"):
            setattr(estimator, name, value)
