"""The estimators as scikit-learn's users use them."""

import os
import pickle
import re
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, make_multilabel_classification
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.metrics import log_loss, r2_score, recall_score
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler, scale
from sklearn.utils.estimator_checks import parametrize_with_checks

import fcnet
from fcnet import FCNetClassifier, FCNetRegressor, FullyConnectedNet, Trainer
from fcnet.engine import NumpyEngine
from fcnet.errors import FcnetError
from fcnet.estimators.holdout import validation_rows
from fcnet.export import export_onnx
from fcnet.nn.layers import Activation
from fcnet.training.callbacks import Callback, EarlyStopping
from fcnet.training.schedules import OneCycle
from fcnet.training.updates import AdamW

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

IRIS = scale(load_iris().data), load_iris().target
CANCER = scale(load_breast_cancer().data), load_breast_cancer().target
DIABETES = scale(load_diabetes().data), load_diabetes().target


@parametrize_with_checks([FCNetClassifier(), FCNetRegressor()])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


NOT_OURS = {  # tests of scikit-learn's own networks that cannot apply, and why
    "test_gradient": "calls the private _loss_grad_lbfgs",
    "test_lbfgs_regression_maxfun": "ours has converged within the 10 evaluations after which it is to warn",
    "test_early_stopping_stratified": "wants four rows refused for a class of one row, ours for too few to validate on",
    "test_learning_rate_warmstart": "looks at the private _optimizer",
    "test_adaptive_learning_rate": "looks at the private _optimizer",
}
EITHER_WAY = {  # tests of scikit-learn's own networks that pass with some kernels of a BLAS and not with others, and why
    "test_mlp_regressor_dtypes_casting": "compares float32 with float64 to 5e-4 of every prediction, where one is near zero",
}


@pytest.mark.slow
def test_scikit_learns_own_tests_of_its_networks_pass(tmp_path):
    (tmp_path / "in_place.py").write_text(
        "import sklearn.neural_network as nn\n"
        "from fcnet import FCNetClassifier, FCNetRegressor\n"
        "nn.MLPClassifier, nn.MLPRegressor = FCNetClassifier, FCNetRegressor\n"
    )
    pytest_here = [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "in_place", "-c", os.devnull, "-p", "no:cacheprovider"]
    result = subprocess.run(
        [*pytest_here, "--rootdir", str(tmp_path), "--pyargs", "sklearn.neural_network.tests.test_mlp"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])},  # the fcnet that is tested here
        capture_output=True,
        text=True,
        check=False,
    )
    outcomes = re.findall(r"^(PASSED|FAILED|ERROR) .*::(\w+)", result.stdout, re.MULTILINE)
    assert len(outcomes) == 59, result.stdout + result.stderr
    failed = {name for outcome, name in outcomes if outcome != "PASSED"} - set(EITHER_WAY)
    assert failed == set(NOT_OURS), result.stdout[-3000:]
    assert sum(outcome == "PASSED" or name in EITHER_WAY for outcome, name in outcomes) >= 54


def test_float32_predicts_what_float64_does():
    """To 5e-4, as scikit-learn asks of its own networks, but of the spread of the predictions, not of each."""
    X, y = load_digits(n_class=3, return_X_y=True)
    X = X / 16
    settings = {"hidden_layer_sizes": (5, 3), "max_iter": 100, "batch_size": 200, "random_state": 1}
    narrow, wide = (FCNetRegressor(**settings).fit(X.astype(d), y).predict(X.astype(d)) for d in (np.float32, np.float64))
    assert (narrow.dtype, wide.dtype) == (np.float32, np.float64)
    np.testing.assert_allclose(narrow, wide, rtol=0, atol=5e-4 * np.std(wide))


@pytest.mark.parametrize(("ours", "theirs"), [(FCNetClassifier, MLPClassifier), (FCNetRegressor, MLPRegressor)])
def test_every_parameter_of_scikit_learn_is_there(ours, theirs):
    mine, other = ours().get_params(), theirs().get_params()
    assert set(other) <= set(mine)
    assert {name for name in other if mine[name] != other[name]} == {"alpha", "learning_rate", "learning_rate_init"}  # "auto"
    data = IRIS if ours is FCNetClassifier else DIABETES
    public = {name for name in vars(theirs(max_iter=5).fit(*data)) if name.endswith("_") and not name.startswith("_")}
    fitted = ours(max_iter=5).fit(*data)
    assert {name for name in public if not hasattr(fitted, name)} == set()


def test_the_same_seed_gives_the_same_network_and_another_another():
    one, two, other = (FCNetClassifier(max_iter=5, dropout=0.2, random_state=seed).fit(*IRIS) for seed in (0, 0, 1))
    for a, b in zip(one.coefs_, two.coefs_, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(one.coefs_[0], other.coefs_[0])


def test_results_are_those_of_scikit_learn_where_training_is_the_same():
    """Full batches, plain gradient descent and the same beginning leave nothing to chance."""
    settings = {
        "solver": "sgd",
        "momentum": 0,
        "batch_size": 150,
        "max_iter": 30,
        "tol": 0,
        "learning_rate_init": 0.1,
        "alpha": 0.5,
    }
    theirs = MLPClassifier(**settings, random_state=0).fit(*IRIS)
    ours = FCNetClassifier(**(settings | {"max_iter": 1}), label_smoothing=0, random_state=0, warm_start=True).fit(*IRIS)
    start = MLPClassifier(**(settings | {"max_iter": 1, "learning_rate_init": 1e-300}), random_state=0).fit(*IRIS)
    for own, of_start in zip(ours.coefs_ + ours.intercepts_, start.coefs_ + start.intercepts_, strict=True):
        own[...] = of_start
    ours.set_params(max_iter=30).fit(*IRIS)
    np.testing.assert_allclose(ours.predict_proba(IRIS[0]), theirs.predict_proba(IRIS[0]), rtol=1e-8)
    np.testing.assert_allclose(ours.loss_curve_[1:], theirs.loss_curve_, rtol=1e-8)


def test_dropout_makes_the_training_loss_larger():
    plain, dropped = (FCNetClassifier(dropout=p, max_iter=30, random_state=0).fit(*CANCER) for p in (0.0, 0.5))
    assert dropped.loss_ > plain.loss_
    assert dropped.score(*CANCER) > 0.95


def test_class_weights_move_the_recall():
    X, y = CANCER
    rare = np.concatenate([np.flatnonzero(y == 1), np.flatnonzero(y == 0)[:15]])
    X, y = X[rare][:, :3], y[rare]
    settings = {"max_iter": 60, "random_state": 0}
    plain, balanced = (FCNetClassifier(class_weight=w, **settings).fit(X, y) for w in (None, "balanced"))
    by_hand = FCNetClassifier(class_weight={0: len(y) / 30, 1: len(y) / 2 / (y == 1).sum()}, **settings).fit(X, y)
    recall = [recall_score(y, model.predict(X), pos_label=0) for model in (plain, balanced, by_hand)]
    assert recall[1] > recall[0] + 0.2
    np.testing.assert_allclose(balanced.predict_proba(X), by_hand.predict_proba(X), rtol=1e-6)


def test_own_validation_rows_are_used_and_their_curves_kept():
    X, X_val, y, y_val = train_test_split(*CANCER, random_state=0)
    seen = FCNetClassifier(max_iter=20, random_state=0).fit(X, y, X_val=X_val, y_val=y_val)
    assert len(seen.validation_loss_curve_) == len(seen.validation_scores_) == seen.n_iter_ == 20
    assert seen.validation_loss_curve_[-1] == pytest.approx(log_loss(y_val, seen.predict_proba(X_val)), rel=1e-6)
    assert seen.validation_scores_[-1] == pytest.approx(seen.score(X_val, y_val))
    unseen = FCNetClassifier(max_iter=20, random_state=0).fit(X, y)
    np.testing.assert_array_equal(seen.coefs_[0], unseen.coefs_[0])  # to look on changes nothing
    stopped = FCNetClassifier(early_stopping=True, random_state=0).fit(X, y, X_val=X_val, y_val=y_val)
    assert stopped.n_iter_ < 200
    assert stopped.score(X_val, y_val) == stopped.best_validation_score_ == max(stopped.validation_scores_)


@pytest.mark.parametrize("early_stopping", [False, True])
def test_a_regression_takes_validation_rows_at_its_first_fit(early_stopping):
    X, X_val, y, y_val = train_test_split(*DIABETES, random_state=0)
    model = FCNetRegressor(max_iter=30, early_stopping=early_stopping, learning_rate_init=0.01, random_state=0)
    model.fit(X, np.column_stack([y, -y]), X_val=X_val, y_val=np.column_stack([y_val, -y_val]))
    assert len(model.validation_loss_curve_) == model.n_iter_
    model.fit(X, y, X_val=X_val, y_val=y_val)
    expected = model.best_validation_score_ if early_stopping else model.validation_scores_[-1]
    assert model.score(X_val, y_val) == pytest.approx(expected)
    with pytest.raises(ValueError, match="y must have 1 columns"):
        model.fit(X, y, X_val=X_val, y_val=np.column_stack([y_val, y_val]))


def test_validation_rows_come_as_a_pair():
    with pytest.raises(ValueError, match="X_val and y_val go together"):
        FCNetClassifier().fit(*IRIS, X_val=IRIS[0])


class StopAt(Callback):
    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_end(self, state):
        if state.epoch == self.epoch:
            state.stop("enough")


class Interrupt(Callback):
    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_begin(self, state):
        if state.epoch == self.epoch:
            raise KeyboardInterrupt


def test_callbacks_may_stop_and_an_interruption_keeps_what_there_is():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert FCNetClassifier(callbacks=[StopAt(3)]).fit(*IRIS).n_iter_ == 3
    with pytest.warns(UserWarning, match="interrupted"):
        model = FCNetClassifier(callbacks=[Interrupt(4)], random_state=0).fit(*IRIS)
    assert model.n_iter_ == 4
    four = FCNetClassifier(callbacks=[StopAt(4)], random_state=0).fit(*IRIS)
    np.testing.assert_array_equal(model.coefs_[0], four.coefs_[0])


@pytest.mark.parametrize("settings", [{}, {"early_stopping": True}, {"learning_rate": "adaptive", "solver": "sgd", "tol": 0.1}])
@pytest.mark.parametrize(("cls", "data"), [(FCNetClassifier, IRIS), (FCNetRegressor, DIABETES)])
def test_a_stopped_fit_goes_on_from_its_checkpoint_as_if_it_had_not_stopped(tmp_path, monkeypatch, cls, data, settings):
    monkeypatch.setitem(Trainer.fit.__kwdefaults__, "checkpoint_seconds", 0)
    settings = {"dropout": 0.1, "random_state": 3, "max_iter": 25, "batch_size": 50, "n_iter_no_change": 8, **settings}
    whole = cls(**settings).fit(*data)
    path = tmp_path / "state.safetensors"
    with pytest.warns(UserWarning, match="interrupted"):
        cls(**settings, checkpoint=path, callbacks=[Interrupt(6)]).fit(*data)
    resumed = cls(**settings, checkpoint=path).fit(*data)
    assert resumed.loss_curve_ == whole.loss_curve_
    for a, b in zip(resumed.coefs_, whole.coefs_, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_checkpoint_of_other_data_is_refused(tmp_path):
    path = tmp_path / "state.safetensors"
    FCNetClassifier(max_iter=2, random_state=0, checkpoint=str(path)).fit(*IRIS)
    with pytest.raises(FcnetError, match=r"belongs to another training: its data are others.*delete the file or name another"):
        FCNetClassifier(max_iter=2, random_state=0, checkpoint=str(path)).fit(IRIS[0] + 1, IRIS[1])
    with pytest.raises(FcnetError, match=r"its learning_rate_init is 0\.002, here it is 0\.1\."):
        FCNetClassifier(max_iter=2, random_state=0, checkpoint=str(path), learning_rate_init=0.1).fit(*IRIS)


def test_a_checkpoint_that_could_not_be_used_is_refused_before_training(tmp_path):
    with pytest.raises(ValueError, match="is a folder: name a file in it"):
        FCNetClassifier(checkpoint=tmp_path, random_state=0).fit(*IRIS)
    with pytest.raises(ValueError, match="checkpoint needs a random_state"):
        FCNetClassifier(checkpoint=tmp_path / "state").fit(*IRIS)
    with pytest.raises(ValueError, match="There is no folder .*nowhere to keep the checkpoint"):
        FCNetClassifier(checkpoint=tmp_path / "nowhere" / "state", random_state=0).fit(*IRIS)


def test_a_callback_stops_early_without_the_parameter_of_that_name():
    X, X_val, y, y_val = train_test_split(*DIABETES, random_state=0)
    stop = EarlyStopping(patience=3)
    model = FCNetRegressor(max_iter=400, random_state=0, learning_rate_init=0.01, callbacks=[stop]).fit(
        X, y, X_val=X_val, y_val=y_val
    )
    assert model.n_iter_ == 1 + np.argmax(model.validation_scores_) + 3
    assert model.score(X_val, y_val) == pytest.approx(model.validation_scores_[-1])  # the last parameters, not the best


def test_what_lbfgs_leaves_out_is_said(tmp_path):
    model = FCNetClassifier(solver="lbfgs", dropout=0.5, checkpoint=tmp_path / "state", random_state=0)
    with pytest.warns(UserWarning, match="leaves out dropout, checkpoint, X_val:"):
        model.fit(*IRIS, X_val=IRIS[0], y_val=IRIS[1])


def test_a_network_that_has_learnt_nothing_says_so():
    with pytest.warns(
        ConvergenceWarning, match=r"no more than one answer for all rows .* is 0\.\d+, that of the answer 0\.6603"
    ):
        FCNetClassifier(solver="sgd", max_iter=50, scale_inputs=False, random_state=0).fit(load_breast_cancer().data, CANCER[1])


@pytest.mark.parametrize("model", [FCNetClassifier(), FCNetRegressor(), FCNetRegressor("poisson")])
@pytest.mark.parametrize("rate", [1e-9, 1e-2])
def test_only_a_network_that_has_learnt_nothing_says_so(model, rate):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.set_params(learning_rate_init=rate, max_iter=100, random_state=0)
        model.fit(*(IRIS if isinstance(model, FCNetClassifier) else DIABETES))
    assert any("learnt no more" in str(warning.message) for warning in caught) == (rate == 1e-9)


def test_rows_in_a_rhythm_are_not_taken_for_nothing_learnt():
    hours = np.arange(48_000)
    y = np.sin(2 * np.pi * hours / 24)
    model = FCNetRegressor(hidden_layer_sizes=20, max_iter=3, learning_rate_init=0.01, random_state=0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(np.column_stack([y, np.cos(2 * np.pi * hours / 24)]), y)
    assert not any("learnt no more" in str(warning.message) for warning in caught)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"learning_rate": 0.01}, "write learning_rate_init=0.01"),
        ({"hidden_layer_sizes": [10.5]}, "hidden_layer_sizes must be a whole number, got 10.5"),
        ({"activation": np.tanh}, "activation must be a name, or a class .* got <ufunc 'tanh'>"),
        ({"activation": dict}, "activation must be a name, or a class .* got <class 'dict'>"),
        ({"solver": AdamW}, r"solver must be an object, not its class: write AdamW\(\)"),
        ({"learning_rate": OneCycle}, r"learning_rate must be an object, not its class: write OneCycle\(\)"),
        ({"callbacks": [print]}, "callbacks must be objects of classes derived from .*Callback, got <built-in"),
        ({"callbacks": [Callback]}, "callbacks must be objects of classes derived from .*Callback, got <class"),
    ],
)
def test_wrong_parameters_say_what_to_write(parameters, message):
    with pytest.raises(ValueError, match=message):
        FCNetClassifier(**parameters).fit(*IRIS)


def test_wrong_validation_rows_are_named():
    with pytest.raises(ValueError, match="X_val and y_val do not go with X and y: X has 3 features"):
        FCNetClassifier().fit(*IRIS, X_val=IRIS[0][:, :3], y_val=IRIS[1])
    with pytest.raises(ValueError, match="X_val and y_val do not go with X and y: .*classes not in"):
        FCNetClassifier().fit(*IRIS, X_val=IRIS[0], y_val=IRIS[1] + 1)


def test_an_estimator_is_no_model_and_it_says_what_is(tmp_path):
    model = FCNetClassifier(max_iter=2).fit(*IRIS)
    for write in (fcnet.save, lambda path, model: export_onnx(model, path)):
        with pytest.raises(ValueError, match=r"got FCNetClassifier\. An estimator has one as its network_"):
            write(tmp_path / "model", model)
    fcnet.save(tmp_path / "model", model.network_)
    with pytest.raises(ValueError, match="activation of your own is saved by its name.*register"):
        fcnet.save(tmp_path / "model", FullyConnectedNet([2, 3, 2], activation=Square))


def test_partial_fit_is_fit_epoch_by_epoch_with_weights_classes_and_dropout():
    settings = {
        "batch_size": 569,
        "solver": "adam",
        "learning_rate": "constant",
        "alpha": 1e-4,
        "random_state": 0,
        "class_weight": {0: 3, 1: 1},
    }
    whole = FCNetClassifier(**settings, max_iter=15, tol=0).fit(*CANCER)
    parts = FCNetClassifier(**settings)
    for _ in range(15):
        parts.partial_fit(*CANCER, classes=[0, 1])
    np.testing.assert_allclose(parts.predict_proba(CANCER[0]), whole.predict_proba(CANCER[0]), rtol=1e-8)
    assert parts.loss_curve_ == pytest.approx(whole.loss_curve_)
    dropped = FCNetClassifier(dropout=0.2, learning_rate_init=0.01, random_state=0)
    for _ in range(60):
        dropped.partial_fit(*IRIS, classes=[0, 1, 2], sample_weight=np.ones(150))
    assert dropped.score(*IRIS) > 0.9
    with pytest.raises(ValueError, match="balanced"):
        FCNetClassifier(class_weight="balanced").partial_fit(*IRIS, classes=[0, 1, 2])


@pytest.mark.parametrize(
    "solver", ["adam", "adamw", "sgd", "momentum", "nesterov", "rmsprop", "lbfgs", AdamW(weight_decay=0.1)]
)
@pytest.mark.parametrize("learning_rate", ["auto", "one_cycle", OneCycle(warmup=0.1)])
def test_every_solver_learns(solver, learning_rate):
    rate = 0.05 if solver in ("sgd", "momentum", "nesterov") else 0.003
    model = FCNetClassifier(
        solver=solver, learning_rate=learning_rate, learning_rate_init=rate, max_iter=80, batch_size=25, random_state=0
    )
    assert clone(model).fit(*IRIS).score(*IRIS) > 0.94


@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu", "leaky_relu", "gelu"])
@pytest.mark.parametrize("normalisation", ["none", "layer"])
def test_every_activation_learns(activation, normalisation):
    model = FCNetClassifier((20, 10), activation, normalisation=normalisation, learning_rate_init=0.01, random_state=0)
    assert model.fit(*IRIS).score(*IRIS) > 0.94


class Square(Activation):
    """``out = x²``."""

    def forward(self, x, params, engine, rng):
        return x * x, x

    def backward(self, dout, cache, engine, input_gradient):
        return dout * 2 * cache, {}


def test_an_activation_of_ones_own():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 2))
    y = (X**2).sum(axis=1) > 1.5
    model = FCNetClassifier(4, Square, learning_rate_init=0.02, random_state=0).fit(X, y)
    assert model.score(X, y) > 0.95
    assert isinstance(model.network_.engine, NumpyEngine)
    with pytest.raises(ValueError, match="activation"):
        FCNetClassifier(activation="square").fit(X, y)


def test_several_labels_to_a_row():
    X, Y = make_multilabel_classification(300, 12, n_classes=4, random_state=0)
    model = FCNetClassifier(max_iter=100, learning_rate_init=0.01, random_state=0).fit(scale(X), Y)
    assert (model.predict(scale(X)) == Y).mean() > 0.9
    assert model.predict_proba(scale(X)).shape == Y.shape
    assert model.n_outputs_ == 4
    assert model.out_activation_ == "logistic"


def test_several_outputs_and_the_scale_of_each():
    X, y = DIABETES
    Y = np.column_stack([y, 1e4 * X[:, 2] + 1e6, np.full(len(y), 7.0)])
    model = FCNetRegressor(solver="lbfgs", max_iter=60, alpha=0.1, random_state=0).fit(X, Y)
    scores = r2_score(Y, model.predict(X), multioutput="raw_values")
    assert scores[0] > 0.5
    assert scores[1] > 0.99
    np.testing.assert_allclose(model.predict(X)[:, 2], 7, atol=0.3)
    hidden = np.maximum(X @ model.coefs_[0] + model.intercepts_[0], 0)
    np.testing.assert_allclose(hidden @ model.coefs_[1] + model.intercepts_[1], model.predict(X), rtol=1e-9)


def test_the_scale_of_a_regressions_target_changes_nothing_but_the_scale():
    X, y = DIABETES
    plain = FCNetRegressor(max_iter=20, random_state=0).fit(X, y)
    large = FCNetRegressor(max_iter=20, random_state=0).fit(X, 1000 * y - 5e4)
    np.testing.assert_allclose(large.predict(X), 1000 * plain.predict(X) - 5e4, rtol=1e-7)
    assert FCNetRegressor(max_iter=20, random_state=0, scale_target=False).fit(X, y).score(X, y) < plain.score(X, y)
    parts = FCNetRegressor(random_state=0)
    for _ in range(60):
        parts.partial_fit(X, y)
    assert parts.score(X, y) > 0.3


def test_counts_by_the_poisson_loss():
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (500, 2))
    y = rng.poisson(np.exp(1 + X[:, 0] - 0.5 * X[:, 1]))
    model = FCNetRegressor("poisson", 10, solver="lbfgs", alpha=5, random_state=0).fit(X, y)
    np.testing.assert_allclose(model.predict(X), np.exp(1 + X[:, 0] - 0.5 * X[:, 1]), rtol=0.25)
    with pytest.raises(ValueError, match="poisson"):
        FCNetRegressor("poisson").fit(X, y - 5)


@pytest.mark.parametrize("container", [scipy.sparse.csr_array, scipy.sparse.csc_matrix])
def test_sparse_rows(container):
    X, y = load_digits(return_X_y=True)
    X, y = X[:300] / 16, y[:300]
    settings = {"max_iter": 10, "scale_inputs": False, "random_state": 0}  # sparse rows would not be centred
    dense, sparse = (FCNetClassifier(**settings).fit(data, y) for data in (X, container(X)))
    np.testing.assert_allclose(sparse.predict_proba(container(X)), dense.predict_proba(X), rtol=1e-6)
    held = FCNetClassifier(early_stopping=True, max_iter=10, random_state=0).fit(container(X), y)
    assert len(held.validation_scores_) == held.n_iter_


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_data_frames(frame):
    data = load_iris()
    X = frame(dict(zip(data.feature_names, data.data.T, strict=True)))
    model = FCNetClassifier(max_iter=100, random_state=0).fit(X, data.target_names[data.target])
    if frame is pd.DataFrame or hasattr(model, "feature_names_in_"):  # scikit-learn 1.7 reads no names of polars
        assert list(model.feature_names_in_) == data.feature_names
    assert set(model.predict(X)) <= {"setosa", "versicolor", "virginica"}
    if frame is pd.DataFrame:
        with pytest.raises(ValueError, match="feature names"):
            model.predict(X[X.columns[::-1]])


def test_float32_stays_and_a_dtype_can_be_asked_for():
    X = IRIS[0].astype(np.float32)
    model = FCNetClassifier(max_iter=3).fit(X, IRIS[1])
    assert {p.dtype for p in model.coefs_ + model.intercepts_} == {np.dtype("float32")}
    assert model.predict_proba(X).dtype == np.float32
    assert FCNetClassifier(max_iter=3, dtype="float32").fit(*IRIS).coefs_[0].dtype == np.float32


def test_pickles_clones_and_unfitted_ones(tmp_path):
    model = FCNetClassifier(max_iter=5, random_state=0).fit(*IRIS)
    joblib.dump(model, tmp_path / "model.joblib")
    for again in (pickle.loads(pickle.dumps(model)), joblib.load(tmp_path / "model.joblib")):
        np.testing.assert_array_equal(again.predict_proba(IRIS[0]), model.predict_proba(IRIS[0]))
        again.partial_fit(*IRIS)
    assert not hasattr(clone(model), "coefs_")
    with pytest.raises(NotFittedError):
        clone(model).predict(IRIS[0])
    assert not hasattr(FCNetClassifier(solver="lbfgs"), "partial_fit")


@pytest.mark.parametrize(("cls", "data"), [(FCNetClassifier, IRIS), (FCNetRegressor, DIABETES)])
def test_a_pickle_of_an_earlier_version_still_works(cls, data):
    model = cls(max_iter=3, scale_inputs=False, random_state=0).fit(*data)
    state = {name: value for name, value in vars(model).items() if name not in ("scale_inputs", "_input_scale", "threads")}
    old = cls.__new__(cls)
    old.__setstate__(state)
    np.testing.assert_array_equal(old.predict(data[0]), model.predict(data[0]))
    assert old.get_params() == model.get_params()
    old.partial_fit(*data)
    old.fit(*data)


@pytest.mark.parametrize(("y", "smoothing"), [(IRIS[1], 0.05), (IRIS[1] > 0, 0.0)])
def test_a_pickle_of_an_earlier_version_keeps_its_automatic_label_smoothing(y, smoothing):
    old = FCNetClassifier.__new__(FCNetClassifier)
    old.__setstate__(vars(FCNetClassifier(max_iter=3, random_state=0).fit(IRIS[0], y)) | {"label_smoothing": "auto"})
    today = FCNetClassifier(max_iter=3, random_state=0, label_smoothing=smoothing)
    np.testing.assert_array_equal(old.fit(IRIS[0], y).predict_proba(IRIS[0]), today.fit(IRIS[0], y).predict_proba(IRIS[0]))


def test_a_pickle_of_an_earlier_version_goes_on_with_what_adam_remembers():
    model, once = (FCNetClassifier(solver="adam", random_state=0).partial_fit(*IRIS, classes=[0, 1, 2]) for _ in range(2))
    state = dict(vars(once))
    memory = state.pop("_memory")
    update = AdamW(weight_decay=0.0)  # what Adam is unpickled as
    state |= {"_update": update, "_update_state": memory.update_state, "_adaptive": None, "_n_partial_fits": 1}
    old = FCNetClassifier.__new__(FCNetClassifier)
    old.__setstate__(state)
    for again in (model, old):
        again.partial_fit(*IRIS)
    np.testing.assert_array_equal(old.predict_proba(IRIS[0]), model.predict_proba(IRIS[0]))


def test_a_grid_search_over_a_pipeline_is_the_same_in_processes_and_threads():
    grid = {"net__dropout": [0.0, 0.3], "net__solver": ["adam", AdamW(weight_decay=0.01)]}
    net = FCNetClassifier(max_iter=15, random_state=0)
    search = GridSearchCV(Pipeline([("scale", StandardScaler()), ("net", net)]), grid, cv=3)
    found = []
    for backend, n_jobs in (("loky", 2), ("threading", 2), ("loky", 1)):
        with joblib.parallel_backend(backend, n_jobs=n_jobs):
            found.append(clone(search).fit(*load_iris(return_X_y=True)).cv_results_["mean_test_score"])
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


@pytest.mark.parametrize("wide", [1, 100])  # with small products on one thread, with large ones on as many as joblib gives
def test_two_jobs_do_not_take_more_threads_than_there_are_cores(monkeypatch, wide):
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)  # joblib takes it for the number that each job is to have
    X, y = np.tile(IRIS[0], (1, wide)), IRIS[1]

    def threads_of_a_fit():  # defined here, for another process to get it whole
        from threadpoolctl import threadpool_info

        class Count(Callback):
            most = 0

            def on_epoch_end(self, state):
                self.most = max(self.most, *(pool["num_threads"] for pool in threadpool_info()))

        count = Count()
        FCNetClassifier(max_iter=3, callbacks=[count]).fit(X, y)
        return count.most

    most = joblib.Parallel(n_jobs=2, backend="loky")(joblib.delayed(threads_of_a_fit)() for _ in range(2))
    assert 0 < 2 * max(most) <= max(2, joblib.cpu_count())


def test_fits_in_several_threads_leave_the_number_of_threads_as_it_was():
    script = """
import numpy as np
from concurrent.futures import ThreadPoolExecutor
from threadpoolctl import threadpool_info
from fcnet import FCNetClassifier
X, y = np.random.default_rng(0).standard_normal((150, 4)), np.arange(150) % 3
fit = lambda epochs: FCNetClassifier(max_iter=epochs, tol=0, n_iter_no_change=1000).fit(X, y)
fit(1)
before = [pool["num_threads"] for pool in threadpool_info()]
with ThreadPoolExecutor(4) as pool:
    others = [pool.submit(fit, epochs) for epochs in (30, 60, 90, 120)]
    fit(50)
    [other.result() for other in others]
after = [pool["num_threads"] for pool in threadpool_info()]
assert before == after and max(after) == 2, (before, after)
"""
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "2"}
    subprocess.run([sys.executable, "-W", "ignore", "-c", script], check=True, env=environment)


@pytest.mark.parametrize("settings", [{}, {"normalisation": "layer"}, {"activation": "gelu"}])
def test_several_threads_may_predict_with_one_network(settings):
    X, y = load_digits(return_X_y=True)
    model = FCNetClassifier((200, 200), max_iter=2, random_state=0, **settings).fit(X, y)
    p = model.predict_proba(X)
    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(lambda start: model.predict_proba(X[start : start + 700]), range(100)))
    for start, part in enumerate(parts):
        np.testing.assert_allclose(part, p[start : start + 700], atol=1e-6)


def test_the_callbacks_of_scikit_learn():
    callback = pytest.importorskip("sklearn.callback")

    class Note:
        def __init__(self):
            self.epochs, self.scores, self.ended = 0, [], False

        def setup(self, estimator, context): ...

        def teardown(self, estimator, context):
            self.ended = True

        def on_fit_task_begin(self, estimator, context): ...

        def on_fit_task_end(self, estimator, context, *, X=None, y=None, metadata=None, fitted_estimator=None):
            if context.task_name == "epoch":
                self.epochs += 1
                self.scores.append(fitted_estimator.score(X, y, **metadata))
            return self.epochs == 7

    assert isinstance(Note(), callback.FitCallback)
    note = Note()
    names, weights = np.array(["setosa", "versicolor", "virginica"])[IRIS[1]], np.arange(150.0)
    model = FCNetClassifier(random_state=0).set_callbacks(note).fit(IRIS[0], names, sample_weight=weights)
    assert note.ended
    assert model.n_iter_ == note.epochs == 7
    assert note.scores[-1] == model.score(IRIS[0], names, weights)
    search = GridSearchCV(FCNetRegressor(max_iter=3), {"alpha": [0.1, 1]}, cv=2)
    assert search.set_callbacks(callback.ProgressBar()).fit(*DIABETES).best_score_ is not None


def test_what_diverges_says_so():
    X = IRIS[0] * 1e200
    with pytest.raises(ValueError, match="need to be preprocessed"):
        FCNetClassifier(solver="sgd", learning_rate_init=1e100).fit(X, IRIS[1])
    told = r"learning_rate_init = 1e\+30; it is too large. In short trials learning_rate_init = \S+ lowered"
    with pytest.raises(ValueError, match=told) as error:
        FCNetClassifier(solver="sgd", learning_rate_init=1e30, random_state=0).fit(*IRIS)
    rate = float(str(error.value).partition("In short trials learning_rate_init = ")[2].split()[0])
    assert FCNetClassifier(solver="sgd", learning_rate_init=rate, random_state=0).fit(*IRIS).score(*IRIS) > 0.9
    with pytest.raises(ValueError, match="need to be preprocessed"):
        FCNetRegressor(solver="lbfgs", scale_target=False, activation="identity").fit(X, np.full(150, 1e300))


@pytest.mark.parametrize(("cls", "data"), [(FCNetClassifier, IRIS), (FCNetRegressor, DIABETES)])
def test_what_has_not_converged_warns_and_what_has_an_end_does_not(cls, data):
    settings = {"max_iter": 30, "learning_rate_init": 0.01, "n_iter_no_change": 40, "random_state": 0}
    for open_ended in ("constant", "invscaling", "adaptive", "exponential", "step"):
        with pytest.warns(ConvergenceWarning, match=r"Maximum iterations \(30\) reached"):
            cls(learning_rate=open_ended, **settings).fit(*data)
    with pytest.warns(ConvergenceWarning, match=r"Maximum iterations \(30\) reached"):
        cls(solver="momentum", **settings).fit(*data)  # "auto" is constant for it
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for with_an_end in ("auto", "cosine", "one_cycle", OneCycle(warmup=0.1), Halves(1.0)):
            assert cls(learning_rate=with_an_end, **settings).fit(*data).n_iter_ == 30
        cls(early_stopping=True, **settings).fit(*data)
        cls(learning_rate="constant", **(settings | {"max_iter": 300, "tol": 1.0, "n_iter_no_change": 5})).fit(*data)


def test_a_solver_by_name_and_as_an_object_are_the_same():
    by_name, as_object = (
        FCNetClassifier(solver=solver, max_iter=9, random_state=0).fit(*IRIS) for solver in ("adamw", AdamW())
    )
    np.testing.assert_array_equal(by_name.coefs_[0], as_object.coefs_[0])
    rates = by_name.history_.column("learning_rate")
    assert rates[-1] < 0.1 * rates[0]


def test_a_fit_after_a_partial_fit_that_failed_learns_its_own_classes():
    model = FCNetClassifier(max_iter=3)
    with pytest.raises(ValueError, match="NaN"):
        model.partial_fit([[np.nan]], [0], classes=[0, 1])
    assert list(model.fit(*IRIS).classes_) == [0, 1, 2]


def test_a_warm_start_with_another_network_is_refused():
    model = FCNetClassifier(8, max_iter=2, warm_start=True).fit(*IRIS)
    with pytest.raises(
        ValueError, match=r"layer_sizes would now be \[4, 9, 3\], and the network to go on with has \[4, 8, 3\]"
    ):
        model.set_params(hidden_layer_sizes=(9,)).fit(*IRIS)


def test_progress_is_shown(capsys):
    FCNetClassifier(max_iter=2, progress=True).fit(*IRIS)
    assert "epoch 2/2" in capsys.readouterr().err
    FCNetClassifier(max_iter=500, progress=True, tol=0.1, n_iter_no_change=3).fit(*IRIS)
    assert re.search(r"epoch \d+/500", capsys.readouterr().err)  # of the epoch that it has ended with


def test_an_interruption_before_the_first_epoch_is_one():
    class InterruptAtOnce(Callback):
        def on_train_begin(self, state):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        FCNetClassifier(callbacks=[InterruptAtOnce()]).fit(*IRIS)


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_a_partial_fit_that_diverged_does_no_harm_to_the_next(solver):
    X, y = DIABETES
    model = FCNetRegressor(solver=solver, random_state=0).partial_fit(X, y)
    before = model.predict(X)
    bad = X.copy()
    bad[0] = 1e300
    with pytest.raises(ValueError, match="non-finite"):
        model.partial_fit(bad, y)
    np.testing.assert_allclose(model.predict(X), before, rtol=1e-9)
    assert np.isfinite(model.partial_fit(X, y).predict(X)).all()


def test_a_partial_fit_may_change_its_solver():
    model = FCNetClassifier(random_state=0).partial_fit(*IRIS, classes=[0, 1, 2])
    model.set_params(solver="sgd").partial_fit(*IRIS)
    assert "W1.velocity" in model._memory.update_state


def test_a_warm_start_goes_by_the_parameters_of_now():
    def loss(**changed):
        model = FCNetClassifier(warm_start=True, max_iter=3, random_state=0).fit(*IRIS)
        return model.set_params(**changed).fit(*IRIS).loss_

    losses = [loss(), loss(dropout=0.9), loss(input_dropout=0.5), loss(activation="tanh"), loss(label_smoothing=0.5)]
    assert len(set(losses)) == 5
    for changed in ({"normalisation": "layer"}, {"dtype": "float32"}):
        with pytest.raises(ValueError, match=f"The {next(iter(changed))} would now be .*fit anew without warm_start"):
            loss(**changed)
    model = FCNetRegressor(warm_start=True, max_iter=3).fit(*DIABETES)
    with pytest.raises(ValueError, match="The loss would now be poisson"):
        model.set_params(loss="poisson").fit(*DIABETES)


def test_a_warm_start_takes_validation_rows_of_some_classes_and_keeps_their_best():
    model = FCNetClassifier(warm_start=True, early_stopping=True, max_iter=40, learning_rate_init=0.01, random_state=0)
    X_val, y_val = IRIS[0][:100:3], IRIS[1][:100:3]
    model.fit(*IRIS, X_val=X_val, y_val=y_val)
    model.set_params(max_iter=1, learning_rate_init=0.5).fit(*IRIS, X_val=X_val, y_val=y_val)
    assert model.best_validation_score_ == model.score(X_val, y_val)


@pytest.mark.parametrize(
    ("settings", "changed"),
    [
        ({"solver": "momentum"}, {"momentum": 0.0}),
        ({"solver": "nesterov"}, {"momentum": 0.0}),
        ({"solver": "adamw"}, {"epsilon": 1.0}),
        ({"solver": "rmsprop"}, {"epsilon": 1.0}),
    ],
)
def test_solvers_take_their_settings(settings, changed):
    a, b = (FCNetClassifier(max_iter=3, random_state=0, **settings, **more).fit(*IRIS) for more in ({}, changed))
    assert a.loss_ != b.loss_


@pytest.mark.parametrize("schedule", ["exponential", "step", "cosine", "one_cycle"])
def test_partial_fits_go_on_with_a_schedule(schedule):
    settings = {"learning_rate": schedule, "max_iter": 25, "batch_size": 50, "tol": 0, "n_iter_no_change": 99}
    model, rates = FCNetClassifier(**settings), []
    for _ in range(25):
        model.partial_fit(*IRIS, classes=[0, 1, 2])
        rates += model.history_.column("learning_rate")
    assert rates == FCNetClassifier(**settings).fit(*IRIS).history_.column("learning_rate")
    with pytest.warns(ConvergenceWarning, match="came to its end after max_iter=25 calls of partial_fit"):
        model.partial_fit(*IRIS)
    assert model.history_[-1]["learning_rate"] == rates[-1]
    after_fit = FCNetClassifier(**settings).fit(*IRIS).partial_fit(*IRIS)
    assert after_fit.history_.column("learning_rate") == rates[:1]


def test_partial_fits_keep_a_lowered_rate():
    settings = {"solver": "sgd", "learning_rate": "adaptive", "learning_rate_init": 0.5, "tol": 10, "n_iter_no_change": 2}
    model = FCNetClassifier(**settings)
    for _ in range(12):
        model.partial_fit(*IRIS, classes=[0, 1, 2])
    assert model.history_[-1]["learning_rate"] == pytest.approx(0.5 / 5**3)


def test_a_checkpoint_knows_validation_rows_stopping_rule_and_schedule(tmp_path):
    def fit(X_val, y_val, **changed):
        settings = {"max_iter": 3, "random_state": 0, "checkpoint": tmp_path / "state", "learning_rate": Halves(1.0)}
        return FCNetClassifier(**(settings | changed)).fit(*IRIS, X_val=X_val, y_val=y_val)

    first = IRIS[0][:75], IRIS[1][:75]
    assert fit(*first).validation_scores_ == fit(*first).validation_scores_
    for rows, changed, words in [
        ((IRIS[0][75:], IRIS[1][75:]), {}, "data are others"),
        ((None, None), {}, "data are others"),
        (first, {"tol": 1.0}, "its stopping rule"),
        (first, {"learning_rate": Halves(0.5)}, r"its learning_rate is Halves\(factor=1.0\)"),
    ]:
        with pytest.raises(FcnetError, match=words):
            fit(*rows, **changed)


@dataclass
class Halves:
    factor: float

    def __call__(self, iteration, per_epoch, total):
        return self.factor


def test_a_checkpoint_is_of_one_fit(tmp_path):
    model = FCNetClassifier(checkpoint=tmp_path / "state", random_state=0)
    with pytest.raises(ValueError, match="partial_fit has no use for a checkpoint"):
        model.partial_fit(*IRIS, classes=[0, 1, 2])
    with pytest.raises(ValueError, match="checkpoint and warm_start do not go together"):
        model.set_params(warm_start=True).fit(*IRIS)


def test_labels_as_a_sparse_matrix_and_their_weights():
    X, Y = make_multilabel_classification(200, n_classes=3, random_state=0)
    dense = FCNetClassifier(max_iter=3, random_state=0).fit(X, Y)
    sparse = FCNetClassifier(max_iter=3, random_state=0).fit(X, scipy.sparse.csr_matrix(Y))
    np.testing.assert_array_equal(sparse.coefs_[0], dense.coefs_[0])
    with pytest.raises(ValueError, match="must be a list of dicts, one for each of 3 labels"):
        FCNetClassifier(class_weight={1: 5}).fit(X, Y)
    weights = [{1: 5}] * 3
    weighted = FCNetClassifier(max_iter=3, random_state=0, class_weight=weights).fit(X, Y)
    same = FCNetClassifier(max_iter=3, random_state=0).fit(X, Y, sample_weight=5.0 ** Y.sum(axis=1))
    np.testing.assert_allclose(weighted.coefs_[0], same.coefs_[0])


@pytest.mark.parametrize(
    ("class_weight", "message"),
    [
        ({0: -4}, "class_weight must hold finite numbers of at least 0"),
        ({0: np.nan}, "class_weight must hold finite numbers of at least 0"),
        ({0: 0, 1: 0, 2: 0}, "Every row has the weight zero"),
        ({"setosa": 2}, r"class_weight names \['setosa'\], none of which is among the classes \[0, 1, 2\]"),
    ],
)
def test_class_weights_that_make_no_sense_are_refused(class_weight, message):
    with pytest.raises(ValueError, match=message):
        FCNetClassifier(class_weight=class_weight).fit(*IRIS)


def test_class_weights_of_classes_that_a_part_has_not():
    assert FCNetClassifier(class_weight={1: 2, 7: 5}, max_iter=2).fit(*IRIS).n_iter_ == 2
    model = FCNetClassifier(class_weight={0: 3}).partial_fit(IRIS[0][:100], IRIS[1][:100], classes=[0, 1, 2])
    assert model.partial_fit(IRIS[0][50:], IRIS[1][50:]).t_ == 200


def test_class_weights_have_no_part_in_validation_scores():
    model = FCNetClassifier(early_stopping=True, class_weight={1: 50}, max_iter=10, random_state=0, validation_fraction=0.5)
    scores = []

    class Score(Callback):
        def on_epoch_end(self, state):
            scores.append(state.history[-1]["val_accuracy"])

    model.set_params(callbacks=[Score()]).fit(*IRIS)
    assert all(score * 75 == pytest.approx(round(score * 75)) for score in scores)


def test_rows_are_made_the_asked_for_dtype_at_once():
    X = np.arange(40, dtype=np.uint8).reshape(10, 4)
    seen = []

    class Look(Callback):
        def on_epoch_end(self, state):
            seen.append(state.network.dtype)

    model = FCNetClassifier(dtype="float32", max_iter=1, callbacks=[Look()]).fit(X, np.arange(10) % 2)
    assert seen == [np.float32]
    assert model._checks()["dtype"] == np.float32


def test_logarithms_of_small_probabilities_are_finite():
    model = FCNetClassifier(max_iter=50, random_state=0).fit(*IRIS)
    logs = model.predict_log_proba(1e4 * IRIS[0])
    assert np.isfinite(logs).all()
    assert logs.min() < -800
    binary = FCNetClassifier(max_iter=5, random_state=0).fit(*CANCER)
    np.testing.assert_allclose(binary.predict_log_proba(CANCER[0]), np.log(binary.predict_proba(CANCER[0])), atol=1e-9)
    assert np.isfinite(binary.predict_log_proba(1e4 * CANCER[0])).all()


def test_lbfgs_with_nothing_to_do_and_large_targets():
    model = FCNetRegressor(solver="lbfgs", tol=10.0).fit(*DIABETES)
    assert np.isfinite(model.loss_)
    X = DIABETES[0].astype(np.float32)
    shifted = FCNetRegressor(solver="lbfgs", max_iter=5, random_state=0).fit(X, DIABETES[1] + 1e8)
    plain = FCNetRegressor(solver="lbfgs", max_iter=5, random_state=0).fit(X, DIABETES[1])
    assert shifted.loss_ == pytest.approx(plain.loss_, rel=1e-4)


def test_targets_of_objects_are_numbers():
    X, y = DIABETES
    model = FCNetRegressor(max_iter=2).fit(X, y.astype(object), X_val=X, y_val=y.astype(object))
    assert model.validation_scores_[-1] == pytest.approx(model.score(X, y))


def rows_of(counts, seed=0):
    """Rows around a centre for each class, named by letters, so many of each."""
    rng = np.random.default_rng(seed)
    y = np.repeat(list("abcdefghijklmnopqrstuvwxyz"[: len(counts)]), counts)
    return rng.standard_normal((len(y), 3)) + 5 * np.repeat(np.arange(len(counts)), counts)[:, None], y


@pytest.mark.parametrize("labels", [str, "numbers", object])
@pytest.mark.parametrize(
    ("counts", "fraction", "expected"),
    [
        ([60, 39, 1], 0.1, [6, 4, 0]),  # a class of one row
        ([99, 1], 0.1, [10, 0]),  # of two classes
        ([5] * 10, 0.1, None),  # fewer validation rows than classes
        ([2] * 10, 0.5, [1] * 10),
        ([2] * 10, 0.9, [1] * 10),  # as many as can be spared
        ([100, 50, 30], 0.2, [20, 10, 6]),
        ([1, 1, 1, 4], 0.3, [0, 0, 0, 3]),
    ],
)
def test_early_stopping_holds_out_rows_of_classes_of_any_size(counts, fraction, expected, labels):
    X, y = rows_of(counts)
    y = np.unique(y, return_inverse=True)[1] * 10 if labels == "numbers" else y.astype(labels)
    model = FCNetClassifier(8, early_stopping=True, validation_fraction=fraction, max_iter=5, random_state=0).fit(X, y)
    assert len(model.validation_scores_) == 5
    seen = []
    for seed in range(5):
        codes = np.unique(y, return_inverse=True)[1]
        held = validation_rows(len(y), fraction, codes, np.random.default_rng(seed))
        kept = np.bincount(codes[~held], minlength=len(counts))
        assert kept.min() >= 1
        seen.append(np.bincount(codes[held], minlength=len(counts)).tolist())
    if expected is None:
        assert all(sum(of_classes) == 5 and max(of_classes) == 1 for of_classes in seen)
        assert len({tuple(of_classes) for of_classes in seen}) > 1
    else:
        assert seen == [expected] * 5


def test_what_cannot_be_held_out_is_said():
    X, y = rows_of([1] * 10)
    model = FCNetClassifier(early_stopping=True, validation_fraction=0.4, max_iter=5, random_state=0)
    with pytest.raises(ValueError, match=r"too small.*give X_val and y_val: of 10 rows 0 can be spared"):
        model.fit(X, y)
    for cls, data in [(FCNetClassifier, IRIS), (FCNetRegressor, DIABETES)]:
        with pytest.raises(ValueError, match=r"too small.*validation_fraction=0 of \d+ rows is 0"):
            cls(early_stopping=True, validation_fraction=0).fit(*data)
        with pytest.raises(ValueError, match=r"too small.*validation_fraction=0.1 of 6 rows is 1"):
            cls(early_stopping=True).fit(data[0][:6], data[1][:6])
        most = cls(early_stopping=True, validation_fraction=0.99, max_iter=2).fit(data[0][:30], data[1][:30])
        assert most.n_iter_ == 2


def test_rows_that_do_not_count_are_not_held_out():
    X, y = rows_of([30, 30, 2])
    weights = np.ones(62)
    weights[-1] = 0  # leaves one row of the last class
    settings = {"early_stopping": True, "max_iter": 4, "random_state": 0}
    model = FCNetClassifier(**settings).fit(X, y, sample_weight=weights)
    assert list(model.classes_) == ["a", "b", "c"]
    FCNetClassifier(class_weight={"c": 0}, **settings).fit(X, y)
    FCNetClassifier(class_weight="balanced", **settings).fit(X[:-1], y[:-1])
    Y = np.zeros((61, 3), int)
    Y[0, 0] = Y[1, 1] = 1  # labels that one row has
    FCNetClassifier(**settings).fit(X[:-1], Y)
