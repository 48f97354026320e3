"""The features as scikit-learn's users use them."""

import pickle
import subprocess
import sys

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from threadpoolctl import threadpool_limits

import fcnet.preprocessing
from fcnet.data import load_cifar10
from fcnet.errors import InputError, SettingError
from fcnet.preprocessing import (
    ZCA,
    HistogramFeatures,
    HistogramTransformer,
    MirrorCovariance,
    MirrorWhitening,
    PatchFeatures,
    PatchTransformer,
    PCAWhitening,
    StackedPatches,
    ZCAWhitening,
    even_and_odd,
)

DIGITS, LABELS = load_digits(return_X_y=True)
SMALL, SMALL_LABELS = DIGITS[:300], LABELS[:300]
DEFAULTS = [PCAWhitening(), ZCAWhitening(), HistogramTransformer(), PatchTransformer()]
OTHERS = [
    PCAWhitening(n_components=0.9, regularisation=0.1),
    ZCAWhitening(regularisation=0),
    HistogramTransformer(cell=1, grid=1),
    PatchTransformer(n_filters=10, n_components=3),
]
QUICK = [PCAWhitening(10), ZCAWhitening(), HistogramTransformer(), PatchTransformer(n_filters=20, random_state=0)]
COLOURS = np.random.default_rng(0).integers(256, size=(40, 12 * 10 * 3), dtype=np.uint8)


def names(transformers):
    return [type(transformer).__name__ for transformer in transformers]


each = pytest.mark.parametrize("transformer", QUICK, ids=names(QUICK))


@parametrize_with_checks(DEFAULTS + OTHERS)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


# Against the numbers of others.


@pytest.mark.parametrize("n_components", [None, 5, 0.9])
@pytest.mark.parametrize("X", [SMALL, SMALL[:30]], ids=["tall", "wide"])
def test_pca_is_that_of_scikit_learn(X, n_components):
    ours = PCAWhitening(n_components).fit(X)
    theirs = PCA(ours.n_components_, whiten=True, svd_solver="full").fit(X)
    if isinstance(n_components, float):
        assert ours.n_components_ == PCA(n_components, svd_solver="full").fit(X).n_components_
    np.testing.assert_allclose(ours.explained_variance_ratio_, theirs.explained_variance_ratio_, rtol=1e-8)
    np.testing.assert_allclose(np.abs(ours.transform(X)), np.abs(theirs.transform(X)), atol=1e-6)
    np.testing.assert_allclose(
        ours.inverse_transform(ours.transform(X)), theirs.inverse_transform(theirs.transform(X)), atol=1e-8
    )


def test_pca_keeps_every_direction_with_variance_and_no_other():
    constant = np.flatnonzero(SMALL.std(axis=0) == 0)
    assert len(constant) > 0
    twice = np.concatenate([SMALL, SMALL * 0.1 + 1e5, np.full((300, 1), 0.1)], axis=1)
    assert PCAWhitening().fit(SMALL).n_components_ == np.linalg.matrix_rank(SMALL - SMALL.mean(axis=0))
    assert PCAWhitening().fit(twice).n_components_ == PCAWhitening().fit(SMALL).n_components_
    assert np.isfinite(PCAWhitening().fit_transform(twice)).all()


def test_regularised_pca():
    plain, regularised = PCAWhitening(8).fit(SMALL), PCAWhitening(8, regularisation=1.5).fit(SMALL)
    ridge = 1.5 * SMALL.var(axis=0, ddof=1).mean()
    damped = np.sqrt(plain.explained_variance_ / (plain.explained_variance_ + ridge))
    np.testing.assert_allclose(regularised.transform(SMALL), plain.transform(SMALL) * damped, atol=1e-10)
    np.testing.assert_allclose(regularised.transform(SMALL).std(axis=0, ddof=1), damped)
    back = [pca.inverse_transform(pca.transform(SMALL)) for pca in (plain, regularised)]
    np.testing.assert_allclose(*back, atol=1e-9)
    of_other_units = PCAWhitening(8, regularisation=1.5).fit(255 * SMALL).transform(255 * SMALL)
    np.testing.assert_allclose(of_other_units, regularised.transform(SMALL), atol=1e-9)


def test_zca_is_the_core_class_and_whitens():
    ours = ZCAWhitening(regularisation=0.05).fit(SMALL)
    np.testing.assert_array_equal(ours.transform(SMALL), ZCA.fit(SMALL, 0.05).transform(SMALL, np.float64))
    varying = SMALL[:, SMALL.std(axis=0) > 0.5]
    white = ZCAWhitening(regularisation=0).fit_transform(varying)
    np.testing.assert_allclose(np.cov(white, rowvar=False, ddof=0), np.eye(varying.shape[1]), atol=1e-8)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("regularisation", [0, 0.1])
def test_zca_can_be_undone(dtype, regularisation):
    X = SMALL.astype(dtype)  # some pixels are always black
    zca = ZCAWhitening(regularisation=regularisation).fit(X)
    back = zca.inverse_transform(zca.transform(X))
    assert back.dtype == dtype
    np.testing.assert_allclose(back, X, atol=2e-2 if dtype == "float32" else 1e-6)


def test_histograms_are_those_of_the_core_class():
    ours = HistogramTransformer((12, 10, 3), cell=4, orientations=6, hues=5, grid=3, max_value=255).fit(COLOURS)
    theirs = HistogramFeatures(4, 6, 5, grid=3)
    np.testing.assert_array_equal(ours.transform(COLOURS), theirs.fit_transform(COLOURS, (12, 10, 3)))
    np.testing.assert_array_equal(clone(ours).fit_transform(COLOURS), ours.transform(COLOURS))


def test_patches_are_those_of_the_core_class():
    ours = PatchTransformer((12, 10, 3), n_filters=16, patch_size=4, threshold=0.1, grid=3, max_value=200, random_state=3)
    X = ours.fit_transform(COLOURS)
    settings = {"threshold": 0.1, "grid": 3, "max_value": 200, "seed": ours.features_.seed}
    np.testing.assert_array_equal(X, PatchFeatures(16, 4, **settings).fit(COLOURS, (12, 10, 3)).transform(COLOURS))
    assert not np.array_equal(X, clone(ours).set_params(random_state=4).fit_transform(COLOURS))


def test_patches_of_maps_are_those_of_the_core_class():
    maps = {"map_filters": 10, "map_patch_size": 3, "map_channels": 8}
    ours = PatchTransformer((12, 10, 3), n_filters=16, **maps, random_state=0)
    X = ours.fit_transform(COLOURS)
    theirs = StackedPatches(16, **maps, seed=ours.features_.second.seed).fit(COLOURS, (12, 10, 3))
    np.testing.assert_array_equal(X, theirs.transform(COLOURS))


def test_whitened_patches_are_those_of_the_core_classes(monkeypatch):
    monkeypatch.setattr("fcnet.preprocessing.representation.ROWS_AT_ONCE", 30)
    patches = PatchTransformer(n_filters=20, random_state=0).fit(SMALL).features_
    ours = PatchTransformer(n_filters=20, n_components=12, regularisation=0.5, random_state=0).fit(SMALL)
    half = patches.n_features // 2
    covariance = MirrorCovariance(half, half)
    covariance.add(*even_and_odd(patches.transform(SMALL), patches.mirrored()))
    theirs = MirrorWhitening.fit(patches.mirrored(), covariance, 12, 0.5, patches.seed).transform(patches.transform(SMALL))
    X = ours.transform(SMALL)
    assert X.shape == (300, 12)
    np.testing.assert_allclose(np.abs(X), np.abs(theirs), atol=2e-3)
    assert X.var(axis=0).mean() == pytest.approx(0.5, rel=0.05)


# What images are, and what fits into them.


@pytest.mark.parametrize(
    ("n_features", "of_histograms", "of_patches"),
    [
        (3072, (32, 32, 3), (32, 32, 3)),
        (784, (28, 28, 1), (28, 28, 1)),
        (192, (8, 8, 3), (8, 8, 3)),
        (49, (1, 49, 1), (1, 1, 49)),
        (10, (1, 10, 1), (1, 1, 10)),
    ],
)
def test_the_shape_of_images_is_guessed(n_features, of_histograms, of_patches):
    X = np.random.default_rng(0).random((12, n_features))
    histograms, patches = HistogramTransformer().fit(X), PatchTransformer(n_filters=4).fit(X)
    assert (histograms.image_shape_, patches.image_shape_) == (of_histograms, of_patches)
    assert histograms.transform(X).std(axis=0).max() > 0
    assert patches.transform(X).std(axis=0).max() > 0


def test_a_line_of_pixels_is_drawn_twice():
    ours, lines = HistogramTransformer((1, 64)).fit_transform(SMALL), np.concatenate([SMALL, SMALL], axis=1)
    np.testing.assert_array_equal(ours, HistogramFeatures(1, max_value=16).fit_transform(lines, (2, 64, 1)))


def test_a_shape_without_channels_is_of_grey_images():
    two, three, guessed = (HistogramTransformer(shape).fit_transform(SMALL) for shape in ((8, 8), [8, 8, 1], None))
    np.testing.assert_array_equal(two, three)
    np.testing.assert_array_equal(two, guessed)


def test_white_is_the_largest_value_of_the_training_rows():
    """So that the scale of the pixels does not matter."""
    for transformer in QUICK[2:]:
        ours = clone(transformer).fit(SMALL)
        assert ours.features_.max_value == 16
        scaled = clone(transformer).fit_transform(SMALL / 64)
        np.testing.assert_allclose(scaled, ours.transform(SMALL), atol=1e-4)
        assert clone(transformer).fit(np.zeros((3, 64))).features_.max_value == 1


@pytest.mark.parametrize(
    ("transformer", "message"),
    [
        (PatchTransformer((8, 9)), r"image_shape \(8, 9, 1\) has 72 values and X has 64 features"),
        (HistogramTransformer((4, 4, 3)), r"image_shape \(4, 4, 3\) has 48 values"),
        (PatchTransformer((8, 8, 1, 1)), "image shape must be three whole numbers"),
        (PatchTransformer(8), "image shape must be three whole numbers"),
        (PatchTransformer(patch_size=9), "do not fit into images of 8 × 8"),
        (PatchTransformer(grid=9), "do not fit into images of 8 × 8"),
        (PatchTransformer(n_filters=1), "n_filters must be"),
        (PatchTransformer(map_filters=10, map_channels=8), "do not fit into maps"),
        (PatchTransformer(n_filters=2, n_components=0), "n_components must be"),
        (PatchTransformer(n_filters=2, n_components=2, regularisation=-1), "regularisation must be"),
        (PatchTransformer(max_value=0), "max_value must be above 0"),
        (HistogramTransformer(cell=5), "do not fit into images of 8 × 8"),
        (HistogramTransformer(max_value=-1), "max_value must be"),
        (PCAWhitening(65), r"at most min\(n_samples, n_features\) = 64, got 65"),
        (PCAWhitening(0), "n_components must be"),
        (PCAWhitening(1.5), "n_components must be a finite number of at least 0 and at most 1"),
        (PCAWhitening(True), "n_components must be a whole number"),
        (PCAWhitening(regularisation=-1), "regularisation must be"),
        (ZCAWhitening(regularisation=np.nan), "regularisation must be"),
    ],
    ids=repr,
)
def test_settings_that_cannot_be(transformer, message):
    with pytest.raises((InputError, SettingError), match=message):
        transformer.fit(SMALL)


@pytest.mark.parametrize("whitening", QUICK[:2], ids=names(QUICK[:2]))
def test_rows_that_cannot_be_whitened(whitening):
    with pytest.raises(InputError, match="all its rows are equal"):
        clone(whitening).fit(np.full((1000, 12), 0.1))
    with pytest.raises(ValueError, match="minimum of 2 is required"):
        clone(whitening).fit(SMALL[:1])
    assert clone(whitening).fit(SMALL).transform(SMALL[:1]).shape[0] == 1


def test_components_need_two_images():
    with pytest.raises(ValueError, match="minimum of 2 is required"):
        PatchTransformer(n_filters=2, n_components=2).fit(SMALL[:1])


# As parts of scikit-learn.


@each
@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
def test_dtypes(transformer, dtype):
    X = SMALL.astype(dtype)
    of_images = hasattr(transformer, "image_shape")
    out = clone(transformer).fit(X).transform(X)
    assert out.dtype == ("float64" if dtype == "float64" and not of_images else "float32")
    assert clone(transformer).fit_transform(X).dtype == out.dtype
    np.testing.assert_allclose(out, clone(transformer).fit_transform(SMALL), atol=2e-3)


@each
def test_frames_and_names(transformer):
    columns = [f"pixel{i}" for i in range(64)]
    X = pd.DataFrame(SMALL, columns=columns)
    fitted = clone(transformer).fit(X)
    assert fitted.feature_names_in_.tolist() == columns
    expected = fitted.transform(X)
    out_names = [f"{type(transformer).__name__.lower()}{i}" for i in range(expected.shape[1])]
    if isinstance(transformer, ZCAWhitening):
        out_names = columns
    assert fitted.get_feature_names_out().tolist() == out_names
    for container, frame in (("pandas", pd.DataFrame), ("polars", pl.DataFrame)):
        out = clone(transformer).set_output(transform=container).fit_transform(X)
        assert isinstance(out, frame)
        assert list(out.columns) == out_names
        np.testing.assert_allclose(out.to_numpy(), expected, atol=1e-5)
    np.testing.assert_allclose(clone(transformer).fit_transform(pl.DataFrame(SMALL, columns)), expected, atol=1e-5)


@each
def test_copies(transformer):
    fitted = clone(transformer).fit(SMALL)
    copy = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(copy.transform(SMALL), fitted.transform(SMALL))
    assert clone(fitted).get_params() == fitted.get_params()
    for call in (lambda: clone(fitted).transform(SMALL), clone(fitted).get_feature_names_out):
        with pytest.raises(NotFittedError):
            call()


GRIDS = {
    "pcawhitening": {"n_components": [5, 0.9]},
    "zcawhitening": {"regularisation": [0.01, 10]},
    "histogramtransformer": {"cell": [2, 4]},
    "patchtransformer": {"n_components": [None, 20]},
}


@each
def test_searches_give_the_same_scores_in_threads_and_in_processes(transformer):
    step = type(transformer).__name__.lower()
    grid = {f"{step}__{name}": values for name, values in GRIDS[step].items()}
    scores = []
    # One thread to a product, so that sums are added up in one order.
    for backend, settings in (("loky", {"inner_max_num_threads": 1}), ("threading", {})):
        with joblib.parallel_config(backend, **settings), threadpool_limits(1, "blas"):
            search = GridSearchCV(make_pipeline(transformer, RidgeClassifier()), grid, cv=3, n_jobs=2)
            scores.append(search.fit(SMALL, SMALL_LABELS).cv_results_["mean_test_score"])
    np.testing.assert_array_equal(*scores)
    assert min(scores[0]) > 0.6
    assert scores[0][0] != scores[0][1]


@each
def test_cross_validation_fits_to_the_training_rows_alone(transformer):
    model = make_pipeline(transformer, RidgeClassifier())
    results = cross_validate(model, SMALL, SMALL_LABELS, cv=3, return_estimator=True, return_indices=True)
    for fitted, rows in zip(results["estimator"], results["indices"]["train"], strict=True):
        of_training_rows = clone(transformer).fit(SMALL[rows])
        np.testing.assert_array_equal(fitted[0].transform(SMALL), of_training_rows.transform(SMALL))
        assert not np.array_equal(fitted[0].transform(SMALL), clone(transformer).fit(SMALL).transform(SMALL))


def test_scikit_learn_is_imported_when_a_transformer_is():
    code = """
import sys, fcnet, fcnet.preprocessing
assert not [name for name in sys.modules if name.startswith("sklearn")]
assert "PatchTransformer" in dir(fcnet.preprocessing)
from fcnet.preprocessing import PatchTransformer
assert "sklearn" in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        fcnet.preprocessing.Nothing  # noqa: B018


@pytest.mark.cifar10
def test_patches_say_more_than_pixels_of_real_images():
    data = load_cifar10(n_train=800, n_val=0, n_test=500)
    train, test = (data.X_train, data.y_train), (data.X_test, data.y_test)
    patches = PatchTransformer(n_filters=40, n_components=100, random_state=0)
    of_patches = make_pipeline(patches, RidgeClassifier(alpha=100)).fit(*train).score(*test)
    of_pixels = [make_pipeline(StandardScaler(), RidgeClassifier(alpha=10.0**i)).fit(*train).score(*test) for i in range(7)]
    assert of_patches > max(of_pixels) + 0.1
