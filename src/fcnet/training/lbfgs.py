"""Training on all rows at once by L-BFGS (Liu & Nocedal 1989), for small data sets."""

from typing import Any

import numpy as np

from fcnet.errors import DivergedError
from fcnet.threads import use_threads
from fcnet.training.history import History
from fcnet.training.state import Trainable
from fcnet.types import Array


def train_lbfgs(
    network: Trainable,
    X: Array,
    y: Array,
    *,
    sample_weight: Array | None = None,
    l2: float = 0.0,
    label_smoothing: float = 0.0,
    max_iter: int = 200,
    max_fun: int = 15000,
    tol: float = 1e-4,
    threads: int | None = None,
) -> tuple[History, str | None]:
    """Minimise the loss by SciPy's L-BFGS-B without bounds, and leave the network with what it finds. Nothing is dropped.

    It ends after `max_iter` iterations or `max_fun` evaluations of the loss, or where no entry of the gradient is larger than
    `tol`. `X` and `y` are as the network's `check_data` returns them; the other settings are those of `Trainer`.

    Returns
    -------
    history : History
        A row an iteration.
    problem : str or None
        Why it ended before it converged, if so.

    Raises
    ------
    DivergedError
        If the loss is not finite.
    """
    from scipy.optimize import minimize

    params, history = network.params, History()
    weights = {} if sample_weight is None else {"weights": sample_weight}
    ends = np.cumsum([p.size for p in params.values()])

    def put(vector: Array) -> None:
        for p, part in zip(params.values(), np.split(vector, ends[:-1]), strict=True):
            p[...] = part.reshape(p.shape)

    def loss_and_gradient(vector: Array) -> tuple[float, Array]:
        put(vector)
        loss, grads = network.loss_and_gradients(X, y, l2=l2, label_smoothing=label_smoothing, rng=None, **weights)
        return loss, np.concatenate([grads[name].ravel() for name in params], dtype=np.float64)

    def keep(intermediate_result: Any) -> None:
        history.append({"epoch": len(history) + 1, "iteration": len(history) + 1, "loss": float(intermediate_result.fun)})

    start = np.concatenate([p.ravel() for p in params.values()], dtype=np.float64)
    options = {"maxiter": max_iter, "maxfun": max_fun, "gtol": tol}
    with np.errstate(over="ignore", invalid="ignore"), use_threads(threads), network.engine.sharing():
        result = minimize(loss_and_gradient, start, method="L-BFGS-B", jac=True, options=options, callback=keep)
    put(result.x)
    if not len(history):
        keep(result)
    if not np.isfinite(result.fun):
        raise DivergedError("The loss of L-BFGS is not finite: scale the inputs, or take another solver.")
    return history, None if result.status == 0 else str(result.message)
