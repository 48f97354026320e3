"""Own data: tables, arrays and folders of pictures, from the file to predictions."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image
from sklearn import datasets
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils import compute_sample_weight

from fcnet import load
from fcnet.cli import main
from fcnet.data import load_dataset
from fcnet.data.cells import MISSING
from fcnet.data.splits import split
from fcnet.data.table_columns import columns_of
from fcnet.data.table_file import read_table
from fcnet.errors import FcnetError, FileFormatError, InputError
from fcnet.experiments.run import Config, train
from fcnet.files import load_tensors, save_tensors
from fcnet.preprocessing import TableFeatures
from fcnet.training.callbacks import Callback
from fcnet.training.trainer import Trainer

QUICK = ["--set", "epochs=4", "--set", "hidden=[16]"]
ONE = ["--set", "n_ensemble=1"]


def run(*words):
    return CliRunner().invoke(main, [str(word) for word in words])


def typed(path):
    """The columns of a table as numbers and text."""
    return columns_of(read_table(path), (), MISSING).frame


def mixed(n=300, seed=0):
    """A table whose label is plain from a number and a category."""
    rng = np.random.default_rng(seed)
    colour, size = rng.choice(["red", "green", "blue"], n), rng.normal(50, 10, n)
    label = np.where((colour == "red") ^ (size > 50), "yes", "no")
    return pl.DataFrame(
        {"size": size.round(2), "colour": colour, "old": rng.random(n) < 0.5, "count": rng.integers(9, size=n), "label": label}
    )


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "mixed.csv"
    mixed(600).write_csv(path)
    return path


@pytest.fixture
def trained(table, tmp_path):
    result = run("train", table, "--recipe", "table", "--out", tmp_path / "run", "--set", "epochs=30", "--json")
    assert result.exit_code == 0, result.output
    return tmp_path / "run"


def test_a_table_is_trained_evaluated_and_predicted(trained, table, tmp_path):
    metrics = json.loads((trained / "metrics.json").read_text())
    assert (metrics["n_train"], metrics["n_val"], metrics["test_accuracy"]) == (420, 90, None)
    assert json.loads(run("evaluate", trained, "--json").stdout)["test_accuracy"] > 0.9
    rows = mixed(40, seed=1)
    new = tmp_path / "new.csv"
    rows.drop("label").select("count", "colour", "size", "old").write_csv(new)  # other order, no target
    predicted = run("predict", trained, new)
    said = pl.read_csv(predicted.stdout.encode())
    assert said.columns == ["class", "no", "yes"]
    assert (said["class"] == rows["label"]).mean() > 0.9
    np.testing.assert_allclose(said["no"] + said["yes"], 1, atol=2e-6)
    assert run("predict", trained, new, "--out", tmp_path / "said.csv").exit_code == 0
    assert (tmp_path / "said.csv").read_text() == predicted.stdout
    lines = run("predict", trained, new, "--json").stdout.splitlines()
    assert [json.loads(line)["class"] for line in lines] == said["class"].to_list()
    assert run("report", trained).exit_code == 0


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer"])
@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_real_tables(tmp_path, name, ending):
    frame = pl.from_pandas(getattr(datasets, f"load_{name}")(as_frame=True).frame)
    path = tmp_path / f"{name}{ending}"
    (frame.write_csv if ending == ".csv" else frame.write_parquet)(path)
    result = run("train", path, "--out", tmp_path / "run", "--target", "target", "--set", "epochs=30", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["val_accuracy"] > 0.9


def test_the_preparation_is_that_of_scikit_learn(table):
    frame = typed(table).drop("label")
    frame = frame.with_columns(size=pl.when(pl.arange(0, pl.len()) % 7 == 0).then(None).otherwise(pl.col("size")))
    train, rest = frame[:200], frame[200:]
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    peer = make_column_transformer(
        (numbers, make_column_selector(dtype_include="number")),
        (OneHotEncoder(sparse_output=False, handle_unknown="ignore"), make_column_selector(dtype_exclude="number")),
    )
    expected = peer.fit(train.to_pandas()).transform(rest.to_pandas())
    ours = TableFeatures.fit(train)
    found = ours.transform(rest, np.float64)
    in_order = [0, 6, 1, 2, 3, 4, 5]  # ours keeps the order of the columns, the peer puts numbers first
    np.testing.assert_allclose(found[:, in_order], expected, rtol=1e-12)
    assert found.dtype == np.float64
    assert ours.transform(rest).dtype == np.float32


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(
            st.one_of(st.none(), st.floats(-1e6, 1e6)), st.one_of(st.none(), st.text("abc é\"',\n", min_size=1, max_size=4))
        ),
        min_size=3,
        max_size=30,
    )
)
def test_any_table_is_prepared_and_saved_and_read_again(tmp_path_factory, rows):
    frame = pl.DataFrame({"x": [x for x, _ in rows], "c": [c for _, c in rows]}, schema={"x": pl.Float64, "c": pl.String})
    assume(len({x for x, _ in rows} - {None}) > 1 or len({c for _, c in rows}) > 1)  # else all is constant
    table = TableFeatures.fit(frame)
    encoded = table.encode(frame)
    out = table.transform(encoded)
    assert np.isfinite(out).all()
    assert (out[:, 1:].sum(axis=1) == [c is not None for _, c in rows]).all()
    path = tmp_path_factory.mktemp("table") / "table.safetensors"
    save_tensors(path, table.arrays(), table.get_config(), "test")
    arrays, config = load_tensors(path, "test")
    np.testing.assert_array_equal(TableFeatures.from_arrays(config, arrays).transform(frame), out)


def test_the_model_card_tells_the_columns(trained, table, tmp_path):
    assert run("export", trained, "--to", tmp_path / "card.md").exit_code == 0
    text = (tmp_path / "card.md").read_text().partition("## Columns")[2].partition("\n## ")[0]
    median = load(trained / "model.safetensors").preprocessor.numbers.median[0]
    assert "The column label is predicted from these:" in text
    assert f"| size | number | the median, {median:.6g} |" in text
    assert "| colour | category: blue, green, red | no category |" in text
    words = ("--target", "colour", "--drop", "label", "--drop", "old", "--category", "count")
    assert run("train", table, "--out", tmp_path / "other", *words, *QUICK).exit_code == 0
    assert run("export", tmp_path / "other", "--to", tmp_path / "card.md").exit_code == 0
    text = (tmp_path / "card.md").read_text()
    assert "The column colour is predicted from these, without label, old:" in text
    assert "| count | category: 0, 1, 2, 3, 4, 5, 6, 7, 8 | no category |" in text


@pytest.mark.filterwarnings("ignore:The column:fcnet.errors.DataWarning")  # of a category that is new on purpose
def test_unseen_and_missing_categories_are_no_category(trained, tmp_path):
    model = load(trained / "model.safetensors")
    rows = pl.DataFrame({"size": [50.0, None], "colour": ["violet", None], "old": ["true", "true"], "count": [1, 1]})
    prepared = model.preprocessor.transform(rows)
    colours = slice(1, 4)
    assert (prepared[:, colours] == 0).all()
    assert np.isfinite(model.predict_proba(rows)).all()


def test_missing_values_are_told(tmp_path):
    frame = mixed()
    path = tmp_path / "gaps.csv"
    frame.with_columns(size=pl.when(pl.arange(0, pl.len()) < 9).then(None).otherwise(pl.col("size"))).write_csv(path)
    result = run("train", path, "--out", tmp_path / "run", *QUICK)
    assert "9 of 300 values of 'size' are missing or infinite; they count as the median" in result.stderr
    assert "Learning the column 'label' from 4 others: no, yes" in result.stderr


def test_how_the_table_is_read_is_told_in_a_few_lines(tmp_path):
    path = tmp_path / "mixed.csv"
    mixed().write_csv(path)
    told = load_dataset(str(path)).notes
    assert told == [
        "Learning the column 'label' from 4 others: no, yes",
        "That is the last column; --target COLUMN learns another",
        "Numbers: 'size', 'count'",
        "Categories, and how many: 'colour' (3), 'old' (2)",
    ]
    assert load_dataset(str(path), target="label").notes == [told[0], *told[2:]]
    wide = {f"x{i}": [None if row == i else f"{row % 7}" for row in range(300)] for i in range(300)}
    pl.DataFrame(wide | {"y": ["a", "b"] * 150}).write_csv(path)
    told = load_dataset(str(path)).notes
    assert len(told) == 14
    assert told[2].endswith("'x9' and 290 more")
    assert told[-1] == "Values are missing in 290 more columns"


def test_columns_of_one_value_are_left_out_and_told(tmp_path):
    frame = mixed().with_columns(
        same=pl.lit(3),
        gaps=pl.Series([3.0, None] * 150),
        word=pl.lit("a"),
        empty=pl.lit(None),
        flag=pl.Series(["x", None] * 150),
    )
    path = tmp_path / "constant.csv"
    frame.write_csv(path)
    data = load_dataset(str(path), target="label")
    assert data.X_train.columns == ["size", "colour", "old", "count", "flag"]  # that a category is missing can say something
    assert "Left out, as they hold one value or none: 'same', 'gaps', 'word', 'empty'" in data.notes


def test_numbers_of_rows_are_told(tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "ids.csv"
    frame = mixed().with_columns(
        nr=pl.arange(7, 307),
        ID=2 * pl.Series(rng.permutation(300)),
        place=pl.Series(1 + rng.permutation(300)),
        year=2 * pl.Series(rng.permutation(300)),
    )
    frame.write_csv(path)
    told = load_dataset(str(path), target="label").notes[-1]
    assert told.endswith("leave them out: --drop 'nr,ID,place'")
    assert "number the rows" not in "".join(load_dataset(str(path), target="label", drop=["nr", "ID", "place"]).notes)
    mixed().write_csv(path)
    assert "number the rows" not in "".join(load_dataset(str(path)).notes)


def test_columns_without_a_name_are_left_out(tmp_path):
    path = tmp_path / "index.csv"
    frame = mixed().to_pandas()
    frame.to_csv(path)
    expected = load_dataset(str(path))
    assert "Left out, as they have no name: 'Unnamed 1'; what is to be learnt needs one" in expected.notes
    assert expected.X_train.columns == ["size", "colour", "old", "count"]
    assert run("train", path, "--out", tmp_path / "run", *QUICK).exit_code == 0
    said = run("predict", tmp_path / "run", path).stdout
    frame.reset_index(names="Unnamed: 0").to_csv(path)  # read and written once more
    assert load_dataset(str(path)).X_train.equals(expected.X_train)
    frame.to_csv(path, index=False)
    assert run("predict", tmp_path / "run", path).stdout == said
    path.write_text(lines("a,b,,c,,", *(f"{i % 5},{i % 3},u,{'xy'[i % 2]},," for i in range(20))))
    data = load_dataset(str(path))
    assert (data.classes, data.X_train.columns) == (["x", "y"], ["a", "b"])


def test_no_test_row_touches_a_fit(tmp_path):
    frame = mixed()
    y = (frame["label"] == "yes").to_numpy().astype(int)
    test = split(y, ["no", "yes"], "x")[2]
    noise = np.zeros(len(frame), bool)
    noise[test] = True
    changed = frame.with_columns(
        size=pl.when(pl.Series(noise)).then(1e9).otherwise(pl.col("size")),
        colour=pl.when(pl.Series(noise)).then(pl.lit("never seen")).otherwise(pl.col("colour")),
    )
    models = []
    for name, rows in (("a", frame), ("b", changed)):
        rows.write_csv(tmp_path / f"{name}.csv")
        assert run("train", tmp_path / f"{name}.csv", "--out", tmp_path / name, *QUICK).exit_code == 0
        models.append((tmp_path / name / "model.safetensors").read_bytes())
    assert models[0] == models[1]


def test_the_split_is_stratified_and_always_the_same():
    y = np.repeat([0, 1, 2], [200, 40, 3])
    parts = split(y, ["a", "b", "c"], "x")
    assert sorted(np.concatenate(parts)) == list(range(243))
    assert [list(np.bincount(y[part])) for part in parts] == [[140, 28, 1], [30, 6, 1], [30, 6, 1]]
    for part, again in zip(parts, split(y, ["a", "b", "c"], "x"), strict=True):
        np.testing.assert_array_equal(part, again)


def test_a_changed_file_is_noticed(trained, table):
    assert "finished already" in run("train", table, "--out", trained, "--resume").stderr
    table.write_text(table.read_text() + "1,red,true,1,yes\n")
    result = run("evaluate", trained)
    assert result.exit_code == 1
    assert "has changed since it was first read: train or sweep anew" in result.stderr


def test_a_file_that_has_moved_is_told_from_one_that_changed(trained, table, tmp_path):
    moved = tmp_path / "moved.csv"
    table.rename(moved)
    result = run("evaluate", trained)
    assert result.exit_code == 1
    assert f"There is no file or folder {table}, which the run was trained on" in result.stderr
    config = trained / "config.toml"
    config.write_text(config.read_text().replace(str(table), str(moved)))  # as the message says
    assert run("evaluate", trained).exit_code == 0
    moved.unlink()
    (trained / "metrics.json").unlink()
    result = run("train", moved, "--out", trained, "--resume")
    assert f"There is no file or folder {moved}, which the run was trained on" in result.stderr
    assert f"There is no file {moved}." in run("train", moved, "--out", tmp_path / "new").stderr


class StopAfter(Callback):
    def __init__(self, epochs):
        self.epochs = epochs

    def on_epoch_end(self, state):
        if state.epoch == self.epochs:
            raise KeyboardInterrupt


def test_a_run_that_is_interrupted_goes_on_to_the_same_model(table, tmp_path):
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    assert run("train", table, "--drop", "count", "--out", whole, *QUICK).exit_code == 0
    with pytest.raises(KeyboardInterrupt):
        train(stopped, Config.read(whole), checkpoint_seconds=0, callbacks=[StopAfter(2)])
    assert not (stopped / "metrics.json").exists()
    result = run("train", table, "--out", stopped, "--resume")
    assert "Going on with" in result.stderr
    assert (stopped / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    changed = run("train", table, "--out", stopped, "--resume", "--drop", "old", *QUICK)
    assert changed.exit_code == 2
    assert "drop was ['count'], now ['old']" in changed.stderr


def test_a_file_that_changes_before_a_run_goes_on_is_noticed(table, tmp_path):
    words = ("train", table, "--out", tmp_path / "run", *QUICK)
    assert run(*words).exit_code == 0
    (tmp_path / "run/metrics.json").unlink()
    table.write_text(table.read_text() + "1,red,true,1,yes\n")
    result = run("train", table, "--out", tmp_path / "run", "--resume")
    assert result.exit_code == 1
    assert "has changed since it was first read: train or sweep anew" in result.stderr


def test_balanced_classes_find_more_of_the_rare_one(tmp_path):
    rng = np.random.default_rng(0)
    rare = rng.random(1000) < 0.05
    frame = pl.DataFrame({"x": rng.normal(size=1000) + 1.5 * rare, "y": np.where(rare, "rare", "common")})
    path = tmp_path / "rare.csv"
    frame.write_csv(path)
    found = []
    for balance in ("none", "balanced"):
        words = ("train", path, "--out", tmp_path / balance, "--set", f"class_weight={balance}", *ONE, "--set", "epochs=8")
        assert run(*words).exit_code == 0
        model = load(tmp_path / balance / "model.safetensors")
        predicted = np.array(model.classes)[model.predict(frame)] == "rare"
        found.append(predicted[rare].mean())
        metrics = json.loads((tmp_path / balance / "metrics.json").read_text())
        data = load_dataset(str(path))
        assert metrics["val_accuracy"] == np.mean(model.predict(data.X_val) == data.y_val)  # rows, not classes
    assert found[0] < 0.3
    assert found[1] > 0.5
    assert "Did you mean 'balanced'" in run("train", path, "--set", "class_weight=balance").stderr


def test_balanced_classes_weigh_the_same(tmp_path, monkeypatch):
    y, given = np.array([0, 0, 0, 2, 2, 3] * 10), {}
    path = tmp_path / "data.csv"
    pl.DataFrame({"x": np.arange(60.0), "y": y.astype(str)}).write_csv(path)
    fit = Trainer.fit
    monkeypatch.setattr(Trainer, "fit", lambda *args, **kwargs: given.update(kwargs) or fit(*args, **kwargs))
    words = ("--set", "class_weight=balanced", "--set", "epochs=1")
    assert run("train", path, "--out", tmp_path / "run", *words, *ONE).exit_code == 0
    y_train = load_dataset(str(path)).y_train
    np.testing.assert_allclose(given["sample_weight"], compute_sample_weight("balanced", y_train))
    np.testing.assert_allclose(np.bincount(y_train, given["sample_weight"]), len(y_train) / 3)


def test_scaling_of_tables_is_one_of_their_own(table, tmp_path):
    result = run("train", table, "--out", tmp_path / "run", "--set", "scaling=zca")
    assert result.exit_code == 2
    assert "Unknown preprocessing.scaling 'zca'" in result.stderr
    assert not (tmp_path / "run").exists()


def test_new_rows_that_do_not_fit_are_refused(trained, tmp_path):
    path = tmp_path / "new.csv"
    path.write_text("size,old,count\n1,true,2\n")
    assert (
        "no column 'colour', which the model was trained on; there are 'count', 'old', 'size'."
        in run("predict", trained, path).stderr
    )
    path.write_text("Size,color,old,count\n1,red,true,2\n")
    said = run("predict", trained, path).stderr
    assert "no column 'colour', 'size', which the model was trained on; there are 'Size', 'color', 'count', 'old'." in said
    assert said.strip().endswith("Did you mean 'color', 'Size'?")
    path.write_text("size,colour,old,count\n1,red,true,2\nlarge,red,true,2\n")
    result = run("predict", trained, path)
    assert "'size' holds 'large' in row 2, and the model was trained on numbers" in result.stderr
    assert result.exit_code == 1
    path.write_text("size,colour,old,count\n1,red,true,2\n1e30,red,true,2\n")
    assert "'size' holds 1e+30, which is too far from what" in run("predict", trained, path).stderr
    assert f"{tmp_path} is a folder, not a table" in run("predict", trained, tmp_path).stderr


def test_every_row_has_a_prediction_also_one_without_values_at_the_end(trained, tmp_path):
    path = tmp_path / "new.csv"
    path.write_text("size,colour,old,count\n1,red,true,2\nNA,,?,\n,NA,,\n\n\n")
    assert len(run("predict", trained, path).stdout.splitlines()) == 1 + 3


@pytest.fixture
def coded(tmp_path):
    """A run on a table with categories that look like numbers, and truth as pandas writes it."""
    path = tmp_path / "coded.csv"
    cells = [(("0", "1", "north", "east")[i % 4], str(i % 4 == 0), i % 7, "xy"[i % 4 == 0]) for i in range(120)]
    path.write_text(lines("code,old,size,label", *(",".join(map(str, row)) for row in cells)))
    assert run("train", path, "--out", tmp_path / "run", "--set", "epochs=20").exit_code == 0
    return tmp_path / "run"


def test_categories_are_known_again_however_they_are_written(coded, tmp_path):
    path = tmp_path / "new.csv"
    said = []
    for code, old in (("0", "True"), ("0", "true"), ("north", "FALSE")):
        path.write_text(lines("code,old,size", f"{code},{old},1"))
        result = run("predict", coded, path)
        assert result.stderr == ""
        said.append(result.stdout)
    assert said[0] == said[1]
    assert [text.splitlines()[1][0] for text in said] == ["y", "y", "x"]
    pl.DataFrame({"code": ["0"], "old": [True], "size": [1]}).write_parquet(tmp_path / "new.parquet")
    assert run("predict", coded, tmp_path / "new.parquet").stdout == said[0]


@pytest.mark.filterwarnings("ignore::fcnet.errors.DataWarning")  # of categories that are new on purpose
@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_numbers_that_are_categories(tmp_path, ending):
    rng = np.random.default_rng(0)
    port = rng.integers(1, 4, 300)
    frame = pl.DataFrame({"port": port, "x": rng.random(300), "y": np.where(port == 2, "mid", "end")})
    write = pl.DataFrame.write_csv if ending == ".csv" else pl.DataFrame.write_parquet
    path, new, out = tmp_path / f"ports{ending}", tmp_path / f"new{ending}", tmp_path / "run"
    write(frame, path)
    assert run("train", path, "--category", "port", "--out", out, "--set", "epochs=20").exit_code == 0
    assert Config.read(out).category == ["port"]
    model = load(out / "model.safetensors")
    assert model.preprocessor.columns[0] == ("port", ["1", "2", "3"])
    assert json.loads(run("evaluate", out, "--json").stdout)["test_accuracy"] > 0.95
    said = []
    for values in ([1, 2, 7, None], [1.0, 2.0, 7.0, None]):
        rows = pl.DataFrame({"port": values, "x": [0.5] * 4})
        write(rows, new)
        result = run("predict", out, new)
        assert "1 of 4 values of 'port' were in no training row" in result.stderr
        said.append(result.stdout)
        assert [model.classes[i] for i in model.predict(rows)][:2] == ["end", "mid"]
    assert said[0] == said[1]
    write(pl.DataFrame({"port": [7], "x": [0.5]}), new)  # nothing known
    assert run("predict", out, new).exit_code == 0
    write(frame.with_columns(port=pl.when(pl.col("port") == 3).then(None).otherwise(pl.col("port").cast(pl.Float64))), path)
    columns = TableFeatures.fit(load_dataset(str(path), category=["port"]).X_train).columns
    assert columns[0] == ("port", ["1.0", "2.0"] if ending == ".csv" else ["1", "2"])
    assert "Did you mean 'port'" in run("train", path, "--category", "prot").stderr
    assert run("train", "digits", "--category", "port").exit_code == 2


def test_codes_keep_their_zeros(tmp_path):
    path = tmp_path / "codes.csv"
    path.write_text(lines("code,x,c", *(f"{('01', '1')[i % 2]},{i % 5},{'ab'[i % 2]}" for i in range(40))))
    assert load_dataset(str(path), category=["code"]).X_train["code"].unique().sort().to_list() == ["01", "1"]


@pytest.mark.filterwarnings("ignore::fcnet.errors.DataWarning")  # of categories that are new on purpose
def test_a_graph_knows_booleans_and_numbers_by_all_the_names_that_programs_write(coded, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    assert run("export", coded, "--to", tmp_path / "m.onnx").exit_code == 0
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx", providers=["CPUExecutionProvider"])
    names = ["true", "True", "TRUE", "false", "False", "FALSE", "", "tRuE"]
    inputs = {"code": ["0", "0.0"] * 4, "old": names, "size": [1.0] * 8}
    arrays = {name: np.array(column, object if name != "size" else float)[:, np.newaxis] for name, column in inputs.items()}
    found = session.run(["probabilities"], arrays)[0]
    expected = load(coded / "model.safetensors").predict_proba(pl.DataFrame(inputs))
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert [len(np.unique(found[rows, 0])) for rows in (slice(3), slice(3, 6), slice(6, 8), slice(8))] == [1, 1, 1, 3]


def test_numbers_for_categories_are_refused_and_unknown_ones_are_told(coded, tmp_path):
    path = tmp_path / "new.csv"
    path.write_text(lines("code,old,size", "1,3,1"))
    result = run("predict", coded, path)
    assert result.exit_code == 1
    assert "'old' holds 3, and the model was trained on categories there, as 'false', 'true'" in result.stderr
    path.write_text(lines("code,old,size", "7%,true,1"))
    assert "1 of 1 values of 'code' were in no training row" in run("predict", coded, path).stderr
    path.write_text(lines("code,old,size", "south,true,1", "1.0,true,1"))
    result = run("predict", coded, path)
    assert result.exit_code == 0
    assert "1 of 2 values of 'code' were in no training row" in result.stderr


def test_numbers_far_away_and_what_is_no_frame_are_refused(coded, tmp_path):
    model = load(coded / "model.safetensors")
    frame = pl.DataFrame({"code": ["0"], "old": ["true"], "size": [1e30]})
    farther = frame.with_columns(size=pl.lit(1e35))
    assert (model.predict_proba(frame) == model.predict_proba(farther)).all()  # clipped
    assert run("train", tmp_path / "coded.csv", "--recipe", "table", "--out", tmp_path / "plain").exit_code == 0
    model = load(tmp_path / "plain" / "model.safetensors")
    with pytest.raises(InputError, match=r"'size' holds 1e\+30, which is too far"):
        model.predict_proba(frame)
    with pytest.raises(InputError, match="1e\\+30, which is too far"):
        model.predict_proba(frame.to_pandas())
    with pytest.raises(InputError, match="takes a data frame of polars, pandas or pyarrow, got SimpleNamespace"):
        model.predict_proba(SimpleNamespace(columns=frame.columns))
    assert np.isfinite(model.predict_proba(frame.with_columns(size=pl.lit(float("inf"))))).all()  # as if it were missing


def test_classes_that_differ_in_spaces_stay_two(tmp_path):
    path = tmp_path / "spaces.csv"
    path.write_text(lines("a,c", *(f"{i},{('a b', 'a  b')[i % 2]}" for i in range(20))))
    assert load_dataset(str(path)).classes == ["a  b", "a b"]


def test_names_that_are_values_are_told(tmp_path):
    path = tmp_path / "headless.csv"
    path.write_text(lines("5.1,3.5,setosa", *(f"{i}.5,{i % 7},{'ab'[i % 2]}" for i in range(20))))
    assert "these names are values, and the first line of a file has to hold names: 5.1, 3.5" in "".join(
        load_dataset(str(path)).notes
    )


@pytest.mark.parametrize("day", ["{}.02.24", "2024-{}", "{}/02/2024", "{}-02-2024 12:30"])
def test_dates_are_refused(tmp_path, day):
    path = tmp_path / "days.csv"
    pl.DataFrame({"day": [day.format(10 + i % 3) for i in range(30)], "label": ["a", "b"] * 15}).write_csv(path)
    with pytest.raises(InputError, match="the column 'day' holds dates"):
        load_dataset(str(path))


def test_a_resumed_run_is_compared_with_what_is_said_again(tmp_path):
    path, run_folder = tmp_path / "own.csv", tmp_path / "run"
    mixed().write_csv(path)
    begin = ("train", path, "--target", "label", "--seed", 3, "--set", "epochs=2", "--drop", "old", "--out", run_folder)
    assert run(*begin).exit_code == 0
    for again in (["--seed", 3], ["--target", "label"], ["--set", "epochs=2"], ["--drop", "old"], []):
        assert run("train", path, "--out", run_folder, "--resume", *again).exit_code == 0
    other = run("train", path, "--out", run_folder, "--resume", "--seed", 4)
    assert "other settings: seed was 3, now 4. It is finished: choose another --out." in other.stderr
    (run_folder / "metrics.json").unlink()
    path.unlink()
    assert "There is no file or folder" in run("train", path, "--target", "label", "--out", run_folder, "--resume").stderr


def test_categories_of_numbers_do_not_depend_on_the_rows_beside_them():
    table = TableFeatures.fit(pl.DataFrame({"code": ["01234", "80331", "1.0", "1"]}))
    assert table.encode(pl.DataFrame({"code": ["1234", "1", "1.00", None, "x"]})).ravel().tolist() == [0, 1, -1, -1, -1]
    assert table.columns == [("code", ["01234", "1", "1.0", "80331"])]
    words = pl.DataFrame({"arm": ["inf", "cav", "nan"]})  # which Python takes for numbers
    assert TableFeatures.fit(words).encode(words).ravel().tolist() == [1, 0, 2]
    assert table.encode(pl.DataFrame({"code": [1234, 80331]})).ravel().tolist() == [0, 3]


def test_names_with_commas_do_not_divide_columns(tmp_path):
    path = tmp_path / "heights.csv"
    path.write_text(lines("height, cm;width, cm;kind", *(f"0,{i};{i},25;{'ab'[i % 2]}" for i in range(10, 30))))
    data = load_dataset(str(path))
    assert (data.X_train.columns, data.target, data.classes) == (["height, cm", "width, cm"], "kind", ["a", "b"])


def test_what_is_wrong_with_a_column_that_is_not_needed_is_no_matter(trained, tmp_path):
    path = tmp_path / "notes.csv"
    notes = pl.Series(["€ 1,200", "12%", "many", "4", "5", "6"] * 50)
    mixed().with_columns(notes=notes).select("notes", *mixed().columns).write_csv(path)
    assert "not plain, as '€ 1,200' in row 1" in run("train", path).stderr
    for way in ("--drop", "--category"):  # as the message says
        assert run("train", path, way, "notes", "--out", tmp_path / way, *QUICK).exit_code == 0
    assert run("predict", trained, path).exit_code == 0


@pytest.mark.parametrize(("ending", "sign"), [(".tsv", "\t"), (".csv", "\t"), (".csv", ";"), (".csv", ","), (".tsv", ",")])
def test_columns_between_other_signs(tmp_path, ending, sign):
    frame = mixed().with_columns(words=pl.Series(['a "b", c', "d;e\tf", "g\n;h"] * 100))
    frame.write_csv(tmp_path / "comma.csv")
    expected = typed(tmp_path / "comma.csv")
    names = sign.join([" size", "colour ", "old", "count", "label", '"words; or, more"'])
    path = tmp_path / f"other{ending}"
    path.write_text(f"{names}\n{frame.write_csv(separator=sign, include_header=False)}")
    found = typed(path)
    assert found.columns == [*expected.columns[:-1], "words; or, more"]
    assert found.rename({"words; or, more": "words"}).equals(expected)
    assert run("train", path, "--target", "label", "--out", tmp_path / "run", *QUICK).exit_code == 0


def test_decimal_commas_between_semicolons(tmp_path):
    path = tmp_path / "comma.csv"
    path.write_text(lines("a;b;c", "3,14;1,200;1,5 m", "-,5;2,5e-1;2 m", "2;-;2 m"))
    assert typed(path).rows() == [(3.14, 1.2, "1,5 m"), (-0.5, 0.25, "2 m"), (2.0, None, "2 m")]


def test_a_lone_minus_is_missing_among_numbers_alone(tmp_path):
    path = tmp_path / "minus.csv"
    path.write_text(lines("a,b,0", "-1,x,-", "-,-,2"))
    assert typed(path).rows() == [(-1.0, "x", None), (None, "-", 2.0)]


def test_columns_that_pandas_has_counted_are_names(tmp_path):
    path = tmp_path / "counted.csv"
    mixed().to_pandas().set_axis(range(5), axis=1).to_csv(path)
    assert load_dataset(str(path)).X_train.columns == ["0", "1", "2", "3"]


def test_empty_lines_at_the_end_are_no_rows(tmp_path):
    path = tmp_path / "blank.csv"
    path.write_text(lines("a,c", "1,x", "2,y", "", ""))
    assert len(typed(path)) == 2


def lines(*rows):
    return "\n".join(rows) + "\n"


GOOD = [f"{i},{'ab'[i % 2]},{'xy'[i % 2]}" for i in range(20)]
BAD = {
    "empty": ("", "is empty"),
    "header only": (lines("a,b,c"), "no rows"),
    "one class": (lines("a,b,c", *(f"{i},a,x" for i in range(9))), "one class only"),
    "one row": (lines("a,b,c", "1,a,x"), "one class only"),
    "duplicate names": (lines("a,a,c", *GOOD), "several columns of the name 'a'"),
    "mixed column": (lines("a,b,c", *GOOD, "many,a,x"), "row 21 has 'many'"),
    "missing target": (lines("a,b,c", *GOOD, "1,a,", "1,b,NaN"), "missing in 2 of 22 rows, first in row 21"),
    "classes of a row": (
        lines("a,b,c", *(f"{i},a,name {i}" for i in range(20))),
        "rows are of classes with fewer than 3",
    ),
    "dates": (lines("a,b,c", *(f"01/{i % 12 + 1:02}/2024,a,{'xy'[i % 2]}" for i in range(20))), "DD/MM/YYYY or MM/DD/YYYY"),
    "free text": (lines("a,b,c", *(f"{i},word{i},{'xy'[i % 2]}" for i in range(50))), "--drop 'b'"),
    "categories": (lines("a,b,c", *(f"1,{i % 2000}k,{'xy'[i % 2]}" for i in range(9000))), "2,000 different texts"),
    "ragged": (lines("a,b,c", "1,a,x,4,5", *GOOD), "3 names in its first line, and 5 values in row 1"),
    "constant columns": (
        lines("a,b,c", *(f"1,a,{'xy'[i % 2]}" for i in range(20))),
        "every column beside the target 'c' is constant",
    ),
    "no header": (lines(*(f"{i / 3},{i},{i % 2}" for i in range(20))), "put a line of column names before it"),
    "thousands": (lines("a,b,c", *(f'{i},"{i % 3},20{i % 10}",{"xy"[i % 2]}' for i in range(20))), "as '0,200' in row 1"),
    "currency": (lines("a,b,c", *(f"{i},€ {i % 4}.50,{'xy'[i % 2]}" for i in range(20))), "--category 'b'"),
    "percent": (lines("a,b,c", *(f"{i},{i % 4}{'%' * (i > 4)},{'xy'[i % 2]}" for i in range(20))), "as '1%' in row 6"),
    "comma of thousands": (lines("a;c", *(f"{i + 1},200;{'xy'[i % 2]}" for i in range(20))), "as '1,200' in row 1"),
    "both signs": (lines("a;c", *(f"{('1.200', '3,14')[i % 2]};{'xy'[i % 2]}" for i in range(20))), "as '1.200' in row 1"),
    "points of thousands": (
        lines("a;b;c", *(f"{('950', '1.200')[i % 2]};{i},5;{'xy'[i % 2]}" for i in range(20))),
        "as '1.200' in row 2",
    ),
    "a value too many": (lines("a,b,c", *GOOD, *GOOD, "1,a,b,x"), "3 names in its first line, and 4 values in row 41"),
    "a value too many after an empty line": (lines("", "a,b,c", *GOOD, *GOOD, "1,a,b,x"), "4 values in row 41"),
    "a name too many": (
        lines('a,"b, c",d,c', *(f"{i},2,{'xy'[i % 2]}" for i in range(20))),
        "4 names in its first line, and 3",
    ),
    "a value too few": (lines("c,a,b", *("xy"[i % 2] + ",1,2" for i in range(40)), "x,1"), "and 2 values in row 41"),
    "huge number": (lines("a,b,c", *GOOD, "1e200,a,x"), "the column 'a' holds 1e+200 in row 21, too large"),
    "gap at the end": (lines("a,b,c", *GOOD, "", "1,a,"), "missing in 1 of 21 rows"),
    "one column": (lines("c", *("xy"[i % 2] for i in range(20))), "has one column only, 'c'"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_tables_are_refused_in_a_line(tmp_path, kind):
    text, words = BAD[kind]
    path = tmp_path / "bad.csv"
    path.write_text(text)
    result = run("train", path, "--out", tmp_path / "run", *QUICK)
    assert result.exit_code == 1, result.output
    assert words in result.stderr
    assert len([line for line in result.stderr.splitlines() if line.startswith("Error")]) == 1
    assert not (tmp_path / "run").exists()


def test_a_class_of_a_row_or_two_is_trained_on_and_said(tmp_path):
    path, out = tmp_path / "rare.csv", tmp_path / "run"
    path.write_text(lines("a,b,c", *GOOD, "1,a,once", "2,a,twice", "2,b,twice"))
    result = run("train", path, "--out", out, *QUICK)
    assert result.exit_code == 0, result.output
    assert "which training comes first: 'once' (1), 'twice' (2)" in result.output
    for command in (("evaluate", out), ("report", out), ("predict", out, path)):
        assert run(*command).exit_code == 0
    data = load_dataset(str(path))
    of_parts = [np.bincount(part, minlength=4).tolist() for part in (data.y_train, data.y_val, data.y_test)]
    assert (data.classes, of_parts) == (["once", "twice", "x", "y"], [[1, 1, 6, 6], [0, 1, 2, 2], [0, 0, 2, 2]])


def test_a_million_categories_are_refused(tmp_path):
    path = tmp_path / "many.parquet"
    n = 1_000_000
    pl.DataFrame({"id": pl.arange(n, eager=True).cast(pl.String) + "k", "y": pl.arange(n, eager=True) % 2}).write_parquet(path)
    with pytest.raises(InputError, match="1,000,000 different texts"):
        load_dataset(str(path))


def test_files_that_are_no_tables(tmp_path):
    path = tmp_path / "latin.csv"
    path.write_bytes("name,y\nMüller,1\n".encode("latin-1"))
    with pytest.raises(FileFormatError, match="UTF-8"):
        typed(path)
    path = tmp_path / "noise.parquet"
    path.write_bytes(b"PAR1 nonsense")
    with pytest.raises(FileFormatError, match="cannot be read as a table"):
        typed(path)
    with pytest.raises(FileFormatError, match="There is no file"):
        load_dataset(str(tmp_path / "none.csv"))


def test_columns_are_named_dropped_and_misspelt(table, tmp_path):
    result = run("train", table, "--target", "colour", "--drop", "label", "--drop", "old", "--out", tmp_path / "run", *QUICK)
    assert "Learning the column 'colour' from 2 others: blue, green, red" in result.stderr
    misspelt = run("train", table, "--target", "color")
    assert misspelt.exit_code == 2
    assert "Did you mean 'colour'" in misspelt.stderr
    assert "left out by --drop" in run("train", table, "--target", "old", "--drop", "old").stderr
    all_columns = [word for name in mixed(9).columns for word in ("--drop", name)]
    assert "every column is left out" in run("train", table, *all_columns).stderr
    assert run("train", "digits", "--target", "x").exit_code == 2
    mixed().rename({"count": "customer_id"}).write_csv(table)
    assert "Unknown column 'custid'. Did you mean 'customer_id'?" in run("train", table, "--drop", "custid").stderr


def test_arrays(tmp_path):
    X, y = datasets.load_iris(return_X_y=True)
    np.savez(tmp_path / "iris.npz", X=X, y=np.array(["setosa", "versicolor", "virginica"])[y])
    result = run("train", tmp_path / "iris.npz", "--out", tmp_path / "run", "--set", "epochs=30", "--json")
    assert json.loads(result.stdout)["val_accuracy"] > 0.85
    assert load(tmp_path / "run/model.safetensors").classes == ["setosa", "versicolor", "virginica"]
    assert run("evaluate", tmp_path / "run").exit_code == 0
    (tmp_path / "noise.npz").write_bytes((tmp_path / "iris.npz").read_bytes()[:900])
    with pytest.raises(FileFormatError, match="noise.npz"):
        load_dataset(str(tmp_path / "noise.npz"))


TWO = np.arange(12) % 2
BAD_ARRAYS = {
    "pickled": ({"X": np.array([{}] * 12, object), "y": TWO}, "Arrays of Python objects are not read"),
    "lengths": ({"X": np.zeros((3, 2)), "y": TWO}, r"X has shape \(3, 2\) and y \(12,\)"),
    "names": ({"data": np.zeros(3)}, "it has data"),
    "kind": ({"X": np.zeros((12, 2)), "y": TWO / 2}, "y whole numbers or text"),
    "no columns": ({"X": np.zeros((12, 0)), "y": TWO}, "values are needed"),
    "one class": ({"X": np.zeros((12, 2)), "y": np.zeros(12, int)}, "one class only"),
    "nan": ({"X": np.diag([0.0] * 11 + [np.nan]), "y": TWO}, r"X\[11\] holds NaN"),
    "huge": ({"X": np.full((12, 2), 1e300), "y": TWO}, "12 of 12 rows"),
    "half a part": ({"X": np.eye(12), "y": TWO, "X_val": np.eye(12)}, "one of X_val and y_val"),
    "other columns": ({"X": np.eye(12), "y": TWO, "X_val": np.eye(2), "y_val": TWO[:2]}, "does not go with"),
    "new class": ({"X": np.eye(12), "y": TWO, "X_val": np.eye(12), "y_val": TWO + 1}, "y_val has the class '2'"),
}


@pytest.mark.parametrize("kind", BAD_ARRAYS)
def test_bad_arrays_are_refused(tmp_path, kind):
    arrays, words = BAD_ARRAYS[kind]
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(FcnetError, match=words):
        load_dataset(str(tmp_path / "bad.npz"))


def test_parts_of_arrays_that_are_given_are_kept(tmp_path):
    X, path = np.arange(40.0).reshape(20, 2), str(tmp_path / "parts.npz")
    y = np.array(["b", "a"] * 10)
    np.savez(path, X=X, y=y, X_val=X[:4] + 100, y_val=y[:4], X_test=X[:2] - 100, y_test=y[:2])
    data = load_dataset(path)
    np.testing.assert_array_equal(data.X_train, X)
    np.testing.assert_array_equal(data.X_val, X[:4] + 100)
    np.testing.assert_array_equal(data.X_test, X[:2] - 100)
    assert list(data.y_test) == [1, 0]
    np.savez(path, X=X, y=y, X_test=X[:2], y_test=y[:2])
    data = load_dataset(path)
    assert (len(data.X_train), len(data.X_val), len(data.X_test)) == (16, 4, 2)  # no second test part is split off
    assert len(load_dataset(path, n_test=0).X_test) == 0
    np.savez(path, X=X, y=y, X_test=np.array([None]), y_test=y[:2])
    assert len(load_dataset(path, n_test=0).X_train) == 16  # what cannot be read is not read
    with pytest.raises(FileFormatError):
        load_dataset(path)


def pictures(folder, n=12):
    """Two classes of pictures, dark and light."""
    rng = np.random.default_rng(0)
    for name, least in (("dark", 0), ("light", 150)):
        (folder / name).mkdir(parents=True)
        for i in range(n):
            size = (9, 6, 3) if i else (40, 40, 3)
            Image.fromarray((rng.integers(100, size=size) + least).astype(np.uint8)).save(folder / name / f"{i}.png")


def test_parts_of_pictures_have_folders_of_their_own(tmp_path):
    pictures(tmp_path / "all/train", 30)
    pictures(tmp_path / "all/test", 5)
    (tmp_path / "all/tests").mkdir()
    unread = next((tmp_path / "all/test/dark").iterdir())
    unread.write_bytes(b"no picture")
    result = run("train", tmp_path / "all", "--out", tmp_path / "run", "--set", "mirror=true", *QUICK, "--json")
    metrics = json.loads(result.stdout)
    assert (metrics["n_train"], metrics["n_val"]) == (52, 8)
    assert "dark, light from 52 pictures as 9 × 6 pixels in colour; 8 others are to validate" in result.stderr
    assert "Not used are the folders beside train but for val and test: 'tests'" in result.stderr
    assert load(tmp_path / "run/model.safetensors").image_shape == (9, 6, 3)  # the commonest size
    assert f"{unread} cannot be read" in run("evaluate", tmp_path / "run").stderr
    unread.unlink()
    assert "has changed since" in run("evaluate", tmp_path / "run").stderr
    run("train", tmp_path / "all", "--out", tmp_path / "run", "--force", "--set", "epochs=20")
    metrics = json.loads(run("evaluate", tmp_path / "run", "--json").stdout)
    assert (metrics["n_test"], metrics["test_accuracy"]) == (9, 1.0)
    pictures(tmp_path / "all/val/grey", 1)
    assert "val has the class 'grey', which no training row has" in run("train", tmp_path / "all").stderr


def test_a_folder_does_not_hide_a_data_set_of_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pictures(tmp_path / "digits")
    assert len(load_dataset("digits").classes) == 10
    assert load_dataset("./digits").classes == ["dark", "light"]
    assert json.loads(run("train", "digits", "--out", "run", *QUICK, "--json").stdout)["n_train"] == 1200


def test_a_folder_of_pictures(tmp_path):
    digits = datasets.load_digits()
    chosen = np.flatnonzero(digits.target < 3)[:150]
    for i in chosen:
        folder = tmp_path / "pictures" / f"class {digits.target[i]}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray((digits.images[i] * 15).astype(np.uint8)).save(folder / f"{i}.png")
    pictures = tmp_path / "pictures"
    result = run("train", pictures, "--out", tmp_path / "run", "--set", "epochs=20", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["val_accuracy"] > 0.9
    assert f"Training on {pictures} by the recipe table" in result.stderr
    assert "for own data" in Config.read(tmp_path / "run").settings.description
    assert load(tmp_path / "run/model.safetensors").image_shape == (8, 8, 1)
    said = run("predict", tmp_path / "run", pictures / "class 0").stdout.splitlines()
    assert sum(": class 0" in line for line in said) > 0.9 * len(said)
    everything = run("predict", tmp_path / "run", pictures).stdout.splitlines()  # the folders of the classes in their order
    assert len(everything) == len(chosen)
    assert everything[: len(said)] == said
    assert run("evaluate", tmp_path / "run").exit_code == 0
    broken = next(Path(pictures / "class 1").iterdir())
    broken.write_bytes(b"no picture")
    assert f"{broken} cannot be read as a picture" in run("train", pictures, "--out", tmp_path / "other").stderr
    (tmp_path / "bare").mkdir()
    assert "needs a folder of pictures for each" in run("train", tmp_path / "bare").stderr
