"""What the modes and depths of Pillow mean: any picture as shades from 0, black, to 255, white."""

from typing import Any

import numpy as np

from fcnet.types import Array

FULL_RANGE = {"JPEG2000", "PNG", "PPM", "TIFF"}  # formats whose pixels of 16 bits go from 0 to 65,535
IN_32_BITS = {"PNG", "PPM"}  # those that older Pillows open in 32 bits though they have 16
SCALED_UP = {"L;2": 85, "L;4": 17, "RGB;16B": 1 / 256}  # by Pillow: the pixels, but not the one that is transparent
WIDTH, HEIGHT, BITS, PHOTOMETRIC, SAMPLE_FORMAT = 256, 257, 258, 262, 339  # tags of TIFF
WHITE_IS_ZERO, SIGNED = 0, 2
NEARLY_WHITE = 250
ADVICE = "Save it with 8 or 16 bits, from black to white."


def is_grey(image: Any) -> bool:
    """Return whether a picture has one channel, transparency aside."""
    return is_deep(image) or image.mode in ("1", "L", "LA", "La")


def is_deep(image: Any) -> bool:
    """Return whether the pixels are numbers of more than 8 bits, which Pillow cuts off where it converts them."""
    return image.mode in ("F", "I", "I;16", "I;16B", "I;16L", "I;16N")


def opaque(opened: Any) -> tuple[Any, bool]:
    """Return an opened picture the right way up and without transparency, and whether parts of it were transparent.

    What is behind transparent parts is white, or black where the picture would be all white otherwise. The mode is "L" for grey
    and "RGB" for colours of 8 bits, and "F" for grey of more: numbers from 0 to 255. Where it cannot be told which of its
    numbers is white, ValueError is raised.
    """
    from PIL import Image

    see_through = _see_through(opened)
    black, white = _black_and_white(opened)
    image = upright(opened)
    if is_deep(opened):
        ink, alpha = _shades(np.asarray(image), black, white, see_through)
    else:
        if see_through is not None:
            image.info["transparency"] = see_through
        alpha = None
        if image.has_transparency_data:
            image = image.convert("RGBA")
            alpha = image.getchannel("A")
        ink = image.convert("RGB")
        if is_grey(opened):
            ink = ink.convert("L")
    if alpha is None or np.asarray(alpha).min() == 255:
        return ink, False
    shown = Image.composite(ink, Image.new(ink.mode, ink.size, "white" if ink.mode == "RGB" else 255), alpha)
    if np.asarray(shown).min() >= NEARLY_WHITE and np.asarray(alpha).any():
        shown = Image.composite(ink, Image.new(ink.mode, ink.size), alpha)
    return shown, True


def upright(opened: Any) -> Any:
    """Return an opened picture turned as its EXIF data say, or raise ValueError if Pillow cannot do it."""
    from PIL import ImageOps

    told, tags = opened.size, _tags(opened)
    image = ImageOps.exif_transpose(opened)
    if tags and image.size != told != (tags.get(WIDTH), tags.get(HEIGHT)):  # Pillow 13 mixes up its lines
        raise ValueError("it lies on its side and is not compressed, which Pillow does not read rightly. Save it upright.")
    return image


def _tags(opened: Any) -> Any:
    return getattr(opened, "tag_v2", {})


def _see_through(opened: Any) -> Any:
    """Return the one value that is transparent, in the unit of the pixels, if there is one."""
    value = opened.info.get("transparency")
    scale = SCALED_UP.get(opened.tile[0][3], 1) if opened.format == "PNG" and opened.tile else 1
    if value is None or scale == 1:
        return value
    return tuple(int(v * scale) for v in value) if isinstance(value, tuple) else int(value * scale)


def _black_and_white(opened: Any) -> tuple[float, float]:
    """Return what is black and what is white among the numbers of a picture, or raise ValueError if it does not say."""
    tags, white = _tags(opened), 255.0
    if opened.mode == "F":
        white = 1.0
    elif SIGNED in tags.get(SAMPLE_FORMAT, ()) or (
        is_deep(opened) and opened.format not in (IN_32_BITS if opened.mode == "I" else FULL_RANGE)
    ):
        raise ValueError(f"it does not say which of its numbers, signed or of more than 8 bits, is white. {ADVICE}")
    elif is_deep(opened):
        white = 4095.0 if tags.get(BITS) == (12,) else 65535.0
    return (white, 0.0) if tags.get(PHOTOMETRIC) == WHITE_IS_ZERO else (0.0, white)


def _shades(numbers: Array, black: float, white: float, see_through: Any) -> tuple[Any, Any]:
    """Return a picture of mode "F" from 0 to 255, and its transparency if one number means that."""
    from PIL import Image

    low, high = float(numbers.min()), float(numbers.max())
    if numbers.dtype.kind == "f" and not (low >= -1e-6 and high <= 1 + 1e-6):  # NaN is neither
        raise ValueError(f"floats are read as 0 for black to 1 for white, and these go from {low:g} to {high:g}. {ADVICE}")
    shades = ((numbers.astype(np.float32) - black) * (255 / (white - black))).clip(0, 255)
    alpha = None if see_through is None else Image.fromarray(np.where(numbers == see_through, 0, 255).astype(np.uint8))
    return Image.fromarray(shades.astype(np.float32)), alpha
