"""Sweeps of several machines on one database: a real PostgreSQL, in a folder and on a port of its own."""

import json
import multiprocessing
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import optuna
import pytest
from click.testing import CliRunner
from command_line import fcnet
from sqlalchemy.engine.default import DefaultDialect
from sweeps import asked_for, kill_self, trials_in

from fcnet.cli import main
from fcnet.errors import FcnetError, SettingError
from fcnet.experiments.sweep import claim, storage, winner
from fcnet.experiments.sweep import study as studies
from fcnet.experiments.sweep.plan import Plan, make_plan
from fcnet.experiments.sweep.run import sweep
from fcnet.experiments.sweep.storage import Database
from fcnet.experiments.sweep.study import account, opened, trials_of

pytestmark = pytest.mark.any_kernel

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


class Server:
    """A PostgreSQL of its own, which does not run as root."""

    def __init__(self, programs):
        self.programs, self.folder = programs, Path(tempfile.mkdtemp())
        self.user = {"user": "nobody"} if os.geteuid() == 0 else {}
        if self.user:
            shutil.chown(self.folder, "nobody")
        (self.folder / "password").write_text(PASSWORD)
        (self.folder / "password").chmod(0o644)
        self._run("initdb", "-U", "fcnet", f"--pwfile={self.folder / 'password'}", "-A", "scram-sha-256", "--no-sync")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"postgresql://fcnet:{PASSWORD}@127.0.0.1:{self.port}/postgres"
        self.start()

    def _run(self, program, *words):
        words = [str(self.programs / program), "-D", str(self.folder / "data"), *words]
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL, cwd=self.folder, **self.user)

    def start(self):
        options = f"-p {self.port} -h 127.0.0.1 -k {self.folder} -F"
        self._run("pg_ctl", "-w", "-t", "300", "-l", str(self.folder / "log"), "-o", options, "start")

    def stop(self):
        self._run("pg_ctl", "-m", "immediate", "stop")

    def away(self, seconds, is_noticed):
        """Stop it, and start it again a while after that was noticed; return the thread that does."""

        def come_back():
            until = time.monotonic() + 600
            while not is_noticed() and time.monotonic() < until:
                time.sleep(0.05)
            time.sleep(seconds)
            self.start()

        self.stop()
        back = threading.Thread(target=come_back)
        back.start()
        return back


@pytest.fixture(scope="module")
def server():
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)  # where Debian's packages have them
    if programs is None:
        pytest.skip("PostgreSQL is not here")
    server = Server(programs)
    yield server
    server.stop()
    shutil.rmtree(server.folder)


@pytest.fixture
def url(server):
    return server.url


@pytest.fixture(autouse=True)
def every_epoch(monkeypatch):
    """Tell of every epoch, however short it is."""
    monkeypatch.setattr("fcnet.experiments.sweep.trial.TELL_SECONDS", 0.0)


@pytest.fixture
def recipe(tmp_path):
    (tmp_path / "mine.toml").write_text(RECIPE)
    return str(tmp_path / "mine.toml")


def run_sweep(folder, recipe, database=None, *, tell=lambda now: None, trials=4, jobs=1, **settings):
    settings = {"pruner": "none", "sampler": "random", "engine": "numpy", "threads": 1} | settings
    plan = make_plan("digits", folder, recipe=recipe, trials=trials, winner_seeds=1, **settings)
    return sweep(*plan, database=database, tell=tell, jobs=jobs)


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
            if len(calls) == 5:  # in the second trial
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


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("dies", [False, True])
def test_a_machine_waits_for_the_one_that_trains_the_finalists_and_follows_it_if_it_dies(
    url, recipe, tmp_path, monkeypatch, caplog, dies
):
    context, database = multiprocessing.get_context("fork"), Database(f"finalists {dies}", url)
    trains, is_waited_for = context.Event(), context.Event()
    monkeypatch.setattr(claim, "HEARTBEAT", 0.1)
    monkeypatch.setattr(claim, "GRACE", 1 if dies else 3600)

    def first():
        def train(*run, train=winner.train, **settings):
            trains.set()
            assert is_waited_for.wait(600)
            if dies:
                os.kill(os.getpid(), signal.SIGKILL)
            return train(*run, **settings)

        winner.train = train
        run_sweep(tmp_path / "one", recipe, database)

    machine = context.Process(target=first, daemon=True)
    machine.start()
    assert trains.wait(600)
    caplog.set_level("INFO", "fcnet")
    monkeypatch.setattr(claim.time, "sleep", lambda seconds, sleep=time.sleep: (is_waited_for.set(), sleep(seconds)))
    found = run_sweep(tmp_path / "two", recipe, database)
    machine.join()
    assert machine.exitcode == (-signal.SIGKILL if dies else 0)
    assert "The finalists are being trained in" in caplog.text
    assert (found["winner"] is None) == (not dies)
    assert (f"The finalists were trained in {socket.gethostname()}:{tmp_path / 'one'}" in caplog.text) == (not dies)
    assert dies or json.loads((tmp_path / "one/sweep.json").read_text())["winner"] is not None
    assert run_sweep(tmp_path / "three", recipe, database)["winner"] is None


def test_a_machine_that_has_ended_more_trials_trains_the_finalists_again(recipe, tmp_path, monkeypatch):
    """Each result reads the test rows once, and a later one says which it replaces."""
    asked, tested = asked_for(monkeypatch), []
    monkeypatch.setattr(claim, "CLAIM_SECONDS", 0)
    database = Database("more", f"sqlite:///{tmp_path / 'shared.db'}")
    for folder, trials in (("one", 1), ("two", 4), ("two", 4), ("three", 4), ("one", 4)):
        found = run_sweep(tmp_path / folder, recipe, database, trials=trials, resume=True)
        tested.append((folder, len(asked) - asked.count(0), found["winner_in"], found["winner"]))
    place = f"{socket.gethostname()}:{tmp_path.resolve()}"
    assert [(folder, n, there) for folder, n, there, _ in tested] == [
        ("one", 2, None),  # its network, and the ensemble of that one
        ("two", 4, None),
        ("two", 4, None),
        ("three", 4, f"{place}/two"),
        ("one", 4, f"{place}/two"),
    ]
    first, second, again, *others = [winner for *_, winner in tested]
    words = f"This winner replaces the one that was found with 1 trials in {place}/one, which is out of date."
    assert (first["trial"], len(second["finalists"]), others) == (0, 2, [None, None])
    assert [words in winner["warnings"] for winner in (first, second, again)] == [False, True, True]


def test_trials_that_end_while_a_machine_waits_are_those_of_its_final(recipe, tmp_path, monkeypatch):
    database, waits = Database("meanwhile", f"sqlite:///{tmp_path / 'shared.db'}"), []

    def say(said, trials=()):
        with opened(tmp_path, Plan.read(tmp_path / "one"), database=database) as study:
            study.set_user_attr(claim.FINAL, {"in": "another", **said})
            study.add_trials(trials)

    def wait(seconds):
        waits.append(seconds)
        if len(waits) == 1:
            say({"ended": 0}, [optuna.trial.create_trial(value=0.5)])

    monkeypatch.setattr(claim.time, "sleep", wait)
    found = run_sweep(tmp_path / "one", recipe, database, trials=1, tell=lambda now: now.ended or say({"at": 0.0}))
    assert found["n_trials"] == 2
    assert found["winner"]["trial"] == 0
    assert waits == [claim.HEARTBEAT, claim.CLAIM_SECONDS]


def test_a_study_does_not_move_between_its_folder_and_a_database(recipe, tmp_path, monkeypatch):
    words = ["sweep", "digits", "--recipe", recipe, "--trials", 1, "--winner-seeds", 0, "--engine", "numpy", "--out"]
    url = f"sqlite:///{tmp_path / 'shared.db'}"
    fcnet(*words, tmp_path / "here")
    fcnet(*words, tmp_path / "there", "--storage", url)
    before = [(tmp_path / name / "sweep.json").read_text() for name in ("here", "there")]
    said = fcnet(*words, tmp_path / "there", "--resume", code=2).stderr
    assert f"The trials of {tmp_path / 'there'} are in a database: give --storage or FCNET_STORAGE" in said
    assert not (tmp_path / "there" / "study.db").exists()
    monkeypatch.setenv("FCNET_STORAGE", url)
    said = fcnet(*words, tmp_path / "here", "--resume", code=2).stderr
    assert f"The trials of {tmp_path / 'here'} are in its study.db: leave out --storage, and unset FCNET_STORAGE" in said
    assert [(tmp_path / name / "sweep.json").read_text() for name in ("here", "there")] == before


def test_a_machine_that_is_stopped_leaves_a_trial_that_another_has_taken_up(recipe, tmp_path):
    database = Database("taken up", f"sqlite:///{tmp_path / 'shared.db'}")

    def tell(now):
        if now.running:
            with opened(tmp_path, Plan.read(tmp_path / "one"), database=database) as study:
                study._storage.set_trial_user_attr(now.running[0]._trial_id, "worker", "another")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_sweep(tmp_path / "one", recipe, database, tell=tell)
    assert [trial.user_attrs["worker"] for trial in studies.read_account(tmp_path, database).running] == ["another"]


def test_a_study_of_another_plan_is_refused(url, recipe, tmp_path):
    database = Database("refused", url)
    run_sweep(tmp_path / "one", recipe, database, trials=1)
    with pytest.raises(SettingError, match="'refused' was begun with another settings.training.epochs: choose another --study"):
        run_sweep(tmp_path / "two", recipe, database, changes=["epochs=3"])
    assert not (tmp_path / "two").exists()


def test_a_password_is_kept_out_of_files_and_messages(url, recipe, tmp_path):
    words = ["sweep", "digits", "--recipe", recipe, "--trials", "1", "--winner-seeds", "1", "--engine", "numpy"]
    environment = {"FCNET_STORAGE": url}
    result = CliRunner().invoke(main, [*words, "--out", str(tmp_path / "one"), "--jobs", "2"], env=environment)
    assert result.exit_code == 0, result.output
    assert PASSWORD not in result.output
    files = [path for path in (tmp_path / "one").rglob("*") if path.is_file()]
    assert not [path for path in files if PASSWORD.encode() in path.read_bytes()]
    for wrong in (url.replace("127.0.0.1:", "127.0.0.1:1"), url.replace("fcnet:", "nobody:")):
        result = CliRunner().invoke(main, [*words, "--resume", "--out", str(tmp_path / "two"), "--storage", wrong])
        assert result.exit_code == 1
        assert "Error: The database of --storage cannot be used" in result.stderr
        assert PASSWORD not in result.output


def test_an_address_with_an_empty_password_leaves_messages_as_they_are(recipe, tmp_path):
    with pytest.raises(FcnetError, match="The database of --storage cannot be used: connection failed") as caught:
        run_sweep(tmp_path / "one", recipe, Database("a", "postgresql://fcnet:@127.0.0.1:1/a"))
    assert "*" not in str(caught.value)
    assert not (tmp_path / "one").exists()


def test_a_kind_of_database_without_a_driver_is_named(recipe, tmp_path):
    with pytest.raises(FcnetError, match="--storage needs a driver for this kind of database"):
        run_sweep(tmp_path / "one", recipe, Database("a", f"mysql://me:{PASSWORD}@127.0.0.1:1/a"))
    assert not (tmp_path / "one").exists()
    assert PASSWORD not in repr(Database("a", f"mysql://me:{PASSWORD}@127.0.0.1:1/a"))


@pytest.mark.parametrize(("jobs", "seconds"), [(1, 1), pytest.param(2, 30, marks=pytest.mark.slow)])
def test_a_database_that_stops_for_a_while_is_waited_for(server, recipe, tmp_path, capfd, caplog, jobs, seconds):
    outages = []

    def tell(now):
        if (jobs > 1 or now.running) and len(now.ended) >= 1 + 2 * len(outages):  # of one worker in the midst of a trial
            n = len(outages) + 1
            outages.append(server.away(seconds, lambda: len(said()) >= n))

    def said():
        return [message for message in caplog.messages if "database" in message]

    caplog.set_level("INFO", "fcnet")
    found = run_sweep(tmp_path / "one", recipe, Database(f"away {jobs} {seconds}", server.url), tell=tell, jobs=jobs)
    for back in outages:
        back.join()
    assert trials_in(found) == trials_in(run_sweep(tmp_path / "unbroken", recipe))
    assert len(said()) == len(outages) > 0
    assert set(said()) == {"The database of --storage does not answer: waiting for it, at most 5 minutes"}
    assert "Traceback" not in "".join(capfd.readouterr())


def test_a_database_that_stays_away_is_one_clear_line(server, recipe, tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(studies, "PATIENCE", 1.0)
    database, calls = Database("stays away", server.url), []

    def tell(now):
        calls.append(now)
        if len(calls) == 5:
            server.stop()

    with pytest.raises(FcnetError, match=r"The database of --storage cannot be used: .*give the same command again"):
        run_sweep(tmp_path / "one", recipe, database, tell=tell)
    server.start()
    monkeypatch.setattr(storage, "GRACE", 1)
    found = run_sweep(tmp_path / "one", recipe, database, resume=True)
    assert trials_in(found) == trials_in(run_sweep(tmp_path / "unbroken", recipe))
    assert "Traceback" not in "".join(capfd.readouterr())


def test_an_answer_that_is_lost_costs_and_doubles_no_trial(recipe, tmp_path, monkeypatch):
    """A trial is taken, begun, or ended; the database has written that, but its answer does not arrive."""
    monkeypatch.setattr(storage, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(storage, "HEARTBEAT", 1)
    monkeypatch.setattr(storage, "GRACE", 1)
    expected = trials_in(run_sweep(tmp_path / "unbroken", recipe))
    commits, calls = [], []

    def commit(dialect, connection):
        connection.commit()
        commits.append(connection)
        if calls and len(commits) % 4 == 0 and len(commits) < 80:
            raise sqlite3.OperationalError("the connection is lost")

    monkeypatch.setattr(DefaultDialect, "do_commit", commit)
    found = run_sweep(tmp_path / "one", recipe, Database("lost", f"sqlite:///{tmp_path / 'shared.db'}"), tell=calls.append)
    assert trials_in(found) == expected


@pytest.mark.parametrize("n_calls", [2, 3])
def test_ctrl_c_ends_the_wait_for_a_database(recipe, tmp_path, monkeypatch, n_calls):
    calls, waits = [], []

    def commit(dialect, connection):
        if len(calls) >= n_calls:
            raise sqlite3.OperationalError("the connection is lost")
        connection.commit()

    def stop(seconds):
        waits.append(seconds)
        raise KeyboardInterrupt

    database = Database("stopped", f"sqlite:///{tmp_path / 'shared.db'}")
    with monkeypatch.context() as patch:
        patch.setattr(DefaultDialect, "do_commit", commit)
        patch.setattr(storage.time, "sleep", stop)
        with pytest.raises(KeyboardInterrupt):
            run_sweep(tmp_path / "one", recipe, database, tell=calls.append)
    assert len(waits) == 1
    monkeypatch.setattr(storage, "GRACE", 1)
    assert trials_in(run_sweep(tmp_path / "one", recipe, database, resume=True)) == trials_in(
        run_sweep(tmp_path / "unbroken", recipe)
    )


def test_a_server_that_says_nothing_is_not_waited_for_at_the_beginning(recipe, tmp_path, monkeypatch):
    monkeypatch.setattr(storage, "CONNECT_SECONDS", 2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://fcnet:{PASSWORD}@127.0.0.1:{silent.getsockname()[1]}/postgres"
        with pytest.raises(FcnetError, match=r"The database of --storage cannot be used: .*timeout"):
            run_sweep(tmp_path / "one", recipe, Database("silent", url))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_one_of_two_machines_killed_at_ten_random_moments(url, recipe, tmp_path, monkeypatch):
    monkeypatch.setattr(storage, "HEARTBEAT", 1)
    monkeypatch.setattr(storage, "GRACE", 3)
    monkeypatch.setattr(studies, "ATTEMPTS", 100)
    context, rng, database = multiprocessing.get_context("fork"), np.random.default_rng(0), Database("ten kills", url)
    kills = context.Value("i", 0)

    def killed(at, seconds):
        run_sweep(tmp_path / "one", recipe, database, tell=kill_self(at, seconds, 6), trials=100, resume=True)

    def other():
        def tell(now):
            while kills.value < 10 and len(now.ended) > 8 * (kills.value + 1):
                time.sleep(0.05)  # leave work for the lives to come

        run_sweep(tmp_path / "two", recipe, database, tell=tell, trials=100)

    run_sweep(tmp_path / "one", recipe, database, trials=1)  # of two that begin it at once both may add the plain recipe
    second = context.Process(target=other)
    second.start()
    for _ in range(10):
        first = context.Process(target=killed, args=(int(rng.integers(1, 9)), rng.uniform(0, 0.2)))
        first.start()
        first.join()
        assert first.exitcode == -signal.SIGKILL
        kills.value += 1
    found = run_sweep(tmp_path / "one", recipe, database, trials=100, resume=True)
    second.join()
    assert second.exitcode == 0
    assert trials_in(found) == trials_in(run_sweep(tmp_path / "unbroken", recipe, trials=100))


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_machines_that_begin_at_once_in_an_empty_database_make_its_tables_once(server, recipe, tmp_path):
    import psycopg

    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE empty")
    context, url = multiprocessing.get_context("fork"), server.url.replace("/postgres", "/empty")
    together, (_, plan) = context.Barrier(4), make_plan("digits", tmp_path / "one", recipe=recipe)
    assert studies.read_account(tmp_path, Database("none", url)) == account([])
    with psycopg.connect(url) as connection:  # who reads has made no tables
        assert connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (0,)

    def begin():
        together.wait()
        with opened(tmp_path, plan, database=Database("none", url)):
            pass

    machines = [context.Process(target=begin) for _ in range(4)]
    for machine in machines:
        machine.start()
    for machine in machines:
        machine.join()
    assert [machine.exitcode for machine in machines] == [0] * 4
    assert len(studies.read_account(tmp_path, Database("none", url)).waiting) == 1
