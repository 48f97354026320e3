"""A split of own data that is the same every time."""

from collections.abc import Sequence

import numpy as np

from fcnet.errors import InputError
from fcnet.types import Array

VAL_SHARE, TEST_SHARE = 0.15, 0.15


def split(y: Array, classes: Sequence[str], name: str) -> tuple[Array, Array, Array]:
    """Return the rows to train, to validate and to test on, 70, 15 and 15 per cent of every class and at least one.

    The same labels are always split in the same way, whatever the seed of a training.

    Raises
    ------
    InputError
        If a class has fewer than three rows.
    """
    rng = np.random.default_rng(0)
    parts: tuple[list[Array], list[Array], list[Array]] = ([], [], [])
    for number, label in enumerate(classes):
        rows = np.flatnonzero(y == number)
        if len(rows) < 3:
            raise InputError(
                f"{name}: the class {label!r} has {len(rows)} row{'s' * (len(rows) != 1)}, and needs 3, to train, to validate "
                "and to test. Add some, or leave the class out."
            )
        rows = rng.permutation(rows)
        n_val, n_test = max(1, round(VAL_SHARE * len(rows))), max(1, round(TEST_SHARE * len(rows)))
        for part, piece in zip(parts, np.split(rows, [len(rows) - n_val - n_test, len(rows) - n_test]), strict=True):
            part.append(piece)
    train, val, test = (np.sort(np.concatenate(part)) for part in parts)
    return train, val, test
