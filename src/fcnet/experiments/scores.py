"""The score of a run, its main metric: the accuracy of classes, or the R² of a regression, or the D² of its quantiles."""

from collections.abc import Mapping
from typing import Any

from fcnet.model import Model
from fcnet.nn.loss import HALF, Loss
from fcnet.training.metrics import METRICS, Metric, all_metrics
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
