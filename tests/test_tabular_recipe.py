"""The network for tables in recipes: trained, resumed, exported and used from the command line, as the estimators have it."""

import json

import numpy as np
import polars as pl
import pytest
from command_line import fcnet

from fcnet import TabularClassifier, load, save
from fcnet.errors import FileFormatError, SettingError
from fcnet.estimators.tabular_settings import TABLE
from fcnet.experiments import descent
from fcnet.experiments.config import Config
from fcnet.experiments.configure import default_recipe
from fcnet.experiments.network import Network
from fcnet.experiments.recipe import Recipe, load_recipe
from fcnet.experiments.run import train
from fcnet.experiments.sweep.plan import make_plan
from fcnet.experiments.sweep.prepared import PreparedData
from fcnet.nn.losses import get_loss
from fcnet.nn.tabular_network import TabularNet
from fcnet.training import finish
from fcnet.training.callbacks import Callback
from fcnet.training.schedules import get_schedule
from fcnet.training.tabular import TabularSettings, TabularTraining

SMALL = ("network.hidden_sizes=[8]", "network.n_members=2", "epochs=6", "n_ensemble=1")


@pytest.fixture
def table(tmp_path):
    rng = np.random.default_rng(0)
    size, colour = rng.standard_normal(160).round(3), rng.choice(["red", "green", "blue"], 160)
    label = np.where((size > 0) ^ (colour == "red"), "yes", "no")
    weight = pl.Series(size + rng.standard_normal(160)).set(pl.Series(np.arange(160) % 11 == 0), None)
    frame = pl.DataFrame({"colour": colour, "size": size, "weight": weight, "label": label})
    frame.write_csv(tmp_path / "table.csv")
    return tmp_path / "table.csv"


def test_a_table_is_trained_predicted_and_exported(table, tmp_path):
    run = tmp_path / "run"
    said = fcnet("train", table, "--out", run, *(f"--set={change}" for change in SMALL)).stdout
    model, metrics = load(run / "model.safetensors"), json.loads((run / "metrics.json").read_text())
    assert isinstance(model.network, TabularNet)
    assert (model.network.n_members, model.network.category_sizes) == (2, [3])
    assert metrics["temperature"] > 0
    assert metrics["baselines"].keys() == {"class_shares", "linear"}
    assert load(run / "linear.safetensors").network.layer_sizes == [6, 2]  # two numbers, a gap, three categories
    assert metrics["epochs"] == 6
    assert "(the 3 best of 6 epochs)" in said
    how = Config.read(run).settings.training.how(metrics)
    assert "Of 6 epochs, the 3 that were best on the validation part by loss predict together, epoch " in how
    assert "best epoch, of several that predict together" in (run / "report.html").read_text()
    said = pl.read_csv(fcnet("predict", run, table).stdout.encode())
    probabilities = model.predict_proba(pl.read_csv(table))
    assert said.select("no", "yes").to_numpy() == pytest.approx(probabilities, abs=1e-5)
    fcnet("export", run, "--to", tmp_path / "model.onnx")
    fcnet("runs", tmp_path)


@pytest.mark.parametrize(
    ("data", "recipe"),
    [
        ("t.csv", "tabular"),
        ("t.tsv.gz", "tabular"),
        ("t.parquet", "tabular"),
        ("t.npz", "table"),
        ("p/", "table"),
        ("digits",) * 2,
    ],
)
def test_a_table_is_trained_by_it_by_default_and_what_is_none_is_not(data, recipe):
    assert default_recipe(data) == recipe


def test_a_study_of_before_goes_on_with_its_own_recipe(table, tmp_path):
    begun = make_plan(str(table), tmp_path / "study", recipe="table", trials=2)[1]
    (tmp_path / "study").mkdir()
    begun.write(tmp_path / "study")
    plan = make_plan(str(table), tmp_path / "study", resume=True)[1]
    assert (plan.config, plan.table) == (begun.config, begun.table)


def test_folds_predict_together(table, tmp_path):
    run = tmp_path / "run"
    changes = (*SMALL, "network.n_members=1", "epochs=2")
    fcnet("train", table, "--folds", 2, "--out", run, *(f"--set={change}" for change in changes))
    model, metrics = load(run / "model.safetensors"), json.loads((run / "metrics.json").read_text())
    assert (len(model.members), metrics["n_val"]) == (2, 136)
    fcnet("evaluate", run)
    said = pl.read_csv(fcnet("predict", run, table).stdout.encode())
    assert said.select("no", "yes").to_numpy() == pytest.approx(model.predict_proba(pl.read_csv(table)), abs=1e-5)


def test_a_sweep_prepares_rows_for_each_kind_of_network(table, tmp_path):
    recipes = [load_recipe("tabular"), load_recipe("tabular", ["network=plain", "blend_linear=false"])]
    config = Config(str(table), "tabular", recipes[0])
    prepared = PreparedData(config, config.load(n_test=0), tmp_path / "prepared")
    widths = [prepared.of(recipe)[0].rows.shape[1] for recipe in recipes]
    assert widths == [4, 6]  # two numbers and a gap, with one column of three categories or three


class Stop(Callback):
    """Stops a training by an error after some epochs."""

    def on_epoch_end(self, state):
        if state.epoch == 3:
            raise KeyboardInterrupt


def test_a_run_is_resumed_bit_for_bit(table, tmp_path):
    config = Config(str(table), "tabular", load_recipe("tabular", SMALL), threads=1)
    train(tmp_path / "whole", config)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "stopped", config, callbacks=[Stop()])
    train(tmp_path / "stopped", config, resume=True)
    assert (tmp_path / "stopped" / "model.safetensors").read_bytes() == (tmp_path / "whole" / "model.safetensors").read_bytes()


def test_a_number_is_learnt(table, tmp_path):
    run = tmp_path / "run"
    fcnet("train", table, "--target", "size", "--out", run, "--recipe", "tabular", *(f"--set={change}" for change in SMALL))
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["temperature"] is None
    assert load(run / "model.safetensors").network.loss.name == "squared_error"
    said = pl.read_csv(fcnet("predict", run, table).stdout.encode())
    assert said["size"].is_finite().all()


def test_arrays_and_automatic_numbers(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((120, 4))
    np.savez(tmp_path / "rows.npz", X=X, y=(X[:, 0] > 0).astype(int))
    changes = (
        "--set=hidden_sizes=[4]",
        "--set=gaps=median",
        "--set=scaling=standard",
        "--set=patience=0",
        "--set=n_ensemble=1",
    )
    fcnet("train", tmp_path / "rows.npz", "--out", tmp_path / "run", "--recipe", "tabular", *changes)
    assert len((tmp_path / "run" / "history.jsonl").read_text().splitlines()) == 64
    assert "64" in fcnet("runs", tmp_path).stdout.splitlines()[1].split()
    assert load(tmp_path / "run" / "model.safetensors").network.n_numbers == 4


def test_the_recipe_has_the_defaults_of_the_estimators():
    recipe, training = load_recipe("tabular"), TabularTraining()
    assert (recipe.preprocessing, recipe.network) == (TABLE, TabularSettings())
    for name in ("cross_entropy", "squared_error"):
        loss = get_loss(name)
        expected = training.trainer(5000, loss, validates=True, seed=0)
        trainer = recipe.training.resolved(5000, loss).trainer(0)
        names = ("epochs", "batch_size", "learning_rate", "_update", "_schedule", "_dropout_schedule", "_decay_schedule")
        for setting in (*names, "label_smoothing", "monitor", "l2", "ema_decay", "best_epochs", "threshold", "keep_best"):
            assert getattr(trainer, setting) == getattr(expected, setting), setting
        assert [one.decides() for one in trainer.callbacks] == [one.decides() for one in expected.callbacks]
    for setting in ("calibrate", "blend_linear", "threshold", "patience", "n_ensemble"):
        assert getattr(recipe.training, setting) == getattr(training, setting), setting
    for n in (50, 1000, 1001, 4000, 4001):
        assert recipe.training.networks_for(n) == training.networks_for(n)
    parameters = TabularClassifier().get_params()
    for settings in (TabularSettings(), training):
        for name in settings.__struct_fields__:
            assert parameters.get(name, getattr(settings, name)) == getattr(settings, name)


def test_a_network_without_a_kind_is_plain():
    before = {"network": {"hidden_sizes": [7], "activation": "tanh"}}
    assert Recipe.from_dict(before, "old").network == Network(hidden_sizes=(7,), activation="tanh")
    with pytest.raises(SettingError, match="kind tabular"):
        Recipe.from_dict({"network": {"n_members": 3}}, "old")
    assert load_recipe("table", ["network=tabular"]).network == TabularSettings()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (["network=plain", "learning_rate=auto", "blend_linear=false"], "learning_rate = auto is for network = tabular"),
        (["schedule=cosine"], "patience = cycle is for schedule = log_cosine.* 0 for never"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(changes, words):
    with pytest.raises(SettingError, match=words):
        load_recipe("tabular", changes).check("numpy")


def test_a_schedule_without_cycles_takes_a_number_of_epochs_for_patience():
    load_recipe("tabular", ["schedule=cosine", "patience=0"]).check("numpy")
    with pytest.raises(SettingError, match="patience = cycle"):
        TabularTraining(schedule=get_schedule("cosine"))
    assert TabularTraining(schedule=get_schedule("cosine"), patience=3).patience == 3


def test_a_decay_without_weight_decay_is_refused():
    recipe = load_recipe("tabular", ["update=adam"])
    with pytest.raises(SettingError, match="weight_decay_schedule"):
        recipe.check("numpy")


FINISH = [*SMALL, "threshold=auto"]


def test_a_run_writes_its_model_once_and_after_all_that_follows_the_training(table, tmp_path, monkeypatch):
    written = []
    monkeypatch.setattr(descent, "save", lambda path, model: written.append((path, model)) or save(path, model))
    config = Config(str(table), "tabular", load_recipe("tabular", FINISH), threads=1)
    metrics, data = train(tmp_path / "run", config), config.load(n_test=0)
    assert [path for path, _ in written] == [tmp_path / "run" / "model.safetensors"]
    kept = load(tmp_path / "run" / "model.safetensors")
    assert metrics["temperature"] != 1
    assert (kept.network.shortcut is not None) == (metrics["linear_share"] > 0)
    assert kept.threshold == metrics["threshold"]
    assert kept.loss.value(kept.logits(data.X_val), data.y_val) == pytest.approx(metrics["val_loss"], rel=1e-5)


@pytest.mark.parametrize("step", ["blend", "fit_temperature", "threshold_for"])
def test_a_run_that_is_stopped_after_its_training_goes_on_to_the_same_model(table, tmp_path, monkeypatch, step):
    def stopped(*_, **__):
        raise KeyboardInterrupt

    config = Config(str(table), "tabular", load_recipe("tabular", FINISH), threads=1)
    whole = train(tmp_path / "whole", config)
    with monkeypatch.context() as patched:
        patched.setattr(finish, step, stopped)
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path / "stopped", config)
    assert load(tmp_path / "stopped" / "model.safetensors").classes == ["no", "yes"]  # of the epochs that there were
    resumed = train(tmp_path / "stopped", config, resume=True)
    for name in ("linear_share", "temperature", "threshold", "val_loss"):
        assert resumed[name] == whole[name]
    assert (tmp_path / "stopped" / "model.safetensors").read_bytes() == (tmp_path / "whole" / "model.safetensors").read_bytes()


def test_a_training_that_does_not_begin_leaves_the_model_that_is_there(table, tmp_path):
    config = Config(str(table), "tabular", load_recipe("tabular", SMALL), threads=1)
    train(tmp_path / "run", config)
    model, checkpoint = (tmp_path / "run" / name for name in ("model.safetensors", "checkpoint.safetensors"))
    (tmp_path / "run" / "metrics.json").unlink()
    before = model.read_bytes()
    checkpoint.write_bytes(checkpoint.read_bytes()[:100])
    with pytest.raises(FileFormatError):
        train(tmp_path / "run", config, resume=True)
    assert model.read_bytes() == before
