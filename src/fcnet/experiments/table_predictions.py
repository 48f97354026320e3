"""Predictions for the rows of tables, as lines of text."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from fcnet.data.table_file import read_table
from fcnet.errors import FcnetError, InputError
from fcnet.features import TableFeatures
from fcnet.persist import Model

Prediction = tuple[str, list[float]]  # a class, and the probability of each


def predict_tables(model: Model, table: TableFeatures, files: Iterable[Path], say: Callable[[str], None]) -> list[Prediction]:
    """Return the class and the probabilities of each row of `files`, in their order.

    Parameters
    ----------
    model : Model
    table : TableFeatures
        Its preparation.
    files : iterable of Path
        Tables with the columns that the model was trained on, in any order; others are left aside.
    say : callable
        Told in a line of categories that no training row had.

    Raises
    ------
    FcnetError
        If a file cannot be read or a column does not fit.
    """
    known = {name for name, categories in table.columns if categories is not None}
    names = {name for name, _ in table.columns}
    predicted: list[Prediction] = []
    for file in files:
        frame = read_table(file, known, names.__contains__)
        try:
            probabilities = model.predict_proba(frame)
        except InputError as error:
            raise FcnetError(f"{file}: {error}") from None
        for name, n in table.unknown(frame).items():
            say(f"{file}: {n:,} of {len(frame):,} values of {name!r} were in no training row; they count as no category")
        predicted += [(model.classes[row.argmax()], [round(value, 6) for value in row.tolist()]) for row in probabilities]
    return predicted


def to_csv(classes: Sequence[str], predicted: Iterable[Prediction]) -> str:
    """Return a line of names, ``class`` and the classes, and one for each row."""
    lines = io.StringIO()
    csv.writer(lines, lineterminator="\n").writerows([["class", *classes], *([label, *row] for label, row in predicted)])
    return lines.getvalue()


def to_json_lines(classes: Sequence[str], predicted: Iterable[Prediction]) -> str:
    """Return an object a line, with ``class`` and ``probabilities``."""
    return "".join(
        json.dumps({"class": label, "probabilities": dict(zip(classes, row, strict=True))}) + "\n" for label, row in predicted
    )
