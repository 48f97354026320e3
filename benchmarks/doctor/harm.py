"""How much a fault harms, and whether a program is sound: measured, before any tool is asked.

A case counts as faulty only if its harm is beyond noise. Both the program with the fault and its twin without are trained with
several seeds (`SEEDS`); of each pair the difference is taken, and the lower end of its one-sided interval of 95 % by Student's
t has to be above 0 and its mean above `LEAST`. What the difference is of is said by the family (`Family.harms`):

| family's word | harm |
| --- | --- |
| validation | accuracy or R² on the rows to validate, as the program has them |
| clean | the same on clean rows: where labels or columns are wrong in the rows to validate, their score says nothing |
| balanced | balanced accuracy on clean rows, as plain accuracy forgives what is done to rare classes |
| optimism | validation score less that on clean rows: what a duplicate harms is the trust in the validation |
| loss | log loss on clean rows: over-fitting shows there first |
| calibration | calibration error on clean rows, in ten bins |

A training that is refused is as good as chance. R² counts as at least -1. A case whose code is a fact about what was trained
("diverged", "one-class-predicted", "below-baseline") counts only where most seeds show it.

A program is sound (`is_sound`) if who trained it would go on with its result. That is not to be the best: settings that
nobody would call wrong differ by some points, and validation scores of a few hundred rows do so by chance. So it is sound if

- it reaches `SOUND` of the best lift over chance among the programs of its data set that ought to be healthy,
- it has no higher log loss than `SOUND_LOSS` allows,
- it is better than a linear model, which costs less, and
- twice as many epochs do not make it better by what counts as the harm of a fault: else it was stopped early.

None of these asks what a tool says of it. Odd settings are sound where they do as well. A healthy program that is not sound is
left out, and so is a case whose twin is not by the first three.
"""

import math
import warnings
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
from faults import Case
from problems import load
from programs import Program, Work, healthy_work
from scipy.stats import t as student
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from traces import Trace, record, scores

from fcnet.errors import OverflowedError

SEEDS = 3
LEAST = {"validation": 0.02, "clean": 0.02, "balanced": 0.03, "optimism": 0.02, "loss": 0.1, "calibration": 0.04}
SOUND, SOUND_LOSS = 0.88, (1.3, 0.1)
LONGER = 2  # times as many epochs
ONE_CLASS = 0.99
BETTER = 0.005  # than a linear model
OFF = 0.05


def chance(work: Work) -> float:
    """Return the score of the largest class, or of the mean."""
    y = work.data.y_clean
    return float(np.bincount(y).max() / len(y)) if work.data.n_classes else 0.0


def measured(work: Work) -> dict[str, Any]:
    """Return what a training of a program without recording reaches."""
    return of_trace(record(work, watch=False))


def of_trace(trace: Trace) -> dict[str, Any]:
    """Return the scores on the rows to validate and on clean ones, by their names, how training ended and in what time."""
    data, network = trace.work.data, trace.network
    found: dict[str, Any] = {"end": trace.end, "seconds": trace.seconds}
    for part, X, y in (("validation", data.X_val, data.y_val), ("clean", data.X_clean, data.y_clean)):
        try:
            assert network is not None
            each = scores(network, X, y)
        except (AssertionError, OverflowedError):
            C = max(2, data.n_classes)
            each = {"score": chance(trace.work), "balanced": 1 / C, "log_loss": math.log(C), "calibration": 0.0}
        found[part] = max(-1.0, each["score"])
        found |= {f"{part} {name}": value for name, value in each.items() if name != "score"}
    return found


def value(row: dict[str, Any], word: str) -> float:
    """Return what is lower the more harm there is."""
    if word == "optimism":
        return float(row["clean"] - row["validation"])
    name = {"balanced": "clean balanced", "loss": "clean log_loss", "calibration": "clean calibration"}.get(word, word)
    if word in ("balanced", "loss", "calibration") and name not in row:  # a regression
        return float(row["clean"])
    return float(row[name]) * (-1 if word in ("loss", "calibration") else 1)


def harm(case: Case) -> dict[str, Any]:
    """Return what the program with its fault and its twin reach with each seed, the mean harm and its lower end."""
    faulty = [measured(case.work(seed)) for seed in range(SEEDS)]
    twin = [measured(case.twin(seed)) for seed in range(SEEDS)]
    differences = _differences(faulty, twin, case.harms)
    mean, lower = lower_end(differences)
    return {"harm": mean, "lower": lower, "harms": is_harm(differences, case.harms), "faulty": faulty, "twin": twin}


def _differences(worse: list[dict[str, Any]], better: list[dict[str, Any]], word: str) -> list[float]:
    return [value(two, word) - value(one, word) for one, two in zip(worse, better, strict=True)]


def is_harm(differences: list[float], word: str) -> bool:
    """Return whether differences of seeds are a harm that counts."""
    mean, lower = lower_end(differences)
    return lower > 0 and mean >= LEAST[word]


def lower_end(differences: list[float]) -> tuple[float, float]:
    """Return the mean, and the lower end of its one-sided interval of 95 %.

    The deviation is taken as at least 0.005, as few seeds may agree by chance.
    """
    n = len(differences)
    deviation = max(0.005, float(np.std(differences, ddof=1)))
    mean = float(np.mean(differences))
    return mean, mean - float(student.ppf(0.95, n - 1)) * deviation / math.sqrt(n)


def health(program: Program) -> dict[str, Any]:
    """Return what a program that ought to be healthy reaches with each seed, and the same trained for longer."""
    longer = replace(program, epochs=LONGER * program.epochs)
    rows, of_longer = ([measured(healthy_work(each, seed)) for seed in range(SEEDS)] for each in (program, longer))
    return {"faulty": rows, "twin": rows, "longer": of_longer, "chance": chance(healthy_work(program))}


def best(healthy: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Return of each data set the best score and the lowest log loss among what ought to be healthy."""
    found: dict[str, dict[str, float]] = {}
    for row in healthy:
        score, loss = _mean(row["twin"], "validation"), _mean(row["twin"], "validation log_loss")
        known = found.setdefault(row["problem"], {"score": score, "loss": loss, "chance": row["chance"]})
        known["score"], known["loss"] = max(known["score"], score), min(known["loss"], loss)
    return found


def is_sound(row: dict[str, Any], known: dict[str, float]) -> bool:
    """Return whether a program without a fault, or the twin of one with it, is sound, by its row of results."""
    rows, longer = row["twin"], row.get("longer", [])
    score, loss = _mean(rows, "validation"), _mean(rows, "validation log_loss")
    factor, plus = SOUND_LOSS
    return (
        score >= row["linear"] + BETTER
        and score - known["chance"] >= SOUND * (known["score"] - known["chance"])
        and (math.isnan(loss) or loss <= factor * known["loss"] + plus)
        and not (longer and is_harm(_differences(rows, longer, "validation"), "validation"))
    )


def shows(code: str, rows: list[dict[str, Any]], linear: float) -> bool:
    """Return whether a fault whose code is a fact about the trained program brings that about, with most of the seeds."""
    signs = {
        "diverged": lambda row: row["end"] == "diverged",
        "one-class-predicted": lambda row: row.get("validation largest_share", 1.0) > ONE_CLASS,
        "below-baseline": lambda row: row["validation"] < linear + BETTER,
    }
    return code not in signs or sum(map(signs[code], rows)) > len(rows) / 2


def _mean(rows: list[dict[str, Any]], name: str) -> float:
    return float(np.mean([row.get(name, math.nan) for row in rows]))


def facts(trace: Trace) -> list[str]:
    """Return the codes that are true of a trained program whatever was injected, as they can be measured.

    That are "diverged"; "one-class-predicted", where `ONE_CLASS` of the predictions for validation are one class;
    "miscalibrated", where confidence and accuracy of these are `OFF` apart, and that is three standard errors; and
    "below-baseline", where the validation score is no better than that of a linear model, or than that of the largest class by
    two standard errors.
    """
    found, data = [], trace.work.data
    if trace.end == "diverged":
        found.append("diverged")
    row = of_trace(trace)
    if data.n_classes and row.get("validation largest_share", 1.0) > ONE_CLASS:
        found.append("one-class-predicted")
    if abs(row.get("validation overconfidence", 0.0)) > max(
        OFF, 1.5 / math.sqrt(len(data.y_val))
    ):  # an error is 0.5/√n at most
        found.append("miscalibrated")
    noise = 1 / math.sqrt(len(data.y_val)) if data.n_classes else 0.0  # two standard errors at most
    if trace.network is None or row["validation"] <= max(chance(trace.work) + max(0.01, noise), linear(trace.work) + BETTER):
        found.append("below-baseline")
    return found


@lru_cache
def linear_of(problem: str) -> float:
    """Return the validation score of a linear model on a data set without faults."""
    return linear(Work(Program("", problem), load(problem)))


def linear(work: Work) -> float:
    """Return the validation score of a linear model on standardised inputs; of few rows where there are many columns."""
    data = work.data
    if not np.isfinite(data.X).all() or len(np.unique(data.y)) < 2:
        return -1.0
    mean, std = data.X.mean(0), np.maximum(data.X.std(0), 1e-6)
    X, X_val = (data.X - mean) / std, (data.X_val - mean) / std
    if not data.n_classes:
        return float(Ridge(1.0).fit(X, data.y).score(X_val, data.y_val))
    strength = 1.0 if X.shape[1] < 500 else 1e-3
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return float(LogisticRegression(C=strength, max_iter=200).fit(X, data.y).score(X_val, data.y_val))
