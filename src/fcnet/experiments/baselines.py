"""What the network of a run is compared with: the class shares, or the mean, and a linear model; and what is said of it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fcnet.experiments.job import Training
from fcnet.experiments.paired import Difference, over_losses, over_rows
from fcnet.experiments.scores import measured
from fcnet.model import Model
from fcnet.nn.losses import Loss
from fcnet.training.baselines import fit_linear
from fcnet.training.metrics import METRICS, Metric
from fcnet.training.target_scale import TargetScale
from fcnet.types import Array

WORDS = {"class_shares": "the class shares", "mean": "the mean", "linear": "the linear model"}
PARTS = {"val": "validation", "test": "test"}


def linear_model(model: Model, X: Array, y: Array) -> Model:
    """Return a linear model that takes what `model` takes, fitted on preprocessed training rows."""
    network = fit_linear(model.network.loss, X, y, model.network.n_classes)
    return Model(network, model.preprocessor, model.classes, max_value=model.max_value)


def compare(
    metrics: dict[str, Any],
    part: str,
    model: Model,
    logits: Array,
    linear: Array,
    y: Array,
    y_train: Array,
    training: Training | None = None,
) -> None:
    """Record in the metrics of a run how good the baselines are on a part of the data, and where the network is no better.

    The rows of each class are counted, too.

    Parameters
    ----------
    metrics : dict
    part : {"val", "test"}
    model : Model
    logits, linear : arrays (n, n_outputs)
        Those of the network, and of the linear model.
    y, y_train : arrays (n,) or (n, n_outputs)
        The targets of these rows, and of those to train.
    training : Training, optional
        Its settings are what is advised on; without it nothing is.
    """
    loss = model.network.loss
    constant = np.broadcast_to(loss.constant_logits(y_train, logits.shape[1]).astype(logits.dtype), logits.shape)
    others = {"class_shares" if loss.has_labels else "mean": constant, "linear": linear}
    scale = None if loss.has_labels else TargetScale.of(y_train)
    for name, each in others.items():
        metrics.setdefault("baselines", {}).setdefault(name, {}).update(measured(part, loss, each, y, scale))
    said = warnings_of(part, loss, logits, others, y, model.classes, training)
    metrics.setdefault("warnings", {}).update({part: said} if said else {})
    if loss.one_label:
        parts = ({"train": y_train} if part == "val" else {}) | {part: y}
        sizes = {name: np.bincount(labels, minlength=logits.shape[1]).tolist() for name, labels in parts.items()}
        metrics.setdefault("class_sizes", {}).update(sizes)


def warnings_of(
    part: str,
    loss: Loss,
    logits: Array,
    others: Mapping[str, Array],
    y: Array,
    classes: Sequence[str],
    training: Training | None = None,
) -> list[str]:
    """Return sentences that say where a network is not better than baselines by more than chance, paired over rows."""
    said, rows = [], f"on the {len(y):,} {PARTS[part]} rows"
    metric = METRICS["loss" if loss.has_labels else "r2"]
    words = "log-loss" if loss.has_labels else metric.words
    losses = loss.losses(logits, y)
    weak = _weak({name: over_losses(loss.losses(each, y), losses) for name, each in others.items()})
    if weak:
        than = _no_better(metric, loss, logits, others, y, weak)
        said.append(f"The network's {words} {rows}, {than}.{_advice(training, loss, weak)}")
    if not loss.one_label:
        return said
    predicted = logits.argmax(axis=1)
    if (predicted == predicted[0]).all() and (y != y[0]).any():
        name = classes[predicted[0]]
        remedy = "; --metric balanced_accuracy with --set class_weight=balanced finds rows of other classes"
        remedy = remedy if training is not None and "class_shares" not in weak else ""  # else there was other advice
        said.append(f"It predicts {name!r} for each of the {len(y):,} {PARTS[part]} rows{remedy}.")
    elif less := _weak({name: over_rows(each.argmax(axis=1) == y, predicted == y) for name, each in others.items()}):
        better = ", though its log-loss is" if not weak.keys() & less.keys() else ""
        said.append(f"Its accuracy {rows}, {_no_better(METRICS['accuracy'], loss, logits, others, y, less)}{better}.")
    return said


def _weak(differences: Mapping[str, Difference]) -> dict[str, Difference]:
    """Return those in which the network is not better by more than chance."""
    return {name: found for name, found in differences.items() if not (found.gain > 0 and found.is_decided)}


def _no_better(
    metric: Metric, loss: Loss, logits: Array, others: Mapping[str, Array], y: Array, weak: Mapping[str, Difference]
) -> str:
    mine, clearly = metric.of(loss, logits, y, None), "clearly " if any(found.gain > 0 for found in weak.values()) else ""
    than = [f"that of {WORDS[name]}, {metric.shown(metric.of(loss, others[name], y, None))}" for name in weak]
    return f"{metric.shown(mine)}, is not {clearly}better than {', and '.join(than)}"


def _advice(training: Training | None, loss: Loss, weak: Mapping[str, Difference]) -> str:
    if training is None:
        return ""
    tips = []
    if loss.has_labels:
        if getattr(training, "monitor", "") not in ("loss", "log_loss"):
            tips.append("--metric log_loss, which keeps the epoch with the best probabilities")
        if getattr(training, "label_smoothing", 0):
            tips.append("--set label_smoothing=0")
        if not getattr(training, "calibrate", True):
            tips.append("--set calibrate=true")
    why = "what is to be learnt is linear" if weak.keys() == {"linear"} else "the columns say nothing of the target"
    tried = f" Try {' or '.join(filter(None, [', '.join(tips[:-1]), tips[-1]]))}." if tips else ""
    return f"{tried} It may{' also' * bool(tips)} be that {why}."
