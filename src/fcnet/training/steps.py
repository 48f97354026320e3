"""The steps of a training: an update rule, with the rate, the weight decay and the dropout that schedules give an iteration."""

from typing import TYPE_CHECKING

from fcnet.errors import SettingError
from fcnet.training.schedules import Constant
from fcnet.training.state import Trainable, TrainingState
from fcnet.training.updates import fused_rule, step_at_rates
from fcnet.types import Params

if TYPE_CHECKING:
    from fcnet.training.trainer import Trainer


class Steps:
    """What the trainer does before and after the gradient of a batch; `l2` is the penalty that its loss has to include."""

    def __init__(self, trainer: "Trainer", network: Trainable) -> None:
        self.trainer, self.network, self.fused = trainer, network, fused_rule(trainer._update)
        self.l2 = trainer.l2 if self.fused is None else 0.0
        # A network of one's own need not have these.
        self.decayed, self.rates = getattr(network, "decayed", None), getattr(network, "rates", {})
        self.scale_dropout = getattr(network, "scale_dropout", None)
        if trainer._dropout_schedule == Constant():
            self.scale_dropout = None
        elif self.scale_dropout is None:
            raise SettingError(f"dropout_schedule is for networks with scale_dropout, which {type(network).__name__} has not.")

    def begin(self, state: TrainingState, per_epoch: int) -> None:
        """Set what holds for the next iteration."""
        trainer, progress = self.trainer, (state.iteration, per_epoch, state.total_iterations)
        state.learning_rate = trainer.learning_rate * trainer._schedule(*progress)
        self.decay = trainer._decay_schedule(*progress)
        if self.scale_dropout is not None:
            self.scale_dropout(trainer._dropout_schedule(*progress))

    def make(self, grads: Params, state: TrainingState) -> float:
        """Move the parameters; return the penalty where the loss does not include it."""
        params, moments, rate = self.network.params, state.update_state, state.learning_rate
        if self.fused is None:
            step_at_rates(self.trainer._update, params, grads, moments, rate, self.rates)
            return 0.0
        of_network = (self.network.engine, self.decayed, self.rates)
        return self.fused.fused_step(params, grads, moments, rate, self.trainer.l2, *of_network, self.decay)

    def end(self) -> None:
        """Set the dropout back to what the network's setting says."""
        if self.scale_dropout is not None:
            self.scale_dropout(1.0)
