"""Values that are finite where they come from and not where they are computed: said in every entrance, and never NaN."""

import numpy as np
import pytest

from fcnet import FullyConnectedNet, Trainer
from fcnet.errors import FcnetError, InputError, OverflowedError, SettingError
from fcnet.model import Model
from fcnet.preprocessing import ZCA, HistogramFeatures, PatchFeatures, Scaling, StackedPatches

HUGE = 1e39  # finite in float64, infinite in float32


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((80, 2))
    return X, (X[:, 0] > 0).astype(int)


def with_value(X, value):
    X = X.copy()
    X[5, 1] = value
    return X


@pytest.mark.parametrize("method", ["logits", "predict", "predict_proba"])
@pytest.mark.parametrize("made", [lambda net: net, Model, lambda net: Model(net, Scaling(np.zeros(2), np.ones(2)))])
def test_a_network_looks_at_what_it_computes_with(data, made, method):
    model = made(FullyConnectedNet([2, 5, 2], seed=0))
    with pytest.raises(InputError, match=r"X\[5, 1\] is 1e\+39, which is too large for float32: scale it"):
        getattr(model, method)(with_value(data[0], HUGE))
    double = made(FullyConnectedNet([2, 5, 2], seed=0, dtype=np.float64))
    assert np.isfinite(getattr(double, method)(with_value(data[0], HUGE))).all()


def test_rows_are_counted_from_the_first(data):
    X = np.zeros((9000, 2))
    X[8000, 0] = HUGE
    for model in (FullyConnectedNet([2, 2]), Model(FullyConnectedNet([2, 2]))):
        with pytest.raises(InputError, match=r"X\[8000, 0\] is 1e\+39"):
            model.logits(X)


def test_sparse_rows_too(data):
    sparse = pytest.importorskip("scipy.sparse")
    for model in (FullyConnectedNet([2, 2]), Model(FullyConnectedNet([2, 2]))):
        with pytest.raises(InputError, match=r"X holds 1e\+39, which is too large for float32"):
            model.logits(sparse.csr_matrix([[HUGE, 0.0]]))


@pytest.mark.parametrize("name", ["X", "y", "X_val", "y_val"])
def test_training_looks_at_what_it_computes_with(data, name):
    X, y = data[0], data[0][:, :1] ** 2
    arrays = {"X": X, "y": y, "X_val": X, "y_val": y}
    arrays[name] = with_value(np.hstack([arrays[name]] * 2)[:, :2], HUGE)[:, -arrays[name].shape[1] :]
    net = FullyConnectedNet([2, 5, 1], loss="squared_error", seed=0)
    with pytest.raises(InputError, match=rf"^{name}\[5, \d\] is 1e\+39, which is too large for float32"):
        Trainer(epochs=1).fit(net, **arrays)


@pytest.mark.parametrize("activation", ["relu", "identity", "gelu"])
@pytest.mark.parametrize("made", [lambda net: net, Model])
def test_scores_that_overflow_are_said(activation, made):
    net = FullyConnectedNet([2, 50, 50, 2], activation=activation, weight_init=10.0, seed=0)
    X = np.array([[1, 1], [3e38, -3e38]], np.float32)
    for method in ("logits", "predict", "predict_proba"):
        with pytest.raises(OverflowedError, match=r"Row 1 of X has values .*too large for float32"):
            getattr(made(net), method)(X)
    assert np.isfinite(made(net).logits(X[:1])).all()


def test_counts_that_overflow_are_said():
    net = FullyConnectedNet([1, 1], loss="poisson", weight_init=0.0)
    net.params["W1"][...] = 1
    for model in (net, Model(net)):
        with pytest.raises(OverflowedError, match="Row 1"):
            model.predict([[1.0], [100.0]])
        assert model.predict([[2.0]]) == pytest.approx(np.exp(2))


@pytest.mark.parametrize("X_dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", ["classifier", "regressor"])
def test_estimators_look_at_what_they_compute_with(data, X_dtype, kind):
    pytest.importorskip("sklearn")
    from fcnet import FCNetClassifier, FCNetRegressor

    X, y = data[0].astype(X_dtype), data[1]
    make = {"classifier": FCNetClassifier, "regressor": FCNetRegressor}[kind]
    model = make(dtype="float32", random_state=0)
    model.partial_fit(X, y, **({"classes": [0, 1]} if kind == "classifier" else {}))
    calls = [model.predict, lambda X: model.partial_fit(X, y), lambda X: model.score(X, y)]
    calls += [lambda X: make(dtype="float32", max_iter=1).fit(data[0], y, X_val=X, y_val=y)]
    calls += [lambda X: make(dtype="float32").fit(X, y)]
    calls += [model.predict_proba, model.predict_log_proba] if kind == "classifier" else []
    for call in calls:
        with pytest.raises(ValueError, match=r"too large for (float32|dtype\('float32'\))"), np.errstate(over="ignore"):
            call(with_value(data[0], HUGE))


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("scale", [1e-200, 1e-60, 1e39, 1e300])
def test_targets_that_the_network_cannot_hold_are_said(data, scale, solver):
    pytest.importorskip("sklearn")
    from fcnet import FCNetRegressor

    X = data[0].astype(np.float32)
    with pytest.raises(InputError, match=r"y has the mean .* and the standard deviation .*float32 has no room.*float64"):
        FCNetRegressor(solver=solver, max_iter=2).fit(X, scale * data[0][:, 0])
    if 1e-100 < scale < 1e100:
        fitted = FCNetRegressor(solver="lbfgs", random_state=0, dtype="float64").fit(X, scale * data[0][:, 0])
        assert fitted.score(X, scale * data[0][:, 0]) > 0.9


IMAGES = np.random.default_rng(0).random((40, 12 * 12)).astype(np.float64)
SCALES = [1e-300, 1e-42, 1e-25, 1e-20, 1e-12, 1.0, 1e12, 1e18, 1e25, 1e200]
SHAPE = (12, 12, 1)


def transformers():
    from fcnet import preprocessing

    return {
        "patches": preprocessing.PatchTransformer(SHAPE, n_filters=8, patch_size=3, random_state=0),
        "whitened patches": preprocessing.PatchTransformer(SHAPE, n_filters=8, patch_size=3, n_components=4, random_state=0),
        "maps": preprocessing.PatchTransformer(
            SHAPE, n_filters=8, map_filters=8, map_channels=4, map_patch_size=3, patch_size=2
        ),
        "histograms": preprocessing.HistogramTransformer(SHAPE),
        "pca": preprocessing.PCAWhitening(n_components=4),
        "zca": preprocessing.ZCAWhitening(),
    }


@pytest.mark.parametrize("name", ["patches", "whitened patches", "maps", "histograms", "pca", "zca"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_transformers_give_finite_features_or_say_why_not(name, dtype):
    for package in ("sklearn", "skimage", "scipy"):
        pytest.importorskip(package)
    whole = transformers()[name].fit(IMAGES.astype(dtype))
    expected = whole.transform(IMAGES.astype(dtype))
    done = 0
    for scale in SCALES:
        with np.errstate(all="ignore"):
            X = (scale * IMAGES).astype(dtype)
        if not np.isfinite(X).all():
            continue
        try:
            found = transformers()[name].fit_transform(X)
        except ValueError as error:  # of fcnet, or of scikit-learn about what float32 cannot hold
            assert isinstance(error, FcnetError) or "too large for dtype" in str(error)
            assert scale not in (1e-12, 1, 1e12)
        else:
            assert np.isfinite(found).all()
            assert found.shape == expected.shape
            done += 1
        try:  # others than it was fitted to
            assert np.isfinite(whole.transform(X)).all()
        except ValueError as error:
            assert isinstance(error, FcnetError) or "too large for dtype" in str(error)
            assert scale > 1e12
    assert done >= 3


@pytest.mark.parametrize("value", [0.0, 1.0, -3.0, 1e-30])
@pytest.mark.parametrize("name", ["patches", "whitened patches", "maps", "histograms"])
def test_images_of_one_value_have_finite_features(name, value):
    for package in ("sklearn", "skimage", "scipy"):
        pytest.importorskip(package)
    X = np.full((10, 12 * 12), value, np.float32)
    try:
        found = transformers()[name].fit_transform(X)
    except SettingError as error:
        assert value == 1e-30
        assert "max_value" in str(error)
    else:
        assert np.isfinite(found).all()


@pytest.mark.parametrize("make", [PatchFeatures, StackedPatches, HistogramFeatures])
@pytest.mark.parametrize("value", [0, 1e-25, 1e25, float("nan")])
def test_white_has_to_have_a_contrast(make, value):
    with pytest.raises(SettingError, match="max_value"):
        make(max_value=value)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("fit", [Scaling.fit, lambda X: Scaling.fit(X, "mean"), ZCA.fit])
def test_preprocessing_is_finite_or_says_why_not(fit, scale):
    X = scale * IMAGES[:, :20]
    net = FullyConnectedNet([20, 2], seed=0)
    try:
        found = Model(net, fit(X)).predict_proba(X)
    except InputError:
        assert not 1e-25 <= scale <= 1e25
    else:
        assert np.isfinite(found).all()


def test_a_table_says_which_column_is_too_large():
    polars = pytest.importorskip("polars")
    from fcnet.preprocessing import TableFeatures

    with pytest.raises(InputError, match="'b'"):
        TableFeatures.fit(polars.DataFrame({"a": [1.0, 2.0], "b": [1e200, -1e200]}))
