"""Which columns of a table the model of a run depends on, and how."""

import json
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from fcnet.data import Dataset
from fcnet.errors import FileFormatError, InputError
from fcnet.experiments.config import Config
from fcnet.experiments.folder import IMPORTANCE, owned
from fcnet.experiments.results import read_metrics
from fcnet.experiments.run import model_and_data
from fcnet.experiments.validated import by_part
from fcnet.files import write_atomic
from fcnet.model import Model
from fcnet.threads import use_threads
from fcnet.training import importance
from fcnet.types import Array

MOST_ROWS, MOST_DRAWN, MOST_VALUES = 5000, 6, 20
_log = logging.getLogger(__name__)


def permutation_importance(run: Path, *, data_dir: str | None = None, repeats: int = importance.REPEATS) -> dict[str, Any]:
    """Find out which columns matter on the validation rows of a run, at most 5,000 of them; write and return the results.

    The ``importance.json`` in its folder has the ``columns``, the most important first, each with ``name``, ``mean`` and
    ``std``, as `fcnet.training.importance.permutation_importance` returns them, and of the first ones the ``dependence``: the
    mean prediction of each output at some values, quantiles of a number, or the most frequent categories. The test part is not
    read.

    Raises
    ------
    FcnetError
        If the run is not finished or not one on a table, or its data cannot be used.
    """
    config, metrics, began = Config.read(run), read_metrics(run), time.monotonic()
    if not metrics.get("target"):
        raise InputError(f"{run} was not trained on a table: there are no columns whose importance could be measured.")
    model, data = model_and_data(run, config, metrics, data_dir, n_test=0)
    columns, rng, loss = model.preprocessor.columns, np.random.default_rng(0), model.network.loss
    with owned(run, "report"), use_threads(config.threads or None):
        X, y, logits_of = _validation_rows(config, model, data, rng)
        found = importance.permutation_importance(logits_of, loss, X, y, repeats=repeats, seed=rng)
        drawn = []
        for j in found.order[:MOST_DRAWN]:
            name, categories = columns[j]
            values = _values(X[:, j], categories)
            if not len(values):  # all are missing
                continue
            means = importance.partial_dependence(logits_of, loss, X, int(j), values).tolist()
            drawn.append({"name": name, "values": model.preprocessor.cells(int(j), values), "predictions": means})
        result = {
            "rows": len(X),
            "repeats": repeats,
            "metric": "log_loss" if loss.has_labels else loss.metric,
            "seconds": round(time.monotonic() - began, 3),
            "columns": [{"name": columns[j][0], "mean": float(found.mean[j]), "std": float(found.std[j])} for j in found.order],
            "dependence": drawn,
        }
        write_atomic(run / IMPORTANCE, json.dumps(result) + "\n")
    _log.info("Importance of %d columns on %s validation rows: %.1f s", len(columns), f"{len(X):,}", result["seconds"])
    return result


def read_importance(run: Path) -> dict[str, Any] | None:
    """Return what `permutation_importance` has written into a run folder; None if there is nothing."""
    path = run / IMPORTANCE
    try:
        return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None
    except (OSError, ValueError, TypeError) as error:
        raise FileFormatError(f"{path} is damaged: {error!r}.") from None


def _validation_rows(
    config: Config, model: Model, data: Dataset, rng: np.random.Generator
) -> tuple[Array, Array, Callable[[Array], Array]]:
    """Return encoded rows, their targets, and what gives their logits: of folds the network that has not seen a row."""
    parts = list(config.parts(data))
    members = by_part(model, parts)
    X = np.concatenate([model.preprocessor.encode(part.X_val) for part in parts])
    y = np.concatenate([part.y_val for part in parts])
    owner = np.repeat(np.arange(len(parts)), [len(part.y_val) for part in parts])
    rows = np.sort(rng.permutation(len(X))[:MOST_ROWS])
    X, y, owner = X[rows], y[rows], owner[rows]

    def logits_of(X: Array) -> Array:
        out = np.empty((len(X), model.network.n_classes), model.network.dtype)
        for i, member in enumerate(members):
            out[owner == i] = member.logits(X[owner == i])
        return out

    return X, y, logits_of


def _values(column: Array, categories: list[str] | None) -> Array:
    """Return about twenty values of a column: quantiles of numbers, or the most frequent categories."""
    if categories is None:
        known = column[np.isfinite(column)]
        return np.unique(np.quantile(known, np.linspace(0, 1, MOST_VALUES), method="inverted_cdf")) if len(known) else known
    values, counts = np.unique(column, return_counts=True)
    return np.asarray(values[np.argsort(-counts, kind="stable")][:MOST_VALUES])
