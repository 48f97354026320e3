"""What makes a training another than others: its settings in words that mean the same in another process, and its data."""

import copyreg
import math
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np

from fcnet.errors import SettingError
from fcnet.types import Array, is_sparse

LONGEST = 300  # of what is kept in words; the rest is kept as a checksum


def checksum(arrays: Iterable[Array | None]) -> int:
    """Return a number that other arrays would hardly have; of sparse ones, too."""
    total = 0
    for array in arrays:
        for part in [array.data, array.indices, array.indptr] if is_sparse(array) else [array]:
            total = zlib.crc32(b"none" if part is None else np.ascontiguousarray(part).data, total)
    return total


def describe(name: str, value: Any) -> Any:
    """Return a setting as JSON can hold it: equal ones of equal settings, whatever process they are in.

    Of a function these are its name, its code, and the values that it sees from outside; of an object what its `get_config`
    returns, else its class and its attributes.

    Raises
    ------
    SettingError
        If Python cannot take the value apart, as a lock or an open file, so that it could not be told from another.
    """
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None or type(value) in (str, bool, int, float):
        return value
    if isinstance(value, list | tuple):
        return [describe(name, item) for item in value]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: describe(f"{name}.{key}", item) for key, item in value.items()}
    if hasattr(value, "get_config") and not isinstance(value, type):
        return describe(name, value.get_config())
    try:
        words = _words(value)
    except (TypeError, RecursionError) as error:
        raise SettingError(
            f"{name} holds what a checkpoint cannot compare ({error}). Give it a method get_config() that returns its "
            "settings, or train without a checkpoint."
        ) from None
    return words if len(words) <= LONGEST else f"{words[:LONGEST]}… ({zlib.crc32(words.encode()):08x})"


def _words(value: Any, outer: tuple[int, ...] = ()) -> str:  # noqa: PLR0912  # a case for each kind of value
    if id(value) in outer:
        return "…"
    outer = (*outer, id(value))

    def listed(items: Iterable[Any]) -> str:
        return ", ".join(_words(item, outer) for item in items)

    def named(items: Mapping[Any, Any]) -> str:
        return ", ".join(f"{key}={_words(item, outer)}" for key, item in items.items())

    match value:
        case None | bool() | int() | float() | complex() | str():
            return repr(value)
        case np.generic():
            return _words(value.item(), outer)
        case bytes() | bytearray() | memoryview():
            return f"bytes({len(value)}, {zlib.crc32(value):08x})"
        case np.ndarray() if value.dtype != object:
            return f"array({value.dtype}, {value.shape}, {checksum([value]):08x})"
        case np.random.Generator():
            return f"Generator({_words(value.bit_generator.state, outer)})"
        case np.random.RandomState():
            return f"RandomState({_words(value.get_state(legacy=False), outer)})"
        case list() | tuple() | np.ndarray():
            return f"[{listed(value)}]"
        case set() | frozenset():
            return f"{{{', '.join(sorted(_words(item, outer) for item in value))}}}"
        case dict():
            return f"{{{', '.join(f'{_words(key, outer)}: {_words(item, outer)}' for key, item in value.items())}}}"
        case type():
            return f"{value.__module__}.{value.__qualname__}"
        case ModuleType():
            return value.__name__
        case FunctionType():
            return f"{value.__module__}.{value.__qualname__}({named(_seen_by(value))})"
        case CodeType():
            return f"{zlib.crc32(value.co_code):08x} {value.co_names} [{listed(value.co_consts)}]"
    if hasattr(value, "py_func"):  # compiled by numba
        return _words(value.py_func, outer)
    if hasattr(value, "get_config"):
        return f"{type(value).__qualname__}({_words(value.get_config(), outer)})"
    if is_dataclass(value):
        settings = {setting.name: getattr(value, setting.name) for setting in fields(value) if setting.init}
        return f"{type(value).__qualname__}({named(settings)})"
    reducer = copyreg.dispatch_table.get(type(value))
    reduced = reducer(value) if reducer else value.__reduce_ex__(2)
    if isinstance(reduced, str):  # a global name
        return f"{getattr(value, '__module__', '')}.{reduced}"
    maker, arguments, *state = reduced
    if maker is copyreg.__newobj__:  # type: ignore[attr-defined]  # what most objects are made by
        maker, *arguments = arguments
    parts = [part if isinstance(part, Mapping) else list(part) for part in (arguments, *state) if part]
    return f"{_words(maker, outer)}({listed(parts)})"


def _seen_by(function: FunctionType) -> dict[str, Any]:
    """Return what makes a function do what it does: its code, its defaults, and the variables around it that it names."""
    seen: dict[str, Any] = {"code": function.__code__, "defaults": (function.__defaults__, function.__kwdefaults__)}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            seen[name] = cell.cell_contents
        except ValueError:  # not set yet
            continue
    for name in sorted(_names(function.__code__)):
        value = function.__globals__.get(name)
        if isinstance(value, FunctionType) and value.__globals__ is not function.__globals__:  # of a library
            value = f"{value.__module__}.{value.__qualname__}"
        seen[name] = value
    return seen


def _names(code: CodeType) -> set[str]:
    inner = (_names(constant) for constant in code.co_consts if isinstance(constant, CodeType))
    return set(code.co_names).union(*inner)
