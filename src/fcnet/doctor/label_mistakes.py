"""Labels that a network, trained without their rows, disagrees with."""

from collections.abc import Iterator

import numpy as np

from fcnet.doctor.finding import Finding
from fcnet.types import Array

SHOWN = 10
FEWEST_ERRORS, LEAST_SHARE, EVEN, EVEN_ON_TOP = 15, 0.03, 0.6, 0.5
MOST_ERRORS, OVERCONFIDENT = 0.9, 0.25  # with which, as a share of those of chance, the order of confidences says little


def mistake_findings(probabilities: Array, labels: Array) -> Iterator[Finding]:
    """Yield whether labels of validation rows (n,) are wrong, by the probabilities (n, n_classes) that a network gives them."""
    found = label_mistakes(probabilities, labels)
    if found is None:
        return
    share, rows = found
    yield Finding(
        code="label-mistakes",
        severity="note",
        message=f"About {share:.0%} of labels may be wrong: the network errs nearly as often where it is sure as elsewhere. It "
        f"disagrees most with those of the validation rows {', '.join(map(str, rows[:SHOWN]))}.",
        evidence={"share": share, "rows": rows[:SHOWN].tolist(), "suspects": len(rows)},
        remedy="Look at these rows. Where labels stay noisy, smooth them, and stop early.",
        settings={"label_smoothing": 0.1, "patience": 10},
    )


def label_mistakes(probabilities: Array, labels: Array) -> tuple[float, Array] | None:
    """Estimate the share of labels that are wrong, and return it with the rows that are suspect, the worst first.

    The rows are those of confident learning (Northcutt, Jiang & Chuang 2021): another class has a probability above the mean
    that it has in its own rows, and a larger one than the label. Hard rows are among them, too. What tells labels that are
    wrong is that errors do not become rare where the network is sure: None is returned unless the half of rows that it is
    surest of has at least 0.6 times as many errors as all have on average, and more than 3 % for certain, and the surest
    quarter 0.5 times. Nothing is said by a network that errs more than nine tenths as often as one that
    always answers the largest class, or that is far surer than it is right.

    Parameters
    ----------
    probabilities : array (n, n_classes)
        By a network that was not trained on these rows.
    labels : integer array (n,)
    """
    from scipy.stats import binomtest

    n, n_classes = probabilities.shape
    errors, confidences = probabilities.argmax(axis=1) != labels, probabilities.max(axis=1)
    order = np.argsort(-confidences, kind="stable")
    sure, surest = order[: n // 2], order[: n // 4]
    n_wrong, all_wrong = int(errors[sure].sum()), float(errors.mean())
    of_chance = 1 - float(np.bincount(labels).max()) / n
    if n_wrong < FEWEST_ERRORS or all_wrong > MOST_ERRORS * of_chance or confidences.mean() - 1 + all_wrong > OVERCONFIDENT:
        return None
    share = n_wrong / len(sure)
    if share < EVEN * all_wrong or errors[surest].mean() < EVEN_ON_TOP * all_wrong:
        return None
    if binomtest(n_wrong, len(sure)).proportion_ci(0.95).low < LEAST_SHARE:
        return None
    own = np.array([probabilities[labels == c, c].mean() if (labels == c).any() else 1.0 for c in range(n_classes)])
    confident = np.where(probabilities >= own, probabilities, 0.0)
    confident[np.arange(n), labels] = 0.0
    given = probabilities[np.arange(n), labels]
    margin = confident.max(axis=1) - given
    suspects = np.flatnonzero(margin > 0)
    return share, suspects[np.argsort(-margin[suspects], kind="stable")]
