"""The study of a sweep: where its trials are kept, who draws their values, and which of them count."""

import json
import math
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from fcnet.errors import SettingError
from fcnet.experiments.sweep.plan import Plan
from fcnet.experiments.sweep.storage import (
    PATIENCE,
    Database,
    Storage,
    embedded,
    embedded_to_read,
    plain_errors,
    shared,
    storage_of,
)
from fcnet.experiments.sweep.values import plain_params
from fcnet.experiments.tree import leaves

if TYPE_CHECKING:
    from optuna.study import Study

DATABASE, PLAN = "study.db", "plan"
ATTEMPTS = 3  # of a trial whose worker died
# Attributes of trials. Of those that are the same AGAIN, one counts. WORKER is who has begun it.
AGAIN, ATTEMPT, PLAIN, REASON, SURPLUS, WORKER = "again", "attempt", "plain", "reason", "surplus", "worker"


@contextmanager
def opened(folder: Path, plan: Plan, workers: int = 1, database: Database | None = None) -> "Iterator[Study]":
    """Open the study of a folder, or of a database, which is begun where there is none.

    A database that cannot be reached is an error at once. Later every access waits for it.

    Raises
    ------
    SettingError
        If the study in the database is of another plan.
    """
    with _connected(folder, database) as storage:
        study = _begun(storage, plan, workers, database)
        storage.patience = PATIENCE if database is not None else 0.0
        yield study


def read_account(folder: Path, database: Database | None = None) -> "Account":
    """Return the trials of a study as they are now, and write nothing; none where there is no study yet."""
    if database is None and not (folder / DATABASE).exists():
        return account([])
    with plain_errors(folder, database):
        try:
            with _connected(folder, database, is_read=True) as storage:
                return account(trials_of(optuna.load_study(study_name=_name(database), storage=storage)))
        except KeyError:
            return account([])


def _name(database: Database | None) -> str:
    return "sweep" if database is None else database.name


@contextmanager
def _connected(folder: Path, database: Database | None, *, is_read: bool = False) -> Iterator[Storage]:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        if database is None:
            storage = (embedded_to_read if is_read else embedded)(folder / DATABASE)
        else:
            storage = shared(database.url, is_read=is_read)
    try:
        yield storage
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _begun(storage: Storage, plan: Plan, workers: int, database: Database | None) -> "Study":
    """Return a study, in which the plain recipe and the cells of a grid are enqueued."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study = optuna.create_study(
            storage=storage,
            study_name=_name(database),
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
    cells = plan.cells if plan.sampler == "grid" else None
    for number, cell in enumerate((cells or [])[: plan.most_trials - 1]):
        if f"cell {number}" not in there:
            study.enqueue_trial(cell, user_attrs={AGAIN: f"cell {number}"})
    return study


def _check_plan(study: "Study", plan: Plan, name: str) -> None:
    """Raise SettingError unless a study was begun by an equal plan; the folder of own data may be another on each machine."""
    same = json.loads(json.dumps(plan.to_dict()))
    del same["dataset"], same["threads"], same["fcnet"], same["settings"]["description"]
    del same["sweep"]["trials"], same["sweep"]["winner_seeds"], same["sweep"]["fixed"]
    same["sweep"]["swept"] = plan.swept
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


def _pruner(plan: Plan) -> "optuna.pruners.BasePruner":
    epochs = plan.epochs
    if plan.pruner == "none" or epochs < 2:
        return optuna.pruners.NopPruner()
    if plan.pruner == "median":
        return optuna.pruners.MedianPruner(n_startup_trials=5)
    if plan.pruner == "halving":
        return optuna.pruners.SuccessiveHalvingPruner(min_resource=plan.report_every, reduction_factor=4)
    return optuna.pruners.HyperbandPruner(min_resource=plan.report_every, max_resource=epochs, reduction_factor=3)


@dataclass(frozen=True)
class Account:
    """The trials of a study, each in one of these lists; those that are there twice, or too many, in none."""

    ended: list[FrozenTrial]
    running: list[FrozenTrial]
    waiting: list[FrozenTrial]

    @property
    def complete(self) -> list[FrozenTrial]:
        """Those that were trained to the end."""
        return [trial for trial in self.ended if trial.state == TrialState.COMPLETE]

    def ranked(self, sign: int) -> list[FrozenTrial]:
        """Return them, the best first; of those with equal accuracy the one with the least validation loss."""
        return sorted(
            self.complete, key=lambda trial: (-sign * (trial.value or 0.0), trial.user_attrs.get("val_loss", math.inf))
        )

    def best(self, sign: int) -> FrozenTrial | None:
        """Return the first of them."""
        return next(iter(self.ranked(sign)), None)


def account(trials: Iterable[FrozenTrial]) -> Account:
    """Sort the trials of a study."""
    found, taken = Account([], [], []), set()
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
        elif trial.state != TrialState.FAIL or REASON in said:
            found.ended.append(trial)
    return found


def place_of(trials: Iterable[FrozenTrial], number: int) -> int | None:
    """Return how many trials there are up to one that has begun, and with it; None if it is there twice."""
    so_far = account(trial for trial in trials if trial.number <= number)
    rest = [*so_far.ended, *so_far.running, *so_far.waiting]
    return len(rest) if any(trial.number == number for trial in rest) else None


def last_reported(trial: FrozenTrial) -> float | None:
    """Return the last metric that a trial has reported, if that is a number."""
    value = trial.intermediate_values.get(trial.last_step or 0, math.nan)
    return None if math.isnan(value) else value


def end(study: "Study", trial: "optuna.Trial", state: TrialState, value: float | None) -> None:
    """Say how a trial has ended, unless that is said. `study.tell` would refuse one that was put back meanwhile."""
    with suppress(optuna.exceptions.UpdateFinishedTrialError):
        storage_of(study).set_trial_state_values(trial._trial_id, state, None if value is None else [value])


def take_up_dead(study: "Study", seen: set[int]) -> None:
    """Have the trials done again whose worker has died; where several machines share a study, no sign of life says so.

    A worker may die before the first one. A running trial that nobody has signed is given one here when it is `seen` first.
    """
    storage = storage_of(study)
    running = account(trials_of(study)).running  # before the stale ones are: who is put back by another is not dead again
    for trial in running:
        if WORKER not in trial.user_attrs and trial.number not in seen:
            seen.add(trial.number)
            storage.record_heartbeat(trial._trial_id)
    stale = storage._get_stale_trial_ids(study._study_id)
    put_back(study, [trial for trial in running if trial._trial_id in stale])


def put_back(study: "Study", trials: Iterable[FrozenTrial], *, has_died: bool = True) -> None:
    """Have trials, which nobody is at work on any more, done again from their beginning, with the same values.

    They keep their numbers. So the study goes on as if nobody had stopped, and who was taken for dead and is not does no harm:
    the first to end a trial ends it for both.
    """
    storage = storage_of(study)
    for trial in trials:
        attempt = trial.user_attrs.get(ATTEMPT, 1) + has_died
        try:
            if attempt > ATTEMPTS:
                storage.set_trial_user_attr(trial._trial_id, REASON, f"its process died {ATTEMPTS} times")
                storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)
            else:
                storage.set_trial_user_attr(trial._trial_id, ATTEMPT, attempt)
                storage.record_heartbeat(trial._trial_id)  # else its next worker would be taken for dead before it says a word
                storage.set_trial_state_values(trial._trial_id, TrialState.WAITING)
        except optuna.exceptions.UpdateFinishedTrialError:
            pass  # it was not dead
