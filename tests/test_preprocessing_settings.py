"""Settings of preprocessors: checked against data at once, and fitted to what the classes give."""

import msgspec
import numpy as np
import polars as pl
import pytest

from fcnet.errors import SettingError
from fcnet.preprocessing import ZCA, Histograms, Patches, Pixels, Preprocessing, Scaling, Table, TrainingRows
from fcnet.preprocessing.scaling import Mean, NoScaling, Standard
from fcnet.preprocessing.views import RandomSigns, RandomView, Views
from fcnet.preprocessing.zca import Whitened

X = np.random.default_rng(0).integers(17, size=(40, 64)).astype(np.float32)
FRAME = pl.DataFrame({"a": [1.0, 2.0, 4.0], "b": ["x", "y", "x"]})
SMALL = {"n_filters": 8, "patch_sizes": [3], "n_components": 10}


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (Pixels(), Scaling.fit(X)),
        (Pixels(Standard()), Scaling.fit(X)),
        (Pixels(Mean()), Scaling.fit(X, "mean")),
        (Pixels(NoScaling()), Scaling()),
        (Pixels(Whitened(regularisation=0.3)), ZCA.fit(X, 0.3)),
        (Table(), Scaling.fit(X)),
    ],
)
def test_scalings_are_fitted_as_they_are_named(settings, expected):
    prepared = settings.fit(TrainingRows(X, dtype=np.float64))
    assert prepared.rows.dtype == np.float64
    np.testing.assert_array_equal(prepared.rows, expected.transform(X, np.float64))
    np.testing.assert_array_equal(prepared.preprocessor.transform(X), expected.transform(X))


def test_with_mirrored_images_scaling_and_mirroring_commute():
    rows = TrainingRows(X, (8, 8, 1), mirror=True)
    mirrored = X.reshape(-1, 8, 8)[:, :, ::-1].reshape(-1, 64)
    for settings in (Pixels(), Pixels(Whitened())):
        scaled = settings.fit(rows).preprocessor.transform
        np.testing.assert_allclose(
            scaled(mirrored).reshape(-1, 8, 8), scaled(X).reshape(-1, 8, 8)[:, :, ::-1], rtol=1e-3, atol=1e-3
        )


def test_pixels_of_a_data_frame_are_a_table():
    one, other = (settings.fit(TrainingRows(FRAME)) for settings in (Pixels(), Table()))
    assert one.preprocessor.kind == other.preprocessor.kind == "table"
    np.testing.assert_array_equal(one.rows, other.rows)
    for settings in (Pixels(Mean()), Pixels(Whitened())):
        with pytest.raises(SettingError, match="The numbers of a table are standardised: scaling = "):
            settings.check(None, is_table=True)
        with pytest.raises(SettingError, match="The numbers of a table are standardised: scaling = "):
            settings.fit(TrainingRows(FRAME))


def test_patches_have_rows_for_every_view_and_know_how_to_mirror_them():
    prepared = Patches(**SMALL).fit(TrainingRows(X, (8, 8, 1), 16.0, shift=1, seed=1))
    n_outputs = prepared.preprocessor.n_outputs
    assert prepared.rows.shape == (5 * len(X), n_outputs)
    assert prepared.seconds > 0
    means = Patches(**SMALL).fit(TrainingRows(X, (8, 8, 1), 16.0, shift=1, seed=1, mean_of_views=True))
    assert means.rows.shape == (len(X), n_outputs)
    np.testing.assert_allclose(np.linalg.norm(means.rows, axis=1), 1, rtol=1e-5)


def test_each_preprocessor_augments_what_it_gives():
    views = Views((8, 8, 1), mirror=True, shift=1)
    pixels = Pixels().fit(TrainingRows(X, (8, 8, 1))).preprocessor
    augment = pixels.augmentation(views)
    assert isinstance(augment, RandomView)
    assert augment.views.shape == (18, 64)
    assert pixels.augmentation(Views((8, 8, 1))) is pixels.augmentation(Views(None, mirror=True)) is None
    patches = Patches(**SMALL).fit(TrainingRows(X, (8, 8, 1), 16.0)).preprocessor
    augment = patches.augmentation(views)
    assert isinstance(augment, RandomSigns)
    np.testing.assert_array_equal(augment.signs, patches.mirror_signs)
    assert patches.augmentation(Views((8, 8, 1), shift=1)) is None
    table = Table().fit(TrainingRows(FRAME)).preprocessor
    assert table.augmentation(Views()) is table.mirror_signs is None


@pytest.mark.parametrize(
    ("settings", "data", "message"),
    [
        (Pixels(), {"image_shape": None, "mirror": True}, "mirror is for images, and this data has none"),
        (Table(), {"image_shape": None, "shift": 1}, "shift is for images"),
        (Pixels(), {"image_shape": (8, 9, 3), "shift": 8}, "shift must be less than the side of an image, 8, got 8"),
        (Histograms(), {"image_shape": None}, "preprocessing = histograms is for images"),
        (Histograms(), {"image_shape": (32, 32, 3), "mirror": True}, "mirror and shift are for pixels and patches"),
        (Histograms(cell=6), {"image_shape": (8, 8, 1)}, "2 × 2 cells of 6 pixels .* do not fit into images of 8 × 8"),
        (Patches(), {"image_shape": None}, "preprocessing = patches is for images"),
        (Patches(patch_sizes=[9]), {"image_shape": (8, 8, 1)}, "Patches of 9 pixels"),
        (Patches(map_filters=32), {"image_shape": (32, 32, 3), "shift": 1}, "shift must be a multiple of 2"),
    ],
)
def test_what_does_not_fit_the_data_is_named(settings, data, message):
    with pytest.raises(SettingError, match=message):
        settings.check(**data)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n_filters": 30, "patch_sizes": [3, 4]}, r"multiple of 2 for each of patch_sizes, got 30 for \[3, 4\]"),
        ({"map_filters": 7}, "map_filters must be even"),
        ({"map_filters": 10, "map_patch_size": [3, 5, 7]}, "map_patch_size needs one number, or one for each of 1"),
        ({"threshold": -1}, "threshold must be .* at least 0"),
        ({"patch_sizes": []}, "patch_sizes must be a list of one or more whole numbers"),
        ({"regularisation": 0}, "regularisation must be"),
    ],
)
def test_settings_of_patches_that_do_not_go_together_are_named(wrong, message):
    with pytest.raises(SettingError, match=message):
        Patches(**wrong)


@pytest.mark.parametrize("settings", [Pixels(Whitened(0.3)), Histograms(cell=4), Patches(**SMALL), Table()])
def test_settings_are_read_as_the_kind_that_was_written(settings):
    written = msgspec.to_builtins(settings)
    assert written["kind"] == type(settings).__name__.lower()
    assert msgspec.convert(written, Preprocessing) == settings
