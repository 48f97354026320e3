"""Parts of a table, which share its rows."""

import numpy as np
import polars as pl
import pytest

from fcnet.estimators.table_rows import Rows
from fcnet.preprocessing import TableFeatures
from fcnet.preprocessing.frames import PolarsColumns


@pytest.fixture
def frame():
    rng = np.random.default_rng(0)
    numbers = np.where(rng.random(90) < 0.1, np.nan, rng.exponential(size=90))
    colours = rng.choice(["red", "blue", "green"], 90)
    return pl.DataFrame({"number": numbers, "other": rng.standard_normal(90, dtype=np.float32), "colour": colours})


def tables(frame):
    return [frame, frame.select("number", "other").to_numpy()]


SETTINGS = {"gaps": "indicator", "scaling": "robust", "codes": True}


def test_parts_of_parts_give_the_inputs_of_their_rows_and_copy_none(frame):
    for X in tables(frame):
        rows = Rows(X, np.arange(90), np.arange(90.0))
        part = rows[np.arange(5, 85)][np.arange(0, 80, 2)]
        chosen = np.arange(5, 85, 2)
        assert part.X is X
        np.testing.assert_array_equal(part.y, chosen)
        np.testing.assert_array_equal(part.weights, chosen)
        features = TableFeatures.fit(X, **SETTINGS)
        np.testing.assert_array_equal(part.inputs(features, "float32"), features.transform(X[chosen]))
        np.testing.assert_array_equal(rows.inputs(features, "float32"), features.transform(X))


def test_a_preprocessor_is_fitted_on_the_rows_of_a_part(frame):
    chosen = np.arange(3, 60, 3)
    for X in [*tables(frame), frame.to_pandas()]:
        part = X.iloc[chosen] if hasattr(X, "iloc") else X[chosen]
        of_rows, of_part = (TableFeatures.fit(given, **SETTINGS) for given in (PolarsColumns(X, chosen), part))
        assert of_rows.get_config() == of_part.get_config()
        for name, values in of_part.arrays().items():
            np.testing.assert_array_equal(of_rows.arrays()[name], values)
