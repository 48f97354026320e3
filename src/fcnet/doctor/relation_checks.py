"""Checks of what inputs have to do with targets."""

from collections.abc import Iterator

import numpy as np

from fcnet.doctor.finding import Finding
from fcnet.doctor.probes import PROBES, Probe, association, errors, linear, out_of_fold, trees
from fcnet.doctor.rows import Rows, normal_scores
from fcnet.types import Array

MOST_ROWS, FEWEST_ROWS, SOME_ROWS, ENOUGH_ROWS = 3000, 60, 100, 300
# Deviations of the association, the largest of three probes: on 45 tables it was 5.9 or more, and in 2 of 270 trials with their
# targets shuffled 3.5 or more.
CLEAR, NOTHING, NOTHING_OF_FEW = 6.0, 3.5, 2.5
GOES_ALONG = 0.2  # least share that validation rows have of the association of as many training rows
ALONE, NEARLY, TIMES, SURELY = 0.1, 0.25, 3.0, 4.0  # shares of the error of a constant, times, and standard errors
LONE = 2.0  # times what the next input explains
MOST_COLUMNS, WORTH_A_LOOK, BINS = 512, 0.5, 32


def relations(rows: Rows, rng: np.random.Generator, *, compares: bool = True) -> Iterator[Finding]:
    """Yield whether inputs tell nothing of the targets, one of them tells all, or validation, if it `compares`, differs."""
    few = rows.sample(rng, MOST_ROWS)
    n = _telling_rows(few)
    if n < FEWEST_ROWS:
        return
    Y = few.centred_targets(few.y)
    found, best = {}, ""
    for name, probe in PROBES.items():
        found[name] = out_of_fold(probe, few.X, Y, rng)[1]
        best = max(found, key=lambda each: found[each])
        if found[best] > CLEAR:
            break
    if found[best] < (NOTHING if n >= ENOUGH_ROWS else NOTHING_OF_FEW):
        words = ", ".join(f"{name} {z:+.1f}" for name, z in found.items())
        yield Finding(
            code="uninformative-inputs",
            severity="error" if n >= ENOUGH_ROWS else "warning" if n >= SOME_ROWS else "note",  # few may not suffice
            message=f"The inputs say no more of the targets than shuffled ones: of {len(few.y):,} rows, each predicted from "
            f"others, the agreement is this many standard deviations above that of shuffled targets: {words}.",
            evidence={"rows": len(few.y), **found},
            remedy="Look whether inputs and targets are in the same order, and whether the right columns are read.",
        )
    elif found[best] > CLEAR:
        if compares:
            yield from _validation(few, Y, best, found[best], rng)
        yield from _leaks(few, Y, rng)


def _telling_rows(few: Rows) -> float:
    """Return how many rows of classes of the same size say as much as these: few, where nearly all have one label."""
    if not _varies(few.y):
        return 0.0
    if not few.loss.one_label:
        return float(len(few.y))
    counts = np.bincount(few.y)
    counts = counts[counts > 0]
    return float((1 - np.square(counts / counts.sum()).sum()) / (1 - 1 / len(counts)) * counts.sum())


def _varies(y: Array) -> bool:
    return bool((y != y[0]).any())


def _validation(few: Rows, Y: Array, name: str, z: float, rng: np.random.Generator) -> Iterator[Finding]:
    if few.X_val is None or few.y_val is None or len(few.y_val) < FEWEST_ROWS or not _varies(few.y_val):
        return
    there = np.unique(few.y) if few.loss.one_label else None
    if there is not None and not np.isin(few.y_val, there).all():
        return
    both = few.centred_targets(np.concatenate([few.y, few.y_val]))
    Y, Y_val = both[: len(few.y)], both[len(few.y) :]
    z_val = association(PROBES[name](few.X, Y, few.X_val, rng), Y_val)
    expected = z * np.sqrt(len(Y_val) / len(Y))
    if expected > CLEAR and z_val < min(NOTHING_OF_FEW, GOES_ALONG * expected):
        yield Finding(
            code="label-shift",
            severity="error",
            message=f"What goes with what in training does not in validation: {name} that predicts training rows it was not "
            f"fitted on, {z:.0f} standard deviations above chance, is {z_val:+.1f} above it on {len(Y_val):,} validation rows.",
            evidence={"training": z, "validation": z_val, "expected": expected, "rows": len(Y_val)},
            remedy="Look whether the validation labels are in the order of their rows, and numbered as those to train on.",
        )


def _leaks(few: Rows, Y: Array, rng: np.random.Generator) -> Iterator[Finding]:
    if few.X.shape[1] < 2:
        return
    column, share, next_share = _most_telling(few.X, Y)
    if share < WORTH_A_LOOK:
        return
    one = few.X[:, [column]]
    one = np.hstack([one, normal_scores(one)])
    both = (_row_errors(few, probe, one, Y, rng) for probe in (linear, trees))
    e, constant = min(both, key=lambda each: float(each[0].mean()))
    if e.mean() > NEARLY * constant:
        return
    others = np.delete(few.X, column, axis=1)
    rest = min((_row_errors(few, probe, others, Y, rng)[0] for probe in PROBES.values()), key=lambda each: float(each.mean()))
    gain = rest - e
    is_clear = rest.mean() >= TIMES * e.mean() and gain.mean() >= SURELY * gain.std() / np.sqrt(len(gain))
    if not is_clear and share < LONE * next_share:
        return
    name, own, without = few.name(column), float(e.mean()) / constant, float(rest.mean()) / constant
    yield Finding(
        code="leaking-feature",
        severity="warning" if is_clear and own <= ALONE else "note",
        message=f"{name[0].upper()}{name[1:]} alone gives the target nearly away: with it the error is {own:.1%} of that of a "
        f"constant answer, and with all {others.shape[1]:,} others together {without:.1%}. It explains {share:.0%} of the "
        f"variance of the target, and the next input {next_share:.0%}.",
        evidence={"column": column, "alone": own, "others": without, "explains": share, "next_explains": next_share},
        remedy=f"Ask whether {name} is known when predictions are to be made; if it is made from the target, leave it out.",
    )


def _row_errors(few: Rows, probe: Probe, X: Array, Y: Array, rng: np.random.Generator) -> tuple[Array, float]:
    scores = out_of_fold(probe, X, Y, rng)[0]
    return errors(scores, Y, one_label=few.loss.one_label)


def _most_telling(X: Array, Y: Array) -> tuple[int, float, float]:
    """Return the column with the largest adjusted correlation ratio with the targets, that, and the next largest.

    Of many columns it is one of those that correlate most with a target.
    """
    columns = np.arange(X.shape[1])
    if len(columns) > MOST_COLUMNS:
        Z = X - X.mean(axis=0)
        norms = np.sqrt(np.square(Z).sum(axis=0))
        correlation = np.abs(Z.T @ Y).max(axis=1) / np.where(norms > 0, norms, 1)
        columns = np.argsort(-correlation)[:MOST_COLUMNS]
    total, best, largest, following = float(np.square(Y).sum()), 0, 0.0, 0.0
    for column in columns:
        values, places = np.unique(X[:, column], return_inverse=True)
        if len(values) > BINS:
            places = places * BINS // len(values)
        n_bins = min(len(values), BINS)
        if n_bins < 2:
            continue
        counts = np.bincount(places, minlength=n_bins)
        sums = np.stack([np.bincount(places, target, n_bins) for target in Y.T])
        between = float((np.square(sums) / np.maximum(counts, 1)).sum()) / total
        adjusted = 1 - (1 - between) * (len(X) - 1) / (len(X) - n_bins)
        if adjusted > largest:
            best, largest, following = int(column), adjusted, largest
        else:
            following = max(following, adjusted)
    return best, largest, following
