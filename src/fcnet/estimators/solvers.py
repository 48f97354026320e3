"""How the estimators train their networks, and what they keep of the training."""

import math
import warnings
from typing import Any

from sklearn.exceptions import ConvergenceWarning

from fcnet.errors import DivergedError, InputError, OtherTrainingError
from fcnet.estimators.advice import warn_if_nothing_is_learnt
from fcnet.estimators.callbacks import HandOn, PrintLoss
from fcnet.estimators.parameters import (
    PARAMETER_OF,
    EpochOf,
    InverseScaling,
    batch_size_of,
    l2_of,
    rate_of,
    schedule_of,
    update_rule,
)
from fcnet.training.callbacks import Callback, EarlyStopping, Progress
from fcnet.training.history import History
from fcnet.training.lbfgs import train_lbfgs
from fcnet.training.schedules import Constant, Exponential, ScheduleRule, Step
from fcnet.training.state import TrainingState
from fcnet.training.stopping import Adaptive, Slowing
from fcnet.training.trainer import Trainer
from fcnet.types import Array


def fit_lbfgs(estimator: Any, X: Any, targets: Array, weights: Array | None) -> None:
    """Train by L-BFGS, and set the attributes of a fitted estimator."""
    network = estimator.network_
    rows, y = network.check_data(estimator._scaled_inputs(X), estimator._scaled(targets))
    estimator._enter_scale(network)
    total = len(y) if weights is None else float(weights.sum())
    try:
        history, problem = train_lbfgs(
            *(network, rows, y),
            sample_weight=weights,
            l2=l2_of(estimator, total, total, incremental=False),
            label_smoothing=estimator._label_smoothing(),
            max_iter=estimator.max_iter,
            max_fun=estimator.max_fun,
            tol=estimator.tol,
            threads=estimator.threads,
        )
    except DivergedError as error:
        raise InputError(_non_finite(error)) from None
    finally:
        estimator._leave_scale(network)
    _take(estimator, history)
    estimator.best_loss_ = min(estimator.loss_curve_)
    warn_if_nothing_is_learnt(network, X, targets, weights)
    if problem:
        warnings.warn(
            f"lbfgs failed to converge after {estimator.n_iter_} iteration(s): {problem}. Increase max_iter or max_fun, or "
            "scale the data.",
            ConvergenceWarning,
            stacklevel=6,
        )


def fit_stochastic(
    estimator: Any,
    X: Any,
    targets: Array,
    weights: Array | None,
    held_out: tuple[Any, Any, Any],
    incremental: bool,
    hand_on: HandOn,
) -> None:
    """Train by batches, on these rows and `held_out` ones to validate on, and set the attributes of a fitted estimator."""
    n, network = X.shape[0], estimator.network_
    batch_size = batch_size_of(estimator, n)
    if estimator.batch_size != "auto" and estimator.batch_size > n:
        warnings.warn("Got `batch_size` larger than sample size. It is going to be clipped.", UserWarning, stacklevel=6)
    update = update_rule(estimator)
    if type(estimator._update) is not type(update) or not incremental:
        estimator._update_state, estimator._adaptive = update.init(network.params), Adaptive()
        estimator._n_partial_fits = 0
    estimator._adaptive = Adaptive(estimator._adaptive.lowered)  # what earlier calls of partial_fit have come to
    estimator._update = update
    schedule = schedule_of(estimator, n, incremental)
    slowing = Adaptive if estimator.early_stopping else Slowing  # which ends when the validation rows say so
    stop = EarlyStopping(
        estimator.n_iter_no_change + 1,
        estimator.tol,
        metric="score" if estimator.early_stopping else "loss",
        slowing=schedule if isinstance(schedule, slowing) else None,
        best=math.nan if estimator.early_stopping or estimator.best_loss_ is None else estimator.best_loss_,
        count=estimator._no_improvement_count,
    )
    watch, mean_weight = _Watch(), 1.0 if weights is None else float(weights.mean())
    trainer = Trainer(
        epochs=1 if incremental else estimator.max_iter,
        batch_size=batch_size,
        learning_rate=rate_of(estimator),
        update=update,
        schedule=schedule,
        l2=l2_of(estimator, batch_size * mean_weight, n * mean_weight, incremental),
        label_smoothing=estimator._label_smoothing(),
        batches="full" if batch_size == n else "shuffled" if estimator.shuffle else "ordered",
        seed=int(estimator._rng.integers(2**31)),
        train_rows=0,
        keep_best=estimator.early_stopping,
        callbacks=[
            *([PrintLoss()] if estimator.verbose else []),
            *([Progress()] if estimator.progress else []),
            *(estimator.callbacks or []),
            hand_on,
            stop,
            watch,
        ],
        threads=estimator.threads,
    )
    X_val, y_val, w_val = held_out
    estimator._enter_scale(network)
    diverged = None
    try:
        trainer.fit(
            network,
            estimator._scaled_inputs(X),
            estimator._scaled(targets),
            estimator._scaled_inputs(X_val),
            None if y_val is None else estimator._scaled(y_val),
            sample_weight=weights,
            val_weight=w_val,
            update_state=estimator._update_state,
            checkpoint=estimator.checkpoint,
            resume=estimator.checkpoint is not None,
        )
    except OtherTrainingError as error:
        name = PARAMETER_OF.get(error.name, error.name)
        advice = " In a search or a cross-validation give no checkpoint: its fits would share the file."
        raise OtherTrainingError(error.path, name, error.there, error.here, advice) from None
    except DivergedError as error:
        diverged = DivergedError(str(error).replace("learning_rate", PARAMETER_OF["learning_rate"]), error.batches)
        estimator._update = None  # what it remembers is no longer finite
    except KeyboardInterrupt:
        if not hasattr(watch, "state"):
            raise
        warnings.warn("Training interrupted by user.", UserWarning, stacklevel=6)
    finally:
        estimator._leave_scale(network)
    if diverged is not None and not (estimator.early_stopping and len(watch.state.history)):
        raise InputError(_non_finite(diverged)) from None
    _take(estimator, watch.state.history)
    _take_scores(estimator, stop, diverged)
    estimator.t_ += n * estimator.n_iter_
    estimator._n_partial_fits += incremental
    if not incremental and (watch.state.epoch == estimator.max_iter or stop.has_stopped):  # nobody has stopped it
        warn_if_nothing_is_learnt(network, X, targets, weights)
    _warn_of_the_end(estimator, schedule, diverged, watch.state.stop_reason is not None or incremental)


def _take_scores(estimator: Any, stop: EarlyStopping, diverged: DivergedError | None) -> None:
    estimator._no_improvement_count = stop.n_without
    if not estimator.early_stopping:
        estimator.best_validation_score_, estimator.best_loss_ = None, stop.best_value
        return
    estimator.best_validation_score_, estimator.best_loss_ = stop.best_value, None
    if diverged is not None:
        estimator.validation_scores_ = [*(estimator.validation_scores_ or []), math.nan]


def _warn_of_the_end(estimator: Any, schedule: ScheduleRule, diverged: DivergedError | None, ended: bool) -> None:
    # Others end at max_iter by design, where the rate has come down; these would go on, as with warm_start the next fit does.
    goes_on = estimator.warm_start or isinstance(schedule, Constant | Exponential | Step | InverseScaling | Adaptive)
    done = ended or not goes_on
    if diverged is not None or not done:
        reason = diverged or f"Maximum iterations ({estimator.max_iter}) reached and the optimization hasn't converged yet."
        warnings.warn(f"Stochastic Optimizer: {reason}", ConvergenceWarning, stacklevel=7)
    if isinstance(schedule, EpochOf) and estimator._n_partial_fits == estimator.max_iter + 1:
        warnings.warn(
            f"The schedule {estimator.learning_rate!r} came to its end after max_iter={estimator.max_iter} calls of "
            "partial_fit: from now on its last epoch is repeated.",
            ConvergenceWarning,
            stacklevel=7,
        )


def _take(estimator: Any, history: History) -> None:
    """Set the attributes that tell how training went."""
    estimator.history_ = history
    estimator.n_iter_ = len(history)
    estimator.loss_curve_ += history.column("loss")
    estimator.loss_ = estimator.loss_curve_[-1] if estimator.loss_curve_ else math.nan
    for name, column in (
        ("validation_scores_", f"val_{estimator.network_.loss.measure}"),
        ("validation_loss_curve_", "val_loss"),
    ):
        values = [row[column] for row in history if column in row]
        if values:
            setattr(estimator, name, [*(getattr(estimator, name) or []), *values])


def _non_finite(error: DivergedError) -> str:
    return (
        "Solver produced non-finite parameter weights. The input data may contain large values and need to be "
        f"preprocessed. {error}"
    )


class _Watch(Callback):
    """Keeps hold of the state of a training, however it ends."""

    def on_train_begin(self, state: TrainingState) -> None:
        self.state = state
