"""Rows that count nothing, and batches of nothing but such rows."""

import numpy as np
import pytest

from fcnet import FullyConnectedNet, Trainer, gradient_check
from fcnet.errors import InputError

pytestmark = pytest.mark.usefixtures("engine_name")

LOSSES = ["cross_entropy", "binary_cross_entropy", "squared_error", "poisson"]


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    return rng.standard_normal((60, 4)).astype(np.float32), rng.integers(2, size=60)


def targets(loss, y):
    return y if loss == "cross_entropy" else np.column_stack([y, 1 - y]).astype(float)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("update", ["sgd", "adam"])
def test_a_batch_that_counts_nothing_is_skipped(data, loss, update):
    X, y = data[0], targets(loss, data[1])
    weights = np.ones(60)
    weights[20:40] = 0  # the second of three batches
    settings = {"batch_size": 20, "batches": "ordered", "update": update, "train_rows": 0}
    net, expected = (FullyConnectedNet([4, 5, 2], loss=loss, seed=0) for _ in range(2))
    history = Trainer(epochs=2, **settings).fit(net, X, y, sample_weight=weights)
    counted = np.flatnonzero(weights)
    without = Trainer(epochs=2, **settings).fit(expected, X[counted], y[counted])
    # Batches of equal weights and of none are added up in different orders.
    for name, p in expected.params.items():
        np.testing.assert_allclose(net.params[name], p, rtol=1e-4, atol=1e-6)
    assert history.column("loss") == pytest.approx(without.column("loss"), rel=1e-5)
    assert history.batch_column("iteration") == [1, 3, 4, 6]
    assert history.column("iteration") == [3, 6]


@pytest.mark.parametrize("batches", ["shuffled", "sampled", "ordered", "full"])
def test_one_row_in_many_counts(data, batches):
    weights = np.zeros(60)
    weights[7] = 2.0
    net = FullyConnectedNet([4, 8, 2], seed=0)
    trainer = Trainer(epochs=60, batch_size=1 if batches == "sampled" else 4, learning_rate=0.1, batches=batches)
    history = trainer.fit(net, *data, sample_weight=weights, X_val=data[0], y_val=data[1], val_weight=weights)
    assert np.isfinite(history.column("loss")).all()
    assert net.predict(data[0][7:8]) == data[1][7]
    assert history[-1]["val_accuracy"] == 1


@pytest.mark.parametrize("name", ["sample_weight", "val_weight"])
@pytest.mark.parametrize("value", [0.0, 1e-60, 1e39, -1.0, np.nan])
def test_weights_that_add_up_to_nothing_are_refused(data, name, value):
    weights = {name: np.full(60, value)}
    with pytest.raises(InputError, match=f"{name} must hold a number of at least 0"):
        Trainer(epochs=1).fit(FullyConnectedNet([4, 2]), *data, *data, **weights)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_mean_over_nothing_is_refused(data, loss):
    net, y = FullyConnectedNet([4, 2], loss=loss), targets(loss, data[1])
    with pytest.raises(InputError, match="weights must not all be zero"):
        net.loss_and_gradients(*net.check_data(data[0], y), weights=np.zeros(60, np.float32))
    with pytest.raises(InputError, match="weights must not all be zero"):
        gradient_check(net, data[0], y, weights=np.zeros(60))
