"""Things that are chosen by a name and made from a common pool of settings."""

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from fcnet.errors import to_float, to_int, unknown_name

FRACTIONS = {"momentum", "decay_rate", "beta1", "beta2"}  # 1 itself would never forget
SHARES = {"decay", "step_factor", "warmup", "final_fraction"}
COUNTS = {"step_epochs"}


def make_named(kind: str, table: Mapping[str, type[Any]], name: str, settings: Mapping[str, float]) -> Any:
    """Return the dataclass of `table` called `name`, made with those of `settings` that it has.

    Raises
    ------
    SettingError
        If the name is unknown, a setting belongs to nothing in the table, or a value is out of range.
    """
    if name not in table:
        raise unknown_name(kind, name, table)
    known = setting_names(table)
    checked: dict[str, float] = {}
    for key, value in settings.items():
        if key not in known:
            raise unknown_name(f"{kind} setting", key, known)
        if key in COUNTS:
            checked[key] = to_int(key, value, 1)
        else:
            checked[key] = to_float(key, value, 0, 1 if key in FRACTIONS | SHARES else math.inf, below=key in FRACTIONS)
    own = setting_names({name: table[name]})
    return table[name](**{key: value for key, value in checked.items() if key in own})


def setting_names(table: Mapping[str, type[Any]]) -> set[str]:
    """Return the names of the settings of everything in the table."""
    return {field.name for made in table.values() for field in fields(made)}


def setting_defaults(table: Mapping[str, type[Any]]) -> dict[str, Any]:
    """Return a default of every setting of everything in the table; one that several have may differ between them."""
    return {field.name: field.default for made in table.values() for field in fields(made)}
