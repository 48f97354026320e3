"""Which of many runs are shown, in which order, and as which columns."""

import csv
import io
import operator
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, get_args

from fcnet.engine import ENGINES
from fcnet.errors import SettingError, unknown_name
from fcnet.experiments.changes import as_typed, toml_value
from fcnet.experiments.recipe import Recipe
from fcnet.experiments.runs import OTHER_METRICS, RunRow, State, differing
from fcnet.experiments.tree import KIND, entries, has_kinds, path_meant
from fcnet.settings import choices_of
from fcnet.words import listed

COLUMNS = [made.name for made in fields(RunRow) if made.name not in ("scores", "settings")]
HEADINGS = {"data": "dataset", "time": "seconds", "val_log_loss": "val_loss", "test_log_loss": "test_loss"}  # of other columns
PARTS = {"validation": "val", "test": "test"}  # whose score has a heading
PATHS = ("run", "dataset")  # which are also found by their ends
TYPES: dict[type, tuple[Any, str]] = {  # of values, as what a text for them is read, and what it has to be in words
    bool: (bool, "yes or no"),
    int: (float, "a number"),
    float: (float, "a number"),
    list: (tuple[int, ...], "a list, such as 128,64"),
}
RELATIONS: dict[str, Callable[[Any, Any], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "!=": operator.ne,
    "=": operator.eq,
    "==": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
}


def value_of(row: RunRow, path: str) -> Any:
    """Return a column of a run, another metric, or a setting by its path; None where the run has none."""
    if path in COLUMNS:
        return str(row.run) if path == "run" else getattr(row, path)
    if path in PARTS:
        return row.score(PARTS[path])
    return row.scores.get(path) if path in OTHER_METRICS else row.settings.get(path)


def _path_of(rows: Sequence[RunRow], key: str) -> str:
    """Return the column, or the path of the setting, that a key means: a heading, a path, or the end of one."""
    key = HEADINGS.get(key, key)
    if key in (*COLUMNS, *OTHER_METRICS, *PARTS) or not rows:
        return key
    paths = sorted({path for row in rows for path in row.settings})
    with_kinds = {entry.name for entry in entries(Recipe) if has_kinds(entry.parts)}
    paths_by_name = {path: path for path in paths} | {f"{path}.{KIND}": path for path in paths if path in with_kinds}
    meant = ".".join(path_meant(Recipe, key))
    found = [meant] if meant in paths_by_name else [name for name in paths_by_name if name.endswith(f".{meant}")]
    if not found:
        known = {*COLUMNS, *OTHER_METRICS, *HEADINGS, *PARTS, *(path.rpartition(".")[2] for path in paths)}
        others = "also a metric, as val_roc_auc, or a setting of these runs, as after --set"
        listing = f"Columns: {', '.join(COLUMNS)}; {others}."
        raise unknown_name("column or setting", key, known, listing=listing)
    if len(found) > 1:
        raise SettingError(f"{key} may be {listed(found, sign=' or ')}: give more of the path.")
    return paths_by_name[found[0]]


def chosen(rows: Sequence[RunRow], filters: Iterable[str] = (), sort: str = "") -> list[RunRow]:
    """Return the runs that pass all filters, sorted.

    Parameters
    ----------
    rows : sequence of RunRow
    filters : iterable of str
        Each a key, one of ``= != < <= > >=`` and a value as it is typed after ``--set``, or a share in per cent. A key is a
        column or its heading in the table, or a setting by its path or the end of its path; the kind of a part is a setting by
        the name of the part, with or without ``.kind``. Of the paths of runs and data sets the end will do. A run that has no
        such value passes ``!=`` alone.
    sort : str
        A key; with ``-`` before it the largest come first. Runs that have no such value come last.

    Raises
    ------
    SettingError
        If a filter is of another form, a key is that of no run or of several settings, or no run could have such a value.
    """
    kept = list(rows)
    for text in filters:
        found = re.fullmatch(r"\s*([\w.]+)\s*([<>=!]+)\s*(.*?)\s*", text, re.DOTALL)
        if not found or found[2] not in RELATIONS:
            raise SettingError(f"--filter takes key=value, or one of < <= > >= != in place of =; got {text!r}.")
        key, relation, written = found.groups()
        path = _path_of(rows, key)
        _check(key, path, written, {repr(value): value for row in rows if (value := value_of(row, path)) is not None}.values())
        kept = [row for row in kept if _passes(value_of(row, path), path, relation, written)]
    if not sort:
        return kept
    path = _path_of(rows, sort.removeprefix("-"))
    with_value = [row for row in kept if value_of(row, path) is not None]
    without = [row for row in kept if value_of(row, path) is None]
    return sorted(with_value, key=lambda row: _rank(value_of(row, path)), reverse=sort.startswith("-")) + without


def _check(key: str, path: str, written: str, values: Collection[Any]) -> None:
    """Raise SettingError if no run could have what was written, given the values that there are."""
    text = _read(written, "")
    known = {"state": get_args(State), "engine": tuple(ENGINES)}.get(path) or tuple(
        name
        for entry in entries(Recipe)
        if entry.name == path
        for name in (entry.parts if has_kinds(entry.parts) else choices_of(entry.annotation))
    )
    if known and text not in {*known, *values}:
        raise unknown_name(key, text, known)
    read = [_read(written, value) for value in values]
    if read and all(value is None for value in read):
        raise SettingError(f"{key} is {TYPES[type(next(iter(values)))][1]}; got {written!r}.")
    high = max((share for share in read if isinstance(share, float)), default=0.0)
    if path.endswith(("_accuracy", "_r2", "_d2", *PARTS)) and high > 1:
        meant = f" For per cent write {written}%." if high <= 100 and not written.endswith("%") else ""
        raise SettingError(f"{key} is a share, of 1 or 100% at most; got {written!r}.{meant}")


def _read(written: str, value: Any) -> Any:
    """Return what was written in the type of a value; None if it is nothing of that type."""
    plain = toml_value(written)
    if isinstance(value, str):  # 2026 may be the name of a data set, and 12345678 a checksum
        return plain if isinstance(plain, str) else written
    if isinstance(value, float) and written.endswith("%"):
        percent = as_typed(written[:-1], float)
        return None if isinstance(percent, str) else percent / 100
    found = plain if isinstance(value, list) and isinstance(plain, list) else as_typed(written, TYPES[type(value)][0])
    if not isinstance(found, str):
        return found
    if not isinstance(value, list) or (value and isinstance(value[0], int) and written != "none"):
        return None
    return [] if written == "none" else [name.strip() for name in written.split(",")]  # none is how an empty list is shown


def _passes(value: Any, path: str, relation: str, written: str) -> bool:
    wanted = None if value is None else _read(written, value)
    if wanted is None:
        return relation == "!="
    if path in PATHS and (end := Path(wanted).parts) == Path(value).parts[-len(end) :]:
        wanted = value
    return RELATIONS[relation](value, wanted)


def _rank(value: Any) -> tuple[bool, Any]:
    """Return what values of several types are sorted by: numbers, then all else by its text."""
    is_number = isinstance(value, int | float)
    return not is_number, value if is_number else str(value)


def as_table(rows: Sequence[RunRow]) -> list[dict[str, Any]]:
    """Return what is known of each run, and the settings in which runs on its data set differ, in JSON's types."""
    settings = differing(rows)
    return [asdict(row) | {"run": str(row.run), "settings": settings[row.run]} for row in rows]


def to_csv(rows: Sequence[RunRow]) -> str:
    """Return a line of names and one for each run: its columns, its other metrics, and the settings in which runs differ."""
    table, lines = as_table(rows), io.StringIO()
    scores, paths = (list(dict.fromkeys(path for line in table for path in line[name])) for name in ("scores", "settings"))
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow([*COLUMNS, *scores, *paths])
    writer.writerows(
        [
            *(line[name] for name in COLUMNS),
            *(line["scores"].get(name) for name in scores),
            *(line["settings"].get(path) for path in paths),
        ]
        for line in table
    )
    return lines.getvalue()
