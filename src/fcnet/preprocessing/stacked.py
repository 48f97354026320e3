"""Patch features of feature maps: a layer of patches on the pooled responses of another, each learnt without labels."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fcnet.engine.products import Matmul
from fcnet.errors import SettingError, to_int
from fcnet.preprocessing.checks import check_arrays, check_images
from fcnet.preprocessing.patches import PatchFeatures, bordered
from fcnet.preprocessing.views import diagonal_moves, image_views
from fcnet.preprocessing.whitening import mirrored_pairs
from fcnet.types import Array

POOLING = 2  # positions of the first layer, down and across, that become one of the maps
MAX_LAYERS = 8  # as each halves the maps, more would never fit
MAP_STD = 18.0  # of the maps: 10, by which the contrast of a patch is regularised, is then 3 % of their variance
N_IMAGES, N_VALUES = 5000, 1 << 26  # of the maps that are learnt from, at most
BLOCK_BYTES = 1 << 26  # of responses of the first layer at once


class StackedPatches:
    """`PatchFeatures` of feature maps, which are the features of small patches in cells of 2 × 2 positions.

    The responses of the first layer to an image, pooled over such cells, are reduced to their leading principal components, the
    channels of the feature maps. The second layer takes the maps for an image: its patches of 3 × 3 see 10 × 10 pixels (Coates
    & Ng 2011; Mairal 2016, with kernels instead of dictionaries). With two layers of maps the first is a `StackedPatches`, too.

    Mirroring an image exchanges channel c of its mirrored maps with channel ``c + C/2``. So the features of a mirrored image
    are those of the image in another order, `mirrored`.

    Parameters
    ----------
    n_filters, patch_size, threshold, grid : int, int, float and int
        Of the second layer; the size in places of the maps.
    map_filters : int
        Filters of the first layer, even.
    map_patch_size : int
        Height and width of its patches, in pixels.
    map_threshold : float
        Of the first layer.
    map_channels : int
        C, even: channels of the maps.
    map_layers : int
        Layers below the patches. Those after the first have ``2 * map_filters`` filters of 3 × 3 places, and `threshold`.
    shift : int
        As of `PatchFeatures`, in pixels: a multiple of 2.
    max_value : float
        The value of white.
    seed : int
    """

    def __init__(
        self,
        n_filters: int = 1600,
        patch_size: int = 3,
        *,
        threshold: float = 0.5,
        grid: int = 2,
        map_filters: int = 200,
        map_patch_size: int = 5,
        map_threshold: float = 0.25,
        map_channels: int = 64,
        map_layers: int = 1,
        shift: int = 0,
        max_value: float = 255.0,
        seed: int = 0,
    ) -> None:
        for name, value in (("map_filters", map_filters), ("map_channels", map_channels)):
            if to_int(name, value, 2) % 2:
                raise SettingError(f"{name} must be even, got {value}: half of them are the mirror images of the others.")
        if map_channels > 2 * map_filters:
            raise SettingError(f"map_channels must be at most twice map_filters, {2 * map_filters}, got {map_channels}.")
        self.map_channels = map_channels
        to_int("map_patch_size", map_patch_size, 1)
        self.map_layers = to_int("map_layers", map_layers, 1, MAX_LAYERS)
        self.shift = to_int("shift", shift, 0)
        if self.shift % POOLING:
            raise SettingError(f"shift must be a multiple of {POOLING} where patches are of maps, got {shift}.")
        of_images: dict[str, Any] = {"grid": 1, "max_value": max_value, "seed": seed}
        self.first: PatchFeatures | StackedPatches
        if self.map_layers == 1:
            self.first = PatchFeatures(map_filters, map_patch_size, threshold=map_threshold, **of_images)
        else:
            of_images |= {"map_filters": map_filters, "map_patch_size": map_patch_size, "map_threshold": map_threshold}
            of_images |= {"map_channels": map_channels, "map_layers": self.map_layers - 1}
            self.first = StackedPatches(2 * map_filters, threshold=threshold, **of_images)
        shift_of_maps = self.shift // POOLING
        self.second = PatchFeatures(n_filters, patch_size, threshold=threshold, grid=grid, shift=shift_of_maps, seed=seed)

    def get_config(self) -> dict[str, Any]:
        pixels = self.of_pixels
        of_second = {name: getattr(self.second, name) for name in ("n_filters", "patch_size", "threshold", "grid", "seed")}
        of_first = {"map_filters": pixels.n_filters, "map_patch_size": pixels.patch_size, "map_threshold": pixels.threshold}
        of_maps = {"map_channels": self.map_channels, "map_layers": self.map_layers}
        return {**of_second, **of_first, **of_maps, "shift": self.shift, "max_value": pixels.max_value}

    @property
    def matmul(self) -> Matmul:
        return self.second.matmul

    @matmul.setter
    def matmul(self, matmul: Matmul) -> None:
        self.first.matmul = self.second.matmul = matmul

    def set_shape(self, image_shape: tuple[int, ...]) -> None:
        """Take images of this shape, or raise SettingError if patches and cells do not fit into them."""
        height, width, _ = self.image_shape = tuple(map(int, image_shape))
        self.first.set_shape(self.image_shape)
        down, across = self.first.positions
        if down % POOLING or across % POOLING:
            raise SettingError(
                f"Maps need cells of {POOLING} × {POOLING} places, and {self.first.description} have {down} × {across} in "
                f"images of {height} × {width}: choose another map_patch_size{' or fewer map_layers' * (self.map_layers > 1)}."
            )
        self.map_shape = (down // POOLING, across // POOLING, self.map_channels)
        try:
            self.second.set_shape(self.map_shape)
        except SettingError:
            second, (rows, columns, _) = self.second, self.map_shape
            raise SettingError(
                f"Patches of {second.patch_size} places, {second.cells[0]} × {second.cells[1]} cells and a shift of "
                f"{self.shift} pixels do not fit into maps of {rows} × {columns} places."
            ) from None

    def first_for(self, border: int) -> "PatchFeatures | StackedPatches":
        """Return the first layer with a cell for each place of the maps, of images with a border of so many pixels."""
        height, width, n_colours = self.image_shape
        grid = tuple(n + 2 * border // POOLING for n in self.map_shape[:2])
        layer = type(self.first)(**(self.first.get_config() | {"grid": grid}))
        layer.matmul = self.matmul
        layer.set_shape((height + 2 * border, width + 2 * border, n_colours))
        layer.set_arrays(self.first.arrays())
        return layer

    def fit(self, X: ArrayLike, image_shape: tuple[int, ...]) -> "StackedPatches":
        """Learn both dictionaries and the channels between them from images, and return self; see `PatchFeatures.fit`."""
        self.set_shape(image_shape)
        X = check_images(X, self.image_shape)
        self.first.fit(X, self.image_shape)
        rng = np.random.default_rng(self.second.seed)
        X = X[rng.permutation(len(X))[: min(N_IMAGES, N_VALUES // math.prod(self.map_shape) + 1)]]
        self.channels, self.offset = self._principal_channels(X)
        exchanged = np.roll(np.arange(self.map_channels), self.map_channels // 2)
        self.second.fit(self._maps(X, 0), self.map_shape, exchanged)
        return self

    def _principal_channels(self, X: Array) -> tuple[Array, Array]:
        """Return the matrix (responses, channels) and the offset (channels,) that make maps of responses.

        One half of the channels are sums of an even and an odd principal component; the other half, their differences, are
        the mirror images.
        """
        mirrored = self.first.mirrored()
        total, n = np.zeros(len(mirrored)), 0
        products = np.zeros((len(mirrored), len(mirrored)))
        for _, rows in self._responses(X, 0):
            total += rows.sum(axis=0, dtype=np.float64)
            products += rows.T @ rows
            n += len(rows)
        mean = (total + total[mirrored]) / (2 * n)
        covariance = (products + products[np.ix_(mirrored, mirrored)]) / (2 * n) - np.outer(mean, mean)
        half = len(mirrored) // 2
        first, second = mirrored_pairs(mirrored)
        same, other = covariance[first[:, None], first], covariance[first[:, None], second]
        leading = [np.linalg.eigh(part)[1][:, half - self.map_channels // 2 :] for part in (same + other, same - other)]
        channels = np.empty((len(mirrored), self.map_channels // 2))
        channels[first], channels[second] = leading[0] + leading[1], leading[0] - leading[1]
        variance = np.einsum("ic,ij,jc->c", channels, covariance, channels).mean()
        channels *= MAP_STD / np.sqrt(variance) if variance > 0 else 1
        both = np.concatenate([channels, channels[mirrored]], axis=1)
        return both.astype(np.float32), (mean @ both).astype(np.float32)

    def _responses(self, X: Array, border: int) -> Iterator[tuple[slice, Array]]:
        """Yield some of the images, and the first layer's pooled responses to them (places of all maps, 2 · map_filters)."""
        first, n_features = self.first_for(border), self.first.n_features
        at_once = max(1, BLOCK_BYTES // (4 * n_features * math.prod(self.map_shape[:2])))
        for start in range(0, len(X), at_once):
            some = slice(start, start + at_once)
            yield some, first.transform(X[some]).reshape(-1, n_features)

    def _maps(self, X: Array, border: int) -> Array:
        """Return the maps of images that have a border of so many pixels, one row each."""
        n_places = math.prod(n + 2 * border // POOLING for n in self.map_shape[:2])
        maps = np.empty((len(X), n_places * self.map_channels), np.float32)
        for some, responses in self._responses(X, border):
            maps[some] = (self.matmul(responses, self.channels) - self.offset).reshape(-1, maps.shape[1])
        return maps

    @property
    def of_pixels(self) -> PatchFeatures:
        return self.first.of_pixels

    @property
    def cells(self) -> tuple[int, int]:
        return self.second.cells

    @property
    def positions(self) -> tuple[int, int]:
        return self.second.positions

    @property
    def description(self) -> str:
        return f"{self.first.description}, and {self.second.n_filters:,} on maps of them"

    @property
    def n_features(self) -> int:
        return self.second.n_features

    @property
    def n_views(self) -> int:
        return self.second.n_views

    def mirrored(self) -> Array:
        return self.second.mirrored()

    def transform(self, X: ArrayLike) -> Array:
        return self.second.transform(self._maps(check_images(X, self.image_shape), 0))

    def views(self, X: ArrayLike) -> Array:
        if self.map_layers > 1:  # whose cells are so large that translations do not share them
            moved = check_images(X, self.image_shape)[:, image_views(self.image_shape, False, diagonal_moves(self.shift))]
            return self.transform(moved.reshape(-1, moved.shape[2])).reshape(len(moved), -1, self.n_features)
        maps = self._maps(bordered(X, self.image_shape, self.shift), self.shift)
        return self.second.extract(maps, self.second.shift)

    def arrays(self) -> dict[str, Array]:
        of_first = {f"map_{name}": array for name, array in self.first.arrays().items()}
        return {"filters": self.second.filters, **of_first, "channels": self.channels, "offset": self.offset}

    def array_shapes(self) -> dict[str, tuple[int, ...]]:
        of_first = {f"map_{name}": shape for name, shape in self.first.array_shapes().items()}
        n = self.map_channels
        return {**self.second.array_shapes(), **of_first, "channels": (self.first.n_features, n), "offset": (n,)}

    def set_arrays(self, arrays: Mapping[str, Array]) -> None:
        check_arrays("maps", arrays, self.array_shapes())
        self.first.set_arrays({name: arrays[f"map_{name}"] for name in self.first.array_shapes()})
        self.second.set_arrays({"filters": arrays["filters"]})
        self.channels, self.offset = arrays["channels"], arrays["offset"]
