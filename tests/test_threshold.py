"""The threshold between two classes: how it is chosen, kept and used, and where it is refused."""

import json
import pickle
import re
import warnings
from itertools import pairwise

import numpy as np
import onnxruntime
import polars as pl
import pytest
from command_line import fcnet
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import balanced_accuracy_score, f1_score
from sklearn.model_selection import TunedThresholdClassifierCV

from fcnet import FCNetClassifier, FCNetRegressor, TabularClassifier, TabularRegressor, Trainer, load, save
from fcnet.errors import SettingError
from fcnet.experiments.predictions import read_predictions
from fcnet.experiments.results import read_history, read_metrics
from fcnet.export import export_onnx
from fcnet.model import Ensemble, Model
from fcnet.model_card import model_card
from fcnet.nn.losses import get_loss
from fcnet.nn.network import FullyConnectedNet
from fcnet.skl2onnx_converter import register_skl2onnx
from fcnet.training.metrics import METRICS
from fcnet.training.threshold import OF_COUNTS, best_threshold, chosen_by

CROSS_ENTROPY, SIGMOID = get_loss("cross_entropy"), get_loss("binary_cross_entropy")
QUICK = ("--recipe", "tabular", "--set=network.hidden_sizes=[8]", "--set=epochs=6")


def logits_of(p):
    """Return logits of two classes, float64 (n, 2), with these probabilities of the second."""
    p = np.asarray(p, np.float64)
    return np.stack([np.log1p(-p), np.log(p)], axis=1)


def rare(n=400, seed=0):
    """Return a table of numbers, and classes of which the second is rare and overlaps with the first."""
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.15).astype(int)
    return (rng.standard_normal((n, 3)) + 0.7 * y[:, np.newaxis]).astype(np.float32), y


# How it is chosen.


@pytest.mark.parametrize("name", OF_COUNTS)
@given(st.lists(st.tuples(st.integers(1, 9), st.booleans(), st.integers(0, 3)), min_size=2, max_size=12))
def test_no_other_threshold_is_better(name, rows):
    tenths, y, weights = (np.array(column) for column in zip(*rows, strict=True))
    y = y.astype(int)
    if not all((weights * (y == k)).sum() for k in (0, 1)):
        return
    logits, metric = logits_of(tenths / 10), METRICS[name]
    for loss, own, targets in ((CROSS_ENTROPY, logits, y), (SIGMOID, np.diff(logits), y[:, np.newaxis])):
        found = best_threshold(metric, loss, own, targets, weights)

        def value(threshold, loss=loss, own=own, targets=targets):
            return metric.of(loss.at(threshold, own.shape[1]), own, targets, weights)

        tried = [value(threshold) for threshold in np.arange(0.05, 1, 0.1)]  # between all probabilities that there can be
        assert value(found) == pytest.approx(max(tried), abs=1e-9)
        if value(0.5) == pytest.approx(max(tried), abs=1e-9):
            assert found == 0.5


def test_it_lies_in_the_middle_of_a_gap_and_of_equals_nearest_to_a_half():
    accuracy, y = METRICS["accuracy"], np.array([0, 0, 1, 1])
    assert best_threshold(accuracy, CROSS_ENTROPY, logits_of([0.1, 0.2, 0.3, 0.9]), y) == pytest.approx(0.25)
    assert best_threshold(accuracy, CROSS_ENTROPY, logits_of([0.1, 0.7, 0.9, 0.95]), y) == pytest.approx(0.8)
    assert best_threshold(accuracy, CROSS_ENTROPY, logits_of([0.1, 0.2, 0.6, 0.9]), y) == 0.5
    one_of_two = logits_of([0.1, 0.2, 0.3, 0.4])
    assert best_threshold(accuracy, CROSS_ENTROPY, one_of_two, np.array([0, 1, 0, 1])) == pytest.approx(0.35)
    equal = logits_of([0.3] * 4)
    assert best_threshold(accuracy, CROSS_ENTROPY, equal, np.array([1, 1, 1, 0])) == pytest.approx(0.15)
    assert best_threshold(accuracy, CROSS_ENTROPY, equal, np.array([1, 0, 0, 0])) == 0.5


def test_rows_of_one_class_say_nothing_and_sure_ones_stay_in_range():
    f1 = METRICS["f1"]
    assert best_threshold(f1, CROSS_ENTROPY, logits_of([0.1, 0.2]), np.array([1, 1])) == 0.5
    assert best_threshold(f1, CROSS_ENTROPY, logits_of([0.1, 0.2]), np.array([1, 0]), np.array([1.0, 0.0])) == 0.5
    sure = np.array([[0, -80], [0, -60], [0, -90], [60, 0]], np.float32)
    assert 1e-9 < best_threshold(f1, CROSS_ENTROPY, np.vstack([sure, [[0, -3]]]), np.array([0, 0, 0, 0, 1])) < 0.05
    assert 0 < best_threshold(f1, CROSS_ENTROPY, sure, np.array([1, 0, 1, 0])) < 1


def test_a_monitor_without_decisions_leaves_it_to_balanced_accuracy():
    assert {name: chosen_by(name, CROSS_ENTROPY).name for name in METRICS if METRICS[name].fits(CROSS_ENTROPY)} == {
        "accuracy": "accuracy",
        "balanced_accuracy": "balanced_accuracy",
        "f1": "f1",
        **dict.fromkeys(("loss", "log_loss", "roc_auc", "average_precision"), "balanced_accuracy"),
    }


# Losses, networks and models.


@pytest.mark.parametrize(("loss", "n_outputs"), [("cross_entropy", 2), ("binary_cross_entropy", 1)])
@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.9])
def test_the_second_class_is_predicted_above_it(loss, n_outputs, threshold):
    X = np.random.default_rng(0).standard_normal((300, 4)).astype(np.float32)
    model = Model(FullyConnectedNet([4, 6, n_outputs], loss=loss, seed=1), threshold=threshold)
    p = model.predict_proba(X)
    predicted = model.predict(X).reshape(-1)
    assert (predicted == (p[:, -1] > threshold)).all()
    assert 0 < predicted.mean() < 1 or threshold != 0.5
    np.testing.assert_array_equal(p, Model(model.network).predict_proba(X))
    assert p.dtype == np.float32


def test_a_loss_at_a_threshold_leaves_that_of_others_as_it_is():
    network = FullyConnectedNet([2, 2], seed=0)
    assert Model(network, threshold=0.9).loss.threshold == 0.9
    assert network.loss.threshold == get_loss("cross_entropy").threshold == 0.5


@pytest.mark.parametrize(
    ("loss", "n_outputs", "words"),
    [
        ("cross_entropy", 3, "there are 3 here"),
        ("cross_entropy", 1, "there is one here"),
        ("binary_cross_entropy", 2, "several labels"),
        ("squared_error", 1, "a regression has none"),
    ],
)
def test_it_is_for_two_classes(loss, n_outputs, words):
    network = FullyConnectedNet([2, n_outputs], loss=loss)
    with pytest.raises(SettingError, match=words):
        Model(network, threshold=0.4)
    X, y = np.zeros((4, 2), np.float32), np.zeros(4 if loss == "cross_entropy" else (4, n_outputs), int)
    for threshold in (0.4, "auto"):
        with pytest.raises(SettingError, match=words):
            Trainer(threshold=threshold).fit(network, X, y, X, y)


@pytest.mark.parametrize("threshold", [0, 1, -0.1, np.nan, "half", None, True])
def test_it_lies_between_0_and_1(threshold):
    network, X, y = FullyConnectedNet([2, 2]), np.zeros((4, 2), np.float32), np.array([0, 1, 0, 1])
    for refused in (lambda: Model(network, threshold=threshold), lambda: Trainer(threshold=threshold).fit(network, X, y, X, y)):
        with pytest.raises(SettingError, match="threshold must be a"):
            refused()
    with pytest.raises(ValueError, match="threshold"):
        FCNetClassifier(threshold=threshold).fit(X, y)
    with pytest.raises(ValueError, match="threshold"):
        TabularClassifier(threshold=threshold).fit(X, y)


def test_models_and_ensembles_keep_it_in_their_files(tmp_path):
    a, b = (Model(FullyConnectedNet([3, 2], seed=seed), threshold=t) for seed, t in ((0, 0.2), (1, 0.3)))
    X = np.random.default_rng(0).standard_normal((50, 3)).astype(np.float32)
    for model, threshold in ((a, 0.2), (Ensemble([a, b]), 0.25), (Ensemble([a, b], 0.7), 0.7)):
        save(tmp_path / "m.safetensors", model)
        again = load(tmp_path / "m.safetensors")
        assert again.threshold == model.threshold == pytest.approx(threshold)
        assert [one.threshold for one in again.members] == [one.threshold for one in model.members]
        assert (again.predict(X) == (again.predict_proba(X)[:, 1] > threshold)).all()
        assert pickle.loads(pickle.dumps(model)).threshold == model.threshold


def test_pickles_of_before_decide_at_a_half():
    state = vars(Model(FullyConnectedNet([3, 2])))
    del state["threshold"]
    model = Model.__new__(Model)
    model.__setstate__(state)
    assert model.threshold == model.loss.threshold == 0.5


@pytest.mark.parametrize("classes", [["no", "yes"], []])
def test_labels_of_the_onnx_graph_are_decided_by_it(tmp_path, classes):
    X = np.random.default_rng(0).standard_normal((200, 3)).astype(np.float32)
    members = [Model(FullyConnectedNet([3, 2], seed=seed), classes=classes) for seed in (0, 1)]
    for model in (members[0], Ensemble(members)):
        labels = []
        for model.threshold in (0.5, 0.2):
            export_onnx(model, tmp_path / "m.onnx")
            session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
            probabilities, label = session.run(["probabilities", "label"], {"inputs": X})
            clear = np.abs(probabilities[:, 1] - model.threshold) > 1e-5
            assert (label == np.array(model.classes).astype(label.dtype)[model.predict(X)])[clear].all()
            assert json.loads(session.get_modelmeta().custom_metadata_map["threshold"]) == model.threshold
            labels.append(label)
        assert (labels[0] != labels[1]).any()


# Epochs are judged at it.


def test_epochs_are_judged_at_the_threshold():
    X, y = rare()
    network = FullyConnectedNet([3, 2], seed=0)
    history = Trainer(epochs=3, monitor="f1", threshold=0.2, seed=0).fit(network, X[:300], y[:300], X[300:], y[300:])
    assert max(history.column("val_f1")) == pytest.approx(
        f1_score(y[300:], network.predict_proba(X[300:])[:, 1] > 0.2), abs=1e-9
    )
    auto = Trainer(epochs=3, monitor="f1", threshold="auto", seed=0).fit(
        FullyConnectedNet([3, 2], seed=0), X[:300], y[:300], X[300:], y[300:]
    )
    assert all(best >= at for best, at in zip(auto.column("val_f1"), history.column("val_f1"), strict=True))
    with pytest.raises(ValueError, match="validation data"):
        Trainer(threshold="auto").fit(network, X, y)


# Estimators.

SMALL = {"hidden_sizes": [8], "epochs": 8, "random_state": 0}
ESTIMATORS = [
    FCNetClassifier(
        hidden_layer_sizes=8,
        max_iter=20,
        learning_rate_init=0.02,
        early_stopping=True,
        monitor="log_loss",
        validation_fraction=0.3,
        random_state=0,
    ),
    TabularClassifier(**SMALL, validation_fraction=0.3),
    TabularClassifier(**SMALL, validation_fraction=0.3, n_ensemble=2, refit=True),
]


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_estimators_predict_at_a_threshold(estimator, tmp_path):
    X, y = rare()
    names = np.array(["common", "rare"])
    plain = clone(estimator).fit(X, names[y])
    fitted = clone(estimator).set_params(threshold=0.2).fit(X, names[y])
    p = fitted.predict_proba(X)
    assert fitted.threshold_ == 0.2
    assert plain.threshold_ == 0.5
    assert (fitted.predict(X) == names[(p[:, 1] > 0.2).astype(int)]).all()
    assert (plain.predict(X) == names[plain.predict_proba(X).argmax(axis=1)]).all()
    auto = clone(estimator).set_params(threshold="auto", monitor="f1").fit(X, names[y])
    assert 0 < auto.threshold_ < 0.5
    assert f1_score(names[y], auto.predict(X), pos_label="rare") > f1_score(names[y], plain.predict(X), pos_label="rare")
    again = pickle.loads(pickle.dumps(auto))
    assert (again.predict(X) == auto.predict(X)).all()
    if isinstance(estimator, TabularClassifier):
        save(tmp_path / "m.safetensors", auto.model_)
        assert (names[load(tmp_path / "m.safetensors").predict(X)] == auto.predict(X)).all()


def test_given_validation_rows_choose_it():
    X, y = rare(600)
    given_rows = {"X_val": X[300:], "y_val": y[300:]}
    fits = [
        FCNetClassifier(
            hidden_layer_sizes=8, max_iter=20, learning_rate_init=0.02, threshold="auto", monitor="log_loss", random_state=0
        ),
        TabularClassifier(**SMALL, threshold="auto"),
    ]
    for estimator in fits:
        estimator.fit(X[:300], y[:300], **given_rows)
        p = estimator.predict_proba(X[300:])[:, 1].astype(float)
        middles = [0.5, *(sum(pair) / 2 for pair in pairwise(np.unique(p)))]
        best = max(balanced_accuracy_score(y[300:], p > threshold) for threshold in middles)
        assert balanced_accuracy_score(y[300:], estimator.predict(X[300:])) == pytest.approx(best)


def test_lbfgs_does_not_leave_out_the_rows_that_choose_it():
    X, y = rare(600)
    estimator = FCNetClassifier(hidden_layer_sizes=8, solver="lbfgs", max_iter=20, threshold="auto", random_state=0)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        estimator.fit(X[:300], y[:300], X_val=X[300:], y_val=y[300:])
    assert not any("leaves out" in str(one.message) for one in told)
    assert estimator.threshold_ != 0.5


def test_estimators_refuse_it_where_it_cannot_be():
    X, y = rare(60)
    three = np.arange(60) % 3
    labels = np.stack([y, 1 - y], axis=1)
    for threshold in (0.3, "auto"):
        network = {"early_stopping": True, "max_iter": 2, "threshold": threshold}
        for estimator, targets, words in (
            (FCNetClassifier(**network), three, "there are 3 here"),
            (FCNetClassifier(**network), labels, "several labels"),
            (FCNetClassifier(**network), np.zeros(60), "there is one here"),
            (TabularClassifier(threshold=threshold), three, "there are 3 here"),
            (TabularRegressor(settings={"threshold": threshold}), X[:, 0], "a regression has none"),
        ):
            with pytest.raises(SettingError, match=words):
                estimator.fit(X, targets)
    with pytest.raises(SettingError, match="early_stopping=True"):
        FCNetClassifier(threshold="auto").fit(X, y)
    with pytest.raises(SettingError, match="early_stopping=True"):
        FCNetClassifier(threshold="auto").partial_fit(X, y, classes=[0, 1])
    with pytest.raises(SettingError, match="X_val and y_val"):
        TabularClassifier(threshold="auto").fit(X[:30], y[:30])
    assert "threshold" not in FCNetRegressor().get_params()


def test_assigned_weights_and_parts_are_decided_by_the_parameter():
    X, y = rare(60)
    estimator = FCNetClassifier(threshold=0.2, random_state=0).partial_fit(X, y, classes=[0, 1])
    assert (estimator.predict(X) == (estimator.predict_proba(X)[:, 1] > 0.2)).all()
    made = FCNetClassifier(threshold=0.2)
    made.coefs_, made.intercepts_, made.classes_ = [np.ones((1, 1))], [np.zeros(1)], np.array([0, 1])
    assert made.predict([[-2.0], [-1.0], [1.0]]).tolist() == [0, 1, 1]


@pytest.mark.filterwarnings("ignore:The network, with a linear model")  # of half of so few rows
@pytest.mark.parametrize(
    "estimator",
    [FCNetClassifier(hidden_layer_sizes=8, max_iter=20, learning_rate_init=0.02, random_state=0), TabularClassifier(**SMALL)],
)
def test_scikit_learn_tunes_it(estimator):
    X, y = rare()
    tuned = TunedThresholdClassifierCV(estimator, scoring="f1", cv=2, thresholds=20, random_state=0).fit(X, y)
    assert 0 < tuned.best_threshold_ < 0.5
    assert (tuned.predict(X) == (tuned.predict_proba(X)[:, 1] >= tuned.best_threshold_)).all()


def test_skl2onnx_converts_it():
    from skl2onnx import to_onnx

    X, y = rare()
    estimator = FCNetClassifier(hidden_layer_sizes=4, max_iter=20, learning_rate_init=0.02, threshold=0.2, random_state=0).fit(
        X, y
    )
    register_skl2onnx()
    graph = to_onnx(estimator, X[:1], options={"zipmap": False})
    label, p = onnxruntime.InferenceSession(graph.SerializeToString()).run(None, {"X": X})
    clear = np.abs(p[:, 1] - 0.2) > 1e-5
    assert (label == estimator.predict(X))[clear].all()
    assert (label != p.argmax(axis=1)).any()


# Runs.


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    X, y = rare(500)
    path = tmp_path_factory.mktemp("data") / "loans.csv"
    pl.DataFrame({f"x{i}": X[:, i] for i in range(3)} | {"paid": np.array(["a", "z"])[y]}).write_csv(path)
    return path


@pytest.mark.parametrize("members", [(), ("--folds", 2), ("--seeds", 2)])
def test_a_run_chooses_it_and_goes_by_it(table, tmp_path, members):
    run = tmp_path / "run"
    said = fcnet("train", table, *QUICK, "--metric", "balanced_accuracy", "--set=threshold=auto", "--out", run, *members).stdout
    metrics, model = read_metrics(run), load(run / "model.safetensors")
    assert 0 < metrics["threshold"] < 0.5
    assert model.threshold == metrics["threshold"]
    assert f"{model.threshold:.4g}, the threshold" in said
    assert f"{model.threshold:.4g}, the threshold" in (run / "report.html").read_text()
    assert f"{model.threshold:.4g}, the threshold" in model_card(run)
    linear = load(run / "linear.safetensors")
    assert linear.threshold != model.threshold  # it has one of its own
    predictions, _ = read_predictions(run / "predictions.safetensors")
    p, y = predictions["probabilities"], predictions["labels"]
    assert (predictions["predicted"] == (p[:, 1] > model.threshold)).all()
    assert metrics["val_balanced_accuracy"] == pytest.approx(balanced_accuracy_score(y, predictions["predicted"]))
    assert metrics["val_accuracy"] == pytest.approx((y == predictions["predicted"]).mean())
    rows = pl.read_csv(fcnet("predict", run, table).stdout.encode())
    assert (rows["class"] == np.where(rows["z"] > model.threshold, "z", "a")).all()
    tested = json.loads(fcnet("evaluate", run, "--json").stdout)
    predictions, _ = read_predictions(run / "predictions.safetensors")
    assert tested["test_f1"] == pytest.approx(f1_score(predictions["labels"], predictions["predicted"]))
    for one, member in zip(model.members, metrics.get("members", []), strict=False):
        assert load(run / member["run"] / "model.safetensors").threshold == one.threshold


def test_a_run_with_a_number(table, tmp_path):
    run = tmp_path / "run"
    fcnet("train", table, *QUICK, "--set=threshold=0.2", "--set=n_ensemble=1", "--metric", "accuracy", "--out", run)
    assert read_metrics(run)["threshold"] == load(run / "model.safetensors").threshold == 0.2
    assert load(run / "linear.safetensors").threshold == 0.2
    predictions, _ = read_predictions(run / "predictions.safetensors")
    assert (predictions["predicted"] == (predictions["probabilities"][:, 1] > 0.2)).all()
    assert "val_accuracy" in read_history(run)[-1]


def test_runs_refuse_it(table, tmp_path):
    cancer = load_breast_cancer(as_frame=True).frame.head(60)
    pl.DataFrame({"x": range(60), "y": cancer["mean radius"].tolist()}).write_csv(tmp_path / "numbers.csv")
    pl.DataFrame({"x": range(60), "y": list("abc") * 20}).write_csv(tmp_path / "three.csv")
    for data, value, words in (
        (tmp_path / "numbers.csv", "auto", "threshold is for classes"),
        (tmp_path / "three.csv", "auto", "there are 3 here"),
        (tmp_path / "three.csv", "0.4", "there are 3 here"),
        (table, "1", "threshold must be"),
        (table, "most", "threshold must be"),
    ):
        said = fcnet("train", data, f"--set=threshold={value}", "--out", tmp_path / "run", code=2).stderr
        assert re.search(f"^Error: .*{words}.*$", said, re.MULTILINE)
        assert not (tmp_path / "run").exists()
