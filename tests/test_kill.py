"""A run that is killed, again and again, is the run that never was."""

import multiprocessing
import os
import random
import re
import signal
import subprocess
import sys
import time

import pytest

from fcnet.cli import main
from fcnet.training.checkpoint import epoch_of
from fcnet.training.history import History

SETTINGS = ["epochs=300", "hidden=[64,32]", "input_dropout=0.1", "update=adam", "learning_rate=0.002"]


def words(run):
    changes = [word for setting in SETTINGS for word in ("--set", setting)]
    return ["train", "digits", "--out", str(run), "--checkpoint-seconds", "0.02", *changes]


def train(run, *options):
    """Train in a process of its own, in a session of its own, which as a copy of this one begins at once."""

    def begin():
        os.setsid()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        main([*words(run), *options])

    process = multiprocessing.get_context("fork").Process(target=begin)
    process.start()
    return process


def changed(path, since):
    try:
        return path.stat().st_mtime_ns != since
    except FileNotFoundError:
        return False


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    run = tmp_path_factory.mktemp("unbroken") / "run"
    main(words(run), standalone_mode=False)
    return run


@pytest.mark.skipif(os.name != "posix", reason="processes are forked")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize(("how", "times"), [(signal.SIGKILL, 10), (signal.SIGINT, 3)])
def test_kills_at_random_moments(tmp_path, unbroken, how, times):
    killed = tmp_path / "killed"
    checkpoint = killed / "checkpoint.safetensors"
    moments = random.Random(0)
    for attempt in range(times):
        before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
        process = train(killed, "--resume")
        if attempt % 5 == 4:
            time.sleep(moments.uniform(0, 0.5))  # at any moment, before training begins too
        else:
            while not changed(checkpoint, before):
                assert process.exitcode is None, "the run ended before it could be killed"
                time.sleep(0.001)
            time.sleep(moments.uniform(0, 0.05))
        os.kill(process.pid, how)
        process.join()
        assert process.exitcode != 0
    main([*words(killed), "--resume"], standalone_mode=False)
    for name in ("model.safetensors", "history.jsonl"):
        assert (killed / name).read_bytes() == (unbroken / name).read_bytes()
    assert not list(killed.glob(".*.tmp"))


@pytest.mark.parametrize("times", [1, 2])
def test_sigterm_stops_a_run_as_ctrl_c_does(tmp_path, times):
    """Sent twice, as by `timeout`, it is one stop: nothing that has been trained is lost."""
    run = tmp_path / "run"
    options = ["--checkpoint-seconds", "1000"]
    process = subprocess.Popen(
        [sys.executable, "-m", "fcnet", *words(run), *options], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    while not (run / "history.jsonl").exists() or (run / "history.jsonl").read_bytes().count(b"\n") < 20:
        assert process.poll() is None, "the run ended before it could be stopped"
        time.sleep(0.005)
    for _ in range(times):
        process.terminate()
        time.sleep(0.01)
    _, told = process.communicate()
    assert process.returncode == 1
    epochs = len(History.from_jsonl((run / "history.jsonl").read_text()))
    assert epoch_of(run / "checkpoint.safetensors") >= epochs - 1  # an epoch may be stopped at its very end
    assert re.search(rf"Stopped after epoch {epochs} of 300. Go on with.*: fcnet train digits --out {run} --resume", told)
    assert (run / "model.safetensors").exists()
    assert (run / "report.html").exists()
    assert not (run / "metrics.json").exists()
