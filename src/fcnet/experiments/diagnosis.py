"""The doctor on data sets and runs."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fcnet.data import Dataset
from fcnet.doctor import diagnose as of_network
from fcnet.doctor.finding import HEALTHY, Finding, Findings, concluded, read_findings
from fcnet.doctor.inflight import OF_THE_RATE
from fcnet.doctor.prediction_checks import beside
from fcnet.doctor.preflight import data_findings, preflight, rows_of
from fcnet.doctor.rows import MOST_ROWS, Rows
from fcnet.doctor.value_checks import sound_rows
from fcnet.errors import InputError
from fcnet.experiments.attendance import of_predictions
from fcnet.experiments.config import Config
from fcnet.experiments.folder import FINDINGS, MODEL
from fcnet.experiments.job import outputs_of, scale_of
from fcnet.experiments.network import Network
from fcnet.experiments.results import read_metrics, read_state
from fcnet.experiments.run import prepare
from fcnet.experiments.run_course import OF_COURSES, course_findings, looks_of
from fcnet.model import Model
from fcnet.model_file import load
from fcnet.preprocessing import Preprocessor
from fcnet.threads import use_threads
from fcnet.types import Array


def diagnose(
    thing: Any,
    X: Any = None,
    y: Any = None,
    X_val: Any = None,
    y_val: Any = None,
    *,
    history: Sequence[Mapping[str, Any]] = (),
    image_shape: Sequence[int] | None = None,
) -> Findings:
    """Say why a network does not learn, or what will keep it from learning, and what to change.

    Parameters
    ----------
    thing : FullyConnectedNet, TabularNet, estimator or path
        A network, as it begins or trained; a fitted estimator of fcnet; a fitted `MLPClassifier` or `MLPRegressor` of
        scikit-learn; a `Pipeline` that ends with one of these; or a run folder, which knows its data.
    X, y : arrays (n, n_inputs) and (n,) or (n, n_outputs)
        The training rows as `thing` is given them, and their targets. Not for a run folder.
    X_val, y_val : optional
        Likewise rows to validate on.
    history : sequence of mappings, optional
        How a network was trained, a row an epoch, to be judged, too: what `Trainer.fit` has returned, or of another loop the
        ``loss`` of each epoch, and ``train_accuracy``, ``val_accuracy``, ``learning_rate`` and ``batches`` if they are known,
        as `fcnet.training.history.History` has them.
    image_shape : (height, width, channels), optional
        Of the images that rows are. What is found in the `history` then says how smooth the weights of the first layer are.

    Returns
    -------
    findings : list of Finding
        Errors before warnings, causes before symptoms; each has a `code`, a `severity`, a `message`, its `evidence`, a
        `remedy`, and the `settings` that apply it. Where there is no error or warning the first is "healthy". Printed, the
        list has a line for each. See the page on the doctor for what each code means.

    Raises
    ------
    InputError
        If rows do not fit, an estimator is not fitted, `thing` is something else, or `history` or `image_shape` is given
        with what is no network, and knows its own.

    Examples
    --------
    >>> from fcnet import FullyConnectedNet
    >>> from sklearn.datasets import load_wine
    >>> X, y = load_wine(return_X_y=True)
    >>> [finding.code for finding in diagnose(FullyConnectedNet([13, 50, 3]), X, y) if finding.severity == "warning"]
    ['unscaled-data']
    """
    if isinstance(thing, str | Path):
        if X is not None:
            raise InputError("A run knows its data: leave out X and y.")
        if len(history) or image_shape is not None:
            raise InputError("A run knows its training: leave out history and image_shape.")
        return diagnose_run(Path(thing))
    if X is None or y is None:
        raise InputError("diagnose needs X and y, the rows to train on and their targets.")
    return of_network.diagnose(thing, X, y, X_val, y_val, history=history, image_shape=image_shape)


def diagnose_run(run: Path, data_dir: str | None = None, *, data: Dataset | None = None) -> Findings:
    """Return what is found in the data of a run, its network as it began, its training, and the predictions of its model.

    The data is read unless it is given, without its test part.

    What its ``findings.json`` has already is kept, as what was seen in training.

    Raises
    ------
    FcnetError
        If it is no run, or its data cannot be used.
    """
    config, model, columns = Config.read(run), None, []
    if (run / MODEL).exists():
        model = load(run / MODEL)
        columns = [name for name, _ in model.preprocessor.columns]
    data = config.load(data_dir, 0, columns) if data is None else data
    # What was found in its training and kept can be seen no more; all else is looked at anew.
    known = read_findings(run / FINDINGS) if (run / FINDINGS).exists() else Findings()
    before = [each for each in known if each.code in OF_COURSES or (model is None and each.code != HEALTHY)]
    with use_threads(config.threads or None):
        rows, preprocessor, found = _looked_at(config, _some(data, config.seed), model)
        if not any(each.code in OF_COURSES for each in before) or looks_of(run):  # else the doctor saw what is lost by now
            found += course_findings(run, config, data, rows, preprocessor, model)
        kind = read_state(run).kind
        if model is not None and len(model.members) == 1 and kind != "diverged" and config.settings.training.needs_network:
            metrics = read_metrics(run) if kind == "finished" else {}
            predicted = of_predictions(model.network, rows, metrics, config.seed)
            found += beside((each for each in [*found, *before] if each.code in OF_COURSES), predicted)
    checked = "the data, the network as it began, and its training"
    rates = [each for each in before if each.code in OF_THE_RATE]  # found by trials at the end of the training
    return concluded([*rates, *found, *before], checked)


def diagnose_data(config: Config, data_dir: str | None = None) -> Findings:
    """Return what is found in a data set, prepared as a recipe says, and in the network of the recipe.

    Raises
    ------
    FcnetError
        If the data cannot be used.
    """
    config.settings.check(config.engine)
    data = config.load(data_dir, n_test=0)
    config.check_data(data)
    with use_threads(config.threads or None):
        *_, found = _looked_at(config, _some(data, config.seed), None)
    return concluded(found, "the data, and the network as it begins")


def _looked_at(config: Config, data: Dataset, model: Model | None) -> tuple[Rows, Preprocessor, list[Finding]]:
    """Return the sound rows of data, as a network takes them, by what, and what is found in them and in the network."""
    recipe = config.settings
    if model is None:
        prepared = prepare(config, data)
        preprocessor, X = prepared.preprocessor, prepared.rows[: len(data.y_train)]
    else:
        preprocessor = model.preprocessor
        X = preprocessor.transform(data.X_train, recipe.dtype)
    X_val, loss = preprocessor.transform(data.X_val, recipe.dtype), recipe.training.loss_of(data)
    scale = scale_of(data, loss)
    y, y_val = (scale.apply(part) if scale else part for part in (data.y_train, data.y_val))
    sizes, n_outputs, n = preprocessor.category_sizes, len(outputs_of(data, loss)), X.shape[1]
    given = X, data.y_train, X_val, data.y_val
    rows = rows_of(loss, n_outputs, *given, n_numbers=n - len(sizes), n_inputs=n, dtype=recipe.dtype)
    rows = replace(rows, names=preprocessor.output_names)
    if recipe.training.needs_network:
        settings = recipe.network or Network()
        made: dict[str, Any] = {"seed": config.seed, "engine": config.engine, "image_shape": data.image_shape}
        network = settings.make(X, sizes, n_outputs, loss=loss.name, **made)
        found = preflight(network, X, y, X_val, y_val, begins=True, names=preprocessor.output_names, seed=config.seed)
    else:
        found = data_findings(rows, np.random.default_rng(config.seed), judged=())[1]
    return sound_rows(rows)[0], preprocessor, found


def _some(data: Dataset, seed: int) -> Dataset:
    """Return data with at most 10,000 rows of each part, drawn at random."""
    parts: dict[str, Any] = {}
    rng = np.random.default_rng(seed)
    for part in ("train", "val"):
        X, y = getattr(data, f"X_{part}"), getattr(data, f"y_{part}")
        if len(y) > MOST_ROWS:
            chosen: Array = np.sort(rng.choice(len(y), MOST_ROWS, replace=False))
            parts |= {f"X_{part}": X[chosen], f"y_{part}": y[chosen]}
    return replace(data, **parts)
