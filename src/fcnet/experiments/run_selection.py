"""Which of many runs are shown, in which order, and as which columns."""

import csv
import io
import operator
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, fields
from typing import Any

from fcnet.errors import SettingError, unknown_name
from fcnet.experiments.changes import toml_value
from fcnet.experiments.recipe import Recipe
from fcnet.experiments.runs import RunRow, differing
from fcnet.experiments.tree import KIND, entries, has_kinds, path_meant
from fcnet.words import listed

COLUMNS = [made.name for made in fields(RunRow) if made.name != "settings"]
RELATIONS: dict[str, Callable[[Any, Any], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "!=": operator.ne,
    "=": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
}


def _value_of(row: RunRow, path: str) -> Any:
    """Return a column of a run, or a setting by its path; None where the run has no such setting."""
    if path in COLUMNS:
        return str(row.run) if path == "run" else getattr(row, path)
    return row.settings.get(path)


def _path_of(rows: Sequence[RunRow], key: str) -> str:
    """Return the column, or the path of the setting, that a key means: a path, or the end of one."""
    if key in COLUMNS or not rows:
        return key
    paths = sorted({path for row in rows for path in row.settings})
    with_kinds = {entry.name for entry in entries(Recipe) if has_kinds(entry.parts)}
    paths_by_name = {path: path for path in paths} | {f"{path}.{KIND}": path for path in paths if path in with_kinds}
    meant = ".".join(path_meant(Recipe, key))
    found = [meant] if meant in paths_by_name else [name for name in paths_by_name if name.endswith(f".{meant}")]
    if not found:
        raise unknown_name("column or setting", key, {*COLUMNS, *(path.rpartition(".")[2] for path in paths)})
    if len(found) > 1:
        raise SettingError(f"{key} may be {listed(found, sign=' or ')}: give more of the path.")
    return paths_by_name[found[0]]


def chosen(rows: Sequence[RunRow], filters: Iterable[str], sort: str = "") -> list[RunRow]:
    """Return the runs that pass all filters, sorted.

    Parameters
    ----------
    rows : sequence of RunRow
    filters : iterable of str
        Each a key, one of ``= != < <= > >=`` and a value as in TOML; quotes around text may be left out, and where a run has
        text the value is text. A key is a column, or a setting by its path or the end of its path; the kind of a part is a
        setting by the name of the part, with or without ``.kind``. A run that has no such value passes ``!=`` alone.
    sort : str
        A key; with ``-`` before it the largest come first. Runs that have no such value come last.

    Raises
    ------
    SettingError
        If a filter is of another form, or a key is that of no run or of several settings.
    """
    kept = list(rows)
    for text in filters:
        found = re.fullmatch(r"\s*([\w.]+)\s*(<=|>=|!=|=|<|>)=?\s*(.*?)\s*", text, re.DOTALL)
        if not found:
            raise SettingError(f"--filter takes key=value, or another of {' '.join(RELATIONS)}; got {text!r}.")
        key, relation, written = found.groups()
        path, wanted = _path_of(rows, key), toml_value(written)
        kept = [row for row in kept if _passes(_value_of(row, path), relation, wanted, written)]
    if not sort:
        return kept
    path = _path_of(rows, sort.removeprefix("-"))
    with_value = [row for row in kept if _value_of(row, path) is not None]
    without = [row for row in kept if _value_of(row, path) is None]
    return sorted(with_value, key=lambda row: _rank(_value_of(row, path)), reverse=sort.startswith("-")) + without


def _passes(value: Any, relation: str, wanted: Any, written: str) -> bool:
    if isinstance(value, str) and not isinstance(wanted, str):  # 2026 may be the name of a data set, and 12345678 a checksum
        wanted = written
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
