"""What the report of a run says of a table: the figures beside those of baselines, its classes and its columns."""

from collections.abc import Mapping
from typing import Any

from fcnet.experiments.baselines import PARTS, WORDS
from fcnet.model import Model
from fcnet.training.metrics import in_words

MOST_COLUMNS = 100


def figures(metrics: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the metrics of each part that has been measured, a line each: the network's, and behind it those of baselines.

    Of runs of before there may be none.
    """
    found = {}
    for part, name in PARTS.items():
        baselines = {key: in_words(values, part) for key, values in metrics.get("baselines", {}).items()}
        columns = {"network": in_words(metrics, part)} | {
            WORDS[key].removeprefix("the "): of for key, of in baselines.items() if of
        }
        lines = {metric: [of.get(metric, "") for of in columns.values()] for metric in columns["network"]}
        if len(lines) > 2:  # there is more than accuracy and loss
            found[name] = {"columns": list(columns), "lines": lines}
    return found


def about_table(metrics: Mapping[str, Any], model: Model) -> dict[str, Any] | None:
    """Return the notes on a table, the sizes of its classes and the kinds of its columns; None of other runs, and old ones."""
    if "notes" not in metrics:
        return None
    sizes = metrics.get("class_sizes", {})
    words = model.preprocessor.column_words()
    return {
        "notes": metrics["notes"],
        "parts": [("training" if part == "train" else PARTS[part]) for part in sizes],
        "classes": [(name, [part[k] for part in sizes.values()]) for k, name in enumerate(model.classes) if sizes],
        "totals": [max(1, sum(part)) for part in sizes.values()],
        "columns": words[:MOST_COLUMNS],
        "n_columns": len(words),
    }
