"""At which batches the doctor looks while a network trains, and what it sees of large layers."""

from itertools import pairwise

import numpy as np
import pytest

from fcnet import FullyConnectedNet, Trainer
from fcnet.doctor.inflight import Doctor
from fcnet.training.callbacks import Callback


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 4)).astype(np.float32)
    return X, (X[:, 0] > 0).astype(int)


def looked_at(rows, hidden=4, weights=None, **settings):
    """Return after which batches a doctor has looked."""
    doctor = Doctor()
    network = FullyConnectedNet([rows[0].shape[1], hidden, 2], seed=0)
    Trainer(**settings, callbacks=[doctor]).fit(network, *rows, sample_weight=weights)
    return [seen.iteration for seen in doctor.looks]


def test_looks_are_dense_at_first_and_then_ever_rarer(rows):
    iterations = looked_at(rows, batch_size=100, epochs=1000)
    assert iterations[:9] == [1, 2, 4, 8, 16, 32, 64, 128, 192]
    assert all(later - one >= max(64, one // 8) for one, later in pairwise(iterations[6:]))
    assert 20 < len(iterations) < 30
    assert iterations[-1] > 1700


def test_where_a_look_takes_as_long_as_many_steps_looks_are_rarer(rows):
    wide = (np.tile(rows[0], (1, 100)), rows[1])
    assert looked_at(wide, hidden=200, batch_size=2, epochs=4)[6:8] == [64, 128]
    assert looked_at(wide, hidden=200, batch_size=2, epochs=8)[8:] == [256, 512]


def test_in_place_of_a_batch_in_which_no_row_counts_the_next_is_looked_at(rows):
    weights = np.repeat([1.0, 0.0, 1.0, 1.0], 50)
    assert looked_at(rows, weights=weights, batches="ordered", batch_size=50, epochs=2) == [1, 3, 4, 8]


class Exact(Callback):
    """Computes what a look estimates."""

    def on_train_begin(self, state):
        state.ask_for_update()

    def on_batch_end(self, state):
        if state.iteration == 1:
            weights = ["W1", "W2"]
            self.gradients = [np.linalg.norm(state.gradients[name]) for name in weights]
            self.weights = [np.linalg.norm(state.before[name]) for name in weights]
            updates = [np.linalg.norm(state.update[name]) for name in weights]
            self.ratios = np.divide(updates, self.weights)


@pytest.mark.parametrize(("hidden", "tolerance"), [(8, 1e-4), (700, 0.05)])
def test_norms_of_large_layers_are_known_by_a_part_of_them(rows, hidden, tolerance):
    doctor, exact = Doctor(), Exact()
    wide = np.random.default_rng(0).standard_normal((200, 300)).astype(np.float32)
    network = FullyConnectedNet([300, hidden, 2], seed=0)
    Trainer(epochs=1, batch_size=100, callbacks=[doctor, exact]).fit(network, wide, rows[1])
    for name in ("gradients", "weights", "ratios"):
        np.testing.assert_allclose(getattr(doctor.looks[0], name), getattr(exact, name), rtol=tolerance)
