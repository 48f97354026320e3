"""A run: one recipe trained on one data set, with all that came of it in one folder."""

import logging
import shutil
import time
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, TypedDict, Unpack

from fcnet.data import Dataset
from fcnet.data.splits import joined
from fcnet.engine import ENGINES
from fcnet.errors import InputError, SettingError
from fcnet.experiments.attendance import Attendance
from fcnet.experiments.baselines import compare, keep_linear
from fcnet.experiments.config import Config
from fcnet.experiments.folder import (
    ATTEMPT,
    CONFIG,
    LINEAR,
    MEMBERS,
    METRICS_FILE,
    MODEL,
    PREDICTIONS,
    RUN_FILES,
    holds_nothing_else,
    owned,
    refuse_if_owned,
    sweep_words,
)
from fcnet.experiments.job import Job, Trained, scale_of
from fcnet.experiments.memory import peak_memory_mb
from fcnet.experiments.predictions import labels_checksum, save_predictions
from fcnet.experiments.results import read_metrics, write_metrics
from fcnet.experiments.scores import measured, score_of, threshold_of
from fcnet.model import Model
from fcnet.model_file import load
from fcnet.preprocessing import Prepared, TrainingRows
from fcnet.threads import use_threads
from fcnet.training.callbacks import Callback
from fcnet.types import Array

_log = logging.getLogger(__name__)


class TrainOptions(TypedDict, total=False):
    """How a run is trained, which changes nothing of its result; what is left out is as it says.

    Parameters
    ----------
    data_dir : str, optional
        Where to look for data files first.
    force : bool
        Replace a run that is in the folder; by default not.
    resume : bool
        Go on with the run that is in the folder, if there is one; by default not.
    checkpoint_seconds : float
        Least time between two checkpoints; by default 10.
    callbacks : iterable of Callback
        By default none.
    doctor : bool
        Have the doctor at each training, and keep what it finds in ``findings.json``; by default not.
    """

    data_dir: str | None
    force: bool
    resume: bool
    checkpoint_seconds: float
    callbacks: Iterable[Callback]
    doctor: bool


def check_run(run: Path, config: Config, *, force: bool = False, resume: bool = False) -> bool:
    """Check that a run can be made or resumed in a folder, change nothing, and return whether it is finished already.

    Raises
    ------
    InputError
        If the folder holds something already and neither `force` nor `resume` is given, or another process owns it.
    SettingError
        If a setting is out of range, or `resume` is given and the run was begun with other settings.
    """
    config.settings.check(config.engine)
    refuse_if_owned(run)
    return check_folder(run, config, force, resume)


def check_folder(run: Path, config: Config, force: bool, resume: bool) -> bool:
    """Check a folder as `check_run` does, but not the settings, nor who owns it."""
    is_run = (run / CONFIG).exists()
    if resume and is_run:
        is_finished = (run / METRICS_FILE).exists()
        changed = Config.read(run).differences(config)
        if changed:
            advice = "It is finished: choose" if is_finished else "Resume it with those, or choose"
            raise SettingError(f"{run} was begun with other settings: {changed}. {advice} another --out.")
        return is_finished
    if is_run and not force:
        raise InputError(f"{run} exists. Choose another --out, --resume it, or pass --force to replace it.")
    if run.exists() and not is_run and not (run.is_dir() and holds_nothing_else(run)):
        raise InputError(f"{sweep_words(run) or f'{run} exists and is not a run folder.'} Choose another --out.")
    return False


def is_begun(run: Path, config: Config) -> bool:
    """Return whether a folder holds a run with this configuration, finished or to be resumed."""
    return (run / CONFIG).exists() and not Config.read(run).differences(config)


def begin(run: Path, config: Config, resume: bool) -> None:
    """Make the folder and its configuration, unless there is one to resume; of an older run nothing is left."""
    if resume and (run / CONFIG).exists():
        return
    (run / METRICS_FILE).unlink(missing_ok=True)  # first: what has metrics is finished
    for folder in (MEMBERS, ATTEMPT):
        if (run / CONFIG).exists() and (run / folder).exists():
            shutil.rmtree(run / folder)
    for name in reversed(RUN_FILES):  # the configuration last: what has it is a run folder
        (run / name).unlink(missing_ok=True)
    run.mkdir(parents=True, exist_ok=True)
    config.write(run)


def train(run: Path, config: Config, *, data: Dataset | None = None, **options: Unpack[TrainOptions]) -> dict[str, Any]:
    """Train by `config`, fill the folder `run`, and return the metrics; of a finished run that is resumed, those it has.

    The test part of the data is not read. Training sees the training part alone, and preprocessing that of all folds. The
    validation part chooses the epoch that is kept, unless the recipe keeps the last. The folder is made once settings and data
    are known to be good.

    Parameters
    ----------
    run : Path
    config : Config
    data : Dataset, optional
        That of `config`, without its test part, where it has been loaded and checked already.
    **options
        Those of `TrainOptions`.

    Raises
    ------
    FcnetError
        If folder, data or settings do not fit, or training diverges; the parameters kept so far are then in the folder.
    """
    force, resume = options.get("force", False), options.get("resume", False)
    if check_run(run, config, force=force, resume=resume):
        return read_metrics(run)
    began = time.monotonic()
    recipe = config.settings
    if data is None:
        data = config.load(options.get("data_dir"), n_test=0)
        config.check_data(data)
    for note in data.notes:
        _log.info("%s", note, extra={"once": True})
    with owned(run, "train"):
        if check_folder(run, config, force, resume):  # once more: another process may have been here meanwhile
            return read_metrics(run)
        begin(run, config, resume)
        with use_threads(config.threads or None):
            prepared = prepare(config, data)
            X_val = prepared.preprocessor.transform(data.X_val, recipe.dtype)
            seconds, callbacks = options.get("checkpoint_seconds", 10.0), list(options.get("callbacks", ()))
            attendance = Attendance(run, config, data, X_val) if options.get("doctor") else None
            callbacks += [attendance.doctor] if attendance else []
            job = Job(recipe, data, prepared, X_val, config.seed, config.engine, run, seconds, resume, callbacks)
            with attendance or nullcontext():
                trained = recipe.training.train(job)
                metrics = _record(config, job, trained, began)
                if attendance:
                    attendance.look_at(job, trained, metrics)
            return metrics


def prepare(config: Config, data: Dataset) -> Prepared:
    """Fit the preprocessing of a run on the training part, and preprocess that.

    With folds it is fitted on the rows of all folds, so that all members of the ensemble take the same inputs.
    """
    recipe, n = config.settings, len(data.X_train)
    rows = TrainingRows(
        joined(data.X_train, data.X_val) if config.fold else data.X_train,
        image_shape=data.image_shape,
        max_value=data.max_value,
        dialect=data.dialect,
        mirror=recipe.augmentation.mirror,
        shift=recipe.augmentation.shift,
        mean_of_views=recipe.training.always_averages,
        dtype=recipe.dtype,
        seed=config.seed,
        matmul=ENGINES[config.engine].matmul,
        codes=recipe.takes_codes,
    )
    prepared = recipe.preprocessing.fit(rows)
    if not config.fold:
        return prepared
    views = prepared.rows.reshape(-1, len(rows.X), prepared.rows.shape[1])
    return replace(prepared, rows=views[:, :n].reshape(-1, prepared.rows.shape[1]))


def _record(config: Config, job: Job, trained: Trained, began: float) -> dict[str, Any]:
    """Write predictions and metrics of what was trained, and return the metrics."""
    run, data, network = job.run, job.data, trained.model.network
    compared: dict[str, Any] = {}
    if data.image_shape is None:
        of_classes = config.settings.training.class_weights(data)
        both = (trained.model, trained.val_logits), keep_linear(job, trained.model, of_classes)
        compare(compared, "val", *both, data.y_val, data.y_train, of_classes, config.settings.training, config.folds)
        compared["notes"] = list(data.notes)
    metrics = {
        "dataset": config.dataset,
        "target": data.target or None,
        "recipe": config.recipe,
        "seed": config.seed,
        "engine": config.engine,
        "dtype": str(network.dtype),
        f"train_{network.loss.metric}": trained.train_score,
        **measured("val", trained.model.loss, trained.val_logits, data.y_val, scale_of(data, network.loss)),
        f"test_{network.loss.metric}": None,
        "monitor": getattr(config.settings.training, "monitor", None),
        "n_train": len(data.X_train),
        "n_val": len(data.X_val),
        "val_labels": labels_checksum(data.y_val),
        "n_test": None,
        "n_parameters": network.n_parameters,
        "epochs": trained.epochs,
        "best_epoch": trained.best_epoch,
        "stop_reason": trained.stop_reason,
        "linear_share": trained.linear_share,
        "temperature": trained.temperature,
        "threshold": threshold_of(trained.model),
        "fit_seconds": round(trained.seconds, 3),
        "feature_seconds": round(job.prepared.seconds, 3),
        "total_seconds": round(time.monotonic() - began, 3),
        "peak_memory_mb": peak_memory_mb(),
        **compared,
    }
    raw = trained.model.preprocessor.encode(data.X_val)
    save_predictions(run / PREDICTIONS, "validation", trained.model.loss, trained.val_logits, raw, data.y_val)
    write_metrics(run, metrics)
    return metrics


def evaluate(run: Path, *, data_dir: str | None = None, known: dict[Path, Array] | None = None) -> dict[str, Any]:
    """Measure a run on all test rows, once: record what it finds in its metrics, and return them.

    A run that has been measured already keeps what it has, and the test part is not read again. Of an ensemble those of its
    members are recorded, too.

    Parameters
    ----------
    run : Path
    data_dir : str, optional
        Where to look for data files first.
    known : dict of arrays (n_test, n_outputs), optional
        Logits of the test rows by the runs of single networks: those that are there are taken, and others are added.

    Raises
    ------
    FcnetError
        If the run is not finished, or its data cannot be used.
    """
    config, metrics = Config.read(run), read_metrics(run)
    key = f"test_{score_of(metrics).name}"
    if metrics[key] is not None:
        return metrics
    with owned(run, "evaluate"):
        metrics = read_metrics(run)  # once more: another process may have been here meanwhile
        if metrics[key] is not None:
            return metrics
        model, data = model_and_data(run, config, metrics, data_dir)
        known = {} if known is None else known
        runs = [(run / member["run"]).resolve() for member in metrics.get("members", [])] or [run.resolve()]
        for one, member in zip(runs, model.members, strict=True):
            if one not in known:
                known[one] = member.logits(data.X_test)
        loss, each = model.loss, [known[one] for one in runs]
        logits = model.averaged(each)
        for member, one, own in zip(metrics.get("members", []), model.members, each, strict=False):
            if key in member:
                member[key] = one.loss.score(own, data.y_test)
        metrics |= measured("test", loss, logits, data.y_test, scale_of(data, loss)) | {"n_test": len(data.X_test)}
        if "baselines" in metrics:  # not of images, nor in runs of before
            known_linear = load(run / LINEAR) if (run / LINEAR).exists() else None
            linear = (known_linear, known_linear.logits(data.X_test)) if known_linear else None
            of_classes = config.settings.training.class_weights(data)
            compare(metrics, "test", (model, logits), linear, data.y_test, data.y_train, of_classes)
        save_predictions(run / PREDICTIONS, "test", loss, logits, model.preprocessor.encode(data.X_test), data.y_test)
        write_metrics(run, metrics)
    return metrics


def model_and_data(
    run: Path, config: Config, metrics: dict[str, Any], data_dir: str | None, n_test: int | None = None
) -> tuple[Model, Dataset]:
    """Return the model of a finished run, and its data as when it was trained; with an `n_test` of 0 without the test part."""
    model = load(run / MODEL)
    columns = [name for name, _ in model.preprocessor.columns]
    target = metrics.get("target") or config.target  # that of then, should another be the default by now
    return model, replace(config, target=target).load(data_dir, n_test, columns)
