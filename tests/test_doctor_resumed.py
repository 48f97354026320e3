"""What the doctor has seen outlives a stop of the training."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from fcnet import FullyConnectedNet, Trainer
from fcnet.doctor.finding import read_findings
from fcnet.doctor.inflight import Doctor
from fcnet.experiments.configure import configure
from fcnet.experiments.run import train
from fcnet.training.callbacks import Callback


class StopAt(Callback):
    """Stops as Ctrl-C does, in the midst of an epoch."""

    def __init__(self, iteration):
        self.iteration = iteration

    def on_batch_end(self, state):
        if state.iteration == self.iteration:
            raise KeyboardInterrupt


FAULTS = {
    "a small rate": ({"learning_rate": 1e-6}, {}, "learning-rate-too-low"),
    "dead units": ({"learning_rate": 0.01}, {"b1": -8.0}, "dead-units"),
    "none": ({"learning_rate": 0.05}, {}, None),
}


@pytest.mark.parametrize(("settings", "biases", "code"), FAULTS.values(), ids=FAULTS)
def test_a_resumed_training_has_the_same_findings(tmp_path, settings, biases, code):
    X, y = load_digits(return_X_y=True)
    X = ((X - 5) / 6).astype(np.float32)

    def doctor_of(*others, **options):
        network, doctor = FullyConnectedNet([64, 30, 10], seed=0), Doctor()
        for name, value in biases.items():
            network.params[name][:] = value
        trainer = Trainer(epochs=12, batch_size=50, callbacks=[doctor, *others], **settings)
        trainer.fit(network, X[:1200], y[:1200], X[1200:], y[1200:], **options)
        return doctor

    expected, kept = doctor_of(), {"checkpoint": tmp_path / "c.safetensors", "checkpoint_seconds": 1000.0}
    for stop in (30, 170, 171):  # one after another, of 288; the second goes on from the checkpoint that the first has left
        with pytest.raises(KeyboardInterrupt):
            doctor_of(StopAt(stop), resume=True, **kept)
    resumed = doctor_of(resume=True, **kept)
    assert resumed.findings == expected.findings
    assert [finding.code for finding in resumed.findings] == ([code] if code else [])
    assert resumed.first_seen == expected.first_seen
    assert len(resumed.looks) == len(expected.looks)
    for one, other in zip(resumed.looks, expected.looks, strict=True):
        for name in ("iteration", "ratios", "gradients", "weights", "gains", "flat", "dead"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_a_resumed_run_has_the_same_findings(tmp_path):
    def run(name, *callbacks, **options):
        folder, config = configure("digits", tmp_path / name, changes=["epochs=6", "learning_rate=1e-6"])
        train(folder, config, callbacks=callbacks, doctor=True, **options)
        return read_findings(folder / "findings.json")

    with pytest.raises(KeyboardInterrupt):
        run("stopped", StopAt(40))
    assert run("stopped", resume=True) == run("whole")


class Counts(Callback):
    """Remembers a number."""

    def on_train_begin(self, state):
        self.n = 0

    def on_epoch_end(self, state):
        self.n += 1

    def state_dict(self, iteration):
        return self.n

    def load_state_dict(self, kept):
        self.n = kept


class Stops(Callback):
    def on_epoch_begin(self, state):
        if state.epoch == 2:
            raise KeyboardInterrupt


def test_each_callback_gets_its_own_back(tmp_path):
    X = np.random.default_rng(0).standard_normal((20, 3)).astype(np.float32)
    y = (X[:, 0] > 0).astype(int)

    def fit(*callbacks, **options):
        trainer = Trainer(epochs=3, batch_size=10, callbacks=callbacks)
        trainer.fit(FullyConnectedNet([3, 2], seed=0), X, y, checkpoint=tmp_path / "c.safetensors", **options)

    with pytest.raises(KeyboardInterrupt):
        fit(Counts(), Doctor(), Counts(), Stops())
    others = Doctor(), Counts(), Counts(), Counts()
    fit(*others, resume=True)
    assert [each.n for each in others[1:]] == [3, 3, 1]  # the last is a new one
    assert others[0].looks[0].iteration == 1
