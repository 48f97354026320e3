"""The command line, as a person uses it."""

import io
import json
import logging
import multiprocessing
import os
import re
import shutil
import subprocess
import sys
import tomllib
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from command_line import fcnet
from PIL import Image
from rich.console import Console

from fcnet import __version__, load
from fcnet.cli import main
from fcnet.cli.notes import shown_notes
from fcnet.data import load_digits
from fcnet.experiments import run as runs
from fcnet.experiments.recipe import load_recipe, recipe_names
from fcnet.experiments.run import Config
from fcnet.files import load_tensors
from fcnet.nn.every_gradient import TABLES
from fcnet.nn.layers import ACTIVATIONS
from fcnet.training.history import History

QUICK = ["--set", "epochs=3"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    run = tmp_path_factory.mktemp("runs") / "digits"
    fcnet("train", "digits", "--out", run, *QUICK)
    return run


@pytest.mark.parametrize(
    ("stopped_in", "message"),
    [
        ("Config.load", "Stopped before anything was written"),
        ("prepare", "Go on with: fcnet train digits --out '{run}' --resume --data-dir 'my data'"),
    ],
)
def test_a_stopped_run_says_how_to_go_on_if_it_can(tmp_path, monkeypatch, stopped_in, message):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(f"fcnet.experiments.run.{stopped_in}", stop)
    run = tmp_path / "my run"
    result = fcnet("train", "digits", "--out", run, "--data-dir", "my data", *QUICK, code=1)
    assert message.format(run=run) in result.stderr
    assert run.exists() == (stopped_in == "prepare")


def test_train_fills_a_run_folder(run):
    assert {path.name for path in run.iterdir()} == {
        *("config.toml", "history.jsonl", "metrics.json", "model.safetensors", "checkpoint.safetensors"),
        *("predictions.safetensors", "findings.json", "report.html", ".lock"),
    }
    metrics = json.loads((run / "metrics.json").read_text())
    assert set(metrics) >= {
        *("dataset", "recipe", "seed", "engine", "dtype", "train_accuracy", "val_accuracy", "test_accuracy"),
        *("n_train", "n_val", "n_test", "epochs", "fit_seconds", "feature_seconds", "total_seconds", "peak_memory_mb"),
    }
    assert metrics["val_accuracy"] > 0.9
    assert metrics["epochs"] == 3
    assert metrics["test_accuracy"] is None
    config = tomllib.loads((run / "config.toml").read_text())
    assert (config["dataset"], config["recipe"], config["settings"]["training"]["epochs"]) == ("digits", "digits", 3)
    history = History.from_jsonl((run / "history.jsonl").read_text())
    assert max(history.column("val_accuracy")) == metrics["val_accuracy"]
    data = load_digits()
    assert np.mean(load(run / "model.safetensors").predict(data.X_val) == data.y_val) == metrics["val_accuracy"]


def test_digits_are_read_without_scikit_learn_and_are_those_of_scikit_learn():
    from sklearn.datasets import load_digits as load_theirs

    told = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from fcnet.data import load_digits; load_digits(); print('sklearn' in sys.modules)",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout == "False\n"
    ours, theirs = load_digits(), load_theirs()
    order = np.random.default_rng(0).permutation(1797)
    np.testing.assert_array_equal(np.concatenate([ours.X_train, ours.X_val, ours.X_test]), theirs.data[order])
    np.testing.assert_array_equal(np.concatenate([ours.y_train, ours.y_val, ours.y_test]), theirs.target[order])
    assert ours.classes == [str(name) for name in theirs.target_names]


def test_train_does_not_read_the_test_part(tmp_path, monkeypatch):
    from fcnet import data

    asked = []

    def spy(*arguments, n_test=297, **settings):
        asked.append(n_test)
        return load_digits(*arguments, n_test=n_test, **settings)

    monkeypatch.setitem(data.DATASETS, "digits", replace(data.DATASETS["digits"], load=spy))
    fcnet("train", "digits", "--out", tmp_path / "run", *QUICK)
    assert asked == [0]
    fcnet("evaluate", tmp_path / "run")
    fcnet("evaluate", tmp_path / "run")
    assert asked == [0, 297]  # once for the recorded result


def test_evaluate_records_the_test_accuracy(run):
    out = fcnet("evaluate", run).stdout
    metrics = json.loads((run / "metrics.json").read_text())
    data = load_digits()
    assert metrics["test_accuracy"] == np.mean(load(run / "model.safetensors").predict(data.X_test) == data.y_test)
    assert metrics["n_test"] == 297
    assert f"{metrics['test_accuracy']:.2%} on 297 rows" in out
    tensors, metadata = load_tensors(run / "predictions.safetensors", "fcnet-predictions-1")
    assert metadata["part"] == "test"
    np.testing.assert_array_equal(tensors["labels"], data.y_test)
    assert json.loads(fcnet("evaluate", run, "--json").stdout) == metrics


def test_predict_reads_pictures(run, tmp_path):
    data = load_digits()
    predicted = load(run / "model.safetensors").predict(data.X_test)
    files = []
    for i in range(5):
        image = Image.fromarray((data.X_test[i].reshape(8, 8) * (255 / 16)).astype(np.uint8))
        files.append(tmp_path / f"{i}.png")
        image.save(files[-1])
    rows = [json.loads(line) for line in fcnet("predict", run, *files, "--json").stdout.splitlines()]
    assert [row["class"] for row in rows] == [data.classes[i] for i in predicted[:5]]
    assert [row["file"] for row in rows] == [str(file) for file in files]
    assert all(sum(row["probabilities"].values()) == pytest.approx(1, abs=1e-4) for row in rows)
    assert re.fullmatch(
        rf".*0.png: {rows[0]['class']} [\d.]+%, \d [\d.]+%, \d [\d.]+%", fcnet("predict", run, files[0]).stdout.strip()
    )


def test_the_model_of_an_unfinished_run_is_used_with_a_warning(run, tmp_path):
    stopped = tmp_path / "stopped"
    shutil.copytree(run, stopped)
    (stopped / "metrics.json").unlink()
    picture, copy = tmp_path / "0.png", tmp_path / "copy.safetensors"
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(picture)
    for words in (["predict", stopped, picture], ["export", stopped, "--to", copy]):
        assert f"Warning: {stopped} is not a finished run" in fcnet(*words).stderr
        assert not fcnet(words[0], run, *words[2:]).stderr
    assert copy.read_bytes() == (run / "model.safetensors").read_bytes()
    (stopped / "model.safetensors").unlink()  # killed before it was written
    for words in (["predict", stopped, picture], ["export", stopped, "--to", copy]):
        assert f"Go on with: fcnet train digits --out {stopped} --resume" in fcnet(*words, code=1).stderr


def test_predict_scales_and_turns_pictures_to_those_of_the_training(run, tmp_path):
    data = load_digits()
    small = Image.fromarray((data.X_test[0].reshape(8, 8) * 15).astype(np.uint8))
    small.save(tmp_path / "small.png")
    small.resize((80, 80), Image.Resampling.NEAREST).convert("RGBA").save(tmp_path / "large.png")
    turned = Image.Exif()
    turned[0x0112] = 6  # taken with the camera on its side
    small.resize((80, 80), Image.Resampling.NEAREST).rotate(90).save(tmp_path / "turned.png", exif=turned)
    rows = [
        json.loads(line)
        for line in fcnet(
            "predict", run, *(tmp_path / f"{n}.png" for n in ("small", "large", "turned")), "--json"
        ).stdout.splitlines()
    ]
    assert len({row["class"] for row in rows}) == 1


def test_a_picture_of_16_bits_a_pixel_is_not_clipped(run, tmp_path):
    data = load_digits()
    small = data.X_test[0].reshape(8, 8)
    Image.fromarray((small * 15).astype(np.uint8)).save(tmp_path / "8.png")
    Image.fromarray(small.astype(np.uint16) * (15 * 257)).save(tmp_path / "16.png")
    rows = [
        json.loads(line)
        for line in fcnet("predict", run, tmp_path / "8.png", tmp_path / "16.png", "--json").stdout.splitlines()
    ]
    assert rows[0]["probabilities"] == rows[1]["probabilities"]


def test_the_same_command_gives_the_same_model(run, tmp_path):
    again, other = tmp_path / "again", tmp_path / "other"
    fcnet("train", "digits", "--recipe", run / "config.toml", "--out", again)
    fcnet("train", "digits", "--out", other, "--seed", "1", *QUICK)
    model = (run / "model.safetensors").read_bytes()
    assert (again / "model.safetensors").read_bytes() == model
    assert (again / "history.jsonl").read_bytes() == (run / "history.jsonl").read_bytes()
    assert (other / "model.safetensors").read_bytes() != model


def test_the_last_epoch_is_kept_if_the_recipe_says_so(tmp_path):
    best, last, card = tmp_path / "best", tmp_path / "last", tmp_path / "card.md"
    restless = ["--set", "epochs=12", "--set", "learning_rate=0.2", "--set", "schedule=constant"]
    kept_best = fcnet("train", "digits", "--out", best, *restless)
    kept_last = fcnet("train", "digits", "--out", last, *restless, "--set", "keep_best=false")
    assert (best / "history.jsonl").read_bytes() == (last / "history.jsonl").read_bytes()
    accuracies = History.from_jsonl((last / "history.jsonl").read_text()).column("val_accuracy")
    assert accuracies[-1] < max(accuracies)  # else the test shows nothing
    assert json.loads((best / "metrics.json").read_text())["val_accuracy"] == max(accuracies)
    assert json.loads((last / "metrics.json").read_text())["val_accuracy"] == accuracies[-1]
    best_epochs = np.flatnonzero(np.equal(accuracies, max(accuracies))) + 1  # where several tie, the loss decides
    assert any(f"(epoch {epoch} of 12)" in kept_best.stdout for epoch in best_epochs)
    assert "(epoch 12 of 12)" in kept_last.stdout
    fcnet("export", last, "--to", card)
    assert "Of 12 epochs, the last is the one kept." in card.read_text()
    assert "too good" not in card.read_text()
    fcnet("export", best, "--to", card)
    assert "which chose the epoch, are somewhat too good" in card.read_text()
    fcnet("train", "digits", "--out", last, *restless, "--set", "keep_best=false", "--set", "patience=1", "--force")
    fcnet("export", last, "--to", card)
    assert "which chose when to stop, are somewhat too good" in card.read_text()


def test_a_run_that_exists_is_not_overwritten(run):
    before = (run / "model.safetensors").read_bytes()
    assert "--force" in fcnet("train", "digits", "--out", run, "--seed", "5", code=1).output
    assert (run / "model.safetensors").read_bytes() == before


def test_force_replaces_a_run_but_nothing_else(tmp_path):
    run = tmp_path / "run"
    fcnet("train", "digits", "--out", run, *QUICK)
    (run / "notes.txt").write_text("mine")
    fcnet("train", "digits", "--out", run, "--set", "epochs=1", "--force")
    assert json.loads((run / "metrics.json").read_text())["epochs"] == 1
    assert (run / "notes.txt").read_text() == "mine"
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.doc").write_text("mine")
    assert "not a run folder" in fcnet("train", "digits", "--out", tmp_path / "other", "--force", code=1).output


def test_resume_takes_the_settings_from_the_run(run, tmp_path):
    stopped = tmp_path / "stopped"
    shutil.copytree(run, stopped)
    (stopped / "metrics.json").unlink()
    result = fcnet("train", "digits", "--out", stopped, "--resume")
    assert "Going on with the training on digits by the recipe digits" in result.stderr
    assert (stopped / "model.safetensors").read_bytes() == (run / "model.safetensors").read_bytes()
    assert "dataset was 'digits', now 'cifar10'" in fcnet("train", "cifar10", "--out", stopped, "--resume", code=2).output


def test_resume_of_a_finished_run_and_with_other_settings(run):
    assert "finished already" in fcnet("train", "digits", "--out", run, "--resume", *QUICK).output
    assert "verify was true, now false" in fcnet("train", "digits", "--out", run, "--resume", "--no-verify", code=2).output
    output = fcnet("train", "digits", "--out", run, "--resume", "--set", "epochs=4", code=2).output
    assert "epochs was 3, now 4" in output


@pytest.mark.parametrize(
    "arguments", [["cifar10", "--data-dir", "damaged"], ["digits", "--set", "mirorr=true"], ["digits", "--set", "l2=-1"]]
)
def test_a_run_is_replaced_only_when_settings_and_data_are_good(tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "data_batch_1").write_text("")
    fcnet("train", "digits", "--out", "run", "--set", "epochs=1")
    before = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    assert CliRunner().invoke(main, ["train", *arguments, "--out", "run", "--force"]).exit_code in (1, 2)
    assert {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()} == before
    assert CliRunner().invoke(main, ["train", *arguments, "--out", "new"]).exit_code in (1, 2)
    assert not (tmp_path / "new").exists()


@pytest.mark.skipif(os.name != "posix", reason="processes are forked")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.any_kernel
@pytest.mark.parametrize("option", ["--force", "--resume"])
def test_a_run_that_was_killed_while_it_began_can_be_begun_again(tmp_path, option):
    """Die at the n-th change to the folder, for every n until the run is through."""

    def die_at(n, words):
        left = n

        def counted(change):
            def call(*arguments, **settings):
                nonlocal left
                left -= 1
                if left == 0:
                    os._exit(9)
                return change(*arguments, **settings)

            return call

        for name in ("unlink", "mkdir", "replace"):
            setattr(Path, name, counted(getattr(Path, name)))
        main(words)

    finished = tmp_path / "finished"
    fcnet("train", "digits", "--out", finished, "--set", "epochs=1")
    for n in range(1, 20):
        run = tmp_path / f"run-{n}"
        if option == "--force":
            shutil.copytree(finished, run)
        words = ["train", "digits", "--out", str(run), "--set", "epochs=2", option]
        first = multiprocessing.get_context("fork").Process(target=die_at, args=(n, words))
        first.start()
        first.join()
        fcnet(*words)
        assert json.loads((run / "metrics.json").read_text())["epochs"] == 2
        if first.exitcode == 0:
            break
        assert first.exitcode == 9
    assert n > 5


@pytest.mark.skipif(os.name != "posix", reason="processes are forked")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize(("room", "kind"), [(100, "Error"), (2000, "Error"), (50_000, "Error"), (80_000, "Warning")])
def test_a_full_disk_is_said_and_the_run_resumes(tmp_path, room, kind):
    """Where there is no room for a checkpoint alone, the run is finished without one."""
    import resource

    run = tmp_path / "run"
    words = ["train", "digits", "--out", str(run), *QUICK, "--set", "hidden=[200]"]

    def on_a_small_disk(said):
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
        warnings.resetwarnings()  # a checkpoint that cannot be written is one
        result = CliRunner().invoke(main, words)
        said.send((result.exit_code, result.stderr))

    here, there = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(target=on_a_small_disk, args=(there,))
    process.start()
    code, said = here.recv()
    process.join()
    assert code == (kind == "Error")
    assert re.search(
        {"Error": "Error: .* cannot be written: ", "Warning": r"Warning: .*\[Errno 27\] "}[kind] + "File too large", said
    )
    assert ("File too large. Mend that, and go on with --resume.\n" in said) == (kind == "Error")
    assert "another --out" not in said
    assert "Traceback" not in said
    assert not list(run.glob(".*.tmp"))
    fcnet(*words, "--resume")


@pytest.mark.skipif(os.name != "posix", reason="rights are those of POSIX")
def test_a_folder_without_rights_is_named(tmp_path, monkeypatch):
    closed = tmp_path / "closed"
    closed.mkdir()
    closed.chmod(0o555)
    root = os.geteuid() == 0
    for folder in [tmp_path, *tmp_path.parents[:2]] if root else []:
        folder.chmod(0o755)
    config = Config("digits", "digits", load_recipe("digits"))
    if root:  # who may write everywhere
        os.seteuid(65534)
    try:
        with pytest.raises(PermissionError, match=str(closed / "run")):
            runs.begin(closed / "run", config, resume=False)
    finally:
        if root:
            os.seteuid(0)


def test_only_what_cannot_be_written_is_mended_by_another_place(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied", str(tmp_path / "run/.lock"))

    monkeypatch.setattr("filelock.FileLock.acquire", refuse)
    said = fcnet("train", "digits", "--out", tmp_path / "run", code=1).stderr
    assert said.endswith(f"Error: {tmp_path / 'run'} cannot be written: Permission denied. Choose another --out.\n")
    picture = tmp_path / "pictures/a/1.png"
    picture.parent.mkdir(parents=True)
    picture.symlink_to(tmp_path / "gone.png")
    said = fcnet("train", tmp_path / "pictures", "--out", tmp_path / "other", code=1).stderr
    assert said.endswith(f"Error: {picture}: No such file or directory.\n")


def test_a_diverging_run_keeps_its_best_weights_and_says_what_to_do(tmp_path):
    run = tmp_path / "run"
    output = fcnet("train", "digits", "--out", run, "--set", "learning_rate=1e6", "--set", "schedule=constant", code=1).output
    assert re.search(
        r"The (loss|parameters|scores) stopped being finite .* \(epoch 1\) with learning_rate = 1e\+06; it is too large",
        output,
    )
    assert all(np.isfinite(p).all() for p in load(run / "model.safetensors").network.params.values())
    assert "not a finished run" in fcnet("evaluate", run, code=1).output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tarin"], "Did you mean 'train'"),
        (["train", "digit"], "Did you mean 'digits'"),
        (["train", "Digit"], "Did you mean 'digits'"),
        (["train", "photos"], "Nor is there a folder of that name"),
        (["train", "digits", "--set", "seed=3"], "an option: --seed 3"),
        (["train", "digits", "--recipe", "tunned"], "Did you mean 'tuned'"),
        (["train", "digits", "--set", "hiden=3"], "Did you mean 'hidden_sizes'"),
        (["train", "digits", "--set", "lr=-1"], "training.learning_rate must be a finite number of at least 0 or auto, got -1"),
        (["train", "digits", "--set", "wd=0.1"], "wd belongs to training.update of kind adamw"),
        (["train", "digits", "--set", "early_stopping=true"], "patience=10 stops when"),
        (["train", "digits", "--set", "random_state=3"], "an option: --seed 3"),
        (["train", "digits", "--set", "hidden"], "key=value"),
        (
            ["train", "digits", "--set", "epochs=many"],
            "epochs must be a whole number of at least 1 or auto, got 'many'",
        ),
        (["train", "digits", "--set", "epochs=0"], "training.epochs must be a whole number of at least 1 or auto, got 0"),
        (["train", "digits", "--set", "mirror=1"], "augmentation.mirror must be true or false, got 1"),
        (["train", "digits", "--set", "update=adm"], "Did you mean 'adam'"),
        (["train", "digits", "--set", "activation=rleu"], "Did you mean 'relu'"),
        (["train", "digits", "--set", "scaling=standart"], "Did you mean 'standard'"),
        (["train", "digits", "--set", "dtype=float46"], "Did you mean 'float64'"),
        (["train", "digits", "--set", "activation=sigmoid"], "Did you mean 'logistic'"),
        (["train", "digits", "--set", "optimizer=Adam"], "Did you mean 'adam'"),
        (["train", "digits", "--set", "n_trees=x"], "Unknown setting 'n_trees'. fcnet recipes --schema"),
        (["train", "digits", "--set", "device=cpu"], "Unknown setting 'device'. fcnet recipes --schema"),
        (["train", "digits", "--set", "schedule=linear"], "Unknown training.schedule 'linear'. Known:"),
        (["train", "digits", "--set", "hidden_sizes=[200"], "got '[200'"),
        (["train", "digits", "--set", "hidden_sizes=200)"], "got '200)'"),
        (["train", "digits", "--set", "schedule=step", "--set", "step_epochs=0"], "step_epochs must be"),
        (["train", "digits", "--set", "warmup=2"], "warmup must be"),
        (["train", "digits", "--set", "schedule=exponential", "--set", "decay=-1.0"], "decay must be"),
        (["train", "digits", "--set", "patience=-1"], "patience must be"),
        (["train", "digits", "--engine", "nump"], "Did you mean 'numpy'"),
        (["train", "digits", "--recpie", "x"], "--recipe"),
        (["train", "digits", "--seed", "-1"], "--seed"),
        (["train", "digits", "--resume"], "--out"),
        (["train"], "DATASET"),
        (["predict"], "RUN"),
        (["recipes", "tunde"], "Did you mean 'tuned'"),
    ],
)
def test_wrong_use_exits_with_2_and_names_the_nearest(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert message in fcnet(*arguments, code=2).output
    assert not list(tmp_path.iterdir())  # the corrected command finds the way free


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["evaluate", "none"], "none is not a run folder"),
        (["predict", "none", "x.png"], "none is not a run folder"),
        (["predict", "file", "none"], "file is damaged or not a safetensors file"),
        (["report", "none"], "none is not a run folder: there is no such folder."),
        (["train", "digits", "--out", "file/run"], "file/run cannot be written: Not a directory. Choose another --out."),
        (["train", "cifar10", "--data-dir", "damaged"], "data_batch_1 has the MD5 sum"),
    ],
)
def test_work_that_fails_exits_with_1(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "data_batch_1").write_text("")
    assert message in fcnet(*arguments, code=1).output


def test_predict_names_the_files_that_are_no_pictures_and_goes_on(run, tmp_path):
    (tmp_path / "x.png").write_text("no picture")
    Image.new("L", (8, 8)).save(tmp_path / "z.png")
    result = fcnet("predict", run, *(tmp_path / f"{name}.png" for name in "xyz"), code=1)
    assert "x.png cannot be read as a picture" in result.stderr
    assert f"There is no file {tmp_path / 'y.png'}." in result.stderr
    assert "z.png: " in result.stdout


def test_predict_gives_a_line_for_each_time_that_a_picture_is_named(run, tmp_path):
    Image.new("L", (8, 8)).save(tmp_path / "z.png")
    assert len(fcnet("predict", run, tmp_path / "z.png", tmp_path / "z.png").stdout.splitlines()) == 2


@pytest.mark.parametrize(
    "name", ["metrics.json", "config.toml", "history.jsonl", "predictions.safetensors", "model.safetensors"]
)
def test_a_damaged_run_file_is_named(run, name):
    kept = (run / name).read_bytes()
    for content in (b"\xff\x00 = damaged {", b"{}", b"[1]"):
        (run / name).write_bytes(content)
        assert name in fcnet("report", run, code=1).output
    (run / name).write_bytes(kept)
    fcnet("report", run)


def test_the_description_of_a_changed_recipe_says_so(run):
    config = tomllib.loads((run / "config.toml").read_text())
    assert config["settings"]["description"].endswith("Changed: epochs.")
    report = (run / "report.html").read_text()
    assert "momentum" in report
    assert "beta1" not in report  # of a rule that is not chosen


def test_debug_shows_the_traceback(tmp_path):
    result = CliRunner().invoke(main, ["--debug", "evaluate", str(tmp_path)])
    assert type(result.exception).__name__ == "FileFormatError"


def test_json_is_all_that_goes_to_standard_output(tmp_path):
    result = fcnet("train", "digits", "--out", tmp_path / "run", "--json", *QUICK)
    assert json.loads(result.stdout) == json.loads((tmp_path / "run" / "metrics.json").read_text())


def test_what_is_logged_is_shown_while_a_command_runs(monkeypatch):
    logger, show = logging.getLogger("fcnet"), warnings.showwarning
    console = Console(file=io.StringIO(), width=100)
    with shown_notes():
        logger.info("features [1] of %s", "images")
        monkeypatch.setattr("fcnet.cli.notes.terminal", lambda: console)
        logger.getChild("training").info("on a terminal, [with] the time")
    assert re.search(r"\d\d:\d\d:\d\d.* on a terminal, \[with\] the time", console.file.getvalue())
    assert "features" not in console.file.getvalue()
    assert (logger.handlers, logger.level, warnings.showwarning) == ([], logging.NOTSET, show)


def test_a_summary_is_shown_whole():
    text = re.sub(r"\s+", " ", fcnet("--help").stdout)
    assert "Train a network on DATASET: digits, cifar10, or the path of your own data." in text
    assert "..." not in text.partition("Commands:")[2]


def test_recipes_can_be_listed_printed_and_used(tmp_path):
    listed = fcnet("recipes").stdout
    assert all(name in listed for name in recipe_names())
    own = tmp_path / "own.toml"
    own.write_text(fcnet("recipes", "digits").stdout.replace("epochs = 60", "epochs = 1"))
    fcnet("train", "digits", "--recipe", own, "--out", tmp_path / "run")
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["recipe"] == "own"
    assert "epochs was" not in fcnet("train", "digits", "--recipe", own, "--out", tmp_path / "run", "--resume").output
    folder = fcnet("train", "digits", "--recipe", tmp_path / "run", "--out", tmp_path / "again").stderr
    assert "epoch 1/1" in folder
    missing = fcnet("train", "digits", "--recipe", tmp_path / "none.toml", "--out", tmp_path / "other", code=2).stderr
    assert "Nor is there a file of that name." in missing


def test_a_recipe_for_images_and_pictures_on_a_table_are_told_what_to_do(run, tmp_path):
    table, picture = tmp_path / "rows.csv", tmp_path / "one.png"
    table.write_text("a,b\n" + "1,yes\n2,no\n" * 20)
    Image.new("L", (8, 8)).save(picture)
    out = ("--out", tmp_path / "run")
    assert "The recipe for tables is tabular." in fcnet("train", table, "--recipe", "pixels", *out, code=2).stderr
    kernel = fcnet("train", table, "--set", "training=kernel", *out, code=2).stderr
    assert "other data is trained on by training = gradient." in kernel
    fcnet("train", table, *out, *QUICK)
    assert f"{picture} is a picture, and" in fcnet("predict", tmp_path / "run", picture, code=1).stderr
    assert f"{table} is a table, and" in fcnet("predict", run, table, code=1).stderr


def test_gradcheck(monkeypatch):
    few = {name: ACTIVATIONS[name] for name in ("relu", "exp")}  # all are checked where gradients are tested
    monkeypatch.setattr("fcnet.nn.every_gradient.ACTIVATIONS", few)
    checks = json.loads(fcnet("gradcheck", "--json", "--seed", "3").stdout)
    assert checks["passed"] is True
    of_tables = [check["kind"] for check in checks["checks"] if check["kind"] in TABLES]
    others = [check["activation"] for check in checks["checks"] if check["kind"] not in TABLES]
    assert of_tables == [*TABLES]
    assert {*others} == {*few}
    assert len(others) == 3 * len(few)


def test_gradcheck_says_whether_a_gradient_is_wrong(monkeypatch):
    from fcnet.nn.layers import Tanh

    monkeypatch.setattr("fcnet.nn.every_gradient.ACTIVATIONS", {"tanh": Tanh})
    monkeypatch.setattr("fcnet.nn.every_gradient.NORMALISATIONS", {})
    monkeypatch.setattr("fcnet.nn.every_gradient.TABLES", {})
    assert "All gradients are right." in fcnet("gradcheck").stdout
    monkeypatch.setattr(Tanh, "backward", lambda self, dout, cache, engine, input_gradient: (dout, {}))
    assert "Wrong" in fcnet("gradcheck", code=1).stdout


def test_version_and_help():
    assert __version__ in fcnet("--version").stdout
    text = fcnet("--help").stdout
    for command in main.commands:
        assert command in text
        assert fcnet(command, "--help").stdout.startswith("Usage:")


def test_the_package_is_a_command():
    result = subprocess.run([sys.executable, "-m", "fcnet", "--version"], capture_output=True, text=True, check=True)
    assert result.stdout == f"fcnet, version {__version__}\n"


def test_what_is_not_used_is_not_imported():
    code = "import sys, fcnet.cli; print(*sys.modules)"
    modules = set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())
    assert not modules & {"numpy", "sklearn", "matplotlib", "PIL", "pooch", "requests", "rich.progress", "scipy", "jinja2"}


@pytest.mark.cifar10
def test_the_exercise_on_real_cifar10(tmp_path):
    run = tmp_path / "run"
    metrics = json.loads(fcnet("train", "cifar10", "--recipe", "exercise", "--out", run, "--json").stdout)
    assert metrics["dtype"] == "float32"
    assert 0.34 < metrics["val_accuracy"] < 0.40
    history = History.from_jsonl((run / "history.jsonl").read_text())
    assert history.batch_column("loss")[0] == pytest.approx(2.302593, abs=2e-6)
    assert 0.34 < json.loads(fcnet("evaluate", run, "--json").stdout)["test_accuracy"] < 0.40
    output = fcnet("data", "cifar10").stdout
    assert "49,000 images" in output
    assert "published checksum" in output


@pytest.mark.cifar10
@pytest.mark.slow
def test_tuned_reaches_60_percent_on_all_test_images(tmp_path):
    fcnet("train", "cifar10", "--out", tmp_path / "run")
    assert json.loads(fcnet("evaluate", tmp_path / "run", "--json").stdout)["test_accuracy"] >= 0.60
