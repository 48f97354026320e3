"""A sweep: trials in this process or in several, and in the end the winner."""

import logging
import math
import shutil
import time
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import Any

from fcnet.errors import FcnetError, SettingError
from fcnet.experiments.folder import ENSEMBLE, TRIALS, owned
from fcnet.experiments.job import check_metric_of
from fcnet.experiments.scores import SCORES
from fcnet.experiments.sweep.claim import FINAL, claimed
from fcnet.experiments.sweep.plan import Plan
from fcnet.experiments.sweep.processes import Tell, work_in_processes
from fcnet.experiments.sweep.results import ceiling_words, results_of, write_results
from fcnet.experiments.sweep.storage import Database, plain_errors
from fcnet.experiments.sweep.study import DATABASE, REASON, Account, account, opened, put_back, trials_of
from fcnet.experiments.sweep.winner import RECIPE, finish, write_recipe
from fcnet.experiments.sweep.work import PREPARED, Work, work
from fcnet.training.metrics import METRICS

_log = logging.getLogger(__name__)


def sweep(
    folder: Path,
    plan: Plan,
    *,
    timeout: float = math.inf,
    jobs: int = 1,
    data_dir: str | None = None,
    database: Database | None = None,
    tell: Tell = lambda now: None,
) -> dict[str, Any]:
    """Do the trials of a plan, train and evaluate the winner, and return what ``sweep.json`` then has.

    Trials of before, of a study that was stopped or killed, are among those of the plan. The test part of the data is read
    once the winner is known.

    Parameters
    ----------
    folder : Path
        Of the study; it is made where there is none.
    plan : Plan
        As `make_plan` returns it together with the folder.
    timeout : float
        Seconds, for the trials.
    jobs : int
        In so many processes, which share the threads of the plan.
    data_dir : str, optional
        Where to look for data files first.
    database : Database, optional
        Where other machines work at the same study; without one it is in the folder.
    tell : callable
        Is called with the trials at the beginning, and whenever they may have changed.

    Raises
    ------
    FcnetError
        If the settings do not fit the data, the trials of the folder are not in `database`, another process owns the folder, or
        no trial could be trained.
    """
    check_place(folder, database)
    config = plan.config
    config.settings.check(config.engine)
    data = config.load(data_dir, n_test=0)
    config.check_data(data)
    check_metric_of(data, plan.config.settings.training.loss_of(data), plan.judge.name)
    for note in [*data.notes, *_unseen(plan)]:
        _log.info("%s", note, extra={"once": True})
    if database is not None:
        with plain_errors(folder, database), opened(folder, plan, jobs, database):
            pass  # or no folder is made
    options = {"jobs": jobs, "data_dir": data_dir} | ({"timeout": timeout} if math.isfinite(timeout) else {})
    with owned(folder, "sweep", **options), plain_errors(folder, database), ExitStack() as stack:
        stack.callback(shutil.rmtree, folder / PREPARED, ignore_errors=True)
        plan.write(folder)
        with opened(folder, plan, jobs, database) as study:
            tell(account(trials_of(study)))
            if database is None:  # nobody else is here
                put_back(study, account(trials_of(study)).running)
            threads = max(1, (config.threads or 1) // jobs)
            todo = Work(str(folder), time.time() + timeout, threads, jobs, data_dir, database)
            if jobs == 1:
                work(study, todo, plan, data, lambda: tell(account(trials_of(study))))
            else:
                work_in_processes(study, todo, tell)
            now = account(trials_of(study))
            if len(now.ended) >= plan.most_trials < plan.trials:
                _log.info("All combinations of values have been tried, in %d trials", len(now.ended))
            results = results_of(plan, now)
            write_results(folder, results)
            best = now.best(plan.sign)
            if best is None:
                raise FcnetError(f"No trial was trained to its end. {_reasons(now)}")
            if not plan.winner_seeds:
                for said in ceiling_words(plan, now):
                    _log.info("%s", said)
                write_recipe(folder, plan, best, best.value or 0.0)
            else:
                with nullcontext((now, list[str]())) if database is None else claimed(study, folder, now) as (mine, warnings):
                    if mine is not None:
                        results = results_of(plan, mine) | {"winner": finish(folder, plan, mine, data, data_dir)}
                        results["winner"]["warnings"] += warnings
                    else:
                        now = account(trials_of(study))
                        results = results_of(plan, now) | {"winner_in": study.user_attrs[FINAL]["in"]}
                        (folder / RECIPE).unlink(missing_ok=True)  # of fewer trials, as is the model
                        shutil.rmtree(folder / ENSEMBLE, ignore_errors=True)
                    write_results(folder, results)
    return results


def _unseen(plan: Plan) -> list[str]:
    """Return a note where the pruner is blind: after an epoch trials know the loss, the score and their monitor alone."""
    monitor = getattr(plan.config.settings.training, "monitor", None)
    seen = [METRICS[name].name for name in ("loss", *SCORES, monitor) if name in METRICS]
    if monitor is None or plan.pruner == "none" or plan.judge.name in seen:
        return []
    return [
        f"No trial is pruned: epochs are chosen by {monitor}, so {plan.metric_words} is known at the end of a trial alone. "
        f"With monitor={plan.judge.name} it is known after each epoch."
    ]


def check_place(folder: Path, database: Database | None) -> None:
    """Raise SettingError if the study of a folder was begun where it is not now: in the folder, or in a database."""
    is_here = (folder / DATABASE).exists()
    if database is not None and is_here:
        raise SettingError(f"The trials of {folder} are in its {DATABASE}: leave out --storage, and unset FCNET_STORAGE.")
    if database is None and not is_here and (folder / TRIALS).exists():
        raise SettingError(f"The trials of {folder} are in a database: give --storage or FCNET_STORAGE, and its --study.")


def _reasons(now: Account) -> str:
    """Return what the first trial has failed of, and how to mend it."""
    reasons = [trial.user_attrs[REASON] for trial in now.ended if REASON in trial.user_attrs]
    if not reasons:
        return "Give it more time: --timeout."
    return f"{len(reasons)} ended before, the first like this: {reasons[0]}"
