"""CIFAR-10 under the exercise's name."""

import numpy as np

from fcnet.data.cifar10 import find_cifar10, load_cifar10
from fcnet.errors import FileFormatError
from fcnet.types import Array


def load_CIFAR10(ROOT: str) -> tuple[Array, Array, Array, Array]:  # noqa: N802  # as published
    """Return Xtr (50000, 32, 32, 3), Ytr (50000,), Xte (10000, 32, 32, 3), Yte (10000,) as floats and class numbers.

    `ROOT` is the folder of the batches, or holds it; where it does not, CIFAR-10 is looked for as in `fcnet.load_cifar10`.
    """
    try:
        folder = find_cifar10(ROOT)
    except FileFormatError:
        folder = None
    data = load_cifar10(folder, n_train=50_000, n_val=0)
    X_train, X_test = (X.reshape(-1, 32, 32, 3).astype(np.float64) for X in (data.X_train, data.X_test))
    return X_train, data.y_train, X_test, data.y_test
