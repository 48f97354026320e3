"""Recipes: every setting of a training, in a small TOML file."""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Meta

from fcnet.data import Dataset
from fcnet.errors import FileFormatError, SettingError, unknown_name
from fcnet.experiments import tree
from fcnet.experiments.changes import Change, changed, read_change
from fcnet.experiments.folder import CONFIG, sweep_words
from fcnet.experiments.gradient import FOR_CLASSES, FOR_NUMBERS, GradientDescent
from fcnet.experiments.job import scale_of
from fcnet.experiments.kernel import KernelRegression
from fcnet.experiments.network import Network
from fcnet.experiments.other_names import OPTIONS, option_error
from fcnet.experiments.upgrade import is_flat, upgraded
from fcnet.preprocessing import Pixels, Preprocessing
from fcnet.settings import Settings
from fcnet.training.tabular import TabularSettings
from fcnet.types import is_frame

SWEEP = "sweep"  # the table of a recipe file that says what `fcnet sweep` tries
GRADIENT: Mapping[tree.Path, str] = {("training",): "gradient"}


class Augmentation(Settings):
    """Changes of images that leave their class as it is."""

    mirror: Annotated[
        bool,
        Meta(
            description="Mirror each image of a batch left to right with probability ½. What is fitted before is fitted on the "
            "images and their flips together."
        ),
    ] = False
    shift: Annotated[
        int,
        Meta(
            ge=0,
            description="With pixels: translate each image of a batch by up to so many pixels down and across, at random. "
            "With patches: train on every image and on four translations by so many pixels along the diagonals.",
        ),
    ] = 0
    average_views: Annotated[
        bool,
        Meta(
            description="Average the logits of a prediction over the image, its flip (with mirror) and translations "
            "(with shift; of pixels those by up to one pixel). Epochs are judged by the plain image. Kernel regression always "
            "does."
        ),
    ] = False


class Recipe(Settings):
    """The settings of a training, as a tree of what it makes."""

    description: Annotated[str, Meta(description="A sentence for the list of recipes and the report.")] = ""
    preprocessing: Annotated[
        Preprocessing,
        Meta(description="What turns raw rows into the inputs of the network, fitted on the training part alone."),
    ] = Pixels()
    augmentation: Annotated[Augmentation, Meta(description="Changes of images.")] = Augmentation()
    network: Annotated[
        Network | TabularSettings | None,
        Meta(
            description="With gradient descent: plain has hidden layers alone; tabular, for tables, embeds numbers and "
            "categories before them, and may be several networks in one."
        ),
    ] = None
    training: Annotated[
        GradientDescent | KernelRegression,
        Meta(
            description="gradient descends the gradient of the loss; kernel makes a network with a hidden unit for every "
            "training row, and solves for its output weights: for patches."
        ),
    ] = GradientDescent()

    only_with: ClassVar[Mapping[str, Mapping[tree.Path, str]]] = {"network": GRADIENT}

    def __post_init__(self) -> None:
        super().__post_init__()
        changes: dict[str, Any] = {}
        if self.training.needs_network and self.network is None:
            changes["network"] = Network()
        if not self.training.needs_network and self.network is not None:
            raise SettingError("Kernel regression makes a network of its own: leave [network] out.")
        if self.training.always_averages:
            views = self.augmentation
            changes["augmentation"] = msgspec.structs.replace(views, average_views=views.mirror or views.shift > 0)
        for name, part in changes.items():
            msgspec.structs.force_setattr(self, name, part)

    @property
    def dtype(self) -> str:
        """Type of what the network computes."""
        return self.network.dtype if self.network else "float32"

    @property
    def takes_codes(self) -> bool:
        """Whether the network takes the categories of a table by their numbers."""
        return self.network is not None and self.network.takes_codes

    def of_one_network(self) -> "Recipe":
        """Return the recipe of a run of one network."""
        return msgspec.structs.replace(self, training=self.training.of_one_network())

    def check(self, engine: str) -> None:
        """Raise SettingError if parts do not go together, or with the engine."""
        if self.network is not None:
            self.network.check(engine, of_pixels=self.preprocessing.keeps_pixels)
        self.training.check(self)

    def check_data(self, data: Dataset) -> None:
        """Raise InputError if the settings do not fit the data, before anything costs time."""
        views = self.augmentation
        self.preprocessing.check(data.image_shape, views.mirror, views.shift, is_table=is_frame(data.X_train))
        if self.network is not None:
            self.network.check_images(data.image_shape)
        if scale := scale_of(data, self.training.loss_of(data)):
            words = (f"The target {data.target!r}", "add --set dtype=float64")
            scale.check(self.dtype, *words)
            scale.check_digits(self.dtype, *words)
        self.training.check_data(data)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], source: str) -> "Recipe":
        """Make a recipe from what a recipe file or a ``config.toml`` has; `source` is named in errors.

        Raises
        ------
        SettingError
            If a setting is unknown, or a value cannot be used.
        """
        settings = values.get("settings", values)
        try:
            for name in OPTIONS.keys() & settings.keys():
                raise option_error(name, settings[name])
            if is_flat(settings, cls):
                settings = upgraded(settings, cls)
            return tree.decode(cls, settings)
        except SettingError as error:
            raise SettingError(f"{source}: {error}") from None

    def to_dict(self) -> dict[str, Any]:
        """Return what `from_dict` makes an equal recipe of."""
        return tree.encode(self)

    def grouped(self, *, of_numbers: bool = False) -> dict[str, dict[str, Any]]:
        """Return the values of each part by their paths in it, without what does nothing: for classes, or for numbers."""
        idle = {"description"} | ({"augmentation"} if self.augmentation == Augmentation() else set())
        parts = {name: tree.leaves(part) for name, part in self.to_dict().items() if name not in idle}
        without = FOR_CLASSES if of_numbers else FOR_NUMBERS
        return {
            name: {path or "kind": value for path, value in part.items() if path not in without} for name, part in parts.items()
        }


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
    folder = Path(name_or_file)
    path = folder / CONFIG if folder.is_dir() else folder  # of a run
    if not path.exists():
        if folder.is_dir() and (words := sweep_words(folder)):
            raise SettingError(f"{words} The recipe of the winner is winner.toml in the folder of the study.")
        raise SettingError(f"{unknown_name('recipe', name_or_file, recipe_names())} Nor is there a file of that name.")
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise FileFormatError(f"The recipe {name_or_file} cannot be read: {error}.") from None


def load_recipe(name_or_file: str, changes: Iterable[str] = ()) -> Recipe:
    """Return a recipe with some of its settings changed.

    Parameters
    ----------
    name_or_file : str
        A recipe that ships with fcnet, a TOML file of settings, a run folder or its ``config.toml``.
    changes : iterable of str
        Each ``key=value``, the value as in TOML; quotes around text may be left out. A key is the path of a setting, as
        ``training.update.momentum``, or the end of one that no other part has. The name of a kind, as in ``update=adam``, makes
        a part one of that kind as it is by default; kinds are chosen before settings are changed.

    Raises
    ------
    SettingError
        If a key or a value does not exist; the nearest known key is named.
    FileFormatError
        If the file cannot be read.
    """
    text = recipe_text(name_or_file)
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise FileFormatError(f"The recipe {name_or_file} is not TOML: {error}.") from None
    values.pop(SWEEP, None)
    recipe = Recipe.from_dict(values, name_or_file)
    parsed = [read_change(change) for change in changes]
    return with_changes(recipe, parsed, "--set") if parsed else recipe


def with_changes(recipe: Recipe, changes: Sequence[Change], source: str) -> Recipe:
    """Return a recipe with settings changed, whose description says so; `source` is named in errors.

    Raises
    ------
    SettingError
        If a key or a value does not exist, or belongs to a kind that the recipe does not have.
    """
    try:
        settings = changed(Recipe, recipe.to_dict(), changes)
    except SettingError as error:
        raise SettingError(f"{source}: {error}") from None
    if "description" not in (names := [key for key, _ in changes]):
        before, _, known = recipe.description.partition("Changed:")
        names = list(dict.fromkeys([*filter(None, known.strip(" .").split(", ")), *names]))
        settings["description"] = f"{before.rstrip()} Changed: {', '.join(names)}.".lstrip()
    return Recipe.from_dict(settings, source)
