"""How the network of an estimator is trained, and what the estimator shows of it."""

import math
import warnings
from collections.abc import Iterable
from typing import Any

from fcnet.estimators.callbacks import HandOn, PrintLoss
from fcnet.estimators.fitted import FittedNetwork
from fcnet.estimators.solvers import Job, Memory, Outcome, fit_lbfgs, fit_stochastic
from fcnet.nn.loss import HALF
from fcnet.nn.network import FullyConnectedNet
from fcnet.training.callbacks import Progress
from fcnet.training.metrics import get_metric
from fcnet.types import Array


def before_training() -> dict[str, Any]:
    """Return the attributes of an estimator whose network is new."""
    return {
        "_memory": Memory(),
        "_no_improvement_count": 0,
        "t_": 0,
        "loss_curve_": [],
        "best_loss_": None,
        "best_validation_score_": None,
        "validation_scores_": None,
        "validation_loss_curve_": None,
    }


class TrainedNetwork(FittedNetwork):
    """The training of an estimator: parameters and rows go to a solver, and what it returns becomes attributes."""

    # The scale that the network is trained in; those of inputs and of targets go together.

    def _enter_scale(self, network: FullyConnectedNet) -> None:
        """Bring a network to the scale that it is trained in."""
        if self._input_scale is not None:
            self._input_scale.enter(network)

    def _leave_scale(self, network: FullyConnectedNet) -> None:
        """Bring a network back to the scale of inputs and targets as they were given."""
        if self._input_scale is not None:
            self._input_scale.leave(network)

    def _scaled_inputs(self, X: Any) -> Any:
        """Return rows, if there are any, in the scale of training."""
        return X if X is None or self._input_scale is None else self._input_scale.apply(X)

    def _scaled(self, targets: Array) -> Array:
        """Return targets in the scale of training."""
        return targets

    def _warn(self, problems: Iterable[Warning]) -> None:
        for problem in problems:
            warnings.warn(problem, stacklevel=6)  # the line that called `fit`

    def _train(
        self, X: Any, y: Array, weights: Array | None, held_out: tuple[Any, Any, Any], incremental: bool, hand_on: HandOn
    ) -> Outcome:
        """Train the network in its scale, and bring it back."""
        X_val, y_val, val_weights = held_out
        get_metric(self.monitor, self.network_.loss)  # is refused now, if there is none
        job = Job(
            *(self, self.network_, self._scaled_inputs(X), self._scaled(y), weights),
            *(self._scaled_inputs(X_val), None if y_val is None else self._scaled(y_val), val_weights),
            label_smoothing=float(getattr(self, "label_smoothing", 0.0)),
            threshold=getattr(self, "threshold", HALF),
            n_seen=self.t_,
            best=math.nan if self.early_stopping or self.best_loss_ is None else self.best_loss_,
            n_without=self._no_improvement_count,
        )
        told = [*([PrintLoss()] if self.verbose else []), *([Progress()] if self.progress else []), *(self.callbacks or [])]
        self._enter_scale(self.network_)
        try:
            if self.solver == "lbfgs":
                return fit_lbfgs(job)
            return fit_stochastic(job, self._memory, incremental=incremental, rng=self._rng, callbacks=[*told, hand_on])
        finally:
            self._leave_scale(self.network_)

    def _take(self, outcome: Outcome, n_rows: int) -> None:
        """Set the attributes that tell how training on so many rows went."""
        history = self.history_ = outcome.history
        self.n_iter_ = len(history)
        self.loss_curve_ += history.column("loss")
        self.loss_ = self.loss_curve_[-1] if self.loss_curve_ else math.nan
        curves = {
            "validation_scores_": f"val_{get_metric(self.monitor, self.network_.loss).name}",
            "validation_loss_curve_": "val_loss",
        }
        for name, column in curves.items():
            if values := [row[column] for row in history if column in row]:
                self.__dict__[name] = [*(self.__dict__[name] or []), *values]
        if self.solver == "lbfgs":
            self.best_loss_ = min(self.loss_curve_)
            return
        self.t_ += n_rows * self.n_iter_
        self._no_improvement_count = outcome.n_without
        self.best_loss_, self.best_validation_score_ = outcome.best, None
        if self.early_stopping:
            self.best_loss_, self.best_validation_score_ = None, outcome.best
            if outcome.has_diverged:
                self.__dict__["validation_scores_"] = [*(self.__dict__["validation_scores_"] or []), math.nan]

    def _as_if_ended(self) -> dict[str, Any]:
        """Return the attributes of an estimator whose training would end here."""
        network = self.network_.astype(self.network_.dtype)
        self._leave_scale(network)
        return {name: value for name, value in self.__dict__.items() if name.endswith("_")} | {"network_": network}
