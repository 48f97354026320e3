"""Time of patch features against that of their matrix products alone, in turn.

    python benchmarks/patches.py

The floor of patches of pixels: 108 × filters multiplications for each of an image's 729 patches, as one large product on all
threads of the BLAS. That of patches of maps: the products of both layers and of the channels between them. The last column, of
features with products in bfloat16, is of a machine that has them and PyTorch. Then the inputs of the recipe
`features-large`, means of the components of views: the features of views projected one by one, and their mean projected once.
"""

import time
from collections.abc import Callable

import fcnet  # noqa: F401  # before NumPy, whose threads it tells not to spin

# isort: split
import numpy as np

from fcnet.engine.products import bfloat16_matmul, check_bfloat16
from fcnet.errors import SettingError
from fcnet.experiments.recipe import load_recipe
from fcnet.preprocessing import PatchFeatures, StackedPatches, patches
from fcnet.preprocessing.representation import PatchRepresentation, dictionary_of
from fcnet.preprocessing.whitening import MirrorWhitening, side_by_side

N_IMAGES, ROUNDS = 200, 7
AT_ONCE = 8  # images in one product of the floor


def seconds(function: Callable[[], object]) -> float:
    """Return how long a call takes."""
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


def products(features: PatchFeatures | StackedPatches) -> list[tuple[int, int, int]]:
    """Return rows of an image, inner dimension and columns of each product that the features need."""
    first = features.of_pixels
    positions = (33 - first.patch_size) ** 2
    shapes = [(positions, *first.filters.shape)]
    if isinstance(features, StackedPatches):
        cells, channels = features.map_shape[0], features.channels.shape
        of_maps = ((cells - features.second.patch_size + 1) ** 2, *features.second.filters.shape)
        shapes += [(cells**2, *channels), of_maps]
    return shapes


def floor(shapes: list[tuple[int, int, int]], rng: np.random.Generator) -> Callable[[], None]:
    """Return the products alone, of all images."""
    operands = [
        (
            rng.standard_normal((AT_ONCE * n, inner), np.float32),
            rng.standard_normal((inner, columns), np.float32),
            np.empty((AT_ONCE * n, columns), np.float32),
        )
        for n, inner, columns in shapes
    ]

    def multiply() -> None:
        for _ in range(N_IMAGES // AT_ONCE):
            for left, right, out in operands:
                np.matmul(left, right, out=out)

    return multiply


def in_bfloat16(features: PatchFeatures | StackedPatches, images: np.ndarray) -> None:
    """Make the features with products in bfloat16."""
    features.matmul = bfloat16_matmul
    features.transform(images)
    features.matmul = np.matmul


def representation_of(name: str, rng: np.random.Generator) -> PatchRepresentation:
    """Return a representation of the size that a recipe learns, of random numbers."""

    def random(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape, np.float32)

    recipe = load_recipe(name)
    settings = recipe.preprocessing
    parts = [dictionary_of(part) for part in settings.dictionaries(recipe.augmentation.shift)]
    for part in parts:
        part.set_shape((32, 32, 3))
        part.set_arrays({name: random(*shape) for name, shape in part.array_shapes().items()})
    mirrored = side_by_side([part.mirrored() for part in parts])
    halves = [random(len(mirrored) // 2, settings.n_components // 2) for _ in range(2)]
    return PatchRepresentation(parts, MirrorWhitening(mirrored, *halves, random(settings.n_components // 2)))


def means_of_views(images: np.ndarray, rng: np.random.Generator) -> None:
    """Print what it saves to project the mean of the views instead of each view."""
    representation = representation_of("features-large", rng)
    representation.means(images[:8])
    pairs = [
        (seconds(lambda: representation.views(images).mean(axis=1)), seconds(lambda: representation.means(images)))
        for _ in range(ROUNDS)
    ]
    each, once = np.transpose(pairs)
    least, median, most = np.percentile(each / once, (0, 50, 100))
    print(
        f"\nfeatures-large: {1000 * np.median(each) / N_IMAGES:.1f} ms an image with each view projected, "
        f"{1000 * np.median(once) / N_IMAGES:.1f} with their mean, {median:.2f} ({least:.2f}–{most:.2f}) times as fast"
    )


def main() -> None:
    """Print the median and the range of each ratio."""
    try:
        check_bfloat16()
        also = {"in bfloat16": in_bfloat16}
    except SettingError:
        also = {}
    rng = np.random.default_rng(0)
    images = rng.integers(256, size=(N_IMAGES, 3072)).astype(np.uint8)
    patches.N_PATCHES = 20_000
    kinds = [PatchFeatures(n, 6, shift=2, dictionary="patches") for n in (1600, 3200, 6400)]
    columns = ["patches of", "filters", "floor, ms an image", "features, times the floor", "with four moved copies", *also]
    print(f"| {' | '.join(columns)} |\n{'| --- ' * len(columns)}|")
    for unfitted in (*kinds, *(StackedPatches(n, shift=2) for n in (1600, 3200, 6400))):
        features = unfitted.fit(images, (32, 32, 3))
        work = {
            "floor": floor(products(features), rng),
            "features": lambda f=features: f.transform(images),
            "views": lambda f=features: f.views(images),
            **{name: lambda f=features, make=make: make(f, images) for name, make in also.items()},
        }
        times = np.array([[seconds(function) for function in work.values()] for _ in range(ROUNDS + 1)])[1:]
        ratios = [np.percentile(times[:, i] / times[:, 0], (50, 0, 100)) for i in range(1, len(work))]
        cells = [f"{median:.2f} ({least:.2f}–{most:.2f})" for median, least, most in ratios]
        what = ("maps", features.second) if isinstance(features, StackedPatches) else ("pixels", features)
        milliseconds = 1000 * np.median(times[:, 0]) / N_IMAGES
        print(f"| {what[0]} | {what[1].n_filters:,} | {milliseconds:.2f} | {' | '.join(cells)} |", flush=True)
    means_of_views(images, rng)


if __name__ == "__main__":
    main()
