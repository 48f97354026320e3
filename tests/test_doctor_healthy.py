"""Sound programs, plain and odd, raise no alarm before training."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from doctor_programs import DATA, VALUES, Program, alarms, codes, program
from scipy import sparse
from sklearn import datasets

from fcnet.doctor.preflight import preflight
from fcnet.nn.tabular_network import TabularNet

NETWORKS: dict[str, dict[str, Any]] = {
    "tanh, two layers": {"hidden_sizes": (40, 20), "network": {"activation": "tanh", "weight_init": "glorot"}},
    "heavy dropout": {"hidden_sizes": (100,), "network": {"dropout": 0.7, "input_dropout": 0.3}},
    "layer normalisation, four layers": {"hidden_sizes": (30, 30, 30, 30), "network": {"normalisation": "layer"}},
    "linear": {"hidden_sizes": ()},
    "tiny": {"hidden_sizes": (3,)},
    "wide, float64": {"hidden_sizes": (300,), "network": {"dtype": "float64", "activation": "gelu"}},
    "small weights": {"hidden_sizes": (50,), "network": {"weight_init": 1e-3}},
}


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("name", DATA)
def test_sound_networks(name: str, network: str) -> None:
    assert alarms(program(name, **NETWORKS[network]).findings()) == []


def _raw_digits() -> Program:
    X, y = datasets.load_digits(return_X_y=True)
    return Program(X[:1200], y[:1200], X[1200:], y[1200:])


def _pixels_to_one() -> Program:
    raw = _raw_digits()
    return replace(raw, X=(raw.X / 16).astype(np.float32), X_val=(raw.X_val / 16).astype(np.float32))


def _imbalanced() -> Program:
    X, y = datasets.make_classification(2000, 10, n_informative=5, weights=[0.97], random_state=1)
    return Program(X[:1500], y[:1500], X[1500:], y[1500:])


def _one_hot() -> Program:
    rng = np.random.default_rng(0)
    numbers, places = rng.standard_normal((900, 3)), rng.integers(0, 40, (900, 2))
    X = np.hstack([numbers, np.eye(40)[places[:, 0]], np.eye(40)[places[:, 1]]]).astype(np.float32)
    y = (numbers[:, 0] + np.sin(places[:, 0]) + 0.3 * rng.standard_normal(900) > 0).astype(int)
    return Program(X[:700], y[:700], X[700:], y[700:])


def _words() -> Program:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 600)
    counts = rng.poisson(np.where(np.arange(500) % 3 == y[:, None], 0.06, 0.02)).astype(np.float32)
    X = counts / np.maximum(np.linalg.norm(counts, axis=1, keepdims=True), 1)
    return Program(sparse.csr_matrix(X[:450]), y[:450], sparse.csr_matrix(X[450:]), y[450:])


def _shuffled_xor() -> Program:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((800, 4)).astype(np.float32)
    y = (X[:, 0] * X[:, 1] > 0).astype(int)
    return Program(X[:600], y[:600], X[600:], y[600:])


def _few_rows() -> Program:
    whole = program("wine")
    return replace(whole, X=whole.X[:30], y=whole.y[:30], X_val=whole.X_val[:10], y_val=whole.y_val[:10])


def _noisy() -> Program:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((1500, 8)).astype(np.float32)
    y = X[:, 0] + 0.5 * X[:, 1] + 3 * rng.standard_normal(1500)
    return Program(X[:1200], y[:1200] / 3.2, X[1200:], y[1200:] / 3.2)


def _heavy_tails() -> Program:
    rng = np.random.default_rng(0)
    X = rng.standard_t(2, (1000, 6)).astype(np.float32)
    y = np.tanh(X[:, 0]) + X[:, 1] / (1 + np.abs(X[:, 1])) + 0.2 * rng.standard_normal(1000)
    return Program(X[:800], y[:800], X[800:], y[800:])


def _few_discrete_columns() -> Program:
    rng = np.random.default_rng(0)
    X = rng.integers(0, 3, (900, 4)).astype(np.float32)
    y = ((X.sum(axis=1) + rng.standard_normal(900)) > 4).astype(int)
    return Program(X[:700], y[:700], X[700:], y[700:])


ODD: list[Callable[[], Program]] = [
    *(_raw_digits, _pixels_to_one, _imbalanced, _one_hot, _words, _shuffled_xor, _few_rows, _noisy, _heavy_tails),
    _few_discrete_columns,
]


@pytest.mark.parametrize("make", ODD, ids=lambda make: make.__name__)
def test_odd_but_sound(make: Callable[[], Program]) -> None:
    assert alarms(make().findings()) == []


@pytest.mark.parametrize("name", DATA)
def test_networks_for_tables(name: str) -> None:
    sound = program(name)
    loss, n = ("squared_error", 1) if name in VALUES else ("cross_entropy", int(sound.y.max()) + 1)
    network = TabularNet(sound.X.shape[1], [], n, hidden_sizes=(32, 32), loss=loss, engine="numpy")
    network.start(sound.X)
    assert alarms(preflight(network, sound.X, sound.y, sound.X_val, sound.y_val, begins=True)) == []


KINDS: list[dict[str, Any]] = [
    {"n_members": 4},
    {"n_members": 4, "adapters": "first", "parametrisation": "standard"},
    {"number_embedding": "none", "dropout": 0.5},
    {"parametrisation": "standard", "activation": "relu"},
    {"hidden_sizes": (), "shortcut": True},
]
LOSSES = ["cross_entropy", "binary_cross_entropy", "squared_error", "absolute_error", "poisson", "quantile(0.1, 0.9)"]


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("loss", LOSSES)
def test_kinds_of_networks_for_tables(loss: str, kind: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    numbers, places = rng.standard_normal((400, 4)), rng.integers(0, [3, 30], (400, 2))
    value = numbers[:, 0] + np.sin(places[:, 1]) + 0.5 * rng.standard_normal(400)
    y = (value > 0).astype(int) if "entropy" in loss else np.exp(value / 2) if loss == "poisson" else value
    n_outputs = 2 if loss in ("cross_entropy", "quantile(0.1, 0.9)") else 1
    X = np.column_stack([numbers, places]).astype(np.float32)
    network = TabularNet(4, [3, 30], n_outputs, loss=loss, engine="numpy", **{"hidden_sizes": (32, 32)} | kind)
    network.start(X)
    assert alarms(preflight(network, X[:300], y[:300], X[300:], y[300:], begins=True)) == []


def test_imbalance_is_noted() -> None:
    assert "class-imbalance" in codes(_imbalanced().findings())


def test_constant_pixels_are_noted() -> None:
    assert "constant-features" in codes(program("digits").findings())
