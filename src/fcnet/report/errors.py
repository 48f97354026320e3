"""How far the predictions of a regression are from the truth, for the report of a run."""

from typing import Any

import numpy as np

from fcnet import plots
from fcnet.model import Model
from fcnet.nn.loss import HALF
from fcnet.nn.regression_losses import QuantileLoss
from fcnet.types import Array
from fcnet.words import number_words, setting_words

MOST_COLUMNS = 12  # of a row that are shown


def errors_of(predictions: dict[str, Array], model: Model, target: str) -> dict[str, Any]:
    """Return charts, and the largest errors with their rows; of quantiles those of the middle one, and how often each holds."""
    of_outputs, targets, predicted = predictions["values"], predictions["targets"][:, 0], "predicted"
    values, quantiles = of_outputs[:, 0], list[dict[str, str]]()
    if isinstance(loss := model.network.loss, QuantileLoss):
        middle = int(np.argmin(np.abs(np.array(loss.quantiles) - HALF)))
        values, predicted = of_outputs[:, middle], f"quantile {loss.quantiles[middle]}"
        below = (targets[:, np.newaxis] <= of_outputs).mean(axis=0)
        quantiles = [{"quantile": str(q), "below": f"{share:.1%}"} for q, share in zip(loss.quantiles, below, strict=True)]
    names, inputs = [name for name, _ in model.preprocessor.columns], predictions["mistake_inputs"]
    columns = [_cells(model, j, inputs[:, j]) for j in range(min(len(names), MOST_COLUMNS))]
    return {
        "target": target,
        "predicted": predicted,
        "quantiles": quantiles,
        "charts": _charts(values, targets),
        "columns": names[:MOST_COLUMNS],
        "n_columns": len(names),
        "largest": [
            {
                "row": int(row),
                "true": number_words(float(targets[row]), 12),
                "predicted": number_words(float(values[row]), 6),
                "residual": number_words(float(targets[row] - values[row]), sign="+"),
                "cells": [column[i] for column in columns],
            }
            for i, row in enumerate(predictions["mistakes"])
        ],
    }


def _charts(values: Array, targets: Array) -> list[str]:
    figures = (plots.plot_predictions(values, targets), plots.plot_residuals(values, targets))
    return [plots.to_svg(figure, "var(--ink)") for figure in figures]


def _cells(model: Model, column: int, values: Array) -> list[str]:
    """Return encoded values of a column as people write them, nothing for those that are missing."""
    there = np.isfinite(values)
    known = iter(model.preprocessor.cells(column, values[there]))
    cells = [next(known) if is_there else None for is_there in there]
    return ["" if cell is None else cell if isinstance(cell, str) else setting_words(cell) for cell in cells]
