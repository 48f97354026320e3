"""What the network of a run is compared with: the class shares, or the mean, and a linear model; and what is said of it."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from fcnet.experiments.folder import LINEAR
from fcnet.experiments.job import Job, Training
from fcnet.experiments.scores import measured
from fcnet.model import Model
from fcnet.model_file import save
from fcnet.nn.loss import HALF, Loss
from fcnet.training.baselines import OF_LINEAR, fit_linear, rows_to_fit
from fcnet.training.gain import FEWEST_TO_JUDGE_BY, is_better
from fcnet.training.metrics import AUTO, METRICS, Metric, get_metric
from fcnet.training.paired import over_rows
from fcnet.training.target_scale import scale_for
from fcnet.types import Array

CONSTANTS = {"absolute_error": "median", "d2": "quantiles"}  # by a loss or its metric: what predicts best without any column
BY_LOSS = {"absolute_error": "mae", "poisson": "poisson_deviance"}  # what shows a loss to people; of others its own metric
WORDS = {
    "class_shares": "the class shares",
    "mean": "the mean",
    "median": "the median",
    "quantiles": "the quantiles of all targets",
    "linear": "the linear model",
}
PARTS = {"val": "validation", "test": "test"}
FEW = 50  # rows, with fewer of which a difference is seldom more than chance


def keep_linear(job: Job, model: Model, of_classes: Array | None) -> tuple[Model, Array] | None:
    """Write a linear model of what a network was trained on, and return it with its logits of the validation part.

    For losses that have none nothing is written, and None is returned.
    """
    data = job.data
    if model.network.loss.name not in OF_LINEAR:
        return None
    linear = linear_model(model, data.X_train, job.prepared.rows[: len(data.y_train)], data.y_train, of_classes)
    is_same = linear.preprocessor is model.preprocessor
    logits = linear.network.logits(job.X_val) if is_same else linear.logits(data.X_val)
    linear.threshold = job.recipe.training.threshold_for(linear.loss, logits, data.y_val, of_classes)
    save(job.run / LINEAR, linear)
    return linear, logits


def linear_model(model: Model, raw: Any, X: Array, y: Array, of_classes: Array | None = None) -> Model:
    """Return a linear model that takes what `model` takes, fitted on training rows, preprocessed ones X.

    Where these have numbers of categories, its inputs are one-hot. `of_classes` are the weights of classes, if they have any.
    """
    preprocessor, n_outputs = model.preprocessor.one_hot(), model.network.n_classes
    if preprocessor is not model.preprocessor:
        rows = rows_to_fit(len(y), preprocessor.n_outputs or 1, n_outputs)
        X, y = preprocessor.transform(raw[rows], X.dtype), y[rows]
    network = fit_linear(model.network.loss, X, y, n_outputs, None if of_classes is None else of_classes[y])
    return Model(network, preprocessor, model.classes, max_value=model.max_value)


def compare(
    metrics: dict[str, Any],
    part: str,
    network: tuple[Model, Array],
    linear: tuple[Model, Array] | None,
    y: Array,
    y_train: Array,
    of_classes: Array | None = None,
    training: Training | None = None,
    folds: int = 0,
) -> None:
    """Record in the metrics of a run how good the baselines are on a part of the data, and where the network is no better.

    Where classes have weights, losses are compared with these; metrics have none. The rows of each class are counted, too.

    Parameters
    ----------
    metrics : dict
    part : {"val", "test"}
    network, linear : pairs of a Model and an array (n, n_outputs)
        The model of the network, and the linear one, with their logits; there is none for some losses of regressions.
    y, y_train : arrays (n,) or (n, n_outputs)
        The targets of these rows, and of those to train.
    of_classes : array (n_classes,), optional
        What a row of each class counts in training.
    training : Training, optional
        Its settings are what is advised on; without it nothing is.
    folds : int
        The number of folds of the run, if it has any.
    """
    (model, logits), loss = network, network[0].loss
    constant = np.broadcast_to(loss.constant_logits(y_train, logits.shape[1]).astype(logits.dtype), logits.shape)
    name = "class_shares" if loss.has_labels else CONSTANTS.get(loss.name, CONSTANTS.get(loss.metric, "mean"))
    others, losses = {name: constant}, {name: model.network.loss}
    if linear is not None:
        others["linear"], losses["linear"] = linear[1], linear[0].loss
    scale = None if loss.has_labels else scale_for(loss, y_train)
    for name, each in others.items():
        metrics.setdefault("baselines", {}).setdefault(name, {}).update(measured(part, losses[name], each, y, scale))
    weights = None
    if of_classes is not None:
        weights = of_classes[y]
        weighted = loss.constant_logits(y_train, logits.shape[1], of_classes[y_train]).astype(logits.dtype)
        others["class_shares"] = np.broadcast_to(weighted, logits.shape)
    said = warnings_of(part, loss, logits, others, y, model.classes, training, folds, weights)
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
    folds: int = 0,
    weights: Array | None = None,
) -> list[str]:
    """Return sentences that say where a network is not better than baselines by more than chance, paired over rows.

    Losses are judged by `fcnet.training.gain.is_better`, and accuracies by McNemar's test, of as many rows as losses need;
    where the loss is better, the accuracy may be so by chance. What has all rows right, as the network has, is not compared.
    Nor are accuracies where the network has a threshold other than one half, which may have been chosen for another metric, or
    where rows have `weights` (n,) by their classes.
    """
    said, rows, is_few = [], f"on the {len(y):,} {PARTS[part]} rows", len(y) < FEW
    metric = METRICS["loss"] if loss.has_labels else get_metric(BY_LOSS.get(loss.name, AUTO), loss)
    words = "log-loss" if loss.has_labels else metric.words
    losses, predicted = loss.losses(logits, y), loss.predict(logits)
    known = others
    if loss.one_label and (predicted == y).all():
        others = {name: each for name, each in others.items() if (each.argmax(axis=1) != y).any()}
    weak = [name for name, each in others.items() if is_better(losses, loss.losses(each, y), weights) is False]
    if weak:
        than = _no_better(metric, loss, logits, others, y, weak, weights)
        advice = "" if training is None else _advice(training, loss, "" if is_few else _reason(loss, known, y, weak, weights))
        said.append(f"The network's {words}{' with class weights' * (weights is not None)} {rows}, {than}.{advice}")
    if loss.one_label and (predicted == predicted[0]).all() and (y != y[0]).any():
        remedy = "" if training is None else _for_rare_classes(training)
        said.append(f"It predicts {classes[predicted[0]]!r} for each of the {len(y):,} {PARTS[part]} rows{remedy}.")
    elif (
        loss.one_label
        and loss.threshold == HALF
        and weights is None
        and len(y) >= FEWEST_TO_JUDGE_BY
        and (
            less := [
                name
                for name, each in others.items()
                if not _is_more_often_right(predicted, each, y, or_by_chance=name not in weak)
            ]
        )
    ):
        better = ", though its log-loss is" if not {*weak} & {*less} else ""
        said.append(f"Its accuracy {rows}, {_no_better(METRICS['accuracy'], loss, logits, others, y, less)}{better}.")
    if said and is_few:
        remedy = "" if training is None or folds else ": --folds 5 validates on all but the test rows"
        said.append(f"So few rows cannot tell models apart{remedy}.")
    return said


def _is_more_often_right(predicted: Array, than: Array, y: Array, *, or_by_chance: bool) -> bool:
    """Return whether classes are predicted better than by other logits, by more than chance if that is not enough."""
    found = over_rows(than.argmax(axis=1) == y, predicted == y)
    return found.gain > 0 and (or_by_chance or found.is_decided)


def _no_better(
    metric: Metric,
    loss: Loss,
    logits: Array,
    others: Mapping[str, Array],
    y: Array,
    weak: Collection[str],
    weights: Array | None = None,
) -> str:
    mine, than, last = metric.of(loss, logits, y, weights), [], ""
    for name in weak:
        value = metric.of(loss, others[name], y, weights)
        how = f"not {'clearly ' * metric.is_better(mine, value)}better than "
        than.append(f"{how * (how != last)}that of {WORDS[name]}, {metric.shown(value)}")
        last = how
    return f"{metric.shown(mine)}, is {', and '.join(than)}"


def _reason(loss: Loss, others: Mapping[str, Array], y: Array, weak: Collection[str], weights: Array | None) -> str:
    """Return what may be the reason; not the columns, where the linear model is clearly better than what knows none."""
    if "linear" not in others:
        return "It may{} be that the columns say nothing of the target."
    if {*weak} == {"linear"}:
        return "It may{} be that what is to be learnt is linear."
    constant, linear = (loss.losses(each, y) for each in others.values())
    if not is_better(linear, constant, weights):
        return "It may{} be that the columns say nothing of the target."
    return "The linear model is as good or better, so the columns do say something of the target." if "linear" in weak else ""


def _advice(training: Training, loss: Loss, reason: str) -> str:
    tips = []
    if loss.has_labels:
        if getattr(training, "monitor", "loss") not in ("loss", "log_loss"):
            tips.append("--metric log_loss, which keeps the epoch with the best probabilities")
        if getattr(training, "label_smoothing", 0):
            tips.append("--set label_smoothing=0")
        if not getattr(training, "calibrate", True):
            tips.append("--set calibrate=true")
    tried = f"Try {', or '.join(filter(None, [', '.join(tips[:-1]), tips[-1]]))}." if tips else ""
    return "".join(f" {sentence}" for sentence in (tried, reason.format(" also" * bool(tips))) if sentence)


def _for_rare_classes(training: Training) -> str:
    tips = []
    if getattr(training, "monitor", "f1") not in ("balanced_accuracy", "roc_auc", "average_precision", "f1"):
        tips.append("--metric balanced_accuracy or roc_auc")
    if getattr(training, "class_weight", "balanced") != "balanced":
        tips.append("--set class_weight=balanced")
    return f"; {' with '.join(tips)} may find rows of other classes" if tips else ""
