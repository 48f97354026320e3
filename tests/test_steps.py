"""What a step of training may not do: allocate large arrays, use a batch that is not made yet, leave threads behind."""

import copy
import pickle
import subprocess
import sys
import threading
import tracemalloc

import numpy as np
import pytest
import threadpoolctl

from fcnet import FullyConnectedNet, Trainer
from fcnet import engine as engine_package
from fcnet.engine import get_engine, numba_engine
from fcnet.errors import SettingError
from fcnet.nn.layers import ACTIVATIONS
from fcnet.preprocessing.views import RandomView, all_moves, image_views
from fcnet.training import batches
from fcnet.training.callbacks import Callback
from fcnet.training.updates import UPDATES, Momentum, get_update

pytestmark = pytest.mark.usefixtures("engine_name")

VIEWS = image_views((16, 16, 3), mirror=True, moves=all_moves(1))
LIMIT = 1 << 18  # a few blocks of 32 KiB live at once; the large arrays of a step are larger here


class LargestAllocation(Callback):
    """Measures how far memory rises above its level between two batches, from the second epoch on."""

    def __init__(self):
        self.bytes = []

    def on_epoch_begin(self, state):
        self.counts = False

    def on_batch_end(self, state):
        now, peak = tracemalloc.get_traced_memory()
        if state.epoch > 0 and self.counts:
            self.bytes.append(peak - self.level)
        self.counts = True
        tracemalloc.reset_peak()
        self.level = now


def largest_allocation(net, X, y, **settings):
    watch = LargestAllocation()
    tracemalloc.start()
    try:
        Trainer(epochs=3, batch_size=100, learning_rate=1e-3, callbacks=[watch], **settings).fit(net, X, y)
    finally:
        tracemalloc.stop()
    assert len(watch.bytes) > 4
    return max(watch.bytes)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    return rng.standard_normal((430, 768), dtype=np.float32), rng.integers(10, size=430)


@pytest.mark.parametrize("update", UPDATES)
def test_no_update_allocates_large_arrays(data, update):
    net = FullyConnectedNet([768, 800, 10], seed=0)
    assert largest_allocation(net, *data, update=update, l2=1e-3) < LIMIT


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_no_step_allocates_large_arrays(data, activation):
    net = FullyConnectedNet(
        [768, 800, 700, 10], activation=activation, weight_init=1e-3, dropout=0.2, input_dropout=0.1, seed=0
    )
    settings = {"l2": 1e-3, "label_smoothing": 0.1, "augment": RandomView(VIEWS), "schedule": "one_cycle"}
    assert largest_allocation(net, *data, **settings) < LIMIT


def test_an_allocation_would_be_found(data):
    def copy(X, rng):
        X[...] = X.copy()

    assert largest_allocation(FullyConnectedNet([768, 30, 10], seed=0), *data, augment=copy) > LIMIT


@pytest.mark.parametrize("kind", ["shuffled", "sampled"])
def test_the_thread_that_makes_batches_changes_nothing(data, monkeypatch, kind):
    results = []
    for thread_bytes in (0, 1 << 60):
        monkeypatch.setattr(batches, "THREAD_BYTES", thread_bytes)
        net = FullyConnectedNet([768, 20, 10], dropout=0.3, seed=0)
        settings = {"batch_size": 64, "batches": kind, "augment": RandomView(VIEWS), "seed": 5}
        history = Trainer(epochs=3, **settings).fit(net, *data)
        results.append((history, net.params))
    (threaded, params), (plain, expected) = results
    assert threaded == plain
    for name, p in expected.items():
        np.testing.assert_array_equal(params[name], p)


def test_what_the_thread_raises_is_raised_and_the_thread_ends(data, monkeypatch):
    monkeypatch.setattr(batches, "THREAD_BYTES", 0)
    calls = []

    def fail(X, rng):
        calls.append(threading.current_thread())
        if len(calls) == 3:
            raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        Trainer(augment=fail).fit(FullyConnectedNet([768, 20, 10]), *data)
    helper = calls[-1]
    assert helper is not threading.main_thread()
    helper.join(timeout=6000)
    assert not helper.is_alive()


TRAIN_ON = """
import threading
import numpy as np
from fcnet import FullyConnectedNet, Trainer
from fcnet.training import batches

batches.THREAD_BYTES = 0

def train():
    threading.main_thread().join()
    X, y = np.zeros((100, 8), np.float32), np.arange(100) % 2
    history = Trainer(epochs=5, batch_size=20, train_rows=0).fit(FullyConnectedNet([8, 4, 2]), X, y)
    print(len(history), "epochs")

threading.Thread(target=train).start()
"""


def test_a_thread_trains_on_when_the_main_one_has_ended():
    ended = subprocess.run([sys.executable, "-c", TRAIN_ON], capture_output=True, text=True, timeout=600, check=False)
    assert ended.stdout == "5 epochs\n", ended.stderr


@pytest.mark.parametrize("hidden", [8, 3000])
def test_blas_takes_one_thread_while_a_network_trains_and_then_as_many_as_before(data, hidden):
    def threads():
        return [pool["num_threads"] for pool in threadpoolctl.threadpool_info() if "numpy" in pool["filepath"]]

    class Look(Callback):
        def on_batch_end(self, state):
            self.seen = threads()

    look = Look()
    before = threads()
    Trainer(epochs=1, batch_size=200, callbacks=[look]).fit(FullyConnectedNet([768, hidden, 10]), *data)
    assert look.seen == [1] * len(before)
    assert threads() == before


class Wrapped:
    """Momentum as a rule of a user's own, which gets gradients with the penalty in them."""

    def __init__(self):
        self.rule = get_update("momentum")

    def init(self, params):
        return self.rule.init(params)

    def step(self, params, grads, state, learning_rate):
        self.rule.step(params, grads, state, learning_rate)


class Halved(Momentum):
    def step(self, params, grads, state, learning_rate):
        super().step(params, grads, state, learning_rate / 2)


def trained(data, update, learning_rate=0.01, l2=0.3):
    net = FullyConnectedNet([768, 20, 10], dtype="float64", seed=0)
    settings = {"epochs": 2, "batch_size": 64, "learning_rate": learning_rate, "l2": l2, "update": update}
    return Trainer(**settings).fit(net, *data).batch_column("loss"), net.params


@pytest.mark.parametrize(("own", "learning_rate"), [(Wrapped(), 0.01), (Halved(), 0.02)])
def test_the_penalty_is_applied_once_by_built_in_rules_and_by_ones_own(data, own, learning_rate):
    losses, params = trained(data, "momentum")
    own_losses, own_params = trained(data, own, learning_rate)
    np.testing.assert_allclose(own_losses, losses, rtol=1e-9)
    np.testing.assert_allclose(own_params["W1"], params["W1"], rtol=1e-7, atol=1e-12)
    net = FullyConnectedNet([768, 20, 10], dtype="float64", seed=0)
    penalty = 0.15 * sum(float((net.params[name] ** 2).sum()) for name in ("W1", "W2"))
    assert losses[0] - trained(data, "momentum", l2=0.0)[0][0] == pytest.approx(penalty)


def test_a_trained_network_can_be_pickled_and_copied(data):
    net = FullyConnectedNet([768, 20, 10], seed=0)
    Trainer(epochs=1).fit(net, *data)
    for twin in (pickle.loads(pickle.dumps(net)), copy.deepcopy(net)):
        np.testing.assert_array_equal(twin.logits(data[0]), net.logits(data[0]))


@pytest.mark.parametrize("change", [lambda y: y + 10, lambda y: y[:10], lambda y: y + 0.5, lambda y: y - 20])
def test_labels_that_do_not_fit_reach_no_foreign_memory(data, change):
    net = FullyConnectedNet([768, 20, 10], seed=0)
    with pytest.raises(IndexError):
        net.loss_and_gradients(data[0], change(data[1]))


def test_gradients_of_another_shape_reach_no_foreign_memory(engine_name):
    params = {"b1": np.zeros(5000)}
    rule = get_update("momentum")
    with pytest.raises(ValueError, match="broadcast"):
        rule.fused_step(params, {"b1": np.ones(3)}, rule.init(params), 0.1, 0.0, get_engine(engine_name, "float64"))


@pytest.mark.parametrize("engine_name", ["numba"], indirect=True)
def test_a_numba_that_cannot_be_used_is_said_so(data, monkeypatch):
    numba_engine._loops.cache_clear()
    monkeypatch.setitem(sys.modules, "fcnet.engine.loops", None)
    monkeypatch.delattr(engine_package, "loops", raising=False)
    net = FullyConnectedNet([768, 20, 10], engine="numba")
    try:
        with pytest.raises(SettingError, match='Take the engine "numpy"'):
            Trainer(epochs=1).fit(net, *data)
    finally:
        numba_engine._loops.cache_clear()
