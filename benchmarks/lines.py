"""Results of runs by the command line, a JSON line each, so that a benchmark that was stopped goes on."""

import json
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any


def call(*words: str) -> Any:
    """Return what a command of fcnet prints as JSON."""
    command = [sys.executable, "-m", "fcnet", *words, "--json"]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def commit() -> str:
    """Return the commit that is checked out."""
    describe = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    return subprocess.run(describe, cwd=Path(__file__).parent, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def add(path: Path, row: dict[str, Any]) -> None:
    """Append a result in one write, as others may append at the same time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    is_torn = path.exists() and not path.read_bytes().endswith(b"\n")  # by a power cut or a full disk
    with path.open("ab", buffering=0) as file:
        file.write(b"\n" * is_torn + json.dumps(row).encode() + b"\n")


def read(path: Path, *keys: str) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Return the results there are, by the values of these keys; the last of several, and none of a line that is torn."""
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        with suppress(json.JSONDecodeError):
            rows.append(json.loads(line))
    return {tuple(row[key] for key in keys): row for row in rows}
