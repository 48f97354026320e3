"""Which of many runs are shown, in which order, and as which columns."""

import csv
import io
import operator
import re
import tomllib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, fields
from typing import Any

from fcnet.errors import SettingError, unknown_name
from fcnet.experiments.recipe import Recipe
from fcnet.experiments.runs import RunRow, differing
from fcnet.experiments.tree import path_meant

COLUMNS = [made.name for made in fields(RunRow) if made.name != "settings"]
RELATIONS: dict[str, Callable[[Any, Any], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "!=": operator.ne,
    "=": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
}


def value_of(row: RunRow, key: str) -> Any:
    """Return a column of a run, or a setting by its path or the end of its path; None where the run has no such setting."""
    if key in COLUMNS:
        return str(row.run) if key == "run" else getattr(row, key)
    key = ".".join(path_meant(Recipe, key))
    found = [value for path, value in row.settings.items() if _means(key, path)]
    return found[0] if found else None


def _means(key: str, path: str) -> bool:
    return path == key or path.endswith(f".{key}")


def chosen(rows: Sequence[RunRow], filters: Iterable[str], sort: str = "") -> list[RunRow]:
    """Return the runs that pass all filters, sorted.

    Parameters
    ----------
    rows : sequence of RunRow
    filters : iterable of str
        Each a key, one of ``= != < <= > >=`` and a value as in TOML; quotes around text may be left out. A key is a column or a
        setting, as in `value_of`. A run that has no such value passes ``!=`` alone.
    sort : str
        A key; with ``-`` before it the largest come first. Runs that have no such value come last.

    Raises
    ------
    SettingError
        If a filter is of another form, or no run has such a key.
    """
    kept = list(rows)
    for text in filters:
        key, relation, wanted = _parsed(text)
        _check_key(rows, key)
        kept = [row for row in kept if _passes(value_of(row, key), relation, wanted)]
    if not sort:
        return kept
    key = sort.removeprefix("-")
    _check_key(rows, key)
    with_value = [row for row in kept if value_of(row, key) is not None]
    without = [row for row in kept if value_of(row, key) is None]
    return sorted(with_value, key=lambda row: _rank(value_of(row, key)), reverse=sort.startswith("-")) + without


def _parsed(text: str) -> tuple[str, str, Any]:
    found = re.fullmatch(r"\s*([\w.]+)\s*(<=|>=|!=|=|<|>)=?\s*(.*?)\s*", text)
    if not found:
        raise SettingError(f"--filter takes key=value, or another of {' '.join(RELATIONS)}; got {text!r}.")
    key, relation, value = found.groups()
    try:
        return key, relation, tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key, relation, value


def _check_key(rows: Sequence[RunRow], key: str) -> None:
    paths, meant = {path for row in rows for path in row.settings}, ".".join(path_meant(Recipe, key))
    if rows and key not in COLUMNS and not any(_means(meant, path) for path in paths):
        raise unknown_name("column or setting", key, {*COLUMNS, *(path.rpartition(".")[2] for path in paths)})


def _passes(value: Any, relation: str, wanted: Any) -> bool:
    if relation in ("=", "!="):
        value, wanted = (list(it) if isinstance(it, tuple) else it for it in (value, wanted))
        return RELATIONS[relation](value, wanted)
    try:
        return value is not None and RELATIONS[relation](value, wanted)
    except TypeError:  # a text is neither above nor below a number
        return False


def _rank(value: Any) -> tuple[bool, Any]:
    """Return what values of several types are sorted by: numbers, then all else by its text."""
    is_number = isinstance(value, int | float)
    return not is_number, value if is_number else str(value)


def as_table(rows: Sequence[RunRow]) -> list[dict[str, Any]]:
    """Return the columns of each run, and the settings in which runs on its data set differ, in JSON's types."""
    settings = differing(rows)
    return [asdict(row) | {"run": str(row.run), "settings": settings[row.run]} for row in rows]


def to_csv(rows: Sequence[RunRow]) -> str:
    """Return a line of names and one for each run: its columns, and the settings in which runs differ."""
    table, lines = as_table(rows), io.StringIO()
    paths = list(dict.fromkeys(path for line in table for path in line["settings"]))
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow([*COLUMNS, *paths])
    writer.writerows([*(line[name] for name in COLUMNS), *(line["settings"].get(path) for path in paths)] for line in table)
    return lines.getvalue()
