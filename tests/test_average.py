"""What a training keeps: moving averages of its parameters, and several of its epochs."""

import pickle

import numpy as np
import pytest

from fcnet import FullyConnectedNet, TabularClassifier, TabularRegressor
from fcnet.engine import get_engine
from fcnet.errors import SettingError
from fcnet.export import export_onnx
from fcnet.model import Model
from fcnet.model_file import load, save
from fcnet.nn.losses import softmax
from fcnet.training.average import follow
from fcnet.training.callbacks import Callback, CycleStopping
from fcnet.training.metrics import METRICS
from fcnet.training.schedules import LogCosine, get_schedule
from fcnet.training.trainer import Trainer


class Epochs(Callback):
    """Keeps the parameters of each epoch, as they are trained on."""

    def __init__(self):
        self.params = []

    def on_epoch_end(self, state):
        self.params.append({name: p.copy() for name, p in state.network.params.items()})


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((240, 4)).astype("float32")
    y = ((X[:, 0] * X[:, 1] > 0) ^ (rng.random(240) < 0.2)).astype(int)
    return X[:160], y[:160], X[160:], y[160:]


def network():
    return FullyConnectedNet([4, 12, 2], seed=0)


SETTINGS = {"epochs": 12, "batch_size": 16, "learning_rate": 0.2, "monitor": "log_loss"}


def test_an_average_follows_by_its_equation(engine_name):
    rng, average, expected = np.random.default_rng(0), {"W": np.zeros(3)}, np.zeros(3)
    for t in range(50):
        p = rng.standard_normal(3)
        follow(average, {"W": p}, 0.8, t, get_engine(engine_name, "float64"))
        d = min(0.8, (1 + t) / (10 + t))
        expected = d * expected + (1 - d) * p
    np.testing.assert_allclose(average["W"], expected, rtol=1e-12)


def test_the_average_is_measured_and_kept_while_the_parameters_are_trained(data):
    plain, averaged, epochs = network(), network(), Epochs()
    Trainer(**SETTINGS, keep_best=False).fit(plain, *data)
    history = Trainer(**SETTINGS, keep_best=False, ema_decay=0.9, callbacks=[epochs]).fit(averaged, *data)
    assert all(np.array_equal(epochs.params[-1][name], p) for name, p in plain.params.items())
    assert not np.array_equal(averaged.params["W1"], plain.params["W1"])
    assert averaged.params["W1"].dtype == np.float32
    found = averaged.loss.value(averaged.logits(data[2]), data[3])
    assert history[-1]["val_loss"] == pytest.approx(found, rel=1e-6)


def test_the_best_epochs_predict_together(data):
    net, epochs = network(), Epochs()
    history = Trainer(**SETTINGS, best_epochs=3, callbacks=[epochs]).fit(net, *data)
    best = np.argsort([row["val_loss"] for row in history], kind="stable")[:3]
    for found, epoch in zip(net.all_params, best, strict=True):
        assert all(np.array_equal(found[name], p) for name, p in epochs.params[epoch].items())
    each = [FullyConnectedNet([4, 12, 2], params=epochs.params[epoch]).logits(data[2]) for epoch in best]
    np.testing.assert_allclose(net.predict_proba(data[2]), np.mean([softmax(one) for one in each], axis=0), atol=1e-6)
    assert net.n_parameters == 3 * network().n_parameters


@pytest.mark.parametrize(("monitor", "sign"), [("accuracy", 1), ("f1", 1), ("log_loss", -1)])
@pytest.mark.parametrize("n_epochs", [1, 4])
def test_of_epochs_that_tie_those_of_the_lower_validation_loss_are_kept(data, monitor, sign, n_epochs):
    X, y, X_val, y_val = data[0], data[1], data[2][:8], data[3][:8]  # few, so that many epochs tie
    net, epochs = network(), Epochs()
    settings = SETTINGS | {"monitor": monitor, "best_epochs": n_epochs, "epochs": 30}
    history = Trainer(**settings, callbacks=[epochs]).fit(net, X, y, X_val, y_val)
    scores, losses = sign * np.array(history.column(f"val_{METRICS[monitor].name}")), history.column("val_loss")
    expected = np.lexsort([losses, -scores])[:n_epochs]
    if monitor != "log_loss":
        assert scores[expected[0]] == scores.max() > scores.min()
        assert expected[0] != scores.argmax()
    for found, epoch in zip(net.all_params, expected, strict=True):
        assert all(np.array_equal(found[name], p) for name, p in epochs.params[epoch].items())


def test_without_validation_data_the_last_epochs_are_kept(data):
    net, epochs = network(), Epochs()
    Trainer(**SETTINGS | {"monitor": "auto"}, best_epochs=2, callbacks=[epochs]).fit(net, *data[:2])
    for found, expected in zip(net.all_params, epochs.params[:-3:-1], strict=True):
        assert all(np.array_equal(found[name], p) for name, p in expected.items())


def test_another_training_begins_without_the_epochs_of_before(data):
    net = network()
    Trainer(**SETTINGS, best_epochs=3).fit(net, *data)
    Trainer(**SETTINGS).fit(net, *data)
    assert net.checkpoints == []


def test_several_epochs_need_the_best_one(data):
    with pytest.raises(SettingError, match="best_epochs needs keep_best"):
        Trainer(best_epochs=2, keep_best=False)


@pytest.mark.parametrize("stopped_at", [1, 5, 11])
@pytest.mark.parametrize("monitor", ["log_loss", "accuracy"])
def test_a_training_is_resumed_bit_for_bit(data, tmp_path, stopped_at, monitor):
    class Stop(Callback):
        def on_epoch_begin(self, state):
            if state.epoch == stopped_at:
                raise KeyboardInterrupt

    data = data[0], data[1], data[2][:8], data[3][:8]  # few, so that epochs tie in their accuracy
    settings = SETTINGS | {"ema_decay": 0.9, "best_epochs": 3, "monitor": monitor}
    of_fit = {"checkpoint": tmp_path / "checkpoint"}
    whole, resumed = network(), network()
    Trainer(**settings).fit(whole, *data)
    with pytest.raises(KeyboardInterrupt):
        Trainer(**settings, callbacks=[Stop()]).fit(resumed, *data, **of_fit)
    history = Trainer(**settings).fit(resumed, *data, **of_fit, resume=True)
    assert len(history) == 12
    for found, expected in zip(resumed.all_params, whole.all_params, strict=True):
        assert all(np.array_equal(found[name], p) for name, p in expected.items())


@pytest.mark.parametrize("loss", ["cross_entropy", "binary_cross_entropy", "squared_error", "poisson"])
def test_models_of_several_epochs_are_saved_exported_and_pickled(loss, tmp_path):
    pytest.importorskip("onnxruntime")
    net = FullyConnectedNet([4, 12, 2], loss=loss, seed=0)
    net.checkpoints = [FullyConnectedNet([4, 12, 2], seed=seed).params for seed in (1, 2)]
    X = np.random.default_rng(0).standard_normal((20, 4)).astype("float32")
    expected = net.predict_proba(X)
    save(tmp_path / "model.safetensors", Model(net))
    np.testing.assert_array_equal(load(tmp_path / "model.safetensors").predict_proba(X), expected)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(net)).predict_proba(X), expected)
    np.testing.assert_allclose(net.astype("float64").predict_proba(X), expected, rtol=1e-5, atol=1e-6)
    assert export_onnx(Model(net), tmp_path / "model.onnx") < 1e-5


@pytest.mark.filterwarnings("ignore::fcnet.errors.DataWarning")  # of the column that the target is made of
def test_values_of_several_epochs_are_in_the_units_of_the_targets():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 3))
    y = 1000 + 100 * X[:, 0]
    one = {"n_ensemble": 1, "settings": {"best_epochs": 5}}
    model = TabularRegressor(hidden_sizes=[8], epochs=30, random_state=0, threads=1, **one).fit(X, y)
    assert len(model.model_.network.checkpoints) == 4
    assert model.score(X, y) > 0.8


def test_several_epochs_share_a_temperature_that_lowers_the_log_loss():
    rng = np.random.default_rng(0)
    X, X_val = rng.standard_normal((150, 3)), rng.standard_normal((400, 3))
    y, y_val = (((Z[:, 0] + rng.standard_normal(len(Z)) * 2) > 0).astype(int) for Z in (X, X_val))
    settings = {"hidden_sizes": [32], "epochs": 40, "patience": 0, "monitor": "accuracy", "random_state": 0, "threads": 1}

    def loss(calibrate):
        model = TabularClassifier(**settings, calibrate=calibrate).fit(X, y, X_val=X_val, y_val=y_val).model_
        return model.network.loss.value(model.logits(X_val), y_val)

    assert loss(True) < loss(False)


def test_a_training_ends_with_the_cycle_that_brought_nothing(data):
    X, y, X_val, y_val = data
    ends = LogCosine().ends(60)
    assert ends == [4, 12, 28, 60]
    settings = SETTINGS | {"epochs": 60, "schedule": LogCosine()}
    always = Trainer(**settings).fit(network(), X, y, X_val, 1 - y_val)  # labels that training rows make worse and worse
    stopped = Trainer(**settings, callbacks=[CycleStopping(ends)]).fit(network(), X, y, X_val, 1 - y_val)
    assert (len(always), len(stopped)) == (60, 12)
    assert min(row["val_loss"] for row in always) == stopped[0]["val_loss"]
    best_is_late = Trainer(**settings, callbacks=[CycleStopping(ends)]).fit(network(), X, y, X, y)
    assert len(best_is_late) == 60


def test_a_training_of_all_its_epochs_was_not_stopped(data):
    reasons = []

    class Reason(Callback):
        def on_train_end(self, state):
            reasons.append(state.stop_reason)

    X, y, X_val, y_val = data
    ends = LogCosine().ends(60)
    for epochs in (12, 60):  # of 60 the same training ends after 12
        callbacks = [CycleStopping(ends), Reason()]
        Trainer(**SETTINGS | {"epochs": epochs, "callbacks": callbacks}).fit(network(), X, y, X_val, 1 - y_val)
    assert reasons[0] is None
    assert "better" in reasons[1]


@pytest.mark.filterwarnings("ignore:The network:sklearn.exceptions.ConvergenceWarning")  # classes are noise
def test_a_schedule_without_cycles_needs_a_patience_of_its_own():
    rng, schedule = np.random.default_rng(0), get_schedule("cosine")
    X, y = rng.standard_normal((60, 2)), rng.integers(2, size=60)
    settings = {"hidden_sizes": [4], "epochs": 20, "random_state": 0, "threads": 1, "settings": {"schedule": schedule}}
    with pytest.raises(SettingError, match="patience = cycle is for schedule = log_cosine"):
        TabularClassifier(**settings).fit(X, y)
    assert len(TabularClassifier(**settings, patience=0).fit(X, y).history_) == 20
