"""A trial: values drawn from the space, the trainings of the recipe with them, and what came of it."""

import json
import math
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.trial import TrialState

from fcnet.errors import DivergedError, FcnetError
from fcnet.experiments.folder import METRICS_FILE, STATUS, TRIALS
from fcnet.experiments.job import Job, Trained, scale_of
from fcnet.experiments.recipe import Recipe
from fcnet.experiments.scores import measured
from fcnet.experiments.sweep.plan import Plan
from fcnet.experiments.sweep.prepared import PreparedData
from fcnet.experiments.sweep.space import Parameter
from fcnet.experiments.sweep.study import AGAIN, PLAIN, REASON, SURPLUS, WORKER, account, last_reported, place_of, trials_of
from fcnet.experiments.sweep.values import plain_params, recipe_of, values_of
from fcnet.files import write_atomic
from fcnet.training.callbacks import Callback
from fcnet.training.state import TrainingState

TELL_SECONDS = 0.5


class NotNowError(Exception):
    """There are trials enough without one that has begun, or the time is up in its midst: it waits until the sweep goes on."""


def trial_folder(study: Path, number: int) -> Path:
    """Return the folder of a trial."""
    return study / TRIALS / f"{number:04d}"


def worker_name(pid: int) -> str:
    """Return the name of a process of this machine."""
    return f"{socket.gethostname()} {pid}"


@dataclass
class Trials:
    """Trains the trials of a study, one at a time.

    Parameters
    ----------
    folder : Path
        Of the study.
    plan : Plan
    prepared : PreparedData
    deadline : float
        The time after which a trial is broken off at the end of its epoch.
    tell : callable
        Is called after an epoch, unless it was less than half a second ago: it reads the study.
    """

    folder: Path
    plan: Plan
    prepared: PreparedData
    deadline: float = math.inf
    tell: Callable[[], None] = lambda: None
    _told: float = -math.inf

    def __call__(self, trial: "optuna.Trial") -> tuple[TrialState, float | None]:
        """Return how a trial has ended, and its metric; where it has none, the reason is among its attributes.

        Raises
        ------
        NotNowError
            If others had begun the last ones, or the time was up before its end.
        """
        there = trials_of(trial.study)
        place = place_of(there, trial.number)
        if place is None:
            trial.set_user_attr(SURPLUS, True)
            return TrialState.FAIL, None
        trial.set_user_attr(WORKER, worker_name(os.getpid()))
        if place > self.plan.most_trials:
            raise NotNowError
        began, run = time.monotonic(), trial_folder(self.folder, trial.number)
        (run / STATUS).unlink(missing_ok=True)  # of an attempt whose process died
        try:
            recipe = self._recipe(trial)
            if self._is_tried(trial):
                trial.set_user_attr(SURPLUS, True)
                return TrialState.FAIL, None
            found = self._train(trial, recipe, run, there[trial.number].last_step or 0)
            value = float(found[self.plan.metric])
            if math.isnan(value):
                raise DivergedError(f"{self.plan.metric} is not a number.", epoch=int(found["epochs"]))
        except (optuna.TrialPruned, DivergedError) as error:
            diverged = ""
            if isinstance(error, DivergedError):
                trial.set_user_attr("epochs", error.epoch)
                diverged = f"diverged in epoch {error.epoch}: "
            _say_why(trial, run, began, f"{diverged}{error}")
            return TrialState.PRUNED, last_reported(trials_of(trial.study)[trial.number])
        except (FcnetError, MemoryError) as error:
            _say_why(trial, run, began, str(error) or type(error).__name__)
            return TrialState.FAIL, None
        seconds = _keep_seconds(trial, began)
        said = {"number": trial.number, "params": values_of(trial.params, self.plan.space), **found, "seconds": seconds}
        write_atomic(run / METRICS_FILE, json.dumps(said, indent=2) + "\n")
        for name in ("std", "epochs", "best_epoch", "val_loss"):
            trial.set_user_attr(name, found[name])
        return TrialState.COMPLETE, value

    def _recipe(self, trial: "optuna.Trial") -> Recipe:
        """Draw the values of a trial, those that choose kinds first; of the plain recipe all that it has are its own."""
        plain, space = self.plan.config.settings, self.plan.space
        own = plain_params(plain, space) if trial.user_attrs.get(PLAIN) else None
        recipe = plain
        for parameter in space:
            if parameter.counts(recipe.to_dict()) and (own is None or parameter.name in own):
                _draw(trial, parameter)
                if parameter.is_part:
                    recipe = recipe_of(plain, trial.params, space)
        return recipe_of(plain, trial.params, space)

    def _is_tried(self, trial: "optuna.Trial") -> bool:
        """Return whether another trial has its values, in a space that can be listed; then an untried one is enqueued.

        The plain recipe gives way to none. Of two that draw the same at once both may give way, and neither counts.
        """
        if (cells := self.plan.cells) is None or trial.user_attrs.get(PLAIN):
            return False
        now, space = account(trials_of(trial.study)), self.plan.space
        others = [other.params for other in (*now.ended, *now.running, *now.waiting) if other.number != trial.number]
        tried = [values_of(params, space) for params in (plain_params(self.plan.config.settings, space), *others)]
        if values_of(trial.params, space) not in tried:
            return False
        cell = next((cell for cell in cells if values_of(cell, space) not in tried), None)
        if cell is not None:  # once, however many find it untried
            trial.study.enqueue_trial(cell, user_attrs={AGAIN: json.dumps(cell)})
        return True

    def _train(self, trial: "optuna.Trial", recipe: Recipe, run: Path, before: int) -> dict[str, Any]:
        """Train with every seed. A pruner sees the training with the first, of which it has seen the epochs up to `before`."""
        config, data = self.plan.config, self.prepared.data
        recipe.check(config.engine)
        recipe.check_data(data)
        prepared, X_val = self.prepared.of(recipe)
        results = []
        for seed in range(config.seed, config.seed + self.plan.seeds):
            is_first = seed == config.seed
            folder = run if is_first else run / f"seed-{seed}"
            folder.mkdir(parents=True, exist_ok=True)
            watch = _Watch(self, trial if is_first else None, before)
            job = Job(recipe, data, prepared, X_val, seed, config.engine, folder, callbacks=[watch], keep_model=False)
            results.append(self._measured(recipe.training.train(job)))
        mean = {name: float(np.mean([result[name] for result in results])) for name in results[0]}
        values = [result[self.plan.metric] for result in results]
        std = float(np.std(values, ddof=1)) if len(values) > 1 else None
        return mean | {"std": std, "values": values, "recipe": recipe.to_dict()}

    def _measured(self, trained: Trained) -> dict[str, float]:
        data, loss = self.prepared.data, trained.model.loss
        return {
            **measured("val", loss, trained.val_logits, data.y_val, scale_of(data, loss)),
            f"train_{loss.metric}": trained.train_score,
            "epochs": trained.epochs,
            "best_epoch": trained.best_epoch,
        }

    def tell_now_and_then(self) -> None:
        """Call `tell`, if it is time."""
        if time.monotonic() - self._told > TELL_SECONDS:
            self.tell()
            self._told = time.monotonic()


def _keep_seconds(trial: "optuna.Trial", began: float) -> float:
    """Record how long a trial took."""
    seconds = round(time.monotonic() - began, 3)
    trial.set_user_attr("seconds", seconds)
    return seconds


def _say_why(trial: "optuna.Trial", run: Path, began: float, reason: str) -> None:
    """Record why a trial has no result."""
    _keep_seconds(trial, began)
    trial.set_user_attr(REASON, reason)
    run.mkdir(parents=True, exist_ok=True)
    write_atomic(run / STATUS, json.dumps({"reason": reason}) + "\n")


def _draw(trial: "optuna.Trial", parameter: Parameter) -> None:
    name, low, high, step = parameter.name, parameter.low, parameter.high, parameter.step
    if parameter.choices:  # of which Optuna takes no lists
        trial.suggest_categorical(name, [json.dumps(choice) for choice in parameter.choices])
    elif parameter.whole:
        trial.suggest_int(name, int(low), int(high), step=int(step or 1), log=parameter.log)
    else:
        trial.suggest_float(name, low, high, step=step, log=parameter.log)


class _Watch(Callback):
    """Reports some epochs to the pruner of a trial, if there is one, and breaks off a training whose time is up.

    A trial that is done again has reported its epochs up to `before`. They are not reported again, and only the last is judged.
    """

    def __init__(self, trials: Trials, trial: "optuna.Trial | None", before: int) -> None:
        self.trials, self.trial, self.before = trials, trial, before

    def on_epoch_end(self, state: TrainingState) -> None:
        epoch, plan = state.epoch, self.trials.plan
        trial = self.trial if epoch % plan.report_every == 0 else None
        value = state.history[-1].get(plan.metric)  # None where another metric chooses the epochs
        if trial is not None and epoch > self.before and value is not None:
            trial.report(value, epoch)
        self.trials.tell_now_and_then()
        if epoch == state.n_epochs:
            return
        if trial is not None and epoch >= self.before and trial.should_prune():
            trial.set_user_attr("epochs", epoch)
            raise optuna.TrialPruned(f"pruned after epoch {epoch} of {state.n_epochs}")
        if time.time() > self.trials.deadline:
            raise NotNowError
