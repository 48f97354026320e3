"""The findings for a fitted estimator, of fcnet or scikit-learn, in the words of its parameters."""

import re
from typing import Any

import numpy as np
from msgspec.structs import replace

from fcnet.doctor.finding import Finding
from fcnet.doctor.networks import network_findings
from fcnet.doctor.preflight import SCALES
from fcnet.errors import InputError
from fcnet.nn.network import FullyConnectedNet
from fcnet.types import Array, Params, is_sparse
from fcnet.words import PARAMETER_OF

OF_EQUAL_ROWS = ("below-baseline", "miscalibrated")  # findings that hold where all rows count the same
PENALTIES = {"alpha": "l2", "dropout": "dropout", "label_smoothing": "label_smoothing"}


def estimator_findings(thing: Any, X: Any, y: Any, X_val: Any, y_val: Any) -> list[Finding]:
    """Return what is found in the data and the network of a fitted estimator, and in its learning curve."""
    parts = [(X, y), *([] if X_val is None else [(X_val, y_val)])]
    if hasattr(thing, "model_"):  # an estimator for tables
        model = thing.model_
        read = [model.preprocessor.transform(thing._read(rows), model.network.dtype) for rows, _ in parts]
        targets = [_read_targets(thing, np.asarray(y)) for _, y in parts]
        found = network_findings(
            model.network, *_alternating(read, targets), begins=False, judged=(), names=model.preprocessor.output_names
        )
        return [_in_its_words(finding, thing) for finding in found]
    read = [rows if is_sparse(rows) else np.asarray(rows) for rows, _ in parts]
    if hasattr(thing, "network_"):
        targets = [_read_targets(thing, np.asarray(y)) for _, y in parts]
        scaled = {"inputs": thing.scale_inputs, "targets": getattr(thing, "scale_target", True)}
        judged = [name for name in SCALES if not scaled[name]]
        weighs = getattr(thing, "class_weight", None) is not None
        found = network_findings(
            thing.network_,
            *_alternating(read, targets),
            begins=False,
            judged=judged,
            names=getattr(thing, "feature_names_in_", ()),
            history=thing.history_,
            has_curve=any("val_loss" in row for row in thing.history_),
            scaled=None if weighs else thing._scaled,
            settings=_penalties(thing),
            kept=_kept(thing),
        )
        return [_in_its_words(finding, thing) for finding in found if not (weighs and finding.code in OF_EQUAL_ROWS)]
    if hasattr(thing, "coefs_") and hasattr(thing, "out_activation_"):
        targets = [_targets(thing, np.asarray(y)) for _, y in parts]
        found = network_findings(
            _network_of(thing),
            *_alternating(read, targets),
            begins=False,
            history=_history(thing, len(targets[0])),
            has_curve=False,
            settings=_penalties(thing),
        )
        return [_in_its_words(finding, thing) for finding in found]
    kind = type(thing).__name__
    if hasattr(thing, "hidden_layer_sizes") or hasattr(thing, "hidden_sizes"):
        raise InputError(f"This {kind} is not fitted yet: fit it, or diagnose a FullyConnectedNet before training.")
    raise InputError(
        f"A network, a fitted estimator of fcnet, an MLPClassifier or MLPRegressor, or a run folder is needed, got {kind}."
    )


def _penalties(thing: Any) -> dict[str, float]:
    """Return what holds its training back, by the names of recipes; what is found by itself is not known here."""
    known = {setting: getattr(thing, parameter, 0.0) for parameter, setting in PENALTIES.items()}
    return {setting: float(value) for setting, value in known.items() if not isinstance(value, str)}


def _kept(thing: Any) -> int | None:
    """Return the number of the epoch whose parameters an estimator has, where it has chosen it by rows of its own."""
    scores = thing.validation_scores_ if thing.early_stopping else None
    return scores.index(thing.best_validation_score_) + 1 if scores else None


def _in_its_words(finding: Finding, thing: Any) -> Finding:
    """Return a finding whose remedy names parameters of the estimator, and has for settings what it can be given."""
    remedy, known = finding.remedy, thing.get_params(deep=False)
    for name, parameter in PARAMETER_OF.items():
        if parameter in known:  # words like "epochs" are names before an equals sign alone
            remedy = re.sub(rf"\b{name}\b" + "(?= =)" * name.isalpha(), parameter, remedy)
    given = [_parameters(settings, thing) for settings in (finding.settings, *finding.alternatives)]
    return replace(finding, remedy=remedy, settings=given[0], alternatives=[each for each in given[1:] if each])


def _parameters(settings: dict[str, Any], thing: Any) -> dict[str, Any]:
    """Return settings of a recipe as parameters of an estimator; none where it has not all of them."""
    found, known = {}, thing.get_params(deep=False)
    for path, value in settings.items():
        name = path.rpartition(".")[2]
        parameter = PARAMETER_OF.get(name, name)
        parameter = parameter if parameter in known else name
        if parameter not in known or (name == "schedule" and not hasattr(thing, "network_")):  # scikit-learn has others
            return {}
        found[parameter] = True if name == "batches" else value
    return found


def _alternating(read: list[Any], targets: list[Array]) -> list[Any]:
    return [each for part in zip(read, targets, strict=True) for each in part]


def _read_targets(thing: Any, y: Array) -> Array:
    """Return targets as an estimator of fcnet reads them; where it does not know some classes their numbers, as `_targets`."""
    classes = getattr(thing, "classes_", None)
    if classes is None or y.ndim > 1 or np.isin(y, classes).all():
        return np.asarray(thing._read_targets(y, first=False))
    return _targets(thing, y)


def _targets(thing: Any, y: Array) -> Array:
    """Return class numbers of a classifier, those of classes that it does not know above its own; other targets as they are."""
    if not hasattr(thing, "classes_") or y.ndim > 1:
        return y
    every = [*thing.classes_, *np.setdiff1d(y, thing.classes_)]
    numbers = {label: number for number, label in enumerate(every)}
    return np.array([numbers.get(label, -1) for label in y.tolist()], np.int64)


def _history(thing: Any, n: int) -> list[dict[str, Any]]:
    """Return the loss curve of scikit-learn's estimators as a history; losses of batches are between those of epochs."""
    n_outputs = thing.n_outputs_ if thing.out_activation_ == "identity" else 1  # squares are means over them, ours are sums
    losses = [n_outputs * float(loss) for loss in getattr(thing, "loss_curve_", ())]
    n = round(n * (1 - thing.validation_fraction * thing.early_stopping))
    per_epoch = -(-n // (min(200, n) if thing.batch_size == "auto" else thing.batch_size))
    steps = np.interp(np.arange(1, len(losses) * per_epoch + 1) / per_epoch, np.arange(1, len(losses) + 1), losses)
    rows = []
    for number, (loss, of_batches) in enumerate(zip(losses, steps.reshape(-1, per_epoch), strict=True), 1):
        batches = [{"loss": float(each), "learning_rate": thing.learning_rate_init} for each in of_batches]
        rows.append({"epoch": number, "loss": loss, "learning_rate": thing.learning_rate_init, "batches": batches})
    return rows


def _network_of(thing: Any) -> FullyConnectedNet:
    """Return the network of scikit-learn's `MLPClassifier` or `MLPRegressor`, whose parameters are copied."""
    names = {"softmax": "cross_entropy", "logistic": "binary_cross_entropy", "identity": "squared_error", "exp": "poisson"}
    sizes = [len(thing.coefs_[0]), *(len(b) for b in thing.intercepts_)]
    dtype = thing.coefs_[0].dtype
    params: Params = {}
    for number, (W, b) in enumerate(zip(thing.coefs_, thing.intercepts_, strict=True), 1):
        params |= {f"W{number}": np.array(W), f"b{number}": np.array(b)}
    return FullyConnectedNet(sizes, loss=names[thing.out_activation_], activation=thing.activation, dtype=dtype, params=params)
