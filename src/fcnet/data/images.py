"""Picture files as rows of input."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fcnet.data.pixels import is_deep, is_grey, opaque, upright
from fcnet.errors import FileFormatError, InputError
from fcnet.types import Array
from fcnet.words import listed

NOT_PICTURES = {"BUFR", "GRIB", "HDF5", "MPEG", "WMF"}  # that Pillow recognises, and cannot read by itself
LEFT_OVERS = {"__macosx", "@eadir"}  # folders that macOS and Synology make; hidden files and folders are left out, too
ANIMATED = {"AVIF", "GIF", "PNG", "TIFF", "WEBP"}  # formats whose frames are pictures of their own
ORIENTATION, ON_ITS_SIDE = 0x0112, (5, 6, 7, 8)  # of EXIF
TRANSPARENT = "with transparent parts, which are read as white (as black where all else is white)"
FRAMES = "with several frames or pages, of which the first is read"


class Remarks(defaultdict[str, list[Path]]):
    """What was not read as it is in the files, and the pictures with it."""

    def __init__(self) -> None:
        super().__init__(list)

    def notes(self, root: Path | None = None) -> list[str]:
        """Return a line for people about each, with the names of files as they are in `root`."""
        return [
            f"{len(files):,} picture{'s' * (len(files) != 1)} {remark}: {_named(files, root)}" for remark, files in self.items()
        ]


def skipped_note(others: list[Path], of: str = "", root: Path | None = None) -> list[str]:
    """Return a line for people about files and folders that are no pictures `of` something, if there are any."""
    if not others:
        return []
    what = (
        "1 file or folder that is no picture" if len(others) == 1 else f"{len(others):,} files or folders that are no pictures"
    )
    return [f"Skipped {what}{of}: {_named(others, root)}"]


def _named(files: Iterable[Path], root: Path | None) -> str:
    return listed((str(file.relative_to(root) if root else file) for file in files), 5)


def picture_files(paths: Iterable[Path]) -> tuple[list[Path], list[Path]]:
    """Return the files of `paths`, where a folder stands for all pictures in it and its folders, and what is left out.

    A folder without pictures raises FileFormatError.
    """
    files, others = [], []
    for path in paths:
        if not path.is_dir():
            files.append(path)
            continue
        found, rest = find_pictures(path)
        if not found:
            what_else = f", judged by the ends of their names, but {_named(rest, None)}" if rest else ""
            raise FileFormatError(f"{path} has no pictures{what_else}.")
        files += found
        others += rest
    return files, others


def find_pictures(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return the pictures in a folder and its folders, by the ends of their names and in their order, and what else there is.

    Links are followed. Of a hidden folder, or one that a system has left there, nothing is looked at.
    """
    pictures: list[Path] = []
    others: list[Path] = []
    _look_into(folder, pictures, others, ())
    return pictures, others


def _look_into(folder: Path, pictures: list[Path], others: list[Path], above: tuple[Path, ...]) -> None:
    here = folder.resolve()
    if any(folder.is_relative_to(here) for folder in above):  # a link that leads back
        return
    for path in sorted(folder.iterdir()):
        if is_left_over(path):
            others.append(path)
        elif path.is_dir():
            _look_into(path, pictures, others, (*above, here))
        else:
            (pictures if is_picture(path) else others).append(path)


def is_left_over(path: Path) -> bool:
    """Return whether a file or folder is hidden, or of a system."""
    return path.name.startswith(".") or path.name.lower() in LEFT_OVERS


def is_picture(path: Path) -> bool:
    """Return whether the name of a file ends as those of pictures do."""
    from PIL import Image

    kind = Image.registered_extensions().get(path.suffix.lower())
    return kind in Image.OPEN and kind not in NOT_PICTURES


@contextmanager
def _opened(file: Path) -> Iterator[Any]:
    """Open a picture, and turn what is wrong with it, then or when it is read, into a FileFormatError."""
    from PIL import Image

    try:
        with Image.open(file) as image:
            yield image
    except FileNotFoundError:
        raise FileFormatError(f"There is no file {file}.") from None
    except MemoryError:
        raise
    except Exception as error:  # what is damaged makes Pillow's readers raise anything
        raise FileFormatError(f"{file} cannot be read as a picture: {str(error) or repr(error)}") from None


class Form(NamedTuple):
    """What a picture is like: channels are 1 for grey and 3 for colours, and a deep one has more than 8 bits in each."""

    height: int
    width: int
    channels: int
    deep: bool


def image_form(file: Path) -> Form:
    """Return the form of a picture that is the right way up, or raise FileFormatError if the file is none."""
    with _opened(file) as image:
        channels, deep = 1 if is_grey(image) else 3, is_deep(image)
        width, height = image.size
        if image.getexif().get(ORIENTATION) in ON_ITS_SIDE:
            # Pillow turns a TIFF by itself, from some version on before it is read; of others the sides are known unread.
            width, height = upright(image).size if image.format == "TIFF" else (height, width)
        return Form(height, width, channels, deep)


def read_image(file: Path, image_shape: tuple[int, ...], max_value: float = 255.0, remarks: Remarks | None = None) -> Array:
    """Return a picture as a float32 row (height · width · channels,), scaled to the size of `image_shape`.

    It is turned as its EXIF data say. Transparent parts are white, or black where all else is white. Whole numbers of 16 bits
    are black at 0 and white at 65,535, floats at 0 and 1.

    Parameters
    ----------
    file : Path
    image_shape : tuple of ints
        (height, width, channels), with 1 channel for grey or 3 for red, green, blue.
    max_value : float
        The value that white becomes.
    remarks : Remarks, optional
        Told what of the picture was not read as it is.

    Raises
    ------
    FileFormatError
        If the file is missing or not a picture, or it cannot be told which of its numbers is white.
    InputError
        If the images have other channels.
    """
    height, width, channels = image_shape
    if channels not in (1, 3):
        raise InputError(f"Images of {channels} channels are not to be had from picture files, which have 1 or 3.")
    with _opened(file) as opened:
        from PIL import Image

        several = opened.format in ANIMATED and getattr(opened, "is_animated", False)
        image, transparent = opaque(opened)
        if channels == 1 and image.mode == "RGB":
            image = image.convert("L")
        if image.size != (width, height):
            shrinks = image.width >= width and image.height >= height
            image = image.resize((width, height), Image.Resampling.BOX if shrinks else Image.Resampling.BICUBIC)
    if remarks is not None:
        for remark in [TRANSPARENT] * transparent + [FRAMES] * several:
            remarks[remark].append(file)
    pixels = np.asarray(image, np.float32).clip(0, 255).reshape(height, width, -1)
    return np.broadcast_to(pixels, (height, width, channels)).reshape(-1) * np.float32(max_value / 255)
