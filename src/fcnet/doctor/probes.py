"""Quick models that say whether, and how well, inputs tell targets: linear, nearest neighbours, and trees."""

from collections.abc import Callable, Iterator

import numpy as np

from fcnet.types import Array

Probe = Callable[[Array, Array, Array, np.random.Generator], Array]
"""Takes training inputs (n, d), centred targets (n, k) and other inputs (m, d); returns scores (m, k)."""

FOLDS, DIRECTIONS, NEIGHBOURS, TREES = 3, 256, 5, 50
PENALTY = 0.1  # of standardised directions, as a share of the rows


def linear(X: Array, Y: Array, others: Array, rng: np.random.Generator) -> Array:
    """Ridge regression; of more than 256 inputs on so many random directions."""
    Z, Z_others = _directions(X, others, rng)
    W = np.linalg.solve(Z.T @ Z + PENALTY * len(Z) * np.eye(Z.shape[1]), Z.T @ Y)
    return np.asarray(Z_others @ W)


def neighbours(X: Array, Y: Array, others: Array, rng: np.random.Generator) -> Array:
    """Mean of the five nearest rows, inputs standardised."""
    Z, Z_others = _directions(X, others, rng)
    distances = np.square(Z).sum(axis=1) - 2 * Z_others @ Z.T
    nearest = np.argpartition(distances, min(NEIGHBOURS, len(Z)) - 1, axis=1)[:, :NEIGHBOURS]
    return np.asarray(Y[nearest].mean(axis=1))


def trees(X: Array, Y: Array, others: Array, rng: np.random.Generator) -> Array:
    """Fifty extremely randomised trees."""
    from sklearn.ensemble import ExtraTreesRegressor

    model = ExtraTreesRegressor(TREES, max_features="sqrt", min_samples_leaf=2, random_state=int(rng.integers(2**31)))
    return np.asarray(model.fit(X, Y if Y.shape[1] > 1 else Y[:, 0]).predict(others)).reshape(len(others), -1)


PROBES: dict[str, Probe] = {"a linear model": linear, "nearest neighbours": neighbours, "trees": trees}


def _directions(X: Array, others: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    mean, spread = X.mean(axis=0), X.std(axis=0)
    varies = spread > 1e-6 * np.abs(X).max(axis=0, initial=0)
    Z, Z_others = ((each[:, varies] - mean[varies]) / spread[varies] for each in (X, others))
    Z, Z_others = (np.clip(each, -10, 10) for each in (Z, Z_others))  # few far values hide what the others say
    if (d := Z.shape[1]) > DIRECTIONS:
        R = rng.standard_normal((d, DIRECTIONS)) / np.sqrt(d)
        Z, Z_others = Z @ R, Z_others @ R
    return Z, Z_others


def folds(n: int, rng: np.random.Generator) -> Iterator[tuple[Array, Array]]:
    """Yield the rows to fit on and the others, three times."""
    order = rng.permutation(n)
    for k in range(FOLDS):
        yield np.delete(order, np.s_[k::FOLDS]), order[k::FOLDS]


def out_of_fold(probe: Probe, X: Array, Y: Array, rng: np.random.Generator) -> tuple[Array, float]:
    """Return the scores (n, k) that each row has from a probe that was fitted without it, and their `association`."""
    scores, z = np.zeros_like(Y), 0.0
    for rest, held in folds(len(X), rng):
        scores[held] = probe(X[rest], Y[rest], X[held], rng)
        z += association(scores[held], Y[held])
    return scores, z / np.sqrt(FOLDS)


def association(scores: Array, Y: Array) -> float:
    """Return by how many standard deviations ``Σ_i ⟨s_i, y_i⟩`` is above its mean over all permutations of the rows of Y.

    Both are centred first. The mean is then 0, and the variance ``tr(SᵀS YᵀY) / (n - 1)``.
    """
    S, Y = scores - scores.mean(axis=0), Y - Y.mean(axis=0)
    variance = float(((S.T @ S) * (Y.T @ Y)).sum()) / max(1, len(S) - 1)
    return float((S * Y).sum()) / np.sqrt(variance) if variance > 0 else 0.0


def errors(scores: Array, Y: Array, *, one_label: bool) -> tuple[Array, float]:
    """Return the error of each row by its scores, and the mean error of the best constant: rows wrong, or squares."""
    if one_label and Y.shape[1] > 1:
        label, base = Y.argmax(axis=1), -Y.min(axis=0)  # the share of a class is what it lacks where it is not
        predicted = (scores + base).argmax(axis=1)
        return (predicted != label).astype(float), float((label != base.argmax()).mean())
    return np.square(scores - Y).sum(axis=1), float(np.square(Y - Y.mean(axis=0)).sum(axis=1).mean())
