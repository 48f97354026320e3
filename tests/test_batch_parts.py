"""Batches whose gradient is computed in parts, which threads share."""

from contextlib import nullcontext

import numpy as np
import pytest

from fcnet.engine import get_engine
from fcnet.errors import DivergedError
from fcnet.nn.activations import Identity
from fcnet.nn.batch_parts import parts_of
from fcnet.nn.ntk import NTKAffine
from fcnet.nn.tabular_network import TabularNet
from fcnet.threads import use_threads
from fcnet.training.callbacks import Callback
from fcnet.training.trainer import Trainer

ROWS = 200


def make(dtype="float64", **settings):
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.standard_normal((ROWS, 5)), rng.integers(3, size=ROWS), rng.integers(40, size=ROWS)])
    net = TabularNet(5, [3, 40], 3, hidden_sizes=[256, 256], dtype=dtype, seed=0, **settings)
    net.start(X)
    return net, X.astype(dtype), rng.integers(3, size=ROWS), rng.random(ROWS).astype(dtype)


def gradients(net, X, y, threads, **settings):
    with use_threads(threads), net.engine.sharing():
        assert len(parts_of(net, X, net._largest)) == threads
        loss, grads = net.loss_and_gradients(X, y, rng=np.random.default_rng(1), **settings)
        return loss, {name: g.copy() for name, g in grads.items()}


@pytest.mark.parametrize("changes", [{}, {"n_members": 3, "activation": "mish"}, {"number_embedding": "none", "dropout": 0.0}])
def test_parts_have_the_loss_and_gradient_of_the_whole(engine_name, changes):
    net, X, y, weights = make(engine=engine_name, **changes)
    only_last = np.where(np.arange(ROWS) < 150, 0, weights)  # the first part counts nothing
    for settings in ({}, {"label_smoothing": 0.1}, {"weights": weights}, {"weights": only_last}):
        whole, parts = (gradients(net, X, y, threads, **settings) for threads in (1, 2))
        assert parts[0] == pytest.approx(whole[0], rel=1e-12)
        assert list(parts[1]) == list(whole[1])
        for name, g in whole[1].items():
            np.testing.assert_allclose(parts[1][name], g, rtol=1e-10, atol=1e-12 * np.abs(g).max())


def test_trainings_in_parts_repeat_bit_for_bit():
    results = []
    for _ in range(2):
        net, X, y, _ = make("float32")
        Trainer(epochs=3, batch_size=100, learning_rate=0.04, update="adamw", threads=2).fit(net, X, y)
        results.append(net.params)
    assert all(np.array_equal(p, results[1][name]) for name, p in results[0].items())


@pytest.mark.parametrize("learning_rate", [0.04, 1e30], ids=["ends", "diverges"])
def test_buffers_of_parts_are_not_kept_after_a_training(learning_rate):
    net, X, y, _ = make("float32")
    used = []

    class Sees(Callback):
        def on_batch_end(self, state):
            used.append(len(net._engines))

    trainer = Trainer(epochs=2, batch_size=100, learning_rate=learning_rate, threads=2, advise=False, callbacks=[Sees()])
    with nullcontext() if learning_rate < 1 else pytest.raises(DivergedError):
        trainer.fit(net, X, y)
    assert used[0] == 2
    assert not net._engines


class OwnIdentity(Identity):
    """A layer that could do anything with what it computed."""


def test_layers_of_ones_own_are_not_used_by_several_threads():
    for activation, n in ((Identity, 2), (OwnIdentity, 1)):
        net, X, _, _ = make(activation=activation)
        with use_threads(2), net.engine.sharing():
            assert len(parts_of(net, X, net._largest)) == n


@pytest.mark.parametrize("n", [3, 9])
def test_an_affine_layer_has_its_factor(n, engine_name):
    rng, engine = np.random.default_rng(0), get_engine(engine_name, "float64")
    layer = NTKAffine(1, 6, 4)
    W, b, x, dout = (rng.standard_normal(shape) for shape in ((6, 4), 4, (n, 6), (n, 4)))
    out, cache = layer.forward(x, {"W1": W, "b1": b}, engine, None)
    np.testing.assert_allclose(out, x @ W / np.sqrt(6) + b)
    dx, grads = layer.backward(dout.copy(), cache, engine, True)
    np.testing.assert_allclose(dx, dout @ W.T / np.sqrt(6))
    np.testing.assert_allclose(grads["W1"], x.T @ dout / np.sqrt(6))
    np.testing.assert_allclose(grads["b1"], dout.sum(axis=0))
