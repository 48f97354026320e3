"""Checks of a network before its first step."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from fcnet.doctor.finding import Finding
from fcnet.doctor.learning import constant_loss, learns_by_heart
from fcnet.doctor.rows import Rows
from fcnet.doctor.signals import probe_rows, spreads
from fcnet.doctor.unit_rules import dead_at_once
from fcnet.nn.gradcheck import gradient_check
from fcnet.nn.layers import Affine
from fcnet.nn.network import FullyConnectedNet
from fcnet.types import Array

ROWS, FEW_ROWS = 256, 8
ALIKE, SAME = 0.1, 1e-6  # deviation of units from their mean, as a share of their size
SHARED = 0.5  # share of the units of a layer that differ from one another
# By trials on digits, with one to four hidden layers: from a spread of 8 on results are worse, or below 0.003 in the last of
# two or more layers; one layer learns from the smallest weights.
TOO_LARGE, TOO_SMALL = 5.0, 3e-3
KEPT = 0.2  # gain of weights that are not too small, whatever activations do
LOSS_TIMES, LOSS_MORE = 2.0, 2.0
# By trials on digits, wine and breast cancer Adam does worse from 7 to 14 times the loss of a constant answer on, with two
# classes later, and momentum hardly.
FAR_LABELS, FAR_VALUES = 6.0, 10.0
WRONG, STEPS = 1e-3, (1e-5, 1e-3)  # relative error of a gradient, and steps of the numeric one


def network_findings(
    network: FullyConnectedNet, rows: Rows, rng: np.random.Generator, *, begins: bool, is_scaled: bool
) -> Iterator[Finding]:
    """Yield what is to be said of a network on rows that are sound, and of its initial values where it `begins`.

    A large initial loss is a note where rows are not scaled, which is its cause.
    """
    if not all(np.isfinite(values).all() for values in network.params.values()):
        return  # which is said of the training
    few = rows.sample(rng, ROWS)
    X, y = network.check_data(few.X, few.y)
    probe = probe_rows(network, X) if begins else X
    # Where weights are all but zero, or trained until the loss is, a gradient is lost in rounding.
    drawn = type(network)(**network.get_config() | {"weight_init": "he"})
    found = [*_symmetry(network), *_gradient(drawn, probe_rows(network, X)[:FEW_ROWS], y[:FEW_ROWS])]
    if begins:
        found += dead_at_once(network, probe) or _spread(network, probe)
        is_sound = not found
        found += _initial_loss(network, X, probe, y, may_warn=is_scaled and is_sound)
        found += learns_by_heart(network, probe, y) if is_sound else []
    yield from found


def _symmetry(network: FullyConnectedNet) -> Iterator[Finding]:
    params, layers = network.params, [layer.W for layer in network.affine]
    last = next(iter(network.layers[-1].parameters))
    layers = layers if layers[-1] == last else [*layers, last]  # heads of members
    for number, (name, following) in enumerate(pairwise(layers), 1):
        W, V = params[name], params[following]
        V = V if V.ndim == 2 else V.swapaxes(0, 1).reshape(V.shape[1], -1)
        units = W.shape[1]
        if units < 2:
            continue
        into, out, distinct = _unlike(W.T), _unlike(V), len(np.unique(np.hstack([W.T, V]), axis=0))
        if into >= ALIKE and distinct > SHARED * units:
            continue
        if into >= ALIKE:
            what = f"no more than {distinct:,} different weights among them"
        else:
            what = "the same weights" if max(into, out) < SAME else "nearly the same weights"
            what += f", which deviate from their mean by {into:.2g} of its size on the way in, and by {out:.2g} on the way out"
        yield Finding(
            code="symmetric-init",
            severity="error" if max(into, out) < ALIKE or distinct <= SHARED * units else "warning",
            message=f"The {units:,} units of hidden layer {number} have {what}: units that are alike learn the same.",
            evidence={"layer": number, "units": units, "distinct": distinct, "incoming": into, "outgoing": out},
            remedy="Draw the weights at random.",
            settings={"network.weight_init": "he"},
        )
        return


def _unlike(units: Array) -> float:
    """Return the deviation of vectors (n_units, d) from their mean, as a share of their root mean square; 0 of zeros."""
    size = float(np.sqrt(np.square(units, dtype=np.float64).mean()))
    return float(np.sqrt(np.square(units - units.mean(axis=0, dtype=np.float64)).mean())) / size if size else 0.0


def _gradient(network: FullyConnectedNet, X: Array, y: Array) -> Iterator[Finding]:
    wrong: dict[str, float] = {}
    for h in STEPS:  # a gradient that is right, but small beside rounding, agrees by longer steps
        with np.errstate(over="ignore", invalid="ignore"):
            found = gradient_check(network, X, y, method="projections", n_projections=4, h=h)
        found = {name: min(error, wrong.get(name, error)) for name, error in found.items()}
        wrong = {name: error for name, error in found.items() if not error < WRONG}
        if not wrong:
            return
    name = max(wrong, key=lambda each: wrong[each])
    yield Finding(
        code="wrong-gradient",
        severity="error",
        message=f"The gradient of {', '.join(wrong)} is not that of the loss: {name} differs from the numeric one by a "
        f"relative error of {wrong[name]:.2g}, and {WRONG:g} would be suspicious.",
        evidence={"relative_errors": wrong, "rows": len(X)},
        remedy="Look at the backward of the layers from the first of these parameters on, those of your own first; "
        "fcnet.gradient_check shows every parameter.",
    )


def _spread(network: FullyConnectedNet, X: Array) -> Iterator[Finding]:
    pairs = spreads(network, X)
    found = [after for _, after in pairs]
    if not found:
        return
    large = next((i for i, spread in enumerate(found, 1) if not spread <= TOO_LARGE), None)
    if large is not None:
        yield Finding(
            code="init-too-large",
            severity="warning",
            message=f"The initial weights are too large: what comes to the activation of hidden layer {large} spreads by "
            f"{found[large - 1]:.3g} over rows, for inputs of spread 1.",
            evidence={"spreads": found},
            remedy="Let weights begin with a deviation of sqrt(2 / inputs of the layer).",
            settings={"network.weight_init": "he"},
        )
    elif found[-1] < TOO_SMALL:
        gains = [after / before if before else 0.0 for before, after in pairs]
        layer = int(np.argmin(gains)) + 1
        by_activation = gains[layer - 1] > KEPT
        code, what = ("vanishing-gradient", "activations") if by_activation else ("init-too-small", "initial weights")
        init, alike = {"network.weight_init": "he"}, {"network.normalisation": "layer"}
        yield Finding(
            code=code,
            severity="warning" if len(found) > 1 else "note",
            message=f"The {what} leave little of the inputs: what comes to the activation of the last hidden layer spreads by "
            f"{found[-1]:.2g} over rows, for inputs of spread 1; the weights of hidden layer {layer} leave "
            f"{gains[layer - 1]:.2g} of what goes into them, the least share of all layers.",
            evidence={"spreads": found, "gains": gains},
            remedy="Take activation = relu, normalisation = layer, or fewer hidden layers."
            if by_activation
            else "Let weights begin with a deviation of sqrt(2 / inputs of the layer).",
            settings=alike if by_activation else init,
        )


def _initial_loss(network: FullyConnectedNet, X: Array, probe: Array, y: Array, *, may_warn: bool) -> Iterator[Finding]:
    """Yield whether the loss of rows is far from that of a constant answer: a note where it is the scale of inputs alone."""
    loss, constant = network.loss, constant_loss(network, y)
    (mean, error), (of_probe, its_error) = _loss(network, X, y), _loss(network, probe, y)
    by_ratio = loss.name == "squared_error"  # the constant loss of others may be near 0
    if not mean - 3 * error <= LOSS_TIMES * constant + (0 if by_ratio else LOSS_MORE):
        limit = FAR_VALUES * constant if by_ratio else FAR_LABELS * (constant + 1)
        what = f"ln {network.n_classes} = {np.log(network.n_classes):.3g}" if loss.one_label else "that of the mean"
        yield Finding(
            code="bad-initial-loss",
            severity="warning" if may_warn and not of_probe - 3 * its_error <= limit else "note",
            message=f"Before the first step the loss is {mean:.3g} ± {error:.1g}; the best answer that is the same for all "
            f"rows has {constant:.3g} ({what} where nothing is known).",
            evidence={"loss": mean, "error": error, "constant": constant, "of_scaled_inputs": of_probe},
            remedy="Scale inputs and targets, and let the last layer begin with small weights and with biases of zero.",
            settings={"network.weight_init": "he"},
            alternatives=[{"scaling": "standard"}],
        )


def _loss(network: FullyConnectedNet, X: Array, y: Array) -> tuple[float, float]:
    """Return the mean loss, and its standard error."""
    with np.errstate(over="ignore", invalid="ignore"):
        each = network.loss.losses(network.logits_of(X).copy(), y)
        return float(each.mean()), float(each.std() / np.sqrt(len(each)))


def begins(network: FullyConnectedNet) -> bool:
    """Return whether no step seems to have been taken: the biases of each layer are still the same, a lone one 0."""
    biases = [network.params[layer.b] for layer in network.layers if isinstance(layer, Affine)]
    return all((bias == bias[0]).all() and (len(bias) > 1 or not bias[0]) for bias in biases)


def reach(network: FullyConnectedNet, X: Array) -> float | None:
    """Return how far what comes to the first activation spreads over rows; None without hidden layers."""
    found = spreads(network, X.astype(network.dtype))
    return found[0][1] if found else None
