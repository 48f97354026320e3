"""The network of a recipe."""

import logging
from abc import abstractmethod
from collections.abc import Sequence
from typing import Annotated, ClassVar

import numpy as np
from msgspec import Meta

from fcnet.engine import get_engine
from fcnet.errors import SettingError
from fcnet.nn.checks import DTYPES
from fcnet.nn.layers import ACTIVATIONS, NORMALISATIONS, WEIGHT_INITS
from fcnet.nn.network import FullyConnectedNet
from fcnet.preprocessing.local_weights import local_weights
from fcnet.settings import Count, NotNegative, Settings, ShareBelowOne, choices
from fcnet.types import Array

_log = logging.getLogger(__name__)


class FirstLayer(Settings, tag_field="kind"):
    """How the weights of the first hidden layer begin."""

    def check(self, hidden_sizes: tuple[int, ...], *, of_pixels: bool) -> None:
        """Raise SettingError unless it goes with such hidden layers, and with inputs that are, or are not, pixels."""

    def check_images(self, image_shape: tuple[int, ...] | None) -> None:
        """Raise SettingError if it does not fit images of this shape, or needs images and there are none."""

    @abstractmethod
    def begin(self, network: FullyConnectedNet, X: Array, image_shape: tuple[int, ...] | None, seed: int) -> None:
        """Change the initial weights of a network that is to be trained on rows X."""


class Drawn(FirstLayer, tag="random"):
    """At random, as `weight_init` says."""

    def begin(self, network: FullyConnectedNet, X: Array, image_shape: tuple[int, ...] | None, seed: int) -> None:
        """Leave them as they are drawn."""


class LocalPatches(FirstLayer, tag="patches"):
    """Each unit looks at one random place of the images, for a patch that is learnt without labels."""

    patch_sizes: Annotated[
        tuple[Count, ...],
        Meta(min_length=1, description="Height and width of the patches in pixels; each size has its share of the units."),
    ] = (6,)

    def check(self, hidden_sizes: tuple[int, ...], *, of_pixels: bool) -> None:
        """Raise SettingError unless the inputs are pixels, and there is a hidden unit for each size of patches."""
        if not of_pixels or [*hidden_sizes, 0][0] < len(self.patch_sizes):
            raise SettingError(
                "first_layer = patches needs preprocessing = pixels, and hidden units, at least one for each patch size."
            )

    def check_images(self, image_shape: tuple[int, ...] | None) -> None:
        """Raise SettingError if there are no images, or the patches do not fit into them."""
        if image_shape is None:
            raise SettingError("first_layer = patches is for images, and this data has none. The recipe for tables is tabular.")
        height, width, _ = image_shape
        if max(self.patch_sizes) > min(height, width):
            raise SettingError(f"Patches of {max(self.patch_sizes)} pixels do not fit into images of {height} × {width}.")

    def begin(self, network: FullyConnectedNet, X: Array, image_shape: tuple[int, ...] | None, seed: int) -> None:
        """Have each unit begin with a patch of the images X."""
        assert image_shape is not None  # by check_images
        _log.info("Learning patches for the first layer to begin with")
        rng, W = np.random.default_rng(seed), network.params[network.affine[0].W]
        for size, columns in zip(self.patch_sizes, np.array_split(np.arange(W.shape[1]), len(self.patch_sizes)), strict=True):
            W[:, columns] = local_weights(X, image_shape, len(columns), size, rng)


class Network(Settings, tag_field="kind", tag="plain"):
    """The hidden layers of a network, and how it begins."""

    may_be_unsaid: ClassVar[bool] = True  # the kind, as in recipes of before
    takes_codes: ClassVar[bool] = False  # the categories of a table by their numbers

    hidden_sizes: Annotated[
        tuple[Count, ...], Meta(description="Units of each hidden layer; [] for none, a number for one layer.")
    ] = (100,)
    activation: Annotated[str, choices(ACTIVATIONS, "What follows each hidden layer.")] = "relu"
    normalisation: Annotated[
        str, choices(NORMALISATIONS, "layer normalises a hidden layer over its units, before the activation.")
    ] = "none"
    dropout: Annotated[ShareBelowOne, Meta(description="Probability that a hidden unit is dropped in training.")] = 0.0
    input_dropout: Annotated[ShareBelowOne, Meta(description="Probability that an input is dropped in training.")] = 0.0
    weight_init: Annotated[
        Annotated[str, choices(WEIGHT_INITS)] | NotNegative,
        Meta(description="Standard deviation of the weights: he is sqrt(2 / d_in), glorot is sqrt(2 / (d_in + d_out))."),
    ] = "he"
    first_layer: Annotated[
        Drawn | LocalPatches,
        Meta(
            description="How the weights of the first hidden layer begin: as weight_init says, or each unit with a patch, "
            "learnt without labels, at a random place of the images. All weights are trained from there."
        ),
    ] = Drawn()
    dtype: Annotated[str, choices(DTYPES, "Type of the parameters and of what is computed.")] = "float32"

    def check(self, engine: str, *, of_pixels: bool) -> None:
        """Raise SettingError if settings do not go together, or with the engine or the inputs."""
        get_engine(engine, self.dtype)
        self.first_layer.check(self.hidden_sizes, of_pixels=of_pixels)

    def check_images(self, image_shape: tuple[int, ...] | None) -> None:
        """Raise SettingError if the first layer does not fit images of this shape, or needs images and there are none."""
        self.first_layer.check_images(image_shape)

    def make(
        self,
        X: Array,
        category_sizes: Sequence[int],
        n_outputs: int,
        *,
        loss: str = "cross_entropy",
        seed: int = 0,
        engine: str | None = None,
        image_shape: tuple[int, ...] | None = None,
    ) -> FullyConnectedNet:
        """Return the network for preprocessed rows X, none of whose columns are numbers of categories, as it begins."""
        network = self.build(X.shape[1], n_outputs, seed, engine, loss)
        self.first_layer.begin(network, X, image_shape, seed)
        return network

    def build(
        self, n_inputs: int, n_classes: int, seed: int, engine: str | None, loss: str = "cross_entropy"
    ) -> FullyConnectedNet:
        """Return the network with its initial parameters."""
        return FullyConnectedNet(
            [n_inputs, *self.hidden_sizes, n_classes],
            loss=loss,
            activation=self.activation,
            normalisation=self.normalisation,
            dropout=self.dropout,
            input_dropout=self.input_dropout,
            weight_init=self.weight_init,
            dtype=self.dtype,
            seed=seed,
            engine=engine,
        )
