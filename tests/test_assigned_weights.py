"""`coefs_` and `intercepts_` are written to, as those of scikit-learn's networks are."""

import copy
import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, make_multilabel_classification
from sklearn.exceptions import NotFittedError
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.preprocessing import scale

from fcnet import FCNetClassifier, FCNetRegressor
from fcnet.errors import InputError

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

IRIS = scale(load_iris().data), load_iris().target
CANCER = scale(load_breast_cancer().data), load_breast_cancer().target
DIABETES = scale(load_diabetes().data), load_diabetes().target


def fitted(**settings):
    return FCNetClassifier(8, max_iter=3, random_state=0, **settings).fit(*IRIS)


def by_hand(model, X):
    """Logits by the arrays that the estimator shows."""
    for W, b in zip(model.coefs_[:-1], model.intercepts_[:-1], strict=True):
        X = np.maximum(X @ W + b, 0)
    return X @ model.coefs_[-1] + model.intercepts_[-1]


def change_an_entry(model):
    model.coefs_[0] = 2 * model.coefs_[0]
    model.intercepts_[-1] = model.intercepts_[-1] + [1, 2, 3]


def change_the_list(model):
    model.coefs_ = [2 * W for W in model.coefs_]
    model.intercepts_ = (b + 1 for b in model.intercepts_)


def change_a_slice(model):
    model.coefs_[:] = [W - 1 for W in model.coefs_]


def change_in_place(model):
    model.coefs_[0] *= 3
    model.intercepts_[0][2] = 7
    model.coefs_[1][...] = 0.5


CHANGES = [change_an_entry, change_the_list, change_a_slice, change_in_place]


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_assigned_takes_effect(change):
    model, same = fitted(), fitted()
    before = model.predict_proba(IRIS[0])
    change(model)
    p = np.exp(by_hand(model, IRIS[0]))
    np.testing.assert_allclose(model.predict_proba(IRIS[0]), p / p.sum(axis=1, keepdims=True), rtol=1e-9)
    assert np.abs(model.predict_proba(IRIS[0]) - before).max() > 0.01
    for again in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        np.testing.assert_array_equal(again.predict_proba(IRIS[0]), model.predict_proba(IRIS[0]))
    assert not hasattr(clone(model), "coefs_")
    model.partial_fit(*IRIS)
    same.partial_fit(*IRIS)
    assert model.loss_ != same.loss_
    assert model.loss_curve_[:3] == same.loss_curve_[:3]


@pytest.mark.parametrize(
    ("ours", "theirs", "data"), [(FCNetClassifier, MLPClassifier, CANCER), (FCNetRegressor, MLPRegressor, DIABETES)]
)
def test_training_goes_on_from_them_as_scikit_learns_does(ours, theirs, data):
    """With all rows in a batch, networks that began elsewhere are the same once they are given the same weights."""
    settings = {
        "hidden_layer_sizes": 5,
        "solver": "sgd",
        "learning_rate": "constant",
        "batch_size": len(data[1]),
        "max_iter": 4,
    }
    extra = {"scale_inputs": False} | ({"scale_target": False} if ours is FCNetRegressor else {})
    settings |= {"learning_rate_init": 1e-5, "warm_start": True, "momentum": 0.9, "random_state": 1}
    model, reference = ours(**settings, **extra).fit(*data), theirs(**settings).fit(*data)
    rng = np.random.default_rng(0)
    coefs, intercepts = ([0.1 * rng.standard_normal(p.shape) for p in arrays] for arrays in (model.coefs_, model.intercepts_))
    for estimator in (model, reference):
        estimator.coefs_, estimator.intercepts_ = copy.deepcopy((coefs, intercepts))
        estimator.fit(*data)
    for ours_, theirs_ in zip(model.coefs_ + model.intercepts_, reference.coefs_ + reference.intercepts_, strict=True):
        np.testing.assert_allclose(ours_, theirs_, rtol=1e-7, atol=1e-10)


def test_weights_are_averaged_and_what_the_solver_remembers_is_kept():
    parts = [FCNetClassifier(8, random_state=seed).partial_fit(*IRIS, classes=[0, 1, 2]) for seed in range(3)]
    momenta = {name: array.copy() for name, array in parts[0]._memory.update_state.items()}
    mean = [np.mean(arrays, axis=0) for arrays in zip(*(model.coefs_ for model in parts), strict=True)]
    bias = [np.mean(arrays, axis=0) for arrays in zip(*(model.intercepts_ for model in parts), strict=True)]
    for model in parts:
        model.coefs_, model.intercepts_ = mean, bias
    for model in parts[1:]:
        np.testing.assert_array_equal(model.predict_proba(IRIS[0]), parts[0].predict_proba(IRIS[0]))
    for name, array in parts[0]._memory.update_state.items():
        np.testing.assert_array_equal(array, momenta[name])
    kept = [array.copy() for array in mean]
    parts[0].partial_fit(*IRIS)
    assert not np.array_equal(parts[0].coefs_[0], parts[1].coefs_[0])  # each has a copy of its own
    np.testing.assert_array_equal(mean[0], kept[0])


def test_they_take_the_dtype_of_the_network():
    model = fitted(dtype="float32")
    model.coefs_ = [W.astype(np.float64) for W in model.coefs_]
    model.coefs_[1] = np.ones((8, 3), int)
    model.intercepts_[0] = model.intercepts_[0].astype(np.float16)
    assert {p.dtype for p in model.coefs_ + model.intercepts_} == {np.dtype(np.float32)}
    assert model.predict_proba(IRIS[0]).dtype == np.float32
    assert model.partial_fit(*IRIS).coefs_[0].dtype == np.float32


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.coefs_.__setitem__(0, np.ones((3, 8))), r"coefs_\[0\] must have the shape \(4, 8\), got \(3, 8\)"),
        (lambda m: setattr(m, "coefs_", m.coefs_[::-1]), r"coefs_\[0\] must have the shape \(4, 8\), got \(8, 3\)"),
        (lambda m: setattr(m, "coefs_", m.coefs_[:1]), r"coefs_ must have 2 arrays, one for each layer .*, got 1"),
        (lambda m: m.coefs_.__setitem__(slice(None), [*m.coefs_, 0]), "coefs_ must have 2 arrays, .*, got 3"),
        (lambda m: m.intercepts_.__setitem__(1, 0), r"intercepts_\[1\] must have the shape \(3,\), got \(\)"),
        (lambda m: m.intercepts_.__setitem__(1, [1, np.nan, 1]), r"intercepts_\[1\] must hold finite numbers of float64"),
        (lambda m: m.coefs_.__setitem__(0, "many"), r"coefs_\[0\] must be an array of numbers, got str"),
        (lambda m: m.coefs_.append(np.ones((3, 3))), "coefs_ has one array for each layer"),
        (lambda m: m.intercepts_.reverse(), "intercepts_ has one array for each layer"),
        (lambda m: m.coefs_.__delitem__(0), "coefs_ has one array for each layer"),
        (lambda m: setattr(m, "n_layers_", 4), "n_layers_ follows from the network, where it is 3: it cannot become 4"),
        (lambda m: setattr(m, "out_activation_", "identity"), r"it is 'softmax': .* Logits are network_\.logits\(X\)"),
    ],
)
def test_what_does_not_fit_is_refused_by_name_and_changes_nothing(change, message):
    model = fitted()
    before = model.predict_proba(IRIS[0])
    with pytest.raises(InputError, match=message):
        change(model)
    np.testing.assert_array_equal(model.predict_proba(IRIS[0]), before)
    model.n_layers_, model.n_outputs_, model.out_activation_ = 3, 3, "softmax"  # what they are


def test_the_lists_are_lists():
    model = fitted()
    assert isinstance(model.coefs_, list)
    assert type(model.coefs_ + model.intercepts_) is list
    assert [W.shape for W in pickle.loads(pickle.dumps(model.coefs_))] == [(4, 8), (8, 3)]
    saved = model.coefs_
    values = saved[0].copy()
    model.coefs_ = [W + 1 for W in saved]
    np.testing.assert_array_equal(saved[0], values)  # a list that was taken before keeps its arrays


def test_an_unfitted_classifier_is_made_of_weights_alone():
    trained = FCNetClassifier((6, 5), max_iter=20, random_state=0).fit(IRIS[0], np.array(["a", "b", "c"])[IRIS[1]])
    model = FCNetClassifier((6, 5), random_state=0)
    model.n_layers_ = 4  # in any order, as code for scikit-learn's networks does it
    model.coefs_ = [W.tolist() for W in trained.coefs_]
    with pytest.raises(InputError, match="was given coefs_ alone: assign coefs_ and intercepts_"):
        model.predict(IRIS[0])
    model.intercepts_ = trained.intercepts_
    model.n_outputs_, model.out_activation_, model.n_iter_ = 3, "softmax", 20
    np.testing.assert_array_equal(model.predict_proba(IRIS[0]), trained.predict_proba(IRIS[0]))
    assert model.n_features_in_ == 4
    with pytest.raises(InputError, match=r"classes_ must have the 3 classes of the network's outputs, .* got \[\]"):
        model.predict(IRIS[0])
    model.classes_ = list("abc")
    np.testing.assert_array_equal(model.predict(IRIS[0]), trained.predict(IRIS[0]))
    again = pickle.loads(pickle.dumps(model))
    again.partial_fit(IRIS[0], np.array(["a", "b", "c"])[IRIS[1]])
    assert again.t_ == 150
    assert len(again.loss_curve_) == 1
    with pytest.raises(ValueError, match="4 features"):
        model.predict(IRIS[0][:, :3])


def test_a_client_of_a_federation_begins_with_weights_of_its_own():
    rng = np.random.default_rng(0)
    model = FCNetClassifier(12, max_iter=1, warm_start=True, random_state=0)
    model.coefs_ = [0.1 * rng.standard_normal(s).astype(np.float32) for s in ((4, 12), (12, 3))]
    model.intercepts_ = [np.zeros(12, np.float32), np.zeros(3, np.float32)]
    model.classes_, model.n_layers_, model.n_iter_, model.out_activation_ = np.arange(3), 3, 0, "softmax"
    assert model.coefs_[0].dtype == np.float32
    for _ in range(60):
        model.partial_fit(*IRIS, classes=np.arange(3))
        parameters = [p.copy() for p in model.coefs_ + model.intercepts_]
        model.coefs_, model.intercepts_ = parameters[:2], parameters[2:]
    assert model.score(*IRIS) > 0.8
    assert model.coefs_[0].dtype == np.float32
    assert model.fit(*IRIS).t_ == 61 * 150  # warm_start


def test_classes_may_be_assigned_in_any_order():
    model = fitted()
    order = model.predict(IRIS[0])
    model.classes_ = ["z", "m", "a"]
    np.testing.assert_array_equal(model.predict(IRIS[0]), np.array(["z", "m", "a"])[order])
    loss = copy.deepcopy(model).partial_fit(IRIS[0], np.array(["z", "m", "a"])[IRIS[1]]).loss_
    assert loss == fitted().partial_fit(*IRIS).loss_
    model.classes_ = [0, 1]
    with pytest.raises(InputError, match=r"classes_ must have the 3 classes .* got \[0, 1\]"):
        model.predict(IRIS[0])


def test_two_classes_and_several_labels_are_made_of_weights():
    for data, settings in [(CANCER, {}), (make_multilabel_classification(100, 5, n_classes=3, random_state=0), {})]:
        trained = FCNetClassifier(4, max_iter=5, random_state=0, **settings).fit(*data)
        model = FCNetClassifier(4)
        model.coefs_, model.intercepts_, model.out_activation_ = trained.coefs_, trained.intercepts_, "logistic"
        if data is CANCER:
            model.classes_ = [0, 1]
        np.testing.assert_array_equal(model.predict(data[0]), trained.predict(data[0]))
        np.testing.assert_array_equal(model.predict_log_proba(data[0]), trained.predict_log_proba(data[0]))
        model.partial_fit(*data)


@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
def test_an_unfitted_regressor_is_that_of_scikit_learn(loss):
    X, y = DIABETES
    theirs = MLPRegressor(loss, 7, max_iter=20, random_state=0).fit(X, y)
    model = FCNetRegressor(loss, 7, max_iter=30, warm_start=True, random_state=0)
    model.coefs_, model.intercepts_ = theirs.coefs_, theirs.intercepts_
    if loss == "squared_error":
        model.out_activation_ = "identity"
    np.testing.assert_allclose(model.predict(X), theirs.predict(X), rtol=1e-9)
    start = model.coefs_[0].copy()
    model.set_params(max_iter=1, learning_rate_init=1e-9).fit(X, y)  # it goes on from there
    np.testing.assert_allclose(model.coefs_[0], start, atol=1e-7)


def test_weights_that_fit_no_network_are_refused():
    model = FCNetRegressor(hidden_layer_sizes=7)
    model.coefs_, model.intercepts_ = [0] * 2, [0] * 2
    with pytest.raises(InputError, match=r"coefs_\[0\] must have the shape \(inputs, outputs\) of its layer, got \(\)"):
        model.predict(DIABETES[0])
    model.coefs_, model.intercepts_ = [np.ones((10, 7)), np.ones((6, 1))], [np.ones(7), np.ones(1)]
    with pytest.raises(InputError, match=r"coefs_\[1\] must have the shape \(7, 1\), got \(6, 1\)"):
        model.predict(DIABETES[0])
    model.coefs_[1], model.out_activation_ = np.ones((7, 1)), "softmax"
    with pytest.raises(InputError, match="out_activation_ follows from the network, where it is 'identity'"):
        model.predict(DIABETES[0])
    with pytest.raises(NotFittedError):
        FCNetRegressor().predict(DIABETES[0])
    assert model.set_params(hidden_layer_sizes=3, max_iter=2).fit(*DIABETES).coefs_[0].shape == (10, 3)  # a fit begins anew
