"""The register of families of faults."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from programs import Work

Change = Callable[[Work, Any, np.random.Generator], None]


@dataclass(frozen=True)
class Family:
    """A way in which a fault gets into a program.

    Attributes
    ----------
    code : str
        What the doctor has to say.
    name : str
    doses : pair
        What `change` is given, mild and strong.
    change : callable
    also : tuple of str
        Codes that say the same of this family, as a rate that makes the loss infinite is "diverged" and too high.
    kinds : tuple of str
        Of the data sets that it goes with.
    only : tuple of str
        Those data sets of them that it does harm on, where not on all.
    base : dict
        Settings of the sound program that it is put in.
    harms : str
        How the harm is measured: see `harm.py`.
    """

    code: str
    name: str
    doses: tuple[Any, Any]
    change: Change
    also: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ("image", "table", "regression")
    only: tuple[str, ...] = ()
    base: dict[str, Any] = field(default_factory=dict)
    harms: str = "validation"


FAMILIES: dict[str, Family] = {}
CLASSES = ("image", "table")
NOISY = ("cifar10-features", "cifar10-pca", "cifar10-raw", "cells", "spam7")
"""Data sets whose classes overlap, so that a network can be surer than it is right."""


def family(
    code: str,
    name: str,
    mild: Any,
    strong: Any,
    *,
    also: tuple[str, ...] = (),
    kinds: tuple[str, ...] = ("image", "table", "regression"),
    only: tuple[str, ...] = (),
    harms: str = "validation",
    **base: Any,
) -> Callable[[Change], Change]:
    """Enter what it decorates into `FAMILIES`."""

    def enter(change: Change) -> Change:
        FAMILIES[name] = Family(code, name, (mild, strong), change, also, kinds, only, base, harms)
        return change

    return enter
