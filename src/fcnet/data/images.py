"""Picture files as rows of input."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from fcnet.errors import FcnetError, FileFormatError
from fcnet.types import Array


def picture_files(paths: Iterable[Path], pattern: str = "*") -> list[Path]:
    """Return the files of `paths`, where a folder stands for the pictures in it, by the ends of their names and in their order.

    The `pattern` is that of `Path.glob`: with "**/*" pictures are looked for in the folders of a folder, too.

    Raises
    ------
    FileFormatError
        If a folder has no pictures.
    FcnetError
        If Pillow is not installed.
    """
    files = []
    for path in paths:
        if not path.is_dir():
            files.append(path)
            continue
        endings = _pillow().registered_extensions()
        found = sorted(file for file in path.glob(pattern) if file.suffix.lower() in endings)
        if not found:
            raise FileFormatError(f"{path} has no pictures.")
        files += found
    return files


def _pillow() -> ModuleType:
    try:
        from PIL import Image
    except ImportError:
        raise FcnetError("Reading pictures needs Pillow: pip install pillow.") from None
    return Image


@contextmanager
def _opened(file: Path) -> Iterator[Any]:
    """Open a picture, and turn what is wrong with it, then or when it is read, into a FileFormatError."""
    Image = _pillow()
    try:
        with Image.open(file) as image:
            yield image
    except FileNotFoundError:
        raise FileFormatError(f"There is no file {file}.") from None
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise FileFormatError(f"{file} cannot be read as a picture: {error}") from None


def image_size(file: Path) -> tuple[int, int, int]:
    """Return (height, width, channels) of a picture, with 1 channel for grey and 3 for colours.

    Raises
    ------
    FileFormatError
        If the file is not a picture.
    """
    with _opened(file) as image:
        return image.height, image.width, 1 if image.mode in ("1", "L", "LA") or image.mode.startswith("I") else 3


def read_image(file: Path, image_shape: tuple[int, ...], max_value: float = 255.0) -> Array:
    """Return a picture as a float32 row (height · width · channels,), scaled to the size of `image_shape`.

    Parameters
    ----------
    file : Path
    image_shape : tuple of ints
        (height, width, channels), with 1 channel for grey or 3 for red, green, blue.
    max_value : float
        The value that white becomes.

    Raises
    ------
    FileFormatError
        If the file is missing or not a picture.
    FcnetError
        If Pillow is not installed.
    """
    height, width, channels = image_shape
    with _opened(file) as opened:
        from PIL import Image, ImageOps

        image = ImageOps.exif_transpose(opened)
        if image.mode.startswith("I"):  # 16 bits a pixel, which convert() would clip
            image = Image.fromarray((np.asarray(image) / 257).astype(np.uint8))
        image = image.convert("L" if channels == 1 else "RGB")
        if image.size != (width, height):
            shrinks = image.width >= width and image.height >= height
            image = image.resize((width, height), Image.Resampling.BOX if shrinks else Image.Resampling.BICUBIC)
    return np.asarray(image, np.float32).reshape(-1) * np.float32(max_value / 255)
