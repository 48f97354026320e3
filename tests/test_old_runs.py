"""What version 0.1.0 wrote still works: run folders of every family of recipes, models, and pickled estimators.

`fixtures/make_runs.py` made them, and says what lies beside them.
"""

import json
import pickle
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
from command_line import fcnet
from msgspec import structs

from fcnet import load
from fcnet.experiments.recipe import load_recipe
from fcnet.experiments.results import read_history
from fcnet.experiments.run import Config
from fcnet.files import load_tensors
from fcnet.nn.layers import Dropout
from fcnet.preprocessing import Pixels
from fcnet.training.state import TrainingState

FIXTURES = Path(__file__).parent / "fixtures"
OLD = FIXTURES / "runs-0.1.0"
MADE_IN = "/srv/fcnet-0.1.0"
UNFINISHED = ["killed", "stopped"]
FINISHED = sorted(path.parent.name for path in OLD.glob("*/metrics.json"))
PATCHES = ["patches", "stacked", "kernel"]
# In these networks a hidden unit sums at most k = 76 products whose Σ|a||b| is at most 33, so two orders of summing differ by
# k · eps · Σ|a||b| = 76 · 6e-8 · 33 = 1.5e-4 at most; the preprocessing adds as much. Weights behind a unit sum to 10, so
# a logit moves by 4e-3 at most, and a probability by a quarter of that.
CLOSE = 1e-3


def given(name):
    return json.loads((OLD / f"{name}.json").read_text())


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(autouse=True)
def masks_are_drawn(monkeypatch):
    """Have dropout draw its masks, as it did then; all else is to be as it was."""

    def forward(self, x, params, engine, rng):
        if rng is None:
            return x, None
        mask = (rng.random(x.shape, dtype=x.dtype.type) >= self.p).astype(x.dtype) * x.dtype.type(1 / (1 - self.p))
        return x * mask, mask

    def backward(self, dout, cache, engine, input_gradient):
        return dout if cache is None or not input_gradient else dout * cache, {}

    monkeypatch.setattr(Dropout, "forward", forward)
    monkeypatch.setattr(Dropout, "backward", backward)


def copied(name, place):
    """Copy a run folder beside its data, and write their place into its configuration, as fcnet advises."""
    for file in OLD.glob("*.*"):
        shutil.copy(file, place)
    shutil.copytree(OLD / name, place / name)
    config = place / name / "config.toml"
    config.write_text(config.read_text().replace(MADE_IN, str(place)))
    return place / name


@pytest.fixture
def old(tmp_path, monkeypatch):
    """Return what copies a run folder, from which relative names of data can be used."""
    monkeypatch.chdir(tmp_path)
    return lambda name: copied(name, tmp_path)


def test_there_are_folders_of_every_family():
    assert len(FINISHED) == 11
    assert {json.loads(path.read_text())["data"] for path in OLD.glob("*/../*.json") if path.stem != "models"} == {
        *("digits", "vectors.npz", "table.csv", "grey.npz", "colour.npz")
    }


@pytest.mark.parametrize("name", FINISHED)
def test_evaluate_and_predict(old, name):
    run, then = old(name), given(name)
    metrics = json.loads(fcnet("evaluate", run, "--json").stdout)
    assert metrics["n_test"] == then["n_test"]
    tensors, _ = load_tensors(run / "predictions.safetensors", "fcnet-predictions-1")
    best = np.sort(tensors["probabilities"])[:, ::-1]
    undecided = np.sum(best[:, 0] - best[:, 1] < 2 * CLOSE)
    assert abs(metrics["test_accuracy"] - then["test_accuracy"]) * metrics["n_test"] <= undecided + 1e-6
    rows = Config.read(run).load().X_test[:12]
    np.testing.assert_allclose(load(run / "model.safetensors").predict_proba(rows), then["probabilities"], atol=CLOSE)


@pytest.mark.parametrize("name", FINISHED)
def test_predict_on_the_command_line(old, name):
    run, then = old(name), given(name)
    if not then["files"]:
        assert "fcnet.load" in fcnet("predict", run, "grey-0.png", code=1).stderr
        return
    lines = [json.loads(line) for line in fcnet("predict", run, *then["files"], "--json").stdout.splitlines()]
    assert [sorted(line) for line in lines] == [sorted(line) for line in then["lines"]]
    for now, before in zip(lines, then["lines"], strict=True):
        assert now["probabilities"] == pytest.approx(before["probabilities"], abs=CLOSE)
        if (ranked := sorted(before["probabilities"].values()))[-1] - ranked[-2] > 2 * CLOSE:
            assert now["class"] == before["class"]


@pytest.mark.parametrize("name", FINISHED)
def test_report_and_exports(old, name):
    run = old(name)
    fcnet("report", run)
    assert "<html" in (run / "report.html").read_text()
    for ending in ("md", "safetensors", "onnx"):  # of the last, onnxruntime's probabilities are compared with the model's
        fcnet("export", run, "--to", f"model.{ending}")
    assert Path("model.safetensors").read_bytes() == (OLD / name / "model.safetensors").read_bytes()
    assert "recipe" in Path("model.md").read_text()


@pytest.mark.parametrize("name", FINISHED)
def test_the_configuration_is_a_recipe(old, name):
    run, then = old(name), given(name)
    config = Config.read(run)
    columns = [word for option in ("drop", "category") for value in getattr(config, option) for word in (f"--{option}", value)]
    columns += ["--target", config.target] if config.target else []
    fcnet("train", then["data"], "--recipe", run / "config.toml", "--out", "again", "--seed", config.seed, *columns)
    again = Path("again")
    assert Config.read(again).settings == config.settings
    metrics, before = (json.loads((folder / "metrics.json").read_text()) for folder in (again, OLD / name))
    # Class weights count where validation rows choose now, too, so that training stops elsewhere.
    stops_alike = getattr(config.settings.training, "class_weight", "none") == "none"
    for key in ("n_train", "n_val", "n_parameters", *(("epochs", "stop_reason") if stops_alike else ())):
        assert metrics[key] == before[key]
    now, then_history = read_history(again), read_history(OLD / name)
    losses = [history.batch_column("loss") for history in (now, then_history)]
    n = min(map(len, losses))
    assert [len(each) for each in losses] == [n, n] or not stops_alike
    # The first loss comes of the seed, the preprocessing and the initial weights, without what training makes of rounding. Not
    # so of filters that are learnt: rounding decides to which of two a patch belongs.
    if name not in PATCHES:
        assert losses[0][0] == pytest.approx(losses[1][0], rel=1e-4)
    if metrics["dtype"] == "float64":  # where a few steps with a smooth activation make of 1e-16 no more than 1e-10
        assert losses[0][:n] == pytest.approx(losses[1][:n], rel=1e-8)
        assert metrics["val_accuracy"] == before["val_accuracy"] or not stops_alike


@pytest.mark.parametrize("name", UNFINISHED)
def test_an_unfinished_run_is_resumed(old, name, monkeypatch):
    run, then = old(name), given(name)
    # Of epochs with the same accuracy the first was kept then; all else is to be as it was.
    monkeypatch.setattr(TrainingState, "_is_better", lambda _, score, than: score > than.score)
    if Config.read(run).engine == "numba":
        pytest.importorskip("numba")
    tensors, metadata = load_tensors(run / "checkpoint.safetensors", "fcnet-checkpoint-1")
    assert metadata["epoch"] == 2
    metrics = json.loads(fcnet("train", then["data"], "--out", run, "--resume", "--json").stdout)
    assert metrics["epochs"] == then["epochs"] == len(read_history(run))
    # In float32 each of some 30 steps errs by lr · k · eps = 0.02 · 100 · 6e-8 of the gradient, whose entries are below 1, and
    # passes on what those before it erred by, at most (1 + lr · L)-fold with L < 10: 30 · 1.2e-7 · 1.2^30 < 1e-3.
    close = {"killed": 1e-3, "stopped": 1e-8}[name]
    whole = load(OLD / f"{name}.safetensors").network.params
    for key, p in load(run / "model.safetensors").network.params.items():
        np.testing.assert_allclose(p, whole[key], atol=close)
    assert max(abs(tensors[f"params.{key}"] - p).max() for key, p in whole.items()) > 10 * close
    assert metrics["val_accuracy"] == pytest.approx(then["val_accuracy"], abs=2 / metrics["n_val"])
    rows = Config.read(run).load().X_test[:12]
    np.testing.assert_allclose(load(run / "model.safetensors").predict_proba(rows), then["probabilities"], atol=10 * close)
    assert "finished already" in fcnet("train", then["data"], "--out", run, "--resume").output
    assert fcnet("evaluate", run, "--json").stdout


def test_the_model_of_an_unfinished_run(old):
    run = old("stopped")
    result = fcnet("predict", run, "new.csv")
    assert "is not a finished run" in result.stderr
    assert len(result.stdout.splitlines()) == 4
    assert "--resume" in fcnet("predict", old("killed"), "grey-0.png", code=1).stderr


def test_data_that_has_moved_is_asked_for(tmp_path):
    run = shutil.copytree(OLD / "table", tmp_path / "table")
    message = fcnet("evaluate", run, code=1).stderr
    assert f"There is no file or folder {MADE_IN}/table.csv" in message
    assert "write its new place as `dataset` into the config.toml" in message


@pytest.mark.parametrize("name", ["deep", "labels", "counts"])
def test_models_load(name):
    then = given("models")
    now = load(OLD / f"{name}.safetensors").predict_proba(np.array(then["X"], np.float32))
    np.testing.assert_allclose(now, then[name], rtol=1e-5, atol=1e-6)  # of sums of 7 products


@pytest.mark.parametrize("name", ["classifier", "regressor"])
def test_pickled_estimators_load(name):
    then = given("models")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn warns of pickles by another version of its own
        estimator = pickle.loads((OLD / f"{name}.pickle").read_bytes())
    X = np.array(then["X"], np.float32)
    now = estimator.predict_proba(X) if name == "classifier" else estimator.predict(X)
    np.testing.assert_allclose(now, then[name], rtol=1e-5, atol=1e-6)  # of sums of 5 products
    estimator.set_params(max_iter=2, warm_start=True)


@pytest.mark.parametrize("name", sorted(path.stem for path in (FIXTURES / "recipes-0.1.0").glob("*.toml")))
def test_recipes_of_then_mean_what_they_meant(name):
    now = load_recipe(name)
    if name == "table":  # pixels that are a table are as a table is; the recipe of then did not say what they are
        now = structs.replace(now, preprocessing=Pixels())
    assert load_recipe(str(FIXTURES / "recipes-0.1.0" / f"{name}.toml")) == now


@pytest.mark.parametrize("name", FINISHED + UNFINISHED)
def test_the_doctor_judges_old_runs(old, name):
    run = old(name)
    if Config.read(run).engine == "numba":
        pytest.importorskip("numba")
    found = json.loads(fcnet("doctor", run, "--json").stdout)
    assert found
