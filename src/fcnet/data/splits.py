"""A split of own data that is the same every time."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fcnet.data.dataset import Dataset
from fcnet.errors import FileFormatError, InputError
from fcnet.types import Array
from fcnet.words import listed

VAL_SHARE, TEST_SHARE = 0.15, 0.15
Part = tuple[Array, Array]  # rows and class numbers


def split(y: Array, classes: Sequence[str], name: str, *, val: bool = True, test: bool = True) -> tuple[Array, Array, Array]:
    """Return the rows to train, to validate and to test on, 70, 15 and 15 per cent of every class and at least one.

    Without `val` or `test`, because that part is given, its rows are to train. The same labels are always split in the same
    way, whatever the seed of a training.

    Raises
    ------
    InputError
        If a class has not a row for each part.
    """
    rng = np.random.default_rng(0)
    parts: tuple[list[Array], list[Array], list[Array]] = ([], [], [])
    for number, label in enumerate(classes):
        rows = np.flatnonzero(y == number)
        if len(rows) < 1 + val + test:
            raise InputError(
                f"{name}: the class {label!r} has {len(rows)} row{'s' * (len(rows) != 1)}, and needs {1 + val + test}, to train"
                f"{', to validate' * val}{', to test' * test}. Add some, or leave the class out."
            )
        rows = rng.permutation(rows)
        n_val, n_test = val * max(1, round(VAL_SHARE * len(rows))), test * max(1, round(TEST_SHARE * len(rows)))
        for part, piece in zip(parts, np.split(rows, [len(rows) - n_val - n_test, len(rows) - n_test]), strict=True):
            part.append(piece)
    train_rows, val_rows, test_rows = (np.sort(np.concatenate(part)) for part in parts)
    return train_rows, val_rows, test_rows


def with_parts(
    path: Path,
    rest: Part,
    val: Part | None,
    test: Part | None,
    classes: list[str],
    n_test: int | None,
    *,
    image_shape: tuple[int, int, int] | None = None,
    what: str,
    notes: Sequence[str] = (),
) -> Dataset:
    """Put together the parts that are given, and split those that are not from the rest; `what` are its rows, for people.

    Raises
    ------
    InputError
        If there is one class only, or one without a row for each part.
    """
    if len(classes) < 2:
        raise InputError(f"{path} has one class only, {classes[0]!r}: there is nothing to learn.")
    X, y = rest
    y = y.astype(np.int64)
    train_rows, val_rows, test_rows = split(y, classes, str(path), val=val is None, test=test is None)
    X_val, y_val = val or (X[val_rows], y[val_rows])
    X_test, y_test = test or (X[test_rows], y[test_rows])
    parts = (X[train_rows], y[train_rows], X_val, y_val, X_test[:n_test], y_test[:n_test])
    told = f"Learning {listed(classes)} from {len(train_rows):,} {what}; {len(X_val):,} others are to validate"
    return Dataset(path.stem, *parts, classes, image_shape, notes=[told, *notes])


def numbers_of(path: Path, labels: Array, classes: Sequence[str], name: str) -> Array:
    """Return the class numbers of labels, or raise FileFormatError if there is one without a class."""
    places = {label: number for number, label in enumerate(classes)}
    unknown = sorted({str(label) for label in labels} - set(places))
    if unknown:
        raise FileFormatError(f"{path}: {name} has the class {unknown[0]!r}, which no training row has.")
    return np.array([places[str(label)] for label in labels], np.int64)
