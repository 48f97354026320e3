"""What a training is given, and what a run records of it."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from fcnet.data import Dataset
from fcnet.model import Model
from fcnet.nn.loss import HALF, Loss
from fcnet.nn.losses import get_loss
from fcnet.nn.regression_losses import QuantileLoss
from fcnet.preprocessing import Prepared
from fcnet.settings import Settings
from fcnet.training.callbacks import Callback
from fcnet.training.metrics import check_metric
from fcnet.training.tabular import MOST_EPOCHS
from fcnet.training.target_scale import TargetScale, scale_for
from fcnet.types import Array

if TYPE_CHECKING:
    from fcnet.experiments.recipe import Recipe


@dataclass(frozen=True)
class Job:
    """A training to be done, on data that is preprocessed, in a run folder."""

    recipe: "Recipe"
    data: Dataset
    prepared: Prepared
    X_val: Array
    seed: int
    engine: str
    run: Path
    checkpoint_seconds: float = 10.0
    resume: bool = False
    callbacks: Sequence[Callback] = ()
    keep_model: bool = True  # else the history alone is kept


@dataclass(frozen=True)
class Trained:
    """What a run records of its training."""

    model: Model
    train_score: float
    val_logits: Array
    seconds: float
    epochs: int = 1
    best_epoch: int = 1
    stop_reason: str | None = None
    linear_share: float | None = None  # of a linear model in the logits, where that was asked for
    temperature: float | None = None  # that the logits were divided by, where that was asked for


def check_metric_of(data: Dataset, loss: Loss, name: str) -> None:
    """Raise InputError if a metric is not one of such data, or not defined on its validation part."""
    check_metric(name, loss, data.y_val, len(outputs_of(data, loss)))


def outputs_of(data: Dataset, loss: Loss) -> list[str]:
    """Return what each output of a network is for: a class, the target of a regression, or a quantile of that."""
    return [str(quantile) for quantile in loss.quantiles] if isinstance(loss, QuantileLoss) else data.outputs


def scale_of(data: Dataset, loss: Loss) -> TargetScale | None:
    """Return the scale of targets that a regression is trained in; None for classes."""
    return None if data.classes else scale_for(loss, data.y_train)


class Training(Settings, tag_field="kind"):
    """A kind of training: settings that know how to train."""

    needs_network: ClassVar[bool] = True  # that of the recipe
    always_averages: ClassVar[bool] = False  # predictions over all views that there are

    @abstractmethod
    def check(self, recipe: "Recipe") -> None:
        """Raise SettingError if this does not go with the other parts of a recipe."""

    @property
    def loss_of_numbers(self) -> Loss:
        """The loss that numbers are learnt by."""
        return get_loss("squared_error")

    def loss_of(self, data: Dataset) -> Loss:
        """Return the loss that data is learnt by."""
        return get_loss("cross_entropy") if data.classes else self.loss_of_numbers

    def check_data(self, data: Dataset) -> None:
        """Raise InputError if the data cannot be trained on in this way, before anything costs time."""

    @abstractmethod
    def train(self, job: Job) -> Trained:
        """Train, and leave model and history in the run folder."""

    def threshold_for(self, loss: Loss, logits: Array, y: Array, of_classes: Array | None = None) -> float:
        """Return the threshold for the second of two classes, by logits of validation rows with these targets.

        `of_classes` (n_classes,) are the weights of classes, if they have any.
        """
        return HALF

    def networks_for(self, n_rows: int) -> int:
        """Return how many networks a run trains, each on so many rows."""
        return 1

    def of_one_network(self) -> Self:
        """Return the settings of a run of one network."""
        return self

    def class_weights(self, data: Dataset) -> Array | None:
        """Return what a training row of each class counts, (n_classes,); None where all count the same."""
        return None

    @property
    @abstractmethod
    def n_epochs(self) -> int | None:
        """How many epochs there are at most; None where the number of rows says it."""

    @property
    def most_epochs(self) -> int:
        """How many epochs there are at most, whatever the number of rows."""
        return self.n_epochs or MOST_EPOCHS

    @property
    @abstractmethod
    def chosen_by_validation(self) -> str:
        """What the validation part chooses; nothing if it chooses nothing."""

    @abstractmethod
    def how(self, metrics: dict[str, Any]) -> str:
        """Return a sentence that says how a finished run was trained."""

    def epoch_words(self, metrics: dict[str, Any]) -> str:
        """Return which epoch was kept of a finished run, in a few words; nothing where there are no epochs."""
        return ""
