"""The targets of a classifier: classes, or several labels to a row, and between two classes the threshold."""

from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.utils.multiclass import check_classification_targets, type_of_target, unique_labels
from sklearn.utils.validation import column_or_1d

from fcnet.errors import InputError, SettingError
from fcnet.estimators.base import _FCNetEstimator
from fcnet.estimators.labels import check_known, plain_labels, weights_of_classes, weights_of_labels
from fcnet.nn.losses import get_loss
from fcnet.training.metrics import AUTO
from fcnet.training.threshold import check_threshold, threshold_for
from fcnet.types import Array


class ClassTargets(_FCNetEstimator):
    """An estimator that learns classes, one of them or several labels to a row."""

    _y_numeric = False

    def _read_targets(self, y: Any, first: bool, validation: bool = False) -> Array:
        if issparse(y):
            y = y.toarray()
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        y = plain_labels(y)
        if first or not hasattr(self, "classes_"):
            check_classification_targets(y)
            kind = type_of_target(y)
            if kind == "multiclass-multioutput":
                raise InputError("y has several columns of more than two values: fit one classifier to each.")
            self._multilabel = kind.startswith("multilabel")
            self.classes_ = np.arange(y.shape[1]) if self._multilabel else np.unique(y)
        if self._multilabel:
            if y.ndim != 2 or y.shape[1] != len(self.classes_):
                raise InputError(f"y must have a column for each of {len(self.classes_)} labels, got shape {y.shape}.")
            return np.asarray(y).astype(np.float32)
        check_known(unique_labels(y), self.classes_, all_of_them=self.warm_start and not validation)
        order = np.argsort(self.classes_)  # classes that were assigned may come in any order
        codes = order[np.searchsorted(self.classes_, y, sorter=order)]
        return codes if len(self.classes_) > 2 else codes[:, np.newaxis].astype(np.float32)

    def _read_outputs(self, n_outputs: int, out_activation: str | None) -> None:
        self._multilabel = n_outputs > 1 and out_activation == "logistic"
        if self._multilabel:
            self.classes_ = np.arange(n_outputs)

    def _loss_name(self, n_outputs: int) -> str:
        return "cross_entropy" if not self._multilabel and n_outputs > 1 else "binary_cross_entropy"

    def _n_logits(self, targets: Array) -> int:
        return len(self.classes_) if targets.ndim == 1 else int(targets.shape[1])

    def _class_weights(self, y: Any, targets: Array) -> Array | None:
        by, codes = self.class_weight, self._stratify(targets)
        if by is None:
            return None
        return weights_of_labels(by, targets) if codes is None else weights_of_classes(by, y, codes, self.classes_)

    def _stratify(self, targets: Array) -> Array | None:
        if self._multilabel:
            return None
        return targets if targets.ndim == 1 else targets[:, 0].astype(int)

    def _labels(self) -> Array:
        """Return the classes of the logits."""
        n = self.network_.n_classes
        classes = np.asarray(getattr(self, "classes_", ()))
        if len(classes) not in ((n,) if n > 1 else (1, 2)):
            raise InputError(
                f"classes_ must have the {max(n, 2)} classes of the network's outputs, in their order, got {classes.tolist()}."
            )
        return classes

    def _only_one_class(self) -> bool:
        return len(getattr(self, "classes_", ())) == 1

    def _check_threshold(self, targets: Array, *, has_validation: bool) -> None:
        n = self._n_logits(targets)
        check_threshold(self.threshold, get_loss("cross_entropy" if self._only_one_class() else self._loss_name(n)), n)
        if self.threshold == AUTO and not has_validation:
            raise SettingError('threshold="auto" needs validation rows: set early_stopping=True, or give fit X_val and y_val.')

    def _set_threshold(self, X: Any, y: Array, weights: Array | None) -> None:
        if self.threshold != AUTO:
            self.threshold_ = float(self.threshold)
        else:
            logits = self.network_.logits(X)
            self.threshold_ = threshold_for(AUTO, self.monitor, self.network_.loss, logits, y, weights)
