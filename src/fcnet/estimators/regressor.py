"""A regressor with the parameters of scikit-learn's `MLPRegressor`, and more."""

from typing import Any, ClassVar

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import column_or_1d

from fcnet.errors import InputError
from fcnet.estimators.base import _FCNetEstimator
from fcnet.estimators.callbacks import HandOn
from fcnet.estimators.parameters import CONSTRAINTS, assign
from fcnet.estimators.solvers import Outcome
from fcnet.nn.checks import check_results
from fcnet.nn.network import FullyConnectedNet
from fcnet.training.target_scale import TargetScale, meet_constants
from fcnet.types import Array


class FCNetRegressor(RegressorMixin, _FCNetEstimator):
    """Regression by a fully-connected network, in place of scikit-learn's `MLPRegressor`.

    What `MLPRegressor` has goes by the same names and means the same, but for the scale of the targets: with `scale_target` the
    network is trained on ``(y - mean) / std`` of the first `fit`, and its last layer put back to the scale of y afterwards.
    `loss_curve_`, `validation_loss_curve_`, `tol`, `alpha` and validation scores but R² are then in that scale.

    Parameters
    ----------
    loss : {"squared_error", "poisson"}
        Half the squared error, or half the Poisson deviance with the exponential of the output, for ``y >= 0``.
    hidden_layer_sizes, activation, solver, alpha, batch_size, learning_rate, learning_rate_init, power_t, max_iter, shuffle, \
random_state, tol, verbose, warm_start, momentum, nesterovs_momentum, early_stopping, monitor, validation_fraction, beta_1, \
beta_2, epsilon, n_iter_no_change, max_fun, dropout, input_dropout, normalisation, scale_inputs, callbacks, progress, \
checkpoint, dtype, engine, threads : as there
        As in `FCNetClassifier`; the `monitor` "auto" is R², others are "loss", "rmse", "mae" and, with that loss,
        "poisson_deviance".
    scale_target : bool
        Whether targets are standardised in training; those of "poisson" never are.

    Attributes
    ----------
    network_, coefs_, intercepts_, n_iter_, n_layers_, n_outputs_, n_features_in_, feature_names_in_, t_, out_activation_, \
loss_, best_loss_, loss_curve_, validation_scores_, best_validation_score_, validation_loss_curve_, history_ : as there
        As in `FCNetClassifier`.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = FCNetRegressor(solver="adamw", learning_rate="one_cycle", learning_rate_init=0.02, max_iter=50, random_state=0)
    >>> bool(model.fit(X, y).score(X, y) > 0.5)
    True
    """

    _y_numeric = True
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **CONSTRAINTS,
        "loss": [StrOptions({"squared_error", "poisson"})],
        "scale_target": ["boolean"],
    }

    def __init__(
        self,
        loss: str = "squared_error",
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        solver: Any = "adam",
        alpha: float | str = "auto",
        batch_size: int | str = "auto",
        learning_rate: Any = "auto",
        learning_rate_init: float | str = "auto",
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool | int = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        monitor: str = "auto",
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        dropout: float = 0.0,
        input_dropout: float = 0.0,
        normalisation: str = "none",
        scale_inputs: bool = True,
        scale_target: bool = True,
        callbacks: Any = None,
        progress: bool = False,
        checkpoint: Any = None,
        dtype: Any = None,
        engine: str | None = None,
        threads: int | None = None,
    ) -> None:
        assign(self, locals())

    def _read_targets(self, y: Any, first: bool, validation: bool = False) -> Array:
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if first:
            self._one_column = y.ndim == 1
        if y.ndim == 1:
            y = y[:, np.newaxis]
        if first:
            self._n_columns = y.shape[1]
        elif y.shape[1] != self._n_columns:
            raise InputError(f"y must have {self._n_columns} columns as before, got {y.shape[1]}.")
        if self.loss == "poisson" and (y < 0).any():
            raise InputError(f"Some value(s) of y are out of the valid range of the loss 'poisson': the least is {y.min()}.")
        return y

    def _set_target_scale(self, targets: Array, weights: Array | None) -> None:
        is_scaled = self.scale_target and self.loss == "squared_error"
        scale = TargetScale.of(targets, weights) if is_scaled else TargetScale.plain(targets.shape[1])
        self._target_mean, self._target_std = scale.mean, scale.std  # two arrays, as pickles have them

    @property
    def _target_scale(self) -> TargetScale:
        return TargetScale(self._target_mean, self._target_std)

    def _begin(self, X: Any, targets: Array) -> None:
        scale, words = self._target_scale, ("y", 'give dtype="float64"')
        scale.check(self.dtype or X.dtype, *words)
        if self.scale_target and self.loss == "squared_error":
            scale.check_digits(self.dtype or X.dtype, *words)
        super()._begin(X, targets)

    def _read_outputs(self, n_outputs: int, out_activation: str | None) -> None:
        self._n_columns, self._one_column = n_outputs, n_outputs == 1

    def _loss_name(self, n_outputs: int) -> str:
        return str(self.loss)

    def _scaled(self, targets: Array) -> Array:
        return self._target_scale.apply(targets)

    def _enter_scale(self, network: FullyConnectedNet) -> None:
        super()._enter_scale(network)
        self._target_scale.enter(network)

    def _leave_scale(self, network: FullyConnectedNet) -> None:
        self._target_scale.leave(network)
        super()._leave_scale(network)

    def _train(
        self, X: Any, y: Array, weights: Array | None, held_out: tuple[Any, Any, Any], incremental: bool, hand_on: HandOn
    ) -> Outcome:
        outcome = super()._train(X, y, weights, held_out, incremental, hand_on)
        if not incremental:  # else what comes later may vary
            meet_constants(self.network_, y)
        return outcome

    def predict(self, X: Any) -> Array:
        """Return the value of each row, (n,), or (n, n_outputs) as `y` was."""
        logits = self._logits(X)
        values = check_results(self.network_.loss.mean(logits))
        return values[:, 0] if self._one_column else values

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
