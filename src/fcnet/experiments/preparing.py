"""From raw data to what a network trains on, by a recipe."""

import time

import numpy as np

from fcnet.data import Dataset
from fcnet.engine.products import Matmul, matmul
from fcnet.experiments.recipe import Recipe
from fcnet.experiments.representations import LearntRepresentation
from fcnet.nn.network import FullyConnectedNet
from fcnet.preprocessing import ZCA, HistogramFeatures, Preparation, Scaling, TableFeatures
from fcnet.preprocessing.local_weights import local_weights
from fcnet.types import Array, Say


def prepare(recipe: Recipe, data: Dataset, seed: int, say: Say, matmul: Matmul = matmul) -> tuple[Preparation, Array, float]:
    """Fit what the inputs go through on the training part; return it, what the network trains on, and the seconds it took.

    With moved copies of features there are several rows of an image, view by view. Features that are in the cache count with
    the seconds that it took to learn them; `matmul` computes their products.
    """
    began = time.monotonic()
    if recipe.features == "patches" and data.image_shape is not None:
        patches = recipe.patches(data.max_value)
        whitening = (recipe.n_components, recipe.pca_regularisation)
        learnt = LearntRepresentation(
            *(data.X_train, data.image_shape, patches, *whitening, seed, say),
            matmul=matmul,
            unit_mean=recipe.training == "kernel",
        )
        representation, components = learnt.learn()
        return representation, components.astype(recipe.dtype, copy=False), learnt.seconds
    if recipe.features == "histograms" and data.image_shape is not None:
        say("Histograms of gradients and hues")
        histograms = HistogramFeatures(max_value=data.max_value)
        rows = histograms.fit_transform(data.X_train, data.image_shape, recipe.dtype)
        return histograms, rows, time.monotonic() - began
    if hasattr(data.X_train, "columns"):
        table = TableFeatures.fit(data.X_train, data.dialect)
        return table, table.transform(data.X_train, recipe.dtype), time.monotonic() - began
    mirrored_shape = data.image_shape if recipe.mirror else None
    preparation: Preparation
    if recipe.scaling == "zca":
        preparation = ZCA.fit(data.X_train, recipe.zca_regularisation, mirrored_shape)
    else:
        preparation = Scaling.fit(data.X_train, recipe.scaling, mirrored_shape)
    rows = preparation.transform(data.X_train, recipe.dtype)
    return preparation, rows, time.monotonic() - began


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
