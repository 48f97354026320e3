"""How well the rows can be predicted by a wide layer of random units, and by the hidden units that a network has.

Random units whose output weights are solved for (Rahimi & Recht 2008) need no rate, no epochs and no luck. So they tell a
network that is too small from one that has not been trained to its end.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fcnet.nn.hidden import hidden_outputs
from fcnet.nn.loss import Loss
from fcnet.training.paired import Difference, over_errors, over_rows
from fcnet.types import Array, as_array

MOST_ROWS, MOST_INPUTS, UNITS = 10_000, 4000, 1000
PENALTIES = 10.0 ** np.arange(-3, 3)  # in units of the mean diagonal of the matrix of second moments, times the rows
TUNED_ON = 5  # every fifth row
LEAST_GAIN, SURE = 0.03, 0.01


@dataclass(frozen=True)
class Reference:
    """Scores on validation rows, accuracy or R².

    Attributes
    ----------
    network, wide, refit : float
        Of the network; of 1,000 random units, or a linear model of up to 1,000 inputs where that is better; and
        of the network's last hidden layer with output weights that are solved for.
    wide_less_network, wide_less_refit : Difference
        Paired over rows.
    n_hidden, n_inputs : int
        Units of the narrowest hidden layer, or the inputs where there is none, and inputs.
    n_parameters, n_numbers : int
        Of the network, and how many numbers the training rows have to say: labels, or targets.
    n_outputs : int
    """

    network: float
    wide: float
    refit: float
    wide_less_network: Difference
    wide_less_refit: Difference
    n_hidden: int
    n_inputs: int
    n_parameters: int
    n_numbers: int
    n_outputs: int


References = Callable[[], Reference | None]


def is_better(difference: Difference, level: float = SURE) -> bool:
    """Return whether a difference of scores is worth a word, and not by chance."""
    return difference.gain >= LEAST_GAIN and difference.p_value < level


def reference(network: Any, X: Any, y: Array, X_val: Any, y_val: Array) -> Reference | None:
    """Compare a network with its references; None where it has too many inputs, several labels, or no layers that are known.

    One without hidden layers has its inputs for hidden units.

    Parameters
    ----------
    network : FullyConnectedNet
    X, X_val : arrays (n, n_inputs) and (m, n_inputs)
        Training and validation rows as the network takes them.
    y, y_val : arrays (n,) and (m,), or (n, n_outputs) and (m, n_outputs)
    """
    loss: Loss = network.loss
    is_binary = loss.name == "binary_cross_entropy" and network.n_classes == 1
    of_classes = loss.one_label or is_binary
    if X.shape[1] > MOST_INPUTS or not (of_classes or loss.name == "squared_error") or hasattr(network, "n_numbers"):
        return None
    if is_binary:
        y, y_val = (np.asarray(labels)[:, 0].astype(int) for labels in (y, y_val))
    rng, n_rows = np.random.default_rng(0), len(y)
    rows = np.sort(rng.permutation(X.shape[0])[:MOST_ROWS])
    X, y = as_array(X[rows]), y[rows]
    few = np.sort(rng.permutation(X_val.shape[0])[:MOST_ROWS])
    X_val, y_val = as_array(X_val[few]), y_val[few]
    hidden, hidden_val = hidden_outputs(network, X), hidden_outputs(network, X_val)
    if len(getattr(network, "affine", ())) == 1:
        hidden, hidden_val = [X], [X_val]
    if not hidden or not np.isfinite(hidden[-1]).all() or len(y) < 2 * TUNED_ON:
        return None
    targets = np.eye(max(2, network.n_classes))[y] if of_classes else y.astype(float)
    centre, scale = X.mean(axis=0), X.std(axis=0)
    Z, Z_val = ((part - centre) / np.where(scale > 0, scale, 1) for part in (X, X_val))
    W = rng.standard_normal((Z.shape[1], UNITS)).astype(Z.dtype) / np.sqrt(Z.shape[1], dtype=Z.dtype)
    b = rng.uniform(-1, 1, UNITS).astype(Z.dtype)
    wide, error = _solved(np.maximum(Z @ W + b, 0), targets, np.maximum(Z_val @ W + b, 0))
    if X.shape[1] <= UNITS:  # of more, solving takes too long
        linear, its_error = _solved(Z, targets, Z_val)
        wide = linear if its_error < error else wide
    refit = _solved(hidden[-1], targets, hidden_val[-1])[0]
    own = loss.mean(network.logits(X_val)).astype(float)
    own = np.hstack([1 - own, own]) if is_binary else own
    if of_classes:
        right = [each.argmax(axis=1) == y_val for each in (own, wide, refit)]
        scores = [float(each.mean()) for each in right]
        pairs = [over_rows(right[other], right[1]) for other in (0, 2)]
    else:
        values, variance = [own, wide, refit], float(np.square(y_val - y_val.mean(axis=0)).sum())
        if not variance:
            return None
        scores = [1 - float(np.square(each - y_val).sum()) / variance for each in values]
        pairs = [over_errors(values[other], wide, y_val) for other in (0, 2)]
    return Reference(
        network=scores[0],
        wide=scores[1],
        refit=scores[2],
        wide_less_network=pairs[0],
        wide_less_refit=pairs[1],
        n_hidden=min(each.shape[1] for each in hidden),
        n_inputs=X.shape[1],
        n_parameters=sum(p.size for p in network.params.values()),
        n_numbers=n_rows if of_classes else n_rows * network.n_classes,
        n_outputs=network.n_classes,
    )


def _solved(F: Array, targets: Array, F_val: Array) -> tuple[Array, float]:
    """Return predictions of ridge regression for validation rows, and the error by which its penalty was chosen."""
    F, F_val = F.astype(np.float64), F_val.astype(np.float64)
    mean, of_targets = F.mean(axis=0), targets.mean(axis=0)
    F, F_val, centred = F - mean, F_val - mean, targets - of_targets
    tuned = np.arange(len(F)) % TUNED_ON == 0
    values, vectors = np.linalg.eigh(F[~tuned].T @ F[~tuned])
    values, size = np.maximum(values, 0), max(float(values.mean()), 1e-30)
    projected = vectors.T @ (F[~tuned].T @ centred[~tuned])
    held = F[tuned] @ vectors
    errors = [
        float(np.square(held @ (projected / (values + penalty * size)[:, np.newaxis]) - centred[tuned]).mean())
        for penalty in PENALTIES
    ]
    best = PENALTIES[int(np.argmin(errors))]
    coefficients = vectors @ (projected / (values + best * size)[:, np.newaxis])
    return F_val @ coefficients + of_targets, min(errors)
