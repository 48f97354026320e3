"""Training by kernel regression, which solves for the output weights."""

import logging
import time
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from msgspec import Meta

from fcnet.data import Dataset
from fcnet.errors import SettingError
from fcnet.experiments.folder import HISTORY, MODEL
from fcnet.experiments.job import Job, Trained, Training
from fcnet.files import write_atomic
from fcnet.model import Model
from fcnet.model_file import save
from fcnet.training.callbacks import tell_of_one_epoch
from fcnet.training.history import History
from fcnet.training.state import TrainingState

if TYPE_CHECKING:
    from fcnet.experiments.recipe import Recipe

_log = logging.getLogger(__name__)


class KernelRegression(Training, tag="kernel"):
    """Solve for the output weights of a network with a hidden unit for every training row; see `fit_kernel`.

    The inputs are means over the translations of an image. With `mirror` predictions are averaged over the image and its flip.
    """

    gamma: Annotated[
        float, Meta(ge=5e-7, description="γ of the Gaussian kernel exp(-γ ‖x - y‖²) of inputs x and y of length one.")
    ] = 0.75
    ridge: Annotated[float, Meta(ge=1e-9, description="λ, added to the diagonal of the kernel matrix.")] = 2e-3

    needs_network: ClassVar[bool] = False
    always_averages: ClassVar[bool] = True

    def check(self, recipe: "Recipe") -> None:
        if not recipe.preprocessing.has_mean_of_views:
            raise SettingError(
                "training = kernel needs preprocessing = patches. For images add --set preprocessing=patches; other data is "
                "trained on by training = gradient."
            )

    def check_data(self, data: Dataset) -> None:
        from fcnet.training import kernel

        kernel.room_for_kernel(len(data.X_train))  # now, not when features have been learnt for hours

    def train(self, job: Job) -> Trained:
        """Solve for the output weights, and scale the logits to fit the validation part."""
        from fcnet.training.kernel import calibrate, fit_kernel

        data, X_train, X_val, began = job.data, job.prepared.rows, job.X_val, time.monotonic()
        mirror = job.recipe.augmentation.mirror
        signs = job.prepared.preprocessor.mirror_signs if mirror else None
        _log.info("Solving for the output weights of %s hidden units", f"{len(X_train):,}")
        network, fitted = fit_kernel(
            *(X_train, data.y_train, len(data.classes)),
            gamma=self.gamma,
            ridge=self.ridge,
            signs=signs,
            engine=job.engine,
        )
        views = [X_val] if signs is None else [X_val, X_val * signs]
        val_logits = np.mean([network.logits(view) for view in views], axis=0)
        scale = np.float32(calibrate(network, val_logits, data.y_val))
        fitted, val_logits = scale * fitted, scale * val_logits
        train_score, train_loss = (score(fitted, data.y_train) for score in (network.loss.score, network.loss.value))
        row = {
            "epoch": 1,
            "iteration": 1,
            "loss": train_loss,
            "train_loss": train_loss,
            "train_accuracy": train_score,
            "val_loss": network.loss.value(val_logits, data.y_val),
            "val_accuracy": network.loss.score(val_logits, data.y_val),
            "batches": [],
        }
        model = Model(
            *(network, job.prepared.preprocessor, data.classes, data.image_shape, data.max_value), average_mirror=mirror
        )
        if job.keep_model:
            save(job.run / MODEL, model)
        write_atomic(job.run / HISTORY, History([row]).to_jsonl())
        rng = np.random.default_rng(job.seed)
        tell_of_one_epoch(job.callbacks, TrainingState(network, {}, network.params, rng, n_epochs=1, total_iterations=1), row)
        return Trained(model, train_score, val_logits, time.monotonic() - began)

    @property
    def n_epochs(self) -> int:
        return 1

    @property
    def chosen_by_validation(self) -> str:
        return "the scale of the logits"

    def how(self, metrics: dict[str, Any]) -> str:
        return "Its output weights were solved for; the validation part chose the scale of the logits."
