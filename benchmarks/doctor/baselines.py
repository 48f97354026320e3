"""What a user has today: the rules of UMLAUT, AutoTrainer and SageMaker's Debugger as published, restated on a `Trace`.

Each is a function from a trace to what it reports, in its order, with the share of the training after which it does. Thresholds
are the defaults of the tools. Where a tool names several causes in one message, all of its codes stand for it.

- UMLAUT: Schoop, Huang & Hartmann 2021, with the heuristics of its public code, before training and after every epoch.
- AutoTrainer: Zhang, Zhai, Ma & Shen 2021, every third epoch, from 30 % of the epochs on for what it reads from curves; it
  ends with what it reports first. It asks for an accuracy, 0.7, and so says nothing of regressions but that they explode.
- SageMaker Debugger: its documented rules for deep learning with their default parameters. What it saves is taken as saved at
  the ends of epochs (its examples save every 500 steps), its losses as means over epochs, which is kinder than single batches.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from traces import FIRST_STEPS, Trace


class Found(NamedTuple):
    """A report: the codes that it stands for, its severity, and the share of the training (in steps) that it took."""

    codes: tuple[str, ...]
    severity: str = "warning"
    share: float = 1.0


def once(found: Iterator[Found]) -> list[Found]:
    """Return reports in their order, each once."""
    kept: dict[tuple[str, ...], Found] = {}
    for each in found:
        kept.setdefault(each.codes, each)
    return list(kept.values())


def epochs_of(trace: Trace) -> Iterator[tuple[int, float, dict[str, float]]]:
    """Return number, share of the training, and the row of each epoch; of a training without a finite loss one of NaN."""
    total = trace.work.program.epochs
    for number, row in enumerate(trace.history, 1):
        yield number, number / total, {"accuracy": row.get("train_accuracy", math.nan), **row}
    if trace.end != "done":
        number = len(trace.history) + 1
        yield number, min(1.0, number / total), {"loss": math.nan, "val_loss": math.nan, "accuracy": math.nan}


def umlaut(trace: Trace) -> list[Found]:
    """Return what UMLAUT's heuristics report."""
    return once(_umlaut(trace))


def _umlaut(trace: Trace) -> Iterator[Found]:
    program, data = trace.work.program, trace.work.data
    if program.activation == "identity" and program.hidden:
        yield Found(("below-baseline",), "error", 0.0)
    before = None
    for number, share, row in epochs_of(trace):
        with np.errstate(invalid="ignore"):
            if np.nanmin(data.X) < -1 or np.nanmax(data.X) > 1:
                yield Found(("unscaled-data",), "warning", share)
        if math.isnan(row["loss"]) and np.isnan(data.X).any():
            yield Found(("not-finite-data",), "error", share)
        if program.learning_rate > 0.01:
            yield Found(("learning-rate-too-high",), "warning", share)
        elif program.learning_rate < 1e-7:
            yield Found(("learning-rate-too-low",), "warning", share)
        if before is not None and row["val_loss"] > before["val_loss"] and row["loss"] <= before["loss"]:
            yield Found(("over-fitting",), "warning", share)
        accuracy = row.get("val_accuracy", math.nan)
        if number > 3 and (accuracy > 0.95 or accuracy > row["accuracy"]):
            yield Found(("duplicate-across-splits", "leaking-feature"), "warning", share)
        before = row


def autotrainer(trace: Trace) -> list[Found]:
    """Return the first problem that AutoTrainer's monitor reports, if there is one."""
    accuracies: list[float] = []
    validation: list[float] = []
    counts = dict.fromkeys(("dead-units", "exploding-gradient", "vanishing-gradient"), 0)
    for number, share, row in epochs_of(trace):
        accuracies.append(row["accuracy"])
        validation.append(row.get("val_accuracy", math.nan))
        if (number - 1) % 3 and not math.isnan(row["loss"]):
            continue
        seen = trace.epochs[number - 1] if number <= len(trace.epochs) else None
        if not _finite(row) or (seen is not None and not (seen["weights_finite"] and seen["gradients_finite"])):
            return [Found(("exploding-gradient", "diverged"), "error", share)]
        assert seen is not None
        _count(seen, counts)
        if math.isnan(row["accuracy"]) or number < 0.3 * trace.work.program.epochs:
            continue
        stuck = max(np.diff(accuracies, prepend=-1)[1:], default=0) < 0.01 > max(np.diff(validation, prepend=-1)[1:], default=0)
        if max(validation) < 0.7 or max(accuracies) < 0.7 or stuck:
            for code in ("dead-units", "exploding-gradient", "vanishing-gradient"):
                if counts[code]:
                    return [Found((code,), "error", share)]
            if stuck:
                return [Found(("learning-rate-too-low",), "error", share)]
        elif _oscillates(accuracies):
            return [Found(("learning-rate-too-high",), "error", share)]
    return []


def _finite(row: dict[str, float]) -> bool:
    return math.isfinite(row["loss"]) and math.isfinite(row["val_loss"]) and row["val_loss"] < 1e5


def _count(seen: dict[str, object], counts: dict[str, int]) -> None:
    norms, zeros = seen["gradient_norms"], seen["gradient_zeros"]
    ratio = norms[0] / norms[-1] if norms[-1] else math.nan  # type: ignore[index]
    counts["vanishing-gradient"] += ratio < 1e-3 and norms[0] < 1e-4  # type: ignore[index]
    counts["exploding-gradient"] += ratio > 70
    counts["dead-units"] += zeros >= 0.7  # type: ignore[operator]


def _oscillates(accuracies: list[float]) -> bool:
    """Return whether a fifth of the epochs has a peak that is 0.03 above the trough that goes with it."""
    peaks, troughs = [], []
    for before, here, after in zip(accuracies, accuracies[1:], accuracies[2:], strict=False):
        if here >= before and here >= after:
            peaks.append(here)
        if here <= before and here <= after:
            troughs.append(here)
    count = sum(peak - trough >= 0.03 for peak, trough in zip(peaks, troughs, strict=False))
    return count >= 0.2 * len(accuracies)


def sagemaker(trace: Trace) -> list[Found]:
    """Return what the rules of SageMaker's Debugger report."""
    return once(_sagemaker(trace))


def _sagemaker(trace: Trace) -> Iterator[Found]:
    data, steps_in_all = trace.work.data, steps_of(trace)
    if data.n_classes and np.issubdtype(data.y.dtype, np.integer):
        shares = np.bincount(data.y)
        if shares.max() > 10 * shares.min():
            yield Found(
                ("class-imbalance", "label-shift"), "error", min(1.0, 500 / max(1, len(data.y) * trace.work.program.epochs))
            )
    if trace.steps and _poor_weights(trace):
        yield Found(("init-too-large", "init-too-small", "symmetric-init"), "error", min(1.0, FIRST_STEPS / steps_in_all))
    losses: list[float] = []
    best = {"loss": (math.inf, 0), "val_loss": (math.inf, 0)}
    for number, share, row in epochs_of(trace):
        seen = trace.epochs[number - 1] if number <= len(trace.epochs) else None
        if not _finite(row) or (seen is not None and not seen["gradients_finite"]):
            yield Found(("diverged", "exploding-gradient", "not-finite-data"), "error", share)
            return
        if seen is not None:
            yield from _of_tensors(seen, share)
        if losses and row["loss"] > (1 - 0.001) * losses[-1]:
            yield Found(("learning-rate-too-low", "learning-rate-too-high"), "error", share)
        train = row.get("train_loss", row["loss"])
        if (row["val_loss"] - train) / max(train, 1e-12) > 0.1:
            yield Found(("over-fitting",), "error", share)
        losses.append(row["loss"])
        for name, patience in (("loss", 5), ("val_loss", 10)):
            lowest, when = best[name]
            if row[name] < lowest - 0.01:
                best[name] = (row[name], number)
            elif number - when >= patience:
                yield Found(("over-fitting",), "error", share)


def _of_tensors(seen: dict[str, object], share: float) -> Iterator[Found]:
    inactive = [s for s, name in zip(seen["inactive"], seen["activations"], strict=True) if name == "relu"]  # type: ignore[call-overload]
    if any(s > 0.5 for s in inactive):
        yield Found(("dead-units",), "error", share)
    if any(s > 0.5 for s in seen["saturated"]):  # type: ignore[attr-defined]
        yield Found(("saturated-units",), "error", share)
    if any(mean < 1e-7 for mean in seen["gradient_means"].values()):  # type: ignore[attr-defined]
        yield Found(("vanishing-gradient",), "error", share)
    ratios = seen["update_ratios"].values()  # type: ignore[attr-defined]
    if any(ratio > 10 for ratio in ratios):
        yield Found(("learning-rate-too-high",), "error", share)
    if any(ratio < 1e-8 for ratio in ratios):
        yield Found(("learning-rate-too-low",), "error", share)


def _poor_weights(trace: Trace) -> bool:
    """Return whether variances of layers differ tenfold, gradients are narrow, or the first losses do not fall."""
    first = trace.steps[0]
    variances = first["input_variances"]
    apart = len(variances) > 1 and max(variances) > 10 * min(variances)
    narrow = min(first["gradient_ranges"]) < 0.001
    losses = [step["loss"] for step in trace.steps if "loss" in step]
    lowest = int(np.argmin(losses)) if losses else 0
    return bool(apart or narrow or (len(losses) - 1 - lowest >= 5))


def steps_of(trace: Trace) -> int:
    """Return how many steps a program asks for."""
    program, rows = trace.work.program, len(trace.work.data.X)
    return program.epochs * (1 if program.batches == "full" else -(-rows // program.batch_size))
