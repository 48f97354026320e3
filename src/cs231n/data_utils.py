"""CIFAR-10 under the exercise's name."""

from pathlib import Path

import numpy as np

from fcnet.data.cifar10 import load_cifar10
from fcnet.types import Array


def load_CIFAR10(ROOT: str) -> tuple[Array, Array, Array, Array]:  # noqa: N802
    """Return Xtr (50000, 32, 32, 3), Ytr (50000,), Xte (10000, 32, 32, 3), Yte (10000,) as floats and class numbers.

    `ROOT` is the folder of the batches, or holds it; where neither is so, CIFAR-10 is looked for as in `fcnet.load_cifar10`.
    """
    data = load_cifar10(ROOT if Path(ROOT).exists() else None, n_train=50_000, n_val=0)
    X_train, X_test = (X.reshape(-1, 32, 32, 3).astype(np.float64) for X in (data.X_train, data.X_test))
    return X_train, data.y_train, X_test, data.y_test
