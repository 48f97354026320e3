"""Steps that are too long, too short or too few."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from fcnet.doctor.course import Course
from fcnet.doctor.curve import FALLING
from fcnet.doctor.finding import Finding
from fcnet.doctor.reference import References, is_better

SWING, PEAK, MUCH_LEFT, NOT_FALLEN = 0.05, 3.0, 0.3, 0.9
LONG_STEPS, SHORT_STEPS, GOOD_STEPS = 1e-2, 1e-3, 5e-3
HUGE_STEPS, KILLED = 0.1, 0.5  # of the size of weights, and of the units of a layer
SLOWLY = 0.02  # share of the fall in the second half, of what more epochs may still make better
STRAIGHT, LEARNT, NEARLY, ALL_LEARNT = 0.35, 0.85, 0.9, 0.95
APART = 0.08  # of training and validation
FEW_STEPS, FEWEST_STEPS, TWO_EPOCHS, IMPATIENT = 200, 50, 2, 3
FEW_BATCHES, MOVED, NOTHING = 10, 0.5, 0.1
LARGE_FIRST_LOSS, LARGE_INPUTS = 20.0, 10.0


def rate_findings(course: Course, reference: References = lambda: None, *, midway: bool = False) -> Iterator[Finding]:
    """Yield whether a training diverged, and whether its learning rate, its batches or its length are to blame.

    `midway` the loss may well be falling still; only steps that will not do in all of the training are too short then. A loss
    that blew up and came down again is a note where the `reference` is no better than the network.
    """
    if course.divergence is not None:
        yield from _diverged(course)
        return
    if not course.curve.history:
        return
    yield from list(_too_high(course, reference)) or list(_unfinished(course, midway))


def _diverged(course: Course) -> Iterator[Finding]:
    error, first = course.divergence, course.first_loss
    assert error is not None
    evidence: dict[str, Any] = {
        "epoch": error.epoch,
        "first_loss_by_chance": first,
        "learning_rate": course.rate,
        "rate_that_trains": error.learning_rate,
    }
    cause, settings = "", dict[str, Any]()
    is_rate = error.learning_rate is not None and first < LARGE_FIRST_LOSS
    if first >= LARGE_FIRST_LOSS:
        of_inputs = course.input_size is not None and course.input_size > LARGE_INPUTS
        what = f"the inputs are of size {course.input_size:.3g}" if of_inputs else "the initial weights are too large"
        cause = f" Its first loss was already {first:.3g} times that of chance: {what}."
        remedy = "Scale the inputs." if of_inputs else "Take weight_init = he."
        settings = {"scaling": "standard"} if of_inputs else {"weight_init": "he"}
        yield Finding(
            code="unscaled-data" if of_inputs else "init-too-large",
            severity="error",
            message=f"The first loss was {first:.3g} times that of chance: {what}.",
            evidence=evidence | {"input_size": course.input_size},
            remedy=remedy,
            settings=settings,
            alternatives=[{"learning_rate": error.learning_rate}] if error.learning_rate else [],
        )
    elif error.learning_rate is not None:
        cause = f" In short trials learning_rate = {error.learning_rate:g} lowered the loss."
        remedy, settings = f"Set learning_rate = {error.learning_rate:g}.", {"learning_rate": error.learning_rate}
    else:
        remedy, settings = "Scale the inputs, and try a smaller learning_rate.", {"scaling": "standard"}
    yield Finding(
        code="diverged",
        severity="error",
        message=f"The training diverged in epoch {error.epoch}.{cause}",
        evidence=evidence,
        remedy=remedy,
        settings=settings,
    )
    if is_rate:
        yield Finding(
            code="learning-rate-too-high",
            severity="error",
            message=f"The loss began at {first:.2g} times that of chance and stopped being finite in epoch {error.epoch}; "
            "a smaller rate lowered it.",
            evidence=evidence,
            remedy=remedy,
            settings=settings,
            alternatives=[{"schedule": "one_cycle"}, *({"learning_rate": rate / 10} for rate in settings.values())],
        )


def _too_high(course: Course, reference: References) -> Iterator[Finding]:
    curve = course.curve
    late_ratio = float(np.median([seen.ratios.max() for seen in course.late])) if course.late else None
    evidence = {
        "loss_by_chance": curve.end,
        "swing_by_chance": curve.swing,
        "peak_by_first": curve.peak,
        "update_to_weight_ratio": late_ratio,
        "learning_rate": course.rate,
    }
    blew_up = curve.peak > PEAK and course.first_loss < LARGE_FIRST_LOSS
    is_brief = course.n_iterations < FEWEST_STEPS and curve.end <= NOT_FALLEN
    swings = curve.swing > SWING and not is_brief and course.first_loss < LARGE_FIRST_LOSS
    steps = curve.swing > SWING / 2 and not is_brief and late_ratio is not None and late_ratio > LONG_STEPS
    longest = max((float(seen.ratios.max()) for seen in course.early), default=0.0)
    killed = course.died > KILLED and longest > HUGE_STEPS and not course.began_tiny
    if curve.end <= MUCH_LEFT or not (blew_up or swings or steps or killed):  # that a loss swings low does no harm
        return
    said = f"The loss of an epoch rises by {curve.swing:.2g} of the loss of chance on average in the second half"
    if blew_up:
        said = f"The loss of a batch rose to {curve.peak:.3g} times the first, and ends at {curve.end:.2g} times that of chance"
    elif killed and not (swings or steps):
        said = (
            f"Updates moved weights by up to {longest:.0%} of their size at once, and {course.died:.0%} of a layer's units died"
        )
    found = None if swings or steps or killed or curve.end > NOT_FALLEN else reference()
    is_over = found is not None and not is_better(found.wide_less_network)
    rate = None if course.rate is None else float(f"{course.rate / (30 if curve.end > NOT_FALLEN else 5):.1g}")
    yield Finding(
        code="learning-rate-too-high",
        severity="error" if curve.end > NOT_FALLEN else "note" if is_over else "warning",
        message=f"{said}: the steps are too long.",
        evidence=evidence,
        remedy="Take a smaller learning_rate." if rate is None else f"Try learning_rate = {rate:g}.",
        settings={} if rate is None else {"learning_rate": rate},
        alternatives=[] if rate is None else [{"learning_rate": float(f"{rate / 10:.1g}")}, {"schedule": "one_cycle"}],
    )


def _unfinished(course: Course, midway: bool) -> Iterator[Finding]:
    """Yield why the loss has not come down as far as it was going to."""
    curve, ratio = course.curve, course.ratio
    if course.has_learnt > ALL_LEARNT:
        return
    late, improves = curve.late_share, curve.still_improves
    moved = course.moved if course.moved is None or not midway else course.moved * course.planned / max(1, course.n_iterations)
    evidence = {
        "loss_by_chance": curve.end,
        "fall_in_second_half": late,
        "update_to_weight_ratio": ratio,
        "learning_rate": course.rate,
        "iterations": course.n_iterations,
    }
    short = ratio is not None and not course.began_tiny and not course.began_large and ratio < SHORT_STEPS
    goes_on = midway or course.has_learnt < NOTHING or improves  # else it has settled, however short its steps
    hardly_moved = short and goes_on and moved is not None and moved < MOVED
    n = len(curve.history)
    brief = ratio is None and (n <= IMPATIENT or course.n_iterations < FEWEST_STEPS)  # says nothing of the rate
    # One that has not come below the loss of chance, and still falls, need not be straight: its first part is noise.
    straight = (
        not (midway or brief)
        and (late >= STRAIGHT or (late >= FALLING and ratio is None and course.has_learnt < NOTHING))
        and course.has_learnt < 0.5
        and (improves or course.has_learnt < NOTHING)
        and (ratio is None or course.began_tiny or short)
    )
    is_zero = ratio is not None and ratio == 0  # then something else keeps the gradient at zero
    if (hardly_moved or straight) and not is_zero and course.has_learnt < LEARNT:
        said = f"The loss falls in a line: {late:.0%} of its fall was in the second half of the training"
        if hardly_moved:
            said = f"An update moves weights by {ratio:.1g} of their size, and all of the training by {moved:.1%} at most"
        factor = float(np.clip(GOOD_STEPS / ratio, 3, 1e6)) if short and ratio else 10.0
        rate = None if course.rate is None else float(f"{factor * course.rate:.1g}")
        yield Finding(
            code="learning-rate-too-low",
            severity="error" if course.has_learnt < NOTHING else "warning",
            message=f"{said}; the loss is still {curve.end:.0%} of that of chance.",
            evidence=evidence,
            remedy="Take a larger learning_rate." if rate is None else f"Try learning_rate = {rate:g}.",
            settings={} if rate is None else {"learning_rate": rate},
        )
        return
    if midway:
        return
    if course.stopped and n <= IMPATIENT:
        yield Finding(
            code="stopped-early",
            severity="error" if course.has_learnt < NOTHING else "warning",
            message=f"The training was stopped after {n} epoch{'s' * (n > 1)} of {course.planned / course.per_epoch:.0f}, with "
            f"the loss at {curve.end:.0%} of that of chance: so few say nothing of what comes.",
            evidence=evidence,
            remedy="Let an early stop wait for ten epochs that are no better.",
            settings={"patience": 10},
        )
        return
    if course.has_learnt > NEARLY or (curve.gap is not None and curve.gap > max(APART, 4 * curve.gap_noise)):
        return  # more epochs would bring the training rows alone
    is_short = n <= TWO_EPOCHS and course.n_iterations < FEW_STEPS and course.has_learnt < LEARNT
    falls = late >= FALLING and improves
    slowly = late >= SLOWLY and improves and course.looks
    if not (falls or slowly or is_short) or (course.has_learnt < 0.05 and not brief):
        return
    if course.per_epoch <= FEW_BATCHES and n > 1:
        if not (falls or is_short):
            return
        yield few_steps(course, f"the loss is still falling, at {curve.end:.0%} of that of chance", evidence)
    else:
        yield Finding(
            code="stopped-early",
            severity="warning" if falls or is_short else "note",
            message=f"After {n} epoch{'s' * (n > 1)} the loss is still falling, at {curve.end:.0%} of that of chance.",
            evidence=evidence,
            remedy=f"Train for more epochs: {'let an early stop wait longer' if course.stopped else f'try epochs = {4 * n}'}.",
            settings={"patience": 10} if course.stopped else {"epochs": 4 * n},
        )


def few_steps(course: Course, said: str, evidence: dict[str, Any]) -> Finding:
    """Return that batches leave too few steps."""
    return Finding(
        code="batch-too-large",
        severity="warning",
        message=f"{len(course.curve.history)} epochs of {course.per_epoch:.0f} batches are {course.n_iterations} steps, after "
        f"which {said}.",
        evidence=evidence,
        remedy="Take smaller batches, which make more steps of the same epochs.",
        settings={"batch_size": 32, "batches": "shuffled"},
    )
