"""Own data: a table, arrays in an ``.npz``, or a folder with a folder of pictures for each class."""

import math
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fcnet.data.dataset import Dataset
from fcnet.data.images import image_size, picture_files, read_image
from fcnet.data.splits import split
from fcnet.data.table import load_table
from fcnet.data.table_file import TABLES
from fcnet.errors import FileFormatError, InputError
from fcnet.types import Array
from fcnet.words import listed

LARGEST_SIDE = 64  # pixels: a larger picture is scaled down
LARGEST = 1e18  # larger numbers overflow in float32
Part = tuple[Array, Array]  # rows and class numbers


def is_path(name: str) -> bool:
    """Return whether the name of a data set is a path: it has a slash or an ending, or is a folder."""
    return "/" in name or "\\" in name or bool(Path(name).suffix) or Path(name).is_dir()


def load_own(
    name: str, *, target: str = "", drop: Sequence[str] = (), category: Sequence[str] = (), n_test: int | None = None
) -> Dataset:
    """Load own data, split into training, validation and test rows of every class.

    Parameters
    ----------
    name : str
        Path of a ``.csv``, ``.tsv``, ``.parquet`` or ``.npz``, or of a folder.
    target, drop, category
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
        return load_table(path, target=target, drop=drop, category=category, n_test=n_test)
    if target or drop or category:
        raise InputError(f"--target, --drop and --category are for tables, and {name} is none.")
    if path.is_dir():
        return _load_folder(path, n_test)
    if path.suffix.lower() == ".npz":
        return _load_npz(path, n_test)
    raise FileFormatError(f"{name} is not a {', '.join(TABLES)} or .npz file, nor a folder of pictures.")


def checksum(name: str) -> str:
    """Return a number that changes with the data: of a file its bytes, of a folder the names and sizes of its files."""
    path, crc = Path(name), 0
    if path.is_dir():
        for file in sorted(file for depth in ("*/*", "*/*/*") for file in path.glob(depth) if file.is_file()):
            crc = zlib.crc32(f"{file.relative_to(path)} {file.stat().st_size}".encode(), crc)
    elif path.is_file():
        with path.open("rb") as opened:
            while block := opened.read(1 << 20):
                crc = zlib.crc32(block, crc)
    return f"{crc:08x}"


def _load_npz(path: Path, n_test: int | None) -> Dataset:
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            names = set(file.files)
            arrays = {name: file[name] for name in names if n_test != 0 or not name.endswith("_test")}
    except FileNotFoundError:
        raise FileFormatError(f"There is no file {path}.") from None
    except (OSError, ValueError, EOFError) as error:
        advice = " Arrays of Python objects are not read: save numbers or text." if "pickle" in str(error) else ""
        raise FileFormatError(f"{path} cannot be read as NumPy arrays: {error}{advice}") from None
    except Exception as error:  # zipfile and zlib have errors of their own
        raise FileFormatError(f"{path} is damaged: {error!r}.") from None
    if not names >= {"X", "y"}:
        raise FileFormatError(f"{path} needs arrays X (n, n_inputs) and y (n,); it has {', '.join(sorted(names)) or 'none'}.")
    images, labels = _rows_and_labels(path, arrays, "")
    X = images.reshape(len(images), -1)
    found, y = np.unique(labels, return_inverse=True)
    classes = [str(label) for label in found]
    given: dict[str, Part | None] = {}
    for end in ("_val", "_test"):
        given[end] = None
        if names & {f"X{end}", f"y{end}"}:
            given[end] = X[:0], y[:0]
            if end != "_test" or n_test != 0:
                X_part, y_part = _rows_and_labels(path, arrays, end)
                if X_part.shape[1:] != images.shape[1:]:
                    raise FileFormatError(
                        f"{path}: X{end} has shape {X_part.shape}, which does not go with {images.shape} of X."
                    )
                given[end] = X_part.reshape(len(X_part), -1), _numbers_of(path, y_part, classes, f"y{end}")
    image_shape = (*images.shape[1:], 1)[:3] if images.ndim in (3, 4) else None
    return _dataset(path, (X, y), given["_val"], given["_test"], classes, n_test, image_shape, "rows of X")


def _rows_and_labels(path: Path, arrays: Mapping[str, Array], end: str) -> Part:
    if f"X{end}" not in arrays or f"y{end}" not in arrays:
        raise FileFormatError(f"{path} has one of X{end} and y{end}, and needs both or neither.")
    X, labels = arrays[f"X{end}"], arrays[f"y{end}"]
    if X.ndim < 2 or labels.shape != X.shape[:1] or not X.size:
        raise FileFormatError(
            f"{path}: X{end} has shape {X.shape} and y{end} {labels.shape}; values are needed, and a label for each row."
        )
    if X.dtype.kind not in "fiub" or labels.dtype.kind not in "iubUS":
        raise FileFormatError(
            f"{path}: X{end} must hold numbers and y{end} whole numbers or text, got {X.dtype} and {labels.dtype}."
            + " y.astype(int) makes whole numbers of classes; for other numbers take fcnet.FCNetRegressor."
            * (labels.dtype.kind == "f")
        )
    if X.dtype.kind == "f":
        bad = ~(np.abs(X) < LARGEST).reshape(len(X), -1).all(axis=1)
        if bad.any():
            raise FileFormatError(
                f"{path}: X{end}[{bad.argmax()}] holds NaN, or a number above {LARGEST:g}, as do {bad.sum():,} of {len(X):,} "
                "rows. Leave them out, or replace the numbers."
            )
    return X, labels


def _numbers_of(path: Path, labels: Array, classes: Sequence[str], name: str) -> Array:
    places = {label: number for number, label in enumerate(classes)}
    unknown = sorted({str(label) for label in labels} - set(places))
    if unknown:
        raise FileFormatError(f"{path}: {name} has the class {unknown[0]!r}, which no training row has.")
    return np.array([places[str(label)] for label in labels], np.int64)


def _load_folder(path: Path, n_test: int | None) -> Dataset:
    root = path / "train" if _folders(path / "train") else path  # the parts may have folders of their own
    classes = _folders(root)
    if len(classes) < 2:
        raise FileFormatError(f"{root} needs a folder of pictures for each of two or more classes; it has {len(classes)}.")
    shape = _common_shape([file for file, _ in _pictures(root, classes)])
    given: dict[str, Part | None] = {"val": None, "test": None}
    for name in given:
        if root != path and (path / name).is_dir():
            _numbers_of(path, np.array(_folders(path / name)), classes, name)
            given[name] = _read_folder(path / name, [] if name == "test" and n_test == 0 else classes, shape)
    unused = [name for name in _folders(path) if root != path and name not in ("train", *given)]
    notes = [f"Not used are the folders beside train but for val and test: {listed(map(repr, unused))}"] if unused else []
    what = f"pictures as {shape[0]} × {shape[1]} pixels {'of grey' if shape[2] == 1 else 'in colour'}"
    parts = _read_folder(root, classes, shape), given["val"], given["test"]
    return _dataset(path, *parts, classes, n_test, shape, what, notes)


def _folders(path: Path) -> list[str]:
    if not path.is_dir():
        return []
    return sorted(folder.name for folder in path.iterdir() if folder.is_dir() and not folder.name.startswith("."))


def _pictures(root: Path, classes: Sequence[str]) -> list[tuple[Path, int]]:
    folders = [(root / name, number) for number, name in enumerate(classes) if (root / name).is_dir()]
    return [(file, number) for folder, number in folders for file in picture_files([folder])]


def _read_folder(root: Path, classes: Sequence[str], shape: tuple[int, int, int]) -> Part:
    pictures = _pictures(root, classes)
    X = np.empty((len(pictures), math.prod(shape)), np.uint8)
    for row, (file, _) in zip(X, pictures, strict=True):
        row[:] = read_image(file, shape).round()
    return X, np.array([number for _, number in pictures], np.int64)


def _common_shape(files: list[Path]) -> tuple[int, int, int]:
    """Return the commonest size, scaled down to `LARGEST_SIDE`, and 1 channel if all are grey."""
    sizes = [image_size(file) for file in files]
    (height, width), _ = Counter(size[:2] for size in sizes).most_common(1)[0]
    scale = min(1.0, LARGEST_SIDE / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale)), max(channels for _, _, channels in sizes)


def _dataset(
    path: Path,
    rest: Part,
    val: Part | None,
    test: Part | None,
    classes: list[str],
    n_test: int | None,
    image_shape: tuple[Any, ...] | None,
    what: str,
    notes: Sequence[str] = (),
) -> Dataset:
    """Put together the parts that are given, and split those that are not from the rest."""
    if len(classes) < 2:
        raise InputError(f"{path} has one class only, {classes[0]!r}: there is nothing to learn.")
    X, y = rest
    y = y.astype(np.int64)
    train_rows, val_rows, test_rows = split(y, classes, str(path), val=val is None, test=test is None)
    X_val, y_val = val or (X[val_rows], y[val_rows])
    X_test, y_test = test or (X[test_rows], y[test_rows])
    shape = None if image_shape is None else (image_shape[0], image_shape[1], image_shape[2])
    white = 255.0 if X.dtype.kind in "iu" else float(max(X.max(), 1e-12))
    parts = (X[train_rows], y[train_rows], X_val, y_val, X_test[:n_test], y_test[:n_test])
    told = f"Learning {listed(classes)} from {len(train_rows):,} {what}; {len(X_val):,} others are to validate"
    return Dataset(path.stem, *parts, classes, shape, white, notes=[told, *notes])
