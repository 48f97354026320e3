"""The hand-written gradients of every activation, in networks of several kinds, compared with numeric ones."""

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np

from fcnet.nn.activations import ACTIVATIONS
from fcnet.nn.gradcheck import gradient_check
from fcnet.nn.layers import NORMALISATIONS
from fcnet.nn.network import FullyConnectedNet
from fcnet.nn.number_embeddings import quantile_bins
from fcnet.nn.tabular_network import TabularNet

TOLERANCE = 1e-5  # wrong gradients err by 1e-2 and more, right ones by 1e-6 and less


@dataclass(frozen=True)
class GradientCheck:
    """The largest relative error of a network's gradients."""

    activation: str
    kind: str
    layers: list[int]
    method: str
    relative_error: float


def check_every_gradient(seed: int = 0) -> list[GradientCheck]:
    """Check networks of every kind with every activation, with dropout, label smoothing and L2, on random rows."""
    kinds = [
        ("plain", "none", [12, 16, 10, 4], "entries"),
        ("plain", "none", [3072, 200, 100, 10], "projections"),
        *((f"{name} norm", name, [12, 16, 10, 4], "entries") for name in NORMALISATIONS if name != "none"),
    ]
    checks = []
    for activation, (kind, normalisation, sizes, method) in itertools.product(ACTIVATIONS, kinds):
        rng = np.random.default_rng(seed)
        # Exponentials of exponentials are far out of the reach of differences, unless weights are small.
        init: float | str = 0.02 if activation == "exp" else "he"
        settings: dict[str, Any] = {"activation": activation, "normalisation": normalisation, "weight_init": init}
        net = FullyConnectedNet(sizes, dropout=0.3, input_dropout=0.1, seed=rng, **settings)
        X, y = rng.standard_normal((20, sizes[0])), rng.integers(sizes[-1], size=20)
        errors = gradient_check(net, X, y, l2=0.1, label_smoothing=0.1, method=method, seed=seed)
        checks.append(GradientCheck(activation, kind, sizes, method, max(errors.values())))
    return checks + check_tables(seed)


TABLES: dict[str, dict[str, Any]] = {
    "RealMLP": {"activation": "selu"},
    "numbers": {"activation": "mish", "number_embedding": "none", "loss": "squared_error"},
    "TabM-mini": {"activation": "silu", "number_embedding": "piecewise_linear", "n_members": 3, "adapters": "first"},
    "TabM": {"activation": "relu", "number_embedding": "none", "n_members": 3, "parametrisation": "standard"},
}
"""Networks for tables: one that is as RealMLP but for its sizes, one for numbers alone, and ensembles."""


def check_tables(seed: int = 0) -> list[GradientCheck]:
    """Check networks for tables with numbers, few categories and many, some of them missing."""
    checks = []
    for kind, settings in TABLES.items():
        rng = np.random.default_rng(seed)
        numbers, sizes = rng.standard_normal((20, 3)), [] if kind == "numbers" else [2, 3, 12]
        X = np.column_stack([numbers, *(rng.integers(-1, size, 20) for size in sizes)])
        own: dict[str, Any] = {"hidden_sizes": [6, 5], "dropout": 0.3, "n_frequencies": 3, "bins": quantile_bins(numbers, 4)}
        net = TabularNet(3, sizes, 4, seed=rng, **own | settings)
        net.start(X, rng)
        if kind in ("RealMLP", "TabM"):
            net = net.with_shortcut(0.3, rng.standard_normal((3 + sum(sizes) + len(sizes), 4)), rng.standard_normal(4))
        y = rng.integers(4, size=20) if net.loss.one_label else rng.standard_normal((20, 4))
        smoothing = 0.1 if net.loss.has_labels else 0.0
        errors = gradient_check(net, X, y, l2=0.1, label_smoothing=smoothing, method="entries", seed=seed)
        checks.append(GradientCheck(settings["activation"], kind, net.layer_sizes, "entries", max(errors.values())))
    return checks
