"""Parts of a table, which share its rows."""

import warnings

import numpy as np
import polars as pl
import pytest
from sklearn.exceptions import ConvergenceWarning

from fcnet import FCNetClassifier, TabularClassifier
from fcnet.errors import InputError
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


@pytest.mark.filterwarnings("ignore:The network:sklearn.exceptions.ConvergenceWarning")  # of two epochs
def test_true_and_false_are_a_category_of_two_however_they_are_written():
    rng = np.random.default_rng(0)
    x, flag = rng.standard_normal(80), rng.random(80) < 0.5
    y = flag ^ (x > 0)
    written = {
        "booleans": [*map(bool, flag)],
        "of NumPy": list(flag),
        "text": [str(value) for value in flag],
        "small": [str(value).lower() for value in flag],
    }
    tables = {}
    for name, column in written.items():
        tables[name] = np.empty((80, 2), object)
        tables[name][:, 0], tables[name][:, 1] = x, column
    for X in tables.values():
        model = TabularClassifier(hidden_sizes=[8], epochs=2, random_state=0).fit(X, y)
        (_, numbers), (_, categories) = model.model_.preprocessor.columns
        assert numbers is None
        assert [category.lower() for category in categories] == ["false", "true"]
        expected = model.predict_proba(X)
        assert all((model.predict_proba(other) == expected).all() for other in tables.values())
    frame = pl.DataFrame({"x": x, "flag": flag.astype(int)})
    model = TabularClassifier(hidden_sizes=[8], epochs=2, random_state=0).fit(frame, y)
    assert (model.predict_proba(frame.cast({"flag": bool})) == model.predict_proba(frame)).all()


@pytest.mark.parametrize("estimator", [TabularClassifier(hidden_sizes=[8], epochs=2), FCNetClassifier((8,), max_iter=2)])
def test_labels_may_be_objects_that_are_booleans(estimator):
    X = np.random.default_rng(0).standard_normal((60, 2))
    y = np.array([bool(value) for value in X[:, 0] > 0], object)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        assert estimator.fit(X, y).classes_.tolist() == [False, True]
    with pytest.raises(InputError, match=r"y mixes text and other values, as 'no' and True: make all of one type\."):
        estimator.fit(X, np.array([True, "no"] * 30, object))
