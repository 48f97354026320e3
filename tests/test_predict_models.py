"""What `fcnet predict` takes for a model, and what it writes beside predictions."""

import json
import shutil

import numpy as np
import polars as pl
import pytest
from command_line import fcnet

from fcnet import TabularRegressor, load, save


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    rng = np.random.default_rng(0)
    colour, size = rng.choice(["red", "blue"], 120), rng.standard_normal(120).round(3)
    label = np.where((size > 0) ^ (colour == "red"), "yes", "no")
    path = tmp_path_factory.mktemp("data") / "table.csv"
    pl.DataFrame({"id": [f"r{i}" for i in range(120)], "colour": colour, "size": size, "label": label}).write_csv(path)
    return path


@pytest.fixture(scope="module")
def run(table, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "run"
    fcnet("train", table, "--drop", "id", "--recipe", "table", "--set", "hidden=[8]", "--set", "epochs=2", "--out", out)
    return out


def test_a_run_its_model_files_and_a_sweep_predict(run, table, tmp_path):
    said = fcnet("predict", run, table).stdout
    assert fcnet("predict", run / "model.safetensors", table).stdout == said
    (tmp_path / "study.toml").touch()
    error = fcnet("predict", tmp_path, table, code=1).stderr
    assert "no model before its finalists are trained" in error
    shutil.copytree(run, tmp_path / "ensemble")
    assert fcnet("predict", tmp_path, table).stdout == said
    linear = pl.read_csv(fcnet("predict", run / "linear.safetensors", table).stdout.encode())
    expected = load(run / "linear.safetensors").predict_proba(pl.read_csv(table))
    assert linear.select("no", "yes").to_numpy() == pytest.approx(expected, abs=1e-6)
    assert "config.toml" in fcnet("predict", tmp_path / "ensemble" / "config.toml", table, code=1).stderr


def test_ids_and_row_numbers_are_written_beside_predictions(run, table, tmp_path):
    said = pl.read_csv(fcnet("predict", run, table, table, "--keep", "id", "--row-numbers").stdout.encode())
    assert said.columns == ["row", "id", "class", "no", "yes"]
    assert said["row"].to_list() == [*range(1, 121)] * 2
    assert said["id"].to_list() == pl.read_csv(table)["id"].to_list() * 2
    first = json.loads(fcnet("predict", run, table, "--row-numbers", "--json").stdout.splitlines()[0])
    assert first["kept"] == {"row": 1}
    pl.read_csv(table).rename({"id": "row"}).write_csv(tmp_path / "rows.csv")
    assert (
        "leave out --row-numbers"
        in fcnet("predict", run, tmp_path / "rows.csv", "--keep", "row", "--row-numbers", code=2).stderr
    )


@pytest.mark.filterwarnings("ignore::fcnet.errors.DataWarning")  # of the column that the target is made of
@pytest.mark.filterwarnings("ignore:The network:sklearn.exceptions.ConvergenceWarning")  # of three epochs
def test_quantiles_of_an_estimator_are_intervals(table, tmp_path):
    frame = pl.read_csv(table).drop("id", "label").with_columns(y=pl.col("size") * 3 + 1)
    model = TabularRegressor(loss="quantile", quantiles=[0.1, 0.5, 0.9], hidden_sizes=[8], epochs=3, random_state=0)
    model.fit(frame.drop("y"), frame["y"].to_numpy())
    save(tmp_path / "m.safetensors", model.model_)
    frame.write_csv(tmp_path / "new.csv")
    said = pl.read_csv(fcnet("predict", tmp_path / "m.safetensors", tmp_path / "new.csv").stdout.encode())
    assert said.columns == ["quantile_0.1", "quantile_0.5", "quantile_0.9"]
    assert said.to_numpy() == pytest.approx(model.predict(frame.drop("y")), abs=1e-5)
    assert (np.diff(said.to_numpy(), axis=1) >= 0).all()
