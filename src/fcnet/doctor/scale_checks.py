"""Checks of the scale of inputs and targets."""

from collections.abc import Collection, Iterator

import numpy as np

from fcnet.doctor.finding import Finding
from fcnet.doctor.rows import Rows
from fcnet.types import Array

# By trials on digits, wine and breast cancer, with SGD, momentum and Adam: 10 times as large, or three deviations off, inputs
# are learnt as well as standardised ones, or nearly so; 30 times, or ten deviations, they are not, nor at a thirtieth.
LARGE = 20.0  # root mean square of inputs
SMALL, SHORT = 0.05, 0.5  # likewise, and of the lengths of rows: of many inputs, as words, few need be other than 0
UNEQUAL, AT_LEAST = 20.0, 10.0  # times the median deviation, and root mean square, of the largest column
OFFSET = 6.0  # deviations
TARGETS = 10.0  # root mean square, and its inverse


def scales(rows: Rows, rng: np.random.Generator, judged: Collection[str]) -> Iterator[Finding]:
    """Yield whether what is `judged`, "inputs" and the "targets" of a regression, is in a scale that training does not suit."""
    if "inputs" in judged and rows.n_numbers and rows.X.shape[0] > 1:
        yield from _inputs(rows.sample(rng).X[:, : rows.n_numbers].astype(np.float64))
    if "targets" in judged and rows.loss.name == "squared_error" and len(rows.y) > 1:
        yield from _targets(rows.y.astype(np.float64))


def _inputs(X: Array) -> Iterator[Finding]:
    mean, spread = X.mean(axis=0), X.std(axis=0)
    varies = spread > 1e-6 * np.abs(X).max(axis=0)
    if not varies.any():
        return
    each = np.hypot(mean, spread)
    whole, middle = float(np.sqrt(np.square(each).mean())), float(np.median(spread[varies]))
    largest = int(each.argmax())
    offset = float(np.sqrt(np.square(mean[varies]).sum() / np.square(spread[varies]).sum()))
    evidence = {"rms": whole, "median_deviation": middle, "largest": float(each[largest]), "column": largest, "offset": offset}
    if each[largest] > max(AT_LEAST, UNEQUAL * middle):
        what = f"input {largest} has a root mean square of {each[largest]:.3g}, and the median deviation is {middle:.3g}"
    elif whole > LARGE or (whole < SMALL and whole * np.sqrt(X.shape[1]) < SHORT):
        what = f"the root mean square of the inputs is {whole:.3g}"
    elif offset > OFFSET:
        what = f"the means of the inputs are {offset:.3g} times their deviations"
    else:
        return
    yield Finding(
        code="unscaled-data",
        severity="warning",
        message=f"The inputs are not scaled: {what}; networks begin best with inputs of mean 0 and deviation 1.",
        evidence=evidence,
        remedy="Subtract from each input the mean, and divide it by the deviation, that it has in the training rows.",
    )


def _targets(y: Array) -> Iterator[Finding]:
    y = y.reshape(len(y), -1)
    spread = y.std(axis=0)
    size = np.hypot(y.mean(axis=0), spread)
    if not (spread > 0).any():
        return
    largest, least = float(size.max()), float(spread[spread > 0].min())
    if largest > TARGETS or least < 1 / TARGETS:
        yield Finding(
            code="unscaled-data",
            severity="warning",
            message=f"The targets are not scaled: their root mean square is up to {largest:.3g}, and their deviation down to "
            f"{least:.3g}; a network begins with outputs of about 1.",
            evidence={"part": "targets", "rms": largest, "deviation": least},
            remedy="Train on targets less their mean, divided by their deviation.",
        )
