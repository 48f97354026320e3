"""Tables as people have them: how text is written, what pandas adds, which cells mean what, and the same again for new rows."""

import bz2
import gzip
import io
import json
import lzma
import shutil
import zipfile
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from fcnet import FullyConnectedNet, load
from fcnet.cli import main
from fcnet.data import load_dataset
from fcnet.data.cells import Dialect
from fcnet.data.own import checksum
from fcnet.errors import FileFormatError, InputError, SettingError
from fcnet.experiments.configure import configure
from fcnet.experiments.run import Config, evaluate
from fcnet.experiments.table_predictions import predict_tables
from fcnet.files import load_tensors, save_tensors
from fcnet.model import Model
from fcnet.model_file import save
from fcnet.preprocessing import TableFeatures

pytestmark = pytest.mark.any_kernel

QUICK = ["--set", "epochs=2", "--set", "hidden=[4]"]


def run(*words, stdin=None):
    return CliRunner().invoke(main, [str(word) for word in words], input=stdin)


def lines(*rows):
    return "\n".join(rows) + "\n"


def trained(path, *words):
    out = path.parent / "run"
    result = run("train", path, "--out", out, "--force", *QUICK, *words)
    assert result.exit_code == 0, result.output
    return out


def model_of(data, dialect="of the data"):
    """An untrained model that tells any two rows apart."""
    table = TableFeatures.fit(data.X_train, data.dialect if dialect == "of the data" else dialect)
    return Model(FullyConnectedNet([table.n_outputs, 8, len(data.classes)], seed=1, dtype="float64"), table, data.classes)


def predicted(model, path, **words):
    return predict_tables(model, [path], **words)


# Whole numbers

LARGE = 1577134800018226901


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_labels_are_whole_numbers_of_any_length(tmp_path, ending):
    path = tmp_path / f"large{ending}"
    frame = pl.DataFrame({"x": [float(i % 7) for i in range(30)], "y": [LARGE + i % 2 for i in range(30)]})
    (frame.write_csv if ending == ".csv" else frame.write_parquet)(path)
    assert load_dataset(str(path)).classes == ["1577134800018226901", "1577134800018226902"]
    assert list(load_dataset(str(path)).y_train[:2]) == [0, 1]


@pytest.mark.parametrize(
    ("labels", "dtype"),
    [
        ([2**64 - 1, 2**64 - 2], pl.UInt64),
        ([-LARGE, -LARGE - 1], pl.Int64),
        ([10**30, 10**30 + 1], pl.Decimal(38, 0)),
        ([10**30, 10**30 + 1], pl.Int128),
        (["01234", "1234"], pl.String),
        (["007", "8", "10"], pl.String),
        ([3.0, 12.0], pl.Float64),
        (["3.0", "12.0"], pl.String),
        ([True, False], pl.Boolean),
    ],
    ids=str,
)
def test_classes_have_the_names_of_the_file(tmp_path, labels, dtype):
    expected = {"Float64": ["3", "12"], "Boolean": ["false", "true"]}.get(str(dtype))
    expected = expected or (["3", "12"] if labels == ["3.0", "12.0"] else [str(label) for label in sorted(labels, key=float)])
    if dtype in (pl.Int64, pl.UInt64, pl.Int128) or isinstance(dtype, pl.Decimal):
        expected = [str(label) for label in sorted(labels)]
    frame = pl.DataFrame({"x": [float(i % 7) for i in range(30)], "y": pl.Series([*labels] * 15, dtype=dtype)[:30]})
    frame.write_parquet(tmp_path / "t.parquet")
    assert load_dataset(str(tmp_path / "t.parquet")).classes == expected
    if not isinstance(dtype, pl.Decimal):
        frame.write_csv(tmp_path / "t.csv")
        assert load_dataset(str(tmp_path / "t.csv")).classes == expected


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_numbers_that_are_one_to_a_network_are_refused_and_may_be_categories(tmp_path, ending):
    path = tmp_path / f"large{ending}"
    frame = pl.DataFrame(
        {"id": [LARGE + i % 3 for i in range(60)], "x": [float(i % 7) for i in range(60)], "y": ["a", "b"] * 30}
    )
    write = pl.DataFrame.write_csv if ending == ".csv" else pl.DataFrame.write_parquet
    write(frame, path)
    with pytest.raises(
        InputError, match=r"'id' holds whole numbers above 2\^53.*as 1577134800018226901 and 1577134800018226902"
    ):
        load_dataset(str(path))
    data = load_dataset(str(path), category=["id"])
    assert data.X_train["id"].unique().sort().to_list() == [str(LARGE + i) for i in range(3)]
    encoded = TableFeatures.fit(data.X_train).encode(pl.DataFrame({"id": [LARGE, LARGE + 2, LARGE + 3], "x": [0.0] * 3}))
    assert encoded[:, 0].tolist() == [0, 2, -1]  # a new one is not the nearest known one
    write(frame.with_columns(id=pl.col("id") // 10**4), path)  # what numbers can tell apart
    assert "id" not in load_dataset(str(path)).X_train.columns  # one value now
    write(frame.with_columns(id=10**18 + 10**4 * pl.arange(60) ** 2), path)
    assert load_dataset(str(path)).X_train["id"].dtype == pl.Float64


def test_zeros_in_front_are_told(tmp_path):
    path = tmp_path / "zip.csv"
    path.write_text(lines("zip,x,y", *(f"{('01234', '99950')[i % 2]},{i % 5},{'ab'[i % 3 == 0]}" for i in range(40))))
    note = "By their looks these are codes, and numbers lose the zeros in front; to keep them: --category 'zip'"
    assert note in load_dataset(str(path)).notes


# The index of pandas


def pandas_frame():
    return pd.concat([pd.DataFrame({"x": np.arange(20.0) % 7, "y": ["a", "b"] * 10})] * 2)


def test_the_index_of_pandas_is_left_out_of_a_parquet(tmp_path):
    path = tmp_path / "t.parquet"
    frame = pandas_frame()
    frame.to_parquet(path)
    data = load_dataset(str(path))
    assert (data.target, data.X_train.columns) == ("y", ["x"])
    said = "as pandas wrote them for its index: '__index_level_0__'; --target or --category takes one all the same"
    assert f"Left out, {said}" in data.notes
    pl.read_parquet(path).write_parquet(path)  # which keeps the name alone
    assert load_dataset(str(path)).target == "y"
    frame.set_index(pd.Index(["u", "v", "w", "w"] * 10, name="who")).to_parquet(path)
    assert load_dataset(str(path)).X_train.columns == ["x"]
    assert load_dataset(str(path), category=["who"]).X_train.columns == ["x", "who"]
    assert load_dataset(str(path), target="who").classes == ["u", "v", "w"]
    frame.reset_index(drop=True).to_parquet(path)  # a range is no column
    assert load_dataset(str(path)).notes[:2] == ["Learning the column 'y' from 1 other: a, b", data.notes[1]]


@pytest.mark.parametrize("name", ["index", "level_0"])
def test_an_index_that_became_a_column_is_left_out(tmp_path, name):
    path = tmp_path / "t.csv"
    for frame in (pandas_frame(), pandas_frame().reset_index(drop=True)):
        frame.rename_axis(name).reset_index().to_csv(path, index=False)
        data = load_dataset(str(path))
        assert data.X_train.columns == ["x"]
        assert any(note.startswith("Left out, as pandas") and repr(name) in note for note in data.notes)
    frame.assign(**{name: np.arange(40) * 3 % 40}).to_csv(path, index=False)  # a column that happens to be called so
    assert load_dataset(str(path), target="y").X_train.columns == ["x", name]


def test_an_older_run_that_learnt_an_index_is_evaluated(tmp_path):
    path = tmp_path / "t.csv"
    pandas_frame().rename_axis("index").reset_index().to_csv(path, index=False)
    out = trained(path, "--set", "n_ensemble=1")
    data = load_dataset(str(path), known=["index"])
    save(out / "model.safetensors", model_of(data, None))  # as of before indices were left out, and without a dialect
    assert evaluate(out)["n_test"] == len(data.X_test)
    frame = pandas_frame().iloc[:30]
    frame.index = [i % 3 for i in range(30)]
    frame.to_parquet(tmp_path / "t.parquet")  # whose index was the default target
    out = trained(tmp_path / "t.parquet", "--target", "__index_level_0__")
    config = out / "config.toml"
    config.write_text(config.read_text().replace('target = "__index_level_0__"', 'target = ""'))
    assert evaluate(out)["n_test"] == 6


def test_an_older_run_that_learnt_from_a_short_row_is_evaluated(tmp_path, caplog):
    path, rows = tmp_path / "t.csv", [f"{'xy'[i % 2]},{i},{i % 5}" for i in range(40)]
    path.write_text(lines("c,a,b", *rows, "x,1,"))
    out = trained(path, "--target", "c")
    expected = evaluate(Path(shutil.copytree(out, tmp_path / "copy")))
    config, before = out / "config.toml", checksum(str(path))
    path.write_text(lines("c,a,b", *rows, "x,1"))  # which was read in the same way
    config.write_text(config.read_text().replace(before, checksum(str(path))))
    with caplog.at_level("INFO", "fcnet"):
        assert evaluate(out) == expected
    assert "and 2 values in row 41. A text that holds the sign between columns needs quotes. What a row lacks" in caplog.text
    assert run("train", path, "--out", tmp_path / "new", *QUICK).exit_code == 1


# Missing


ANSWERS = ["None", "NA", "null", "low"]


def test_in_a_parquet_only_null_is_missing(tmp_path):
    path = tmp_path / "t.parquet"
    x = pl.Series([None, "NA", "None", "null", "?"] * 16)
    pl.DataFrame({"x": x, "z": [float(i % 7) for i in range(80)], "y": ANSWERS * 20}).write_parquet(path)
    data = load_dataset(str(path))
    assert data.classes == sorted(ANSWERS)
    assert set(data.X_train["x"]) == {None, "NA", "None", "null", "?"}
    model = model_of(data)
    new = tmp_path / "new.csv"
    new.write_text(lines("x,z", "NA,1", ",1", "other,1"))
    known, missing, unknown = (
        row for _, row in predicted(model, new).rows
    )  # in text such a word is the category that is known
    assert known != missing
    assert missing == unknown
    with pytest.raises(SettingError, match="--missing and --decimal are for text"):
        load_dataset(str(path), missing=["?"])


def test_words_for_what_is_missing_may_be_chosen(tmp_path):
    path = tmp_path / "t.csv"
    rows = [f"{i % 7},{('NA', 'none', '?')[i % 3]},{ANSWERS[i % 4]}" for i in range(80)]
    path.write_text(lines("x,c,y", *rows))
    refused = run("train", path).stderr
    assert "the target 'y' is missing in 60 of 80 rows, first in row 1 (read as missing:" in refused
    for word in ("'None' in 20", "'NA' in 20", "'null' in 20", "by --missing '?'"):  # but for words that are not in the target
        assert word in refused
    out = trained(path, "--missing", "?")
    model = load(out / "model.safetensors")
    assert model.classes == ["NA", "None", "low", "null"]
    assert model.preprocessor.columns[1] == ("c", ["NA", "none"])
    assert model.preprocessor.dialect == Dialect(",", [], ["?"])
    assert Config.read(out).missing == ["?"]
    assert json.loads(run("evaluate", out, "--json").stdout)["n_test"] == 12
    assert load_dataset(str(path), missing=[""]).X_train["c"].unique().sort().to_list() == ["?", "NA", "none"]
    notes = load_dataset(str(path), missing=["?"]).notes
    assert "26 of 80 values of 'c' are missing ('?' in 26); they count as no category" in notes
    assert "Read as missing: '?'; --missing says which words are, --missing '' none but empty fields" in notes
    said = run("predict", out, path).stdout
    new = tmp_path / "new.csv"
    new.write_text(lines("x,c", "0,NA"))
    assert run("predict", out, new).stdout.splitlines()[1] == said.splitlines()[1]


def test_a_word_among_numbers_leads_to_the_option(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(lines("x,y", *(f"{('unknown', i % 7)[i > 3]},{'ab'[i % 2]}" for i in range(40)), "NA,a"))
    refused = run("train", path).stderr
    assert "row 1 has 'unknown'" in refused
    assert "as --missing 'NA,unknown'" in refused
    assert load_dataset(str(path), missing=["NA", "unknown"]).X_train["x"].dtype == pl.Float64


# New rows are read as the model learnt to


@pytest.fixture
def comma(tmp_path):
    path = tmp_path / "comma.csv"
    rows = (f"{i % 9},5;{i % 4};{i % 5}.25;{('True', 'false')[i % 2]};{'abc'[i % 3]};{'xy'[i % 2]}" for i in range(60))
    path.write_text(lines("a;n;p;old;c;y", *rows))
    return path


def test_the_model_keeps_the_decimal_sign(comma, tmp_path):
    data = load_dataset(str(comma))
    assert data.dialect.separator == ";"
    assert data.dialect.decimal_commas == ["a", "n"]
    save(tmp_path / "model.safetensors", model_of(data))
    model = load(tmp_path / "model.safetensors")
    assert model.preprocessor.dialect == data.dialect
    new = tmp_path / "new.csv"
    new.write_text(lines("a;n;p;old;c", "1,234;1;1.25;true;a"))
    alone = predicted(model, new).rows
    np.testing.assert_allclose(
        model.predict_proba(pl.DataFrame({"a": [1.234], "n": [1], "p": [1.25], "old": [True], "c": ["a"]}))[0],
        alone[0][1],
        atol=1e-6,
    )
    new.write_text(lines("a;n;p;old;c", "0,5;1;1.25;true;a", "1,234;1;1.25;true;a"))
    assert predicted(model, new).rows[1:] == alone
    new.write_text(lines("a;n;p;old;c", "1.234;1;1.25;true;a"))
    with pytest.raises(Exception, match=r"'a' holds '1\.234' in row 1, .* another decimal sign: say --decimal '\.'"):
        predicted(model, new)
    assert predicted(model, new, decimal=".").rows == alone
    old = model_of(data, None)  # a file of before there was a dialect: found out from the rows, as then
    new.write_text(lines("a;n;p;old;c", "0,5;1;1.25;true;a", "1,234;1;1.25;true;a"))
    assert predicted(old, new).rows[1:] == alone


def test_another_sign_between_columns_is_read_and_told(comma, tmp_path, caplog):
    caplog.set_level("INFO", "fcnet")
    model = model_of(load_dataset(str(comma)))
    new = tmp_path / "new.csv"
    new.write_text(lines("a;n;p;old;c", "2,5;1;1.25;true;a"))
    expected = predicted(model, new).rows
    new.write_text(lines("n,p,old,c,a", '1,1.25,true,a,"2,5"'))
    found = predict_tables(model, [new])
    assert found.rows == expected
    assert caplog.messages == [f"{new}: ',' stands between the columns; in the training file it was ';'"]


def test_a_short_row_to_predict_is_told(tmp_path, caplog):
    path, new = tmp_path / "known.csv", tmp_path / "new.csv"
    path.write_text(lines("x,z,y", *(f"{i},{i % 5},{'ab'[i % 2]}" for i in range(20))))
    model = model_of(load_dataset(str(path)))
    new.write_text(lines("x,z", *(f"{i},{i % 5}" for i in range(30)), "7", "", "8,1"))
    with caplog.at_level("INFO", "fcnet"):
        probabilities = predicted(model, new).rows
    assert "has 2 names in its first line, and 1 value in row 31. " in caplog.text
    assert "What a row lacks counts as missing." in caplog.text
    new.write_text(lines("x,z", "7,"))
    assert predicted(model, new).rows == probabilities[30:31]


def test_bars_between_columns(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(
        lines("size|colour, and more|y", *(f"{i % 9}.5|{('red', 'light, blue')[i % 2]}|{'xy'[i % 2]}" for i in range(40)))
    )
    data = load_dataset(str(path))
    assert data.X_train.columns == ["size", "colour, and more"]
    model = model_of(data)
    save(tmp_path / "m.safetensors", model)
    with_commas, new = tmp_path / "commas.csv", tmp_path / "new.csv"
    new.write_text(lines("size|colour, and more", "2.5|light, blue"))
    with_commas.write_text(lines('"colour, and more",size', '"light, blue",2.5'))
    assert predicted(load(tmp_path / "m.safetensors"), new).rows == predicted(model, with_commas).rows


@pytest.mark.parametrize("empty", ["", ",,"])
def test_empty_rows_are_left_out_of_training(tmp_path, empty):
    rows = [f"{i % 9},{'abc'[i % 3]},{'xy'[i % 2]}" for i in range(40)]
    plain, gaps = tmp_path / "plain.csv", tmp_path / "gaps.csv"
    plain.write_text(lines("a,c,y", *rows))
    gaps.write_text(lines("a,c,y", *rows[:10], empty, empty, *rows[10:], empty))
    expected, found = (load_dataset(str(path)) for path in (plain, gaps))
    assert found.X_train.equals(expected.X_train)
    np.testing.assert_array_equal(found.y_test, expected.y_test)
    assert "Left out, as they are empty: 2 rows" in found.notes


def test_decimal_commas_that_could_be_thousands_may_be_said(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(lines("x;y", *(f"{i % 9 + 1},200;{'ab'[i % 2]}" for i in range(40))))
    assert "say --decimal ',' where a comma is the decimal sign" in run("train", path).stderr
    out = trained(path, "--decimal", ",")
    assert load(out / "model.safetensors").preprocessor.numbers.median[0] == pytest.approx(5.2, abs=1)
    assert run("evaluate", out).exit_code == 0


CELLS = {
    "a": ["", "-", "NA", "0,5", "1,234", "-3", " 7,5 ", "1e3", "NaN"],
    "n": ["", "?", "2", "1,200", "0"],
    "p": ["", "1.25", "1.200", "3"],
    "old": ["", "true", "FALSE", "tRuE", "maybe", "None"],
    "c": ["", "a", " b", "7", "nan", "violet", "1.0"],
}


@settings(max_examples=30)
@given(rows=st.lists(st.tuples(*map(st.sampled_from, CELLS.values())).filter(any), min_size=1, max_size=6))
def test_a_prediction_does_not_depend_on_the_other_rows(tmp_path_factory, rows):
    folder = tmp_path_factory.getbasetemp()
    path, new = folder / "train.csv", folder / "new.csv"
    cells = (f"{i % 9},5;{i % 4};{i % 5}.25;{('True', 'false')[i % 2]};{'abc'[i % 3]};{'xy'[i % 2]}" for i in range(60))
    path.write_text(lines("a;n;p;old;c;y", *cells))
    model = model_of(load_dataset(str(path)))
    texts = [";".join(row) for row in rows]
    new.write_text(lines("a;n;p;old;c", *texts))
    together = predicted(model, new).rows
    for text, (label, probabilities) in zip(texts, together, strict=True):
        new.write_text(lines("a;n;p;old;c", text))
        ((alone, row),) = predicted(model, new).rows
        assert alone == label
        np.testing.assert_allclose(row, probabilities, atol=2e-6)


def test_numbers_of_a_parquet_are_known_whatever_stands_beside_them(tmp_path):
    table = TableFeatures.fit(pl.DataFrame({"code": ["01", "1", "7"]}))
    for column in ([1.0], [1.0, 2.5], [1.0, None]):
        assert table.encode(pl.DataFrame({"code": column}))[0] == [1]


def test_a_column_with_another_type_is_named(tmp_path):
    table = TableFeatures.fit(pl.DataFrame({"x": [1.0, 2.0], "c": ["a", "b"]}))
    for x, c in (([[1]], ["a"]), ([1], [{"u": 1}]), ([1], [b"a"])):
        with pytest.raises(InputError, match=r"holds (List|Struct|Binary).*, and numbers or text are needed"):
            table.encode(pl.DataFrame({"x": x, "c": c}))


@pytest.mark.parametrize(
    "dialect",
    [{"separator": ","}, {"separator": "x", "decimal_commas": [], "missing": []}, {"decimal_commas": [1]}, [1]]
    + [
        {"separator": ",", "decimal_commas": [], "missing": [], "formats": formats}
        for formats in ({"x": "YYYY"}, {"x": ["hh:mm"]}, ["x"], None, 1)
    ],
)
def test_a_damaged_dialect_is_refused(tmp_path, dialect):
    data = pl.DataFrame({"x": [1.0, 2.0]})
    save(tmp_path / "m.safetensors", Model(FullyConnectedNet([1, 2, 2]), TableFeatures.fit(data, Dialect())))
    tensors, metadata = load_tensors(tmp_path / "m.safetensors", "fcnet-model-1")
    metadata["scaling"]["dialect"] = dialect
    save_tensors(tmp_path / "m.safetensors", tensors, metadata, "fcnet-model-1")
    with pytest.raises(FileFormatError):
        load(tmp_path / "m.safetensors")


# Data frames in place of files


def test_frames_of_pandas_and_arrow_are_taken(tmp_path):
    frame = pd.DataFrame(
        {
            "size": [50.1, np.nan, 48.0, 47.5] * 10,
            "colour": ["red", "blue", None, "red"] * 10,
            "old": [True, False, True, True] * 10,
            "kind": pd.Categorical(["u", "v", "u", None] * 10),
            "n": pd.array([1, None, 3, 4] * 10, dtype="Int64"),
            "code": pd.array([LARGE, LARGE + 1, None, LARGE] * 10, dtype="Int64"),
            "label": ["no", "yes"] * 20,
        }
    )
    path = tmp_path / "t.parquet"
    frame.to_parquet(path, index=False)
    data = load_dataset(str(path), category=["code"])
    model = model_of(data)
    expected = model.predict_proba(pl.read_parquet(path))
    mixed = frame.astype({"old": object, "n": object, "colour": object, "kind": object})
    for other in (frame, frame.iloc[:, ::-1], mixed, frame.convert_dtypes(), pa.Table.from_pandas(frame)):
        np.testing.assert_array_equal(model.predict_proba(other), expected)
    np.testing.assert_array_equal(model.predict(frame), expected.argmax(axis=1))
    with_blanks = frame.assign(colour=" " + frame["colour"] + " ")
    np.testing.assert_array_equal(model.predict_proba(with_blanks), expected)
    np.testing.assert_array_equal(model.logits(frame[:3]), model.logits(pl.read_parquet(path)[:3]))
    frame.to_csv(tmp_path / "t.csv", index=False)
    told = predicted(model, tmp_path / "t.csv").rows
    np.testing.assert_allclose([row for _, row in told], expected, atol=1e-6)
    with pytest.raises(InputError, match="no column 'colour', which the model was trained on; there are 'code'"):
        model.predict(frame.drop(columns="colour"))
    with pytest.raises(InputError, match="several columns of the name 'size'"):
        model.predict(pd.concat([frame, frame[["size"]]], axis=1))
    with pytest.raises(InputError, match="'size' holds 'large' in row 2"):
        model.predict(frame.assign(size=["1", "large", None, "2"] * 10))


def test_columns_that_pandas_has_counted_are_known(tmp_path):
    path = tmp_path / "t.csv"
    frame = pd.DataFrame({0: np.arange(20.0) % 7, 1: ["a", "b"] * 10})
    frame.to_csv(path, index=False)
    model = model_of(load_dataset(str(path)))
    np.testing.assert_array_equal(model.predict_proba(frame), model.predict_proba(pl.read_csv(path)))


# Columns that cannot be used

UNUSABLE = {
    "lists": pl.Series([[1, 2]] * 40),
    "struct": pl.Series([{"u": 1}] * 40),
    "bytes": pl.Series([b"x"] * 40),
    "span": pl.Series([1, 2] * 20).cast(pl.Duration),
    "array": pl.Series([[1, 2]] * 40, dtype=pl.Array(pl.Int64, 2)),
    "text, free": pl.Series([f"word {i}" for i in range(40)]),
}


DAYS = pl.Series([date(2024, 1, 1), date(2024, 1, 2)] * 20)  # which cannot be learnt, but learnt from


@pytest.mark.parametrize("name", [*(name for name in UNUSABLE if name != "text, free"), "day"])
def test_a_target_of_another_type_is_refused(tmp_path, name):
    path, y = tmp_path / "t.parquet", (UNUSABLE | {"day": DAYS})[name]
    pl.DataFrame({"x": [float(i % 7) for i in range(40)], name: y}).write_parquet(path)
    result = run("train", path)
    assert result.exit_code == 1
    assert f"the target {name!r} holds {y.dtype}, not numbers or categories. Name another by --target" in result.stderr


def test_all_columns_that_cannot_be_used_are_named_at_once(tmp_path):
    path = tmp_path / "t.parquet"
    frame = pl.DataFrame({"x": [float(i % 7) for i in range(40)], **UNUSABLE, "y": ["a", "b"] * 20})
    frame.write_parquet(path)
    refused = run("train", path).stderr
    assert refused.count("Error") == 1
    assert "6 columns cannot be used: 'lists' holds List(Int64), not numbers or categories; 'struct' holds" in refused
    assert "'text, free' has 40 different texts in 40 rows" in refused
    advice = "--drop 'lists,struct,bytes,span,array' --drop 'text, free'"
    assert advice in refused
    trained(path, "--drop", "lists,struct,bytes,span,array", "--drop", "text, free")
    both = run("train", path, "--target", "lists").stderr
    assert "the target 'lists' holds List(Int64)" in both
    assert "5 columns cannot be used" in both
    text = tmp_path / "t.csv"
    text.write_text(
        lines("a,b,d,y", *(f"{('x', i % 5)[i > 2]},{i % 3}%,01.0{i % 9 + 1}.2024,{'uv'[i % 2]}" for i in range(40)))
    )
    refused = run("train", text).stderr
    for word in ("'a' mixes numbers and words: row 1 has 'x'", "'b' holds numbers that are not plain", "'d' holds dates"):
        assert word in refused
    assert "--drop 'a,b,d'" in refused


def test_columns_are_named_with_commas_between_them(tmp_path):
    path = tmp_path / "t.csv"
    rows = [f"{i % 3},{i % 5},{i % 4},{i % 7},{'uv'[i % 2]}" for i in range(40)]
    path.write_text(lines('a,b,"a,b",c,y', *rows))
    assert load_dataset(str(path), drop=["a, c"]).X_train.columns == ["b", "a,b"]
    assert load_dataset(str(path), drop=["a,b"]).X_train.columns == ["a", "b", "c"]  # a name that has a comma goes first
    X = load_dataset(str(path), category=["b,c", "a"]).X_train
    assert [X[name].dtype == pl.String for name in X.columns] == [True, True, False, True]
    result = run("train", path, "--drop", "c,d")
    assert result.exit_code == 2
    assert "Unknown column 'd'" in result.stderr
    out = trained(path, "--drop", "a,c", "--category", "b")
    assert load(out / "model.safetensors").preprocessor.columns[0] == ("b", ["0", "1", "2", "3", "4"])


# Files as they come

PLAIN = lines("x,c,y", *(f'{i % 7}.5,"{("ä", "b, 2")[i % 2]}",{"uv"[i % 3 == 0]}' for i in range(40)))


def zipped(content, names=("t.csv",)):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in names:
            archive.writestr(name, content)
    return out.getvalue()


def zstd(content):
    return pytest.importorskip("zstandard").compress(content)


PACK = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress, "zst": zstd, "zip": zipped}


@pytest.fixture
def plain(tmp_path):
    path = tmp_path / "plain.csv"
    path.write_text(PLAIN, encoding="utf-8")
    return path


@pytest.mark.parametrize("ending", PACK)
def test_compressed_tables(plain, tmp_path, ending):
    path = tmp_path / f"packed.csv.{ending}"
    path.write_bytes(PACK[ending](PLAIN.encode()))
    data = load_dataset(str(path))
    assert data.X_train.equals(load_dataset(str(plain)).X_train)
    assert data.name == "packed"
    assert configure(str(path), None)[0].name.startswith("packed-tabular-")
    out = trained(path)
    assert run("evaluate", out).exit_code == 0
    assert run("predict", out, path).stdout == run("predict", out, plain).stdout
    path.write_bytes(PACK[ending](PLAIN.encode())[:60])
    with pytest.raises(FileFormatError, match="cannot be unpacked"):
        load_dataset(str(path))


def test_archives_of_several_files_are_refused(tmp_path):
    path = tmp_path / "t.csv.zip"
    path.write_bytes(zipped(PLAIN, ("t.csv", "__MACOSX/._t.csv")))
    assert load_dataset(str(path)).classes == ["u", "v"]
    path.write_bytes(zipped(PLAIN, ("t.csv", "u.csv")))
    with pytest.raises(FileFormatError, match="it holds 2 files, and one table is needed"):
        load_dataset(str(path))


@pytest.mark.parametrize("end", ["\r\n", "\r", "\r\r\n"])
def test_line_ends(plain, tmp_path, end):
    path = tmp_path / "ends.csv"
    path.write_bytes(PLAIN.replace("\n", end).encode())
    assert load_dataset(str(path)).X_train.equals(load_dataset(str(plain)).X_train)
    path.write_bytes(PLAIN.replace('"', "").replace("b, 2", "b").replace("\n", "\r", 9).encode())  # of two kinds
    assert len(load_dataset(str(path)).X_train) == 28


@pytest.mark.parametrize(
    ("encoding", "said"),
    [
        ("latin-1", "latin-1"),
        ("cp1252", "cp1252"),
        ("utf-8-sig", ""),
        ("utf-16", ""),
        ("utf-32", ""),
        ("utf-16-le", "utf-16-le"),
    ],
)
def test_encodings(plain, tmp_path, encoding, said):
    path = tmp_path / "other.csv"
    path.write_bytes(PLAIN.encode(encoding))
    out = trained(path, *(["--encoding", said] if said else []))
    assert load(out / "model.safetensors").preprocessor.columns == [("x", None), ("c", ["b, 2", "ä"])]
    assert run("evaluate", out).exit_code == 0
    found = run("predict", out, path, *(["--encoding", said] if said else []))
    assert found.stdout == run("predict", out, plain).stdout
    assert found.exit_code == 0


def test_another_encoding_is_named(plain, tmp_path):
    path = tmp_path / "other.csv"
    path.write_bytes(PLAIN.encode("latin-1"))
    result = run("train", path)
    assert result.exit_code == 1
    assert f"{path} is not utf-8: line 2 has the byte 0xe4. Name its encoding, as --encoding cp1252" in result.stderr
    path.write_bytes(PLAIN.encode("utf-16-le"))
    assert "by --encoding utf-16-le" in run("train", path).stderr
    wrong = run("train", plain, "--encoding", "utf-99")
    assert wrong.exit_code == 2
    assert "There is no encoding 'utf-99'" in wrong.stderr
    pl.read_csv(plain).write_parquet(tmp_path / "t.parquet")
    assert "--encoding is for text" in run("train", tmp_path / "t.parquet", "--encoding", "utf-8").stderr


def test_a_table_by_standard_input(plain, tmp_path):
    out = trained(plain)
    expected = run("predict", out, plain).stdout
    pl.read_csv(plain).write_parquet(tmp_path / "t.parquet")
    for content in (
        PLAIN.encode(),
        PLAIN.encode("utf-16"),
        gzip.compress(PLAIN.encode()),
        (tmp_path / "t.parquet").read_bytes(),
    ):
        assert run("predict", out, "-", stdin=content).stdout == expected
    result = run("predict", out, "-", stdin=b"x,z\n1,2\n")
    assert result.exit_code == 1
    assert "Standard input: There is no column 'c'" in result.stderr
    assert "Standard input is empty" in run("predict", out, "-", stdin=b"").stderr


def test_columns_are_kept_with_the_predictions(plain, tmp_path):
    out = trained(plain)
    expected = [line.split(",") for line in run("predict", out, plain).stdout.splitlines()]
    new = tmp_path / "new.csv"
    ids = [f"{i:03}" for i in range(40)]
    frame = pl.read_csv(plain, infer_schema=False).with_columns(
        id=pl.Series(ids), number=pl.Series([LARGE] * 40), **{"class": pl.lit("of old"), "a, b": pl.lit('"')}
    )
    frame.write_csv(new)
    result = run("predict", out, new, "--keep", "id,number", "--keep", "class", "--keep", "a, b", "--keep", "y,c,x")
    found = pl.read_csv(result.stdout.encode(), infer_schema=False)
    assert found.columns == ["id", "number", "input_class", "a, b", "y", "c", "x", *expected[0]]
    assert [list(row) for row in found[:, -3:].rows()] == expected[1:]
    kept = found[:, :-3].rename({"input_class": "class"})
    assert kept.equals(frame.select(kept.columns).cast(pl.String))
    objects = [json.loads(line) for line in run("predict", out, new, "--keep", "id", "--json").stdout.splitlines()]
    assert [row["kept"] for row in objects] == [{"id": text} for text in ids]
    wrong = run("predict", out, new, "--keep", "idd")
    assert wrong.exit_code == 2
    assert "Did you mean 'id'" in wrong.stderr


def test_options_of_tables_are_refused_for_other_data(tmp_path):
    for words in (("--missing", "x"), ("--encoding", "latin-1"), ("--decimal", ",")):
        result = run("train", "digits", *words)
        assert result.exit_code == 2
        assert f"{words[0]} is for tables" in result.stderr
    np.savez(tmp_path / "t.npz", X=np.eye(12), y=np.arange(12) % 2)
    with pytest.raises(InputError, match="--drop, --missing are for tables, and"):
        load_dataset(str(tmp_path / "t.npz"), drop=["x"], missing=["?"])
    out = trained(tmp_path / "t.npz")
    assert run("predict", out, tmp_path / "t.npz", "--keep", "x").exit_code == 1


def test_the_card_tells_how_text_is_read(comma, tmp_path):
    out = trained(comma)
    assert run("export", out, "--to", tmp_path / "card.md").exit_code == 0
    text = (tmp_path / "card.md").read_text()
    assert (
        "In text `;` stands between columns, the decimal sign of a, n is a comma, and empty fields and the words NA, N/A,"
        in text
    )
