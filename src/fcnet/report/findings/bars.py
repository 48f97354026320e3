"""Findings whose evidence is a few numbers, as bars."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fcnet import plots
from fcnet.doctor.relation_checks import NOTHING
from fcnet.plots import BLUE, INK
from fcnet.report.findings.seen import Drawn, Seen
from fcnet.types import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def dead_units(evidence: Mapping[str, Any], _: Seen) -> Drawn | None:
    """Draw the share of units of each layer that are 0 for all rows."""
    shares = evidence.get("share_of_layers")
    return shares and _layers(shares, "Dead units by hidden layer", "share of units", (0, 1))


def saturated_units(evidence: Mapping[str, Any], _: Seen) -> Drawn | None:
    """Draw the share of values of each layer that are at flat ends."""
    shares = evidence.get("share_of_layers")
    return shares and _layers(shares, "Values at flat ends by hidden layer", "share of values", (0, 1))


def gradients(evidence: Mapping[str, Any], _: Seen) -> Drawn | None:
    """Draw the gradient of each layer, or what goes through the layers before training."""
    if values := evidence.get("gradients_by_weights"):
        return _layers(values, "Gradients, as a share of weights", "gradient by weights", None)
    return spreads(evidence, _)


def spreads(evidence: Mapping[str, Any], _: Seen) -> Drawn | None:
    """Draw by how much what comes to each activation deviates."""
    values = evidence.get("spreads")
    return values and _layers(values, "Spread of what comes to each activation", "deviation over rows", None)


def _layers(values: Sequence[float | None], title: str, label: str, limits: tuple[float, float] | None) -> Drawn | None:
    """Draw a bar for each layer, on a logarithmic axis where there are no limits."""
    known = np.array(values, float)
    if not np.isfinite(known).all() or (limits is None and not (known > 0).all()):
        return None
    names = [f"{number}" for number in range(1, len(known) + 1)]
    figure, axes = draw_bars(names, known, title, "layer", label)
    if limits is None:
        _logarithmic(axes)
        axes.set_ylim(min(known.min(), 1) / 3, max(known.max(), 1) * 3)
    else:
        axes.set_ylim(*limits)
    return figure, f"From the first layer to the last: {_listed(known)}."


def scales(evidence: Mapping[str, Any], _: Seen) -> Drawn | None:
    """Draw the sizes of inputs, or the deviations of targets, on a logarithmic axis."""
    of_inputs = {"quartile": "lower\nquartile", "median_deviation": "median", "largest": "largest"}
    of_targets = {"least_deviation": "least", "largest_deviation": "largest"}
    words = next((each for each in (of_inputs, of_targets) if all((evidence.get(key) or 0) > 0 for key in each)), None)
    if words is None:
        return None
    values = np.array([evidence[key] for key in words])
    what = "Size of inputs" if words is of_inputs else "Deviation of targets"
    figure, axes = draw_bars(list(words.values()), values, what, "", "deviation" if words is of_targets else "size")
    _logarithmic(axes)
    axes.set_ylim(min(values.min(), 1) / 3, max(values.max(), 1) * 3)
    return figure, f"{', '.join(words.values())}: {_listed(values)}, where 1 is best.".replace("\n", " ")


def alone(evidence: Mapping[str, Any], _: Seen) -> Drawn | None:
    """Draw the error that one input alone leaves, beside that of all others."""
    if evidence.get("alone") is None or evidence.get("others") is None:
        return None
    values = np.array([evidence["alone"], evidence["others"], 1.0])
    names = ["this input\nalone", "all\nothers", "a constant\nanswer"]
    figure, _axes = draw_bars(names, values, "Errors of predictions", "", "share of the error of a constant")
    return figure, f"This input alone leaves {values[0]:.2g} of the error of a constant answer, all others {values[1]:.2g}."


def associations(evidence: Mapping[str, Any], _: Seen) -> Drawn | None:
    """Draw how far quick models agree with the targets, beside what shuffled targets reach."""
    found = {name: value for name, value in evidence.items() if name != "rows" and isinstance(value, float)}
    if not found:
        return None
    values = np.array(list(found.values()))
    figure, axes = draw_bars(
        [name.replace(" ", "\n") for name in found], values, "Agreement with the targets", "", "deviations above shuffled"
    )
    axes.axhline(NOTHING, color=INK, alpha=0.6, linewidth=1, linestyle=":")
    axes.set_ylim(min(values.min(), 0) - 0.5, NOTHING + 1)
    return figure, f"{', '.join(found)}: {_listed(values)}, none above the mark at {NOTHING:g}."


def draw_bars(names: Sequence[str], values: Array, title: str, x_label: str, y_label: str) -> "tuple[Figure, Axes]":
    """Return a figure with a bar for each name."""
    figure, axes = plots.new_figure(title, x_label, y_label)
    axes.bar(np.arange(len(names)), values, 0.6, color=BLUE)
    axes.set_xticks(np.arange(len(names)), names, parse_math=False)
    axes.set_xlim(min(-0.6, len(names) / 2 - 2), max(len(names) - 0.4, len(names) / 2 + 1))  # one bar is no wall
    axes.grid(visible=False, axis="x")
    return figure, axes


def _logarithmic(axes: "Axes") -> None:
    """Give an axis marks at powers of ten and a line at 1."""
    from matplotlib.ticker import NullLocator

    axes.set_yscale("log")
    axes.yaxis.set_minor_locator(NullLocator())
    axes.axhline(1, color=INK, alpha=0.6, linewidth=1, linestyle=":")


def _listed(values: Array) -> str:
    return ", ".join(f"{value:.2g}" for value in values)
