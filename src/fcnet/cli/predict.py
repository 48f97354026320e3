"""``fcnet predict``."""

import json
import sys
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fcnet.cli.group import Command
from fcnet.cli.messages import show_error
from fcnet.cli.model import model_of
from fcnet.cli.options import decimal_settings, encoding_option, json_option, run_argument, threads_option
from fcnet.errors import FcnetError, FileFormatError, SettingError

if TYPE_CHECKING:
    from fcnet.model import Model
    from fcnet.types import Array


@click.command(cls=Command)
@run_argument
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="FILE", help="For tables: write the predictions to a .csv file."
)
@click.option("--keep", multiple=True, metavar="COLUMN,…", help="For tables: columns to copy beside the predictions.")
@click.option("--row-numbers", is_flag=True, help="For tables: number the rows of each file, from 1, in a column row.")
@encoding_option
@click.option("--decimal", **decimal_settings, help="The decimal sign in a .csv or .tsv.  [default: that of the training file]")
@threads_option
@json_option
def predict(
    run: Path,
    files: Sequence[Path],
    out: Path | None,
    keep: Sequence[str],
    row_numbers: bool,
    encoding: str,
    decimal: str,
    as_json: bool,
) -> None:
    """Predict the class of the pictures FILES, or the class or number of the rows of tables, by the model of RUN.

    RUN is a run folder, the folder of a sweep, whose ensemble predicts, or a model file such as linear.safetensors.

    A folder stands for all pictures in it and in its folders. Pictures are scaled to the size of the training images, and
    should look like them: for a model of the digits light on dark, and cropped close. Transparent parts are read as white. For
    each row of a table a line of CSV is printed: its class, and the probability of each class, or in a regression its number,
    or each of its quantiles. The name - reads a table from standard input.
    """
    model = model_of(run)
    options = {"keep": keep, "row_numbers": row_numbers, "encoding": encoding, "decimal": decimal}
    if model.preprocessor.columns:
        _predict_tables(model, files, out, as_json, **options)
    else:
        _predict_pictures(run, model, files, as_json, out=out, **options)


def _predict_tables(model: "Model", files: Sequence[Path], out: Path | None, as_json: bool, **options: Any) -> None:
    from fcnet.data.images import is_picture
    from fcnet.experiments.table_predictions import predict_tables
    from fcnet.files import write_atomic

    if picture := next(filter(is_picture, files), None):
        raise FileFormatError(f"{picture} is a picture, and the model was trained on a table: give it rows of that.")

    if out and not out.parent.is_dir():
        raise FcnetError(f"There is no folder {out.parent}.")
    predicted = predict_tables(model, files, **options)
    text = predicted.to_json_lines() if as_json else predicted.to_csv()
    if out:
        write_atomic(out, text)
    else:
        click.echo(text, nl=False)


def _predict_pictures(run: Path, model: "Model", files: Sequence[Path], as_json: bool, **options: Any) -> None:
    from fcnet.data.table import options_given
    from fcnet.data.table_file import is_table
    from fcnet.experiments.folder import MODEL
    from fcnet.experiments.picture_predictions import predict_pictures

    call = f"call fcnet.load({str(run if run.is_file() else run / MODEL)!r}).predict(X)"
    if model.image_shape is None:
        raise FcnetError(f"{run} was trained neither on images nor on a table: {call}.")
    if any(options.values()):
        raise SettingError(f"{options_given(options)} for tables.")
    if (channels := model.image_shape[2]) not in (1, 3):
        raise FcnetError(
            f"{run} was trained on images of {channels} channels, and picture files have 1 or 3: {call} on rows of "
            f"{model.n_inputs:,} values."
        )
    if table := next(filter(is_table, files), None):
        raise FileFormatError(f"{table} is a table, and {run} was trained on images: give it pictures.")
    failed = False
    for file, found in predict_pictures(model, files):
        if isinstance(found, FileFormatError):
            show_error(found)
            failed = True
        else:
            click.echo(_line(file, model.classes, found, as_json))
    sys.exit(1 if failed else 0)


def _line(file: Path, classes: Sequence[str], probabilities: "Array", as_json: bool) -> str:
    ranked = {classes[i]: float(probabilities[i]) for i in probabilities.argsort()[::-1]}
    if as_json:
        rounded = {name: round(probability, 6) for name, probability in ranked.items()}
        return json.dumps({"file": str(file), "class": next(iter(ranked)), "probabilities": rounded})
    return f"{file}: {', '.join(f'{name} {probability:.1%}' for name, probability in islice(ranked.items(), 3))}"
