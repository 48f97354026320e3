"""The configuration of a run: all that is needed to repeat it."""

import math
import tomllib
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import msgspec

from fcnet import __version__
from fcnet.data import Dataset, load_dataset
from fcnet.data.own import is_unchanged
from fcnet.data.splits import of_few_to_validate, of_fold
from fcnet.data.table import TableOptions
from fcnet.data.table_file import is_table
from fcnet.engine import default_engine
from fcnet.errors import FcnetError, FileFormatError, SettingError
from fcnet.experiments.folder import CONFIG, sweep_words
from fcnet.experiments.gradient import FOR_CLASSES, FOR_NUMBERS
from fcnet.experiments.recipe import SWEEP, Recipe
from fcnet.experiments.tree import leaves
from fcnet.files import write_atomic
from fcnet.preprocessing import for_data

FOLDS = 5  # of a recipe with several networks: as validation_fraction of the estimators, a fifth
FEWEST = 10  # rows that are cut into them


@dataclass(frozen=True)
class Config:
    """All that is needed to repeat a run; those from `target` to `checksum` are for own data.

    A run of several `seeds`, or `folds`, is an ensemble. A member of one with folds has the number of its `fold`, from 1. There
    is a network for each fold, unless `networks` says how many there are: then they are validated on the folds in turn.
    """

    dataset: str
    recipe: str
    settings: Recipe
    seed: int = 0
    engine: str = field(default_factory=default_engine)
    verify: bool = True
    target: str = ""
    task: str = ""
    drop: list[str] = field(default_factory=list)
    category: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    encoding: str = ""
    decimal: str = ""
    drop_missing_targets: bool = False
    checksum: str = ""
    threads: int = 0  # as many as there are cores, in runs from before there was a number
    seeds: int = 1
    folds: int = 0
    fold: int = 0
    networks: int = 0
    fcnet: str = __version__
    changed: Collection[str] = field(default=(), compare=False)  # settings that were set by hand, which is not written down

    def __post_init__(self) -> None:
        preprocessing = for_data(self.settings.preprocessing, is_table=is_table(Path(self.dataset)))
        if preprocessing != self.settings.preprocessing:
            object.__setattr__(self, "settings", msgspec.structs.replace(self.settings, preprocessing=preprocessing))

    def members(self) -> list["Config"]:
        """Return the configurations of the runs that an ensemble is of, each with a seed of its own; none of a single run."""
        n = self.networks or self.folds or self.seeds
        if n == 1 or self.fold:
            return []
        one = self.of_one_network()
        return [replace(one, seeds=1, seed=self.seed + i, fold=i % self.folds + 1 if self.folds else 0) for i in range(n)]

    def of_one_network(self) -> "Config":
        """Return the configuration with one network where nothing but its recipe says that there are several."""
        return replace(self, settings=self.settings.of_one_network())

    def with_networks(self, data: Dataset) -> "Config":
        """Return the configuration with as many networks as its recipe says for so many rows, unless options have said it.

        Each is validated on another fifth of the rows to train and to validate, or all on a validation part that was given.
        """
        if self.members() or self.fold:
            return self
        n_train, n = len(data.y_train), len(data.y_train) + len(data.y_val)
        n_networks = self.settings.training.networks_for(n_train if data.validation_given else n - math.ceil(n / FOLDS))
        if n_networks == 1 or (n < FEWEST and not data.validation_given):
            return self
        return replace(self, seeds=n_networks) if data.validation_given else replace(self, folds=FOLDS, networks=n_networks)

    def part(self, data: Dataset) -> Dataset:
        """Return data as the member of an ensemble with folds sees it that this is; else as it is."""
        return of_fold(data, self.fold, self.folds, spare_lone=self.networks > 0) if self.fold else data

    def parts(self, data: Dataset) -> Iterator[Dataset]:
        """Yield data as the members of an ensemble with folds see it, each fold once; else as it is."""
        members = self.members()[: self.folds] if self.folds else []
        yield from (member.part(data) for member in members) if members else [data]

    def load(self, data_dir: str | None = None, n_test: int | None = None, known: Collection[str] = ()) -> Dataset:
        """Load the data; with an `n_test` of 0 its test part is not read. Of a table all columns that are `known` are kept.

        Raises
        ------
        FcnetError
            If it cannot be used, or is not what it was when the run was begun.
        """
        if self.checksum and not is_unchanged(self.dataset, self.checksum):
            if not Path(self.dataset).exists():
                raise FileFormatError(
                    f"There is no file or folder {self.dataset}, which the run was trained on: put it back, or write its new "
                    f"place as `dataset` into the {CONFIG} of the run."
                )
            raise FileFormatError(f"{self.dataset} has changed since it was first read: train or sweep anew.")
        table: TableOptions = {
            "target": self.target,
            "task": self.task,
            "drop": self.drop,
            "category": self.category,
            "missing": self.missing,
            "encoding": self.encoding,
            "decimal": self.decimal,
            "drop_missing_targets": self.drop_missing_targets,
            "known": known,
        }
        if is_table(Path(self.dataset)):
            preprocessing = self.settings.preprocessing
            table |= {"gaps": getattr(preprocessing, "gaps", ""), "rare": getattr(preprocessing, "rare", 0)}
        data = load_dataset(self.dataset, data_dir, n_test=n_test, verify=self.verify, **table)
        if not self.folds:  # with which all rows validate
            data.notes = [*data.notes, *of_few_to_validate(data)]
        return self.part(data)

    def is_regression(self) -> bool:
        """Return whether the data, which is read, is a table whose target is a number."""
        return is_table(Path(self.dataset)) and not self.load(n_test=0).classes

    def check_data(self, data: Dataset) -> None:
        """Raise SettingError or InputError if settings do not fit the data, before anything costs time."""
        idle = FOR_NUMBERS if data.classes else FOR_CLASSES
        if given := [name for name in self.changed if name.rpartition(".")[2] in idle]:
            what = f"the target {data.target!r}" if data.target else data.name
            why = "for regressions, and {} has classes" if data.classes else "for classes, and {} is a number"
            other = "regression" if data.classes else "classification"
            may_be = bool(data.target) and not self.task
            raise SettingError(f"{given[0]} is {why.format(what)}: leave it out{f', or say --task {other}' * may_be}.")
        self.settings.check_data(data)

    def options(self) -> dict[str, Any]:
        """Return all that is written down but the settings."""
        return {made.name: getattr(self, made.name) for made in fields(self) if made.name not in ("settings", "changed")}

    def by_path(self) -> dict[str, Any]:
        """Return the settings by their paths, and then the options."""
        return leaves(self.settings.to_dict()) | self.options()

    def write(self, run: Path) -> None:
        """Write the ``config.toml`` of a run."""
        import tomli_w

        write_atomic(run / CONFIG, tomli_w.dumps(self.options() | {"settings": self.settings.to_dict()}))

    @classmethod
    def read(cls, run: Path, file: str = CONFIG) -> "Config":
        """Read the ``config.toml`` of a run, or another file that has the same and perhaps a table `sweep`.

        Raises
        ------
        FileFormatError
            If `run` is not a run folder, or the file is damaged.
        """
        path = run / file
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
            values.pop(SWEEP, None)
            return cls(**(values | {"settings": Recipe.from_dict(values, str(path))}))
        except (FileNotFoundError, NotADirectoryError):
            what = "it is a file" if run.is_file() else f"it has no {file}" if run.exists() else "there is no such folder"
            raise FileFormatError(sweep_words(run) or f"{run} is not a run folder: {what}.") from None
        except FcnetError as error:  # names the file
            raise FileFormatError(str(error)) from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise FileFormatError(f"{path} is damaged: {error}.") from None

    def differences(self, now: "Config") -> str:
        """Return what is different in another configuration, in words, but for what changes nothing of the result."""
        old, new = (config.by_path() for config in (self, now))
        changed = [key for key in old if key not in ("description", "threads", "fcnet") and old[key] != new.get(key, old[key])]
        return ", ".join(f"{key} was {_words(old[key])}, now {_words(new[key])}" for key in changed)


def _words(value: Any) -> str:
    """Return a value as TOML has it."""
    return str(value).lower() if isinstance(value, bool) else repr(list(value) if isinstance(value, tuple) else value)
