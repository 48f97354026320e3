"""CIFAR-10 (Krizhevsky 2009), from its Python batches."""

import hashlib
import os
import shutil
import tarfile
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fcnet.data.dataset import Dataset, KnownDataset
from fcnet.data.restricted_pickle import load_plain_pickle
from fcnet.errors import FileFormatError, SettingError
from fcnet.types import Array

URL = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
ARCHIVE_MD5 = "c58f30108f718f92721af3b95e74349a"
FOLDER = "cifar-10-batches-py"
LOCK = ".cifar10.lock"
IMAGE_SHAPE = (32, 32, 3)
TRAIN_BATCHES = [f"data_batch_{i}" for i in range(1, 6)]
MD5 = {
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
    "batches.meta": "5ff9c542aee3614f3951f8cda6e48888",
}


def find_cifar10(data_dir: str | Path | None = None) -> Path | None:
    """Return the folder of the batches: in `data_dir`, else in ``$FCNET_DATA``, else in the user's cache, else None.

    Each of these holds ``cifar-10-batches-py/``, or is that folder. A warning says so where one is named and does not. Where a
    folder is named and CIFAR-10 is nowhere, FileFormatError is raised: for one that was mistyped it is not downloaded.
    """
    missing: list[str] = []
    for place in [Path(named) for named in (data_dir, os.environ.get("FCNET_DATA")) if named] + [cache_dir()]:
        for folder in (place / FOLDER, place):
            if (folder / "data_batch_1").is_file():
                if missing:
                    warnings.warn(f"There is no {FOLDER} in {' or '.join(missing)}; using {folder}.", stacklevel=2)
                return folder
        missing.append(str(place))
    if len(missing) > 1:
        raise FileFormatError(
            f"There is no {FOLDER} in {' or '.join(missing)}: name the folder that holds it with --data-dir or FCNET_DATA, or "
            "leave both out to have it downloaded."
        )
    return None


def cache_dir() -> Path:
    """Return the user's cache folder for data."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("fcnet", appauthor=False))


def download_cifar10(folder: Path | None = None, *, url: str = URL, md5: str = ARCHIVE_MD5, progress: bool = True) -> Path:
    """Download and unpack CIFAR-10, 163 MiB, into `folder`, by default the user's cache; return the folder of the batches.

    Where the archive cannot be had or differs from its checksum, FileFormatError is raised, and nothing of it is kept.
    """
    from filelock import FileLock

    folder = folder or cache_dir()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / LOCK):  # of processes that begin at once one downloads, and the others wait
            if not all((folder / FOLDER / name).is_file() for name in MD5):
                _download(folder, url, md5, progress)
    except OSError as error:
        raise FileFormatError(f"CIFAR-10 cannot be kept in {folder}: {error}.") from None
    return folder / FOLDER


def _download(folder: Path, url: str, md5: str, progress: bool) -> None:
    import pooch
    import requests

    downloader = pooch.HTTPDownloader(progressbar=progress, timeout=30)
    try:
        archive = pooch.retrieve(url, f"md5:{md5}", fname="cifar-10-python.tar.gz", path=folder, downloader=downloader)
    except (ValueError, OSError, requests.RequestException) as error:
        raise FileFormatError(
            f"CIFAR-10 could not be downloaded from {url}: {error}. Fetch {URL} by other means, unpack it, and point "
            "FCNET_DATA at the folder it was unpacked in."
        ) from None
    try:
        _unpack(Path(archive), folder)
    except OSError as error:
        raise FileFormatError(f"{archive} could not be unpacked: {error}.") from None


def _unpack(archive: Path, folder: Path) -> None:
    """Unpack beside the place and move there whole, so that what is found there is never half of it; remove the archive."""
    with tempfile.TemporaryDirectory(dir=folder) as unpacked:
        with tarfile.open(archive) as tar:
            members = [member for member in tar if member.isfile() and member.name in {f"{FOLDER}/{name}" for name in MD5}]
            tar.extractall(unpacked, members, filter="data")
        shutil.rmtree(folder / FOLDER, ignore_errors=True)
        (Path(unpacked) / FOLDER).replace(folder / FOLDER)
    archive.unlink()


def read_batch(path: Path, *, verify: bool = True) -> tuple[Array, Array]:
    """Return the images (10000, 3072) as uint8, height × width × channel in a row, and labels (10000,) of one batch file.

    Where it is missing, differs from its published MD5 sum or holds something else, FileFormatError is raised.
    """
    data = _read(path, verify)
    images, labels = data.get("data"), data.get("labels")
    if not isinstance(images, np.ndarray) or images.ndim != 2 or images.shape[1] != 3072:
        raise FileFormatError(f"{path} holds no images of 3072 bytes under 'data'.")
    if not isinstance(labels, list) or len(labels) != len(images) or not all(type(label) is int for label in labels):
        raise FileFormatError(f"{path} does not hold a list of {len(images)} labels.")
    if not labels or min(labels) < 0 or max(labels) > 9:
        raise FileFormatError(f"{path} holds labels outside 0 to 9, or none.")
    y = np.array(labels, np.int64)
    # The file has a plane for each channel; a copy in order is what every later step reads.
    return np.ascontiguousarray(images.reshape(-1, 3, 1024).transpose(0, 2, 1)).reshape(-1, 3072), y


def _read(path: Path, verify: bool) -> dict[str, Any]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise FileFormatError(f"{path} cannot be read: {error.strerror}.") from None
    if verify:
        found, expected = hashlib.md5(content, usedforsecurity=False).hexdigest(), MD5[path.name]
        if found != expected:
            raise FileFormatError(
                f"{path} has the MD5 sum {found}, published is {expected}: the file is damaged or altered. "
                "Fetch it again, or use it knowingly by verify=False (fcnet train --no-verify)."
            )
    return load_plain_pickle(content, path)


def load_cifar10(
    data_dir: str | Path | None = None,
    *,
    n_train: int = 49_000,
    n_val: int = 1_000,
    n_test: int = 10_000,
    verify: bool = True,
    download: bool = True,
) -> Dataset:
    """Load CIFAR-10 in the split of the exercise.

    Parameters
    ----------
    data_dir : path, optional
        The folder that holds ``cifar-10-batches-py/``, or is it. Then ``$FCNET_DATA`` and the user's cache are looked
        through; where none has it, it is downloaded to the cache.
    n_train, n_val : int
        The first `n_train` training images, and the `n_val` that follow them.
    n_test : int
        The first `n_test` test images; the test file is not opened for 0.
    verify : bool
        Compare each file with its published MD5 sum.
    download : bool

    Returns
    -------
    data : Dataset
        uint8 images as rows of 3072: height × width × channel.

    Raises
    ------
    FileFormatError
        If the data is not found, damaged, altered, or asks to run code.
    SettingError
        If there are not as many images.
    """
    folder = find_cifar10(data_dir)
    if folder is None:
        if not download:
            raise FileFormatError(f"CIFAR-10 is nowhere: point FCNET_DATA at the folder that holds {FOLDER}.")
        folder = download_cifar10()
    if min(n_train, n_val, n_test) < 0 or n_train < 1:
        raise SettingError(f"The parts must have at least 0 images, and 1 to train: got {n_train}, {n_val}, {n_test}.")
    X, y = _load_rows(folder, TRAIN_BATCHES, n_train + n_val, verify)
    X_test, y_test = _load_rows(folder, ["test_batch"], n_test, verify)
    names = _read(folder / "batches.meta", verify).get("label_names")
    if not isinstance(names, list) or len(names) != 10 or not all(type(name) is str for name in names):
        raise FileFormatError(f"{folder / 'batches.meta'} does not hold ten class names.")
    parts = X[:n_train], y[:n_train], X[n_train:], y[n_train:], X_test, y_test
    return Dataset("cifar10", *parts, names, IMAGE_SHAPE, validation_given=True)


def _load_rows(folder: Path, names: Sequence[str], n: int, verify: bool) -> tuple[Array, Array]:
    X, y = np.empty((n, 3072), np.uint8), np.empty(n, np.int64)
    filled = 0
    for name in names:
        if filled == n:
            break
        images, labels = read_batch(folder / name, verify=verify)
        take = min(len(images), n - filled)
        X[filled : filled + take], y[filled : filled + take] = images[:take], labels[:take]
        filled += take
    if filled < n:
        raise SettingError(f"{n} images are asked for, {folder} has {filled}.")
    return X, y


CIFAR10 = KnownDataset(
    load_cifar10,
    recipe="tuned",
    citation="Krizhevsky, A. (2009). *Learning Multiple Layers of Features from Tiny Images.* Technical report, University of "
    "Toronto. <https://www.cs.toronto.edu/~kriz/cifar.html>",
)
