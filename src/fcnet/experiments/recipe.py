"""Recipes: every setting of a training, in a small TOML file."""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec

from fcnet.errors import FileFormatError, SettingError, check_range, unknown_name
from fcnet.experiments.other_names import OTHER_NAMES
from fcnet.nn.network import FullyConnectedNet
from fcnet.preprocessing import HistogramFeatures
from fcnet.preprocessing.representation import dictionary_of
from fcnet.preprocessing.scaling import SCALINGS
from fcnet.training.batches import Augmentation, BatchKind
from fcnet.training.callbacks import Callback, EarlyStopping
from fcnet.training.schedules import SCHEDULES, get_schedule
from fcnet.training.trainer import Trainer
from fcnet.training.updates import UPDATES, get_update

UPDATE_SETTINGS, SCHEDULE_SETTINGS = (
    {name for kind in kinds.values() for name in kind.__struct_fields__} for kinds in (UPDATES, SCHEDULES)
)
RULE_SETTINGS = UPDATE_SETTINGS | SCHEDULE_SETTINGS
RULE_DEFAULTS: dict[str, Any] = {}  # for their types: each rule has its own
for kind in [*UPDATES.values(), *SCHEDULES.values()]:
    RULE_DEFAULTS |= msgspec.structs.asdict(kind())
PATCH_SETTINGS = {"n_filters", "patch_sizes", "threshold", "grid", "n_components", "pca_regularisation"}
MAP_SETTINGS = {"map_filters", "map_patch_size", "map_channels", "map_layers"}
KERNEL_SETTINGS = {"concentration", "ridge"}
GRADIENT_SETTINGS = {
    *("hidden", "activation", "normalisation", "dropout", "input_dropout", "weight_init", "first_layer"),
    *("epochs", "batch_size", "batches", "learning_rate", "l2", "label_smoothing", "class_weight", "patience"),
    *("keep_best", "average_views", "update", "schedule", *RULE_SETTINGS),
}
FEATURE_LIBRARIES = {"none": [], "histograms": ["skimage"], "patches": ["scipy"]}
CHOICES: dict[str, Sequence[str]] = {
    "scaling": [*SCALINGS, "zca"],
    "features": [*FEATURE_LIBRARIES],
    "training": ["gradient", "kernel"],
    "first_layer": ["random", "patches"],
    "class_weight": ["none", "balanced"],
}
LOWEST = {
    "concentration": 1e-6,
    "ridge": 1e-9,
    "zca_regularisation": 0,
    "shift": 0,
    "n_components": 1,
    "pca_regularisation": 1e-6,
    "patience": 0,
}
OPTIONS = {name: name for name in ("seed", "engine", "target", "drop", "category")}
OPTIONS |= {"random_state": "seed", "random_seed": "seed", "backend": "engine"}
DEFAULT_RECIPES = {"digits": "digits", "cifar10": "tuned"}


@dataclass(frozen=True)
class Recipe:
    """The settings of a training; each has the name and meaning it has in the class that it goes to.

    `scaling` is "zca" or a kind of `fcnet.preprocessing.Scaling`; `features` is "none", "histograms" or "patches", with the
    settings of `fcnet.preprocessing.PatchFeatures` or, with `map_filters`, of `StackedPatches`; `mirror` and `shift` change
    images at random, and `average_views` has predictions averaged over such changes; `hidden` lists the hidden layers;
    `class_weight` is "none" or "balanced"; `patience` is that of early stopping, with 0 for none; without `keep_best` the
    last epoch is kept; `training` is "gradient", or "kernel" with the `concentration` and `ridge` of
    `fcnet.training.kernel.fit_kernel`. A setting of an update rule or a schedule that is None is as the rule that is chosen
    has it. The settings of features, trainings, update rules and schedules that are not chosen have no effect.
    """

    description: str = ""
    features: str = "none"
    n_filters: int = 1600
    patch_sizes: list[int] = field(default_factory=lambda: [6])
    threshold: float = 0.25
    grid: int = 2
    map_filters: int = 0
    map_patch_size: list[int] = field(default_factory=lambda: [5])
    map_channels: int = 64
    map_layers: list[int] = field(default_factory=lambda: [1])
    n_components: int = 3072
    pca_regularisation: float = 1.0
    scaling: str = "standard"
    zca_regularisation: float = 0.1
    mirror: bool = False
    shift: int = 0
    average_views: bool = False
    hidden: list[int] = field(default_factory=lambda: [100])
    activation: str = "relu"
    normalisation: str = "none"
    dropout: float = 0.0
    input_dropout: float = 0.0
    training: str = "gradient"
    concentration: float = 1.5
    ridge: float = 2e-3
    weight_init: str | float = "he"
    first_layer: str = "random"
    dtype: str = "float32"
    epochs: int = 10
    batch_size: int = 100
    batches: BatchKind = "shuffled"
    learning_rate: float = 1e-2
    l2: float = 0.0
    label_smoothing: float = 0.0
    class_weight: str = "none"
    patience: int = 0
    keep_best: bool = True
    update: str = "momentum"
    momentum: float | None = None
    decay_rate: float | None = None
    beta1: float | None = None
    beta2: float | None = None
    epsilon: float | None = None
    weight_decay: float | None = None
    schedule: str = "constant"
    decay: float | None = None
    step_epochs: int | None = None
    step_factor: float | None = None
    warmup: float | None = None
    final_fraction: float | None = None

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any], source: str) -> "Recipe":
        """Make a recipe from settings; `source` is named in errors.

        Raises
        ------
        SettingError
            If a key is unknown or a value has the wrong type.
        """
        defaults = asdict(cls()) | RULE_DEFAULTS
        settings = {key: value for key, value in settings.items() if (key, value) != ("members", 1)}  # of version 0.1
        for key in settings:
            if key not in defaults:
                error = unknown_name("setting", key, defaults, OTHER_NAMES)
                raise SettingError(f"{source}: {error}")
        return cls(**{key: _typed(key, value, defaults[key], source) for key, value in settings.items()})

    def check(self, engine: str) -> None:
        """Raise SettingError if a value is out of range."""
        self.network(1, 2, 0, engine)
        self.trainer(0, None)
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise unknown_name(name, getattr(self, name), choices)
        for name, low in LOWEST.items():
            check_range(name, getattr(self, name), low)
        if self.first_layer == "patches" and (self.features != "none" or [*self.hidden, 0][0] < len(self.patch_sizes)):
            raise SettingError(
                "first_layer = patches needs features = none, and hidden units, at least one for each patch size."
            )
        if self.training == "kernel" and (self.features, self.dtype, self.class_weight) != ("patches", "float32", "none"):
            raise SettingError("training = kernel needs features = patches, dtype = float32, and class_weight = none.")
        if not self.patch_sizes or (self.features == "patches" and self.n_filters % (2 * len(self.patch_sizes))):
            raise SettingError(
                f"n_filters must be a multiple of 2 for each of patch_sizes, got {self.n_filters} for {self.patch_sizes}."
            )
        for settings in self.patches():
            dictionary_of(settings)
        if self.average_views and not (self.mirror or self.shift):
            raise SettingError("average_views needs mirror or shift: there are no other views.")
        for library in FEATURE_LIBRARIES[self.features]:
            if not find_spec(library):
                raise SettingError(f'features = {self.features} needs {library}: pip install "fcnet[features]".')

    def given(self) -> dict[str, Any]:
        """Return the settings that are not None, and those of the update rule and the schedule as these have them."""
        settings = asdict(self) | msgspec.structs.asdict(self._update()) | msgspec.structs.asdict(self._schedule())
        return {key: value for key, value in settings.items() if value is not None}

    def in_effect(self) -> dict[str, Any]:
        """Return the settings without those of features, update rules and schedules that are not chosen."""
        idle = RULE_SETTINGS.difference(*(rule.__struct_fields__ for rule in (self._update(), self._schedule())))
        if self.features != "patches":
            idle |= PATCH_SETTINGS - ({"patch_sizes"} if self.first_layer == "patches" else set())
        if self.features != "patches" or not self.map_filters:
            idle |= MAP_SETTINGS
        if self.scaling != "zca" or self.features != "none":
            idle |= {"zca_regularisation"}
        if self.features != "none":
            idle |= {"scaling"}
        idle |= GRADIENT_SETTINGS if self.training == "kernel" else KERNEL_SETTINGS
        return {key: value for key, value in self.given().items() if key not in idle}

    def network(self, n_inputs: int, n_classes: int, seed: int, engine: str) -> FullyConnectedNet:
        """Return the network of this recipe with its initial parameters."""
        return FullyConnectedNet(
            [n_inputs, *self.hidden, n_classes],
            activation=self.activation,
            normalisation=self.normalisation,
            dropout=self.dropout,
            input_dropout=self.input_dropout,
            weight_init=self.weight_init,
            dtype=self.dtype,
            seed=seed,
            engine=engine,
        )

    def patches(self, max_value: float = 255.0) -> list[dict[str, Any]]:
        """Return the arguments of the features of each patch size, which have their share of the filters.

        They are those of `PatchFeatures`, or with `map_filters` those of `StackedPatches`.

        Raises
        ------
        SettingError
            If there is neither one map_patch_size nor one for each patch size, or so of map_layers.
        """
        n = len(self.patch_sizes)
        common: dict[str, Any] = {"threshold": self.threshold, "grid": self.grid, "shift": self.shift, "max_value": max_value}
        of_maps = self.map_filters and self.features == "patches"
        if of_maps:
            common |= {"map_filters": self.map_filters, "map_channels": self.map_channels}
        parts = [{"n_filters": self.n_filters // n, "patch_size": size, **common} for size in self.patch_sizes]
        if of_maps:
            for name in ("map_patch_size", "map_layers"):
                values = getattr(self, name)
                if len(values) not in (1, n):
                    raise SettingError(f"{name} needs one number, or one for each of {n} patch_sizes: {values}.")
                for part, value in zip(parts, values * n if len(values) == 1 else values, strict=True):
                    part[name] = value
        return parts

    def check_images(self, image_shape: tuple[int, ...] | None) -> None:
        """Raise InputError if the settings do not fit images of this shape, or need images and there are none."""
        if image_shape is None:
            for name in ("mirror", "shift", "average_views"):
                if getattr(self, name):
                    raise SettingError(f"{name} is for images, and this data has none.")
            for name in ("features", "first_layer"):
                if getattr(self, name) not in ("none", "random"):
                    raise SettingError(f"{name} = {getattr(self, name)} is for images, and this data has none.")
            return
        if self.shift >= min(image_shape[:2]):
            raise SettingError(f"shift must be less than the side of an image, {min(image_shape[:2])}, got {self.shift}.")
        if self.first_layer == "patches" and max(self.patch_sizes) > min(image_shape[:2]):
            height, width, _ = image_shape
            raise SettingError(f"Patches of {max(self.patch_sizes)} pixels do not fit into images of {height} × {width}.")
        if self.features == "patches":
            for settings in self.patches():
                dictionary_of(settings).set_shape(image_shape)
        if self.features == "histograms":
            HistogramFeatures().set_shape(image_shape)
            if self.mirror or self.shift:
                raise SettingError("mirror and shift are for pixels and patches; histograms are made once for each image.")

    def trainer(self, seed: int, augment: Augmentation | None, callbacks: Iterable[Callback] = ()) -> Trainer:
        """Return the trainer of this recipe.

        Raises
        ------
        SettingError
            If a value is out of range.
        """
        return Trainer(
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            update=self._update(),
            schedule=self._schedule(),
            l2=self.l2,
            label_smoothing=self.label_smoothing,
            batches=self.batches,
            augment=augment,
            seed=seed,
            keep_best=self.keep_best,
            callbacks=[*callbacks, *([EarlyStopping(self.patience)] if self.patience else [])],
        )

    def _update(self) -> Any:
        # Configurations of before have Adam with a weight decay, which is AdamW.
        name = "adamw" if self.update == "adam" and self.weight_decay else self.update
        return get_update(name, **self._set(UPDATE_SETTINGS))

    def _schedule(self) -> Any:
        return get_schedule(self.schedule, **self._set(SCHEDULE_SETTINGS))

    def _set(self, names: set[str]) -> dict[str, float]:
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}


def _typed(key: str, value: Any, default: Any, source: str) -> Any:
    """Return `value` in the type of the default, where it can be that without loss."""
    if isinstance(default, list):
        sizes = value if isinstance(value, list) else [value]
        if all(type(size) is int for size in sizes):
            return sizes
    elif (isinstance(default, float) or key == "weight_init") and type(value) in (int, float):
        return float(value)
    elif type(value) is type(default):
        return value
    words = {list: "a list of whole numbers", bool: "true or false"}
    wanted = words.get(type(default), f"a value like {default!r}")
    raise SettingError(f"{source}: {key} needs {wanted}, got {value!r}.")


def recipe_names() -> list[str]:
    """Return the names of the recipes that ship with fcnet."""
    return sorted(
        file.name.removesuffix(".toml") for file in resources.files("fcnet.recipes").iterdir() if file.name.endswith(".toml")
    )


def recipe_text(name_or_file: str) -> str:
    """Return the TOML text of a recipe: one that ships with fcnet, or a file.

    Raises
    ------
    SettingError
        If there is no such recipe.
    FileFormatError
        If the file cannot be read.
    """
    if name_or_file in recipe_names():
        return (resources.files("fcnet.recipes") / f"{name_or_file}.toml").read_text(encoding="utf-8")
    if not name_or_file.endswith(".toml"):
        raise unknown_name("recipe", name_or_file, recipe_names())
    try:
        return Path(name_or_file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise FileFormatError(f"The recipe {name_or_file} cannot be read: {error}.") from None


def load_recipe(name_or_file: str, changes: Iterable[str] = ()) -> Recipe:
    """Return a recipe with some of its settings changed.

    Parameters
    ----------
    name_or_file : str
        A recipe that ships with fcnet, a TOML file of settings, or the ``config.toml`` of a run.
    changes : iterable of str
        Each ``key=value``, the value as in TOML; quotes around text may be left out.

    Raises
    ------
    SettingError
        If a key or a value does not exist; the nearest known key is named.
    FileFormatError
        If the file cannot be read.
    """
    text = recipe_text(name_or_file)
    try:
        settings = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise FileFormatError(f"The recipe {name_or_file} is not TOML: {error}.") from None
    recipe = Recipe.from_dict(settings.get("settings", settings), name_or_file)
    parsed = dict(_parse(change) for change in changes)
    recipe = Recipe.from_dict(_without_settings_of_others(recipe, parsed) | parsed, "--set")
    if parsed and "description" not in parsed:
        original = recipe.description.split(" Changed:")[0]
        recipe = replace(recipe, description=f"{original} Changed: {', '.join(parsed)}.")
    return recipe


def _without_settings_of_others(recipe: Recipe, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a recipe, of its update rule and schedule only where the changes choose no other one."""
    settings = {key: value for key, value in asdict(recipe).items() if value is not None}
    for kind, own in (("update", UPDATE_SETTINGS), ("schedule", SCHEDULE_SETTINGS)):
        if changes.get(kind, settings[kind]) != settings[kind]:
            settings = {key: value for key, value in settings.items() if key not in own}
    return settings


def _parse(change: str) -> tuple[str, Any]:
    key, equals, value = (part.strip() for part in change.partition("="))
    if not equals:
        raise SettingError(f"--set takes key=value, got {change!r}.")
    if key in OPTIONS:
        raise SettingError(f"{key} is no setting of a recipe, but an option: --{OPTIONS[key]} {value}.")
    try:
        return key, tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key, value
