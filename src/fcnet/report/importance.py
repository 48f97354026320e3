"""Which columns a model depends on, and how, for the report of a run."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fcnet import plots
from fcnet.model import Model
from fcnet.nn.regression_losses import QuantileLoss
from fcnet.training.metrics import METRICS

MOST_BARS, MOST_COLUMNS, MOST_LINES = 20, 100, 2


def importance(found: Mapping[str, Any], model: Model) -> dict[str, Any]:
    """Return charts, and lines of a table, of what ``importance.json`` has of a model."""
    columns, outputs = found["columns"], model.classes
    what = "rise of the log-loss" if found["metric"] == "log_loss" else f"fall of {METRICS[found['metric']].words}"
    if isinstance(model.network.loss, QuantileLoss):
        outputs = [f"quantile {quantile}" for quantile in outputs]
    names, mean, std = ([column[key] for column in columns[:MOST_BARS]] for key in ("name", "mean", "std"))
    bars = plots.plot_importance(names, np.array(mean), np.array(std), what)
    return {
        "what": what,
        "rows": found["rows"],
        "repeats": found["repeats"],
        "bars": plots.to_svg(bars, "var(--ink)"),
        "columns": columns[:MOST_COLUMNS],
        "n_columns": len(columns),
        "dependence": _dependence(found["dependence"], outputs, found["metric"] == "log_loss"),
    }


def _dependence(drawn: Sequence[Mapping[str, Any]], outputs: Sequence[str], of_classes: bool) -> list[str]:
    """Return a chart for each column, all over the same range; of several classes the two that change most."""
    charts, of_two = [], of_classes and len(outputs) == 2
    label = f"probability of {outputs[1]}" if of_two else "probability" if of_classes else "value"
    for each in drawn:
        means = np.array(each["predictions"])
        lines = [1] if of_two else np.argsort(-np.ptp(means, axis=0), kind="stable")[:MOST_LINES]
        charts.append(plots.plot_dependence(each["name"], each["values"], {outputs[k]: means[:, k] for k in lines}, label))
    ends = [axes.get_ylim() for figure in charts for axes in figure.axes]
    for figure in charts:
        figure.axes[0].set_ylim(min(low for low, _ in ends), max(high for _, high in ends))
    return [plots.to_svg(figure, "var(--ink)") for figure in charts]
