"""Classes and labels: which are known, and what each row counts by its own, as `class_weight` says it."""

from typing import Any

import numpy as np
from sklearn.utils import compute_sample_weight

from fcnet.errors import InputError
from fcnet.types import Array


def plain_labels(y: Array) -> Array:
    """Return labels as an array of one type: objects that all are booleans as booleans, others as they are.

    Raises
    ------
    InputError
        If text and other values are mixed.
    """
    if y.dtype != object or y.ndim != 1:
        return y
    kinds = {type(label) for label in y}
    if kinds <= {bool, np.bool_}:
        return y.astype(bool)
    if str in kinds and (others := [label for label in y if not isinstance(label, str)]):
        text = next(label for label in y if isinstance(label, str))
        raise InputError(f"y mixes text and other values, as {text!r} and {others[0]!r}: make all of one type.")
    return y


def check_known(labels: Array, classes: Array, all_of_them: bool) -> None:
    """Raise InputError if there are labels that are no classes, or, if there have to be all of them, classes without labels."""
    if all_of_them and set(labels) != set(classes):
        raise InputError(
            "warm_start can only be used where `y` has the same classes as in the previous call to fit."
            f" Previously got {classes}, `y` has {labels}"
        )
    if len(np.setdiff1d(labels, classes)):
        raise InputError(f"`y` has classes not in `self.classes_`. `self.classes_` has {classes}. `y` has {labels}.")


def weights_of_classes(class_weight: Any, y: Array, codes: Array, classes: Array) -> Array:
    """Return the weights (n,) of rows with the classes `y`, whose numbers among `classes` are `codes` (n,)."""
    if class_weight == "balanced":
        return _checked(compute_sample_weight("balanced", y), class_weight)
    names = classes.tolist()
    if not set(class_weight) & set(names):
        raise InputError(f"class_weight names {list(class_weight)}, none of which is among the classes {names}.")
    of_classes = np.array([class_weight.get(name, 1) for name in names], np.float64)
    return _checked(of_classes[codes], class_weight)


def weights_of_labels(class_weight: Any, targets: Array) -> Array:
    """Return the weights (n,) of rows with the labels `targets`, zeros and ones (n, n_labels)."""
    labels = targets.astype(int)
    if class_weight == "balanced":
        return _checked(compute_sample_weight("balanced", labels), class_weight)
    if not isinstance(class_weight, list) or len(class_weight) != labels.shape[1]:
        raise InputError(f"class_weight must be a list of dicts, one for each of {labels.shape[1]} labels, or None.")
    of_labels = [np.array([weights.get(0, 1), weights.get(1, 1)], np.float64) for weights in class_weight]
    return _checked(np.prod([of[column] for of, column in zip(of_labels, labels.T, strict=True)], axis=0), class_weight)


def rows_that_count(n_rows: int, *weights: Array | None) -> Array:
    """Return the rows that no weights (n_rows,) leave out, or raise InputError if there are none."""
    counts = np.ones(n_rows, bool)
    for each in weights:
        counts &= each is None or each > 0
    if not counts.any():
        raise InputError("Every row has the weight zero, by sample_weight or class_weight.")
    return np.flatnonzero(counts)


def _checked(weights: Array, class_weight: Any) -> Array:
    if not (np.isfinite(weights).all() and weights.min() >= 0):
        raise InputError(f"class_weight must hold finite numbers of at least 0, got {class_weight}.")
    return weights
