"""Where a training stands."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from fcnet.engine import NumpyEngine
from fcnet.errors import DivergedError
from fcnet.nn.hidden import hidden_outputs
from fcnet.nn.loss import HALF, Loss
from fcnet.training.history import History, Row
from fcnet.training.metrics import AUTO, Metric, get_metric
from fcnet.training.threshold import at_threshold
from fcnet.types import Array, Params


class Trainable(Protocol):
    """What the trainer asks of a network.

    L2 and weight decay are for its weights, which are the parameters that its attribute `decayed`, a frozenset of names, has;
    without that attribute those of two or more dimensions. A dict `rates`, if it has one, says what the learning rate is
    multiplied by for some parameters. A schedule of dropout calls ``scale_dropout(share)``. With `best_epochs` the parameters
    of further epochs become its list `checkpoints`. Where the update rule applies the penalty itself, as the built-in ones do,
    `loss_and_gradients` is called with an `l2` of 0.
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


def set_checkpoints(network: Any, checkpoints: list[Params]) -> None:
    """Set the parameters that predict together with those of a network, which need not know any."""
    if checkpoints or getattr(network, "checkpoints", None):
        network.checkpoints = checkpoints


PROBE_ROWS = 100
CallbackStates = list[tuple[str, Any]]  # what is kept of callbacks, each with the name of its class


def probe_of(X: Any) -> Any:
    """Return up to 100 rows, evenly spaced in their order."""
    return X[np.linspace(0, X.shape[0] - 1, min(X.shape[0], PROBE_ROWS)).astype(int)]


@dataclass
class Kept:
    """An epoch whose parameters are kept, with its value of the monitor, if there is validation data."""

    epoch: int
    score: float | None
    params: Params


@dataclass
class TrainingState:
    """Where training stands; all of it that the result depends on is in a checkpoint, so that a resumed run is the same run.

    Callbacks see the `gradients` of the last batch, what its update did to the parameters (`update`, once they have asked for
    it by `ask_for_update`), and the hidden units on some training rows (`activations`). Nothing is computed or copied for that
    unless a callback asks.
    """

    network: Trainable
    update_state: Params
    initial_params: Params  # not in a checkpoint: they are those that fit was called with
    rng: np.random.Generator
    n_epochs: int
    total_iterations: int
    monitor: str = AUTO
    threshold: float | str = HALF
    keep_best: bool = True
    history: History = field(default_factory=History)
    epoch: int = 0
    iteration: int = 0
    average: Params | None = None  # of the parameters, where validation and kept epochs are of that
    kept: list[Kept] = field(default_factory=list)  # the best first; without validation data the last
    seconds: float = 0.0
    loss: float = math.nan
    learning_rate: float = math.nan
    stop_reason: str | None = None
    batch_rows: list[Row] = field(default_factory=list)  # of the current epoch; not in a checkpoint, which is between two
    divergence: DivergedError | None = None  # what ended the training, if that did
    X: Array | None = None  # training rows, as the network takes them; None where there are no batches
    y: Array | None = None
    weights: Array | None = None  # what each of these rows counts, if they differ
    callbacks: CallbackStates = field(default_factory=list)  # what a checkpoint has kept of them, until they take it
    # Returns a learning rate near another by which short trials lower the loss well, or None; for callbacks at the end.
    rate_near: Callable[[float], float | None] | None = None
    gradients: Params = field(default_factory=dict)
    """Of the last batch, without a penalty that the update rule adds; buffers that hold until the network computes again."""
    before: Params | None = None  # the parameters before the last update, if that was asked for
    _is_asked: bool = field(default=False, init=False, repr=False)
    _update: Params | None = field(default=None, init=False, repr=False)
    _activations: tuple[int, list[Array]] = field(default=(-1, []), init=False, repr=False)

    @property
    def metric(self) -> Metric:
        """The metric that chooses the best epoch by its validation data."""
        return at_threshold(get_metric(self.monitor, self.network.loss), self.threshold)

    @property
    def best_epoch(self) -> int:
        """The number of the best epoch; without validation data that of the last, and 0 before the first."""
        return self.kept[0].epoch if self.kept else 0

    @property
    def kept_epoch(self) -> int:
        """The number of the epoch whose parameters the network is left with."""
        return self.best_epoch if self.keep_best else len(self.history)

    @property
    def best_score(self) -> float | None:
        """The value of the monitor in the best epoch, if there is one."""
        return self.kept[0].score if self.kept else None

    @property
    def best_params(self) -> Params:
        """The parameters that the network is left with."""
        return self.kept[0].params if self.kept else self.initial_params

    def keep(self, score: float | None, n_epochs: int) -> None:
        """Keep the parameters of this epoch if it is one of the n best, or the last n where there is no score.

        Of epochs with the same score that of the lower validation loss is better, and else the earlier.
        """
        place = 0
        if score is not None:
            place = sum(not self._is_better(score, one) for one in self.kept)
        if place < n_epochs or not self.keep_best:
            params = {name: p.copy() for name, p in self.network.params.items()}
            self.kept.insert(place, Kept(self.epoch, score, params))
            del self.kept[n_epochs:]
            if not self.keep_best:
                self.kept[0].params = params

    def _is_better(self, score: float, than: Kept) -> bool:
        """Return whether the last epoch, which has this score, is better than one before."""
        if than.score is None or score != than.score:
            return than.score is None or self.metric.is_better(score, than.score)
        loss, its_loss = (self.history[epoch - 1].get("val_loss", math.nan) for epoch in (self.epoch, than.epoch))
        return bool(loss < its_loss)

    def ask_for_update(self) -> None:
        """Have `update` say what the next update does; it takes a copy of all parameters."""
        self._is_asked = True

    @property
    def update(self) -> Params | None:
        """What the last update added to each parameter; None unless it was asked for before that."""
        if self._update is None and self.before is not None:
            self._update = {name: p - self.before[name] for name, p in self.network.params.items()}
        return self._update

    @property
    def probe(self) -> Array | None:
        """Up to 100 training rows, evenly spaced in their order and always the same; None without training rows."""
        return None if self.X is None else probe_of(self.X)

    @property
    def activations(self) -> list[Array]:
        """The output of each hidden layer for the rows of `probe`, (n, n_units), without dropout, after the last update.

        It is empty for a network of one's own that has no `layers` as those of `FullyConnectedNet`. The gradients are
        not to be read after it.
        """
        if self._activations[0] != self.iteration:
            probe = self.probe
            self._activations = self.iteration, [] if probe is None else hidden_outputs(self.network, probe)
        return self._activations[1]

    def begin_update(self, gradients: Params) -> None:
        """Note the gradients of a batch, and the parameters before its update where a callback has asked for that."""
        self.gradients, self._update = gradients, None
        self.before = {name: p.copy() for name, p in self.network.params.items()} if self._is_asked else None
        self._is_asked = False

    def stop(self, reason: str) -> None:
        """End training after the current epoch."""
        self.stop_reason = reason
