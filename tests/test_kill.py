"""A run that is killed, again and again, is the run that never was."""

import random
import signal
import subprocess
import sys
import time

import pytest

SETTINGS = ["epochs=1200", "hidden=[64,32]", "input_dropout=0.1", "update=adam", "learning_rate=0.002"]


def command(run):
    changes = [word for setting in SETTINGS for word in ("--set", setting)]
    return [sys.executable, "-m", "fcnet.cli", "train", "digits", "--out", str(run), "--checkpoint-seconds", "0.05", *changes]


def changed(path, since):
    try:
        return path.stat().st_mtime_ns != since
    except FileNotFoundError:
        return False


@pytest.mark.parametrize(("how", "times"), [(signal.SIGKILL, 10), (signal.SIGINT, 3)])
def test_kills_at_random_moments(tmp_path, how, times):
    unbroken, killed = tmp_path / "unbroken", tmp_path / "killed"
    subprocess.run(command(unbroken), check=True, capture_output=True)
    checkpoint = killed / "checkpoint.safetensors"
    moments = random.Random(0)
    for attempt in range(times):
        before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
        process = subprocess.Popen(
            [*command(killed), "--resume"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        if attempt % 5 == 4:
            time.sleep(moments.uniform(0, 1))  # at any moment, before training begins too
        else:
            while not changed(checkpoint, before):
                assert process.poll() is None, "the run ended before it could be killed"
                time.sleep(0.005)
            time.sleep(moments.uniform(0, 0.2))
        process.send_signal(how)
        assert process.wait() != 0
    subprocess.run([*command(killed), "--resume"], check=True, capture_output=True)
    for name in ("model.safetensors", "history.jsonl"):
        assert (killed / name).read_bytes() == (unbroken / name).read_bytes()
    assert not list(killed.glob(".*"))


def test_sigterm_stops_a_run_as_ctrl_c_does(tmp_path):
    run = tmp_path / "run"
    process = subprocess.Popen(command(run), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    while not (run / "checkpoint.safetensors").exists():
        assert process.poll() is None, "the run ended before it could be stopped"
        time.sleep(0.005)
    process.terminate()
    _, told = process.communicate()
    assert process.returncode == 1
    assert f"Stopped. Go on with: fcnet train digits --out {run} --resume" in told
    assert (run / "model.safetensors").exists()
    assert not (run / "metrics.json").exists()
