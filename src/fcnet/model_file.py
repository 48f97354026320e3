"""The file of a model: its parameters, preprocessor and class names, as safetensors."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from fcnet.errors import FcnetError, FileFormatError, InputError
from fcnet.files import load_tensors, plain, save_tensors
from fcnet.model import Ensemble, Model, as_model
from fcnet.nn.loss import HALF
from fcnet.nn.network import FullyConnectedNet
from fcnet.nn.tabular_network import network_from
from fcnet.preprocessing import preprocessor_from
from fcnet.preprocessing.checks import image_shape_of
from fcnet.types import Array

MODEL_FORMAT = "fcnet-model-1"


def save(path: str | Path, model: Model | FullyConnectedNet) -> None:
    """Write a model, or a bare network, as a safetensors file: parameters, preprocessing, class names.

    Raises
    ------
    InputError
        If `model` is something else, has an activation of your own that is not registered, or could not be read by `load`.
    OSError
        If it cannot be written; an older file at `path` is then unharmed.
    """
    model = as_model(model)
    if isinstance(model, Ensemble):
        contents = [_contents(member) for member in model.members]
        tensors = {f"{i}.{name}": tensor for i, (tensors, _) in enumerate(contents) for name, tensor in tensors.items()}
        metadata: dict[str, Any] = {"members": [metadata for _, metadata in contents], "threshold": model.threshold}
    else:
        tensors, metadata = _contents(model)
    try:
        _model_of(tensors, json.loads(json.dumps(metadata, default=plain)))
    except FcnetError as error:
        raise InputError(f"The model could not be read again, and was not saved: {error}") from None
    save_tensors(path, tensors, metadata, MODEL_FORMAT)


def _contents(model: Model) -> tuple[dict[str, Array], dict[str, Any]]:
    """Return the tensors and the metadata of a model."""
    network = model.network.get_config()
    if callable(network["activation"]):
        raise InputError(
            "An activation of your own is saved by its name, and this one has none: register it, see "
            "fcnet.nn.activations.register_activation."
        )
    metadata = {
        "network": network,
        "classes": model.classes,
        "image_shape": model.image_shape,
        "max_value": model.max_value,
        "average_mirror": model.average_mirror,
        "average_shift": model.average_shift,
        "threshold": model.threshold,
        "scaling": {"kind": model.preprocessor.kind, **model.preprocessor.get_config()},
    }
    arrays = {f"scaling.{name}": array for name, array in model.preprocessor.arrays().items()}
    for i, params in enumerate(model.network.checkpoints, 1):
        arrays |= {f"checkpoint{i}.{name}": tensor for name, tensor in params.items()}
    return {name: np.asarray(tensor) for name, tensor in (model.network.params | arrays).items()}, metadata


def load(path: str | Path) -> Model:
    """Read a model that `save` wrote; nothing in the file is executed.

    Raises
    ------
    FileFormatError
        If the file is missing, damaged, foreign, or its tensors do not fit the network it describes.
    """
    try:
        return _model_of(*load_tensors(path, MODEL_FORMAT))
    except InputError as error:
        raise FileFormatError(f"{path} does not describe a model of this version of fcnet: {error}") from None


def _model_of(tensors: dict[str, Array], metadata: dict[str, Any]) -> Model:
    """Make a model of the contents of a file, or raise InputError if they are damaged or do not fit one another."""
    if "members" in metadata:
        return Ensemble(_members_of(tensors, metadata["members"]), metadata.get("threshold"))
    for name, tensor in tensors.items():
        if not np.isfinite(tensor).all():
            raise InputError(f"its tensor {name!r} holds NaN or infinite values.")
    parts: dict[str, dict[str, Array]] = {"": {}}
    for name, tensor in tensors.items():
        part, _, own = name.rpartition(".")
        parts.setdefault(part, {})[own] = tensor
    params, arrays = parts.pop(""), parts.pop("scaling", {})
    try:
        # The engine is the reader's choice: the one that wrote the file may not be installed here.
        network = network_from({**metadata["network"], "engine": None}, params)
        network.checkpoints = [network.check_params(parts[f"checkpoint{i}"]) for i in range(1, len(parts) + 1)]
        scaling = dict(metadata.get("scaling", {"kind": "scaling"}))
        if not all(isinstance(name, str) for name in metadata["classes"]):
            raise InputError("its classes have names that are no text.")
        model = Model(
            network,
            preprocessor_from(scaling.pop("kind"), scaling, arrays),
            metadata["classes"],
            image_shape_of(metadata["image_shape"]) if metadata["image_shape"] else None,
            float(metadata["max_value"]),
            bool(metadata.get("average_mirror", False)),
            int(metadata.get("average_shift", 0)),
            metadata.get("threshold", HALF),
        )
        _check(model)
    except (FcnetError, KeyError, IndexError, OverflowError, TypeError, ValueError) as error:
        raise InputError(str(error) if isinstance(error, FcnetError) else repr(error)) from None
    return model


def _members_of(tensors: dict[str, Array], members: Any) -> list[Model]:
    parts: dict[str, dict[str, Array]] = {}
    for name, tensor in tensors.items():
        number, _, own = name.partition(".")
        parts.setdefault(number, {})[own] = tensor
    if not isinstance(members, list) or parts.keys() != {str(i) for i in range(len(members))}:
        raise InputError("the tensors of its members do not fit their descriptions.")
    if any(not isinstance(member, dict) or "members" in member for member in members):
        raise InputError("its members are no models.")
    return [_model_of(parts[str(i)], member) for i, member in enumerate(members)]


def _check(model: Model) -> None:
    """Raise InputError unless the parts of a model fit one another."""
    n, shape, preprocessor = model.network.layer_sizes[0], model.image_shape, model.preprocessor
    if preprocessor.n_outputs not in (None, n) or math.prod(shape or [model.n_inputs]) != model.n_inputs:
        raise InputError(f"its preprocessing or image shape does not fit the {n} inputs of its network.")
    if preprocessor.image_shape not in (None, shape):
        raise InputError(f"its images are {shape}, those of its preprocessing {preprocessor.image_shape}.")
    if not math.isfinite(model.max_value):
        raise InputError(f"its max_value is {model.max_value}.")
    if len(model.classes) != model.network.n_classes:
        raise InputError(f"it names {len(model.classes)} classes, its network has {model.network.n_classes}.")
    preprocessor.check_views(model.views)
