"""The winner of a sweep: trained again, evaluated once on the test rows, and written as a recipe."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from fcnet.experiments.folder import CONFIG
from fcnet.experiments.recipe import Recipe
from fcnet.experiments.run import evaluate, is_begun, train
from fcnet.experiments.sweep.plan import Plan
from fcnet.experiments.sweep.results import border_words, noise_words, plain_of, shown
from fcnet.experiments.sweep.study import PLAIN, Account
from fcnet.experiments.sweep.values import values_of, with_values
from fcnet.files import write_atomic

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

WINNER, RECIPE = "winner", "winner.toml"
_log = logging.getLogger(__name__)


def finish(folder: Path, plan: Plan, now: Account, best: "FrozenTrial", data_dir: str | None = None) -> dict[str, Any]:
    """Write the recipe of the best trial, train it with new seeds, evaluate each of these runs, and return what came of it."""
    import tomli_w

    params = values_of(best.params, plan.space)
    recipe = _recipe(plan, best)
    write_atomic(folder / RECIPE, tomli_w.dumps(recipe.to_dict()))
    first = plan.config.seed + plan.seeds
    runs = [folder / WINNER / f"seed-{seed}" for seed in range(first, first + plan.winner_seeds)]
    metrics = []
    for seed, run in enumerate(runs, first):
        config = replace(plan.config, recipe=WINNER, settings=recipe, seed=seed)
        begun = is_begun(run, config)
        if (run / CONFIG).exists() and not begun:
            _log.info("%s was trained by the recipe of an earlier winner: it is trained again", run)
        _log.info("Training the winner, trial %d, with seed %d", best.number, seed)
        train(run, config, data_dir=data_dir, resume=begun, force=not begun)
        metrics.append(evaluate(run, data_dir=data_dir))
    values = {name: [each[name] for each in metrics] for name in ("val_accuracy", "val_loss", "test_accuracy")}
    over = {name: float(np.mean(found)) for name, found in values.items()}
    std = {f"{name}_std": float(np.std(found, ddof=1)) if len(found) > 1 else None for name, found in values.items()}
    plain = plain_of(now)
    plain_value = None if plain is None else plain.value
    warnings = border_words(plan.space, params)
    if best.user_attrs.get(PLAIN):
        warnings.append("No trial was better than the plain recipe.")
    elif said := noise_words(plan, plain_value, over[plan.metric], std[f"{plan.metric}_std"] or 0.0, metrics[0]["n_val"]):
        warnings.append(said)
    return {
        "trial": best.number,
        "params": params,
        "recipe": RECIPE,
        "runs": [str(run.relative_to(folder)) for run in runs],
        "seeds": list(range(first, first + plan.winner_seeds)),
        **over,
        **std,
        "plain": plain_value,
        "n_val": metrics[0]["n_val"],
        "n_test": metrics[0]["n_test"],
        "warnings": warnings,
    }


def _recipe(plan: Plan, best: "FrozenTrial") -> Recipe:
    """Return the recipe of a trial, whose description says where it comes from."""
    plain = plan.config.settings
    assert best.value is not None
    found = f"Found by a sweep of {plan.config.recipe}: {plan.metric} {shown(plan, best.value)} in trial {best.number}."
    recipe = with_values(plain, values_of(best.params, plan.space), plan.space)
    return msgspec.structs.replace(recipe, description=f"{plain.description} {found}".lstrip())
