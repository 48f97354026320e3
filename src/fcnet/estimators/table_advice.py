"""Warnings about tables that estimators are to learn from."""

from collections.abc import Iterator, Sequence
from typing import Any

from fcnet.data.table_signs import alike, id_columns, rare_to_validate, repeated_rows, telling_columns
from fcnet.errors import DataWarning
from fcnet.estimators.table_rows import Rows
from fcnet.preprocessing.frames import PolarsColumns, as_polars
from fcnet.training.metrics import AUTO
from fcnet.training.tabular import TabularTraining
from fcnet.types import Array, is_frame
from fcnet.words import listed

MOST_CELLS = 20_000_000  # of tables whose rows are compared, which takes a second
OF_CLASSES = ("balanced_accuracy", "f1", "roc_auc", "average_precision")  # metrics to which each class matters


def about_table(
    rows: Rows, part: Rows, val: Rows | None, labels: Sequence[Any], training: TabularTraining
) -> Iterator[Warning]:
    """Yield what is to be said of rows to learn from, by what each column and the targets hold.

    Parameters
    ----------
    rows, part, val : Rows
        All rows, those to train on, and those to validate on, if there are any.
    labels : sequence
        The classes; none in a regression.
    training : TabularTraining
    """
    if same := alike(labels):
        yield DataWarning(f"Classes differ in case or blanks alone: {_both(same)}. Write those alike that are the same.")
    whole = as_polars(rows.X) if is_frame(rows.X) else _columns_of(rows.X)
    names = id_columns(_chosen(whole, rows))
    if names and len(names) < whole.width:
        yield DataWarning(
            f"To go by what it holds, {listed(map(repr, names), sign=' or ')} only tells rows apart: leave it out, unless it "
            "says something of new rows, as a time does that goes on."
        )
    has_one_target = rows.y.ndim == 1 or rows.y.shape[1] == 1
    if has_one_target and (names := telling_columns(_chosen(whole, rows), rows.y, has_classes=len(labels) > 0)):
        yield DataWarning(
            f"By itself {listed(map(repr, names), sign=' or ')} tells the target, as a copy of it does: leave it out, unless "
            "it is known when predictions are made."
        )
    if val is None:
        return
    if has_one_target and whole.height * whole.width <= MOST_CELLS:
        of_val = (
            _chosen(whole, val)
            if val.X is rows.X
            else as_polars(val.X, whole.columns)
            if is_frame(val.X)
            else _columns_of(val.X)
        )
        if n := repeated_rows(_chosen(whole, part), part.y, of_val, val.y):
            yield DataWarning(
                f"{n:,} of {len(val.y):,} validation rows are training rows, too, in every column and the target: what is "
                "chosen by them is chosen by what was remembered. Remove rows that are there twice."
            )
    goes_by_classes = training.monitor in OF_CLASSES or training.threshold == AUTO
    if goes_by_classes and len(labels) and (rare := rare_to_validate(val.y, len(labels))):
        yield DataWarning(
            f"Few of the {len(val.y):,} validation rows are of {listed((repr(labels[k]) for k in rare), sign=' or ')}: by so "
            "few the monitor, or the threshold, is chosen at random. Set aside more by validation_fraction."
        )


def _both(same: Sequence[Sequence[str]]) -> str:
    return listed((" and ".join(map(repr, names)) for names in same), sign="; ")


def _chosen(whole: Any, rows: Rows) -> Any:
    return whole if rows.places is None else whole[rows.places]


def _columns_of(X: Array) -> Any:
    """Return an array as a polars data frame with columns ``x0`` and so on."""
    import polars as pl

    columns = PolarsColumns(X)
    return pl.DataFrame([columns[name] for name in columns.names])
