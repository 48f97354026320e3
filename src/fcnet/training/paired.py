"""Whether a difference is more than luck: paired over seeds, or over the rows that two models were validated on."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from fcnet.nn.loss import Loss
from fcnet.types import Array

LEVEL, POWER = 0.95, 0.8
MOST_SEEDS = 1000
LOSSES, SCORES, ROWS = "paired t of losses", "paired t of scores", "paired t over rows"  # of others than accuracies
QUANTILES, ROW_LOSSES = "paired t of pinball losses", "paired t of log-losses"  # over rows, too


@dataclass(frozen=True)
class Difference:
    """What B has more than A.

    Parameters
    ----------
    test : {"paired t", "paired t of losses", "paired t of scores", "paired t over rows", "paired t of pinball losses", \
"paired t of log-losses", "McNemar"}
        Of accuracies; of numbers that are to be low, or high; of R², row by row; of D² and of log-losses, likewise; of rows
        that are right.
    n : int
        Pairs of seeds, or rows.
    mean, low, high : float
        B minus A, and its confidence interval of 95 %.
    p_value : float
        Two-sided.
    new_seeds : int, optional
        How many new pairs, compared without those of now, decide with a probability of 80 %, if the differences go on as they
        are. None where it is decided, where more than 1,000 would not do, and of rows.
    only_a, only_b : int, optional
        Rows that one model alone has right.
    """

    test: str
    n: int
    mean: float
    low: float
    high: float
    p_value: float
    new_seeds: int | None = None
    only_a: int | None = None
    only_b: int | None = None

    @property
    def is_decided(self) -> bool:
        """Whether the difference is significant at 5 %."""
        return self.p_value < 1 - LEVEL

    @property
    def is_of_rows(self) -> bool:
        """Whether it is one of two models, and not of recipes."""
        return self.test in ("McNemar", ROWS, QUANTILES, ROW_LOSSES)

    @property
    def gain(self) -> float:
        """How much better B is, which of losses is how much lower."""
        return -self.mean if self.test in (LOSSES, ROW_LOSSES) else self.mean

    @property
    def words(self) -> str:
        """The difference and its interval, in points of accuracy, or as it is where it is none of accuracies."""
        scale, digits, unit = (1, 4, "") if self.test not in ("paired t", "McNemar") else (100, 2, " points")
        mean, low, high = (f"{scale * value:+.{digits}f}" for value in (self.mean, self.low, self.high))
        of_rows = {"McNemar": "exact McNemar test"} | {
            test: f"paired t-test of {what} over {self.n:,} rows"
            for test, what in ((ROWS, "squared errors"), (QUANTILES, "pinball losses"), (ROW_LOSSES, "log-losses"))
        }
        how = of_rows.get(self.test, f"paired t-test over {self.n} seeds")
        return f"{mean}{unit}, 95 % confidence interval {low} to {high}; p = {self.p_value:.2g} ({how})"


def over_seeds(a: Sequence[float], b: Sequence[float], n_rows: int | None, sign: int = -1) -> Difference:
    """Compare accuracies, or other numbers, of two recipes that were trained with the same seeds, by Student's paired t-test.

    With the differences dᵢ = bᵢ - aᵢ, their mean d̄ and standard deviation s, t = d̄ / (s / √n) has n - 1 degrees of freedom, and
    the interval is d̄ ± t₀.₉₇₅ · s / √n (Student, "The probable error of a mean", Biometrika 6, 1908). It speaks of other seeds,
    on the same rows. s is at least 1 / (√12 · n_rows): accuracies are multiples of 1 / n_rows, and a number that is rounded to
    such steps has that standard deviation. So differences that are equal by chance are not taken for certain.

    The p-value holds for seeds that were chosen beforehand. Whoever adds seeds because it was undecided, and tests all of them
    again, finds a difference where there is none more often than in 5 % of comparisons. New seeds are to be compared alone.

    Parameters
    ----------
    a, b : sequences of float
        A number for each seed, at least two.
    n_rows : int, optional
        That accuracies were measured on; None for other numbers, which have no steps.
    sign : int
        Of such numbers 1 where they are to be high, -1 where they are to be low.
    """
    test = "paired t" if n_rows else LOSSES if sign < 0 else SCORES
    found, effect = _paired_t(test, np.subtract(b, a), 1 / (math.sqrt(12) * n_rows) if n_rows else 0.0)
    return found if found.is_decided else replace(found, new_seeds=pairs_needed(effect))


def _paired_t(test: str, differences: Array, least: float) -> tuple[Difference, float]:
    """Return what differences say, and their mean in their standard deviations, which is taken for `least` at least."""
    from scipy import stats

    n, mean = len(differences), float(np.mean(differences))
    s = max(float(np.std(differences, ddof=1)), least, np.finfo(float).tiny)
    error = s / math.sqrt(n)
    half, p_value = float(stats.t.ppf((1 + LEVEL) / 2, n - 1) * error), float(2 * stats.t.sf(abs(mean) / error, n - 1))
    return Difference(test, n, mean, mean - half, mean + half, p_value), abs(mean) / s


def pairs_needed(effect: float) -> int | None:
    """Return with how many pairs a paired t-test finds a difference with a probability of 80 %; None if more than 1,000.

    The statistic of n pairs has the noncentral t distribution of n - 1 degrees of freedom and noncentrality effect · √n (Cohen,
    *Statistical Power Analysis for the Behavioral Sciences*, 1988).

    Parameters
    ----------
    effect : float
        Mean of the differences in their standard deviations.

    Examples
    --------
    >>> pairs_needed(0.5), pairs_needed(0.001)
    (34, None)
    """
    from scipy import stats

    n = np.arange(2, MOST_SEEDS + 1)
    limit = stats.t.ppf((1 + LEVEL) / 2, n - 1)
    enough = np.flatnonzero(stats.nct.sf(limit, n - 1, effect * np.sqrt(n)) >= POWER)
    return int(n[enough[0]]) if len(enough) else None


def over_losses(a: Array, b: Array) -> Difference:
    """Compare two models by their losses on the same rows, (n,), by Student's paired t-test. Of one row nothing can be said."""
    if len(a) < 2:
        return Difference(LOSSES, len(a), float(np.mean(b - a)), -math.inf, math.inf, 1.0)
    return _paired_t(LOSSES, b.astype(np.float64) - a, 0.0)[0]


def over_row_losses(a: Array, b: Array) -> Difference:
    """Compare two classifiers by their log-losses on the same rows, (n,), by Student's paired t-test.

    The interval speaks of other rows, by these two models: how lucky each was with its seed stays open.
    """
    return replace(over_losses(a, b), test=ROW_LOSSES)


def over_errors(a: Array, b: Array, targets: Array) -> Difference:
    """Compare two regressions on the same rows, by Student's paired t-test of their squared errors.

    With the errors of a row i and the variance σ² of the targets, dᵢ = (e_A² - e_B²) / σ². The mean of these is the R² of B
    less that of A. The interval speaks of other rows, by these two models: how lucky each was with its seed stays open.

    Parameters
    ----------
    a, b, targets : arrays (n, 1)
        What each model predicts, and what is so.
    """
    of_a, of_b = (np.square(values.astype(np.float64) - targets).ravel() for values in (a, b))
    return _paired_t(ROWS, (of_a - of_b) / targets.var(), 0.0)[0]


def over_quantiles(a: Array, b: Array, targets: Array, loss: Loss) -> Difference:
    """Compare two models of the same quantiles on the same rows, by Student's paired t-test of their losses.

    With the losses of a row i, and the mean loss L₀ of the quantiles of the targets themselves, dᵢ = (l_A - l_B) / L₀. The mean
    of these is the D² of B less that of A.

    Parameters
    ----------
    a, b : arrays (n, n_quantiles)
        What each model predicts.
    targets : array (n, 1)
    loss : Loss
    """
    of_a, of_b, constant = (
        loss.losses(values.astype(np.float64), targets)
        for values in (a, b, np.broadcast_to(loss.constant_logits(targets, a.shape[1]), a.shape))
    )
    return _paired_t(QUANTILES, (of_a - of_b) / constant.mean(), 0.0)[0]


def over_rows(a_right: Array, b_right: Array) -> Difference:
    """Compare two models on the same rows, by McNemar's test in its exact form.

    Of the rows that one model alone has right, b by A and c by B, each is as likely to be of either if the models are equally
    good: the p-value is that of c heads in b + c throws of a coin (McNemar, Psychometrika 12, 1947). The interval holds what
    this test does not reject: it is that of Clopper and Pearson (Biometrika 26, 1934) for the share π of c in b + c, as
    (2π - 1) (b + c) / n. It takes b + c as given. Where it is 0 the limits are those of 0 in n, for either model. The interval
    speaks of other rows, by these two models: how lucky each was with its seed stays open.

    Parameters
    ----------
    a_right, b_right : boolean arrays (n,)
        Which rows each model has right.
    """
    from scipy import stats

    n, b, c = len(a_right), int(np.sum(a_right & ~b_right)), int(np.sum(b_right & ~a_right))
    if b + c == 0:
        most = float(stats.binomtest(0, n).proportion_ci(LEVEL).high)
        return Difference("McNemar", n, 0.0, -most, most, 1.0, only_a=0, only_b=0)
    test = stats.binomtest(c, b + c)
    low, high = (float(2 * share - 1) * (b + c) / n for share in test.proportion_ci(LEVEL))
    return Difference("McNemar", n, (c - b) / n, low, high, float(test.pvalue), only_a=b, only_b=c)
