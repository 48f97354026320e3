"""What the pictures of findings are drawn from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fcnet.training.history import History
from fcnet.types import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Drawn = tuple["Figure", str]
"""A figure, and what is to be seen in it, for those who do not see it."""


@dataclass(frozen=True)
class Seen:
    """What pictures are drawn from.

    Parameters
    ----------
    history : History
    unfinished : sequence of dict
        The batches of an epoch that was not finished.
    predictions : dict of arrays, optional
        The ``probabilities`` (n, n_classes), ``predicted`` (n,) and ``labels`` (n,) for a part of the data.
    part : str
    classes : sequence of str
    """

    history: History
    unfinished: Sequence[dict[str, Any]] = ()
    predictions: Mapping[str, Array] | None = None
    part: str = ""
    classes: Sequence[str] = field(default_factory=list)
