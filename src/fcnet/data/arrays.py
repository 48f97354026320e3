"""Arrays in an ``.npz``."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from fcnet.data.dataset import Dataset
from fcnet.data.splits import Part, numbers_of, with_parts
from fcnet.errors import FileFormatError
from fcnet.types import Array

LARGEST = 1e18  # larger numbers overflow in float32
LARGEST_SIDE = 1 << 14  # of an image; what is longer is no image
USED = {"X", "y", "X_val", "y_val", "X_test", "y_test", "max_value"}  # others may be in the file, too
FEW_SHADES, WHITES = 16, (255, 65535)


def load_npz(path: Path, n_test: int | None) -> Dataset:
    """Load rows or images X and labels y, or raise FileFormatError or InputError; `n_test` as for `load_own`."""
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            names = set(file.files)
            wanted = {name for name in names & USED if n_test != 0 or not name.endswith("_test")}
            arrays = {name: file[name] for name in wanted}
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
    image_shape = _image_shape(path, images.shape)
    notes = []
    if image_shape is not None and X.min() < 0:
        image_shape = None
        notes = [
            f"X goes down to {X.min():g}, and black would be 0: X is read as rows of numbers, not as images. "
            "X.astype(float) - X.min() would be read as images"
        ]
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
                given[end] = X_part.reshape(len(X_part), -1), numbers_of(path, y_part, classes, f"y{end}")
    parts = (X, y), given["_val"], given["_test"]
    if image_shape is None:
        return with_parts(path, *parts, classes, n_test, what="rows of X", notes=notes)
    height, width, channels = image_shape
    of = {1: "of grey", 3: "in colour"}.get(channels, f"of {channels} channels")
    data = with_parts(path, *parts, classes, n_test, image_shape=image_shape, what=f"images of {height} × {width} pixels {of}")
    largest = float(data.X_train.max())
    data.max_value = _given_white(path, arrays["max_value"], largest) if "max_value" in arrays else _white(largest)
    advice = "" if "max_value" in arrays else "; an array max_value in the file would say otherwise"
    data.notes = [
        *data.notes,
        f"The values to train on go up to {largest:g}, and {data.max_value:g} is taken for white{advice}",
    ]
    return data


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


def _image_shape(path: Path, shape: tuple[int, ...]) -> tuple[int, int, int] | None:
    """Return (height, width, channels) of X, if it holds images, or raise FileFormatError if its channels come first."""
    if len(shape) not in (3, 4) or max(shape[1:]) > LARGEST_SIDE:
        return None
    height, width, channels = (*shape[1:], 1)[:3]
    if channels not in (1, 3) and height < min(width, channels):
        raise FileFormatError(
            f"{path}: X has shape {shape}, as if its channels came first. They come last: X.transpose(0, 2, 3, 1). If these "
            f"are images of {height} × {width} pixels with {channels} channels, save them as rows, X.reshape(len(X), -1)."
        )
    return height, width, channels


def _white(largest: float) -> float:
    """Return the value of white in images with this largest value."""
    if largest <= FEW_SHADES:  # a mask, floats from 0 to 1, or a scale of its own, as of scikit-learn's digits
        return max(1.0, largest)
    return float(next((white for white in WHITES if largest <= white), largest))


def _given_white(path: Path, value: Array, largest: float) -> float:
    if value.size != 1 or value.dtype.kind not in "iuf" or not max(largest, 1e-12) <= value.item() < LARGEST:
        raise FileFormatError(
            f"{path}: max_value is the value of white, one number that no value of X exceeds; X goes up to {largest:g}, and "
            f"max_value is {value}."
        )
    return float(value.item())
