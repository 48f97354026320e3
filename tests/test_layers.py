"""A layer of one's own with parameters: a class, and its place in the table of normalisations, are all that it takes."""

import numpy as np
import pytest

from fcnet import FullyConnectedNet, Trainer, gradient_check, load, save
from fcnet.errors import InputError
from fcnet.nn.base import Layer, Parameter
from fcnet.nn.every_gradient import TOLERANCE, check_every_gradient
from fcnet.nn.layers import NORMALISATIONS

pytestmark = pytest.mark.usefixtures("engine_name")
L2 = 0.3


class RMSNorm(Layer):
    """``out = γ x / sqrt(mean(x²) + 1e-6)``, the mean being over the units of a row (Zhang & Sennrich 2019)."""

    epsilon = 1e-6
    decayed = False

    def __init__(self, number, size):
        self.gain = f"gain{number}"
        self.parameters = {self.gain: Parameter((size,), value=1.0, decayed=self.decayed)}

    def forward(self, x, params, engine, rng):
        scale = 1 / np.sqrt(np.square(x).mean(axis=1, keepdims=True) + x.dtype.type(self.epsilon))
        z = x * scale
        return params[self.gain] * z, (z, scale, params[self.gain])

    def backward(self, dout, cache, engine, input_gradient):
        z, scale, gain = cache
        d = gain * dout
        return scale * (d - z * (d * z).mean(axis=1, keepdims=True)), {self.gain: (dout * z).sum(axis=0)}

    def to_onnx(self, graph, x, number, gain):
        squares = graph.add("ReduceMean", graph.add("Mul", x, x), axes=[1], keepdims=1)
        root = graph.add("Sqrt", graph.add("Add", squares, number(self.epsilon)))
        return graph.add("Mul", graph.add("Div", x, root), gain)


class DecayedRMSNorm(RMSNorm):
    decayed = True


class Silent(RMSNorm):
    """Has a forward of its own, which the inherited to_onnx knows nothing of."""

    def forward(self, x, params, engine, rng):
        return super().forward(x, params, engine, rng)


@pytest.fixture(autouse=True)
def known(monkeypatch):
    for name, made in {"rms": RMSNorm, "decayed rms": DecayedRMSNorm, "silent": Silent}.items():
        monkeypatch.setitem(NORMALISATIONS, name, made)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 4)).astype(np.float32)
    return X, (X[:, 0] * X[:, 1] > 0).astype(int)


def network(normalisation="rms", **settings):
    return FullyConnectedNet([4, 16, 12, 2], normalisation=normalisation, seed=0, **settings)


def test_its_parameters_are_the_networks(data):
    net = network()
    assert [*net.params] == ["W1", "b1", "gain1", "W2", "b2", "gain2", "W3", "b3"]
    assert net.n_parameters == network("none").n_parameters + 16 + 12
    assert net.params["gain2"].dtype == np.float32
    np.testing.assert_array_equal(net.params["gain2"], np.ones(12))
    np.testing.assert_array_equal(net.params["W3"], network("none").params["W3"])  # it draws nothing
    with pytest.raises(InputError, match=r"must have the shapes .*'gain1': \(16,\)"):
        network(params=network("none").params)


@pytest.mark.parametrize("normalisation", ["rms", "decayed rms"])
def test_its_gradients_are_checked(data, normalisation):
    net = network(normalisation, activation="tanh")
    net.params["gain1"] += np.linspace(-0.3, 0.3, 16, dtype=np.float32)
    errors = gradient_check(net, data[0][:20], data[1][:20], l2=L2)
    assert max(errors.values()) < 1e-6
    assert {"gain1", "gain2"} < errors.keys()


def test_the_check_of_every_gradient_reads_the_table(monkeypatch):
    monkeypatch.setattr("fcnet.nn.every_gradient.ACTIVATIONS", {"tanh": None})
    monkeypatch.setattr("fcnet.nn.every_gradient.TABLES", {})
    backward = RMSNorm.backward
    monkeypatch.setattr(DecayedRMSNorm, "backward", lambda *args: (args[1], backward(*args)[1]))
    checks = {check.kind: check.relative_error for check in check_every_gradient()}
    assert {"plain", "layer norm", "rms norm", "decayed rms norm"} <= checks.keys()
    assert {kind for kind, error in checks.items() if error > TOLERANCE} == {"decayed rms norm"}


@pytest.mark.parametrize("update", ["sgd", "momentum", "adam"])
def test_it_says_whether_l2_is_for_its_parameters(data, update):
    plain, decayed = (network(normalisation) for normalisation in ("rms", "decayed rms"))
    assert decayed.decayed - plain.decayed == {"gain1", "gain2"}
    losses = []
    for net in (plain, decayed):
        settings = {"epochs": 1, "batches": "full", "l2": L2, "update": update, "keep_best": False}
        losses.append(Trainer(**settings).fit(net, *data)[0]["loss"])
    assert losses[1] - losses[0] == pytest.approx(L2 / 2 * (16 + 12), rel=1e-5)
    assert plain.loss_and_gradients(*data, l2=L2)[0] < decayed.loss_and_gradients(*data, l2=L2)[0]


def test_it_says_whether_weight_decay_is_for_its_parameters(data):
    for normalisation, factor in (("rms", 1), ("decayed rms", 0.98)):
        net = network(normalisation, dtype="float64")
        for name, p in net.params.items():
            p[...] = 0 if name == "W3" else p  # then no gradient reaches what is below
        trainer = Trainer(epochs=1, batches="full", update="adamw", learning_rate=2.0, keep_best=False)
        trainer.fit(net, *data)
        np.testing.assert_allclose(net.params["gain1"], factor, rtol=1e-12)


def test_a_network_with_it_trains_is_saved_loaded_and_exported(data, tmp_path):
    net = network()
    Trainer(epochs=40, batch_size=20, learning_rate=0.05).fit(net, *data)
    assert np.mean(net.predict(data[0]) == data[1]) > 0.95
    assert net.logits(data[0]).dtype == np.float32
    assert np.ptp(net.params["gain1"]) > 0
    save(tmp_path / "m.safetensors", net)
    found = load(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(found.logits(data[0]), net.logits(data[0]))
    assert found.network.get_config() == net.get_config()


def test_it_is_exported_where_it_says_how(data, tmp_path):
    pytest.importorskip("onnxruntime")
    from fcnet.export import export_onnx

    for dtype in ("float32", "float64"):
        net = network(dtype=dtype)
        Trainer(epochs=2).fit(net, *data)
        assert export_onnx(net, tmp_path / "m.onnx") < 1e-5
    with pytest.raises(InputError, match="Silent is one of your own, which does not say what it is in ONNX"):
        export_onnx(network("silent"), tmp_path / "m.onnx")
