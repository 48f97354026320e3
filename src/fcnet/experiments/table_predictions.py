"""Predictions for the rows of tables, as lines of text."""

import csv
import io
import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fcnet.data.cells import MISSING, Dialect, as_text, stripped, without
from fcnet.data.table_columns import guessed_commas
from fcnet.data.table_file import TableFile, chosen_columns, read_table
from fcnet.data.text_file import name_of
from fcnet.errors import FcnetError, SettingError
from fcnet.model import Model
from fcnet.nn.checks import check_results
from fcnet.nn.regression_losses import QuantileLoss
from fcnet.preprocessing import Preprocessor
from fcnet.preprocessing.table_cells import Places, is_boolean

ROW = "row"
_log = logging.getLogger(__name__)


@dataclass
class Predictions:
    """Of each row its class and the probabilities of all classes, and the texts of the columns that were to be kept.

    Of a regression `outputs` is its target, or its quantiles, and each row has no class and the values.
    """

    outputs: Sequence[str]
    has_classes: bool = True
    rows: list[tuple[str, list[float]]] = field(default_factory=list)
    kept: dict[str, list[Any]] = field(default_factory=dict)

    def to_csv(self) -> str:
        """Return a line of names, those kept, ``class`` and the classes, or the target, and one for each row."""
        lines, predicted = io.StringIO(), [*["class"] * self.has_classes, *self.outputs]
        names = [name if name not in predicted else f"input_{name}" for name in self.kept]
        kept = zip(*self.kept.values(), strict=True) if self.kept else [()] * len(self.rows)
        rows = ([*columns, *[label] * self.has_classes, *row] for columns, (label, row) in zip(kept, self.rows, strict=True))
        csv.writer(lines, lineterminator="\n").writerows([[*names, *predicted], *rows])
        return lines.getvalue()

    def to_json_lines(self) -> str:
        """Return an object a line, with ``class`` and ``probabilities``, or the target, and, where there are any, ``kept``.

        Where the target is called so, those kept are ``input_kept``.
        """
        lines, key = [], "kept" if self.has_classes or "kept" not in self.outputs else "input_kept"
        for i, (label, row) in enumerate(self.rows):
            kept = {key: {name: values[i] for name, values in self.kept.items()}} if self.kept else {}
            values = dict(zip(self.outputs, row, strict=True))
            lines.append(
                json.dumps({**kept, **({"class": label, "probabilities": values} if self.has_classes else values)}) + "\n"
            )
        return "".join(lines)


def predict_tables(
    model: Model,
    files: Iterable[Path],
    *,
    keep: Sequence[str] = (),
    row_numbers: bool = False,
    encoding: str = "",
    decimal: str = "",
) -> Predictions:
    """Return the class and the probabilities of each row of `files`, or its number, in their order.

    Cells are read as the model learnt to read them, each by itself: what is predicted for a row does not depend on the others.
    Categories that no training row had are logged, and another sign between columns.

    The files have the columns that the model was trained on, in any order; other columns are left aside, but for those to
    `keep`. With `row_numbers` the rows of each file are numbered from 1. The file ``-`` is standard input. `encoding` and
    `decimal` are of text, and found out, or as the model learnt to read it, where they are not given.

    Raises
    ------
    FcnetError
        If a file cannot be read or a column does not fit.
    """
    table = model.preprocessor
    names = {name for name, _ in table.columns}
    loss = model.loss
    names_of_outputs = [f"quantile_{q}" for q in loss.quantiles] if isinstance(loss, QuantileLoss) else model.classes
    predicted = Predictions(names_of_outputs, loss.has_labels)
    for path in files:
        file = read_table(path, encoding=encoding, known=names, separator=table.dialect.separator if table.dialect else "")
        if decimal and not file.separator:
            raise SettingError(f"--decimal is for text, and {name_of(path)} is a .parquet.")
        kept = chosen_columns(path, keep, file.frame.columns)
        if row_numbers and ROW in kept:
            raise SettingError(f"{name_of(path)} has a column {ROW!r} to keep: leave out --row-numbers, or rename it.")
        dialect = _dialect(table, file, decimal)
        if dialect.separator and file.separator not in ("", dialect.separator):
            there = f"in the training file it was {dialect.separator!r}"
            _log.info("%s: %r stands between the columns; %s", name_of(path), file.separator, there)
        frame = _cleaned(table, file, dialect)
        try:
            logits = model.logits(table.encode(frame, dialect))
            values = check_results(loss.mean(logits))
            if row_numbers:
                predicted.kept.setdefault(ROW, []).extend(range(1, len(frame) + 1))
            for name in kept:
                predicted.kept.setdefault(name, []).extend(as_text(file.frame[name]).to_list())
        except FcnetError as error:
            raise FcnetError(f"{name_of(path)}: {error}") from None
        for name, categories in table.columns:
            unknown = [] if categories is None else Places(categories).unknown(frame[name])
            if len(unknown):
                some = f"{len(unknown):,} of {len(frame):,} values of {name!r}"
                what = ("in few training rows or none", "rare") if name in table.rare else ("in no training row", "no category")
                _log.info("%s: %s were %s, as %r; they count as %s", name_of(path), some, what[0], unknown[0], what[1])
        if predicted.has_classes:
            labels = [model.classes[k] for k in loss.predict(logits)]
            rows = [[round(value, 6) for value in row] for row in values.tolist()]
            predicted.rows += zip(labels, rows, strict=True)
        else:  # with the digits that tell it from all others of its type
            predicted.rows += [("", [float(str(value)) for value in row]) for row in values]
    return predicted


def _dialect(table: Preprocessor, file: TableFile, decimal: str) -> Dialect:
    """Return how a file is to be read; for models of before they had a dialect the decimal sign is found out from its rows."""
    numbers = [name for name, categories in table.columns if categories is None and name in file.frame.columns]
    if table.dialect and not decimal:
        return table.dialect
    if decimal:
        return replace(table.dialect or Dialect(), decimal_commas=numbers if decimal == "," else [])
    texts = [without(stripped(file.frame[name]), MISSING) for name in numbers] if file.separator else []
    return Dialect(decimal_commas=sorted(guessed_commas(file.separator, texts)))


def _cleaned(table: Preprocessor, file: TableFile, dialect: Dialect) -> Any:
    """Return the rows of a file, its text as in training: without blanks at its ends, and null for the words that mean it.

    Where such a word is a category that is known, it is that.
    """
    import polars as pl

    cleaned = []
    for name, categories in table.columns:
        if name in file.frame.columns and file.frame[name].dtype == pl.String:
            words = set(dialect.missing).difference(categories or ()) if file.separator else ()
            text = without(stripped(file.frame[name]), words)
            cleaned.append(text.str.to_lowercase() if is_boolean(categories) else text)
    return file.frame.with_columns(cleaned)
