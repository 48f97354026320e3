"""Settings: small typed structures that say the range of each value beside it."""

import math
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, dataclass_transform, get_args, get_origin

import msgspec
import numpy as np
from msgspec import Meta

from fcnet.errors import SettingError, to_float, to_int, unknown_name

Share = Annotated[float, Meta(ge=0, le=1)]
ShareBelowOne = Annotated[float, Meta(ge=0, lt=1)]
NotNegative = Annotated[float, Meta(ge=0)]
Count = Annotated[int, Meta(ge=1)]
Threshold = Annotated[float, Meta(ge=1e-9, lt=1)]
Auto = Literal["auto"]


@dataclass_transform(frozen_default=True, field_specifiers=(msgspec.field,))
class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of structures whose values are checked however they are made: read from a file, or called as a class.

    A range stands in the annotation of its field, ``Annotated[float, Meta(ge=0, lt=1)]``. Where a part of a recipe may be of
    several kinds, each is a subclass with ``tag_field="kind"`` and its name as ``tag``.

    Raises
    ------
    SettingError
        If a value has another type, or lies outside its range.

    Examples
    --------
    >>> class Decay(Settings):
    ...     rate: Share = 0.9
    >>> Decay(rate=1)
    Decay(rate=1.0)
    >>> Decay(rate=2)
    Traceback (most recent call last):
    fcnet.errors.SettingError: rate must be a finite number of at least 0 and at most 1, got 2.
    """

    def __post_init__(self) -> None:
        for name, kind in _kinds(type(self)).items():
            value = getattr(self, name)
            if (good := checked(name, value, kind)) is not value:
                msgspec.structs.force_setattr(self, name, good)


class OnceDataclass(Settings):
    """Base of settings that were dataclasses once, whose pickles are still read: made by `__new__`, then given their values."""

    @classmethod
    def for_old_pickle(cls) -> "OnceDataclass":
        """Return the settings that take the values of a pickle."""
        return cls()

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name in self.__struct_fields__:
            if name in state:
                msgspec.structs.force_setattr(self, name, state[name])


def _new(kind: type[OnceDataclass]) -> OnceDataclass:
    """Return what unpickling a dataclass asks of `__new__`, before it sets the values."""
    return kind.for_old_pickle()


OnceDataclass.__new__ = _new  # type: ignore[method-assign, assignment]  # msgspec's own metaclass makes all other settings


@cache
def _kinds(settings: type[Settings]) -> dict[str, Any]:
    return {field.name: field.type for field in msgspec.structs.fields(settings)}


def choices(table: Iterable[str], description: str = "") -> Meta:
    """Return the annotation of a text that is one of the names in a table, which may grow.

    Examples
    --------
    >>> class Layer(Settings):
    ...     activation: Annotated[str, choices({"relu": max, "tanh": math.tanh})] = "relu"
    >>> Layer("tanch")
    Traceback (most recent call last):
    fcnet.errors.SettingError: Unknown activation 'tanch'. Did you mean 'tanh'? Known: relu, tanh.
    """
    return Meta(description=description, extra={"choices": table})


def checked(name: str, value: Any, kind: Any) -> Any:
    """Return a value in the type that a field is annotated with.

    Raises
    ------
    SettingError
        If it cannot be that without loss, or is out of range; `name` is what it is called.
    """
    if type(value) in parts_of(kind).values():
        return value
    plain = value.item() if isinstance(value, np.generic) else value
    names = choices_of(kind)
    if names and isinstance(plain, str):
        if plain not in names:
            raise unknown_name(name, plain, names)
        return plain
    try:
        return _convert(plain, kind)
    except (SettingError, msgspec.ValidationError):
        how = " Write it as [50, 20]." if isinstance(plain, str) and get_origin(annotated(kind)[0]) is tuple else ""
        raise SettingError(f"{name} must be {wanted(kind)}, got {plain!r}.{how}") from None


def _convert(value: Any, kind: Any) -> Any:
    base, meta = annotated(kind)
    if base is float or base is int:
        low: Any = -math.inf if meta.ge is None else meta.ge
        high = next((limit for limit in (meta.lt, meta.le) if limit is not None), math.inf)
        if base is int:
            return to_int("", value, low, high)
        return to_float("", value, low, high, below=meta.lt is not None)
    if get_origin(base) in (Union, UnionType) and value is not None:
        for member in get_args(base):
            with suppress(SettingError, msgspec.ValidationError):
                return checked("", value, member)
        raise SettingError("none of them")
    if get_origin(base) is tuple and isinstance(value, int | float):  # one number stands for a list of one
        value = [value]
    return msgspec.convert(value, kind, strict=True)


def annotated(kind: Any) -> tuple[Any, Meta]:
    """Return the type that an annotation is about, and all that is said of it, in one."""
    if not hasattr(kind, "__metadata__"):
        return kind, Meta()
    said = {name: value for meta in kind.__metadata__ for name, value in meta.__rich_repr__() if value is not None}
    return kind.__origin__, Meta(**said)


def parts_of(kind: Any) -> dict[str, type[Settings]]:
    """Return the kinds of settings that a field may hold, by their names; nothing for one that holds a value."""
    base = annotated(kind)[0]
    members = get_args(base) if get_origin(base) in (Union, UnionType) else [base]
    found = [member for member in members if isinstance(member, type) and issubclass(member, Settings)]
    return {str(member.__struct_config__.tag or member.__name__.lower()): member for member in found}


def make_kind(part: str, kinds: Mapping[str, type[Settings]], name: str, settings: Mapping[str, Any]) -> Any:
    """Return the kind of that name, made with those of `settings` that it has.

    Raises
    ------
    SettingError
        If the name is unknown, a setting belongs to none of the kinds, or a value is out of range: of other kinds, too.
    """
    if name not in kinds:
        raise unknown_name(part, name, kinds)
    owners = {setting: kind for kind in kinds.values() for setting in kind.__struct_fields__}
    for setting, value in settings.items():
        if setting not in owners:
            raise unknown_name(f"{part} setting", setting, owners)
        owners[setting](**{setting: value})
    return kinds[name](**{setting: value for setting, value in settings.items() if setting in kinds[name].__struct_fields__})


def made_by_name(name: str, value: Any, make: Callable[[str], Any]) -> Any:
    """Return the object that a setting names, or is; raise SettingError where it is a class."""
    if isinstance(value, type):
        raise SettingError(f"{name} must be an object, not its class: write {value.__name__}().")
    return make(value) if isinstance(value, str) else value


def choices_of(kind: Any) -> list[str]:
    """Return the names that a text may be one of; none where any will do."""
    base, meta = annotated(kind)
    if get_origin(base) is Literal:
        return list(get_args(base))
    return list((meta.extra or {}).get("choices", ()))


def wanted(kind: Any) -> str:
    """Return what a value has to be, in words.

    Examples
    --------
    >>> wanted(ShareBelowOne), wanted(tuple[Count, ...]), wanted(bool)
    ('a finite number of at least 0 and below 1', 'a list of whole numbers of at least 1', 'true or false')
    """
    base, meta = annotated(kind)
    if names := choices_of(kind):
        return " or ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
    if get_origin(base) in (Union, UnionType) and not parts_of(kind):
        return " or ".join(wanted(member) for member in get_args(base))
    if get_origin(base) is tuple:
        number = wanted(get_args(base)[0]).removeprefix("a ").replace("number", "numbers")
        return f"a list of {'one or more ' if meta.min_length else ''}{number}"
    if parts := parts_of(kind):
        return wanted(Literal[*parts])
    words = {int: "a whole number", float: "a finite number", bool: "true or false", str: "text", NoneType: "nothing"}[base]
    limits = {"at least": meta.ge, "at most": meta.le, "below": meta.lt}
    said = " and ".join(f"{limit} {value:g}" for limit, value in limits.items() if value is not None)
    return f"{words}{' of' if meta.ge is not None else ''} {said}".rstrip()
