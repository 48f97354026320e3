"""A split of own data that is the same every time."""

from collections.abc import Sequence

import numpy as np

from fcnet.errors import InputError
from fcnet.types import Array

VAL_SHARE, TEST_SHARE = 0.15, 0.15


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
