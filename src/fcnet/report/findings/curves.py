"""Findings that a learning curve shows."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from fcnet import plots
from fcnet.doctor.curve import FEWEST_POINTS, Curve
from fcnet.plots import BLUE, INK, ORANGE
from fcnet.report.findings.seen import Drawn, Seen
from fcnet.training.history import History
from fcnet.types import Array

SMOOTHED = 50  # parts of a curve, each with the mean of its batches


def way(evidence: Mapping[str, Any], seen: Seen) -> Drawn | None:
    """Draw the loss over the sum of learning rates, beside the straight line from its first value to its last."""
    losses, rates = Curve(seen.history).batches if seen.history else (np.zeros(0), np.zeros(0))
    if len(losses) < FEWEST_POINTS or not rates.sum() > 0 or not np.isfinite(losses).all():
        return None
    x, y = _smoothed(100 * (np.cumsum(rates) - rates / 2) / rates.sum(), losses)
    figure, axes = plots.new_figure("The loss beside a straight line", "% of the way, the sum of learning rates", "loss")
    axes.plot(x, y, color=BLUE, linewidth=1.8, label="training")
    axes.plot(x[[0, -1]], y[[0, -1]], color=ORANGE, linewidth=1.2, linestyle="--", label="straight line")
    plain = [value for value in seen.history.column("train_loss") if value is not None]
    end, share = plain[-1] if plain else y[-1], evidence.get("loss_by_chance")
    if share and end / share < 3 * y.max():
        axes.axhline(end / share, color=INK, alpha=0.6, linewidth=1, linestyle=":", label="chance")
    axes.set_ylim(bottom=min(0, y.min()))
    plots.add_legend(figure)
    late = evidence.get("fall_in_second_half")
    words = f" {late:.0%} of its fall is in the second half; of a straight line half would be." if late else ""
    return figure, f"The mean loss of batches goes from {y[0]:.3g} to {y[-1]:.3g}.{words}"


def _smoothed(x: Array, y: Array) -> tuple[Array, Array]:
    """Return the means of 50 parts of a line, or the line where it has fewer points."""
    parts = min(len(x), SMOOTHED)
    means = [np.array([part.mean() for part in np.array_split(each, parts)]) for each in (x, y)]
    return means[0], means[1]


def batches(_: Mapping[str, Any], seen: Seen) -> Drawn | None:
    """Draw the loss of every batch."""
    history = History([*seen.history, {"batches": seen.unfinished}])
    losses = np.array(history.batch_column("loss"), float)
    losses = losses[np.isfinite(losses)]
    if not len(losses):
        return None
    words = f"The loss of batches begins at {losses[0]:.3g}, reaches {losses.max():.3g}, and ends at {losses[-1]:.3g}."
    return plots.plot_loss(history), words


def gap(evidence: Mapping[str, Any], seen: Seen) -> Drawn | None:
    """Draw losses where that of the validation has risen, else scores, and what is between them."""
    rises = (evidence.get("validation_loss_rise") or 0) > 0
    curve = Curve(seen.history)
    names = ("train_loss", "val_loss") if rises else (f"train_{curve.score}", f"val_{curve.score}")
    of_training, of_validation = (np.array(seen.history.column(name), float) for name in names)
    both = np.isfinite(of_training) & np.isfinite(of_validation)
    if both.sum() < 2:
        return None
    figure = plots.plot_epoch_loss(seen.history) if rises else plots.plot_accuracy(seen.history)
    axes, epochs = figure.axes[0], np.array(seen.history.column("epoch"), float)
    axes.fill_between(epochs[both], of_training[both], of_validation[both], color=ORANGE, alpha=0.15, linewidth=0)
    if rises:
        axes.axvline(epochs[both][of_validation[both].argmin()], color=INK, alpha=0.6, linewidth=1, linestyle=":")
    what = "loss, with a mark where that of the validation is lowest" if rises else axes.get_ylabel()
    last = f"{of_training[both][-1]:.3g} in training and {of_validation[both][-1]:.3g} in validation"
    return figure, f"The {what}: at the end {last}."


def reference(evidence: Mapping[str, Any], seen: Seen) -> Drawn | None:
    """Draw scores beside that of random units."""
    reached = evidence.get("score_of_random_units")
    if reached is None or Curve(seen.history).last("val") is None:
        return None
    figure = plots.plot_accuracy(seen.history)
    axes = figure.axes[0]
    axes.axhline(reached, color=INK, alpha=0.6, linewidth=1.2, linestyle=":", label="1,000 random units")
    while figure.legends:
        figure.legends[0].remove()
    plots.add_legend(figure)
    words = (
        f"Training and validation stay side by side, below the {reached:.3g} that random units reach on the validation rows."
    )
    return figure, words


def penalty(_: Mapping[str, Any], seen: Seen) -> Drawn | None:
    """Draw the loss that is minimised and what is left of it without penalty, dropout and smoothing."""
    whole, plain = (np.array(seen.history.column(name), float) for name in ("loss", "train_loss"))
    if len(whole) < 2 or not np.isfinite(plain).any():
        return None
    figure, axes = plots.new_figure("What is minimised, and the loss in it", "epoch", "loss")
    epochs = np.array(seen.history.column("epoch"), float)
    axes.plot(epochs, whole, color=ORANGE, linewidth=1.8, label="with penalties")
    axes.plot(epochs, plain, color=BLUE, linewidth=1.8, label="without")
    axes.set_ylim(bottom=0)
    plots.add_legend(figure)
    return figure, f"At the end {whole[-1]:.3g} is minimised, of which {plain[-1]:.3g} is the loss of the training rows."
