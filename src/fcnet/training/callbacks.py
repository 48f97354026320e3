"""Hooks into training: subclass `Callback` and override what you need."""

import sys
import time
from typing import Any, TextIO

from fcnet.errors import InputError, to_int
from fcnet.training.state import TrainingState

LONG = 1e6  # a loss is written by its power of ten from here on


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


class EarlyStopping(Callback):
    """Stop when the validation accuracy has not risen for `patience` epochs."""

    def __init__(self, patience: int = 10) -> None:
        self.patience = to_int("patience", patience, 1)

    def decides(self) -> Any:
        """Return the patience."""
        return f"patience {self.patience}"

    def on_epoch_end(self, state: TrainingState) -> None:
        if state.best_score is None:
            raise InputError("EarlyStopping needs validation data: give X_val and y_val to fit.")
        if state.epoch - state.best_epoch >= self.patience:
            state.stop(f"validation accuracy has not risen for {self.patience} epochs")


def describe(row: dict[str, Any], n_epochs: int) -> str:
    """Return the row of an epoch as a line to read."""
    loss = f"{row['loss']:.4f}" if row["loss"] < LONG else f"{row['loss']:.2e}"
    parts = [f"epoch {row['epoch']}/{n_epochs}", f"loss {loss}"]
    for part in ("train", "val"):
        if f"{part}_accuracy" in row:
            parts.append(f"{part} {row[f'{part}_accuracy']:.1%}")
        elif f"{part}_r2" in row:
            parts.append(f"{part} R² {row[f'{part}_r2']:.3f}")
    return "  ".join([*parts, f"lr {row['learning_rate']:.2e}"])


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
