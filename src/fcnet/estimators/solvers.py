"""How the estimators train their networks: by batches, or by L-BFGS."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from fcnet.errors import DivergedError, OtherTrainingError
from fcnet.estimators.parameters import (
    EpochOf,
    InverseScaling,
    Parameters,
    batch_size_of,
    l2_of,
    rate_of,
    schedule_of,
    update_rule,
)
from fcnet.estimators.scaling import not_finite
from fcnet.nn.loss import HALF
from fcnet.training.callbacks import Callback, EarlyStopping
from fcnet.training.history import History
from fcnet.training.lbfgs import train_lbfgs
from fcnet.training.metrics import AUTO
from fcnet.training.schedules import Constant, Exponential, Step
from fcnet.training.state import Trainable, TrainingState
from fcnet.training.stopping import Adaptive, Slowing
from fcnet.training.trainer import Trainer
from fcnet.training.updates import UpdateRule
from fcnet.types import Array, Params
from fcnet.words import PARAMETER_OF


@dataclass(frozen=True)
class Job:
    """A network to train by the parameters of an estimator, and the rows for it, all in the scale of training."""

    parameters: Parameters
    network: Trainable
    X: Any
    y: Array
    weights: Array | None
    X_val: Any
    y_val: Array | None
    val_weights: Array | None
    label_smoothing: float
    threshold: float | str
    n_seen: int  # rows that earlier trainings have gone through
    best: float  # their least loss
    n_without: int  # epochs without improvement at their end


@dataclass
class Memory:
    """What training by batches remembers from one call of `partial_fit` to the next."""

    update: UpdateRule | None = None
    update_state: Params = field(default_factory=dict)
    factor: float = 1.0  # what learning_rate="adaptive" has come to
    n_partial_fits: int = 0

    def begin(self, update: UpdateRule, params: Params, incremental: bool) -> None:
        """Forget what another fit or another rule has left."""
        if type(self.update) is not type(update) or not incremental:
            self.update_state, self.factor, self.n_partial_fits = update.init(params), 1.0, 0
        self.update = update


@dataclass
class Outcome:
    """How a training went."""

    history: History
    problems: list[Warning] = field(default_factory=list)
    best: float = math.nan  # the validation score where it decides, else the loss
    n_without: int = 0  # epochs without improvement at its end
    is_whole: bool = True  # whether it has ended by itself
    has_diverged: bool = False  # after which an epoch from before is kept


def fit_lbfgs(job: Job) -> Outcome:
    """Train by L-BFGS."""
    parameters, (X, y) = job.parameters, job.network.check_data(job.X, job.y, "X", "y")
    total = len(y) if job.weights is None else float(job.weights.sum())
    try:
        history, problem = train_lbfgs(
            *(job.network, X, y),
            sample_weight=job.weights,
            l2=l2_of(parameters, total, total, incremental=False),
            label_smoothing=job.label_smoothing,
            max_iter=parameters.max_iter,
            max_fun=parameters.max_fun,
            tol=parameters.tol,
            threads=parameters.threads,
        )
    except DivergedError as error:
        raise not_finite(str(error)) from None
    outcome = Outcome(history)
    if problem:
        advice = f"{problem}. Increase max_iter or max_fun, or scale the data."
        outcome.problems = [ConvergenceWarning(f"lbfgs failed to converge after {len(history)} iteration(s): {advice}")]
    return outcome


def fit_stochastic(
    job: Job, memory: Memory, *, incremental: bool, rng: np.random.Generator, callbacks: Sequence[Callback]
) -> Outcome:
    """Train by batches; `memory` is changed in place."""
    parameters, network, n = job.parameters, job.network, job.X.shape[0]
    batch_size, mean_weight = batch_size_of(parameters, n), 1.0 if job.weights is None else float(job.weights.mean())
    update = update_rule(parameters)
    memory.begin(update, network.params, incremental)
    schedule = schedule_of(parameters, n, job.n_seen, memory.factor, memory.n_partial_fits if incremental else None)
    slowing = Adaptive if parameters.early_stopping else Slowing  # which ends when the validation rows say so
    stop = EarlyStopping(
        parameters.n_iter_no_change + 1,
        parameters.tol,
        metric="score" if parameters.early_stopping else "loss",
        slowing=schedule if isinstance(schedule, slowing) else None,
        best=job.best,
        count=job.n_without,
    )
    watch, has_diverged = Watch(), False
    problems: list[Warning] = []
    trainer = Trainer(
        epochs=1 if incremental else parameters.max_iter,
        batch_size=batch_size,
        learning_rate=rate_of(parameters),
        update=update,
        schedule=schedule,
        l2=l2_of(parameters, batch_size * mean_weight, n * mean_weight, incremental),
        label_smoothing=job.label_smoothing,
        batches="full" if batch_size == n else "shuffled" if parameters.shuffle else "ordered",
        seed=int(rng.integers(2**31)),
        train_rows=0,
        keep_best=parameters.early_stopping,
        monitor=AUTO if job.X_val is None else parameters.monitor,
        threshold=HALF if job.X_val is None else job.threshold,
        callbacks=[*callbacks, stop, watch],
        threads=parameters.threads,
    )
    try:
        trainer.fit(
            *(network, job.X, job.y, job.X_val, job.y_val),
            sample_weight=job.weights,
            val_weight=job.val_weights,
            update_state=memory.update_state,
            checkpoint=parameters.checkpoint,
            resume=parameters.checkpoint is not None,
        )
    except OtherTrainingError as error:
        name = PARAMETER_OF.get(error.name, error.name)
        advice = " In a search or a cross-validation give no checkpoint: its fits would share the file."
        raise OtherTrainingError(error.path, name, error.there, error.here, advice) from None
    except DivergedError as error:
        memory.update = None  # what it remembers is no longer finite
        message, has_diverged = str(error).replace("learning_rate", PARAMETER_OF["learning_rate"]), True
        if not (parameters.early_stopping and len(watch.state.history)):
            raise not_finite(message) from None
        problems.append(ConvergenceWarning(f"Stochastic Optimizer: {message}"))
    except KeyboardInterrupt:
        if not hasattr(watch, "state"):
            raise
        problems.append(UserWarning("Training interrupted by user."))
    if isinstance(schedule, Adaptive):
        memory.factor = schedule.lowered
    memory.n_partial_fits += incremental
    state = watch.state
    runs_out = not incremental and state.epoch == parameters.max_iter and state.stop_reason is None
    # Others end at max_iter by design, where the rate has come down; these would go on, as with warm_start the next fit does.
    if runs_out and (parameters.warm_start or isinstance(schedule, Constant | Exponential | Step | InverseScaling | Adaptive)):
        reached = f"Maximum iterations ({parameters.max_iter}) reached and the optimization hasn't converged yet."
        problems.append(ConvergenceWarning(f"Stochastic Optimizer: {reached}"))
    if isinstance(schedule, EpochOf) and memory.n_partial_fits == parameters.max_iter + 1:
        message = (
            f"The schedule {parameters.learning_rate!r} came to its end after max_iter={parameters.max_iter} calls of "
            "partial_fit: from now on its last epoch is repeated."
        )
        problems.append(ConvergenceWarning(message))
    is_whole = not incremental and (state.epoch == parameters.max_iter or stop.has_stopped)
    return Outcome(state.history, problems, stop.best_value, stop.n_without, is_whole, has_diverged)


class Watch(Callback):
    """Keeps hold of the state of a training, however it ends."""

    def on_train_begin(self, state: TrainingState) -> None:
        """Get hold of it."""
        self.state = state
