"""A run of several trainings, one for each seed or fold, and the ensemble of their networks."""

import logging
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from fcnet.data import Dataset
from fcnet.data.splits import joined, of_fold
from fcnet.experiments.baselines import compare
from fcnet.experiments.config import Config
from fcnet.experiments.folder import LINEAR, MEMBERS, MODEL, PREDICTIONS, owned
from fcnet.experiments.predictions import labels_checksum, save_predictions
from fcnet.experiments.results import read_metrics, write_metrics
from fcnet.experiments.run import begin, check_folder, check_run, is_begun, measured, peak_memory_mb, train
from fcnet.model import Ensemble, Model, load, save
from fcnet.training.callbacks import Callback
from fcnet.types import Array

OF_A_MEMBER = ("recipe", "seed", "train_accuracy", "val_accuracy", "val_loss", "epochs", "best_epoch", "fit_seconds")
OF_ROWS = ("val_", "test_", "baselines", "warnings", "class_sizes")  # what begins so is measured on rows
EMPTY: Mapping[str, Any] = MappingProxyType({})
_log = logging.getLogger(__name__)


def train_members(
    run: Path,
    config: Config,
    *,
    data_dir: str | None = None,
    force: bool = False,
    resume: bool = False,
    checkpoint_seconds: float = 10.0,
    callbacks: Iterable[Callback] = (),
) -> dict[str, Any]:
    """Train the members of an ensemble, each in a run folder below `run`, and fill `run`; return the metrics of the ensemble.

    The parameters, and what is raised, are those of `fcnet.experiments.run.train`.
    """
    if check_run(run, config, force=force, resume=resume):
        return read_metrics(run)
    began, members = time.monotonic(), config.members()
    data = config.load(data_dir, n_test=0)
    config.settings.check_data(of_fold(data, 1, config.folds) if config.folds else data)
    with owned(run, "train"):
        if check_folder(run, config, force, resume):
            return read_metrics(run)
        begin(run, config, resume)
        folders = [run / MEMBERS / str(number) for number in range(1, len(members) + 1)]
        for number, (folder, member) in enumerate(zip(folders, members, strict=True), 1):
            _log.info("Network %d of %d, with seed %d", number, len(members), member.seed)
            begun = is_begun(folder, member)
            train(
                *(folder, member),
                data_dir=data_dir,
                force=not begun,
                resume=begun,
                checkpoint_seconds=checkpoint_seconds,
                callbacks=callbacks,
            )
        return record(run, config, folders, data, began, {"test_accuracy": None})


def record(
    run: Path, config: Config, folders: Sequence[Path], data: Dataset, began: float, of_each: Mapping[str, Any] = EMPTY
) -> dict[str, Any]:
    """Write the ensemble of finished runs, its predictions and its metrics, and return these.

    With folds the prediction for each row is that of the one network that has not seen it. `of_each` is recorded of every
    member, too: where it has a ``test_accuracy``, `evaluate` fills it in.
    """
    each, model = [read_metrics(folder) for folder in folders], Ensemble([load(folder / MODEL) for folder in folders])
    parts = [of_fold(data, fold, config.folds) for fold in range(1, config.folds + 1)] or [data]
    y_val, X_val = np.concatenate([part.y_val for part in parts]), reduce(joined, [part.X_val for part in parts])

    def validated(ensemble: Ensemble) -> Array:
        of_parts: Sequence[Model] = ensemble.members if config.folds else [ensemble]
        return np.concatenate([one.logits(part.X_val) for one, part in zip(of_parts, parts, strict=True)])

    compared: dict[str, Any] = {}
    logits = validated(model)
    if all((folder / LINEAR).exists() for folder in folders):
        linear = Ensemble([load(folder / LINEAR) for folder in folders])
        compare(compared, "val", model, logits, validated(linear), y_val, parts[0].y_train, config.settings.training)
        save(run / LINEAR, linear)
    save(run / MODEL, model)
    metrics = {name: value for name, value in each[0].items() if not name.startswith(OF_ROWS)} | {
        "recipe": config.recipe,
        "seed": config.seed,
        "train_accuracy": float(np.mean([one["train_accuracy"] for one in each])),
        **measured("val", model.network.loss, logits, y_val),
        "n_val": len(y_val),
        "val_labels": labels_checksum(y_val),
        "test_accuracy": None,
        "n_test": None,
        **{name: sum(one[name] for one in each) for name in ("n_parameters", "fit_seconds", "feature_seconds")},
        "epochs": max(one["epochs"] for one in each),
        "best_epoch": None,
        "stop_reason": None,
        "temperature": None,
        "total_seconds": round(time.monotonic() - began, 3),
        "peak_memory_mb": peak_memory_mb(),
        **compared,
        "members": [
            {"run": os.path.relpath(folder, run), **{name: one[name] for name in OF_A_MEMBER}, **of_each}
            for folder, one in zip(folders, each, strict=True)
        ],
    }
    save_predictions(run / PREDICTIONS, "validation", logits, model.preprocessor.encode(X_val), y_val)
    write_metrics(run, metrics)
    return metrics


def over_members(metrics: dict[str, Any], name: str) -> tuple[float, float]:
    """Return the mean of a metric over the members of an ensemble, and its standard deviation."""
    values = [member[name] for member in metrics["members"]]
    return float(np.mean(values)), float(np.std(values, ddof=1))


def members_words(config: Config, metrics: dict[str, Any]) -> str:
    """Return what the validation accuracy of an ensemble is of, in a few words; nothing of a single network."""
    if not config.members():
        return ""
    mean, std = (100 * value for value in over_members(metrics, "val_accuracy"))
    if config.folds:
        return f" (over {config.folds} folds, ± {std:.2f} %)"
    return f" (the ensemble; its {config.seeds} networks by themselves {mean:.2f} ± {std:.2f} %)"


def how_trained(config: Config, metrics: dict[str, Any]) -> str:
    """Return a sentence that says how a finished run was trained."""
    members = metrics.get("members")
    if not members:
        return config.settings.training.how(metrics)
    seeds, recipes = sorted({one["seed"] for one in members}), len({one["recipe"] for one in members})
    with_seeds = f"with the seeds {seeds[0]} to {seeds[-1]}" if len(seeds) > 1 else f"with the seed {seeds[0]}"
    if not config.folds:
        of = f" of {recipes} recipes" if recipes > 1 else ""
        return f"{len(members)} networks{of} were trained, {with_seeds}; the prediction is the mean of their probabilities."
    return (
        f"{len(members)} networks were trained, {with_seeds}, each on all but one of {len(members)} folds of the rows to train "
        "and to validate. A row is validated by the network that has not seen it; the prediction for new rows is the mean of "
        "their probabilities."
    )
