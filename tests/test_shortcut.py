"""A linear model blended into a network for tables."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from fcnet import TabularClassifier, TabularRegressor
from fcnet.export import export_onnx
from fcnet.model import Model
from fcnet.model_file import load, save
from fcnet.nn.each_network import logits_of_each
from fcnet.nn.losses import get_loss, softmax
from fcnet.nn.tabular_network import TabularNet
from fcnet.training.baselines import fit_linear
from fcnet.training.blend import SHARES, blend, mean_share, one_hot_inputs

SMALL = {"hidden_sizes": [8], "random_state": 0, "threads": 1, "epochs": 10}


def inputs(n=30):
    rng = np.random.default_rng(0)
    return np.column_stack([rng.standard_normal((n, 2)), rng.integers(-1, 3, n), rng.integers(-1, 12, n)]).astype("float32")


@pytest.mark.parametrize("sizes", [[3, 12], []], ids=["categories", "numbers"])
@pytest.mark.parametrize("n_members", [1, 3])
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_logits_are_blended_by_the_share(sizes, n_members, share):
    rng, X = np.random.default_rng(1), inputs()[:, : 2 + len(sizes)]
    net = TabularNet(2, sizes, 3, hidden_sizes=[6], n_members=n_members, loss="squared_error", seed=0)
    W, bias = rng.standard_normal((2 + sum(sizes) + len(sizes), 3)), rng.standard_normal(3)
    blended = net.with_shortcut(share, W, bias)
    linear = one_hot_inputs(X, net) @ W + bias
    np.testing.assert_allclose(blended.logits(X), (1 - share) * net.logits(X) + share * linear, atol=1e-5)
    assert blended.logits(X).dtype == np.float32


def test_one_hot_inputs_have_a_column_for_each_category_and_the_missing_one():
    X, net = inputs(), TabularNet(2, [3, 12], 3)
    found = one_hot_inputs(X, net).toarray()
    columns = [np.eye(size + 1)[X[:, 2 + j].astype(int) + 1] for j, size in enumerate([3, 12])]
    np.testing.assert_array_equal(found, np.column_stack([X[:, :2], *columns]))


@pytest.mark.parametrize("n_members", [1, 3])
def test_a_blended_network_is_saved_and_exported(n_members, tmp_path):
    pytest.importorskip("onnxruntime")
    rng, X = np.random.default_rng(1), inputs()
    net = TabularNet(2, [3, 12], 3, hidden_sizes=[6], n_members=n_members, seed=0)
    net.checkpoints = [TabularNet(2, [3, 12], 3, hidden_sizes=[6], n_members=n_members, seed=1).params]
    blended = net.with_shortcut(0.4, rng.standard_normal((2 + 15 + 2, 3)), rng.standard_normal(3))
    save(tmp_path / "model.safetensors", Model(blended))
    np.testing.assert_array_equal(load(tmp_path / "model.safetensors").predict_proba(X), blended.predict_proba(X))
    assert export_onnx(Model(blended), tmp_path / "model.onnx") < 1e-5


def test_the_share_is_a_mean_by_the_likelihood_of_many_rows_the_best():
    rng = np.random.default_rng(0)
    y = rng.standard_normal((500, 1))
    ours, linear = (y + rng.standard_normal((500, 1)) for _ in range(2))
    loss = TabularNet(1, [], 1, loss="squared_error").loss
    assert mean_share(loss, ours[np.newaxis], linear, y) == pytest.approx(0.5, abs=0.1)
    in_thousands = mean_share(loss, 1e3 * ours[np.newaxis], 1e3 * linear, 1e3 * y)
    assert in_thousands == pytest.approx(mean_share(loss, ours[np.newaxis], linear, y))
    assert mean_share(loss, y[np.newaxis], linear, y) == 0
    assert mean_share(loss, ours[np.newaxis], y, y) == 1
    assert mean_share(loss, ours[np.newaxis, :1], linear[:1], y[:1], np.ones(1)) == pytest.approx(0.5, abs=0.4)
    y = rng.integers(0, 2, 400)
    right = np.eye(2)[y]
    few, many = (mean_share(get_loss("cross_entropy"), 0 * right[np.newaxis, :n], right[:n], y[:n]) for n in (2, 400))
    assert 0.5 < few < 0.7
    assert many > 0.95
    weights = np.where(np.arange(400) < 2, 1.0, 1e-6)
    assert mean_share(get_loss("cross_entropy"), 0 * right[np.newaxis], right, y, weights) == pytest.approx(few, abs=1e-3)


def disagreeing(n_members=1):
    """Return a network with checkpoints that are sure of other things, rows, and their classes."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((400, 2)).astype("float32")
    net, *others = (TabularNet(2, [], 2, hidden_sizes=[6], n_members=n_members, seed=seed) for seed in range(3))
    net.checkpoints = [other.params for other in others]
    for params in net.all_params:
        for name in net.output_params:
            params[name] *= 10
    p = 0.7 * net.predict_proba(X)[:, 1] + 0.3 * (X[:, 0] > 0)
    return net, X, (rng.random(400) < p).astype(int)


@pytest.mark.parametrize("n_members", [1, 2])
def test_each_network_is_blended_before_the_average(n_members):
    net, X, y = disagreeing(n_members)
    linear = fit_linear(net.loss, X, y, 2)
    logits = net.with_shortcut(0.4, *linear.params.values()).logits(X)
    expected = net.loss.averaged(0.6 * logits_of_each(net, X) + 0.4 * linear.logits(X))
    np.testing.assert_allclose(softmax(logits), softmax(expected), atol=1e-5)
    of_averages = 0.6 * net.logits(X) + 0.4 * linear.logits(X)
    assert np.abs(softmax(logits) - softmax(of_averages)).max() > 0.1


def test_the_share_is_that_of_what_predicts():
    net, X, y = disagreeing()
    linear = fit_linear(net.loss, X, y, 2)
    blended = [net.with_shortcut(share, *linear.params.values()) for share in SHARES]
    likelihood = np.exp([-len(y) * net.loss.value(one.logits(X), y) for one in blended])
    assert blend(net, X, y, X, y)[1] == pytest.approx(np.average(SHARES, weights=likelihood), rel=1e-3)


def tables(n=400):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.standard_normal(n), "b": rng.standard_normal(n), "c": rng.choice(list("xyz"), n)})
    score = 2 * frame["a"] - frame["b"] + frame["c"].map({"x": 0, "y": 1, "z": -1})
    return frame, score.to_numpy(), rng


def test_a_classifier_learns_what_is_linear_as_well_as_a_linear_model():
    frame, score, rng = tables()
    y = np.where(score + rng.logistic(size=len(score)) > 0, "yes", "no")
    networks = [TabularClassifier(**SMALL, settings={"blend_linear": has}) for has in (True, False)]
    losses = []
    for model in networks:
        model.fit(frame[:200], y[:200])
        losses.append(model.model_.network.loss.value(model.model_.logits(frame[200:]), (y[200:] == "yes").astype(int)))
    assert losses[0] < losses[1]
    X = pd.get_dummies(frame, dtype=float)
    p = LogisticRegression().fit(X[:200], y[:200]).predict_proba(X[200:])
    linear = -np.mean(np.log(p[np.arange(200), (y[200:] == "yes").astype(int)]))
    assert losses[0] < linear + 0.02
    np.testing.assert_allclose(softmax(model.model_.logits(frame)), model.predict_proba(frame), rtol=1e-5)


@pytest.mark.parametrize("refit", [False, True])
def test_a_regressor_learns_what_is_linear_as_well_as_a_linear_model(refit):
    frame, score, rng = tables()
    y = 1000 + 50 * (score + rng.standard_normal(len(score)))
    model = TabularRegressor(**SMALL, refit=refit).fit(frame[:200], y[:200])
    assert model.model_.network.shortcut is not None
    X = pd.get_dummies(frame, dtype=float)
    linear = Ridge().fit(X[:200], y[:200]).score(X[200:], y[200:])
    assert model.score(frame[200:], y[200:]) > linear - 0.05
    alone = TabularRegressor(**SMALL, refit=refit, settings={"blend_linear": False}).fit(frame[:200], y[:200])
    assert model.score(frame[200:], y[200:]) > alone.score(frame[200:], y[200:])


def test_other_losses_and_no_validation_rows_have_no_linear_model():
    net, X = TabularNet(4, [], 1, loss="poisson"), np.random.default_rng(0).standard_normal((50, 4)).astype("float32")
    assert blend(net, X, np.ones((50, 1)), X, np.ones((50, 1))) == (net, None)
    net = TabularNet(4, [], 1, loss="squared_error")
    assert blend(net, X, np.ones((50, 1))) == (net, None)


def test_each_output_has_a_share_of_its_own_whatever_its_unit():
    frame, score, rng = tables()
    curved = np.abs(frame["a"]) * np.sign(frame["b"])
    y = np.column_stack([1000 * (score + rng.standard_normal(len(score))), curved + 0.1 * rng.standard_normal(len(score))])
    in_deviations = y / y.std(axis=0)
    fits = [TabularRegressor(**SMALL).fit(frame[:200], targets[:200]) for targets in (y, in_deviations)]
    np.testing.assert_allclose(fits[0].predict(frame) / y.std(axis=0), fits[1].predict(frame), atol=1e-3)


def test_the_output_with_the_large_unit_does_not_choose_the_share_of_others():
    rng = np.random.default_rng(0)
    y = rng.standard_normal((300, 2)) * [1000, 1]
    noise = rng.standard_normal((300, 2)) * [1000, 1]
    ours, linear = y + noise * [1, 0.1], y + noise * [0.1, 1]
    shares = mean_share(get_loss("squared_error"), ours[np.newaxis], linear, y)
    np.testing.assert_allclose(shares, [1, 0], atol=0.11)
    net = TabularNet(2, [], 2, hidden_sizes=[6], loss="squared_error", seed=0)
    X, W, bias = inputs()[:, :2], rng.standard_normal((2, 2)), rng.standard_normal(2)
    expected = (1 - shares) * net.logits(X) + shares * (X @ W + bias)
    np.testing.assert_allclose(net.with_shortcut(shares, W, bias).logits(X), expected, atol=1e-5)
