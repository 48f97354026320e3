"""Changes to a tree of settings by short names: those of ``--set``, and the settings of flat recipes of before."""

import re
import tomllib
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, get_origin

from fcnet.errors import SettingError, unknown_name
from fcnet.experiments.other_names import NEAR_NAMES, OPTIONS, OTHER_NAMES, TRUTHS, option_error, plain, value_here
from fcnet.experiments.tree import KIND, Entry, Path, Plain, decode, encode, entries, has_kinds, kind_at, path_meant, unknown_in
from fcnet.settings import Settings, annotated, checked

Change = tuple[str, Any]
SCHEMA = "fcnet recipes --schema lists all."


def read_change(text: str) -> Change:
    """Return the key and the value of ``key=value``, the value as in TOML; quotes around text may be left out.

    Raises
    ------
    SettingError
        If it is of another form, or an option of the command line.
    """
    key, equals, value = (part.strip() for part in text.partition("="))
    if not equals:
        raise SettingError(f"--set takes key=value, got {text!r}.")
    if key in OPTIONS:
        raise option_error(key, value)
    return key, toml_value(value)


def toml_value(text: str) -> Any:
    """Return a value as TOML has it; what is none is text, whose quotes may be left out."""
    try:
        return text if "\n" in text else tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):  # broken, or with more digits or brackets than can be read
        return text


def changed(root: type[Settings], tree: Plain, changes: Sequence[Change], *, skip: bool = False) -> Plain:
    """Return a tree with changes: first the kinds of parts, those nearer to the root before others, then settings.

    A part that becomes one of another kind is as that kind is by default. Text for a number, a list or a truth value is
    understood as people type these: ``.5``, ``50,20``, ``yes``.

    A key is a path, or the end of one that no other part of the tree has. To `skip` is to leave out what belongs to kinds that
    are not chosen.

    Raises
    ------
    SettingError
        If a key is unknown, ambiguous, or belongs to a kind that is not chosen.
    """
    found = [(find(root, key, value), key, value_here(key, value)) for key, value in changes]
    for places, key, value in sorted(found, key=lambda change: _order(change[0])):
        place = _present(places, tree, key, skip)
        if place is None:
            continue
        above: Plain = tree
        for name in place.path[:-1]:
            above = above.setdefault(name, {})
        if not has_kinds(place.parts):
            above[place.path[-1]] = as_typed(value, place.annotation)
        elif value != kind_at(tree, place.path):
            above[place.path[-1]] = value if isinstance(value, dict) else {KIND: value}
            lost = [entry.path[0] for entry in entries(root) if len(entry.path) == 1 and entry.unmet(tree)]
            tree = encode(decode(root, {name: part for name, part in tree.items() if name not in lost}))
    return tree


def as_typed(value: Any, annotation: Any) -> Any:
    """Return the value that a text stands for in a field; the text where it stands for none, or the field holds text."""
    if not isinstance(value, str):
        return value
    base = annotated(annotation)[0]
    if base is bool:
        return TRUTHS.get(value.lower(), value)
    if get_origin(base) is tuple:
        inside = re.fullmatch(r"\[([^][()]*)\]|\(([^][()]*)\)|([^][()]*)", value)
        items = re.split(r"\s*,\s*|\s+", (inside[inside.lastindex or 0] if inside else value).strip(" ,"))
        with suppress(ValueError):
            return [int(item) if item.isdecimal() else float(item) for item in items]
        return value
    with suppress(ValueError):
        return checked("", float(value), annotation)
    return value


def find(root: type[Settings], key: str, value: Any = None) -> list[Entry]:
    """Return all places that a key may mean, whatever kinds are chosen."""
    exact = tuple(key.removesuffix(f".{KIND}").split("."))
    for end in (exact, path_meant(root, ".".join(exact))):
        if found := [entry for entry in entries(root) if entry.path[-len(end) :] == end]:
            return [entry for entry in found if entry.path == end] or found
    raise _unknown(root, key, value)


def _unknown(root: type[Settings], key: str, value: Any) -> SettingError:
    kind = plain(str(value if key == KIND else key))
    parts = [entry for entry in entries(root) if has_kinds(entry.parts)]
    if kinds := [f"{part.name}={name}" for part in parts for name in part.parts if plain(name) == kind]:
        return SettingError(f"Unknown setting {key!r}. Did you mean {' or '.join(dict.fromkeys(kinds))}?")
    if key == KIND:
        return SettingError(f"kind needs the part that it is of, as training.update.kind={value}.")
    *above, name = key.split(".")
    owner = path_meant(root, ".".join(above)) if above else ()
    if inside := {entry.path[-1] for entry in entries(root) if owner and entry.path[-1 - len(owner) : -1] == owner}:
        return unknown_in(f"setting of {'.'.join(owner)}", name, inside)
    names = {entry.name if above else entry.path[-1] for entry in entries(root)}
    return unknown_name("setting", key, names, OTHER_NAMES | NEAR_NAMES, listing=SCHEMA)


def _order(places: list[Entry]) -> int:
    depths = [len(place.path) for place in places if place.parts]
    return min(depths) if depths else 100


def _present(places: list[Entry], tree: Plain, key: str, skip: bool) -> Entry | None:
    present = [place for place in places if place.unmet(tree) is None]
    if len(present) == 1:
        return present[0]
    if present:
        raise SettingError(f"{key} may be {' or '.join(place.name for place in present)}: give the path.")
    if skip:
        return None
    owners: dict[Path, list[str]] = {}
    for path, kind in dict.fromkeys(filter(None, (place.unmet(tree) for place in places))):
        owners.setdefault(path, []).append(kind)
    belongs = " or to ".join(f"{'.'.join(path)} of kind {' or '.join(kinds)}" for path, kinds in owners.items())
    path, kinds = next(iter(owners.items()))
    here = f"{'it' if len(owners) == 1 else '.'.join(path)} is {kind_at(tree, path)}"
    raise SettingError(f"{key} belongs to {belongs}; here {here}: add --set {path[-1]}={kinds[0]}.")
