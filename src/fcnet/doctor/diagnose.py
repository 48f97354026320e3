"""The findings for a network, ours or scikit-learn's, and the data that it is for."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from msgspec.structs import replace

from fcnet.doctor import network_checks
from fcnet.doctor.course import Course
from fcnet.doctor.curve import Curve, chance_of
from fcnet.doctor.finding import Finding, Findings, concluded
from fcnet.doctor.first_layer import first_weights, with_first_layer
from fcnet.doctor.judge import judge
from fcnet.doctor.prediction_checks import OF_BASELINES, prediction_findings
from fcnet.doctor.preflight import SCALES, looked_at
from fcnet.doctor.reference import reference
from fcnet.doctor.rows import Rows
from fcnet.errors import InputError
from fcnet.nn.network import FullyConnectedNet
from fcnet.types import Array, Params, is_sparse

CHECKED = "the data and the network"


def diagnose(
    thing: Any,
    X: Any,
    y: Any,
    X_val: Any = None,
    y_val: Any = None,
    *,
    history: Sequence[Mapping[str, Any]] = (),
    image_shape: Sequence[int] | None = None,
) -> Findings:
    """Return what is found in a network or an estimator and its data, as `fcnet.diagnose` says."""
    if hasattr(thing, "steps"):  # a pipeline
        before, thing = thing[:-1], thing[-1]
        X, X_val = (rows if rows is None or not len(before.steps) else before.transform(rows) for rows in (X, X_val))
    if isinstance(thing, FullyConnectedNet):
        return concluded(network_findings(thing, X, y, X_val, y_val, history=history, image_shape=image_shape), CHECKED)
    if len(history) or image_shape is not None:
        raise InputError("history and image_shape are for a network; an estimator knows its own: leave them out.")
    return concluded(_of_estimator(thing, X, y, X_val, y_val), CHECKED)


def _of_estimator(thing: Any, X: Any, y: Any, X_val: Any, y_val: Any) -> list[Finding]:
    parts = [(X, y), *([] if X_val is None else [(X_val, y_val)])]
    if hasattr(thing, "model_"):  # an estimator for tables
        model = thing.model_
        read = [model.preprocessor.transform(thing._read(rows), model.network.dtype) for rows, _ in parts]
        targets = [thing._read_targets(np.asarray(y), first=False) for _, y in parts]
        return network_findings(
            model.network, *_alternating(read, targets), begins=False, judged=(), names=model.preprocessor.output_names
        )
    read = [rows if is_sparse(rows) else np.asarray(rows) for rows, _ in parts]
    if hasattr(thing, "network_"):
        targets = [thing._read_targets(np.asarray(y), first=False) for _, y in parts]
        scaled = {"inputs": thing.scale_inputs, "targets": getattr(thing, "scale_target", True)}
        judged = [name for name in SCALES if not scaled[name]]
        return network_findings(
            thing.network_,
            *_alternating(read, targets),
            begins=False,
            judged=judged,
            names=getattr(thing, "feature_names_in_", ()),
        )
    if hasattr(thing, "coefs_") and hasattr(thing, "out_activation_"):
        targets = [_targets(thing, np.asarray(y)) for _, y in parts]
        return network_findings(
            _network_of(thing),
            *_alternating(read, targets),
            begins=False,
            history=_history(thing, len(targets[0])),
            has_curve=False,
        )
    kind = type(thing).__name__
    if hasattr(thing, "hidden_layer_sizes") or hasattr(thing, "hidden_sizes"):
        raise InputError(f"This {kind} is not fitted yet: fit it, or diagnose a FullyConnectedNet before training.")
    raise InputError(
        f"A network, a fitted estimator of fcnet, an MLPClassifier or MLPRegressor, or a run folder is needed, got {kind}."
    )


def network_findings(
    network: FullyConnectedNet,
    *given: Any,
    begins: bool | None = None,
    history: Sequence[Mapping[str, Any]] = (),
    image_shape: Sequence[int] | None = None,
    has_curve: bool = True,
    **options: Any,
) -> list[Finding]:
    """Return what is found in data and network, and of one that is trained in its predictions for validation rows.

    With its `history` that is judged, too, and with `image_shape` the weights of its first layer. Where the history has no
    more than a loss for each epoch, one that still falls is a note: what others than the training rows make of it is not known.
    """
    weights = None if image_shape is None else first_weights(network, image_shape)
    begins = not len(history) and network_checks.begins(network) if begins is None else begins
    rows, found = looked_at(network, *given, begins=begins, **options)
    if begins or not len(rows.y):
        return found
    judged = _of_history(network, rows, history) if len(history) else Findings()
    if image_shape is not None and weights is not None:
        judged = with_first_layer(judged, weights, image_shape)
    notes = () if has_curve else ("stopped-early", "batch-too-large")
    found += [replace(each, severity="note") if each.code in notes else each for each in judged]
    # How sure a network is that has not learnt, and what it thinks of labels, is no matter.
    follows = any(each.severity == "error" for each in judged)
    predicted = prediction_findings(network, rows, np.random.default_rng(0))
    return [*found, *(each for each in predicted if not follows or each.code in OF_BASELINES)]


def _of_history(network: FullyConnectedNet, rows: Rows, history: Sequence[Mapping[str, Any]]) -> Findings:
    X, y = network.check_data(rows.X, rows.y)
    n_val, other = None, None
    if rows.X_val is not None and rows.y_val is not None and len(rows.y_val):
        n_val, other = len(rows.y_val), network.check_data(rows.X_val, rows.y_val)
    curve = Curve(history, chance_of(network.loss, y, network.n_classes), n_val)
    hidden = {"hidden_sizes": network.layer_sizes[1:-1]}
    return judge(Course(curve), lambda: None if other is None else reference(network, X, y, *other), hidden)


def _alternating(read: list[Any], targets: list[Array]) -> list[Any]:
    return [each for part in zip(read, targets, strict=True) for each in part]


def _targets(thing: Any, y: Array) -> Array:
    """Return class numbers of an MLPClassifier, -1 for what is none of its classes; other targets as they are."""
    if not hasattr(thing, "classes_") or y.ndim > 1:
        return y
    places = np.clip(np.searchsorted(thing.classes_, y), 0, len(thing.classes_) - 1)
    return np.where(thing.classes_[places] == y, places, -1)


def _history(thing: Any, n: int) -> list[dict[str, Any]]:
    """Return the loss curve of scikit-learn's estimators as a history; losses of batches are between those of epochs."""
    losses = [float(loss) for loss in getattr(thing, "loss_curve_", ())]
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
