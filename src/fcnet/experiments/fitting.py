"""The two ways to a network of prepared rows: descending the gradient, or solving for a kernel regression."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fcnet.data import Dataset
from fcnet.experiments.preparing import balanced_weights, begin_with_patches
from fcnet.experiments.recipe import Recipe
from fcnet.model import Model
from fcnet.preprocessing import Preprocessor
from fcnet.preprocessing.views import Views
from fcnet.training.callbacks import Callback
from fcnet.training.history import History
from fcnet.training.state import TrainingState
from fcnet.training.trainer import accuracy
from fcnet.types import Array, Say

Keep = Callable[[Model], None]


@dataclass(frozen=True)
class Prepared:
    """Data that is ready to be trained on; `X_train` may hold several views of each row, one after the other."""

    recipe: Recipe
    data: Dataset
    scaling: Preprocessor
    X_train: Array
    X_val: Array
    seed: int
    engine: str


@dataclass(frozen=True)
class Trained:
    """What a run records of its training."""

    train_accuracy: float
    val_logits: Array
    seconds: float
    epochs: int = 1
    best_epoch: int = 1
    stop_reason: str | None = None


class _KeepResult(Callback):
    """Keeps the model whenever training ends, however it ends."""

    def __init__(self, keep: Keep, model: Model) -> None:
        self.keep, self.model = keep, model

    def on_train_end(self, state: TrainingState) -> None:
        self.state = state
        self.keep(self.model)


def descend(
    prepared: Prepared,
    keep: Keep,
    say: Say,
    callbacks: Iterable[Callback],
    *,
    checkpoint: Path,
    checkpoint_seconds: float,
    resume: bool,
) -> tuple[Model, Trained]:
    """Train the network of a recipe by gradient descent; `keep` is called with the model at its end."""
    recipe, data, X_train = prepared.recipe, prepared.data, prepared.X_train
    y_train = np.tile(data.y_train, len(X_train) // len(data.y_train))
    network = recipe.network(X_train.shape[1], len(data.classes), prepared.seed, prepared.engine)
    if recipe.first_layer == "patches" and data.image_shape is not None:
        say("Learning patches for the first layer to begin with")
        begin_with_patches(network, X_train, data.image_shape, recipe.patch_sizes, prepared.seed)
    model = Model(network, prepared.scaling, data.classes, data.image_shape, data.max_value)
    if recipe.average_views:
        # Of pixels, nearer views are better ones: those by three pixels lower the accuracy again.
        model.average_mirror, model.average_shift = recipe.mirror, min(recipe.shift, 1)
    result = _KeepResult(keep, model)
    augment = prepared.scaling.augmentation(Views(data.image_shape, recipe.mirror, recipe.shift))
    trainer = recipe.trainer(prepared.seed, augment, [*callbacks, result])
    history = trainer.fit(
        *(network, X_train, y_train, prepared.X_val, data.y_val),
        sample_weight=balanced_weights(y_train) if recipe.class_weight == "balanced" else None,
        checkpoint=checkpoint,
        checkpoint_seconds=checkpoint_seconds,
        resume=resume,
    )
    train_accuracy = accuracy(network.logits(X_train[: len(data.y_train)]), data.y_train)
    val_logits = model.logits(data.X_val) if recipe.average_views else network.logits(prepared.X_val)
    state = result.state
    kept_epoch = state.best_epoch if recipe.keep_best else len(history)
    return model, Trained(train_accuracy, val_logits, state.seconds, len(history), kept_epoch, state.stop_reason)


def solve(prepared: Prepared, say: Say) -> tuple[Model, Trained, History]:
    """Solve for the output weights of a network with a hidden unit for every training row; see `fit_kernel`."""
    from fcnet.training.kernel import calibrate, fit_kernel

    recipe, data, X_val, began = prepared.recipe, prepared.data, prepared.X_val, time.monotonic()
    signs = prepared.scaling.mirror_signs if recipe.mirror else None
    say(f"Solving for the output weights of {len(prepared.X_train):,} hidden units")
    network, fitted = fit_kernel(
        *(prepared.X_train, data.y_train, len(data.classes)),
        concentration=recipe.concentration,
        ridge=recipe.ridge,
        signs=signs,
        engine=prepared.engine,
        say=say,
    )
    views = [X_val] if signs is None else [X_val, X_val * signs]
    val_logits = np.mean([network.logits(view) for view in views], axis=0)
    scale = np.float32(calibrate(network, val_logits, data.y_val))
    fitted, val_logits = scale * fitted, scale * val_logits
    train_accuracy, train_loss = accuracy(fitted, data.y_train), network.loss.value(fitted, data.y_train)
    row = {
        "epoch": 1,
        "iteration": 1,
        "loss": train_loss,
        "train_loss": train_loss,
        "train_accuracy": train_accuracy,
        "val_loss": network.loss.value(val_logits, data.y_val),
        "val_accuracy": accuracy(val_logits, data.y_val),
        "batches": [],
    }
    model = Model(network, prepared.scaling, data.classes, data.image_shape, data.max_value, average_mirror=recipe.mirror)
    return model, Trained(train_accuracy, val_logits, time.monotonic() - began), History([row])
