"""Rows and columns of tables in bad shape: what becomes of them, from the file and from data frames of all kinds."""

import decimal
from datetime import date

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from click.testing import CliRunner

from fcnet import FullyConnectedNet, load
from fcnet.cli import main
from fcnet.data import load_dataset
from fcnet.errors import InputError
from fcnet.model import Model
from fcnet.preprocessing import TableFeatures, table

QUICK = ["--set", "epochs=2", "--set", "hidden=[4]"]


def run(*words):
    return CliRunner().invoke(main, [str(word) for word in words])


def lines(*rows):
    return "\n".join(rows) + "\n"


@pytest.mark.parametrize(
    "settings", [(), ("--set", "gaps=indicator", "--set", "scaling=robust", "--set", "rare=3")], ids=["plain", "set"]
)
@pytest.mark.filterwarnings("ignore:The column:fcnet.errors.DataWarning")  # of a category that is new on purpose
def test_a_table_in_bad_shape_is_trained_on_and_predicted(settings, tmp_path):
    path, out, new = tmp_path / "t.csv", tmp_path / "run", tmp_path / "new.csv"
    rows = [f'{i % 7 - 3},,7,"{i}.50",{("inf", i % 5)[i > 3]},{("once", "uv"[i % 2])[i > 0]},{"ab"[i % 2]}' for i in range(60)]
    path.write_text(lines("x,empty,same,text,far,word,y", *rows))
    result = run("train", path, "--out", out, *QUICK, *settings)
    assert result.exit_code == 0, result.output
    assert "Left out, as they hold one value or none: 'empty', 'same'" in result.stderr
    assert "Numbers: 'x', 'text', 'far'" in result.stderr
    assert "4 of 60 values of 'far' are missing or infinite; they count as the median of the training rows" in result.stderr
    new.write_text(lines("word,far,text,x,more", "u,1,2.5,1,?", "never,-inf,1e9,NA,?", ",,,,", "once,3,-,2,?"))
    said = run("predict", out, new)
    assert said.exit_code == 0, said.output
    assert len(said.stdout.splitlines()) == 5
    assert "values of 'word' were in" in said.stderr
    model = load(out / "model.safetensors")
    assert [name for name, _ in model.preprocessor.columns] == ["x", "text", "far", "word"]
    probabilities = [float(line.split(",")[1]) for line in said.stdout.splitlines()[1:]]
    frame = pl.DataFrame(
        {
            "x": [1, None, None, 2],
            "text": ["2.5", "1e9", None, ""],
            "far": [1.0, -np.inf, None, 3.0],
            "word": ["u", "never", None, "once"],
        }
    )
    np.testing.assert_allclose(model.predict_proba(frame)[:, 0], probabilities, atol=1e-6)
    assert np.isfinite(probabilities).all()
    new.write_text(lines("word,far,x", "u,1,1"))
    refused = run("predict", out, new)
    assert refused.exit_code == 1
    assert "There is no column 'text', which the model was trained on; there are 'far', 'word', 'x'" in refused.stderr
    new.write_text(lines("word,far,x,text,x", "u,1,1,1,1"))
    assert "several columns of the name 'x'" in run("predict", out, new).stderr


def test_a_column_may_be_called_count(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(lines("count,y", *(f"{('NA', 'u', 'v')[i % 3]},{'ab'[i % 2]}" for i in range(30))))
    data = load_dataset(str(path))
    assert "10 of 30 values of 'count' are missing ('NA' in 10); they count as no category" in data.notes
    assert TableFeatures.fit(data.X_train).columns == [("count", ["u", "v"])]


def test_columns_that_say_nothing_have_inputs_of_zeros():
    frame = pl.DataFrame(
        {"empty": [None, None], "nan": [np.nan, None], "same": [3.0, None], "none": pl.Series([None, None], dtype=pl.String)}
    )
    frame = frame.with_columns(x=pl.Series([1.0, 3.0]))
    found = TableFeatures.fit(frame)
    assert found.columns == [("empty", []), ("nan", None), ("same", None), ("none", []), ("x", None)]
    assert found.transform(frame).tolist() == [[0, 0, -1], [0, 0, 1]]


@pytest.mark.parametrize("settings", [{}, {"scaling": "robust"}, {"gaps": "indicator"}, {"rare": 1}], ids=str)
def test_columns_that_are_all_constant_are_refused(settings):
    same = {"x": [0.1, 0.1, 0.1], "price": [decimal.Decimal("1.5")] * 3, "day": [date(2024, 1, 1)] * 3, "c": ["a", "a", "a"]}
    with pytest.raises(InputError, match="very column is constant over .* to train on: give more rows"):
        TableFeatures.fit(pl.DataFrame(same), **settings)
    assert TableFeatures.fit(pl.DataFrame(same | {"c": ["a", None, "a"]}), **settings).n_outputs
    if "gaps" in settings:
        assert TableFeatures.fit(pl.DataFrame({"x": [1.0, None]}), **settings).n_outputs == 2


def test_constants_that_rounding_makes_vary_are_0():
    frame = pl.DataFrame({"same": [0.1] * 1000, "x": [float(i % 7) for i in range(1000)]})
    table = TableFeatures.fit(frame)
    rows = pl.DataFrame({"same": [0.1, 0.2, None], "x": [1.0, 1.0, 1.0]})
    np.testing.assert_array_equal(table.transform(rows, np.float64)[:, 0], [0, 0.2 - 0.1, 0])
    assert (table.numbers.mean[1, 0], table.numbers.std[1, 0]) == (frame["x"].to_numpy().mean(), frame["x"].to_numpy().std())


FORMS = {
    "pandas": lambda frame: frame.to_pandas(),
    "pandas, nullable": lambda frame: frame.to_pandas().convert_dtypes(),
    "pandas, objects": lambda frame: frame.to_pandas().astype(object),
    "pandas, categorical": lambda frame: frame.to_pandas().astype({"word": "category", "old": "category"}),
    "pandas, Arrow": lambda frame: frame.to_pandas().convert_dtypes(dtype_backend="pyarrow"),
    "Arrow": lambda frame: frame.to_arrow(),
    "Arrow, dictionary": lambda frame: frame.to_arrow().set_column(
        2, "word", frame.to_arrow()["word"].cast(pa.string()).dictionary_encode()
    ),
    "Categorical": lambda frame: frame.with_columns(pl.col("word").cast(pl.Categorical)),
    "Enum": lambda frame: frame.with_columns(pl.col("word").cast(pl.Enum(["u", "v", "w"]))),
    "Decimal": lambda frame: frame.with_columns(pl.col("price").cast(pl.Decimal(10, 2))),
    "narrow": lambda frame: frame.with_columns(pl.col("price").cast(pl.Float32), pl.col("n").cast(pl.Int8)),
    "reversed": lambda frame: frame.select(reversed(frame.columns)),
    "more columns": lambda frame: frame.with_columns(more=pl.lit("?")),
    "text": lambda frame: frame.with_columns(pl.col("price", "n", "old").cast(pl.String)),
}


@pytest.mark.parametrize("name", FORMS)
def test_frames_of_all_kinds_are_one_table(name):
    frame = pl.DataFrame(
        {
            "price": [1.25, None, 3.5, 2.0] * 5,
            "n": [1, 2, None, 4] * 5,
            "word": ["u", "v", None, "u"] * 5,
            "old": [True, None, False, True] * 5,
        }
    )
    found, other = TableFeatures.fit(frame), FORMS[name](frame)
    assert found.columns == [("price", None), ("n", None), ("word", ["u", "v"]), ("old", ["false", "true"])]
    np.testing.assert_array_equal(found.transform(other), found.transform(frame))
    np.testing.assert_array_equal(
        found.transform(other.head(1) if hasattr(other, "head") else other.slice(0, 1)), found.transform(frame[:1])
    )
    if name not in ("reversed", "more columns", "text"):  # fitted on, too
        again = TableFeatures.fit(other)
        assert again.columns == found.columns
        np.testing.assert_array_equal(again.transform(frame), found.transform(frame))


def test_objects_of_pandas_are_fitted():
    frame = pd.DataFrame(
        {
            "x": pd.Series([decimal.Decimal("1.5"), None, decimal.Decimal(2)], dtype=object),
            "c": pd.Series(["a", 1, None], dtype=object),
            "n": pd.Series([1, 2.5, None], dtype=object),
        }
    )
    found = TableFeatures.fit(frame)
    assert found.columns == [("x", None), ("c", ["1", "a"]), ("n", None)]
    np.testing.assert_allclose(found.encode(frame), [[1.5, 1, 1], [1.75, 0, 2.5], [2, -1, 1.75]])
    for bad in (
        pd.DataFrame({"x": [[1], [2]]}),
        pl.DataFrame({"x": [{"u": 1}]}),
        pl.DataFrame({"x": pl.Series([1, 2]).cast(pl.Duration)}),
    ):
        with pytest.raises(InputError, match="'x' holds .*, and numbers or text are needed"):
            TableFeatures.fit(bad)
    twice = pd.concat([frame, frame[["x"]]], axis=1)
    for use in (TableFeatures.fit, found.transform):
        with pytest.raises(InputError, match="several columns of the name 'x'"):
            use(twice)
    with pytest.raises(InputError, match="There is no column 'c', which the model was trained on"):
        found.transform(frame[["x", "n"]])


def test_numbers_that_are_text_in_a_parquet_are_numbers(tmp_path):
    path = tmp_path / "t.parquet"
    pl.DataFrame({"x": [f" {i % 9}.5" for i in range(40)], "y": ["a", "b"] * 20}).write_parquet(path)
    data = load_dataset(str(path))
    assert data.X_train["x"].dtype == pl.Float64
    assert TableFeatures.fit(data.X_train).encode(pl.DataFrame({"x": ["2.5", "", None, 3]}, strict=False))[0] == [2.5]


@pytest.mark.parametrize("kind", ["polars", "pandas", "arrow", "array"])
def test_rows_are_made_some_at_a_time(kind, monkeypatch):
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({"x": rng.normal(size=50), "c": ["a", "b", None, "d", "e"] * 10, "t": [f"{i}" for i in range(50)]})
    found = TableFeatures.fit(frame.with_columns(pl.col("t").cast(float)))
    model = Model(FullyConnectedNet([found.n_outputs, 5, 2], seed=1), found)
    of = {"polars": frame, "pandas": frame.to_pandas(), "arrow": frame.to_arrow(), "array": found.encode(frame)}[kind]
    expected, logits = found.transform(frame), model.logits(found.encode(frame))
    monkeypatch.setattr(table, "ROWS_AT_ONCE", 7)
    np.testing.assert_array_equal(found.transform(of), expected)
    np.testing.assert_allclose(model.logits(of), logits, rtol=1e-5, atol=1e-6)  # products of other shapes round otherwise
    assert found.transform(of[:0]).shape == (0, found.n_outputs)
    if kind == "polars":
        with pytest.raises(InputError, match="'t' holds 'many' in row 23,"):
            found.transform(frame.with_columns(t=pl.Series([*map(str, range(22)), "many", *map(str, range(27))])))
