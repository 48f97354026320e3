"""Own data beside tables: arrays in an ``.npz``, or a folder with a folder of pictures for each class."""

import zlib
from collections.abc import Iterable
from pathlib import Path

from fcnet.data.arrays import load_npz
from fcnet.data.dataset import Dataset
from fcnet.data.folder import load_folder
from fcnet.data.images import find_pictures
from fcnet.errors import FileFormatError


def is_path(name: str) -> bool:
    """Return whether the name of a data set is a path: it has a slash or an ending, or is a folder."""
    return "/" in name or "\\" in name or bool(Path(name).suffix) or Path(name).is_dir()


def load_own(path: Path, n_test: int | None) -> Dataset:
    """Load a folder or an ``.npz`` with `n_test` test rows, or all; raise FileFormatError or InputError where that fails."""
    if path.is_dir():
        return load_folder(path, n_test)
    if path.suffix.lower() == ".npz":
        return load_npz(path, n_test)
    raise FileFormatError(f"{path} is not a .csv, .tsv, .parquet or .npz file, nor a folder of pictures.")


def checksum(name: str) -> str:
    """Return a number that changes with the data: of a file its bytes, of a folder the names and sizes of its pictures."""
    path, crc = Path(name), 0
    if path.is_dir():
        return _of_names(path, _class_pictures(path))
    if path.is_file():
        with path.open("rb") as opened:
            while block := opened.read(1 << 20):
                crc = zlib.crc32(block, crc)
    return f"{crc:08x}"


def is_unchanged(name: str, recorded: str) -> bool:
    """Return whether data has the checksum that was recorded."""
    if checksum(name) == recorded:
        return True
    # Older run folders counted all files of the class folders, pictures or not, and nothing in folders below them.
    path = Path(name)
    files = (file for depth in ("*/*", "*/*/*") for file in path.glob(depth) if file.is_file())
    is_flat = path.is_dir() and len({len(file.relative_to(path).parts) for file in _class_pictures(path)}) == 1
    return is_flat and _of_names(path, files) == recorded


def _class_pictures(path: Path) -> list[Path]:
    return [file for file in find_pictures(path)[0] if file.parent != path]


def _of_names(path: Path, files: Iterable[Path]) -> str:
    crc = 0
    for file in sorted(files):
        crc = zlib.crc32(f"{file.relative_to(path)} {file.stat().st_size}".encode(), crc)
    return f"{crc:08x}"
