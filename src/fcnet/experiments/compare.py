"""Two recipes, or two runs, compared on the rows that they were validated on; test rows are not touched."""

import json
import logging
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from fcnet.data.table_file import stem
from fcnet.errors import DivergedError, FileFormatError, InputError, SettingError
from fcnet.experiments.config import Config
from fcnet.experiments.folder import METRICS_FILE, PREDICTIONS, sweep_words
from fcnet.experiments.predictions import labels_checksum, read_predictions
from fcnet.experiments.results import read_metrics, read_state
from fcnet.experiments.run import model_and_data, train
from fcnet.experiments.runs import run_folders
from fcnet.experiments.scores import chosen_by, score_of
from fcnet.experiments.validated import validated_logits, validated_rows
from fcnet.nn.loss import TINY, Loss
from fcnet.nn.regression_losses import QuantileLoss
from fcnet.training.callbacks import Callback
from fcnet.training.metrics import METRICS, Metric
from fcnet.training.paired import Difference, over_errors, over_quantiles, over_row_losses, over_rows, over_seeds
from fcnet.types import Array
from fcnet.words import ensemble_words, listed

_log = logging.getLogger(__name__)
_UNSTABLE = "a recipe that diverges has no accuracy to compare. Change it, or compare other seeds by --seed."
BY_ROWS = ("accuracy", "r2", "d2", "loss")  # of other metrics rows have no values of their own
SAME_RECIPE = ("recipe", "seed", "description", "verify", "threads", "fcnet")  # these make no other recipe


@dataclass(frozen=True)
class Side:
    """The finished runs of a recipe on a data set that are compared, by their seeds."""

    config: Config
    runs: dict[int, Path]
    metrics: dict[int, dict[str, Any]]
    left_out: list[int] = field(default_factory=list)  # seeds that the other side has not

    @property
    def settings(self) -> dict[str, Any]:
        """The options and settings by their paths, but for those that make no other recipe."""
        return _settings(self.config)

    score: Metric = METRICS["accuracy"]  # what they are compared by

    @property
    def values(self) -> dict[int, float]:
        """Their scores on the validation rows, by their seeds."""
        return {seed: metrics[f"val_{self.score.name}"] for seed, metrics in self.metrics.items()}

    @property
    def chosen_by(self) -> Metric:
        """The metric by which the epochs of all runs were chosen; their score where one of them has none."""
        monitor = self.settings.get("training.monitor")
        found = {chosen_by(monitor, metrics).name: chosen_by(monitor, metrics) for metrics in self.metrics.values()}
        return next(iter(found.values())) if len(found) == 1 else score_of(next(iter(self.metrics.values())))


@dataclass(frozen=True)
class Compared:
    """Two recipes, the scores of each with the seeds that both have, and how much better B is."""

    a: Side
    b: Side
    seeds: list[int]  # none where one run each is compared, and these have other seeds
    difference: Difference

    def differing(self) -> dict[str, tuple[Any, Any]]:
        """Return the settings in which the two differ, None where one has no such setting."""
        a, b = self.a.settings, self.b.settings
        return {path: (a.get(path), b.get(path)) for path in {**a, **b} if a.get(path) != b.get(path)}


def _settings(config: Config) -> dict[str, Any]:
    return {path: value for path, value in config.by_path().items() if path not in SAME_RECIPE}


def compare_runs(paths: Sequence[str | Path], data_dir: str | None = None) -> Compared:
    """Compare finished runs of two recipes.

    Parameters
    ----------
    paths : sequence of paths
        Run folders, or folders that hold run folders. Two are A and B, each one recipe with one seed or more. Of any other
        number, the recipe of the first run is A.
    data_dir : str, optional
        Where to look for data files first; they are read only where one run each is compared and one has been evaluated, as
        its predictions are then those of the test rows.

    Raises
    ------
    InputError
        If these are not runs of two recipes, or of one with two seeds; if several have no seeds in common; or if they were not
        validated on the same rows.
    FileFormatError
        If a run is not finished, or its folder is damaged.
    """
    found = {path: list(run_folders(path)) for path in map(Path, paths)}
    for path, runs in found.items():
        if not runs:
            none = f"{path} is not a run folder, and holds none." if path.exists() else f"There is no folder {path}."
            raise FileFormatError(f"{sweep_words(path) or none} To compare recipes add --on DATASET.")
    if len(found) == 1 < len(paths):
        raise InputError(f"{paths[0]} is named twice: there is nothing to compare.")
    groups = list(found.values()) if len(found) == 2 else _by_recipe([run for runs in found.values() for run in runs])
    if len(groups) != 2:
        what = listed(map(_first_of, groups))
        raise InputError(f"Runs of two recipes can be compared, and these are of {len(groups)}: {what}. Name two folders.")
    return _compared(_side("A", groups[0]), _side("B", groups[1]), data_dir)


def what_it_is(config: Config) -> str:
    """Return whether a run is of one network or an ensemble, and of what."""
    words = "" if config.fold else ensemble_words(config.folds, config.seeds, config.networks)
    return f"an ensemble of {words}" if words else "a single network"


def _first_of(runs: Sequence[Path]) -> str:
    config = Config.read(runs[0])
    return f"{runs[0]} ({config.recipe}, {what_it_is(config)})"


def _by_recipe(runs: Iterable[Path]) -> list[list[Path]]:
    groups: dict[str, list[Path]] = {}
    for run in runs:
        groups.setdefault(repr(_settings(Config.read(run))), []).append(run)
    return list(groups.values())


def _side(name: str, runs: Sequence[Path]) -> Side:
    configs, by_seed = [Config.read(run) for run in runs], dict[int, Path]()
    first = configs[0]
    expected = _settings(first)
    for run, config in zip(runs, configs, strict=True):
        if config.seed in by_seed:
            raise InputError(f"{by_seed[config.seed]} and {run} have the same seed, {config.seed}: leave one out.")
        here = _settings(config)
        if differ := [path for path, value in expected.items() if here.get(path) != value]:
            kinds = [what_it_is(one) for one in (first, config)]
            how = f"one is {kinds[0]}, the other {kinds[1]}" if kinds[0] != kinds[1] else f"they differ in {listed(differ)}"
            raise InputError(f"{runs[0]} and {run} are on one side, and not trained alike: {how}.")
        by_seed[config.seed] = run
    metrics = {}
    for seed, run in by_seed.items():
        if not (run / METRICS_FILE).exists() and (state := read_state(run)).kind == "diverged":
            raise InputError(f"{name} diverged with seed {seed}, in {run}: {_UNSTABLE} {state.words}")
        metrics[seed] = read_metrics(run)
    return Side(first, by_seed, metrics)


def _compared(a: Side, b: Side, data_dir: str | None) -> Compared:
    _check_rows(a, b)
    seeds = sorted(a.runs.keys() & b.runs.keys())
    if seeds and a.settings == b.settings:
        pair = f"{a.runs[seeds[0]]} and {b.runs[seeds[0]]}"
        raise InputError(f"{pair} have the same settings and the same seed, {seeds[0]}: there is nothing to compare.")
    score = a.chosen_by if a.chosen_by == b.chosen_by else score_of(next(iter(a.metrics.values())))
    if len(a.runs) == len(b.runs) == 1:
        if score.name not in BY_ROWS:
            score = score_of(next(iter(a.metrics.values())))
        a, b = replace(a, score=score), replace(b, score=score)
        if score.name == "loss":
            return Compared(a, b, seeds, over_row_losses(_losses(a, data_dir), _losses(b, data_dir)))
        (of_a, y), (of_b, _) = _of_rows(a, data_dir), _of_rows(b, data_dir)
        if isinstance(loss := a.config.settings.training.loss_of_numbers, QuantileLoss):
            return Compared(a, b, seeds, over_quantiles(of_a, of_b, y, loss))
        if score.name == "r2":
            return Compared(a, b, seeds, over_errors(of_a, of_b, y))
        return Compared(a, b, seeds, over_rows(of_a == y, of_b == y))
    if len(seeds) < 2:
        has = " and ".join(f"{name} has {listed(map(str, sorted(side.runs)))}" for name, side in (("A", a), ("B", b)))
        raise InputError(
            f"Seeds are compared in pairs, and fewer than two are in common: {has}. Train both with the same seeds."
        )
    a, b = (replace(_only(side, seeds), score=score) for side in (a, b))
    n_rows = a.metrics[seeds[0]]["n_val"] if score.is_share else None
    return Compared(a, b, seeds, over_seeds([*a.values.values()], [*b.values.values()], n_rows, sign=score.sign))


def _only(side: Side, seeds: Sequence[int]) -> Side:
    runs, metrics = {seed: side.runs[seed] for seed in seeds}, {seed: side.metrics[seed] for seed in seeds}
    return Side(side.config, runs, metrics, left_out=sorted(side.runs.keys() - seeds))


def _check_rows(a: Side, b: Side) -> None:
    """Raise InputError unless all runs were validated on the same rows."""
    known: dict[str, tuple[Any, Any, Path]] = {}
    for side in (a, b):
        for seed, run in side.runs.items():
            for what, value, words in _rows_of(side.config, side.metrics[seed], run):
                there, first_words, first = known.setdefault(what, (value, words, run))
                if there != value:
                    raise InputError(
                        f"{first} and {run} were validated on different rows: {what} is {first_words} and {words}."
                    )


def _rows_of(config: Config, metrics: dict[str, Any], run: Path) -> Iterator[tuple[str, Any, Any]]:
    """Yield what tells the validation rows of a run from others: what it is, its value, and words for it."""
    name = f"{config.dataset} ({config.checksum})" if config.checksum else config.dataset
    yield "the data", config.checksum or config.dataset, name
    yield "their metric", score_of(metrics).name, score_of(metrics).words
    if isinstance(loss := config.settings.training.loss_of_numbers, QuantileLoss):
        yield "what is predicted", loss.name, f"quantiles {listed(map(str, loss.quantiles))}"
    for what, key in (("the target", "target"), ("the number of rows", "n_val")):
        yield what, metrics.get(key), metrics.get(key)
    labels = metrics.get("val_labels")
    if labels is None:  # a run of an older version
        predictions, part = read_predictions(run / PREDICTIONS)
        labels = labels_checksum(predictions["labels"]) if part == "validation" else None
    if labels is not None:
        yield "the checksum of their labels", labels, labels


def _of_rows(side: Side, data_dir: str | None) -> tuple[Array, Array]:
    """Return what the only run of a side predicts for the validation rows, classes or values, and what is so."""
    [(seed, run)] = side.runs.items()
    predictions, part = read_predictions(run / PREDICTIONS)
    if part == "validation":
        names = ("predicted", "labels") if "labels" in predictions else ("values", "targets")
        return predictions[names[0]], predictions[names[1]]
    logits, y, loss = _predicted_again(run, side, seed, data_dir)
    return loss.predict(logits), y


def _losses(side: Side, data_dir: str | None) -> Array:
    """Return the log-losses of the validation rows by the only run of a side, (n,)."""
    [(seed, run)] = side.runs.items()
    predictions, part = read_predictions(run / PREDICTIONS)
    if part == "validation":
        p = predictions["probabilities"][np.arange(len(predictions["labels"])), predictions["labels"]]
        return -np.log(np.maximum(p.astype(np.float64), TINY))
    logits, y, loss = _predicted_again(run, side, seed, data_dir)
    return loss.losses(logits, y)


def _predicted_again(run: Path, side: Side, seed: int, data_dir: str | None) -> tuple[Array, Array, Loss]:
    """Return the logits of the validation rows of a run that has been evaluated, their targets, and the loss of its model."""
    model, data = model_and_data(run, side.config, side.metrics[seed], data_dir, n_test=0)
    parts = list(side.config.parts(data))
    return validated_logits(model, parts), validated_rows(parts)[1], model.loss


def compare_recipes(
    a: Config,
    b: Config,
    folder: str | Path,
    seeds: Sequence[int],
    *,
    data_dir: str | None = None,
    callbacks: Iterable[Callback] = (),
) -> Compared:
    """Train two recipes with each of some seeds, one network with each, and compare them.

    The runs stay in `folder`, in one folder for each recipe with its settings. Those that are there are not trained again, and
    those that were stopped go on. So a comparison that was interrupted is the same call again. The p-value holds for seeds that
    were chosen beforehand: after one that is undecided, compare `Difference.new_seeds` new seeds alone.

    Parameters
    ----------
    a, b : Config
        Whose seeds do not matter.
    folder : path
    seeds : sequence of int
    data_dir : str, optional
    callbacks : iterable of Callback

    Raises
    ------
    FcnetError
        If settings or data do not fit, or a training diverges.
    """
    a, b = a.of_one_network(), b.of_one_network()
    if _settings(a) == _settings(b):
        raise SettingError("A and B have the same settings: change one, but not n_ensemble, as by --set-b learning_rate=0.05.")
    sides = [recipe_folder(Path(folder), config) for config in (a, b)]
    for number, seed in enumerate(seeds, 1):
        for name, side, config in zip("AB", sides, (a, b), strict=True):
            _log.info("Seed %d (%d of %d), %s: %s", seed, number, len(seeds), name, config.recipe)
            run = side / f"seed-{seed}"
            try:
                train(run, replace(config, seed=seed), data_dir=data_dir, resume=True, callbacks=callbacks)
            except DivergedError as error:
                raise DivergedError(f"{name} diverged with seed {seed}, in {run}: {_UNSTABLE} {error}") from None
    of_a, of_b = (_side(name, [side / f"seed-{seed}" for seed in seeds]) for name, side in zip("AB", sides, strict=True))
    return _compared(of_a, of_b, data_dir)


def recipe_folder(folder: Path, config: Config) -> Path:
    """Return where `compare_recipes` keeps the runs of a recipe: under a name that other settings would hardly have."""
    words = json.dumps(_settings(config.of_one_network()), sort_keys=True, default=list)
    return folder / f"{stem(config.dataset)}-{config.recipe}-{zlib.crc32(words.encode()):08x}"
