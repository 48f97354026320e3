"""Search spaces: which settings of a recipe a sweep may change, and to what."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, get_args, get_origin

from fcnet.errors import SettingError, unknown_name
from fcnet.experiments.changes import changed, find
from fcnet.experiments.recipe import Recipe
from fcnet.experiments.tree import KIND, Entry, Path, Plain, has_kinds, kind_at
from fcnet.settings import annotated, checked

RANGE = ("low", "high", "log", "step")
CHOICES = "choices"
GRID_POINTS = 5  # of a range without steps, in a grid


@dataclass(frozen=True)
class Parameter:
    """A setting, and the values that it may have.

    Parameters
    ----------
    key : str
        The path of the setting.
    places : tuple of Entry
        Where it is in the recipe: once for each kind that has it.
    choices : tuple
        The values, of a list of them.
    low, high, log, step : numbers, bool and number or None
        The range, where there are no choices.
    whole : bool
        Whether it is a range of whole numbers.
    only_with : dict of paths and kinds
        It counts only where these parts are of these kinds.
    """

    key: str
    places: tuple[Entry, ...]
    choices: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    step: float | None = None
    whole: bool = False
    only_with: Mapping[Path, str] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        """The path of the setting."""
        return self.places[0].path

    @property
    def name(self) -> str:
        """What it is called in a study: the key, and the kinds that it counts with, unless no others have the setting."""
        kinds = [kind for path, kind in self.only_with.items() if any(place.needs.get(path) != kind for place in self.places)]
        return " with ".join([self.key, *kinds])

    @property
    def is_part(self) -> bool:
        """Whether it chooses the kind of a part."""
        return bool(self.places[0].parts)

    def counts(self, tree: Plain) -> bool:
        """Return whether a recipe has this setting, and of the kinds that it counts with."""
        has = any(place.unmet(tree) is None for place in self.places)
        return has and all(kind_at(tree, path) == kind for path, kind in self.only_with.items())

    def contains(self, value: Any) -> bool:
        """Return whether a number is in the range."""
        number = value[0] if isinstance(value, list | tuple) and len(value) == 1 else value
        if isinstance(number, bool) or not isinstance(number, int | float) or not self.low <= number <= self.high:
            return False
        steps = (number - self.low) / (self.step or 1) if self.step or self.whole else 0.0
        return math.isclose(steps, round(steps), abs_tol=1e-9)

    @property
    def n_values(self) -> int:
        """How many values a range of whole numbers has, or one with a step."""
        return round((self.high - self.low) / (self.step or 1)) + 1

    def value(self, i: int) -> float:
        """Return one of these values, as people write it: 0.1 and two steps of 0.1 are 0.3, which sums of floats are not."""
        value = Decimal(str(self.low)) + i * Decimal(str(self.step or 1))
        return int(value) if self.whole else float(value)

    def as_grid(self) -> "Parameter":
        """Return it with choices in place of a range: all steps, and of a range without steps a few values, evenly."""
        if self.choices:
            return self
        if self.step or (self.whole and not self.log and self.high - self.low < GRID_POINTS):
            return replace(self, choices=tuple(map(self.value, range(self.n_values))))
        if self.log:
            values = [self.low * (self.high / self.low) ** (i / (GRID_POINTS - 1)) for i in range(GRID_POINTS)]
        else:
            values = [self.low + (self.high - self.low) * i / (GRID_POINTS - 1) for i in range(GRID_POINTS)]
        return replace(self, choices=tuple(dict.fromkeys(round(v) if self.whole else float(f"{v:.6g}") for v in values)))


Space = tuple[Parameter, ...]  # what chooses kinds stands before what counts only with them


def make_space(recipe: Recipe, table: Mapping[str, Any], source: str, fixed: Sequence[str] = ()) -> Space:
    """Return the space that a table describes.

    Parameters
    ----------
    recipe : Recipe
        The plain recipe, whose settings are those that are not swept.
    table : dict
        By the names of settings, as `--set` has them, their ranges or lists of choices.
    source : str
        Is named in errors.
    fixed : sequence of str
        Keys that are not swept, whatever the table says; nor is what belongs to kinds that they have ruled out.

    Raises
    ------
    SettingError
        If a setting is unknown or cannot be swept, or a limit is out of its range.
    """
    try:
        paths = {entry.path for key in fixed for entry in find(Recipe, key)}
        space = [parameter for parameter in _parameters(table, {}, recipe.to_dict()) if parameter.path not in paths]
        space.sort(key=lambda parameter: (not parameter.is_part, len(parameter.path) if parameter.is_part else 0))
        names = [parameter.name for parameter in space]
        if twice := [name for name in names if names.count(name) > 1]:
            raise SettingError(f"{twice[0]} is there twice.")
        reachable = [parameter for parameter in space if _is_reachable(parameter, recipe.to_dict(), space)]
        for parameter in space:
            if parameter not in reachable and not fixed:
                raise _unreachable(parameter, recipe.to_dict())
        if not reachable:
            raise SettingError("there is nothing left to sweep.")
        return tuple(reachable)
    except SettingError as error:
        raise SettingError(f"{source}: {error}") from None


def table_of(space: Space, only_with: Mapping[Path, str] | None = None) -> dict[str, Any]:
    """Return the table of a space, or of what it has `only_with` some kinds of parts that it chooses."""
    chosen, table = [parameter.path for parameter in space if parameter.is_part], dict[str, Any]()
    for one in space:
        within = {path: kind for path, kind in one.only_with.items() if path in chosen}
        if within != (only_with or {}):
            continue
        short = one.path[-1]
        key = short if {place.name for place in find(Recipe, short)} == {one.key} else one.key
        if one.is_part:
            kinds = [{KIND: kind, **table_of(space, {**within, one.path: kind})} for kind in one.choices]
            table[key] = kinds if any(len(kind) > 1 for kind in kinds) else list(one.choices)
        elif one.choices:
            table[key] = list(one.choices)
        else:
            said = {name: getattr(one, name) for name in RANGE}
            table[key] = {name: value for name, value in said.items() if value is not None and value is not False}
    return table


def _parameters(table: Mapping[str, Any], only_with: Mapping[Path, str], tree: Plain, above: str = "") -> Iterator[Parameter]:
    for name, said in table.items():
        key = f"{above}{name}"
        if isinstance(said, Mapping) and not {"low", "high", CHOICES}.intersection(said):
            if not said or set(said) <= set(RANGE):
                raise SettingError(f"{key} needs low and high, or choices.")
            yield from _parameters(said, only_with, tree, f"{key}.")
        else:
            yield from _parameter(key, said, only_with, tree)


def _parameter(key: str, said: Any, only_with: Mapping[Path, str], tree: Plain) -> Iterator[Parameter]:
    places = _places(key, tree)
    place = places[0]
    if place.name == "description" or (place.parts and not has_kinds(place.parts)):
        raise SettingError(f"{place.name} is not swept: name one of its settings." if place.parts else f"{key} is only text.")
    if isinstance(said, Mapping) and CHOICES in said:
        if len(said) > 1:
            raise SettingError(f"{key} has choices and {', '.join(set(said) - {CHOICES})}: leave one out.")
        said = said[CHOICES]
    if isinstance(said, list):
        if not said:
            raise SettingError(f"{key} has no choices.")
        if not place.parts:
            values = dict.fromkeys(json.dumps(_checked(places, key, value)) for value in said)
            yield Parameter(place.name, places, tuple(map(json.loads, values)), only_with=only_with)
            return
        kinds = [value[KIND] if isinstance(value, Mapping) and KIND in value else value for value in said]
        yield Parameter(place.name, places, tuple(_checked(places, key, kind) for kind in kinds), only_with=only_with)
        for kind, own in zip(kinds, said, strict=True):
            if isinstance(own, Mapping):
                yield from _parameters(
                    {k: v for k, v in own.items() if k != KIND},
                    {**only_with, place.path: kind},
                    changed(Recipe, tree, [(place.name, kind)]),
                )
    elif isinstance(said, Mapping):
        yield _range(key, said, places, only_with)
    else:
        raise SettingError(f"{key} must be a list of choices, or a table with low and high, got {said!r}.")


def _places(key: str, tree: Plain) -> tuple[Entry, ...]:
    """Return all places of the setting that a key means: of several the one that the plain recipe has."""
    places = find(Recipe, key)
    paths = dict.fromkeys(place.name for place in places)
    if len(paths) > 1:
        paths = dict.fromkeys(place.name for place in places if place.unmet(tree) is None) or paths
    if len(paths) > 1:
        raise SettingError(f"{key} may be {' or '.join(paths)}: give the path.")
    return tuple(place for place in places if place.name in paths)


def _range(key: str, said: Mapping[str, Any], places: tuple[Entry, ...], only_with: Mapping[Path, str]) -> Parameter:
    if wrong := set(said) - set(RANGE):
        raise SettingError(f"{key} has {', '.join(sorted(wrong))}; a range has {', '.join(RANGE)}.")
    if "low" not in said or "high" not in said:
        raise SettingError(f"{key} needs both low and high.")
    for name in ("low", "high", "step"):
        if name in said and (isinstance(said[name], bool) or not isinstance(said[name], int | float)):
            raise SettingError(f"{name} of {key} must be a number, got {said[name]!r}.")
    low, high, log, step = said["low"], said["high"], said.get("log", False), said.get("step")
    limits = [_checked(places, f"{name} of {key}", value) for name, value in (("low", low), ("high", high))]
    whole = isinstance(limits[0], int | list)
    if places[0].parts or isinstance(limits[0], bool | str):
        raise SettingError(f"{key} is no number: give a list of choices.")
    if low > high:
        raise SettingError(f"low of {key} is {low:g}, above high, {high:g}.")
    if not isinstance(log, bool):
        raise SettingError(f"log of {key} must be true or false, got {log!r}.")
    if log and low <= 0:
        raise SettingError(f"low of {key} must be above 0 for a range with log, got {low:g}.")
    if step is not None and (step <= 0 or log or (whole and step != int(step))):
        kind = "a whole number" if whole else "a number"
        raise SettingError(f"step of {key} must be {kind} above 0, without log, got {step!r}.")
    number = int if whole else float
    if step is not None:
        first, last, each = (Decimal(str(value)) for value in (low, high, step))
        if each > last - first > 0:
            raise SettingError(f"step of {key} is {step:g}, longer than its range from {low:g} to {high:g}.")
        high, step = first + (last - first) // each * each, number(step)  # the last step may end before
    return Parameter(places[0].name, places, (), number(low), number(high), log, step, whole=whole, only_with=only_with)


def _checked(places: Sequence[Entry], key: str, value: Any) -> Any:
    """Return a value as the setting takes it, in the types of JSON, or raise the error of a kind that it does not fit."""
    error: SettingError | None = None
    for place in places:
        try:
            kind = annotated(place.annotation)[0]
            if place.parts and value not in place.parts:
                raise unknown_name(key, value, place.parts)
            good = value if place.parts else checked(key, value, place.annotation)
            return list(good) if get_origin(kind) is tuple and get_args(kind) else good
        except SettingError as wrong:
            error = wrong
    raise error or SettingError(key)


def _kinds(space: Sequence[Parameter], tree: Plain, path: Path) -> set[Any]:
    """Return the kinds that a part may be of in a space."""
    swept = [kind for parameter in space if parameter.is_part and parameter.path == path for kind in parameter.choices]
    return set(swept) or {kind_at(tree, path)}


def _is_reachable(parameter: Parameter, tree: Plain, space: Sequence[Parameter]) -> bool:
    needs = [{**place.needs, **parameter.only_with} for place in parameter.places]
    return any(all(kind in _kinds(space, tree, path) for path, kind in need.items()) for need in needs)


def _unreachable(parameter: Parameter, tree: Plain) -> SettingError:
    path, kind = next((path, kind) for path, kind in parameter.places[0].needs.items() if kind_at(tree, path) != kind)
    part = ".".join(path)
    return SettingError(f"{parameter.key} belongs to {part} of kind {kind}, which is not tried: add {part} = [{kind!r}, …].")
