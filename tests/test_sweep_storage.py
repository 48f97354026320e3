"""Sweeps of several machines on one database: a real PostgreSQL, in a folder and on a port of its own."""

import multiprocessing
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from fcnet.cli import main
from fcnet.errors import FcnetError, SettingError
from fcnet.experiments.sweep import storage
from fcnet.experiments.sweep.plan import Plan, make_plan
from fcnet.experiments.sweep.run import sweep
from fcnet.experiments.sweep.storage import Database
from fcnet.experiments.sweep.study import account, opened, trials_of

PASSWORD = "s3cret"
RECIPE = """
[network]
hidden_sizes = [8]

[training]
kind = "gradient"
epochs = 2
batch_size = 300

[sweep]
learning_rate = { low = 1e-2, high = 0.1, log = true }
"""


@pytest.fixture(scope="module")
def url():
    """Start a PostgreSQL, and return the address of its database; it does not run as root."""
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)  # where Debian's packages have them
    if programs is None:
        pytest.skip("PostgreSQL is not here")
    folder = Path(tempfile.mkdtemp())
    user = {"user": "nobody"} if os.geteuid() == 0 else {}
    if user:
        shutil.chown(folder, "nobody")
    (folder / "password").write_text(PASSWORD)
    (folder / "password").chmod(0o644)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def run(program, *words):
        words = [str(programs / program), "-D", str(folder / "data"), *words]
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL, cwd=folder, **user)

    run("initdb", "-U", "fcnet", f"--pwfile={folder / 'password'}", "-A", "scram-sha-256", "--no-sync")
    run("pg_ctl", "-w", "-l", str(folder / "log"), "-o", f"-p {port} -h 127.0.0.1 -k {folder} -F", "start")
    yield f"postgresql://fcnet:{PASSWORD}@127.0.0.1:{port}/postgres"
    run("pg_ctl", "-m", "immediate", "stop")
    shutil.rmtree(folder)


@pytest.fixture
def recipe(tmp_path):
    (tmp_path / "mine.toml").write_text(RECIPE)
    return str(tmp_path / "mine.toml")


def run_sweep(folder, recipe, database, *, tell=lambda now: None, trials=4, **settings):
    own = {"trials": trials, "winner_seeds": 1, "pruner": "none"}
    plan = make_plan("digits", folder, recipe=recipe, own=own, engine="numpy", threads=1, **settings)
    return sweep(*plan, database=database, tell=tell)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_machine_dies_and_another_takes_up_its_trial(url, recipe, tmp_path, monkeypatch):
    monkeypatch.setattr("fcnet.experiments.sweep.trial.TELL_SECONDS", -1)  # after every epoch
    monkeypatch.setattr(storage, "HEARTBEAT", 1)
    monkeypatch.setattr(storage, "GRACE", 2)
    database = Database("killed", url)

    def killed():
        calls = []

        def tell(now):
            calls.append(now)
            if len(calls) == 4:  # in the second trial
                os.kill(os.getpid(), signal.SIGKILL)

        run_sweep(tmp_path / "one", recipe, database, tell=tell)

    process = multiprocessing.get_context("fork").Process(target=killed)
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    found = run_sweep(tmp_path / "two", recipe, database)
    assert found["n_trials"] == 4
    assert {trial["state"] for trial in found["trials"]} == {"finished"}
    with opened(tmp_path, Plan.read(tmp_path / "two"), database=database) as study:
        trials = trials_of(study)
    assert [trial.number for trial in account(trials).ended] == [trial["number"] for trial in found["trials"]] == [0, 1, 2, 3]
    assert trials[1].user_attrs["attempt"] == 2
    assert found["winner"]["seeds"] == [1]
    assert run_sweep(tmp_path / "three", recipe, database)["winner"] is None  # the second machine has trained it


def test_a_study_of_another_plan_is_refused(url, recipe, tmp_path):
    database = Database("refused", url)
    run_sweep(tmp_path / "one", recipe, database, trials=1)
    with pytest.raises(SettingError, match="'refused' was begun with another settings.training.epochs: choose another --study"):
        run_sweep(tmp_path / "two", recipe, database, changes=["epochs=3"])


def test_a_password_is_kept_out_of_files_and_messages(url, recipe, tmp_path):
    words = ["sweep", "digits", "--recipe", recipe, "--trials", "1", "--winner-seeds", "1", "--engine", "numpy"]
    environment = {"FCNET_STORAGE": url}
    result = CliRunner().invoke(main, [*words, "--out", str(tmp_path / "one"), "--jobs", "2"], env=environment)
    assert result.exit_code == 0, result.output
    assert PASSWORD not in result.output
    files = [path for path in (tmp_path / "one").rglob("*") if path.is_file()]
    assert not [path for path in files if PASSWORD.encode() in path.read_bytes()]
    for wrong in (url.replace("127.0.0.1:", "127.0.0.1:1"), url.replace("fcnet:", "nobody:"), f"nonsense:{PASSWORD}@here"):
        result = CliRunner().invoke(main, [*words, "--resume", "--out", str(tmp_path / "two"), "--storage", wrong])
        assert result.exit_code == 1
        assert "Error: The database of --storage cannot be used" in result.stderr
        assert PASSWORD not in result.output


def test_a_kind_of_database_without_a_driver_is_named(recipe, tmp_path):
    with pytest.raises(FcnetError, match="--storage needs a driver for this kind of database"):
        run_sweep(tmp_path / "one", recipe, Database("a", f"mysql://me:{PASSWORD}@127.0.0.1:1/a"))
    assert PASSWORD not in repr(Database("a", f"mysql://me:{PASSWORD}@127.0.0.1:1/a"))
