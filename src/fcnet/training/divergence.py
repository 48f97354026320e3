"""Learning rates that train, found by short trials: advice after a training has diverged, or one whose rate does not suit."""

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from fcnet.errors import DivergedError
from fcnet.training.batches import Batches
from fcnet.training.state import TrainingState
from fcnet.training.steps import Steps

if TYPE_CHECKING:
    from fcnet.training.trainer import Trainer

BATCHES, PARTS = 20, 3  # of a trial, whose last part counts
STEP, PATIENCE = 10**0.5, 4  # steps from rate to rate, and how many may be worse than the best
SECONDS_AT_MOST = 10.0
SMALL_RATE = 1e-4
WORSE, ENOUGH = 2, 0.1  # rates that may be worse than the best, and how much of its fall a smaller rate may lack


def diverged(trainer: "Trainer", what: str, state: TrainingState, batches: Batches) -> DivergedError:
    """Return the error, with advice, of a loss, parameters or scores that are no longer finite.

    The parameters of the network are overwritten where the trainer is to advise.
    """
    epoch, rate = state.kept_epoch, None
    kept = f"The parameters kept are {f'those of epoch {epoch}' if epoch else 'the initial ones'}."
    if what == "loss" and state.iteration == 0:
        said = "The loss is not finite before the first update, whatever the learning_rate: scale the inputs."
        return DivergedError(f"{said} {kept}", state.batch_rows, len(state.history) + 1)
    where = f"iteration {state.iteration + (what == 'loss')} (epoch {len(state.history) + 1})"
    found = f"The {what} stopped being finite at {where} with learning_rate = {trainer.learning_rate:g}"
    if not trainer.advise:
        said = f"{found}."
    elif (rate := rate_that_trains(trainer, state, batches)) is None:
        said = f"{found}; no smaller one lowered the loss in short trials: scale the inputs."
    else:
        said = f"{found}; it is too large. In short trials learning_rate = {rate:g} lowered the loss: try that."
        said += " Scale the inputs, so that a larger one will do." if rate < SMALL_RATE else ""
    return DivergedError(f"{said} {kept}", state.batch_rows, len(state.history) + 1, rate)


def rate_that_trains(trainer: "Trainer", state: TrainingState, batches: Batches) -> float | None:
    """Return a learning rate below the trainer's that lowers the loss on some batches; None if none was found.

    Every trial begins with the initial parameters and sees the same batches. It is the one of the lowest loss, rounded to
    one digit.
    """
    deadline, rate = time.monotonic() + SECONDS_AT_MOST, trainer.learning_rate
    lowest = _loss_after(trainer, state, batches, 0.0, deadline)  # without training
    best, worse = None, 0
    while rate > 0 and time.monotonic() < deadline and (best is None or worse < PATIENCE):
        rate /= STEP
        loss = _loss_after(trainer, state, batches, rate, deadline)
        best, lowest, worse = (rate, loss, 0) if loss < lowest else (best, lowest, worse + 1)
    return None if best is None else float(f"{best:.0e}")


def rate_near(trainer: "Trainer", state: TrainingState, batches: Batches, near: float) -> float | None:
    """Return a learning rate that lowers the loss well on some batches, from one that may do on; None if none does.

    From there it goes up and down until two rates in a row are no better. In short trials the best rate is one that is rather
    too large for a long training. So it is the smallest that takes nine tenths off the loss of what the best does, rounded to
    one digit. The network is left as it is.
    """
    deadline, params = time.monotonic() + SECONDS_AT_MOST, {name: p.copy() for name, p in state.network.params.items()}
    try:
        first = _loss_after(trainer, state, batches, 0.0, deadline)
        tried = {near: _loss_after(trainer, state, batches, near, deadline)}
        for factor in (STEP, 1 / STEP):
            rate, worse = near, 0
            while (worse < WORSE or (factor < 1 and not np.isfinite(min(tried.values())))) and time.monotonic() < deadline:
                rate, lowest = rate * factor, min(tried.values())
                tried[rate] = _loss_after(trainer, state, batches, rate, deadline)
                worse = 0 if tried[rate] < lowest else worse + 1
    finally:
        for name, p in state.network.params.items():
            p[...] = params[name]
    best = min(tried.values())
    if not best < first:
        return None
    return float(f"{min(rate for rate, loss in tried.items() if loss <= best + ENOUGH * (first - best)):.0e}")


def _loss_after(trainer: "Trainer", state: TrainingState, batches: Batches, rate: float, deadline: float) -> float:
    """Return the mean loss of the last batches of a trial; infinity where it diverges, or takes too long."""
    network = state.network
    for name, p in network.params.items():
        p[...] = state.initial_params[name]
    trial = replace(trainer, learning_rate=rate, schedule="constant", callbacks=())
    few = Batches(batches.data, batches.labels, trainer.batches, trainer.batch_size, trainer.augment, batches.all_weights)
    few.per_epoch = min(few.per_epoch, BATCHES)
    own = replace(
        state, update_state=trial._update.init(network.params), rng=np.random.default_rng(0), iteration=0, average=None
    )
    losses, steps = list[float](), Steps(trial, network)
    try:
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            while len(losses) < PARTS * BATCHES:
                steps.epoch(own, few)
                losses += [row["loss"] for row in own.batch_rows]
                if time.monotonic() > deadline:
                    return np.inf
    except DivergedError:
        return np.inf
    finally:
        few.close()
        steps.end()
    return float(np.mean(losses[-BATCHES:]))
