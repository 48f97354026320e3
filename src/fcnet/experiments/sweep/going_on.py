"""The command that goes on with a sweep."""

import math
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from fcnet.experiments.sweep.plan import WHILE_THERE_IS_TIME, Plan

if TYPE_CHECKING:
    from fcnet.experiments.sweep.storage import Database


def how_to_go_on(
    plan: Plan,
    folder: Path,
    database: "Database | None",
    *,
    n_done: int | None = None,
    timeout: float = math.inf,
    jobs: int = 1,
    data_dir: str | None = None,
) -> str:
    """Return the command that goes on with a study; the address of a database, which may have a password, is not in it.

    Where trials have come to their end, `n_done` of them, it draws no more: the finalists are what is left.
    """
    words = ["fcnet", "sweep", plan.config.dataset, "--out", str(folder), "--resume"]
    words += ["--data-dir", data_dir] if data_dir else []
    words += ["--jobs", str(jobs)] if jobs > 1 else []
    if n_done is not None:
        words += ["--trials", str(n_done)] if n_done < plan.most_trials and plan.trials < WHILE_THERE_IS_TIME else []
    elif math.isfinite(timeout):
        words += ["--timeout", f"{timeout:.15g}"]
    elif plan.trials == WHILE_THERE_IS_TIME:
        words += ["--timeout", "TIME"]
    if database is None:
        return f"Go on with: {shlex.join(words)}"
    return f"Go on with: {shlex.join([*words, '--study', database.name])}, and the same --storage or FCNET_STORAGE"
