"""The trainer with rates of parameters, and with schedules of dropout and weight decay."""

import numpy as np
import pytest

from fcnet import FullyConnectedNet, Trainer
from fcnet.errors import SettingError
from fcnet.files import load_tensors, save_tensors
from fcnet.nn.layers import Dropout
from fcnet.training.callbacks import Callback
from fcnet.training.checkpoint import CHECKPOINT_FORMAT
from fcnet.training.schedules import FlatCosine
from fcnet.training.updates import UPDATES, AdamW

pytestmark = pytest.mark.usefixtures("engine_name")
X = np.random.default_rng(0).standard_normal((40, 3)).astype(np.float32)
Y = (X[:, 0] > 0).astype(int)


class Descent:
    """An update rule of one's own, with momentum."""

    def init(self, params):
        return {name: np.zeros_like(p) for name, p in params.items()}

    def step(self, params, grads, state, learning_rate):
        for name, p in params.items():
            state[name] *= 0.9
            state[name] -= learning_rate * grads[name]
            p += state[name]


class Shares(Callback):
    def __init__(self):
        self.seen = []

    def on_batch_end(self, state):
        self.seen.append([layer.share for layer in state.network.layers if isinstance(layer, Dropout)])


def network(**settings):
    return FullyConnectedNet([3, 8, 2], seed=0, **settings)


@pytest.mark.parametrize("update", [*UPDATES, Descent()])
def test_the_trainer_takes_the_rate_of_each_parameter(update):
    start, still, plain = network(), network(), network()
    still.rates = {"b1": 0.0, "W2": 0.0}
    for net in (still, plain):
        Trainer(epochs=2, batch_size=10, update=update, learning_rate=0.01).fit(net, X, Y)
    for name, p in start.params.items():
        assert np.array_equal(still.params[name], p) == (name in still.rates)
        assert not np.array_equal(plain.params[name], p)


def test_a_rule_of_ones_own_takes_rates_as_a_built_in_one():
    ours, own = network(dtype="float64"), network(dtype="float64")
    for net, update in ((ours, "momentum"), (own, Descent())):
        net.rates = {"b1": 0.1, "W2": 6.0}
        Trainer(epochs=2, batch_size=10, update=update, learning_rate=0.01).fit(net, X, Y)
    for name, p in ours.params.items():
        np.testing.assert_allclose(own.params[name], p, rtol=1e-9, atol=1e-12)


def test_dropout_follows_a_schedule_and_is_then_what_it_was():
    shares, net = Shares(), network(dropout=0.4, input_dropout=0.2)
    settings = {"epochs": 3, "batch_size": 10, "dropout_schedule": FlatCosine(0.2)}
    Trainer(**settings, callbacks=[shares]).fit(net, X, Y)
    assert shares.seen == [[FlatCosine(0.2)(i, 4, 12)] * 2 for i in range(12)]
    assert [layer.share for layer in net.layers if isinstance(layer, Dropout)] == [1.0, 1.0]
    data = net.check_data(X, Y)
    assert net.loss_and_gradients(*data, rng=np.random.default_rng(0))[0] != net.loss_and_gradients(*data)[0]
    net.scale_dropout(0.0)
    assert net.loss_and_gradients(*data, rng=np.random.default_rng(0))[0] == net.loss_and_gradients(*data)[0]


def test_weight_decay_follows_a_schedule():
    factors = []
    for share in (0.0, 0.5, 1.0):
        net = network(dtype="float64")
        before = net.params["W1"].copy()
        net.params["W2"][...] = 0  # then no gradient reaches what is below
        update = {"update": AdamW(weight_decay=0.1), "learning_rate": 0.2, "weight_decay_schedule": lambda *_, s=share: s}
        Trainer(epochs=1, batches="full", **update).fit(net, X, Y)
        factors.append((net.params["W1"] / before).mean())
    assert factors == pytest.approx([1, 0.99, 0.98], rel=1e-9)


def test_schedules_without_effect_are_refused():
    with pytest.raises(SettingError, match='weight_decay_schedule is for update = "adamw"'):
        Trainer(update="adam", weight_decay_schedule="cosine")
    with pytest.raises(SettingError, match="Unknown dropout_schedule|Unknown schedule"):
        Trainer(dropout_schedule="flat")

    class Own:
        def __init__(self, net):
            self.net, self.params, self.engine, self.loss = net, net.params, net.engine, net.loss
            self.loss_and_gradients, self.logits, self.check_data = net.loss_and_gradients, net.logits, net.check_data

    Trainer(epochs=1).fit(Own(network()), X, Y)
    with pytest.raises(SettingError, match="dropout_schedule is for networks with scale_dropout, which Own has not"):
        Trainer(epochs=1, dropout_schedule="flat_cosine").fit(Own(network()), X, Y)


def test_a_checkpoint_of_before_these_schedules_is_gone_on_with(tmp_path):
    whole, resumed = network(), network()
    Trainer(epochs=4).fit(whole, X, Y)
    Trainer(epochs=4).fit(resumed, X, Y, checkpoint=tmp_path / "c")
    tensors, metadata = load_tensors(tmp_path / "c", CHECKPOINT_FORMAT)
    for name in ("dropout_schedule", "weight_decay_schedule"):
        assert metadata["training"].pop(name) == "constant"
    save_tensors(tmp_path / "c", tensors, metadata, CHECKPOINT_FORMAT)
    again = network()
    Trainer(epochs=4).fit(again, X, Y, checkpoint=tmp_path / "c", resume=True)
    for name, p in whole.params.items():
        np.testing.assert_array_equal(again.params[name], p)
