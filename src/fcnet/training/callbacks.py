"""Hooks into training: subclass `Callback` and override what you need."""

import math
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TextIO

from fcnet.errors import InputError, SettingError, to_float, to_int, unknown_name
from fcnet.training.history import Row
from fcnet.training.schedules import LogCosine, ScheduleRule
from fcnet.training.state import TrainingState
from fcnet.training.stopping import Slowing
from fcnet.words import number_words

CYCLE = "cycle"
LONG = 1e4  # from here on a number has no decimals


class Callback:
    """Called by the trainer as training goes on; every hook may read the state, and call ``state.stop(reason)``.

    Examples
    --------
    >>> class StopAtGoal(Callback):
    ...     def on_epoch_end(self, state):
    ...         if state.history[-1]["val_accuracy"] >= 0.5:
    ...             state.stop("the goal is reached")
    """

    def decides(self) -> Any:
        """Return what a checkpoint has to agree on with this callback, in JSON's types; None where it decides nothing."""
        return None

    def state_dict(self, iteration: int) -> Any:
        """Return what a checkpoint is to keep of this callback, in JSON's types; None for nothing.

        That is as it was after so many batches: a checkpoint is of the end of an epoch, and a training may be stopped later.
        """
        return None

    def load_state_dict(self, kept: Any) -> None:
        """Take back what `state_dict` has returned; called in a resumed training after `on_train_begin`."""

    def on_train_begin(self, state: TrainingState) -> None:
        """Before the first batch; in a resumed training, before the first batch that is left to do."""

    def on_epoch_begin(self, state: TrainingState) -> None:
        """Before the first batch of an epoch."""

    def on_batch_end(self, state: TrainingState) -> None:
        """After an update; ``state.loss`` is the loss that its gradient came from."""

    def on_epoch_end(self, state: TrainingState) -> None:
        """After the evaluation at the end of an epoch, whose row is ``state.history[-1]``."""

    def on_train_end(self, state: TrainingState) -> None:
        """After the last update, however training ended; the network holds the parameters that are kept."""


def tell_of_one_epoch(callbacks: Sequence[Callback], state: TrainingState, row: Row) -> None:
    """Call the hooks of a training whose only epoch is through, and has this row."""
    begun: list[Callback] = []
    try:
        for callback in callbacks:
            callback.on_train_begin(state)
            begun.append(callback)
        for callback in callbacks:
            callback.on_epoch_begin(state)
        state.history.append(row)
        state.epoch = state.iteration = 1
        state.keep(None, 1)
        for callback in callbacks:
            callback.on_epoch_end(state)
    finally:
        end_all(begun, state)


def end_all(callbacks: Sequence[Callback], state: TrainingState) -> None:
    """Tell each callback that training has ended, even where one before it raises."""
    if callbacks:
        try:
            callbacks[0].on_train_end(state)
        finally:
            end_all(callbacks[1:], state)


@dataclass
class EarlyStopping(Callback):
    """Stop when the last `patience` epochs have brought no improvement.

    An epoch is an improvement if its value is better than the best so far. With `tol` it must be better by at least `tol`, as
    in scikit-learn: with ``tol=0`` a value equal to the best is enough. Each training counts anew, from `best` and `count`.

    Parameters
    ----------
    patience : int
        At least 1; ``math.inf`` is never. scikit-learn's ``n_iter_no_change`` is one less.
    tol : float, optional
        At least 0.
    metric : {"score", "loss"}
        The metric of the validation that the trainer has as its `monitor`, or the loss of the training.
    slowing : Slowing, optional
        The schedule of the training: its rate is lowered in place of stopping, as long as it can be.
    best : float
        The best value of earlier trainings.
    count : int
        Epochs without improvement at the end of earlier trainings.

    Attributes
    ----------
    best_value, n_without : float, int
        The best value, and epochs without improvement, so far.
    has_stopped : bool
    """

    patience: float = 10
    tol: float | None = None
    metric: Literal["score", "loss"] = "score"
    slowing: Slowing | None = None
    best: float = math.nan
    count: int = 0
    best_value: float = field(default=math.nan, init=False)
    n_without: int = field(default=0, init=False)
    has_stopped: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        if self.patience != math.inf:
            self.patience = to_int("patience", self.patience, 1)
        if self.tol is not None:
            self.tol = to_float("tol", self.tol, 0)
        if self.metric not in ("score", "loss"):
            raise unknown_name("metric", self.metric, ("score", "loss"))

    def decides(self) -> Any:
        if self.tol is None:
            return f"patience {self.patience:g}{', loss' * (self.metric == 'loss')}"
        return f"tol {self.tol:g}, n_iter_no_change {self.patience - 1:g}, early_stopping {self.metric == 'score'}"

    def on_train_begin(self, state: TrainingState) -> None:
        self.best_value, self.n_without, self.has_stopped = self.best, self.count, False
        if self.slowing is not None:
            self.slowing.reset()
        for row in state.history:  # of what a resumed training has been through
            self._count(state, row)

    def on_epoch_end(self, state: TrainingState) -> None:
        if self.metric == "score" and state.best_score is None:
            raise InputError("EarlyStopping needs validation data: give X_val and y_val to fit.")
        if self._count(state, state.history[-1]):
            self.has_stopped = True
            what = f"validation {state.metric.words}" if self.metric == "score" else "loss"
            way = "risen" if self.metric == "score" and state.metric.sign > 0 else "fallen"
            by = "" if self.tol is None else f" by {self.tol:g}"
            state.stop(f"{what} has not {way}{by} for {self.patience:g} epochs")

    def _count(self, state: TrainingState, row: Mapping[str, Any]) -> bool:
        """Return whether it is time to stop."""
        sign, name = (state.metric.sign, f"val_{state.metric.name}") if self.metric == "score" else (-1, "loss")
        value, best = sign * row[name], sign * self.best_value
        is_better = math.isnan(best) or value > best
        improves = is_better if self.tol is None else math.isnan(best) or value >= best + self.tol
        self.n_without = 0 if improves else self.n_without + 1
        if is_better:
            self.best_value = row[name]
        if self.slowing is not None and self.slowing.is_over(row):
            return True
        if self.n_without < self.patience:
            return False
        if self.slowing is None or self.slowing.slow_down(row):
            return True
        self.n_without = 0
        return False


@dataclass
class CycleStopping(Callback):
    """Stop at the end of a cycle of the learning rate, but for the first, that has brought no better epoch.

    Parameters
    ----------
    ends : sequence of ints
        The numbers of the epochs in which cycles end, as ``LogCosine().ends(n_epochs)`` returns them.
    """

    ends: Sequence[int]

    def decides(self) -> Any:
        return f"cycles to {list(self.ends)}"

    def on_epoch_end(self, state: TrainingState) -> None:
        before = [end for end in self.ends if end < state.epoch < state.n_epochs]
        if before and state.epoch in self.ends and state.best_epoch <= before[-1]:
            state.stop(f"no epoch after epoch {before[-1]}, where the rate was 0, was better")


def check_patience(patience: int | str, schedule: ScheduleRule) -> None:
    """Raise SettingError for the patience of a cycle with a schedule that has none."""
    if patience == CYCLE and not isinstance(schedule, LogCosine):
        raise SettingError(
            "patience = cycle is for schedule = log_cosine, and others have no cycles: set patience to a number of epochs, or "
            "to 0 for never."
        )


def stopping(patience: int | str, schedule: ScheduleRule, n_epochs: int) -> list[Callback]:
    """Return what stops a training early: after `patience` epochs, or by "cycle"; nothing for 0."""
    check_patience(patience, schedule)
    if isinstance(patience, str):
        assert isinstance(schedule, LogCosine)
        return [CycleStopping(schedule.ends(n_epochs))]
    return [EarlyStopping(patience)] if patience else []


OF_NUMBERS = {"r2": "R²", "d2": "D²"}  # the scores of regressions


def describe(row: dict[str, Any], n_epochs: int) -> str:
    """Return the row of an epoch as a line to read."""
    parts = [f"epoch {row['epoch']}/{n_epochs}", f"loss {_decimals(row['loss'])}"]
    for part in ("train", "val"):
        if f"{part}_accuracy" in row:
            parts.append(f"{part} {row[f'{part}_accuracy']:.1%}")
        parts += [
            f"{part} {words} {row[f'{part}_{name}']:.3f}" for name, words in OF_NUMBERS.items() if f"{part}_{name}" in row
        ]
    shown = {"val_loss", "val_accuracy", *(f"val_{name}" for name in OF_NUMBERS)}
    others = [name for name in row if name.startswith("val_") and name not in shown]
    parts += [f"{name} {_decimals(row[name])}" for name in others]
    if "learning_rate" in row:
        parts.append(f"lr {row['learning_rate']:.2e}")
    return "  ".join(parts)


def _decimals(value: float) -> str:
    return f"{value:.4f}" if value < LONG else number_words(value)


class Progress(Callback):
    """A live bar where the output is a terminal; elsewhere a line at most every `every_seconds`, and one for the last epoch.

    What others print on the rich `console` stands above the bar.
    """

    def __init__(self, file: TextIO | None = None, every_seconds: float = 5.0, console: Any = None) -> None:
        self.file = file or sys.stderr
        self.every_seconds = every_seconds
        self.console = console
        self._bar: Any = None
        self._last, self._told = 0.0, 0  # when, and of which epoch

    def on_train_begin(self, state: TrainingState) -> None:
        self._last, self._told = time.monotonic(), 0
        if not self.file.isatty():
            return
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        columns = TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn()
        self._bar = RichProgress(*columns, console=self.console or Console(file=self.file))
        self._task = self._bar.add_task("epoch 1", total=state.total_iterations, completed=state.iteration)
        self._bar.start()

    def on_batch_end(self, state: TrainingState) -> None:
        if self._bar is not None and time.monotonic() - self._last > 0.1:
            self._last = time.monotonic()
            self._bar.update(self._task, completed=state.iteration)

    def on_epoch_end(self, state: TrainingState) -> None:
        line = describe(state.history[-1], state.n_epochs)
        if self._bar is not None:
            self._bar.update(self._task, description=line, completed=state.iteration)
        elif time.monotonic() - self._last > self.every_seconds:
            self._print(line, state)

    def on_train_end(self, state: TrainingState) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
        elif len(state.history) and self._told != state.epoch:
            self._print(describe(state.history[-1], state.n_epochs), state)

    def _print(self, line: str, state: TrainingState) -> None:
        self._last, self._told = time.monotonic(), state.epoch
        print(line, file=self.file, flush=True)
