"""The findings for a network and its data, and for its history if there is one."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from msgspec.structs import replace

from fcnet.doctor import network_checks
from fcnet.doctor.course import Course
from fcnet.doctor.curve import SCORES, Curve, chance_of
from fcnet.doctor.finding import Finding, Findings
from fcnet.doctor.first_layer import first_weights, with_first_layer
from fcnet.doctor.fit_rules import held_down
from fcnet.doctor.judge import judge
from fcnet.doctor.looks import gains_of
from fcnet.doctor.prediction_checks import OF_BASELINES, beside, prediction_findings
from fcnet.doctor.preflight import looked_at
from fcnet.doctor.reference import reference
from fcnet.doctor.rows import Rows, some
from fcnet.doctor.unit_rules import stuck_findings
from fcnet.errors import InputError
from fcnet.nn.network import FullyConnectedNet
from fcnet.types import Array

SAME = 1e-3  # share of a loss, of which rounding and rows in other batches make less


def network_findings(
    network: FullyConnectedNet,
    *given: Any,
    begins: bool | None = None,
    history: Sequence[Mapping[str, Any]] = (),
    image_shape: Sequence[int] | None = None,
    has_curve: bool = True,
    scaled: Callable[[Array], Array] | None = np.asarray,
    settings: Mapping[str, Any] | None = None,
    kept: int | None = None,
    **options: Any,
) -> list[Finding]:
    """Return what is found in data and network, and of one that is trained in its predictions for validation rows.

    With its `history` that is judged, too, and with `image_shape` the weights of its first layer. Where the history has no
    more than a loss for each epoch, one that still falls is a note: what others than the training rows make of it is not known.
    Losses are of targets that were `scaled`, which is None where rows counted differently: then that of chance is not known.
    The parameters are those of the epoch `kept`, where that is not the last.
    """
    if not all(isinstance(row, Mapping) and isinstance(row.get("loss"), int | float) for row in history):
        raise InputError("history must hold a row for each epoch, a mapping with its loss, as Trainer.fit returns it.")
    weights = None if image_shape is None else first_weights(network, image_shape)
    begins = not len(history) and network_checks.begins(network) if begins is None else begins
    rows, found = looked_at(network, *given, begins=begins, **options)
    if diverged := _diverged(network, history):
        return [*found, diverged]
    if begins or not len(rows.y):
        return found
    judged = _of_history(network, rows, history, scaled, settings or {}, kept) if len(history) else Findings()
    if image_shape is not None and weights is not None:
        judged = with_first_layer(judged, weights, image_shape)
    predicted = beside(judged, prediction_findings(network, rows, np.random.default_rng(0)))
    failed = any(each.code in OF_BASELINES for each in predicted)  # and then what kept it from learning is more than a note
    notes = () if has_curve or failed else ("stopped-early", "batch-too-large")
    if failed:
        few = network.check_data(*some(rows.X, rows.y, np.random.default_rng(0), network_checks.ROWS))[0]
        found += [*stuck_findings(network, few), *held_down(gains_of(network), settings or {})]
    return [*found, *(replace(each, severity="note") if each.code in notes else each for each in judged), *predicted]


def _diverged(network: FullyConnectedNet, history: Sequence[Mapping[str, Any]]) -> Finding | None:
    wrong = [name for name, values in network.params.items() if not np.isfinite(values).all()]
    epochs = [number for number, row in enumerate(history, 1) if not np.isfinite(row["loss"])]
    if not wrong and not epochs:
        return None
    what = f"The loss is not finite from epoch {epochs[0]} on" if epochs else f"Not all values of {', '.join(wrong)} are finite"
    return Finding(
        code="diverged",
        severity="error",
        message=f"{what}: the training diverged.",
        evidence={"epoch": epochs[0] if epochs else None, "parameters": wrong},
        remedy="Scale the inputs, and try a smaller learning_rate.",
        settings={"scaling": "standard"},
    )


def _of_history(
    network: FullyConnectedNet,
    rows: Rows,
    history: Sequence[Mapping[str, Any]],
    scaled: Callable[[Array], Array] | None,
    settings: Mapping[str, Any],
    kept: int | None,
) -> Findings:
    X, y = network.check_data(rows.X, rows.y)
    n_val, other = None, None
    if rows.X_val is not None and rows.y_val is not None and len(rows.y_val):
        n_val, other = len(rows.y_val), network.check_data(rows.X_val, rows.y_val)
    chance = None if scaled is None else chance_of(network.loss, scaled(y), network.n_classes)
    curve = Curve(history, chance, n_val)
    at_end: dict[str, float] = {}  # what the curve does not say, of the network that came of it
    if chance and any(settings.values()) and not len(curve.column("train_loss")) and curve.has_settled:
        # What the penalty adds shows beside the loss without it, which is relative as targets may have been scaled.
        own, its_chance = float(network.loss.value(network.logits(X), y)), chance_of(network.loss, y, network.n_classes)
        at_end |= {"train_loss": chance * own / its_chance} if its_chance else {}
    if other is not None and curve.gap is None and (score := network.loss.metric) in SCORES:
        parts = {f"train_{score}": (X, y), f"val_{score}": other}
        at_end |= {name: network.loss.score(network.logits(part), labels) for name, (part, labels) in parts.items()}
        if chance and not len(curve.column("val_loss")):
            of_chance = chance_of(network.loss, other[1], network.n_classes)
            at_end |= {
                "val_loss": chance * float(network.loss.value(network.logits(other[0]), other[1])) / (of_chance or chance)
            }
    elif other is not None:
        kept = _kept(network, *other, history) if kept is None else kept
    curve = Curve([*history[:-1], {**history[-1], **at_end}], chance, n_val, kept)
    known = {"hidden_sizes": network.layer_sizes[1:-1], **settings}
    return judge(Course(curve), lambda: None if other is None else reference(network, X, y, *other), known)


def _kept(network: FullyConnectedNet, X_val: Array, y_val: Array, history: Sequence[Mapping[str, Any]]) -> int | None:
    """Return the number of the epoch that has the validation loss of a network, and so its parameters; None of none."""
    losses = np.array([row.get("val_loss", np.nan) for row in history], float)
    apart = np.abs(losses - network.loss.value(network.logits(X_val), y_val))
    if not (apart <= SAME * np.abs(losses)).any():
        return None
    return int(np.nanargmin(apart)) + 1
