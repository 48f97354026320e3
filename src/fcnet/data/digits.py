"""The handwritten digits that ship with scikit-learn (Alpaydin & Kaynak 1998), which need no download."""

from pathlib import Path

import numpy as np

from fcnet.data.dataset import Dataset, KnownDataset

N_VAL, N_TEST = 300, 297


def load_digits(data_dir: str | Path | None = None, *, n_test: int = N_TEST, verify: bool = True) -> Dataset:
    """Load 1,797 images of 8 × 8 in 17 shades: 1,200 to train, 300 to validate, 297 to test, in a fixed random order.

    `data_dir` and `verify` are of no use here; every data set takes them.
    """
    from sklearn.datasets import load_digits as load

    digits = load()
    order = np.random.default_rng(0).permutation(len(digits.target))
    X, y = digits.data.astype(np.uint8)[order], digits.target.astype(np.int64)[order]
    n_train = len(X) - N_VAL - N_TEST
    rest = n_train + N_VAL
    return Dataset(
        "digits",
        *(X[:n_train], y[:n_train], X[n_train:rest], y[n_train:rest], X[rest : rest + n_test], y[rest : rest + n_test]),
        classes=[str(name) for name in digits.target_names],
        image_shape=(8, 8, 1),
        max_value=16.0,
    )


DIGITS = KnownDataset(
    load_digits,
    recipe="digits",
    citation="Alpaydin, E. & Kaynak, C. (1998). *Optical Recognition of Handwritten Digits.* UCI Machine Learning Repository. "
    "<https://doi.org/10.24432/C50P49>",
)
