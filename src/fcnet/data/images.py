"""Picture files as rows of input."""

from pathlib import Path

import numpy as np

from fcnet.errors import FcnetError, FileFormatError
from fcnet.types import Array


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
    try:
        from PIL import Image, ImageOps
    except ImportError:
        raise FcnetError("Reading pictures needs Pillow: pip install pillow.") from None
    height, width, channels = image_shape
    try:
        with Image.open(file) as opened:
            image = ImageOps.exif_transpose(opened)
            if image.mode.startswith("I"):  # 16 bits a pixel, which convert() would clip
                image = Image.fromarray((np.asarray(image) / 257).astype(np.uint8))
            image = image.convert("L" if channels == 1 else "RGB")
            if image.size != (width, height):
                shrinks = image.width >= width and image.height >= height
                image = image.resize((width, height), Image.Resampling.BOX if shrinks else Image.Resampling.BICUBIC)
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise FileFormatError(f"{file} cannot be read as a picture: {error}") from None
    return np.asarray(image, np.float32).reshape(-1) * np.float32(max_value / 255)
