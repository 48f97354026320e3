"""Things that are chosen by a name and made from a common pool of settings, whose ranges each of them knows."""

import math
from collections.abc import Mapping
from dataclasses import Field, field, fields
from functools import partial
from typing import Any

from fcnet.errors import to_float, to_int, unknown_name


def number(default: float, low: float, high: float = math.inf, *, below: bool = False) -> Any:
    """Return the field of a `Checked` dataclass for a number from `low` to `high`, or below `high` if so asked."""
    return field(default=default, metadata={"check": partial(to_float, low=low, high=high, below=below)})


def whole_number(default: int, low: int) -> Any:
    """Return the field of a `Checked` dataclass for a whole number of at least `low`."""
    return field(default=default, metadata={"check": partial(to_int, low=low)})


class Checked:
    """Base of dataclasses that raise SettingError when they are made with a value out of range."""

    def __post_init__(self) -> None:
        for setting in fields(self):  # type: ignore[arg-type]  # of those that derive from this
            if "check" in setting.metadata:
                value = _check(setting, getattr(self, setting.name))
                object.__setattr__(self, setting.name, value)  # of frozen ones, too


def make_named(kind: str, table: Mapping[str, type[Any]], name: str, settings: Mapping[str, float]) -> Any:
    """Return the dataclass of `table` called `name`, made with those of `settings` that it has.

    Raises
    ------
    SettingError
        If the name is unknown, a setting belongs to nothing in the table, or a value is out of range.
    """
    if name not in table:
        raise unknown_name(kind, name, table)
    known = {setting.name: setting for made in table.values() for setting in fields(made)}
    for key, value in settings.items():
        if key not in known:
            raise unknown_name(f"{kind} setting", key, known)
        _check(known[key], value)  # those of others, too: what has no effect now may have one later
    own = setting_names({name: table[name]})
    return table[name](**{key: value for key, value in settings.items() if key in own})


def _check(setting: Field[Any], value: Any) -> Any:
    return setting.metadata["check"](setting.name, value) if "check" in setting.metadata else value


def setting_names(table: Mapping[str, type[Any]]) -> set[str]:
    """Return the names of the settings of everything in the table."""
    return {field.name for made in table.values() for field in fields(made)}


def setting_defaults(table: Mapping[str, type[Any]]) -> dict[str, Any]:
    """Return a default of every setting of everything in the table; one that several have may differ between them."""
    return {field.name: field.default for made in table.values() for field in fields(made)}
