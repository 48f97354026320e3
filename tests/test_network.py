"""Networks: shapes, dtypes, initial weights, dropout, and what they refuse."""

import numpy as np
import pytest
from sklearn.metrics import log_loss
from sklearn.neural_network import MLPClassifier

from cs231n.classifiers.neural_net import init_two_layer_model, two_layer_net
from fcnet import FullyConnectedNet, gradient_check
from fcnet.errors import InputError, SettingError
from fcnet.model import Model
from fcnet.nn.layers import ACTIVATIONS

pytestmark = pytest.mark.usefixtures("engine_name")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_nothing_is_promoted(dtype, activation):
    net = FullyConnectedNet([5, 8, 6, 3], activation=activation, dropout=0.5, input_dropout=0.1, dtype=dtype)
    X, y = np.ones((4, 5), dtype), np.array([0, 1, 2, 0])
    loss, grads = net.loss_and_gradients(X, y, l2=0.1, label_smoothing=0.1, rng=np.random.default_rng(0))
    assert type(loss) is float
    assert {g.dtype for g in [*grads.values(), *net.params.values(), net.logits(X), net.predict_proba(X)]} == {np.dtype(dtype)}


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_scikit_learn_computes_the_same(activation):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((50, 6)), rng.integers(3, size=50)
    peer = MLPClassifier((8, 5), activation=activation, max_iter=1, solver="sgd", random_state=0)
    with pytest.warns(UserWarning, match="Maximum iterations"):
        peer.fit(X, y)
    net = FullyConnectedNet([6, 8, 5, 3], activation=activation, dtype=np.float64)
    net.params = {f"W{i}": W for i, W in enumerate(peer.coefs_, 1)} | {f"b{i}": b for i, b in enumerate(peer.intercepts_, 1)}
    np.testing.assert_allclose(net.predict_proba(X), peer.predict_proba(X), rtol=1e-10)
    np.testing.assert_array_equal(net.predict(X), peer.predict(X))
    assert net.loss_and_gradients(X, y)[0] == pytest.approx(log_loss(y, peer.predict_proba(X)), rel=1e-10)
    assert net.loss.value(net.logits(X), y) == pytest.approx(log_loss(y, peer.predict_proba(X)), rel=1e-10)


def test_many_rows_predict_as_each_alone():
    net = FullyConnectedNet([7, 9, 4], seed=1, dtype=np.float64)
    X = np.random.default_rng(0).standard_normal((9000, 7))
    logits = net.logits(X)
    np.testing.assert_allclose(logits[[0, 4095, 4096, 8999]], [net.logits(X[i : i + 1])[0] for i in (0, 4095, 4096, 8999)])
    kept = logits.copy()
    net.logits(X[::-1])
    np.testing.assert_array_equal(logits, kept)


@pytest.mark.parametrize(("init", "scale"), [("he", (2 / 400) ** 0.5), ("glorot", (2 / 700) ** 0.5), (1e-5, 1e-5)])
def test_initial_weights(init, scale):
    net = FullyConnectedNet([400, 300], weight_init=init, seed=0)
    assert net.params["W1"].std() == pytest.approx(scale, rel=0.02)
    assert abs(net.params["W1"].mean()) < scale / 50
    assert not net.params["b1"].any()


def test_the_seed_decides_the_weights():
    one, same, other = (FullyConnectedNet([5, 4, 3], seed=s) for s in (0, 0, 1))
    np.testing.assert_array_equal(one.params["W2"], same.params["W2"])
    assert (one.params["W2"] != other.params["W2"]).all()


def test_dropout_keeps_the_expectation_and_is_off_in_prediction():
    net = FullyConnectedNet([2000, 2], input_dropout=0.3, dtype=np.float64)
    net.params["W1"][:] = 1
    X = np.ones((200, 2000))
    np.testing.assert_array_equal(net.logits(X), 2000)
    out, _ = net._forward(X, np.random.default_rng(0))
    dropped = out[:, 0].copy()
    # Each logit is a sum of 2000 draws of 0 or 1/0.7: mean 2000, variance 2000 · 0.3 / 0.7.
    assert dropped.mean() == pytest.approx(2000, abs=4 * (2000 * 0.3 / 0.7 / 200) ** 0.5)
    assert dropped.std() == pytest.approx((2000 * 0.3 / 0.7) ** 0.5, rel=0.25)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"layer_sizes": [5]}, "two or more"),
        ({"layer_sizes": [5, 0, 2]}, "at least 1"),
        ({"layer_sizes": [4.9, 3]}, "whole number"),
        ({"dropout": "0.1"}, "dropout must be a number"),
        ({"activation": "rleu"}, "Did you mean 'relu'"),
        ({"dropout": 1.0}, "dropout must be .* below 1"),
        ({"dropout": float("nan")}, "dropout must be"),
        ({"input_dropout": -0.1}, "input_dropout must be"),
        ({"weight_init": "hee"}, "weight_init must be"),
        ({"weight_init": float("nan")}, "weight_init must be"),
        ({"dtype": "float46"}, "Did you mean 'float64'"),
        ({"engine": "nunpy"}, "Did you mean 'numpy'"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(SettingError, match=message):
        FullyConnectedNet(**({"layer_sizes": [5, 4, 3]} | settings))


def test_a_pickle_of_before_can_be_read():
    net = FullyConnectedNet([5, 4, 3], normalisation="layer", seed=1)
    state = {name: value for name, value in vars(net).items() if name not in ("affine", "decayed", "_parameters", "layers")}
    old = FullyConnectedNet.__new__(FullyConnectedNet)
    old.__setstate__(state | {"members": 1})
    np.testing.assert_array_equal(old.logits(np.eye(5)), net.logits(np.eye(5)))
    assert (old.decayed, old.get_config()) == ({"W1", "W2"}, net.get_config())
    with pytest.raises(InputError, match="members = 2"):
        old.__setstate__(state | {"members": 2})


@pytest.mark.parametrize("params", [{}, {"W1": np.zeros((3, 5)), "b1": np.zeros(3)}, {"W1": np.zeros((5, 3))}])
def test_params_of_other_shapes_are_refused(params):
    with pytest.raises(InputError, match=r"'W1': \(5, 3\), 'b1': \(3,\)"):
        FullyConnectedNet([5, 3], params=params)


def test_params_of_another_dtype_are_refused():
    with pytest.raises(InputError, match="params must be float32, got W1 float64"):
        FullyConnectedNet([5, 3], params={"W1": np.zeros((5, 3)), "b1": np.zeros(3)})


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.ones(5), r"\(n, 5\)"),
        (np.ones((2, 4)), r"\(n, 5\)"),
        (np.ones((2, 5, 1)), r"\(n, 5\)"),
        (np.full((2, 5), "a"), "must hold numbers"),
        (np.where(np.arange(5) == 3, np.nan, np.ones((9, 5))), r"X\[0, 3\] is nan"),
        (np.where(np.arange(5000)[:, None] == 4321, -np.inf, np.ones((5000, 5))), r"X\[4321, 0\] is -inf"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(X, message):
    model = Model(FullyConnectedNet([5, 3]))
    for predict in (model.network.logits, model.network.predict, model.predict_proba):
        with pytest.raises(InputError, match=message):
            predict(X)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([0, -1], r"y\[1\] is -1"),
        ([0, 3], r"y\[1\] is 3"),
        ([[0], [1]], r"shape \(2,\)"),
        ([0.0, 1.0], "integers"),
        ([0], "shape"),
    ],
)
def test_labels_that_do_not_fit_are_refused(y, message):
    X = np.ones((2, 5))
    with pytest.raises(InputError, match=message):
        gradient_check(FullyConnectedNet([5, 4, 3]), X, y)
    with pytest.raises(InputError, match=message):
        two_layer_net(X, init_two_layer_model(5, 4, 3), np.array(y))


def test_steady_training_steps_use_the_same_buffers():
    net = FullyConnectedNet([50, 40, 10], seed=0)
    X, y = np.ones((32, 50), np.float32), np.zeros(32, np.int64)
    first = {name: g.ctypes.data for name, g in net.loss_and_gradients(X, y)[1].items()}
    net.loss_and_gradients(X[:7], y[:7])
    again = {name: g.ctypes.data for name, g in net.loss_and_gradients(X, y)[1].items()}
    assert first == again
