"""The parts of a preprocessor of tables, from what a model file has of it."""

from collections.abc import Mapping
from typing import Any, Literal, get_args

import numpy as np

from fcnet.data.cells import Dialect
from fcnet.errors import InputError
from fcnet.preprocessing.checks import check_arrays, column_of, some_of
from fcnet.preprocessing.table_categories import Categories
from fcnet.preprocessing.table_dates import Dates, check_dates
from fcnet.preprocessing.table_numbers import Numbers
from fcnet.types import Array

STATISTICS = ("median", "mean", "std")
Scale = Literal["standard", "robust"]
Parts = tuple[list[str], Numbers, Dates, Categories, Dialect | None]


def parts_of(config: Mapping[str, Any], arrays: Mapping[str, Array]) -> Parts:
    """Return the names of the columns, numbers, dates, categories, and the dialect, by the settings and arrays of a model file.

    Raises
    ------
    InputError
        If these do not fit one another.
    """
    columns = dict(map(column_of, config["columns"]))
    categories = [name for name, known in columns.items() if known is not None]
    dates = some_of([name for name, known in columns.items() if known is None], config.get("dates", []))
    others = {*categories, *dates}
    numbers = [name for name in columns if name not in others]
    shapes: dict[str, tuple[int, ...]] = dict.fromkeys(STATISTICS, (len(numbers),))
    if dates:
        shapes |= {f"date_{name}": (len(dates), *([len(Dates.parts)] if name != "median" else [])) for name in STATISTICS}
    check_arrays("table", arrays, shapes)
    dialect, scaling = config.get("dialect"), config.get("scaling", "standard")  # older files have no dialect
    if not isinstance(dialect, Mapping | None) or scaling not in get_args(Scale):
        raise InputError("the dialect of a table needs names and values, and its scaling a name.")
    gaps, is_robust = set(some_of(list(columns), config.get("gaps", []))), scaling == "robust"
    means, stds = (arrays[name][:, np.newaxis] for name in ("mean", "std"))
    median, mean, std = (arrays.get(f"date_{name}", np.zeros((0, len(Dates.parts)))) for name in STATISTICS)
    zoned = some_of(dates, config.get("zoned", []))  # older files have none
    written = None if dialect is None else Dialect.from_dict(dialect)
    check_dates(dates, median, written)
    return (
        list(columns),
        Numbers(numbers, arrays["median"], means, stds, [name for name in numbers if name in gaps], is_robust),
        Dates(dates, median, mean, std, [name for name in dates if name in gaps], is_robust, zoned),
        Categories(
            categories,
            [known for known in columns.values() if known is not None],
            some_of(categories, config.get("rare", [])),
            [name for name in categories if name in gaps],
            bool(config.get("codes", False)),
        ),
        written,
    )
