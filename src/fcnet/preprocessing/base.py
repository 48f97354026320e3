"""What every fitted preprocessor has: it answers all questions about itself."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import DTypeLike

from fcnet.data.cells import Dialect
from fcnet.errors import InputError, unknown_name
from fcnet.preprocessing.views import Views
from fcnet.types import Array

if TYPE_CHECKING:
    from fcnet.export.graph import Graph

Column = tuple[str, list[str] | None]
KINDS: dict[str, type["Preprocessor"]] = {}


@dataclass(frozen=True)
class WeightImages:
    """Weights (height · width · channels, n) that are images; `of` says in words what each belongs to."""

    weights: Array
    image_shape: tuple[int, ...]
    of: str


class Preprocessor(ABC):
    """A fitted transformation of raw rows into a network's inputs, all of which a model file holds.

    A subclass that names its `kind` is known to model files. It has to have the abstract methods; the others are right for
    rows of numbers that are no images.

    Attributes
    ----------
    kind : str
        The name that model files have for it.
    keeps_pixels : bool
        Whether an output is a pixel, at its place in the image.
    has_views : bool
        Whether `each_view` gives several views of an image.
    input_dtype : dtype, optional
        Of raw rows of floats; the network's where it is not given.
    takes_gaps : bool
        Whether raw rows may hold NaN, for values that are missing.
    image_shape : tuple of ints, optional
        (height, width, channels), where it takes images of one shape alone.
    columns : sequence of (name, categories)
        The columns of a table; categories are None for numbers and dates.
    rare : collection of str
        The columns of a table in which an unknown category counts as rare, and not as none.
    dialect : Dialect, optional
        How the text of a table was written.
    category_sizes : sequence of ints
        How many categories each of the last outputs has, where these are the numbers of categories.
    """

    kind: ClassVar[str]
    keeps_pixels: ClassVar[bool] = False
    has_views: ClassVar[bool] = False
    input_dtype: ClassVar[DTypeLike | None] = None
    takes_gaps: ClassVar[bool] = False
    image_shape: tuple[int, ...] | None = None
    columns: Sequence[Column] = ()
    rare: Collection[str] = ()
    dialect: Dialect | None = None
    category_sizes: Sequence[int] = ()

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

    @property
    def output_names(self) -> Sequence[str]:
        """The column of a table that each output is of; nothing where there are no such columns."""
        return ()

    @property
    def description(self) -> str:
        """What the inputs of the network are, in words."""
        return self.kind

    @abstractmethod
    def transform(self, X: Any, dtype: DTypeLike = np.float32) -> Array:
        """Return rows (n, n_outputs) for the network, of raw rows (n, n_inputs), which may be a sparse matrix."""

    @abstractmethod
    def get_config(self) -> dict[str, Any]:
        """Return the settings that, with `arrays`, make an equal one; JSON can hold them."""

    @abstractmethod
    def arrays(self) -> dict[str, Array]:
        """Return what was fitted."""

    @classmethod
    @abstractmethod
    def from_arrays(cls, config: Mapping[str, Any], arrays: Mapping[str, Array]) -> Self:
        """Make one of what `get_config` and `arrays` returned, or raise InputError if they do not fit."""

    def encode(self, X: Any, dialect: Dialect | None = None) -> Any:
        """Return raw rows as an array; of a data frame the columns as numbers, text read by `dialect` or the one it has."""
        return X

    def blocks(self, X: Any) -> Iterator[Any]:
        """Yield raw rows as arrays: those of an array at once, of a data frame some at a time, since they become float64."""
        yield self.encode(X)

    def unseen(self) -> dict[str, str]:
        """Return of each column a category that no training row had and that `blocks` has met, of a column once."""
        return {}

    @property
    def encoding(self) -> Any:
        """What decides how `encode` reads raw rows: where it is equal, two read them alike."""
        return None

    def one_hot(self) -> "Preprocessor":
        """Return one whose outputs are 1 or 0 for each category, where those of this one are numbers of categories."""
        return self

    def column_words(self) -> list[tuple[str, str, str]]:
        """Return the name of each column of a table, its kind, and what a missing value counts as."""
        return []

    def cells(self, column: int, values: Array) -> list[Any]:
        """Return encoded values of a column as a table holds them: numbers, dates as text, and categories, None for none."""
        return list(values.tolist())

    def check_views(self, views: Views) -> None:
        """Raise InputError unless images have these views."""
        if (views.mirror or views.shift) and (views.image_shape is None or not self.has_views):
            raise InputError("it averages over views, and has none.")
        if not 0 <= views.shift < min((views.image_shape or (1, 1, 1))[:2]):
            raise InputError(f"it moves images by {views.shift} pixels.")

    def each_view(self, X: Any, dtype: DTypeLike, views: Views) -> Iterator[Array]:
        """Preprocess raw rows in every view: yield arrays (n, n_outputs)."""
        yield self.transform(X, dtype)

    @property
    def mirror_signs(self) -> Array | None:
        """The signs (n_outputs,) by which mirroring an image multiplies its outputs, where it does nothing else to them."""
        return None

    def augmentation(self, views: Views) -> Callable[[Array, np.random.Generator], None] | None:
        """Return a function that replaces each row of a batch by a random view of it, in place; None for one view alone."""
        return None

    def onnx_inputs(self, graph: "Graph", dtype: DTypeLike, n_inputs: int) -> str:
        """Add the inputs of an ONNX graph; return the name of the raw rows that `to_onnx` takes."""
        return graph.input("inputs", dtype, n_inputs)

    def onnx_values(self, X: Array) -> dict[str, Array]:
        """Return the values of those inputs, by their names, for raw rows."""
        return {"inputs": X}

    def to_onnx(self, graph: "Graph", x: str, dtype: DTypeLike, views: Views) -> str:
        """Add the nodes that preprocess raw rows `x`, and return the name of their result.

        It is (rows, n_outputs) in the network's `dtype`, or with several views (rows, n_views, n_outputs).
        """
        raise InputError(f"Inputs preprocessed by {self.kind!r} cannot be exported to ONNX.")

    def example_rows(self, shape: tuple[int, int], rng: np.random.Generator, max_value: float | None) -> Array:
        """Return random raw rows like those that it was fitted to; `max_value` is the value of white, of images."""
        return rng.standard_normal(shape) if max_value is None else rng.uniform(0, max_value, shape)

    def weight_images(self, first_weights: Array, image_shape: tuple[int, ...] | None) -> WeightImages | None:
        """Return what a picture can show of a model whose first layer has these weights (n_outputs, n_units), if anything."""
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
