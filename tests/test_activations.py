"""Activations of one's own: trained, resumed, saved, loaded and exported, by name or as they are."""

import subprocess
import sys
import warnings

import numpy as np
import pytest

from fcnet import FullyConnectedNet, Trainer, gradient_check, load, save
from fcnet.errors import FileFormatError, InputError, OtherTrainingError, SettingError
from fcnet.experiments.network import Network
from fcnet.experiments.recipe import Recipe
from fcnet.nn.layers import Activation, ReLU, get_activation, register_activation
from fcnet.training.callbacks import Callback


class Softsign(Activation):
    """``out = x / (1 + |x|)``."""

    def forward(self, x, params, engine, rng):
        scale = 1 / (1 + np.abs(x))
        return x * scale, scale

    def backward(self, dout, cache, engine, input_gradient):
        return dout * cache**2, {}


class Exportable(Softsign):
    def to_onnx(self, graph, x, number):
        return graph.add("Div", x, graph.add("Add", graph.add("Abs", x), number(1)))


class Scaled(Softsign):
    def __init__(self, number, scale):
        super().__init__(number)
        self.scale = scale

    def forward(self, x, params, engine, rng):
        return super().forward(x * np.float32(self.scale), params, engine, rng)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((120, 4)).astype(np.float32)
    return X, (X[:, 0] * X[:, 1] > 0).astype(int)


def network(activation, **settings):
    return FullyConnectedNet([4, 12, 8, 2], activation=activation, seed=0, **settings)


class Interrupt(Callback):
    def on_batch_end(self, state):
        if state.iteration == 5:
            raise KeyboardInterrupt


@pytest.mark.parametrize("name", [None, "softsign"])
def test_a_training_with_one_can_be_resumed(data, tmp_path, name):
    if name:
        register_activation(name, Softsign)
    activation, settings = name or Softsign, {"epochs": 4, "batch_size": 40}
    whole, resumed = network(activation), network(activation)
    history = Trainer(**settings).fit(whole, *data)
    checkpoint = {"checkpoint": tmp_path / "c", "checkpoint_seconds": 0}
    with pytest.raises(KeyboardInterrupt):
        Trainer(**settings, callbacks=[Interrupt()]).fit(network(activation), *data, **checkpoint)
    assert Trainer(**settings).fit(resumed, *data, **checkpoint, resume=True) == history
    np.testing.assert_array_equal(resumed.params["W1"], whole.params["W1"])


def test_another_activation_is_another_training(data, tmp_path):
    def scaled(scale):
        return lambda number: Scaled(number, scale)

    def fit(activation):
        Trainer(epochs=1).fit(network(activation), *data, checkpoint=tmp_path / "c", resume=True)

    fit(scaled(2))
    fit(scaled(2))
    for other in (scaled(3), Softsign, "tanh"):
        with pytest.raises(OtherTrainingError, match="its network is"):
            fit(other)


def test_a_registered_one_is_saved_by_its_name(data, tmp_path):
    path = tmp_path / "m"
    for activation in ("softsign", Softsign):
        register_activation("softsign", Softsign)
        net = network(activation)
        save(path, net)
        np.testing.assert_array_equal(load(path).logits(data[0]), net.logits(data[0]))
    code = f"import fcnet; fcnet.load({str(path)!r})"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert FileFormatError.__name__ in found.stderr
    assert "Unknown activation 'softsign'" in found.stderr
    assert "register_activation" in found.stderr


def test_one_without_a_name_is_not_saved(tmp_path):
    with pytest.raises(InputError, match="saved by its name, and this one has none: register it"):
        save(tmp_path / "m", network(Softsign))
    assert not (tmp_path / "m").exists()


def test_one_of_fcnet_is_saved_by_its_name_too(tmp_path):
    save(tmp_path / "m", network(ReLU))
    assert load(tmp_path / "m").network.activation == "relu"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_it_is_exported_where_it_says_how(tmp_path, dtype):
    pytest.importorskip("onnxruntime")
    from fcnet.export import export_onnx

    register_activation("exportable", Exportable)
    for activation in ("exportable", Exportable):
        assert export_onnx(network(activation, dtype=dtype), tmp_path / "m.onnx") < 1e-5
    with pytest.raises(InputError, match="does not say what it is in ONNX: give its class a method to_onnx"):
        export_onnx(network(Softsign), tmp_path / "m.onnx")


def test_it_is_known_to_estimators_and_recipes(data):
    pytest.importorskip("sklearn")
    from sklearn.base import clone

    from fcnet import FCNetClassifier

    with pytest.raises(SettingError, match=r"Unknown activation 'softsign'.*register_activation"):
        FCNetClassifier(activation="softsign").fit(*data)
    with pytest.raises(SettingError, match="Did you mean 'relu'"):
        FCNetClassifier(activation="rleu").fit(*data)
    register_activation("softsign", Softsign)
    settings = {"max_iter": 3, "random_state": 0, "n_iter_no_change": np.inf, "solver": "sgd", "learning_rate_init": 0.1}
    found = [FCNetClassifier(activation=activation, **settings) for activation in ("softsign", Softsign)]
    with warnings.catch_warnings(action="ignore"):  # so few epochs do not converge
        p, q = (clone(model).fit(*data).predict_proba(data[0]) for model in found)
    np.testing.assert_array_equal(p, q)
    recipe = Recipe(network=Network(activation="softsign", hidden_sizes=[6]))
    recipe.check("numpy")
    assert max(gradient_check(recipe.network.build(4, 2, 0, "numpy"), *data).values()) < 1e-6


def test_names_and_classes_that_cannot_be_used_are_refused():
    for name in ("relu", "exp", "", 3):
        with pytest.raises(SettingError, match="none of fcnet's own activations"):
            register_activation(name, Softsign)
    for activation in ("relu", None, dict, np.tanh):
        with pytest.raises(SettingError, match="activation must be"):
            register_activation("mine", activation)
    register_activation("mine", Softsign)
    register_activation("mine", Exportable)  # as where a cell of a notebook runs again
    assert isinstance(get_activation("mine", 1), Exportable)
