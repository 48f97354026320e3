"""What a data set is once it is loaded."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fcnet.data.cells import Dialect
from fcnet.types import Array


@dataclass
class Dataset:
    """Rows and labels, or numbers to learn, in three parts.

    Parameters
    ----------
    name : str
    X_train, X_val, X_test : arrays (n, n_inputs)
        Raw values, images as uint8; of a table polars data frames.
    y_train, y_val, y_test : int64 arrays (n,), or float64 arrays (n, 1)
        Class numbers, or the numbers that a regression learns.
    classes : list of str
        Their names; none in a regression.
    image_shape : tuple of ints, optional
        (height, width, channels) of an image, whose values lie in the row in this order.
    max_value : float
        The value of white.
    target : str
        The column of a table that is learnt.
    notes : sequence of str
        What was done to own data, in lines for people.
    dialect : Dialect, optional
        How the text of a table was written.
    validation_given : bool
        Whether the rows to validate on were given as such, not split off.
    """

    name: str
    X_train: Array
    y_train: Array
    X_val: Array
    y_val: Array
    X_test: Array
    y_test: Array
    classes: list[str]
    image_shape: tuple[int, int, int] | None = None
    max_value: float = 255.0
    target: str = ""
    notes: Sequence[str] = ()
    dialect: Dialect | None = None
    validation_given: bool = False

    @property
    def outputs(self) -> list[str]:
        """What each output of a network is for: a class, or the target of a regression."""
        return self.classes or [self.target]


@dataclass(frozen=True)
class KnownDataset:
    """A data set that fcnet knows by name."""

    load: Callable[..., Dataset]
    """``load(data_dir, n_test=…, verify=…)``"""
    recipe: str
    """What it is trained by where no recipe is named."""
    citation: str
    """Where it comes from, in Markdown."""
