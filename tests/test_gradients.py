"""The hand-written gradients, against central differences, HIPS autograd and PyTorch."""

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad
from hypothesis import given, settings
from hypothesis import strategies as st

from fcnet import FullyConnectedNet, gradient_check
from fcnet.engine import ENGINES
from fcnet.errors import SettingError
from fcnet.nn import layers
from fcnet.nn.gradcheck import numerical_gradient, numerical_projections, relative_error
from fcnet.nn.layers import ACTIVATIONS
from fcnet.nn.losses import softmax

pytestmark = pytest.mark.usefixtures("engine_name")

ACTIVATION_OF = {
    "relu": lambda z: anp.maximum(z, 0),
    "leaky_relu": lambda z: anp.where(z > 0, z, 0.01 * z),
    "tanh": anp.tanh,
    "logistic": lambda z: 1 / (1 + anp.exp(-z)),
    "identity": lambda z: z,
    "exp": anp.exp,
    "gelu": lambda z: 0.5 * z * (1 + anp.tanh(anp.sqrt(2 / anp.pi) * (z + 0.044715 * z**3))),
}


def batch(n, n_inputs, n_classes, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, n_inputs)), rng.integers(n_classes, size=n)


def of_layers(activation, normalisation):
    """Return settings of networks; with the usual weights, exponentials of exponentials overflow."""
    init = 0.02 if activation == "exp" else "he"
    return {"activation": activation, "normalisation": normalisation, "weight_init": init}


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("hidden", [[], [7], [8, 6, 5]])
@pytest.mark.parametrize("normalisation", ["none", "layer"])
@pytest.mark.parametrize("method", ["entries", "projections"])
def test_numeric_gradients_agree(activation, hidden, normalisation, method):
    settings = of_layers(activation, normalisation) | {"dropout": 0.3, "input_dropout": 0.2}
    net = FullyConnectedNet([6, *hidden, 4], **settings, seed=1)
    errors = gradient_check(net, *batch(9, 6, 4), l2=0.1, label_smoothing=0.1, method=method)
    assert list(errors) == list(net.params)
    assert max(errors.values()) < 1e-5


def off_their_beginnings(net):
    """Give every parameter that begins at 0 or 1 another value, which a forgotten factor would show in."""
    rng = np.random.default_rng(5)
    for p in net.params.values():
        p += (0.1 if net.activation == "exp" else 0.3) * rng.standard_normal(p.shape)
    return net


@pytest.mark.parametrize("normalisation", ["none", "layer"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_autograd_agrees(activation, normalisation):
    net = FullyConnectedNet([6, 8, 7, 4], **of_layers(activation, normalisation), seed=2, dtype=np.float64)
    off_their_beginnings(net)
    X, y = batch(10, 6, 4)
    smoothed = 0.9 * np.eye(4)[y] + 0.1 / 4

    def loss_of(params):
        out = X
        for i in (1, 2):
            out = out @ params[f"W{i}"] + params[f"b{i}"]
            if normalisation == "layer":
                out = out - anp.mean(out, axis=1, keepdims=True)
                out = out / anp.sqrt(anp.mean(out**2, axis=1, keepdims=True) + 1e-5)
                out = params[f"gamma{i}"] * out + params[f"beta{i}"]
            out = ACTIVATION_OF[activation](out)
        logits = out @ params["W3"] + params["b3"]
        log_p = logits - anp.log(anp.sum(anp.exp(logits), axis=1, keepdims=True))
        penalty = sum(anp.sum(params[f"W{i}"] ** 2) for i in (1, 2, 3))
        return -anp.mean(anp.sum(smoothed * log_p, axis=1)) + 0.5 * 0.3 * penalty

    loss, grads = net.loss_and_gradients(X, y, l2=0.3, label_smoothing=0.1)
    assert loss == pytest.approx(loss_of(net.params), rel=1e-12)
    expected = grad(loss_of)(net.params)
    for name, g in grads.items():
        np.testing.assert_allclose(g, expected[name], rtol=1e-9, atol=1e-12)


@pytest.mark.torch
@pytest.mark.parametrize("normalisation", ["none", "layer"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("label_smoothing", [0.0, 0.2])
def test_pytorch_agrees(activation, normalisation, label_smoothing):
    import torch
    from torch.nn import functional

    act = {
        "relu": functional.relu,
        "leaky_relu": functional.leaky_relu,
        "tanh": torch.tanh,
        "logistic": torch.sigmoid,
        "identity": torch.nn.Identity(),
        "exp": torch.exp,
        "gelu": lambda z: functional.gelu(z, approximate="tanh"),
    }[activation]
    net = FullyConnectedNet([6, 8, 7, 4], **of_layers(activation, normalisation), seed=2, dtype=np.float64)
    off_their_beginnings(net)
    X, y = batch(10, 6, 4)
    params = {name: torch.tensor(p, requires_grad=True) for name, p in net.params.items()}
    out = torch.tensor(X)
    for i in (1, 2):
        out = out @ params[f"W{i}"] + params[f"b{i}"]
        if normalisation == "layer":
            out = functional.layer_norm(out, out.shape[1:], params[f"gamma{i}"], params[f"beta{i}"])
        out = act(out)
    logits = out @ params["W3"] + params["b3"]
    expected = functional.cross_entropy(logits, torch.tensor(y), label_smoothing=label_smoothing)
    expected = expected + 0.5 * 0.3 * sum((params[f"W{i}"] ** 2).sum() for i in (1, 2, 3))
    expected.backward()
    loss, grads = net.loss_and_gradients(X, y, l2=0.3, label_smoothing=label_smoothing)
    assert loss == pytest.approx(expected.item(), rel=1e-12)
    for name, g in grads.items():
        np.testing.assert_allclose(g, params[name].grad.numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("method", ["entries", "projections"])
@pytest.mark.parametrize("error", [0.5, 0.999])
def test_a_wrong_gradient_is_found(monkeypatch, method, error):
    right = layers.Tanh.backward

    def wrong(self, dout, cache, engine, input_gradient):
        dx, own = right(self, dout, cache, engine, input_gradient)
        return dx * error, own

    monkeypatch.setattr(layers.Tanh, "backward", wrong)
    net = FullyConnectedNet([6, 7, 4], activation="tanh", seed=1)
    errors = gradient_check(net, *batch(9, 6, 4), method=method)
    assert min(errors["W1"], errors["b1"]) > (1 - error) / 4
    assert max(errors["W2"], errors["b2"]) < 1e-6


def test_a_forgotten_penalty_is_found_in_a_large_network(monkeypatch, engine_name):
    monkeypatch.setattr(ENGINES[engine_name], "add_l2", lambda self, dW, W, l2: 0.5 * l2 * float(np.vdot(W, W)))
    net = FullyConnectedNet([3072, 100, 10], seed=1)
    errors = gradient_check(net, *batch(20, 3072, 10), l2=0.1)
    assert errors["W1"] > 1e-2
    assert errors["b1"] < 1e-6


@settings(max_examples=30)
@given(
    sizes=st.lists(st.integers(1, 6), min_size=2, max_size=4),
    n=st.integers(1, 8),
    activation=st.sampled_from(["tanh", "gelu"]),  # smooth, so that no draw can sit on a kink
    l2=st.floats(0, 2),
    smoothing=st.floats(0, 0.9),
    seed=st.integers(0, 2**32 - 1),
)
def test_gradients_of_any_network(sizes, n, activation, l2, smoothing, seed):
    net = FullyConnectedNet(sizes, activation=activation, seed=seed)
    X, y = batch(n, sizes[0], sizes[-1], seed)
    for name, (a, b) in _both_gradients(net, X, y, l2, smoothing).items():
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-8, err_msg=name)


def _both_gradients(net, X, y, l2, smoothing):
    net = net.astype(np.float64)

    def loss(_):
        return net.loss_and_gradients(X, y, l2=l2, label_smoothing=smoothing)[0]

    grads = {k: g.copy() for k, g in net.loss_and_gradients(X, y, l2=l2, label_smoothing=smoothing)[1].items()}
    return {name: (grads[name], numerical_gradient(loss, p)) for name, p in net.params.items()}


def test_numeric_gradient_of_a_known_function():
    x = np.array([[1.0, -2.0], [0.5, 3.0]])
    kept = x.copy()
    np.testing.assert_allclose(numerical_gradient(lambda a: float(np.sum(a**3)), x), 3 * x**2, rtol=1e-8)
    np.testing.assert_array_equal(x, kept)
    v = np.array([np.ones((2, 2)), np.eye(2)])
    slopes = numerical_projections(lambda a: float(np.sum(a**3)), x, v)
    np.testing.assert_allclose(slopes, [np.sum(3 * x**2), 3 + 27], rtol=1e-8)
    np.testing.assert_array_equal(x, kept)


def test_relative_error_is_that_of_the_exercise():
    assert relative_error([1.0, 0.0], [1.0, 0.0]) == 0
    assert relative_error([1.0], [3.0]) == 0.5
    assert relative_error([0.0], [1e-10]) == pytest.approx(1e-2)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_right_gradients_pass_at_kinks_and_small_slopes(activation):
    """Kinks between two points of a difference, and slopes too small for one step, are no errors."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((50, 20)).astype(np.float32)
    y = (X[:, 0] * X[:, 1] > 0).astype(int)
    net = FullyConnectedNet([20, 64, 2], activation=activation, dropout=0.1, seed=4)  # for relu it needs other steps
    for method in ("entries", "projections"):
        errors = gradient_check(net, X, y, l2=1e-3, method=method)
        assert max(errors.values()) < 1e-5, (method, errors)


def test_gradient_check_leaves_the_network_as_it_is():
    net = FullyConnectedNet([5, 4, 3], seed=0)
    kept = {name: p.copy() for name, p in net.params.items()}
    gradient_check(net, *batch(4, 5, 3))
    for name, p in net.params.items():
        np.testing.assert_array_equal(p, kept[name])
        assert p.dtype == np.float32


def test_gradient_check_names_the_nearest_method():
    with pytest.raises(SettingError, match="'projections'"):
        gradient_check(FullyConnectedNet([2, 2]), *batch(2, 2, 2), method="projection")


@given(st.lists(st.lists(st.floats(-1e30, 1e30), min_size=3, max_size=3), min_size=1, max_size=5), st.floats(-1e3, 1e3))
def test_softmax_of_any_logits(rows, shift):
    logits = np.array(rows)
    p = softmax(logits)
    assert np.isfinite(p).all()
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_array_equal(p.max(axis=1), p[np.arange(len(p)), logits.argmax(axis=1)])
    if np.abs(logits).max() < 1e3:
        np.testing.assert_allclose(softmax(logits + shift), p, rtol=1e-9, atol=1e-12)
