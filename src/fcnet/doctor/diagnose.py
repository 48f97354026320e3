"""The findings for a network, ours or scikit-learn's, and the data that it is for."""

from collections.abc import Mapping, Sequence
from typing import Any

from fcnet.doctor.estimators import estimator_findings
from fcnet.doctor.finding import Findings, concluded
from fcnet.doctor.networks import network_findings
from fcnet.errors import InputError
from fcnet.nn.network import FullyConnectedNet

CHECKED = "the data and the network"


def diagnose(
    thing: Any,
    X: Any,
    y: Any,
    X_val: Any = None,
    y_val: Any = None,
    *,
    history: Sequence[Mapping[str, Any]] = (),
    image_shape: Sequence[int] | None = None,
) -> Findings:
    """Return what is found in a network or an estimator and its data, as `fcnet.diagnose` says."""
    if hasattr(thing, "steps"):  # a pipeline
        before, thing = thing[:-1], thing[-1]
        X, X_val = (rows if rows is None or not len(before.steps) else before.transform(rows) for rows in (X, X_val))
    if isinstance(thing, FullyConnectedNet):
        return concluded(network_findings(thing, X, y, X_val, y_val, history=history, image_shape=image_shape), CHECKED)
    if len(history) or image_shape is not None:
        raise InputError("history and image_shape are for a network; an estimator knows its own: leave them out.")
    return concluded(estimator_findings(thing, X, y, X_val, y_val), CHECKED)
