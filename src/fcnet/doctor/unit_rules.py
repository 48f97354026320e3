"""Hidden units that cannot learn, and gradients that do not reach them or grow out of bounds."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from fcnet.doctor.course import TINY_GAIN, Course, layer_words
from fcnet.doctor.finding import Finding, Severity
from fcnet.doctor.looks import stuck_units
from fcnet.doctor.signals import spreads
from fcnet.nn.network import FullyConnectedNet
from fcnet.types import Array

DEAD, ALL_DEAD = 0.5, 0.9
FLAT, ALL_FLAT = 0.65, 0.9
WINDOW = 3  # looks at the end in which a dead unit is never active
VANISHED, NOT_LEARNT = 5e-3, 0.3
EXPLODED, NOTHING_LEFT = 30.0, 3e-3
SHRUNK = 0.5  # what a penalty leaves of the weights


def unit_findings(course: Course) -> Iterator[Finding]:
    """Yield dead and saturated layers, and vanishing or exploding gradients, by what was seen in training."""
    if not course.looks:
        return
    stuck = list(_dead(course)) + list(_saturated(course))
    yield from stuck
    if not stuck:
        yield from _vanishing(course)
    yield from _exploding(course)


def stuck_findings(network: FullyConnectedNet, X: Array) -> Iterator[Finding]:
    """Yield whether units of a network are dead or saturated for rows (n, n_inputs), or the last ones say nothing of them."""
    dead, flat = stuck_units(network, X)
    if found := _dead_for(dead, len(X)):
        yield found
    elif len(flat) and flat.max() >= FLAT:
        yield _saturated_units(flat, "", "warning")
    else:
        spread = [after for _, after in spreads(network, X)]
        if len(spread) > 1 and spread[-1] < NOTHING_LEFT:
            said = "Hardly anything of the inputs is left in the last hidden layer: what comes to its activation spreads by"
            yield _vanishing_gradient("warning", f"{said} {spread[-1]:.2g} over rows.", {"spreads": spread})


def dead_at_once(network: FullyConnectedNet, X: Array) -> list[Finding]:
    """Return whether units of a network are 0 for rows (n, n_inputs) before any step."""
    found = _dead_for(stuck_units(network, X)[0], len(X))
    return [found] if found else []


def _dead_for(dead: Sequence[Array], n_rows: int) -> Finding | None:
    shares = np.array([float(units.mean()) for units in dead])
    if not len(shares) or shares.max() < DEAD:
        return None
    return _dead_units(dead, shares, f"all {n_rows:,} rows that were looked at.", {}, [{"weight_init": "he"}])


def _dead(course: Course) -> Iterator[Finding]:
    window = course.looks[-WINDOW:]
    never = [np.logical_and.reduce([seen.dead[i] for seen in window]) for i in range(len(window[0].dead))]
    shares = np.array([float(units.mean()) for units in never])
    weights = course.looks[-1].weights[: len(shares)] / np.maximum(course.looks[0].weights[: len(shares)], 1e-30)
    shares[(course.looks[0].gains[: len(shares)] < TINY_GAIN) | (weights < SHRUNK)] = 0  # weights near zero are the cause there
    if not len(shares) or shares.max() < DEAD:
        return
    worst = int(shares.argmax())
    at_first = float(course.looks[0].dead[worst].mean())
    died = "They were so from the first batch on." if at_first > shares[worst] / 2 else "They died while training."
    slower = [{"learning_rate": float(f"{course.rate / 5:.1g}")}] if course.rate else []
    evidence = {"share_at_first": at_first, "looks": len(window)}
    yield _dead_units(never, shares, f"all rows that were looked at. {died}", evidence, [{"weight_init": "he"}, *slower])


def _dead_units(
    dead: Sequence[Array], shares: Array, of_rows: str, evidence: dict[str, Any], alternatives: list[dict[str, Any]]
) -> Finding:
    worst = int(shares.argmax())
    n, of = int(dead[worst].sum()), len(dead[worst])
    return Finding(
        code="dead-units",
        severity="error" if shares[worst] >= ALL_DEAD else "warning",
        message=f"{n} of the {of} units of {layer_words(worst, len(shares))} are 0 for {of_rows}",
        evidence={"share_of_layers": shares.tolist(), **evidence},
        remedy="Begin with biases of 0 and weight_init = he, take a smaller learning_rate, or activation = leaky_relu.",
        settings={"activation": "leaky_relu"},
        alternatives=alternatives,
    )


def _saturated(course: Course) -> Iterator[Finding]:
    shares = np.minimum(course.looks[0].flat, np.median([seen.flat for seen in course.looks[-WINDOW:]], axis=0))
    if len(shares) and shares.max() >= FLAT:
        is_error = shares.max() >= ALL_FLAT and course.has_learnt < NOT_LEARNT
        yield _saturated_units(shares, " from the first batch on", "error" if is_error else "warning")


def _saturated_units(shares: Array, since: str, severity: Severity) -> Finding:
    worst = int(shares.argmax())
    return Finding(
        code="saturated-units",
        severity=severity,
        message=f"{shares[worst]:.0%} of the values of {layer_words(worst, len(shares))} are at flat ends of its activation"
        f"{since}, where there is next to no gradient.",
        evidence={"share_of_layers": shares.tolist()},
        remedy="Take smaller initial weights, as weight_init = glorot, and scale the inputs.",
        settings={"weight_init": "glorot"},
        alternatives=[{"scaling": "standard"}],
    )


def _vanishing(course: Course) -> Iterator[Finding]:
    if course.has_learnt > NOT_LEARNT or len(course.looks[0].weights) < 3 or course.looks[0].gains.min() < TINY_GAIN:
        return
    by_weights = np.median([seen.gradients / seen.weights for seen in course.early], axis=0)
    if not by_weights[-1] > 0 or by_weights[0] > VANISHED * by_weights[-1]:
        return
    ratio = float(by_weights[0] / by_weights[-1])
    message = (
        f"The gradient of the first layer is {ratio:.1g} of that of the last, each as a share of its weights, and "
        f"{course.curve.end:.0%} of the loss of chance are left."
    )
    evidence = {"gradients_by_weights": by_weights.tolist()}
    yield _vanishing_gradient("error" if course.has_learnt < 0.1 else "warning", message, evidence)


def _vanishing_gradient(severity: Severity, message: str, evidence: dict[str, Any]) -> Finding:
    return Finding(
        code="vanishing-gradient",
        severity=severity,
        message=message,
        evidence=evidence,
        remedy="Take normalisation = layer, activation = relu, or fewer hidden layers.",
        settings={"activation": "relu", "normalisation": "layer"},
    )


def _exploding(course: Course) -> Iterator[Finding]:
    first = course.looks[0]
    by_weights = first.gradients / np.maximum(first.weights, 1e-30)
    largest = float(by_weights.max())
    if first.gains.min() < TINY_GAIN or not largest > EXPLODED or course.has_learnt > NOT_LEARNT:
        return
    yield Finding(
        code="exploding-gradient",
        severity="error",
        message=f"In the first batch the gradient of a layer is {largest:.3g} times its weights.",
        evidence={"gradients_by_weights": by_weights.tolist()},
        remedy="Scale the inputs, and take weight_init = he or normalisation = layer.",
        settings={"weight_init": "he"},
        alternatives=[{"normalisation": "layer"}, {"scaling": "standard"}],
    )
