"""Own data: a table, arrays in an ``.npz``, or a folder with a folder of pictures for each class."""

import zlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fcnet.data.dataset import Dataset
from fcnet.data.images import image_size, picture_files, read_image
from fcnet.data.splits import split
from fcnet.data.table import TABLES, load_table
from fcnet.errors import FileFormatError, InputError
from fcnet.types import Array

LARGEST_SIDE = 64  # pixels: a larger picture is scaled down


def is_path(name: str) -> bool:
    """Return whether the name of a data set is a path: it has the ending of one, or a slash."""
    return "/" in name or "\\" in name or Path(name).suffix.lower() in (*TABLES, ".npz") or Path(name).is_dir()


def load_own(name: str, *, target: str = "", drop: Sequence[str] = (), n_test: int | None = None) -> Dataset:
    """Load own data, split into training, validation and test rows of every class.

    Parameters
    ----------
    name : str
        Path of a ``.csv``, ``.parquet`` or ``.npz``, or of a folder.
    target, drop
        Columns of a table, see `load_table`.
    n_test : int, optional
        How many test rows to return; all where it is not given.

    Raises
    ------
    FileFormatError, InputError
        If the data cannot be used.
    """
    path = Path(name)
    if path.suffix.lower() in TABLES and not path.is_dir():
        return load_table(path, target=target, drop=drop, n_test=n_test)
    if target or drop:
        raise InputError(f"--target and --drop are for tables, and {name} is none.")
    if path.is_dir():
        return _load_folder(path, n_test)
    if path.suffix.lower() == ".npz":
        return _load_npz(path, n_test)
    raise FileFormatError(f"{name} is not a {', '.join(TABLES)} or .npz file, nor a folder of pictures.")


def checksum(name: str) -> str:
    """Return a number that changes with the data: of a file its bytes, of a folder the names and sizes of its files."""
    path, crc = Path(name), 0
    if path.is_dir():
        for file in sorted(path.glob("*/*")):
            crc = zlib.crc32(f"{file.relative_to(path)} {file.stat().st_size}".encode(), crc)
    elif path.is_file():
        with path.open("rb") as opened:
            while block := opened.read(1 << 20):
                crc = zlib.crc32(block, crc)
    return f"{crc:08x}"


def _load_npz(path: Path, n_test: int | None) -> Dataset:
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except FileNotFoundError:
        raise FileFormatError(f"There is no file {path}.") from None
    except (OSError, ValueError, EOFError) as error:
        advice = " Arrays of Python objects are not read: save numbers or text." if "pickle" in str(error) else ""
        raise FileFormatError(f"{path} cannot be read as NumPy arrays: {error}{advice}") from None
    except Exception as error:  # zipfile and zlib have errors of their own
        raise FileFormatError(f"{path} is damaged: {error!r}.") from None
    if "X" not in arrays or "y" not in arrays:
        raise FileFormatError(f"{path} needs arrays X (n, n_inputs) and y (n,); it has {', '.join(sorted(arrays)) or 'none'}.")
    X, labels = arrays["X"], arrays["y"]
    if X.ndim < 2 or labels.shape != X.shape[:1] or not len(X):
        raise FileFormatError(f"{path}: X has shape {X.shape} and y {labels.shape}; a label is needed for each row.")
    if X.dtype.kind not in "fiub" or labels.dtype.kind not in "iubUS":
        raise FileFormatError(f"{path}: X must hold numbers and y whole numbers or text, got {X.dtype} and {labels.dtype}.")
    found, y = np.unique(labels, return_inverse=True)
    image_shape = (*X.shape[1:], 1)[:3] if X.ndim in (3, 4) else None
    return _dataset(path, X.reshape(len(X), -1), y, [str(label) for label in found], n_test, image_shape)


def _load_folder(path: Path, n_test: int | None) -> Dataset:
    classes = sorted(folder.name for folder in path.iterdir() if folder.is_dir() and not folder.name.startswith("."))
    if len(classes) < 2:
        raise FileFormatError(f"{path} needs a folder of pictures for each of two or more classes; it has {len(classes)}.")
    files = [(file, number) for number, name in enumerate(classes) for file in picture_files([path / name])]
    shape = _common_shape([file for file, _ in files])
    rows = np.array([read_image(file, shape) for file, _ in files])
    y = np.array([number for _, number in files])
    return _dataset(path, rows.round().astype(np.uint8), y, classes, n_test, shape)


def _common_shape(files: list[Path]) -> tuple[int, int, int]:
    """Return the commonest size, scaled down to `LARGEST_SIDE`, and 1 channel if all are grey."""
    sizes = [image_size(file) for file in files]
    (height, width), _ = Counter(size[:2] for size in sizes).most_common(1)[0]
    scale = min(1.0, LARGEST_SIDE / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale)), max(channels for _, _, channels in sizes)


def _dataset(
    path: Path, X: Array, y: Array, classes: list[str], n_test: int | None, image_shape: tuple[Any, ...] | None
) -> Dataset:
    if len(classes) < 2:
        raise InputError(f"{path} has one class only, {classes[0]!r}: there is nothing to learn.")
    train, val, test = split(y, classes, str(path))
    test = test[:n_test]
    shape = None if image_shape is None else (image_shape[0], image_shape[1], image_shape[2])
    white = 255.0 if X.dtype.kind in "iu" else float(max(X.max(), 1e-12))

    def rows_of(part: Array) -> tuple[Array, Array]:
        return X[part], y[part].astype(np.int64)

    return Dataset(path.stem, *rows_of(train), *rows_of(val), *rows_of(test), classes, shape, white)
