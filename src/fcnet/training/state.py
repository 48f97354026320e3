"""Where a training stands."""

import math
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from fcnet.engine import NumpyEngine
from fcnet.nn.losses import Loss
from fcnet.training.history import History, Row
from fcnet.training.metrics import AUTO, Metric, get_metric
from fcnet.types import Array, Params


class Trainable(Protocol):
    """What the trainer asks of a network.

    L2 and weight decay are for its weights, which are the parameters that its attribute `decayed`, a frozenset of names, has;
    without that attribute those of two or more dimensions. A dict `rates`, if it has one, says what the learning rate is
    multiplied by for some parameters. A schedule of dropout calls ``scale_dropout(share)``. Where the update rule applies the
    penalty itself, as the built-in ones do, `loss_and_gradients` is called with an `l2` of 0.
    """

    params: Params
    engine: NumpyEngine
    loss: Loss

    def loss_and_gradients(
        self,
        X: Array,
        y: Array,
        *,
        l2: float,
        label_smoothing: float,
        rng: np.random.Generator | None,
        weights: Array | None = None,
    ) -> tuple[float, Params]: ...

    def logits(self, X: Array) -> Array: ...

    def check_data(self, X: Any, y: Any, X_name: str, y_name: str) -> tuple[Array, Array]: ...


@dataclass
class TrainingState:
    """Where training stands; all of it that changes is in a checkpoint, so that a resumed run is the same run."""

    network: Trainable
    update_state: Params
    initial_params: Params  # not in a checkpoint: they are those that fit was called with
    best_params: Params
    rng: np.random.Generator
    n_epochs: int
    total_iterations: int
    monitor: str = AUTO
    history: History = field(default_factory=History)
    epoch: int = 0
    iteration: int = 0
    best_score: float | None = None
    best_epoch: int = 0
    seconds: float = 0.0
    loss: float = math.nan
    learning_rate: float = math.nan
    stop_reason: str | None = None
    batch_rows: list[Row] = field(default_factory=list)  # of the current epoch; not in a checkpoint, which is between two

    @property
    def metric(self) -> Metric:
        """The metric that chooses the best epoch by its validation data."""
        return get_metric(self.monitor, self.network.loss)

    def stop(self, reason: str) -> None:
        """End training after the current epoch."""
        self.stop_reason = reason
