"""What the training of a run calls: it records in the unit of the targets, and writes the model."""

from fcnet.experiments.folder import MODEL
from fcnet.experiments.job import Job
from fcnet.model import Model
from fcnet.model_file import save
from fcnet.training.callbacks import Callback
from fcnet.training.state import TrainingState
from fcnet.training.target_scale import TargetScale, meet_constants


class InUnits(Callback):
    """Brings a monitor that has the unit of the targets from the scale of training to that unit."""

    def __init__(self, unit: float) -> None:
        self.unit = unit

    def on_epoch_end(self, state: TrainingState) -> None:
        """Change the monitor of this epoch."""
        if state.metric.in_units:
            state.history[-1][f"val_{state.metric.name}"] *= self.unit


class KeepModel(Callback):
    """Writes the model, if it is to be kept, at the end of a training, however it ends; first in the scale of the targets."""

    def __init__(self, job: Job, model: Model, scale: TargetScale | None) -> None:
        self.path, self.model, self.scale = job.run / MODEL if job.keep_model else None, model, scale
        self.y_train = job.data.y_train

    def on_train_end(self, state: TrainingState) -> None:
        """Bring the network into the unit of the targets, and write it."""
        self.state = state
        if self.scale is not None:
            self.scale.leave(self.model.network)
        self.save()

    def save(self) -> None:
        """Write the model; first have it give a target that is always the same, which a blend has rounded."""
        if self.scale is not None:
            meet_constants(self.model.network, self.y_train)
        if self.path is not None:
            save(self.path, self.model)
