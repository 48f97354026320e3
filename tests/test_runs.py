"""Run folders: several processes at once, runs that are stopped, killed or diverge, and what is left of them."""

import errno
import json
import multiprocessing
import os
import re
import shutil
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from fcnet import load
from fcnet.cli import main
from fcnet.errors import DivergedError, InputError
from fcnet.experiments import folder as run_folder
from fcnet.experiments import run as runs
from fcnet.experiments.folder import claimed, owned, owner
from fcnet.experiments.history_file import HistoryFile
from fcnet.experiments.recipe import load_recipe
from fcnet.experiments.results import read_history, read_metrics, read_state
from fcnet.experiments.run import Config
from fcnet.report import write_report
from fcnet.training.callbacks import Callback
from fcnet.training.checkpoint import epoch_of

forks = pytest.mark.skipif(os.name != "posix", reason="processes are forked")
EPOCHS = 8
STEPS = 48  # batches of an epoch


def config(*changes, seed=0):
    quick = [f"epochs={EPOCHS}", "hidden=[8]", f"batch_size={1200 // STEPS}"]
    return Config("digits", "digits", load_recipe("digits", [*quick, *changes]), seed, "numpy")


def lines(run):
    return (run / "history.jsonl").read_text().splitlines()


class At(Callback):
    """Does something at the end of an epoch, or in the middle of it."""

    def __init__(self, what, epoch, batch=None):
        self.what, self.epoch, self.batch = what, epoch, batch

    def on_epoch_end(self, state):
        if self.batch is None and state.epoch == self.epoch:
            self.what()

    def on_batch_end(self, state):
        if self.batch is not None and state.iteration == (self.epoch - 1) * STEPS + self.batch:
            self.what()


def interrupt():
    raise KeyboardInterrupt


def stop(run, *changes, epoch=5, batch=7, **options):
    with pytest.raises(KeyboardInterrupt):
        runs.train(run, config(*changes), callbacks=[At(interrupt, epoch, batch)], checkpoint_seconds=1e9, **options)


def kill(run):
    """Make a run that was stopped one that was killed before it wrote a checkpoint."""
    status = json.loads((run / "status.json").read_text())
    (run / "status.json").write_text(json.dumps({key: status[key] for key in ("command", "pid", "host", "since")}))
    (run / "checkpoint.safetensors").unlink()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    run = tmp_path_factory.mktemp("whole") / "run"
    runs.train(run, config())
    return run


@pytest.fixture(scope="module")
def diverged(tmp_path_factory):
    """A run that diverges in its first epoch; and what the command line says."""
    run = tmp_path_factory.mktemp("diverged") / "run"
    words = ["train", "digits", "--out", str(run), "--engine", "numpy", "--set", "learning_rate=1e6", "--set", "epochs=9"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 1, result.output
    return run, result.stderr


def at_once(*commands):
    """Run commands in processes of their own, copies of this one, that begin together; return exit codes and what they said."""
    context = multiprocessing.get_context("fork")
    start, pipes = context.Barrier(len(commands)), [context.Pipe(duplex=False) for _ in commands]

    def run(words, there):
        start.wait()
        result = CliRunner().invoke(main, words)
        there.send((result.exit_code, result.stderr))

    processes = [context.Process(target=run, args=(w, there)) for w, (_, there) in zip(commands, pipes, strict=True)]
    for process in processes:
        process.start()
    said = [here.recv() for here, _ in pipes]
    for process in processes:
        process.join()
    return said


@forks
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_runs_that_begin_at_once_have_folders_of_their_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(time, "strftime", lambda *_: "NOW")  # in the same second, however busy the machine is
    words = ["train", "digits", "--engine", "numpy", "--set", "epochs=2", "--seed"]
    said = at_once(*([*words, str(seed)] for seed in range(4)))
    assert [code for code, _ in said] == [0] * 4, said
    folders = sorted((tmp_path / "runs").iterdir())
    assert [folder.name for folder in folders] == ["digits-digits-NOW", *(f"digits-digits-NOW-{n}" for n in (2, 3, 4))]
    for folder in folders:
        metrics, seed = read_metrics(folder), Config.read(folder).seed
        assert metrics["seed"] == seed
        assert f"the run folder is {folder.relative_to(tmp_path)}\n" in said[seed][1]
        assert max(read_history(folder).column("val_accuracy")) == metrics["val_accuracy"]
        assert load(folder / "model.safetensors").network.n_parameters == metrics["n_parameters"]
        assert not list(folder.glob(".*.tmp"))
    assert {Config.read(folder).seed for folder in folders} == {0, 1, 2, 3}


def test_a_name_that_is_taken_gets_a_number_and_an_empty_folder_does_not_stay(tmp_path):
    with claimed(tmp_path / "runs" / "a") as first, claimed(tmp_path / "runs" / "a") as second:
        assert (first.name, second.name) == ("a", "a-2")
        (second / "file").write_text("")
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["a-2"]


@pytest.mark.parametrize("option", [{}, {"force": True}, {"resume": True}])
def test_a_folder_that_is_in_use_is_left_alone(tmp_path, option):
    """By whatever entrance another one comes; who is asked says who is there."""
    run, refused = tmp_path / "run", []

    def come_again():
        before = {path.name: path.read_bytes() for path in run.iterdir()}
        with pytest.raises(InputError, match=rf"in use by fcnet train, process {os.getpid()} on .+, since \d{{4}}-") as error:
            runs.train(run, config(), **option)
        refused.append(error)
        assert "It is still running, after epoch 3 of 8" in CliRunner().invoke(main, ["evaluate", str(run)]).stderr
        assert {path.name: path.read_bytes() for path in run.iterdir()} == before
        assert read_state(run).kind == "running"
        assert "It is still running, after epoch 3 of 8" in write_report(run).read_text()

    runs.train(run, config(), callbacks=[At(come_again, 3)])
    assert len(refused) == 1
    assert owner(run) is None
    assert read_metrics(run)["epochs"] == EPOCHS
    assert not (run / "status.json").exists()


@forks
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_two_that_want_one_folder_at_once_do_not_mix(tmp_path):
    run = tmp_path / "run"
    words = ["train", "digits", "--engine", "numpy", "--set", "epochs=40", "--out", str(run), "--seed"]
    said = at_once([*words, "1"], [*words, "2"])
    codes = [code for code, _ in said]
    assert sorted(codes) == [0, 1], said
    assert re.search(r"run (is in use by|exists)", said[codes.index(1)][1])
    assert read_metrics(run)["seed"] == Config.read(run).seed == 1 + codes.index(0)


@pytest.mark.skipif(os.name != "posix", reason="other systems lock in another way")
@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_warned_of(tmp_path, monkeypatch, number):
    import fcntl

    def flock(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    run = tmp_path / "run"
    with pytest.warns(RuntimeWarning, match="without locks"):
        runs.train(run, config("epochs=1"))
    assert owner(run) is None
    assert read_state(run).kind == "finished"


def test_who_only_asks_does_not_seem_to_own_a_folder(tmp_path, monkeypatch):
    from filelock import FileLock

    monkeypatch.setattr(run_folder, "PATIENCE_TO_ASK", 600)
    other = FileLock(tmp_path / ".lock", thread_local=False).acquire()  # for a moment
    release = threading.Timer(0.05, other.lock.release)
    release.start()
    assert owner(tmp_path) is None
    release.join()


def test_a_report_that_is_being_written_is_left_alone(tmp_path):
    half = tmp_path / ".report.html.01234567.tmp"
    half.write_text("half")
    with owned(tmp_path, "train"):
        assert half.exists()


def test_an_accuracy_is_told_where_no_report_can_be_written(tmp_path, whole, monkeypatch):
    run = shutil.copytree(whole, tmp_path / "run")

    def write(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("fcnet.report.run.write_atomic", write)
    result = CliRunner().invoke(main, ["evaluate", str(run), "--json"])
    assert result.exit_code == 0, result.output
    assert 0 < json.loads(result.stdout)["test_accuracy"] <= 1
    assert "Warning: no report: " in result.stderr


def test_an_evaluation_owns_the_folder(tmp_path, whole, monkeypatch):
    run = Path(shutil.copytree(whole, tmp_path / "run"))
    seen = []

    def predictions(*_):
        seen.append(owner(run))
        raise KeyboardInterrupt

    monkeypatch.setattr(runs, "save_predictions", predictions)
    with pytest.raises(KeyboardInterrupt):
        runs.evaluate(run)
    assert "fcnet evaluate, process" in seen[0]
    assert read_state(run).kind == "finished"
    assert not (run / "status.json").exists()
    with owned(run, "train"), pytest.raises(InputError, match="in use by fcnet train"):
        runs.evaluate(run)


@pytest.mark.parametrize("batch", [None, 1, 7, STEPS])
def test_a_stop_loses_no_epoch_that_has_ended(tmp_path, whole, batch):
    run = tmp_path / "run"
    stop(run, epoch=5, batch=batch)
    assert epoch_of(run / "checkpoint.safetensors") == 4
    words = "Stopped after epoch 4 of 8. Go on with"
    if batch is None:  # what is stopped in a callback at its end is trained again
        words = "Stopped after epoch 5 of 8. Go on with, from epoch 5 on"
    assert read_state(run).words == f"{words}: fcnet train digits --out {run} --resume"
    first = []
    runs.train(run, config(), resume=True, callbacks=[At(lambda: first.append(1), 5)])
    assert first == [1]
    for name in ("history.jsonl", "model.safetensors"):
        assert (run / name).read_bytes() == (whole / name).read_bytes()


@pytest.mark.parametrize("batch", [None, 3])
def test_no_stop_shortens_a_history(tmp_path, whole, batch):
    run = tmp_path / "run"
    stop(run, epoch=7)
    assert len(lines(run)) == 6
    kill(run)
    stop(run, epoch=3, batch=batch, resume=True)  # trained again from the first epoch on, to the same rows
    assert epoch_of(run / "checkpoint.safetensors") == 2
    assert lines(run) == lines(whole)[:6]
    assert "after epoch 6 of 8. Go on with, from epoch 3 on: fcnet" in read_state(run).words
    runs.train(run, config(), resume=True)
    for name in ("history.jsonl", "model.safetensors"):
        assert (run / name).read_bytes() == (whole / name).read_bytes()


def test_rows_that_are_not_those_of_this_training_make_way(tmp_path, whole):
    run = tmp_path / "run"
    stop(run, epoch=7)
    kill(run)
    rows = [json.loads(line) for line in lines(run)]
    rows[2]["loss"] *= 1 + 1e-12  # as another processor may add numbers up
    torn = '{"epoch": 7, "iter'
    (run / "history.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + torn)
    assert len(read_history(run)) == 6
    stop(run, epoch=2, resume=True)
    assert len(lines(run)) == 6
    runs.train(run, config(), resume=True)
    assert (run / "history.jsonl").read_bytes() == (whole / "history.jsonl").read_bytes()


def test_a_history_grows_with_every_epoch(tmp_path, whole):
    run, seen = tmp_path / "run", []

    class Look(Callback):
        def on_batch_end(self, state):
            if state.iteration % STEPS == 1:
                seen.append(lines(run))

    runs.train(run, config(), callbacks=[Look()])
    assert seen == [lines(whole)[:n] for n in range(EPOCHS)]


@pytest.mark.charts
def test_the_report_of_a_run_says_how_it_stands(tmp_path):
    run = tmp_path / "run"
    stop(run)
    shown = write_report(run).read_text()
    assert "Stopped after epoch 4 of 8." in shown
    assert "best validation accuracy so far" in shown
    assert shown.count("<svg") == 4
    assert "What the first layer looks for" in shown  # of the model that is kept
    assert "By class" not in shown
    kill(run)
    (run / "model.safetensors").unlink()
    shown = write_report(run).read_text()
    assert "Killed after epoch 4 of 8. There is no checkpoint to go on from, so this begins again: fcnet train digits" in shown
    assert shown.count("<svg") == 4
    for name in ("status.json", ".lock", "history.jsonl"):  # as a run of an older version that was killed
        (run / name).unlink()
    shown = write_report(run).read_text()
    assert "It ended before the first epoch was through. Go on with: fcnet train digits" in shown
    assert "There is nothing to draw yet." in shown


def test_a_batch_larger_than_the_training_part_is_noted(tmp_path, caplog):
    caplog.set_level("INFO", "fcnet")
    changes = ["epochs=1", "batch_size=5000"]
    runs.train(tmp_path / "a", Config("digits", "digits", load_recipe("digits", changes), engine="numpy"))
    assert re.search(r"batch_size is 5,000, and there are 1,\d+ rows to train on: an epoch is one batch.", caplog.text)
    caplog.clear()
    recipe = load_recipe("digits", [*changes, "batches=full"])
    runs.train(tmp_path / "b", Config("digits", "digits", recipe, engine="numpy"))
    assert "batch_size" not in caplog.text


def test_a_run_that_fails_says_why(tmp_path):
    def fail():
        raise OSError("the disk is on fire")

    with pytest.raises(OSError, match="on fire"):
        runs.train(tmp_path / "run", config(), callbacks=[At(fail, 3)])
    state = read_state(tmp_path / "run")
    assert state.kind == "failed"
    assert (
        "after epoch 3 of 8: the disk is on fire. When that is mended: Go on with, from epoch 3 on: fcnet train" in state.words
    )


def test_a_diverged_run_is_not_told_to_go_on(diverged, tmp_path):
    run, told = diverged
    assert f"Report: {run / 'report.html'}" in told
    assert "learning_rate = 1e+06; it is too large" in told
    assert read_state(run).kind == "diverged"
    shown = (run / "report.html").read_text()
    assert "It diverged before the first epoch was through. The loss stopped being finite" in shown
    assert "Loss by iteration" in shown  # of the batches before
    for words in (["report"], ["evaluate"], ["predict", "x.png"], ["export", "--to", str(tmp_path / "x.safetensors")]):
        result = CliRunner().invoke(main, [words[0], str(run), *words[1:]])
        assert "--resume" not in result.output
        assert words[0] == "report" or "It diverged before" in result.stderr
    assert "--resume" not in told + shown


def test_the_rate_that_is_proposed_trains(diverged, tmp_path):
    rate = diverged[1].partition("In short trials learning_rate = ")[2].split()[0]
    metrics = runs.train(tmp_path / "run", config(f"learning_rate={rate}"))
    assert metrics["val_accuracy"] > 0.9


def test_reports_of_many_go_on_past_a_bad_folder(whole, tmp_path):
    good = Path(shutil.copytree(whole, tmp_path / "good"))
    result = CliRunner().invoke(
        main, ["report", "--each", str(tmp_path / "none"), str(good), str(tmp_path / "good/config.toml")]
    )
    assert result.exit_code == 1
    assert result.stdout == f"{good / 'report.html'}\n"
    assert result.stderr.count("is not a run folder") == 2


def test_a_full_disk_costs_the_history_no_row_for_good(tmp_path, whole, monkeypatch):
    run = tmp_path / "run"
    original = HistoryFile._write_whole
    full = [True]

    def write(self, state):
        if state.epoch == 3 and full:
            full.clear()
            raise OSError(28, "No space left on device")
        original(self, state)

    monkeypatch.setattr(HistoryFile, "_write_whole", write)
    stop(run, epoch=3, batch=1)
    with pytest.warns(RuntimeWarning, match="lags behind: .*No space left"):
        runs.train(run, config(), resume=True)
    assert (run / "history.jsonl").read_bytes() == (whole / "history.jsonl").read_bytes()


def test_status_survives_a_diverging_training_in_python(tmp_path):
    with pytest.raises(DivergedError):
        runs.train(tmp_path / "run", config("learning_rate=1e9"))
    status = json.loads((tmp_path / "run" / "status.json").read_text())
    assert status["ended"] == "diverged"
    assert all(np.isfinite(row["loss"]) for row in status["batches"])
