"""Findings that the predictions for a part of the data show."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from fcnet import plots
from fcnet.plots import BLUE, INK, ORANGE
from fcnet.report.calibration import N_BINS
from fcnet.report.calibration import calibration as measured
from fcnet.report.findings.bars import draw_bars
from fcnet.report.findings.seen import Drawn, Seen

MOST_CLASSES = 30


def calibration(_: Mapping[str, Any], seen: Seen) -> Drawn | None:
    """Draw how often something was so over the probability that it was given."""
    if seen.predictions is None:
        return None
    found = measured(dict(seen.predictions), list(seen.classes))
    said, so = (np.array([row[name] for row in found["rows"]]) for name in ("predicted", "observed"))
    figure, axes = plots.new_figure(f"Calibration, {seen.part} part", "probability that was predicted", "how often it was so")
    axes.plot([0, 1], [0, 1], color=INK, alpha=0.6, linewidth=1, linestyle=":", label="calibrated")
    axes.plot(said, so, color=BLUE, linewidth=1.8, marker="o", markersize=4, label="network")
    plots.add_legend(figure)
    return figure, f"Of what is predicted with {said[0]:.0%} to {said[-1]:.0%}, {so[0]:.0%} to {so[-1]:.0%} is so."


def counts(_: Mapping[str, Any], seen: Seen) -> Drawn | None:
    """Draw how many rows have each class, and of how many it is predicted."""
    n = len(seen.classes)
    if seen.predictions is None or n > MOST_CLASSES:
        return None
    true, predicted = (np.bincount(seen.predictions[name], minlength=n)[:n] for name in ("labels", "predicted"))
    figure, axes = plots.new_figure(f"Rows by class, {seen.part} part", "", "rows")
    for values, label, colour, shift in ((true, "true", BLUE, -0.2), (predicted, "predicted", ORANGE, 0.2)):
        axes.bar(np.arange(n) + shift, values, 0.4, color=colour, label=label)
    names = [plots.shortened(name) for name in seen.classes]
    axes.set_xticks(np.arange(n), names, rotation=90 if n > 4 else 0, parse_math=False)
    axes.grid(visible=False, axis="x")
    figure.legend(loc="outside lower center", ncols=2, labelcolor=INK, frameon=False)
    most, few = int(true.argmax()), int(np.where(true, true, true.max() + 1).argmin())
    words = [
        f"{seen.classes[i]} has {true[i]:,} rows and is predicted for {predicted[i]:,}" for i in dict.fromkeys((most, few))
    ]
    return figure, "; ".join(words) + "."


def errors(_: Mapping[str, Any], seen: Seen) -> Drawn | None:
    """Draw the share of errors by how sure the network is."""
    if seen.predictions is None or len(seen.predictions["labels"]) < 2 * N_BINS:
        return None
    confidence = seen.predictions["probabilities"].max(axis=1)
    wrong = seen.predictions["predicted"] != seen.predictions["labels"]
    order = np.argsort(confidence, kind="stable")
    shares = np.array([wrong[part].mean() for part in np.array_split(order, N_BINS)])
    figure, axes = draw_bars(
        [f"{100 * (i + 1) // N_BINS}" for i in range(N_BINS)],
        100 * shares,
        f"Errors by confidence, {seen.part} part",
        "rows, the least sure first, %",
        "errors, %",
    )
    axes.axhline(100 * wrong.mean(), color=INK, alpha=0.6, linewidth=1, linestyle=":")
    return (
        figure,
        f"{shares[0]:.0%} of the tenth of rows that the network is least sure of is wrong, {shares[-1]:.0%} of the surest.",
    )
