"""Loops compiled by numba."""

from collections.abc import Callable
from typing import Any

from numba import njit


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a loop when it is first called, and keep the result for later processes where there is a place for it.

    Sums may be added up in any order, and a product may be added to without being rounded first.
    """
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": {"reassoc", "contract"}}
    try:
        return njit(cache=True, **options)(function)  # type: ignore[no-any-return]  # numba has no types
    except RuntimeError:  # neither the folder of this file nor the user's cache can be written to
        return njit(**options)(function)  # type: ignore[no-any-return]  # numba has no types
