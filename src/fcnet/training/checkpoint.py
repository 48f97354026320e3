"""The state of a training on disk, from which it goes on as if it had never stopped."""

import json
import re
import time
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fcnet.errors import FileFormatError, InputError, OtherTrainingError
from fcnet.files import check_tensors, load_tensors, save_tensors
from fcnet.nn.checks import without_members
from fcnet.nn.loss import HALF
from fcnet.training.callbacks import Callback
from fcnet.training.history import History, line_of
from fcnet.training.metrics import AUTO
from fcnet.training.state import CallbackStates, Kept, TrainingState
from fcnet.types import Array, Params

CHECKPOINT_FORMAT = "fcnet-checkpoint-1"
SHARE_OF_SAVING = 20  # one part in so many of the time at most
CONSTANT = "constant"
# What older ones do not have.
SINCE = {
    "monitor": AUTO,
    "dropout_schedule": CONSTANT,
    "weight_decay_schedule": CONSTANT,
    "ema_decay": 0.0,
    "best_epochs": 1,
    "threshold": HALF,
}
SCALARS = ("epoch", "iteration", "seconds", "stop_reason")


def check_place(path: str | Path) -> None:
    """Raise InputError if no checkpoint can be kept there."""
    if Path(path).is_dir():
        raise InputError(f"The checkpoint {path} is a folder: name a file in it.")
    if not Path(path).parent.is_dir():
        raise InputError(f"There is no folder {Path(path).parent} to keep the checkpoint {path} in: make it first.")


class Checkpoints:
    """Writes down the state of a training as it is between two epochs, whenever the training is stopped.

    A stop comes at any moment. In the middle of an epoch parameters and update state have moved on from the epoch's beginning,
    so both are copied there; between epochs the state itself is written. Checkpoints are at least `least_seconds` apart, except
    for the last. If that is not zero, writing takes at most a twentieth of the time.
    """

    def __init__(
        self,
        path: str | Path,
        state: TrainingState,
        fingerprint: dict[str, Any],
        least_seconds: float,
        callbacks: Sequence[Callback],
    ) -> None:
        self.path, self.state, self.fingerprint, self.least_seconds = path, state, fingerprint, least_seconds
        self.callbacks = callbacks
        self._between, self._before = True, _Moment(state)
        self._saved_epoch, self._saved_at, self._cost = state.epoch, time.monotonic(), 0.0

    def epoch_begins(self) -> None:
        """Remember the state; from here on it changes."""
        self._before = _Moment(self.state, copied=True)
        self._between = False

    def epoch_has_ended(self, last: bool) -> None:
        """Write a checkpoint if it is time, or training ends."""
        self._between = True
        wait = max(self.least_seconds, SHARE_OF_SAVING * self._cost) if self.least_seconds else 0.0
        if last or time.monotonic() - self._saved_at >= wait:
            self._save(_Moment(self.state))

    def training_is_stopped(self) -> None:
        """Write a checkpoint of the last epoch that has ended, unless there is one."""
        moment = _Moment(self.state) if self._between else self._before
        if moment.scalars["epoch"] != self._saved_epoch:
            self._save(moment)

    def _save(self, moment: "_Moment") -> None:
        """Write; where that fails, as on a full disk, warn and leave the checkpoint before as it is."""
        began, epoch = time.monotonic(), moment.scalars["epoch"]
        metadata = moment.scalars | {"training": self.fingerprint, "rng": moment.rng}
        texts = {
            "history": "".join(map(line_of, self.state.history[: moment.n_rows])),
            "callbacks": json.dumps(state_dicts(self.callbacks, moment.scalars["iteration"])),
        }
        # Tensors, as the header of the file has a largest size.
        tensors = moment.tensors | {name: np.frombuffer(text.encode(), np.uint8) for name, text in texts.items()}
        try:
            save_tensors(self.path, tensors, metadata, CHECKPOINT_FORMAT)
            self._saved_epoch = epoch
        except OSError as error:
            warnings.warn(f"No checkpoint of epoch {epoch}: {error}. Training goes on.", RuntimeWarning, stacklevel=4)
        self._saved_at = time.monotonic()
        self._cost = self._saved_at - began


class _Moment:
    """What a checkpoint holds of a state."""

    def __init__(self, state: TrainingState, copied: bool = False) -> None:
        moving = {"params": state.network.params, "update": state.update_state, "average": state.average or {}}
        self.tensors = _named(moving)
        if copied:
            self.tensors = {name: tensor.copy() for name, tensor in self.tensors.items()}
        # No epoch changes what is kept: a better one takes its place.
        self.tensors |= _named({f"best{i or ''}": one.params for i, one in enumerate(state.kept)})
        self.scalars = {name: getattr(state, name) for name in (*SCALARS, "best_epoch", "best_score")}
        self.scalars["others"] = [[one.epoch, one.score] for one in state.kept[1:]]
        self.rng, self.n_rows = state.rng.bit_generator.state, len(state.history)


def _named(groups: dict[str, Params]) -> dict[str, Array]:
    return {f"{group}.{name}": tensor for group, tensors in groups.items() for name, tensor in tensors.items()}


def _as_now(name: str, there: Any, here: Any) -> Any:
    """Return the description of a setting in a checkpoint of before as it would be now, where it is `here`."""
    if name == "network" and isinstance(there, dict):
        return without_members(there)
    if name == "update" and isinstance(there, str):  # Adam had a weight decay of its own, mostly of 0
        there = re.sub(r"^Adam\((.*), weight_decay=0\.0\)", r"Adam(\1)", there)
        there = re.sub(r"^Adam(\(.*weight_decay)", r"AdamW\1", there)
    if isinstance(here, str) and "(" in here and there in ("function", "method", here.partition("(")[0].rpartition(".")[2]):
        return here  # older ones have the class alone
    return there


def load_checkpoint(path: str | Path, state: TrainingState, fingerprint: dict[str, Any]) -> None:
    """Bring `state` to where the checkpoint was written.

    Raises
    ------
    FileFormatError
        If the file is damaged.
    OtherTrainingError
        If it belongs to another training.
    """
    tensors, metadata = load_tensors(path, CHECKPOINT_FORMAT)
    training = SINCE | metadata.get("training", {})
    if training.keys() != fingerprint.keys():
        raise FileFormatError(f"{path} is a checkpoint of another version of fcnet: delete it to train anew.")
    for name, here in fingerprint.items():
        there = _as_now(name, training[name], here)
        if there != here:
            raise OtherTrainingError(path, name, there, here)
    text, of_callbacks = (tensors.pop(name, np.empty(0, np.uint8)) for name in ("history", "callbacks"))
    try:
        best = [[metadata["best_epoch"], metadata["best_score"]], *metadata.get("others", [])]
        like = {name: np.empty_like(p) for name, p in state.network.params.items()}
        state.kept = [Kept(int(epoch), score, {name: p.copy() for name, p in like.items()}) for epoch, score in best]
        own = _Moment(state).tensors
        check_tensors(path, tensors, own)
        history = History.from_jsonl(text.tobytes().decode())
        callbacks = _callbacks(of_callbacks)
        scalars = {name: metadata[name] for name in SCALARS}
        state.rng.bit_generator.state = metadata["rng"]
    except (KeyError, TypeError, ValueError, json.JSONDecodeError) as error:
        raise FileFormatError(f"{path} is damaged: {error!r}.") from None
    for name, tensor in tensors.items():
        own[name][...] = tensor
    state.history, state.callbacks = history, callbacks
    for name, value in scalars.items():
        setattr(state, name, value)


def state_dicts(callbacks: Iterable[Callback], iteration: int) -> CallbackStates:
    """Return what a checkpoint is to keep of callbacks, each with the name of its class."""
    each = [(type(callback).__qualname__, callback.state_dict(iteration)) for callback in callbacks]
    return [(name, kept) for name, kept in each if kept is not None]


def load_state(callback: Callback, there: CallbackStates) -> None:
    """Give a callback what was kept of it, the first of those of its class, which is taken out."""
    name = type(callback).__qualname__
    place = next((place for place, (other, _) in enumerate(there) if other == name), None)
    if place is not None:
        callback.load_state_dict(there.pop(place)[1])


def callbacks_of(path: Path) -> CallbackStates:
    """Return what a checkpoint has kept of callbacks; nothing if there is none that can be read."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            return _callbacks(file.get_tensor("callbacks"))
    except (OSError, SafetensorError, TypeError, ValueError):
        return []


def _callbacks(text: Array) -> CallbackStates:
    return [(name, kept) for name, kept in json.loads(text.tobytes().decode() or "[]")]


def epoch_of(path: Path) -> int:
    """Return the epoch that a checkpoint was written after, by its header alone; 0 if there is none that can be read."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            return int(json.loads(file.metadata()["fcnet"])["epoch"])
    except (OSError, SafetensorError, KeyError, TypeError, ValueError):
        return 0
