"""A regressor for tables."""

from typing import Any, ClassVar

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils.validation import _check_sample_weight, column_or_1d

from fcnet.errors import InputError, unknown_name
from fcnet.estimators.parameters import assign
from fcnet.estimators.table_rows import Rows
from fcnet.estimators.tabular import TabularEstimator
from fcnet.estimators.tabular_settings import NETWORK, TRAINING
from fcnet.nn.checks import check_results
from fcnet.nn.losses import get_loss
from fcnet.nn.regression_losses import QuantileLoss
from fcnet.training.regression import LOSSES
from fcnet.training.target_scale import TargetScale, scale_for
from fcnet.types import Array


class TabularRegressor(RegressorMixin, TabularEstimator):
    """Regression on the rows of a table, by a network for numbers, dates and categories.

    Rows are taken as `TabularClassifier` takes them, and the epochs with the least loss on a part of them are kept. Targets are
    standardised in training, or with "poisson" divided by their mean; one that is always the same is predicted as it is, but
    that counts which are all 0 have the mean 1e-12. A ConvergenceWarning of scikit-learn says so where one answer for all rows
    has no higher loss there, by more than chance.

    Parameters
    ----------
    loss : {"squared_error", "absolute_error", "quantile", "poisson"}
        The mean, the median or `quantiles` are predicted; or the mean of counts, or of other ``y >= 0``, whose logarithm the
        network gives.
    quantiles : sequence of floats
        With "quantile": in rising order. Each has an output, and these are in rising order, too.
    hidden_sizes, n_members, dropout, number_embedding, epochs, batch_size, learning_rate, weight_decay, monitor, patience, \
validation_fraction, refit, n_ensemble, settings, random_state, threads, engine, verbose, callbacks : as there
        As in `TabularClassifier`; the `monitor` "auto" is the loss.

    Attributes
    ----------
    model_, history_, best_epoch_, n_features_in_, feature_names_in_ : as there
        As in `TabularClassifier`.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> model = TabularRegressor(hidden_sizes=[32], epochs=20, random_state=0).fit(X, y)
    >>> model.score(X, y) > 0.4
    True
    >>> median = TabularRegressor(loss="quantile", quantiles=[0.1, 0.5, 0.9], hidden_sizes=[32], epochs=20, random_state=0)
    >>> median.fit(X, y).predict(X[:5]).shape
    (5, 3)
    """

    _y_checks: ClassVar[dict[str, Any]] = {"multi_output": True, "y_numeric": True}

    def __init__(
        self,
        *,
        loss: str = "squared_error",
        quantiles: Any = (0.05, 0.5, 0.95),
        hidden_sizes: Any = NETWORK.hidden_sizes,
        n_members: int = NETWORK.n_members,
        dropout: float = NETWORK.dropout,
        number_embedding: str = NETWORK.number_embedding,
        epochs: int | str = TRAINING.epochs,
        batch_size: int | str = TRAINING.batch_size,
        learning_rate: float | str = TRAINING.learning_rate,
        weight_decay: float = TRAINING.weight_decay,
        monitor: str = TRAINING.monitor,
        patience: int | str = TRAINING.patience,
        validation_fraction: float = TRAINING.validation_fraction,
        refit: bool = TRAINING.refit,
        n_ensemble: int | str = TRAINING.n_ensemble,
        settings: Any = None,
        random_state: Any = None,
        threads: int | None = None,
        engine: str | None = None,
        verbose: bool = False,
        callbacks: Any = None,
    ) -> None:
        assign(self, locals())

    def _read_targets(self, y: Array, *, first: bool) -> Array:
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if first:
            self._one_column = y.ndim == 1
            self._n_columns = 1 if y.ndim == 1 else y.shape[1]
        y = y.reshape(len(y), -1).astype(np.float64)
        if y.shape[1] != self._n_columns:
            raise InputError(f"y must have {self._n_columns} columns as before, got {y.shape[1]}.")
        if self.loss == "quantile" and not self._one_column:
            raise InputError(f"The loss 'quantile' is for one target, and y has {self._n_columns} columns.")
        if self.loss == "poisson" and (y < 0).any():
            raise InputError(f"Some value(s) of y are out of the valid range of the loss 'poisson': the least is {y.min()}.")
        return y

    def _loss_name(self) -> str:
        if self.loss not in LOSSES:
            raise unknown_name("loss", self.loss, LOSSES)
        return self._quantile_loss().name if self.loss == "quantile" else self.loss

    def _quantile_loss(self) -> QuantileLoss:
        return QuantileLoss(np.array(self.quantiles, object).ravel().tolist())

    def _outputs(self, targets: Array) -> list[str]:
        if self.loss == "quantile":
            return [str(quantile) for quantile in self._quantile_loss().quantiles]
        return [f"y{i}" for i in range(targets.shape[1])]

    def _scale_of(self, rows: Rows, dtype: str) -> TargetScale:
        scale = scale_for(get_loss(self._loss_name()), rows.y, rows.weights)
        words = ("y", 'give settings={"dtype": "float64"}')
        scale.check(dtype, *words)
        scale.check_digits(dtype, *words)
        return scale

    def predict(self, X: Any) -> Array:
        """Return the value of each row, (n,) or (n, n_outputs) as `y` was; with the loss "quantile" (n, n_quantiles)."""
        logits = self._logits(X)
        values = check_results(self.model_.network.loss.mean(logits))
        return values[:, 0] if self._one_column and self.loss != "quantile" else values

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return R² of the predictions; with the loss "quantile" D², see `fcnet.nn.regression_losses.QuantileLoss`."""
        if self.loss != "quantile":
            return float(super().score(X, y, sample_weight))
        logits, y = self._logits(X), column_or_1d(y)[:, np.newaxis]
        weights = None if sample_weight is None else _check_sample_weight(sample_weight, X)
        return get_loss(self._loss_name()).score(logits, y, weights)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
