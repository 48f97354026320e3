"""The loss of a regression as a setting of recipes, from the command line to predictions."""

import json

import numpy as np
import polars as pl
import pytest
from command_line import fcnet
from sklearn.metrics import mean_pinball_loss, mean_poisson_deviance

from fcnet import load
from fcnet.errors import InputError, SettingError
from fcnet.experiments.config import Config
from fcnet.experiments.recipe import Recipe, load_recipe
from fcnet.experiments.results import read_history
from fcnet.experiments.run import train
from fcnet.experiments.sweep.plan import make_plan
from fcnet.training.target_scale import RateScale

SMALL = ("network.hidden_sizes=[8]", "epochs=4")
QUANTILES = ("loss=quantile", "quantiles=[0.1,0.5,0.9]")


@pytest.fixture
def table(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 2)).round(3)
    y = rng.poisson(np.exp(0.7 * X[:, 0] + 1))
    pl.DataFrame({"a": X[:, 0], "b": X[:, 1], "y": y}).write_csv(tmp_path / "table.csv")
    return tmp_path / "table.csv"


def run_with(table, changes, name="run", recipe="tabular", **settings):
    """Return the folder of a run with these changes of its recipe, and its metrics."""
    run = table.parent / name
    config = Config(str(table), recipe, load_recipe(recipe, [*SMALL, *changes]), task="regression", threads=1, **settings)
    return run, train(run, config)


def validated(run):
    """Return what the model of a run predicts for its validation rows, and what is so."""
    data = Config.read(run).load(n_test=0)
    return load(run / "model.safetensors").predict(data.X_val), data.y_val


def test_quantiles_from_the_command_line_to_predictions(table, tmp_path):
    run = tmp_path / "run"
    changes = [f"--set={change}" for change in (*QUANTILES, *SMALL, "n_ensemble=1")]
    said = fcnet("train", table, "--task", "regression", *changes, "--out", run)
    metrics = json.loads((run / "metrics.json").read_text())
    assert f"Validation D² {metrics['val_d2']:.4f}" in said.stdout
    values, y = validated(run)
    assert values.shape == (30, 3)
    assert (np.diff(values, axis=1) >= 0).all()
    each = [mean_pinball_loss(y[:, 0], column, alpha=q) for q, column in zip((0.1, 0.5, 0.9), values.T, strict=True)]
    assert metrics["val_pinball_loss"] == pytest.approx(np.mean(each), rel=1e-5)
    assert metrics["val_loss"] == pytest.approx(np.sum(each) / Config.read(run).load(n_test=0).y_train.std(), rel=1e-5)
    assert not any("rmse" in name for name in metrics)
    assert metrics["baselines"].keys() == {"quantiles"}
    assert fcnet("predict", run, table).stdout.startswith("quantile_0.1,quantile_0.5,quantile_0.9\n")
    assert "Test D² " in fcnet("evaluate", run).stdout
    assert json.loads((run / "metrics.json").read_text())["test_pinball_loss"] > 0
    page = (run / "report.html").read_text()
    assert "How often the target is at or below each quantile" in page
    assert "quantile 0.5" in page
    fcnet("export", run, "--to", tmp_path / "model.onnx")
    fcnet("export", run, "--to", tmp_path / "card.md")
    assert "predicts the quantiles 0.1, 0.5, 0.9 of the number y from a row" in (tmp_path / "card.md").read_text()
    assert f"{metrics['val_d2']:.4f}" in fcnet("runs", tmp_path).stdout
    assert "note: " in fcnet("doctor", run).output


@pytest.mark.parametrize(("loss", "metric"), [("absolute_error", "mae"), ("poisson", "poisson_deviance")])
def test_epochs_are_chosen_by_the_loss(table, loss, metric):
    run, metrics = run_with(table, [f"loss={loss}", "epochs=12"], recipe="table")
    rows = read_history(run)
    assert metrics["best_epoch"] == 1 + int(np.argmin([row["val_loss"] for row in rows]))
    assert metrics["val_loss"] == pytest.approx(rows[metrics["best_epoch"] - 1]["val_loss"], rel=1e-4)
    assert "best on the validation part by loss" in Config.read(run).settings.training.how(metrics)
    values, y = validated(run)
    known = {"mae": lambda: np.abs(values - y).mean(), "poisson_deviance": lambda: mean_poisson_deviance(y, values)}
    assert metrics[f"val_{metric}"] == pytest.approx(known[metric](), rel=1e-4)
    assert list(metrics["baselines"]) == [{"mae": "median", "poisson_deviance": "mean"}[metric]]
    assert not (run / "linear.safetensors").exists()


@pytest.mark.parametrize(
    ("loss", "monitor"),
    [("poisson", "rmse"), ("poisson", "poisson_deviance"), ("quantile", "pinball_loss"), ("absolute_error", "mae")],
)
def test_a_monitor_is_in_the_unit_of_the_target(table, loss, monitor):
    run, metrics = run_with(table, [f"loss={loss}", f"monitor={monitor}"], recipe="table")
    best = read_history(run)[metrics["best_epoch"] - 1]
    assert metrics[f"val_{monitor}"] == pytest.approx(best[f"val_{monitor}"], rel=1e-4)


def test_logarithms_are_scaled_by_a_difference():
    y = np.array([[1.0], [2.0], [6.0]])
    np.testing.assert_allclose(RateScale.of(y).of_logits(np.log(y)), np.log(y / 3))


def test_a_run_is_resumed_with_its_loss(table):
    run, metrics = run_with(table, QUANTILES)
    assert Config.read(run).settings.training.loss.quantiles == (0.1, 0.5, 0.9)
    assert load_recipe(str(run)).training.loss == load_recipe("tabular", QUANTILES).training.loss
    (run / "metrics.json").unlink()
    again = train(run, Config.read(run), resume=True)
    assert again["val_d2"] == metrics["val_d2"]
    with pytest.raises(SettingError, match="loss was 'quantile', now 'poisson'"):
        train(run, Config(str(table), "tabular", load_recipe("tabular", [*SMALL, "loss=poisson"])), resume=True)


def test_an_ensemble_of_quantiles(table, tmp_path):
    run, changes = tmp_path / "run", [f"--set={change}" for change in (*QUANTILES, *SMALL)]
    fcnet("train", table, "--task", "regression", *changes, "--folds", "3", "--out", run)
    metrics = json.loads((run / "metrics.json").read_text())
    assert len(metrics["members"]) == 3
    assert metrics["baselines"].keys() == {"quantiles"}
    assert load(run / "model.safetensors").classes == ["0.1", "0.5", "0.9"]


def test_runs_of_the_same_quantiles_are_compared(table):
    changes = (QUANTILES, [*QUANTILES, "learning_rate=0.05"], ["loss=quantile", "quantiles=0.5"], ["loss=absolute_error"])
    first, *others = (run_with(table, each, name)[0] for name, each in zip("abcd", changes, strict=True))
    said = fcnet("compare", first, others[0]).stdout
    assert "paired t-test of pinball losses over 30 rows" in said
    assert "what is predicted is quantiles" in fcnet("compare", first, others[1], code=1).output
    assert "their metric is D² and R²" in fcnet("compare", first, others[2], code=1).output


def test_a_sweep_goes_by_the_loss(table, tmp_path):
    metrics = {}
    for loss in ("squared_error", "absolute_error", "quantile", "poisson"):
        plan = make_plan(str(table), tmp_path / loss, changes=[f"loss={loss}"], task="regression")[1]
        metrics[loss] = plan.metric
    assert metrics == {
        "squared_error": "val_r2",
        "absolute_error": "val_loss",
        "quantile": "val_d2",
        "poisson": "val_loss",
    }
    for key, values in (("loss", ["poisson", "absolute_error"]), ("quantiles", [[0.5], [0.1]])):
        with pytest.raises(SettingError, match=f"training.loss.*says what is predicted|{key} belongs"):
            make_plan(str(table), tmp_path / "other", space={key: values}, changes=["loss=quantile"], task="regression")


@pytest.mark.parametrize(("name", "loss"), [("absolute", "absolute_error"), ("mse", "squared_error"), ("pinball", "quantile")])
def test_names_of_other_libraries_are_understood(name, loss):
    assert load_recipe("tabular", [f"loss={name}"]).training.loss == load_recipe("tabular", [f"loss={loss}"]).training.loss


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (["loss=huber"], "Unknown training.loss 'huber'"),
        (["loss=quantile", "quantiles=[0.9,0.1]"], "in rising order, got"),
        (["loss=quantile", "quantiles=[0.1,1.0]"], "quantiles must be a list .* and below 1, got"),
        (["loss=quantile", "quantiles=[]"], "quantiles must be a list of one or more"),
        (
            ["quantiles=[0.1,0.9]"],
            "belongs to training.loss of kind quantile; here it is squared_error: add --set loss=quantile",
        ),
    ],
)
def test_losses_that_are_none_are_refused(changes, words):
    with pytest.raises(SettingError, match=words):
        load_recipe("tabular", changes)


def test_a_loss_is_for_numbers(table, tmp_path):
    frame = pl.read_csv(table)
    frame.with_columns(y=pl.when(pl.col("y") > 2).then(pl.lit("many")).otherwise(pl.lit("few"))).write_csv(
        tmp_path / "classes.csv"
    )
    said = fcnet("train", tmp_path / "classes.csv", "--set", "loss=squared_error", "--out", tmp_path / "run", code=2).output
    assert "loss is for regressions, and the target 'y' has classes: leave it out, or say --task regression." in said
    recipe = load_recipe("tabular", ["loss=poisson"])
    with pytest.raises(SettingError, match="loss is for regressions, and 'y' has classes: leave it out"):
        train(tmp_path / "run", Config(str(tmp_path / "classes.csv"), "tabular", recipe))
    frame.with_columns(pl.col("y") - 3).write_csv(tmp_path / "negative.csv")
    with pytest.raises(InputError, match="loss = poisson is for numbers of at least 0, and the target 'y' has -3: set another"):
        train(tmp_path / "run", Config(str(tmp_path / "negative.csv"), "tabular", recipe, task="regression"))
    with pytest.raises(SettingError, match="mae is no metric of a network with the loss quantile"):
        run_with(table, ["loss=quantile", "monitor=mae"])
    assert not (tmp_path / "run").exists()


def test_a_recipe_of_before_there_were_losses_is_one_of_the_squared_error():
    settings = load_recipe("tabular").to_dict()
    del settings["training"]["loss"]
    assert Recipe.from_dict(settings, "recipe") == load_recipe("tabular")
    assert "loss" not in load_recipe("tabular").grouped()["training"]
    assert load_recipe("tabular").grouped(of_numbers=True)["training"]["loss"] == "squared_error"
