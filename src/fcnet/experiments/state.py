"""The state of a run: finished, running, or how it ended before."""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fcnet.experiments.folder import CHECKPOINT, HISTORY, METRICS, owner, read_status
from fcnet.training.checkpoint import epoch_of

Kind = Literal["finished", "running", "stopped", "killed", "diverged", "failed", "unfinished"]


@dataclass(frozen=True)
class RunState:
    """What a run has come to, and a sentence or two that say so and what to do; no sentence of a finished one."""

    kind: Kind
    words: str = ""


def state_of(run: Path, dataset: str, n_epochs: int) -> RunState:
    """Return the state of a run on this data set, that is to be trained for so many epochs.

    The words of a run that was killed, or whose folder is of an older version, tell how to go on with it; those of one that has
    diverged do not, since it would again.
    """
    words, status = owner(run), read_status(run)
    if (run / METRICS).exists():
        return RunState("finished")
    done = _n_rows(run / HISTORY)
    so_far = f"after epoch {done} of {n_epochs}" if done else "before the first epoch was through"
    if words:
        return RunState("running", f"It is still running, {so_far}: {words}.")
    ended, reason = status.get("ended"), status.get("reason", "")
    if ended == "diverged":
        return RunState("diverged", f"It diverged {so_far}. {reason}")
    go_on = _how_to_go_on(run, dataset, done)
    if ended == "stopped":
        return RunState("stopped", f"Stopped {so_far}. {go_on}")
    if ended == "failed":
        return RunState("failed", f"It failed {so_far}: {reason.rstrip('.')}. When that is mended: {go_on}")
    if status:
        return RunState("killed", f"Killed {so_far}. {go_on}")
    return RunState("unfinished", f"It ended {so_far}. {go_on}")


def _how_to_go_on(run: Path, dataset: str, done: int) -> str:
    saved = epoch_of(run / CHECKPOINT)
    start = f", from epoch {saved + 1} on" if saved < done else ""
    return f"Go on with{start}: {shlex.join(['fcnet', 'train', dataset, '--out', str(run), '--resume'])}"


def _n_rows(history: Path) -> int:
    try:
        return history.read_bytes().count(b"\n")
    except OSError:
        return 0
