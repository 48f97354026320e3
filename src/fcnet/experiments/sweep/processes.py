"""Trials in several processes."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from fcnet.errors import FcnetError
from fcnet.experiments.sweep.study import WORKER, Account, account, put_back, trials_of
from fcnet.experiments.sweep.trial import worker_name
from fcnet.experiments.sweep.work import Work

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

POLL, SECONDS_TO_END = 0.3, 10.0
MOST_DEATHS = 3  # of each worker, while no trial ends
Tell = Callable[[Account], None]


def work_in_processes(study: "Study", todo: Work, tell: Tell) -> None:
    """Have several processes do the trials. One that dies is replaced, and its trial is taken up again."""
    workers = [_Worker(todo, n + 1) for n in range(todo.workers)]
    deaths, n_ended = 0, -1
    try:
        while any(worker.process.poll() != 0 for worker in workers):  # one that has died is not at its end
            time.sleep(POLL)
            dead = [worker for worker in workers if worker.process.poll() not in (None, 0)]
            now = account(trials_of(study))  # read after that: with all that the dead have begun
            tell(now)
            deaths, n_ended = (0, len(now.ended)) if len(now.ended) > n_ended else (deaths, n_ended)
            for worker in dead:
                put_back(study, worker.trials(now))
                worker.end()
                deaths += 1
                if deaths > MOST_DEATHS * todo.workers:
                    raise FcnetError(f"The processes of the sweep end before their trials: {worker.last_words}")
                worker.start()
    finally:
        for worker in workers:
            worker.process.terminate()
        for worker in workers:
            worker.end()
    tell(account(trials_of(study)))


class _Worker:
    """A process that does trials of a study."""

    def __init__(self, todo: Work, number: int) -> None:
        self.todo, self.log = todo, Path(todo.folder) / f"worker-{number}.log"
        self.start()

    def start(self) -> None:
        """Begin the process; it is told what to do by its standard input, which stays open as long as this process lives."""
        with self.log.open("ab") as log:
            words = [sys.executable, "-m", "fcnet.experiments.sweep.work"]
            self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=log, stderr=log)
        assert self.process.stdin is not None
        self.process.stdin.write(self.todo.to_line())
        self.process.stdin.flush()

    def trials(self, now: Account) -> "list[FrozenTrial]":
        """Return the trials that it has begun and not ended."""
        return [trial for trial in now.running if trial.user_attrs.get(WORKER) == worker_name(self.process.pid)]

    @property
    def last_words(self) -> str:
        """What it has said last."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").split("\n")
        return next((line for line in reversed(lines) if line.strip()), f"see {self.log}")

    def end(self) -> None:
        """End it, if it has not ended, at once: what it was at is taken up again."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        assert self.process.stdin is not None
        self.process.stdin.close()
