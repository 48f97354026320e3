"""A classifier with the parameters of scikit-learn's `MLPClassifier`, and more."""

from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import log_softmax
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import _check_partial_fit_first_call, type_of_target, unique_labels

from fcnet.errors import InputError
from fcnet.estimators.base import _not_lbfgs
from fcnet.estimators.callbacks import with_callbacks
from fcnet.estimators.class_targets import ClassTargets
from fcnet.estimators.parameters import CONSTRAINTS, assign
from fcnet.nn.loss import HALF
from fcnet.training.metrics import AUTO
from fcnet.types import Array


class FCNetClassifier(ClassifierMixin, ClassTargets):
    """Classification by a fully-connected network, in place of scikit-learn's `MLPClassifier`.

    What `MLPClassifier` has goes by the same names and means the same. Two classes are told apart by the sigmoid of one output,
    more by a softmax; of several labels to a row (an indicator matrix `y`) each has a sigmoid of its own.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of ints
    activation : {"relu", "leaky_relu", "tanh", "gelu", "logistic", "identity", "exp"} or callable
        A callable makes a layer of its own, see `fcnet.nn.activations`.
    solver : {"adam", "adamw", "sgd", "momentum", "nesterov", "rmsprop", "lbfgs"} or UpdateRule
        An object like those of `fcnet.training.updates` brings its own settings, as ``AdamW(weight_decay=0.05)``.
    alpha : float or "auto"
        Strength of the L2 penalty, divided by the weights of the rows of a batch: ``alpha / 2 / n · ΣW²``. "auto" is ``ΣW²``
        over all rows with Adam, AdamW and RMSProp, a normal prior of every weight with variance 1/2, but at most as for 200
        rows; with others and for `partial_fit` it is 0.0001.
    batch_size : int or "auto"
        "auto" is a 64th of the rows, from 64 to 200, with Adam, AdamW and RMSProp, else 200; all rows if they are fewer.
    learning_rate : {"auto", "constant", "invscaling", "adaptive", "exponential", "step", "cosine", "one_cycle"} or Schedule
        How the rate changes over `max_iter` epochs, of which a call of `partial_fit` is one. "auto" falls to nothing along a
        cosine with Adam, AdamW and RMSProp, sooner where the loss no longer improves; with others and for `partial_fit` it is
        constant. An object like those of `fcnet.training.schedules` brings its own settings. Where "constant", "invscaling",
        "adaptive", "exponential", "step" or `warm_start` would go on after `max_iter`, a `ConvergenceWarning` says so.
    learning_rate_init : float or "auto"
        "auto" is 0.002 with Adam, AdamW and RMSProp, and 0.001 with others.
    power_t : float
        Exponent of "invscaling".
    max_iter : int
        Most epochs, or iterations of L-BFGS, which has no dropout, validation rows, callbacks and checkpoints.
    shuffle : bool
    random_state : int, RandomState or None
        Seeds the one generator that every random draw comes from.
    tol : float
    verbose : bool
        Print the loss of every epoch.
    warm_start : bool
        Go on from the parameters of the last `fit`; settings that change none of their shapes may be other ones.
    momentum : float
    nesterovs_momentum : bool
    early_stopping : bool
        Stop by the `monitor`, and keep the parameters of the best epoch.
    monitor : {"auto", "log_loss", "balanced_accuracy", "f1", "roc_auc", "average_precision"}
        The metric of the validation rows; "auto" is accuracy.
    validation_fraction : float
        What `early_stopping` sets aside without validation rows: of each class its share, but never its last row.
    beta_1, beta_2, epsilon : float
        Of Adam.
    n_iter_no_change : int or inf
        It stops after more than so many epochs without an improvement by `tol`. With ``learning_rate="auto"`` and without
        `early_stopping` the rate first falls to nothing, in half as many epochs again.
    max_fun : int
        Most evaluations of L-BFGS.
    dropout, input_dropout : float in [0, 1)
        Probability that a hidden unit, or an input, is dropped in training.
    normalisation : {"none", "layer"}
    scale_inputs : bool
        Whether columns are standardised in training, by the mean and deviation that they have in the first `fit`, with the
        first layer put back to the scale of X afterwards. `alpha` is for weights in that scale, and a dropped input is at its
        mean. A column of two values is centred and divided by their difference; one with values that are far off is divided by
        a twentieth of the largest deviation. Sparse rows are not centred, and only columns whose values have a root mean square
        above 1 are divided by that.
    label_smoothing : float in [0, 1)
    class_weight : dict, list of dicts, "balanced" or None
        Weights of classes, 1 if not named; of labels a dict for each. They have no part in validation scores.
    threshold : float or "auto"
        Of two classes: the second is predicted where its probability is above this. "auto" takes what is best on the
        validation rows, of `early_stopping` or given to `fit`, by the `monitor`, or by the balanced accuracy where that does
        not depend on what is predicted, as the log-loss.
    callbacks : list of Callback, optional
        Of `fcnet.training.callbacks.Callback`; `set_callbacks` sets those of scikit-learn's own protocol.
    progress : bool
        Show a bar.
    checkpoint : path, optional
        A file from which a stopped `fit` goes on, with the same data, parameters and `random_state`; it is written at the ends
        of epochs, at most every ten seconds. Not for searches and cross-validation, whose fits would share it.
    dtype : {"float32", "float64"}, optional
        Of parameters and results; that of `X` where nothing is given.
    engine : {"numba", "numpy", "bfloat16"}, optional
    threads : int, optional
        How many threads share the work of fitting and predicting; as many as there are cores where nothing is given.

    Attributes
    ----------
    classes_ : array (n_classes,)
    network_ : FullyConnectedNet
    coefs_, intercepts_ : lists of arrays
        The parameters of the network, not copies: it takes what is assigned to them, or to their entries.
    n_iter_, n_layers_, n_outputs_, n_features_in_, t_ : int
    feature_names_in_ : array of str
        With a data frame.
    out_activation_ : str
    threshold_ : float
        What `predict` goes by: the `threshold`, or the one that was chosen.
    loss_, best_loss_ : float
    loss_curve_ : list of float
        Mean loss of every epoch, penalty included.
    validation_scores_ : list of float
        The `monitor` of every epoch, None without validation rows.
    best_validation_score_ : float
        That of the network where `early_stopping` has chosen it, else None.
    validation_loss_curve_ : list of float
        Loss on the validation rows, without penalty; None without any.
    history_ : History
        Of the last `fit`.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> X, y = load_iris(return_X_y=True)
    >>> net = FCNetClassifier(dropout=0.1, max_iter=50, learning_rate="one_cycle", learning_rate_init=0.03, random_state=0)
    >>> model = make_pipeline(StandardScaler(), net)
    >>> model.fit(X, y).score(X, y) > 0.95
    True
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **CONSTRAINTS,
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
        "class_weight": [dict, list, StrOptions({"balanced"}), None],
        "threshold": [StrOptions({"auto"}), Interval(Real, 0, 1, closed="neither")],
    }

    def __init__(
        self,
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
        label_smoothing: float = 0.0,
        class_weight: Any = None,
        threshold: float | str = 0.5,
        callbacks: Any = None,
        progress: bool = False,
        checkpoint: Any = None,
        dtype: Any = None,
        engine: str | None = None,
        threads: int | None = None,
    ) -> None:
        assign(self, locals())

    @available_if(_not_lbfgs)
    @_fit_context(prefer_skip_nested_validation=True)
    @with_callbacks
    def partial_fit(
        self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None, classes: ArrayLike | None = None
    ) -> Self:
        """Train for one epoch more on these rows, with what the solver remembers of those before.

        Parameters
        ----------
        X : array, sparse matrix or data frame (n, n_features)
        y : array (n,), or array or sparse matrix (n, n_labels)
        sample_weight : array (n,), optional
        classes : array (n_classes,), optional
            All classes that will come; needed at the first call.

        Returns
        -------
        self
        """
        if self.class_weight == "balanced":
            raise InputError('class_weight="balanced" needs all rows at once: give partial_fit a dict of weights.')
        if _check_partial_fit_first_call(self, classes):
            self._multilabel = type_of_target(y).startswith("multilabel")
            self.classes_ = np.arange(np.shape(y)[1]) if self._multilabel else unique_labels(classes)
        return self._fit(X, y, sample_weight, (None, None), incremental=True)

    def predict(self, X: Any) -> Array:
        """Return the most probable class (n,) of each row, or its labels (n, n_labels).

        Of two classes it is the second where its probability is above `threshold_`.
        """
        logits = self._logits(X)
        given = HALF if self.threshold == AUTO else self.threshold  # of weights that were assigned
        predicted = self.network_.loss.at(getattr(self, "threshold_", given), logits.shape[1]).predict(logits)
        if self._multilabel:
            return predicted
        classes = self._labels()
        if len(classes) == 1:
            return np.repeat(classes, len(logits))
        return classes[predicted if predicted.ndim == 1 else predicted[:, 0]]

    def predict_proba(self, X: Any) -> Array:
        """Return the probability of each class, or of each label, (n, n_classes)."""
        logits = self._logits(X)
        p = self.network_.loss.mean(logits)
        if self._multilabel or p.shape[1] > 1:
            return p
        return np.ones_like(p) if self._only_one_class() else np.hstack([1 - p, p])

    def predict_log_proba(self, X: Any) -> Array:
        """Return the logarithm of `predict_proba`; of classes it is finite where that is too small for its type."""
        logits = self._logits(X)
        if self._multilabel:
            return np.asarray(np.log(self.network_.loss.mean(logits)))
        if logits.shape[1] > 1:
            return np.asarray(log_softmax(logits, axis=1))
        if self._only_one_class():
            return np.zeros_like(logits)
        return -np.logaddexp(0, np.hstack([logits, -logits]))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
