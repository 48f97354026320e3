"""The report: one HTML file that shows how a run went, and opens offline."""

import base64
import io
import re
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fcnet import plots
from fcnet.errors import FcnetError
from fcnet.experiments.run import (
    MODEL,
    REPORT,
    Config,
    read_history,
    read_metrics,
    read_predictions,
)
from fcnet.persist import Model, load, write_atomic
from fcnet.types import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LARGEST_MATRIX = 30  # classes; above this a table is no longer a picture


def write_report(run: Path) -> Path:
    """Write ``report.html`` in the folder of a finished run, from what is in that folder alone; return its path.

    Raises
    ------
    FileFormatError
        If the run is not finished, or a file of it is damaged.
    FcnetError
        If the libraries that draw it are not installed.
    """
    try:
        import jinja2
        import matplotlib
        import PIL  # noqa: F401  # drawn with further down
    except ImportError as error:
        raise FcnetError(f"The report needs {error.name}: pip install 'fcnet[report]'.") from None
    metrics, history, config, model = read_metrics(run), read_history(run), Config.read(run), load(run / MODEL)
    predictions, part = read_predictions(run)
    with matplotlib.rc_context({"svg.fonttype": "none", "font.size": 10}):
        charts = [
            _chart(figure(history))
            for figure in (plots.plot_loss, plots.plot_accuracy, plots.plot_epoch_loss, plots.plot_learning_rate)
        ]
    template = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(
        (resources.files("fcnet") / "templates" / "report.html").read_text(encoding="utf-8")
    )
    html = template.render(
        run=run.resolve().name,
        description=config.settings.description,
        metrics=metrics,
        timings={key: value for key, value in metrics.items() if key.endswith(("_seconds", "_mb"))},
        settings={k: v for k, v in asdict(config).items() if k != "settings"} | asdict(config.settings),
        charts=charts,
        weights=_weights(model),
        part=part,
        classes=_class_rows(predictions, model.classes),
        matrix=_matrix(predictions, model.classes),
        mistakes=_mistakes(predictions, model),
    )
    write_atomic(run / REPORT, html)
    return run / REPORT


def _chart(figure: "Figure") -> str:
    """Return a figure as SVG that takes its colours from the page."""
    text = io.StringIO()
    title = figure.axes[0].get_title()
    figure.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    svg = text.getvalue()[text.getvalue().index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)  # several figures on a page would repeat these
    svg = re.sub(r'^<svg [^>]*(viewBox="[^"]*")[^>]*>', rf'<svg \1 role="img" aria-label="{title}">', svg)
    return svg.replace(plots.INK, "var(--ink)")


def _png(pixels: Array) -> str:
    """Return an array (height, width, 1 or 3) of 0 to 255 as the address of a picture that is in the page itself."""
    from PIL import Image

    content = io.BytesIO()
    pixels = np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
    Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(content, "PNG")
    return "data:image/png;base64," + base64.b64encode(content.getvalue()).decode()


def _weights(model: Model) -> dict[str, Any] | None:
    if model.image_shape is None:
        return None
    W1 = model.network.params["W1"]
    images = plots.weight_images(W1, model.image_shape)
    return {"shown": len(images), "of": W1.shape[1], "picture": _png(plots.image_grid(images))}


def _confusion(predictions: dict[str, Array], n_classes: int) -> Array:
    counts = np.zeros((n_classes, n_classes), np.int64)
    np.add.at(counts, (predictions["labels"], predictions["probabilities"].argmax(axis=1)), 1)
    return counts


def _class_rows(predictions: dict[str, Array], classes: list[str]) -> list[dict[str, Any]]:
    counts = _confusion(predictions, len(classes))
    return [
        {
            "name": name,
            "right": int(counts[i, i]),
            "of": int(counts[i].sum()),
            "accuracy": counts[i, i] / max(1, counts[i].sum()),
        }
        for i, name in enumerate(classes)
    ]


def _matrix(predictions: dict[str, Array], classes: list[str]) -> list[dict[str, Any]]:
    if len(classes) > LARGEST_MATRIX:
        return []
    counts = _confusion(predictions, len(classes))
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return [
        {"name": name, "cells": [{"count": int(c), "share": float(s), "right": i == j} for j, (c, s) in enumerate(cells)]}
        for i, (name, cells) in enumerate(
            zip(classes, (zip(*pair, strict=True) for pair in zip(counts, shares, strict=True)), strict=True)
        )
    ]


def _mistakes(predictions: dict[str, Array], model: Model) -> list[dict[str, Any]]:
    if model.image_shape is None:
        return []
    mistakes = []
    for row, inputs in zip(predictions["mistakes"], predictions["mistake_inputs"], strict=True):
        probabilities = predictions["probabilities"][row]
        mistakes.append(
            {
                "picture": _png(inputs.reshape(model.image_shape) * (255 / model.max_value)),
                "label": model.classes[predictions["labels"][row]],
                "predicted": model.classes[probabilities.argmax()],
                "probability": float(probabilities.max()),
                "row": int(row),
            }
        )
    return mistakes
