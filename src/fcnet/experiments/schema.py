"""All settings of a recipe, for people and programs to read."""

import json
from typing import Any

from fcnet.experiments.recipe import Recipe
from fcnet.experiments.tree import entries, has_kinds
from fcnet.settings import wanted


def settings_table() -> list[dict[str, Any]]:
    """Return a row for each setting, and for each part that is of one of several kinds.

    A row has its ``path``, the ``kinds`` of the part above that have it (none where all do), the ``type`` with the range in
    words, the ``default``, and the ``meaning``. What several kinds have alike is one row.
    """
    rows: list[dict[str, Any]] = []
    for entry in entries(Recipe):
        if entry.parts and not has_kinds(entry.parts):
            continue
        default = entry.default
        if entry.parts:  # the first kind where the part may be absent
            default = next(part for part in (default, *entry.parts.values()) if part is not None).__struct_config__.tag
        default = list(default) if isinstance(default, tuple) else default
        kind = entry.needs.get(entry.path[:-1])
        row = {"path": entry.name, "kinds": [kind] if kind else [], "type": wanted(entry.annotation), "default": default}
        row["meaning"] = entry.description
        alike = next((other for other in rows if row | {"kinds": []} == other | {"kinds": []}), None)
        if alike is None:
            rows.append(row)
        else:
            alike["kinds"] += row["kinds"]
    return rows


def settings_text() -> str:
    """Return the table as lines for a terminal."""
    lines = []
    for row in settings_table():
        lines += [f"{row['path']} = {_toml(row['default'])}", f"    {row['meaning']}", f"    ({_type(row)})", ""]
    return "\n".join(lines[:-1]) + "\n"


def settings_markdown() -> str:
    """Return the table in Markdown: a heading and a table for each part at the root."""
    parts: dict[str, list[str]] = {}
    for row in settings_table():
        part, _, key = row["path"].partition(".")
        cells = [f"`{key or part}`", f"`{_toml(row['default'])}`", f"{row['meaning']} *({_type(row)})*"]
        lines = parts.setdefault(part if key or row["type"] != "text" else "recipe", [])
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    head = "| key | default | meaning |\n| --- | --- | --- |\n"
    return "\n".join(f"### `{part}`\n\n{head}" + "\n".join(lines) + "\n" for part, lines in parts.items())


def _type(row: dict[str, Any]) -> str:
    kinds = f"of {' and '.join(row['kinds'])}: " if row["kinds"] else ""
    return f"{kinds}{row['type']}"


def _toml(default: Any) -> str:
    """Return a value as it is written in TOML."""
    return json.dumps(default).replace("e-0", "e-")
