"""The plan of a sweep: all that is needed to repeat it, in the ``study.toml`` of its folder."""

import json
import random
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec

from fcnet.errors import FileFormatError, InputError, SettingError, unknown_name
from fcnet.experiments.config import Config
from fcnet.experiments.configure import configure, default_recipe
from fcnet.experiments.folder import LOCK, STUDY
from fcnet.experiments.gradient import FOR_CLASSES
from fcnet.experiments.recipe import SWEEP, recipe_names, recipe_text
from fcnet.experiments.scores import SCORES
from fcnet.experiments.sweep.given import read_given, read_space
from fcnet.experiments.sweep.space import Space, make_space
from fcnet.experiments.sweep.values import grid, plain_params
from fcnet.files import write_atomic
from fcnet.training.metrics import AUTO, METRICS, Metric
from fcnet.training.regression import AbsoluteError, Poisson

Sampler = Literal["tpe", "random", "grid", "cmaes"]
Pruner = Literal["median", "halving", "hyperband", "none"]
WHILE_THERE_IS_TIME = 10_000  # trials, where only the time is limited
OWN = ("fixed", "sampler", "pruner", "metric", "trials", "seeds", "winner_seeds")
STAYS = ("sampler", "pruner", "metric", "seeds")  # others may be changed in a study
ONE_OF: dict[str, Any] = {"sampler": Sampler, "pruner": Pruner}


@dataclass(frozen=True)
class Plan:
    """What a sweep tries, and how.

    Parameters
    ----------
    config : Config
        Data set, plain recipe, seed and engine.
    space : tuple of Parameter
    table : dict
        The same, as `[sweep]` has it.
    fixed : list of str
        Keys that are not swept, as they were set by hand.
    sampler, pruner : str
    metric : str
        One of the validation part, with or without ``val_`` before its name.
    trials : int
        How many trials there are to be, with those of before.
    seeds : int
        A trial is the mean of so many trainings, with seeds from that of `config` on.
    winner_seeds : int
        So often each finalist is trained again, each time with a seed that no trial had; with 0 there is no final, and no test
        row is read.
    """

    config: Config
    space: Space
    table: dict[str, Any]
    fixed: list[str] = field(default_factory=list)
    sampler: Sampler = "tpe"
    pruner: Pruner = "median"
    metric: str = "val_accuracy"
    trials: int = 30
    seeds: int = 1
    winner_seeds: int = 3

    def __post_init__(self) -> None:
        for name, kinds in ONE_OF.items():
            if getattr(self, name) not in get_args(kinds):
                raise unknown_name(name, getattr(self, name), get_args(kinds))
        if (name := self.metric.removeprefix("val_")) not in METRICS:
            raise unknown_name("metric", self.metric, [f"val_{known}" for known in METRICS])
        object.__setattr__(self, "metric", f"val_{METRICS[name].name}")  # log_loss is the loss
        if self.sampler == "grid":
            object.__setattr__(self, "space", tuple(parameter.as_grid() for parameter in self.space))
        if self.sampler == "cmaes" and sum(not parameter.choices for parameter in self.space) < 2:
            raise SettingError("The sampler cmaes needs two ranges of numbers or more: choose tpe.")

    @property
    def judge(self) -> Metric:
        """The metric, as one of the validation part."""
        return METRICS[self.metric.removeprefix("val_")]

    @property
    def metric_words(self) -> str:
        """What people call the metric."""
        return f"validation {self.judge.words}"

    @property
    def sign(self) -> int:
        """1 where the metric is to be high, -1 where it is to be low."""
        return self.judge.sign

    @property
    def study_name(self) -> str:
        """What the study is called in a database, unless it is given a name."""
        return f"{Path(self.config.dataset).stem}-{self.config.recipe}"

    @property
    def swept(self) -> list[str]:
        """The names of what is swept: of the table, what was not set by hand."""
        return sorted(parameter.name for parameter in self.space)

    @cached_property
    def cells(self) -> list[dict[str, Any]] | None:
        """All combinations of values in random order, without that of the plain recipe; None where they cannot be listed."""
        if not all(parameter.choices or parameter.whole or parameter.step for parameter in self.space):
            return None
        recipe = self.config.settings
        plain = plain_params(recipe, self.space)
        try:
            cells = [cell for cell in grid(recipe, self.space) if cell != plain]
        except SettingError:
            if self.sampler == "grid":
                raise
            return None
        random.Random(self.config.seed).shuffle(cells)
        return cells

    @property
    def most_trials(self) -> int:
        """How many trials there can be: no more than there are combinations of values, and the plain recipe."""
        return self.trials if self.cells is None else min(self.trials, 1 + len(self.cells))

    @property
    def epochs(self) -> int:
        """The most epochs of a trial."""
        swept = [p for p in self.space if p.key == "training.epochs"]
        return max([self.config.settings.training.most_epochs, *(int(max(p.choices or [p.high])) for p in swept)])

    def counted(self, n: int) -> str:
        """Return how many trials of how many, in words; only how many, if there are more, or time alone is limited."""
        return f"{n} of {self.most_trials} trials" if n <= self.most_trials < WHILE_THERE_IS_TIME else f"{n} trials"

    @property
    def new_seeds(self) -> range:
        """Those that the finalists are trained with, which no trial had."""
        first = self.config.seed + self.seeds
        return range(first, first + self.winner_seeds)

    @property
    def report_every(self) -> int:
        """A pruner sees a trial every so many epochs, about ten times. Each costs more than an epoch of a small network."""
        return max(1, self.epochs // 10)

    def to_dict(self) -> dict[str, Any]:
        """Return it as ``study.toml`` has it."""
        own = {name: getattr(self, name) for name in OWN}
        return {**self.config.options(), SWEEP: {**own, "space": self.table}, "settings": self.config.settings.to_dict()}

    def write(self, study: Path) -> None:
        """Write the ``study.toml`` of a folder."""
        import tomli_w

        write_atomic(study / STUDY, tomli_w.dumps(self.to_dict()))

    @classmethod
    def read(cls, study: Path) -> "Plan":
        """Read the ``study.toml`` of a folder.

        Raises
        ------
        FileFormatError
            If it is not the folder of a sweep, or the file is damaged.
        """
        path = study / STUDY
        if not path.is_file():
            raise FileFormatError(f"{study} is not the folder of a sweep: it has no {STUDY}.")
        config = Config.read(study, STUDY)
        try:
            own = tomllib.loads(path.read_text(encoding="utf-8"))[SWEEP]
            table = own.pop("space")
            return cls(config, make_space(config.settings, table, str(path), own["fixed"]), table, **own)
        except (OSError, KeyError, TypeError, ValueError) as error:  # among them SettingError
            raise FileFormatError(f"{path} is damaged: {error}.") from None

    def differences(self, now: "Plan") -> str:
        """Return what is different in another plan, in words, but for what may be changed in a study."""
        own = [(name, getattr(self, name), getattr(now, name)) for name in (*STAYS, "swept")]
        space = [(f"the space of {key}", self.table.get(key), now.table.get(key)) for key in self.table | now.table]
        said = [f"{what} was {_words(old)}, now {_words(new)}" for what, old, new in (*own, *space) if old != new]
        return ", ".join(filter(None, [self.config.differences(now.config), *said]))


def _words(value: Any) -> str:
    return "none" if value is None else json.dumps(value) if isinstance(value, dict) else repr(value)


def make_plan(
    dataset: str,
    out: str | Path | None = None,
    *,
    resume: bool = False,
    recipe: str | None = None,
    changes: Sequence[str] = (),
    space: Mapping[str, Any] | Sequence[str] = (),
    **settings: Any,
) -> tuple[Path, Plan]:
    """Return the folder of a study, and its plan; of a study to resume, what is not given is as it was.

    Parameters
    ----------
    dataset : str
        ``digits``, ``cifar10``, or a path.
    out : path, optional
        The folder, which must not be there yet; by default one in ``sweeps``.
    resume : bool
        Go on with the study in `out`, if there is one.
    recipe : str, optional
        Name or file of the plain recipe.
    changes : sequence of str
        Settings of it, as ``--set`` has them; what is changed is not swept, unless `space` has it.
    space : dict or sequence of str
        What to try, as ``[sweep]`` of a recipe has it or, in texts, ``--space``; else it is that of the recipe.
    **settings
        Fields of `Plan`, such as `trials`, `sampler` or `winner_seeds`; `seed`, `engine` and `threads`; and how a table is
        read, such as `target`.

    Raises
    ------
    FcnetError
        If something is unknown or cannot be used, or is not what the study was begun with.
    """
    out = None if out is None else Path(out)
    old = Plan.read(out) if resume and out is not None and (out / STUDY).exists() else None
    if out is not None and out.exists() and old is None and not (out.is_dir() and {p.name for p in out.iterdir()} <= {LOCK}):
        what = "Choose another --out, or --resume it." if (out / STUDY).exists() else "Choose another --out."
        raise InputError(f"{out} exists. {what}")
    own = {name: settings.pop(name) for name in OWN if name in settings}
    run, config = configure(dataset, out, resume=resume, file=STUDY, recipe=recipe, changes=changes, **settings)
    fixed = [change.partition("=")[0].strip() for change in changes]
    if space:
        fixed = []
        table, source = (dict(space), "space") if isinstance(space, Mapping) else (dict(map(read_given, space)), "--space")
    elif old is not None and recipe is None:
        table, source, fixed = old.table, str(out), old.fixed
    else:
        name = recipe or default_recipe(dataset)
        table, source = read_space(recipe_text(name), name), f"{name}, [sweep]"
    before = {} if old is None else {name: getattr(old, name) for name in OWN}
    if config.is_regression():
        before = {"metric": f"val_{_judged_by_default(config)}"} | before
        config = replace(config, changed=[*config.changed, *(table if space else [])])
        fixed = fixed if space else list(dict.fromkeys([*fixed, *FOR_CLASSES]))
    changed = {"table": table, "fixed": fixed, **{name: value for name, value in own.items() if value is not None}}
    if "monitor" not in config.changed:
        is_open = (old is None and recipe is None) or recipe in recipe_names()
        config = _judged_by(config, (own.get("metric") or AUTO).removeprefix("val_"), old, is_open=is_open)
    found = make_space(config.settings, table, source, fixed)
    if of_loss := next((parameter.key for parameter in found if parameter.path[:2] == ("training", "loss")), None):
        raise SettingError(
            f"{of_loss} says what is predicted, and trials that predict something else cannot be compared: set it by --set."
        )
    if any(parameter.path[-1] == "n_ensemble" for parameter in found):
        raise SettingError(
            "n_ensemble is not swept: a trial is one network, and the model of a sweep is an ensemble of several."
        )
    plan = Plan(config, found, **(before | changed))
    if old is not None and (differs := old.differences(plan)):
        raise SettingError(f"{out} was begun with other settings: {differs}. Resume it with those, or choose another --out.")
    return out or Path("sweeps") / run.name, plan


def _judged_by_default(config: Config) -> str:
    """Return the name of the metric of a regression where none is said."""
    training = config.settings.training
    return "loss" if isinstance(getattr(training, "loss", None), AbsoluteError | Poisson) else training.loss_of_numbers.metric


def _judged_by(config: Config, metric: str, old: Plan | None, *, is_open: bool) -> Config:
    """Return a configuration whose best epochs are those by the metric of the sweep, where it does not say which are.

    What a recipe says that ships with fcnet, and `is_open`, is what it says of a training without a metric.
    """
    training = config.settings.training
    if old is not None:  # with the name that the metric had, or none where it chose no epochs
        was = getattr(old.config.settings.training, "monitor", AUTO)
        metric = was if was in METRICS and METRICS[was].name == old.judge.name else AUTO
    monitor = getattr(training, "monitor", None)  # None where there are no epochs
    if metric not in METRICS or metric in SCORES or monitor is None or not (is_open or monitor == AUTO):
        return config
    training = msgspec.structs.replace(training, monitor=metric)
    return replace(config, settings=msgspec.structs.replace(config.settings, training=training))
