"""Findings: what is wrong with a training, the numbers that show it, and what mends it."""

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec

from fcnet.errors import FileFormatError
from fcnet.files import plain, write_atomic

Severity = Literal["error", "warning", "note"]
SEVERITIES = get_args(Severity)
HEALTHY = "healthy"

CODES = {
    # The data: nothing behind them can be right where they are wrong.
    "not-finite-data": "Inputs or targets hold NaN or infinite values.",
    "label-shift": "Labels are not the numbers 0…C-1 of the network's outputs, or a class has no rows to train or to validate.",
    "constant-features": "Inputs hold the same value in every row.",
    "uninformative-inputs": "The inputs say no more of the labels than shuffled ones do.",
    "leaking-feature": "One input alone gives the label away, while all others together do not.",
    "duplicate-across-splits": "Rows to validate are among the rows to train.",
    "unscaled-data": "Inputs are far from mean 0 and deviation 1, so that no learning rate suits all weights.",
    "class-imbalance": "One class has many times as many rows as another.",
    "label-mistakes": "A network that was trained without these rows disagrees with their labels.",
    # The network, before its first step.
    "wrong-gradient": "A gradient differs from the numeric one.",
    "symmetric-init": "Units of a layer begin with the same weights, and stay the same.",
    "init-too-large": "Initial weights enlarge what goes through the layers.",
    "init-too-small": "Initial weights shrink what goes through the layers until nothing is left of it.",
    "bad-initial-loss": "The loss before the first step is far from that of a network that knows nothing, as ln C.",
    # The steps, and then what comes of wrong ones.
    "learning-rate-too-high": "Steps are so long that the loss swings or grows.",
    "learning-rate-too-low": "Steps are so short that the loss falls in a straight line, or hardly at all.",
    "batch-too-large": "Batches leave too few steps in the epochs that there are.",
    "dead-units": "Hidden units are zero for all rows, so that they have no gradient.",
    "saturated-units": "Hidden units are at the flat ends of their activation.",
    "vanishing-gradient": "Gradients of the first layers are a tiny share of those of the last.",
    "exploding-gradient": "Gradients grow by orders of magnitude, from layer to layer or from step to step.",
    "diverged": "The loss or a parameter is no longer a finite number.",
    # How much the network can hold, and is allowed to.
    "over-regularised": "Penalty, dropout or smoothing keep the network from the training rows.",
    "under-capacity": "Training and validation are equally poor, though the loss has settled: the network is too small.",
    "over-fitting": "The training rows are learnt by heart, and others are not.",
    "stopped-early": "Training ended while the validation was still improving.",
    # What the trained network says.
    "one-class-predicted": "The network gives the same class for all rows.",
    "below-baseline": "The network is no better than the class shares, the mean, or a linear model.",
    "miscalibrated": "Probabilities are not the shares of rows that they stand for.",
    HEALTHY: "Nothing of what was checked is wrong.",
}
"""All codes and what they mean, causes before symptoms."""

_RANKS = {code: rank for rank, code in enumerate(CODES)}

_OF_STEPS = ("learning-rate-too-high", "dead-units", "saturated-units", "vanishing-gradient", "exploding-gradient", "diverged")
BRINGS = {
    "unscaled-data": (*_OF_STEPS, "learning-rate-too-low"),
    "constant-features": _OF_STEPS,
    "wrong-gradient": _OF_STEPS,
    "symmetric-init": ("dead-units", "vanishing-gradient"),
    "init-too-large": _OF_STEPS,
    "init-too-small": ("vanishing-gradient", "learning-rate-too-low"),
    "bad-initial-loss": _OF_STEPS,
    "learning-rate-too-high": ("dead-units", "saturated-units", "exploding-gradient", "diverged"),
}
"""What brings errors of other codes: it is as severe as they are then, so that who mends the first finding mends the cause."""

HIDES = {
    "uninformative-inputs": (
        *("learning-rate-too-high", "learning-rate-too-low", "stopped-early", "batch-too-large"),
        *("over-regularised", "under-capacity", "below-baseline"),
    ),
    "symmetric-init": ("over-regularised", "under-capacity"),
    "label-shift": ("one-class-predicted", "below-baseline"),
}
"""An error, and codes that say nothing beside it: where there is nothing to learn no curve can fall, for one."""


class Finding(msgspec.Struct, frozen=True, kw_only=True, repr_omit_defaults=True):
    """One thing that was found.

    Attributes
    ----------
    code : str
        One of `CODES`.
    severity : {"error", "warning", "note"}
        An error keeps the network from learning, a warning costs quality, and a note changes nothing.
    message : str
        What was found, a sentence with its numbers.
    evidence : dict
        The numbers, and short words.
    remedy : str
        What to change, a sentence; it may be empty.
    settings : dict
        Settings of a recipe, plain or dotted, and the values that apply the remedy; it may be empty.
    alternatives : list of dict
        Other settings that may, the more likely first.
    """

    code: str
    severity: Severity
    message: str
    evidence: dict[str, Any] = {}
    remedy: str = ""
    settings: dict[str, Any] = {}
    alternatives: list[dict[str, Any]] = []

    def __post_init__(self) -> None:
        if self.code not in CODES or self.severity not in SEVERITIES:
            raise ValueError(f"{self.code!r} of severity {self.severity!r} is no finding")

    @property
    def advice(self) -> list[str]:
        """What to change, in lines: the remedy, and the settings that apply it."""
        each = [", ".join(f"{name} = {value}" for name, value in one.items()) for one in self.remedies]
        return [line for line in (self.remedy, f"Settings: {'; or '.join(each)}" * bool(each)) if line]

    @property
    def remedies(self) -> list[dict[str, Any]]:
        """The settings, and then their alternatives."""
        each = [one for one in (self.settings, *self.alternatives) if one]
        return [one for place, one in enumerate(each) if one not in each[:place]]

    def to_dict(self) -> dict[str, Any]:
        """Return the finding as JSON can hold it."""
        return dict(msgspec.to_builtins(self, enc_hook=plain))

    def __str__(self) -> str:
        return "\n    ".join([f"{self.severity}: {self.code}: {self.message}", *self.advice])


class Findings(list[Finding]):
    """Findings in their order, which are shown a line each.

    Examples
    --------
    >>> Findings([Finding(code="healthy", severity="note", message="Nothing is wrong.")])
    note: healthy: Nothing is wrong.
    """

    def __repr__(self) -> str:
        return "\n".join(map(str, self)) or "no findings"


def in_order(findings: Iterable[Finding]) -> Findings:
    """Return findings by severity, causes before symptoms; of several with the same code the first of the worst severity.

    A warning that brings an error, see `BRINGS`, is one itself, and what an error hides, see `HIDES`, is left out.

    Examples
    --------
    >>> codes = ["over-fitting", "unscaled-data", "over-fitting"]
    >>> found = [Finding(code=code, severity="warning", message="") for code in codes]
    >>> [finding.code for finding in in_order(found)]
    ['unscaled-data', 'over-fitting']
    """
    each = list(findings)
    errors = {finding.code for finding in each if finding.severity == "error"}
    hidden = {code for error in errors for code in HIDES.get(error, ())}
    errors -= hidden
    kept: dict[str, Finding] = {}
    for finding in sorted(
        (_as_severe(finding, errors) for finding in each if finding.code not in hidden),
        key=lambda each: (SEVERITIES.index(each.severity), _RANKS[each.code]),
    ):
        kept.setdefault(finding.code, finding)
    return Findings(kept.values())


def _as_severe(finding: Finding, errors: Collection[str]) -> Finding:
    is_cause = finding.severity == "warning" and any(code in errors for code in BRINGS.get(finding.code, ()))
    return msgspec.structs.replace(finding, severity="error") if is_cause else finding


def concluded(findings: Iterable[Finding], checked: str) -> Findings:
    """Return findings in order; where none is an error or a warning, the first says that what was `checked` is healthy."""
    found = in_order(findings)
    if all(finding.severity == "note" for finding in found):
        message = f"Nothing is wrong with {checked}."
        found.insert(0, Finding(code=HEALTHY, severity="note", message=message))
    return found


def write_findings(path: Path, findings: Iterable[Finding]) -> None:
    """Write ``findings.json``."""
    text = msgspec.json.encode(list(findings), enc_hook=plain)
    write_atomic(path, msgspec.json.format(text), "\n")


def read_findings(path: Path) -> Findings:
    """Read what `write_findings` wrote.

    Raises
    ------
    FileFormatError
        If there is no such file, or it is damaged.
    """
    try:
        return Findings(msgspec.json.decode(path.read_bytes(), type=list[Finding]))
    except FileNotFoundError:
        raise FileFormatError(f"There is no file {path}.") from None
    except (OSError, ValueError) as error:
        raise FileFormatError(f"{path} is damaged: {error}.") from None
