"""How far the probabilities of a classifier can be trusted."""

from typing import Any

import numpy as np

from fcnet.types import Array

N_BINS = 10


def calibration(predictions: dict[str, Array], names: list[str]) -> dict[str, Any]:
    """Return what was predicted and what happened, in bins of equally many rows, and how far these are apart.

    Of two classes that is the probability of the second; of more that of the class that is predicted, and whether it is right.
    The expected calibration error is the mean distance of the two, each bin counting by its rows (Naeini et al. 2015).
    """
    probabilities, labels = predictions["probabilities"], predictions["labels"]
    two = len(names) == 2
    said = probabilities[:, 1] if two else probabilities.max(axis=1)
    is_so = labels == (1 if two else probabilities.argmax(axis=1))
    bins = [rows for rows in np.array_split(np.argsort(said, kind="stable"), N_BINS) if len(rows)]
    rows = [{"predicted": float(said[own].mean()), "observed": float(is_so[own].mean()), "of": len(own)} for own in bins]
    error = sum(row["of"] * abs(row["predicted"] - row["observed"]) for row in rows) / len(labels)
    return {"rows": rows, "error": error, "of": f"Of the class {names[1]}" if two else "Of the class that is predicted"}
