"""A run that is killed, again and again, is the run that never was."""

import random
import signal
import subprocess
import sys
import time

import pytest

MORE = [
    "--set",
    "epochs=150",
    "--set",
    "hidden=[64,32]",
    "--set",
    "input_dropout=0.1",
    "--set",
    "update=adam",
    "--set",
    "learning_rate=0.002",
]


def command(run):
    return [
        sys.executable,
        "-m",
        "fcnet.cli",
        "train",
        "digits",
        "--out",
        str(run),
        "--seed",
        "3",
        "--checkpoint-seconds",
        "0.05",
        *MORE,
    ]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_ten_kills_at_random_moments(tmp_path, how):
    unbroken, killed = tmp_path / "unbroken", tmp_path / "killed"
    started = time.monotonic()
    subprocess.run(command(unbroken), check=True, capture_output=True)
    whole = time.monotonic() - started
    moments = random.Random(0)
    kills = 0
    for _ in range(10):
        process = subprocess.Popen([*command(killed), "--resume"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(moments.uniform(0.1, 0.9) * whole)
            assert process.returncode == 0
        except subprocess.TimeoutExpired:
            process.send_signal(how)
            process.wait()
            kills += 1
    subprocess.run([*command(killed), "--resume"], check=True, capture_output=True)
    assert kills >= 3
    for name in ("model.safetensors", "history.jsonl"):
        assert (killed / name).read_bytes() == (unbroken / name).read_bytes()
    assert not list(killed.glob(".*"))
