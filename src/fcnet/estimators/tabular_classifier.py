"""A classifier for tables."""

from typing import Any, ClassVar

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets, unique_labels
from sklearn.utils.validation import check_is_fitted

from fcnet.errors import SettingError
from fcnet.estimators.labels import check_known, plain_labels, weights_of_classes
from fcnet.estimators.parameters import assign
from fcnet.estimators.tabular import TabularEstimator
from fcnet.estimators.tabular_settings import NETWORK, TRAINING
from fcnet.types import Array


class TabularClassifier(ClassifierMixin, TabularEstimator):
    """Classification of the rows of a table, by a network for numbers, dates and categories.

    Rows are taken as they are: what is a category, a date or a gap is found out, numbers are scaled, and the epochs with the
    least log-loss on a part of the rows are kept. Text that is no category is refused. A ConvergenceWarning of scikit-learn
    says so where the log-loss of the class shares is no higher on that part, by more than chance. An `fcnet.errors.DataWarning`
    names what in the data may be a mistake: columns that only tell rows apart or give the target away, repeated rows, labels
    that are alike; and, in prediction, categories that were not there before.

    Parameters
    ----------
    hidden_sizes : sequence of ints
        Units of each hidden layer.
    n_members : int
        Networks that share their weights but for small parts of their own, and predict together.
    dropout : float
        Probability that a hidden unit is dropped in training.
    number_embedding : {"periodic", "piecewise_linear", "none"}
        What makes several values of each number.
    epochs, batch_size : int or "auto"
        By default by the number of rows, see `fcnet.training.tabular.epochs_for` and `batch_size_for`.
    learning_rate : float or "auto"
        By default 0.04, or 0.2 for a regression of numbers.
    weight_decay : float
    label_smoothing : float
        Share of the target that is spread evenly over all classes.
    class_weight : dict, "balanced" or None
        What each class counts, in training and in all that validation rows choose. "balanced" is by the rows given to `fit`.
    monitor : str
        The metric of the validation rows by which an epoch is kept, of `fcnet.training.metrics.METRICS`; "auto" is the
        log-loss.
    patience : int or "cycle"
        Stop when the monitor has not become better for so many epochs, or in a whole cycle of the learning rate; 0 for never.
        Schedules other than "log_cosine" have no cycles, and need a number.
    validation_fraction : float
        Share of the rows that is set aside to validate on, where `fit` is given none: of each class its share, but never its
        last row. Of fewer than 40 rows none is, and the last epoch is kept.
    calibrate : bool
        Divide logits by the temperature with the least log-loss on the validation rows.
    threshold : float or "auto"
        Of two classes: the second is predicted where its probability is above this. "auto" takes what is best on the
        validation rows by the `monitor`, or by the balanced accuracy where that does not depend on what is predicted, as the
        log-loss.
    refit : bool
        Train again on all rows, up to the epoch that was best, and keep the last epochs.
    n_ensemble : int or "auto"
        Networks trained with seeds of their own, whose probabilities are averaged; "auto" is five for up to 1,000 rows
        to train on, two for up to 4,000, and else one. Each is validated on rows of its own, as long as there are others.
    settings : dict, optional
        Settings that are seldom changed, by their names in `fcnet.training.tabular.TabularSettings` and `TabularTraining`, and
        in `fcnet.preprocessing.Table`.
    random_state : int, RandomState or None
    threads : int, optional
        How many threads share large products.
    engine : str, optional
        "numba" or "numpy"; what is installed by default.
    verbose : bool
        Print the losses of each epoch.
    callbacks : list of fcnet.training.callbacks.Callback, optional
        Told of one training after another; without any they run side by side.

    Attributes
    ----------
    classes_ : array (n_classes,)
    model_ : Model
        Preprocessor and network, with the parameters of the others as its `checkpoints`; for `fcnet.save` and
        `fcnet.export.export_onnx`.
    history_ : History
        Of the training, with several seeds of the first.
    best_epoch_ : int
        The epoch that was kept of it.
    threshold_ : float
        What `predict` goes by: the `threshold`, or the one that was chosen.
    n_features_in_ : int
    feature_names_in_ : array (n_features,)
        Where X was a data frame whose columns have names.

    Examples
    --------
    >>> import polars as pl
    >>> rng = np.random.default_rng(0)
    >>> X = pl.DataFrame({"size": rng.uniform(0, 3, 200), "colour": rng.choice(["red", "blue"], 200)})
    >>> y = np.where(X["size"] + (X["colour"] == "blue") > 2, "b", "a")
    >>> model = TabularClassifier(hidden_sizes=[16], epochs=20, random_state=0).fit(X, y)
    >>> model.predict(pl.DataFrame({"colour": ["red", "blue"], "size": [0.5, 2.5]})).tolist()
    ['a', 'b']
    """

    _y_checks: ClassVar[dict[str, Any]] = {"multi_output": False, "y_numeric": False}

    def __init__(
        self,
        *,
        hidden_sizes: Any = NETWORK.hidden_sizes,
        n_members: int = NETWORK.n_members,
        dropout: float = NETWORK.dropout,
        number_embedding: str = NETWORK.number_embedding,
        epochs: int | str = TRAINING.epochs,
        batch_size: int | str = TRAINING.batch_size,
        learning_rate: float | str = TRAINING.learning_rate,
        weight_decay: float = TRAINING.weight_decay,
        label_smoothing: float = TRAINING.label_smoothing,
        class_weight: Any = None,
        monitor: str = TRAINING.monitor,
        patience: int | str = TRAINING.patience,
        validation_fraction: float = TRAINING.validation_fraction,
        calibrate: bool = TRAINING.calibrate,
        threshold: float | str = TRAINING.threshold,
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
        y = plain_labels(y)
        if first:
            check_classification_targets(y)
            self.classes_ = np.unique(y)
        else:
            check_known(unique_labels(y), self.classes_, all_of_them=False)
        return np.searchsorted(self.classes_, y)

    def _loss_name(self) -> str:
        return "cross_entropy"

    def _outputs(self, targets: Array) -> list[str]:
        return [str(name) for name in self.classes_]

    def _class_weights(self, y: Array, targets: Array, *, first: bool) -> Array | None:
        by = self.class_weight
        if by is None:
            return None
        if by != "balanced" and not isinstance(by, dict):
            raise SettingError(f'class_weight must be a dict of weights, "balanced" or None, got {by!r}.')
        if first:
            self._of_classes = np.zeros(len(self.classes_))
            self._of_classes[targets] = weights_of_classes(by, y, targets, self.classes_)
        return np.asarray(self._of_classes[targets])

    def _stratify(self, targets: Array) -> Array | None:
        return targets

    def predict(self, X: Any) -> Array:
        """Return the most probable class (n,) of each row; of two the second where its probability is above `threshold_`."""
        logits = self._logits(X)
        return np.asarray(self.classes_[self.model_.loss.predict(logits)])

    @property
    def threshold_(self) -> float:
        """Above which probability the second of two classes is predicted."""
        check_is_fitted(self, "model_")
        return self.model_.threshold

    def predict_proba(self, X: Any) -> Array:
        """Return the probability of each class, (n, n_classes)."""
        logits = self._logits(X)
        return self.model_.network.loss.mean(logits)
