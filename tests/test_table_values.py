"""What columns of a table are by the values that they hold, in the estimators."""

import datetime
import decimal
import json

import numpy as np
import pandas as pd
import polars as pl
import pytest

from fcnet import TabularClassifier
from fcnet.data.table_columns import Columns
from fcnet.data.table_notes import column_notes
from fcnet.errors import InputError
from fcnet.estimators.table_advice import about_table
from fcnet.estimators.table_rows import Rows, read_rows
from fcnet.experiments.table_predictions import Predictions
from fcnet.preprocessing import TableFeatures
from fcnet.training.tabular import TabularTraining

N = 60
NUMBERS = np.random.default_rng(0).standard_normal(N).round(2).tolist()
DAYS = pd.date_range("2020-01-01", periods=N)


def of_two(first, others):
    """Return objects of pandas, of which every second one is of another type."""
    return pd.Series([first(value) if i % 2 else others(value) for i, value in enumerate(NUMBERS)], dtype=object)


def learnt(X):
    """Return what the first column is learnt as."""
    rows, _ = read_rows(TabularClassifier(), X, np.arange(len(X)) % 2)
    return TableFeatures.fit(rows).column_words()[0][1]


@pytest.mark.parametrize(
    "column",
    [
        of_two(int, float),
        of_two(np.float64, int),
        of_two(np.float32, float),
        of_two(lambda value: decimal.Decimal(str(value)), float),
        of_two(lambda value: value > 0, int),
        pd.Series([1, *NUMBERS[1:]], dtype=object).where(pd.Series(NUMBERS) > -1, None),
        pd.Series(pd.arrays.SparseArray(NUMBERS, fill_value=0)),
        pd.Series(pd.arrays.SparseArray(np.arange(N) % 3, fill_value=0)),
    ],
)
def test_numbers_of_several_types_and_sparse_ones_are_numbers(column):
    frame = pd.DataFrame({"x": column})
    assert learnt(frame) == "number"
    plain = frame.astype(float)
    found = TableFeatures.fit(plain)
    np.testing.assert_array_equal(TableFeatures.fit(frame).transform(frame), found.transform(plain))
    np.testing.assert_array_equal(found.transform(frame[:1]), found.transform(plain[:1]))


def test_dates_of_several_types_and_periods_are_dates():
    mixed = [day if i % 2 else day.date() for i, day in enumerate(DAYS)]
    periods = DAYS.to_period("D")
    expected = TableFeatures.fit(pd.DataFrame({"x": DAYS})).transform(pd.DataFrame({"x": DAYS}))
    for column in (pd.Series(mixed, dtype=object), periods):
        frame = pd.DataFrame({"x": column})
        assert learnt(frame).startswith("date")
        np.testing.assert_array_equal(TableFeatures.fit(frame).transform(frame), expected)
    assert learnt(DAYS.to_numpy("M8[ns]")[:, np.newaxis]).startswith("date")
    some_in_zones = pd.Series([day.tz_localize("UTC") if i % 2 else day for i, day in enumerate(DAYS)], dtype=object)
    with pytest.raises(InputError, match="'x' mixes dates with a time zone and without: give all of them one, or none"):
        learnt(pd.DataFrame({"x": some_in_zones}))


def test_intervals_that_are_categories_are_so():
    frame = pd.DataFrame({"x": pd.cut(NUMBERS, [-9, 0, 9])})
    assert learnt(frame) == "category: (-9, 0], (0, 9]"


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (pd.DataFrame({"x": pd.to_timedelta(range(N), unit="h")}), "'x' holds Duration.*: turn it into a number, as of hours"),
        (pd.DataFrame({"x": pd.IntervalIndex.from_breaks(range(N + 1))}), "'x' holds Interval, and numbers or text"),
        (pd.DataFrame({"x": np.ones(N) * 1j}), "'x' holds complex, and numbers or text"),
        (pl.DataFrame({"x": pl.Series([None, {1}] * 30, dtype=pl.Object)}), "'x' holds set, and numbers or text"),
        (pd.DataFrame({"x": [b"a", b"b"] * 30}), "'x' holds Binary, and numbers or text"),
        (np.array([[b"1"], [b"2"]] * 30, dtype=object), "'x0' holds Binary, and numbers or text"),
        (pd.DataFrame({"x": [10**400] * N}, dtype=object), "'x' cannot be read: int value too large"),
        (pd.DataFrame({"x": [3, *(f"word {i}" for i in range(N - 1))]}), "'x' has 60 different texts in 60 rows"),
        (pd.DataFrame({"x": [3, *DAYS[1:].strftime("%Y-%m-%d")]}), "'x' has 60 different texts"),
        (pd.DataFrame(index=range(N)), "X has no columns"),
        (pl.DataFrame({"x": []}), "X has no rows"),
    ],
)
def test_columns_that_cannot_be_learnt_from_are_refused_by_name(X, message):
    if (isinstance(X, pd.DataFrame) and X.shape[1]) or (isinstance(X, pl.DataFrame) and len(X)):
        X = X.assign(other=NUMBERS) if isinstance(X, pd.DataFrame) else X.with_columns(other=pl.Series(NUMBERS))
    with pytest.raises(InputError, match=message):
        learnt(X)


@pytest.mark.parametrize("dtype", ["int64", "uint64", object])
def test_whole_numbers_that_would_be_one_are_refused(dtype):
    large = np.array([[2**60 + i] for i in range(N)], dtype=dtype)
    message = "whole numbers above 2.53, which the numbers of a network do not tell apart, as 1152921504606846976 and 11529215"
    for X in (large, pd.DataFrame(large, columns=["x"]), pl.DataFrame(large.astype("int64"))):
        with pytest.raises(InputError, match=message):
            learnt(X)
    assert learnt(large // 2**60 * 2**60 + large % 2 * 2**59) == "number"
    assert learnt(pd.DataFrame({"x": large[:, 0]}, dtype="category")).startswith("category: 1152921504606846976, 1152921504606")


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (["1", "2.5"], "number"),
        ([" 1 ", "2e3"], "number"),
        (["1", "2", "nan"], "number"),
        (["1", "2", "NA"], "number"),
        ([1, "2", 3.5], "number"),
        (["1_0", "2"], "category: 1_0, 2"),
        (["NA", "?"], "category: ?, NA"),
        (["a", "nan"], "category: a, nan"),
        ([str(2**60), str(2**60 + 1)], "category: 1152921504606846976, 1152921504606846977"),
    ],
)
def test_text_of_an_array_is_numbers_where_that_of_a_file_is(words, kind):
    X = np.array([words[i % len(words)] for i in range(N)], dtype=object)[:, np.newaxis]
    assert learnt(X) == kind


def test_text_of_a_frame_is_a_category_by_its_type():
    assert learnt(pd.DataFrame({"x": ["1", "2"] * 30})) == "category: 1, 2"
    assert learnt(pl.DataFrame({"x": [datetime.time(8), datetime.time(9)] * 30})) == "number"


def test_nobody_is_told_to_drop_a_time_without_condition():
    frame, y = pl.DataFrame({"day": np.arange(N), "x": NUMBERS}), 0.02 * np.arange(N) + np.sin(np.arange(N))
    rows = Rows(frame, y)
    (warning,) = about_table(rows, rows, None, [], TabularTraining())
    (note,) = (note for note in column_notes(frame, Columns(frame, frame)) if "number the rows" in note)
    assert all("unless" in said and "as a time does" in said for said in (str(warning), note))


@pytest.mark.parametrize(("target", "key"), [("kept", "input_kept"), ("price", "kept")])
def test_columns_that_are_kept_are_not_lost_to_a_target_of_that_name(target, key):
    (line,) = Predictions([target], has_classes=False, rows=[("", [1.5])], kept={"id": ["a"]}).to_json_lines().splitlines()
    assert json.loads(line) == {key: {"id": "a"}, target: 1.5}
