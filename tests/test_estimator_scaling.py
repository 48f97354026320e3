"""Inputs of any scale go into the estimators as they are, and the fitted network takes them so."""

import numpy as np
import pytest
import scipy.sparse
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.preprocessing import StandardScaler

from fcnet import FCNetClassifier, FCNetRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def people(n, seed=0):
    """Age, income and a flag, and what depends on the first two."""
    rng = np.random.default_rng(seed)
    X = np.column_stack([rng.uniform(18, 80, n), rng.normal(3000, 800, n), rng.integers(0, 2, n)])
    return X, 2 * X[:, 1] + 50 * X[:, 0] + rng.normal(0, 100, n)


def classes(y, n):
    return np.digitize(y, np.quantile(y, np.arange(1, n) / n))


@pytest.mark.parametrize("settings", [{}, {"max_iter": 400}, {"solver": "lbfgs"}])
def test_a_regression_without_a_scaler_is_no_worse_than_scikit_learns(settings):
    (X, y), (X_test, y_test) = people(600), people(2000, seed=1)
    ours = FCNetRegressor(**settings, random_state=0).fit(X, y).score(X_test, y_test)
    assert ours > 0.98
    assert ours > MLPRegressor(**settings, random_state=0).fit(X, y).score(X_test, y_test) - 0.005


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("settings", [{}, {"solver": "lbfgs"}, {"solver": "sgd", "learning_rate_init": 0.05}])
def test_a_classification_without_a_scaler_is_no_worse_than_scikit_learns(settings, n_classes):
    (X, y), (X_test, y_test) = people(600), people(2000, seed=1)
    cuts = classes(np.concatenate([y, y_test]), n_classes)
    y, y_test = cuts[:600], cuts[600:]
    ours = FCNetClassifier(**settings, random_state=0).fit(X, y).score(X_test, y_test)
    assert ours > 0.85
    assert ours > MLPClassifier(**settings, random_state=0).fit(X, y).score(X_test, y_test) - 0.01


@pytest.mark.parametrize("hidden", [(), (20,), (20, 10)])
@pytest.mark.parametrize("settings", [{}, {"solver": "lbfgs"}, {"normalisation": "layer"}])
def test_coefficients_are_of_the_inputs_as_they_were_given(hidden, settings):
    X, y = people(200)
    model = FCNetRegressor(hidden_layer_sizes=hidden, **settings, max_iter=5, random_state=0).fit(X, y)
    np.testing.assert_array_equal(model.network_.logits(X)[:, 0], model.predict(X))
    if model.normalisation == "layer":
        return
    h = X
    for W, b in zip(model.coefs_[:-1], model.intercepts_[:-1], strict=True):
        h = np.maximum(h @ W + b, 0)
    by_hand = h @ model.coefs_[-1] + model.intercepts_[-1]
    np.testing.assert_allclose(by_hand[:, 0], model.predict(X), rtol=1e-10)


def test_the_unit_and_the_origin_of_inputs_change_nothing():
    X, y = people(300)
    units, origins = np.array([1e-3, 1e4, -7.0]), np.array([1900.0, -1e5, 3.0])
    settings = {"max_iter": 20, "random_state": 0, "input_dropout": 0.1}
    plain = FCNetRegressor(**settings).fit(X, y)
    other = FCNetRegressor(**settings).fit(X * np.abs(units) + origins, y)
    np.testing.assert_allclose(other.predict(X * np.abs(units) + origins), plain.predict(X), rtol=1e-7)
    assert FCNetRegressor(**settings, scale_inputs=False).fit(X, y).score(X, y) < plain.score(X, y)


def test_inputs_that_are_standardised_are_left_as_they_are():
    X, y = people(300)
    X = StandardScaler().fit_transform(X[:, :2])
    on, off = (FCNetRegressor(max_iter=5, random_state=0, scale_inputs=s).fit(X, y) for s in (True, False))
    np.testing.assert_array_equal(on.coefs_[0], off.coefs_[0])


def test_later_fits_keep_the_scale_of_the_first():
    (X, y), (more, y_more) = people(300), people(300, seed=1)
    more[:, 1] += 5000
    mean, std = X.mean(axis=0), X.std(axis=0)
    mean[2], std[2] = X[:, 2].mean(), 1  # a flag keeps its unit
    raw = FCNetRegressor(random_state=0).partial_fit(X, y).partial_fit(more, y_more)
    settings = {"random_state": 0, "scale_inputs": False}
    by_hand = FCNetRegressor(**settings).partial_fit((X - mean) / std, y).partial_fit((more - mean) / std, y_more)
    np.testing.assert_allclose(raw.predict(more), by_hand.predict((more - mean) / std), rtol=1e-9)
    raw, by_hand = (m.set_params(warm_start=True, max_iter=3) for m in (raw, by_hand))
    np.testing.assert_allclose(
        raw.fit(more, y_more).predict(more),
        by_hand.fit((more - mean) / std, y_more).predict((more - mean) / std),
        rtol=1e-9,
    )


def test_rows_count_by_their_weights_in_the_scale():
    X, y = people(100)
    weights = np.random.default_rng(0).integers(0, 4, 100)
    settings = {"solver": "lbfgs", "max_iter": 5, "random_state": 0}
    weighted = FCNetRegressor(**settings).fit(X, y, sample_weight=weights)
    repeated = FCNetRegressor(**settings).fit(np.repeat(X, weights, axis=0), np.repeat(y, weights))
    np.testing.assert_allclose(weighted.predict(X), repeated.predict(X), rtol=1e-6)


@pytest.mark.parametrize("early_stopping", [False, True])
def test_validation_rows_are_brought_to_the_same_scale(early_stopping):
    (X, y), (X_val, y_val) = people(300), people(100, seed=1)
    model = FCNetRegressor(max_iter=30, early_stopping=early_stopping, random_state=0).fit(X, y, X_val=X_val, y_val=y_val)
    expected = model.best_validation_score_ if early_stopping else model.validation_scores_[-1]
    assert model.score(X_val, y_val) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("container", [scipy.sparse.csr_array, scipy.sparse.csc_matrix])
def test_sparse_rows_stay_sparse_and_are_scaled_without_a_mean(container):
    X, y = people(600)
    X, y = np.column_stack([X, np.eye(600)[:, ::50]]), classes(y, 2)
    model = FCNetClassifier(random_state=0).fit(container(X), y)
    assert model.score(container(X), y) > 0.9
    np.testing.assert_allclose(model.predict_proba(container(X)), model.predict_proba(X), rtol=1e-9, atol=1e-12)
    assert scipy.sparse.issparse(model._scaled_inputs(container(X)))


def test_sparse_indicators_and_weights_of_words_are_left_as_they_are():
    X = scipy.sparse.random_array((200, 30), density=0.1, rng=np.random.default_rng(0), format="csr")
    y = np.arange(200) % 2
    on, off = (FCNetClassifier(max_iter=3, random_state=0, scale_inputs=s).fit(X, y) for s in (True, False))
    np.testing.assert_array_equal(on.coefs_[0], off.coefs_[0])


def test_dense_rows_and_then_sparse_ones_go_on_with_the_same_network():
    X, y = people(300)
    model = FCNetRegressor(random_state=0).partial_fit(X, y)
    before = model.predict(X)
    model.set_params(learning_rate_init=1e-12).partial_fit(scipy.sparse.csr_array(X), y)
    np.testing.assert_allclose(model.predict(X), before, rtol=1e-6)


def test_float32_stays_float32_and_far_off_means_are_told_apart():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.integers(2010, 2031, 600), rng.uniform(0, 1, 600)]).astype(np.float32)
    y = (X[:, 0] - 2020) / 6 + X[:, 1] > 0.5
    model = FCNetClassifier(random_state=0).fit(X, y)
    assert {p.dtype for p in model.coefs_ + model.intercepts_} == {np.dtype("float32")}
    assert model._scaled_inputs(X).dtype == np.float32
    assert model.score(X, y) > 0.95
    # A hidden unit sums 2020 times its weight, and takes it off again: each is rounded to 2^-24 of itself.
    W = [w.astype(np.float64) for w in model.coefs_]
    rounding = 4 * 2**-24 * (2030 * np.abs(W[0]).sum(axis=0) + np.abs(model.intercepts_[0])) @ np.abs(W[1])
    exact = model.network_.astype("float64").logits(X.astype(np.float64))
    assert np.abs(model.network_.logits(X) - exact).max() < 2 * rounding


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_columns_of_one_value_of_rare_ones_and_of_extreme_ones(dtype):
    X, y = people(600)
    rare = np.arange(600) == 7
    tiny, huge = (np.finfo(dtype).tiny * 2, np.finfo(dtype).max / 1e7)
    X = np.column_stack([X, np.zeros(600), np.full(600, 1e6), rare, tiny * X[:, 2], huge * X[:, 2]]).astype(dtype)
    y = classes(y, 2)
    model = FCNetClassifier(random_state=0).fit(X, y)
    assert model.score(X, y) > 0.9
    p = model.predict_proba(X)
    for column, value in ((3, 1), (4, 1e6 + 1), (5, 1)):  # what was hardly or never seen says little
        other = X.copy()
        other[:, column] = value
        assert np.abs(model.predict_proba(other) - p).mean() < 0.2


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_columns_that_are_too_large_for_their_type_are_named(dtype):
    X, y = people(50)
    X = np.column_stack([X, np.finfo(dtype).max / 10 * X[:, 2]]).astype(dtype)
    with pytest.raises(
        ValueError, match=f"need to be preprocessed. Column 3 of X has values of .*, for which {np.dtype(dtype)} has no room"
    ):
        FCNetRegressor().fit(X, y)
