"""The network for tables and its training: all their settings with ranges and defaults, and what the number of rows says."""

import math
from collections.abc import Iterable, Sequence
from typing import Annotated, ClassVar, Literal

import numpy as np
from msgspec import Meta

from fcnet.engine import get_engine
from fcnet.nn.checks import DTYPES
from fcnet.nn.layers import ACTIVATIONS, WEIGHT_INITS
from fcnet.nn.loss import HALF
from fcnet.nn.losses import Loss, get_loss
from fcnet.nn.number_embeddings import quantile_bins
from fcnet.nn.parametric import PARAMETRIC
from fcnet.nn.tabular_network import Adapters, NumberEmbedding, Parametrisation, TabularNet
from fcnet.settings import Auto, Count, NotNegative, Settings, ShareBelowOne, Threshold, choices
from fcnet.training.callbacks import Callback, check_patience, stopping
from fcnet.training.metrics import AUTO, METRICS
from fcnet.training.schedules import SCHEDULES, LogCosine, Schedule
from fcnet.training.trainer import Trainer
from fcnet.training.updates import AdamW
from fcnet.types import Array

LEAST_EPOCHS, MOST_EPOCHS, ROWS_OF_MOST = 8, 64, 10_000
ROWS_OF_A_BATCH, LEAST_BATCH, MOST_BATCH = 2.0, 32, 1024
RATE, RATE_OF_VALUES = 0.04, 0.2  # of RealMLP-TD (Holzmüller, Grinsztajn & Steinwart 2024)
MOST_ROWS_FOR_FIVE, MOST_ROWS_FOR_TWO = 1000, 4000
ROWS_OF_BINS = 100_000  # on which quantiles are found


def epochs_for(n_rows: int) -> int:
    """Return the epochs of a training on so many rows: 64 of up to 10,000, and then ``64 √(10,000 / n)``, but at least 8.

    With `batch_size_for` a thousand rows get about 1,000 steps, 10,000 rows 2,500, 100,000 rows 3,900, and a million 7,800.
    """
    return min(max(LEAST_EPOCHS, round(MOST_EPOCHS * math.sqrt(ROWS_OF_MOST / n_rows))), MOST_EPOCHS)


def batch_size_for(n_rows: int) -> int:
    """Return the rows of a batch where there are so many in all: the power of two that is nearest to ``2 √n``, 32 to 1024."""
    return min(max(LEAST_BATCH, 1 << round(math.log2(ROWS_OF_A_BATCH * math.sqrt(n_rows)))), MOST_BATCH)


def rate_for(loss: Loss) -> float:
    """Return the learning rate for a loss: 0.2 where outputs are values themselves, else 0.04."""
    return RATE_OF_VALUES if loss.out_activation == "identity" else RATE


def ensemble_for(n_rows: int) -> int:
    """Return how many networks are trained on so many rows: five of up to 1,000, two of up to 4,000, and one of more."""
    return 5 if n_rows <= MOST_ROWS_FOR_FIVE else 2 if n_rows <= MOST_ROWS_FOR_TWO else 1


class TabularSettings(Settings, tag_field="kind", tag="tabular"):
    """The network for tables: numbers and categories embedded, then hidden layers, in members that share their weights."""

    hidden_sizes: Annotated[
        tuple[Count, ...], Meta(description="Units of each hidden layer after the embeddings; [] for none.")
    ] = (256, 256, 256)
    n_members: Annotated[
        Count, Meta(description="Networks that share their weights but for small parts of their own, and predict together.")
    ] = 1
    dropout: Annotated[ShareBelowOne, Meta(description="Probability that a unit of a hidden layer is dropped in training.")] = (
        0.15
    )
    number_embedding: Annotated[
        NumberEmbedding,
        Meta(
            description="What makes several values of each number: periodic learns cosines of it, piecewise_linear a line for "
            "each bin between its quantiles; none leaves it as it is."
        ),
    ] = "periodic"
    activation: Annotated[
        str,
        choices(
            (AUTO, *PARAMETRIC, *ACTIVATIONS),
            "What follows each hidden layer; selu, mish and silu with a slope that is learnt for each unit. auto is selu for "
            "classes, and mish for numbers.",
        ),
    ] = AUTO
    number_width: Annotated[int, Meta(ge=2, description="Values of an embedded number.")] = 4
    n_frequencies: Annotated[Count, Meta(description="Cosines of a number, with periodic.")] = 16
    sigma: Annotated[NotNegative, Meta(description="Standard deviation of their initial frequencies, with periodic.")] = 0.1
    n_bins: Annotated[Count, Meta(description="Bins of a number, with piecewise_linear.")] = 48
    one_hot_up_to: Annotated[int, Meta(ge=0, description="Columns of more categories are embedded, others are one-hot.")] = 8
    category_width: Annotated[Count, Meta(description="Values of an embedded category.")] = 8
    learnt_scale: Annotated[bool, Meta(description="Learn a scale of each input of the first layer.")] = True
    parametrisation: Annotated[
        Parametrisation,
        Meta(description="ntk divides each layer by the root of its inputs, and fits its initial weights to training rows."),
    ] = "ntk"
    adapters: Annotated[
        Adapters,
        Meta(description="What members have of their own: scales around each layer as in TabM, or before the first alone."),
    ] = "all"
    weight_init: Annotated[
        Annotated[str, choices(WEIGHT_INITS)] | NotNegative,
        Meta(
            description="Standard deviation of the weights with parametrisation = standard: he is sqrt(2 / d_in), glorot is "
            "sqrt(2 / (d_in + d_out))."
        ),
    ] = "he"
    dtype: Annotated[str, choices(DTYPES, "Type of the parameters and of what is computed.")] = "float32"

    takes_codes: ClassVar[bool] = True  # the categories of a table by their numbers

    def check(self, engine: str, *, of_pixels: bool) -> None:
        """Raise SettingError if the engine does not compute in the dtype."""
        get_engine(engine, self.dtype)

    def check_images(self, image_shape: tuple[int, ...] | None) -> None:
        """Take images of any shape, and what are none."""

    def make(
        self,
        X: Array,
        category_sizes: Sequence[int],
        n_outputs: int,
        *,
        loss: str = "cross_entropy",
        seed: int = 0,
        engine: str | None = None,
        image_shape: tuple[int, ...] | None = None,
    ) -> TabularNet:
        """Return the network for preprocessed rows, with initial parameters that are fitted to these.

        Parameters
        ----------
        X : array (n, n_inputs)
            Numbers, and after them the numbers of categories.
        category_sizes : sequence of ints
            How many categories each of the last columns has.
        n_outputs, loss, seed, engine : as there
            As in `TabularNet`.
        image_shape : tuple of ints, optional
            Not used: a pixel is a number.
        """
        n_numbers, rng, bins = X.shape[1] - len(category_sizes), np.random.default_rng(seed), None
        if self.number_embedding == "piecewise_linear" and n_numbers:
            bins = quantile_bins(X[:: -(-len(X) // ROWS_OF_BINS), :n_numbers], self.n_bins)
        activation = self.activation
        if activation == AUTO:
            activation = "selu" if get_loss(loss).has_labels else "mish"
        own = {name: getattr(self, name) for name in self.__struct_fields__ if name not in ("n_bins", "activation")}
        network = TabularNet(
            *(n_numbers, category_sizes, n_outputs), loss=loss, activation=activation, bins=bins, seed=rng, engine=engine, **own
        )
        network.start(X, rng)
        return network


class TabularTraining(Settings):
    """The training of a network for tables."""

    epochs: Annotated[Count | Auto, Meta(description="At most so many epochs; auto goes by the number of rows.")] = "auto"
    batch_size: Annotated[Count | Auto, Meta(description="Rows in a batch; auto goes by the number of rows.")] = "auto"
    learning_rate: Annotated[
        NotNegative | Auto,
        Meta(description="Multiplied by the schedule; auto is 0.2 for numbers, 0.04 for classes and counts."),
    ] = "auto"
    weight_decay: Annotated[NotNegative, Meta(description="Decay of weights by AdamW.")] = 0.02
    label_smoothing: Annotated[
        ShareBelowOne, Meta(description="Share of the target that is spread evenly over all classes.")
    ] = 0.0
    beta2: Annotated[ShareBelowOne, Meta(description="Of AdamW: how much of the mean of squares stays in a step.")] = 0.95
    schedule: Annotated[Schedule, Meta(description="How the learning rate changes.")] = LogCosine()
    dropout_schedule: Annotated[str, choices(SCHEDULES, "How the dropout changes.")] = "flat_cosine"
    weight_decay_schedule: Annotated[str, choices(SCHEDULES, "How the weight decay changes.")] = "flat_cosine"
    monitor: Annotated[
        str, choices((AUTO, *METRICS), "The metric of the validation rows by which an epoch is kept; auto is the loss.")
    ] = AUTO
    patience: Annotated[
        Annotated[int, Meta(ge=0)] | Literal["cycle"],
        Meta(description="Stop when the monitor was not better for so many epochs, or in a cycle of log_cosine; 0 for never."),
    ] = "cycle"
    validation_fraction: Annotated[
        float, Meta(ge=0.01, le=0.9, description="Share of the rows that is set aside to validate on.")
    ] = 0.2
    ema_decay: Annotated[
        ShareBelowOne,
        Meta(description="Of the exponential moving average of the parameters, which is measured and kept; 0 for none."),
    ] = 0.995
    best_epochs: Annotated[Count, Meta(description="So many of the best epochs are kept, and their predictions averaged.")] = 3
    blend_linear: Annotated[
        bool, Meta(description="Blend in the logits of a linear model, by a share that the validation rows choose.")
    ] = True
    calibrate: Annotated[bool, Meta(description="Divide logits by a temperature that the validation rows choose.")] = True
    threshold: Annotated[
        Threshold | Auto,
        Meta(
            description="Of two classes: the second is predicted above this probability; auto is what is best by the monitor."
        ),
    ] = HALF
    refit: Annotated[bool, Meta(description="Train again on all rows, up to the best epoch; the last epochs are kept.")] = False
    n_ensemble: Annotated[
        Count | Auto,
        Meta(
            description="Networks with seeds of their own, whose predictions are averaged; auto is five for up to 1,000 rows "
            "to train on, two for up to 4,000, and else one. Each is validated on rows of its own."
        ),
    ] = "auto"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_patience(self.patience, self.schedule)

    @property
    def metric(self) -> str:
        """The name of the metric by which an epoch is kept."""
        return "loss" if self.monitor == AUTO else self.monitor

    def networks_for(self, n_rows: int) -> int:
        """Return how many networks are trained on so many rows."""
        return ensemble_for(n_rows) if self.n_ensemble == AUTO else int(self.n_ensemble)

    def trainer(
        self,
        n_rows: int,
        loss: Loss,
        *,
        validates: bool,
        seed: int,
        callbacks: Iterable[Callback] = (),
    ) -> Trainer:
        """Return the trainer for so many rows."""
        n_epochs = epochs_for(n_rows) if self.epochs == AUTO else int(self.epochs)
        return Trainer(
            epochs=n_epochs,
            batch_size=min(n_rows, batch_size_for(n_rows) if self.batch_size == AUTO else int(self.batch_size)),
            learning_rate=rate_for(loss) if self.learning_rate == AUTO else float(self.learning_rate),
            update=AdamW(beta2=self.beta2, weight_decay=self.weight_decay),
            schedule=self.schedule,
            dropout_schedule=self.dropout_schedule,
            weight_decay_schedule=self.weight_decay_schedule,
            label_smoothing=self.label_smoothing,
            seed=seed,
            train_rows=0,
            ema_decay=self.ema_decay,
            best_epochs=self.best_epochs,
            monitor=self.metric if validates else AUTO,
            threshold=self.threshold if validates else HALF,
            callbacks=[*callbacks, *(stopping(self.patience, self.schedule, n_epochs) if validates else [])],
        )
