"""Checks of what a trained network predicts for validation rows; as what follows from other faults, they are warnings."""

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from msgspec.structs import replace

from fcnet.doctor.finding import Finding, Severity
from fcnet.doctor.label_mistakes import mistake_findings
from fcnet.doctor.rows import Rows
from fcnet.nn.network import FullyConnectedNet
from fcnet.training.baselines import fit_linear
from fcnet.types import Array

OF_BASELINES = ("below-baseline", "one-class-predicted")
UNLEARNT = ("learning-rate-too-low", "batch-too-large", "stopped-early", "over-regularised", "under-capacity")
FEWEST_ROWS, FEWEST_OF_A_CLASS = 50, 10
BETTER, CLEARLY = 2.0, 3.0  # standard errors
LESS, FAR_LESS = 0.03, 0.1  # shares of the accuracy, or of the variance
RARE, NOT_FOUND, FOUND = 0.1, 0.2, 0.8  # share of the rows of the largest class, and recalls
OFF, FAR_OFF, SURELY_OFF = 0.05, 0.15, 4.0  # confidence less accuracy, and standard errors
LINEAR_ROWS = 3000
BALANCED = {"class_weight": "balanced", "monitor": "balanced_accuracy"}
USUAL = {"activation": "relu", "weight_init": "he", "update": "adam", "learning_rate": 1e-3}  # what trains nearly everywhere


def prediction_findings(network: FullyConnectedNet, rows: Rows, rng: np.random.Generator) -> Iterator[Finding]:
    """Yield what is to be said of the predictions for validation rows, or, with less than 50 of them, for training rows.

    What is no better than a constant on the rows that it was trained with has learnt nothing; more these do not say.
    """
    few, part = rows.sample(rng), "validation"
    if few.y_val is None or len(few.y_val) < FEWEST_ROWS:
        few, part = dataclasses.replace(few, X_val=few.X, y_val=few.y), "training"
    if few.y_val is None or len(few.y_val) < FEWEST_ROWS:
        return
    X_val, y_val = network.check_data(few.X_val, few.y_val)
    logits = network.logits_of(X_val).astype(np.float64)  # squares of large values are too large for float32
    if not np.isfinite(logits).all():
        return
    y_val = y_val if rows.loss.one_label else y_val.astype(np.float64)
    baselines = list(_baselines(network, few, logits, y_val, part))
    yield from baselines
    if rows.loss.one_label:
        found = _of_classes(few, network.loss.predict(logits).ravel(), _confidence(network, logits), part)
        if part == "training":
            yield from (each for each in found if each.code in OF_BASELINES)
            return
        # To calibrate what has learnt nothing is no remedy; and what has learnt more than class shares need not say a rare one.
        if baselines:
            yield from (each for each in found if each.code != "miscalibrated")
        else:
            yield from (replace(each, severity="note") if each.code == "one-class-predicted" else each for each in found)
        if not baselines and (p := network.loss.mean(logits)).shape[1] > 1:
            yield from mistake_findings(p, few.y_val)


def beside(judged: Iterable[Finding], predicted: Iterable[Finding]) -> list[Finding]:
    """Return what is to be said of predictions beside what the training was judged to be.

    How sure a network is that has not learnt is no matter, and neither is which labels it disagrees with while it had more to
    learn.
    """
    known = list(judged)
    if any(finding.severity == "error" for finding in known):
        return [finding for finding in predicted if finding.code in OF_BASELINES]
    had_more = any(finding.code in UNLEARNT for finding in known)
    return [finding for finding in predicted if not (had_more and finding.code == "label-mistakes")]


def _confidence(network: FullyConnectedNet, logits: Array) -> Array:
    """Return the probability of the predicted class (n,)."""
    p = network.loss.mean(logits)
    return np.asarray(p.max(axis=1) if p.shape[1] > 1 else np.maximum(p, 1 - p)[:, 0])


def _of_classes(few: Rows, predicted: Array, confidence: Array, part: str) -> Iterator[Finding]:
    y = few.y_val
    assert y is not None
    counts, right = np.bincount(y, minlength=few.n_outputs), predicted == y
    if (predicted == predicted[0]).all():
        if (y != y[0]).any():
            settings: list[dict[str, Any]] = [{"batches": "shuffled"}, BALANCED]
            settings = settings[:: -1 if counts.max() >= 2 * counts[counts > 0].min() else 1]
            yield Finding(
                code="one-class-predicted",
                severity="warning",
                message=f"Class {predicted[0]} is predicted for all {len(y):,} {part} rows; {right.sum():,} have it.",
                evidence={"class": int(predicted[0]), "rows": len(y), "right": int(right.sum())},
                remedy="Look at the other findings; where classes are rare, let all count the same in the loss, or lower the "
                "threshold.",
                settings=settings[0],
                alternatives=settings[1:],
            )
        return
    recalls = np.bincount(y, right, few.n_outputs) / np.maximum(counts, 1)
    is_rare = (counts >= FEWEST_OF_A_CLASS) & (counts <= RARE * counts.max()) & (recalls < NOT_FOUND)
    if is_rare.any() and recalls[counts.argmax()] > FOUND:
        rare = int(np.flatnonzero(is_rare)[recalls[is_rare].argmin()])
        yield Finding(
            code="class-imbalance",
            severity="warning",
            message=f"Of {counts[rare]:,} validation rows of class {rare} {recalls[rare]:.0%} are found, and "
            f"{recalls[counts.argmax()]:.0%} of the {counts.max():,} of class {counts.argmax()}.",
            evidence={"class": rare, "rows": int(counts[rare]), "recall": float(recalls[rare])},
            remedy="Let all classes count the same in the loss, and judge by a metric that counts every class.",
            settings=BALANCED,
        )
    gap = float(confidence.mean() - right.mean())
    error = float((confidence - right).std() / np.sqrt(len(y)))
    if abs(gap) > max(OFF, SURELY_OFF * error):
        yield Finding(
            code="miscalibrated",
            severity="warning" if abs(gap) > FAR_OFF else "note",
            message=f"On {len(y):,} validation rows the mean probability of what is predicted is {confidence.mean():.1%}, "
            f"and {right.mean():.1%} of it is right: probabilities are too {'high' if gap > 0 else 'low'}.",
            evidence={"confidence": float(confidence.mean()), "accuracy": float(right.mean()), "standard_error": error},
            remedy="Calibrate on the validation rows, which changes no class that is predicted.",
            settings={"calibrate": True},
        )


def _baselines(network: FullyConnectedNet, few: Rows, logits: Array, y_val: Array, part: str) -> Iterator[Finding]:
    loss = network.loss
    X, y = network.check_data(few.X, few.y)
    of_all = loss.constant_logits(y if y.ndim == 1 else y.astype(np.float64), network.n_classes)
    constant = np.broadcast_to(of_all.astype(logits.dtype), logits.shape)
    in_loss, in_errors = loss.losses(constant, y_val) - loss.losses(logits, y_val), _errors(few, network, constant, y_val)
    in_errors = in_errors - _errors(few, network, logits, y_val)
    words = "class shares" if loss.has_labels else "best constant"
    if (y_val != y_val[0]).any() and not _clear(in_loss, BETTER) and not _clear(in_errors, BETTER):
        yield _no_better(f"the {words}", "loss", -float(in_loss.mean()), len(y_val), part, "warning")
        return
    if (
        part == "training"
        or not (loss.one_label or loss.name == "squared_error")
        or not network.affine[:-1]
        or hasattr(network, "n_numbers")
    ):
        return
    linear = fit_linear(loss, X[:LINEAR_ROWS], y[:LINEAR_ROWS], network.n_classes).logits_of(few.X_val.astype(X.dtype))
    gain = _errors(few, network, logits, y_val) - _errors(few, network, linear, y_val)
    scale = 1.0 if few.loss.one_label else float(np.square(y_val - y_val.mean(axis=0)).sum(axis=1).mean()) or 1.0
    if _clear(gain, CLEARLY) and gain.mean() > LESS * scale:
        severity: Severity = "warning" if gain.mean() > FAR_LESS * scale else "note"
        score = "accuracy" if few.loss.one_label else "R²"
        yield _no_better("a linear model", score, -float(gain.mean() / scale), len(y_val), part, severity)


def _clear(gains: Array, errors: float) -> bool:
    return bool(gains.mean() > errors * gains.std() / np.sqrt(len(gains)))


def _errors(few: Rows, network: FullyConnectedNet, logits: Array, y_val: Array) -> Array:
    """Return the error of each row: whether its class is wrong, or squares."""
    if few.loss.one_label:
        return np.asarray(network.loss.predict(logits).ravel() != few.y_val).astype(float)
    return np.asarray(np.square(network.loss.mean(logits).astype(np.float64) - y_val).sum(axis=1))


def _no_better(what: str, measure: str, more: float, n: int, part: str, severity: Severity) -> Finding:
    return Finding(
        code="below-baseline",
        severity=severity,
        message=f"On {n:,} {part} rows the network is no better than {what}: its {measure} is {abs(more):.3g} "
        f"{'higher' if more > 0 else 'lower'}.",
        evidence={"baseline": what, "gain": -more if measure == "loss" else more, "rows": n},
        remedy="Look at the other findings: a network that trains well is at least as good, unless the inputs say nothing.",
        settings=USUAL,
    )
