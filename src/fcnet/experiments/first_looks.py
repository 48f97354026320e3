"""What the doctor would have seen in a training that it was not there for: its first batches are trained again."""

import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from fcnet.data import Dataset
from fcnet.doctor.inflight import Doctor
from fcnet.doctor.looks import Look, look_at_end, weight_names
from fcnet.doctor.rows import Rows
from fcnet.errors import DivergedError
from fcnet.experiments.config import Config
from fcnet.experiments.descent import descend
from fcnet.experiments.gradient import GradientDescent
from fcnet.experiments.job import Job
from fcnet.nn.network import FullyConnectedNet
from fcnet.preprocessing import Prepared, Preprocessor
from fcnet.training.callbacks import Callback
from fcnet.training.state import TrainingState, probe_of
from fcnet.training.target_scale import TargetScale
from fcnet.types import Array

BATCHES = 64  # of which the doctor looks at seven


class _EnoughError(Exception):
    pass


class _Until(Callback):
    """Ends a training after its first batches."""

    def on_batch_end(self, state: TrainingState) -> None:
        if state.iteration >= BATCHES:
            raise _EnoughError


def first_looks(config: Config, data: Dataset, rows: Rows, preprocessor: Preprocessor) -> list[Look]:
    """Return looks at the first batches of a training.

    Parameters
    ----------
    config : Config
    data : Dataset
        That of the run; its targets are not used.
    rows : Rows
        What the network is trained and validated on.
    preprocessor : Preprocessor
    """
    training, doctor = config.settings.training, Doctor()
    if not isinstance(training, GradientDescent) or rows.y_val is None or not len(rows.y):
        return []
    data = replace(data, y_train=rows.y, y_val=rows.y_val)
    own = config.settings, data, Prepared(preprocessor, rows.X, 0.0), rows.X_val, config.seed, config.engine
    with tempfile.TemporaryDirectory() as folder, suppress(_EnoughError, DivergedError):
        descend(training, Job(*own, Path(folder), callbacks=[doctor, _Until()], keep_model=False))
    return doctor.looks


def at_end(
    looks: Sequence[Look], network: FullyConnectedNet, scale: TargetScale | None, X: Array, iteration: int
) -> list[Look]:
    """Return looks, and one more at the network that came of it after so many batches, back in the scale of its training."""
    network = network.astype(network.dtype)
    if scale is not None:
        W = network.params[weight_names(network)[-1]]
        W /= scale.unit.astype(W.dtype)
    return [*looks, look_at_end(looks[-1], network, probe_of(X), iteration)]
