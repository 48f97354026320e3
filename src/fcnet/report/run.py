"""The report of a run."""

from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np

from fcnet import plots
from fcnet.doctor.finding import Finding, read_findings
from fcnet.doctor.fixing import read_fixes
from fcnet.experiments.attendance import findings_of
from fcnet.experiments.config import Config
from fcnet.experiments.folder import FINDINGS, FIXES, MODEL, PREDICTIONS, REPORT, read_status
from fcnet.experiments.importance import read_importance
from fcnet.experiments.members import how_trained
from fcnet.experiments.predictions import read_predictions
from fcnet.experiments.results import first_network, read_history, read_metrics, read_state
from fcnet.experiments.scores import chosen_by, is_of_numbers, score_of, threshold_words
from fcnet.files import write_atomic
from fcnet.model import Model
from fcnet.model_file import load
from fcnet.report.calibration import calibration
from fcnet.report.errors import errors_of
from fcnet.report.findings.pictures import pictures
from fcnet.report.findings.seen import Seen
from fcnet.report.importance import importance
from fcnet.report.page import page
from fcnet.report.table import about_table, figures
from fcnet.report.weights import as_png, averages_channels, first_layer
from fcnet.training.history import History
from fcnet.training.metrics import class_counts, f1_scores
from fcnet.training.smoothness import has_structure
from fcnet.training.trainer import TRAIN_ROWS
from fcnet.types import Array
from fcnet.words import duration_words

LARGEST_MATRIX = 30  # classes; above this a table is no longer a picture
MOST_CLASSES, MOST_CONFUSIONS = 100, 20  # that are listed


def write_report(run: Path, out: Path | None = None) -> Path:
    """Write ``report.html`` in the folder of a run, or the page `out`, from what is in that folder alone; return its path.

    Of a run that is not finished it says how it stands, and shows what there is: the curves as far as they go, and those of the
    epoch in which it diverged, if it did.

    Raises
    ------
    FileFormatError
        If `run` is not a run folder, or a file of it is damaged.
    """
    config, state, curves_of = Config.read(run), read_state(run), first_network(run)
    history = read_history(curves_of)
    metrics = read_metrics(run) if state.kind == "finished" else None
    model = load(run / MODEL) if metrics or (run / MODEL).exists() else None
    predictions, part = read_predictions(run / PREDICTIONS) if metrics else (None, "")
    found = read_importance(run) if metrics else None
    of_classes = predictions if predictions and "labels" in predictions else None
    unfinished = read_status(run).get("batches", [])
    classes = model.classes if of_classes and model else []
    seen = Seen(history, unfinished, of_classes if classes else None, part, classes)
    charts, findings = _charts(history, unfinished), _findings(run, metrics)
    several = curves_of != run
    drawn = [None] * len(findings) if several else pictures([finding for finding, _ in findings], seen)
    html = page(
        "report.html",
        title=run.resolve().name,
        config=config,
        state=state,
        metrics=metrics,
        score=score_of(metrics or {}),
        chosen=chosen_by((metrics or {}).get("monitor"), metrics or {}),
        so_far={} if config.members() else _so_far(history, config.settings.training.n_epochs),
        timings=_timings(metrics) if metrics else {},
        settings={"run": config.options()} | config.settings.grouped(of_numbers=is_of_numbers(metrics or {})),
        charts=charts,
        curves_of=str(curves_of.relative_to(run)) if several else "",
        sample=TRAIN_ROWS,
        how=how_trained(config, metrics) if metrics else "",
        several=model is not None and bool(model.network.checkpoints),
        weights=first_layer(model) if model else None,
        averaged=model is not None and averages_channels(model),
        part=part,
        templates=_templates(model) if model else None,
        figures=figures(metrics) if metrics else {},
        about=about_table(metrics, model) if metrics and model else None,
        findings=[(*said, picture) for said, picture in zip(findings, drawn, strict=True)],
        fixes=read_fixes(run / FIXES),
        importance=importance(found, model) if found and model else None,
        classes=_classes(of_classes, model.classes) if of_classes and model else None,
        calibration=calibration(of_classes, model.classes) if of_classes and model else None,
        threshold=threshold_words(metrics or {}),
        largest_matrix=LARGEST_MATRIX,
        mistakes=_mistakes(of_classes, model) if of_classes and model else None,
        errors=errors_of(predictions, model, metrics["target"])
        if predictions and metrics and not of_classes and model
        else None,
    )
    out = out or run / REPORT
    write_atomic(out, html)
    return out


def _findings(run: Path, metrics: dict[str, Any] | None) -> list[tuple[Finding, str]]:
    """Return what the doctor found, without what the page says by the metrics, and of an ensemble in how many networks."""
    if metrics and (members := metrics.get("members")):
        return [(finding, f", in {n} of {len(members)} networks") for finding, n in findings_of(run, metrics)]
    if not (run / FINDINGS).exists():
        return []
    said = [" ".join(sentences) for sentences in (metrics or {}).get("warnings", {}).values()]
    return [(finding, "") for finding in read_findings(run / FINDINGS) if finding.message not in said]


def _charts(history: History, unfinished: list[dict[str, Any]]) -> list[str]:
    """Draw what there is; `unfinished` are the batches of an epoch that was not."""
    batches = History([*history, {"batches": unfinished}])
    if not batches.batch_column("loss"):
        return []
    of_epochs = [(plots.plot_accuracy, history), (plots.plot_epoch_loss, history)] if len(history) else []
    figures = [(plots.plot_loss, batches), *of_epochs, (plots.plot_learning_rate, batches)]
    return [plots.to_svg(figure(rows), "var(--ink)") for figure, rows in figures]


def _so_far(history: History, n_epochs: int | None) -> dict[str, str]:
    """Return what a history says of a run that is not finished: numbers, and what they are."""
    done, last = f"{len(history)} of {n_epochs}" if n_epochs else f"{len(history)}", history[-1] if len(history) else {}
    numbers, score = {"epochs done": done}, score_of(last)
    validation = [row[f"val_{score.name}"] for row in history if f"val_{score.name}" in row]
    if validation:
        numbers[f"best validation {score.words} so far"] = score.shown(max(validation), 1)
    if f"train_{score.name}" in last:
        numbers[f"training {score.words} of the last epoch"] = score.shown(last[f"train_{score.name}"], 1)
    return numbers


def _timings(metrics: dict[str, Any]) -> dict[str, str]:
    names = {"training": "fit_seconds", "preparing the inputs": "feature_seconds", "in all": "total_seconds"}
    timings = {name: duration_words(metrics[key]) for name, key in names.items()}
    if metrics["peak_memory_mb"] is not None:  # not every system tells
        timings["peak memory"] = f"{metrics['peak_memory_mb']:,.0f} MB"
    return timings


def _templates(model: Model) -> dict[str, str] | None:
    """Return a picture for each class of the product of all weights, if they are of pixels and have structure."""
    network, shape = model.network, model.image_shape
    if shape is None or not model.preprocessor.keeps_pixels:
        return None
    plain = network.normalisation == "none" and network.activation != "exp"
    if not plain or len(model.classes) > LARGEST_MATRIX:
        return None
    product = reduce(np.matmul, (network.params[layer.W] for layer in network.affine))
    images = (product - product.mean(axis=1, keepdims=True)).T.reshape(-1, *shape)
    if not has_structure(images).any():
        return None
    largest = np.abs(images).reshape(len(images), -1).max(axis=1).reshape(-1, 1, 1, 1)
    images = 127.5 + 127.5 * images / np.where(largest > 0, largest, 1)
    return dict(zip(model.classes, map(as_png, images), strict=True))


def _classes(predictions: dict[str, Array], names: list[str]) -> dict[str, Any]:
    """Return how well each class is predicted, the worst first where they are many, and what is taken for what.

    The rows have the cells of the confusion matrix where it is no larger than can be read; `confusions` are the most frequent.
    """
    n, labels, predicted = len(names), predictions["labels"], predictions["predicted"]
    counts_of_classes = class_counts(predicted, labels, n)
    of, _, right = counts_of_classes.astype(int)
    pairs, counts = np.unique(n * labels + predicted, return_counts=True)
    true, taken_for = np.divmod(pairs, n)
    shares, f1 = right / np.maximum(of, 1), f1_scores(counts_of_classes)
    rows: list[dict[str, Any]] = [
        {"name": names[i], "right": int(right[i]), "of": int(of[i]), "recall": float(shares[i]), "f1": float(f1[i])}
        for i in (range(n) if n <= LARGEST_MATRIX else np.lexsort((shares, of == 0))[:MOST_CLASSES])
    ]
    if n <= LARGEST_MATRIX:
        matrix = np.zeros((n, n), int)
        matrix[true, taken_for] = counts
        for row, cells in zip(rows, matrix, strict=True):
            row["cells"] = [{"count": int(count), "share": count / max(1, row["of"])} for count in cells]
    order = [i for i in np.lexsort((-counts / of[true], -counts)) if true[i] != taken_for[i]][:MOST_CONFUSIONS]
    confusions = [
        {"is": names[true[i]], "predicted": names[taken_for[i]], "count": int(counts[i]), "share": counts[i] / of[true[i]]}
        for i in order
    ]
    return {"n": n, "rows": rows, "confusions": confusions}


def _mistakes(predictions: dict[str, Array], model: Model) -> list[dict[str, Any]] | None:
    if model.image_shape is None:
        return None
    mistakes = []
    for row, inputs in zip(predictions["mistakes"], predictions["mistake_inputs"], strict=True):
        predicted = predictions["predicted"][row]
        mistakes.append(
            {
                "picture": as_png(inputs.reshape(model.image_shape) * (255 / model.max_value)),
                "label": model.classes[predictions["labels"][row]],
                "predicted": model.classes[predicted],
                "probability": float(predictions["probabilities"][row, predicted]),
                "row": int(row),
            }
        )
    return mistakes
