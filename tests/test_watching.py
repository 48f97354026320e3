"""What a callback sees of the network while it trains."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from fcnet import FullyConnectedNet, Trainer
from fcnet.errors import DivergedError
from fcnet.nn.tabular_network import TabularNet
from fcnet.training.callbacks import Callback


class Watch(Callback):
    """Calls functions of the state after each batch, and keeps what they return."""

    def __init__(self, begin=lambda state: None, **seen):
        self.begin, self.seen, self.rows = begin, seen, []

    def on_epoch_begin(self, state):
        self.begin(state)

    def on_batch_end(self, state):
        self.rows.append({name: see(state) for name, see in self.seen.items()})

    def on_train_end(self, state):
        self.state = state


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((250, 5)).astype(np.float32)
    return X, (X[:, 0] * X[:, 1] > 0).astype(int)


def copied(params):
    return {name: p.copy() for name, p in params.items()}


def fit(data, watch, network=None, **settings):
    network = network or FullyConnectedNet([5, 12, 8, 2], seed=0)
    settings = {"epochs": 2, "batch_size": 50, "learning_rate": 0.1, "seed": 0} | settings
    return Trainer(**settings, callbacks=[watch]).fit(network, *data)


def test_the_gradients_are_those_that_gradient_descent_steps_along(data):
    watch = Watch(
        lambda state: state.ask_for_update(), g=lambda s: copied(s.gradients), u=lambda s: s.update and copied(s.update)
    )
    fit(data, watch, update="sgd")
    for name, g in watch.rows[0]["g"].items():
        np.testing.assert_allclose(watch.rows[0]["u"][name], -0.1 * g, atol=1e-7)


@pytest.mark.parametrize("update", ["momentum", "adam"])
def test_updates_add_up_to_what_training_has_changed(data, update):
    def ask(state):
        state.ask_for_update()
        return copied(state.update)

    watch, network = Watch(lambda state: state.ask_for_update(), u=ask), FullyConnectedNet([5, 12, 2], seed=0)
    before = copied(network.params)
    fit(data, watch, network, update=update)
    for name, p in network.params.items():
        np.testing.assert_allclose(p - before[name], sum(row["u"][name] for row in watch.rows), atol=1e-6)


def test_an_update_that_nobody_asked_for_is_not_kept(data):
    watch = Watch(lambda state: state.epoch or state.ask_for_update(), u=lambda state: state.update is not None)
    fit(data, watch)
    assert [row["u"] for row in watch.rows] == [True] + 9 * [False]


def test_activations_are_those_of_the_parameters_of_now(data):
    def by_hand(state):
        p, x = state.network.params, data[0][np.linspace(0, 249, 100).astype(int)]
        first = np.maximum(x @ p["W1"] + p["b1"], 0)
        return [first, np.maximum(first @ p["W2"] + p["b2"], 0)]

    watch = Watch(seen=lambda state: state.activations, expected=by_hand)
    fit(data, watch, FullyConnectedNet([5, 12, 8, 2], dropout=0.5, seed=0))
    for row in watch.rows:
        for seen, expected in zip(row["seen"], row["expected"], strict=True):
            np.testing.assert_allclose(seen, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("n_members", [1, 3])
def test_networks_for_tables_show_every_hidden_layer(data, n_members):
    watch = Watch(shapes=lambda state: [a.shape for a in state.activations])
    fit(data, watch, TabularNet(5, [], 2, hidden_sizes=[7, 6], n_members=n_members, seed=0), batch_size=250)
    assert watch.rows[0]["shapes"] == [(100 * n_members, 7), (100 * n_members, 6)]


def test_rows_that_are_sparse_are_seen_too(data):
    watch = Watch(a=lambda state: state.activations[0])
    fit((csr_matrix(data[0]), data[1]), watch)
    dense = Watch(a=lambda state: state.activations[0])
    fit(data, dense)
    np.testing.assert_allclose(watch.rows[0]["a"], dense.rows[0]["a"], rtol=1e-5, atol=1e-6)


def test_a_callback_that_looks_changes_nothing(data):
    looks = Watch(lambda state: state.ask_for_update(), a=lambda s: s.activations, u=lambda s: s.update, x=lambda s: s.probe)
    networks = [FullyConnectedNet([5, 12, 8, 2], dropout=0.3, seed=0) for _ in range(2)]
    histories = [fit(data, watch, network) for watch, network in zip((looks, Callback()), networks, strict=True)]
    assert histories[0] == histories[1]
    for name, p in networks[0].params.items():
        np.testing.assert_array_equal(p, networks[1].params[name])


def test_a_training_that_diverges_tells_its_callbacks_so(data):
    watch = Watch()
    with pytest.raises(DivergedError) as raised:
        fit(data, watch, learning_rate=1e30)
    assert watch.state.divergence is raised.value
    assert 0 < raised.value.learning_rate < 1e30
    fit(data, watch)
    assert watch.state.divergence is None
