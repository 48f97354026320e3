"""The course of a run, judged by what its folder has: the history, what the doctor saw in training, and how it ended."""

from collections.abc import Iterable
from pathlib import Path

from msgspec.structs import replace

from fcnet.data import Dataset
from fcnet.doctor.course import Course, input_size
from fcnet.doctor.curve import Curve, chance_of
from fcnet.doctor.finding import CODES, Finding, Findings, in_order
from fcnet.doctor.first_layer import with_first_layer
from fcnet.doctor.inflight import Doctor
from fcnet.doctor.judge import judge, judge_midway
from fcnet.doctor.looks import Look, unpacked, weight_names
from fcnet.doctor.reference import Reference, reference
from fcnet.doctor.rows import Rows
from fcnet.errors import DivergedError
from fcnet.experiments.attendance import advised
from fcnet.experiments.config import Config
from fcnet.experiments.first_looks import at_end, first_looks
from fcnet.experiments.folder import CHECKPOINT, MEMBERS, read_status
from fcnet.experiments.gradient import GradientDescent
from fcnet.experiments.job import outputs_of, scale_of
from fcnet.experiments.results import read_history, read_metrics, read_state
from fcnet.model import Model
from fcnet.preprocessing import Preprocessor
from fcnet.training.checkpoint import callbacks_of

_ORDER = list(CODES)
OF_COURSES = frozenset(_ORDER[_ORDER.index("learning-rate-too-high") : _ORDER.index("stopped-early") + 1])


def course_findings(
    run: Path,
    config: Config,
    data: Dataset,
    rows: Rows | None = None,
    preprocessor: Preprocessor | None = None,
    model: Model | None = None,
) -> Findings:
    """Return what is wrong with the training of a run, as the doctor says that was there.

    Where it was not, the history is judged, with looks at the first batches, which are trained again, and at the network
    that came of them. Of a run that has not come to its end nothing is said of its length. The networks of an ensemble are
    judged each.

    Parameters
    ----------
    run : Path
    config : Config
    data : Dataset
        That of the run.
    rows : Rows, optional
        As the network takes them, with targets in their unit; without them the history is all there is to judge.
    preprocessor : Preprocessor, optional
        That of the rows.
    model : Model, optional
        That of the run, if it has one.

    Raises
    ------
    FileFormatError
        If the folder is damaged.
    """
    training = config.settings.training
    if not isinstance(training, GradientDescent):
        return Findings()
    if members := config.members():
        parts = config.parts(data) if config.folds else [data] * len(members)
        folders = [run / MEMBERS / str(number) for number in range(1, len(members) + 1)]
        there = [each for each in zip(folders, members, parts, strict=True) if each[0].exists()]
        return _together([course_findings(*each) for each in there])
    loss, kind = training.loss_of(data), read_state(run).kind
    scale, history, status = scale_of(data, loss), read_history(run), read_status(run)
    y = scale.apply(data.y_train).astype(config.settings.dtype) if scale else data.y_train
    of_classes, divergence = training.class_weights(data), None
    weights = None if of_classes is None else of_classes[data.y_train]
    if kind == "diverged":
        reason, batches = status.get("reason", ""), status.get("batches", ())
        divergence = DivergedError(reason, batches, len(history) + 1, status.get("learning_rate"))
    kept = read_metrics(run)["best_epoch"] if kind == "finished" else None
    n_epochs = int(training.resolved(len(y), loss).epochs)
    network = model.network if model is not None and len(model.members) == 1 else None
    looks = looks_of(run)
    if not looks and rows is not None and preprocessor is not None:
        looks = first_looks(config, data, rows, preprocessor)
        if looks and network is not None and history:
            looks = at_end(looks, network, scale, rows.X, history[-1]["iteration"])
    course = Course(
        Curve(history, chance_of(loss, y, len(outputs_of(data, loss)), weights), len(data.y_val), kept),
        looks,
        divergence,
        None if rows is None else input_size(rows.X),
        n_epochs * len(history[0].get("batches", ())) if history else 0,
        stopped=kind == "finished" and len(history) < n_epochs,
    )
    if kind not in ("finished", "diverged"):
        return judge_midway(course)

    def others() -> Reference | None:
        if network is None or rows is None or rows.y_val is None or weights is not None:
            return None  # the others count all rows the same
        return reference(network, *network.check_data(rows.X, rows.y), *network.check_data(rows.X_val, rows.y_val))

    found = judge(course, others, advised(config.settings))
    if network is None or data.image_shape is None or not config.settings.preprocessing.keeps_pixels:
        return found
    return with_first_layer(found, network.params[weight_names(network)[0]], data.image_shape)


def looks_of(run: Path) -> list[Look]:
    """Return what the doctor has seen in the training of a run, as its checkpoint has it; nothing where it was not there."""
    return next((unpacked(kept["looks"]) for name, kept in callbacks_of(run / CHECKPOINT) if name == Doctor.__qualname__), [])


def _together(each: Iterable[Findings]) -> Findings:
    """Return the findings of the networks of an ensemble, which say of how many; a warning of few of them is a note."""
    of_networks = list(each)
    counted: dict[str, int] = {}
    for code in (finding.code for found in of_networks for finding in found):
        counted[code] = counted.get(code, 0) + 1
    first: list[Finding] = in_order(finding for found in of_networks for finding in found)
    said = {code: f" So it is in {n} of {len(of_networks)} networks." for code, n in counted.items()}
    few = {code for code, n in counted.items() if 2 * n < len(of_networks)}
    weighed = (replace(each, severity="note") if each.code in few and each.severity == "warning" else each for each in first)
    return in_order(replace(each, message=each.message + said[each.code]) for each in weighed)
