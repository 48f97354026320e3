"""The picture that shows a finding of the doctor: a curve or bars, of what a run folder keeps."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from fcnet import plots
from fcnet.doctor.finding import Finding
from fcnet.report.findings import bars, curves, predictions
from fcnet.report.findings.seen import Drawn, Seen


def pictures(findings: Iterable[Finding], seen: Seen) -> list[str | None]:
    """Return the picture of each finding as SVG; None where there is nothing to draw, or one before it has the same."""
    shown: list[str | None] = []
    for finding in findings:
        drawn = picture(finding, seen)
        svg = plots.to_svg(drawn[0], "var(--ink)", drawn[1]) if drawn else None
        shown.append(None if svg in shown else svg)
    return shown


def picture(finding: Finding, seen: Seen) -> Drawn | None:
    """Return the picture of a finding and what is to be seen in it; None where there is nothing to draw."""
    draw = PICTURES.get(finding.code)
    return draw(finding.evidence, seen) if draw else None


PICTURES: dict[str, Callable[[Mapping[str, Any], Seen], Drawn | None]] = {
    "uninformative-inputs": bars.associations,
    "leaking-feature": bars.alone,
    "unscaled-data": bars.scales,
    "class-imbalance": predictions.counts,
    "label-mistakes": predictions.errors,
    "init-too-large": bars.spreads,
    "init-too-small": bars.spreads,
    "learning-rate-too-high": curves.batches,
    "learning-rate-too-low": curves.way,
    "batch-too-large": curves.way,
    "stopped-early": curves.way,
    "dead-units": bars.dead_units,
    "saturated-units": bars.saturated_units,
    "vanishing-gradient": bars.gradients,
    "exploding-gradient": bars.gradients,
    "diverged": curves.batches,
    "over-regularised": curves.penalty,
    "under-capacity": curves.reference,
    "over-fitting": curves.gap,
    "one-class-predicted": predictions.counts,
    "miscalibrated": predictions.calibration,
}
