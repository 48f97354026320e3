"""Data sets, by name."""

from pathlib import Path
from typing import Unpack

from fcnet.data.cifar10 import CIFAR10, load_cifar10
from fcnet.data.dataset import Dataset, KnownDataset
from fcnet.data.digits import DIGITS, load_digits
from fcnet.data.own import is_path, load_own
from fcnet.data.table import TableOptions, load_table, options_given
from fcnet.data.table_file import is_table
from fcnet.errors import InputError, unknown_name

DATASETS: dict[str, KnownDataset] = {"digits": DIGITS, "cifar10": CIFAR10}


def load_dataset(
    name: str,
    data_dir: str | Path | None = None,
    *,
    n_test: int | None = None,
    verify: bool = True,
    **table: Unpack[TableOptions],
) -> Dataset:
    """Load a data set in its standard split, or own data by its path; `n_test` of 0 leaves the test part unread.

    `table` says how a table is read: `target` is the column to learn, its last one by default, and `task` "classification" or
    "regression", found out by default; `drop` are columns to leave out,
    and `category` those that are categories though they hold numbers; `missing` are the words for missing values, in place of
    fcnet's own; `encoding` and `decimal` say how text is written; `drop_missing_targets` leaves
    out rows without one; `gaps` and `rare` are those of the preprocessing.

    Raises
    ------
    SettingError
        If there is no data set of that name.
    FileFormatError
        If its files cannot be used.
    """
    is_own = name not in DATASETS and is_path(name)  # a folder that happens to be called digits is ./digits
    if is_own and is_table(Path(name)) and not Path(name).is_dir():
        return load_table(name, n_test=n_test, **table)
    if any(table.values()):
        raise InputError(f"{options_given(table)} for tables, and {name} is none.")
    if is_own:
        return load_own(Path(name), n_test)
    if name not in DATASETS:
        raise unknown_name("data set", name, DATASETS)
    settings = {} if n_test is None else {"n_test": n_test}
    return DATASETS[name].load(data_dir, verify=verify, **settings)


__all__ = ["DATASETS", "Dataset", "is_path", "load_cifar10", "load_dataset", "load_digits"]
