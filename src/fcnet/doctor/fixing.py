"""Remedies that are tried one at a time, of which those are kept that help on the validation rows."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from fcnet.doctor.finding import Finding, Severity
from fcnet.doctor.prediction_checks import OF_BASELINES
from fcnet.errors import FileFormatError, InputError
from fcnet.files import plain, write_atomic
from fcnet.nn.loss import Loss
from fcnet.training.metrics import AUTO, METRICS, Metric, get_metric
from fcnet.types import Array
from fcnet.words import duration_words

GROUPS, CLEAR = 50, 2.0  # of rows, and standard errors
TRIALS = 8
NOTES = ("over-fitting", "miscalibrated")  # which are mended, too


@dataclass(frozen=True)
class Trial:
    """What came of a training.

    Parameters
    ----------
    diagnose : callable
        Returns all that the doctor says of it, in order; called at most once, and only of what is kept.
    monitor : str
        The metric that it is to be judged by, as in a recipe.
    loss : Loss, optional
    logits : array (n, n_outputs), optional
        Those of the validation rows; None where it diverged.
    """

    diagnose: Callable[[], Sequence[Finding]]
    monitor: str = AUTO
    loss: Loss | None = None
    logits: Array | None = None


class Fix(msgspec.Struct, frozen=True, kw_only=True):
    """A remedy that was tried.

    Attributes
    ----------
    code, severity : str
        Of the finding that it is for.
    settings : dict
        What was changed.
    metric : str
        What both trainings were judged by.
    before, after : float or None
        Its value on the validation rows; None where the training diverged.
    kept : bool
    why : str
        Why it was kept, or put back, in words.
    seconds : float
    """

    code: str
    severity: Severity
    settings: dict[str, Any]
    metric: str
    before: float | None
    after: float | None
    kept: bool
    why: str
    seconds: float

    @property
    def words(self) -> str:
        """All of it in a line.

        Examples
        --------
        >>> told = {"code": "over-fitting", "severity": "warning", "settings": {"dropout": 0.5}, "metric": "accuracy"}
        >>> Fix(**told, before=0.9, after=0.95, kept=True, why="better", seconds=2.0).words
        'kept dropout = 0.5 (over-fitting): accuracy 90.00% → 95.00%, better; 2 s'
        """
        return f"{'kept' if self.kept else 'put back'} {self.changes} ({self.code}): {self.outcome}"

    @property
    def outcome(self) -> str:
        """What came of it: the metric before and after, why it was kept or not, and how long it took."""
        metric = METRICS.get(self.metric)
        values = [_shown(metric, value) for value in (self.before, self.after)]
        return f"{metric.words if metric else self.metric} {' → '.join(values)}, {self.why}; {duration_words(self.seconds)}"

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return dict(msgspec.to_builtins(self))

    @property
    def changes(self) -> str:
        """The settings, in a line."""
        return in_words(self.settings)


def _shown(metric: Metric | None, value: float | None) -> str:
    return "none" if value is None else f"{value:.4f}" if metric is None else metric.shown(value)


def in_words(settings: Mapping[str, Any]) -> str:
    """Return settings in a line."""
    return ", ".join(f"{name} = {value}" for name, value in settings.items())


def next_remedy(
    findings: Iterable[Finding], tried: Iterable[dict[str, Any]], monitor: str, *, is_mended: bool = False
) -> tuple[Finding, dict[str, Any]] | None:
    """Return the first finding with a remedy that has not been tried, and its settings; at last the remedies of all together.

    Errors and warnings count, and notes whose remedy may help all the same: of over-fitting, as what hinders that may make the
    best epoch better, too, and of probabilities. Where something was mended, the epochs were chosen for what is no more: then a
    note that more of them may help counts.

    A metric that a remedy brings gives way to one that was chosen: the `monitor`, where it is not "auto".
    """
    known, together, first = list(tried), dict[str, Any](), list[Finding]()
    notes = (*NOTES, "stopped-early") if is_mended else NOTES
    for finding in (each for each in findings if each.severity != "note" or each.code in notes):
        remedies = [_allowed(remedy, monitor) for remedy in finding.remedies]
        for settings in remedies:
            if settings and plain_settings(settings) not in known:
                return finding, settings
        if finding.severity != "note" and finding.code not in OF_BASELINES and remedies and remedies[0]:
            first.append(finding)
            leaves = {name.rpartition(".")[2] for name in together}
            together |= {name: value for name, value in remedies[0].items() if name.rpartition(".")[2] not in leaves}
    # Of two faults either may hide what it is worth to mend the other.
    return (first[0], together) if len(first) > 1 and plain_settings(together) not in known else None


def _allowed(remedy: Mapping[str, Any], monitor: str) -> dict[str, Any]:
    return {name: value for name, value in remedy.items() if monitor == AUTO or name != "monitor"}


def plain_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings as JSON gives them back."""
    return dict(msgspec.json.decode(msgspec.json.encode(dict(settings), enc_hook=plain)))


def mend(
    first: Trial,
    train: Callable[[Finding, dict[str, Any]], Trial],
    y_val: Array,
    done: Callable[[Fix], None],
    *,
    log: Sequence[Fix] = (),
    trials: int = TRIALS,
) -> tuple[Trial, list[Fix]]:
    """Try remedies one after the other, and go on from each that helps, until none is left; return what is kept, and a log.

    Parameters
    ----------
    first : Trial
        The training whose findings there are to begin with.
    train : callable
        ``train(finding, settings)`` trains what is kept so far with these settings changed. It raises InputError where they
        cannot be used, or change nothing: then they are left out.
    y_val : array (n,) or (n, n_outputs)
        The targets of the validation rows.
    done : callable
        Is given each remedy that was tried, before what is kept is diagnosed.
    log : sequence of Fix
        Those that have been tried already.
    trials : int
        At most so many, those of the log included.
    """
    kept, fixes, findings = first, list(log), None
    last = max((place for place, fix in enumerate(fixes, 1) if fix.kept), default=0)
    tried = [fix.settings for fix in fixes[last:]]  # since one was kept
    while len(fixes) < trials:
        findings = kept.diagnose() if findings is None else findings
        found = next_remedy(findings, tried, kept.monitor, is_mended=any(fix.kept for fix in fixes))
        if found is None:
            break
        finding, settings = found
        tried.append(plain_settings(settings))
        began = time.monotonic()
        try:
            new = train(finding, settings)
        except InputError:
            continue
        fix = _fix(finding, settings, kept, new, y_val, began)
        fixes.append(fix)
        done(fix)
        if fix.kept:
            kept, findings, tried = new, None, []
    return kept, fixes


def _fix(finding: Finding, settings: dict[str, Any], kept: Trial, new: Trial, y_val: Array, began: float) -> Fix:
    metric = _metric(kept if new.loss is None else new)
    before, after = (_value(metric, trial, y_val) for trial in (kept, new))
    better, why = compared(kept, new, y_val)
    return Fix(
        code=finding.code,
        severity=finding.severity,
        settings=plain_settings(settings),
        metric="score" if metric is None else metric.name,
        before=before,
        after=after,
        kept=better,
        why=why,
        seconds=round(time.monotonic() - began, 3),
    )


def _metric(trial: Trial) -> Metric | None:
    return None if trial.loss is None else get_metric(trial.monitor, trial.loss)


def _value(metric: Metric | None, trial: Trial, y: Array) -> float | None:
    if metric is None or trial.logits is None or trial.loss is None:
        return None
    return metric.of(trial.loss, trial.logits, y, None)


def compared(kept: Trial, new: Trial, y_val: Array) -> tuple[bool, str]:
    """Return whether a training is better than another by the monitor of the new one, and why, in words.

    It is where the metric is better by two standard errors. It also is where the metric is no worse, and the loss is lower by
    two standard errors, as that of probabilities that are calibrated. These errors speak of other validation rows. Whatever is
    finite is better than what diverged.
    """
    if new.logits is None or new.loss is None:
        return False, "it diverged"
    if kept.logits is None or kept.loss is None:
        return True, "it no longer diverges"
    metric = _metric(new)
    assert metric is not None
    sides = (kept.loss, kept.logits), (new.loss, new.logits)
    gain, error = gain_of(metric, *sides, y_val)
    if gain > CLEAR * error:
        return True, "better"
    if gain < 0:
        return False, "no better" if -gain <= CLEAR * error else "worse"
    less, its_error = gain_of(METRICS["loss"], *sides, y_val)
    if less > CLEAR * its_error:
        return True, "as good, by a lower loss"
    return False, "no better than by chance" if gain else "no better"


def gain_of(metric: Metric, kept: tuple[Loss, Array], new: tuple[Loss, Array], y: Array) -> tuple[float, float]:
    """Return how much better a metric is by new logits than by others, and its standard error over rows, by a jackknife.

    The rows are dealt out to 50 groups at random, of which one is left out each time: with g groups and gains dⱼ without group
    j, the squared error is ``(g - 1)/g · Σ(dⱼ - d̄)²`` (Tukey 1958). It takes any metric, and no assumption but that it is
    smooth.
    """
    n = len(y)
    order = np.random.default_rng(0).permutation(n) % min(GROUPS, n)

    def gain(weights: Array | None) -> float:
        before, after = (metric.of(loss, logits, y, weights) for loss, logits in (kept, new))
        return metric.sign * (after - before)

    gains = []
    for group in range(min(GROUPS, n)):
        with suppress(InputError):  # the others lack a class
            gains.append(gain((order != group).astype(np.float64)))
    whole = gain(None)
    if len(gains) < 2:
        return whole, np.inf
    return whole, float(np.sqrt((len(gains) - 1) * np.var(gains)))


def write_fixes(path: Path, fixes: Iterable[Fix]) -> None:
    """Write the log of what was tried."""
    write_atomic(path, msgspec.json.format(msgspec.json.encode(list(fixes))), "\n")


def read_fixes(path: Path) -> list[Fix]:
    """Read what `write_fixes` wrote; nothing where there is no such file.

    Raises
    ------
    FileFormatError
        If it is damaged.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[Fix])
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        raise FileFormatError(f"{path} is damaged: {error}.") from None
