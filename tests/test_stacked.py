"""Patches of maps: what they are made of, and the promises that they share with patches of pixels."""

import numpy as np
import pytest

from fcnet.errors import InputError, SettingError
from fcnet.preprocessing import PatchFeatures, StackedPatches

SHAPE = (14, 16, 3)
SETTINGS = {"n_filters": 12, "map_filters": 10, "map_patch_size": 3, "map_channels": 6, "map_layers": 1}
DEEP = SETTINGS | {"map_layers": 2, "patch_size": 2, "grid": 1}


def images(shape):
    rng = np.random.default_rng(0)
    height, width, channels = shape
    smooth = rng.integers(256, size=(80, height // 2, width // 2, channels)).repeat(2, axis=1).repeat(2, axis=2)
    return (smooth // 2 + rng.integers(100, size=(80, *shape))).reshape(80, -1).astype(np.uint8)


@pytest.fixture(scope="module")
def X():
    return images(SHAPE)


@pytest.fixture(scope="module")
def features(X):
    return StackedPatches(**SETTINGS, shift=2).fit(X, SHAPE)


@pytest.fixture(scope="module")
def deep():
    """Maps of maps, which are of 2 × 3 places, and the images that they were learnt from."""
    X = images((14, 18, 3))
    return StackedPatches(**DEEP, shift=2).fit(X, (14, 18, 3)), X


def test_the_second_layer_sees_principal_components_of_the_first(X, features):
    first = PatchFeatures(10, 3, grid=(6, 7))
    first.set_shape(SHAPE)
    first.set_arrays(features.first.arrays())
    responses = first.transform(X).reshape(-1, 20)
    maps = responses @ features.channels - features.offset
    np.testing.assert_allclose(maps.mean(), 0, atol=0.1)
    np.testing.assert_allclose(maps.var(axis=0).mean(), 18**2, rtol=0.02)
    # The channels span as much variance as any six combinations can that are even or odd, three of either kind.
    mirrored = np.arange(20).reshape(2, 2, 5)[:, ::-1].reshape(-1)
    both = np.concatenate([responses, responses[:, mirrored]])
    even, odd = both + both[:, mirrored], both - both[:, mirrored]
    best = sum(np.linalg.eigvalsh(np.cov(part, rowvar=False, ddof=0) / 4)[-3:].sum() for part in (even, odd))
    q, _ = np.linalg.qr(features.channels)
    found = np.trace(q.T @ np.cov(both, rowvar=False, ddof=0) @ q)
    np.testing.assert_allclose(found, best, rtol=1e-3)
    second = PatchFeatures(12, 3, threshold=0.5)
    second.set_shape((6, 7, 6))
    second.set_arrays(features.second.arrays())
    np.testing.assert_allclose(features.transform(X), second.transform(maps.reshape(len(X), -1)), atol=1e-4)


def test_mirroring_an_image_reorders_its_features(X, features):
    flipped = X.reshape(-1, *SHAPE)[:, :, ::-1].reshape(len(X), -1)
    found, mirrored = features.transform(X), features.mirrored()
    np.testing.assert_allclose(features.transform(flipped), found[:, mirrored], atol=2e-3)
    assert np.abs(found - found[:, mirrored]).max() > 0.1
    assert (mirrored != np.arange(features.n_features)).all()


def test_views_are_the_features_of_moved_images(X, features):
    views = features.views(X[:4])
    assert views.shape == (4, features.n_views, features.n_features)
    padded = np.pad(X[:4].reshape(4, *SHAPE), ((0, 0), (2, 2), (2, 2), (0, 0)), mode="reflect")
    for view, (top, left) in enumerate([(2, 2), (4, 4), (4, 0), (0, 4), (0, 0)]):
        moved = padded[:, top : top + SHAPE[0], left : left + SHAPE[1]].reshape(4, -1)
        np.testing.assert_allclose(views[:, view], features.transform(moved), atol=1e-3)


def test_maps_of_maps_are_maps_of_the_pooled_responses_of_patches_of_maps(deep):
    deep, X = deep
    middle = StackedPatches(20, threshold=0.5, grid=(2, 3), map_filters=10, map_patch_size=3, map_channels=6)
    middle.set_shape((14, 18, 3))
    middle.set_arrays(deep.first.arrays())
    maps = middle.transform(X).reshape(-1, 40) @ deep.channels - deep.offset
    last = PatchFeatures(12, 2, threshold=0.5, grid=1)
    last.set_shape((2, 3, 6))
    last.set_arrays({"filters": deep.arrays()["filters"]})
    np.testing.assert_allclose(deep.transform(X), last.transform(maps.reshape(len(X), -1)), atol=1e-4)
    assert "10 filters of 3 × 3 pixels, and 20 on maps of them, and 12 on maps of them" in deep.description


def test_maps_of_maps_know_their_mirror_image_and_moved_images(deep):
    deep, X = deep
    flipped = X.reshape(-1, 14, 18, 3)[:, :, ::-1].reshape(len(X), -1)
    found = deep.transform(X)
    np.testing.assert_allclose(deep.transform(flipped), found[:, deep.mirrored()], atol=5e-3)
    assert np.abs(found - found[:, deep.mirrored()]).max() > 0.1
    views = deep.views(X[:4])
    assert views.shape == (4, deep.n_views, deep.n_features) == (4, 5, 24)
    padded = np.pad(X[:4].reshape(4, 14, 18, 3), ((0, 0), (2, 2), (2, 2), (0, 0)), mode="reflect")
    for view, (top, left) in enumerate([(2, 2), (4, 4), (4, 0), (0, 4), (0, 0)]):
        moved = padded[:, top : top + 14, left : left + 18].reshape(4, -1)
        np.testing.assert_allclose(views[:, view], deep.transform(moved), atol=1e-4)


def test_maps_of_maps_can_be_put_back(deep):
    deep, X = deep
    other = StackedPatches(**deep.get_config())
    other.set_shape((14, 18, 3))
    assert {name: array.shape for name, array in deep.arrays().items()} == other.array_shapes()
    other.set_arrays(deep.arrays())
    np.testing.assert_array_equal(other.views(X[:3]), deep.views(X[:3]))
    with pytest.raises(InputError, match=r"X must have shape \(n, 756\), got \(3, 1512\)"):
        deep.views(np.tile(X[:3], 2))
    refusal = r"20 on maps of them have 4 × 5 in images of 14 × 16: choose another map_patch_size or fewer map_layers\.$"
    with pytest.raises(SettingError, match=refusal):
        other.set_shape(SHAPE)


def test_the_seed_decides(X):
    first, again, other = (StackedPatches(**SETTINGS, seed=seed).fit(X, SHAPE).arrays() for seed in (0, 0, 1))
    for name, array in first.items():
        np.testing.assert_array_equal(array, again[name])
    assert not np.array_equal(first["filters"], other["filters"])


def test_what_was_learnt_can_be_put_back(X, features):
    settings = {"threshold": 0.3, "grid": 1, "map_threshold": 0.1, "shift": 4, "max_value": 2.0, "seed": 7, "patch_size": 2}
    assert StackedPatches(**(SETTINGS | settings)).get_config() == SETTINGS | settings
    other = StackedPatches(**features.get_config())
    with pytest.raises(AttributeError):
        other.set_arrays(features.arrays())
    other.set_shape(SHAPE)
    assert {name: array.shape for name, array in features.arrays().items()} == other.array_shapes()
    other.set_arrays(features.arrays())
    np.testing.assert_array_equal(other.transform(X[:3]), features.transform(X[:3]))
    assert other.transform(X[:0]).shape == (0, features.n_features)
    assert other.views(X[:0]).shape == (0, 5, features.n_features)
    with pytest.raises(InputError, match="'channels'"):
        other.set_arrays(features.arrays() | {"channels": features.channels[1:]})
    with pytest.raises(InputError, match="'filters'"):
        other.set_arrays(features.arrays() | {"filters": features.second.filters[1:]})


def test_the_scale_of_the_pixels_can_be_told(X):
    whole = StackedPatches(**SETTINGS).fit(X, SHAPE)
    units = StackedPatches(**SETTINGS, max_value=1.0).fit(X / np.float32(255), SHAPE)
    np.testing.assert_allclose(units.transform(X / np.float32(255)), whole.transform(X), atol=2e-2)


def test_flat_images_give_finite_features():
    X = np.full((3, 14 * 16 * 3), 128, np.uint8)
    assert np.isfinite(StackedPatches(**SETTINGS).fit(X, SHAPE).transform(X)).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"shift": 1}, "shift must be a multiple of 2"),
        ({"map_channels": 22}, "map_channels must be at most twice map_filters, 20"),
        ({"map_patch_size": 4}, "choose another map_patch_size"),
        ({"patch_size": 7}, "Patches of 7 places, 2 × 2 cells and a shift of 0 pixels do not fit into maps of 6 × 7 places"),
        ({"map_patch_size": 15}, "Patches of 15 pixels.*do not fit into images of 14 × 16"),
        ({"map_channels": 1}, "map_channels"),
        ({"map_layers": 0}, "map_layers must be a finite number of at least 1"),
        ({"map_layers": 5000}, "map_layers must be a finite number of at least 1 and at most 8, got 5000"),
        ({"map_channels": 5}, "map_channels must be even, got 5"),
        ({"map_filters": 9}, "map_filters must be even, got 9"),
    ],
)
def test_settings_that_cannot_be_are_refused(X, settings, message):
    with pytest.raises(SettingError, match=message):
        StackedPatches(**(SETTINGS | settings)).fit(X, SHAPE)


def test_images_of_another_size_are_refused(X, features):
    with pytest.raises(InputError, match=r"shape \(n, 672\)"):
        features.transform(X[:, :-1])
