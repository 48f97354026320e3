"""The rows that a run is validated on, and what its model predicts for them: with folds, networks that have not seen a row."""

from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np

from fcnet.data import Dataset
from fcnet.data.splits import joined
from fcnet.model import Ensemble, Model
from fcnet.types import Array


def validated_rows(parts: Sequence[Dataset]) -> tuple[Any, Array]:
    """Return the validation rows of the parts of a run, and their targets."""
    return reduce(joined, [part.X_val for part in parts]), np.concatenate([part.y_val for part in parts])


def by_part(model: Model, parts: Sequence[Dataset]) -> list[Model]:
    """Return the models that each part of a run is validated by: with folds the networks that have not seen its rows."""
    if len(parts) == 1:
        return [model]
    members = [model.members[i :: len(parts)] for i in range(len(parts))]
    return [own[0] if len(own) == 1 else Ensemble(own) for own in members]


def validated_logits(model: Model, parts: Sequence[Dataset]) -> Array:
    """Return the logits (n, n_outputs) of the validation rows of a run, in the order of `validated_rows`."""
    return np.concatenate([one.logits(part.X_val) for one, part in zip(by_part(model, parts), parts, strict=True)])
