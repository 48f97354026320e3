"""Views of an image: itself, its mirror image, and translations; a batch of training rows gets random ones of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fcnet.types import Array

Move = tuple[int, int]  # pixels down and across


@dataclass(frozen=True)
class Views:
    """The views of an image that a prediction is averaged over, or that training draws from.

    Parameters
    ----------
    image_shape : tuple of ints or None
        (height, width, channels); without one there are no views.
    mirror : bool
        Whether images are mirrored.
    shift : int
        By how many pixels, at most, they are translated down and across.
    """

    image_shape: tuple[int, ...] | None = None
    mirror: bool = False
    shift: int = 0

    def __bool__(self) -> bool:
        return self.image_shape is not None and (self.mirror or self.shift > 0)

    def places(self) -> Array:
        """Return the `image_views`, with every translation by up to `shift` pixels."""
        return image_views(self.image_shape or (), self.mirror, all_moves(self.shift))


def diagonal_moves(shift: int) -> list[Move]:
    """Return no translation, and, unless `shift` is 0, those by so many pixels along both diagonals."""
    return [(0, 0), *((down, across) for down in (-shift, shift) for across in (-shift, shift) if shift)]


def all_moves(shift: int) -> list[Move]:
    """Return every translation by up to `shift` pixels down and across."""
    reach = range(-shift, shift + 1)
    return [(down, across) for down in reach for across in reach]


def image_views(image_shape: tuple[int, ...], mirror: bool, moves: Sequence[Move]) -> Array:
    """Return the places in an image's row that the values of its views are taken from.

    Parameters
    ----------
    image_shape : tuple of ints
        (height, width, channels).
    mirror : bool
        Whether there is a mirrored view of every translated one.
    moves : sequence of pairs of ints
        Translations, in pixels down and across; what comes in at the border is the image mirrored there.

    Returns
    -------
    views : integer array (n_views, height · width · channels)
        ``X[:, views[k]]`` are all images in view k.

    Examples
    --------
    >>> image_views((1, 3, 1), mirror=True, moves=[(0, 0)])
    array([[0, 1, 2],
           [2, 1, 0]])
    """
    places = np.arange(np.prod(image_shape)).reshape(image_shape)
    sides = [places, places[:, ::-1]] if mirror else [places]
    reach = max(max(abs(down), abs(across)) for down, across in moves)
    padded = [np.pad(side, ((reach, reach), (reach, reach), (0, 0)), mode="reflect") for side in sides]
    height, width = image_shape[:2]
    return np.array(
        [
            side[reach - down : reach - down + height, reach - across : reach - across + width].reshape(-1)
            for down, across in moves
            for side in padded
        ]
    )


def random_places(n: int, patch_size: int, image_shape: tuple[int, ...], rng: np.random.Generator) -> tuple[Array, Array]:
    """Return where in an image's row n random patches begin, (n, 1), and from there their values, (patch_size² · channels,)."""
    height, width, channels = image_shape
    tops, lefts = (rng.integers(side - patch_size + 1, size=n) for side in (height, width))
    corner = np.arange(height * width * channels).reshape(image_shape)[:patch_size, :patch_size].reshape(-1)
    return channels * (width * tops + lefts)[:, np.newaxis], corner


@dataclass(frozen=True, eq=False)
class RandomView:
    """Replaces each image of a batch, in place, by one of its `views`, integers (n_views, n_inputs), drawn at random."""

    views: Array

    def __call__(self, X: Array, rng: np.random.Generator) -> None:
        """Change a batch."""
        for row, view in zip(X, rng.integers(len(self.views), size=len(X)), strict=True):
            row[...] = row[self.views[view]]


@dataclass(frozen=True, eq=False)
class RandomSigns:
    """Multiplies each row of a batch, in place, by `signs` with probability ½: by `mirror_signs` it mirrors the image."""

    signs: Array

    def __call__(self, X: Array, rng: np.random.Generator) -> None:
        """Change a batch."""
        for row in np.flatnonzero(rng.random(len(X), dtype=np.float32) < 0.5):
            X[row] *= self.signs
