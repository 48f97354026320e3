"""Names of modules that have moved: they work for now, with a warning."""

import warnings
from collections.abc import Callable
from importlib import import_module
from typing import Any


def moved(old: str, new: str) -> Callable[[str], Any]:
    """Return the `__getattr__` of the module `old`, which hands on what the module `new` has."""

    def hand_on(name: str) -> Any:
        value = getattr(import_module(new), name)
        warnings.warn(f"{old} is now {new}: import {name} from there.", DeprecationWarning, stacklevel=2)
        return value

    return hand_on
