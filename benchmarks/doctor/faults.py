"""Faults that are put into sound programs: every code of the doctor, by two families each, at a mild and a strong dose.

A family is a way in which a fault gets into programs; `families.FAMILIES` has them all, by their names. Each changes a `Work`
in place. What they do is in `data_faults`, `network_faults` and `training_faults`. They are modelled on what is found in
programs that people wrote, as the suites of the literature collected them: AUTOTRAINER (Zhang et al. 2021), DeepLocalize
(Wardat et al. 2021), UMLAUT (Schoop et al. 2021), DeepFD (Cao et al. 2022), TheDeepChecker (Ben Braiek & Khomh 2023), defect4ML
(Morovati et al. 2023).
"""

from dataclasses import dataclass

import data_faults  # noqa: F401 - its families enter themselves
import network_faults  # noqa: F401 - likewise
import numpy as np
import training_faults  # noqa: F401 - likewise
from families import FAMILIES
from programs import Program, Work, drawn, work

DOSES = ("mild", "strong")


SYNONYMS: dict[str, tuple[str, ...]] = {
    "diverged": ("learning-rate-too-high", "exploding-gradient"),
    "exploding-gradient": ("diverged", "init-too-large"),
    "learning-rate-too-high": ("diverged",),
    "vanishing-gradient": ("init-too-small",),
    "init-too-small": ("vanishing-gradient",),
    "init-too-large": ("exploding-gradient", "saturated-units", "bad-initial-loss"),
    "bad-initial-loss": ("init-too-large",),
    "saturated-units": ("init-too-large",),
    "batch-too-large": ("learning-rate-too-low", "stopped-early"),
    "learning-rate-too-low": ("stopped-early",),
    "stopped-early": ("learning-rate-too-low",),
    "one-class-predicted": ("class-imbalance",),
    "uninformative-inputs": ("label-mistakes",),
}
"""Codes that are as good an answer as the one that was injected: two names of the same thing, or its only cause and sign."""

FOLLOWS: dict[str, tuple[str, ...]] = {
    "not-finite-data": ("diverged",),
    "unscaled-data": (
        *("diverged", "learning-rate-too-high", "learning-rate-too-low", "exploding-gradient", "saturated-units"),
        *("dead-units", "bad-initial-loss", "stopped-early"),
    ),
    "constant-features": ("unscaled-data", "bad-initial-loss", "learning-rate-too-high"),
    "label-shift": ("class-imbalance", "miscalibrated", "over-fitting", "bad-initial-loss"),
    "class-imbalance": ("label-shift", "miscalibrated", "over-fitting"),
    "uninformative-inputs": ("over-fitting", "miscalibrated", "label-mistakes"),
    "leaking-feature": (),
    "duplicate-across-splits": (),
    "wrong-gradient": (
        *("diverged", "exploding-gradient", "vanishing-gradient", "dead-units", "saturated-units", "under-capacity"),
        *("learning-rate-too-high", "learning-rate-too-low", "stopped-early"),
    ),
    "bad-initial-loss": ("learning-rate-too-low", "stopped-early", "miscalibrated", "exploding-gradient"),
    "symmetric-init": ("under-capacity", "vanishing-gradient", "dead-units", "init-too-small", "learning-rate-too-low"),
    "init-too-large": ("diverged", "dead-units", "over-fitting", "miscalibrated", "vanishing-gradient"),
    "init-too-small": ("learning-rate-too-low", "stopped-early", "symmetric-init", "dead-units"),
    "diverged": ("dead-units", "saturated-units", "unscaled-data"),
    "learning-rate-too-high": ("exploding-gradient", "dead-units", "saturated-units", "over-fitting", "miscalibrated"),
    "learning-rate-too-low": ("vanishing-gradient",),
    "dead-units": ("under-capacity", "vanishing-gradient", "learning-rate-too-high"),
    "saturated-units": ("vanishing-gradient", "exploding-gradient", "bad-initial-loss", "over-fitting", "miscalibrated"),
    "vanishing-gradient": ("saturated-units", "learning-rate-too-low", "stopped-early", "symmetric-init"),
    "exploding-gradient": ("bad-initial-loss", "learning-rate-too-high", "dead-units", "over-fitting", "miscalibrated"),
    "under-capacity": ("dead-units",),
    "over-fitting": ("miscalibrated",),
    "over-regularised": ("under-capacity", "vanishing-gradient", "init-too-small", "miscalibrated", "stopped-early"),
    "stopped-early": ("batch-too-large",),
    "batch-too-large": (),
    "one-class-predicted": ("label-shift", "miscalibrated", "over-fitting"),
    "below-baseline": ("under-capacity",),
    "miscalibrated": ("over-fitting", "over-regularised"),
    "label-mistakes": ("over-fitting", "miscalibrated", "uninformative-inputs"),
}
"""What a fault brings with it: true findings, and not the one that is asked for. Every code is here.

"below-baseline", "one-class-predicted" and "diverged" need not be in it: they are facts that are measured (`harm.facts`).
"""

PAIRS = (
    ("learning-rate-too-low", "over-regularised"),
    ("unscaled-data", "label-mistakes"),
    ("learning-rate-too-low", "under-capacity"),
    ("class-imbalance", "learning-rate-too-high"),
    ("dead-units", "over-regularised"),
    ("symmetric-init", "unscaled-data"),
    ("batch-too-large", "init-too-small"),
    ("duplicate-across-splits", "stopped-early"),
    ("leaking-feature", "under-capacity"),
    ("wrong-gradient", "learning-rate-too-low"),
)
"""Codes of two faults at once, each at the strong dose."""


@dataclass(frozen=True)
class Case:
    """A faulty program: a sound one, and the families that are put into it, with their dose."""

    name: str
    program: Program
    families: tuple[str, ...]
    dose: str

    @property
    def codes(self) -> tuple[str, ...]:
        """What was injected."""
        return tuple(FAMILIES[name].code for name in self.families)

    @property
    def harms(self) -> str:
        """How the harm is measured: that of the first family for which it is not by the validation."""
        return next((FAMILIES[f].harms for f in self.families if FAMILIES[f].harms != "validation"), "validation")

    def accepted(self, code: str) -> set[str]:
        """Return the codes that are right answers for one of those that were injected."""
        own = next(f for f in map(FAMILIES.__getitem__, self.families) if f.code == code)
        return {code, *SYNONYMS.get(code, ()), *own.also}

    def true(self) -> set[str]:
        """Return all codes that are true of it, by what was injected, and by what else that is."""
        injected = {code for name in self.families for code in (FAMILIES[name].code, *FAMILIES[name].also)}
        return set().union(*(self.accepted(code) for code in self.codes), *(FOLLOWS[code] for code in injected))

    def twin(self, seed: int = 0) -> Work:
        """Return the program without the fault."""
        return work(self.program, seed)

    def work(self, seed: int = 0) -> Work:
        """Return the program with the fault."""
        made, rng = work(self.program, seed), np.random.default_rng([7, seed])
        for name in self.families:
            FAMILIES[name].change(made, FAMILIES[name].doses[DOSES.index(self.dose)], rng)
        return made


def cases(part: str, copies: int = 2, seed: int = 27) -> list[Case]:
    """Return the faulty programs of a part of the benchmark, each family with several data sets.

    Of n copies the first are the same whatever n is.
    """
    from halves import families_of, problems_of

    rng = np.random.default_rng([seed, part == "tune"])
    found, problems, families = [], problems_of(part), families_of(part)
    for copy in range(copies):
        for place, name in enumerate(families):
            family = FAMILIES[name]
            fitting = [p for p, kind in problems.items() if kind in family.kinds and (not family.only or p in family.only)]
            for number, dose in enumerate(DOSES):
                problem = fitting[(place + number + 2 * copy) % len(fitting)]
                label = f"{name} {dose} {problem} {copy}"
                found.append(Case(label, drawn(problem, rng, label, **family.base), (name,), dose))
        for place, codes in enumerate(PAIRS):
            names = [next(name for name in families if FAMILIES[name].code == code) for code in codes]
            kinds = set.intersection(*(set(FAMILIES[name].kinds) for name in names))
            fitting = [p for p, kind in problems.items() if kind in kinds]
            problem = fitting[(place + 2 * copy) % len(fitting)]
            label = f"{' + '.join(names)} {problem} {copy}"
            base = FAMILIES[names[1]].base | FAMILIES[names[0]].base
            found.append(Case(label, drawn(problem, rng, label, **base), tuple(names), "strong"))
    return found
