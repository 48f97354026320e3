"""A run folder: the names of its files, and who owns it. One process at a time does."""

import errno
import itertools
import json
import os
import shlex
import socket
import time
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

from fcnet.errors import DivergedError, InputError
from fcnet.files import left_overs, remove_left_overs, write_atomic, writing

CONFIG, HISTORY, METRICS_FILE, MODEL, CHECKPOINT, PREDICTIONS, LINEAR, IMPORTANCE, FINDINGS, FIXES, REPORT = RUN_FILES = (
    "config.toml",
    "history.jsonl",
    "metrics.json",
    "model.safetensors",
    "checkpoint.safetensors",
    "predictions.safetensors",
    "linear.safetensors",
    "importance.json",
    "findings.json",
    "fixes.json",
    "report.html",
)
LOCK, STATUS = ".lock", "status.json"
MEMBERS = "members"  # the folder with the runs that an ensemble is of
ATTEMPT = "attempt"  # that of a training with a remedy, while it is not known whether it helps
STUDY, TRIALS, ENSEMBLE = "study.toml", "trials", "ensemble"  # the folder of a sweep has these
TIME = "%Y-%m-%d %H:%M:%S"
PATIENCE, PATIENCE_TO_ASK = 1.0, 0.2  # seconds: who only asks whether a folder is owned holds its lock for a moment
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


@contextmanager
def owned(run: Path, command: str, **options: Any) -> Iterator[None]:
    """Own a run folder, which is made where there is none: no other process does until the block ends, or this process dies.

    Who owns it, by which command with which `options`, and how a block ended that raised something, is in its ``status.json``;
    a run that is finished has none. Where the file system has no locks, a warning says that nobody is kept out.

    Raises
    ------
    InputError
        If another process owns it, which is named.
    """
    with writing(run):
        run.mkdir(parents=True, exist_ok=True)
    with _locked(run):
        for name in {*RUN_FILES, STATUS} - {FINDINGS, REPORT}:  # who writes these owns nothing
            remove_left_overs(run / name)
        status: dict[str, Any] = {"command": command, "pid": os.getpid(), "host": socket.gethostname(), **_now("since")}
        status |= {"options": options} if options else {}
        write_atomic(run / STATUS, json.dumps(status) + "\n")
        try:
            yield
        except BaseException as error:
            with suppress(OSError):  # on a full disk
                if (run / METRICS_FILE).exists():
                    (run / STATUS).unlink()
                else:
                    write_atomic(run / STATUS, json.dumps(status | _how_it_ended(error)) + "\n")
            raise
        (run / STATUS).unlink(missing_ok=True)


def _locked(run: Path) -> AbstractContextManager[Any]:
    from filelock import FileLock, Timeout

    try:
        return FileLock(run / LOCK).acquire(timeout=PATIENCE)
    except Timeout:
        raise _in_use(run, _owner_words(run)) from None
    except (OSError, NotImplementedError) as error:
        if isinstance(error, OSError) and error.errno not in NO_LOCKS:
            with writing(run):
                raise
        warnings.warn(
            f"{run} is on a file system without locks: see to it that no other process uses this run.",
            RuntimeWarning,
            stacklevel=5,
        )
        return nullcontext()


def _how_it_ended(error: BaseException) -> dict[str, Any]:
    ended = {KeyboardInterrupt: "stopped", DivergedError: "diverged"}.get(type(error), "failed")
    end = {"ended": ended, "reason": str(error) or type(error).__name__, **_now("until")}
    if isinstance(error, DivergedError):
        end |= {"batches": error.batches, "learning_rate": error.learning_rate}
    return end


def _now(name: str) -> dict[str, Any]:
    """Return the time for people, as it is here, and in seconds since 1970, which holds in every time zone."""
    return {name: time.strftime(TIME), f"{name}_seconds": time.time()}


def moment(status: dict[str, Any], name: str) -> float | None:
    """Return a time of ``status.json`` in seconds since 1970, or None; in older folders it is a text alone."""
    try:
        return float(status.get(f"{name}_seconds") or time.mktime(time.strptime(status[name], TIME)))
    except (KeyError, ValueError, TypeError, OverflowError):
        return None


def refuse_if_owned(run: Path) -> None:
    """Raise InputError if a process owns a run folder."""
    if words := owner(run):
        raise _in_use(run, words)


def owner(run: Path, patience: float | None = None) -> str | None:
    """Return who owns a run folder now, in words, or None if nobody does.

    One who asks at the same moment seems to own it for longer than a `patience` of 0 seconds.
    """
    from filelock import FileLock, Timeout

    if not (run / LOCK).exists():
        return None
    try:
        with FileLock(run / LOCK).acquire(PATIENCE_TO_ASK if patience is None else patience, poll_interval=0.02):
            return None
    except Timeout:
        return _owner_words(run)
    except (OSError, NotImplementedError):  # it cannot be asked, as where nothing can be written, or there are no locks
        return None


def _owner_words(run: Path) -> str:
    status = read_status(run)
    if "pid" not in status:
        return "another process"
    return f"fcnet {status.get('command')}, process {status['pid']} on {status.get('host')}, since {status.get('since')}"


def _in_use(run: Path, words: str) -> InputError:
    return InputError(f"{run} is in use by {words}. Wait for its end, stop it, or choose another --out.")


def read_status(run: Path) -> dict[str, Any]:
    """Return what ``status.json`` says; nothing where there is none, or it is damaged."""
    try:
        return dict(json.loads((run / STATUS).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}


def trials_around(folder: Path) -> Path | None:
    """Return the folder of the trials of a sweep that a folder is, or lies in; None where it is in none."""
    here = folder.resolve()
    return next((path for path in (here, *here.parents) if path.name == TRIALS and (path.parent / STUDY).is_file()), None)


def sweep_words(folder: Path) -> str:
    """Return what a folder that is no run is in a sweep, and which command shows the trials; no words outside of sweeps."""
    is_study = (folder / STUDY).is_file()
    trials = trials_around(folder / TRIALS if is_study else folder)
    if trials is None:
        return ""
    study = trials.parent
    with suppress(ValueError):
        study = study.relative_to(Path.cwd())
    what = "the study" if is_study else "the folder of the trials" if trials == folder.resolve() else "a trial"
    command, model = shlex.join(["fcnet", "report", str(study)]), study / ENSEMBLE
    words = f"{folder} is {what} of a sweep. Trials are no runs and keep no model: {command} shows them."
    return f"{words} The model of the sweep is {model}." if (model / MODEL).exists() else words


def holds_nothing_else(run: Path) -> bool:
    """Return whether a folder is empty, but for what owning it and killed writes have left."""
    ours = {run / LOCK, run / STATUS}.union(*(left_overs(run / name) for name in (*RUN_FILES, STATUS)))
    return set(run.iterdir()) <= ours


@contextmanager
def claimed(run: Path) -> Iterator[Path]:
    """Make a folder that nobody else has, of this name or with a number behind it; if it stays empty, remove it again."""
    for n in itertools.count(1):
        folder = run if n == 1 else run.with_name(f"{run.name}-{n}")
        with suppress(FileExistsError), writing(folder):
            folder.mkdir(parents=True)
            break
    try:
        yield folder
    finally:
        with suppress(OSError):
            folder.rmdir()
