"""Patch features: the definition, worked out slowly, and their own promises."""

import math

import numpy as np
import pytest

from fcnet.errors import InputError, SettingError
from fcnet.preprocessing import PatchFeatures, patch_passes, patches

SHAPE = (9, 10, 3)


@pytest.fixture(scope="module")
def X():
    rng = np.random.default_rng(0)
    smooth = rng.integers(256, size=(60, 4, 5, 3)).repeat(3, axis=1)[:, :9].repeat(2, axis=2)
    return smooth.reshape(60, -1).astype(np.uint8)


@pytest.fixture(params=["compiled", "numpy"])
def passes(request, monkeypatch):
    """Run with either implementation of the two passes."""
    if request.param == "numpy":
        in_numpy = (patch_passes.normalised_patches, patch_passes.threshold_and_pool)
        monkeypatch.setattr(patches, "passes", lambda: in_numpy)
    else:
        pytest.importorskip("numba")


def by_hand(features, image):
    """Return the features of one image (height, width, channels), straight from the equation."""
    size, grid = features.patch_size, features.grid
    n_down, n_across = image.shape[0] - size + 1, image.shape[1] - size + 1
    out = np.empty((grid, grid, 2, features.n_filters))
    z = np.empty((n_down, n_across, features.n_filters))
    for y in range(n_down):
        for x in range(n_across):
            p = image[y : y + size, x : x + size].reshape(-1).astype(float)
            z[y, x] = (p - p.mean()) / np.sqrt(p.var() + 10) @ features.filters
    for i in range(grid):
        for j in range(grid):
            rows = slice(i * n_down // grid, -(-(i + 1) * n_down // grid))
            columns = slice(j * n_across // grid, -(-(j + 1) * n_across // grid))
            for side, sign in enumerate((1, -1)):
                out[i, j, side] = np.sqrt(np.maximum(sign * z[rows, columns] - features.threshold, 0).mean(axis=(0, 1)))
    return out.reshape(-1)


@pytest.mark.parametrize(("n_filters", "grid", "threshold"), [(10, 2, 0.25), (8, 3, 0), (520, 1, 0.5)])
def test_features_are_those_of_the_equation(passes, X, n_filters, grid, threshold):
    features = PatchFeatures(n_filters, 4, grid=grid, threshold=threshold, n_iterations=2).fit(X, SHAPE)
    found = features.transform(X[:3])
    assert found.dtype == np.float32
    assert found.shape == (3, features.n_features)
    np.testing.assert_allclose(found, [by_hand(features, image.reshape(SHAPE)) for image in X[:3]], atol=2e-3)


@pytest.mark.parametrize("shift", [1, 2])
def test_views_are_the_features_of_moved_images(passes, X, shift):
    features = PatchFeatures(12, 4, shift=shift, n_iterations=1).fit(X, SHAPE)
    views = features.views(X[:4])
    padded = np.pad(X[:4].reshape(4, *SHAPE), ((0, 0), (shift, shift), (shift, shift), (0, 0)), mode="reflect")
    np.testing.assert_allclose(views[:, 0], features.transform(X[:4]), atol=1e-3)
    corners = [(2 * shift, 2 * shift), (2 * shift, 0), (0, 2 * shift), (0, 0)]
    for view, (top, left) in enumerate(corners, 1):
        moved = padded[:, top : top + SHAPE[0], left : left + SHAPE[1]].reshape(4, -1)
        np.testing.assert_allclose(views[:, view], features.transform(moved), atol=1e-3)


@pytest.mark.parametrize("dictionary", ["kmeans", "patches"])
@pytest.mark.parametrize("grid", [2, 3])
def test_mirroring_an_image_reorders_its_features(X, dictionary, grid):
    features = PatchFeatures(14, 3, grid=grid, dictionary=dictionary, n_iterations=2).fit(X, SHAPE)
    flipped = X.reshape(-1, *SHAPE)[:, :, ::-1].reshape(len(X), -1)
    mirrored = features.mirrored()
    np.testing.assert_allclose(features.transform(flipped), features.transform(X)[:, mirrored], atol=1e-3)
    np.testing.assert_array_equal(mirrored[mirrored], np.arange(features.n_features))
    assert (mirrored != np.arange(features.n_features)).all()


def test_kmeans_explains_patches_better_than_random_ones(X):
    def explained(features):
        """Return how much of the length of whitened patches the filter nearest to each explains, on the mean."""
        z = np.abs(sample @ features.filters).max(axis=1)
        return float((z / lengths).mean())

    random = PatchFeatures(20, 4, dictionary="patches").fit(X, SHAPE)
    kmeans = PatchFeatures(20, 4, n_iterations=10).fit(X, SHAPE)
    sample = random._random_patches(X, np.random.default_rng(5))[:2000]
    covariance = sample.T @ sample / len(sample)
    values, vectors = np.linalg.eigh(covariance + 0.1 * np.eye(len(covariance)))
    lengths = np.linalg.norm(sample @ vectors / np.sqrt(values), axis=1)
    assert explained(kmeans) > explained(random) + 0.02


def test_the_seed_decides(X):
    first, again, other = (PatchFeatures(10, 4, n_iterations=2, seed=seed).fit(X, SHAPE) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.filters, again.filters)
    assert not np.array_equal(first.filters, other.filters)
    assert PatchFeatures(**first.get_config()).get_config() == first.get_config()


def test_the_scale_of_the_pixels_can_be_told(X):
    bytes_, units = PatchFeatures(10, 4, n_iterations=2).fit(X, SHAPE), PatchFeatures(10, 4, n_iterations=2, max_value=1.0)
    units.fit(X / np.float32(255), SHAPE)
    np.testing.assert_allclose(units.transform(X / np.float32(255)), bytes_.transform(X), atol=1e-2)


def test_one_image_and_none(X):
    features = PatchFeatures(10, 4, n_iterations=1).fit(X, SHAPE)
    one, of_five = features.transform(X[:1])[0], features.transform(X[:5])[0]
    # A BLAS may add the d products of a response in another order where there are more rows: two responses of a patch p to a
    # filter f differ by at most d · eps · |p| |f|, and normalised patches have |p| ≤ sqrt(d). Means of n positions add n · eps.
    d, eps = len(features.filters), np.finfo(np.float32).eps
    bound = d**1.5 * eps * np.linalg.norm(features.filters, axis=0).max()
    np.testing.assert_allclose(one**2, of_five**2, rtol=math.prod(features.positions) * eps, atol=bound)
    assert features.transform(X[:0]).shape == features.views(X[:0])[:, 0].shape == (0, features.n_features)


def test_flat_images_give_finite_features():
    X = np.full((3, 270), 128, np.uint8)
    assert np.isfinite(PatchFeatures(4, 4).fit(X, SHAPE).transform(X)).all()


def test_what_does_not_fit_is_refused(X):
    with pytest.raises(InputError, match="do not fit into images of 9 × 10"):
        PatchFeatures(10, 9).fit(X, SHAPE)
    with pytest.raises(InputError, match=r"shape \(n, 270\)"):
        PatchFeatures(10, 4, n_iterations=1).fit(X, SHAPE).transform(X[:, :-1])
    with pytest.raises(SettingError, match="Did you mean 'kmeans'"):
        PatchFeatures(dictionary="kmean")
    with pytest.raises(SettingError, match="n_filters"):
        PatchFeatures(1)
