"""The handwritten digits that ship with scikit-learn (Alpaydin & Kaynak 1998), which need no download."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from fcnet.data.dataset import Dataset, KnownDataset
from fcnet.types import Array

N_VAL, N_TEST = 300, 297


def load_digits(data_dir: str | Path | None = None, *, n_test: int = N_TEST, verify: bool = True) -> Dataset:
    """Load 1,797 images of 8 × 8 in 17 shades: 1,200 to train, 300 to validate, 297 to test, in a fixed random order.

    `data_dir` and `verify` are of no use here; every data set takes them.
    """
    rows = _rows()
    rows = rows[np.random.default_rng(0).permutation(len(rows))]
    X, y = rows[:, :-1].copy(), rows[:, -1].astype(np.int64)
    n_train = len(X) - N_VAL - N_TEST
    rest = n_train + N_VAL
    return Dataset(
        "digits",
        *(X[:n_train], y[:n_train], X[n_train:rest], y[n_train:rest], X[rest : rest + n_test], y[rest : rest + n_test]),
        classes=[str(digit) for digit in range(10)],
        image_shape=(8, 8, 1),
        max_value=16.0,
        validation_given=True,
    )


def _rows() -> Array:
    """Return pixels and digit of each image, uint8 (1797, 65), from scikit-learn's file: its own function takes a second."""
    package = find_spec("sklearn")
    file = Path(package.origin or "").parent / "datasets" / "data" / "digits.csv.gz" if package else None
    if file is not None and file.exists():
        return np.loadtxt(file, np.uint8, delimiter=",")
    from sklearn.datasets import load_digits as load  # which says what is missing, or where the file is now

    digits = load()
    return np.column_stack([digits.data, digits.target]).astype(np.uint8)


DIGITS = KnownDataset(
    load_digits,
    recipe="digits",
    citation="Alpaydin, E. & Kaynak, C. (1998). *Optical Recognition of Handwritten Digits.* UCI Machine Learning Repository. "
    "<https://doi.org/10.24432/C50P49>",
)
