"""Features of images by a dictionary of patches: fitted without labels, and closed under mirroring."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fcnet.engine.products import Matmul, matmul, one_thread
from fcnet.errors import SettingError, to_float, to_int, unknown_name
from fcnet.preprocessing.checks import check_arrays, check_images, check_max_value
from fcnet.preprocessing.kmeans import spherical_kmeans, unit_rows, with_mirrored
from fcnet.preprocessing.patch_passes import normalise, passes
from fcnet.preprocessing.views import diagonal_moves, random_places
from fcnet.threads import default_threads, one_blas_thread, share
from fcnet.types import Array

CONTRAST_EPSILON = 10.0  # for pixels from 0 to 255, as in Coates, Ng & Lee 2011
WHITENING_EPSILON = 0.1
N_PATCHES = 400_000
PATCHES_AT_ONCE = 20_000
N_VALUES = 1 << 27  # in all patches that are learnt from
TILE = 256  # filters at once
RESPONSES = 1 << 18  # to them at once, of as many images as fit: they stay in the second-level cache
DICTIONARIES = ("kmeans", "patches")


@dataclass(eq=False)
class PatchFeatures:
    """Soft-thresholded responses of whitened patches to a dictionary, pooled over the cells of a grid.

    The mean of every patch p of an image is taken and its contrast divided out, ``(p - mean) / sqrt(var + 10)``. It is whitened
    by ``ZCA = (C + 0.1 I)^(-1/2)`` and multiplied by K filters of length one: z. The features of a cell are the square roots of
    the means of ``max(z - threshold, 0)`` and ``max(-z - threshold, 0)`` over its positions (Coates, Ng & Lee 2011; Coates & Ng
    2011). The root keeps a patch that is repeated from outweighing the others (Perronnin et al. 2010).

    Filter ``K/2 + k`` is the mirror image of filter k. So the features of a mirrored image are those of the image in another
    order, `mirrored`. What is beside the products is compiled where numba is installed, whatever the engine of the network.

    Parameters
    ----------
    n_filters : int
        K, even.
    patch_size : int
        Height and width of a patch, in pixels.
    threshold : float
    grid : int, or pair of ints
        Cells down and across; where the positions cannot be divided evenly, neighbouring cells share a row of them.
    dictionary : {"kmeans", "patches"}
        Filters by spherical k-means, mirrored ones included (Coates & Ng 2012), or random whitened patches.
    n_iterations : int
        Of k-means.
    shift : int
        With it `views` gives the features of the image and of its translations by so many pixels along both diagonals.
    max_value : float
        The value of white, by which the contrast is scaled.
    seed : int

    Attributes
    ----------
    filters : float32 array (patch_size² · channels, n_filters)
        The dictionary, whitening included: to be multiplied by normalised patches.
    image_shape : tuple of ints
    """

    n_filters: int = 1600
    patch_size: int = 6
    _: KW_ONLY
    threshold: float = 0.25
    grid: int | Sequence[int] = 2
    dictionary: str = "kmeans"
    n_iterations: int = 10
    shift: int = 0
    max_value: float = 255.0
    seed: int = 0

    def __post_init__(self) -> None:
        self.n_filters = 2 * to_int("half of n_filters", self.n_filters // 2, 1)
        for name, low in (("patch_size", 1), ("n_iterations", 1), ("shift", 0)):
            setattr(self, name, to_int(name, getattr(self, name), low))
        self.threshold = to_float("threshold", self.threshold, 0)
        down, across = self.grid if isinstance(self.grid, Sequence) else (self.grid, self.grid)
        self.cells = (to_int("grid", down, 1), to_int("grid", across, 1))
        if self.dictionary not in DICTIONARIES:
            raise unknown_name("dictionary", self.dictionary, DICTIONARIES)
        self.max_value = check_max_value(self.max_value)
        self.matmul: Matmul = matmul

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal, unfitted object."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def fit(self, X: ArrayLike, image_shape: tuple[int, ...], mirrored_channels: Array | None = None) -> "PatchFeatures":
        """Learn whitening and dictionary from random patches of images, and return self.

        Parameters
        ----------
        X : array (n, height · width · channels)
            Pixels from 0 to `max_value`.
        image_shape : tuple of ints
        mirrored_channels : integer array (channels,), optional
            The order of the channels of a mirrored image, where mirroring exchanges some.

        Raises
        ------
        InputError
            If the shape does not fit, or patches or cells do not fit into the images.
        """
        self.set_shape(image_shape)
        rng = np.random.default_rng(self.seed)
        patches = self._random_patches(check_images(X, self.image_shape), rng)
        flip = self._flip(mirrored_channels)
        covariance = patches.T @ patches / len(patches)
        covariance = (covariance + covariance[flip[:, None], flip]) / 2
        eigenvalues, vectors = np.linalg.eigh(covariance.astype(np.float64))
        scales = 1 / np.sqrt(np.maximum(eigenvalues, 0) + WHITENING_EPSILON)
        whitening = (vectors * scales @ vectors.T).astype(np.float32)
        patches = unit_rows(patches @ whitening)
        n_iterations = self.n_iterations if self.dictionary == "kmeans" else 0
        half = spherical_kmeans(patches, self.n_filters // 2, n_iterations, rng, flip, self.matmul)
        self.set_arrays({"filters": whitening @ with_mirrored(half, flip).T})
        return self

    def arrays(self) -> dict[str, Array]:
        """Return what was learnt."""
        return {"filters": self.filters}

    def array_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shapes that `arrays` have to have; `set_shape` comes first."""
        return {"filters": (self.patch_size**2 * self.image_shape[2], self.n_filters)}

    def set_arrays(self, arrays: Mapping[str, Array]) -> None:
        """Take what `arrays` returned, or raise InputError if shapes do not fit; `set_shape` comes first."""
        check_arrays("dictionary", arrays, self.array_shapes())
        self.filters = arrays["filters"]
        self._tiles = [np.ascontiguousarray(self.filters[:, k : k + TILE]) for k in range(0, self.n_filters, TILE)]

    def set_shape(self, image_shape: tuple[int, ...]) -> None:
        """Take images of this shape, or raise SettingError if patches and cells do not fit into them."""
        height, width, _ = self.image_shape = tuple(map(int, image_shape))
        self.positions = (height - self.patch_size + 1, width - self.patch_size + 1)
        if any(n < cells for n, cells in zip(self.positions, self.cells, strict=True)) or self.shift >= min(height, width):
            raise SettingError(
                f"Patches of {self.patch_size} pixels, {self.cells[0]} × {self.cells[1]} cells and a shift of {self.shift} "
                f"do not fit into images of {height} × {width}."
            )

    @property
    def of_pixels(self) -> "PatchFeatures":
        """The features whose filters are patches of pixels."""
        return self

    @property
    def description(self) -> str:
        """What is learnt, in words."""
        return f"{self.n_filters:,} filters of {self.patch_size} × {self.patch_size} pixels"

    @property
    def n_features(self) -> int:
        """Features of an image: two of every filter in every cell."""
        return 2 * self.n_filters * math.prod(self.cells)

    @property
    def n_views(self) -> int:
        """Views of an image that `views` gives: 1, or 5 with a shift."""
        return len(diagonal_moves(self.shift))

    def mirrored(self) -> Array:
        """Return the order (n_features,) in which the features of an image are those of its mirror image."""
        order = np.arange(self.n_features).reshape(*self.cells, 2, 2, -1)
        mirrored: Array = order[:, ::-1, :, ::-1].reshape(-1)
        return mirrored

    def transform(self, X: ArrayLike) -> Array:
        """Return the features, float32 (n, n_features), of images (n, height · width · channels)."""
        return self.extract(X, 0)[:, 0]

    def views(self, X: ArrayLike) -> Array:
        """Return the features, float32 (n, n_views, n_features), of images and their translations; the image is view 0."""
        return self.extract(bordered(X, self.image_shape, self.shift), self.shift)

    def extract(self, X: ArrayLike, shift: int) -> Array:
        """Return the features of images with a border of `shift` pixels, and of their translations by so many."""
        height, width, channels = self.image_shape
        shape = (height + 2 * shift, width + 2 * shift, channels)
        images = check_images(X, shape).reshape(-1, *shape)
        out = np.empty((len(images), len(diagonal_moves(shift)), self.n_features), np.float32)
        both_passes = passes()

        def extract(rows: Array) -> None:
            with one_thread(self.matmul):
                self._extract_rows(images, rows, shift, out, *both_passes)

        # Each thread has images of its own and products of one thread: the pass behind a product finds it in its cache.
        with one_blas_thread():
            share(extract, np.array_split(np.arange(len(images)), min(2 * default_threads(), len(images)) or 1))
        return out

    def _extract_rows(self, images: Array, rows: Array, shift: int, out: Array, normalise: Any, pool: Any) -> None:
        (row_blocks, down), (column_blocks, across) = self._blocks(shift)
        # Means over the cells of every view from the sums over blocks of positions that no border of a cell runs through.
        combine = np.einsum("vib,vjc->vijbc", down, across).reshape(len(down) * math.prod(self.cells), -1)
        # Of one view and cells that share no position, each mean is that of one block.
        own = combine.diagonal()[:, np.newaxis] if np.array_equal(combine, np.diag(combine.diagonal())) else None
        n_down, n_across = len(row_blocks), len(column_blocks)
        at_once = max(1, min(RESPONSES // (n_down * n_across * TILE), len(rows)))
        patches = np.empty((at_once, n_down * n_across, len(self.filters)), np.float32)
        responses = np.empty(at_once * n_down * n_across * TILE, np.float32)
        n_blocks = (row_blocks[-1] + 1, column_blocks[-1] + 1)
        all_sums = np.empty(2 * math.prod(n_blocks) * TILE, np.float32)
        for some in np.array_split(rows, -(-len(rows) // at_once)) if len(rows) else []:
            for i, row in enumerate(some):
                normalise(images[row].astype(np.float32), self.patch_size, self.contrast_epsilon, patches[i])
            start = 0
            for tile in self._tiles:
                n = tile.shape[1]
                sums = all_sums[: 2 * math.prod(n_blocks) * n].reshape(*n_blocks, 2, n)
                z = responses[: len(some) * n_down * n_across * n].reshape(len(some), n_down, n_across, n)
                self.matmul(patches[: len(some)].reshape(-1, len(tile)), tile, out=z.reshape(-1, n))
                for row, of_image in zip(some, z, strict=True):
                    pool(of_image, self.threshold, row_blocks, column_blocks, sums)
                    flat = sums.reshape(-1, 2 * n)
                    means = combine @ flat if own is None else own * flat
                    features = out[row].reshape(len(combine), 2, self.n_filters)
                    features[:, :, start : start + n] = np.sqrt(means).reshape(-1, 2, n)
                start += n

    @property
    def contrast_epsilon(self) -> float:
        """What is added to the variance of a patch before its contrast is divided out."""
        return CONTRAST_EPSILON * (self.max_value / 255) ** 2

    def pooling(self, shift: int) -> Array:
        """Return the weights, float32 (n_views · n_cells, n_positions), of the means over the cells of every view.

        Positions are those of an image with a border of `shift` pixels.
        """
        blocks, averages = zip(*self._blocks(shift), strict=True)
        down, across = (means[..., block_of] for means, block_of in zip(averages, blocks, strict=True))
        weights: Array = np.einsum("viy,vjx->vijyx", down, across)
        return weights.reshape(-1, len(blocks[0]) * len(blocks[1]))

    def _blocks(self, shift: int) -> tuple[tuple[Array, Array], ...]:
        """Return how positions down and across are cut into blocks, see `_windows`."""
        offsets = zip(*((-down, -across) for down, across in diagonal_moves(shift)), strict=True)
        return tuple(_windows(n, cells, moved) for n, cells, moved in zip(self.positions, self.cells, offsets, strict=True))

    def _flip(self, mirrored_channels: Array | None) -> Array:
        """Return the order in which the values of a patch are those of its mirror image."""
        order = np.arange(self.patch_size**2 * self.image_shape[2]).reshape(self.patch_size, self.patch_size, -1)[:, ::-1]
        flipped: Array = (order if mirrored_channels is None else order[..., mirrored_channels]).reshape(-1)
        return flipped

    def _random_patches(self, X: Array, rng: np.random.Generator) -> Array:
        """Return normalised patches of random images at random places, (N_PATCHES, patch_size² · channels)."""
        n = min(N_PATCHES, len(X) * math.prod(self.positions), N_VALUES // self.array_shapes()["filters"][0])
        starts, corner = random_places(n, self.patch_size, self.image_shape, rng)
        rows = rng.integers(len(X), size=(n, 1))
        patches = np.empty((n, len(corner)), np.float32)
        for start in range(0, n, PATCHES_AT_ONCE):
            some = slice(start, start + PATCHES_AT_ONCE)
            patches[some] = X[rows[some], starts[some] + corner]
        normalise(patches, self.contrast_epsilon)
        return patches


def bordered(X: ArrayLike, image_shape: tuple[int, ...], width: int) -> Array:
    """Return images (n, height · width · channels) with a border in which they are mirrored, in rows as well."""
    images = check_images(X, image_shape).reshape(-1, *image_shape)
    padded = np.pad(images, ((0, 0), (width, width), (width, width), (0, 0)), mode="reflect")
    return padded.reshape(len(images), math.prod(padded.shape[1:]))


def _windows(n: int, cells: int, offsets: Sequence[int]) -> tuple[Array, Array]:
    """Cut one side of n positions, and of translations by `offsets`, where a cell begins or ends.

    Returns
    -------
    block_of : integer array (n + 2 · largest offset,)
        The block that a position of the image and its border lies in.
    averages : float32 array (len(offsets), cells, n_blocks)
        The weights by which the sums over blocks become the means over cells.
    """
    pad = max(map(abs, offsets))
    borders = np.array([(i * n // cells, -(-(i + 1) * n // cells)) for i in range(cells)])
    starts, stops = np.moveaxis(borders + np.reshape(offsets, (-1, 1, 1)) + pad, 2, 0)[..., None]
    edges = np.unique([starts, stops])
    averages = (starts <= edges[:-1]) & (edges[:-1] < stops)
    return np.searchsorted(edges, np.arange(n + 2 * pad), side="right") - 1, (averages / (stops - starts)).astype(np.float32)
