"""A run that is killed, again and again, is the run that never was."""

import multiprocessing
import os
import random
import re
import signal
import sys
import time

import pytest

from fcnet.cli import main
from fcnet.training.callbacks import Progress
from fcnet.training.checkpoint import epoch_of
from fcnet.training.history import History

EPOCHS = 300
SETTINGS = ["hidden=[64,32]", "input_dropout=0.1", "update=adam", "learning_rate=0.002"]
HELD_SECONDS = 600  # far longer than a loaded machine lets a test wait for the processor

pytestmark = [
    pytest.mark.any_kernel,
    pytest.mark.skipif(os.name != "posix", reason="processes are forked"),
    pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning"),
]


def words(run, epochs=EPOCHS):
    changes = [word for setting in [f"epochs={epochs}", *SETTINGS] for word in ("--set", setting)]
    return ["train", "digits", "--out", str(run), "--checkpoint-seconds", "0.02", *changes]


def fork(function):
    """Run a function in a process of its own, in a session of its own, which as a copy of this one begins at once."""

    def begin():
        os.setsid()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        function()

    process = multiprocessing.get_context("fork").Process(target=begin)
    process.start()
    return process


def wait_for_epochs(run, n, process):
    history = run / "history.jsonl"
    while not history.exists() or history.read_bytes().count(b"\n") < n:
        assert process.exitcode is None, "the run ended before it could be stopped"
        time.sleep(0.001)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    run = tmp_path_factory.mktemp("unbroken") / "run"
    main(words(run), standalone_mode=False)
    return run


@pytest.mark.parametrize(
    ("how", "times"), [pytest.param(signal.SIGKILL, 10, marks=pytest.mark.slow), (signal.SIGKILL, 2), (signal.SIGINT, 3)]
)
def test_kills_at_random_moments(tmp_path, unbroken, how, times):
    killed = tmp_path / "killed"
    moments = random.Random(0)
    share = EPOCHS // (times + 1)

    def train(last):
        """Train, and hold before an epoch after the `last`: however late this process kills it, it has not ended."""
        Progress.on_epoch_begin = lambda self, state: time.sleep(HELD_SECONDS if state.epoch >= last else 0)
        main([*words(killed), "--resume"])

    for attempt in range(times):
        last = (attempt + 1) * share
        process = fork(lambda last=last: train(last))
        if attempt % 5 == 4:
            time.sleep(moments.uniform(0, 0.5))  # at any moment, before training begins too
        else:
            wait_for_epochs(killed, moments.randint(last - share + 1, last - share // 2), process)
            time.sleep(moments.uniform(0, 0.05))
        os.kill(process.pid, how)
        process.join()
        assert process.exitcode == (1 if how is signal.SIGINT else -how)
    assert 0 < epoch_of(killed / "checkpoint.safetensors") <= last
    main([*words(killed), "--resume"], standalone_mode=False)
    for name in ("model.safetensors", "history.jsonl"):
        assert (killed / name).read_bytes() == (unbroken / name).read_bytes()
    assert not list(killed.glob(".*.tmp"))


@pytest.mark.parametrize("times", [1, 2])
def test_sigterm_stops_a_run_as_ctrl_c_does(tmp_path, monkeypatch, times):
    """Sent twice, as by `timeout`, it is one stop: nothing that has been trained is lost."""
    run, epochs, log = tmp_path / "run", 10**6, tmp_path / "log"
    monkeypatch.setattr("fcnet.cli.stopping.SAME_STOP_SECONDS", HELD_SECONDS)  # the second may be late on a loaded machine

    def train():
        sys.stderr = log.open("w", buffering=1)
        main([*words(run, epochs), "--checkpoint-seconds", "1000"])

    process = fork(train)
    wait_for_epochs(run, 20, process)
    for _ in range(times):
        process.terminate()
        time.sleep(0.01)
    process.join()
    assert process.exitcode == 1
    done = len(History.from_jsonl((run / "history.jsonl").read_text()))
    assert epoch_of(run / "checkpoint.safetensors") >= done - 1  # an epoch may be stopped at its very end
    told = rf"Stopped after epoch {done} of {epochs}. Go on with.*: fcnet train digits --out {run} --resume"
    assert re.search(told, log.read_text())
    assert (run / "model.safetensors").exists()
    assert (run / "report.html").exists()
    assert not (run / "metrics.json").exists()
