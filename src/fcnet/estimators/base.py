"""What the estimators share: from scikit-learn's parameters to a network and its trainer, and back to attributes."""

import math
import warnings
from abc import ABC, abstractmethod
from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import _check_sample_weight, validate_data

from fcnet.errors import DivergedError, InputError, OtherTrainingError, SettingError, to_int
from fcnet.estimators.advice import warn_if_nothing_is_learnt, warn_of_what_lbfgs_leaves_out
from fcnet.estimators.callbacks import CallbackSupportMixin, HandOn, PrintLoss, with_callbacks
from fcnet.estimators.fitted import FLOATS, FittedNetwork
from fcnet.estimators.parameters import CONSTRAINTS, PARAMETER_OF, schedule_of, update_rule
from fcnet.nn.network import FullyConnectedNet
from fcnet.training.callbacks import Callback, Progress
from fcnet.training.history import History
from fcnet.training.lbfgs import train_lbfgs
from fcnet.training.schedules import Cosine, OneCycle
from fcnet.training.state import TrainingState
from fcnet.training.stopping import Adaptive, StopWithoutImprovement
from fcnet.training.trainer import Trainer
from fcnet.types import Array

BATCH_AUTO = 200


def _not_lbfgs(estimator: Any) -> bool:
    if estimator.solver == "lbfgs":
        raise AttributeError("partial_fit is only available for stochastic solvers; lbfgs is not stochastic.")
    return True


class _FCNetEstimator(FittedNetwork, CallbackSupportMixin, BaseEstimator, ABC):
    """Thin over `FullyConnectedNet` and `Trainer`; subclasses know their targets."""

    _parameter_constraints: ClassVar[dict[str, Any]] = CONSTRAINTS

    # What the subclasses say about their targets.

    @abstractmethod
    def _read_targets(self, y: Array, first: bool) -> Array:
        """Learn what `y` holds if this is the first time, else compare; return it as the network's loss wants it."""

    @abstractmethod
    def _loss_name(self) -> str: ...

    def _row_weights(self, y: Array, sample_weight: Array | None) -> Array | None:
        return sample_weight

    def _stratify(self, targets: Array) -> Array | None:
        return None

    def _label_smoothing(self) -> float:
        return 0.0

    def _measure_targets(self, targets: Array, weights: Array | None) -> None:
        """Learn the scale of the targets that training begins with."""

    def _enter_scale(self, network: FullyConnectedNet) -> None:
        """Bring a network to the scale that it is trained in."""

    def _leave_scale(self, network: FullyConnectedNet) -> None:
        """Bring a network back to the scale of the targets."""

    def _scaled(self, targets: Array) -> Array:
        """Return targets in the scale of training."""
        return targets

    # Fitting.

    @_fit_context(prefer_skip_nested_validation=True)
    @with_callbacks
    def fit(
        self,
        X: Any,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        X_val: Any = None,
        y_val: ArrayLike | None = None,
    ) -> Self:
        """Train the network.

        Parameters
        ----------
        X : array, sparse matrix or data frame (n, n_features)
        y : array (n,) or (n, n_outputs)
        sample_weight : array (n,), optional
            How much each row counts; rows of weight zero are left out.
        X_val, y_val : arrays (m, n_features) and (m,) or (m, n_outputs), optional
            Rows to validate on after every epoch. With `early_stopping` they take the place of those that it would set aside.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If the arrays do not fit, or training diverges.
        """
        return self._fit(X, y, sample_weight, (X_val, y_val), incremental=False)

    @available_if(_not_lbfgs)
    @_fit_context(prefer_skip_nested_validation=True)
    @with_callbacks
    def partial_fit(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Train for one epoch more on these rows, with what the solver remembers of those before.

        Parameters
        ----------
        X : array, sparse matrix or data frame (n, n_features)
        y : array (n,) or (n, n_outputs)
        sample_weight : array (n,), optional

        Returns
        -------
        self
        """
        return self._fit(X, y, sample_weight, (None, None), incremental=True)

    def _validate_params(self) -> None:
        if isinstance(self.learning_rate, Real):
            raise SettingError(
                f"learning_rate says how the rate changes; for the rate write learning_rate_init={self.learning_rate}."
            )
        super()._validate_params()
        if self.checkpoint is not None and self.random_state is None:
            raise SettingError("checkpoint needs a random_state, by which the same fit is known again: random_state=0, say.")

    def _fit(self, X: Any, y: Any, sample_weight: Any, validation: tuple[Any, Any], incremental: bool) -> Self:
        if self.early_stopping and incremental:
            raise ValueError("partial_fit does not support early_stopping=True: it sees one epoch at a time.")
        first = not hasattr(self, "network_") or not (self.warm_start or incremental)
        context = self._init_callback_context(max_subtasks=None)
        context.call_on_fit_task_begin(estimator=self, X=X, y=y)
        X, y = validate_data(
            self, X, y, accept_sparse=["csr", "csc"], multi_output=True, dtype=FLOATS, reset=first, y_numeric=self._y_numeric
        )
        told = incremental and hasattr(self, "classes_")  # what partial_fit was told is not learnt from y
        targets = self._read_targets(y, first and not told)
        weights = (
            None if sample_weight is None else _check_sample_weight(sample_weight, X, dtype=X.dtype, ensure_non_negative=True)
        )
        weights = self._row_weights(y, weights)
        if weights is not None and not weights.all():
            kept = np.flatnonzero(weights)
            X, targets, weights = X[kept], targets[kept], weights[kept]
        if first or not incremental or not hasattr(self, "_rng"):
            self._rng = np.random.default_rng(check_random_state(self.random_state).randint(2**31 - 1))
        X, targets, weights, held_out = self._hold_out(X, targets, weights, validation)
        if first:
            self._measure_targets(targets, weights)
            self._begin(X, targets)
        elif self._hidden() != self.network_.layer_sizes[1:-1]:
            raise InputError(
                f"hidden_layer_sizes is now {self.hidden_layer_sizes}, and the network to go on with has "
                f"{self.network_.layer_sizes[1:-1]}: fit anew without warm_start."
            )
        if self.solver == "lbfgs":
            warn_of_what_lbfgs_leaves_out(self, validation)
            self._fit_lbfgs(X, targets, weights)
        else:
            self._fit_stochastic(X, targets, weights, held_out, incremental, context)
        if not incremental:
            warn_if_nothing_is_learnt(self.network_, X, targets, weights)
        context.call_on_fit_task_end(estimator=self, X=X, y=y)
        return self

    def _hold_out(
        self, X: Any, y: Array, weights: Array | None, given: tuple[Any, Any]
    ) -> tuple[Any, Array, Array | None, tuple[Any, Any, Any]]:
        """Return the training rows, and those to validate on: rows, targets and weights, each None without any."""
        X_val, y_val = given
        if (X_val is None) != (y_val is None):
            raise InputError("X_val and y_val go together: give both or neither.")
        if X_val is not None:
            try:
                X_val, y_val = validate_data(
                    self, X_val, y_val, accept_sparse=["csr", "csc"], multi_output=True, dtype=X.dtype, reset=False
                )
                return X, y, weights, (X_val, self._read_targets(y_val, False), None)
            except ValueError as error:
                raise InputError(f"X_val and y_val do not go with X and y: {error}") from None
        if not self.early_stopping or self.solver == "lbfgs":
            return X, y, weights, (None, None, None)
        from sklearn.model_selection import train_test_split

        rest, held = train_test_split(
            np.arange(X.shape[0]),
            random_state=int(self._rng.integers(2**31)),
            test_size=self.validation_fraction,
            stratify=self._stratify(y),
        )
        if len(held) < 2:
            raise ValueError("The validation set is too small. Increase 'validation_fraction' or the size of your dataset.")
        w, w_val = (None, None) if weights is None else (weights[rest], weights[held])
        return X[rest], y[rest], w, (X[held], y[held], w_val)

    def _begin(self, X: Any, targets: Array) -> None:
        """Make the network, and forget what there was."""
        self.network_ = FullyConnectedNet(
            [X.shape[1], *self._hidden(), self._n_logits(targets)],
            loss=self._loss_name(),
            activation=self.activation,
            normalisation=self.normalisation,
            dropout=self.dropout,
            input_dropout=self.input_dropout,
            weight_init="glorot",
            dtype=self.dtype or X.dtype,
            seed=self._rng,
            engine=self.engine,
        )
        self._leave_scale(self.network_)  # initial parameters are meant for the scale of training
        self._update_state: dict[str, Array] | None = None
        self.t_, self._no_improvement_count = 0, 0
        self.loss_curve_: list[float] = []
        self.best_loss_: float | None = None
        self.best_validation_score_: float | None = None
        self.validation_scores_: list[float] | None = None
        self.validation_loss_curve_: list[float] | None = None

    def _hidden(self) -> list[int]:
        return [to_int("hidden_layer_sizes", size, 1) for size in np.ravel(self.hidden_layer_sizes).tolist()]

    def _n_logits(self, targets: Array) -> int:
        return int(targets.shape[1])

    def _fit_lbfgs(self, X: Any, targets: Array, weights: Array | None) -> None:
        network = self.network_
        X, y = network.check_data(X, targets)
        self._enter_scale(network)
        y, total = self._scaled(y), len(y) if weights is None else float(weights.sum())
        try:
            history, problem = train_lbfgs(
                *(network, X, y),
                sample_weight=weights,
                l2=self.alpha / total,
                label_smoothing=self._label_smoothing(),
                max_iter=self.max_iter,
                max_fun=self.max_fun,
                tol=self.tol,
            )
        except DivergedError as error:
            raise InputError(self._non_finite(error)) from None
        finally:
            self._leave_scale(network)
        self._take(history)
        if problem:
            warnings.warn(
                f"lbfgs failed to converge after {self.n_iter_} iteration(s): {problem}. Increase max_iter or max_fun, or "
                "scale the data.",
                ConvergenceWarning,
                stacklevel=5,
            )

    def _fit_stochastic(
        self,
        X: Any,
        targets: Array,
        weights: Array | None,
        held_out: tuple[Any, Any, Any],
        incremental: bool,
        context: Any,
    ) -> None:
        n, network = X.shape[0], self.network_
        batch_size = min(BATCH_AUTO if self.batch_size == "auto" else self.batch_size, n)
        if self.batch_size != "auto" and self.batch_size > n:
            warnings.warn("Got `batch_size` larger than sample size. It is going to be clipped.", UserWarning, stacklevel=5)
        update = update_rule(self)
        schedule = schedule_of(self, n, update, incremental)
        if self._update_state is None or not incremental:
            self._update_state = update.init(network.params)
        stop = StopWithoutImprovement(
            *(self.tol, self.n_iter_no_change, self.early_stopping),
            adaptive=schedule if isinstance(schedule, Adaptive) else None,
            best=self._best_so_far(),
            count=self._no_improvement_count,
        )
        watch, mean_weight = _Watch(), 1.0 if weights is None else float(weights.mean())
        trainer = Trainer(
            epochs=1 if incremental else self.max_iter,
            batch_size=batch_size,
            learning_rate=self.learning_rate_init,
            update=update,
            schedule=schedule,
            l2=self.alpha / (batch_size * mean_weight),
            label_smoothing=self._label_smoothing(),
            batches="full" if batch_size == n else "shuffled" if self.shuffle else "ordered",
            seed=int(self._rng.integers(2**31)),
            train_rows=0,
            keep_best=self.early_stopping,
            callbacks=[
                *([PrintLoss()] if self.verbose else []),
                *([Progress()] if self.progress else []),
                *(self.callbacks or []),
                HandOn(self, context, X, targets),
                stop,
                watch,
            ],
        )
        X_val, y_val, w_val = held_out
        self._enter_scale(network)
        diverged = None
        try:
            trainer.fit(
                *(network, X, self._scaled(targets), X_val, None if y_val is None else self._scaled(y_val)),
                sample_weight=weights,
                val_weight=w_val,
                update_state=self._update_state,
                checkpoint=self.checkpoint,
                resume=self.checkpoint is not None,
            )
        except OtherTrainingError as error:
            name = PARAMETER_OF.get(error.name, error.name)
            raise OtherTrainingError(error.path, name, error.there, error.here) from None
        except DivergedError as error:
            diverged = error
        except KeyboardInterrupt:
            warnings.warn("Training interrupted by user.", UserWarning, stacklevel=5)
        finally:
            self._leave_scale(network)
        if diverged is not None and not (self.early_stopping and len(watch.state.history)):
            raise InputError(self._non_finite(diverged)) from None
        self._take(watch.state.history)
        self.t_ += n * self.n_iter_
        self._no_improvement_count = stop.count
        if self.early_stopping:
            self.best_validation_score_, self.best_loss_ = stop.best, None
            if diverged is not None:
                self.validation_scores_ = [*(self.validation_scores_ or []), math.nan]
        else:
            self.best_loss_ = stop.best
        # A schedule that was asked for and comes to its end is no want of convergence.
        done = isinstance(schedule, Cosine | OneCycle) and self.learning_rate != "auto"
        ended = watch.state.stop_reason is not None or incremental or done
        if not ended or diverged is not None:
            reason = diverged or f"Maximum iterations ({self.max_iter}) reached and the optimization hasn't converged yet."
            warnings.warn(f"Stochastic Optimizer: {reason}", ConvergenceWarning, stacklevel=5)

    def _best_so_far(self) -> float:
        best = self.best_validation_score_ if self.early_stopping else self.best_loss_
        return math.nan if best is None else best

    def _take(self, history: History) -> None:
        """Set the attributes that tell how training went."""
        self.history_ = history
        self.n_iter_ = len(history)
        self.loss_curve_ += history.column("loss")
        self.loss_ = self.loss_curve_[-1] if self.loss_curve_ else math.nan
        self.best_loss_ = min(self.loss_curve_, default=math.nan)
        for name, column in (
            ("validation_scores_", f"val_{self.network_.loss.measure}"),
            ("validation_loss_curve_", "val_loss"),
        ):
            values = [row[column] for row in history if column in row]
            if values:
                setattr(self, name, [*(getattr(self, name) or []), *values])

    def _non_finite(self, error: DivergedError) -> str:
        return (
            "Solver produced non-finite parameter weights. The input data may contain large values and need to be "
            f"preprocessed. {error}"
        )

    def _as_if_ended(self) -> dict[str, Any]:
        """Return the attributes of an estimator whose training would end here."""
        network = self.network_.astype(self.network_.dtype)
        self._leave_scale(network)
        return {name: value for name, value in vars(self).items() if name.endswith("_")} | {"network_": network}

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


class _Watch(Callback):
    """Keeps hold of the state of a training, however it ends."""

    def on_train_begin(self, state: TrainingState) -> None:
        self.state = state
