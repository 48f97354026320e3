"""What a sweep has come to: its trials in ``sweep.json``, and what to be careful about."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fcnet.errors import SettingError
from fcnet.experiments.sweep.plan import Plan
from fcnet.experiments.sweep.space import Parameter
from fcnet.experiments.sweep.study import PLAIN, REASON, Account
from fcnet.experiments.sweep.values import values_of
from fcnet.files import write_atomic
from fcnet.settings import checked
from fcnet.training.paired import Difference
from fcnet.words import setting_words

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

RESULTS = "sweep.json"
NEAR = 0.02  # of a range, which counts as its border


def results_of(plan: Plan, now: Account) -> dict[str, Any]:
    """Return what ``sweep.json`` has."""
    best, plain = now.best(plan.sign), plain_of(now)
    return {
        "dataset": plan.config.dataset,
        "recipe": plan.config.recipe,
        "metric": plan.metric,
        "sampler": plan.sampler,
        "pruner": plan.pruner,
        "seed": plan.config.seed,
        "seeds": plan.seeds,
        "n_trials": len(now.ended),
        "best": None if best is None else best.number,
        "plain": None if plain is None else plain.number,
        "trials": [row_of(plan, trial) for trial in now.ended],
        "winner": None,
        "winner_in": None,  # where another machine has trained the finalists
    }


def row_of(plan: Plan, trial: "FrozenTrial") -> dict[str, Any]:
    """Return what ``sweep.json`` has of a trial."""
    said = trial.user_attrs
    state = trial.state.name.lower()
    state = {"complete": "finished", "fail": "failed"}.get(state, state)
    epochs = said.get("epochs", trial.last_step)  # a mean over seeds may be no whole number
    reason = said.get(REASON) if state != "finished" else None  # a process may have died that had said one
    return {
        "number": trial.number,
        "state": "diverged" if (reason or "").startswith("diverged") else state,
        "value": None if trial.value is None or not math.isfinite(trial.value) else trial.value,
        "std": said.get("std"),
        "params": values_of(trial.params, plan.space),
        "is_plain": bool(said.get(PLAIN)),
        "epochs": epochs if epochs is None or epochs % 1 else int(epochs),
        "seconds": said.get("seconds"),
        "reason": reason,
    }


def plain_of(now: Account) -> "FrozenTrial | None":
    """Return the trial of the plain recipe, if it was trained to the end."""
    return next((trial for trial in now.complete if trial.user_attrs.get(PLAIN)), None)


def write_results(folder: Path, results: dict[str, Any]) -> None:
    """Write ``sweep.json``."""
    write_atomic(folder / RESULTS, json.dumps(results, indent=2) + "\n")


def ceiling_words(plan: Plan, now: Account) -> list[str]:
    """Return a warning where several trials have the highest value that the metric can have, which tells them no more apart."""
    best = [trial for trial in now.complete if trial.value == 1]
    if plan.sign < 0 or len(best) < 2:
        return []
    other = {"r2": "val_rmse", "d2": "val_pinball_loss"}.get(plan.judge.name, "val_log_loss")
    return [
        f"{len(best)} of {len(now.complete)} trials have {plan.metric} {shown(plan, 1.0)}, which does not tell them apart. "
        f"A new sweep by --metric {other} does."
    ]


def border_words(space: Sequence[Parameter], params: dict[str, Any]) -> list[str]:
    """Return a warning for each parameter whose best value lies at the border of its range, and could lie beyond.

    It could not where the setting itself can have no such value.
    """
    return [
        f"The best {p.name} is {setting_words(params[p.name])}, at the {side} end of its range: widen it."
        for p in space
        if p.name in params and not p.choices and (side := _side(p, params[p.name])) and _may_go_on(p, side)
    ]


def _side(parameter: Parameter, value: float) -> str:
    if parameter.low == parameter.high:
        return ""
    low, high, here = (math.log(number) if parameter.log else number for number in (parameter.low, parameter.high, value))
    share = (here - low) / (high - low)
    near = 0 if parameter.whole or parameter.step else NEAR
    return "lower" if share <= near else "upper" if share >= 1 - near else ""


def _may_go_on(parameter: Parameter, side: str) -> bool:
    limit, sign = (parameter.low, -1) if side == "lower" else (parameter.high, 1)
    beyond = limit + sign * (1 if parameter.whole else 0.01 * abs(limit) or 1e-6)
    try:
        return any(checked("", beyond, place.annotation) is not None for place in parameter.places)
    except SettingError:
        return False


def noise_words(difference: Difference) -> list[str]:
    """Return a warning where the winner, trained with new seeds, is not better than the plain recipe beyond noise."""
    if difference.is_decided and difference.gain > 0:
        return []
    said = "The winner is not better than the plain recipe beyond noise"
    return [f"{said}: {difference.words}. Try more trials, or a wider space."]


def seeds_words(n: int) -> str:
    """Return how many new seeds there are."""
    return "a new seed" if n == 1 else f"{n} new seeds"


def shown(plan: Plan, value: float) -> str:
    """Return a value of the metric, for people."""
    return plan.judge.shown(value)
