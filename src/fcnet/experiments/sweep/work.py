"""The work on a study: trial after trial, until there are enough or time is up; in this process, or in one of several.

``python -m fcnet.experiments.sweep.work`` is such a process. What it is to do comes by standard input, whose end is that of the
process that began it, and so its own.
"""

import json
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna

from fcnet.data import Dataset
from fcnet.experiments.sweep.plan import Plan
from fcnet.experiments.sweep.prepared import PreparedData
from fcnet.experiments.sweep.storage import STORAGE_ERRORS, Database, beating, stop_waiting, storage_of
from fcnet.experiments.sweep.study import WORKER, account, end, opened, put_back, take_up_dead, trials_of
from fcnet.experiments.sweep.trial import NotNowError, Trials, worker_name
from fcnet.threads import use_threads

if TYPE_CHECKING:
    from optuna.study import Study

PREPARED = "prepared"
WAIT = 0.5  # seconds, for trials of others that may have to be taken up


@dataclass(frozen=True)
class Work:
    """What a worker is to do.

    Parameters
    ----------
    folder : str
        Of the study.
    deadline : float
        When to end.
    threads : int
        How many threads compute.
    workers : int
        How many work at this study.
    data_dir : str, optional
    database : Database, optional
        That of the study, where several machines share it.
    """

    folder: str
    deadline: float
    threads: int
    workers: int = 1
    data_dir: str | None = None
    database: Database | None = None

    def to_line(self) -> bytes:
        """Return it as the line that a process reads."""
        return json.dumps(asdict(self)).encode() + b"\n"


def work(study: "Study", todo: Work, plan: Plan, data: Dataset, tell: Callable[[], None] = lambda: None) -> None:
    """Do trials until there are enough, time is up, or a grid has no more."""
    folder, seen = Path(todo.folder), set[int]()
    trials = Trials(folder, plan, PreparedData(plan.config, data, folder / PREPARED), todo.deadline, tell)
    with use_threads(todo.threads), warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        warnings.filterwarnings("ignore", "Heartbeat of storage is supposed")
        while time.time() < todo.deadline:
            take_up_dead(study, seen)
            now = account(trials_of(study))
            if len(now.ended) + len(now.running) >= plan.most_trials:
                if not now.running:
                    return
                time.sleep(WAIT)  # somebody may die
                continue
            _do_one(study, trials)
            tell()


def _do_one(study: "Study", trials: Trials) -> None:
    """Do a trial: one that waits, else a new one."""
    trial = study.ask()
    with beating(lambda: storage_of(study).record_heartbeat(trial._trial_id)):
        try:
            end(study, trial, *trials(trial))
        except optuna.exceptions.UpdateFinishedTrialError:
            pass  # by another, who took this process for dead
        except NotNowError:
            _give_back(study, trial.number)
        except KeyboardInterrupt:
            stop_waiting(study)
            with suppress(*STORAGE_ERRORS):
                _give_back(study, trial.number)
            raise


def _give_back(study: "Study", number: int) -> None:
    """Put back the trial of this process, unless another, which took it for dead, is at work on it."""
    trial = trials_of(study)[number]
    if trial.user_attrs.get(WORKER) in (None, worker_name(os.getpid())):
        put_back(study, [trial], has_died=False)


def _main() -> None:
    """Work at a study, as standard input says."""
    said = json.loads(sys.stdin.readline())
    todo = Work(**said | {"database": Database(**said["database"]) if said["database"] else None})
    threading.Thread(target=_end_with_parent, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that began it, which then ends this one
    signal.signal(signal.SIGTERM, _stop)
    plan = Plan.read(Path(todo.folder))
    try:
        data = plan.config.load(todo.data_dir, n_test=0)
        with opened(Path(todo.folder), plan, todo.workers, todo.database) as study:
            work(study, todo, plan, data)
    except KeyboardInterrupt:
        sys.exit(130)


def _stop(number: int, frame: Any) -> None:
    signal.signal(number, signal.SIG_IGN)  # a trial that is stopped is put back without being stopped in that, too
    raise KeyboardInterrupt


def _end_with_parent() -> None:
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    _main()
