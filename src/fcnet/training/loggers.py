"""Callbacks that hand the numbers of a training to TensorBoard and MLflow."""

import os
import sys
import time
import warnings
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fcnet.errors import FcnetError, MissingPackageError, install_extra
from fcnet.training.callbacks import Callback
from fcnet.training.history import Row
from fcnet.training.state import TrainingState
from fcnet.words import without_credentials

NO_NUMBERS = {"epoch", "iteration", "batches"}  # in a row of the history
DEFAULTS = {  # of MLflow's own settings, unless somebody has said otherwise
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # an epoch waits for a server that is down, and seven would take minutes
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
}
MOST_PARAMS = 100  # in one request to MLflow


class Logger(Callback):
    """Base of callbacks that log the row of every epoch elsewhere.

    What cannot be logged when a training begins is an error. Later it is a warning: the training goes on, and the next epoch
    brings the rows that are missing.
    """

    program = ""

    @abstractmethod
    def connect(self) -> None:
        """Find out, before anything costs time, whether there is something to log to."""

    @abstractmethod
    def begin(self, state: TrainingState) -> None:
        """Begin to log a training, or go on with a resumed one."""

    @abstractmethod
    def log(self, row: Row) -> None:
        """Log a row of the history."""

    @abstractmethod
    def end(self, *, succeeded: bool, stopped: bool) -> None:
        """Say how the training has ended."""

    def log_files(self, paths: Iterable[Path]) -> None:
        """Keep copies of files that belong to a training which has ended, where that is possible."""

    def check(self) -> None:
        """Raise FcnetError if nothing can be logged; MissingPackageError if an extra is not installed."""
        with self._at_first():
            self.connect()

    def on_train_begin(self, state: TrainingState) -> None:
        """Begin, or raise FcnetError if nothing can be logged."""
        self._logged, self._is_behind, self._before = len(state.history), False, sys.exception()
        with self._at_first():
            self.connect()
            self.begin(state)

    @contextmanager
    def _at_first(self) -> Iterator[None]:
        try:
            yield
        except FcnetError:
            raise
        except ImportError as error:
            raise MissingPackageError(f"Logging to {self.program} needs {error.name}: {install_extra('log')}.") from None
        except Exception as error:
            # Whatever library raises it, its text may have the address of a server with a password in it.
            raise FcnetError(f"{self.program} cannot log this training: {without_credentials(str(error))}") from None

    def on_epoch_end(self, state: TrainingState) -> None:
        """Log the rows that are not logged yet."""
        self._try(self._log_rows, state)

    def on_train_end(self, state: TrainingState) -> None:
        """Log what is missing, and say how the training has ended."""
        error = sys.exception()  # that ended it, unless it was there before
        error = None if error is self._before else error
        if self._is_behind:
            self._try(self._log_rows, state)
        self._try(self.end, succeeded=error is None, stopped=isinstance(error, KeyboardInterrupt))

    def _log_rows(self, state: TrainingState) -> None:
        for row in state.history[self._logged :]:
            self.log(row)
            self._logged += 1

    def _try(self, do: Any, *given: Any, **named: Any) -> None:
        try:
            do(*given, **named)
            self._is_behind = False
        except Exception as error:
            if not self._is_behind:
                words = f"{self.program} lags behind: {without_credentials(str(error))}. Training goes on."
                warnings.warn(words, RuntimeWarning, stacklevel=4)
            self._is_behind = True


def _numbers(row: Row) -> dict[str, float]:
    return {name: float(value) for name, value in row.items() if name not in NO_NUMBERS}


class TensorBoardLogger(Logger):
    """Writes event files that TensorBoard reads: a number an epoch for each of the losses, accuracies and the learning rate.

    A resumed training adds a file to the folder. Epochs that are trained again take the place of those before.

    Parameters
    ----------
    folder : path
        Made where it does not exist. ``tensorboard --logdir`` takes it or a folder above.
    settings : dict, optional
        Shown as hyperparameters of the training.

    Examples
    --------
    >>> from fcnet import Trainer
    >>> trainer = Trainer(callbacks=[TensorBoardLogger("logs/first", {"learning_rate": 0.01})])
    """

    program = "TensorBoard"

    def __init__(self, folder: str | Path, settings: Mapping[str, Any] | None = None) -> None:
        self.folder, self.settings = Path(folder), dict(settings or {})
        self._writer: Any = None

    def connect(self) -> None:
        """Import what writes."""
        import tensorboardX  # noqa: F401

    def begin(self, state: TrainingState) -> None:
        """Open a file."""
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import SessionLog

        self.folder.mkdir(parents=True, exist_ok=True)
        # It is written in this thread, not in one of the library's, which would wait for ever where the disk is full.
        self._writer = EventsWriter(str(self.folder / "events"), f".{time.time_ns()}")
        self._write(step=state.epoch + 1, session_log=SessionLog(status=SessionLog.START))  # forget later steps of before
        self._write_settings(f"val_{state.network.loss.metric}")

    def _write_settings(self, score: str) -> None:
        from tensorboardX.summary import hparams

        plain = {name: v if isinstance(v, bool | int | float | str) else str(v) for name, v in self.settings.items()}
        experiment, session, self._end = hparams(plain, {score: None, "val_loss": None})
        if plain:
            self._write(summary=experiment)
            self._write(summary=session)
        self._writer.flush()

    def log(self, row: Row) -> None:
        """Write the numbers of an epoch."""
        from tensorboardX.proto.summary_pb2 import Summary

        values = [Summary.Value(tag=name, simple_value=number) for name, number in _numbers(row).items()]
        self._write(step=row["epoch"], summary=Summary(value=values))
        self._writer.flush()

    def end(self, *, succeeded: bool, stopped: bool) -> None:
        """Close the file."""
        try:
            if succeeded and self.settings:
                self._write(summary=self._end)
        finally:
            self._writer.close()

    def _write(self, **event: Any) -> None:
        from tensorboardX.proto.event_pb2 import Event

        self._writer.write_event(Event(wall_time=time.time(), **event))


class MLflowLogger(Logger):
    """Logs a training as a run of MLflow: settings as its parameters, and the numbers of every epoch as its metrics.

    Parameters
    ----------
    tracking_uri : str, optional
        A folder, or the address of a server; by default ``$MLFLOW_TRACKING_URI``, or the folder ``mlruns``. It is neither
        logged nor kept.
    experiment : str, optional
        By default ``$MLFLOW_EXPERIMENT_NAME``, or ``fcnet``.
    folder : path, optional
        Of the training. Its name is that of the run, and a resumed training of this folder goes on with the same run.
    settings : dict, optional

    Attributes
    ----------
    run_id : str
        Of the run of MLflow, once a training has begun.
    """

    program = "MLflow"

    def __init__(
        self,
        tracking_uri: str | None = None,
        *,
        experiment: str | None = None,
        folder: str | Path | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.tracking_uri, self.experiment = tracking_uri, experiment
        self.folder, self.settings = None if folder is None else Path(folder).resolve(), dict(settings or {})
        self.run_id = ""
        self._client: Any = None

    def connect(self) -> None:
        """Reach the folder or the server, and find the experiment or make it."""
        uri = self.tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or "mlruns"
        is_folder = "://" not in uri
        for name, value in (DEFAULTS | ({"MLFLOW_ALLOW_FILE_STORE": "true"} if is_folder else {})).items():
            os.environ.setdefault(name, value)
        from mlflow import MlflowClient

        self._client = client = MlflowClient(tracking_uri=Path(uri).resolve().as_uri() if is_folder else uri)
        name = self.experiment or os.environ.get("MLFLOW_EXPERIMENT_NAME") or "fcnet"
        found = client.get_experiment_by_name(name)
        self._experiment = found.experiment_id if found else client.create_experiment(name)

    def begin(self, state: TrainingState) -> None:
        """Make a run, or find that of a training that is resumed."""
        from mlflow.entities import Param

        if state.epoch and self.folder and (before := self._run_before()):
            self.run_id = before
            self._client.update_run(before, "RUNNING")
            return
        tags = {} if self.folder is None else {"fcnet.run": str(self.folder)}
        made = self._client.create_run(self._experiment, run_name=self.folder.name if self.folder else None, tags=tags)
        self.run_id = made.info.run_id
        params = [Param(name, str(value)) for name, value in self.settings.items()]
        for start in range(0, len(params), MOST_PARAMS):
            self._client.log_batch(self.run_id, params=params[start : start + MOST_PARAMS])

    def _run_before(self) -> str | None:
        """Return the last run of the same folder."""
        quote = '"' if "'" in str(self.folder) else "'"
        same = f"tags.`fcnet.run` = {quote}{self.folder}{quote}"
        found = self._client.search_runs([self._experiment], same, max_results=1, order_by=["attributes.start_time DESC"])
        return found[0].info.run_id if found else None

    def log(self, row: Row) -> None:
        """Log the numbers of an epoch."""
        from mlflow.entities import Metric

        now, step = int(1000 * time.time()), row["epoch"]
        self._client.log_batch(self.run_id, [Metric(name, value, now, step) for name, value in _numbers(row).items()])

    def end(self, *, succeeded: bool, stopped: bool) -> None:
        """Set the status of the run."""
        self._client.set_terminated(self.run_id, "FINISHED" if succeeded else "KILLED" if stopped else "FAILED")

    def log_files(self, paths: Iterable[Path]) -> None:
        """Copy files to the artifacts of the run; warn where that fails."""
        for path in paths if self.run_id else ():
            self._try(self._client.log_artifact, self.run_id, str(path))
