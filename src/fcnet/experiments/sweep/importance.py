"""How much each setting matters in a sweep."""

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import optuna

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

LEAST_TRIALS = 6  # of fewer nothing can be said


def importances(trials: "Sequence[FrozenTrial]") -> dict[str, float]:
    """Return of each parameter the share that it has in what makes the metric of trials differ, by fANOVA, the largest first.

    A parameter that counts only with some kind is compared among the trials that have it, with the others that these have. So
    the shares of all add up to 1 only if all trials have all parameters. It is left out where too few trials have it.
    """
    having: dict[str, frozenset[int]] = {}
    for trial in trials:
        for name in trial.params:
            having[name] = having.get(name, frozenset()) | {trial.number}
    study, found = optuna.create_study(), dict[str, float]()
    study.add_trials(trials)
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    for numbers in dict.fromkeys(having.values()):
        names = [name for name, those in having.items() if those >= numbers]
        if len(numbers) < LEAST_TRIALS:
            continue
        with suppress(RuntimeError):  # where nothing differs
            shares = optuna.importance.get_param_importances(study, params=names, evaluator=evaluator)
            found |= {name: float(share) for name, share in shares.items() if having[name] == numbers}
    return dict(sorted(found.items(), key=lambda pair: -pair[1]))
