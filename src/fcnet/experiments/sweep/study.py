"""The study of a sweep: where its trials are kept, who draws their values, and which of them count."""

import json
import re
import sqlite3
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from fcnet.errors import SettingError
from fcnet.experiments.sweep.plan import Plan
from fcnet.experiments.sweep.values import plain_params
from fcnet.experiments.tree import leaves

if TYPE_CHECKING:
    from optuna.study import Study

DATABASE, PLAN = "study.db", "plan"
HEARTBEAT, GRACE = 15, 60  # seconds between signs of life of a worker, and after which it is taken for dead
ATTEMPTS = 3  # of a trial whose worker died
# Attributes of trials, from their beginning, and from their end. Of those that are the same AGAIN, one counts.
AGAIN, ATTEMPT, PLAIN = "again", "attempt", "plain"
REASON, STOPPED, SURPLUS = "reason", "stopped", "surplus"


@dataclass(frozen=True)
class Database:
    """Where several machines share a study: the name of the study, and the address, which may hold a password."""

    name: str
    url: str = field(repr=False)

    def redacted(self, text: str) -> str:
        """Return a text without the password of the address."""
        password = re.search(r"//[^/@]*?:([^/]*)@", self.url)
        return text.replace(password[1], "***") if password else text


@contextmanager
def opened(folder: Path, plan: Plan, workers: int = 1, database: Database | None = None) -> "Iterator[Study]":
    """Open the study of a folder, or of a database, which is begun where there is none.

    The database in the folder is SQLite's: what a process that is killed has half written is taken back by the next one, and
    its locks end with it. Several processes of one machine may use it.

    Raises
    ------
    SettingError
        If the study in the database is of another plan.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        storage = _embedded(folder / DATABASE) if database is None else _shared(database.url)
    try:
        yield _begun(storage, plan, workers, database)
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _begun(storage: "optuna.storages.RDBStorage", plan: Plan, workers: int, database: Database | None) -> "Study":
    """Return a study, in which the plain recipe and the cells of a grid are enqueued."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study = optuna.create_study(
            storage=storage,
            study_name="sweep" if database is None else database.name,
            direction="maximize" if plan.sign > 0 else "minimize",
            sampler=TrialSampler(plan, workers),
            pruner=_pruner(plan),
            load_if_exists=True,
        )
    if database is not None:
        _check_plan(study, plan, database.name)
    there = {trial.user_attrs.get(AGAIN) for trial in trials_of(study)}
    if PLAIN not in there:
        study.enqueue_trial(plain_params(plan.config.settings, plan.space), user_attrs={PLAIN: True, AGAIN: PLAIN})
    for number, cell in enumerate(plan.cells[: plan.most_trials - 1]):
        if f"cell {number}" not in there:
            study.enqueue_trial(cell, user_attrs={AGAIN: f"cell {number}"})
    return study


def _embedded(path: Path) -> "optuna.storages.RDBStorage":
    """Return a file as storage. A power cut may cost its last rows, as SQLite does not wait for the disk; a kill nothing."""
    from sqlalchemy import event

    def pragma(connection: Any, _: Any) -> None:
        connection.execute("PRAGMA synchronous=NORMAL")

    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode=WAL")  # readers do not wait for writers; it stays so
    storage = optuna.storages.RDBStorage(
        f"sqlite:///{path}",
        engine_kwargs={"connect_args": {"timeout": 60}},
        heartbeat_interval=HEARTBEAT,
        grace_period=GRACE,
    )
    event.listen(storage.engine, "connect", pragma)
    storage.engine.dispose()
    return storage


def _shared(url: str) -> "optuna.storages.RDBStorage":
    url = re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", url)
    return optuna.storages.RDBStorage(
        url, engine_kwargs={"pool_pre_ping": True}, heartbeat_interval=HEARTBEAT, grace_period=GRACE
    )


def _check_plan(study: "Study", plan: Plan, name: str) -> None:
    """Raise SettingError unless a study was begun by an equal plan; the folder of own data may be another on each machine."""
    same = json.loads(json.dumps(plan.to_dict()))
    del same["dataset"], same["threads"], same["fcnet"], same["settings"]["description"]
    del same["sweep"]["trials"], same["sweep"]["winner_seeds"], same["sweep"]["fixed"]
    there = study.user_attrs.get(PLAN)
    if there is None:
        study.set_user_attr(PLAN, same)
    elif there != same:
        old, new = leaves(there), leaves(same)
        differs = [key for key in old | new if old.get(key) != new.get(key)]
        if differs == ["checksum"]:
            raise SettingError(f"The study {name!r} is of other data: choose another --study.")
        raise SettingError(f"The study {name!r} was begun with another {', '.join(differs)}: choose another --study.")


def trials_of(study: "Study") -> list[FrozenTrial]:
    """Return all trials, by their numbers."""
    return study.get_trials(deepcopy=False)


class TrialSampler(optuna.samplers.BaseSampler):
    """Draws the values of each trial by a sampler of its own, seeded by the number of the trial.

    So a study that was stopped goes on as it would have gone on.
    """

    def __init__(self, plan: Plan, workers: int = 1) -> None:
        self.plan, self.workers = plan, workers
        self._inner = self._made(0)

    def _made(self, number: int) -> "optuna.samplers.BaseSampler":
        seed, kind = self.plan.config.seed * 1_000_003 + number, self.plan.sampler
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            if kind in ("random", "grid"):  # the cells of a grid are enqueued
                return optuna.samplers.RandomSampler(seed)
            if kind == "cmaes":
                return optuna.samplers.CmaEsSampler(seed=seed)
            startup = min(10, max(4, self.plan.trials // 4))
            return optuna.samplers.TPESampler(
                seed=seed,
                n_startup_trials=startup,
                multivariate=True,
                group=True,
                constant_liar=self.workers > 1,
            )

    def before_trial(self, study: "Study", trial: FrozenTrial) -> None:
        """Take the sampler of this trial."""
        self._inner = self._made(trial.number)
        self._inner.before_trial(study, trial)

    def infer_relative_search_space(self, study: "Study", trial: FrozenTrial) -> dict[str, Any]:
        """As the inner one."""
        return self._inner.infer_relative_search_space(study, trial)

    def sample_relative(self, study: "Study", trial: FrozenTrial, search_space: dict[str, Any]) -> dict[str, Any]:
        """As the inner one."""
        return self._inner.sample_relative(study, trial, search_space)

    def sample_independent(self, study: "Study", trial: FrozenTrial, param_name: str, param_distribution: Any) -> Any:
        """As the inner one."""
        return self._inner.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(self, study: "Study", trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        """As the inner one."""
        self._inner.after_trial(study, trial, state, values)


def _pruner(plan: Plan) -> "optuna.pruners.BasePruner":
    epochs = plan.epochs
    if plan.pruner == "none" or epochs < 2:
        return optuna.pruners.NopPruner()
    if plan.pruner == "median":
        return optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=max(1, epochs // 10))
    return optuna.pruners.HyperbandPruner(min_resource=max(1, epochs // 9), max_resource=epochs, reduction_factor=3)


@dataclass(frozen=True)
class Account:
    """The trials of a study, each in one of these lists; those that a later one takes up again, or are too many, in none."""

    ended: list[FrozenTrial]
    running: list[FrozenTrial]
    waiting: list[FrozenTrial]
    lost: list[FrozenTrial]  # whose worker has died or was stopped, and nobody has taken up yet

    @property
    def complete(self) -> list[FrozenTrial]:
        """Those that were trained to the end."""
        return [trial for trial in self.ended if trial.state == TrialState.COMPLETE]

    def best(self, sign: int) -> FrozenTrial | None:
        """Return the best of them, the first of several."""
        return max(self.complete, key=lambda trial: sign * (trial.value or 0.0), default=None)


def account(trials: Iterable[FrozenTrial]) -> Account:
    """Sort the trials of a study."""
    found, taken = Account([], [], [], []), set()
    trials = list(trials)
    successors = {
        trial.user_attrs[AGAIN] for trial in trials if AGAIN in trial.user_attrs and not trial.user_attrs.get(SURPLUS)
    }
    for trial in trials:
        said = trial.user_attrs
        if said.get(SURPLUS) or said.get(AGAIN) in taken:
            continue
        if AGAIN in said:
            taken.add(said[AGAIN])
        if trial.state == TrialState.RUNNING:
            found.running.append(trial)
        elif trial.state == TrialState.WAITING:
            found.waiting.append(trial)
        elif trial.state == TrialState.FAIL and REASON not in said and (STOPPED in said or said.get(ATTEMPT, 1) < ATTEMPTS):
            if trial.number not in successors:
                found.lost.append(trial)
        else:
            found.ended.append(trial)
    return found


def is_surplus(study: "Study", number: int, most: int) -> bool:
    """Return whether a trial that has begun is one too many: others had begun the last ones, or took up the same one again."""
    so_far = account(trial for trial in trials_of(study) if trial.number <= number)
    rest = [*so_far.ended, *so_far.running, *so_far.waiting, *so_far.lost]
    return len(rest) > most or all(trial.number != number for trial in rest)


def take_up_lost(study: "Study") -> None:
    """Have trials whose worker has died tried again, with the same values."""
    for trial in account(trials_of(study)).lost:
        said = {AGAIN: trial.number, ATTEMPT: trial.user_attrs.get(ATTEMPT, 1) + (STOPPED not in trial.user_attrs)}
        if trial.user_attrs.get(PLAIN):
            said[PLAIN] = True
        study.enqueue_trial(trial.params, user_attrs=said)


def fail_running(study: "Study", trials: Iterable[FrozenTrial]) -> None:
    """Count trials as failed, as nobody is at work on them any more."""
    for trial in trials:
        study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
