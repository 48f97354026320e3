"""Networks with seeds of their own that are trained side by side, and predict together."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from fcnet.nn.network import FullyConnectedNet
from fcnet.nn.tabular_network import TabularNet
from fcnet.threads import default_threads, share, use_threads
from fcnet.training.callbacks import Callback
from fcnet.training.finish import Finished, Part
from fcnet.training.history import History
from fcnet.training.state import TrainingState, set_checkpoints
from fcnet.types import Array


@dataclass(frozen=True)
class Training:
    """A network, and how its training went."""

    network: TabularNet
    history: History
    epoch: int  # that was best
    n_epochs: int  # that its schedules went by


class _EndsWithOthers(Callback):
    """Ends a training as soon as one beside it has failed, or was interrupted."""

    def __init__(self, failed: Sequence[BaseException]) -> None:
        self.failed = failed

    def on_batch_end(self, state: TrainingState) -> None:
        if self.failed:
            raise InterruptedError


class Until(Callback):
    """Ends a training after so many epochs, as its schedules have it."""

    def __init__(self, n_epochs: int) -> None:
        self.n_epochs = n_epochs

    def on_epoch_end(self, state: TrainingState) -> None:
        """Stop after the last of them."""
        if state.epoch == self.n_epochs:
            state.stop("so many epochs were best before")


def train_all(train: Callable[[int, Sequence[Callback]], Training], n: int, callbacks: Sequence[Callback]) -> list[Training]:
    """Call ``train(place, callbacks)`` for n places, and return what it does.

    The trainings share the threads evenly. They run side by side, or one after the other where callbacks are told of them.
    """
    found: dict[int, Training] = {}
    failed: list[BaseException] = []
    each = max(1, default_threads() // n)

    def one(place: int) -> None:
        try:
            with use_threads(each):
                found[place] = train(place, callbacks or [_EndsWithOthers(failed)])
        except BaseException as error:
            failed.append(error)
            raise

    try:
        if n == 1 or callbacks:
            for place in range(n):
                one(place)
        else:
            share(one, range(n))
    except BaseException as error:
        raise (failed or [error])[0] from None
    return [found[place] for place in range(n)]


def together(networks: Sequence[FullyConnectedNet]) -> FullyConnectedNet:
    """Return the first of several networks, which from now on averages the predictions of all."""
    first, *others = networks
    set_checkpoints(first, [*first.checkpoints, *(params for network in others for params in network.all_params)])
    return first


def held_out(finished: Sequence[Finished], folds: Sequence[Part | None]) -> tuple[Array, Array, Array | None] | None:
    """Return the logits of all validation rows, each by the networks that it has validated, their targets and weights."""
    logits = [one.val_logits for one in finished if one.val_logits is not None]
    parts = [fold for fold in folds if fold is not None]
    weights = [part.weights for part in parts if part.weights is not None]
    if not parts:
        return None
    return np.concatenate(logits), np.concatenate([part.y for part in parts]), np.concatenate(weights) if weights else None
