"""Baselines of a run on a table: the class shares and a linear model, and what is said where the network is no better."""

import json

import numpy as np
import polars as pl
import pytest
from command_line import fcnet
from scipy.stats import ttest_rel
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import log_loss
from sklearn.preprocessing import StandardScaler

from fcnet import load
from fcnet.data import load_dataset
from fcnet.estimators.advice import no_better
from fcnet.experiments.baselines import warnings_of
from fcnet.experiments.gradient import GradientDescent
from fcnet.nn.losses import TINY, get_loss, softmax
from fcnet.training import baselines
from fcnet.training.baselines import fit_linear
from fcnet.training.paired import over_losses

PLAIN = GradientDescent()
QUICK = ("--recipe", "table", "--set", "epochs=20", "--set", "hidden_sizes=[8]")


def write(path, X, y):
    pl.DataFrame({f"x{j}": column for j, column in enumerate(X.T)} | {"y": np.where(y, "yes", "no")}).write_csv(path)
    return path


def trained(table, run, *words):
    result = fcnet("train", table, "--out", run, *words)
    return json.loads((run / "metrics.json").read_text()), result


@pytest.fixture
def linear(tmp_path):
    """A table whose label follows a linear model, so that no network can be better but by chance."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((600, 3))
    return write(tmp_path / "linear.csv", X, X @ [1.5, -1, 0.5] + rng.logistic(size=600) > 0)


@pytest.fixture
def xor(tmp_path):
    """A table whose label no linear model can tell."""
    X = np.random.default_rng(0).uniform(-1, 1, (600, 2))
    return write(tmp_path / "xor.csv", X, X[:, 0] * X[:, 1] > 0)


@pytest.fixture
def rare(tmp_path):
    """A table with few rows of the class "yes", of which the columns say nothing."""
    return write(tmp_path / "rare.csv", np.random.default_rng(0).standard_normal((600, 2)), np.arange(600) % 20 == 0)


def test_the_baselines_are_the_class_shares_and_scikit_learns_logistic_regression(linear, tmp_path):
    metrics, _ = trained(linear, tmp_path / "run", *QUICK)
    data = load_dataset(str(linear))
    share = (data.y_train == 1).mean()
    constant = log_loss(data.y_val, np.full(len(data.y_val), share), labels=[0, 1])
    assert metrics["baselines"]["class_shares"]["val_loss"] == pytest.approx(constant, abs=1e-6)
    assert metrics["baselines"]["class_shares"]["val_roc_auc"] == 0.5
    X_train, X_val = (part.to_numpy() for part in (data.X_train, data.X_val))
    scaler = StandardScaler().fit(X_train)
    model = LogisticRegression().fit(scaler.transform(X_train), data.y_train)
    probabilities = model.predict_proba(scaler.transform(X_val))
    assert metrics["baselines"]["linear"]["val_loss"] == pytest.approx(log_loss(data.y_val, probabilities), abs=1e-4)
    np.testing.assert_allclose(
        load(tmp_path / "run" / "linear.safetensors").predict_proba(data.X_val), probabilities, atol=1e-3
    )
    assert metrics["class_sizes"] == {"train": np.bincount(data.y_train).tolist(), "val": np.bincount(data.y_val).tolist()}


def test_a_linear_truth_is_told(linear, tmp_path):
    metrics, result = trained(linear, tmp_path / "run", *QUICK)
    said = " ".join(metrics["warnings"]["val"])
    assert "log-loss on the 90 validation rows" in said
    assert "better than that of the linear model" in said
    assert "It may also be that what is to be learnt is linear." in said
    assert "class shares" not in said  # which it is better than
    assert f"Warning: {said}" in result.stderr
    assert said in (tmp_path / "run" / "report.html").read_text(encoding="utf-8").partition("<main>")[0].replace("&#39;", "'")


def test_a_network_that_is_better_is_left_in_peace_and_the_test_rows_are_compared_once(xor, tmp_path):
    run = tmp_path / "run"
    metrics, result = trained(xor, run, "--set", "epochs=60")
    linear, shares = metrics["baselines"]["linear"], metrics["baselines"]["class_shares"]
    assert metrics["val_loss"] < 0.5 < min(linear["val_loss"], shares["val_loss"])
    assert metrics["warnings"] == {}
    assert "Warning" not in result.stderr
    assert not any(key.startswith("test") for key in linear)
    result = fcnet("evaluate", run)
    evaluated = json.loads((run / "metrics.json").read_text())
    assert evaluated["baselines"]["linear"]["test_loss"] > 0.5 > evaluated["test_loss"]
    assert evaluated["baselines"]["linear"].items() >= linear.items()
    assert evaluated["warnings"] == {}
    assert sum(evaluated["class_sizes"]["test"]) == evaluated["n_test"]
    page = (run / "report.html").read_text(encoding="utf-8")
    for value in (metrics["val_loss"], linear["val_loss"], evaluated["baselines"]["class_shares"]["test_loss"]):
        assert f"<td>{value:.4f}</td>" in page
    assert "Rows of each class" in page
    assert "Learning the column &#39;y&#39; from 2 others" in page


def test_a_network_that_answers_one_class_is_told_as_that(rare, tmp_path):
    run = tmp_path / "run"
    metrics, result = trained(rare, run, *QUICK)
    assert metrics["val_accuracy"] == metrics["baselines"]["class_shares"]["val_accuracy"]
    said = " ".join(metrics["warnings"]["val"])
    assert "better than that of the class shares, " in said
    assert "Try --metric log_loss" in said
    assert "--set label_smoothing=0" in said
    assert "It predicts 'no' for each of the 90 validation rows" in said
    assert result.stderr.count("Warning: ") == 1
    again = fcnet("evaluate", run)
    assert "It predicts 'no' for each of the 90 test rows." in again.stderr
    assert "Try" not in again.stderr  # nothing is to be chosen by these


def test_an_ensemble_is_compared_with_the_linear_models_of_its_folds(linear, tmp_path):
    run = tmp_path / "run"
    metrics, _ = trained(linear, run, *QUICK, "--folds", 2)
    first, second = (json.loads((run / "members" / n / "metrics.json").read_text()) for n in "12")
    losses = [each["baselines"]["linear"]["val_loss"] * each["n_val"] for each in (first, second)]
    assert metrics["baselines"]["linear"]["val_loss"] == pytest.approx(sum(losses) / metrics["n_val"], abs=1e-6)
    assert sum(metrics["class_sizes"]["val"]) == metrics["n_val"] == 510
    fcnet("evaluate", run)
    evaluated = json.loads((run / "metrics.json").read_text())
    data = load_dataset(str(linear))
    each = [load(run / "members" / n / "linear.safetensors").predict_proba(data.X_test) for n in "12"]
    assert evaluated["baselines"]["linear"]["test_loss"] == pytest.approx(
        log_loss(data.y_test, np.mean(each, axis=0)), abs=1e-5
    )


def test_trials_of_a_sweep_are_not_compared_and_its_finalists_are(linear, tmp_path):
    words = ("--trials", 2, "--winner-seeds", 2, "--set", "epochs=2", "--set", "hidden_sizes=[8]", "--out", tmp_path / "study")
    fcnet("sweep", linear, *words)
    assert not list((tmp_path / "study" / "trials").rglob("linear.safetensors"))
    ensemble = json.loads((tmp_path / "study" / "ensemble" / "metrics.json").read_text())
    assert set(ensemble["baselines"]["linear"]) >= {"val_loss", "test_loss", "val_accuracy", "test_accuracy"}
    assert ensemble["warnings"].keys() == {"val", "test"}


def test_pictures_have_no_baselines(tmp_path):
    metrics, _ = trained("digits", tmp_path / "run", "--set", "epochs=1", "--set", "hidden_sizes=[8]")
    assert metrics.keys().isdisjoint({"baselines", "warnings", "notes", "class_sizes"})
    assert not (tmp_path / "run" / "linear.safetensors").exists()


def test_a_linear_model_of_several_classes_is_scikit_learns_and_knows_a_class_without_rows():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 4)).astype(np.float32)
    y = np.array([0, 1, 3])[(X @ rng.standard_normal((4, 3))).argmax(axis=1)]
    network = fit_linear(get_loss("cross_entropy"), X, y, 4)
    assert network.dtype == np.float32
    probabilities = softmax(network.logits(X))
    expected = LogisticRegression().fit(X, y).predict_proba(X)
    np.testing.assert_allclose(probabilities[:, [0, 1, 3]], expected, atol=1e-4)
    assert probabilities[:, 2].max() < 1e3 * TINY
    alone = fit_linear(get_loss("cross_entropy"), X, np.ones(200, int), 4)
    assert (softmax(alone.logits(X))[:, 1] > 0.999).all()


def test_a_linear_model_of_numbers_is_ridge_regression():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((100, 3))
    y = X @ rng.standard_normal((3, 2)) + 5
    np.testing.assert_allclose(fit_linear(get_loss("squared_error"), X, y, 2).logits(X), Ridge().fit(X, y).predict(X))


def test_a_linear_model_is_fitted_on_no_more_rows_than_take_seconds(monkeypatch):
    monkeypatch.setattr(baselines, "MOST_PRODUCTS", 2 * 10 * 50)
    rng = np.random.default_rng(0)
    X = rng.standard_normal((500, 2))
    y = (X[:, 0] > 0).astype(int)
    seen = []
    fit = LogisticRegression.fit
    monkeypatch.setattr(LogisticRegression, "fit", lambda self, X, *rest: seen.append(X) or fit(self, X, *rest))
    first, again = (fit_linear(get_loss("cross_entropy"), X, y, 2) for _ in range(2))
    assert [len(rows) for rows in seen] == [50, 50]
    assert (first.params["W1"] == again.params["W1"]).all()


def test_losses_of_rows_are_compared_as_scipy_does():
    a, b = np.random.default_rng(0).exponential(size=(2, 50))
    found, expected = over_losses(a, b), ttest_rel(b, a)
    assert (found.mean, found.p_value) == pytest.approx((np.mean(b - a), expected.pvalue))
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval(0.95)))
    assert found.gain == -found.mean
    assert not over_losses(a[:1], b[:1]).is_decided
    assert not over_losses(a, a).is_decided


def test_numbers_are_judged_by_r2_against_the_mean():
    rng = np.random.default_rng(0)
    y = rng.standard_normal((200, 1))
    mean = np.zeros((200, 1))
    (said,) = warnings_of("val", get_loss("squared_error"), mean + 0.5, {"mean": mean, "linear": y + 0.1}, y, ["y"])
    assert "R² on the 200 validation rows, -0." in said
    assert "is not better than that of the mean, " in said
    assert warnings_of("val", get_loss("squared_error"), y + 0.1, {"mean": mean, "linear": y + 0.3}, y, ["y"]) == []


def test_accuracy_alone_is_told_more_softly():
    """A row of the rare class is never the more probable one, and yet the probabilities say much of it."""
    y = (np.arange(400) % 10 == 0).astype(int)
    risk = np.where(y, 0.45, 0.05)
    risk[[0, 1]] = 0.55  # of which one is right, and one wrong
    logits, constant = (np.log(np.column_stack([1 - p, p])) for p in (risk, np.full(400, 0.1)))
    said = warnings_of("val", get_loss("cross_entropy"), logits, {"class_shares": constant}, y, ["no", "yes"])
    assert said == [
        "Its accuracy on the 400 validation rows, 90.00%, is not better than that of the class shares, 90.00%, though its "
        "log-loss is."
    ]


# What is said, by probabilities of the second of two classes that are made up


def said_of(network, others, y, part="val", training=PLAIN, **folds):
    logits, *of_others = (np.log(np.column_stack([1 - p, p])) for p in (network, *others))
    named = dict(zip(("class_shares", "linear"), of_others, strict=True))
    return " ".join(warnings_of(part, get_loss("cross_entropy"), logits, named, y, ["no", "yes"], training, **folds))


def some(n=200):
    """Labels, their shares, and probabilities by a model that knows much, more, and nothing of them."""
    y = np.arange(n) % 2
    rng = np.random.default_rng(0)
    right, noise = np.where(y, 0.8, 0.2), rng.uniform(-0.1, 0.1, n)
    return y, np.full(n, 0.5), right + noise / 2, np.where(y, 0.9, 0.1), 0.5 + 4 * noise


def test_the_columns_are_blamed_only_where_the_linear_model_knows_no_more():
    y, shares, good, better, nothing = some()
    said = said_of(nothing, (shares, good), y)
    assert "The linear model is as good or better, so the columns do say something of the target." in said
    assert "columns say nothing" not in said
    said = said_of(nothing, (shares, nothing[::-1]), y)
    assert "It may also be that the columns say nothing of the target." in said
    good[0] = 0.6  # or all rows were right
    assert "It may also be that what is to be learnt is linear." in said_of(good, (shares, better), y)


def test_a_number_that_is_worse_is_not_called_not_clearly_better():
    y, shares, *_ = some()
    network = np.where(y, 0.5, 0.5 + np.where(np.arange(200) % 20 == 0, 0.3, -0.04))
    linear = np.full(200, 0.6)
    said = said_of(network, (shares, linear), y)
    loss = get_loss("cross_entropy")
    mine, constant, other = (loss.value(np.log(np.column_stack([1 - p, p])), y) for p in (network, shares, linear))
    assert constant < mine < other
    assert f", {mine:.4f}, is not better than that of the class shares, {constant:.4f}" in said
    assert f"not better than that of the class shares, {mine:.4f}" not in said


def test_one_class_has_advice_of_its_own_that_the_run_does_not_follow_yet():
    y = (np.arange(200) % 20 == 0).astype(int)
    few, shares = np.full(200, 0.3), np.full(200, 0.05)
    said = said_of(few, (shares, shares), y)
    assert "Try --metric log_loss" in said
    assert "; --metric balanced_accuracy or roc_auc with --set class_weight=balanced may find rows of other classes." in said
    said = said_of(few, (shares, shares), y, training=GradientDescent(monitor="roc_auc"))
    assert "200 validation rows; --set class_weight=balanced may find" in said
    said = said_of(few, (shares, shares), y, training=GradientDescent(monitor="roc_auc", class_weight="balanced"))
    assert "It predicts 'no' for each of the 200 validation rows." in said


def test_what_is_perfect_is_no_warning():
    y, shares, good, better, _ = some()
    assert said_of(good, (shares, better), y) == ""
    good[0] = 0.6
    assert "that of the linear model" in said_of(good, (shares, better), y)


def test_few_rows_are_said_to_be_few():
    y, shares, *_, nothing = some(40)
    said = said_of(nothing, (shares, nothing[::-1]), y)
    assert said.endswith("So few rows cannot tell models apart: --folds 5 validates on all but the test rows.")
    assert "columns" not in said
    assert said_of(nothing, (shares, shares), y, folds=5).endswith("So few rows cannot tell models apart.")
    assert said_of(nothing, (shares, shares), y, "test", None).endswith("So few rows cannot tell models apart.")
    y, shares, *_, nothing = some()
    assert "few rows" not in said_of(nothing, (shares, shares), y)


@pytest.mark.parametrize(("n", "gain", "is_told"), [(10, -4, False), (40, 0.5, False), (400, 0.5, True), (400, 4, False)])
def test_runs_and_estimators_judge_by_one_rule(n, gain, is_told):
    """A network whose gain over equal shares is about so many standard errors."""
    y = np.arange(n) % 2
    is_right = np.random.default_rng(0).permutation(n) < n / 2 + gain * np.sqrt(n) / 2
    logits, loss = np.where((y == is_right)[:, np.newaxis], [-0.05, 0.05], [0.05, -0.05]), get_loss("cross_entropy")
    named = {"class_shares": np.zeros((n, 2))}
    of_run = " ".join(warnings_of("val", loss, logits, named, y, ["no", "yes"], PLAIN))
    assert ("log-loss on" in of_run) == is_told
    assert len(list(no_better(loss, logits, y, None, y, None))) == is_told


def test_with_class_weights_what_is_compared_has_them_too(tmp_path):
    """Two classes that overlap, of which one is rare: the plain log-loss gets worse than that of the shares by the weights."""
    rng = np.random.default_rng(0)
    y = np.arange(1200) % 12 == 0
    table = write(tmp_path / "rare.csv", rng.standard_normal((1200, 2)) + 1.3 * y[:, np.newaxis], y)
    words = ("--recipe", "table", "--set", "epochs=30", "--set", "hidden_sizes=[8]", "--set", "class_weight=balanced")
    metrics, _ = trained(table, tmp_path / "run", *words)
    assert metrics["val_loss"] > metrics["baselines"]["class_shares"]["val_loss"]
    said = " ".join(metrics["warnings"].get("val", []))
    assert "class shares" not in said
    assert "accuracy" not in said
    data = load_dataset(str(table))
    scaler = StandardScaler().fit(data.X_train.to_numpy())
    model = LogisticRegression(class_weight="balanced").fit(scaler.transform(data.X_train.to_numpy()), data.y_train)
    linear = load(tmp_path / "run" / "linear.safetensors").predict_proba(data.X_val)
    np.testing.assert_allclose(linear, model.predict_proba(scaler.transform(data.X_val.to_numpy())), atol=1e-3)
    fcnet("evaluate", tmp_path / "run")
    evaluated = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert "class shares" not in " ".join(evaluated["warnings"].get("test", []))


def test_weights_make_noise_no_better_than_equal_shares(rare, tmp_path):
    metrics, _ = trained(rare, tmp_path / "run", *QUICK, "--set", "class_weight=balanced")
    said = " ".join(metrics["warnings"]["val"])
    assert "The network's log-loss with class weights on the 90 validation rows, " in said
    assert "that of the class shares, 0.69" in said
    assert "--metric log_loss" in said


def test_validation_rows_have_the_weights_of_their_classes_in_what_they_choose(tmp_path):
    rng = np.random.default_rng(0)
    y = np.arange(400) % 8 == 0
    table = write(tmp_path / "rare.csv", rng.standard_normal((400, 2)) + 0.5 * y[:, np.newaxis], y)
    metrics, _ = trained(table, tmp_path / "run", *QUICK, "--set", "class_weight=balanced", "--metric", "log_loss")
    history = [json.loads(line) for line in (tmp_path / "run" / "history.jsonl").read_text().splitlines()]
    data = load_dataset(str(table))
    p = load(tmp_path / "run" / "model.safetensors").predict_proba(data.X_val)
    weights = (len(data.y_train) / 2 / np.bincount(data.y_train))[data.y_val]
    weighted = log_loss(data.y_val, p, sample_weight=weights)
    assert min(row["val_loss"] for row in history) == pytest.approx(weighted, abs=1e-5)
    assert metrics["val_loss"] == pytest.approx(log_loss(data.y_val, p), abs=1e-5)
    assert abs(metrics["val_loss"] - weighted) > 0.01


@pytest.mark.parametrize("loss", ["cross_entropy", "squared_error"])
def test_the_unit_of_weights_does_not_change_a_linear_model(loss):
    rng = np.random.default_rng(0)
    X, weights = rng.standard_normal((50, 3)), rng.uniform(1, 2, 50)
    y = (X[:, 0] > 0).astype(int) if loss == "cross_entropy" else X[:, :2] ** 2
    one, other = (fit_linear(get_loss(loss), X, y, 2, unit * weights).logits(X) for unit in (1e-3, 1e3))
    np.testing.assert_allclose(one, other, atol=1e-3)
