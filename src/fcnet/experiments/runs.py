"""The runs below a folder: how each stands, and in what they differ."""

import os
import re
import time
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from fcnet.errors import FcnetError, FileFormatError
from fcnet.experiments.config import Config
from fcnet.experiments.folder import (
    CHECKPOINT,
    CONFIG,
    HISTORY,
    MEMBERS,
    METRICS_FILE,
    PREDICTIONS,
    STUDY,
    TRIALS,
    moment,
    owner,
    read_status,
    trials_around,
)
from fcnet.experiments.history_end import HistoryEnd
from fcnet.experiments.recipe import Recipe
from fcnet.experiments.results import read_metrics
from fcnet.experiments.scores import chosen_by, score_of
from fcnet.experiments.state import Kind, kind_of
from fcnet.experiments.tree import leaves
from fcnet.experiments.upgrade import is_flat
from fcnet.training.metrics import AUTO, METRICS, Metric
from fcnet.words import listed

OF_A_RUN = re.compile(rb'^dataset *= *["\'].*^\[settings', re.DOTALL | re.MULTILINE)  # a config.toml of others has not both
FROM_METRICS = ("val_accuracy", "train_accuracy", "test_accuracy")
FROM_HISTORY = ("loss", "val_loss", "val_accuracy", "train_accuracy")
OTHER_METRICS = [
    f"{part}_{name}" for part in ("val", "test") for name in METRICS if f"{part}_{name}" not in (*FROM_METRICS, "val_loss")
]
OTHER_METRICS += ["train_r2", "train_d2"]
State = Literal[Kind, "damaged"]
SAME_RESULT = ("dataset", "description", "verify", "threads", "fcnet")  # these make no runs different


@dataclass(frozen=True)
class RunRow:
    """A run in a list of runs; what is not known of it is None.

    Parameters
    ----------
    run : Path
    state : str
        One of `State`.
    reason : str
        Why it has no result, where that is known.
    dataset, epochs, n_epochs, seconds
        The data set, epochs done and to be done, and how long it has been trained: of a run that is not finished, in its last
        sitting.
    loss, val_loss, val_accuracy, train_accuracy, test_accuracy : float
        Of the model that a finished run keeps, but `loss`, of its last epoch; of others all of the last epoch so far.
    n_networks, network : int
        How many networks there are to be, and which of them the epochs so far, and what is measured in them, are of.
    scores : dict
        Its other metrics of the validation and the test part by their names, as ``val_roc_auc``; of a regression all of them.
    settings : dict
        The options and settings by their paths.
    began : float
        When, in seconds since 1970.
    """

    run: Path
    state: str
    reason: str = ""
    dataset: str | None = None
    epochs: int = 0
    n_epochs: int | None = None
    seconds: float | None = None
    loss: float | None = None
    val_loss: float | None = None
    val_accuracy: float | None = None
    train_accuracy: float | None = None
    test_accuracy: float | None = None
    scores: dict[str, float] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    began: float = 0.0
    n_networks: int = 1
    network: int = 1

    @property
    def epochs_words(self) -> str:
        """Epochs done, and of how many at most where settings say it, not the number of rows; nothing where there are none."""
        return f"{self.epochs}/{self.n_epochs}" if self.n_epochs is not None else str(self.epochs or "")

    @property
    def folds(self) -> int:
        """The number of folds of a cross-validation; 0 where the validation rows are one part of the data."""
        return int(self.settings.get("folds", 0))

    @property
    def judge(self) -> Metric:
        """What the run is judged by."""
        return score_of(self.scores)

    @property
    def chosen_by(self) -> str:
        """The metric by which its epoch was chosen, by its column, as ``val_roc_auc``; nothing where that is the judge's."""
        metric = chosen_by(self.settings.get("training.monitor"), {"val_loss": self.val_loss} | self.scores)
        return "" if metric == self.judge else f"val_{metric.name}"

    def score(self, part: str) -> float | None:
        """Return that of the ``val``, ``train`` or ``test`` part; None where it is not known."""
        own: float | None = getattr(self, f"{part}_accuracy")
        return own if own is not None else self.scores.get(f"{part}_{self.judge.name}")


class Runs:
    """The runs below a folder; what has not changed since it was asked last is not read again.

    Parameters
    ----------
    folder : path

    Raises
    ------
    FileFormatError
        If there is no such folder.
    """

    def __init__(self, folder: str | Path) -> None:
        folder = Path(folder)
        if not folder.is_dir():
            raise FileFormatError(f"There is no folder {folder}." if not folder.exists() else f"{folder} is a file.")
        self.folder = folder
        self._known: dict[Path, _Reader] = {}

    def rows(self) -> list[RunRow]:
        """Return the runs as they are now, in the order in which they were begun; damaged ones with what is wrong."""
        self._known = {run: self._known.get(run) or _Reader(run) for run in run_folders(self.folder)}
        return sorted((reader.row() for reader in self._known.values()), key=lambda row: (row.began, row.run))


def run_folders(folder: Path) -> Iterator[Path]:
    """Yield the run folders below a folder, or the folder itself if it is one; each once, links to folders after the others.

    A folder whose configuration is missing or damaged is one if it has a history and results, holds no runs, and is not the
    trial of a sweep.
    """
    seen, waiting = set[tuple[int, int]](), [folder]
    while waiting:
        links: list[Path] = []
        for path in waiting:
            yield from _run_folders(path, seen, links)
        waiting = links


def _run_folders(folder: Path, seen: set[tuple[int, int]], links: list[Path]) -> Iterator[Path]:
    """Yield the run folders below a folder that are not `seen`, and gather the links there."""
    try:
        status, entries = folder.stat(), sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:  # it may not be read, or is gone
        return
    if (identity := (status.st_dev, status.st_ino)) in seen:
        return
    seen.add(identity)
    files = {entry.name for entry in entries if not entry.is_dir()}
    if _is_run(folder, files):
        yield folder
        return
    trials = {TRIALS} if STUDY in files else set()  # which are no runs that can be used
    folders = [entry for entry in entries if entry.is_dir() and not entry.name.startswith(".") and entry.name not in trials]
    links += [folder / entry.name for entry in folders if entry.is_symlink()]
    below = [run for entry in folders if not entry.is_symlink() for run in _run_folders(folder / entry.name, seen, links)]
    yield from below
    is_run = not below and HISTORY in files and files & {METRICS_FILE, CHECKPOINT, PREDICTIONS}
    if is_run and trials_around(folder) is None:
        yield folder


def _is_run(folder: Path, files: set[str]) -> bool:
    try:
        return CONFIG in files and OF_A_RUN.search((folder / CONFIG).read_bytes()) is not None
    except OSError:
        return bool(files & {HISTORY, METRICS_FILE, CHECKPOINT})  # a configuration that may not be read


class _Reader:
    """Reads one run, time and again."""

    def __init__(self, run: Path) -> None:
        self.run, self.network, self.history = run, 0, HistoryEnd(run / HISTORY)
        self._settings_of: tuple[int, int] | None = None  # the file that these were read from
        self._settings: dict[str, Any] = {}
        self._row: RunRow | None = None  # of a finished run
        self._metrics_of: tuple[int, int] | None = None

    def row(self) -> RunRow:
        """Return the run as it is now."""
        metrics_of, began = _identity(self.run / METRICS_FILE), 0.0
        if self._row is not None and metrics_of == self._metrics_of and _identity(self.run / CONFIG) == self._settings_of:
            return self._row
        try:
            began = (self.run / CONFIG).stat().st_mtime
            row = self._read(began)
        except FileNotFoundError:
            return RunRow(self.run, "damaged", f"It has no {CONFIG}.")
        except (FcnetError, OSError, ValueError, TypeError, KeyError) as error:
            return RunRow(self.run, "damaged", str(error), settings=self._settings, began=began)
        self._row, self._metrics_of = (row if row.state == "finished" else None), metrics_of
        return row

    def _read(self, began: float) -> RunRow:
        status = read_status(self.run)
        # Who has written how it ended owns it no more. So a lock that another one who asks holds for a moment deceives nobody.
        is_owned = not (self.run / METRICS_FILE).exists() and "ended" not in status and owner(self.run, patience=0) is not None
        state = kind_of(self.run, status, is_owned=is_owned)
        if (identity := _identity(self.run / CONFIG)) != self._settings_of:
            self._settings, self._n_epochs = _settings_of(self.run)
            self._settings_of = identity
        n_networks = next(filter(None, map(self._settings.get, ("networks", "folds", "seeds"))), 1)
        if n_networks > 1 and (network := sum(path.is_dir() for path in (self.run / MEMBERS).glob("*"))) != self.network:
            self.network, self.history = network, HistoryEnd(self.run / MEMBERS / str(network) / HISTORY)
        last = (self.history.row() if state != "finished" or n_networks == 1 else None) or {}
        values: dict[str, Any] = {name: last.get(name) for name in FROM_HISTORY}
        figures = last
        values |= {"epochs": last.get("epoch", 0), "seconds": _seconds(self.run, status, state)}
        if state == "finished":
            figures = read_metrics(self.run)
            values |= {name: figures.get(name) for name in FROM_METRICS} | {"seconds": figures["fit_seconds"]}
            values["val_loss"] = figures.get("val_loss", values["val_loss"])  # older ones do not have it
            if members := figures.get("members"):
                values["epochs"], self.network, n_networks = figures["epochs"], len(members), len(members)
        reason = status.get("reason", "") if state in ("diverged", "failed") else ""
        known = {"dataset": self._settings["dataset"], "n_epochs": self._n_epochs, "settings": self._settings}
        known |= {"n_networks": n_networks, "network": self.network or 1}
        known["scores"] = {name: figures[name] for name in OTHER_METRICS if figures.get(name) is not None}
        return RunRow(self.run, state, reason, **known, **values, began=began)


def validated_otherwise(rows: Sequence[RunRow]) -> str:
    """Return a note on the data sets whose runs were validated on all folds, on some, or on one part; nothing if none."""
    kinds = {(Path(row.dataset or "").name, bool(row.folds), 0 < row.settings.get("networks", 0) < row.folds) for row in rows}
    names = [name for name, *_ in kinds]
    mixed = sorted({name for name in names if names.count(name) > 1})
    return (
        f"Scores on {listed(mixed)} are of different rows: with folds every row that is not a test row is validated, or those "
        "of some folds, else the validation rows alone."
    ) * bool(mixed)


def _settings_of(run: Path) -> tuple[dict[str, Any], int | None]:
    """Return the options and settings of a run by their paths, and how many epochs there are at most.

    A tree of settings is taken as it was written: to decode and check a thousand of them would take most of the time.
    """
    with suppress(OSError, ValueError, LookupError, TypeError, AttributeError):  # which Config.read finds better words for
        values = tomllib.loads((run / CONFIG).read_text(encoding="utf-8"))
        settings = values.pop("settings")
        if not is_flat(settings, Recipe) and "dataset" in values:
            n_epochs = settings["training"].get("epochs", 1)
            return leaves(settings) | values, None if n_epochs == AUTO else n_epochs
    config = Config.read(run)
    settings = {
        path: list(value) if isinstance(value, tuple) else value for path, value in config.by_path().items()
    }  # as in TOML
    return settings, config.settings.training.n_epochs


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns


def _seconds(run: Path, status: dict[str, Any], state: str) -> float | None:
    """Return how long a sitting has lasted, or lasts, by its ``status.json``; of a killed one, until its last epoch."""
    began, until = moment(status, "since"), time.time() if state == "running" else moment(status, "until")
    if until is None and (run / HISTORY).exists():
        until = (run / HISTORY).stat().st_mtime
    return None if began is None or until is None else max(0.0, until - began)


def differing(rows: Sequence[RunRow]) -> dict[Path, dict[str, Any]]:
    """Return of each run the settings in which runs on its data set differ from one another."""
    by_dataset: dict[str | None, list[RunRow]] = {}
    for row in rows:
        by_dataset.setdefault(row.dataset, []).append(row)
    found: dict[Path, dict[str, Any]] = {}
    for same in by_dataset.values():
        paths = dict.fromkeys(path for row in same for path in row.settings if path not in SAME_RESULT)
        differ = [path for path in paths if len({repr(row.settings.get(path)) for row in same}) > 1]
        found |= {row.run: {path: row.settings[path] for path in differ if path in row.settings} for row in same}
    return found
