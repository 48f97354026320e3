"""Read a pickle that may hold plain data and uint8 arrays, and can do nothing else."""

import io
import pickle
import pickletools
from typing import Any

import numpy as np

from fcnet.errors import FileFormatError


class _PickledDtype:
    """Stands in for numpy.dtype while a pickle is read."""

    __slots__ = ()

    def __init__(self, code: Any, align: Any = False, copy: Any = False) -> None:
        if code not in ("u1", b"u1", "|u1"):
            raise pickle.UnpicklingError(f"it holds an array of type {code!r}, not of uint8")

    def __setstate__(self, state: Any) -> None:
        """Byte order and alignment mean nothing for single bytes."""


class _PickledArray:
    """Stands in for numpy.ndarray while a pickle is read."""

    __slots__ = ("array",)

    def __setstate__(self, state: Any) -> None:
        _version, shape, dtype, fortran_order, content = state
        if isinstance(content, str):  # how Python 2's strings come out
            content = content.encode("latin-1")
        if not isinstance(dtype, _PickledDtype) or not isinstance(content, bytes):
            raise pickle.UnpicklingError("it holds an array of something other than bytes")
        self.array = np.frombuffer(content, np.uint8).reshape(shape, order="F" if fortran_order else "C")


def _reconstruct(subtype: Any, shape: Any, typecode: Any) -> _PickledArray:
    return _PickledArray()


def _encode(text: Any, encoding: Any) -> bytes:
    """Stand in for the way in which Python 3 writes bytes to an old pickle protocol."""
    if encoding != "latin1" or not isinstance(text, str):
        raise pickle.UnpicklingError(f"it holds text in {encoding!r}")
    return text.encode("latin-1")


class _Sealed:
    """A stand-in that can be called and, unlike a function or a class, not be changed."""

    __slots__ = ("_make",)
    _make: Any

    def __init__(self, make: Any) -> None:
        object.__setattr__(self, "_make", make)

    def __call__(self, *arguments: Any) -> Any:
        return self._make(*arguments)

    def __setattr__(self, name: str, value: Any) -> None:
        raise pickle.UnpicklingError(f"it sets {name}")

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError("it changes what it was given")


_ALLOWED: dict[tuple[str, str], _Sealed] = {
    ("numpy", "ndarray"): _Sealed(_PickledArray),
    ("numpy", "dtype"): _Sealed(_PickledDtype),
    ("numpy.core.multiarray", "_reconstruct"): _Sealed(_reconstruct),
    ("numpy._core.multiarray", "_reconstruct"): _Sealed(_reconstruct),
    ("_codecs", "encode"): _Sealed(_encode),
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """Hand out stand-ins for what a batch needs, and nothing that exists outside this file."""
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no batch needs") from None


def _check_memo(content: bytes) -> None:
    """Refuse an object that is kept under a number beyond any that so many bytes can need: memory is taken up to there."""
    for operation, number, _ in pickletools.genops(content):
        if operation.name in ("PUT", "BINPUT", "LONG_BINPUT") and (number or 0) >= len(content):
            raise pickle.UnpicklingError(f"it keeps an object under the number {number}")


def load_plain_pickle(content: bytes, source: object) -> dict[str, Any]:
    """Return the dict of strings, numbers, lists and uint8 arrays that a pickle, read from `source`, holds.

    If it is damaged, or asks for anything else, FileFormatError is raised; nothing it asks for is run.
    """
    try:
        _check_memo(content)
        data = _Unpickler(io.BytesIO(content), encoding="latin1").load()
    except Exception as error:  # a damaged pickle can raise anything; none of it has run code of its own
        raise FileFormatError(f"{source} is refused: {error}.") from None
    if type(data) is not dict or not all(type(key) is str for key in data):
        raise FileFormatError(f"{source} holds a {type(data).__name__}, not the dict of a batch.")
    return {key: getattr(value, "array", None) if type(value) is _PickledArray else value for key, value in data.items()}
