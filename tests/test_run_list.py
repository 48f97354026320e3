"""The list of runs: states, results, what differs, selection, and following."""

import csv
import io
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from command_line import fcnet as command

from fcnet.cli import main
from fcnet.errors import DivergedError, SettingError
from fcnet.experiments import history_end
from fcnet.experiments import run as runs
from fcnet.experiments.config import Config
from fcnet.experiments.folder import owned
from fcnet.experiments.history_end import HistoryEnd
from fcnet.experiments.members import train_members
from fcnet.experiments.recipe import load_recipe
from fcnet.experiments.results import read_history, read_metrics
from fcnet.experiments.run_selection import chosen
from fcnet.experiments.runs import RunRow, Runs, differing
from fcnet.training.callbacks import Callback

OLD = Path(__file__).parent / "fixtures" / "runs-0.1.0"
BASE = ["epochs=3", "hidden_sizes=[8]", "batch_size=100"]


def train(run, *changes, callbacks=(), **options):
    runs.train(run, Config("digits", "digits", load_recipe("digits", [*BASE, *changes]), **options), callbacks=callbacks)


class StopAfter(Callback):
    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_end(self, state):
        if state.epoch == self.epoch:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with runs in every state."""
    folder = tmp_path_factory.mktemp("work") / "runs"
    train(folder / "a", "learning_rate=0.01")
    runs.evaluate(folder / "a")
    train(folder / "deep" / "b", "learning_rate=0.1", seed=1)
    with pytest.raises(KeyboardInterrupt):
        train(folder / "stopped", callbacks=[StopAfter(2)])
    with pytest.raises(DivergedError):
        train(folder / "wild", "learning_rate=1e6")
    killed = Path(shutil.copytree(folder / "stopped", folder / "killed"))
    status = json.loads((killed / "status.json").read_text())
    (killed / "status.json").write_text(json.dumps({key: status[key] for key in ("command", "pid", "host", "since")}))
    half = Path(shutil.copytree(folder / "a", folder / "no-config"))
    (half / "config.toml").unlink()
    for name, file, text in (
        ("bad-config", "config.toml", "x ="),
        ("bad-metrics", "metrics.json", '{"val_acc'),
        ("bad-history", "history.jsonl", "{]\n"),
    ):
        (Path(shutil.copytree(folder / "a", folder / name)) / file).write_text(text)
    (folder / "nothing").mkdir()
    return folder


def rows_of(folder):
    return {row.run.name: row for row in Runs(folder).rows()}


def fcnet(*words, code=0):
    result = CliRunner().invoke(main, ["runs", *map(str, words)])
    assert result.exit_code == code, result.output + repr(result.exception)
    return result.output


def test_every_run_below_a_folder_says_how_it_stands(folder):
    rows = rows_of(folder)
    assert {name: row.state for name, row in rows.items()} == {
        "a": "finished",
        "b": "finished",
        "stopped": "stopped",
        "killed": "killed",
        "wild": "diverged",
        **dict.fromkeys(("no-config", "bad-config", "bad-metrics", "bad-history"), "damaged"),
    }
    assert "config.toml" in rows["no-config"].reason
    assert "config.toml is damaged" in rows["bad-config"].reason
    assert "metrics.json is damaged" in rows["bad-metrics"].reason
    assert "history.jsonl is damaged" in rows["bad-history"].reason
    assert "learning_rate = 1e+06" in rows["wild"].reason


def test_a_row_has_the_results_of_its_run(folder):
    rows, metrics, history = rows_of(folder), read_metrics(folder / "a"), read_history(folder / "a")
    a, stopped = rows["a"], rows["stopped"]
    for name in ("val_accuracy", "val_loss", "train_accuracy", "test_accuracy", "epochs", "dataset"):
        assert getattr(a, name) == metrics[name]
    assert (a.loss, a.seconds, a.n_epochs) == (history[-1]["loss"], metrics["fit_seconds"], 3)
    last = read_history(folder / "stopped")[-1]
    assert (stopped.epochs, stopped.loss, stopped.val_accuracy) == (2, last["loss"], last["val_accuracy"])
    assert stopped.test_accuracy is None
    assert stopped.seconds >= 0
    assert (rows["wild"].epochs, rows["wild"].loss) == (0, None)


def test_settings_that_differ_are_those_of_runs_on_the_same_data(folder):
    rows = [row for row in Runs(folder).rows() if row.state != "damaged"]
    differ = {run.name: settings for run, settings in differing(rows).items()}
    assert differ["b"] == {"training.learning_rate": 0.1, "seed": 1}
    assert differ["a"] == {"training.learning_rate": 0.01, "seed": 0}
    assert set(differ["stopped"]) == {"training.learning_rate", "seed"}


def test_runs_of_version_0_1_are_listed():
    rows = Runs(OLD).rows()
    assert len(rows) > 5
    assert {row.state for row in rows} <= {"finished", "unfinished"}
    assert {row.run.name: row.val_accuracy for row in rows}["digits"] == read_metrics(OLD / "digits")["val_accuracy"]


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["--filter", "state=finished"], ["a", "deep/b"]),
        (["--filter", "state=finished", "--sort", "-learning_rate"], ["deep/b", "a"]),
        (["--filter", "state!=damaged", "--sort", "-training.learning_rate", "--filter", "lr>=0.1"], ["wild", "deep/b"]),
        (["--filter", "learning_rate<=0.01", "--filter", "state=finished"], ["a"]),
        (["--filter", "test_accuracy>0"], ["a"]),
        (["--filter", "hidden_sizes=[8]", "--filter", "epochs=2", "--filter", "state=killed"], ["killed"]),
        (["--filter", "seed == 1"], ["deep/b"]),
        (["--filter", "update.kind=nesterov", "--filter", "training.kind=gradient", "--filter", "state=killed"], ["killed"]),
        (["--filter", "training.update=nesterov", "--filter", "training.update.kind!=adam", "--filter", "lr=0.1"], ["deep/b"]),
        (["--filter", "state='finished'", "--filter", "seed!=1"], ["a"]),
        (
            ["--filter", "hidden_sizes=8", "--filter", "keep_best=yes", "--filter", "mirror=off", "--filter", "seed=1"],
            ["deep/b"],
        ),
        (["--filter", "keep_best=no"], []),
        (["--filter", "validation>0%", "--filter", "val_accuracy<100%", "--filter", "test>=0", "--filter", "time>0"], ["a"]),
        (["--filter", "run=b"], ["deep/b"]),
        (["--filter", "run=deep/b", "--filter", "run!=a", "--filter", "data=digits"], ["deep/b"]),
        (["--filter", "drop=name,age"], []),
        (["--sort", "-test", "--filter", "drop=none", "--filter", "state=finished"], ["a", "deep/b"]),
        (["--sort", "loss", "--filter", "dataset=digits", "--filter", "state!=killed"], ["deep/b", "a", "stopped", "wild"]),
    ],
)
def test_runs_are_filtered_and_sorted(folder, words, names):
    found = json.loads(fcnet(folder, *words, "--json"))
    key = [row["run"] for row in found]
    if "loss" in words:  # what the losses are, and of one that has none that it comes last
        losses = [row["loss"] for row in found]
        assert losses[:-1] == sorted(losses[:-1])
        assert losses[-1] is None
        assert sorted(key) == sorted(str(folder / name) for name in names)
    else:
        assert key == [str(folder / name) for name in names]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--filter", "learning_rat=1"], "Did you mean 'learning_rate'"),
        (["--sort", "los"], "Did you mean 'loss'"),
        (["--filter", "loss"], "--filter takes key=value"),
        (["--filter", "epochs=>3"], "--filter takes key=value, or one of < <= > >= != in place of =; got 'epochs=>3'"),
        (["--filter", "state=finshed"], "Unknown state 'finshed'. Did you mean 'finished'? Known: damaged, diverged,"),
        (["--filter", "state<3"], "Unknown state '3'"),
        (["--filter", "state=finished\nx = 1"], "Unknown state 'finished\\nx = 1'"),
        (["--filter", "update=nesterof"], "Did you mean 'nesterov'"),
        (["--filter", "engine=nump"], "Did you mean 'numpy'"),
        (["--filter", "activation=tanch"], "Did you mean 'tanh'"),
        (["--filter", "seed=[[["], "seed is a number; got '[[['"),
        (["--filter", "epochs>half"], "epochs is a number; got 'half'"),
        (["--filter", "epochs>50%"], "epochs is a number; got '50%'"),
        (["--filter", "validation>50"], "validation is a share, of 1 or 100% at most; got '50'. For per cent write 50%."),
        (
            ["--filter", "validaton>50%"],
            "Unknown column or setting 'validaton'. Did you mean 'validation'? Columns: run, state,",
        ),
        (["--filter", "mirror=maybe"], "mirror is yes or no; got 'maybe'"),
        (["--filter", "hidden_sizes=wide"], "hidden_sizes is a list, such as 128,64; got 'wide'"),
        (
            ["--filter", "kind=adam"],
            "training.kind or training.loss.kind or training.schedule.kind or training.update.kind: give",
        ),
        (["--sort", "kind"], "training.kind or training.loss.kind or training.schedule.kind or training.update.kind: give"),
        (["--json", "--csv"], "do not go together"),
        (["--watch"], "--watch needs a terminal"),
    ],
)
def test_wrong_use_is_said_in_a_line(folder, words, message):
    output = fcnet(folder, *words, code=2)
    assert message in output
    assert output.count("\n") == 1


def test_a_value_that_is_text_is_compared_as_text():
    texts = ("12345678", "1e5", "2026-01-02", "true", "a\nb", "10")
    rows = [RunRow(Path(text), "finished", dataset=text, settings={"checksum": text, "seed": 10}) for text in texts]
    for row in rows:
        for key in ("checksum", "dataset", "run"):
            assert chosen(rows, [f"{key}={row.dataset}"]) == [row]
            assert row not in chosen(rows, [f"{key}!={row.dataset}"])
    assert chosen(rows, ["checksum='10'"]) == [rows[5]]
    assert chosen(rows, ["seed=1e1"]) == rows
    with pytest.raises(SettingError, match="seed is a number"):
        chosen(rows, ["seed=" + "1" * 5000])
    assert chosen(rows[:1], ["dataset=12345678"]) == rows[:1]


def test_values_are_written_as_after_set(folder, tmp_path):
    for name, sizes, data in (("one", "[8]", "digits"), ("two", "[128, 64]", "/data/2026/cust.csv"), ("none", "[]", "digits")):
        run = Path(shutil.copytree(folder / "a", tmp_path / name))
        text = (run / "config.toml").read_text()
        text = re.sub(r"hidden_sizes = \[.*?\]", f"hidden_sizes = {sizes}", text, flags=re.S)
        (run / "config.toml").write_text(text.replace('dataset = "digits"', f'dataset = "{data}"'))
    for words, names in (
        (("hidden_sizes=128,64", "hidden_sizes=[128, 64]", "hidden_sizes=(128,64)", "hidden_sizes=128 64"), ["two"]),
        (("dataset=cust.csv", "data=2026/cust.csv", "dataset=/data/2026/cust.csv", "data!=digits"), ["two"]),
        (("dataset=st.csv", "data=2025/cust.csv"), []),
        (("hidden_sizes=none", "hidden_sizes=[]"), ["none"]),
        (("hidden_sizes=8", "hidden_sizes=[8]"), ["one"]),
    ):
        for word in words:
            assert [Path(row["run"]).name for row in json.loads(fcnet(tmp_path, "--filter", word, "--json"))] == names


def test_equal_settings_of_older_runs_are_no_difference(folder, tmp_path):
    for name, run in (("old", OLD / "digits"), ("new", folder / "a")):
        shutil.copytree(run, tmp_path / name)
    found = json.loads(fcnet(tmp_path, "--filter", "hidden_sizes=8", "--json"))
    assert len(found) == 2
    assert not any("network.hidden_sizes" in row["settings"] for row in found)


def test_a_key_of_several_settings_is_refused_with_their_paths():
    rows = [RunRow(Path(end), "finished", settings={f"{end}.x": end}) for end in "ab"]
    with pytest.raises(SettingError, match=r"x may be a\.x or b\.x"):
        chosen(rows, ["x=a"])
    assert chosen(rows, ["a.x=a"]) == rows[:1]


def test_files_of_others_hide_no_runs(folder, tmp_path):
    for name in ("config.toml", "metrics.json", "history.jsonl", "checkpoint.safetensors"):
        (tmp_path / name).write_text("[settings]\n")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "metrics.json").write_text("{}")
    run = Path(shutil.copytree(folder / "a", tmp_path / "deep" / "a"))
    assert [row.run for row in Runs(tmp_path).rows()] == [run]
    shutil.rmtree(tmp_path / "deep")
    assert [(row.run, row.state) for row in Runs(tmp_path).rows()] == [(tmp_path, "damaged")]


@pytest.mark.skipif(os.name != "posix", reason="needs links")
def test_runs_behind_links_are_listed_once(folder, tmp_path):
    here = tmp_path / "here"
    run = Path(shutil.copytree(folder / "a", here / "z"))
    elsewhere = Path(shutil.copytree(folder / "a", tmp_path / "elsewhere" / "run"))
    (here / "latest").symlink_to(run)
    (here / "circle").symlink_to(here)
    (here / "others").symlink_to(elsewhere.parent)
    (here / "gone").symlink_to(tmp_path / "gone")
    assert sorted(row.run for row in Runs(here).rows()) == [here / "others" / "run", run]
    assert fcnet(here / "latest").count("finished") == 1


def test_a_table_for_people_and_csv_for_programs(folder):
    lines = fcnet(folder, "--filter", "state!=damaged").splitlines()
    assert len(lines) == 6
    assert re.fullmatch(
        r"a +finished +digits +[\d.]+% +[\d.]+% +[\d.]+ +3/3 +\d[\d.]* \w+ +learning_rate = 0\.01, seed = 0", lines[1]
    )
    found = list(csv.DictReader(io.StringIO(fcnet(folder, "--filter", "state=finished", "--csv"))))
    assert [row["training.learning_rate"] for row in found] == ["0.01", "0.1"]
    assert float(found[0]["val_accuracy"]) == read_metrics(folder / "a")["val_accuracy"]


def test_why_a_run_diverged_is_a_few_words_in_the_table_and_whole_elsewhere(folder):
    line = fcnet(folder, "--filter", "state=diverged").splitlines()[1]
    assert line.endswith("diverged in epoch 1")
    [row] = json.loads(fcnet(folder, "--filter", "state=diverged", "--json"))
    assert "The loss stopped being finite at iteration" in row["reason"]
    assert row["reason"] in fcnet(folder, "--filter", "state=diverged", "--csv")


def read(terminal):
    """Return what has come on a terminal, perhaps a part; nothing when its other end is closed."""
    try:
        return os.read(terminal, 4096)
    except OSError:  # as Linux says it
        return b""


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
@pytest.mark.parametrize("width", [40, 60, 80, 150])
def test_on_a_terminal_each_run_is_one_line(folder, tmp_path, monkeypatch, width):
    """Columns are left out, and names of runs and settings shortened."""
    import pty

    shutil.copytree(folder / "a", tmp_path / "runs" / f"a-run-with-{'a-long-' * 5}name")
    shutil.copytree(folder / "deep" / "b", tmp_path / "runs" / "b")
    shutil.copytree(folder / "wild", tmp_path / "runs" / "wild")
    here, there = pty.openpty()
    with os.fdopen(there, "w") as terminal, monkeypatch.context() as patch:
        patch.setenv("COLUMNS", str(width))
        patch.setenv("TERM", "xterm")
        patch.setattr(sys, "stdout", terminal)
        main.main(["runs", str(tmp_path / "runs")], standalone_mode=False)
    lines = re.sub(r"\x1b\[[\d;]*m", "", b"".join(iter(lambda: read(here), b"")).decode()).split("\r\n")[:-1]
    os.close(here)
    assert len(lines) == 4
    assert max(map(len, lines)) <= width
    assert {"run", "state", "validation"} <= set(lines[0].split())
    assert ("time" in lines[0]) == (width > 120)
    assert lines[2].startswith("b ")
    assert ("loss" in lines[0]) == (width > 80)
    assert ("learning_rate = 0.1" in lines[2]) == (width > 60)


def test_places_without_runs(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "There is no folder runs" in fcnet(code=1)
    assert "There are no runs below ." in fcnet(".")
    assert "There are no such runs" in fcnet(folder, "--filter", "seed=99")
    assert fcnet(folder / "a").splitlines()[1].startswith(str(folder / "a"))  # a run is a list of one


def test_of_a_sweep_the_trainings_of_the_winner_are_listed(folder, tmp_path):
    study = tmp_path / "study"
    shutil.copytree(folder / "a", study / "winner" / "seed-1")
    shutil.copytree(folder / "no-config", study / "trials" / "0000")  # a trial has a history and metrics alone
    (study / "study.toml").write_text("")
    assert [row.run for row in Runs(tmp_path).rows()] == [study / "winner" / "seed-1"]


def test_a_trial_of_a_sweep_is_no_run(folder, tmp_path, monkeypatch):
    """It keeps no model; every command that takes a run says so, and names the one that shows it."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(folder / "a", "study/finalists/0003/seed-1")
    shutil.copytree(folder / "no-config", "study/trials/0003/seed-1")  # as with two seeds
    for name in ("history.jsonl", "metrics.json"):
        shutil.copy(folder / "a" / name, "study/trials/0003")
    Path("study/study.toml").write_text("")
    said = "of a sweep. Trials are no runs and keep no model: fcnet report study shows them."
    trial, trials, study = (
        f"study/trials/0003 is a trial {said}",
        f"study/trials is the folder of the trials {said}",
        f"study is the study {said}",
    )
    for words in (
        ["report", "study/trials/0003"],
        ["report", "study/finalists", "study/trials/0003"],
        ["evaluate", "study/trials/0003"],
        ["predict", "study/trials/0003", "x.png"],
        ["export", "study/trials/0003", "--to", "x.onnx"],
        ["compare", "study/finalists", "study/trials/0003"],
        ["train", "digits", "--resume", "--out", "study/trials/0003"],
    ):
        result = CliRunner().invoke(main, words)
        assert (result.exit_code, result.output[: len(trial) + 7]) == (1, f"Error: {trial}")
    for place, message in (("study/trials/0003", trial), ("study/trials", trials)):
        assert fcnet(place) == f"There are no runs below {place}.\n{message}\n"
        assert Runs(place).rows() == []
    listed = fcnet("study").splitlines()
    assert (len(listed), listed[-1]) == (3, study)
    assert len(json.loads(fcnet("study", "--json"))) == 1
    assert CliRunner().invoke(main, ["evaluate", "study"]).output == f"Error: {study}\n"
    monkeypatch.chdir("study/trials/0003")
    assert f"fcnet report {tmp_path / 'study'} shows" in fcnet(".")
    Path("../../study.toml").unlink()
    assert "damaged" in fcnet(".")


def test_a_run_is_running_as_long_as_its_folder_is_owned(folder, tmp_path):
    run = Path(shutil.copytree(folder / "killed", tmp_path / "run"))
    listing = Runs(tmp_path)
    with owned(run, "train"):
        row = listing.rows()[0]
        assert (row.state, row.epochs) == ("running", 2)
    assert (run / "metrics.json").exists() is False
    assert listing.rows()[0].state == "unfinished"
    shutil.copy(folder / "a" / "metrics.json", run)
    assert listing.rows()[0].state == "finished"
    (run / "config.toml").unlink()
    assert listing.rows()[0].state == "damaged"
    shutil.rmtree(run)
    assert listing.rows() == []


def test_the_time_of_a_killed_run_ends_with_its_history(folder, tmp_path):
    run = Path(shutil.copytree(folder / "killed", tmp_path / "run"))
    for since, seconds in ((1_000_000, 60), (1_000_090, 0)):  # the history may be of an earlier sitting
        (run / "status.json").write_text(json.dumps({"since": "2001-01-01 00:00:00", "since_seconds": since}))
        os.utime(run / "history.jsonl", (1_000_060, 1_000_060))
        assert rows_of(tmp_path)["run"].seconds == seconds
    (run / "history.jsonl").unlink()
    assert rows_of(tmp_path)["run"].seconds is None


def test_times_hold_in_other_time_zones_and_those_of_older_folders_as_far_as_they_can(folder, tmp_path):
    run = Path(shutil.copytree(folder / "stopped", tmp_path / "run"))
    status = json.loads((run / "status.json").read_text())
    assert status["until_seconds"] >= status["since_seconds"] > 1e9
    texts = {"since": "2026-03-01 10:00:00", "until": "2026-03-01 09:00:30"}
    old = {key: value for key, value in status.items() if not key.endswith("_seconds")}
    for written, seconds in (
        (status | texts | {"since_seconds": 5e8, "until_seconds": 5e8 + 30}, 30),
        (old | texts, 0),
        (old | texts | {"until": "2026-03-01 10:01:00"}, 60),
        (old | {"since": "yesterday"}, None),
    ):
        (run / "status.json").write_text(json.dumps(written))
        row = rows_of(tmp_path)["run"]
        assert (row.state, row.seconds) == ("stopped", seconds)


def test_of_a_history_only_its_end_is_read_and_what_is_added(tmp_path, monkeypatch):
    monkeypatch.setattr(history_end, "BLOCK", 16)
    path, read = tmp_path / "history.jsonl", []
    end = HistoryEnd(path)
    assert end.row() is None
    original = Path.open

    def opened(self, mode, **settings):
        file = original(self, mode, **settings)
        if mode != "rb":
            return file

        class Counting:
            def __getattr__(self, name):
                return getattr(file, name)

            def __enter__(self):
                return self

            def __exit__(self, *_):
                file.close()

            def read(self, size):
                read.append(size)
                return file.read(size)

        return Counting()

    monkeypatch.setattr(Path, "open", opened)
    rows = [{"epoch": n, "loss": 1 / n, "batches": [{"loss": 0.5}] * n} for n in range(1, 30)]
    lines = [json.dumps(row) + "\n" for row in rows]
    path.write_bytes("".join(lines[:20]).encode())
    assert end.row() == rows[19]
    assert sum(read) < 4 * len(lines[19])
    for n in range(20, 29):
        read.clear()
        with original(path, "ab") as file:
            file.write(lines[n][:10].encode())
            file.flush()
            assert end.row() == rows[n - 1]  # half a line is none
            file.write(lines[n][10:].encode())
        assert end.row() == rows[n]
        assert sum(read) <= 10 + len(lines[n])
    assert end.row() == rows[28]
    path.write_bytes(lines[0].encode())
    assert end.row() == rows[0]
    other = tmp_path / "other"
    other.write_bytes("".join(lines[:3]).encode())
    other.replace(path)  # as a resumed training does that comes to other rows
    assert end.row() == rows[2]


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
def test_watching_shows_what_is_added_until_ctrl_c(folder, tmp_path):
    run = Path(shutil.copytree(folder / "stopped", tmp_path / "run"))
    import pty

    here, there = pty.openpty()
    words = [sys.executable, "-m", "fcnet", "runs", str(tmp_path), "--watch"]
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "150"}
    process = subprocess.Popen(words, stdout=there, stderr=there, stdin=there, env=environment)
    os.close(there)

    def wait_for(text):
        shown, until = "", time.monotonic() + 600
        while text not in shown:
            assert time.monotonic() < until, shown
            assert select.select([here], [], [], 600)[0], shown
            more = read(here)
            assert more, shown
            shown += more.decode(errors="replace")

    try:
        wait_for("2/3")
        row = read_history(run)[-1] | {"epoch": 3}
        with (run / "history.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")
        wait_for("3/3")
        process.send_signal(signal.SIGINT)
        while read(here):  # or it would wait for a terminal that is full
            pass
        assert process.wait() == 0
    finally:
        process.kill()
        process.wait()
        os.close(here)


@pytest.fixture(scope="module")
def ensembles(tmp_path_factory):
    """A folder with a single run, one with folds, and one with seeds that was stopped in its second network."""

    class StopInSecond(Callback):
        def on_train_begin(self, state):
            self.trainings = getattr(self, "trainings", 0) + 1

        def on_epoch_end(self, state):
            if (self.trainings, state.epoch) == (2, 2):
                raise KeyboardInterrupt

    folder, recipe = tmp_path_factory.mktemp("ensembles"), load_recipe("digits", BASE)
    runs.train(folder / "single", Config("digits", "digits", recipe))
    train_members(folder / "folds", Config("digits", "digits", recipe, folds=2))
    with pytest.raises(KeyboardInterrupt):
        train_members(folder / "seeds", Config("digits", "digits", recipe, seeds=3), callbacks=[StopInSecond()])
    return folder


def test_an_ensemble_is_listed_with_the_epochs_of_the_network_at_work(ensembles):
    row = rows_of(ensembles)["seeds"]
    assert (row.state, row.epochs, row.n_epochs, row.network, row.n_networks) == ("stopped", 2, 3, 2, 3)
    last = read_history(ensembles / "seeds" / "members" / "2")[-1]
    assert (row.loss, row.val_accuracy) == (last["loss"], last["val_accuracy"])
    assert re.search(r"^seeds +stopped .* 2/3 .* 3 seeds; network 2 of 3$", fcnet(ensembles), re.M)


def test_a_list_says_where_scores_are_of_different_rows(ensembles, tmp_path):
    note = "Scores on digits are of different rows"
    said = fcnet(ensembles)
    assert note in said
    assert re.search(r"^folds +finished .* 3/3 .* 2 folds$", said, re.M)
    assert note not in fcnet(ensembles, "--filter", "folds=0")
    assert "folds" not in fcnet(ensembles, "--filter", "folds=0")


def test_a_comparison_says_what_runs_are(ensembles, tmp_path):
    single, folds = ensembles / "single", ensembles / "folds"
    for run in (single, folds):
        shutil.copytree(run, tmp_path / "mixed" / run.name)
    config = tmp_path / "mixed" / "folds" / "config.toml"
    config.write_text(config.read_text().replace("seed = 0", "seed = 1"))
    said = command("compare", tmp_path / "mixed", single, code=1).stderr
    assert "not trained alike: one is an ensemble of 2 folds, the other a single network." in said
    third = Path(shutil.copytree(single, tmp_path / "third"))
    (third / "config.toml").write_text((third / "config.toml").read_text().replace("batch_size = 100", "batch_size = 90"))
    said = command("compare", single, folds, third, code=1).stderr
    assert f"{single} (digits, a single network), {folds} (digits, an ensemble of 2 folds), {third}" in said
    other = Path(shutil.copytree(folds, tmp_path / "other"))
    (other / "config.toml").write_text((other / "config.toml").read_text().replace("seed = 0", "seed = 1"))
    said = command("compare", folds, other).stdout
    assert "B: digits, an ensemble of 2 folds, validation accuracy" in said
    assert "More of them, with other seeds, tell whether that is luck." in said
