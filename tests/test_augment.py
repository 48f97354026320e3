"""Augmentation: what a function changes or returns is what the network is trained on."""

import numpy as np
import pytest

from fcnet import FullyConnectedNet, Trainer
from fcnet.errors import InputError

pytestmark = pytest.mark.usefixtures("engine_name")

WIDE = 700  # so many inputs of 100 rows are gathered by a second thread


@pytest.fixture(scope="module", params=[6, WIDE])
def data(request):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((250, request.param)).astype(np.float32)
    return X, (X[:, 0] > 0).astype(int)


def trained(data, augment, **settings):
    net = FullyConnectedNet([data[0].shape[1], 5, 2], seed=0)
    kept = data[0].copy()
    history = Trainer(**({"epochs": 3, "augment": augment} | settings)).fit(net, *data)
    np.testing.assert_array_equal(data[0], kept)
    return net.params, history


def in_place(X, rng):
    X += rng.standard_normal(X.shape, np.float32)
    X[:, 1:] = X[:, :0:-1].copy()


def new_array(X, rng):
    X = X + rng.standard_normal(X.shape, np.float32)
    return np.hstack([X[:, :1], X[:, :0:-1]])


def view_of_the_batch(X, rng):
    X += rng.standard_normal(X.shape, np.float32)
    X[:, :1], X[:, 1:] = X[:, :1].copy(), X[:, :0:-1].copy()
    return X[:, ::-1][:, ::-1]


def float64(X, rng):
    return new_array(X, rng).astype(np.float64)


class SameMemory:
    """Returns the same array at every call, with the batch in it."""

    def __init__(self):
        self.memory = np.empty((100, WIDE), np.float32)

    def __call__(self, X, rng):
        out = self.memory[: len(X), : X.shape[1]]
        out[...] = new_array(X, rng)
        return out


@pytest.mark.parametrize("batches", ["shuffled", "sampled", "ordered", "full"])
@pytest.mark.parametrize("augment", [new_array, view_of_the_batch, float64, SameMemory()])
def test_what_is_returned_is_trained_on(data, augment, batches):
    if batches == "full" and isinstance(augment, SameMemory):
        augment.memory = np.empty((250, WIDE), np.float32)
    expected, expected_history = trained(data, in_place, batches=batches)
    found, history = trained(data, augment, batches=batches)
    assert history == expected_history
    for name, p in expected.items():
        np.testing.assert_array_equal(found[name], p)
    plain, _ = trained(data, None, batches=batches)
    assert not np.array_equal(plain["W1"], expected["W1"])


@pytest.mark.parametrize(
    ("augment", "message"),
    [
        (lambda X, rng: X[:-1], r"it returned float32 \(99, "),
        (lambda X, rng: X.reshape(len(X), -1, 2), r"it returned float32 \(100, \d+, 2\)"),
        (lambda X, rng: X[0], r"it returned float32 \("),
        (lambda X, rng: X.astype(str), r"it returned <U"),
        (lambda X, rng: X.astype(complex), r"it returned complex128"),
        (lambda X, rng: (X, rng), "it returned tuple"),
        (lambda X, rng: True, r"it returned bool \(\)"),
    ],
)
def test_what_does_not_fit_the_batch_is_refused(data, augment, message):
    with pytest.raises(InputError, match=rf"augment must return an array like the batch.*float32 \(100, \d+\).*{message}"):
        trained(data, augment)
