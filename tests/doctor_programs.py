"""Sound training programs, to which the tests of the doctor add one fault each."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from sklearn import datasets

from fcnet import FullyConnectedNet
from fcnet.doctor.finding import Finding
from fcnet.doctor.preflight import preflight
from fcnet.types import Array


@dataclass
class Program:
    """Standardised rows, split at random, and the settings of a network for them."""

    X: Any
    y: Array
    X_val: Any
    y_val: Array
    network: dict[str, Any] = field(default_factory=dict)
    hidden_sizes: tuple[int, ...] = (32,)
    n_outputs: int = 0  # as many as the labels ask for

    def make(self) -> FullyConnectedNet:
        n_outputs = self.n_outputs or (int(self.y.max()) + 1 if self.y.dtype.kind == "i" else 1)
        loss = "squared_error" if self.y.dtype.kind == "f" else "cross_entropy"
        return FullyConnectedNet([self.X.shape[1], *self.hidden_sizes, n_outputs], loss=loss, engine="numpy", **self.network)

    def findings(self, network: FullyConnectedNet | None = None) -> list[Finding]:
        return preflight(network or self.make(), self.X, self.y, self.X_val, self.y_val)


def alarms(found: list[Finding]) -> list[str]:
    return [finding.code for finding in found if finding.severity != "note"]


def codes(found: list[Finding]) -> list[str]:
    return [finding.code for finding in found]


CLASSES: dict[str, Callable[[], Any]] = {
    "digits": lambda: datasets.load_digits(return_X_y=True),
    "iris": lambda: datasets.load_iris(return_X_y=True),
    "wine": lambda: datasets.load_wine(return_X_y=True),
    "breast cancer": lambda: datasets.load_breast_cancer(return_X_y=True),
    "moons": lambda: datasets.make_moons(400, noise=0.2, random_state=0),
    "clusters": lambda: datasets.make_classification(600, 20, n_informative=6, n_classes=4, random_state=0),
}
VALUES: dict[str, Callable[[], Any]] = {
    "diabetes": lambda: datasets.load_diabetes(return_X_y=True),
    "friedman": lambda: datasets.make_friedman1(500, noise=1.0, random_state=0),
    "linear": lambda: datasets.make_regression(400, 15, n_informative=8, noise=20.0, random_state=0),
}
DATA = CLASSES | VALUES


@cache
def _parts(name: str) -> tuple[Array, Array, Array, Array]:
    X, y = DATA[name]()
    order = np.random.default_rng(0).permutation(len(y))
    train, val = np.split(order, [len(y) * 3 // 4])
    mean, spread = X[train].mean(axis=0), X[train].std(axis=0)
    X = ((X - mean) / np.where(spread > 0, spread, 1)).astype(np.float32)
    if name in VALUES:
        y = (y - y[train].mean()) / y[train].std()
    return X[train], y[train], X[val], y[val]


def program(name: str, **settings: Any) -> Program:
    """Return a new sound program."""
    return Program(*(part.copy() for part in _parts(name)), **settings)
