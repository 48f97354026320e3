"""Which columns a model depends on, and how: permutation importance and partial dependence."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fcnet.nn.losses import Loss
from fcnet.types import Array

REPEATS = 5
Logits = Callable[[Array], Array]


@dataclass(frozen=True)
class Importance:
    """How much worse a model becomes when a column is shuffled: mean and standard deviation over shuffles, (n_columns,)."""

    mean: Array
    std: Array

    @property
    def order(self) -> Array:
        """The columns, the most important first."""
        return np.argsort(-self.mean, kind="stable")


def permutation_importance(
    logits_of: Logits, loss: Loss, X: Array, y: Array, *, repeats: int = REPEATS, seed: int | np.random.Generator = 0
) -> Importance:
    """Return by how much the loss of classes rises, or R² (of quantiles D²) falls, when the values of one column change places.

    A column that says the same as another one can be shuffled without harm, and has little importance (Breiman, "Random
    forests", Machine Learning 45, 2001).

    Parameters
    ----------
    logits_of : callable
        Returns the logits (n, n_outputs) of raw rows (n, n_columns).
    loss : Loss
        Of the network that these are of.
    X, y : arrays (n, n_columns) and (n,) or (n, n_outputs)
        Rows that the model was not trained on, and their targets.
    repeats : int
        Shuffles of each column.
    seed : int or numpy.random.Generator
    """
    rng, shuffled = np.random.default_rng(seed), X.copy()
    best, falls = _goodness(loss, logits_of(X), y), np.empty((X.shape[1], repeats))
    for j in range(X.shape[1]):
        for i in range(repeats):
            shuffled[:, j] = rng.permutation(X[:, j])
            falls[j, i] = best - _goodness(loss, logits_of(shuffled), y)
        shuffled[:, j] = X[:, j]
    return Importance(falls.mean(axis=1), falls.std(axis=1, ddof=1) if repeats > 1 else np.zeros(len(falls)))


def _goodness(loss: Loss, logits: Array, y: Array) -> float:
    return -loss.value(logits, y) if loss.has_labels else loss.score(logits, y)


def partial_dependence(logits_of: Logits, loss: Loss, X: Array, column: int, values: Array) -> Array:
    """Return the mean prediction (n_values, n_outputs) over all rows where a column has each of some values.

    ``f(v) = 1/n Σ_i mean(x_i, x_ij = v)``, of probabilities or numbers (Friedman, "Greedy function approximation: a gradient
    boosting machine", Annals of Statistics 29, 2001). Other columns stay as they are, also where such rows cannot be.

    Parameters
    ----------
    logits_of : callable
        Returns the logits (n, n_outputs) of raw rows (n, n_columns).
    loss : Loss
        Of the network that these are of.
    X : array (n, n_columns)
    column : int
    values : array (n_values,)
    """
    changed, means = X.copy(), []
    for value in values:
        changed[:, column] = value
        means.append(loss.mean(logits_of(changed)).mean(axis=0, dtype=np.float64))
    return np.array(means)
