"""Every loss, with every activation, weights and masks: against numeric gradients, PyTorch and scikit-learn."""

import itertools

import numpy as np
import pytest
import scipy.sparse

from fcnet import FullyConnectedNet, Trainer, gradient_check
from fcnet.engine.masks import N_NUMBERS, draw_seed, numbers
from fcnet.errors import InputError, SettingError
from fcnet.nn.layers import ACTIVATIONS
from fcnet.nn.losses import LOSSES, get_loss
from fcnet.training.target_scale import TargetScale

pytestmark = pytest.mark.usefixtures("engine_name")

QUANTILES = "quantile(0.1, 0.4, 0.5, 0.9)"
ALL = [*LOSSES, QUANTILES]
CLASSIFYING = ("cross_entropy", "binary_cross_entropy")
WEIGHTS = np.array([0.0, 1.0, 2.5, 1.0, 0.3, 4.0, 1.0, 1.0, 2.0])


def batch(loss, n=9, n_inputs=6, n_outputs=4, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, n_inputs))
    y = {
        "cross_entropy": rng.integers(n_outputs, size=n),
        "binary_cross_entropy": rng.integers(2, size=(n, n_outputs)),
        "squared_error": rng.standard_normal((n, n_outputs)),
        "poisson": rng.poisson(2.0, (n, n_outputs)),
        "absolute_error": rng.standard_normal((n, n_outputs)),
        QUANTILES: rng.standard_normal((n, 1)),
    }[loss]
    return X, y


@pytest.mark.parametrize(("activation", "loss"), list(itertools.product(ACTIVATIONS, ALL)))
@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_numeric_gradients_agree(activation, loss, weights, dropout):
    settings = {"dropout": dropout, "input_dropout": dropout / 2, "seed": 1}
    settings["weight_init"] = 0.3 if activation == "exp" else "he"  # else differences do not reach exponentials of exponentials
    net = FullyConnectedNet([6, 7, 4], loss=loss, activation=activation, **settings)
    smoothing = 0.1 if loss in CLASSIFYING else 0.0
    errors = gradient_check(net, *batch(loss), l2=0.1, label_smoothing=smoothing, weights=weights)
    assert max(errors.values()) < 1e-5


@pytest.mark.parametrize("loss", ALL)
def test_a_row_of_weight_two_is_two_rows(loss):
    X, y = batch(loss)
    counts = np.array([0, 1, 2, 1, 3, 1, 1, 0, 2])
    net = FullyConnectedNet([6, 5, 4], loss=loss, seed=1, dtype="float64")
    value, grads = net.loss_and_gradients(*net.check_data(X, y), weights=counts.astype(float))
    grads = {name: g.copy() for name, g in grads.items()}
    repeated, expected = net.loss_and_gradients(*net.check_data(X.repeat(counts, axis=0), y.repeat(counts, axis=0)))
    assert value == pytest.approx(repeated, rel=1e-12)
    for name, g in grads.items():
        np.testing.assert_allclose(g, expected[name], rtol=1e-10, atol=1e-14)
    targets = net.check_data(X, y)[1]
    assert net.loss.value(net.logits(X), targets, counts) == pytest.approx(value, rel=1e-12)


@pytest.mark.torch
@pytest.mark.parametrize(("activation", "loss"), list(itertools.product(ACTIVATIONS, ALL)))
@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_pytorch_agrees(activation, loss, weights, dropout):
    import torch
    from torch.nn import functional

    act = {
        "relu": functional.relu,
        "leaky_relu": functional.leaky_relu,
        "tanh": torch.tanh,
        "gelu": lambda z: functional.gelu(z, approximate="tanh"),
        "logistic": torch.sigmoid,
        "identity": torch.nn.Identity(),
        "exp": torch.exp,
    }[activation]
    net = FullyConnectedNet([6, 8, 4], loss=loss, activation=activation, dropout=dropout, seed=2, dtype=np.float64)
    X, y = net.check_data(*batch(loss))
    smoothing = 0.2 if loss in CLASSIFYING else 0.0
    params = {name: torch.tensor(p, requires_grad=True) for name, p in net.params.items()}
    seed = draw_seed(np.random.default_rng(7))
    below = round(dropout * N_NUMBERS)
    mask = (numbers(seed, (len(X), 8)) >= below) * (N_NUMBERS / (N_NUMBERS - below))
    logits = (act(torch.tensor(X) @ params["W1"] + params["b1"]) * torch.tensor(mask)) @ params["W2"] + params["b2"]
    target, tau = torch.tensor(y), torch.tensor([0.1, 0.4, 0.5, 0.9], dtype=torch.float64)
    rows = {
        "cross_entropy": lambda: functional.cross_entropy(logits, target, label_smoothing=smoothing, reduction="none"),
        "binary_cross_entropy": lambda: functional.binary_cross_entropy_with_logits(
            logits, target * (1 - smoothing) + smoothing / 2, reduction="none"
        ).sum(dim=1),
        "squared_error": lambda: 0.5 * functional.mse_loss(logits, target, reduction="none").sum(dim=1),
        "poisson": lambda: (logits.exp() - target * logits + torch.xlogy(target, target) - target).sum(dim=1),
        "absolute_error": lambda: functional.l1_loss(logits, target, reduction="none").sum(dim=1),
        QUANTILES: lambda: torch.maximum(tau * (target - logits), (tau - 1) * (target - logits)).sum(dim=1),
    }[loss]()
    w = torch.ones(len(X), dtype=torch.float64) if weights is None else torch.tensor(weights)
    expected = (w * rows).sum() / w.sum() + 0.5 * 0.3 * sum((params[name] ** 2).sum() for name in ("W1", "W2"))
    expected.backward()
    rng = np.random.default_rng(7) if dropout else None
    value, grads = net.loss_and_gradients(X, y, l2=0.3, label_smoothing=smoothing, rng=rng, weights=weights)
    assert value == pytest.approx(expected.item(), rel=1e-12)
    for name, g in grads.items():
        np.testing.assert_allclose(g, params[name].grad.numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("loss", ALL)
def test_training_lowers_it_and_float32_stays(loss):
    X, y = batch(loss, n=200, seed=3)
    net = FullyConnectedNet([6, 20, 4], loss=loss, seed=0)
    history = Trainer(epochs=30, batch_size=20, learning_rate=0.02).fit(net, X[:150], y[:150], X[150:], y[150:])
    assert history[-1]["loss"] < 0.8 * history[0]["loss"]
    assert {p.dtype for p in net.params.values()} == {np.dtype("float32")}
    assert f"val_{net.loss.metric}" in history[0]
    assert net.predict_proba(X).dtype == np.float32


def test_r2_is_that_of_scikit_learn():
    from sklearn.metrics import r2_score

    rng = np.random.default_rng(0)
    y, said, w = rng.standard_normal((30, 3)), rng.standard_normal((30, 3)), rng.random(30)
    assert LOSSES["squared_error"].score(said, y, w) == pytest.approx(r2_score(y, said, sample_weight=w))
    constant = np.ones((5, 1))
    assert LOSSES["squared_error"].score(constant, constant) == 1.0
    assert LOSSES["squared_error"].score(constant + 1, constant) == 0.0
    tenths = np.full((1000, 1), 0.1)  # whose mean is rounded
    assert LOSSES["squared_error"].score(tenths + 1, tenths) == 0.0
    assert TargetScale.of(tenths).std == 1


def test_quantiles_rise_and_d2_is_that_of_scikit_learn():
    from sklearn.metrics import d2_pinball_score

    rng, loss = np.random.default_rng(0), get_loss("quantile(0.3)")
    y, said, w = rng.standard_normal((30, 1)), rng.standard_normal((30, 1)), rng.random(30)
    expected = d2_pinball_score(y, said, alpha=0.3, sample_weight=w)
    assert loss.score(said, y, w) == pytest.approx(expected, abs=0.02)  # it interpolates between the rows of the quantile
    assert loss.score(np.ones((5, 1)), np.ones((5, 1))) == 1.0
    assert loss.score(np.full((5, 1), 2.0), np.ones((5, 1))) == 0.0
    rising = np.diff(get_loss(QUANTILES).mean(rng.standard_normal((9, 4))), axis=1)
    assert rising.min() > 0


@pytest.mark.parametrize("name", ["quantile()", "quantile(0.9, 0.1)", "quantile(0, 0.5)", "quantile(a)"])
def test_quantiles_that_are_none_are_refused(name):
    with pytest.raises(SettingError, match="quantile"):
        get_loss(name)
    with pytest.raises(InputError, match="2 outputs"):
        FullyConnectedNet([2, 3], loss="quantile(0.1, 0.9)").check_data(np.zeros((3, 2)), np.zeros(3))


def test_sparse_rows_give_what_dense_ones_do():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 30)) * (rng.random((60, 30)) < 0.2)
    y = rng.integers(3, size=60)
    nets = []
    for data in (X, scipy.sparse.csr_array(X), scipy.sparse.csc_matrix(X)):
        net = FullyConnectedNet([30, 8, 3], dropout=0.5, seed=0, dtype="float64")
        Trainer(epochs=3, batch_size=20, learning_rate=0.1, l2=0.1).fit(net, data, y)
        nets.append(net)
        np.testing.assert_allclose(net.logits(data), net.logits(X), rtol=1e-12)
    for name, p in nets[0].params.items():
        np.testing.assert_allclose(nets[1].params[name], p, rtol=1e-10, atol=1e-13)
        np.testing.assert_allclose(nets[2].params[name], p, rtol=1e-10, atol=1e-13)


def test_input_dropout_of_sparse_rows_drops_that_share():
    X = scipy.sparse.random_array((400, 50), density=0.5, rng=np.random.default_rng(0), format="csr", dtype=np.float64)
    net = FullyConnectedNet([50, 4], input_dropout=0.25, seed=0, dtype="float64")
    kept, _ = net.layers[0].forward(X, net.params, net.engine, np.random.default_rng(1))
    share = np.mean(kept.data == 0)
    assert 0.23 < share < 0.27
    np.testing.assert_allclose(kept.data[kept.data != 0], X.data[kept.data != 0] / 0.75)


@pytest.mark.parametrize(
    ("loss", "y", "words"),
    [
        ("cross_entropy", [0, 1, 4], "y[2] is 4"),
        ("binary_cross_entropy", np.full((3, 4), 2), "at most 1"),
        ("squared_error", np.full((3, 4), np.nan), "finite"),
        ("squared_error", np.zeros((3, 2)), "shape (3, 4)"),
        ("poisson", np.full((3, 4), -1), "at least 0"),
        ("squared_error", np.full((3, 4), "a"), "numbers"),
    ],
)
def test_targets_that_do_not_fit_are_refused(loss, y, words):
    net = FullyConnectedNet([2, 4], loss=loss)
    with pytest.raises(InputError) as error:
        net.check_data(np.zeros((3, 2)), y)
    assert words in str(error.value)


def test_unknown_loss_and_smoothing_of_a_regression_are_refused():
    with pytest.raises(SettingError, match="squared_error"):
        FullyConnectedNet([2, 3], loss="squarederror")
    net = FullyConnectedNet([2, 1], loss="squared_error")
    with pytest.raises(SettingError, match="label_smoothing"):
        Trainer(label_smoothing=0.1).fit(net, np.zeros((3, 2)), np.zeros(3))


@pytest.mark.parametrize("loss", ALL)
@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_no_other_constant_costs_less(loss, weights):
    y, measured = batch(loss)[1], get_loss(loss)
    best = measured.constant_logits(y, 4, weights)
    at_best = measured.value(np.tile(best, (9, 1)), y, weights)
    for move in np.random.default_rng(0).standard_normal((50, 4)) * 0.1:
        assert measured.value(np.tile(best + move, (9, 1)), y, weights) > at_best - 1e-12


@pytest.mark.parametrize("weights", [[1, 2], [-1, 1, 1], [0, 0, 0], [np.nan, 1, 1]])
def test_weights_that_do_not_fit_are_refused(weights):
    with pytest.raises(InputError, match="sample_weight"):
        Trainer().fit(FullyConnectedNet([2, 3]), np.zeros((3, 2)), [0, 1, 2], sample_weight=weights)
