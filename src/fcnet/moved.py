"""Names of modules that have moved: they work for now, with a warning."""

import warnings
from collections.abc import Callable
from importlib import import_module
from typing import Any


def moved(old: str, new: str) -> Callable[[str], Any]:
    """Return the `__getattr__` of the module `old`, which hands on what the module `new` has.

    Not its `__path__`, by which Python would load the submodules of `new` a second time, under another name.
    """

    def hand_on(name: str) -> Any:
        if name.startswith("__") and name != "__all__":
            raise AttributeError(f"module {old!r} has no attribute {name!r}")
        value = getattr(import_module(new), name)
        warnings.warn(f"{old} is now {new}: import {name} from there.", DeprecationWarning, stacklevel=2)
        return value

    return hand_on
