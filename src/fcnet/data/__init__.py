"""Data sets, by name."""

from collections.abc import Callable
from pathlib import Path

from fcnet.data.cifar10 import load_cifar10
from fcnet.data.dataset import Dataset
from fcnet.data.digits import load_digits
from fcnet.errors import unknown_name

DATASETS: dict[str, Callable[..., Dataset]] = {"digits": load_digits, "cifar10": load_cifar10}


def load_dataset(name: str, data_dir: str | Path | None = None, *, n_test: int | None = None, verify: bool = True) -> Dataset:
    """Load a data set in its standard split; `n_test` of 0 leaves its test part unread.

    Raises
    ------
    SettingError
        If there is no data set of that name.
    FileFormatError
        If its files cannot be used.
    """
    if name not in DATASETS:
        raise unknown_name("data set", name, DATASETS)
    settings = {} if n_test is None else {"n_test": n_test}
    return DATASETS[name](data_dir, verify=verify, **settings)


__all__ = ["DATASETS", "Dataset", "load_cifar10", "load_dataset", "load_digits"]
