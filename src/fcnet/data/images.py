"""Picture files as rows of input."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fcnet.errors import FcnetError, FileFormatError
from fcnet.types import Array


def read_images(files: Sequence[Path], image_shape: tuple[int, ...], max_value: float = 255.0) -> Array:
    """Return pictures as float32 rows (n, height · width · channels), scaled to the size of `image_shape`.

    Parameters
    ----------
    files : sequence of paths
    image_shape : tuple of ints
        (height, width, channels), with 1 channel for grey or 3 for red, green, blue.
    max_value : float
        The value that white becomes.

    Raises
    ------
    FileFormatError
        If a file is missing or not a picture; it is named.
    """
    try:
        from PIL import Image, ImageOps
    except ImportError:
        raise FcnetError("Reading pictures needs Pillow: pip install pillow.") from None
    height, width, channels = image_shape
    rows = np.empty((len(files), height * width * channels), np.float32)
    for row, file in zip(rows, files, strict=True):
        try:
            with Image.open(file) as opened:
                upright = ImageOps.exif_transpose(opened)
                if upright.mode.startswith("I"):  # 16 bits a pixel, which convert() would clip
                    upright = Image.fromarray((np.asarray(upright) / 257).astype(np.uint8))
                image = upright.convert("L" if channels == 1 else "RGB")
                if image.size != (width, height):
                    image = image.resize((width, height), Image.Resampling.LANCZOS)
        except (OSError, ValueError, Image.DecompressionBombError) as error:
            raise FileFormatError(f"{file} cannot be read as a picture: {error}") from None
        row[:] = np.asarray(image, np.float32).reshape(-1) * (max_value / 255)
    return rows
