"""The rows that are looked at before training, and what their targets are."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fcnet.nn.loss import Loss
from fcnet.types import Array, as_array, is_sparse

MOST_ROWS, LEAST_ROWS, MOST_VALUES = 10_000, 1000, 40_000_000  # that are looked at where all would take longer than seconds


@dataclass(frozen=True)
class Rows:
    """Rows to train and to validate, as the network is given them.

    Parameters
    ----------
    X : array or CSR matrix (n, n_inputs)
    y : integer array (n,), or array (n, n_targets)
    loss : Loss
    n_outputs : int
    X_val, y_val : optional
        Likewise.
    n_numbers : int
        How many columns, the first, are numbers; others are the numbers of categories.
    names : sequence of str
        Of the columns, if they have any.
    """

    X: Any
    y: Array
    loss: Loss
    n_outputs: int
    X_val: Any = None
    y_val: Array | None = None
    n_numbers: int = 0
    names: Sequence[str] = ()

    def name(self, column: int) -> str:
        """Return what a column is called in a message."""
        return repr(str(self.names[column])) if len(self.names) == self.X.shape[1] else f"input {column}"

    @property
    def numbers(self) -> Any:
        """The columns of numbers."""
        return self.X[:, : self.n_numbers]

    def sample(self, rng: np.random.Generator, most: int = MOST_ROWS) -> "Rows":
        """Return training rows drawn at random, dense, so many at most, and validation rows likewise; of many columns fewer."""
        most = min(most, max(LEAST_ROWS, MOST_VALUES // self.X.shape[1]))
        X, y = some(self.X, self.y, rng, most)
        if self.X_val is None or self.y_val is None:
            return replace(self, X=X, y=y)
        X_val, y_val = some(self.X_val, self.y_val, rng, most)
        return replace(self, X=X, y=y, X_val=X_val, y_val=y_val)

    def centred_targets(self, y: Array) -> Array:
        """Return one-hot labels or targets, float64 (n, k), less their means; values are replaced by their normal scores.

        Ranks keep a few large values from deciding alone what goes with what.
        """
        if self.loss.one_label:
            targets = np.eye(self.n_outputs)[y]
            targets = targets[:, targets.any(axis=0)]
        elif self.loss.has_labels:
            targets = y.astype(np.float64)
        else:
            targets = normal_scores(y)
        return np.asarray(targets - targets.mean(axis=0))


def normal_scores(values: Array) -> Array:
    """Return for each value (n, k) the quantile of the normal distribution that its rank in its column stands for."""
    from scipy.stats import norm, rankdata

    return np.asarray(norm.ppf((rankdata(values, axis=0) - 0.5) / len(values)))


def some(X: Any, y: Array, rng: np.random.Generator, most: int) -> tuple[Array, Array]:
    """Return rows drawn without replacement, in a random order, as a dense array, with their targets."""
    chosen = rng.permutation(X.shape[0])[:most]
    return as_array(X[chosen]), y[chosen]


def finite_rows(X: Any) -> Array:
    """Return which rows hold finite numbers alone, also in float32."""
    with np.errstate(over="ignore"):
        if is_sparse(X):
            wrong = ~np.isfinite(X.data.astype(np.float32))
            finite = np.ones(X.shape[0], bool)
            finite[np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))[wrong]] = False
            return finite
        X = X.reshape(len(X), -1)
        blocks = [np.isfinite(X[start : start + 4096].astype(np.float32)).all(axis=1) for start in range(0, len(X), 4096)]
        return np.concatenate(blocks)
