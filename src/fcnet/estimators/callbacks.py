"""Callbacks of the estimators: lines as scikit-learn prints them, and its own callback protocol where it has one."""

from collections.abc import Callable
from typing import Any

from fcnet.training.callbacks import Callback
from fcnet.training.state import TrainingState

__all__ = ["CallbackSupportMixin", "HandOn", "PrintLoss", "with_callbacks"]

try:  # scikit-learn 1.9 and newer
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:

    class _NoContext:
        """Does nothing, where scikit-learn has no callbacks."""

        def call_on_fit_task_begin(self, **_: Any) -> None: ...

        def call_on_fit_task_end(self, **_: Any) -> None: ...

        def subcontext(self, **_: Any) -> "_NoContext":
            return self

    class CallbackSupportMixin:  # type: ignore[no-redef]  # where scikit-learn has none
        """Stands for that of scikit-learn."""

        def _init_callback_context(self, **_: Any) -> _NoContext:
            return _NoContext()

    def with_callbacks(method: Callable[..., Any]) -> Callable[..., Any]:
        """Return the method as it is."""
        return method


class PrintLoss(Callback):
    """Prints the loss of every epoch, as scikit-learn's networks do with `verbose`."""

    def on_epoch_end(self, state: TrainingState) -> None:
        """Print a line, and another with the validation score."""
        row = state.history[-1]
        print(f"Iteration {row['epoch']}, loss = {row['loss']:.8f}")  # noqa: T201  # as scikit-learn prints it
        score = row.get(f"val_{state.metric.name}")
        if score is not None:
            print(f"Validation score: {score:f}")  # noqa: T201  # as scikit-learn prints it


class HandOn(Callback):
    """Tells the callbacks that were set by scikit-learn's `set_callbacks` of every epoch; any of them may end the training."""

    def __init__(self, context: Any, told: dict[str, Any], as_if_ended: Callable[[], dict[str, Any]]) -> None:
        self.context, self.told, self.as_if_ended = context, told, as_if_ended

    def on_epoch_begin(self, state: TrainingState) -> None:
        """Begin a task."""
        self.task = self.context.subcontext(task_name="epoch")
        self.task.call_on_fit_task_begin(**self.told)

    def on_epoch_end(self, state: TrainingState) -> None:
        """End it."""
        if self.task.call_on_fit_task_end(**self.told, reconstruction_attributes=self.as_if_ended):
            state.stop("a callback of scikit-learn asked for it")
