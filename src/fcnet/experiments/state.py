"""The state of a run: finished, running, or how it ended before."""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from fcnet.experiments.folder import CHECKPOINT, HISTORY, MEMBERS, METRICS_FILE, owner, read_status
from fcnet.training.checkpoint import epoch_of

Kind = Literal["finished", "running", "stopped", "killed", "diverged", "failed", "unfinished"]


@dataclass(frozen=True)
class RunState:
    """What a run has come to, and a sentence or two that say so and what to do; no sentence of a finished one."""

    kind: Kind
    words: str = ""


def kind_of(run: Path, status: dict[str, Any], *, is_owned: bool) -> Kind:
    """Return the state of a run in a word, from its ``status.json`` and whether a process owns its folder.

    Both are to be found out before this is called: a run that ends meanwhile is then a finished one.
    """
    if (run / METRICS_FILE).exists():
        return "finished"
    if is_owned:
        return "running"
    ended: Kind | None = status.get("ended")
    return ended or ("killed" if status else "unfinished")


def state_of(run: Path, dataset: str, n_epochs: int | None, n_members: int = 0) -> RunState:
    """Return the state of a run on this data set, that is to be trained for so many epochs, or of an ensemble of so many.

    Without `n_epochs` the number of rows says how many there are. The words of a run that was killed, or whose folder is of an
    older version, tell how to go on with it; those of one that has diverged do not, since it would again.
    """
    words, status = owner(run), read_status(run)
    kind = kind_of(run, status, is_owned=words is not None)
    if kind == "finished":
        return RunState(kind)
    done, reason = _n_rows(run / HISTORY), status.get("reason", "")
    so_far = f"after epoch {done}{f' of {n_epochs}' if n_epochs else ''}" if done else "before the first epoch was through"
    if n_members:
        so_far = f"after {len(list((run / MEMBERS).glob(f'*/{METRICS_FILE}')))} of {n_members} networks"
    if kind == "running":
        return RunState(kind, f"It is still running, {so_far}: {words}.")
    if kind == "diverged":
        return RunState(kind, f"It diverged {so_far}. {reason}")
    how_it_ended = {
        "stopped": f"Stopped {so_far}.",
        "failed": f"It failed {so_far}: {reason.rstrip('.')}. When that is mended:",
        "killed": f"Killed {so_far}.",
    }
    return RunState(kind, f"{how_it_ended.get(kind, f'It ended {so_far}.')} {_how_to_go_on(run, dataset, done)}")


def _how_to_go_on(run: Path, dataset: str, done: int) -> str:
    saved = epoch_of(run / CHECKPOINT)
    how = f"Go on with, from epoch {saved + 1} on" if saved < done else "Go on with"
    if done and not saved:
        how = "There is no checkpoint to go on from, so this begins again"
    return f"{how}: {shlex.join(['fcnet', 'train', dataset, '--out', str(run), '--resume'])}"


def _n_rows(history: Path) -> int:
    try:
        return history.read_bytes().count(b"\n")
    except OSError:
        return 0
