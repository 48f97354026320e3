"""Flat recipes, as they were before recipes had tables, as a tree."""

from collections.abc import Mapping
from typing import Any

from fcnet.errors import SettingError, unknown_name
from fcnet.experiments.changes import SCHEMA, changed
from fcnet.experiments.other_names import OTHER_NAMES
from fcnet.experiments.tree import Plain, encode
from fcnet.settings import Settings

FLAT = frozenset(
    """
    description features n_filters patch_sizes threshold grid map_filters map_patch_size map_channels map_layers n_components
    pca_regularisation scaling zca_regularisation mirror shift average_views hidden activation normalisation dropout
    input_dropout members training concentration ridge weight_init first_layer dtype epochs batch_size batches learning_rate
    l2 label_smoothing class_weight patience keep_best update momentum decay_rate beta1 beta2 epsilon weight_decay schedule
    decay step_epochs step_factor warmup final_fraction
    """.split()  # noqa: SIM905  # a list of so many words would have a line for each
)


def is_flat(settings: Mapping[str, Any], root: type[Settings]) -> bool:
    """Return whether settings are a flat recipe: they have names that a tree has not at its root, and no tables."""
    flat_names = FLAT.difference(root.__struct_fields__).intersection(settings)
    return bool(flat_names) and not any(isinstance(value, Mapping) for value in settings.values())


def upgraded(flat: Mapping[str, Any], root: type[Settings]) -> Plain:
    """Return flat settings as a tree; what had no effect is left out.

    Raises
    ------
    SettingError
        If a setting is unknown, or is no longer possible.
    """
    settings = dict(flat)
    for key in settings:
        if key not in FLAT:
            raise unknown_name("setting", key, FLAT, OTHER_NAMES, listing=SCHEMA)
    if settings.pop("members", 1) != 1:
        raise SettingError(f"members = {flat['members']}: networks trained side by side in one are no longer possible.")
    for key, value in (("dtype", "float32"), ("class_weight", "none")):  # all that kernel regression ever had
        if settings.get("training") == "kernel" and settings.get(key, value) != value:
            raise SettingError(f"{key} cannot be chosen with training = kernel: leave it out.")
    if settings.get("update") == "adam" and settings.get("weight_decay"):  # a default in the first flat recipes
        settings["update"] = "adamw"
    if "threshold" in settings:  # a name that the training has, too, since then
        settings["preprocessing.threshold"] = settings.pop("threshold")
    return changed(root, encode(root()), list(settings.items()), skip=True)
