"""Callbacks and settings of a trainer that is used more than once, or that fails."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.neural_network import MLPClassifier

from fcnet import FullyConnectedNet, Trainer
from fcnet.errors import SettingError
from fcnet.training.callbacks import Callback, EarlyStopping, Progress, tell_of_one_epoch
from fcnet.training.schedules import Cosine
from fcnet.training.state import TrainingState
from fcnet.training.stopping import Adaptive
from fcnet.training.updates import AdamW


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 4)).astype(np.float32)
    y = (X[:, 0] * X[:, 1] > 0).astype(int)
    return X[:200], y[:200], X[200:], y[200:]


def network():
    return FullyConnectedNet([4, 16, 2], seed=0)


class Recorder(Callback):
    """Keeps the hooks that are called, by its own name, in a list that several share."""

    def __init__(self, name, calls):
        self.name, self.calls = name, calls

    def on_train_begin(self, state):
        self.calls.append(f"{self.name} train begins")

    def on_epoch_begin(self, state):
        self.calls.append(f"{self.name} epoch begins")

    def on_epoch_end(self, state):
        self.calls.append(f"{self.name} epoch ends")

    def on_train_end(self, state):
        self.calls.append(f"{self.name} train ends")


def test_hooks_of_a_training_that_is_told_of_at_its_end_come_in_the_order_of_a_trainer(data):
    told, called, rng = [], [], np.random.default_rng(0)
    Trainer(epochs=1, callbacks=[Recorder("a", called), Recorder("b", called)]).fit(network(), *data)
    state = TrainingState(network(), {}, {}, rng, n_epochs=1, total_iterations=1)
    tell_of_one_epoch([Recorder("a", told), Recorder("b", told)], state, {"epoch": 1})
    assert told == called


@pytest.mark.parametrize("metric", ["loss", "score"])
def test_a_rule_that_stops_begins_anew_in_every_training(data, metric):
    stop = EarlyStopping(tol=1e-3, patience=4, metric=metric)
    trainer = Trainer(epochs=100, batch_size=20, learning_rate=0.1, callbacks=[stop])
    lengths = [len(trainer.fit(network(), *data)) for _ in range(3)]
    assert 4 < lengths[0] < 100
    assert len(set(lengths)) == 1


def test_a_rate_that_was_lowered_begins_anew_in_every_training(data):
    adaptive = Adaptive()
    stop = EarlyStopping(tol=1e-2, patience=3, metric="loss", slowing=adaptive)
    trainer = Trainer(epochs=30, batch_size=20, learning_rate=0.1, schedule=adaptive, callbacks=[stop])
    histories = [trainer.fit(network(), *data) for _ in range(2)]
    assert histories[0][-1]["learning_rate"] < 0.1
    assert histories[0] == histories[1]


def test_a_rule_that_knows_earlier_trainings_goes_on_from_them(data):
    stop = EarlyStopping(tol=0.0, patience=3, metric="loss", best=0.0, count=1)  # no loss is below 0
    assert [len(Trainer(epochs=9, callbacks=[stop]).fit(network(), *data)) for _ in range(2)] == [2, 2]


@pytest.mark.parametrize("name", ["tol", "patience"])
@pytest.mark.parametrize("value", [-1, float("nan"), "3"])
def test_a_rule_that_stops_checks_its_settings(name, value):
    with pytest.raises(SettingError, match=name):
        EarlyStopping(**({"tol": 0.1, "patience": 3} | {name: value}))


class Given(Callback):
    """Writes other values into the history, an epoch each, as if they had been measured."""

    def __init__(self, values):
        self.values = values

    def on_epoch_end(self, state):
        state.history[-1].update(dict.fromkeys(("loss", "val_accuracy"), self.values[state.epoch - 1]))


def stopped_after(data, values, **settings):
    stop, counts = EarlyStopping(**settings), []
    look = Look(lambda state: counts.append(stop.n_without))
    history = Trainer(epochs=len(values), callbacks=[Given(values), stop, look]).fit(network(), *data)
    return len(history) if stop.has_stopped else None, counts


class Look(Callback):
    def __init__(self, look):
        self.on_epoch_end = look


@pytest.mark.parametrize(
    ("settings", "epoch", "counts"),
    [
        ({"patience": 2}, 6, [0, 0, 1, 0, 1, 2]),  # 0.65 once more is no improvement
        ({"patience": 2, "tol": 0.0}, None, [0, 0, 0, 0, 1, 0, 0]),  # but no worse, which is enough by scikit-learn's rule
        ({"patience": 3, "tol": 0.125}, 4, [0, 1, 2, 3]),
        ({"patience": 3, "tol": 0.0625}, 7, [0, 0, 1, 0, 1, 2, 3]),  # 0.5625 + 0.0625 is reached
        ({"patience": np.inf}, None, [0, 0, 1, 0, 1, 2, 3]),
    ],
)
@pytest.mark.parametrize("metric", ["score", "loss"])
def test_early_stopping_by_hand(data, settings, epoch, counts, metric):
    scores = [0.5, 0.5625, 0.5625, 0.625, 0.6, 0.625, 0.625]  # most are binary fractions, which add up exactly
    values = scores if metric == "score" else [-score for score in scores]
    assert stopped_after(data, values, metric=metric, **settings) == (epoch, counts)


@pytest.mark.parametrize("tol", [0.0, 0.01, 0.1])
@pytest.mark.parametrize("metric", ["score", "loss"])
def test_early_stopping_is_that_of_scikit_learn(data, tol, metric):
    class Theirs(MLPClassifier):
        def _score(self, X, y, sample_weight=None):
            return self.value

    values = np.random.default_rng(0).integers(1, 30, 60) / 100
    theirs, counts, epoch = Theirs(tol=tol, n_iter_no_change=4), [], None
    theirs.best_validation_score_, theirs.best_loss_, theirs.validation_scores_ = -np.inf, np.inf, []
    theirs._no_improvement_count, theirs.coefs_, theirs.intercepts_ = 0, [], []
    for number, theirs.value in enumerate(values, 1):
        theirs.loss_curve_ = [theirs.value]
        theirs._update_no_improvement_count(metric == "score", None, None, None)
        counts.append(theirs._no_improvement_count)
        if counts[-1] > theirs.n_iter_no_change:
            epoch = number
            break
    assert stopped_after(data, values, patience=5, tol=tol, metric=metric) == (epoch, counts)


def test_a_rule_that_lowers_the_rate_begins_to_count_again(data):
    stop = EarlyStopping(2, 0.0, "loss", slowing=Adaptive())
    trainer = Trainer(epochs=7, learning_rate=1.0, schedule=stop.slowing, callbacks=[Given([1, 2, 2, 2, 2, 2, 2]), stop])
    rates = trainer.fit(network(), *data).column("learning_rate")
    assert rates == pytest.approx([1, 1, 1, 0.2, 0.2, 0.04, 0.04])


def test_early_stopping_begins_anew(data):
    trainer = Trainer(epochs=60, batch_size=20, learning_rate=0.1, callbacks=[EarlyStopping(4)])
    assert len({len(trainer.fit(network(), *data)) for _ in range(3)}) == 1


def test_progress_tells_of_the_last_epoch_in_every_training(data, capsys):
    import sys

    progress = Progress(sys.stdout, every_seconds=1e9)
    for _ in range(2):
        Trainer(epochs=2, callbacks=[progress]).fit(network(), *data)
        assert capsys.readouterr().out.startswith("epoch 2/2")


class Log(Callback):
    def __init__(self, calls, name, fails_in=()):
        self.calls, self.name, self.fails_in = calls, name, fails_in

    def on_train_begin(self, state):
        self._call("begin")

    def on_train_end(self, state):
        self._call("end")

    def _call(self, hook):
        self.calls.append((self.name, hook))
        if hook in self.fails_in:
            raise RuntimeError(f"{self.name} {hook}")


def test_who_was_told_of_the_beginning_is_told_of_the_end(data):
    calls, net = [], network()
    before = net.params["W1"].copy()
    callbacks = [Log(calls, "a"), Log(calls, "b"), Log(calls, "c", ["begin"]), Log(calls, "d")]
    with pytest.raises(RuntimeError, match="c begin"):
        Trainer(epochs=1, callbacks=callbacks).fit(net, *data)
    assert calls == [("a", "begin"), ("b", "begin"), ("c", "begin"), ("a", "end"), ("b", "end")]
    np.testing.assert_array_equal(net.params["W1"], before)


def test_an_end_that_fails_keeps_nobody_from_theirs(data):
    calls = []
    callbacks = [Log(calls, "a", ["end"]), Log(calls, "b"), Log(calls, "c", ["end"]), Log(calls, "d")]
    with pytest.raises(RuntimeError, match="c end") as raised:
        Trainer(epochs=1, callbacks=callbacks).fit(network(), *data)
    assert "a end" in str(raised.value.__context__)
    assert [call for call in calls if call[1] == "end"] == [(name, "end") for name in "abcd"]


CHANGES = [
    {"update": "adam"},
    {"update": AdamW(weight_decay=0.5)},
    {"schedule": "cosine"},
    {"schedule": Cosine(0.1)},
    {"learning_rate": 0.2},
    {"epochs": 3},
    {"batches": "ordered"},
]


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_settings_are_those_of_when_it_trains(data, change):
    expected = network()
    history = Trainer(**({"epochs": 2} | change)).fit(expected, *data)
    changed, copied = Trainer(epochs=2), Trainer(epochs=2)
    for name, value in change.items():
        setattr(changed, name, value)
    for trainer in (changed, replace(copied, **change)):
        net = network()
        assert trainer.fit(net, *data) == history
        np.testing.assert_array_equal(net.params["W1"], expected.params["W1"])


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("update", "adma", "Did you mean 'adam'"),
        ("update", AdamW, r"not its class: write AdamW\(\)"),
        ("schedule", Cosine, r"not its class: write Cosine\(\)"),
        ("epochs", 0, "epochs"),
        ("batches", "shufled", "shuffled"),
        ("callbacks", [print], "callbacks must be"),
    ],
)
def test_settings_are_checked_when_it_is_made_and_when_it_trains(data, name, value, message):
    with pytest.raises(SettingError, match=message):
        Trainer(**{name: value})
    trainer = Trainer()
    setattr(trainer, name, value)
    with pytest.raises(SettingError, match=message):
        trainer.fit(network(), *data)
