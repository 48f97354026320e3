"""A split of own data that is the same every time."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fcnet.data.dataset import Dataset
from fcnet.data.table_signs import rare_to_validate
from fcnet.errors import FileFormatError, InputError
from fcnet.types import Array, is_frame
from fcnet.words import listed

VAL_SHARE, TEST_SHARE = 0.15, 0.15
Part = tuple[Array, Array]  # rows and class numbers


def split(
    y: Array, classes: Sequence[str], name: str, *, val: bool = True, test: bool = True, advice: str = ""
) -> tuple[Array, Array, Array]:
    """Return the rows to train, to validate and to test on, 70, 15 and 15 per cent of every class and at least one.

    Of a class with fewer rows than parts the first is to train, the second to validate. Without `val` or `test`, because that
    part is given, its rows are to train. The same labels are always split in the same way, whatever the seed of a training.
    Where most rows are of classes with fewer rows than parts, InputError is raised, with `advice` at its end.
    """
    counts, parts = np.bincount(y, minlength=len(classes)), 1 + val + test
    few = counts < parts
    if 2 * counts[few].sum() > len(y):
        raise InputError(
            f"{name}: {counts[few].sum():,} of {len(y):,} rows are of classes with fewer than {parts} rows, as "
            f"{classes[int(few.argmax())]!r}: too few to train{', to validate' * val}{', to test' * test}. Is it the target?"
            f"{advice}"
        )
    rng = np.random.default_rng(0)
    pieces: tuple[list[Array], list[Array], list[Array]] = ([], [], [])
    for number in range(len(classes)):
        rows = rng.permutation(np.flatnonzero(y == number))
        n_val = min(val * max(1, round(VAL_SHARE * len(rows))), len(rows) - 1)
        n_test = min(test * max(1, round(TEST_SHARE * len(rows))), len(rows) - 1 - n_val)
        for part, piece in zip(pieces, np.split(rows, [len(rows) - n_val - n_test, len(rows) - n_test]), strict=True):
            part.append(piece)
    train_rows, val_rows, test_rows = (np.sort(np.concatenate(part)) for part in pieces)
    return train_rows, val_rows, test_rows


def of_fold(data: Dataset, fold: int, folds: int, *, spare_lone: bool = False) -> Dataset:
    """Return data of which one of several folds, counted from 1, is to validate, and the others are to train.

    The rows to train and to validate are dealt out to the folds, each class as evenly as can be, in the same way every time.
    With `spare_lone` the only row of a class is always to train. Where there are fewer rows than folds, InputError is raised.
    """
    X, y = joined(data.X_train, data.X_val), np.concatenate([data.y_train, data.y_val])
    if len(y) < folds:
        raise InputError(f"{data.name} has {len(y):,} rows to train and to validate: too few for {folds} folds.")
    rng, groups = np.random.default_rng(0), y if data.classes else np.zeros(len(y))
    by_class = np.argsort(groups, kind="stable")
    ends = np.flatnonzero(np.diff(groups[by_class])) + 1
    shuffled = np.concatenate([rng.permutation(rows) for rows in np.split(by_class, ends)])
    fold_of = np.empty(len(y), int)
    fold_of[shuffled] = np.arange(len(y)) % folds + 1
    if spare_lone and data.classes:
        fold_of[np.bincount(y)[y] == 1] = 0
    train, val = np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)
    return replace(data, X_train=X[train], y_train=y[train], X_val=X[val], y_val=y[val])


def joined(first: Any, second: Any) -> Any:
    """Return rows, and behind them others: of two arrays, or two data frames."""
    if not is_frame(first):
        return np.concatenate([first, second])
    import polars as pl

    return pl.concat([first, second])


def of_few_rows(y: Array, classes: Sequence[str], parts: int) -> list[str]:
    """Return a note on the classes with fewer rows than there are parts, if there are any."""
    few = [f"{classes[k]!r} ({n})" for k, n in enumerate(np.bincount(y, minlength=len(classes))) if n < parts]
    return [f"Too few rows to be in every part of the data, of which training comes first: {listed(few)}"] if few else []


def of_few_to_validate(data: Dataset) -> list[str]:
    """Return a note on the classes of which too few rows are to validate for a metric to say anything, if there are any."""
    rare = rare_to_validate(data.y_val, len(data.classes)) if data.classes else []
    if not rare:
        return []
    counts = np.bincount(data.y_val, minlength=len(data.classes))
    words = listed(f"{data.classes[k]!r} ({counts[k]})" for k in rare)
    return [
        f"Few rows to validate: {words}; what is measured of such a class, as F1, balanced accuracy and ROC AUC are, says "
        "little. --folds 5 validates on all rows but those of the test"
    ]


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

    One class only, or classes of too few rows, raise InputError.
    """
    if len(classes) < 2:
        raise InputError(f"{path} has one class only, {classes[0]!r}: there is nothing to learn.")
    X, y = rest
    y = y.astype(np.int64)
    train_rows, val_rows, test_rows = split(y, classes, str(path), val=val is None, test=test is None)
    X_val, y_val = val or (X[val_rows], y[val_rows])
    X_test, y_test = test or (X[test_rows], y[test_rows])
    parts = (X[train_rows], y[train_rows], X_val, y_val, X_test[:n_test], y_test[:n_test])
    few = of_few_rows(y, classes, 1 + (val is None) + (test is None))
    told = f"Learning {listed(classes)} from {len(train_rows):,} {what}; {len(X_val):,} others are to validate"
    return Dataset(path.stem, *parts, classes, image_shape, notes=[told, *few, *notes], validation_given=val is not None)


def numbers_of(path: Path, labels: Array, classes: Sequence[str], name: str) -> Array:
    """Return the class numbers of labels, or raise FileFormatError if there is one without a class."""
    places = {label: number for number, label in enumerate(classes)}
    unknown = sorted({str(label) for label in labels} - set(places))
    if unknown:
        raise FileFormatError(f"{path}: {name} has the class {unknown[0]!r}, which no training row has.")
    return np.array([places[str(label)] for label in labels], np.int64)
