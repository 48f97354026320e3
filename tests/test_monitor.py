"""The metric of runs and sweeps: what chooses the epoch, what is recorded and shown, and calibrated probabilities."""

import csv
import io
import json
import re
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from command_line import fcnet
from sklearn import metrics as reference

from fcnet import load
from fcnet.data import load_dataset
from fcnet.errors import SettingError
from fcnet.experiments.config import Config
from fcnet.experiments.predictions import read_predictions
from fcnet.experiments.recipe import load_recipe, recipe_text
from fcnet.experiments.results import read_history, read_metrics
from fcnet.experiments.sweep.plan import Plan, make_plan
from fcnet.experiments.sweep.run import sweep as sweep_of
from fcnet.nn.each_network import logits_of_each
from fcnet.nn.losses import get_loss
from fcnet.nn.network import FullyConnectedNet
from fcnet.report.calibration import calibration
from fcnet.report.run import write_report
from fcnet.training.calibration import SPREAD, fit_temperature

QUICK = ["--recipe", "table", "--set", "epochs=6", "--set", "hidden=[8]", "--set", "batch_size=20"]
VALIDATION = {"val_loss", "val_accuracy", "val_balanced_accuracy", "val_f1", "val_roc_auc", "val_average_precision"}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A table of two classes, of which one is rare, that overlap."""
    rng = np.random.default_rng(0)
    bad = rng.random(500) < 0.15
    columns = {f"x{i}": rng.standard_normal(500) + bad for i in range(3)}
    path = tmp_path_factory.mktemp("data") / "loans.csv"
    pl.DataFrame(columns | {"paid": np.where(bad, "no", "yes")}).write_csv(path)
    return path


@pytest.fixture(scope="module")
def trained(table, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "loans"
    said = fcnet("train", table, "--metric", "roc_auc", "--out", out, *QUICK).stdout
    return out, said


def test_a_run_by_a_metric(trained):
    out, said = trained
    metrics, history = read_metrics(out), read_history(out)
    assert metrics["val_roc_auc"] == pytest.approx(max(history.column("val_roc_auc")))
    assert metrics["best_epoch"] == 1 + int(np.argmax(history.column("val_roc_auc")))
    assert Config.read(out).settings.training.monitor == "roc_auc"
    assert f"ROC AUC {metrics['val_roc_auc']:.4f}" in said
    assert "the best on the validation part by ROC AUC" in Config.read(out).settings.training.how(metrics)


def test_what_chose_the_epoch_is_told_first_and_listed(trained, table, tmp_path):
    run, metrics = shutil.copytree(trained[0], tmp_path / "runs" / "a"), read_metrics(trained[0])
    told = f"ROC AUC {metrics['val_roc_auc']:.4f}, accuracy {metrics['val_accuracy']:.2%}"
    assert trained[1].startswith(f"Validation {told} (epoch ")
    assert trained[1].count("ROC AUC") == 1
    assert "validation ROC AUC, which says which epoch is best" in write_report(run).read_text(encoding="utf-8")
    head, row = fcnet("runs", tmp_path / "runs").stdout.splitlines()
    assert "val_roc_auc" in head
    assert f"{metrics['val_roc_auc']:.4f}" in row
    tested = fcnet("evaluate", run).stdout
    assert tested.startswith(f"Test ROC AUC {read_metrics(run)['test_roc_auc']:.4f}, accuracy ")


@pytest.mark.parametrize(
    ("metric", "seeds", "test"), [("roc_auc", 2, "paired t-test over 2 seeds"), ("log_loss", 1, "log-losses over")]
)
def test_what_chose_the_epoch_is_compared(table, tmp_path, metric, seeds, test):
    words = (
        "--on",
        table,
        *QUICK[2:],
        "--set",
        f"monitor={metric}",
        "--set-b",
        "hidden=[]",
        "--seeds",
        seeds,
        "--out",
        tmp_path,
    )
    said = fcnet("compare", "table", *words).stdout
    found = json.loads(fcnet("compare", "table", *words, "--json").stdout)
    name = {"log_loss": "loss"}.get(metric, metric)
    of = {side: [read_metrics(Path(run))[f"val_{name}"] for run in found[side]["runs"].values()] for side in "ab"}
    assert {side: [*found[side][f"val_{name}"].values()] for side in "ab"} == of
    assert found["mean"] == pytest.approx(np.mean(of["b"]) - np.mean(of["a"]), abs=1e-6)
    assert f"validation {'log-loss' if name == 'loss' else 'ROC AUC'} {np.mean(of['a']):.4f}" in said
    assert ", accuracy " in said
    assert test in said


def test_metrics_of_a_run_are_those_of_its_predictions(trained, tmp_path):
    run = shutil.copytree(trained[0], tmp_path / "run")
    for part in ("val", "test"):
        metrics = read_metrics(run) if part == "val" else json.loads(fcnet("evaluate", run, "--json").stdout)
        predictions, _ = read_predictions(run / "predictions.safetensors")
        y, p = predictions["labels"], predictions["probabilities"].astype(float)
        expected = {
            "accuracy": reference.accuracy_score(y, p.argmax(axis=1)),
            "balanced_accuracy": reference.balanced_accuracy_score(y, p.argmax(axis=1)),
            "f1": reference.f1_score(y, p.argmax(axis=1)),
            "loss": -np.log(p[np.arange(len(y)), y]).mean(),
            "roc_auc": reference.roc_auc_score(y, p[:, 1]),
            "average_precision": reference.average_precision_score(y, p[:, 1]),
        }
        assert {name: metrics[f"{part}_{name}"] for name in expected} == pytest.approx(expected, rel=1e-4)
    said = fcnet("evaluate", run).stdout
    assert f"balanced accuracy {metrics['test_balanced_accuracy']:.2%}" in said
    text = " ".join(re.sub(r"<[^>]*>", " ", write_report(run).read_text(encoding="utf-8")).split())
    assert f"ROC AUC {metrics['val_roc_auc']:.4f}" in text
    assert f"ROC AUC {metrics['test_roc_auc']:.4f}" in text


def test_runs_can_be_sorted_by_every_metric(trained, table, tmp_path):
    runs = tmp_path / "runs"
    shutil.copytree(trained[0], runs / "a")
    fcnet("train", table, "--out", runs / "b", *QUICK, "--set", "hidden=[]")
    found = {run: read_metrics(runs / run)["val_roc_auc"] for run in "ab"}
    lines = fcnet("runs", runs, "--sort", "-val_roc_auc").stdout.splitlines()
    assert "val_roc_auc" in lines[0]
    assert [line.split()[0] for line in lines[1:]] == sorted(found, key=lambda run: -found[run])
    assert f"{max(found.values()):.4f}" in lines[1]
    rows = {row["run"]: row for row in csv.DictReader(io.StringIO(fcnet("runs", runs, "--csv").stdout))}
    assert {run: float(rows[str(runs / run)]["val_roc_auc"]) for run in "ab"} == found
    lines = fcnet("runs", runs, "--sort", "val_log_loss").stdout.splitlines()
    assert f"{min(read_metrics(runs / run)['val_loss'] for run in 'ab'):.4f}" in lines[1]
    low = fcnet("runs", runs, "--filter", f"val_roc_auc<{max(found.values())}", "--json").stdout
    assert [row["scores"]["val_roc_auc"] for row in json.loads(low)] == [min(found.values())]


@pytest.mark.parametrize(
    ("monitor", "message"),
    [
        ("auc", "monitor 'auc'"),
        ("mae", "mae is no metric of a network with the loss cross_entropy. Those are: accuracy, loss"),
    ],
)
def test_a_metric_that_does_not_fit_is_refused_before_anything_is_written(table, tmp_path, monitor, message):
    result = fcnet("train", table, "--set", f"monitor={monitor}", "--out", tmp_path / "run", code=2)
    assert message in result.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["roc_acu", "val_roc_acu"])
def test_a_misspelt_metric_is_refused_by_the_name_of_the_option(table, tmp_path, name):
    said = fcnet("train", table, "--metric", name, "--out", tmp_path / "run", code=2).stderr
    assert "Unknown metric 'roc_acu'. Did you mean 'roc_auc'?" in said
    assert "monitor" not in said


def test_a_run_is_gone_on_with_by_the_same_monitor(trained, table):
    result = fcnet("train", table, "--out", trained[0], "--resume", "--set", "monitor=f1", code=2)
    assert "training.monitor was 'roc_auc', now 'f1'" in result.stderr
    fcnet("train", table, "--out", trained[0], "--resume")


# Sweeps


def sweep(table, out, *words, code=0):
    quick = [*QUICK, "--space", "learning_rate=0.001:0.3:log", "--trials", "3", "--winner-seeds", "1"]
    return fcnet("sweep", table, "--out", out, "--json", *quick, *words, code=code)


@pytest.mark.parametrize("metric", ["val_log_loss", "average_precision"])
def test_a_sweep_goes_by_a_metric(table, tmp_path, metric):
    found = json.loads(sweep(table, tmp_path, "--metric", metric).stdout)
    name = {"val_log_loss": "val_loss", "average_precision": "val_average_precision"}[metric]
    assert found["metric"] == name
    trials = [trial for trial in found["trials"] if trial["value"] is not None and trial["state"] == "finished"]
    choose = min if name == "val_loss" else max
    assert choose(trials, key=lambda trial: trial["value"])["number"] == found["best"]
    for trial in trials:
        folder = tmp_path / "trials" / f"{trial['number']:04d}"
        assert trial["value"] == json.loads((folder / "metrics.json").read_text())[name]
        assert trial["value"] == pytest.approx(choose(read_history(folder).column(name)))
    winner = tmp_path / found["winner"]["runs"][0]
    assert Config.read(winner).settings.training.monitor == metric.removeprefix("val_")
    assert found["winner"][name] == read_metrics(winner)[name]
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert ("validation loss" if name == "val_loss" else "validation average precision") in page
    assert Plan.read(tmp_path).metric == name
    sweep(table, tmp_path, "--metric", metric, "--resume")


def test_a_sweep_leaves_a_monitor_that_is_set(table, tmp_path):
    changes = ["monitor=f1", "epochs=2"]
    _, plan = make_plan(str(table), tmp_path / "s", changes=changes, space=["learning_rate=0.01:0.1"], metric="val_roc_auc")
    assert (plan.config.settings.training.monitor, plan.metric, plan.sign) == ("f1", "val_roc_auc", 1)
    found = json.loads(sweep(table, tmp_path, "--metric", "val_roc_auc", "--set", "monitor=f1").stdout)
    folder = tmp_path / "trials" / f"{found['best']:04d}"
    assert "val_roc_auc" in json.loads((folder / "metrics.json").read_text())
    assert "val_f1" in read_history(folder)[0]


def test_a_metric_takes_the_place_of_the_monitor_that_a_recipe_ships_with(table, tmp_path):
    begun = make_plan(str(table), tmp_path, recipe="tabular", metric="val_roc_auc", trials=3)[1]
    assert begun.config.settings.training.monitor == "roc_auc"
    begun.write(tmp_path)
    for again in ({"recipe": "tabular", "metric": "val_roc_auc"}, {}):
        _, plan = make_plan(str(table), tmp_path, resume=True, **again)
        assert plan.config.settings.training.monitor == "roc_auc"
    (tmp_path / "own.toml").write_text(recipe_text("tabular"))
    own = make_plan(str(table), tmp_path / "s", recipe=str(tmp_path / "own.toml"), metric="val_roc_auc")[1]
    assert own.config.settings.training.monitor == "loss"


@pytest.mark.parametrize("again", [{"metric": "val_log_loss"}, {}], ids=["repeated", "without a metric"])
def test_the_command_that_began_a_sweep_goes_on_with_it(table, tmp_path, again):
    begun = make_plan(str(table), tmp_path, recipe="table", metric="val_log_loss", changes=["epochs=2"], trials=3)[1]
    begun.write(tmp_path)
    _, plan = make_plan(str(table), tmp_path, resume=True, recipe="table", changes=["epochs=2"], **again)
    assert plan.config.settings.training.monitor == begun.config.settings.training.monitor == "log_loss"
    with pytest.raises(SettingError, match="training.monitor was 'log_loss', now 'auto'"):
        make_plan(str(table), tmp_path, resume=True, recipe="table", changes=["epochs=2", "monitor=auto"], **again)


def test_a_sweep_leaves_a_monitor_that_is_set_to_auto(table, tmp_path):
    begun = make_plan(str(table), tmp_path, recipe="table", metric="val_f1", changes=["monitor=auto"])[1]
    assert begun.config.settings.training.monitor == "auto"
    begun.write(tmp_path)
    _, plan = make_plan(str(table), tmp_path, resume=True, recipe="table", metric="val_f1", changes=["monitor=auto"])
    assert plan.config.settings.training.monitor == "auto"


def test_a_sweep_without_a_metric_is_as_it_was(table, tmp_path):
    for recipe, monitor in (("table", "auto"), ("tabular", "loss")):
        _, plan = make_plan(str(table), tmp_path / "s", recipe=recipe, space=["learning_rate=0.01:0.1"])
        assert (plan.config.settings.training.monitor, plan.metric, plan.sign) == (monitor, "val_accuracy", 1)


@pytest.mark.parametrize(
    ("monitor", "metric", "pruner", "is_blind"),
    [
        ("log_loss", "val_f1", "median", True),
        ("auto", "val_f1", "halving", True),
        ("log_loss", "val_f1", "none", False),
        ("f1", "val_f1", "median", False),
        ("f1", "val_log_loss", "median", False),
        ("f1", "val_accuracy", "median", False),
    ],
)
def test_a_sweep_says_where_nothing_is_pruned(table, tmp_path, caplog, monkeypatch, monitor, metric, pruner, is_blind):
    def begun(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("fcnet.experiments.sweep.run.owned", begun)
    changes, space = [f"monitor={monitor}", "epochs=2"], ["learning_rate=0.01:0.1"]
    folder, plan = make_plan(str(table), tmp_path / "s", changes=changes, space=space, metric=metric, pruner=pruner)
    with caplog.at_level("INFO", "fcnet"), pytest.raises(KeyboardInterrupt):
        sweep_of(folder, plan)
    said = f"No trial is pruned: epochs are chosen by {monitor}, so validation F1 is known at the end of a trial alone."
    assert (said in caplog.text) == is_blind


@pytest.mark.parametrize(("metric", "message"), [("val_auc", "Unknown metric 'val_auc'"), ("val_mae", "mae is no metric of")])
def test_a_sweep_by_a_metric_that_does_not_fit_is_refused(table, tmp_path, metric, message):
    assert message in sweep(table, tmp_path / "s", "--metric", metric, code=2).stderr
    assert not (tmp_path / "s").exists()


# Calibration


def test_bins_of_calibration_have_equally_many_rows():
    p = np.repeat([0.1, 0.3, 0.5, 0.7, 0.9], 20)
    labels = np.concatenate([np.arange(20) < round(20 * share) for share in (0.1, 0.3, 0.5, 0.7, 0.8)]).astype(int)
    found = calibration({"probabilities": np.stack([1 - p, p], axis=1), "labels": labels}, ["good", "bad"])
    assert [row["of"] for row in found["rows"]] == [10] * 10
    assert np.mean([row["observed"] for row in found["rows"]]) == pytest.approx(labels.mean())
    assert [row["predicted"] for row in found["rows"]] == pytest.approx(p[5::10])
    assert "bad" in found["of"]
    right = calibration({"probabilities": np.eye(3)[[0, 1, 2]], "labels": np.array([0, 1, 1])}, ["a", "b", "c"])
    assert right["error"] == pytest.approx(1 / 3)
    assert sum(row["of"] for row in right["rows"]) == 3


def overconfident(n=300, scale=4.0, dtype="float32"):
    rng = np.random.default_rng(0)
    logits = rng.standard_normal((n, 3))
    p = get_loss("cross_entropy").mean(logits)
    y = (p.cumsum(axis=1) < rng.random((n, 1))).sum(axis=1)
    return (scale * logits).astype(dtype), y


def test_the_temperature_has_the_least_loss():
    network = FullyConnectedNet([4, 5, 3], seed=0)
    logits, y = overconfident()
    before = {name: p.copy() for name, p in network.params.items()}
    temperature = fit_temperature(network, lambda: logits, y)
    assert temperature == pytest.approx(4, rel=0.3)
    tried = [factor * temperature for factor in (0.99, 1, 1.01)]
    few = 2 * len(y) * SPREAD**2
    losses = [network.loss.value(logits.astype(float) / each, y) + np.log(each) ** 2 / few for each in tried]
    assert losses[1] == min(losses)
    for name, p in before.items():
        np.testing.assert_allclose(network.params[name], p / (temperature if name in ("W2", "b2") else 1), rtol=1e-6)
        assert network.params[name].dtype == np.float32


@pytest.mark.parametrize("n_networks", [None, 1])
def test_rows_count_in_the_temperature_by_their_weights(n_networks):
    logits, y = overconfident(scale=2.0)
    networks = [FullyConnectedNet([4, 3]) for _ in range(3)]
    both, of_both = np.concatenate([logits, logits]), np.concatenate([y, (y + 1) % 3])
    shape = both.shape if n_networks is None else (n_networks, *both.shape)
    weights = np.repeat([1.0, 1e-9], len(y))
    right = fit_temperature(networks[0], lambda: logits, y)
    assert fit_temperature(networks[1], lambda: both.reshape(shape), of_both, weights) == pytest.approx(right, rel=0.03)
    assert fit_temperature(networks[2], lambda: both.reshape(shape), of_both) > 1.2 * right


def test_the_temperature_stays_in_its_range():
    network, logits = FullyConnectedNet([4, 3]), 10 * np.eye(3)[np.arange(300) % 3]
    assert fit_temperature(network, lambda: logits, (logits.argmax(axis=1) + 1) % 3) == pytest.approx(5, rel=1e-3)


@pytest.mark.parametrize("weights", [None, np.repeat([1.0, 1e-9], [30, 60])], ids=["rows", "rows that count"])
def test_few_rows_leave_the_temperature_near_1(weights):
    network, y = FullyConnectedNet([4, 3]), np.arange(30 if weights is None else 90) % 3
    logits = np.eye(3)[y]
    temperature = fit_temperature(network, lambda: logits, y, weights)
    assert 0.3 < temperature < 0.6  # all rows are right
    t = np.log(temperature) + np.array([-0.01, 0, 0.01])
    unlikely = [30 * network.loss.value(logits / np.exp(one), y, weights) + one**2 / (2 * SPREAD**2) for one in t]
    assert np.argmin(unlikely) == 1


@pytest.mark.parametrize("views", [[], ["mirror=true", "average_views=true"]], ids=["plain", "views"])
def test_a_calibrated_run(tmp_path, views):
    changes = ["epochs=12", "hidden_sizes=[64]", "learning_rate=0.3", "keep_best=false"]
    words = [word for change in [*changes, *views] for word in ("--set", change)]
    losses, models = {}, {}
    for calibrate in ("false", "true"):
        run = tmp_path / calibrate
        fcnet("train", "digits", "--out", run, *words, "--set", f"calibrate={calibrate}")
        losses[calibrate], models[calibrate] = read_metrics(run)["val_loss"], load(run / "model.safetensors")
    metrics = read_metrics(tmp_path / "true")
    temperature = metrics["temperature"]
    assert temperature != 1
    assert losses["true"] < losses["false"]
    plain = read_metrics(tmp_path / "false")
    assert (plain["temperature"], plain["val_accuracy"]) == (None, metrics["val_accuracy"])
    assert read_history(tmp_path / "true") == read_history(tmp_path / "false")
    X = np.random.default_rng(0).integers(0, 17, (5, 64)).astype("uint8")
    plain, scaled = (models[calibrate].logits(X) for calibrate in ("false", "true"))
    np.testing.assert_allclose(scaled, plain / temperature, rtol=1e-4, atol=1e-5)
    data = load_dataset("digits")
    found = get_loss("cross_entropy").value(models["true"].logits(data.X_val), data.y_val)
    assert metrics["val_loss"] == pytest.approx(found, rel=1e-5)
    assert f"by a temperature of {temperature:.3g}." in Config.read(tmp_path / "true").settings.training.how(metrics)


def test_a_calibrated_run_computes_the_logits_of_its_epochs_once(tmp_path, monkeypatch):
    from fcnet.experiments.run import train
    from fcnet.training import finish

    computed = []

    def counted(network, X):
        computed.append(len(network.all_params))
        return logits_of_each(network, X)

    monkeypatch.setattr(finish, "logits_of_each", counted)
    changes = ["epochs=3", "hidden_sizes=[16]", "calibrate=true", "best_epochs=2"]
    train(tmp_path / "run", Config("digits", "digits", load_recipe("digits", changes)))
    assert computed == [2]
    assert read_metrics(tmp_path / "run")["temperature"] != 1


def test_a_calibrated_run_that_was_stopped_is_calibrated_once(tmp_path, monkeypatch):
    from fcnet.experiments.run import train
    from fcnet.training import finish

    config = Config("digits", "digits", load_recipe("digits", ["epochs=2", "hidden_sizes=[16]", "calibrate=true"]))
    train(tmp_path / "whole", config)

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(finish, "fit_temperature", killed)
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path / "stopped", config)
    train(tmp_path / "stopped", config, resume=True)
    whole, resumed = (load(tmp_path / name / "model.safetensors").network.params for name in ("whole", "stopped"))
    assert all(np.array_equal(whole[name], resumed[name]) for name in whole)
