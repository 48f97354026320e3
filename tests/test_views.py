"""Views of images: what a person would do by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fcnet.preprocessing.views import RandomSigns, RandomView, all_moves, diagonal_moves, image_views


def by_hand(image, mirror, down, across):
    """Return a view of an image (height, width, channels), pixel by pixel."""
    height, width, _ = image.shape
    side = image[:, ::-1] if mirror else image

    def reflected(i, n):
        i = abs(i)
        return 2 * (n - 1) - i if i >= n else i

    return np.array(
        [[side[reflected(y - down, height), reflected(x - across, width)] for x in range(width)] for y in range(height)]
    )


@pytest.mark.parametrize("moves", [all_moves(2), diagonal_moves(3), diagonal_moves(0)])
@pytest.mark.parametrize("mirror", [False, True])
def test_every_view_is_the_image_mirrored_and_moved(moves, mirror):
    image = np.random.default_rng(0).random((6, 5, 3))
    views = image_views(image.shape, mirror, moves)
    expected = [by_hand(image, side, *move).reshape(-1) for move in moves for side in ([False, True] if mirror else [False])]
    np.testing.assert_array_equal(image.reshape(-1)[views], expected)


def test_moves():
    assert diagonal_moves(2) == [(0, 0), (-2, -2), (-2, 2), (2, -2), (2, 2)]
    assert len(set(all_moves(3))) == 49


@given(n=st.integers(1, 6), height=st.integers(1, 4), width=st.integers(1, 5), channels=st.sampled_from([1, 3]))
def test_a_RandomView_is_the_image_or_its_mirror_image(n, height, width, channels):
    shape = (height, width, channels)
    X = np.random.default_rng(0).standard_normal((n, height * width * channels)).astype(np.float32)
    before = X.copy()
    RandomView(image_views(shape, True, [(0, 0)]))(X, np.random.default_rng(1))
    for now, then in zip(X.reshape(n, *shape), before.reshape(n, *shape), strict=True):
        assert (now == then).all() or (now == then[:, ::-1]).all()


def test_RandomViews_are_all_drawn_about_equally_often():
    views = image_views((4, 4, 1), True, all_moves(1))
    X = np.tile(np.arange(16, dtype=np.float32), (18_000, 1))
    RandomView(views)(X, np.random.default_rng(0))
    found, counts = np.unique(X, axis=0, return_counts=True)
    assert len(found) == 18
    assert 850 < counts.min() <= counts.max() < 1150


def test_RandomSigns_mirror_about_half_of_the_rows():
    signs = np.array([1, 1, -1], np.float32)
    X = np.ones((1000, 3), np.float32)
    RandomSigns(signs)(X, np.random.default_rng(0))
    assert X.dtype == np.float32
    np.testing.assert_array_equal(np.abs(X), 1)
    np.testing.assert_array_equal(X[:, :2], 1)
    assert 440 < (X[:, 2] < 0).sum() < 560
