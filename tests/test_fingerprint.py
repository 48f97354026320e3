"""What a checkpoint is compared by: it tells trainings apart, and knows the same one again in another process."""

import logging
import os
import re
import subprocess
import sys
import threading
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fcnet import FullyConnectedNet, Trainer
from fcnet.errors import OtherTrainingError
from fcnet.files import load_tensors, save_tensors
from fcnet.preprocessing.views import RandomSigns, RandomView
from fcnet.training.callbacks import Callback
from fcnet.training.checkpoint import CHECKPOINT_FORMAT
from fcnet.training.fingerprint import describe
from fcnet.training.schedules import Cosine
from fcnet.training.updates import Adam, AdamW, RMSProp

SIGMA = 0.1


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 4)).astype(np.float32)
    return X, (X[:, 0] > 0).astype(int)


def by_closure(strength):
    def augment(X, rng):
        X += strength * rng.standard_normal(X.shape, np.float32)

    return augment


def by_default(X, rng, strength=0.1):
    X += strength


def by_keyword(X, rng, *, strength=0.1):
    X += strength


def by_global(X, rng):
    _add(X)


def _add(X):
    X += SIGMA


def other_code(X, rng):
    X -= SIGMA


def linear(end, iteration, per_epoch, total):
    return 1 - (1 - end) * iteration / total


class Plain:
    def __init__(self, strength):
        self.strength = strength

    def __call__(self, X, rng):
        X += self.strength

    def method(self, X, rng):
        X += self.strength


class Nested(Plain):
    def __call__(self, X, rng):
        pass


class Slots:
    __slots__ = ("strength",)
    __init__, __call__ = Plain.__init__, Plain.__call__


@dataclass(frozen=True)
class Warm:
    epochs: int
    then: object = Cosine()

    def __call__(self, iteration, per_epoch, total):
        return 1.0 if iteration < self.epochs * per_epoch else self.then(iteration, per_epoch, total)


@dataclass(frozen=True)
class Milestones:
    epochs: tuple

    def __call__(self, iteration, per_epoch, total):
        return 1.0


class Rule(AdamW):
    factor: float = 1.0

    def get_config(self):
        return {"factor": self.factor}


def ones(last=1.0):
    signs = np.ones(4, np.float32)
    signs[-1] = last
    return signs


OTHERS = [  # two settings that are equal when they are made anew, and a third that is another
    ("augment", lambda: by_closure(0.1), lambda: by_closure(0.2)),
    ("augment", lambda: by_closure(ones()), lambda: by_closure(ones(-1))),
    ("augment", lambda: by_default, lambda: by_keyword),
    ("augment", lambda: by_global, lambda: other_code),
    ("augment", lambda: partial(by_default, strength=1), lambda: partial(by_default, strength=2)),
    ("augment", lambda: partial(by_keyword, strength=1), lambda: by_keyword),
    ("augment", lambda: Plain(1), lambda: Plain(2)),
    ("augment", lambda: Plain(ones()), lambda: Plain(ones(2))),
    ("augment", lambda: Nested({"b": [1, {2}], "a": (None, b"x")}), lambda: Nested({"b": [1, {3}], "a": (None, b"x")})),
    ("augment", lambda: Plain(1).method, lambda: Plain(2).method),
    ("augment", lambda: Slots(1), lambda: Slots(2)),
    ("augment", lambda: RandomSigns(ones()), lambda: RandomSigns(ones(-1))),
    ("augment", lambda: RandomView(np.array([[0, 1, 2, 3]])), lambda: RandomView(np.array([[3, 2, 1, 0]]))),
    ("schedule", lambda: partial(linear, 0.1), lambda: partial(linear, 0.2)),
    ("schedule", lambda: Warm(1), lambda: Warm(1, Cosine(0.5))),
    ("schedule", lambda: lambda i, n, total: 0.5, lambda: lambda i, n, total: 0.25),
    ("update", lambda: AdamW(weight_decay=0.1), lambda: AdamW(weight_decay=0.2)),
    ("update", lambda: Rule(factor=1), lambda: Rule(factor=2)),
    ("seed", lambda: np.random.default_rng(1), lambda: np.random.default_rng(2)),
    ("seed", lambda: np.random.default_rng(1), lambda: 1),
    ("seed", lambda: np.random.Generator(np.random.MT19937(1)), lambda: np.random.Generator(np.random.MT19937(2))),
    ("seed", lambda: np.random.Generator(np.random.Philox(1)), lambda: np.random.Generator(np.random.PCG64(1))),
]


def words_of(make):
    return describe(make())


@pytest.mark.parametrize(("name", "same", "other"), OTHERS)
def test_trainings_that_differ_are_told_apart(name, same, other, data, tmp_path):
    def fit(value, epochs_done=0, **settings):
        net = FullyConnectedNet([4, 5, 2], seed=0)
        trainer = Trainer(**{"epochs": 3, "batch_size": 20, "learning_rate": 0.01, name: value}, **settings)
        return net.params, trainer.fit(net, *data, checkpoint=path, checkpoint_seconds=0, resume=True)

    path = tmp_path / "whole"
    expected, history = fit(same())
    path = tmp_path / "stopped"
    with pytest.raises(KeyboardInterrupt):
        fit(same(), callbacks=[StopInEpoch(2)])
    with pytest.raises(OtherTrainingError, match=f"its {name} is "):
        fit(other())
    params, resumed = fit(same())
    assert resumed == history
    np.testing.assert_array_equal(params["W1"], expected["W1"])


class StopInEpoch(Callback):
    def __init__(self, epoch):
        self.epoch = epoch

    def on_batch_end(self, state):
        if state.epoch + 1 == self.epoch:
            raise KeyboardInterrupt


def test_a_value_that_a_function_reads_is_part_of_it(monkeypatch):
    before = describe(by_global)
    monkeypatch.setitem(globals(), "SIGMA", 0.2)
    assert describe(by_global) != before


def test_descriptions_are_the_same_in_another_process():
    code = "import test_fingerprint as t; print([t.words_of(make) for _, same, other in t.OTHERS for make in (same, other)])"
    folder = str(Path(__file__).parent)
    texts = [
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join([folder, *sys.path])},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert texts[0] == texts[1]
    assert not re.search(r"0x[0-9a-f]{6}", texts[0])  # no addresses


def log_and_plot(X, rng):
    LOG.debug("%s %s", TIMES, FRAME.shape)
    AXES.imshow(X)


LOG, TIMES = logging.getLogger("augment"), np.array(["2024-02-29"], "datetime64[D]")
FRAME: Any = None
AXES: Any = None


def test_a_function_may_read_loggers_data_frames_and_figures(monkeypatch):
    from matplotlib.figure import Figure

    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"day": pd.date_range("2024-02-29", periods=3), "name": ["a", "b", None]})
    axes = Figure().subplots()
    monkeypatch.setitem(globals(), "FRAME", frame)
    monkeypatch.setitem(globals(), "AXES", axes)
    before = describe(log_and_plot)
    axes.plot([1, 2, 3])
    frame.loc[0, "name"] = "c"
    assert describe(log_and_plot) == before


@pytest.mark.parametrize("make", [threading.Lock, lambda: sys.__stdout__, lambda: (i for i in "ab")])
def test_what_cannot_be_taken_apart_does_not_hide_the_rest(make):
    def augmentation(strength):
        augment = Plain(strength)
        augment.tool = make()
        return describe(augment)

    assert augmentation(1) == augmentation(1) != augmentation(2)


def test_an_object_that_many_refer_to_is_described_once():
    def value(innermost):
        value = [innermost]
        for _ in range(40):  # 2 ** 40 ways lead to the innermost
            value = [value, value]
        return describe(Plain(value))

    assert value(1) == value(1) != value(2)


def test_attributes_are_not_taken_for_variables_of_their_name(monkeypatch):
    before = describe(by_closure(1))
    monkeypatch.setitem(globals(), "shape", 3)
    assert describe(by_closure(1)) == before


def test_a_generator_goes_on_where_the_unbroken_run_would_leave_it(data, tmp_path):
    def fit(**settings):
        rng = np.random.default_rng(3)
        trainer = Trainer(epochs=3, batch_size=20, seed=rng, **settings)
        trainer.fit(FullyConnectedNet([4, 2]), *data, checkpoint=tmp_path / "c", checkpoint_seconds=0, resume=True)
        return rng.bit_generator.state

    with pytest.raises(KeyboardInterrupt):
        fit(callbacks=[StopInEpoch(2)])
    resumed = fit()
    (tmp_path / "c").unlink()
    assert resumed == fit()


@pytest.mark.parametrize(
    ("name", "value", "older"),
    [
        ("augment", RandomSigns(ones(-1)), "function"),
        ("augment", Plain(1), "Plain"),
        ("augment", Plain(1).method, "method"),
        ("augment", partial(by_default, strength=1), "partial"),
        ("schedule", Milestones((1, 2)), "Milestones(epochs=(1, 2))"),
        ("seed", np.random.default_rng(0), "Generator"),
        ("update", Adam(), "Adam(beta1=0.9, beta2=0.999, epsilon=1e-08, weight_decay=0.0)"),
        ("update", AdamW(), "Adam(beta1=0.9, beta2=0.999, epsilon=1e-08, weight_decay=0.01)"),
        ("update", AdamW(), "AdamW(beta1=0.9, beta2=0.999, epsilon=1e-08, weight_decay=0.01)"),
        ("update", RMSProp(), "RMSProp(decay_rate=0.99, epsilon=1e-08)"),
    ],
)
def test_a_checkpoint_of_before_is_still_read(name, value, older, data, tmp_path):
    """Older ones hold the class alone of functions and of objects that are no dataclasses; Adam had a weight decay then."""
    path = tmp_path / "c"
    history = Trainer(epochs=2, **{name: deepcopy(value)}).fit(FullyConnectedNet([4, 2]), *data, checkpoint=path)
    tensors, metadata = load_tensors(path, CHECKPOINT_FORMAT)

    def resume(older):
        metadata["training"][name] = older
        save_tensors(path, tensors, metadata, CHECKPOINT_FORMAT)
        trainer = Trainer(epochs=2, **{name: deepcopy(value)})
        return trainer.fit(FullyConnectedNet([4, 2]), *data, checkpoint=path, resume=True)

    assert resume(older) == history
    with pytest.raises(OtherTrainingError, match=f"its {name} is Other"):
        resume("Other")
