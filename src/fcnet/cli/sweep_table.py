"""How a sweep is getting on: a live table on a terminal, a line for each trial elsewhere."""

import math
import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import click

from fcnet.cli.notes import terminal
from fcnet.words import duration_words, setting_words, shortened

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial
    from rich.console import Group

    from fcnet.experiments.sweep.plan import Plan
    from fcnet.experiments.sweep.study import Account

MOST_ROWS = 8  # of trials that have ended


class Board:
    """Shows the trials of a sweep in the body of a ``with``."""

    def __init__(self, plan: "Plan", timeout: float, jobs: int) -> None:
        self.plan, self.timeout, self.jobs = plan, timeout, jobs
        self.began = time.monotonic()
        self._now: Account | None = None
        self._end = math.inf  # when it may be done
        self._told: set[int] = set()
        self._before: int | None = None  # how many had ended when this began
        self._live: Any = None

    def __enter__(self) -> "Board":
        if console := terminal():
            from rich.live import Live

            self._live = Live(console=console, get_renderable=self._render, refresh_per_second=4)
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, now: "Account") -> None:
        """Show these trials."""
        if self._before is None:
            self._before = len(now.ended)
            self._told = {trial.number for trial in now.ended}
            if self._before and self._live is None:
                click.echo(f"{self.plan.counted(self._before)} had ended before{self._so_far(now)}", err=True)
        self._now = now
        if self._live is None:
            self._print_new(now)
        else:
            self._end = time.monotonic() + self.time_left(now)

    def _print_new(self, now: "Account") -> None:
        for trial in now.ended:
            if trial.number not in self._told:
                self._told.add(trial.number)
                click.echo(f"trial {trial.number}: {self._outcome(trial)}{self._so_far(now)}", err=True)

    def _so_far(self, now: "Account") -> str:
        best = now.best(self.plan.sign)
        return "" if best is None else f"; best so far {self._value(best)} (trial {best.number})"

    def _value(self, trial: "FrozenTrial") -> str:
        from fcnet.experiments.sweep.results import shown

        return "" if trial.value is None or not math.isfinite(trial.value) else shown(self.plan, trial.value)

    def _outcome(self, trial: "FrozenTrial") -> str:
        from fcnet.experiments.sweep.results import row_of

        row = row_of(self.plan, trial)
        if row["state"] == "finished":
            return f"{self.plan.metric} {self._value(trial)}"
        reason = row["reason"] or row["state"]
        return reason.partition(":")[0] if row["state"] == "diverged" else shortened(reason)

    def time_left(self, now: "Account") -> float:
        """Return about how many seconds are left, by how long trials have taken so far; infinity where none has ended.

        The training of the finalists is among them, of those that there would be now.
        """
        from fcnet.experiments.sweep.winner import finalists

        final: float = sum(one.trial.user_attrs["seconds"] for one in finalists(Path(), self.plan, now)) / self.plan.seeds
        passed = time.monotonic() - self.began
        done = len(now.ended) - (self._before or 0)
        left = self.plan.most_trials - len(now.ended)
        trials = min(self.timeout - passed, passed / done * left if done > 0 else math.inf)
        return max(0.0, trials) + final * self.plan.winner_seeds

    def _render(self) -> "Group":
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        now, plan = self._now, self.plan
        if now is None:
            return Group(Text("Reading the data"))
        left = self._end - time.monotonic()
        about = f", about {duration_words(left)} left" if math.isfinite(left) and left > 0 else ""
        best = now.best(plan.sign)
        so_far = "" if best is None else f", best {plan.metric} {self._value(best)}"
        table = Table("trial", "state", "epochs", plan.metric, "settings", expand=False, box=None, pad_edge=False)
        ranked = now.ranked(plan.sign)[:MOST_ROWS]
        for trial in [*ranked, *now.running]:
            self._add(table, trial, "best" if best is not None and trial.number == best.number else "")
        head = f"{plan.counted(len(now.ended))}, {len(now.complete)} to the end{so_far}{about}"
        return Group(table, Text(head, style="bold"))

    def _add(self, table: Any, trial: "FrozenTrial", mark: str) -> None:
        from fcnet.experiments.sweep.results import row_of, shown

        row = row_of(self.plan, trial)
        steps = trial.intermediate_values
        latest = self._value(trial) or (shown(self.plan, steps[max(steps)]) if steps else "")
        words = "  ".join(f"{name.split('.')[-1]}={setting_words(value)}" for name, value in row["params"].items())
        state = mark or ("plain" if row["is_plain"] and row["state"] == "finished" else row["state"])
        table.add_row(str(trial.number), state, f"{row['epochs'] or 0:g}", latest, words or "the plain recipe")
