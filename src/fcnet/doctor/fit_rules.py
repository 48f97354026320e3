"""A network that is too small, too free, or not free enough, by its curve and by what other models reach on the same rows."""

from collections.abc import Iterator, Mapping
from typing import Any

from fcnet.doctor.course import TINY_GAIN, Course
from fcnet.doctor.curve import Curve
from fcnet.doctor.finding import Finding
from fcnet.doctor.rate_rules import (
    ALL_LEARNT,
    FEW_BATCHES,
    FEWEST_STEPS,
    LARGE_FIRST_LOSS,
    LARGE_INPUTS,
    MOVED,
    NOTHING,
    few_steps,
)
from fcnet.doctor.reference import Reference, References, is_better
from fcnet.types import Array

WIDE_GAP, GAP, RISE = 0.3, 0.15, 0.2
NO_GAP, OF_WHAT_IS_MISSING = 0.05, 0.15
SHRUNK, PENALISED = 0.6, 0.15
NARROW, FEW_EPOCHS, FEW_UNITS = 20, 3, 8
PROBABLE = 0.05
OF_WEIGHTS, LEAST_PENALTY = ("l2", "weight_decay"), 1e-2
NOT_LEARNT, MUCH = 0.35, 0.3  # shares of the loss of chance, and of what the score lacks


def fit_findings(course: Course, reference: References, settings: Mapping[str, Any], *, is_finished: bool) -> Iterator[Finding]:
    """Yield whether a network over-fits, is held back, or is too small.

    Parameters
    ----------
    course : Course
    reference : callable
        Returns what others reach on the same rows, or None; it takes a second or more, and is called where it decides.
    settings : mapping
        Those of the training, as ``l2``, ``dropout`` and ``hidden_sizes``, to be advised on.
    is_finished : bool
        Whether nothing says that the training should have gone on, or with longer steps.
    """
    yield from _over_fitting(course, reference, settings)
    if _may_be_too_small(course) and (found := reference()) is not None:
        yield from _too_small(course, found, settings, is_finished)


def _over_fitting(course: Course, reference: References, settings: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield whether the training rows are far better known; a note where that costs nothing that is known.

    It costs where the validation loss of what is kept has risen, or is above that of chance, or random units do better.
    """
    curve, kept = course.curve, course.curve.until_kept
    gap = curve.gap
    if gap is None or curve.end > 0.8 or not _is_apart(curve) or not (_has_risen(curve) or gap >= WIDE_GAP):
        return
    others = reference() if _is_apart(kept) and not _has_risen(kept) else None
    costs = is_better(others.wide_less_network) if others else _is_apart(kept) and _has_risen(kept)
    why = " Random units do no better." if others and not costs else ""
    if not costs and curve.kept not in (None, len(curve.history)):
        why = f" The parameters of epoch {curve.kept} are kept, so that it costs little."
    train, val = curve.last("train"), curve.last("val")
    score = "R²" if curve.score == "r2" else "accuracy"
    rise = f", and the validation loss has risen by {curve.val_rise:.0%} from its lowest" if curve.val_rise >= RISE else ""
    if curve.val_end > 1:
        rise += f", and {'is' if rise else 'the validation loss is'} {curve.val_end:.2g} times that of chance"
    alternatives: list[dict[str, Any]] = [{"dropout": 0.2}, {"l2": 1e-3}]
    changed = {"dropout": 0.5} if not settings.get("dropout") else {"l2": max(1e-3, 10 * float(settings.get("l2") or 0))}
    yield Finding(
        code="over-fitting",
        severity="warning" if costs else "note",
        message=f"The training {score} is {train:.3g}, that of the validation {val:.3g}{rise}.{why}",
        evidence={
            "gap": gap,
            "gap_by_chance": curve.gap_noise,
            "validation_loss_rise": curve.val_rise,
            "validation_loss_by_chance": curve.val_end or None,
        },
        remedy="More rows help most; else dropout, a larger l2, augmentation, or fewer units.",
        settings=changed,
        alternatives=[*alternatives, *([] if settings.get("keep_best") else [{"keep_best": True}])],
    )


def _is_apart(curve: Curve) -> bool:
    return curve.gap is not None and curve.gap >= max(GAP, 4 * curve.gap_noise)


def _has_risen(curve: Curve) -> bool:
    return curve.val_rise >= RISE or curve.val_end > 1


def over_regularised(course: Course, reference: References, settings: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield whether penalty, dropout or label smoothing keep the network from what it could learn."""
    curve = course.curve
    plain, whole = curve.column("train_loss"), curve.column("loss")
    if not len(plain) or not len(whole) or curve.peak > 3 or course.has_learnt > 0.95 or (curve.gap or 0) > GAP:
        return
    extra, shrunk = float(whole[-1] - plain[-1]) / curve.scale, course.shrunk
    collapsed = shrunk is not None and shrunk < SHRUNK / 2 and course.first_loss > 2
    kept = shrunk is not None and shrunk > SHRUNK and not settings.get("dropout")
    large = course.began_large or (course.input_size or 0) > LARGE_INPUTS  # dropout of large scores adds much
    if not collapsed and (extra < PENALISED or kept or large):
        return
    # The mean loss of an epoch is above that at its end while it falls, and looks tell that from a penalty but in few steps.
    brief = len(curve.history) <= FEW_EPOCHS or course.n_iterations < FEWEST_STEPS
    unknown = shrunk is None and not (curve.has_settled and plain[0] < LARGE_FIRST_LOSS * curve.scale)
    if not collapsed and (brief or unknown):
        return
    found = reference()
    if found is not None and found.n_hidden < min(FEW_UNITS, found.n_outputs):
        return  # so few units hold it back themselves
    if not (course.has_learnt < NOT_LEARNT if found is None else is_better(found.wide_less_network)):
        return
    better = (
        f", where {found.network:.3g} is reached on the validation rows, and {found.wide:.3g} by random units" if found else ""
    )
    costs_little = found is not None and found.wide_less_network.gain < MUCH * (1 - found.network)
    what = f"Penalty, dropout and smoothing add {extra:.0%} of the loss of chance to what is minimised"
    if collapsed and extra < PENALISED:
        what = f"The weights have shrunk to {shrunk:.1%} of their first size, in the layer where most is left"
    yield Finding(
        code="over-regularised",
        severity="error" if course.has_learnt < 0.1 else "note" if costs_little else "warning",
        message=f"{what}; {curve.end:.0%} of the loss of chance are left on the training rows{better}.",
        evidence={
            "added_by_chance": extra,
            "loss_by_chance": curve.end,
            "weights_by_first": shrunk,
            "score": None if found is None else found.network,
            "score_of_random_units": None if found is None else found.wide,
        },
        **_weaker(settings),
    )


def held_down(gains: Array, settings: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield whether a penalty has taken the weights of a network that has learnt nothing.

    `gains` (n_layers,) are those of `fcnet.doctor.looks.Look`.
    """
    penalty = max((float(settings.get(name) or 0) for name in OF_WEIGHTS), default=0.0)
    if penalty >= LEAST_PENALTY and gains.max() < TINY_GAIN:
        yield Finding(
            code="over-regularised",
            severity="error",
            message=f"Columns of weights have a size of {gains.max():.2g} at most, and begin with about 1.4: the penalty, of "
            f"{penalty:g}, has taken them.",
            evidence={"gains": gains.tolist(), "penalty": penalty},
            **_weaker(settings),
        )


def _weaker(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the remedy of a network that is held back, and its settings, as a finding has them."""
    strong = [name for name in ("l2", "weight_decay", "dropout", "label_smoothing") if settings.get(name)]
    return {
        "remedy": f"Lower {' and '.join(strong) or 'the penalty'}.",
        "settings": {name: float(f"{float(settings[name]) / (100 if name in OF_WEIGHTS else 3):.2g}") for name in strong},
        "alternatives": [dict.fromkeys(strong, 0.0)] if strong else [],
    }


def _may_be_too_small(course: Course) -> bool:
    """Return whether training and validation are equally far from perfect, after epochs enough to say so."""
    gap, train = course.curve.gap, course.curve.last("train")
    near = gap is None or train is None or gap <= max(NO_GAP, 2 * course.curve.gap_noise, OF_WHAT_IS_MISSING * (1 - train))
    has_tried = course.has_learnt > NOTHING or (course.moved or 0) > MOVED
    return near and has_tried and course.has_learnt < ALL_LEARNT and len(course.curve.history) > FEW_EPOCHS


def _can_hold_the_rows(reference: Reference) -> bool:
    """Return whether the network could learn its rows by heart: then steps, and not units, keep it from them.

    So it is with as many parameters as numbers to say (Baum 1988), if no layer is a bottleneck.
    """
    least = max(reference.n_outputs, FEW_UNITS, reference.n_inputs // NARROW)
    return reference.n_parameters >= reference.n_numbers and reference.n_hidden >= least


def _too_small(course: Course, reference: Reference, settings: Mapping[str, Any], is_finished: bool) -> Iterator[Finding]:
    if not is_better(reference.wide_less_network):
        return
    if course.per_epoch <= FEW_BATCHES and course.moved is not None and course.moved < MOVED:
        said = f"{reference.network:.3g} is reached on the validation rows, and {reference.wide:.3g} by 1,000 random units"
        yield few_steps(course, said, {"score": reference.network, "score_of_random_units": reference.wide})
        return
    if not is_better(reference.wide_less_refit, PROBABLE) or _can_hold_the_rows(reference):
        return
    is_narrow = reference.n_hidden * NARROW <= reference.n_inputs or reference.n_hidden < min(FEW_UNITS, reference.n_outputs)
    if not (is_finished and course.curve.has_settled) and not is_narrow:
        return  # units that have not been trained say little, unless they are very few
    gap = course.curve.gap
    sizes = [int(size) for size in settings.get("hidden_sizes", ())]
    is_linear = "hidden_sizes" in settings and not sizes
    wider = [100] if is_linear else [max(4 * size, 100) for size in sizes]
    own = "its inputs, as it has no hidden layer," if is_linear else f"its {reference.n_hidden} hidden units"
    near = "" if gap is None else f" Training and validation are only {gap:.2g} apart."
    yield Finding(
        code="under-capacity",
        severity="warning",
        message=f"The network reaches {reference.network:.3g} on the validation rows, and {own} with the best output weights "
        f"{reference.refit:.3g}; 1,000 random units reach {reference.wide:.3g}.{near}",
        evidence={
            "score": reference.network,
            "score_with_best_output_weights": reference.refit,
            "score_of_random_units": reference.wide,
            "gap": gap,
            "units": reference.n_hidden,
        },
        remedy=f"Take more hidden units{f': try hidden_sizes = {wider}' if wider else ''}.",
        settings={"hidden_sizes": wider} if wider else {},
    )
