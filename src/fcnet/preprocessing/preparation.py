"""What raw inputs go through before a network sees them."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from fcnet.errors import unknown_name
from fcnet.preprocessing.histograms import HistogramFeatures
from fcnet.preprocessing.representation import PatchRepresentation
from fcnet.preprocessing.scaling import Scaling
from fcnet.preprocessing.table import TableFeatures
from fcnet.preprocessing.zca import ZCA
from fcnet.types import Array


class Preparation(Protocol):
    """A fitted transformation that a model file holds."""

    kind: str

    @property
    def n_inputs(self) -> int | None:
        """Values of a raw row; None where any number will do."""

    @property
    def n_outputs(self) -> int | None:
        """Values of a prepared row; None where they are as many as those of a raw one."""

    def transform(self, X: ArrayLike, dtype: DTypeLike = np.float32) -> Array:
        """Return rows (n, n_outputs) for the network, of raw rows (n, n_inputs)."""

    def get_config(self) -> dict[str, Any]:
        """Return the settings that, with `arrays`, make an equal one."""

    def arrays(self) -> dict[str, Array]:
        """Return what was fitted."""


KINDS: dict[str, Callable[[Mapping[str, Any], dict[str, Array]], Preparation]] = {
    "scaling": Scaling.from_arrays,
    "zca": ZCA.from_arrays,
    "histograms": HistogramFeatures.from_arrays,
    "patches": PatchRepresentation.from_arrays,
    "table": TableFeatures.from_arrays,
}


def preparation_from(kind: str, config: Mapping[str, Any], arrays: dict[str, Array]) -> Preparation:
    """Make the preparation of a kind from what its `get_config` and `arrays` returned.

    Raises
    ------
    SettingError
        If there is no such kind.
    InputError
        If the arrays do not fit.
    """
    if kind not in KINDS:
        raise unknown_name("preparation", kind, KINDS)
    return KINDS[kind](config, arrays)
