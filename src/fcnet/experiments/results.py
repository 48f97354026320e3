"""What a run has come to, read from its folder: metrics, state and history."""

import json
from pathlib import Path
from typing import Any

from fcnet.errors import FileFormatError
from fcnet.experiments.config import Config
from fcnet.experiments.folder import HISTORY, MEMBERS, METRICS_FILE
from fcnet.experiments.scores import score_of
from fcnet.experiments.state import RunState, state_of
from fcnet.files import write_atomic
from fcnet.training.history import History


def read_metrics(run: Path) -> dict[str, Any]:
    """Return the metrics of a finished run.

    Raises
    ------
    FileFormatError
        If the run is not finished, or the file is damaged.
    """
    path = run / METRICS_FILE
    try:
        metrics = dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise FileFormatError(f"{run} is not a finished run. {read_state(run).words}") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FileFormatError(f"{path} is damaged: {error!r}.") from None
    if (key := f"test_{score_of(metrics).name}") not in metrics:
        raise FileFormatError(f"{path} is damaged: it has no {key}.")
    return metrics


def read_state(run: Path) -> RunState:
    """Return whether a run is finished or running, or how it ended; raise FileFormatError where it is no run, or damaged."""
    config = Config.read(run)
    return state_of(run, config.dataset, config.settings.training.n_epochs, len(config.members()))


def read_history(run: Path) -> History:
    """Return the history of a run, as far as it has come; raise FileFormatError where the file is damaged."""
    path = run / HISTORY
    try:
        if not path.exists():  # before the first epoch, or in a run of an older version that was killed
            return History()
        history = History.from_jsonl(path.read_text(encoding="utf-8"))
        _ = [row["loss"] for row in history], history.batch_column("loss")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FileFormatError(f"{path} is damaged: {error!r}.") from None
    return history


def first_network(run: Path) -> Path:
    """Return the folder with the history of a run: its own, or of an ensemble that of its first network."""
    first = run / MEMBERS / "1"
    return first if first.exists() and not (run / HISTORY).exists() else run


def write_metrics(run: Path, metrics: dict[str, Any]) -> None:
    """Write ``metrics.json``."""
    write_atomic(run / METRICS_FILE, json.dumps(metrics, indent=2) + "\n")
