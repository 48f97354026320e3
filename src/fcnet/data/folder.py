"""A folder with a folder of pictures for each class."""

import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from fcnet.data.dataset import Dataset
from fcnet.data.images import Form, Remarks, find_pictures, image_form, is_left_over, read_image, skipped_note
from fcnet.data.splits import Part, numbers_of, with_parts
from fcnet.errors import FileFormatError
from fcnet.types import Array
from fcnet.words import listed

LARGEST_SIDE = 64  # pixels: a larger picture is scaled down
OTHER_PARTS = {"train", "training", "val", "valid", "validation", "dev", "test", "testing"}
Files = Mapping[str, list[Path]]  # the pictures of each class


def load_folder(path: Path, n_test: int | None) -> Dataset:
    """Load the pictures of class folders, all scaled to the commonest size; `n_test` as for `load_own`."""
    others: list[Path] = []
    root, files = path / "train", _class_files(path / "train", others)
    in_train = bool(files)  # the parts may have folders of their own
    if not in_train:
        others = []
        root, files = path, _class_files(path, others)
    _check_classes(root, files, others)
    given = {name: _class_files(path / name, others) for name in ("val", "test") if in_train}
    given = {name: part for name, part in given.items() if part}
    notes = []
    if in_train:
        beside = [entry for entry in sorted(path.iterdir()) if entry.name not in ("train", *given)]
        others += [entry for entry in beside if is_left_over(entry) or not entry.is_dir()]
        unused = [entry.name for entry in beside if entry not in others]
        notes += [f"Not used are the folders beside train but for val and test: {listed(map(repr, unused))}"] * bool(unused)
    classes, remarks = list(files), Remarks()
    for name, part in given.items():
        numbers_of(path, np.array(list(part), str), classes, name)
    shape, dtype = _common_form([image_form(file) for group in files.values() for file in group])
    read = {
        name: _read({} if name == "test" and n_test == 0 else part, classes, shape, dtype, remarks)
        for name, part in {"train": files, **given}.items()
    }
    what = f"pictures as {shape[0]} × {shape[1]} pixels {'of grey' if shape[2] == 1 else 'in colour'}"
    notes += [*skipped_note(others, " of a class", path), *remarks.notes(path)]
    parts = read["train"], read.get("val"), read.get("test")
    return with_parts(path, *parts, classes, n_test, image_shape=shape, what=what, notes=notes)


def _class_files(root: Path, others: list[Path]) -> dict[str, list[Path]]:
    """Return the pictures of each folder that has some, and add what else there is to `others`."""
    found = {}
    for entry in sorted(root.iterdir()) if root.is_dir() else []:
        if is_left_over(entry) or not entry.is_dir():
            others.append(entry)
            continue
        pictures, rest = find_pictures(entry)
        others += rest if pictures or rest else [entry]
        if pictures:
            found[entry.name] = pictures
    return found


def _check_classes(root: Path, files: Files, others: list[Path]) -> None:
    if len(files) < 2:
        loose = [file for file in find_pictures(root)[0] if file.parent == root] if root.is_dir() else []
        others = [entry for entry in others if entry not in loose]
        raise FileFormatError(
            f"{root} needs a folder of pictures for each of two or more classes; it has {len(files)}."
            + (f" Each picture belongs into the folder of its class, such as {root / 'cat' / loose[0].name}." if loose else "")
            + (f" No pictures, judged by the ends of their names, are {listed(map(str, others), 3)}." if others else "")
        )
    if {name.lower() for name in files} <= OTHER_PARTS:
        raise FileFormatError(
            f"{root} has the folders {listed(files)}, which look like parts of the data and not like classes. Name them train, "
            "val and test, with a folder for each class in train."
        )


def _common_form(forms: list[Form]) -> tuple[tuple[int, int, int], type]:
    """Return the commonest size, scaled down to `LARGEST_SIDE`, with 1 channel if all are grey, and the dtype for all."""
    (height, width), _ = Counter((form.height, form.width) for form in forms).most_common(1)[0]
    scale = min(1.0, LARGEST_SIDE / max(height, width))
    shape = max(1, round(height * scale)), max(1, round(width * scale)), max(form.channels for form in forms)
    return shape, np.float32 if any(form.deep for form in forms) else np.uint8


def _read(files: Files, classes: list[str], shape: tuple[int, int, int], dtype: type, remarks: Remarks) -> Part:
    pictures = [(file, classes.index(name)) for name, group in files.items() for file in group]
    X: Array = np.empty((len(pictures), math.prod(shape)), dtype)
    for row, (file, _) in zip(X, pictures, strict=True):
        pixels = read_image(file, shape, remarks=remarks)
        row[:] = pixels.round() if dtype is np.uint8 else pixels
    return X, np.array([number for _, number in pictures], np.int64)
