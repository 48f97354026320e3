"""The data sets that training programs of the benchmark learn, small enough for trainings of seconds.

CIFAR-10 comes from its training batches (``$FCNET_DATA``), so that no image is in two parts. The tables are from
scikit-learn and from the packages of `table_data`: those of `PROBLEMS` and of `CHOOSE_TABLES` are to choose on there, those of
`STATE_TABLES` to state. Others are made from a seed. `load` splits each into rows to train, to validate, and clean rows, which
no fault touches; inputs are standardised by the rows to train, as are targets of regressions.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.fft import dctn
from sklearn import datasets

sys.path.append(str(Path(__file__).parent.parent))  # for the modules that benchmarks share

RUNS = Path(__file__).parents[2] / "runs" / "doctor"
Rows = tuple[np.ndarray, np.ndarray]
SHARES = (0.6, 0.2)  # of the rows, to train and to validate; the others are clean


@dataclass(frozen=True)
class Data:
    """Rows to train and to validate, as a program sees them, and rows as they are where the network is used."""

    X: np.ndarray
    y: np.ndarray
    X_val: np.ndarray
    y_val: np.ndarray
    X_clean: np.ndarray
    y_clean: np.ndarray

    @property
    def n_classes(self) -> int:
        """Number of classes of the clean labels; 0 in a regression."""
        return 0 if self.y_clean.ndim == 2 else int(self.y_clean.max()) + 1

    def with_inputs(self, change: Callable[[np.ndarray], np.ndarray]) -> "Data":
        """Return the same with all inputs changed in the same way."""
        parts = {name: change(getattr(self, name)).astype(np.float32) for name in ("X", "X_val", "X_clean")}
        return replace(self, **parts)


class Problem(NamedTuple):
    """What kind of rows it has, most of them, and how they are read: inputs, and class numbers or targets."""

    kind: str
    rows: int
    read: Callable[[], Rows]


def _cifar10(rows: int, batch: int = 1) -> Rows:
    from fcnet.data.cifar10 import find_cifar10, read_batch

    folder = find_cifar10()
    if folder is None:
        raise SystemExit("CIFAR-10 is not there: name the folder that holds it with FCNET_DATA.")
    X, y = read_batch(folder / f"data_batch_{batch}")
    return X[:rows], y[:rows]


def _raw() -> Rows:
    X, y = _cifar10(5000)
    return X / np.float32(64), y


def _gradients() -> Rows:
    """Return histograms of gradients and colours, the features of the exercise; they take half a minute, and are kept."""
    from fcnet.preprocessing.transformers import HistogramTransformer

    X, y = _cifar10(10_000)
    kept = RUNS / "cifar10-features.npy"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        np.save(kept, HistogramTransformer().fit_transform(X))
    return np.load(kept), y


def _pca() -> Rows:
    from sklearn.decomposition import PCA

    X, y = _cifar10(10_000, batch=2)
    return PCA(100, random_state=0, svd_solver="randomized").fit_transform(X / 255.0), y


def _grey() -> Rows:
    """Return grey images of half the height and width, (n, 256)."""
    X, y = _cifar10(6000, batch=3)
    return X.reshape(-1, 16, 2, 16, 2, 3).mean(axis=(2, 4, 5)).reshape(len(X), -1) / 64, y


def _frequencies() -> Rows:
    """Return the 8 x 8 lowest cosine waves of each colour, (n, 192), of one scale each."""
    X, y = _cifar10(6000, batch=4)
    waves = dctn(X.reshape(-1, 32, 32, 3) / 255.0, axes=(1, 2), norm="ortho")[:, :8, :8].reshape(len(X), -1)
    return waves / waves.std(axis=0), y


def _table(name: str) -> Rows:
    from table_data import CHOOSE, STATE, load, prepare

    table = (CHOOSE | STATE)[name]
    rows, y = load(name, table, 6000)
    X = prepare(rows, rows)
    return X, y if table.regression else np.unique(y, return_inverse=True)[1]


def _spam() -> Rows:
    X, y = _table("spam7")
    return np.log1p(X - X.min(0)), y


def _circles() -> Rows:
    X, y = datasets.make_circles(2500, noise=0.08, factor=0.6, random_state=0)
    return X, y


def _clusters() -> Rows:
    made = datasets.make_classification(
        5000, 20, n_informative=10, n_classes=5, n_clusters_per_class=2, class_sep=2.0, flip_y=0.0, random_state=0
    )
    return made[0], made[1]


def _friedman() -> Rows:
    X, y = datasets.make_friedman1(3000, 10, noise=1.0, random_state=0)
    return X, y


def _waves() -> Rows:
    X = np.random.default_rng(0).uniform(-2, 2, (3000, 4))
    return X, np.sin(1.5 * X[:, 0]) * X[:, 1] + np.cos(2 * X[:, 2]) + 0.1 * X[:, 3]


PROBLEMS = {
    "cifar10-features": Problem("image", 10_000, _gradients),
    "cifar10-pca": Problem("image", 10_000, _pca),
    "cifar10-raw": Problem("image", 5000, _raw),
    "digits": Problem("image", 1797, lambda: datasets.load_digits(return_X_y=True)),
    "cells": Problem("table", 2019, lambda: _table("cells")),
    "circles": Problem("table", 2500, _circles),
    "clusters": Problem("table", 5000, _clusters),
    "ring": Problem("table", 5000, lambda: _table("ring")),
    "segment": Problem("table", 2000, lambda: _table("segment")),
    "spam7": Problem("table", 2900, _spam),
    "airfare": Problem("regression", 4000, lambda: _table("airfare")),
    "concrete": Problem("regression", 990, lambda: _table("concrete")),
    "friedman": Problem("regression", 3000, _friedman),
    "waves": Problem("regression", 3000, _waves),
}


def _tables(kind: str, **rows: int) -> dict[str, Problem]:
    return {name: Problem(kind, number, partial(_table, name)) for name, number in rows.items()}


CHOOSE_TABLES = {
    **_tables("table", twonorm=6000, optdigits=5620, vehicle=846, yeast1=1453, credit_data=4451, mlc_churn=5000),
    **_tables("table", HealthInsurance=5099, CreditCard=1319, monica=5228, dengue=2000, flchain=5999, rotterdam=2976),
    **_tables("table", bfi=2800, k401ksubs=6000, azpro=1450, rwm5yr=5979, social_insure=1410),
    **_tables("table", **{"tic-tac-toe": 958, "car-good": 1728, "gapminder continents": 5984}),
    **_tables("regression", ames=2930, Sacramento=925, CPSSW8=1982, CollegeDistance=4256, Guns=1173, htv=1230),
    **_tables("regression", gapminder=5926, solder=810, **{"gapminder lives": 1704}),
    "cifar10-grey": Problem("image", 6000, _grey),
    "cifar10-frequencies": Problem("image", 6000, _frequencies),
}
"""Further tables, and images, whose programs are sound: to tune on what is no alarm."""
STATE_TABLES = {
    **_tables("table", magic=5991, satimage=6000, phoneme=5349, splice=3005, german=1000, contraceptive=1358, vowel=990),
    **_tables("table", lending_club=6000, attrition=1470, HMDA=2377, SmokeBan=1595, **{"page-blocks0": 5393}),
    **_tables("regression", hotel_rates=5601, deliveries=6000, CPS1988=2818, weather=6000),
}
"""The same, for the statement."""
ALL = PROBLEMS | CHOOSE_TABLES | STATE_TABLES


@lru_cache
def load(name: str) -> Data:
    """Return the rows of a problem, split and standardised."""
    problem = ALL[name]
    X, y = problem.read()
    if problem.kind != "image":  # a row that is there twice would be in two parts
        _, firsts = np.unique(X, axis=0, return_index=True)
        X, y = X[np.sort(firsts)], y[np.sort(firsts)]
    order = np.random.default_rng(0).permutation(len(X))[: problem.rows]
    X, y = np.asarray(X, np.float64)[order], np.asarray(y)[order]
    first, second = int(SHARES[0] * len(X)), int(sum(SHARES) * len(X))
    if problem.kind == "image" and name != "cifar10-features":  # one scale for all pixels
        X = (X - X[:first].mean(0)) / X[:first].std()
    else:
        X = (X - X[:first].mean(0)) / np.maximum(X[:first].std(0), 1e-6)
    X = X.astype(np.float32)
    if problem.kind == "regression":
        y = ((y - y[:first].mean()) / y[:first].std()).astype(np.float32)[:, None]
    return Data(X[:first], y[:first], X[first:second], y[first:second], X[second:], y[second:])
