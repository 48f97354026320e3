"""Training by gradient descent."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import msgspec
import numpy as np
from msgspec import Meta

from fcnet.data import Dataset
from fcnet.errors import InputError, SettingError
from fcnet.experiments.descent import descend
from fcnet.experiments.job import Job, Trained, Training, check_metric_of, outputs_of
from fcnet.experiments.scores import afterwards_words
from fcnet.nn.loss import HALF
from fcnet.nn.losses import Loss
from fcnet.settings import Auto, Count, NotNegative, ShareBelowOne, Threshold, choices
from fcnet.training.batches import Augmentation, BatchKind
from fcnet.training.callbacks import Callback, check_patience, stopping
from fcnet.training.metrics import AUTO, METRICS
from fcnet.training.regression import AbsoluteError, Poisson, RegressionLoss, SquaredError, loss_for
from fcnet.training.schedules import SCHEDULES, Constant, Schedule
from fcnet.training.tabular import (
    LEAST_BATCH,
    LEAST_EPOCHS,
    MOST_BATCH,
    MOST_EPOCHS,
    TabularSettings,
    batch_size_for,
    ensemble_for,
    epochs_for,
    rate_for,
)
from fcnet.training.threshold import check_threshold, threshold_for
from fcnet.training.trainer import Trainer
from fcnet.training.updates import AdamW, Momentum, Update
from fcnet.types import Array

if TYPE_CHECKING:
    from fcnet.experiments.recipe import Recipe

# Settings for classes, as a regression has them; and those for regressions.
FOR_NUMBERS = ("loss", "quantiles")
FOR_CLASSES: dict[str, Any] = {"label_smoothing": 0.0, "class_weight": "none", "calibrate": False, "threshold": HALF}


class GradientDescent(Training, tag="gradient"):
    """Descend the gradient of the loss, batch by batch."""

    epochs: Annotated[
        Count | Auto,
        Meta(description=f"At most so many epochs; auto goes by the number of rows, from {LEAST_EPOCHS} to {MOST_EPOCHS}."),
    ] = 10
    batch_size: Annotated[
        Count | Auto,
        Meta(description=f"Rows in a batch; auto goes by the number of rows, from {LEAST_BATCH} to {MOST_BATCH}."),
    ] = 100
    batches: Annotated[
        BatchKind,
        Meta(
            description="shuffled: every row once an epoch, in random order; sampled: rows drawn with replacement, "
            "n // batch_size batches an epoch; ordered: every row once an epoch, in the order of the data; full: all rows in "
            "one batch."
        ),
    ] = "shuffled"
    learning_rate: Annotated[
        NotNegative | Auto,
        Meta(description="Multiplied by the schedule; auto is for network = tabular: 0.04, or 0.2 where it learns numbers."),
    ] = 1e-2
    loss: Annotated[
        RegressionLoss,
        Meta(
            description="Of a regression: what is predicted is the mean with squared_error, the median with absolute_error, "
            "quantiles, or with poisson the mean of counts, or of other numbers of at least 0."
        ),
    ] = SquaredError()
    update: Annotated[Update, Meta(description="The rule by which a gradient moves the parameters.")] = Momentum()
    schedule: Annotated[Schedule, Meta(description="How the learning rate changes in the course of the training.")] = Constant()
    dropout_schedule: Annotated[
        str, choices(SCHEDULES, "How the dropout of hidden layers changes; flat_cosine lets it fall to 0 in the second half.")
    ] = "constant"
    weight_decay_schedule: Annotated[str, choices(SCHEDULES, "How the weight decay of adamw changes, likewise.")] = "constant"
    l2: Annotated[NotNegative, Meta(description="Adds l2/2 · ΣW² to the loss; biases are left out.")] = 0.0
    label_smoothing: Annotated[
        ShareBelowOne,
        Meta(description="Share of the target that is spread evenly over all classes. No effect in a regression."),
    ] = 0.0
    class_weight: Annotated[
        Literal["none", "balanced"],
        Meta(
            description="balanced has all classes count the same in the loss: a row counts n / (n_classes · n_of_its_class). "
            "So do validation rows in the metrics of an epoch and in all that they choose; the metrics of the run are plain. "
            "No effect in a regression."
        ),
    ] = "none"
    monitor: Annotated[
        str,
        choices(
            (AUTO, *METRICS),
            "The metric of the validation part that says which epoch is best: auto for accuracy, or in a regression for what "
            "goes with its loss; log_loss for probabilities, roc_auc, average_precision or f1 for a rare class; rmse or mae "
            "for numbers. keep_best and patience go by it.",
        ),
    ] = AUTO
    patience: Annotated[
        Annotated[int, Meta(ge=0)] | Literal["cycle"],
        Meta(description="Stop when the monitor was not better for so many epochs, or in a cycle of log_cosine; 0 for never."),
    ] = 0
    keep_best: Annotated[
        bool,
        Meta(
            description="Keep the parameters of the epoch that is best by the monitor on the validation part, not of the last. "
            "The last can be better where the learning rate ends near zero and the validation part is small."
        ),
    ] = True
    ema_decay: Annotated[
        ShareBelowOne,
        Meta(
            description="Measure and keep the exponential moving average of the parameters over iterations, with this decay; 0 "
            "for the parameters themselves."
        ),
    ] = 0.0
    best_epochs: Annotated[
        Count,
        Meta(description="Keep so many of the best epochs, whose predictions are averaged (a checkpoint ensemble)."),
    ] = 1
    blend_linear: Annotated[
        bool,
        Meta(
            description="Blend the logits of a linear model of the same inputs into those of the network, by a share from 0 to "
            "1 that the validation part chooses, of several values one for each. For network = tabular."
        ),
    ] = False
    calibrate: Annotated[
        bool,
        Meta(
            description="Divide the logits by the temperature, from 1/5 to 5, with the least log-loss on the validation part. "
            "Classes that are predicted stay the same; probabilities become more or less sure. With --seeds or --folds each "
            "network is calibrated by itself, and the mean of their probabilities is less sure than it should be. No effect in "
            "a regression."
        ),
    ] = False
    threshold: Annotated[
        Threshold | Auto,
        Meta(
            description="Of two classes: the second is predicted where its probability is above this. auto takes what is best "
            "on the validation part by the monitor, or by the balanced accuracy where that does not depend on what is "
            "predicted, as log_loss and roc_auc. Probabilities stay the same."
        ),
    ] = HALF
    n_ensemble: Annotated[
        Count | Auto,
        Meta(
            description="Networks with seeds of their own, which predict together; auto is five for up to 1,000 rows to train "
            "on, two for up to 4,000, and else one. Each is validated on another fifth of the rows to train and to validate, "
            "or all on validation rows of your own. --seeds and --folds take its place, and a trial of a sweep is one network."
        ),
    ] = 1

    def check(self, recipe: "Recipe") -> None:
        if self.best_epochs > 1 and not self.keep_best:
            raise SettingError("best_epochs needs keep_best: else the last epoch alone is kept.")
        if self.blend_linear and not isinstance(recipe.network, TabularSettings):
            raise SettingError("blend_linear is for network = tabular.")
        if self.learning_rate == AUTO and not isinstance(recipe.network, TabularSettings):
            raise SettingError("learning_rate = auto is for network = tabular: set a number.")
        check_patience(self.patience, self.schedule)
        views = recipe.augmentation
        if views.average_views and not (views.mirror or views.shift):
            raise SettingError("average_views needs mirror or shift: there are no other views.")
        if self.weight_decay_schedule != "constant" and not isinstance(self.update, AdamW):
            raise SettingError("weight_decay_schedule is for update = adamw, which has a weight_decay.")

    def check_data(self, data: Dataset) -> None:
        loss = self.loss_of(data)
        if data.classes and self.loss != SquaredError():
            raise SettingError(f"loss is for regressions, and {data.target or data.name!r} has classes: leave it out.")
        if loss.name == "poisson" and (least := min(data.y_train.min(), data.y_val.min())) < 0:
            raise InputError(
                f"loss = poisson is for numbers of at least 0, and the target {data.target!r} has {least:g}: set another loss."
            )
        check_metric_of(data, loss, self.monitor)
        check_threshold(self.threshold, loss, len(outputs_of(data, loss)))

    @property
    def loss_of_numbers(self) -> Loss:
        return loss_for(self.loss)

    @property
    def judge(self) -> str:
        """The monitor in effect: that of a regression whose R² is not what its loss asks for is the loss."""
        return "loss" if self.monitor == AUTO and isinstance(self.loss, AbsoluteError | Poisson) else self.monitor

    def resolved(self, n_rows: int, loss: Loss) -> Self:
        """Return these settings with numbers for what is auto, by the training rows and the loss; also without idle ones."""
        rules: dict[str, Any] = {
            "epochs": epochs_for(n_rows),
            "batch_size": min(n_rows, batch_size_for(n_rows)),
            "learning_rate": rate_for(loss),
        }
        found = {name: value for name, value in rules.items() if getattr(self, name) == AUTO}
        idle = {} if loss.has_labels else FOR_CLASSES | {"monitor": self.judge}
        return msgspec.structs.replace(self, **found, **idle)

    def trainer(
        self, seed: int, augment: Augmentation | None = None, callbacks: Iterable[Callback] = (), *, advise: bool = True
    ) -> Trainer:
        """Return the trainer of these settings, of which none may be auto."""
        return Trainer(
            epochs=int(self.epochs),
            batch_size=int(self.batch_size),
            learning_rate=float(self.learning_rate),
            update=self.update,
            schedule=self.schedule,
            dropout_schedule=self.dropout_schedule,
            weight_decay_schedule=self.weight_decay_schedule,
            l2=self.l2,
            label_smoothing=self.label_smoothing,
            batches=self.batches,
            augment=augment,
            seed=seed,
            monitor=self.monitor,
            keep_best=self.keep_best,
            ema_decay=self.ema_decay,
            best_epochs=self.best_epochs,
            threshold=self.threshold,
            callbacks=[*callbacks, *stopping(self.patience, self.schedule, int(self.epochs))],
            advise=advise,
        )

    def train(self, job: Job) -> Trained:
        """Train the network of the recipe; the model is written once at the end, however it ends."""
        return descend(self, job)

    def threshold_for(self, loss: Loss, logits: Array, y: Array, of_classes: Array | None = None) -> float:
        weights = None if of_classes is None else of_classes[y]
        return threshold_for(self.threshold, self.monitor, loss, logits, y, weights)

    def networks_for(self, n_rows: int) -> int:
        return ensemble_for(n_rows) if self.n_ensemble == AUTO else int(self.n_ensemble)

    def of_one_network(self) -> Self:
        return msgspec.structs.replace(self, n_ensemble=1)

    def class_weights(self, data: Dataset) -> Array | None:
        if self.class_weight == "none" or not data.classes:
            return None
        counts = np.bincount(data.y_train, minlength=len(data.classes))
        return np.asarray(len(data.y_train) / (np.count_nonzero(counts) * np.maximum(counts, 1)))

    @property
    def n_epochs(self) -> int | None:
        return None if self.epochs == AUTO else int(self.epochs)

    @property
    def chosen_by_validation(self) -> str:
        epoch = f"the epoch{'s' * (self.best_epochs > 1)}" if self.keep_best else "when to stop" * bool(self.patience)
        blends = self.blend_linear and isinstance(self.loss, SquaredError)
        share, temperature = "the share of a linear model" * blends, "the temperature" * self.calibrate
        threshold = "the threshold" * (self.threshold == AUTO)
        *others, last = list(filter(None, [epoch, share, temperature, threshold])) or [""]
        return f"{', '.join(others)} and {last}" if others else last

    def how(self, metrics: dict[str, Any]) -> str:
        n = min(self.best_epochs, metrics["epochs"])
        where = f"on the validation part{'' if self.judge == AUTO else f' by {METRICS[self.judge].words}'}"
        kept = f"epoch {metrics['best_epoch']} was the best {where}, and is the one kept"
        if n > 1:
            kept = f"the {n} that were best {where} predict together, epoch {metrics['best_epoch']} the first of them"
        said = f"Of {metrics['epochs']} epochs, {kept if self.keep_best else 'the last is the one kept'}."
        return f"{said} {afterwards_words(metrics)}".rstrip()

    def epoch_words(self, metrics: dict[str, Any]) -> str:
        n, epochs = min(self.best_epochs, metrics["epochs"]), metrics["epochs"]
        return f" (the {n} best of {epochs} epochs)" if n > 1 else f" (epoch {metrics['best_epoch']} of {epochs})"
