"""The steps of a training: an update rule, with the rate, the weight decay and the dropout that schedules give an iteration."""

import math
from typing import TYPE_CHECKING

import numpy as np

from fcnet.errors import DivergedError, SettingError
from fcnet.training.average import follow
from fcnet.training.batches import Batches
from fcnet.training.schedules import Constant
from fcnet.training.state import Trainable, TrainingState
from fcnet.training.updates import fused_rule, step_at_rates
from fcnet.types import Params

if TYPE_CHECKING:
    from fcnet.training.trainer import Trainer


class Steps:
    """The steps of an epoch; `l2` is the penalty that the loss of a batch has to include."""

    def __init__(self, trainer: "Trainer", network: Trainable) -> None:
        self.trainer, self.network, self.fused = trainer, network, fused_rule(trainer._update)
        self.l2 = trainer.l2 if self.fused is None else 0.0
        # A network of one's own need not have these.
        self.decayed, self.rates = getattr(network, "decayed", None), getattr(network, "rates", {})
        self.scale_dropout, self.free_buffers = (getattr(network, name, None) for name in ("scale_dropout", "free_buffers"))
        if trainer._dropout_schedule == Constant():
            self.scale_dropout = None
        elif self.scale_dropout is None:
            raise SettingError(f"dropout_schedule is for networks with scale_dropout, which {type(network).__name__} has not.")

    def epoch(self, state: TrainingState, batches: Batches) -> list[float]:
        """Fill `state.batch_rows`, and return what each batch counts in the mean of its losses."""
        trainer, network = self.trainer, self.network
        state.batch_rows, batch_weights = [], list[float]()
        batch_rows = state.batch_rows
        batches.begin_epoch(state.rng)
        for _ in range(batches.per_epoch):
            self._begin(state, batches.per_epoch)
            weights = {} if batches.weights is None else {"weights": batches.weights}
            weight = float(len(batches.y) if batches.weights is None else batches.weights.sum())
            if not weight:  # nothing in it counts
                with batches.make_next():
                    state.iteration += 1
                continue
            batch_weights.append(weight)
            loss, grads = network.loss_and_gradients(
                *(batches.X, batches.y), l2=self.l2, label_smoothing=trainer.label_smoothing, rng=state.rng, **weights
            )
            state.begin_update(grads)
            with batches.make_next():
                loss += self._make(grads, state)
            state.loss = loss
            if not math.isfinite(loss):
                raise DivergedError("loss")
            if state.average is not None:
                follow(state.average, network.params, trainer.ema_decay, state.iteration, network.engine)
            state.iteration += 1
            batch_rows.append({"iteration": state.iteration, "loss": loss, "learning_rate": state.learning_rate})
            trainer._call("on_batch_end", state)
        if not all(np.isfinite(p).all() for p in network.params.values()):
            raise DivergedError("parameters")
        return batch_weights

    def _begin(self, state: TrainingState, per_epoch: int) -> None:
        """Set what holds for the next iteration."""
        trainer, progress = self.trainer, (state.iteration, per_epoch, state.total_iterations)
        state.learning_rate = trainer.learning_rate * trainer._schedule(*progress)
        self.decay = trainer._decay_schedule(*progress)
        if self.scale_dropout is not None:
            self.scale_dropout(trainer._dropout_schedule(*progress))

    def _make(self, grads: Params, state: TrainingState) -> float:
        """Move the parameters; return the penalty where the loss does not include it."""
        params, moments, rate = self.network.params, state.update_state, state.learning_rate
        if self.fused is None:
            step_at_rates(self.trainer._update, params, grads, moments, rate, self.rates)
            return 0.0
        of_network = (self.network.engine, self.decayed, self.rates)
        return self.fused.fused_step(params, grads, moments, rate, self.trainer.l2, *of_network, self.decay)

    def end(self) -> None:
        """Set the dropout back to what the network's setting says, and free the buffers of threads."""
        if self.scale_dropout is not None:
            self.scale_dropout(1.0)
        if self.free_buffers is not None:
            self.free_buffers()
