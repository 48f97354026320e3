"""Checks of the scale of inputs and targets."""

from collections.abc import Collection, Iterator

import numpy as np
from msgspec.structs import replace

from fcnet.doctor.finding import Finding
from fcnet.doctor.rows import Rows
from fcnet.types import Array

# By trials on eight data sets, with Adam at the better of two rates: 10 times as large, or four deviations off, inputs cost a
# few points of accuracy, and regressions most of their R²; at a twentieth they are learnt more slowly.
LARGE = 9.0  # root mean square of inputs
SMALL, SHORT = 0.05, 0.5  # likewise, and of the lengths of rows: of many inputs, as words, few need be other than 0
UNEQUAL, DROWNED = 20.0, 100.0  # times the median deviation, and the lower quartile, that the largest column is
AT_LEAST = 10.0  # its root mean square
DWARFED = 10.0  # times the lower quartile of the deviations, that the root mean square of all inputs is
OFFSET = 4.0  # deviations of inputs
NOT_FAR, NOT_NEAR = 5.0, 0.05  # spread of what comes to the first activation
# By trials on diabetes and Friedman's first function: deviations from 1 to 30 are learnt, of 100 or 0.1 they are not, nor ten
# deviations away from zero.
LARGE_TARGETS, SMALL_TARGETS, FAR_TARGETS = 40.0, 0.15, 6.0


def scales(rows: Rows, rng: np.random.Generator, judged: Collection[str], reach: float | None = None) -> Iterator[Finding]:
    """Yield whether what is `judged`, "inputs" and the "targets" of a regression, is in a scale that training does not suit.

    Where all inputs are large, or small, and the first weights of a network make up for that, it is a note: `reach` is how far
    what comes to the first activation then spreads.
    """
    found: list[Finding] = []
    if "inputs" in judged and rows.n_numbers and rows.X.shape[0] > 1:
        found += _inputs(rows, rows.sample(rng).X[:, : rows.n_numbers].astype(np.float64), reach)
    if "targets" in judged and not rows.loss.has_labels and rows.loss.name != "poisson" and len(rows.y) > 1:
        found += _targets(rows.y.astype(np.float64))
    if len(found) == 2:  # of a code one finding is shown
        inputs, targets = found
        both = {name: f"{getattr(inputs, name)} {getattr(targets, name)}" for name in ("message", "remedy")}
        found = [
            replace(
                inputs, severity="warning", evidence=inputs.evidence | targets.evidence | {"part": "inputs and targets"}, **both
            )
        ]
    yield from found


def _inputs(rows: Rows, X: Array, reach: float | None) -> Iterator[Finding]:
    mean, spread = X.mean(axis=0), X.std(axis=0)
    varies = spread > 1e-6 * np.abs(X).max(axis=0)
    if not varies.any():
        return
    least, most = X.min(axis=0), X.max(axis=0)
    varied = varies & ~((least == X) | (most == X)).all(axis=0)  # rare categories deviate little, and may
    each = np.hypot(mean, spread)
    whole, (low, middle) = float(np.sqrt(np.square(each).mean())), np.quantile(spread[varies], [0.25, 0.5]).tolist()
    largest, made_up = int(each.argmax()), False
    offset = float(np.sqrt(np.square(mean[varies]).sum() / np.square(spread[varies]).sum()))
    if each[largest] > max(AT_LEAST, min(UNEQUAL * middle, DROWNED * low)):
        what = (
            f"{rows.name(largest)} has a root mean square of {each[largest]:.3g}, and the median deviation is {middle:.3g}, "
            f"the lower quartile {low:.3g}"
        )
    elif varied.any() and whole > DWARFED * (dwarfed := float(np.quantile(spread[varied], 0.25))):
        what = f"the root mean square of the inputs is {whole:.3g}, and a quarter of them deviate by {dwarfed:.3g} or less"
    elif offset > OFFSET:
        what = f"the means of the inputs are {offset:.3g} times their deviations"
    elif whole > LARGE or (whole < SMALL and whole * np.sqrt(len(each)) < SHORT):
        what = f"the root mean square of the inputs is {whole:.3g}"
        made_up = reach is not None and (reach <= NOT_FAR if whole > LARGE else reach >= NOT_NEAR)
    else:
        return
    yield Finding(
        code="unscaled-data",
        severity="note" if made_up else "warning",
        message=f"The inputs are not scaled: {what}; networks begin best with inputs of mean 0 and deviation 1"
        f"{', or first weights that make up for that, as here' * made_up}.",
        evidence={
            "rms": whole,
            "median_deviation": middle,
            "quartile": low,
            "largest": float(each[largest]),
            "column": largest,
            "offset": offset,
        },
        remedy="Subtract from each input the mean, and divide it by the deviation, that it has in the training rows.",
        settings={"scaling": "standard"},
    )


def _targets(y: Array) -> Iterator[Finding]:
    y = y.reshape(len(y), -1)
    mean, spread = y.mean(axis=0), y.std(axis=0)
    varies = spread > 1e-6 * np.abs(y).max(axis=0)
    if not varies.any():
        return
    offset = float((np.abs(mean[varies]) / spread[varies]).max())
    largest, least = float(spread.max()), float(spread[varies].min())
    deviations = f"{least:.3g}" if least == largest else f"from {least:.3g} to {largest:.3g}"
    if largest > LARGE_TARGETS or least < SMALL_TARGETS or offset > FAR_TARGETS:
        yield Finding(
            code="unscaled-data",
            severity="warning",
            message=f"The targets are not scaled: their deviation is {deviations}, and their mean up to "
            f"{offset:.3g} deviations away from 0; a network begins with outputs of about 1.",
            evidence={"part": "targets", "least_deviation": least, "largest_deviation": largest, "offset": offset},
            remedy="Train on targets less their mean, divided by their deviation.",
        )
