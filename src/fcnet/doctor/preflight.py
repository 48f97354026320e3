"""What can be said before training, in seconds: of the data, of the network, and of how one goes with the other."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from fcnet.doctor import network_checks
from fcnet.doctor.finding import Finding
from fcnet.doctor.relation_checks import relations
from fcnet.doctor.rows import Rows
from fcnet.doctor.scale_checks import scales
from fcnet.doctor.split_checks import duplicates, other_scale
from fcnet.doctor.value_checks import classes, constant_columns, sound_rows
from fcnet.errors import InputError
from fcnet.nn.checks import check_inputs
from fcnet.nn.loss import Loss
from fcnet.nn.losses import get_loss
from fcnet.nn.network import FullyConnectedNet
from fcnet.nn.tabular_network import TabularNet
from fcnet.types import Array

SCALES = ("inputs", "targets")


def preflight(network: FullyConnectedNet, X: Any, y: Any, *val: Any, **settings: Any) -> list[Finding]:
    """Return what is found in data and network before training, as `looked_at` does."""
    return looked_at(network, X, y, *val, **settings)[1]


def looked_at(
    network: FullyConnectedNet,
    X: Any,
    y: Any,
    X_val: Any = None,
    y_val: Any = None,
    *,
    begins: bool | None = None,
    judged: Collection[str] = SCALES,
    names: Sequence[str] = (),
    seed: int = 0,
) -> tuple[Rows, list[Finding]]:
    """Return the rows whose values and labels are sound, and what is found in data and network before training.

    Parameters
    ----------
    network : FullyConnectedNet
        Left as it is.
    X, y : arrays (n, n_inputs) and (n,) or (n, n_outputs)
        Training rows as the network is given them.
    X_val, y_val : optional
        Likewise, to validate on.
    begins : bool, optional
        Whether the network is untrained, so that its initial values are looked at; by default where the biases of each layer
        are all the same.
    judged : collection of {"inputs", "targets"}
        What has to be in the scale that networks begin best with; anything else is scaled by the training.
    names : sequence of str
        What the inputs are called in messages; their numbers by default.
    seed : int
        Of the rows that are drawn where there are many.

    Raises
    ------
    InputError
        If shapes do not fit.
    """
    rng = np.random.default_rng(seed)
    n_numbers = network.n_numbers if isinstance(network, TabularNet) else network.layer_sizes[0]
    own: dict[str, Any] = {"n_inputs": network.layer_sizes[0], "dtype": network.dtype}
    rows = rows_of(network.loss, network.n_classes, X, y, X_val, y_val, n_numbers=n_numbers, **own)
    rows = replace(rows, names=names)
    begins = network_checks.begins(network) if begins is None else begins
    rows, found = data_findings(rows, rng, judged, network if begins else None)
    if not len(rows.y):
        return rows, found
    is_scaled = all(finding.code != "unscaled-data" or finding.severity == "note" for finding in found)
    return rows, [*found, *network_checks.network_findings(network, rows, rng, begins=begins, is_scaled=is_scaled)]


def data_findings(
    rows: Rows, rng: np.random.Generator, judged: Collection[str] = SCALES, network: FullyConnectedNet | None = None
) -> tuple[Rows, list[Finding]]:
    """Return the rows that are sound, and what is found in the data, for a network as it begins if there is one."""
    rows, found = sound_rows(rows)
    if len(rows.y):
        reach = None if network is None else network_checks.reach(network, rows.sample(rng, network_checks.ROWS).X)
        found += [*classes(rows), *constant_columns(rows), *duplicates(rows, rng), *scales(rows, rng, judged, reach)]
        off = list(other_scale(rows, rng))
        found += [*off, *relations(rows, rng, compares=not off)]
    return rows, found


def rows_of(
    loss: Loss,
    n_outputs: int,
    X: Any,
    y: Any,
    X_val: Any = None,
    y_val: Any = None,
    *,
    n_numbers: int,
    n_inputs: int,
    dtype: Any = np.float32,
) -> Rows:
    """Return rows whose shapes have been checked, or raise InputError; two classes with one output become two classes."""
    if (X_val is None) != (y_val is None):
        raise InputError("X_val and y_val go together: give both or neither.")
    X, y = _part(loss, X, y, "", n_inputs, dtype)
    rows = Rows(X, y, loss, n_outputs, n_numbers=n_numbers)
    if X_val is not None and X_val.shape[0] == 0:
        X_val = y_val = None
    if X_val is not None:
        X_val, y_val = _part(loss, X_val, y_val, "_val", n_inputs, dtype)
        rows = replace(rows, X_val=X_val, y_val=y_val)
    parts = [y] if y_val is None else [y, y_val]
    if loss.is_of_two_classes(n_outputs) and not loss.one_label and all((part == np.floor(part)).all() for part in parts):
        flat = [part[:, 0] for part in parts]
        rows = replace(rows, y=flat[0], y_val=flat[-1] if len(flat) > 1 else None, loss=get_loss("cross_entropy"), n_outputs=2)
    return rows


def _part(loss: Loss, X: Any, y: Any, which: str, n_inputs: int, dtype: Any) -> tuple[Any, Array]:
    X, y = check_inputs(X, n_inputs, f"X{which}"), np.asarray(y)
    if y.ndim == 1 and not loss.one_label:
        y = y[:, np.newaxis]
    if y.shape[:1] != X.shape[:1] or y.ndim != (1 if loss.one_label else 2) or y.dtype.kind not in "fiub":
        raise InputError(f"y{which} must hold numbers, a label or a row of targets for each row of X{which}, got {y.shape}.")
    with np.errstate(over="ignore"):
        return X.astype(dtype, copy=False), y
