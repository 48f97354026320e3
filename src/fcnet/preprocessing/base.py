"""What every preprocessor has: settings that can be checked and fitted, and a fitted object that knows all of itself."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import DTypeLike

from fcnet.data.cells import Dialect
from fcnet.engine.products import Matmul, matmul
from fcnet.errors import SettingError, unknown_name
from fcnet.preprocessing.views import Views
from fcnet.settings import Settings
from fcnet.types import Array

KINDS: dict[str, type["Preprocessor"]] = {}  # every preprocessor that has been defined, by the name that model files have


class Preprocessor(ABC):
    """A fitted transformation of raw rows into a network's inputs, all of which a model file holds.

    A subclass names its `kind` and is known to model files by it from then on.
    """

    kind: ClassVar[str]
    keeps_pixels: ClassVar[bool] = False  # whether an output is a pixel, at its place in the image

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "kind" in cls.__dict__:
            KINDS[cls.kind] = cls

    @property
    @abstractmethod
    def n_inputs(self) -> int | None:
        """Values of a raw row; None where any number will do."""

    @property
    @abstractmethod
    def n_outputs(self) -> int | None:
        """Values of a preprocessed row; None where they are as many as those of a raw one."""

    @abstractmethod
    def transform(self, X: Any, dtype: DTypeLike = np.float32) -> Array:
        """Return rows (n, n_outputs) for the network, of raw rows (n, n_inputs)."""

    @abstractmethod
    def get_config(self) -> dict[str, Any]:
        """Return the settings that, with `arrays`, make an equal one; JSON can hold them."""

    @abstractmethod
    def arrays(self) -> dict[str, Array]:
        """Return what was fitted."""

    @classmethod
    @abstractmethod
    def from_arrays(cls, config: Mapping[str, Any], arrays: Mapping[str, Array]) -> Self:
        """Make one of what `get_config` and `arrays` returned.

        Raises
        ------
        InputError
            If they do not fit.
        """

    @property
    def mirror_signs(self) -> Array | None:
        """The signs (n_outputs,) by which mirroring an image multiplies its outputs, where it does nothing else to them."""
        return None

    def augmentation(self, views: Views) -> Callable[[Array, np.random.Generator], None] | None:
        """Return what replaces each row of a batch by a random one of its views, in place; None where there is one view."""
        return None


def preprocessor_from(kind: str, config: Mapping[str, Any], arrays: Mapping[str, Array]) -> Preprocessor:
    """Make the preprocessor of a kind from what its `get_config` and `arrays` returned.

    Raises
    ------
    SettingError
        If there is no such kind.
    InputError
        If the arrays do not fit.
    """
    if kind not in KINDS:
        raise unknown_name("preprocessor", kind, KINDS)
    return KINDS[kind].from_arrays(config, arrays)


@dataclass(frozen=True)
class TrainingRows:
    """The training part of a data set, and what it will be used for.

    Parameters
    ----------
    X : array (n, n_inputs) or polars data frame
    image_shape : tuple of ints, optional
        (height, width, channels) of the images that the rows are, if they are images.
    max_value : float
        The value of white in those images.
    dialect : Dialect, optional
        How the text of a table was written.
    mirror, shift : bool and int
        The augmentation: whether images are mirrored, and by how many pixels they are moved.
    mean_of_views : bool
        Whether the network is to see the mean over the moved views of an image, of length one.
    dtype : dtype
        Of the network's inputs.
    seed : int
    matmul : callable
        What multiplies large matrices.
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

    def check(
        self, image_shape: tuple[int, ...] | None, mirror: bool = False, shift: int = 0, *, is_table: bool = False
    ) -> None:
        """Raise SettingError if the settings do not fit such data and such an augmentation; this takes no time.

        Parameters
        ----------
        image_shape : tuple of ints or None
            None where the rows are no images.
        mirror, shift : bool and int
            The augmentation.
        is_table : bool
            Whether the rows are a data frame.
        """
        for name, value in (("mirror", mirror), ("shift", shift)):
            if value and image_shape is None:
                raise SettingError(f"{name} is for images, and this data has none.")
        if image_shape is not None and shift >= min(image_shape[:2]):
            raise SettingError(f"shift must be less than the side of an image, {min(image_shape[:2])}, got {shift}.")

    def fit(self, rows: TrainingRows) -> Prepared:
        """Fit the preprocessor on the training rows, and preprocess them."""
        raise NotImplementedError

    @classmethod
    def _needs_images(cls, image_shape: tuple[int, ...] | None) -> tuple[int, ...]:
        if image_shape is None:
            kind = cls.__struct_config__.tag
            raise SettingError(f"preprocessing = {kind} is for images, and this data has none.")
        return image_shape
