"""The winner of a sweep: the best of a few finalists, evaluated once on the test rows, and written as a recipe."""

import logging
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from fcnet.data import Dataset
from fcnet.errors import DivergedError, FcnetError
from fcnet.experiments.compare import compare_runs
from fcnet.experiments.folder import CONFIG, ENSEMBLE, METRICS_FILE, MODEL, STUDY, owned
from fcnet.experiments.members import record
from fcnet.experiments.recipe import SWEEP, Recipe
from fcnet.experiments.results import read_metrics
from fcnet.experiments.run import begin, evaluate, is_begun, train
from fcnet.experiments.scores import SCORES, score_of
from fcnet.experiments.sweep.plan import Plan
from fcnet.experiments.sweep.results import border_words, ceiling_words, noise_words, plain_of, seeds_words, shown
from fcnet.experiments.sweep.space import make_space, table_of
from fcnet.experiments.sweep.study import PLAIN, Account
from fcnet.experiments.sweep.values import recipe_of, values_of
from fcnet.files import write_atomic
from fcnet.model_file import load
from fcnet.training.paired import Difference, over_seeds
from fcnet.types import Array
from fcnet.words import duration_words

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

FINALISTS, RECIPE = "finalists", "winner.toml"
FOUND = "Found by a sweep"
MOST_FINALISTS, TRIALS_OF_EACH = 5, 20
_log = logging.getLogger(__name__)


@dataclass
class Finalist:
    """A trial whose recipe is trained with new seeds, and what came of it."""

    trial: "FrozenTrial"
    recipe: Recipe
    runs: list[Path]
    metrics: list[dict[str, Any]] = field(default_factory=list)

    @property
    def is_plain(self) -> bool:
        """Whether it is the plain recipe."""
        return bool(self.trial.user_attrs.get(PLAIN))

    def name(self, plan: Plan) -> str:
        """Return what its runs call the recipe."""
        return plan.config.recipe if self.is_plain else f"trial-{self.trial.number}"

    def values(self, name: str) -> list[float]:
        """Return a metric with each seed."""
        return [metrics[name] for metrics in self.metrics]

    def mean(self, name: str) -> float:
        """Return the mean of a metric over seeds."""
        return float(np.mean(self.values(name)))

    def std(self, name: str) -> float | None:
        """Return the standard deviation of a metric over seeds; None with one seed."""
        return float(np.std(self.values(name), ddof=1)) if len(self.metrics) > 1 else None

    def said(self, folder: Path, *names: str) -> dict[str, Any]:
        """Return what ``sweep.json`` has of it."""
        std = {f"{name}_std": self.std(name) for name in names}
        runs = [str(run.relative_to(folder)) for run in self.runs]
        return {"trial": self.trial.number, "runs": runs, **{name: self.mean(name) for name in names}, **std}


def finalists(folder: Path, plan: Plan, now: Account) -> list[Finalist]:
    """Return the plain recipe, and of the other trials the best: one for every 20 trials, at most 5.

    The best of many trials was mostly lucky with its seed, and the more trials there are, the more were.
    """
    most = min(MOST_FINALISTS, max(1, len(now.ended) // TRIALS_OF_EACH))
    found: list[Finalist] = []
    for trial in filter(None, [plain_of(now), *now.ranked(plan.sign)]):
        recipe = recipe_of(plan.config.settings, trial.params, plan.space)
        if all(recipe != other.recipe for other in found):
            runs = [folder / FINALISTS / f"{trial.number:04d}" / f"seed-{seed}" for seed in plan.new_seeds]
            found.append(Finalist(trial, recipe, runs))
        if sum(not finalist.is_plain for finalist in found) == most:
            break
    return found


def finish(folder: Path, plan: Plan, now: Account, data: Dataset, data_dir: str | None = None) -> dict[str, Any]:
    """Train the finalists with new seeds, write the recipe of the best, evaluate its runs, and return what came of it.

    `data` is that of the plan's configuration, without its test part.

    Raises
    ------
    FcnetError
        If all of them diverge with the new seeds.
    """
    found = finalists(folder, plan, now)
    if left := [one for one in found for run in one.runs if not (run / METRICS_FILE).exists()]:
        seconds = duration_words(sum(one.trial.user_attrs.get("seconds", 0.0) for one in left) / plan.seeds)
        _log.info("Training %d finalists: %d networks, about %s going by their trials", len(found), len(left), seconds)
    final = [finalist for finalist in found if _train(finalist, plan, data, data_dir)]
    if not final:
        raise FcnetError("The best trials diverge with other seeds: try lower learning rates.")
    best = max(final, key=lambda one: (plan.sign * one.mean(plan.metric), one.is_plain, -one.mean("val_loss")))
    plain = next((finalist for finalist in final if finalist.is_plain), None)
    params, n_val = values_of(best.trial.params, plan.space), best.metrics[0]["n_val"]
    warnings, difference = [*ceiling_words(plan, now), *border_words(plan.space, params)], None
    if best is plain:
        warnings.append("With new seeds no finalist was better than the plain recipe.")
    elif plain is not None:
        difference = _difference(plan, plain, best, n_val, data_dir)
        warnings += noise_words(difference) if difference is not None else []
    write_recipe(folder, plan, best.trial, best.mean(plan.metric))
    known: dict[Path, Array] = {}  # so that no network predicts the test rows twice
    best.metrics = [evaluate(run, data_dir=data_dir, known=known) for run in best.runs]
    ensemble = _ensemble(folder / ENSEMBLE, final, best, plan, data_dir, known)
    score = score_of(best.metrics[0]).name
    names, test = dict.fromkeys((f"val_{score}", "val_loss", plan.metric)), f"test_{score}"
    return {
        **best.said(folder, *names, test),
        "params": params,
        "recipe": RECIPE,
        "ensemble": {
            "run": ENSEMBLE,
            "networks": len(ensemble["members"]),
            **{name: ensemble[name] for name in (f"val_{score}", "val_loss", test)},
        },
        "seeds": list(plan.new_seeds),
        "plain": None if plain is None else plain.mean(plan.metric),
        "plain_std": None if plain is None else plain.std(plan.metric),
        "difference": None if difference is None else asdict(difference) | {"words": difference.words},
        "finalists": [finalist.said(folder, *names) for finalist in final],
        "n_val": n_val,
        "n_test": best.metrics[0]["n_test"],
        "warnings": [*warnings, *(f"The ensemble: {said}" for said in ensemble.get("warnings", {}).get("test", []))],
    }


def write_recipe(folder: Path, plan: Plan, trial: "FrozenTrial", value: float) -> None:
    """Write the recipe of a trial, whose description says where it comes from and what it reached, and the space around it."""
    import tomli_w

    plain = plan.config.settings
    over = f" with {seeds_words(len(plan.new_seeds))}" if plan.winner_seeds else ""
    found = f"{FOUND} of {plan.config.recipe} in trial {trial.number}: {plan.metric} {shown(plan, value)}{over}."
    before = plain.description.partition(FOUND)[0].rstrip()
    recipe = recipe_of(plain, trial.params, plan.space)
    recipe = msgspec.structs.replace(recipe, description=f"{before} {found}".lstrip())
    space = make_space(plain, plan.table, STUDY, plan.fixed)  # in which ranges are not those of a grid
    write_atomic(folder / RECIPE, tomli_w.dumps(recipe.to_dict() | {SWEEP: table_of(space)}))


def _train(finalist: Finalist, plan: Plan, data: Dataset, data_dir: str | None) -> bool:
    """Train a finalist with each of the new seeds, and return whether it did not diverge."""
    name = finalist.name(plan)
    # Its trial has checked that it fits the data. Preprocessing has a say in how a table is read.
    own = data if finalist.recipe.preprocessing == plan.config.settings.preprocessing else None
    for seed, run in zip(plan.new_seeds, finalist.runs, strict=True):
        config = replace(plan.config, recipe=name, settings=finalist.recipe, seed=seed)
        begun = is_begun(run, config)
        if (run / CONFIG).exists() and not begun:
            _log.info("%s was trained by another recipe: it is trained again", run)
        if not (begun and (run / METRICS_FILE).exists()):
            _log.info("Training the finalist %s with seed %d", name, seed)
        try:
            finalist.metrics.append(train(run, config, data=own, data_dir=data_dir, resume=begun, force=not begun))
        except DivergedError as error:
            _log.info("It diverged: %s", error)
            return False
    return True


def _ensemble(
    run: Path, final: Sequence[Finalist], best: Finalist, plan: Plan, data_dir: str | None, known: dict[Path, Array]
) -> dict[str, Any]:
    """Make a run of the ensemble of all finalists' networks, unless there is one, evaluate it, and return its metrics.

    Its configuration is that of the winner. Networks that read a table in another way, or are of another dtype, are left out.
    Nobody is to choose a network by the test rows, so those of the others have no test accuracy of their own.
    """
    config = replace(plan.config, recipe=best.name(plan), settings=best.recipe, seed=plan.new_seeds[0])
    first = load(best.runs[0] / MODEL)
    runs = [own for one in final if load(one.runs[0] / MODEL).goes_with(first) for own in one.runs]
    names = [os.path.relpath(own, run) for own in runs]
    is_there = is_begun(run, config) and (run / METRICS_FILE).exists()
    is_there = is_there and [member["run"] for member in read_metrics(run)["members"]] == names
    if not is_there or any((own / MODEL).stat().st_mtime_ns > (run / MODEL).stat().st_mtime_ns for own in runs):
        began, data = time.monotonic(), config.load(data_dir, n_test=0)
        with owned(run, "sweep"):
            begin(run, config, resume=False)
            record(run, config, runs, data, began)
    return evaluate(run, data_dir=data_dir, known=known)


def _difference(plan: Plan, plain: Finalist, best: Finalist, n_val: int, data_dir: str | None) -> Difference | None:
    """Return the metric of the winner less that of the plain recipe: over seeds, or of one seed the score over rows.

    Of other metrics of one seed nothing can be said.
    """
    if len(best.runs) == 1:
        return compare_runs([*plain.runs, *best.runs], data_dir).difference if plan.judge.name in SCORES else None
    n_rows = n_val if plan.metric == "val_accuracy" else None
    return over_seeds(plain.values(plan.metric), best.values(plan.metric), n_rows, plan.sign)
