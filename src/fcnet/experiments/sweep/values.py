"""The values of a trial: in a recipe, out of a recipe, and how many a grid has."""

import json
from collections.abc import Mapping
from typing import Any

from fcnet.errors import SettingError
from fcnet.experiments.changes import changed
from fcnet.experiments.recipe import Recipe
from fcnet.experiments.sweep.space import Parameter, Space
from fcnet.experiments.tree import KIND

MOST_CELLS = 10_000


def plain_params(recipe: Recipe, space: Space) -> dict[str, Any]:
    """Return, as a study holds them, the recipe's own values of the parameters that may have them."""
    tree, params = recipe.to_dict(), {}
    for parameter in space:
        if parameter.counts(tree):
            value: Any = tree
            for name in parameter.path:
                value = value[name]
            value = value[KIND] if parameter.is_part else list(value) if isinstance(value, tuple) else value
            if parameter.choices and value in parameter.choices:
                params[parameter.name] = json.dumps(value)
            elif not parameter.choices and parameter.contains(value):
                params[parameter.name] = value[0] if isinstance(value, list) else value
    return params


def values_of(params: Mapping[str, Any], space: Space) -> dict[str, Any]:
    """Return the values of parameters as a recipe has them, of what a study holds.

    A study holds choices as JSON, which lists can be, too; and numbers with more digits than anybody wants to read in a recipe.
    """
    return {p.name: _value_of(p, params[p.name]) for p in space if p.name in params}


def recipe_of(plain: Recipe, params: Mapping[str, Any], space: Space) -> Recipe:
    """Return the plain recipe with what a study holds of a trial."""
    changes = [(p.key, _value_of(p, params[p.name])) for p in space if p.name in params]
    return Recipe.from_dict(changed(Recipe, plain.to_dict(), changes), "trial") if changes else plain


def _value_of(parameter: Parameter, value: Any) -> Any:
    if parameter.choices:
        return json.loads(value)
    if parameter.step:
        return parameter.value(round((value - parameter.low) / parameter.step))
    short = float(f"{value:.4g}") if isinstance(value, float) else value
    return short if parameter.low <= short <= parameter.high else value


def grid(recipe: Recipe, space: Space) -> list[dict[str, Any]]:
    """Return, as a study holds them, all combinations of the values of parameters: choices, whole numbers and steps.

    Raises
    ------
    SettingError
        If there are too many to list.
    """
    found: list[tuple[dict[str, Any], Recipe]] = [({}, recipe)]
    for parameter in space:
        more: list[tuple[dict[str, Any], Recipe]] = []
        for params, made in found:
            if not parameter.counts(made.to_dict()):
                more.append((params, made))
                continue
            numbers = map(parameter.value, range(parameter.n_values))
            for value in map(json.dumps, parameter.choices) if parameter.choices else numbers:
                one = recipe_of(made, {parameter.name: value}, space) if parameter.is_part else made
                more.append((params | {parameter.name: value}, one))
                if len(more) > MOST_CELLS:
                    raise SettingError(
                        f"The grid has more than {MOST_CELLS:,} combinations: choose fewer values, or the sampler random."
                    )
        found = more
    return [params for params, _ in found]
