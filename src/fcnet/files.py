"""Files in and out: written whole or not at all, and read without pickle."""

import errno
import glob
import json
import mmap
import os
import secrets
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from fcnet.errors import FileFormatError
from fcnet.types import Array

LEFT_OVER_SECONDS = 3600  # no write takes so long

NOT_WRITTEN = "It cannot be written."  # a note on an error of the system

NO_CHECKSUM = "00000000"  # stands in the place of a checksum while it is computed
BEFORE_CHECKSUM = rb"{\"checksum\": \""  # as it is in a file, where JSON is a string within JSON


def write_atomic(path: str | Path, *parts: bytes | memoryview | str) -> None:
    """Write a file of these parts under a temporary name of its own, flush it to the disk, and rename it into place.

    So writers do not disturb one another: of those at once the last one to be done has its file in place. Where it cannot be
    written, as on a full disk, OSError is raised, which names `path`, and a file that was there before is unharmed.
    """
    path = Path(path)
    remove_left_overs(path, older_than=LEFT_OVER_SECONDS)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    with writing(path):
        try:
            with temporary.open("xb") as file:
                for part in parts:
                    file.write(part.encode() if isinstance(part, str) else part)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
            _flush_folder(path.parent)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Let an error of the system in the body of a ``with`` name `path`, and note on it that this cannot be written."""
    try:
        yield
    except OSError as error:
        if error.errno is None:  # as NumPy says that not all was written
            error.errno, error.strerror = errno.ENOSPC, os.strerror(errno.ENOSPC)
        error.filename = str(path)  # not a name that nobody has given
        del error.filename2  # which as None would be shown
        error.add_note(NOT_WRITTEN)
        raise


def remove_left_overs(path: Path, older_than: float = 0.0) -> None:
    """Remove what writes of a file that were killed have left behind, if it is that many seconds old.

    Younger ones may be those of a writer that is alive: who knows that there is none may remove all of them.
    """
    for left_over in left_overs(path):
        with suppress(OSError):  # gone meanwhile, or somebody else's
            if time.time() - left_over.stat().st_mtime >= older_than:
                left_over.unlink()


def left_overs(path: Path) -> list[Path]:
    """Return the temporary files of writes of a file; those of older versions have no number in their names."""
    name = glob.escape(f".{path.name}")
    return [*path.parent.glob(f"{name}.{8 * '[0-9a-f]'}.tmp"), *path.parent.glob(f"{name}.tmp")]


def _flush_folder(folder: Path) -> None:
    """Have the new name outlive a power cut, where the system can: Windows and some network file systems cannot."""
    if os.name == "posix":
        with suppress(OSError):
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def save_tensors(path: str | Path, tensors: Mapping[str, Array], metadata: Mapping[str, Any], format: str) -> None:
    """Write arrays and JSON-able metadata as a safetensors file of the named format."""
    from safetensors.numpy import save as to_bytes

    # safetensors writes memory as it lies, so an array in another order has to be laid out anew.
    arrays = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
    # One entry of metadata: safetensors writes several in an order that differs from process to process.
    metadata = {"checksum": NO_CHECKSUM, "format": format, **metadata}
    content = to_bytes(arrays, {"fcnet": json.dumps(metadata, default=plain)})
    start, stop, checksum = _checksum(content)
    whole = memoryview(content)  # whose parts are no copies
    write_atomic(path, whole[:start], checksum, whole[stop:])


def plain(value: Any) -> Any:
    """Return arrays and numbers of NumPy, which JSON does not know, as lists and numbers of Python."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} cannot be kept in a file")


def _checksum(content: bytes | mmap.mmap) -> tuple[int, int, str]:
    """Return where the checksum of a file is in it, and what it should be: of all bytes, its own being zeros.

    It finds damage, not deceit: who changes a file on purpose can change its checksum as well.
    """
    start = content.find(BEFORE_CHECKSUM) + len(BEFORE_CHECKSUM)
    stop = start + len(NO_CHECKSUM)
    with memoryview(content) as view, view[:start] as before, view[stop:] as after:
        return start, stop, f"{zlib.crc32(after, zlib.crc32(NO_CHECKSUM.encode(), zlib.crc32(before))):08x}"


def load_tensors(path: str | Path, format: str) -> tuple[dict[str, Array], dict[str, Any]]:
    """Read what `save_tensors` wrote; a file that another one replaces while it is read is read again.

    Where it is missing, damaged, or of another format, FileFormatError is raised.
    """
    while True:
        before = identity(path)
        try:
            return _read_tensors(path, format)
        except FileFormatError:
            if identity(path) == before:
                raise


def identity(path: str | Path) -> tuple[int, ...] | None:
    """Return what differs between a file and one that replaces it; None where there is no file."""
    try:
        status = Path(path).stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_mtime_ns


def _read_tensors(path: str | Path, format: str) -> tuple[dict[str, Array], dict[str, Any]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            metadata = dict(json.loads((file.metadata() or {}).get("fcnet", "{}")))
            _verify(path, metadata)
            found = metadata.pop("format", None)
            if found != format:
                raise FileFormatError(f"{path} is not a file of the format {format}, but of {found or 'another program'}.")
            return {name: file.get_tensor(name) for name in file.keys()}, metadata  # noqa: SIM118  # not a dict
    except FileNotFoundError:
        raise FileFormatError(f"There is no file {path}.") from None
    except OSError:
        if not Path(path).is_dir():
            raise
        model = Path(path) / "model.safetensors"
        raise FileFormatError(f"{path} is a folder: name a file in it{f', as {model}' if model.exists() else ''}.") from None
    except (SafetensorError, RecursionError, TypeError, ValueError) as error:
        raise FileFormatError(f"{path} is damaged or not a safetensors file: {error}.") from None


def _verify(path: str | Path, metadata: dict[str, Any]) -> None:
    """Take the checksum out of metadata, and raise ValueError unless it is that of the file; older files have none."""
    first = next(iter(metadata), "format")
    if first == "format":
        return
    # safetensors does not hand out the bytes of the file that it has open.
    with Path(path).open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if first != "checksum" or metadata.pop(first) != _checksum(content)[2]:
            raise ValueError("its checksum is that of another content")


def check_tensors(path: str | Path, found: Mapping[str, Array], expected: Mapping[str, Array]) -> None:
    """Raise FileFormatError unless `found` has the names, shapes and dtypes of `expected`, and finite values."""
    for name in sorted(set(found) ^ set(expected)):
        raise FileFormatError(f"{path} {'lacks' if name in expected else 'has an unexpected'} tensor {name!r}.")
    for name, tensor in found.items():
        want = expected[name]
        if tensor.shape != want.shape or tensor.dtype != want.dtype:
            raise FileFormatError(
                f"{path}: tensor {name!r} is {tensor.dtype} {tensor.shape}, the network needs {want.dtype} {want.shape}."
            )
        if not np.isfinite(tensor).all():
            raise FileFormatError(f"{path}: tensor {name!r} holds NaN or infinite values.")
