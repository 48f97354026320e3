"""What makes a training another than others: its settings in words that mean the same in another process, and its data."""

import copyreg
import dis
import math
import sys
import zlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import fields, is_dataclass
from itertools import islice
from types import CodeType, FunctionType, ModuleType
from typing import Any

import msgspec
import numpy as np

from fcnet.types import Array, is_sparse

LONGEST = 300  # of what is kept in words; the rest is kept as a checksum
MOST, MOST_IN_ONE, DEEPEST = 100_000, 10_000, 50  # values that are compared: in all, in one list or dict, and one in another


def checksum(arrays: Iterable[Array | None]) -> int:
    """Return a number that other arrays would hardly have; of sparse ones, too."""
    total = 0
    for array in arrays:
        for part in [array.data, array.indices, array.indptr] if is_sparse(array) else [array]:
            # Times have no buffer of their own; bytes have.
            content = None if part is None else np.ascontiguousarray(part).reshape(-1).view(np.uint8).data
            total = zlib.crc32(b"none" if content is None else content, total)
    return total


def describe(value: Any) -> Any:
    """Return a setting as JSON can hold it: equal ones of equal settings, whatever process they are in.

    A function is described by its name, its code, and the variables around it that it reads; an object by what its `get_config`
    returns, else by its class and its attributes. What Python cannot take apart, such as a lock or an open file, has its
    class alone.
    """
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None or type(value) in (str, bool, int, float):
        return value
    if isinstance(value, list | tuple):
        return [describe(item) for item in value]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: describe(item) for key, item in value.items()}
    if hasattr(value, "get_config") and not isinstance(value, type):
        return describe(value.get_config())
    words = _Words().of(value)
    return words if len(words) <= LONGEST else f"{words[:LONGEST]}… ({zlib.crc32(words.encode()):08x})"


def of_training(trainer: Any, network: Any, arrays: Iterable[Any]) -> dict[str, Any]:
    """Return what makes the training of a network by a trainer, a dataclass, another than others, for its checkpoints."""
    names = [setting.name for setting in fields(trainer) if setting.name not in ("callbacks", "threads", "advise")]
    callbacks = [rule for callback in trainer.callbacks if (rule := callback.decides()) is not None]
    settings = {name: describe(getattr(trainer, name)) for name in names}
    return settings | {"callbacks": callbacks, "network": describe(network), "data": checksum(arrays)}


class _Words:
    """Describes a value with all that it refers to, each object once: references may form circles, or be many to one."""

    def __init__(self) -> None:
        self.seen: dict[int, tuple[int, Any]] = {}  # the objects too: one that is freed would leave its id to another
        self.left, self.depth = MOST, 0

    def of(self, value: Any) -> str:
        self.left -= 1
        if value is None or isinstance(value, bool | int | float | complex | str):
            return repr(value)
        if id(value) in self.seen:
            return f"#{self.seen[id(value)][0]}"
        if self.left < 0 or self.depth == DEEPEST:
            return _name(type(value))
        self.seen[id(value)] = len(self.seen), value
        self.depth += 1
        try:
            return self._taken_apart(value)
        except Exception:  # of a lock or a file nothing can be compared, and a training that logs has them
            return _name(type(value))
        finally:
            self.depth -= 1

    def _listed(self, items: Collection[Any]) -> str:
        words = [self.of(item) for item in islice(items, MOST_IN_ONE)]
        return ", ".join([*words, f"… {len(items)}"] if len(items) > MOST_IN_ONE else words)

    def _named(self, items: Mapping[Any, Any]) -> str:
        return ", ".join(f"{key}={self.of(item)}" for key, item in items.items())

    def _taken_apart(self, value: Any) -> str:  # noqa: PLR0912  # a case for each kind of value
        match value:
            case np.generic():
                return self.of(value.item())
            case bytes() | bytearray() | memoryview():
                return f"bytes({len(value)}, {zlib.crc32(value):08x})"
            case np.ndarray() if not value.dtype.hasobject:
                return f"array({value.dtype}, {value.shape}, {checksum([value]):08x})"
            case np.random.Generator():
                return f"Generator({self.of(value.bit_generator.state)})"
            case np.random.RandomState():
                return f"RandomState({self.of(value.get_state(legacy=False))})"
            case np.ndarray():
                return f"array({value.dtype}, {value.shape}, [{self._listed(value.ravel().tolist())}])"
            case list():
                return f"[{self._listed(value)}]"
            case tuple():
                return f"({self._listed(value)}{',' * (len(value) == 1)})"
            case set() | frozenset():
                return f"{{{', '.join(sorted(self.of(item) for item in value))}}}"
            case dict():
                return "{" + ", ".join(f"{self.of(key)}: {self.of(value[key])}" for key in islice(value, MOST_IN_ONE)) + "}"
            case type():
                return _name(value)
            case ModuleType():
                return value.__name__
            case FunctionType():
                return f"{_name(value)}({self._named(_seen_by(value))})"
            case CodeType():
                return f"{zlib.crc32(value.co_code):08x} {value.co_names} [{self._listed(value.co_consts)}]"
        if hasattr(value, "py_func"):  # compiled by numba
            return self.of(value.py_func)
        if hasattr(value, "get_config"):
            return f"{type(value).__qualname__}({self.of(value.get_config())})"
        if (names := _field_names(value)) is not None:
            return f"{type(value).__qualname__}({self._named({name: getattr(value, name) for name in names})})"
        return self._reduced(value)

    def _reduced(self, value: Any) -> str:
        """Describe an object by what pickle would make it of."""
        reducer = copyreg.dispatch_table.get(type(value))
        reduced = reducer(value) if reducer else value.__reduce_ex__(2)
        if isinstance(reduced, str):  # a global name
            return f"{getattr(value, '__module__', '')}.{reduced}"
        maker, arguments, *state = reduced
        if maker is copyreg.__newobj__:  # type: ignore[attr-defined]  # what most objects are made by
            maker, *arguments = arguments
        parts = [part if isinstance(part, Mapping) else list(part) for part in (arguments, *state) if part]
        return f"{_name(maker) if isinstance(maker, FunctionType) else self.of(maker)}({self._listed(parts)})"


def _field_names(value: Any) -> Iterable[str] | None:
    """Return the names of the fields of a dataclass or a structure, which make it what it is."""
    if isinstance(value, msgspec.Struct):
        return value.__struct_fields__
    return [setting.name for setting in fields(value) if setting.init] if is_dataclass(value) else None


def _name(value: Any) -> str:
    return f"{value.__module__}.{value.__qualname__}"


def _seen_by(function: FunctionType) -> dict[str, Any]:
    """Return what makes a function do what it does: its code, its defaults, and the variables around it that it reads."""
    seen: dict[str, Any] = {"code": function.__code__, "defaults": (function.__defaults__, function.__kwdefaults__)}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            seen[name] = _setting(cell.cell_contents, function)
        except ValueError:  # not set yet
            continue
    for name in sorted(_globals_read(function.__code__) & function.__globals__.keys()):
        value = function.__globals__[name]
        is_imported = isinstance(value, FunctionType) and value.__globals__ is not function.__globals__
        seen[name] = _name(value) if is_imported else _setting(value, function)
    return seen


def _setting(value: Any, function: FunctionType) -> Any:
    """Return a variable that a function reads, or the name of its class if it is an object of a library and no setting.

    Figures, data frames and progress bars change while they are used. What can be called may well be an augmentation.
    """
    module, own = (str(it.__module__).partition(".")[0] for it in (type(value), function))
    if module in {own, "fcnet", "numpy", *sys.stdlib_module_names} or callable(value) or hasattr(value, "get_config"):
        return value
    return value if _field_names(value) is not None else _name(type(value))


def _globals_read(code: CodeType) -> set[str]:
    own = {step.argval for step in dis.get_instructions(code) if step.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    return own.union(*(_globals_read(constant) for constant in code.co_consts if isinstance(constant, CodeType)))
