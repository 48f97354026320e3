"""Predictions for picture files."""

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from fcnet.data.images import Remarks, picture_files, read_image, skipped_note
from fcnet.errors import FileFormatError
from fcnet.model import Model
from fcnet.types import Array

AT_ONCE = 256

_log = logging.getLogger(__name__)


def predict_pictures(model: Model, paths: Iterable[Path]) -> Iterator[tuple[Path, Array | FileFormatError]]:
    """Yield each picture with the probabilities of the classes, an array (n_classes,), or with what is wrong with its file.

    The model was trained on images of 1 or 3 channels. `paths` are pictures, and folders of pictures; one without pictures
    raises FileFormatError. What is skipped in them, or not read as it is in the files, is logged at the end.
    """
    assert model.image_shape is not None
    pictures, others = picture_files(paths)
    remarks = Remarks()
    for start in range(0, len(pictures), AT_ONCE):
        images: list[tuple[Path, Array]] = []  # a file may be named twice
        for file in pictures[start : start + AT_ONCE]:
            try:
                images.append((file, read_image(file, model.image_shape, model.max_value, remarks)))
            except FileFormatError as error:
                yield file, error
        if images:
            files, rows = zip(*images, strict=True)
            yield from zip(files, model.predict_proba(np.array(rows)), strict=True)
    for note in [*skipped_note(others), *remarks.notes()]:
        _log.info("Note: %s.", note)
