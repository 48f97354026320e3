"""A tree of settings: all that it may have, and the way from plain values to it and back."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeVar

import msgspec

from fcnet.errors import SettingError, unknown_name
from fcnet.experiments.other_names import OTHER_NAMES, plain
from fcnet.settings import Settings, annotated, checked, parts_of

KIND = "kind"
Path = tuple[str, ...]
Plain = dict[str, Any]  # a tree of plain values, as TOML has it
Root = TypeVar("Root", bound=Settings)


@dataclass(frozen=True)
class Entry:
    """A setting, or a part, at its place in a tree.

    Parameters
    ----------
    path : tuple of str
    annotation : type
        What the field is annotated with.
    default : object
    needs : dict of paths and kinds
        The kinds of the parts above that have it.
    parts : dict of types of Settings
        Those that a part may be of, by their names; of a setting nothing.
    """

    path: Path
    annotation: Any
    default: Any
    needs: Mapping[Path, str] = field(default_factory=dict)
    parts: Mapping[str, type[Settings]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The path with points between."""
        return ".".join(self.path)

    @property
    def description(self) -> str:
        """What the annotation says of it."""
        return annotated(self.annotation)[1].description or ""

    def unmet(self, tree: Plain) -> tuple[Path, str] | None:
        """Return the first part of a tree that is of another kind than this needs, and the kind that it needs; None if none."""
        return next(((path, kind) for path, kind in self.needs.items() if kind_at(tree, path) != kind), None)


def kind_at(tree: Plain, path: Path) -> Any:
    """Return the kind of a part of a tree."""
    for name in path:
        tree = tree.get(name, {})
    return tree.get(KIND)


@cache
def entries(root: type[Settings]) -> tuple[Entry, ...]:
    """Return all parts and settings of all kinds, each part before what it has."""
    return tuple(_entries(root, (), {}))


def _entries(owner: type[Settings], above: Path, needs: Mapping[Path, str]) -> Iterator[Entry]:
    only_with: Mapping[str, Mapping[Path, str]] = getattr(owner, "only_with", {})
    for made in msgspec.structs.fields(owner):
        path, own_needs, parts = (*above, made.name), {**needs, **only_with.get(made.name, {})}, parts_of(made.type)
        yield Entry(path, made.type, made.default, own_needs, parts)
        for kind, part in parts.items():
            yield from _entries(part, path, own_needs | ({path: kind} if has_kinds(parts) else {}))


def has_kinds(parts: Mapping[str, type[Settings]]) -> bool:
    """Return whether a part says in a tree which kind it is of."""
    return any(part.__struct_config__.tag for part in parts.values())


def decode(root: type[Root], tree: Mapping[str, Any]) -> Root:
    """Make the settings of a tree of plain values; of a part that is a text, of that kind as it is by default.

    Raises
    ------
    SettingError
        If a setting is unknown, or has a value of another type or out of its range. It names the path.
    """
    return _decode(root, root, tree, ())


def _decode(root: type[Settings], owner: type[Root], values: Mapping[str, Any], above: Path) -> Root:
    fields, made = {made.name: made.type for made in msgspec.structs.fields(owner)}, {}
    for name, value in values.items():
        if name == KIND and owner.__struct_config__.tag:
            continue
        if name not in fields:
            raise _unknown(root, name, fields, above)
        path, parts = (*above, name), parts_of(fields[name])
        if not parts:
            made[name] = checked(".".join(path), value, fields[name])
            continue
        table = {KIND: value} if isinstance(value, str) and has_kinds(parts) else value
        if not isinstance(table, Mapping):
            raise SettingError(f"{'.'.join(path)} must be a table of settings, got {value!r}.")
        made[name] = _decode(root, _part(parts, table, path), table, path)
    return owner(**made)


def _part(parts: Mapping[str, type[Settings]], table: Mapping[str, Any], path: Path) -> type[Settings]:
    if not has_kinds(parts):
        return next(iter(parts.values()))
    if KIND not in table:
        for part in parts.values():
            if getattr(part, "may_be_unsaid", False):
                return part
        raise SettingError(f"{'.'.join(path)} needs a kind, one of {', '.join(parts)}.")
    if table[KIND] not in parts:
        raise unknown_name(".".join(path), table[KIND], parts)
    return parts[table[KIND]]


def _unknown(root: type[Settings], name: str, known: Collection[str], above: Path) -> SettingError:
    meant = path_meant(root, name)
    kinds = [entry.needs[above] for entry in entries(root) if entry.path == (*above, *meant) and above in entry.needs]
    if kinds and meant[-1] not in known:
        return SettingError(f"{'.'.join((*above, *meant))} is a setting of the kind {' or '.join(kinds)}.")
    of = f"setting of {'.'.join(above)}" if above else "setting of a recipe"
    places = [entry.name for entry in entries(root) if entry.path[-len(meant) :] == meant and entry.path[:-1] != above]
    if meant[-1] not in known and places:
        return SettingError(f"Unknown {of} {name!r}. It is {' or '.join(dict.fromkeys(places))}.")
    return unknown_in(of, name, known)


def unknown_in(of: str, name: str, known: Collection[str]) -> SettingError:
    """Return the error for a name that is none of those known in a part."""
    return unknown_name(of, name, known, {other: here for other, here in OTHER_NAMES.items() if here in known})


def path_meant(root: type[Settings], key: str) -> Path:
    """Return the end of the path that a key means, which may be spelt otherwise or be a name of another library."""
    own = {plain(entry.path[-1]): entry.path[-1] for entry in entries(root)}
    names = (own.get(plain(name)) or OTHER_NAMES.get(plain(name), name) for name in key.split("."))
    return tuple(".".join(names).split("."))


def encode(settings: Settings) -> Plain:
    """Return a tree as plain values, without the parts that are not there."""
    values = msgspec.to_builtins(settings)
    return {name: value for name, value in values.items() if value is not None}


def leaves(tree: Plain, above: str = "") -> Plain:
    """Return the values of a tree by their paths; the kind of a part is the value of the part.

    Examples
    --------
    >>> leaves({"training": {"kind": "gradient", "epochs": 3}})
    {'training': 'gradient', 'training.epochs': 3}
    """
    flat: Plain = {}
    for name, value in tree.items():
        path = above if name == KIND else f"{above}.{name}" if above else name
        flat |= leaves(value, path) if isinstance(value, dict) else {path: value}
    return flat
