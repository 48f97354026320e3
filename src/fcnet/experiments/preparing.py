"""From raw data to what a network trains on, by a recipe."""

from typing import Any

import numpy as np

from fcnet.data import Dataset
from fcnet.engine.products import Matmul, matmul
from fcnet.experiments.recipe import Recipe
from fcnet.nn.network import FullyConnectedNet
from fcnet.preprocessing import Histograms, Patches, Pixels, Preprocessor, TrainingRows
from fcnet.preprocessing.local_weights import local_weights
from fcnet.preprocessing.scaling import Mean, NoScaling, Standard
from fcnet.preprocessing.zca import Whitened
from fcnet.types import Array


def preprocessing_of(recipe: Recipe) -> Pixels | Histograms | Patches:
    """Return the settings of the preprocessing of a recipe."""
    if recipe.features == "histograms":
        return Histograms()
    if recipe.features == "patches":
        names = ("n_filters", "threshold", "grid", "map_filters", "map_channels", "n_components")
        given: dict[str, Any] = {name: getattr(recipe, name) for name in names}
        given |= {name: tuple(getattr(recipe, name)) for name in ("patch_sizes", "map_patch_size", "map_layers")}
        return Patches(**given, regularisation=recipe.pca_regularisation)
    if recipe.scaling == "zca":
        return Pixels(Whitened(recipe.zca_regularisation))
    kinds: dict[str, NoScaling | Mean | Standard] = {"none": NoScaling(), "mean": Mean(), "standard": Standard()}
    return Pixels(kinds[recipe.scaling])


def prepare(recipe: Recipe, data: Dataset, seed: int, matmul: Matmul = matmul) -> tuple[Preprocessor, Array, float]:
    """Fit what the inputs go through on the training part; return it, what the network trains on, and the seconds it took."""
    rows = TrainingRows(
        data.X_train,
        data.image_shape,
        data.max_value,
        data.dialect,
        recipe.mirror,
        recipe.shift,
        recipe.training == "kernel",
        recipe.dtype,
        seed,
        matmul,
    )
    prepared = preprocessing_of(recipe).fit(rows)
    return prepared.preprocessor, prepared.rows, prepared.seconds


def balanced_weights(y: Array) -> Array:
    """Return weights of rows by which all classes count the same: ``n / (n_classes · n_of_the_class)``, as in scikit-learn."""
    counts = np.bincount(y)
    weights: Array = len(y) / (np.count_nonzero(counts) * counts[y])
    return weights


def begin_with_patches(
    network: FullyConnectedNet, X: Array, image_shape: tuple[int, ...], patch_sizes: list[int], seed: int
) -> None:
    """Have each hidden unit of the first layer begin with a patch of images `X`; each size has its share of the units."""
    rng, W = np.random.default_rng(seed), network.params[network.affine[0].W]
    for size, columns in zip(patch_sizes, np.array_split(np.arange(W.shape[1]), len(patch_sizes)), strict=True):
        W[:, columns] = local_weights(X, image_shape, len(columns), size, rng)
