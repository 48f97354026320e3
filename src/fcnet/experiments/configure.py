"""The configuration of a run, from what was typed: of a new one, or of the one in a folder with what was said again."""

import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from fcnet.data import DATASETS, is_path
from fcnet.data.own import checksum
from fcnet.data.table import options_given
from fcnet.data.table_file import is_table, stem
from fcnet.engine import default_engine
from fcnet.errors import FileFormatError, SettingError, unknown_name
from fcnet.experiments.changes import find, read_change
from fcnet.experiments.config import Config
from fcnet.experiments.folder import CONFIG
from fcnet.experiments.recipe import Recipe, load_recipe
from fcnet.threads import default_threads


def configure(
    dataset: str,
    out: Path | None,
    *,
    resume: bool = False,
    file: str = CONFIG,
    recipe: str | None = None,
    changes: Iterable[str] = (),
    seed: int | None = None,
    seeds: int | None = None,
    folds: int | None = None,
    engine: str | None = None,
    threads: int | None = None,
    verify: bool = True,
    **columns: Any,
) -> tuple[Path, Config]:
    """Return the folder of a run, and its configuration; in a run to resume, what is not given is as it was in its `file`.

    Raises
    ------
    SettingError
        If there is no such data set, recipe or setting, columns are named and the data is no table, or there are `seeds` and
        `folds`.
    FileFormatError
        If a new run is of a path where nothing is.
    """
    own = dataset not in DATASETS and is_path(dataset)
    if dataset not in DATASETS and not own:
        raise SettingError(f"{unknown_name('data set', dataset, DATASETS)} Nor is there a folder of that name.")
    if any(columns.values()) and not own:
        raise SettingError(f"{options_given(columns)} for tables.")
    if (seeds or 1) > 1 and folds:
        raise SettingError("--seeds and --folds each make an ensemble: give one of them. Each fold has a seed of its own.")
    name_of_data, changes = stem(dataset), list(changes)
    dataset = str(Path(dataset).resolve()) if own else dataset
    if resume and out is not None and (out / file).exists():
        named = {
            **{name: value or None for name, value in columns.items()},
            "seed": seed,
            "seeds": seeds,
            "folds": folds,
            "engine": engine,
            "threads": threads,
            "recipe": Path(recipe).stem if recipe else None,
        }
        named["verify"] = None if verify else False
        given: dict[str, Any] = {name: value for name, value in named.items() if value not in (None, "", [])}
        settings = load_recipe(recipe or str(out / file), changes)
        return out, replace(Config.read(out, file), dataset=dataset, settings=settings, changed=_names(changes), **given)
    if own and not Path(dataset).exists():
        raise FileFormatError(f"There is no file {'' if Path(dataset).suffix else 'or folder '}{dataset}.")
    recipe = recipe or default_recipe(dataset)
    name = Path(recipe).stem
    run = out or Path("runs") / f"{name_of_data}-{name}-{time.strftime('%Y%m%d-%H%M%S')}"
    computed: dict[str, Any] = {
        "threads": threads or default_threads(),
        "checksum": checksum(dataset) if own else "",
        "seeds": seeds or 1,
        "folds": folds or 0,
    }
    settings = load_recipe(recipe, changes)
    computed |= {"changed": _names(changes)}
    return run, Config(dataset, name, settings, seed or 0, engine or default_engine(), verify, **columns, **computed)


def _names(changes: Iterable[str]) -> list[str]:
    """Return the names of settings in changes that have been made."""
    return [find(Recipe, read_change(change)[0])[0].path[-1] for change in changes]


def default_recipe(dataset: str) -> str:
    """Return the name of the recipe by which a data set is trained where none is named: of own data by what it is."""
    if dataset in DATASETS:
        return DATASETS[dataset].recipe
    return "tabular" if is_table(Path(dataset)) else "table"
