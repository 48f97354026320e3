"""The training loop."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import ArrayLike

from fcnet.errors import DivergedError, InputError, SettingError, to_float, to_int, unknown_name
from fcnet.nn.checks import check_weights
from fcnet.nn.loss import HALF
from fcnet.settings import made_by_name
from fcnet.threads import use_threads
from fcnet.training.average import exchanged
from fcnet.training.batches import Augmentation, Batches, BatchKind
from fcnet.training.callbacks import Callback, end_all
from fcnet.training.checkpoint import Checkpoints, check_place, load_checkpoint, load_state
from fcnet.training.divergence import diverged, rate_near
from fcnet.training.evaluation import check_monitor, evaluate
from fcnet.training.fingerprint import of_training
from fcnet.training.history import History
from fcnet.training.metrics import AUTO, METRICS
from fcnet.training.schedules import Constant, ScheduleRule, get_schedule
from fcnet.training.state import Trainable, TrainingState, set_checkpoints
from fcnet.training.steps import Steps
from fcnet.training.updates import UpdateRule, fused_rule, get_update
from fcnet.types import Array, Params

TRAIN_ROWS = 1000
Validation = tuple[Array | None, Any, Array | None]  # rows, targets and weights, if there are any


@dataclass
class Trainer:
    """Trains a network by batches, and leaves it with the parameters of its best epoch, or of its last.

    Parameters
    ----------
    epochs : int
    batch_size : int
    learning_rate : float
        Multiplied by the schedule.
    update : str or UpdateRule
        "sgd", "momentum", "nesterov", "rmsprop", "adam" or "adamw", or an object like those of `fcnet.training.updates`.
    schedule : str or ScheduleRule
        "constant", "exponential", "step", "cosine", "one_cycle", "flat_cosine" or "log_cosine", or an object like those of
        `fcnet.training.schedules`.
    l2 : float
        Strength of the penalty ``l2/2 · ΣW²`` in the loss; biases are not regularised.
    label_smoothing : float in [0, 1)
    batches : {"shuffled", "sampled", "ordered", "full"}
        Every row once an epoch in random order; rows drawn with replacement, ``n // batch_size`` batches an epoch, as in the
        exercise; every row once in the order they have; or all rows in one batch.
    augment : callable, optional
        ``augment(X, rng)`` changes a batch (rows, n_inputs) before it is used: in place, returning nothing, or by returning
        another array of its shape. It may be called in another thread, while the parameters are updated, so it must not use
        the network.
    seed : int or numpy.random.Generator
        Of the one generator that every random draw of the training comes from.
    train_rows : int
        On so many random rows the training accuracy of an epoch, and its loss without penalty, dropout and label smoothing,
        are measured; 0 leaves both out.
    keep_best : bool
        With validation data, whether the network is left with the parameters of its best epoch, of equals that with the lower
        validation loss; else with the last.
    callbacks : sequence of Callback
    threads : int, optional
        How many threads share large products; there are never more at work than there are cores. Where nothing is given it is
        as many as there are cores, or what `fcnet.use_threads` says.
    advise : bool
        Whether a training that diverges looks, for up to ten seconds, for a learning rate that its error can name; and so the
        doctor, of one whose rate does not suit.
    monitor : str
        The metric of the validation data that says which epoch is best, also to `EarlyStopping`: "auto" for accuracy, or R²;
        one of `fcnet.training.metrics.METRICS`, as "log_loss", "balanced_accuracy", "roc_auc" or "mae".
    dropout_schedule, weight_decay_schedule : str or ScheduleRule
        What the network's dropout and the weight decay of "adamw" are multiplied by.
    ema_decay : float in [0, 1)
        Of the exponential moving average of the parameters over iterations, on which an epoch is measured and which is kept; 0
        for the parameters themselves.
    best_epochs : int
        How many epochs are kept. Above 1 the network is left with the parameters of the others as its `checkpoints`, and
        averages the predictions of all (a checkpoint ensemble, Chen, Lundberg & Lee 2017).
    threshold : float or "auto"
        Of two classes: the probability above which the second is predicted where the `monitor` judges an epoch; "auto" is the
        one that is best for it, see `fcnet.training.threshold.best_threshold`. The network predicts as before: a
        `fcnet.Model` keeps a threshold.

    Examples
    --------
    >>> from fcnet import FullyConnectedNet
    >>> X = np.random.default_rng(0).standard_normal((200, 2)).astype("float32")
    >>> y = (X[:, 0] * X[:, 1] > 0).astype(int)
    >>> net = FullyConnectedNet([2, 16, 2], seed=0)
    >>> history = Trainer(epochs=50, batch_size=20, learning_rate=0.1).fit(net, X, y)
    >>> float((net.predict(X) == y).mean()) > 0.95
    True
    """

    epochs: int = 10
    batch_size: int = 100
    learning_rate: float = 1e-2
    update: str | UpdateRule = "momentum"
    schedule: str | ScheduleRule = "constant"
    l2: float = 0.0
    label_smoothing: float = 0.0
    batches: BatchKind = "shuffled"
    augment: Augmentation | None = None
    seed: int | np.random.Generator = 0
    train_rows: int = TRAIN_ROWS
    keep_best: bool = True
    callbacks: Sequence[Callback] = ()
    threads: int | None = None
    advise: bool = True
    monitor: str = AUTO
    dropout_schedule: str | ScheduleRule = "constant"
    weight_decay_schedule: str | ScheduleRule = "constant"
    ema_decay: float = 0.0
    best_epochs: int = 1
    threshold: float | str = HALF

    def __post_init__(self) -> None:
        for name, known in (("batches", get_args(BatchKind)), ("monitor", (AUTO, *METRICS))):
            if getattr(self, name) not in known:
                raise unknown_name(name, getattr(self, name), known)
        for callback in self.callbacks:
            if not isinstance(callback, Callback):
                raise SettingError(
                    f"callbacks must be objects of classes derived from fcnet.training.callbacks.Callback, got {callback!r}."
                )
        self.epochs = to_int("epochs", self.epochs, 1)
        self.batch_size = to_int("batch_size", self.batch_size, 1)
        self.learning_rate = to_float("learning_rate", self.learning_rate, 0)
        self.l2 = to_float("l2", self.l2, 0)
        self.label_smoothing = to_float("label_smoothing", self.label_smoothing, 0, 1, below=True)
        self.ema_decay = to_float("ema_decay", self.ema_decay, 0, 1, below=True)
        self.best_epochs = to_int("best_epochs", self.best_epochs, 1)
        if self.best_epochs > 1 and not self.keep_best:
            raise SettingError("best_epochs needs keep_best: else the last epoch alone is kept.")
        self._update: UpdateRule = made_by_name("update", self.update, get_update)
        self._schedule: ScheduleRule = made_by_name("schedule", self.schedule, get_schedule)
        self._dropout_schedule: ScheduleRule = made_by_name("dropout_schedule", self.dropout_schedule, get_schedule)
        self._decay_schedule: ScheduleRule = made_by_name("weight_decay_schedule", self.weight_decay_schedule, get_schedule)
        if self._decay_schedule != Constant() and not hasattr(fused_rule(self._update), "weight_decay"):
            raise SettingError(f'weight_decay_schedule is for update = "adamw", which has a weight_decay, not {self.update!r}.')

    def fit(
        self,
        network: Trainable,
        X: Array,
        y: ArrayLike,
        X_val: Array | None = None,
        y_val: ArrayLike | None = None,
        *,
        sample_weight: ArrayLike | None = None,
        val_weight: ArrayLike | None = None,
        update_state: Params | None = None,
        checkpoint: str | Path | None = None,
        checkpoint_seconds: float = 10.0,
        resume: bool = False,
    ) -> History:
        """Train `network` in place.

        Parameters
        ----------
        network : FullyConnectedNet
        X : array or CSR matrix (n, n_inputs)
        y : integer array (n,), or array (n, n_outputs)
            Class numbers from 0, or what the network's loss asks for.
        X_val, y_val : arrays (m, n_inputs) and (m,) or (m, n_outputs), optional
            Measured after every epoch. With `keep_best` the parameters of the best are kept; without validation data the last.
        sample_weight, val_weight : arrays (n,) and (m,), optional
            How much each row counts in the losses and the metrics of its part. A batch in which none does is skipped.
        update_state : dict of arrays, optional
            What the update rule remembers, by its `init`; changed in place, so that a later `fit` can go on from it.
        checkpoint : path, optional
            Where to keep the state of the training, as it is at the ends of epochs. A training that is stopped (by Ctrl-C or
            what else is raised) writes that of its last epoch, too.
        checkpoint_seconds : float
            Least time between two checkpoints, except for the last; it is longer where writing one takes more than a twentieth
            of it, unless it is 0.
        resume : bool
            Go on from `checkpoint` where it exists; on the same machine, with the same number of threads, the result is the
            same bit for bit as without the interruption.

        Returns
        -------
        history : History

        Raises
        ------
        InputError
            If the arrays do not fit the network, one another or `monitor`, or hold NaN or infinite values.
        DivergedError
            If the loss is no longer finite. The network then holds the parameters kept of the epochs before.
        """
        self.__post_init__()  # settings may have been changed
        X, y = network.check_data(X, y, "X", "y")
        if (X_val is None) != (y_val is None):
            raise InputError("X_val and y_val go together: give both or neither.")
        if X_val is not None and y_val is not None:
            X_val, y_val = network.check_data(X_val, y_val, "X_val", "y_val")
        weights = None if sample_weight is None else check_weights(sample_weight, X, "sample_weight")
        val_weight = None if val_weight is None else check_weights(val_weight, X if X_val is None else X_val, "val_weight")
        check_monitor(self.monitor, self.threshold, network, X_val, y_val, val_weight)
        if checkpoint is not None:
            check_place(checkpoint)
        fingerprint = {} if checkpoint is None else of_training(self, network, [X, y, weights, X_val, y_val, val_weight])
        batches = Batches(X, y, self.batches, self.batch_size, self.augment, weights)
        state = TrainingState(
            network=network,
            update_state=self._update.init(network.params) if update_state is None else update_state,
            initial_params={name: p.copy() for name, p in network.params.items()},
            rng=np.random.default_rng(self.seed),
            n_epochs=self.epochs,
            total_iterations=self.epochs * batches.per_epoch,
            monitor=self.monitor,
            threshold=self.threshold,
            keep_best=self.keep_best,
            average={name: p.copy() for name, p in network.params.items()} if self.ema_decay else None,
            X=batches.data,
            y=batches.labels,
            weights=weights,
        )
        if checkpoint is not None and resume and Path(checkpoint).exists():
            load_checkpoint(checkpoint, state, fingerprint)
        keeping = (state, fingerprint, checkpoint_seconds, self.callbacks)
        checkpoints = None if checkpoint is None else Checkpoints(checkpoint, *keeping)
        with use_threads(self.threads), network.engine.sharing():
            self._train(state, batches, (X_val, y_val, val_weight), checkpoints)
        return state.history

    def _train(self, state: TrainingState, batches: Batches, validation: Validation, checkpoints: Checkpoints | None) -> None:
        started, steps = time.monotonic() - state.seconds, Steps(self, state.network)
        set_checkpoints(state.network, [])
        begun: list[Callback] = []
        state.rate_near = partial(rate_near, self, state, batches) if self.advise else None
        try:
            for callback in self.callbacks:
                callback.on_train_begin(state)
                begun.append(callback)
                load_state(callback, state.callbacks)
            while state.epoch < self.epochs and state.stop_reason is None:
                if checkpoints is not None:
                    checkpoints.epoch_begins()
                self._call("on_epoch_begin", state)
                # What diverges is found by its value, and reported with advice.
                with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                    batch_weights = steps.epoch(state, batches)
                state.epoch += 1
                with exchanged(state.network.params, state.average):
                    self._end_epoch(state, batch_weights, batches, validation)
                state.seconds = time.monotonic() - started
                self._call("on_epoch_end", state)
                if checkpoints is not None:
                    checkpoints.epoch_has_ended(last=state.epoch == self.epochs or state.stop_reason is not None)
        except DivergedError as error:  # no checkpoint: it would diverge again
            state.divergence = diverged(self, str(error), state, batches)
            raise state.divergence from None
        except BaseException:
            if checkpoints is not None:
                checkpoints.training_is_stopped()
            raise
        finally:
            batches.close()
            steps.end()
            for name, p in state.network.params.items():
                p[...] = state.best_params[name]
            set_checkpoints(state.network, [one.params for one in state.kept[1:]])
            end_all(begun, state)

    def _end_epoch(self, state: TrainingState, batch_weights: list[float], batches: Batches, validation: Validation) -> None:
        row = {
            "epoch": state.epoch,
            "iteration": state.iteration,
            "loss": float(np.average([batch["loss"] for batch in state.batch_rows], weights=batch_weights)),
        }
        n, weights = len(batches.counting), batches.all_weights
        if self.train_rows:
            rows = batches.counting[state.rng.choice(n, self.train_rows, replace=False)] if n > self.train_rows else slice(None)
            given = batches.data[rows], batches.labels[rows], None if weights is None else weights[rows]
            row |= evaluate(state.network, "train", *given)
        row["learning_rate"] = state.learning_rate
        score, metric, (X_val, y_val, val_weight) = None, state.metric, validation
        if X_val is not None:
            row |= evaluate(state.network, "val", X_val, y_val, val_weight, metric)
            score = row[f"val_{metric.name}"]
        state.history.append(row | {"batches": state.batch_rows})
        state.keep(score, self.best_epochs)

    def _call(self, hook: str, state: TrainingState) -> None:
        for callback in self.callbacks:
            getattr(callback, hook)(state)
