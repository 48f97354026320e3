"""The page that compares runs."""

import os
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from fcnet.errors import FcnetError, FileFormatError
from fcnet.experiments.folder import MODEL, sweep_words
from fcnet.experiments.results import first_network, read_history
from fcnet.experiments.runs import RunRow, Runs, differing
from fcnet.experiments.scores import PARTS, SCORES
from fcnet.files import write_atomic
from fcnet.model_file import load
from fcnet.report.page import Cell, curve, epoch_ticks, page, rounded, setting, short_names, span, table
from fcnet.report.weights import averages_channels, first_layer
from fcnet.training.history import History
from fcnet.words import duration_words, number_words, without_credentials

GRIDS = 12  # runs whose weights are shown at most
SCORE_CURVES = {f"val_{name}": f"Validation {score.words}" for name, score in SCORES.items()}
CURVES = {**SCORE_CURVES, "val_loss": "Validation loss", "loss": "Training loss"}


def write_comparison(folders: Sequence[Path], out: Path) -> Path:
    """Write a page that compares runs, and return its path.

    Parameters
    ----------
    folders : sequence of Path
        Runs, or folders that have runs below them.
    out : Path

    Raises
    ------
    FileFormatError
        If a folder is no run and has none below it.
    """
    rows = list({row.run.resolve(): row for folder in folders for row in _runs_of(folder)}.values())
    names_of = _dataset_names(rows)
    rows.sort(key=lambda row: list(names_of).index(row.dataset))
    histories = [History()] * len(rows)
    for i, row in enumerate(rows):
        try:
            histories[i] = read_history(first_network(row.run))
        except FcnetError as error:
            rows[i] = replace(row, state="damaged", reason=str(error))
    above = Path(os.path.commonpath([row.run.resolve().parent for row in rows]))
    names = [str(row.run.resolve().relative_to(above)) for row in rows]
    settings = differing(rows)
    paths = short_names(dict.fromkeys(path for row in rows for path in settings[row.run]))
    cells = [
        _cells(name, row, {paths[p]: v for p, v in settings[row.run].items()}, names_of[row.dataset])
        for name, row in zip(names, rows, strict=True)
    ]
    charts = [
        _chart(key, dataset, rows, histories) | {"title": f"{CURVES[key]} by epoch{f', {name}' if name else ''}"}
        for dataset, name in names_of.items()
        for key in CURVES
    ]
    charts = [chart for chart in charts if any(chart["lines"])]
    ranges = {dataset: span(row.score("val") for row in rows if row.dataset == dataset) for dataset in names_of}
    html = page(
        "runs.html",
        {
            "items": [
                _item(name, row, cell) | {"range": ranges[row.dataset]}
                for name, row, cell in zip(names, rows, cells, strict=True)
            ],
            "curves": charts,
            "sign": 1,
            "picked": [],
        },
        title=f"{len(rows)} runs" if len(rows) > 1 else names[0],
        folder=above,
        curves=[chart["title"] for chart in charts],
        n_datasets=len(names_of),
        scores=" or ".join(dict.fromkeys(row.judge.words for row in rows)),
        table=table(cells),
        grids=_grids(names, rows),
    )
    write_atomic(out, html)
    return out


def _runs_of(folder: Path) -> list[RunRow]:
    rows = Runs(folder).rows()
    if not rows:
        none = f"{folder} is neither a run nor the study of a sweep, and there are no runs below it."
        raise FileFormatError(sweep_words(folder) or none)
    return rows


def _dataset_names(rows: Sequence[RunRow]) -> dict[str | None, str]:
    """Return the data sets of runs, and what each is called on the page; no name where there is one alone."""
    paths = dict.fromkeys(row.dataset for row in rows)
    names = {path: Path(path or "unknown data").name for path in paths}
    if len(set(names.values())) < len(names):
        names = {path: path or "unknown data" for path in paths}
    return names if len(names) > 1 else dict.fromkeys(paths, "")


def _chart(key: str, dataset: str | None, rows: Sequence[RunRow], histories: Sequence[History]) -> dict[str, Any]:
    """Return the learning curves of the runs on a data set; the others have none there."""
    lines = [
        curve([(r["epoch"], r.get(key)) for r in history]) if row.dataset == dataset else []
        for row, history in zip(rows, histories, strict=True)
    ]
    return {"lines": lines, "ticks": epoch_ticks(lines), "percent": key == "val_accuracy", "range": _range(key, lines)}


def _range(key: str, lines: Sequence[Sequence[tuple[int, float]]]) -> list[float] | None:
    """Return the range of a chart: the first epochs of accuracies and the worst losses are not what is looked at."""
    values = [value for line in lines for _, value in line]
    return span(values, high=False) if key in SCORE_CURVES else span(values, low=False)


def _cells(name: str, row: RunRow, settings: dict[str, Any], dataset: str) -> dict[str, Cell]:
    """Return the row of a table."""
    score, values = row.judge, {part: row.score(part) for part in PARTS}
    of_parts = {part: Cell() if value is None else Cell(score.shown(value), rounded(value)) for part, value in values.items()}
    return {
        "run": Cell(name),
        "state": Cell(row.state),
        "data": Cell(dataset),
        f"validation {score.words}": of_parts["val"],
        f"test {score.words}": of_parts["test"],
        **{path: setting(value) for path, value in settings.items()},
        f"training {score.words}": of_parts["train"],
        "training loss": Cell() if row.loss is None else Cell(number_words(row.loss), rounded(row.loss)),
        "epochs done": Cell(row.epochs_words, row.epochs) if row.epochs_words else Cell(),
        "time": Cell() if row.seconds is None else Cell(duration_words(row.seconds), rounded(row.seconds)),
        "what is wrong": Cell(without_credentials(row.reason.partition(". ")[0])),
    }


def _item(name: str, row: RunRow, cells: dict[str, Cell]) -> dict[str, Any]:
    """Return what charts have of a run; what they say of it is its row."""
    said = [f"{column} {cell.text}" for column, cell in cells.items() if cell.text and column not in ("run", "state", "data")]
    return {
        "says": f"{name}: {', '.join([row.state, *said])}",
        "value": rounded(row.score("val")),
        "whole": row.state == "finished",
    }


def _grids(names: Sequence[str], rows: Sequence[RunRow]) -> list[dict[str, Any]]:
    """Return the weights of the best runs, of each data set as many, as far as pictures can show them."""
    best, ranks = sorted(zip(names, rows, strict=True), key=lambda pair: -(pair[1].score("val") or 0.0)), Counter[str | None]()
    ranked = []
    for name, row in best:
        ranked.append((ranks[row.dataset], name, row))
        ranks[row.dataset] += 1
    grids = []
    for _, name, row in sorted(ranked, key=lambda each: each[0])[:GRIDS]:
        with suppress(FcnetError, OSError):  # of a run that has no model yet, or a damaged one, which its row says
            model = load(row.run / MODEL)
            if weights := first_layer(model):
                averaged = averages_channels(model)
                accuracy = "" if row.val_accuracy is None else row.judge.shown(row.val_accuracy)  # a regression has no images
                grids.append({"name": name, "accuracy": accuracy, "averaged": averaged, **weights})
    return grids
