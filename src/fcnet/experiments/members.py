"""A run of one training or of several, one for each seed or fold, and the ensemble of their networks."""

import logging
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Unpack

import numpy as np

from fcnet.data import Dataset
from fcnet.data.splits import of_few_to_validate
from fcnet.errors import InputError
from fcnet.experiments.baselines import compare
from fcnet.experiments.config import Config
from fcnet.experiments.folder import LINEAR, MEMBERS, MODEL, PREDICTIONS, owned
from fcnet.experiments.job import scale_of
from fcnet.experiments.memory import peak_memory_mb
from fcnet.experiments.predictions import labels_checksum, save_predictions
from fcnet.experiments.results import read_metrics, write_metrics
from fcnet.experiments.run import TrainOptions, begin, check_folder, check_run, is_begun, train
from fcnet.experiments.scores import is_of_numbers, measured, score_of, threshold_of, with_deviation
from fcnet.experiments.validated import validated_logits, validated_rows
from fcnet.model import Ensemble
from fcnet.model_file import load, save
from fcnet.training.metrics import AUTO
from fcnet.words import ensemble_words

OF_A_MEMBER = ("recipe", "seed", "train_{}", "val_{}", "val_loss", "epochs", "best_epoch", "fit_seconds")
OF_ROWS = ("val_", "test_", "baselines", "warnings", "class_sizes")  # what begins so is measured on rows
_log = logging.getLogger(__name__)


def train_run(run: Path, config: Config, **options: Unpack[TrainOptions]) -> dict[str, Any]:
    """Train one network, or as many as `config` or its recipe says, and fill the folder `run`; return the metrics.

    The parameters, and what is raised, are those of `fcnet.experiments.run.train`.
    """
    data = None
    if not (options.get("resume") and is_begun(run, config)):
        config, data = counted(config, options.get("data_dir"))
    return (train_members if config.members() else train)(run, config, data=data, **options)


def counted(config: Config, data_dir: str | None = None) -> tuple[Config, Dataset | None]:
    """Return a configuration with as many networks as its recipe says, and the data where it was read to know their number.

    Where the recipe leaves the number open, and a fold does not have what the monitor needs, there is one network.
    """
    training = config.settings.training
    if config.members() or config.fold or training.of_one_network() == training:
        return config, None
    config.settings.check(config.engine)
    data = config.load(data_dir, n_test=0)
    config.check_data(data)
    several = config.with_networks(data)
    try:
        for part in several.parts(data):
            config.check_data(part)
    except InputError as error:
        if getattr(training, "n_ensemble", AUTO) != AUTO:
            raise
        _log.info("One network is trained, and not %d: %s", len(several.members()), error)
        return config, data
    if several.folds:
        few = of_few_to_validate(data)  # of the one part, which is none now
        data.notes = [note for note in data.notes if note not in few]
    return several, data


def train_members(run: Path, config: Config, *, data: Dataset | None = None, **options: Unpack[TrainOptions]) -> dict[str, Any]:
    """Train the members of an ensemble, each in a run folder below `run`, and fill `run`; return the metrics of the ensemble.

    The parameters, and what is raised, are those of `fcnet.experiments.run.train`.
    """
    force, resume = options.get("force", False), options.get("resume", False)
    if check_run(run, config, force=force, resume=resume):
        return read_metrics(run)
    began, members = time.monotonic(), config.members()
    if data is None:
        data = config.load(options.get("data_dir"), n_test=0)
        for part in config.parts(data):
            config.check_data(part)
    with owned(run, "train"):
        if check_folder(run, config, force, resume):
            return read_metrics(run)
        begin(run, config, resume)
        folders = [run / MEMBERS / str(number) for number in range(1, len(members) + 1)]
        for number, (folder, member) in enumerate(zip(folders, members, strict=True), 1):
            _log.info("Network %d of %d, with seed %d", number, len(members), member.seed)
            begun = is_begun(folder, member)
            train(folder, member, data=member.part(data), **options | {"force": not begun, "resume": begun})
        return record(run, config, folders, data, began, each_is_tested=True)


def record(
    run: Path, config: Config, folders: Sequence[Path], data: Dataset, began: float, *, each_is_tested: bool = False
) -> dict[str, Any]:
    """Write the ensemble of finished runs, its predictions and its metrics, and return these.

    With folds the prediction for each row is that of the one network that has not seen it. Where `each_is_tested`, `evaluate`
    is to record the test score of every member, too.
    """
    each, model = [read_metrics(folder) for folder in folders], Ensemble([load(folder / MODEL) for folder in folders])
    parts = list(config.parts(data))
    X_val, y_val = validated_rows(parts)
    compared: dict[str, Any] = {}
    logits, training = validated_logits(model, parts), config.settings.training
    of_classes = training.class_weights(parts[0])
    model.threshold = training.threshold_for(model.loss, logits, y_val, of_classes)
    if all("baselines" in one for one in each):
        linear = None
        if all((folder / LINEAR).exists() for folder in folders):
            of_linear = Ensemble([load(folder / LINEAR) for folder in folders])
            linear = of_linear, validated_logits(of_linear, parts)
            of_linear.threshold = training.threshold_for(of_linear.loss, linear[1], y_val, of_classes)
            save(run / LINEAR, of_linear)
        compare(compared, "val", (model, logits), linear, y_val, parts[0].y_train, of_classes, training, config.folds)
    save(run / MODEL, model)
    score = score_of(each[0]).name
    tests, names = {f"test_{score}": None} if each_is_tested else {}, [name.format(score) for name in OF_A_MEMBER]
    metrics = {name: value for name, value in each[0].items() if not name.startswith(OF_ROWS)} | {
        "recipe": config.recipe,
        "seed": config.seed,
        f"train_{score}": float(np.mean([one[f"train_{score}"] for one in each])),
        **measured("val", model.loss, logits, y_val, scale_of(parts[0], model.loss)),
        "n_val": len(y_val),
        "val_labels": labels_checksum(y_val),
        f"test_{score}": None,
        "n_test": None,
        **{name: sum(one[name] for one in each) for name in ("n_parameters", "fit_seconds", "feature_seconds")},
        "epochs": max(one["epochs"] for one in each),
        "best_epoch": None,
        "stop_reason": None,
        "linear_share": None,
        "temperature": None,
        "threshold": threshold_of(model),
        "total_seconds": round(time.monotonic() - began, 3),
        "peak_memory_mb": peak_memory_mb(),
        **compared,
        "members": [
            {"run": os.path.relpath(folder, run), **{name: one[name] for name in names}, **tests}
            for folder, one in zip(folders, each, strict=True)
        ],
    }
    save_predictions(run / PREDICTIONS, "validation", model.loss, logits, model.preprocessor.encode(X_val), y_val)
    write_metrics(run, metrics)
    return metrics


def measured_by_themselves(metrics: dict[str, Any]) -> bool:
    """Return whether there are members, and the test score of each is recorded."""
    return f"test_{score_of(metrics).name}" in metrics.get("members", [{}])[0]


def over_members(metrics: dict[str, Any], part: str) -> str:
    """Return the mean of the score over the members of an ensemble, and its standard deviation, for people."""
    score = score_of(metrics)
    values = [member[f"{part}_{score.name}"] for member in metrics["members"]]
    return with_deviation(score, float(np.mean(values)), float(np.std(values, ddof=1)))


def members_words(config: Config, metrics: dict[str, Any]) -> str:
    """Return what the validation score of an ensemble is of, in a few words; nothing of a single network."""
    if not config.members():
        return ""
    words = over_members(metrics, "val")
    if config.folds:
        return f" (over {ensemble_words(config.folds, 1, config.networks)}, {words.partition(' ')[2]})"
    return f" (the ensemble; its {config.seeds} networks by themselves {words})"


def how_trained(config: Config, metrics: dict[str, Any]) -> str:
    """Return a sentence that says how a finished run was trained."""
    members, their = metrics.get("members"), "predictions" if is_of_numbers(metrics) else "probabilities"
    if not members:
        return config.settings.training.how(metrics)
    seeds, recipes = sorted({one["seed"] for one in members}), len({one["recipe"] for one in members})
    with_seeds = f"with the seeds {seeds[0]} to {seeds[-1]}" if len(seeds) > 1 else f"with the seed {seeds[0]}"
    if not config.folds:
        of = f" of {recipes} recipes, the finalists of a sweep whose winner has the settings below," if recipes > 1 else ""
        return f"{len(members)} networks{of} were trained, {with_seeds}; the prediction is the mean of their {their}."
    some = "the rows of the folds that were left out are" if len(members) < config.folds else "all these rows are"
    by = "networks that have" if len(members) > config.folds else "network that has"
    return (
        f"{len(members)} networks were trained, {with_seeds}, each on all but one of {config.folds} folds of the rows to train "
        f"and to validate: {some} validated, each by the {by} not seen it. The prediction for new rows is the mean of their "
        f"{their}."
    )
