"""The state of a training on disk, from which it goes on as if it had never stopped."""

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from fcnet.errors import FileFormatError, OtherTrainingError
from fcnet.persist import check_tensors, load_tensors, save_tensors
from fcnet.training.history import History
from fcnet.training.state import TrainingState
from fcnet.types import Array

CHECKPOINT_FORMAT = "fcnet-checkpoint-1"
SCALARS = ("epoch", "iteration", "best_score", "best_epoch", "seconds", "stop_reason")


def _tensors(state: TrainingState) -> dict[str, Array]:
    groups = {"params": state.network.params, "update": state.update_state, "best": state.best_params}
    return {f"{group}.{name}": tensor for group, tensors in groups.items() for name, tensor in tensors.items()}


def save_checkpoint(path: str | Path, state: TrainingState, fingerprint: dict[str, Any]) -> None:
    """Write a checkpoint; where that fails, as on a full disk, warn and leave the one before as it is."""
    metadata = {name: getattr(state, name) for name in SCALARS}
    metadata |= {"training": fingerprint, "rng": state.rng.bit_generator.state}
    history = np.frombuffer(state.history.to_jsonl().encode(), np.uint8)  # the header of the file has a largest size
    try:
        save_tensors(path, _tensors(state) | {"history": history}, metadata, CHECKPOINT_FORMAT)
    except OSError as error:
        warnings.warn(f"No checkpoint of epoch {state.epoch}: {error}. Training goes on.", RuntimeWarning, stacklevel=3)


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
    training = metadata.get("training", {})
    if training.keys() != fingerprint.keys():
        raise FileFormatError(f"{path} is a checkpoint of another version of fcnet: delete it to train anew.")
    for name, here in fingerprint.items():
        there = training[name]
        # Versions before 0.2 described every function by that word.
        if there not in (here, "function"):
            raise OtherTrainingError(path, name, there, here)
    text, own = tensors.pop("history", np.empty(0, np.uint8)), _tensors(state)
    check_tensors(path, tensors, own)
    try:
        history = History.from_jsonl(text.tobytes().decode())
        scalars = {name: metadata[name] for name in SCALARS}
        state.rng.bit_generator.state = metadata["rng"]
    except (KeyError, TypeError, ValueError, json.JSONDecodeError) as error:
        raise FileFormatError(f"{path} is damaged: {error!r}.") from None
    for name, tensor in tensors.items():
        own[name][...] = tensor
    state.history = history
    for name, value in scalars.items():
        setattr(state, name, value)
