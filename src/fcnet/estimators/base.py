"""What the estimators share: from scikit-learn's parameters to a network and its trainer, and back to attributes."""

from abc import ABC, abstractmethod
from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import _fit_context
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import _check_sample_weight, validate_data

from fcnet.engine import default_engine
from fcnet.errors import InputError, SettingError, to_int
from fcnet.estimators.advice import left_out, nothing_learnt
from fcnet.estimators.callbacks import CallbackSupportMixin, HandOn, with_callbacks
from fcnet.estimators.fitted import FLOATS
from fcnet.estimators.holdout import validation_rows
from fcnet.estimators.labels import rows_that_count
from fcnet.estimators.parameters import CONSTRAINTS
from fcnet.estimators.scaling import InputScale
from fcnet.estimators.trained import TrainedNetwork, before_training
from fcnet.nn.network import FullyConnectedNet
from fcnet.types import Array, is_sparse


def _not_lbfgs(estimator: Any) -> bool:
    if estimator.solver == "lbfgs":
        raise AttributeError("partial_fit is only available for stochastic solvers; lbfgs is not stochastic.")
    return True


class _FCNetEstimator(TrainedNetwork, CallbackSupportMixin, ABC):
    """Thin over `FullyConnectedNet` and `Trainer`; subclasses know their targets."""

    _parameter_constraints: ClassVar[dict[str, Any]] = CONSTRAINTS

    # What the subclasses say about their targets.

    @abstractmethod
    def _read_targets(self, y: Any, first: bool, validation: bool = False) -> Array:
        """Learn what `y` holds if this is the first time, else compare; return it as the network's loss wants it."""

    @abstractmethod
    def _read_outputs(self, n_outputs: int, out_activation: str | None) -> None:
        """Learn what can be known of the targets from a network that was made without them."""

    @abstractmethod
    def _loss_name(self, n_outputs: int) -> str: ...

    def _class_weights(self, y: Any, targets: Array) -> Array | None:
        """Return what the class of each row counts."""
        return None

    def _stratify(self, targets: Array) -> Array | None:
        """Return the class of each row, by which the validation rows are chosen."""
        return None

    def _check_threshold(self, targets: Array, *, has_validation: bool) -> None:
        """Raise SettingError if there is a threshold that does not go with the targets."""

    def _set_threshold(self, X: Any, y: Array, weights: Array | None) -> None:
        """Learn the threshold between two classes, by validation rows, if there are any."""

    def _set_target_scale(self, targets: Array, weights: Array | None) -> None:
        """Learn the scale of the targets that training begins with."""

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
        for name in ("solver", "learning_rate"):
            value = getattr(self, name)
            if isinstance(value, type):
                raise SettingError(f"{name} must be an object, not its class: write {value.__name__}().")
        super()._validate_params()
        if self.checkpoint is not None and self.random_state is None:
            raise SettingError("checkpoint needs a random_state, by which the same fit is known again: random_state=0, say.")
        if self.checkpoint is not None and self.warm_start:
            raise SettingError("checkpoint and warm_start do not go together: one file is the state of one fit.")

    def _fit(self, X: Any, y: Any, sample_weight: Any, validation: tuple[Any, Any], incremental: bool) -> Self:
        if self.early_stopping and incremental:
            raise ValueError("partial_fit does not support early_stopping=True: it sees one epoch at a time.")
        if self.checkpoint is not None and incremental:
            raise InputError("partial_fit has no use for a checkpoint, which is the state of one fit: pickle the estimator.")
        first = not (self.warm_start or incremental) or not hasattr(self, "network_")
        context = self._init_callback_context(max_subtasks=None)
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        told = {"estimator": self, "X": X, "y": y, "metadata": metadata}
        context.call_on_fit_task_begin(**told)
        X, y = validate_data(self, X, y, reset=first, **self._checks())
        known = incremental and hasattr(self, "classes_")  # what partial_fit was told is not learnt from y
        targets = self._read_targets(y, first and not known)
        X, targets, weights, of_classes = self._weighted(X, y, targets, sample_weight)
        if first or not incremental or not hasattr(self, "_rng"):
            self._rng = np.random.default_rng(check_random_state(self.random_state).randint(2**31 - 1))
        X, targets, weights, held_out = self._hold_out(X, targets, weights, of_classes, validation)
        self._check_threshold(targets, has_validation=held_out[0] is not None)
        if first or not hasattr(self, "_memory"):  # a network may be made of weights that were assigned
            self._set_target_scale(targets, weights)
            self._input_scale = InputScale.of(X, weights) if self.scale_inputs else None
        if self._input_scale is not None and any(is_sparse(rows) for rows in (X, held_out[0])):
            self._input_scale = self._input_scale.uncentred()
        if first:
            self._begin(X, targets)
        else:
            self._go_on(X, targets)
        self._warn(left_out(self, X.shape[0], validation[0] is not None))
        outcome = self._train(X, targets, weights, held_out, incremental, HandOn(context, told, self._as_if_ended))
        self._take(outcome, X.shape[0])
        self._set_threshold(*held_out)
        self._warn([*(nothing_learnt(self.network_, X, targets, weights) if outcome.is_whole else []), *outcome.problems])
        context.call_on_fit_task_end(**told)
        return self

    def _checks(self) -> dict[str, Any]:
        """Return how scikit-learn is to check rows and targets."""
        dtype = FLOATS if self.dtype is None else np.dtype(self.dtype)
        return {"accept_sparse": ["csr", "csc"], "multi_output": True, "dtype": dtype, "y_numeric": self._y_numeric}

    def _weighted(self, X: Any, y: Any, targets: Array, sample_weight: Any) -> tuple[Any, Array, Array | None, Array | None]:
        """Return the rows that count, with the weights that they were given and those of their classes."""
        of_classes = self._class_weights(y, targets)
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, X, dtype=X.dtype, ensure_non_negative=True)
        kept = rows_that_count(X.shape[0], sample_weight, of_classes)
        if len(kept) == X.shape[0]:
            return X, targets, sample_weight, of_classes
        return X[kept], targets[kept], *(None if w is None else w[kept] for w in (sample_weight, of_classes))

    def _hold_out(
        self, X: Any, y: Array, weights: Array | None, of_classes: Array | None, given: tuple[Any, Any]
    ) -> tuple[Any, Array, Array | None, tuple[Any, Any, Any]]:
        """Return the training rows, and those to validate on: rows, targets and weights, each None without any.

        Classes have no weight in the validation, so that its score is the accuracy.
        """
        all_weights = weights if of_classes is None else of_classes if weights is None else weights * of_classes
        X_val, y_val = given
        if (X_val is None) != (y_val is None):
            raise InputError("X_val and y_val go together: give both or neither.")
        if X_val is not None:
            try:
                X_val, y_val = validate_data(self, X_val, y_val, reset=False, **self._checks())
                return X, y, all_weights, (X_val, self._read_targets(y_val, False, validation=True), None)
            except ValueError as error:
                raise InputError(f"X_val and y_val do not go with X and y: {error}") from None
        if not self.early_stopping or self.solver == "lbfgs":
            return X, y, all_weights, (None, None, None)
        held = validation_rows(X.shape[0], self.validation_fraction, self._stratify(y), self._rng)
        w, w_val = None if all_weights is None else all_weights[~held], None if weights is None else weights[held]
        return X[~held], y[~held], w, (X[held], y[held], w_val)

    def _begin(self, X: Any, targets: Array) -> None:
        """Make the network, and forget what there was."""
        self._forget_given()
        settings = self._network_settings(self._layer_sizes(X, targets), X.dtype)
        self.network_ = FullyConnectedNet(**settings, seed=self._rng)
        self._leave_scale(self.network_)  # initial parameters are meant for the scale of training
        self.__dict__.update(before_training())

    def _layer_sizes(self, X: Any, targets: Array) -> list[int]:
        hidden = [to_int("hidden_layer_sizes", size, 1) for size in np.ravel(self.hidden_layer_sizes).tolist()]
        return [X.shape[1], *hidden, self._n_logits(targets)]

    def _network_settings(self, layer_sizes: list[int], dtype: Any) -> dict[str, Any]:
        return {
            "layer_sizes": layer_sizes,
            "loss": self._loss_name(layer_sizes[-1]),
            "activation": self.activation,
            "normalisation": self.normalisation,
            "dropout": self.dropout,
            "input_dropout": self.input_dropout,
            "weight_init": "glorot",
            "dtype": str(np.dtype(self.dtype or dtype)),
            "engine": self.engine or default_engine(),
        }

    def _go_on(self, X: Any, targets: Array) -> None:
        """Give the network what parameters have been changed since the last fit."""
        self.__dict__.update(before_training() | vars(self))
        before = self.network_.get_config()
        settings = self._network_settings(self._layer_sizes(X, targets), before["dtype"])
        for name in ("layer_sizes", "loss", "normalisation", "dtype"):
            if settings[name] != before[name]:
                raise InputError(
                    f"The {name} would now be {settings[name]}, and the network to go on with has {before[name]}: fit anew "
                    "without warm_start."
                )
        if settings != {name: before[name] for name in settings}:
            self.network_ = FullyConnectedNet(**settings, params=self.network_.params)

    def _make_network(self, sizes: list[int], dtype: Any, out_activation: str | None) -> FullyConnectedNet:
        self._read_outputs(sizes[-1], out_activation)
        return FullyConnectedNet(**self._network_settings(sizes, dtype))

    def _n_logits(self, targets: Array) -> int:
        return int(targets.shape[1])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
