"""A training by gradient descent in a run folder: the network, what its epochs call, and the model that comes of it."""

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from fcnet.experiments.folder import CHECKPOINT, HISTORY, MODEL
from fcnet.experiments.history_file import HistoryFile
from fcnet.experiments.job import Job, Trained, outputs_of, scale_of
from fcnet.experiments.network import Network
from fcnet.model import Model
from fcnet.model_file import save
from fcnet.nn.network import FullyConnectedNet
from fcnet.preprocessing.views import Views
from fcnet.training.callbacks import Callback
from fcnet.training.finish import Part, finish
from fcnet.training.state import TrainingState
from fcnet.training.target_scale import TargetScale, bring_to_units
from fcnet.types import Array

if TYPE_CHECKING:
    from fcnet.experiments.gradient import GradientDescent

_log = logging.getLogger(__name__)


class InUnits(Callback):
    """Brings a monitor that has the unit of the targets from the scale of training to that unit."""

    def __init__(self, unit: float) -> None:
        self.unit = unit

    def on_epoch_end(self, state: TrainingState) -> None:
        """Change the monitor of this epoch."""
        if state.metric.in_units:
            state.history[-1][f"val_{state.metric.name}"] *= self.unit


class KeepModel(Callback):
    """Writes the model of a training that has begun, if it is to be kept, where a ``with`` ends, however it does."""

    def __init__(self, job: Job, model: Model, scale: TargetScale | None) -> None:
        self.path, self.model, self.scale = job.run / MODEL if job.keep_model else None, model, scale
        self.y_train = job.data.y_train
        self.state: TrainingState | None = None

    def on_train_end(self, state: TrainingState) -> None:
        """Bring the network to the unit of the targets."""
        self.state = state
        if self.scale is not None:
            bring_to_units(self.model.network, self.scale, self.y_train)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self.state is not None and self.path is not None:
            save(self.path, self.model)


def descend(settings: "GradientDescent", job: Job) -> Trained:
    """Train the network of a recipe by these settings, and leave history, checkpoint and model in the run folder."""
    recipe, data, X_train = job.recipe, job.data, job.prepared.rows
    views, loss, n = recipe.augmentation, settings.loss_of(data), len(data.y_train)
    scale, outputs = scale_of(data, loss), outputs_of(data, loss)
    y_train, y_val = np.concatenate([data.y_train] * (len(X_train) // n)), data.y_val
    made: dict[str, Any] = {"seed": job.seed, "engine": job.engine, "image_shape": data.image_shape}
    sizes = job.prepared.preprocessor.category_sizes
    network = (recipe.network or Network()).make(X_train, sizes, len(outputs), loss=loss.name, **made)
    in_effect = settings.resolved(len(X_train), network.loss)
    if job.keep_model and settings.batches != "full" and int(in_effect.batch_size) > len(X_train):
        _log.info(
            "batch_size is %s, and there are %s rows to train on: an epoch is one batch.",
            *(f"{in_effect.batch_size:,}", f"{len(X_train):,}"),
        )
    model = Model(network, job.prepared.preprocessor, outputs, data.image_shape, data.max_value)
    if views.average_views:
        # Of pixels, nearer views are better ones: those by three pixels lower the accuracy again.
        model.average_mirror, model.average_shift = views.mirror, min(views.shift, 1)
    augment = job.prepared.preprocessor.augmentation(Views(data.image_shape, views.mirror, views.shift))
    in_units = [InUnits(float(scale.unit[0]))] if scale else []
    targets, val_targets = (scale.apply(y_train), scale.apply(y_val)) if scale else (y_train, y_val)
    of_classes = settings.class_weights(data)
    weights, val_weights = (None, None) if of_classes is None else (of_classes[y_train], of_classes[y_val])

    def val_logits(network: FullyConnectedNet) -> Array:
        return replace(model, network=network).logits(data.X_val)

    with KeepModel(job, model, scale) as end:
        callbacks = [*in_units, HistoryFile(job.run / HISTORY), *job.callbacks, end]
        history = in_effect.trainer(job.seed, augment, callbacks, advise=job.keep_model).fit(
            *(network, X_train, targets, job.X_val, val_targets),
            sample_weight=weights,
            val_weight=val_weights,
            checkpoint=job.run / CHECKPOINT if job.keep_model else None,
            checkpoint_seconds=job.checkpoint_seconds,
            resume=job.resume,
        )
        finished = finish(
            *(network, Part(X_train, y_train, weights), Part(job.X_val, y_val, val_weights)),
            blend_linear=in_effect.blend_linear,
            calibrate=in_effect.calibrate,
            threshold=in_effect.threshold,
            monitor=in_effect.monitor,
            val_logits=val_logits if views.average_views else None,
        )
        model.network, model.threshold = finished.network, finished.threshold
    assert end.state is not None
    assert finished.val_logits is not None
    return Trained(
        model,
        model.loss.score(model.network.logits(X_train[:n]), data.y_train),
        finished.val_logits,
        end.state.seconds,
        epochs=len(history),
        best_epoch=end.state.kept_epoch,
        stop_reason=end.state.stop_reason,
        linear_share=None if finished.linear_share is None else float(finished.linear_share.mean()),
        temperature=finished.temperature if in_effect.calibrate else None,
    )
