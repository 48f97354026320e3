"""Logging to TensorBoard and MLflow, read by their own readers."""

import json
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from fcnet import FCNetClassifier, FCNetRegressor, FullyConnectedNet, Trainer
from fcnet.cli import main
from fcnet.errors import DivergedError, FcnetError, MissingPackageError, SettingError
from fcnet.experiments import run as runs
from fcnet.experiments.config import Config
from fcnet.experiments.recipe import load_recipe
from fcnet.experiments.results import read_history, read_metrics
from fcnet.experiments.run_loggers import run_loggers
from fcnet.training.callbacks import Callback, Progress
from fcnet.training.loggers import MLflowLogger, TensorBoardLogger

SECRET = "pa55word"
NAMES = {"loss", "train_loss", "train_accuracy", "val_loss", "val_accuracy", "learning_rate"}
QUICK = ["--set", "epochs=3", "--set", "hidden_sizes=[8]", "--engine", "numpy"]


@pytest.fixture(autouse=True)
def no_settings_of_mlflow(monkeypatch, tmp_path):
    """Without those of who runs the tests, and with what the logger sets taken back."""
    for name in ("URI", "USERNAME", "PASSWORD", "TOKEN"):
        monkeypatch.delenv(f"MLFLOW_TRACKING_{name}", raising=False)
    for name, value in (("ALLOW_FILE_STORE", "true"), ("DISABLE_TELEMETRY", "true"), ("HTTP_REQUEST_MAX_RETRIES", "0")):
        monkeypatch.setenv(f"MLFLOW_{name}", value)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "5")
    monkeypatch.delenv("MLFLOW_ALLOW_FILE_STORE")  # which the logger sets, where it logs to a folder
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 4)).astype(np.float32)
    y = (X[:, 0] * X[:, 1] > 0).astype(int)
    return X[:200], y[:200], X[200:], y[200:]


def fit(data, *callbacks, epochs=3, **settings):
    return Trainer(epochs=epochs, callbacks=callbacks).fit(FullyConnectedNet([4, 8, 2], seed=0), *data, **settings)


def events(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    accumulator = EventAccumulator(str(folder))
    accumulator.Reload()
    return accumulator


def scalars(folder, name):
    return [(event.step, event.value) for event in events(folder).Scalars(name)]


def column(history, name):
    return [(row["epoch"], pytest.approx(row[name])) for row in history]  # an event file holds float32


def client(folder="mlruns"):
    from mlflow import MlflowClient

    return MlflowClient(Path(folder).resolve().as_uri())


def only_run(folder="mlruns", experiment="fcnet"):
    there = client(folder)
    [found] = there.search_runs([there.get_experiment_by_name(experiment).experiment_id])
    return found


def metric(run_id, name, folder="mlruns"):
    return [(point.step, point.value) for point in client(folder).get_metric_history(run_id, name)]


def test_tensorboard_reads_every_number_of_every_epoch(data, tmp_path):
    history = fit(data, TensorBoardLogger(tmp_path / "logs"))
    assert set(events(tmp_path / "logs").Tags()["scalars"]) == NAMES
    for name in NAMES:
        assert scalars(tmp_path / "logs", name) == column(history, name)


def test_tensorboard_shows_settings_as_hyperparameters(data, tmp_path):
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    settings = {"training.learning_rate": 0.25, "network.hidden_sizes": [8, 4], "training.update": "adam", "mirror": True}
    fit(data, TensorBoardLogger(tmp_path, settings))
    found = events(tmp_path).SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    shown = HParamsPluginData.FromString(found).session_start_info.hparams
    assert shown["training.learning_rate"].number_value == 0.25
    assert shown["network.hidden_sizes"].string_value == "[8, 4]"
    assert shown["training.update"].string_value == "adam"
    assert shown["mirror"].bool_value is True


class StopIn(Callback):
    def __init__(self, epoch, what=KeyboardInterrupt):
        self.epoch, self.what = epoch, what

    def on_epoch_begin(self, state):
        if state.epoch + 1 == self.epoch:
            raise self.what


@pytest.mark.parametrize("lost", [False, True])
def test_a_resumed_training_has_each_epoch_once(data, tmp_path, lost):
    """Also where the epochs since the last checkpoint are trained again."""
    logs, kept = tmp_path / "logs", {"checkpoint": tmp_path / "c", "checkpoint_seconds": 1e9}
    fit(data, TensorBoardLogger(logs), epochs=5, **(kept if not lost else {"checkpoint": None}))
    with pytest.raises(KeyboardInterrupt):
        fit(data, TensorBoardLogger(logs), StopIn(4), epochs=5, checkpoint=tmp_path / "d", checkpoint_seconds=1e9)
    if lost:
        (tmp_path / "d").unlink()
    history = fit(data, TensorBoardLogger(logs), epochs=5, checkpoint=tmp_path / "d", resume=True)
    assert scalars(logs, "loss") == column(history, "loss")


def test_mlflow_reads_settings_and_every_number_of_every_epoch(data, tmp_path):
    logger = MLflowLogger(str(tmp_path / "tracked"), experiment="mine", settings={"l2": 0.5, "hidden_sizes": [8]})
    history = fit(data, logger)
    run = only_run(tmp_path / "tracked", "mine")
    assert (run.info.run_id, run.info.status) == (logger.run_id, "FINISHED")
    assert run.data.params == {"l2": "0.5", "hidden_sizes": "[8]"}
    assert set(run.data.metrics) == NAMES
    for name in NAMES:
        assert metric(run.info.run_id, name, tmp_path / "tracked") == [(row["epoch"], row[name]) for row in history]


@pytest.mark.parametrize(("what", "status"), [(KeyboardInterrupt, "KILLED"), (ValueError, "FAILED"), (None, "FINISHED")])
def test_mlflow_knows_how_a_training_ended(data, what, status):
    try:
        raise LookupError("one that has nothing to do with it")
    except LookupError:
        if what is None:
            fit(data, MLflowLogger())
        else:
            with pytest.raises(what):
                fit(data, MLflowLogger(), StopIn(2, what))
    assert only_run().info.status == status


def test_mlflow_goes_on_with_the_run_of_a_resumed_training(data, tmp_path):
    for folder in (tmp_path / "it's", tmp_path / "other"):
        with pytest.raises(KeyboardInterrupt):
            fit(data, MLflowLogger(folder=folder), StopIn(3), checkpoint=tmp_path / f"{folder.name}.c")
    resumed = MLflowLogger(folder=tmp_path / "it's")
    history = fit(data, resumed, checkpoint=tmp_path / "it's.c", resume=True)
    there = client()
    found = there.search_runs([there.get_experiment_by_name("fcnet").experiment_id])
    assert {run.info.run_name: run.info.status for run in found} == {"it's": "FINISHED", "other": "KILLED"}
    assert metric(resumed.run_id, "loss") == [(row["epoch"], row["loss"]) for row in history]


@pytest.mark.parametrize("name", ["tensorboard", "mlflow"])
def test_what_cannot_be_logged_is_a_warning_and_is_made_up_for(data, tmp_path, monkeypatch, name):
    logger = TensorBoardLogger(tmp_path) if name == "tensorboard" else MLflowLogger()
    original, failures = type(logger).log, []

    def log(self, row):
        if row["epoch"] in (2, 3) and len(failures) < 2:
            failures.append(row["epoch"])
            raise OSError(f"no answer from https://me:{SECRET}@host/api")
        original(self, row)

    monkeypatch.setattr(type(logger), "log", log)
    with pytest.warns(RuntimeWarning, match="lags behind: no answer from https://host/api. Training goes on") as warned:
        history = fit(data, logger, epochs=4)
    assert len(warned) == 1
    assert failures == [2, 2]  # the row that is missing comes first
    found = scalars(tmp_path, "loss") if name == "tensorboard" else metric(logger.run_id, "loss")
    assert found == column(history, "loss")


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_one_logger_serves_several_trainings_and_estimators(data, tmp_path):
    X, y, *_ = data
    logger = TensorBoardLogger(tmp_path / "a")
    for _ in range(2):
        history = fit(data, logger)
        time.sleep(0.001)
    assert scalars(tmp_path / "a", "loss") == column(history, "loss")
    settings = {"hidden_layer_sizes": (4,), "max_iter": 2, "early_stopping": True, "random_state": 0}
    model = FCNetClassifier(**settings, callbacks=[TensorBoardLogger(tmp_path / "b")]).fit(X, y)
    assert [value for _, value in scalars(tmp_path / "b", "loss")] == pytest.approx(model.loss_curve_)
    FCNetRegressor(**settings, callbacks=[TensorBoardLogger(tmp_path / "c")]).fit(X, X[:, 0])
    assert "val_r2" in events(tmp_path / "c").Tags()["scalars"]


def train(*words, code=0):
    result = CliRunner().invoke(main, ["train", "digits", *QUICK, *map(str, words)])
    assert result.exit_code == code, result.output + repr(result.exception)
    return result


def test_a_run_is_logged_with_its_settings_and_files(tmp_path):
    train("--out", "run", "--log", "tensorboard", "--log", "mlflow", "--set", "learning_rate=0.03")
    history, run = read_history(Path("run")), only_run()
    assert scalars("run/tensorboard", "val_accuracy") == column(history, "val_accuracy")
    assert metric(run.info.run_id, "val_accuracy") == [(row["epoch"], row["val_accuracy"]) for row in history]
    assert run.info.run_name == "run"
    expected = {"training.learning_rate": "0.03", "training.epochs": "3", "dataset": "digits", "seed": "0", "engine": "numpy"}
    assert {key: run.data.params.get(key) for key in expected} == expected
    kept = {file.path for file in client().list_artifacts(run.info.run_id)}
    assert kept == {"config.toml", "history.jsonl", "metrics.json", "model.safetensors", "report.html"}
    copy = Path(client().download_artifacts(run.info.run_id, "metrics.json", str(tmp_path)))
    assert json.loads(copy.read_text()) == read_metrics(Path("run"))
    train("--out", "run", "--log", "mlflow", "--resume")  # it is finished: there is nothing to log
    assert only_run().info.run_id == run.info.run_id
    train("--out", "run", "--log", "tensorboard", "--force", "--set", "epochs=2")  # which takes the place of the one before
    assert scalars("run/tensorboard", "loss") == column(read_history(Path("run")), "loss")


def test_logging_changes_nothing_of_a_run(tmp_path):
    train("--out", "plain")
    train("--out", "logged", "--log", "tensorboard", "--log", "mlflow")
    for name in ("config.toml", "history.jsonl", "model.safetensors"):
        assert (tmp_path / "plain" / name).read_bytes() == (tmp_path / "logged" / name).read_bytes()


def test_a_run_that_diverges_is_logged_as_failed(tmp_path):
    train("--out", "run", "--log", "mlflow", "--set", "learning_rate=1e6", code=1)
    run = only_run()
    assert run.info.status == "FAILED"
    assert "report.html" in {file.path for file in client().list_artifacts(run.info.run_id)}


def test_the_password_of_a_server_is_told_nobody(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:{SECRET}@127.0.0.1:9")  # where nobody listens
    result = train("--out", "run", "--log", "mlflow", code=1)
    assert "Error: MLflow cannot log this training" in result.stderr
    assert "127.0.0.1" in result.stderr
    assert not (tmp_path / "run").exists()  # before anything was begun
    assert SECRET not in result.output
    assert SECRET not in str(result.exc_info)
    with pytest.raises(FcnetError) as raised:
        run_loggers(["mlflow"], tmp_path / "run", Config("digits", "digits", load_recipe("digits")))
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize(("name", "module"), [("tensorboard", "tensorboardX"), ("mlflow", "mlflow")])
def test_a_package_that_is_missing_is_named_before_anything_is_trained(tmp_path, monkeypatch, name, module):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingPackageError, match=rf'needs {module}: pip install "fcnet\[log\]"'):
        run_loggers([name], tmp_path / "run", Config("digits", "digits", load_recipe("digits")))
    result = train("--out", "run", "--log", name, code=1)
    assert f'needs {module}: pip install "fcnet[log]"' in result.stderr
    assert not (tmp_path / "run").exists()


def test_another_program_is_unknown(tmp_path):
    with pytest.raises(SettingError, match="Did you mean 'tensorboard'"):
        run_loggers(["tensorbord"], tmp_path, Config("digits", "digits", load_recipe("digits")))
    told = train("--log", "mlflo", code=2).stderr
    assert "Did you mean 'mlflow'" in told
    assert "the run folder is" not in told


def test_callbacks_are_told_of_kernel_regression(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    small = ["features=patches", "n_filters=8", "patch_sizes=[3]", "n_components=10", "mirror=true", "training=kernel"]
    recipe = load_recipe("digits", small)
    logger = TensorBoardLogger(tmp_path / "logs")
    runs.train(tmp_path / "run", Config("digits", "k", recipe, engine="numpy"), callbacks=[Progress(), logger])
    history = read_history(tmp_path / "run")
    assert scalars(tmp_path / "logs", "val_accuracy") == column(history, "val_accuracy")
    assert "epoch 1/1" in capsys.readouterr().err


def test_what_ends_a_training_is_raised_also_where_nothing_can_be_logged(data, monkeypatch):
    def end(*_, **__):
        raise OSError("gone")

    monkeypatch.setattr(MLflowLogger, "end", end)
    with pytest.warns(RuntimeWarning, match="gone"), pytest.raises(DivergedError):
        Trainer(epochs=2, learning_rate=1e30, update="sgd", callbacks=[MLflowLogger()]).fit(
            FullyConnectedNet([4, 8, 2], seed=0), *data
        )
