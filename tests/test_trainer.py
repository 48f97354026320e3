"""The training loop: that it learns, keeps the best, repeats, resumes, stops and refuses."""

import copy
import json
import pickle
import re
from itertools import pairwise

import numpy as np
import pytest

from fcnet import FullyConnectedNet, Trainer
from fcnet.errors import DivergedError, FileFormatError, InputError, SettingError
from fcnet.training import divergence
from fcnet.training.callbacks import Callback, EarlyStopping, Progress
from fcnet.training.checkpoint import epoch_of
from fcnet.training.history import History
from fcnet.training.schedules import Cosine
from fcnet.training.updates import UPDATES, get_update

pytestmark = pytest.mark.usefixtures("engine_name")

RATES = {"sgd": 0.3, "momentum": 0.05, "nesterov": 0.05, "rmsprop": 0.003, "adam": 0.01, "adamw": 0.01}


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((600, 4)).astype(np.float32)
    y = (X[:, 0] * X[:, 1] > 0).astype(int) + 2 * (X[:, 2] > 0)
    return X[:400], y[:400], X[400:], y[400:]


def network(seed=0, **settings):
    return FullyConnectedNet([4, 32, 4], seed=seed, **settings)


class Recorder(Callback):
    def __init__(self):
        self.calls = []

    def __getattribute__(self, name):
        if name.startswith("on_"):
            return lambda state: self.calls.append((name, state.epoch, state.iteration))
        return super().__getattribute__(name)


@pytest.mark.parametrize("update", UPDATES)
@pytest.mark.parametrize("batches", ["shuffled", "sampled"])
def test_every_rule_learns(data, update, batches):
    net = network()
    trainer = Trainer(epochs=60, batch_size=20, learning_rate=RATES[update], update=update, schedule="cosine", batches=batches)
    history = trainer.fit(net, *data)
    assert np.mean(net.predict(data[2]) == data[3]) > 0.85
    assert history[-1]["loss"] < 0.2 * history[0]["loss"]


def test_full_batch_descent_lowers_the_loss_at_every_step(data):
    history = Trainer(epochs=50, batches="full", learning_rate=0.1, update="sgd").fit(network(), *data[:2])
    losses = history.batch_column("loss")
    assert len(losses) == 50
    assert all(a > b for a, b in pairwise(losses))


def test_each_row_is_used_once_an_epoch(data):
    X, y = data[:2]

    class Rows(FullyConnectedNet):
        def loss_and_gradients(self, X, y, **settings):
            seen.extend(X[:, 0].tolist())
            sizes.append(len(X))
            return super().loss_and_gradients(X, y, **settings)

    seen, sizes = [], []
    Trainer(epochs=2, batch_size=64).fit(Rows([4, 4]), X, y)
    assert sizes == 2 * [64, 64, 64, 64, 64, 64, 16]
    assert sorted(seen[:400]) == sorted(seen[400:]) == sorted(X[:, 0].tolist())
    assert seen[:400] != seen[400:]


def test_the_best_epoch_is_kept(data):
    net, kept = network(), {}

    class Keep(Callback):
        def on_epoch_end(self, state):
            kept[state.epoch] = {name: p.copy() for name, p in state.network.params.items()}

    history = Trainer(epochs=30, batch_size=20, learning_rate=1.0, callbacks=[Keep()]).fit(net, *data)
    accuracies = history.column("val_accuracy")
    best = 1 + int(np.argmax(accuracies))
    assert accuracies[-1] < max(accuracies)  # else the test shows nothing
    for name, p in net.params.items():
        np.testing.assert_array_equal(p, kept[best][name])
    assert np.mean(net.predict(data[2]) == data[3]) == max(accuracies)


def test_without_validation_data_the_last_parameters_stay(data):
    X, y = data[:2]
    net = network()
    history = Trainer(epochs=5, batch_size=20).fit(net, X, y)
    assert "val_accuracy" not in history[-1]
    assert np.mean(net.predict(X) == y) == history[-1]["train_accuracy"]


def test_the_same_seed_gives_the_same_run(data):
    runs = []
    for seed in (0, 0, 1):
        net = network(dropout=0.3, input_dropout=0.1)
        history = Trainer(epochs=4, batch_size=32, update="adam", seed=seed).fit(net, *data)
        runs.append((history, net.params))
    assert runs[0][0] == runs[1][0]
    assert runs[0][0] != runs[2][0]
    for name, p in runs[0][1].items():
        np.testing.assert_array_equal(p, runs[1][1][name])


class Interrupt(Callback):
    def __init__(self, iteration):
        self.iteration = iteration

    def on_batch_end(self, state):
        if state.iteration == self.iteration:
            raise KeyboardInterrupt


@pytest.mark.parametrize("update", UPDATES)
@pytest.mark.parametrize("iteration", [3, 14, 26, 39, 45])
def test_a_resumed_run_is_the_unbroken_run(data, tmp_path, update, iteration):
    settings = {"epochs": 5, "batch_size": 32, "learning_rate": RATES[update], "update": update, "schedule": "one_cycle"}
    unbroken = network(dropout=0.3)
    history = Trainer(**settings).fit(unbroken, *data)
    path = tmp_path / "checkpoint.safetensors"
    resumed = network(dropout=0.3)
    with pytest.raises(KeyboardInterrupt):
        Trainer(**settings, callbacks=[Interrupt(iteration)]).fit(resumed, *data, checkpoint=path, checkpoint_seconds=0)
    resumed = network(dropout=0.3)
    again = Trainer(**settings).fit(resumed, *data, checkpoint=path, checkpoint_seconds=0, resume=True)
    assert again.to_jsonl() == history.to_jsonl()
    for name, p in unbroken.params.items():
        np.testing.assert_array_equal(p, resumed.params[name])


class InterruptIn(Callback):
    """Interrupts whatever hook the second epoch comes to, or the evaluation at its end."""

    def __init__(self, hook):
        setattr(self, hook, self.interrupt)
        self.n_rows = 2 if hook == "on_epoch_end" else 1

    def interrupt(self, state):
        if len(state.history) == self.n_rows:
            state.rng.random()  # a hook may draw; what it has drawn is drawn again
            raise KeyboardInterrupt


@pytest.mark.parametrize("moment", ["on_epoch_begin", "on_batch_end", "on_epoch_end", "logits"])
def test_a_training_that_is_stopped_keeps_what_it_has_come_to(data, tmp_path, monkeypatch, moment):
    settings = {"epochs": 4, "batch_size": 100, "update": "adam", "batches": "sampled"}
    path, unbroken, resumed = tmp_path / "checkpoint.safetensors", network(dropout=0.3), network(dropout=0.3)
    history = Trainer(**settings).fit(unbroken, *data)
    if moment == "logits":

        class Stopping(FullyConnectedNet):
            def logits(self, X):
                calls.append(1)
                if len(calls) == 4:  # the second on validation rows, after the parameters of the epoch are final
                    raise KeyboardInterrupt
                return super().logits(X)

        calls = []
        stopped, callbacks = Stopping([4, 32, 4], seed=0, dropout=0.3), []
    else:
        stopped, callbacks = network(dropout=0.3), [InterruptIn(moment)]
    with pytest.raises(KeyboardInterrupt):
        Trainer(**settings, callbacks=callbacks).fit(stopped, *data, checkpoint=path, checkpoint_seconds=1e9)
    assert epoch_of(path) == 1
    again = Trainer(**settings).fit(resumed, *data, checkpoint=path, resume=True)
    assert again.to_jsonl() == history.to_jsonl()
    for name, p in unbroken.params.items():
        np.testing.assert_array_equal(p, resumed.params[name])


def test_a_training_that_diverges_leaves_no_checkpoint_to_diverge_from(data, tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    with pytest.raises(DivergedError):
        Trainer(epochs=5, learning_rate=1e6).fit(network(), *data, checkpoint=path, checkpoint_seconds=1e9)
    assert not path.exists()


def test_a_checkpoint_of_another_training_is_refused(data, tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    Trainer(epochs=2).fit(network(), *data, checkpoint=path)
    others = [
        ("epochs is 2, here it is 3", Trainer(epochs=3), network(), data),
        ("learning_rate is 0.01, here it is 0.02", Trainer(epochs=2, learning_rate=0.02), network(), data),
        ("update is momentum, here it is sgd", Trainer(epochs=2, update="sgd"), network(), data),
        (r"schedule is constant, here it is Cosine\(", Trainer(epochs=2, schedule=Cosine()), network(), data),
        ("seed is 0, here it is 1", Trainer(epochs=2, seed=1), network(), data),
        (r"network is .*\[4, 32, 4\].*here it is .*\[4, 33, 4\]", Trainer(epochs=2), FullyConnectedNet([4, 33, 4]), data),
        ("data are others", Trainer(epochs=2), network(), (data[0][::-1], data[1][::-1], *data[2:])),
    ]
    for message, trainer, net, arrays in others:
        with pytest.raises(FileFormatError, match=f"belongs to another training: its {message}"):
            trainer.fit(net, *arrays, checkpoint=path, resume=True)


def test_the_loss_of_an_epoch_is_the_mean_over_rows(data):
    weights = np.arange(1.0, 1 + len(data[0]))
    for sample_weight in (None, weights):
        net, size = network(), len(data[0]) - 1
        trainer = Trainer(epochs=1, batch_size=size, learning_rate=0, batches="ordered")
        loss = trainer.fit(net, *data[:2], sample_weight=sample_weight)[-1]["loss"]
        assert loss == pytest.approx(net.loss.value(net.logits(data[0]), data[1], sample_weight), rel=1e-6)


@pytest.mark.parametrize("rows", [400, 100])
def test_a_training_loss_to_compare_with_the_validation(data, rows):
    """It has no penalty, dropout or label smoothing in it, and is of the rows that the accuracy is of."""
    net = network(dropout=0.5, input_dropout=0.2)
    trainer = Trainer(epochs=3, batch_size=20, l2=0.1, label_smoothing=0.2, train_rows=rows)
    row = trainer.fit(net, data[0], data[1])[-1]
    clean = net.loss.value(net.logits(data[0]), data[1])
    assert row["train_loss"] == pytest.approx(clean, rel=1e-6) if rows == 400 else 0.5 * clean < row["train_loss"] < 2 * clean
    assert row["loss"] > 1.2 * clean


@pytest.mark.parametrize("rows", [400, 10])
def test_rows_count_in_the_metrics_of_training_as_they_do_in_its_loss(data, rows):
    """Those that are drawn are of the rows that count."""
    net, weights = network(), np.zeros(len(data[0]))
    weights[:20] = np.arange(1, 21)
    row = Trainer(epochs=1, learning_rate=0, train_rows=rows).fit(net, data[0], data[1], sample_weight=weights)[-1]
    logits = net.logits(data[0])
    if rows == 400:
        assert row["train_loss"] == pytest.approx(net.loss.value(logits, data[1], weights), rel=1e-6)
        assert row["train_accuracy"] == pytest.approx(net.loss.score(logits, data[1], weights), rel=1e-6)
    else:
        assert np.isfinite(row["train_loss"])


def test_early_stopping(data):
    history = Trainer(epochs=500, batch_size=20, learning_rate=0.1, callbacks=[EarlyStopping(5)]).fit(network(), *data)
    accuracies = history.column("val_accuracy")
    assert len(history) == 1 + int(np.argmax(accuracies)) + 5 < 500


def test_hooks_are_called_in_order(data):
    recorder = Recorder()
    Trainer(epochs=2, batch_size=200, callbacks=[recorder]).fit(network(), *data)
    epoch = ["on_epoch_begin", "on_batch_end", "on_batch_end", "on_epoch_end"]
    assert [name for name, *_ in recorder.calls] == ["on_train_begin", *epoch, *epoch, "on_train_end"]
    assert recorder.calls[4] == ("on_epoch_end", 1, 2)


def test_the_history_is_complete_and_survives_json(data):
    history = Trainer(epochs=3, batch_size=100, schedule="exponential").fit(network(), *data)
    assert history.column("epoch") == [1, 2, 3]
    assert history.column("iteration") == [4, 8, 12]
    assert history.batch_column("iteration") == list(range(1, 13))
    assert history[1]["loss"] == pytest.approx(np.mean([b["loss"] for b in history[1]["batches"]]))
    assert history[2]["learning_rate"] == pytest.approx(0.01 * 0.95**2)
    assert set(json.loads(history.to_jsonl().splitlines()[0])) == set(history[0])
    assert History.from_jsonl(history.to_jsonl()) == history


@pytest.mark.parametrize("with_validation", [True, False])
def test_divergence_is_stopped_with_advice_and_the_best_is_kept(data, with_validation):
    net, recorder = network(), Recorder()
    with pytest.raises(DivergedError, match=r"at iteration \d+ \(epoch \d+\) with learning_rate = 10000; it is too large"):
        Trainer(epochs=50, batch_size=100, learning_rate=1e4, callbacks=[recorder]).fit(
            net, *data[: 4 if with_validation else 2]
        )
    assert all(np.isfinite(p).all() for p in net.params.values())
    assert recorder.calls[-1][0] == "on_train_end"


@pytest.mark.parametrize(
    "settings",
    [
        {"learning_rate": 1e6},
        {"learning_rate": 1e6, "schedule": "one_cycle", "update": "nesterov"},  # the rate of the moment is not the setting
        {"learning_rate": 1e6, "update": "sgd", "batches": "full"},
        {"learning_rate": 1e25, "update": "adam"},
        {"learning_rate": 1e6, "l2": 0.01, "batch_size": 400},
    ],
)
@pytest.mark.parametrize("sizes", [[4, 32, 4], [4, 32, 32, 32, 4]])
def test_the_learning_rate_that_is_proposed_trains(data, settings, sizes):
    settings = {"epochs": 60, "batch_size": 20, **settings}
    X, y = data[:2]
    with pytest.raises(DivergedError) as error:
        Trainer(**settings).fit(FullyConnectedNet(sizes, seed=0), X, y)
    assert f"learning_rate = {settings['learning_rate']:g}; it is too large" in str(error.value)
    rate = float(re.search(r"In short trials learning_rate = (\S+) lowered the loss", str(error.value))[1])
    assert rate < settings["learning_rate"]
    net = FullyConnectedNet(sizes, seed=0)
    Trainer(**settings | {"learning_rate": rate}).fit(net, X, y)
    assert np.mean(net.predict(X) == y) > 0.6  # by chance 0.25


def test_advice_may_be_left_out(data, monkeypatch, tmp_path):
    searches, original = [], divergence.rate_that_trains
    monkeypatch.setattr(divergence, "rate_that_trains", lambda *given: searches.append(given) or original(*given))
    for advise, found in ((False, r"learning_rate = 1e\+06\. The parameters kept"), (True, "In short trials")):
        with pytest.raises(DivergedError, match=found) as error:
            Trainer(epochs=2, learning_rate=1e6, advise=advise).fit(network(), *data)
        assert (error.value.epoch, len(searches)) == (1, advise)
    path = tmp_path / "checkpoint.safetensors"  # which is that of the same training
    Trainer(epochs=2).fit(network(), *data, checkpoint=path)
    Trainer(epochs=2, advise=False).fit(network(), *data, checkpoint=path, resume=True)


def test_a_loss_that_no_rate_is_to_blame_for(data):
    with pytest.raises(DivergedError, match=r"not finite before the first update.*scale the inputs"):
        Trainer(epochs=1).fit(network(weight_init=1e30), *data[:2])


@pytest.mark.parametrize("activation", ["gelu", "tanh", "relu"])
@pytest.mark.parametrize("update", ["sgd", "adam"])
@pytest.mark.parametrize("with_validation", [True, False])
@pytest.mark.parametrize("epochs", [1, 20])
@pytest.mark.parametrize("rate", [1e9, 3e38])
def test_no_overflow_gets_through(data, activation, update, with_validation, epochs, rate):
    net = network(activation=activation)
    arrays = [3e4 * data[0], data[1], 3e4 * data[2], data[3]][: 4 if with_validation else 2]
    settings = {"epochs": epochs, "batches": "full"}
    try:
        history = Trainer(**settings, learning_rate=rate, update=update, advise=False).fit(net, *arrays)
    except DivergedError:
        pass
    else:
        json.loads(history.to_jsonl().splitlines()[-1], parse_constant=pytest.fail)
    assert all(np.isfinite(p).all() for p in net.params.values())


@pytest.mark.parametrize("batches", ["shuffled", "sampled", "full"])
def test_a_batch_may_be_larger_than_the_data(data, batches):
    history = Trainer(epochs=2, batch_size=1000, batches=batches).fit(network(), *data)
    assert history.column("iteration") == [1, 2]


def test_numbers_of_numpy_are_as_good_as_those_of_python(data):
    runs = []
    for kind in (float, np.float64):
        net = network()
        trainer = Trainer(
            epochs=np.int64(2), learning_rate=kind(0.1), l2=kind(0.01), update=get_update("momentum", momentum=kind(0.9))
        )
        runs.append((trainer.fit(net, *data).to_jsonl(), net.params["W1"].tobytes()))
    assert runs[0] == runs[1]


def test_early_stopping_needs_what_it_looks_at(data):
    with pytest.raises(InputError, match="needs validation data"):
        Trainer(epochs=2, callbacks=[EarlyStopping(1)]).fit(network(), *data[:2])
    with pytest.raises(SettingError, match="patience must be .* at least 1"):
        EarlyStopping(0)


def test_a_long_history_fits_a_checkpoint(tmp_path):
    # The header of a safetensors file holds 100 MB at most; this history alone has more.
    class Long(Callback):
        def on_epoch_end(self, state):
            state.history[-1]["note"] = "x" * 101_000_000

    X, y = np.ones((2, 1)), np.array([0, 1])
    trainer = Trainer(epochs=1, batches="full", callbacks=[Long()])
    path = tmp_path / "checkpoint.safetensors"
    history = trainer.fit(FullyConnectedNet([1, 2]), X, y, checkpoint=path)
    assert path.stat().st_size > 100e6
    assert trainer.fit(FullyConnectedNet([1, 2]), X, y, checkpoint=path, resume=True) == history


def bad(**changes):
    return changes


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (bad(X=lambda X: X[:, :3]), r"X must have shape \(n, 4\).*\(400, 3\)"),
        (bad(X=lambda X: X[:0], y=lambda y: y[:0]), "at least 1 row"),
        (bad(X=lambda X: np.where(np.arange(4) == 2, np.nan, X)), r"X\[0, 2\] is nan"),
        (bad(X_val=lambda X: np.where(np.arange(200)[:, None] == 7, np.inf, X)), r"X_val\[7, 0\] is inf"),
        (bad(X=lambda X: X.astype(str)), "X must hold numbers"),
        (bad(y=lambda y: y[:-1]), r"y must have shape \(400,\)"),
        (bad(y=lambda y: y[:, None]), r"y must have shape \(400,\)"),
        (bad(y=lambda y: y.astype(float)), "integers, got dtype float64"),
        (bad(y=lambda y: y.astype(str)), "integers"),
        (bad(y=lambda y: y + 1), r"is 4, but the 4 classes are numbered 0 to 3"),
        (bad(y_val=lambda y: y - 1), r"y_val\[\d+\] is -1"),
        (bad(y_val=lambda y: None), "go together"),
    ],
)
def test_data_that_does_not_fit_is_refused(data, changes, message):
    arrays = dict(zip(["X", "y", "X_val", "y_val"], data, strict=True))
    arrays = {name: changes.get(name, lambda a: a)(array) for name, array in arrays.items()}
    with pytest.raises(InputError, match=message):
        Trainer(epochs=1).fit(network(), **arrays)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epochs": 0}, "epochs must be .* at least 1"),
        ({"epochs": 2.5}, "epochs must be a whole number"),
        ({"learning_rate": "0.1"}, "learning_rate must be a number"),
        ({"l2": float("nan")}, "l2 must be"),
        ({"batch_size": 0}, "batch_size must be"),
        ({"learning_rate": float("inf")}, "learning_rate must be"),
        ({"l2": -1.0}, "l2 must be"),
        ({"label_smoothing": 1.0}, "label_smoothing must be"),
        ({"batches": "shufled"}, "Did you mean 'shuffled'"),
        ({"update": "adma"}, "Did you mean 'adam'"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(SettingError, match=message):
        Trainer(**settings)


def test_augmentation_changes_the_batch_and_not_the_data(data):
    X = data[0].copy()
    changed = []

    def augment(batch, rng):
        batch += 1
        changed.append(batch[:, 0].copy())

    for batches in ("shuffled", "full"):
        Trainer(epochs=1, batches=batches, augment=augment).fit(network(), X, data[1])
        np.testing.assert_array_equal(X, data[0])
    np.testing.assert_allclose(np.sort(np.concatenate(changed[:4])), np.sort(X[:, 0] + 1))


def test_progress_away_from_a_terminal_is_lines(data, capsys):
    import sys

    Trainer(epochs=3, callbacks=[Progress(sys.stdout, every_seconds=0)]).fit(network(), *data)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("epoch 1/3  loss ")
    assert "val " in lines[2]


def test_a_history_is_copied_and_pickled_with_what_was_noted_on_it():
    history = History([{"epoch": 1, "loss": 2.0}])
    history.note = "first"
    for twin in (pickle.loads(pickle.dumps(history)), copy.deepcopy(history), copy.copy(history)):
        assert twin == history
        assert twin.rows == [{"epoch": 1, "loss": 2.0}]
        assert twin.note == "first"
