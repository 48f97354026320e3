"""Recipes with several networks: which rows each is validated on, what a run says of them, and how a run of them goes on."""

import json
import math

import numpy as np
import polars as pl
import pytest
from command_line import fcnet

from fcnet import TabularClassifier, load
from fcnet.errors import SettingError
from fcnet.experiments import compare
from fcnet.experiments.config import Config
from fcnet.experiments.importance import permutation_importance
from fcnet.experiments.members import counted, how_trained, train_run
from fcnet.experiments.recipe import load_recipe
from fcnet.experiments.results import read_history
from fcnet.experiments.run import evaluate, train
from fcnet.experiments.runs import Runs, validated_otherwise
from fcnet.experiments.sweep.plan import make_plan
from fcnet.report.run import write_report
from fcnet.training import tabular
from fcnet.training.callbacks import Callback

N = 160
SMALL = ("network.hidden_sizes=[8]", "epochs=3")


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    rng = np.random.default_rng(0)
    size, colour = rng.standard_normal(N).round(6), rng.choice(["red", "green", "blue"], N)
    label = np.where((size > 0) ^ (colour == "red"), "yes", "no")
    path = tmp_path_factory.mktemp("data") / "table.csv"
    pl.DataFrame({"colour": colour, "size": size, "label": label}).write_csv(path)
    return path


def config_of(table, *changes, **options):
    return Config(str(table), "tabular", load_recipe("tabular", [*SMALL, *changes]), threads=1, **options)


def rows_of(X):
    return set(map(tuple, X.rows()))


@pytest.fixture(scope="module")
def run(table, tmp_path_factory):
    """A run as it is by default, of as many networks as so few rows get."""
    run = tmp_path_factory.mktemp("runs") / "run"
    said = fcnet("train", table, "--out", run, "--threads", 1, *(f"--set={change}" for change in SMALL)).stdout
    return run, said


def test_a_small_table_has_five_networks_each_validated_on_rows_that_it_has_not_seen(table, run):
    run, said = run
    config, metrics, model = Config.read(run), json.loads((run / "metrics.json").read_text()), load(run / "model.safetensors")
    data = config.load(n_test=0)
    parts = list(config.parts(data))
    assert (config.folds, config.networks, len(model.members), len(parts)) == (5, 5, 5, 5)
    assert config.settings == load_recipe("tabular", SMALL)  # which another table may have another number of networks by
    for part in parts:
        assert rows_of(part.X_train) | rows_of(part.X_val) == rows_of(data.X_train) | rows_of(data.X_val)
        assert not rows_of(part.X_train) & rows_of(part.X_val)
    losses = [one.loss.losses(one.logits(part.X_val), part.y_val) for one, part in zip(model.members, parts, strict=True)]
    assert metrics["val_loss"] == pytest.approx(np.concatenate(losses).mean(), rel=1e-5)
    assert metrics["n_val"] == len(data.y_train) + len(data.y_val)
    assert "(over 5 folds, ±" in said
    assert "all these rows are validated, each by the network that has not seen it" in how_trained(config, metrics)
    page = (run / "report.html").read_text()
    assert "The curves are those of the first network, members/1." in page


def test_what_a_run_of_several_networks_is_good_for(table, run, tmp_path):
    run, _ = run
    said = pl.read_csv(fcnet("predict", run, table).stdout.encode())
    probabilities = load(run / "model.safetensors").predict_proba(pl.read_csv(table))
    assert said.select("no", "yes").to_numpy() == pytest.approx(probabilities, abs=1e-5)
    fcnet("export", run, "--to", tmp_path / "model.onnx")
    assert permutation_importance(run, repeats=1)["rows"] == 136
    assert "5 folds" in fcnet("runs", run).stdout


def test_a_table_of_more_rows_is_validated_on_some_folds(table, tmp_path, monkeypatch):
    monkeypatch.setattr(tabular, "MOST_ROWS_FOR_FIVE", 100)
    run = tmp_path / "run"
    metrics = train_run(run, config_of(table))
    config = Config.read(run)
    assert (config.folds, config.networks, len(list(config.parts(config.load(n_test=0))))) == (5, 2, 2)
    assert metrics["n_val"] == sum(json.loads((run / f"members/{i}/metrics.json").read_text())["n_val"] for i in (1, 2))
    assert "the rows of the folds that were left out are validated" in how_trained(config, metrics)
    assert compare.what_it_is(config) == "an ensemble of 2 of 5 folds"
    train(tmp_path / "single", config_of(table))
    note = validated_otherwise(Runs(tmp_path).rows())
    assert note.startswith("Scores on table.csv are of different rows: with folds")


def test_more_networks_than_folds_share_them(table, tmp_path):
    metrics = train_run(tmp_path / "run", config_of(table, "n_ensemble=6", "threshold=auto"))
    config, model = Config.read(tmp_path / "run"), load(tmp_path / "run" / "model.safetensors")
    assert [member.fold for member in config.members()] == [1, 2, 3, 4, 5, 1]
    first = next(iter(config.parts(data := config.load(n_test=0))))
    both = (model.members[0].predict_proba(first.X_val) + model.members[5].predict_proba(first.X_val)) / 2
    others = [model.members[i].predict_proba(part.X_val) for i, part in enumerate(config.parts(data)) if i]
    p, y = np.concatenate([both, *others]), np.concatenate([part.y_val for part in config.parts(data)])
    assert metrics["val_loss"] == pytest.approx(-np.log(p[np.arange(len(y)), y]).mean(), rel=1e-4)
    assert metrics["threshold"] == model.threshold


def test_validation_rows_that_are_given_validate_all_networks(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 3))
    y = (X[:, 0] > 0).astype(int)
    np.savez(tmp_path / "rows.npz", X=X[:40], y=y[:40], X_val=X[40:], y_val=y[40:])
    config, data = counted(config_of(tmp_path / "rows.npz", "gaps=median", "scaling=standard"))
    assert (config.seeds, config.folds, config.networks) == (5, 0, 0)
    assert len(data.y_val) == 20
    assert counted(Config("digits", "digits", load_recipe("digits", ["n_ensemble=3"])))[0].seeds == 3


@pytest.mark.parametrize(
    ("changes", "options"), [([], {"folds": 3}), ([], {"seeds": 2}), (["n_ensemble=1"], {}), ([], {"folds": 5, "fold": 2})]
)
def test_what_is_said_of_networks_stands(table, changes, options):
    config = config_of(table, *changes, **options)
    assert counted(config)[0] is config
    assert all(member.settings.training.n_ensemble == 1 for member in config.members())


def test_few_rows_have_one_network(table, tmp_path):
    pl.read_csv(table).head(10).write_csv(tmp_path / "few.csv")
    assert counted(config_of(tmp_path / "few.csv"))[0].members() == []


def test_the_only_row_of_a_class_is_always_to_train(table, tmp_path):
    frame = pl.read_csv(table).with_columns(label=pl.when(pl.int_range(N) == 7).then(pl.lit("rare")).otherwise("label"))
    frame.write_csv(tmp_path / "rare.csv")
    config, data = counted(config_of(tmp_path / "rare.csv"))
    rare = data.classes.index("rare")
    assert [np.count_nonzero(part.y_train == rare) for part in config.parts(data)] == [1] * 5


def test_a_monitor_that_a_fold_has_no_rows_for_leaves_one_network_unless_more_are_asked_for(table, tmp_path):
    place = pl.int_range(N)
    frame = pl.read_csv(table).with_columns(label=pl.when(place < 4).then(pl.lit("rare")).otherwise(pl.lit("usual")))
    frame.write_csv(tmp_path / "rare.csv")
    assert counted(config_of(tmp_path / "rare.csv", "monitor=roc_auc"))[0].members() == []
    assert len(counted(config_of(tmp_path / "rare.csv"))[0].members()) == 5
    with pytest.raises(Exception, match="roc_auc"):
        counted(config_of(tmp_path / "rare.csv", "monitor=roc_auc", "n_ensemble=5"))


class StopInThird(Callback):
    """Stops a run by an error in the second epoch of its third network."""

    begun = 0

    def on_train_begin(self, state):
        self.begun += 1

    def on_epoch_end(self, state):
        if self.begun == 3 and state.epoch == 2:
            raise KeyboardInterrupt


def test_a_run_that_was_stopped_goes_on_to_the_same_networks(table, tmp_path):
    config, stopped = config_of(table), tmp_path / "stopped"
    train_run(tmp_path / "whole", config)
    with pytest.raises(KeyboardInterrupt):
        train_run(stopped, config, callbacks=[StopInThird()])
    assert len(read_history(stopped / "members" / "3")) == 2
    assert "The curves are those of the first network, members/1." in write_report(stopped).read_text()
    fcnet("train", table, "--out", stopped, "--resume")
    for name in ("model.safetensors", "linear.safetensors", *(f"members/{i}/history.jsonl" for i in range(1, 6))):
        assert (stopped / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name


def test_one_network_is_that_of_the_estimator_with_the_same_rows_and_seed(table, tmp_path):
    seed = 3  # of an estimator's one network
    drawn = np.random.default_rng(np.random.RandomState(seed).randint(2**31 - 1)).integers(2**31, size=1)
    config = config_of(table, "n_ensemble=1", seed=int(drawn[0]))
    train(tmp_path / "run", config)
    data = config.load(n_test=0)
    y, y_val = (np.array(data.classes)[labels] for labels in (data.y_train, data.y_val))
    model = TabularClassifier(hidden_sizes=[8], epochs=3, n_ensemble=1, random_state=seed, threads=1)
    model.fit(data.X_train, y, X_val=data.X_val, y_val=y_val)
    both = [one.predict_proba(data.X_val) for one in (load(tmp_path / "run" / "model.safetensors"), model)]
    assert np.array_equal(*both)


def test_runs_that_were_evaluated_are_compared_by_the_networks_that_have_not_seen_a_row(table, tmp_path):
    runs = [tmp_path / name for name in ("a", "b")]
    for run, changes in zip(runs, ([], ["dropout=0.5"]), strict=True):
        train_run(run, config_of(table, *changes))
    before = compare.compare_runs(runs).difference
    for run in runs:
        evaluate(run)
    after = compare.compare_runs(runs).difference
    assert after.n == before.n == 136
    assert math.isclose(after.gain, before.gain, rel_tol=1e-5)


def test_recipes_are_compared_by_one_network_with_each_seed(table, tmp_path):
    a, b = config_of(table), config_of(table, "dropout=0.5")
    compared = compare.compare_recipes(a, b, tmp_path, [0, 1])
    assert compared.differing().keys() == {"network.dropout"}
    assert not any((run / "members").exists() for run in compared.a.runs.values())
    with pytest.raises(SettingError, match="same settings: change one, but not n_ensemble"):
        compare.compare_recipes(a, config_of(table, "n_ensemble=2"), tmp_path, [0])


def test_a_sweep_does_not_try_numbers_of_networks(table, tmp_path):
    with pytest.raises(SettingError, match="n_ensemble is not swept: a trial is one network"):
        make_plan(str(table), tmp_path / "study", space={"n_ensemble": [1, 2]})


def test_what_logs_is_for_one_network(table, tmp_path):
    said = fcnet("train", table, "--out", tmp_path / "run", "--log", "tensorboard", code=2).stderr
    assert "--log is for a single training: leave it out" in said
    assert "--set n_ensemble=1" in said
    assert not (tmp_path / "run").exists()
