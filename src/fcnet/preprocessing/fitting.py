"""What every preprocessor is fitted by: settings that are checked, and training rows."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike

from fcnet.data.cells import Dialect
from fcnet.engine.products import Matmul, matmul
from fcnet.errors import SettingError
from fcnet.preprocessing.base import Preprocessor
from fcnet.preprocessing.views import Views
from fcnet.settings import Settings
from fcnet.types import Array


@dataclass(frozen=True)
class TrainingRows:
    """The training part of a data set, and what it will be used for.

    Parameters
    ----------
    X : array (n, n_inputs) or polars data frame
    image_shape, max_value : tuple of ints and float
        (height, width, channels) of the images that the rows are, if they are images, and the value of white.
    dialect : Dialect, optional
        How the text of a table was written.
    mirror, shift : bool and int
        The augmentation: whether images are mirrored, and by how many pixels they are translated.
    mean_of_views : bool
        Whether the network is to see the mean over the translations of an image, of length one.
    dtype : dtype
        Of the network's inputs.
    seed : int
    matmul : callable
        Computes large matrix products.
    codes : bool
        Whether the network takes the categories of a table by their numbers.
    """

    X: Any
    image_shape: tuple[int, ...] | None = None
    max_value: float = 255.0
    dialect: Dialect | None = None
    mirror: bool = False
    shift: int = 0
    mean_of_views: bool = False
    dtype: DTypeLike = np.float32
    seed: int = 0
    matmul: Matmul = matmul
    codes: bool = False


@dataclass(frozen=True)
class Prepared:
    """What fitting gives.

    Parameters
    ----------
    preprocessor : Preprocessor
    rows : array (n_views · n, n_outputs)
        The preprocessed training rows; where there are several views of each, view by view.
    seconds : float
        How long it took; of features that are in the cache, how long it took to learn them.
    """

    preprocessor: Preprocessor
    rows: Array
    seconds: float


class PreprocessorSettings(Settings, frozen=True, tag_field="kind"):
    """Base of the settings of a preprocessor, one kind each."""

    keeps_pixels: ClassVar[bool] = False  # whether each output is a pixel, at its place in the image
    has_mean_of_views: ClassVar[bool] = False  # whether it can give the mean over the views of an image

    def check(
        self, image_shape: tuple[int, ...] | None, mirror: bool = False, shift: int = 0, *, is_table: bool = False
    ) -> None:
        """Raise SettingError if the settings do not fit the data and its augmentation; this takes no time.

        Parameters
        ----------
        image_shape : tuple of ints or None
            None where the rows are no images.
        mirror, shift : bool and int
            The augmentation.
        is_table : bool
            Whether the rows are a data frame.
        """
        if image_shape is None and (mirror or shift):
            name = "mirror" if mirror else "shift"
            raise SettingError(f"{name} is for images, and this data has none. The recipe for tables is tabular.")
        if image_shape is not None and shift >= min(image_shape[:2]):
            raise SettingError(f"shift must be less than the side of an image, {min(image_shape[:2])}, got {shift}.")
        self._check(Views(image_shape, mirror, shift), is_table)

    def _check(self, views: Views, is_table: bool) -> None:
        """Raise SettingError for what one kind does not take."""

    def fit(self, rows: TrainingRows) -> Prepared:
        """Fit the preprocessor on the training rows, and preprocess them."""
        raise NotImplementedError

    def _shape(self, image_shape: tuple[int, ...] | None) -> tuple[int, ...]:
        """Return the shape of images, or raise SettingError where there are none."""
        if image_shape is None:
            kind = self.__struct_config__.tag
            raise SettingError(
                f"preprocessing = {kind} is for images, and this data has none. The recipe for tables is tabular."
            )
        return image_shape
