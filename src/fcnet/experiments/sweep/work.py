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
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fcnet.data import Dataset
from fcnet.experiments.sweep.plan import Plan
from fcnet.experiments.sweep.prepared import PreparedData
from fcnet.experiments.sweep.study import Database, account, opened, take_up_lost, trials_of
from fcnet.experiments.sweep.trial import Trials
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
    import optuna

    folder = Path(todo.folder)
    trials = Trials(folder, plan, PreparedData(plan.config, data, folder / PREPARED), todo.deadline, tell)
    with use_threads(todo.threads), warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        while time.time() < todo.deadline:
            optuna.storages.fail_stale_trials(study)
            take_up_lost(study)
            now = account(trials_of(study))
            if not now.waiting and len(now.ended) + len(now.running) >= plan.most_trials:
                if not now.running:
                    return
                time.sleep(WAIT)  # somebody may die
                continue
            study.optimize(trials, n_trials=1)
            tell()


def _main() -> None:
    """Work at a study, as standard input says."""
    said = json.loads(sys.stdin.readline())
    todo = Work(**said | {"database": Database(**said["database"]) if said["database"] else None})
    threading.Thread(target=_end_with_parent, daemon=True).start()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a trial that is stopped is taken up again
    plan = Plan.read(Path(todo.folder))
    try:
        data = plan.config.load(todo.data_dir, n_test=0)
        with opened(Path(todo.folder), plan, todo.workers, todo.database) as study:
            work(study, todo, plan, data)
    except KeyboardInterrupt:
        sys.exit(130)


def _end_with_parent() -> None:
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    _main()
