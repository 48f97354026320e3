"""What follows a training: a linear model is blended in, the logits get a temperature, and two classes a threshold."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from fcnet.nn.each_network import logits_of_each
from fcnet.nn.loss import HALF
from fcnet.nn.network import FullyConnectedNet
from fcnet.nn.tabular_network import TabularNet
from fcnet.nn.unseen import meet_unseen
from fcnet.training.blend import blend
from fcnet.training.calibration import fit_temperature, multiply_logits
from fcnet.training.threshold import threshold_for
from fcnet.types import Array


@dataclass(frozen=True)
class Part:
    """Preprocessed rows (n, n_inputs), their targets in the unit of predictions, and how much each row counts."""

    X: Array
    y: Array
    weights: Array | None = None


@dataclass(frozen=True)
class Finished:
    """A network with what was chosen for it, and its logits of the validation rows, if there are any."""

    network: FullyConnectedNet
    linear_share: Array | None = None  # of all classes, or of each value; None without a linear model
    temperature: float = 1.0
    threshold: float = HALF
    val_logits: Array | None = None


def finish(
    network: FullyConnectedNet,
    train: Part,
    val: Part | None,
    *,
    blend_linear: bool,
    calibrate: bool,
    threshold: float | str,
    monitor: str,
    known: Finished | None = None,
    val_logits: Callable[[FullyConnectedNet], Array] | None = None,
) -> Finished:
    """Finish a network that has been trained, and is in the unit of its targets, by what validation rows choose.

    Parameters
    ----------
    network : FullyConnectedNet
        It is changed by the temperature; where a linear model is blended in, another network takes its place. A `TabularNet`
        learns first what to make of categories that the training rows do not have, see `fcnet.nn.unseen.meet_unseen`.
    train : Part
        Rows that the network was trained on, and that the linear model is fitted to.
    val : Part, optional
        Rows that choose. Without them nothing is blended in and the temperature stays 1, unless they are `known`.
    blend_linear : bool
        Whether to blend, in a `TabularNet`, see `fcnet.training.blend.blend`.
    calibrate : bool
        Whether to divide logits of classes by a temperature, see `fcnet.training.calibration.fit_temperature`.
    threshold : float or "auto"
        See `fcnet.training.threshold.threshold_for`; "auto" needs validation rows, or one that is `known`.
    monitor : str
        The metric that "auto" goes by.
    known : Finished, optional
        What was chosen before, for a network that was trained again on all rows.
    val_logits : callable, optional
        Returns the logits (n, k) of the validation rows by a network, where there is more to them, as means over views.

    Returns
    -------
    finished : Finished
    """
    share, temperature = (known.linear_share, known.temperature) if known else (None, 1.0)
    if isinstance(network, TabularNet):
        meet_unseen(network, train.X)
    if blend_linear and isinstance(network, TabularNet):
        X_val, y_val, val_weights = (None, None, None) if val is None else (val.X, val.y, val.weights)
        network, share = blend(
            *(network, train.X, train.y, X_val, y_val),
            weights=train.weights,
            val_weights=val_weights,
            share=share,
        )
    if known:
        multiply_logits(network, 1 / temperature)
    elif calibrate and network.loss.has_labels and val is not None:
        each = partial(val_logits, network) if val_logits else partial(logits_of_each, network, val.X)
        temperature = fit_temperature(network, each, val.y, val.weights)
    logits = None
    if val is not None:
        logits = val_logits(network) if val_logits else network.logits(val.X)
        threshold = threshold_for(threshold, monitor, network.loss, logits, val.y, val.weights)
    elif known:
        threshold = known.threshold
    return Finished(network, share, temperature, float(threshold), logits)
