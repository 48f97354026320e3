"""All that is to be said of a training by its course."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from fcnet.doctor.course import Course
from fcnet.doctor.finding import Finding, Findings, in_order
from fcnet.doctor.fit_rules import fit_findings, over_regularised
from fcnet.doctor.rate_rules import rate_findings
from fcnet.doctor.reference import References
from fcnet.doctor.unit_rules import unit_findings

UNFINISHED = ("learning-rate-too-low", "stopped-early", "batch-too-large")


def judge(course: Course, reference: References = lambda: None, settings: Mapping[str, Any] | None = None) -> Findings:
    """Return what is wrong with a training, causes first; nothing of one that is healthy.

    What follows from another finding is left out: a loss that falls slowly where gradients vanish is no matter of the rate.

    Parameters
    ----------
    course : Course
    reference : callable, optional
        Returns what other models reach, see `fcnet.doctor.reference.reference`; it is called at most once, where it decides.
    settings : mapping, optional
        Those of the training, by their names in a recipe, which remedies are to change.
    """
    settings, reference = {} if settings is None else settings, cache(reference)
    of_rate, of_units = list(rate_findings(course, reference)), list(unit_findings(course))
    is_over = course.divergence is None and len(course.curve.history) > 0
    # What has not moved has not been held back.
    moved = all(finding.code != "learning-rate-too-low" for finding in of_rate)
    if is_over and moved and (held_back := list(over_regularised(course, reference, settings))):
        return in_order(held_back)
    found = _causes(of_rate, of_units)
    if is_over and all(finding.code in UNFINISHED or finding.severity == "note" for finding in found):
        found += fit_findings(course, reference, settings, is_finished=all(each.severity == "note" for each in found))
    return in_order(found)


def judge_midway(course: Course) -> Findings:
    """Return what can be said of the steps and the units of a training that goes on."""
    return in_order(_causes(list(rate_findings(course, midway=True)), list(unit_findings(course))))


def _causes(of_rate: list[Finding], of_units: list[Finding]) -> list[Finding]:
    """Return what is found, without what follows from it: units without a gradient learn slowly, and swing about chance."""
    units = {finding.code for finding in of_units}
    follows = [*(UNFINISHED if units else ()), *(["learning-rate-too-high"] if "vanishing-gradient" in units else [])]
    return [*(finding for finding in of_rate if finding.code not in follows), *of_units]
