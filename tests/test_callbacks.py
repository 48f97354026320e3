"""Callbacks and settings of a trainer that is used more than once, or that fails."""

from dataclasses import replace

import numpy as np
import pytest

from fcnet import FullyConnectedNet, Trainer
from fcnet.errors import SettingError
from fcnet.training.callbacks import Callback, EarlyStopping, Progress
from fcnet.training.schedules import Cosine
from fcnet.training.stopping import Adaptive, StopWithoutImprovement
from fcnet.training.updates import AdamW


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 4)).astype(np.float32)
    y = (X[:, 0] * X[:, 1] > 0).astype(int)
    return X[:200], y[:200], X[200:], y[200:]


def network():
    return FullyConnectedNet([4, 16, 2], seed=0)


@pytest.mark.parametrize("on_validation", [False, True])
def test_a_rule_that_stops_begins_anew_in_every_training(data, on_validation):
    stop = StopWithoutImprovement(tol=1e-3, patience=3, on_validation=on_validation)
    trainer = Trainer(epochs=100, batch_size=20, learning_rate=0.1, callbacks=[stop])
    lengths = [len(trainer.fit(network(), *data)) for _ in range(3)]
    assert 4 < lengths[0] < 100
    assert len(set(lengths)) == 1


def test_a_rate_that_was_lowered_begins_anew_in_every_training(data):
    adaptive = Adaptive()
    stop = StopWithoutImprovement(tol=1e-2, patience=2, adaptive=adaptive)
    trainer = Trainer(epochs=30, batch_size=20, learning_rate=0.1, schedule=adaptive, callbacks=[stop])
    histories = [trainer.fit(network(), *data) for _ in range(2)]
    assert histories[0][-1]["learning_rate"] < 0.1
    assert histories[0] == histories[1]


def test_a_rule_that_knows_earlier_trainings_goes_on_from_them(data):
    stop = StopWithoutImprovement(tol=0.0, patience=2, best=0.0, count=1)  # no loss is below 0
    assert [len(Trainer(epochs=9, callbacks=[stop]).fit(network(), *data)) for _ in range(2)] == [2, 2]


@pytest.mark.parametrize("name", ["tol", "patience"])
@pytest.mark.parametrize("value", [-1, float("nan"), "3"])
def test_a_rule_that_stops_checks_its_settings(name, value):
    with pytest.raises(SettingError, match=name):
        StopWithoutImprovement(**({"tol": 0.1, "patience": 3} | {name: value}))


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
