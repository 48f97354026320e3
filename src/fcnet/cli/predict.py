"""``fcnet predict``."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from fcnet.cli.group import Command
from fcnet.cli.messages import show_error, show_note
from fcnet.cli.options import encoding_option, json_option, run_argument, threads_option
from fcnet.cli.runs import model_of
from fcnet.errors import FcnetError, FileFormatError, SettingError

PICTURES_AT_ONCE = 256


@click.command(cls=Command)
@run_argument
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Of a table: write the predictions to a .csv.")
@click.option("--keep", multiple=True, metavar="COLUMN,…", help="Of a table: columns to hand on with the predictions.")
@encoding_option
@click.option(
    "--decimal", type=click.Choice([".", ","]), help="The decimal sign in a .csv or .tsv.  [default: that of the training file]"
)
@threads_option
@json_option
def predict(
    run: Path,
    files: Sequence[Path],
    out: Path | None,
    keep: Sequence[str],
    encoding: str | None,
    decimal: str | None,
    as_json: bool,
) -> None:
    """Say what is on the pictures FILES, or in the rows of tables, by the model of RUN.

    A folder stands for the pictures in it and in its folders. A picture of another size than the training images is scaled to
    theirs, and should look like them: for a model of the digits light on dark, and cut close. Transparent parts are read as
    white. Of a table each row gives a line: its class, and the probability of each class, as CSV. By the name - a table comes
    from standard input.
    """
    import numpy as np

    from fcnet.data.images import Remarks, picture_files, read_image, skipped_note
    from fcnet.data.table import options_given
    from fcnet.experiments.folder import MODEL

    model = model_of(run)
    if model.preprocessor.columns:
        _predict_tables(model, files, out, as_json, keep=keep, encoding=encoding or "", decimal=decimal or "")
        return
    if model.image_shape is None:
        raise FcnetError(
            f"{run} was trained neither on images nor on a table: call fcnet.load({str(run / MODEL)!r}).predict(X)."
        )
    given = {"out": out, "keep": keep, "encoding": encoding, "decimal": decimal}
    if any(given.values()):
        raise SettingError(f"{options_given(given)} for tables.")
    if model.image_shape[2] not in (1, 3):
        raise FcnetError(
            f"{run} was trained on images of {model.image_shape[2]} channels, and picture files have 1 or 3: call "
            f"fcnet.load({str(run / MODEL)!r}).predict(X) on rows of {model.n_inputs:,} values."
        )
    pictures, others = picture_files(files)
    remarks, unreadable = Remarks(), 0
    for start in range(0, len(pictures), PICTURES_AT_ONCE):
        read: list[tuple[Path, Any]] = []
        for file in pictures[start : start + PICTURES_AT_ONCE]:
            try:
                read.append((file, read_image(file, model.image_shape, model.max_value, remarks)))
            except FileFormatError as error:
                show_error(error)
                unreadable += 1
        if read:
            probabilities = model.predict_proba(np.array([image for _, image in read]))
            for (file, _), row in zip(read, probabilities, strict=True):
                _print_prediction(file, model.classes, row, as_json)
    for note in [*skipped_note(others), *remarks.notes()]:
        show_note(f"Note: {note}.")
    sys.exit(1 if unreadable else 0)


def _predict_tables(model: Any, files: Sequence[Path], out: Path | None, as_json: bool, **reading: Any) -> None:
    from fcnet.experiments.table_predictions import predict_tables
    from fcnet.files import write_atomic

    if out and not out.parent.is_dir():
        raise FcnetError(f"There is no folder {out.parent}.")
    predicted = predict_tables(model, files, show_note, **reading)
    text = predicted.to_json_lines() if as_json else predicted.to_csv()
    if out:
        write_atomic(out, text)
    else:
        click.echo(text, nl=False)


def _print_prediction(file: Path, classes: Sequence[str], probabilities: Any, as_json: bool) -> None:
    order = probabilities.argsort()[::-1]
    if as_json:
        ranked = {classes[i]: round(float(probabilities[i]), 6) for i in order}
        click.echo(json.dumps({"file": str(file), "class": classes[order[0]], "probabilities": ranked}))
    else:
        click.echo(f"{file}: {', '.join(f'{classes[i]} {probabilities[i]:.1%}' for i in order[:3])}")
