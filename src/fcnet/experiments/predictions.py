"""The predictions that a run keeps, for its report."""

import zlib
from pathlib import Path

import numpy as np

from fcnet.files import load_tensors, save_tensors
from fcnet.nn.losses import Loss, softmax
from fcnet.types import Array

PREDICTIONS_FORMAT = "fcnet-predictions-1"
N_MISTAKES = 24


def save_predictions(path: Path, part: str, loss: Loss, logits: Array, X: Array, y: Array) -> None:
    """Write what is predicted for each row of a part of the data, and the raw inputs of the most confident mistakes.

    Of a regression, whose targets are (n, 1), its mistakes are the largest errors, or losses of quantiles.
    """
    if y.ndim == 2:
        values = loss.mean(logits)
        errors = np.abs(values - y).max(axis=1) if values.shape == y.shape else loss.losses(logits, y)
        mistakes = np.argsort(-errors, kind="stable")[:N_MISTAKES]
        tensors = {"values": values, "targets": y}
    else:
        probabilities = softmax(logits)
        predicted = loss.predict(logits)
        wrong = np.flatnonzero(predicted != y)
        mistakes = wrong[np.argsort(-probabilities[wrong, predicted[wrong]], kind="stable")[:N_MISTAKES]]
        tensors = {"probabilities": probabilities, "predicted": predicted, "labels": y}
    save_tensors(path, tensors | {"mistakes": mistakes, "mistake_inputs": X[mistakes]}, {"part": part}, PREDICTIONS_FORMAT)


def labels_checksum(y: Array) -> str:
    """Return a checksum of labels or numbers, by which runs that were validated on other rows are told apart."""
    return f"{zlib.crc32(y.astype('<f8' if y.dtype.kind == 'f' else '<i8').tobytes()):08x}"


def read_predictions(path: Path) -> tuple[dict[str, Array], str]:
    """Return what `save_predictions` wrote, and the part of the data that it is for.

    ``probabilities`` is (n, n_classes), ``predicted`` and ``labels`` are (n,), ``mistakes`` the rows of the most confident
    errors, ``mistake_inputs`` their raw inputs. A regression has ``values`` (n, 1) or (n, n_quantiles), and ``targets`` (n, 1);
    its mistakes are the largest errors. A file that is missing or damaged raises FileFormatError.
    """
    tensors, metadata = load_tensors(path, PREDICTIONS_FORMAT)
    if "labels" in tensors and "predicted" not in tensors:  # of before there was a threshold
        tensors["predicted"] = tensors["probabilities"].argmax(axis=1)
    return tensors, metadata["part"]
