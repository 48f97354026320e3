"""Ensembles: models whose probabilities, or values, are averaged, and runs of several seeds or folds."""

import json

import numpy as np
import polars as pl
import pytest
from command_line import fcnet as fcnet_

import fcnet
from fcnet import FullyConnectedNet
from fcnet.data import load_dataset, load_digits
from fcnet.errors import FileFormatError, InputError
from fcnet.experiments import members as members_of_a_run
from fcnet.experiments.config import Config
from fcnet.experiments.results import read_state
from fcnet.files import load_tensors, save_tensors
from fcnet.model import Ensemble, Model
from fcnet.model_card import model_card
from fcnet.model_file import MODEL_FORMAT
from fcnet.nn.losses import LOSSES
from fcnet.preprocessing import Scaling


def members(loss="cross_entropy", n=3, spread=1.0, **changes):
    X = np.random.default_rng(7).standard_normal((30, 4)) + 5
    sizes = [[4, 3 + seed, 3] for seed in range(n)]  # they need not have the same layers
    nets = [FullyConnectedNet(size, loss=loss, weight_init=spread, seed=seed, **changes) for seed, size in enumerate(sizes)]
    return [Model(net, Scaling.fit(X), ["a", "b", "c"]) for net in nets], X


@pytest.mark.parametrize("loss", LOSSES)
def test_the_mean_of_what_the_members_predict(loss):
    models, X = members(loss)
    ensemble = Ensemble(models)
    mean = np.mean([model.predict_proba(X).astype(np.float64) for model in models], axis=0)
    assert ensemble.predict_proba(X) == pytest.approx(mean, rel=1e-5, abs=1e-7)
    assert ensemble.predict_proba(X).dtype == ensemble.logits(X).dtype == np.float32
    expected = {"cross_entropy": mean.argmax(axis=1), "binary_cross_entropy": (mean > 0.5).astype(int)}.get(loss, mean)
    assert ensemble.predict(X) == pytest.approx(expected, rel=1e-5, abs=1e-7)


@pytest.mark.parametrize("loss", ["cross_entropy", "binary_cross_entropy"])
def test_members_that_are_all_but_certain(loss):
    models, X = members(loss, n=2, spread=100.0)
    ensemble = Ensemble(models)
    mean = np.mean([model.predict_proba(X).astype(np.float64) for model in models], axis=0)
    assert np.abs(models[0].logits(X)).max() > 1000
    assert np.isfinite(ensemble.logits(X)).all()
    assert ensemble.predict_proba(X) == pytest.approx(mean, abs=1e-6)


@pytest.mark.parametrize("loss", LOSSES)
def test_one_member_alone_predicts_as_it_does(loss):
    models, X = members(loss, n=1)
    assert Ensemble(models).predict_proba(X) == pytest.approx(models[0].predict_proba(X), rel=1e-6, abs=1e-7)


def test_an_ensemble_of_ensembles_counts_each_model_once():
    models, X = members(n=3)
    nested = Ensemble([Ensemble(models[:2]), models[2]])
    assert np.array_equal(nested.logits(X), Ensemble(models).logits(X))
    assert nested.members == models


def test_a_file_holds_all_members(tmp_path):
    models, X = members()
    fcnet.save(tmp_path / "m.safetensors", Ensemble(models))
    loaded = fcnet.load(tmp_path / "m.safetensors")
    assert isinstance(loaded, Ensemble)
    assert np.array_equal(loaded.logits(X), Ensemble(models).logits(X))
    assert loaded.classes == ["a", "b", "c"]
    assert [model.network.layer_sizes for model in loaded.members] == [model.network.layer_sizes for model in models]


@pytest.mark.parametrize("damage", ["a member less", "no members", "members within", "a tensor of no member", "text"])
def test_a_file_whose_members_do_not_fit_is_refused(tmp_path, damage):
    path = tmp_path / "m.safetensors"
    fcnet.save(path, Ensemble(members(n=2)[0]))
    tensors, metadata = load_tensors(path, MODEL_FORMAT)
    if damage == "a member less":
        metadata["members"].pop()
    elif damage == "no members":
        tensors, metadata = {}, {"members": []}
    elif damage == "members within":
        metadata["members"][0] = {"members": [metadata["members"][0]]}
    elif damage == "a tensor of no member":
        tensors["7.W1"] = tensors["0.W1"]
    else:
        metadata["members"] = "two"
    save_tensors(path, tensors, metadata, MODEL_FORMAT)
    with pytest.raises(FileFormatError, match="does not describe a model"):
        fcnet.load(path)


@pytest.mark.parametrize("change", [{"loss": "squared_error"}, {"dtype": "float64"}])
def test_models_that_do_not_go_together_are_refused(change):
    with pytest.raises(InputError, match="take the same inputs and have the same classes, loss and dtype"):
        Ensemble([members()[0][0], members(**change)[0][0]])
    with pytest.raises(InputError, match="a model or more"):
        Ensemble([])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("loss", LOSSES)
def test_onnx_of_an_ensemble_is_the_same(tmp_path, loss, dtype):
    onnxruntime = pytest.importorskip("onnxruntime")
    models, X = members(loss, dtype=dtype)
    ensemble = Ensemble(models)
    from fcnet.export import export_onnx

    assert export_onnx(ensemble, tmp_path / "m.onnx") < 1e-5
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx", providers=["CPUExecutionProvider"])
    assert [value.name for value in session.get_inputs()] == ["inputs"]
    logits, means, *labels = session.run(None, {"inputs": X.astype(dtype)})
    assert logits == pytest.approx(ensemble.logits(X), rel=1e-5, abs=1e-5)
    assert means == pytest.approx(ensemble.predict_proba(X), rel=1e-5, abs=1e-5)
    if loss == "cross_entropy":
        assert list(labels[0]) == [ensemble.classes[number] for number in ensemble.predict(X)]


QUICK = ("--set", "epochs=3", "--set", "hidden_sizes=[8]")


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    rng = np.random.default_rng(0)
    x, word = rng.standard_normal(300), rng.choice(["red", "green", "blue"], 300)
    y = np.where((x > 0) ^ (word == "red"), "yes", "no")
    path = tmp_path_factory.mktemp("data") / "table.csv"
    lines = ["x,word,y", *(f"{a:.9f},{b},{c}" for a, b, c in zip(x, word, y, strict=True))]
    lines[7] = lines[7].replace(lines[7].split(",")[1], "rare", 1)
    path.write_text("\n".join(lines) + "\n")
    return path


def metrics_of(run):
    return json.loads((run / "metrics.json").read_text())


def test_seeds_are_the_runs_with_these_seeds_and_their_mean(tmp_path):
    run = tmp_path / "run"
    said = fcnet_("train", "digits", "--seeds", 3, "--seed", 4, "--out", run, *QUICK).output
    for number, seed in enumerate((4, 5, 6), 1):
        fcnet_("train", "digits", "--seed", seed, "--out", tmp_path / f"{seed}", *QUICK)
        alone, member = fcnet.load(tmp_path / f"{seed}" / "model.safetensors"), fcnet.load(run / "model.safetensors")
        assert all(
            np.array_equal(alone.network.params[name], p) for name, p in member.members[number - 1].network.params.items()
        )
    metrics, digits = metrics_of(run), load_digits()
    each = [one["val_accuracy"] for one in metrics["members"]]
    assert each == [metrics_of(tmp_path / f"{seed}")["val_accuracy"] for seed in (4, 5, 6)]
    model = fcnet.load(run / "model.safetensors")
    assert metrics["val_accuracy"] == np.mean(model.predict(digits.X_val) == digits.y_val)
    assert f"by themselves {100 * np.mean(each):.2f} ± {100 * np.std(each, ddof=1):.2f} %" in said
    assert metrics["test_accuracy"] is None

    said = fcnet_("evaluate", run).output
    tested = metrics_of(run)
    assert tested["test_accuracy"] == np.mean(model.predict(digits.X_test) == digits.y_test)
    alone = [np.mean(one.predict(digits.X_test) == digits.y_test) for one in model.members]
    assert [one["test_accuracy"] for one in tested["members"]] == alone
    assert f"{100 * np.mean(alone):.2f} ± {100 * np.std(alone, ddof=1):.2f} %" in said


def test_each_row_is_validated_by_the_network_that_has_not_seen_it(tmp_path, table):
    run = tmp_path / "run"
    said = fcnet_("train", table, "--folds", 4, "--out", run, *QUICK).output
    parts = [Config.read(run / "members" / str(number)).load(n_test=0) for number in (1, 2, 3, 4)]
    rows = [set(map(tuple, part.X_val.with_columns(y=part.y_val).rows())) for part in parts]
    n = sum(len(part.y_val) for part in parts)
    whole = load_dataset(str(table), n_test=0)
    shares = np.bincount(whole.y_train) / len(whole.y_train)
    assert n == len(whole.y_train) + len(whole.y_val)
    assert len(set.union(*rows)) == sum(map(len, rows))  # no row is in two of them
    for part in parts:
        train = set(map(tuple, part.X_train.with_columns(y=part.y_train).rows()))
        assert train == set.union(*rows) - set(map(tuple, part.X_val.with_columns(y=part.y_val).rows()))
        assert np.bincount(part.y_val) / len(part.y_val) == pytest.approx(shares, abs=0.03)
    metrics, model = metrics_of(run), fcnet.load(run / "model.safetensors")
    right = sum((one.predict(part.X_val) == part.y_val).sum() for one, part in zip(model.members, parts, strict=True))
    assert metrics["n_val"] == n
    assert metrics["val_accuracy"] == right / n
    assert "(over 4 folds, ±" in said
    assert len({tuple(one.preprocessor.columns[1][1]) for one in model.members}) == 1
    fcnet_("evaluate", run)
    assert metrics_of(run)["test_accuracy"] == np.mean(
        model.predict(load_dataset(str(table)).X_test) == load_dataset(str(table)).y_test
    )


def test_an_ensemble_predicts_and_is_shown_as_other_runs_are(tmp_path, table):
    run, folder = tmp_path / "run", tmp_path
    fcnet_("train", table, "--folds", 2, "--out", run, *QUICK)
    rows = fcnet_("predict", run, table, "--json").output.splitlines()
    model, frame = fcnet.load(run / "model.safetensors"), pl.read_csv(table)
    expected = model.predict_proba(frame)
    assert [json.loads(row)["probabilities"]["yes"] for row in rows] == pytest.approx(expected[:, 1], abs=1e-6)
    page = (run / "report.html").read_text()
    assert "members/1" in page
    assert "2 networks were trained, with the seeds 0 to 1, each on all but one of 2 folds" in page
    card = model_card(run)
    assert "An ensemble of 2 networks, with layers as" in card
    assert "The seed was" not in card
    listed = json.loads(fcnet_("runs", folder, "--json").output)
    assert [row["run"] for row in listed] == [str(run)]  # not its members by themselves
    fcnet_("report", run / "members" / "1", run / "members" / "2", "--out", tmp_path / "members.html")


def test_an_ensemble_that_is_stopped_goes_on(tmp_path, monkeypatch):
    whole, run = tmp_path / "whole", tmp_path / "run"
    words = ["digits", "--seeds", 3, *QUICK]
    fcnet_("train", *words, "--out", whole)
    done = []

    def stop_at_the_third(*given, **named):
        done.append(given)
        if len(done) == 3:
            raise KeyboardInterrupt
        return train(*given, **named)

    train = members_of_a_run.train
    monkeypatch.setattr(members_of_a_run, "train", stop_at_the_third)
    said = fcnet_("train", *words, "--out", run, code=1).output
    assert "Stopped after 2 of 3 networks" in said
    assert f"fcnet train digits --out {run} --resume" in said
    assert read_state(run).kind == "stopped"
    monkeypatch.undo()
    before = (run / "members" / "1" / "metrics.json").stat().st_mtime_ns
    fcnet_("train", "digits", "--out", run, "--resume")
    assert (run / "members" / "1" / "metrics.json").stat().st_mtime_ns == before
    assert (run / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    assert "finished already" in fcnet_("train", "digits", "--out", run, "--resume").output


def test_another_number_of_networks_is_another_run(tmp_path):
    run = tmp_path / "run"
    fcnet_("train", "digits", "--seeds", 2, "--out", run, *QUICK)
    assert "seeds was 2, now 3" in fcnet_("train", "digits", "--seeds", 3, "--out", run, "--resume", code=2).output
    fcnet_("train", "digits", "--out", run, "--force", *QUICK)
    assert not (run / "members").exists()
    assert "members" not in metrics_of(run)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["digits", "--seeds", 2, "--folds", 2], "--seeds and --folds each make an ensemble: give one of them"),
        (["digits", "--seeds", 0], "Invalid value for '--seeds'"),
        (["digits", "--folds", 1], "Invalid value for '--folds'"),
        (["digits", "--seeds", 2, "--log", "tensorboard"], "--log is for a single training"),
        (["digits", "--folds", 5000], "too few for 5000 folds"),
    ],
)
def test_what_is_no_ensemble_is_refused_before_anything_is_written(tmp_path, words, said):
    result = fcnet_("train", *words, "--out", tmp_path / "run", code=1 if "5000" in map(str, words) else 2)
    assert said in " ".join(result.output.split())
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("space", ["preprocessing.rare=0,20", "preprocessing.gaps=median,indicator"])
def test_networks_that_read_a_table_in_another_way_are_not_in_the_ensemble_of_a_sweep(tmp_path, table, space):
    study, own, lines = tmp_path / "study", tmp_path / "own.csv", table.read_text().splitlines()
    lines[10:60] = ["," + line.partition(",")[2] for line in lines[10:60]]
    own.write_text("\n".join([*lines, *(f"0.5,odd{i % 3},no" for i in range(12))]) + "\n")
    words = ["--trials", 2, "--sampler", "grid", "--winner-seeds", 1, "--set", "epochs=2", "--out", study]
    fcnet_("sweep", own, "--space", space, *words)
    winner = json.loads((study / "sweep.json").read_text())["winner"]
    assert len(winner["finalists"]) == 2
    assert [one["run"] for one in metrics_of(study / "ensemble")["members"]] == [f"../{winner['runs'][0]}"]
    models = [fcnet.load(study / one["runs"][0] / "model.safetensors") for one in winner["finalists"]]
    assert not models[0].goes_with(models[1])
    with pytest.raises(InputError, match="take the same inputs"):
        Ensemble(models)


def test_every_fold_is_checked_before_anything_costs_time(tmp_path):
    rows = [f"{i},{'yes' if i < 3 else 'no'}" for i in range(200)]
    (tmp_path / "rare.csv").write_text("\n".join(["x,y", *rows]) + "\n")
    words = ["train", tmp_path / "rare.csv", "--folds", 5, "--metric", "roc_auc", "--out", tmp_path / "run", *QUICK]
    said = fcnet_(*words, code=1).output
    assert "roc_auc is not defined on the validation rows" in said
    assert not (tmp_path / "run").exists()


def test_a_run_that_is_replaced_is_unfinished_from_the_first_moment_on(tmp_path, monkeypatch):
    run = tmp_path / "run"
    fcnet_("train", "digits", "--seeds", 2, "--out", run, *QUICK)

    def kill(folder):
        assert folder == run / "members"
        raise KeyboardInterrupt

    monkeypatch.setattr("fcnet.experiments.run.shutil.rmtree", kill)
    fcnet_("train", "digits", "--seeds", 2, "--force", "--out", run, *QUICK, code=1)
    monkeypatch.undo()
    assert read_state(run).kind != "finished"
    fcnet_("train", "digits", "--out", run, "--resume")
    assert len(fcnet.load(run / "model.safetensors").members) == 2


@pytest.mark.parametrize("option", ["--seeds", "--folds"])
def test_the_data_of_an_ensemble_is_loaded_once(tmp_path, monkeypatch, option):
    loaded, load_all = [], Config.load

    def load_and_count(config, *given, **named):
        loaded.append(config)
        return load_all(config, *given, **named)

    monkeypatch.setattr(Config, "load", load_and_count)
    fcnet_("train", "digits", option, 2, "--out", tmp_path / "run", *QUICK)
    assert len(loaded) == 1
