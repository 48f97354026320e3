"""The trainer of the exercise."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from fcnet.engine import default_engine, get_engine
from fcnet.errors import DivergedError
from fcnet.nn.losses import LOSSES
from fcnet.training.callbacks import Callback
from fcnet.training.schedules import ScheduleRule
from fcnet.training.state import TrainingState
from fcnet.training.trainer import Trainer
from fcnet.training.updates import get_update
from fcnet.types import Array

Model = dict[str, Array]
LossFunction = Callable[..., Any]


class _FunctionModel:
    """A parameter dict and a loss function that adds its own penalty, as something the trainer can train."""

    def __init__(self, params: Model, loss_function: LossFunction, reg: float) -> None:
        self.params, self.loss_function, self.reg = params, loss_function, reg
        self.engine = get_engine(default_engine(), "float64")
        self.loss = LOSSES["cross_entropy"]

    def logits(self, X: Array) -> Array:
        return np.asarray(self.loss_function(X, self.params))

    def check_data(self, X: Array, y: Array, *_: str) -> tuple[Array, Array]:
        """Take everything: what fits is the loss function's affair."""
        return np.asarray(X), np.asarray(y)

    def loss_and_gradients(self, X: Array, y: Array, **_: Any) -> tuple[float, Model]:
        loss, grads = self.loss_function(X, self.params, y, self.reg)
        return loss, grads


def epochs_ended(iterations: int, per_epoch: int) -> int:
    """Return the epochs that the exercise counts; where every iteration is one, it does not count the first."""
    return iterations // per_epoch - (per_epoch == 1 and iterations > 0)


class _ExerciseDecay:
    """``decay ** e`` after e epochs, as the exercise counts them."""

    def __init__(self, decay: float) -> None:
        self.decay = decay

    def __call__(self, iteration: int, per_epoch: int, total: int) -> float:
        return float(self.decay ** epochs_ended(iteration, per_epoch))


class _ExerciseLog(Callback):
    """Prints what the exercise prints, when it does, and keeps the lists that it returns."""

    def __init__(
        self,
        data: tuple[Array, Array, Array, Array],
        learning_rate: float,
        schedule: ScheduleRule,
        every: int | None,
        verbose: bool,
    ) -> None:
        self.data, self.learning_rate, self.schedule = data, learning_rate, schedule
        self.every, self.verbose = every, verbose
        self.losses: list[float] = []
        self.train_accuracies: list[float] = []
        self.val_accuracies: list[float] = []
        self.best_accuracy = 0.0
        self.best_model: Model = {}
        self.per_epoch = 1

    def on_train_begin(self, state: TrainingState) -> None:
        self.per_epoch = state.total_iterations // state.n_epochs
        print("starting iteration", 0)

    def on_batch_end(self, state: TrainingState) -> None:
        self.losses.append(state.loss)
        done = state.iteration
        if done == 1 or done % self.per_epoch == 0 or (self.every and (done - 1) % self.every == 0):
            self.evaluate(state)
        if done % 10 == 0 and done < state.total_iterations:
            print("starting iteration", done)

    def evaluate(self, state: TrainingState) -> None:
        """Measure both accuracies, and keep the parameters if they are the best so far."""
        X, y, X_val, y_val = self.data
        rows = state.rng.choice(len(X), 1000) if len(X) > 1000 else slice(None)
        self.train_accuracies.append(state.network.loss.score(state.network.logits(X[rows]), y[rows]))
        self.val_accuracies.append(state.network.loss.score(state.network.logits(X_val), y_val))
        if self.val_accuracies[-1] > self.best_accuracy:
            self.best_accuracy = self.val_accuracies[-1]
            self.best_model = {name: p.copy() for name, p in state.network.params.items()}
        if self.verbose:
            rate = self.learning_rate * self.schedule(state.iteration, self.per_epoch, state.total_iterations)
            epoch = epochs_ended(state.iteration, self.per_epoch)
            print(
                f"Finished epoch {epoch} / {state.n_epochs}: cost {state.loss:f}, train: {self.train_accuracies[-1]:f}, "
                f"val {self.val_accuracies[-1]:f}, lr {rate:e}"
            )


class ClassifierTrainer:
    """Trains a parameter dict by a loss function."""

    def train(
        self,
        X: Array,
        y: Array,
        X_val: Array,
        y_val: Array,
        model: Model,
        loss_function: LossFunction,
        reg: float = 0.0,
        learning_rate: float = 1e-2,
        momentum: float = 0.0,
        learning_rate_decay: float = 0.95,
        update: str = "momentum",
        sample_batches: bool = True,
        num_epochs: int = 30,
        batch_size: int = 100,
        acc_frequency: int | None = None,
        verbose: bool = False,
    ) -> tuple[Model, list[float], list[float], list[float]]:
        """Train `model` in place, by batches drawn with replacement or, without `sample_batches`, on all rows at once.

        Parameters
        ----------
        X, y, X_val, y_val : arrays (n, d), (n,), (m, d), (m,)
        model : dict of arrays
        loss_function : callable
            ``loss_function(X, model)`` gives scores, ``loss_function(X, model, y, reg)`` gives loss and gradients.
        reg, learning_rate, learning_rate_decay : float
            The rate is multiplied by its decay after every epoch.
        momentum : float
            For the update "momentum".
        update : {"sgd", "momentum", "rmsprop"}
        sample_batches : bool
        num_epochs, batch_size : int
        acc_frequency : int, optional
            Measure the accuracies also at every so many iterations.
        verbose : bool
            Print a line for every measurement.

        Returns
        -------
        best_model : dict of arrays
            The parameters of the best validation accuracy measured.
        loss_history : list of float
            The loss of every iteration.
        train_acc_history, val_acc_history : list of float
            Accuracy after the first iteration, every epoch and every `acc_frequency` iterations, in training on 1,000 random
            rows where there are more.
        """
        schedule = _ExerciseDecay(learning_rate_decay)
        log = _ExerciseLog((X, y, X_val, y_val), learning_rate, schedule, acc_frequency, verbose)
        trainer = Trainer(
            epochs=num_epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            update=get_update(update, momentum=momentum),
            schedule=schedule,
            batches="sampled" if sample_batches else "full",
            seed=int(np.random.randint(2**31)),  # noqa: NPY002  # the exercise seeds the global state
            callbacks=[log],
        )
        try:
            trainer.fit(_FunctionModel(model, loss_function, reg), X, y)
        except DivergedError as error:  # a sweep goes on to its next rate
            warnings.warn(str(error), RuntimeWarning, stacklevel=2)
        if verbose:
            print(f"finished optimization. best validation accuracy: {log.best_accuracy:f}")
        return log.best_model, log.losses, log.train_accuracies, log.val_accuracies
