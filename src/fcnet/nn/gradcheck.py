"""Numeric gradients, against which the hand-written ones are checked."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fcnet.errors import SettingError, unknown_name
from fcnet.nn.network import FullyConnectedNet
from fcnet.types import Array

SUSPICIOUS = 1e-7  # an error above it is measured again with other steps
OTHER_STEPS = (10.0, 0.1, 0.01)  # times h
ENTRIES_AT_MOST = 5000  # above this many parameters "auto" takes random projections
METHODS = ("auto", "entries", "projections")


def relative_error(a: ArrayLike, b: ArrayLike) -> float:
    """Return ``max |a - b| / max(1e-8, |a| + |b|)`` over all entries, as the exercise does."""
    a, b = np.asarray(a), np.asarray(b)
    return float(np.max(np.abs(a - b) / np.maximum(1e-8, np.abs(a) + np.abs(b))))


def numerical_gradient(f: Callable[[Array], float], x: Array, h: float = 1e-5) -> Array:
    """Central differences ``(f(x + h e_i) - f(x - h e_i)) / 2h`` over every entry i.

    Parameters
    ----------
    f : callable
        Takes `x`, returns a number.
    x : float64 array of any shape
        Each entry is moved in turn and put back.
    h : float
        Half the distance between the two points. 1e-5 balances truncation, of order h², against rounding in float64.

    Returns
    -------
    gradient : array, shape of `x`
    """
    gradient = np.empty_like(x)
    for i in np.ndindex(x.shape):
        gradient[i] = _slope(f, x, i, h)
    return gradient


def _slope(f: Callable[[Array], float], x: Array, i: tuple[int, ...], h: float) -> float:
    kept = x[i]
    x[i] = kept + h
    above = f(x)
    x[i] = kept - h
    below = f(x)
    x[i] = kept
    return (above - below) / (2 * h)


def numerical_projections(f: Callable[[Array], float], x: Array, directions: Array, h: float = 1e-5) -> Array:
    """Central differences of `f` at `x` along each of k directions.

    Parameters
    ----------
    f : callable
    x : float64 array of any shape
        Moved in place and put back.
    directions : array, k of the shape of `x`
    h : float

    Returns
    -------
    slopes : array (k,)
        ``(f(x + h v) - f(x - h v)) / 2h``, which is ``⟨∇f, v⟩`` up to order h².
    """
    kept = x.copy()
    slopes = np.empty(len(directions))
    for k, v in enumerate(directions):
        np.add(kept, h * v, out=x)
        above = f(x)
        np.subtract(kept, h * v, out=x)
        slopes[k] = (above - f(x)) / (2 * h)
    x[...] = kept
    return slopes


def gradient_check(
    net: FullyConnectedNet,
    X: ArrayLike,
    y: ArrayLike,
    *,
    l2: float = 0.0,
    label_smoothing: float = 0.0,
    weights: ArrayLike | None = None,
    method: str = "auto",
    n_projections: int = 8,
    h: float = 1e-5,
    seed: int = 0,
) -> dict[str, float]:
    """Compare every hand-written gradient of `net` with a numeric one, in float64.

    The code that is checked is the code that trains: the same layers and engine, with the parameters in float64 and, where
    the network has dropout, with the same masks at every evaluation. Bias entries of exactly zero are moved by about 0.01
    for the check: a unit whose inputs are all zero would sit on the kink of its activation, where there is no slope.

    Where a slope does not agree at `h`, other steps are tried and the best agreement counts: a step that crosses the kink of
    a ReLU, or drowns a small slope in rounding, is the fault of the step, while a wrong gradient is wrong at every step.

    Parameters
    ----------
    net : FullyConnectedNet
        Left as it is.
    X : array (n, n_inputs)
    y : integer array (n,), or array (n, n_outputs)
    l2, label_smoothing : float
        As in training.
    weights : array (n,), optional
        Of the rows.
    method : {"auto", "entries", "projections"}
        Every entry of every parameter, or random directions in each parameter, which costs two evaluations a direction
        however large the parameter is. "auto" takes the entries up to 5,000 parameters.
    n_projections : int
    h : float
        Step of the central differences.
    seed : int
        Draws the directions and the dropout masks.

    Returns
    -------
    errors : dict
        Parameter name to relative error: for entries the exercise's ``max |a - n| / max(1e-8, |a| + |n|)``; for
        projections ``max |a - n| / max(1e-8, max(|a| + |n|))`` over the directions, as one slope can be small by chance.

    Raises
    ------
    InputError
        If `X` or `y` does not fit the network.

    Examples
    --------
    >>> net = FullyConnectedNet([4, 10, 3], seed=0)
    >>> errors = gradient_check(net, np.eye(4), [0, 1, 2, 0], l2=0.1)
    >>> max(errors.values()) < 1e-6
    True
    """
    if method not in METHODS:
        raise unknown_name("method", method, METHODS)
    if n_projections < 1 or h <= 0:
        raise SettingError(f"n_projections and h must be positive, got {n_projections} and {h}.")
    net = net.astype(np.float64)
    X, y = net.check_data(X, y)
    row_weights = None if weights is None else np.asarray(weights, np.float64)
    directions_rng = np.random.default_rng(seed)
    for name, param in net.params.items():
        if name not in net.decayed:
            param[param == 0] = 0.01 * directions_rng.standard_normal(int((param == 0).sum()))

    def evaluate() -> tuple[float, dict[str, Any]]:
        rng = np.random.default_rng(seed)
        return net.loss_and_gradients(X, y, l2=l2, label_smoothing=label_smoothing, rng=rng, weights=row_weights)

    def loss(_: Array) -> float:
        return evaluate()[0]

    analytic = {name: grad.copy() for name, grad in evaluate()[1].items()}
    by_entry = method == "entries" or (method == "auto" and net.n_parameters <= ENTRIES_AT_MOST)
    errors = {}
    for name, param in net.params.items():
        if by_entry:
            errors[name] = _entries_error(loss, param, analytic[name], h)
        else:
            v = directions_rng.standard_normal((n_projections, *param.shape))
            v /= np.linalg.norm(v.reshape(n_projections, -1), axis=1).reshape(-1, *[1] * param.ndim)
            errors[name] = _projections_error(loss, param, np.tensordot(v, analytic[name], param.ndim), v, h)
    return errors


def _entries_error(f: Callable[[Array], float], x: Array, analytic: Array, h: float) -> float:
    numeric = numerical_gradient(f, x, h)
    largest = 0.0
    for i in np.ndindex(x.shape):
        error = relative_error(analytic[i], numeric[i])
        for factor in OTHER_STEPS:
            if error > SUSPICIOUS:
                error = min(error, relative_error(analytic[i], _slope(f, x, i, factor * h)))
        if error > SUSPICIOUS:
            # Of order h⁴ (Richardson), so that steps may be long and rounding is small beside the smallest slopes.
            extrapolated = (4 * _slope(f, x, i, 100 * h) - _slope(f, x, i, 200 * h)) / 3
            error = min(error, relative_error(analytic[i], extrapolated))
        largest = max(largest, error)
    return largest


def _projections_error(f: Callable[[Array], float], x: Array, analytic: Array, v: Array, h: float) -> float:
    numeric = numerical_projections(f, x, v, h)
    scale = max(1e-8, float(np.max(np.abs(analytic) + np.abs(numeric))))
    error = np.abs(analytic - numeric) / scale
    for factor in OTHER_STEPS:
        if error.max() > SUSPICIOUS:
            error = np.minimum(error, np.abs(analytic - numerical_projections(f, x, v, factor * h)) / scale)
    return float(error.max())
