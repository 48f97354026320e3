"""Networks that predict together."""

from functools import partial

import numpy as np
import pytest

from fcnet.nn.each_network import FEW_ROWS, logits_of_each, logits_of_few
from fcnet.nn.number_embeddings import quantile_bins
from fcnet.nn.tabular_network import TabularNet
from fcnet.training.calibration import fit_temperature

SIZES = [3, 40]
RNG = np.random.default_rng(0)
X = np.column_stack([RNG.standard_normal((60, 4)), *(RNG.integers(-1, size, size=60) for size in SIZES)])


def network(sizes=SIZES, **settings):
    """Return a network with two checkpoints."""
    nets = [TabularNet(4, sizes, 3, hidden_sizes=[8, 8], dtype="float64", seed=seed, **settings) for seed in range(3)]
    nets[0].checkpoints = [net.params for net in nets[1:]]
    return nets[0]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"sizes": [], "activation": "mish", "learnt_scale": False},
        {"number_embedding": "none", "activation": "silu"},
        {"sizes": [], "number_embedding": "none", "parametrisation": "standard", "dropout": 0.0},
        {"number_embedding": "piecewise_linear", "bins": quantile_bins(X[:, :4], 5)},
    ],
)
def test_a_few_rows_have_the_logits_that_they_have_among_many(engine_name, settings):
    net = network(engine=engine_name, **settings)
    rows = X[:, : net.layer_sizes[0]]
    weights = RNG.standard_normal((4 + sum(size + 1 for size in net.category_sizes), 3))
    for one in (net, net.with_shortcut(0.3, weights, np.arange(3.0))):
        many, few = one.logits(rows), rows[:FEW_ROWS]
        assert logits_of_few(one, few).shape == (3, FEW_ROWS, 3)
        for part in (few, few[:1]):
            np.testing.assert_allclose(one.logits(part), many[: len(part)], rtol=1e-9, atol=1e-12)


def test_layers_that_are_not_known_are_computed_one_by_one():
    net = network(activation="relu")
    assert logits_of_few(net, X[:2]) is None
    np.testing.assert_allclose(net.logits(X[:2]), net.logits(X)[:2], rtol=1e-9)


@pytest.mark.parametrize("n_members", [1, 2])
def test_the_logits_are_the_mean_of_those_of_each(n_members):
    net = network(n_members=n_members)
    each = logits_of_each(net, X)
    assert each.shape == (3 * n_members, 60, 3)
    np.testing.assert_allclose(net.loss.averaged(each), net.logits(X), rtol=1e-9, atol=1e-12)


def test_a_temperature_of_each_is_that_of_their_mean_and_of_many_rows_that_of_some(monkeypatch):
    net = network()
    y = np.where(np.arange(60) % 5 > 0, net.logits(X).argmax(axis=1), np.arange(60) % 3)
    of_mean = fit_temperature(net, partial(net.logits, X), y)
    assert 0.3 < of_mean < 4
    net = network()
    assert fit_temperature(net, partial(logits_of_each, net, X), y) == pytest.approx(of_mean, rel=1e-3)
    monkeypatch.setattr("fcnet.training.calibration.MOST_LOGITS", 3 * 3 * 40)
    net = network()
    assert fit_temperature(net, partial(logits_of_each, net, X), y) != pytest.approx(of_mean, rel=1e-6)
