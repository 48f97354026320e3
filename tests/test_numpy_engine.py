"""The NumPy engine from end to end, by the command line and the estimators: it is all that computes, and agrees with numba."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from command_line import fcnet

from fcnet import FCNetClassifier, FCNetRegressor, load
from fcnet.engine import default_engine
from fcnet.experiments.results import read_history
from fcnet.experiments.run import Config
from fcnet.training.callbacks import Progress

TABLE = Path(__file__).parent / "fixtures" / "runs-0.1.0" / "table.csv"
# The engines add up at most 128 products in another order, in float64. With a smooth activation each of 60 steps passes on
# at most twice what those before it erred by, and mostly little more than once: 128 · 1e-16 · 60 · 1e3 is below 1e-9.
CLOSE = {"rtol": 1e-9, "atol": 1e-9}
SETTINGS = ["hidden=[12,8]", "activation=tanh", "dtype=float64", "normalisation=layer", "epochs=6", "batch_size=8"]


def no_numba(*_):
    raise AssertionError("numba computes")


def train(run, *options, code=0):
    changes = [word for setting in SETTINGS for word in ("--set", setting)]
    recipe = ["--recipe", "table", *changes]
    return fcnet("train", TABLE, "--target", "kind", *recipe, "--out", run, "--checkpoint-seconds", 0, *options, code=code)


@pytest.fixture(scope="module")
def by_numba(tmp_path_factory):
    pytest.importorskip("numba")
    run = tmp_path_factory.mktemp("numba") / "run"
    train(run, "--engine", "numba")
    return run


def stop_once(monkeypatch, epoch):
    def stop(self, state):
        if state.epoch == epoch:
            monkeypatch.undo()
            raise KeyboardInterrupt

    monkeypatch.setattr(Progress, "on_epoch_end", stop)


def test_a_run_by_the_command_line(tmp_path, monkeypatch, by_numba):
    run, stopped = tmp_path / "run", tmp_path / "stopped"
    with monkeypatch.context() as patch:
        patch.setattr("fcnet.engine.numba_engine._loops", no_numba)
        train(run, "--engine", "numpy")
        with monkeypatch.context() as once:
            stop_once(once, 3)
            train(stopped, "--engine", "numpy", code=1)
        assert len(read_history(stopped)) == 3
        fcnet("train", TABLE, "--out", stopped, "--resume")  # by the engine that it was begun with
    assert Config.read(stopped).engine == json.loads((stopped / "metrics.json").read_text())["engine"] == "numpy"
    assert (stopped / "model.safetensors").read_bytes() == (run / "model.safetensors").read_bytes()
    ours, theirs = (load(folder / "model.safetensors").network.params for folder in (run, by_numba))
    for name in theirs:
        np.testing.assert_allclose(ours[name], theirs[name], **CLOSE)
    for column in ("loss", "val_loss", "val_accuracy"):
        ours, theirs = (read_history(folder).column(column) for folder in (run, by_numba))
        np.testing.assert_allclose(ours, theirs, **CLOSE)


def test_a_run_where_numba_is_not_installed(tmp_path, monkeypatch, by_numba):
    run, new = shutil.copytree(by_numba, tmp_path / "run"), tmp_path / "new"
    monkeypatch.setattr("fcnet.engine.numba_engine._loops", no_numba)
    monkeypatch.setitem(sys.modules, "numba", None)
    default_engine.cache_clear()
    try:
        ours, theirs = (json.loads(fcnet("evaluate", folder, "--json").stdout) for folder in (run, by_numba))
        assert ours["test_accuracy"] == theirs["test_accuracy"]
        table = tmp_path / "new.csv"
        shutil.copy(TABLE, table)
        rows = [json.loads(line) for line in fcnet("predict", run, table, "--json").stdout.splitlines()]
        assert len(rows) == 120
        train(new)
        assert Config.read(new).engine == "numpy"
        message = fcnet("train", TABLE, "--engine", "numba", "--out", tmp_path / "not", code=2).stderr
        assert 'needs numba: pip install numba, or take the engine "numpy".' in message
    finally:
        monkeypatch.undo()
        default_engine.cache_clear()
    for before, after in zip(rows, map(json.loads, fcnet("predict", run, TABLE, "--json").stdout.splitlines()), strict=True):
        assert after["probabilities"] == pytest.approx(before["probabilities"], abs=2e-6)  # they are rounded to 6 places


@pytest.mark.parametrize(
    ("estimator", "settings"),
    [
        (FCNetClassifier, {"solver": "adam", "dropout": 0.2, "early_stopping": True}),
        (FCNetClassifier, {"solver": "sgd", "normalisation": "layer", "activation": "gelu"}),
        (FCNetClassifier, {"solver": "lbfgs", "alpha": 0.1}),
        (FCNetRegressor, {"solver": "adam", "activation": "logistic"}),
        (FCNetRegressor, {"solver": "sgd", "learning_rate": "adaptive"}),
    ],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_estimators(monkeypatch, estimator, settings):
    pytest.importorskip("numba")
    rng = np.random.default_rng(0)
    X = rng.standard_normal((90, 5))
    y = (X[:, 0] > 0).astype(int) + (X[:, 1] > 1) if estimator is FCNetClassifier else X[:, 0] - X[:, 1] ** 2
    common = {"hidden_layer_sizes": (12,), "activation": "tanh", "max_iter": 8, "batch_size": 15, "random_state": 0}
    theirs = estimator(**common | settings, engine="numba").fit(X, y)
    predict = "predict_proba" if estimator is FCNetClassifier else "predict"
    expected, score = getattr(theirs, predict)(X), theirs.score(X, y)
    monkeypatch.setattr("fcnet.engine.numba_engine._loops", no_numba)
    ours = estimator(**common | settings, engine="numpy").fit(X, y)
    assert ours.network_.engine.name == "numpy"
    assert ours.n_iter_ == theirs.n_iter_
    np.testing.assert_allclose(getattr(ours, predict)(X), expected, **CLOSE)
    assert ours.score(X, y) == pytest.approx(score, abs=1e-9)
