"""Nodes for the rows of a table: an input for each column, by its name."""

import numpy as np
from numpy.typing import DTypeLike

from fcnet.errors import InputError
from fcnet.export.graph import Graph
from fcnet.preprocessing import TableFeatures
from fcnet.preprocessing.table import places
from fcnet.types import Array


def add_table(graph: Graph, table: TableFeatures, dtype: DTypeLike) -> str:
    """Add inputs (rows, 1), float64 for numbers and strings for categories, and what prepares them; return prepared rows.

    As in `TableFeatures` the median stands for what is not finite, and a category that is not known is zero in all its places.

    Raises
    ------
    InputError
        If a column has no name.
    """
    if any(not name for name, _ in table.columns):
        raise InputError("A column of the table has no name, and an input of an ONNX graph needs one: name it, and train anew.")
    parts, measured = [], zip(table.median, table.mean, table.std, strict=True)
    for name, categories in table.columns:
        if categories is None:
            median, mean, std = next(measured)
            x = graph.input(name, np.float64, 1)
            missing = graph.add("Or", graph.add("IsNaN", x), graph.add("IsInf", x))
            x = graph.add("Where", missing, median, x)
            x = graph.add("Div", graph.add("Sub", x, mean), std)
        elif not categories:
            continue
        else:
            known = places(categories)
            x = graph.add(
                *("LabelEncoder", graph.input(name, object, 1)),
                domain="ai.onnx.ml",
                keys_strings=list(known),
                values_int64s=list(known.values()),
                default_int64=-1,
            )
            x = graph.add("Equal", x, np.arange(len(categories)))
        parts.append(graph.cast(x, dtype))
    return graph.add("Concat", *parts, axis=1)


def table_inputs(table: TableFeatures, encoded: Array) -> dict[str, Array]:
    """Return the inputs of the graph for encoded rows (n, n_columns)."""
    inputs: dict[str, Array] = {}
    for (name, categories), column in zip(table.columns, encoded.T, strict=True):
        if categories is None:
            inputs[name] = column[:, np.newaxis].copy()
        elif categories:
            texts = [categories[int(code)] if code >= 0 else "" for code in column]
            inputs[name] = np.array(texts, object)[:, np.newaxis]
    return inputs


def random_rows(table: TableFeatures, n: int, rng: np.random.Generator) -> Array:
    """Return encoded rows (n, n_columns) of about the values that the table had, unknown categories among them."""
    measured = zip(table.mean, table.std, strict=True)
    columns = []
    for _, categories in table.columns:
        if categories is None:
            mean, std = next(measured)
            columns.append(mean + std * rng.standard_normal(n))
        else:
            columns.append(rng.integers(-1, len(categories), n).astype(np.float64))
    return np.column_stack(columns)
