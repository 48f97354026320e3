"""Draw the pictures of the doctor's findings, each from a training with that fault, by the code that draws them in reports."""

from typing import Any

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits, load_wine

import fcnet
from fcnet import FullyConnectedNet, Trainer
from fcnet.doctor.finding import Finding
from fcnet.doctor.inflight import Doctor
from fcnet.report.findings.pictures import picture
from fcnet.report.findings.seen import Drawn, Seen
from fcnet.training.history import History

LOGISTIC = {"activation": "logistic", "weight_init": "glorot"}
TRAININGS: dict[str, dict[str, Any]] = {
    "learning-rate-too-high": {"learning_rate": 0.5, "epochs": 5},
    "learning-rate-too-low": {"learning_rate": 1e-4},
    "stopped-early": {"epochs": 1, "learning_rate": 0.01},
    "batch-too-large": {"batches": "full"},
    "dead-units": {"hidden": [64, 64], "bias": -3.0},
    "saturated-units": {"hidden": [64, 64], "network": {"activation": "tanh", "weight_init": 5.0}},
    "vanishing-gradient": {"hidden": [30] * 7, "network": LOGISTIC},
    "exploding-gradient": {"hidden": [50] * 8, "network": {"weight_init": 0.6}, "learning_rate": 1e-7, "epochs": 2},
    "over-regularised": {"l2": 0.3},
    "over-fitting": {"rows": 100, "wrong": 20, "epochs": 60, "hidden": [200], "batch_size": 10},
    "under-capacity": {"hidden": [2], "epochs": 30, "batch_size": 32, "learning_rate": 0.02},
    "label-mistakes": {"wrong": 300, "epochs": 10, "learning_rate": 0.01},
    "one-class-predicted": {"l2": 3.0},
    "miscalibrated": {"rows": 100, "wrong": 20, "epochs": 60, "hidden": [200], "batch_size": 10},
}


def findings() -> dict[str, Drawn]:
    """Return the picture of each finding that a picture says something of."""
    return {f"finding-{code}": _drawn(code, *_trained(code, **program)) for code, program in TRAININGS.items()} | {
        f"finding-{code}": _drawn(code, found, Seen(History())) for code, found in _before_training().items()
    }


def _drawn(code: str, found: list[Finding], seen: Seen) -> Drawn:
    own = [finding for finding in found if finding.code == code]
    drawn = picture(own[0], seen) if own else None
    if drawn is None:
        raise ValueError(f"The training for {code} has {[finding.code for finding in found]}.")
    return drawn


def _trained(
    code: str,
    hidden: list[int] | None = None,
    network: dict[str, Any] | None = None,
    bias: float = 0.0,
    rows: int = 1000,
    wrong: int = 0,
    **training: Any,
) -> tuple[list[Finding], Seen]:
    """Train the digits, of which some labels are drawn anew, and return what is found and what its picture is drawn from."""
    X, y = load_digits(return_X_y=True)
    X = ((X - X.mean(axis=0)) / np.where(X.std(axis=0) > 0, X.std(axis=0), 1)).astype(np.float32)
    rng = np.random.default_rng(0)
    order, y = rng.permutation(len(y)), y.copy()
    for part in (order[:rows], order[1000:]):
        chosen = rng.choice(part, min(wrong, len(part)), replace=False)
        y[chosen] = rng.integers(10, size=len(chosen))
    train, val = order[:rows], order[1000:]
    hidden = hidden or [64]
    net = FullyConnectedNet([64, *hidden, 10], seed=0, engine="numpy", **network or {})
    for number in range(1, len(hidden) + 1):
        net.params[f"b{number}"][:] = bias
    given = X[train], y[train], X[val], y[val]
    doctor = Doctor({"hidden_sizes": hidden, "l2": training.get("l2", 0.0)}, given[2:])
    settings = {"epochs": 20, "batch_size": 50, "learning_rate": 0.05, "seed": 0, "keep_best": False} | training
    history = Trainer(**settings, callbacks=[doctor]).fit(net, *given)
    found = [*doctor.findings]
    if code not in [finding.code for finding in found]:
        found += fcnet.diagnose(net, *given)
    p = net.predict_proba(X[val])
    predictions = {"probabilities": p, "predicted": p.argmax(axis=1), "labels": y[val]}
    return found, Seen(history, (), predictions, "validation", [*"0123456789"])


def _before_training() -> dict[str, list[Finding]]:
    """Return findings in data and networks before training."""
    rng = np.random.default_rng(0)
    X, y = load_breast_cancer(return_X_y=True)
    X = ((X - X.mean(axis=0)) / X.std(axis=0)).astype(np.float32)
    told = X[:, :3] + rng.standard_normal((len(y), 3)), y[:, np.newaxis] + 0.05 * rng.standard_normal((len(y), 1))

    def found(sizes: list[int], X: Any, y: Any, weight_init: Any = "he") -> list[Finding]:
        return fcnet.diagnose(FullyConnectedNet(sizes, weight_init=weight_init, seed=0, engine="numpy"), X, y)

    return {
        "unscaled-data": found([13, 50, 3], *load_wine(return_X_y=True)),
        "uninformative-inputs": found([30, 50, 2], X, rng.permutation(y)),
        "leaking-feature": found([4, 50, 2], np.hstack(told), y),
        "init-too-large": found([30, 64, 64, 64, 2], X, y, 1.0),
        "init-too-small": found([30, 64, 64, 64, 2], X, y, 0.01),
    }
