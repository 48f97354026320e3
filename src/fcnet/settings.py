"""Settings: small typed structures that say the range of each value beside it."""

import math
from functools import cache
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta

from fcnet.errors import SettingError, to_float, to_int

Share = Annotated[float, Meta(ge=0, le=1)]
ShareBelowOne = Annotated[float, Meta(ge=0, lt=1)]
NotNegative = Annotated[float, Meta(ge=0)]
Count = Annotated[int, Meta(ge=1)]


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
    fcnet.errors.SettingError: rate must be a finite number of at least 0 and at most 1, got 2.0.
    """

    def __post_init__(self) -> None:
        for name, kind in _kinds(type(self)).items():
            value = getattr(self, name)
            checked = _checked(name, value, kind)
            if checked is not value:
                msgspec.structs.force_setattr(self, name, checked)


@cache
def _kinds(settings: type[Settings]) -> dict[str, Any]:
    return {field.name: field.type for field in msgspec.structs.fields(settings)}


def _checked(name: str, value: Any, kind: Any) -> Any:
    """Return a value in the type of its field, or raise SettingError."""
    base, meta = (kind.__origin__, kind.__metadata__[0]) if hasattr(kind, "__metadata__") else (kind, Meta())
    low: Any = meta.ge if meta.ge is not None else -math.inf
    high = next((limit for limit in (meta.lt, meta.le) if limit is not None), math.inf)
    if base is float:
        return to_float(name, value, low, high, below=meta.lt is not None)
    if base is int:
        return to_int(name, value, low, high)
    plain = value.item() if isinstance(value, np.generic) else value
    try:
        return msgspec.convert(plain, kind, strict=True)
    except msgspec.ValidationError as error:
        raise SettingError(f"{name}: {error}, got {value!r}.") from None
