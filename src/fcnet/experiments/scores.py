"""The score of a run, its main metric: accuracy of classes, R² of a regression, D² of quantiles; and what else judges it."""

from collections.abc import Mapping
from typing import Any

from fcnet.model import Model
from fcnet.nn.loss import HALF, Loss
from fcnet.training.metrics import METRICS, Metric, all_metrics, in_words
from fcnet.training.target_scale import TargetScale
from fcnet.types import Array

PARTS = {"val": "validation", "train": "training", "test": "test"}
SCORES = {name: METRICS[name] for name in ("accuracy", "r2", "d2")}


def score_of(values: Mapping[str, Any]) -> Metric:
    """Return the score that metrics, or the row of a history, have; accuracy where they have none yet."""
    return next((score for name, score in SCORES.items() for part in PARTS if f"{part}_{name}" in values), SCORES["accuracy"])


def is_of_numbers(values: Mapping[str, Any]) -> bool:
    """Return whether metrics, or the row of a history, are those of a regression."""
    return score_of(values).name != "accuracy"


def chosen_by(monitor: str | None, values: Mapping[str, Any]) -> Metric:
    """Return the metric by which the epoch of a run was chosen, given its monitor and its metrics; the score where none was.

    The loss of a regression is in the scale of training, which says nothing to people: its score stands for it.
    """
    score = score_of(values)
    name = "log_loss" if monitor == "loss" and not is_of_numbers(values) else monitor
    if name not in METRICS or (METRICS[name].name == "loss" and is_of_numbers(values)):
        return score
    return METRICS[name] if values.get(f"val_{METRICS[name].name}") is not None else score


def headline(metrics: Mapping[str, Any], part: str) -> str:
    """Return the score of a part of the data, and before it what the epoch was chosen by, where that is another metric.

    Examples
    --------
    >>> headline({"val_accuracy": 0.9, "val_roc_auc": 0.97, "monitor": "roc_auc"}, "val")
    'ROC AUC 0.9700, accuracy 90.00%'
    """
    both = dict.fromkeys([chosen_by(metrics.get("monitor"), metrics), score_of(metrics)])
    return ", ".join(
        f"{metric.words} {metric.shown(value)}"
        for metric in both
        if (value := metrics.get(f"{part}_{metric.name}")) is not None
    )


def others_in_words(metrics: Mapping[str, Any], part: str) -> str:
    """Return the metrics of a part of the data that are not in its headline, in a row; nothing where there are none."""
    told = {score_of(metrics).name, chosen_by(metrics.get("monitor"), metrics).name}
    rest = {key: value for key, value in metrics.items() if key not in {f"{part}_{name}" for name in told}}
    return ", ".join(f"{name} {value}" for name, value in in_words(rest, part).items())


def afterwards_words(metrics: Mapping[str, Any]) -> str:
    """Return sentences on what was done to a network after its training: a linear model blended in, a temperature.

    Examples
    --------
    >>> afterwards_words({"linear_share": 0.3})
    'A linear model of the same columns has a share of 30% in the prediction.'
    >>> afterwards_words({"temperature": 1.25})
    'Probabilities were made less sure, by a temperature of 1.25.'
    """
    said, share, temperature = [], metrics.get("linear_share"), metrics.get("temperature")
    if share is not None:
        how = f"has a share of {share:.0%}" if share else "was tried beside it, and has no share"
        said.append(f"A linear model of the same columns {how} in the prediction.")
    if temperature is not None:
        how = "less sure" if temperature > 1 else "surer"
        said.append(f"Probabilities were made {how}, by a temperature of {temperature:.3g}.")
    return " ".join(said)


def measured(part: str, loss: Loss, logits: Array, y: Array, scale: TargetScale | None) -> dict[str, float]:
    """Return the metrics of a part of the data by their keys.

    Of a regression the errors are in the unit of the targets, and the loss in the scale of training, as in its history.
    """
    found = all_metrics(loss, logits, y)
    if scale is not None:
        found["loss"] = loss.value(scale.of_logits(logits), scale.apply(y))
    return {f"{part}_{name}": value for name, value in found.items()}


def threshold_of(model: Model) -> float | None:
    """Return the threshold of a model of two classes; None of others."""
    return model.threshold if model.loss.is_of_two_classes(model.network.n_classes) else None


def threshold_words(metrics: Mapping[str, Any]) -> str:
    """Return a sentence that says at which probability the second class is predicted; nothing where that is one half.

    Examples
    --------
    >>> threshold_words({"threshold": 0.23456}), threshold_words({"threshold": 0.5}), threshold_words({})
    ('Its second class is predicted where its probability is above 0.2346, the threshold.', '', '')
    """
    if (threshold := metrics.get("threshold", HALF)) in (None, HALF):
        return ""
    return f"Its second class is predicted where its probability is above {threshold:.4g}, the threshold."


def with_deviation(score: Metric, mean: float, std: float) -> str:
    """Return a mean and a standard deviation for people.

    Examples
    --------
    >>> with_deviation(SCORES["accuracy"], 0.93, 0.002), with_deviation(SCORES["r2"], 0.45, 0.02)
    ('93.00 ± 0.20 %', '0.4500 ± 0.0200')
    """
    scale, digits, sign = (100, 2, " %") if score.is_share else (1, 4, "")
    return f"{scale * mean:.{digits}f} ± {scale * std:.{digits}f}{sign}"
