"""The settings of the preprocessing of tables: gaps, scaling and rare categories, from the file to predictions."""

import json

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

from fcnet import FullyConnectedNet, load
from fcnet.cli import main
from fcnet.data import load_dataset
from fcnet.errors import InputError
from fcnet.experiments.changes import changed
from fcnet.experiments.recipe import Recipe, load_recipe
from fcnet.experiments.run import Config
from fcnet.experiments.sweep.space import make_space
from fcnet.export import export_onnx
from fcnet.files import load_tensors, save_tensors
from fcnet.model import Model
from fcnet.model_file import save
from fcnet.preprocessing import Table, TableFeatures, table_categories

QUICK = ["--set", "epochs=2", "--set", "hidden=[4]"]


def run(*words):
    return CliRunner().invoke(main, [str(word) for word in words])


def gapped(n=60):
    rng = np.random.default_rng(0)
    day = pl.date_range(pl.date(2024, 1, 1), pl.date(2024, 12, 31), "5d", eager=True)[:n]
    some = pl.Series(np.arange(n) % 5 == 0)
    frame = pl.DataFrame({"x": rng.normal(5, 2, n), "z": rng.normal(size=n), "day": day, "c": ["a", "b", "c"] * (n // 3)})
    return frame.with_columns(pl.when(~some).then(pl.col(name)).alias(name) for name in ("x", "day", "c"))


def saved(table, tmp_path):
    """The table as it is read from a model file."""
    network = FullyConnectedNet([table.n_outputs, 8, 2], seed=1, dtype="float64")
    save(tmp_path / "m.safetensors", Model(network, table, ["no", "yes"]))
    return load(tmp_path / "m.safetensors")


# Gaps


def test_an_input_says_that_a_value_is_missing(tmp_path):
    frame = gapped()
    plain, table = TableFeatures.fit(frame), TableFeatures.fit(frame, gaps="indicator")
    assert table.n_outputs == plain.n_outputs + 3
    missing = frame["x"].is_null().to_numpy()
    for found in (table.transform(frame, np.float64), saved(table, tmp_path).preprocessor.transform(frame, np.float64)):
        assert found[:, 1].tolist() == missing.tolist()  # of x; z has no gaps in training
        assert found[:, 6].tolist() == missing.tolist()  # of the day, after its month, weekday and elapsed days
        assert found[:, 10].tolist() == missing.tolist()  # of c, after a, b and c
        np.testing.assert_array_equal(np.delete(found, [1, 6, 10], axis=1), plain.transform(frame, np.float64))
    assert table.transform(frame).dtype == np.float32
    row = pl.DataFrame({"x": [np.inf], "z": [None], "day": ["2024-02-01"], "c": ["new"]}, schema_overrides={"z": pl.Float64})
    found = table.transform(row)[0]
    assert (found[1], found[6]) == (1, 0)  # infinite is missing, as ever
    assert found[7:].tolist() == [0, 0, 0, 0]  # an unknown category is not a missing one
    x, z, day, c = table.column_words()
    assert x[2].endswith(", and missing")
    assert not z[2].endswith("missing")
    assert day[1:] == ("date: month, weekday, elapsed days", "the median, 2024-05-25, and missing")
    assert c == ("c", "category: a, b, c", "a category of its own")


def test_arrays_may_have_gaps():
    frame = gapped()
    for gaps in ("median", "indicator"):
        table = TableFeatures.fit(frame, gaps=gaps)
        model = Model(FullyConnectedNet([table.n_outputs, 8, 2], seed=1), table)
        raw = table.encode(frame)
        assert np.isnan(raw).any() == (gaps == "indicator")
        np.testing.assert_array_equal(model.logits(raw), model.logits(frame))
        holes = np.where(frame["x"].is_null().to_numpy(), np.nan, raw[:, 0])
        np.testing.assert_array_equal(model.logits(np.column_stack([holes, raw[:, 1:]])), model.logits(frame))
        with pytest.raises(InputError, match="'c' of X holds 9, the place of no category"):
            model.logits(np.column_stack([raw[:, :3], np.full(60, 9)]))
    numbers = TableFeatures.fit(np.array([[1.0, np.nan], [2.0, 5.0], [3.0, 7.0]]), gaps="indicator")
    assert numbers.columns == [("x0", None), ("x1", None)]
    np.testing.assert_allclose(numbers.transform(np.array([[2.0, np.nan]])), [[0, 0, 1]])


# Scaling


def test_robust_scaling_is_that_of_its_authors(tmp_path):
    rng = np.random.default_rng(0)
    x = np.column_stack([rng.standard_cauchy(101), rng.permutation(101) < 10, np.full(101, 3.0), rng.normal(1e9, 5, 101)])
    quartiles, medians = np.quantile(x, [0.25, 0.75], axis=0), np.median(x, axis=0)
    width = quartiles[1] - quartiles[0]
    width[1] = 0.5  # constant but for a tenth: half the range
    z = (x[:, [0, 1, 3]] - medians[[0, 1, 3]]) / width[[0, 1, 3]]
    table = TableFeatures.fit(x, scaling="robust")
    assert table.numbers.widths == [1, 1, 0, 1]  # one that does not vary says nothing
    for of in (table, saved(table, tmp_path).preprocessor):
        np.testing.assert_allclose(of.transform(x, np.float64), z / np.sqrt(1 + (z / 3) ** 2), rtol=1e-9, atol=1e-12)
    far = table.transform(np.array([[1e300, 0, 7, -1e300]]))
    np.testing.assert_allclose(far, [[3, 0, -3]], atol=1e-6)
    holes = np.where(rng.random(x.shape) < 0.3, np.nan, x)
    known = holes[np.isfinite(holes[:, 0]), 0]
    of_holes = TableFeatures.fit(holes, scaling="robust").numbers
    np.testing.assert_allclose(
        [of_holes.mean[0, 0], of_holes.std[0, 0]], [np.median(known), np.subtract(*np.quantile(known, [0.75, 0.25]))]
    )
    one = pl.DataFrame({"x": [None, None], "c": ["a", "b"]}, schema_overrides={"x": pl.Float64})
    assert TableFeatures.fit(one, scaling="robust").numbers.widths == [0]


# Rare categories


def test_rare_categories_share_an_input_with_unknown_ones(tmp_path):
    frame = pl.DataFrame({"c": ["a"] * 5 + ["b"] * 4 + ["c", "d", None], "old": [True] * 12})
    table = TableFeatures.fit(frame, rare=4)
    assert table.columns == [("c", ["a", "b"]), ("old", ["true"])]
    rows = pl.DataFrame({"c": ["b", "c", "new", None], "old": [True, False, None, True]})
    expected = [[0, 1, 0, 1], [0, 0, 1, 0], [0, 0, 1, 0], [0, 0, 0, 1]]  # no training row was rare by old
    for of in (table, saved(table, tmp_path).preprocessor):
        assert of.transform(rows).tolist() == expected
    both = TableFeatures.fit(frame, rare=4, gaps="indicator")
    assert both.transform(rows)[:, :4].tolist() == [[0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    assert TableFeatures.fit(frame, rare=1).columns[0] == ("c", ["a", "b", "c", "d"])
    assert table.column_words()[0] == ("c", "category: a, b, and the rare ones together", "no category")
    np.testing.assert_array_equal(TableFeatures.fit(frame).transform(rows), TableFeatures.fit(frame, rare=0).transform(rows))


def test_of_many_categories_the_most_frequent_have_inputs(monkeypatch):
    monkeypatch.setattr(table_categories, "MOST_PLACES", 3)
    frame = pl.DataFrame({"c": list("aabbbccdddde")})
    assert TableFeatures.fit(frame, rare=1).columns == [("c", ["a", "b", "d"])]  # a before c, which are as frequent
    assert TableFeatures.fit(frame).columns == [("c", ["a", "b", "c", "d", "e"])]


def test_a_hundred_thousand_categories_are_learnt_from(tmp_path):
    n = 250_000
    numbers = pl.arange(n, eager=True)
    codes = pl.select(pl.when(numbers % 3 == 0).then(numbers // 3).otherwise(numbers % 5).alias("code")).to_series()
    frame = pl.DataFrame({"code": codes.cast(pl.String) + "k", "y": (codes % 2 == 0).cast(pl.String)})
    frame.write_parquet(tmp_path / "t.parquet")
    with pytest.raises(
        InputError, match="83,334 different texts in 250,000 rows.*or let those in few rows share a place by --set rare=10"
    ):
        load_dataset(str(tmp_path / "t.parquet"))
    data = load_dataset(str(tmp_path / "t.parquet"), rare=10)
    assert TableFeatures.fit(data.X_train, rare=10).columns == [("code", ["0k", "1k", "2k", "3k", "4k"])]
    free = frame.with_columns(code="some words, and again: " + pl.col("code"))
    free.write_parquet(tmp_path / "t.parquet")
    with pytest.raises(InputError, match="names or free text"):
        load_dataset(str(tmp_path / "t.parquet"), rare=10)


# All of it


@pytest.mark.parametrize(
    "settings",
    [{"gaps": "indicator"}, {"scaling": "robust"}, {"rare": 5}, {"gaps": "indicator", "scaling": "robust", "rare": 30}],
    ids=str,
)
def test_a_graph_has_the_settings(settings, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    frame = gapped().with_columns(const=pl.lit(1.0), rest=pl.Series([["u", "v", None][i % 9 // 4] for i in range(60)]))
    table = TableFeatures.fit(frame, **settings)
    model = saved(table, tmp_path)
    assert export_onnx(model, tmp_path / "m.onnx") < 1e-5
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx", providers=["CPUExecutionProvider"])
    rows = pl.concat(
        [frame, frame[:4].with_columns(c=pl.Series(["new", None, "a", "b"]), x=pl.Series([1e12, None, np.inf, 0]))]
    )
    inputs = {}
    for wanted in session.get_inputs():
        column = rows[wanted.name]
        if column.dtype == pl.Date:
            column = column.dt.epoch("us") / 1e6
        missing = "" if column.dtype == pl.String else np.nan
        dtype = object if column.dtype == pl.String else np.float64
        inputs[wanted.name] = np.array(column.fill_null(missing).to_list(), dtype)[:, np.newaxis]
    np.testing.assert_allclose(session.run(["logits"], inputs)[0], model.logits(rows), rtol=1e-5, atol=1e-5)


def test_settings_are_trained_with_and_kept(tmp_path):
    path, out = tmp_path / "t.csv", tmp_path / "run"
    frame = gapped().with_columns(y=pl.Series(["u", "v"] * 30))
    frame.with_columns(c=pl.Series([f"c{i // 3 if i > 30 else 0}" for i in range(60)])).write_csv(path)
    words = ("--set", "gaps=indicator", "--set", "scaling=robust", "--set", "rare=5")
    result = run("train", path, "--out", out, *QUICK, *words)
    assert result.exit_code == 0, result.output
    assert (
        "12 of 60 values of 'x' are missing or infinite; they count as the median of the training rows, and an input says so"
        in result.stderr
    )
    settings = Config.read(out).settings.preprocessing
    assert (settings.gaps, settings.scaling, settings.rare) == ("indicator", "robust", 5)
    table = load(out / "model.safetensors").preprocessor
    assert (table.numbers.is_robust, table.dates.is_robust, table.numbers.gaps, table.rare) == (True, True, ["x"], ["c"])
    assert table.columns[-1] == ("c", ["c0"])
    assert json.loads(run("evaluate", out, "--json").stdout)["n_test"] > 0
    said = run("predict", out, path)
    assert "29 of 60 values of 'c' were in few training rows or none, as 'c10'; they count as rare" in said.stderr
    assert run("export", out, "--to", tmp_path / "card.md").exit_code == 0
    text = (tmp_path / "card.md").read_text()
    assert "counts as no category, too, or of c as rare, and an infinite number as missing" in text
    for wrong, said in (
        ("gaps=mean", "Did you mean 'median'"),
        ("scaling=zca", "Unknown preprocessing.scaling 'zca'"),
        ("rare=-1", "at least 0"),
    ):
        refused = run("train", path, "--set", wrong)
        assert refused.exit_code == 2
        assert said in refused.stderr
    np.savez(tmp_path / "t.npz", X=np.eye(12), y=np.arange(12) % 2)
    refused = run("train", tmp_path / "t.npz", "--set", "rare=5")
    assert refused.exit_code != 0
    assert "gaps, scaling and rare are for the columns of a table" in refused.stderr


def test_settings_are_swept():
    recipe = load_recipe("table")
    space = make_space(recipe, {"scaling": ["standard", "robust"], "gaps": ["indicator"], "rare": [5]}, "x")
    assert {one.name: one.choices for one in space} == {
        "preprocessing.scaling": ("standard", "robust"),
        "preprocessing.gaps": ("indicator",),
        "preprocessing.rare": (5,),
    }
    tree = changed(Recipe, recipe.to_dict(), [(one.name, one.choices[-1]) for one in space])
    assert Recipe.from_dict(tree, "x").preprocessing == Table(gaps="indicator", scaling="robust", rare=5)


@pytest.mark.parametrize(
    "changes", [{"gaps": ["nowhere"]}, {"gaps": 1}, {"rare": ["x"]}, {"scaling": "cubic"}, {"dates": ["c"]}], ids=str
)
def test_a_damaged_file_is_refused(changes, tmp_path):
    table = TableFeatures.fit(gapped(), gaps="indicator", scaling="robust", rare=2)
    saved(table, tmp_path)
    tensors, metadata = load_tensors(tmp_path / "m.safetensors", "fcnet-model-1")
    metadata["scaling"] |= changes
    save_tensors(tmp_path / "m.safetensors", tensors, metadata, "fcnet-model-1")
    with pytest.raises(InputError):
        TableFeatures.from_arrays(table.get_config() | changes, table.arrays())
    with pytest.raises(Exception, match="does not describe a model"):
        load(tmp_path / "m.safetensors")
