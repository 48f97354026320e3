"""Metrics against scikit-learn's, and the metric that chooses the epoch of a training."""

import numpy as np
import pytest
from sklearn import metrics as reference
from sklearn.datasets import load_diabetes
from sklearn.model_selection import TunedThresholdClassifierCV

from fcnet import FCNetClassifier, FCNetRegressor, FullyConnectedNet, Trainer
from fcnet.errors import InputError, OtherTrainingError, SettingError
from fcnet.nn.losses import get_loss
from fcnet.training.callbacks import Callback, EarlyStopping
from fcnet.training.metrics import METRICS, all_metrics, check_metric, get_metric

RNG = np.random.default_rng(0)
WEIGHTS = [None, RNG.integers(0, 4, 60).astype("float32")]


def logits_of(k, n=60):
    """Logits with ties, as those of a network on few distinct rows."""
    return RNG.integers(-6, 6, (n, k)) / 4


def value(name, loss, logits, y, weights):
    return METRICS[name].of(get_loss(loss), logits, y, weights)


@pytest.mark.parametrize("weights", WEIGHTS, ids=["plain", "weighted"])
@pytest.mark.parametrize("n_classes", [2, 4])
def test_metrics_of_classes_are_those_of_scikit_learn(n_classes, weights):
    logits, y = logits_of(n_classes), RNG.integers(0, n_classes, 60)
    p = get_loss("cross_entropy").mean(logits).round(12)  # so that no rounding breaks a tie
    label, by = logits.argmax(axis=1), {"sample_weight": weights}
    scores, targets = (logits[:, 1:] - logits[:, :1], y[:, None]) if n_classes == 2 else (p, np.eye(n_classes, dtype=int)[y])
    average = "binary" if n_classes == 2 else "macro"
    expected = {
        "accuracy": reference.accuracy_score(y, label, **by),
        "loss": reference.log_loss(y, p.astype(float), labels=range(n_classes), **by),
        "log_loss": reference.log_loss(y, p.astype(float), labels=range(n_classes), **by),
        "balanced_accuracy": reference.balanced_accuracy_score(y, label, **by),
        "f1": reference.f1_score(y, label, average=average, **by),
        "roc_auc": np.mean([reference.roc_auc_score(*pair, **by) for pair in zip(targets.T, scores.T, strict=True)]),
        "average_precision": np.mean(
            [reference.average_precision_score(*pair, **by) for pair in zip(targets.T, scores.T, strict=True)]
        ),
    }
    assert {name: value(name, "cross_entropy", logits, y, weights) for name in expected} == pytest.approx(expected, rel=1e-5)


def test_sure_rows_are_ranked_too():
    """Nearly all probabilities of the first class round to 1; its rows have the highest. One row precedes the second."""
    y = np.array([2] + 29 * [1] + 30 * [0])
    logits = np.zeros((60, 3), "float32")
    logits[:, 0] = np.arange(20, 80)
    i = np.arange(1, 30)
    assert value("roc_auc", "cross_entropy", logits, y, None) == pytest.approx((1 + 30 / 31 + 1) / 3)
    assert value("average_precision", "cross_entropy", logits, y, None) == pytest.approx((1 + np.mean(i / (i + 1)) + 1) / 3)


def test_the_area_of_several_classes_is_one_against_the_rest():
    logits, y = logits_of(3), RNG.integers(0, 3, 60)
    p = get_loss("cross_entropy").mean(logits)
    expected = reference.roc_auc_score(y, p.round(12), multi_class="ovr")
    assert value("roc_auc", "cross_entropy", logits, y, None) == pytest.approx(expected)


@pytest.mark.parametrize("weights", WEIGHTS, ids=["plain", "weighted"])
@pytest.mark.parametrize("k", [1, 3])
def test_metrics_of_labels_are_those_of_scikit_learn(k, weights):
    logits, y = logits_of(k), (RNG.random((60, k)) > 0.6).astype("float32")
    said, true, by = (logits > 0).astype(int), y.astype(int), {"sample_weight": weights}
    one, average = (true[:, 0], "binary") if k == 1 else (true, "macro")
    each = zip(true.T, said.T, strict=True)
    expected = {
        "accuracy": reference.accuracy_score(true, said, **by),
        "balanced_accuracy": np.mean([reference.balanced_accuracy_score(*pair, **by) for pair in each]),
        "f1": reference.f1_score(one, said[:, 0] if k == 1 else said, average=average, **by),
        "roc_auc": reference.roc_auc_score(true, logits, average="macro", **by),
        "average_precision": reference.average_precision_score(true, logits, average="macro", **by),
    }
    found = {name: value(name, "binary_cross_entropy", logits, y, weights) for name in expected}
    assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("weights", WEIGHTS, ids=["plain", "weighted"])
def test_metrics_of_numbers_are_those_of_scikit_learn(weights):
    logits, y, by = logits_of(2), RNG.random((60, 2)).astype("float32"), {"sample_weight": weights}
    expected = {
        "r2": reference.r2_score(y, logits, **by),
        "rmse": reference.root_mean_squared_error(y, logits, **by),
        "mae": reference.mean_absolute_error(y, logits, **by),
    }
    assert {name: value(name, "squared_error", logits, y, weights) for name in expected} == pytest.approx(expected, rel=1e-5)
    expected = np.mean([reference.mean_poisson_deviance(*pair, **by) for pair in zip(y.T, np.exp(logits).T, strict=True)])
    assert value("poisson_deviance", "poisson", logits, y, weights) == pytest.approx(expected, rel=1e-5)


def test_classes_that_no_row_has_do_not_count():
    y, logits = np.array([0, 0, 1, 1]), np.eye(3, dtype="float32")[[0, 0, 1, 2]]
    assert value("balanced_accuracy", "cross_entropy", logits, y, None) == 0.75
    assert value("f1", "cross_entropy", logits, y, None) == reference.f1_score(y, logits.argmax(axis=1), average="macro")


def test_all_metrics_leave_out_what_is_not_defined():
    loss = get_loss("cross_entropy")
    logits = logits_of(2)
    assert set(all_metrics(loss, logits, np.arange(60) % 2)) == {
        "accuracy", "loss", "balanced_accuracy", "f1", "roc_auc", "average_precision",
    }  # fmt: skip
    assert set(all_metrics(loss, logits, np.zeros(60, int))) == {"accuracy", "loss", "balanced_accuracy", "f1"}
    assert set(all_metrics(get_loss("poisson"), logits, np.ones((60, 2)))) == {"r2", "loss", "rmse", "mae", "poisson_deviance"}


@pytest.mark.parametrize("weights", [None, np.array([1, 1, 0], "float32")], ids=["plain", "weighted"])
@pytest.mark.parametrize("name", ["roc_auc", "average_precision"])
def test_a_metric_that_is_not_defined_is_refused(name, weights):
    y = np.array([0, 0, 0 if weights is None else 1])
    with pytest.raises(InputError, match=f"{name} is not defined on the validation rows: none .* class 1. Choose another"):
        check_metric(name, get_loss("cross_entropy"), y, 2, weights)


def test_a_metric_of_another_task_is_refused():
    with pytest.raises(
        SettingError, match="r2 is no metric of a network with the loss cross_entropy. Those are: accuracy, loss"
    ):
        get_metric("r2", get_loss("cross_entropy"))
    with pytest.raises(SettingError, match="Unknown monitor 'auc'"):
        Trainer(monitor="auc")


# Training


def rare(seed=0, n=400):
    """Rows of two classes, a tenth of the second, that overlap."""
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.1).astype(int)
    return (rng.standard_normal((n, 3)) + 0.9 * y[:, None]).astype("float32"), y


def fit(monitor, network=None, epochs=8, **options):
    network = network or FullyConnectedNet([3, 8, 2], seed=1)
    trainer = Trainer(epochs=epochs, batch_size=20, learning_rate=0.2, monitor=monitor, **options)
    return network, trainer.fit(network, *rare(0), *rare(1))


@pytest.mark.parametrize("monitor", ["loss", "log_loss", "balanced_accuracy", "f1", "roc_auc", "average_precision"])
def test_the_monitor_chooses_the_epoch(monitor):
    epochs = []

    class Keep(Callback):
        def on_epoch_end(self, state):
            epochs.append(state.network.params["W1"].copy())

    network, history = fit(monitor, callbacks=[Keep()])
    metric = METRICS[monitor]
    values = history.column(f"val_{metric.name}")
    X, y = rare(1)
    assert METRICS[monitor].of(network.loss, network.logits(X), y, None) == (min if metric.sign < 0 else max)(values)
    best = int(np.argmax(metric.sign * np.array(values)))
    assert np.array_equal(network.params["W1"], epochs[best])


def test_without_a_monitor_nothing_is_recorded_that_was_not():
    _, plain = fit("auto")
    assert list(plain[0]) == [
        "epoch", "iteration", "loss", "train_loss", "train_accuracy", "learning_rate", "val_loss", "val_accuracy", "batches",
    ]  # fmt: skip
    _, history = fit("roc_auc")
    assert [{name: each for name, each in row.items() if name != "val_roc_auc"} for row in history] == plain
    assert fit("loss")[1] == plain


def test_early_stopping_goes_by_the_monitor():
    _, history = fit("log_loss", epochs=40, callbacks=[EarlyStopping(3)])
    losses = history.column("val_loss")
    assert len(losses) == 3 + 1 + int(np.argmin(losses)) < 40


def test_early_stopping_says_which_way_the_monitor_went():
    reasons = []

    class Say(Callback):
        def on_train_end(self, state):
            reasons.append(state.stop_reason)

    for monitor in ("log_loss", "balanced_accuracy"):
        fit(monitor, epochs=60, callbacks=[EarlyStopping(2), Say()])
    assert reasons == [
        "validation log-loss has not fallen for 2 epochs",
        "validation balanced accuracy has not risen for 2 epochs",
    ]


def test_the_monitor_of_numbers():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((80, 2)).astype("float32")
    y = X @ np.ones((2, 1), "float32")
    net = FullyConnectedNet([2, 4, 1], loss="squared_error", seed=0)
    history = Trainer(epochs=3, monitor="mae").fit(net, X, y, X[:20], y[:20])
    found = float(np.abs(net.logits(X[:20]) - y[:20]).mean())
    assert found == pytest.approx(min(history.column("val_mae")))
    assert "val_r2" in history[0]


def test_a_monitor_needs_validation_data_that_has_it():
    X, y = rare()
    network = FullyConnectedNet([3, 8, 2])
    before = {name: p.copy() for name, p in network.params.items()}
    with pytest.raises(InputError, match="monitor = 'roc_auc' needs validation data: give X_val and y_val to fit"):
        Trainer(monitor="roc_auc").fit(network, X, y)
    with pytest.raises(InputError, match="roc_auc is not defined on the validation rows"):
        Trainer(monitor="roc_auc").fit(network, X, y, X[:9], np.zeros(9, int))
    with pytest.raises(SettingError, match="mae is no metric of a network with the loss cross_entropy"):
        Trainer(monitor="mae").fit(network, X, y, X, y)
    assert all(np.array_equal(before[name], p) for name, p in network.params.items())


def test_a_training_is_gone_on_with_by_the_same_monitor(tmp_path):
    path = tmp_path / "c.safetensors"

    class Stop(Callback):
        def on_epoch_end(self, state):
            if state.epoch == 3:
                raise KeyboardInterrupt

    X, y = rare()
    network = FullyConnectedNet([3, 8, 2], seed=1)
    settings = {"epochs": 8, "batch_size": 20, "learning_rate": 0.2, "monitor": "log_loss"}
    with pytest.raises(KeyboardInterrupt):
        Trainer(**settings, callbacks=[Stop()]).fit(network, X, y, *rare(1), checkpoint=path)
    resumed = FullyConnectedNet([3, 8, 2], seed=1)
    with pytest.raises(OtherTrainingError, match="its monitor is log_loss, here it is auto"):
        Trainer(**settings | {"monitor": "auto"}).fit(resumed, X, y, *rare(1), checkpoint=path, resume=True)
    history = Trainer(**settings).fit(resumed, X, y, *rare(1), checkpoint=path, resume=True)
    whole, whole_history = fit("log_loss")
    assert history == whole_history
    assert all(np.array_equal(whole.params[name], p) for name, p in resumed.params.items())


class OwnLoss:
    """A loss that calls its metric as it likes."""

    metric = "hits"

    def value(self, logits, y, weights=None):
        return get_loss("cross_entropy").value(logits, y, weights)

    def score(self, logits, y, weights=None):
        return float((logits.argmax(axis=1) == y).sum())


def test_a_network_of_ones_own_keeps_its_metric():
    class Net(FullyConnectedNet):
        def check_data(self, X, y, X_name="X", y_name="y"):
            return X, y

    network = Net([3, 2], seed=0)
    gradients = network.loss
    network.loss = OwnLoss()
    network.loss.gradient = gradients.gradient
    history = Trainer(epochs=2).fit(network, *rare(0), *rare(1))
    assert history[-1].keys() >= {"train_hits", "val_hits", "val_loss"}


# Estimators


@pytest.mark.parametrize("monitor", ["log_loss", "balanced_accuracy", "roc_auc"])
def test_early_stopping_of_an_estimator_goes_by_the_monitor(monitor):
    X, y = rare(n=300)
    model = FCNetClassifier((8,), early_stopping=True, monitor=monitor, random_state=0, class_weight="balanced", max_iter=40)
    model.fit(X, y, X_val=rare(1)[0], y_val=rare(1)[1])
    scores, (X_val, y_val) = model.validation_scores_, rare(1)
    best = (min if monitor == "log_loss" else max)(scores)
    p = model.predict_proba(X_val)[:, 1]
    found = {
        "log_loss": lambda: reference.log_loss(y_val, p.astype(float)),
        "balanced_accuracy": lambda: reference.balanced_accuracy_score(y_val, model.predict(X_val)),
        "roc_auc": lambda: reference.roc_auc_score(y_val, p),
    }[monitor]()
    assert model.best_validation_score_ == best == pytest.approx(found, rel=1e-4)


def test_a_monitor_of_an_estimator_that_does_not_fit():
    X, y = rare()
    with pytest.raises(SettingError, match="mae is no metric of a network with the loss binary_cross_entropy"):
        FCNetClassifier(monitor="mae").fit(X, y)
    with pytest.raises(InputError, match="roc_auc is not defined on the validation rows"):
        FCNetClassifier(monitor="roc_auc").fit(X, y, X_val=X[:5], y_val=np.zeros(5, int))
    with pytest.raises(ValueError, match="monitor"):
        FCNetClassifier(monitor="auc").fit(X, y)


def test_a_regressor_stops_by_its_monitor():
    X, y = load_diabetes(return_X_y=True)
    model = FCNetRegressor(hidden_layer_sizes=(8,), early_stopping=True, monitor="mae", random_state=0, max_iter=20).fit(X, y)
    assert model.best_validation_score_ == min(model.validation_scores_)
    assert "val_r2" in model.history_[0]


def test_a_threshold_is_tuned_on_a_classifier():
    X, y = rare(n=600)
    plain = FCNetClassifier((16,), random_state=0, max_iter=100)
    tuned = TunedThresholdClassifierCV(plain, scoring="balanced_accuracy", cv=3).fit(X, y)
    X_test, y_test = rare(1, 600)
    default, best = (reference.balanced_accuracy_score(y_test, net.predict(X_test)) for net in (tuned.estimator_, tuned))
    assert tuned.best_threshold_ < 0.5
    assert best > default
