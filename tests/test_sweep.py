"""Sweeps: search spaces, trials, studies that are stopped or killed, and winners."""

import json
import multiprocessing
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import tomllib
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import optuna
import pytest
from command_line import fcnet
from sweeps import asked_for, kill_self, trials_in

from fcnet import load
from fcnet.cli.sweep_table import Board
from fcnet.data import load_digits
from fcnet.errors import DivergedError, FcnetError, InputError, SettingError
from fcnet.experiments.config import Config
from fcnet.experiments.recipe import Recipe, load_recipe, recipe_names, recipe_text
from fcnet.experiments.results import read_metrics
from fcnet.experiments.sweep import prepared, results
from fcnet.experiments.sweep.given import read_given, read_space
from fcnet.experiments.sweep.plan import Plan, make_plan
from fcnet.experiments.sweep.prepared import PreparedData
from fcnet.experiments.sweep.run import sweep
from fcnet.experiments.sweep.space import make_space, table_of
from fcnet.experiments.sweep.study import Account, account, end, opened, put_back, read_account, trials_of
from fcnet.experiments.sweep.trial import NotNowError, Trials
from fcnet.experiments.sweep.values import plain_params, values_of
from fcnet.experiments.sweep.winner import finalists
from fcnet.model import Model
from fcnet.training.paired import over_seeds

forks = pytest.mark.skipif(os.name != "posix", reason="processes are forked")
RECIPE = """
[network]
hidden_sizes = [8]

[training]
kind = "gradient"
epochs = 2
batch_size = 300
learning_rate = 0.05
"""
SPACE = """
[sweep]
hidden_sizes = [[8], [4, 4]]
learning_rate = { low = 1e-2, high = 0.5, log = true }
"""
KINDS = """
[[sweep.update]]
kind = "nesterov"
momentum = { low = 0.5, high = 0.99 }
learning_rate = { low = 1e-2, high = 0.5, log = true }

[[sweep.update]]
kind = "adamw"
learning_rate = { low = 1e-4, high = 1e-2, log = true }
weight_decay = { low = 1e-4, high = 0.1, log = true }
"""


@pytest.fixture
def recipe(tmp_path):
    """Return a function that writes a recipe file with a space."""

    def write(space=SPACE, text=RECIPE):
        path = tmp_path / "mine.toml"
        path.write_text(text + space)
        return str(path)

    return write


def planned(folder, recipe, *, given=(), resume=False, changes=(), **own):
    settings = {"trials": 3, "winner_seeds": 1, "recipe": recipe, "engine": "numpy", "threads": 1} | own
    return make_plan("digits", folder, space=given, resume=resume, changes=changes, **settings)


def run_sweep(folder, recipe, *, tell=lambda now: None, jobs=1, timeout=np.inf, **settings):
    return sweep(*planned(folder, recipe, **settings), tell=tell, jobs=jobs, timeout=timeout)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("learning_rate = { low = 1.0, high = 0.1 }", "low of learning_rate is 1, above high, 0.1"),
        ("learning_rate = { low = 0.0, high = 0.1, log = true }", "low of learning_rate must be above 0 for a range with log"),
        ("learning_rat = { low = 0.1, high = 1.0 }", "Unknown setting 'learning_rat'. Did you mean 'learning_rate'?"),
        ("dropout = { low = 0.0, high = 1.0 }", "high of dropout must be a finite number of at least 0 and below 1, got 1.0"),
        ("learning_rate = { low = -1, high = 1 }", "low of learning_rate must be a finite number of at least 0 or auto"),
        ("epochs = { low = 1.5, high = 3 }", "low of epochs must be a whole number of at least 1 or auto, got 1.5"),
        ("epochs = { low = 1, high = 3, step = 0 }", "step of epochs must be a whole number above 0"),
        ("epochs = { low = 1, high = 3, step = 9 }", "step of epochs is 9, longer than its range from 1 to 3"),
        ("learning_rate = { low = 0.1 }", "learning_rate needs both low and high"),
        ("learning_rate = { log = true }", "learning_rate needs low and high, or choices"),
        ("learning_rate = { low = 0.1, high = 1.0, base = 2 }", "learning_rate has base; a range has low, high, log, step"),
        ("learning_rate = { choices = [0.1], low = 1 }", "learning_rate has choices and low: leave one out"),
        ("learning_rate = []", "learning_rate has no choices"),
        ("learning_rate = 0.1", "learning_rate must be a list of choices, or a table with low and high, got 0.1"),
        ('learning_rate = { low = "a", high = 1 }', "low of learning_rate must be a number, got 'a'"),
        ("hidden_sizes = [[8], [0]]", "hidden_sizes must be a list of whole numbers of at least 1, got [0]"),
        ('activation = ["relu", "tanch"]', "Unknown activation 'tanch'. Did you mean 'tanh'?"),
        ("activation = { low = 1, high = 2 }", "low of activation must be"),
        ('update = ["sgd", "adamv"]', "Unknown update 'adamv'. Did you mean 'adam'?"),
        ("weight_decay = [0.1]", "training.update.weight_decay belongs to training.update of kind adamw, which is not tried"),
        ('augmentation = ["a"]', "augmentation is not swept: name one of its settings"),
        ('description = ["a"]', "description is only text"),
        ("regularisation = [0.1]", "regularisation may be preprocessing.scaling.regularisation or preprocessing."),
        ('lr = [0.1]\nlearning_rate = [0.2]', "training.learning_rate is there twice"),
    ],
)  # fmt: skip
def test_a_wrong_space_is_one_clear_line(recipe, tmp_path, table, message):
    file = recipe(f"[sweep]\n{table}")
    result = fcnet("sweep", "digits", "--recipe", file, "--out", tmp_path / "study", code=2)
    assert message in result.stderr
    assert f"{file}, [sweep]: " in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "study").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--study", "mine"], "--study is the name of a study in a database: give its --storage, too."),
        (["--storage", "db.example.org/mine"], "--storage is not the address of a database: write it as postgresql://USER:"),
        (["--storage", "postgresql://me:s3cret@db:port/mine"], "--storage is not the address of a database"),
        (["--storage", "postgresql://me:p@s3cret@db/mine"], "with %40 for an @ in the password"),
        (["--storage", "elephant://me:s3cret@db/mine"], "--storage is not the address of a database"),
    ],
)
def test_a_database_that_is_named_wrongly_is_one_clear_line(recipe, swept, tmp_path, options, message):
    sweeping = ["sweep", "digits", "--recipe", recipe(), "--out", tmp_path / "study"]
    for words in (sweeping, ["report", swept[0], "--out", tmp_path / "study"]):
        result = fcnet(*words, *options, code=2)
        assert message in result.stderr
        assert result.stderr.count("\n") == 1
        assert "s3cret" not in result.output
        assert not (tmp_path / "study").exists()


@pytest.mark.parametrize("words", [["sweep", "digits", "--out"], ["train", "digits", "--out"], ["report", "STUDY", "--out"]])
def test_a_place_that_cannot_be_written_is_named_as_it_was_given(swept, tmp_path, words):
    (tmp_path / "file").touch()
    words = [swept[0] if word == "STUDY" else word for word in words]
    for place in ("file", "none") if "report" in words else ("file",):
        said = fcnet(*words, tmp_path / place / "result", code=1).stderr
        assert f"Error: {tmp_path / place / 'result'} cannot be written: " in said
        assert said.endswith("Choose another --out.\n")
        assert ".tmp" not in said
        assert "->" not in said  # a second name


@pytest.mark.parametrize("place", ["", "trials/0003"])
def test_a_study_or_a_trial_given_as_a_recipe_says_which_file_is_one(swept, tmp_path, place):
    said = fcnet("train", "digits", "--recipe", swept[0] / place, "--out", tmp_path / "run", code=2).stderr
    assert f"{swept[0] / place} is {'a trial' if place else 'the study'} of a sweep." in said
    assert said.endswith(" The recipe of the winner is winner.toml in the folder of the study.\n")


def test_a_recipe_without_a_space_says_what_to_do(recipe, tmp_path):
    result = fcnet("sweep", "digits", "--recipe", recipe(""), code=2)
    assert "has no table [sweep]" in result.stderr
    assert "--space learning_rate=1e-4:1e-1:log" in result.stderr


@pytest.mark.parametrize("name", recipe_names())
def test_a_shipped_recipe_has_a_space_around_its_own_values(name):
    recipe = load_recipe(name)
    space = make_space(recipe, read_space(recipe_text(name), name), name)
    again = make_space(recipe, table_of(space), name)
    assert {one.name: one for one in again} == {one.name: one for one in space}
    assert len(space) >= 2
    if name != "exercise":  # whose own settings are only where its sweep starts
        assert len(plain_params(recipe, space)) == len(space)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("epochs=1:5", ("epochs", {"low": 1, "high": 5})),
        ("lr = 1e-4:0.1:log", ("lr", {"low": 1e-4, "high": 0.1, "log": True})),
        ("update=sgd,adam", ("update", ["sgd", "adam"])),
        ("hidden_sizes=[[8], [4, 4]]", ("hidden_sizes", [[8], [4, 4]])),
        ("l2={low = 0, high = 1}", ("l2", {"low": 0, "high": 1})),
    ],
)
def test_a_space_on_the_command_line(text, said):
    assert read_given(text) == said


@pytest.mark.parametrize("text", ["epochs", "epochs=", "epochs=1:2:3", "epochs=[1"])
def test_a_wrong_space_on_the_command_line(text):
    with pytest.raises(SettingError, match="--space"):
        read_given(text)


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A sweep of five trials from the command line, and what it prints as JSON; and which part of the data was read when."""
    folder = tmp_path_factory.mktemp("swept")
    (folder / "mine.toml").write_text(RECIPE + KINDS)
    words = ["sweep", "digits", "--recipe", folder / "mine.toml", "--out", folder / "study", "--trials", 5, "--seeds", 2]
    with pytest.MonkeyPatch.context() as patch:
        asked = asked_for(patch)
        result = fcnet(*words, "--winner-seeds", 2, "--engine", "numpy", "--threads", 1, "--json")
    return folder / "study", json.loads(result.stdout), asked


def test_a_sweep_goes_from_nothing_to_a_winner(swept):
    study, said, _ = swept
    assert said == json.loads((study / "sweep.json").read_text())
    assert [trial["number"] for trial in said["trials"]] == list(range(said["n_trials"])) == list(range(5))
    assert [trial["is_plain"] for trial in said["trials"]] == [True] + 4 * [False]
    finished = {trial["number"]: trial["value"] for trial in said["trials"] if trial["state"] == "finished"}
    assert finished[said["best"]] == max(finished.values())
    for number, value in finished.items():
        metrics = json.loads((study / f"trials/{number:04d}/metrics.json").read_text())
        assert metrics["val_accuracy"] == value == np.mean(metrics["values"])
        for history in ("history.jsonl", "seed-1/history.jsonl"):
            rows = (study / f"trials/{number:04d}" / history).read_text().splitlines()
            assert len(rows) == 2
    assert not list(study.glob("trials/**/*.safetensors"))
    assert not (study / "prepared").exists()


def test_the_winner_is_a_recipe_with_runs_that_are_evaluated_once(swept):
    study, said, asked = swept
    winner = said["winner"]
    assert asked.count(0) == len(asked) - 3  # the test part is read for the two runs of the winner and for the ensemble alone
    assert asked[-1] != 0
    assert winner["seeds"] == [2, 3]  # no trial had these
    metrics = [read_metrics(study / run) for run in winner["runs"]]
    accuracies = [each["test_accuracy"] for each in metrics]
    assert winner["test_accuracy"] == np.mean(accuracies)
    assert winner["test_accuracy_std"] == np.std(accuracies, ddof=1)
    assert winner["val_loss"] == np.mean([each["val_loss"] for each in metrics])
    ensemble = read_metrics(study / "ensemble")
    names = ("val_accuracy", "val_loss", "test_accuracy")
    assert winner["ensemble"] == {"run": "ensemble", "networks": 4, **{name: ensemble[name] for name in names}}
    runs = [study / run for finalist in winner["finalists"] for run in finalist["runs"]]
    assert [(study / "ensemble" / one["run"]).resolve() for one in ensemble["members"]] == [run.resolve() for run in runs]
    assert all("test_accuracy" not in one for one in ensemble["members"])  # nobody is to choose a network by that
    X = load_digits().X_test
    mean = np.mean([load(run / "model.safetensors").predict_proba(X) for run in runs], axis=0)
    assert load(study / "ensemble" / "model.safetensors").predict_proba(X) == pytest.approx(mean, abs=1e-6)
    recipe = load_recipe(str(study / "winner.toml"), ["description="])
    assert recipe == Config.read(study / winner["runs"][0]).settings
    best = json.loads((study / f"trials/{winner['trial']:04d}/metrics.json").read_text())
    assert recipe == Recipe.from_dict(best["recipe"] | {"description": ""}, "")
    said = f"Found by a sweep of mine in trial {winner['trial']}: val_accuracy {winner['val_accuracy']:.2%} with 2 new seeds."
    assert load_recipe(str(study / "winner.toml")).description == said


@pytest.mark.parametrize("set_by_hand", [[], ["--set", "update=adamw"]])
def test_a_sweep_goes_on_around_the_winner_of_another(recipe, tmp_path, monkeypatch, set_by_hand):
    words = ["sweep", "digits", "--trials", 4, "--winner-seeds", 0, "--sampler", "grid", "--engine", "numpy", "--threads", 1]
    fcnet(
        *words,
        "--recipe",
        recipe(KINDS + "[sweep.network]\ndropout = {choices = [0.0, 0.1]}\n"),
        *set_by_hand,
        "--out",
        tmp_path / "a",
    )
    fcnet(*words, "--recipe", tmp_path / "a/winner.toml", "--out", tmp_path / "b")
    first, second = (
        {(one.key, one.choices, one.low, one.high, one.log) for one in Plan.read(tmp_path / name).space} for name in "ab"
    )
    assert first == second
    assert len(first) == (3 if set_by_hand else 6)
    ranges = [one for one in read_space((tmp_path / "b/winner.toml").read_text(), "b").values() if "low" in one]
    assert len(ranges) == (2 if set_by_hand else 0)  # of each kind by itself, else
    assert (tmp_path / "b/winner.toml").read_text().count("Found by a sweep") == 1


def test_the_winner_is_the_best_of_the_finalists_with_new_seeds(swept):
    study, said, _ = swept
    winner, final = said["winner"], said["winner"]["finalists"]
    trials = {trial["number"]: trial for trial in said["trials"]}
    best = max((n for n in trials if n and trials[n]["state"] == "finished"), key=lambda n: trials[n]["value"])
    assert [each["trial"] for each in final] == [0, best]  # the plain recipe, and one of fewer than 40 trials
    for each in final:
        assert each["runs"] == [f"finalists/{each['trial']:04d}/seed-{seed}" for seed in (2, 3)]
        metrics = [read_metrics(study / run) for run in each["runs"]]
        assert each["val_accuracy"] == np.mean([run["val_accuracy"] for run in metrics])
        assert all((run["test_accuracy"] is not None) == (each["trial"] == winner["trial"]) for run in metrics)
    assert winner["val_accuracy"] == max(each["val_accuracy"] for each in final)
    assert winner["plain"] == final[0]["val_accuracy"]
    if winner["trial"]:
        plain, new = ([read_metrics(study / run)["val_accuracy"] for run in each["runs"]] for each in final)
        expected = over_seeds(plain, new, winner["n_val"])
        assert (winner["difference"]["low"], winner["difference"]["words"]) == (expected.low, expected.words)
    else:
        assert winner["difference"] is None


def ended(plan, number, value, val_loss=1.0):
    """Return a trial that was trained to its end: number 0 is the plain recipe, others have a rate each."""
    values = {"training.learning_rate": 0.05 + number / 1000}
    ranges = {name: optuna.distributions.FloatDistribution(0.0, 1.0) for name in values}
    said = {"plain": number == 0, "val_loss": val_loss}
    trial = optuna.trial.create_trial(params=values, distributions=ranges, value=value, user_attrs=said)
    trial.number = number
    return trial


def test_finalists_are_the_plain_recipe_and_one_of_twenty_trials(recipe, tmp_path):
    _, plan = planned(tmp_path / "study", recipe("[sweep]\nlearning_rate = {low = 0.01, high = 0.5}\n"))

    def numbers(*trials):
        return [each.trial.number for each in finalists(tmp_path, plan, account(trials))]

    many = [ended(plan, n, n / 1000) for n in range(70)]
    assert numbers(*many[:1]) == [0]
    assert numbers(*many[:10]) == [0, 9]
    assert numbers(*many) == [0, 69, 68, 67]
    assert numbers(*many, *(ended(plan, n, 0.0) for n in range(70, 200))) == [0, 69, 68, 67, 66, 65]
    again = ended(plan, 69, 0.069)
    again.number = 70
    assert numbers(*many, again) == [0, 69, 68, 67]  # not the same recipe twice
    assert numbers(*many[1:]) == [69, 68, 67]  # the plain recipe was not trained to its end
    ties = [ended(plan, n, 0.5, val_loss) for n, val_loss in ((0, 0.1), (1, 0.3), (2, 0.2), (3, 0.3))]
    assert numbers(*ties) == [0, 2]


def test_a_finalist_that_diverges_is_left_out(recipe, tmp_path, monkeypatch):
    from fcnet.experiments.sweep import winner

    def diverge(run, config, *, train=winner.train, **settings):
        if config.recipe in diverging:
            raise DivergedError("loss", epoch=1)
        return train(run, config, **settings)

    monkeypatch.setattr(winner, "train", diverge)
    diverging = {"mine"}
    found = run_sweep(tmp_path / "study", recipe(), trials=2)["winner"]
    assert (found["trial"], found["plain"]) == (1, None)
    assert [each["trial"] for each in found["finalists"]] == [1]
    diverging.add("trial-1")
    with pytest.raises(FcnetError, match="The best trials diverge with other seeds"):
        run_sweep(tmp_path / "study", recipe(), trials=2, resume=True)


def test_of_equal_finalists_the_plain_recipe_is_the_winner(recipe, tmp_path, monkeypatch):
    from fcnet.experiments.sweep import winner

    monkeypatch.setattr(winner, "train", lambda *_, **__: {"val_accuracy": 0.9, "val_loss": next(losses), "n_val": 300})
    measured = {"val_accuracy": 0.9, "val_loss": 0.3, "test_accuracy": 0.9, "n_test": 9, "members": []}
    monkeypatch.setattr(winner, "_ensemble", lambda *_: measured)
    monkeypatch.setattr(winner, "evaluate", lambda *_, **__: measured)
    losses = iter([0.3, 0.3, 0.3, 0.2, 0.2, 0.2])
    found = run_sweep(tmp_path / "study", recipe(), trials=2)["winner"]
    assert (found["trial"], len(found["finalists"])) == (0, 2)


def test_without_new_seeds_no_test_row_is_read(recipe, tmp_path, monkeypatch):
    asked, study = asked_for(monkeypatch), tmp_path / "study"
    words = ["sweep", "digits", "--out", study, "--trials", 2, "--engine", "numpy", "--threads", 1]
    said = fcnet(*words, "--recipe", recipe(), "--winner-seeds", 0).stdout
    assert set(asked) == {0}
    found = json.loads((study / "sweep.json").read_text())
    assert found["winner"] is None
    assert f"Winner: {'the plain recipe, ' if not found['best'] else ''}trial {found['best']}, one of 2\n" in said
    assert [type(trial["epochs"]) for trial in found["trials"]] == [int, int]
    assert f"{study / 'winner.toml'}\n" in said
    assert "No test row was read." in said
    assert not list(study.glob("**/*.safetensors"))
    best = json.loads((study / f"trials/{found['best']:04d}/metrics.json").read_text())["recipe"]
    assert load_recipe(str(study / "winner.toml"), ["description="]) == Recipe.from_dict(best | {"description": ""}, "")
    assert "Test accuracy" in fcnet(*words, "--resume", "--winner-seeds", 1).stdout


def test_a_setting_counts_only_with_its_kind(swept):
    study, said, _ = swept
    kinds = {
        "nesterov": {"training.update", "training.update.momentum with nesterov", "training.learning_rate with nesterov"},
        "adamw": {"training.update", "training.update.weight_decay", "training.learning_rate with adamw"},
    }
    assert said["trials"][0]["params"] == {}  # the plain recipe has momentum, which is none of the choices
    drawn = [trial for trial in said["trials"] if not trial["is_plain"]]
    assert {trial["params"]["training.update"] for trial in drawn} == {"nesterov", "adamw"}
    for trial in drawn:
        kind = trial["params"]["training.update"]
        assert set(trial["params"]) == kinds[kind]
        tree = json.loads((study / f"trials/{trial['number']:04d}/metrics.json").read_text())["recipe"]["training"]
        assert tree["update"]["kind"] == kind
        assert tree["learning_rate"] == trial["params"][f"training.learning_rate with {kind}"]


def test_the_study_can_be_repeated(swept, tmp_path):
    study, said, _ = swept
    plan = Plan.read(study)
    assert tomllib.loads((study / "study.toml").read_text())["sweep"]["space"] == tomllib.loads(KINDS)["sweep"]
    again = sweep(tmp_path / "again", plan)
    assert trials_in(again) == trials_in(said)


def test_a_finished_study_takes_more_trials(swept, tmp_path):
    study, said, _ = swept
    shutil.copytree(study, tmp_path / "study")
    result = fcnet("sweep", "digits", "--out", tmp_path / "study", "--resume", "--trials", 6, "--threads", 1, "--json")
    now = json.loads(result.stdout)
    assert now["n_trials"] == 6
    assert now["trials"][:5] == said["trials"]


def test_who_reads_a_study_writes_nothing(swept, tmp_path):
    study = shutil.copytree(swept[0], tmp_path / "study")
    with closing(sqlite3.connect(study / "study.db")) as database:
        assert database.execute("PRAGMA journal_mode=DELETE").fetchone() == ("delete",)

    def files():
        return {path: path.read_bytes() for path in study.rglob("*") if path.is_file()}

    before = files()
    fcnet("report", study, "--out", tmp_path / "page.html")
    fcnet("runs", tmp_path)
    assert files() == before
    (study / "study.db").write_bytes(b"")
    assert "has no trials yet" in fcnet("report", study, code=1).stderr
    assert (study / "study.db").read_bytes() == b""


def test_a_study_is_read_while_another_writes(swept, tmp_path):
    study = shutil.copytree(swept[0], tmp_path / "study")
    with opened(study, Plan.read(study)) as writing:
        writing.enqueue_trial({})
        assert [trial.number for trial in read_account(study).waiting] == [5]


def stop_at(call):
    """Return a function that raises KeyboardInterrupt when it is called that many times."""
    calls = []

    def tell(now):
        calls.append(now)
        if len(calls) == call:
            raise KeyboardInterrupt

    return tell


def test_a_study_that_is_stopped_goes_on(recipe, tmp_path, monkeypatch):
    monkeypatch.setattr("fcnet.experiments.sweep.trial.TELL_SECONDS", -1)  # after every epoch
    file, folder = recipe(), tmp_path / "study"
    with pytest.raises(KeyboardInterrupt):
        run_sweep(folder, file, trials=4, tell=stop_at(8))  # in the third trial: each has two epochs and an end
    with opened(folder, Plan.read(folder)) as study:
        before = account(trials_of(study))
    assert (len(before.ended), len(before.waiting)) == (2, 1)
    found = run_sweep(folder, file, trials=4, resume=True)
    assert [trial["number"] for trial in found["trials"]] == [0, 1, 2, 3]
    assert found["trials"][2]["params"] == results.row_of(Plan.read(folder), before.waiting[0])["params"]
    assert trials_in(found) == trials_in(run_sweep(tmp_path / "unbroken", file, trials=4))


def test_a_trial_that_time_cuts_short_is_done_again(recipe, tmp_path, monkeypatch):
    monkeypatch.setattr("fcnet.experiments.sweep.trial.TELL_SECONDS", -1)  # after every epoch
    file, folder, calls, now = recipe(), tmp_path / "study", [], time.time
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: now() + (1e6 if len(calls) > 7 else 0))  # in the third trial
        found = run_sweep(folder, file, trials=4, tell=calls.append, timeout=1e5)
    assert [(trial["number"], trial["state"]) for trial in found["trials"]] == [(0, "finished"), (1, "finished")]
    assert found["n_trials"] == 2
    assert found["winner"] is not None
    assert not (folder / "trials/0002/status.json").exists()
    with opened(folder, Plan.read(folder)) as study:
        assert [trial.number for trial in account(trials_of(study)).waiting] == [2]
    again = run_sweep(folder, file, trials=4, resume=True)
    assert trials_in(again) == trials_in(run_sweep(tmp_path / "unbroken", file, trials=4))


@forks
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_study_that_is_killed_goes_on(recipe, tmp_path, monkeypatch):
    monkeypatch.setattr("fcnet.experiments.sweep.trial.TELL_SECONDS", -1)
    file, folder = recipe(), tmp_path / "study"

    def killed(resume, at):
        calls = []

        def tell(now):
            calls.append(now)
            if len(calls) == at:
                os.kill(os.getpid(), signal.SIGKILL)

        run_sweep(folder, file, trials=5, resume=resume, tell=tell)

    for resume, at in ((False, 5), (True, 2), (True, 6)):  # in an epoch, in the same trial again, and two trials later
        process = multiprocessing.get_context("fork").Process(target=killed, args=(resume, at))
        process.start()
        process.join()
        assert process.exitcode == -signal.SIGKILL
    found = run_sweep(folder, file, trials=5, resume=True)
    assert found["n_trials"] == 5
    assert {trial["state"] for trial in found["trials"]} == {"finished"}
    assert trials_in(found) == trials_in(run_sweep(tmp_path / "unbroken", file, trials=5))


@forks
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_two_hundred_trials_killed_five_times_are_those_of_an_unbroken_sweep(recipe, tmp_path, monkeypatch):
    monkeypatch.setattr("fcnet.experiments.sweep.trial.TELL_SECONDS", -1)
    file, folder, rng = recipe(KINDS), tmp_path / "study", np.random.default_rng(0)

    def killed(resume, at, seconds):
        run_sweep(folder, file, trials=200, resume=resume, tell=kill_self(at, seconds, 20))

    for life in range(5):
        context = multiprocessing.get_context("fork")
        process = context.Process(target=killed, args=(life > 0, int(rng.integers(1, 80)), rng.uniform(0, 0.2)))
        process.start()
        process.join()
        assert process.exitcode == -signal.SIGKILL
    found = run_sweep(folder, file, trials=200, resume=True)
    assert [trial["number"] for trial in found["trials"]] == list(range(200))
    assert len({str(trial["params"]) for trial in found["trials"]}) == 200
    assert trials_in(found) == trials_in(run_sweep(tmp_path / "unbroken", file, trials=200))


def test_a_trial_that_diverges_or_does_not_fit_is_not_the_end(recipe, tmp_path):
    space = "[sweep]\nlearning_rate = [1e30]\nfirst_layer = ['random', 'patches']\nhidden_sizes = [[1], [8]]\n"
    file = recipe(space + "network.first_layer.patch_sizes = [[9]]\n", RECIPE + '[preprocessing]\nkind = "pixels"\n')
    found = run_sweep(tmp_path / "study", file, trials=6, sampler="grid")
    states = {trial["state"] for trial in found["trials"]}
    assert states == {"finished", "diverged", "failed"}
    reasons = " ".join(str(trial["reason"]) for trial in found["trials"])
    assert "learning_rate = 1e+30" in reasons
    assert "Patches of 9 pixels do not fit" in reasons
    assert "In short trials" not in reasons  # nobody looks for a learning rate that would do: the sweep does
    for trial in found["trials"]:
        if trial["reason"]:
            told = json.loads((tmp_path / f"study/trials/{trial['number']:04d}/status.json").read_text())
            assert told == {"reason": trial["reason"]}
    assert found["best"] == found["plain"] == 0
    assert found["winner"]["warnings"] == ["With new seeds no finalist was better than the plain recipe."]


def test_a_trial_that_diverges_is_a_short_line(recipe, tmp_path):
    space = "[sweep]\nlearning_rate = [1e30]\nhidden_sizes = [[1], [8]]\n"
    words = ["--trials", 2, "--sampler", "grid", "--seeds", 2, "--winner-seeds", 1, "--engine", "numpy"]
    told = fcnet("sweep", "digits", "--recipe", recipe(space), "--out", tmp_path / "study", *words).stderr
    assert re.search(r"^trial 1: diverged in epoch 1; best so far [\d.]+% \(trial 0\)$", told, re.M)


def test_of_trials_of_before_only_their_number_is_told(recipe, tmp_path):
    words = ["sweep", "digits", "--out", tmp_path / "study", "--winner-seeds", 0, "--engine", "numpy", "--threads", 1]
    told = fcnet(*words, "--recipe", recipe(), "--trials", 2).stderr
    assert re.findall(r"^trial (\d):", told, re.M) == ["0", "1"]
    assert "had ended before" not in told
    told = fcnet(*words, "--resume", "--trials", 3).stderr
    assert re.findall(r"^trial (\d):", told, re.M) == ["2"]
    assert len(re.findall(r"^2 of 3 trials had ended before; best so far [\d.]+% \(trial \d\)$", told, re.M)) == 1


def test_a_study_whose_trials_have_ended_shows_its_result_again(recipe, tmp_path):
    words = ["sweep", "digits", "--out", tmp_path / "study", "--resume", "--engine", "numpy", "--threads", 1]
    space = ["--space", "hidden_sizes=[[4],[8]]", "--winner-seeds", 2]
    first = fcnet(*words, "--recipe", recipe(), *space, "--timeout", "1h")  # which two trials do not need
    winner = json.loads((tmp_path / "study/sweep.json").read_text())["winner"]
    plain = f"plain recipe has val_accuracy {winner['plain']:.2%} ± {winner['plain_std']:.2%}."
    assert plain in first.stdout
    assert first.stderr.count("Training the finalist") == 4
    for options, before in (([], "2 of 2 trials"), (["--trials", 1], "2 trials")):
        again = fcnet(*words, *options)
        assert again.stdout == first.stdout
        assert "Training the finalist" not in again.stderr
        assert f"\n{before} had ended before" in again.stderr


def test_the_time_left_is_also_that_of_the_finalists(swept):
    study, said, _ = swept
    board = Board(Plan.read(study), timeout=np.inf, jobs=1)
    board.show(Account([], [], []))
    seconds = [trial["seconds"] for trial in said["trials"]]
    final = sum(seconds[finalist["trial"]] for finalist in said["winner"]["finalists"])  # of two seeds, as two they will have
    assert board.time_left(read_account(study)) == pytest.approx(final)


def test_a_trial_is_pruned(recipe, tmp_path, monkeypatch):
    monkeypatch.setattr(optuna.Trial, "should_prune", lambda trial: trial.number == 1)
    found = run_sweep(tmp_path / "study", recipe())
    assert [trial["state"] for trial in found["trials"]] == ["finished", "pruned", "finished"]
    assert found["trials"][1]["reason"] == "pruned after epoch 1 of 2"
    assert len((tmp_path / "study/trials/0001/history.jsonl").read_text().splitlines()) == 1


def test_a_pruner_sees_a_trial_ten_times(recipe, tmp_path):
    run_sweep(tmp_path / "study", recipe(), trials=1, changes=["epochs=20"])
    with opened(tmp_path / "study", Plan.read(tmp_path / "study")) as study:
        assert list(trials_of(study)[0].intermediate_values) == list(range(2, 21, 2))


@pytest.mark.parametrize("pruner", ["median", "halving", "hyperband", "none"])
@pytest.mark.parametrize("metric", ["val_accuracy", "val_loss"])
def test_every_pruner_and_metric(recipe, tmp_path, pruner, metric):
    found = run_sweep(tmp_path / "study", recipe(), pruner=pruner, metric=metric, sampler="random")
    values = [trial["value"] for trial in found["trials"] if trial["state"] == "finished"]
    best = found["trials"][found["best"]]["value"]
    assert best == (min if metric == "val_loss" else max)(values)


def test_cmaes_needs_ranges(recipe, tmp_path):
    with pytest.raises(SettingError, match="cmaes needs two ranges"):
        planned(tmp_path / "study", recipe(), sampler="cmaes")
    space = "[sweep]\nlearning_rate = {low = 0.01, high = 0.1}\nhidden_sizes = {low = 2, high = 9}\n"
    found = run_sweep(tmp_path / "study", recipe(space), trials=4, sampler="cmaes")
    for trial in found["trials"]:
        assert 2 <= trial["params"]["network.hidden_sizes"] <= 9


def test_a_grid_has_every_combination_once(recipe, tmp_path):
    space = "[sweep]\nbatch_size = {low = 300, high = 500, step = 100}\nlearning_rate = {low = 0.05, high = 0.1, step = 0.05}\n"
    found = run_sweep(tmp_path / "study", recipe(space), trials=50, sampler="grid", pruner="none")
    combinations = {tuple(sorted(trial["params"].items())) for trial in found["trials"]}
    assert len(combinations) == found["n_trials"] == 6


@pytest.mark.parametrize(
    ("space", "sampler", "trials", "n"),
    [
        ("batch_size = {low = 299, high = 301}\nhidden_sizes = [[8], [4, 4]]", "tpe", 30, 6),
        ("batch_size = {low = 299, high = 301}\nhidden_sizes = [[8], [4, 4]]", "random", 5, 5),
        ("dropout = {low = 0.0, high = 0.5, step = 0.1}", "random", 30, 6),  # three steps of 0.1 are not 0.3 in floats
    ],
)
def test_no_combination_of_a_small_space_is_tried_twice(recipe, tmp_path, monkeypatch, caplog, space, sampler, trials, n):
    monkeypatch.setattr("fcnet.experiments.sweep.trial.TELL_SECONDS", -1)
    caplog.set_level("INFO", "fcnet")
    file, settings = recipe(f"[sweep]\n{space}\n"), {"pruner": "none"}
    settings |= {"sampler": sampler, "trials": trials, "winner_seeds": 0}
    with pytest.raises(KeyboardInterrupt):
        run_sweep(tmp_path / "study", file, tell=stop_at(12), **settings)
    found = run_sweep(tmp_path / "study", file, resume=True, **settings)
    assert found["n_trials"] == len({str(trial["params"]) for trial in found["trials"]}) == n
    assert trials_in(found) == trials_in(run_sweep(tmp_path / "unbroken", file, **settings))
    assert len(list((tmp_path / "unbroken/trials").iterdir())) == n
    assert ("All combinations of values have been tried, in 6 trials" in caplog.messages) == (n == 6)


def test_steps_are_the_numbers_that_were_written(recipe, tmp_path):
    given = {"dropout": {"low": 0.12345, "high": 0.5, "step": 0.1}}
    _, plan = planned(tmp_path / "study", recipe(), given=given)
    assert sorted(cell["network.dropout"] for cell in plan.cells) == [0.12345, 0.22345, 0.32345, 0.42345]
    last = values_of({"network.dropout": 0.12345 + 3 * 0.1}, plan.space)  # as a sampler adds it up
    assert last == {"network.dropout": 0.42345}
    assert "at the upper end of its range" in results.border_words(plan.space, last)[0]


GRID = "[sweep]\nbatch_size = [300, 301, 302, 303, 304, 305]\n"


def test_a_grid_goes_on_in_order_with_fewer_and_with_more_trials(recipe, tmp_path, monkeypatch):
    monkeypatch.setattr("fcnet.experiments.sweep.trial.TELL_SECONDS", -1)
    file, settings = recipe(GRID), {"sampler": "grid", "pruner": "none", "winner_seeds": 0}
    with pytest.raises(KeyboardInterrupt):
        run_sweep(tmp_path / "study", file, trials=6, tell=stop_at(8), **settings)  # in the third trial
    unbroken = trials_in(run_sweep(tmp_path / "unbroken", file, trials=6, **settings))
    for trials in (4, 6):
        found = run_sweep(tmp_path / "study", file, trials=trials, resume=True, **settings)
        assert trials_in(found) == unbroken[:trials]


@pytest.mark.filterwarnings("ignore:Heartbeat of storage is supposed")
def test_of_two_workers_that_begin_the_last_trial_at_once_one_leaves_its_own_for_later(recipe, tmp_path):
    file, settings = recipe(GRID), {"sampler": "grid", "pruner": "none", "winner_seeds": 0}
    folder, plan = planned(tmp_path / "study", file, trials=6, **settings)
    folder.mkdir()
    plan.write(folder)
    fewer = replace(plan, trials=3)
    trials = Trials(folder, fewer, PreparedData(plan.config, load_digits(), folder))
    with opened(folder, plan) as study:
        asked = [study.ask() for _ in range(4)]
        with pytest.raises(NotNowError):
            trials(asked[3])
        put_back(study, account(trials_of(study)).running, has_died=False)
    assert run_sweep(folder, file, trials=3, resume=True, **settings)["n_trials"] == 3
    found = run_sweep(folder, file, trials=6, resume=True, **settings)
    assert trials_in(found) == trials_in(run_sweep(tmp_path / "unbroken", file, trials=6, **settings))


@pytest.mark.filterwarnings("ignore:Heartbeat of storage is supposed")
def test_workers_that_draw_the_same_train_it_once(recipe, tmp_path):
    file = recipe("[sweep]\nhidden_sizes = [[8], [4], [5], [4, 4]]\n")
    folder, plan = planned(tmp_path / "study", file, trials=4, winner_seeds=0, pruner="none")
    folder.mkdir()
    trials = Trials(folder, plan, PreparedData(plan.config, load_digits(), folder))
    with opened(folder, plan, workers=3) as study:
        for _ in range(3):
            study.enqueue_trial({plan.space[0].name: "[4]"})
        asked = [study.ask() for _ in range(4)]
        for number in (2, 0, 3, 1):  # not in the order in which they were begun
            end(study, asked[number], *trials(asked[number]))
        now = account(trials_of(study))
    assert [trial.number for trial in now.ended] == [0, 2]
    assert [trial.number for trial in now.waiting] == [4]  # in place of both that gave way
    found = sweep(folder, plan)
    assert found["n_trials"] == len({str(trial["params"]) for trial in found["trials"]}) == 4


def test_preprocessing_is_fitted_once_for_all_trials_that_share_it(recipe, tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(prepared, "prepare", lambda *given, make=prepared.prepare: made.append(given) or make(*given))
    space = "[sweep]\nscaling = ['standard', 'mean']\nlearning_rate = [0.05, 0.1]\n"
    found = run_sweep(tmp_path / "study", recipe(space), trials=4, sampler="grid", pruner="none")
    assert found["n_trials"] == 4
    assert len(made) == 2


# A worker that is killed in the first epoch of the second trial, unless so many were before.
DIES = """
import os, runpy, signal
from pathlib import Path
import optuna

own, died = optuna.Trial.report, Path({!r})

def report(trial, value, step):
    own(trial, value, step)
    if trial.number == 1 and len(list(died.iterdir())) < {}:
        (died / str(os.getpid())).touch()
        os.kill(os.getpid(), signal.SIGKILL)

optuna.Trial.report = report
runpy.run_module("fcnet.experiments.sweep.work", run_name="__main__")
"""


@forks
@pytest.mark.parametrize(("deaths", "state", "reason"), [(1, "finished", None), (3, "failed", "its process died 3 times")])
def test_several_processes_share_a_study_and_one_may_die(recipe, tmp_path, monkeypatch, deaths, state, reason):
    died, worker, begin = tmp_path / "died", tmp_path / "worker.py", subprocess.Popen
    died.mkdir()
    worker.write_text(DIES.format(str(died), deaths))

    def begin_such(words, **settings):
        return begin([sys.executable, str(worker)] if "fcnet.experiments.sweep.work" in words else words, **settings)

    monkeypatch.setattr(subprocess, "Popen", begin_such)
    calls = []

    def tell(now):
        calls.append(now)
        if len(calls) == 2:  # with what was read before the first one died
            until = time.monotonic() + 600
            while not (pids := list(died.iterdir())) and time.monotonic() < until:
                time.sleep(0.01)
            with suppress(ChildProcessError):  # if its end was seen in the meantime
                os.waitid(os.P_PID, int(pids[0].name), os.WEXITED | os.WNOWAIT)

    file = recipe("[sweep]\nl2 = {low = 1e-6, high = 1e-2, log = true}\n")
    found = run_sweep(tmp_path / "study", file, trials=4, jobs=2, pruner="none", changes=["epochs=4"], tell=tell)
    now = calls[3]  # the third was told before its trial was put back
    taken_up = next(trial for trial in (*now.ended, *now.running, *now.waiting) if trial.number == 1)
    assert taken_up.user_attrs["attempt"] > 1
    assert len(list(died.iterdir())) == deaths
    assert found["n_trials"] == 4
    assert [trial["state"] for trial in found["trials"]] == ["finished", state, "finished", "finished"]
    assert found["trials"][1]["reason"] == reason
    assert len({str(trial["params"]) for trial in found["trials"]}) == 4


@forks
def test_ctrl_c_ends_all_processes_of_a_study_that_goes_on(recipe, tmp_path):
    folder, file = tmp_path / "study", recipe()
    code = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from fcnet.cli import main; main()"
    words = ["sweep", "digits", "--recipe", file, "--out", folder, "--trials", 9999, "--jobs", 2, "--sampler", "random"]
    words += ["--winner-seeds", 0, "--engine", "numpy", "--threads", 1]
    sweeping = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, words)], stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    said = ""
    while "trial 1:" not in said:
        line = sweeping.stderr.readline()
        assert line, said
        said += line
    os.killpg(sweeping.pid, signal.SIGINT)  # as a terminal sends it: to all processes
    said += sweeping.communicate()[1]
    assert sweeping.returncode == 1, said
    assert f"Stopped. Go on with: fcnet sweep digits --out {folder} --resume" in said
    assert said.endswith(f"Report: {folder / 'report.html'}\n")
    assert "It was stopped. Go on with: " in (folder / "report.html").read_text()
    with pytest.raises(ProcessLookupError):
        os.killpg(sweeping.pid, 0)
    assert not (folder / "prepared").exists()
    n = len(read_account(folder).ended) + 2
    found = run_sweep(folder, file, trials=n, winner_seeds=0, sampler="random", resume=True)
    assert [trial["number"] for trial in found["trials"]] == list(range(n))


def test_time_may_be_up(recipe, tmp_path):
    with pytest.raises(FcnetError, match="No trial was trained to its end. Give it more time"):
        run_sweep(tmp_path / "study", recipe(), timeout=-1.0)
    found = run_sweep(tmp_path / "study", recipe(), resume=True)
    assert found["n_trials"] == 3


def test_what_is_set_is_not_swept(recipe, tmp_path):
    _, plan = planned(tmp_path / "study", recipe(), changes=["hidden_sizes=[5]"])
    assert [parameter.key for parameter in plan.space] == ["training.learning_rate"]
    _, plan = planned(tmp_path / "study", recipe(KINDS), changes=["update=adamw"])
    assert {parameter.name for parameter in plan.space} == {"training.learning_rate with adamw", "training.update.weight_decay"}
    for given in (["l2=1e-6:1e-2:log"], {"l2": {"low": 1e-6, "high": 1e-2, "log": True}}):
        _, plan = planned(tmp_path / "study", recipe(), given=given, changes=["l2=1e-4"])
        assert [(parameter.key, parameter.low, parameter.log) for parameter in plan.space] == [("training.l2", 1e-6, True)]


def test_a_range_ends_with_its_last_step(recipe, tmp_path):
    given = {
        "batch_size": {"low": 32, "high": 120, "step": 32},
        "dropout": {"low": 0.1, "high": 0.3, "step": 0.1},
        "input_dropout": {"low": 0.1, "high": 0.3, "step": 0.2},
    }
    _, plan = planned(tmp_path / "study", recipe(), given=given)
    assert [(parameter.high, parameter.step) for parameter in plan.space] == [(96, 32), (0.3, 0.1), (0.3, 0.2)]


def test_a_study_is_not_mixed_with_another(recipe, tmp_path):
    file, folder = recipe(), tmp_path / "study"
    run_sweep(folder, file, trials=1)
    for settings, message in (
        ({}, "exists. Choose another --out, or --resume it."),
        ({"resume": True, "sampler": "random"}, "was begun with other settings: sampler was 'tpe', now 'random'"),
        ({"resume": True, "changes": ["epochs=3"]}, "training.epochs was 2, now 3"),
        (
            {"resume": True, "changes": ["hidden_sizes=[8]"]},  # as it is, but no longer swept
            "swept was ['network.hidden_sizes', 'training.learning_rate'], now ['training.learning_rate']",
        ),
        ({"resume": True, "given": ["l2=1e-6:1e-2:log"]}, 'the space of l2 was none, now {"low": 1e-06'),
    ):
        with pytest.raises(InputError, match=re.escape(message)):
            planned(folder, file, **settings)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").write_text("")
    with pytest.raises(InputError, match="exists. Choose another --out."):
        planned(tmp_path / "other", file)


def test_a_damaged_study_is_one_clear_line(recipe, tmp_path):
    file, folder = recipe(), tmp_path / "study"
    run_sweep(folder, file, trials=1)
    (folder / "study.db").write_bytes(b"no database at all, and long enough to be read as one" * 100)
    words = ["sweep", "digits", "--recipe", file, "--out", folder, "--resume", "--engine", "numpy", "--winner-seeds", 1]
    assert "cannot be read or written: file is not a database" in fcnet(*words, code=1).stderr
    (folder / "study.toml").write_text("[sweep")
    assert "study.toml is damaged" in fcnet(*words, code=1).stderr


def test_warnings_at_the_border_of_a_range_and_within_noise(recipe, tmp_path):
    space = "[sweep]\nlearning_rate = {low = 1e-3, high = 0.1, log = true}\ndropout = {low = 0.0, high = 0.5}\n"
    _, plan = planned(tmp_path / "study", recipe(space + "epochs = {low = 2, high = 9}\n"), winner_seeds=3)
    params = {"training.learning_rate": 0.0999, "network.dropout": 0.0, "training.epochs": 2}
    said = results.border_words(plan.space, params)
    assert [words.split(":")[0] for words in said] == [
        "The best training.learning_rate is 0.0999, at the upper end of its range",
        "The best training.epochs is 2, at the lower end of its range",
    ]  # dropout cannot be below 0
    assert results.noise_words(over_seeds([0.90, 0.91, 0.92], [0.94, 0.95, 0.96], 300)) == []
    for b in ([0.90, 0.93, 0.91], [0.89, 0.90, 0.91]):  # better by chance, and worse
        difference = over_seeds([0.90, 0.91, 0.92], b, 300)
        [words] = results.noise_words(difference)
        assert words.startswith(
            f"The winner is not better than the plain recipe beyond noise: {100 * difference.mean:+.2f} points"
        )
        assert "(paired t-test over 3 seeds)" in words
    losses = [0.4, 0.41, 0.42], [0.3, 0.32, 0.31]  # which are better where they are lower, and of which steps are not known
    assert results.noise_words(over_seeds(*losses, None)) == []
    [words] = results.noise_words(over_seeds(*losses[::-1], None))
    assert "beyond noise: +0.1000, 95 % confidence interval +0.0752 to +0.1248; p = 0.0033 (" in words


def test_a_warning_of_trials_that_the_metric_does_not_tell_apart(recipe, tmp_path):
    def said(*values, metric=None):
        _, plan = planned(tmp_path / f"{metric}", recipe(), metric=metric)
        return results.ceiling_words(plan, account([ended(plan, n, value, 0.1) for n, value in enumerate(values)]))

    [words] = said(1.0, 0.9, 1.0)
    assert words.startswith("2 of 3 trials have val_accuracy 100.00%, which does not tell them apart.")
    assert "--metric val_log_loss" in words
    assert said(1.0, 0.9) == said(0.9, 0.9) == []
    assert said(1.0, 1.0, metric="val_log_loss") == []


def test_the_finalists_are_trained_on_the_data_of_the_trials(recipe, tmp_path, monkeypatch):
    asked = asked_for(monkeypatch)
    found = run_sweep(tmp_path / "study", recipe(), trials=2, winner_seeds=2)["winner"]
    assert found["ensemble"]["networks"] == 4
    assert asked == [0, 297, 297, 0, 297]  # for the sweep; the tests of the winner; the ensemble, and its test


def test_no_network_predicts_the_test_rows_twice(recipe, tmp_path, monkeypatch, caplog):
    sizes, logits = [], Model.logits

    def logits_of_test_rows(model, X):
        sizes.append(len(X))
        return logits(model, X)

    monkeypatch.setattr(Model, "logits", logits_of_test_rows)
    caplog.set_level("INFO")
    found = run_sweep(tmp_path / "study", recipe(), trials=3)["winner"]
    assert sizes.count(found["n_test"]) == found["ensemble"]["networks"]
    assert f"Training {len(found['finalists'])} finalists: {found['ensemble']['networks']} networks, about " in caplog.text
    for run in found["runs"]:
        model, metrics = load(tmp_path / "study" / run / "model.safetensors"), read_metrics(tmp_path / "study" / run)
        data = load_digits()
        assert metrics["test_accuracy"] == np.mean(model.predict(data.X_test) == data.y_test)


def test_a_stopped_sweep_says_how_to_go_on(recipe, tmp_path, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("fcnet.experiments.sweep.run.work", stop)
    words = ["sweep", "digits", "--recipe", recipe(), "--out"]
    result = fcnet(*words, tmp_path / "my study", code=1)
    assert result.stderr.endswith(f"Go on with: fcnet sweep digits --out '{tmp_path / 'my study'}' --resume\n")
    url = f"sqlite:///{tmp_path / 'shared.db'}"
    said = fcnet(*words, tmp_path / "study", "--storage", url, "--study", "our own", "--timeout", "2000h", code=1).stderr
    assert said.endswith("--resume --timeout 7200000 --study 'our own', and the same --storage or FCNET_STORAGE\n")
    assert url not in said
    monkeypatch.setattr("fcnet.experiments.sweep.run.work_in_processes", stop)
    assert fcnet(*words, tmp_path / "third", "--jobs", 2, code=1).stderr.endswith(f"{tmp_path / 'third'} --resume --jobs 2\n")


@pytest.mark.filterwarnings("ignore:Heartbeat of storage is supposed")
def test_the_page_says_how_to_go_on_as_the_terminal_does(recipe, tmp_path, monkeypatch):
    def stop(study, *_):
        study.tell(study.ask(), 0.5)
        raise KeyboardInterrupt

    monkeypatch.setattr("fcnet.experiments.sweep.run.work_in_processes", stop)
    study, how = tmp_path / "study", ["--data-dir", str(tmp_path), "--jobs", "2", "--timeout", "3600"]
    told = fcnet("sweep", "digits", "--recipe", recipe(), "--out", study, *how, code=1).stderr
    command = " ".join(["Go on with: fcnet sweep digits --out", str(study), "--resume", *how])
    assert told.endswith(f"Stopped. {command}\n")
    assert f"It was stopped. {command}<" in Path(fcnet("report", study).stdout.strip()).read_text()


@pytest.mark.parametrize(
    ("limits", "rest"), [(["--timeout", "1h"], ""), (["--timeout", "1h", "--trials", 9], " --trials 1")], ids=["time", "both"]
)
def test_a_sweep_stopped_in_its_final_goes_on_without_new_trials(recipe, tmp_path, monkeypatch, limits, rest):
    """The time is up after the first trial, and Ctrl-C comes while the finalists train."""
    from fcnet.experiments.sweep import run, work

    def one_trial(study, todo, plan, *rest):
        work.work(study, todo, replace(plan, trials=1), *rest)

    def stop(*_, **__):
        raise KeyboardInterrupt

    words = ["sweep", "digits", "--recipe", recipe(), "--out", tmp_path / "study"]
    with monkeypatch.context() as patched:
        patched.setattr(run, "work", one_trial)
        patched.setattr(run, "finish", stop)
        result = fcnet(*words, *limits, code=1)
    command = f"Go on with: fcnet sweep digits --out {tmp_path / 'study'} --resume{rest}"
    assert f"Stopped. {command}\n" in result.stderr
    assert f"It was stopped. {command}<" in (tmp_path / "study/report.html").read_text()
    given = ["--winner-seeds", 1, "--json", *rest.split()]
    said = json.loads(fcnet(*words[:2], *words[4:], "--resume", *given).stdout)
    assert (said["n_trials"], said["winner"]["trial"]) == (1, 0)
    monkeypatch.setattr(run, "work", stop)  # in further trials
    assert (
        fcnet(*words, "--resume", *limits, code=1)
        .stderr.partition("Stopped. ")[2]
        .startswith(f"Go on with: fcnet sweep digits --out {tmp_path / 'study'} --resume --timeout 3600\n")
    )


def test_a_full_disk_in_preprocessing_says_how_to_go_on(recipe, tmp_path, monkeypatch):
    def write_less(*_):
        raise OSError("76800 requested and 1000 written")  # as NumPy says it

    monkeypatch.setattr(np, "save", write_less)
    said = fcnet("sweep", "digits", "--recipe", recipe(), "--out", tmp_path / "study", code=1).stderr
    assert re.search(r"Error: \S+/prepared/\w+ cannot be written: No space left on device. Make room, and go on with", said)


@pytest.mark.parametrize(("text", "message"), [("5x", "is no duration"), ("0", "is no duration"), ("soon", "is no duration")])
def test_a_wrong_duration(text, message):
    assert message in fcnet("sweep", "digits", "--timeout", text, code=2).stderr


@pytest.mark.parametrize(
    ("options", "trials"),
    [([], 30), (["--timeout", "1h"], 10_000), (["--timeout", "1h", "--trials", "7"], 7)],
    ids=["neither", "time", "both"],
)
def test_where_only_the_time_is_limited_there_are_as_many_trials_as_it_allows(recipe, tmp_path, monkeypatch, options, trials):
    planned = []
    monkeypatch.setattr("fcnet.experiments.sweep.run.work", lambda study, todo, plan, *_: planned.append(plan.most_trials))
    fcnet("sweep", "digits", "--recipe", recipe(), "--out", tmp_path / "study", *options, code=1)  # no trial is done
    assert planned == [trials]


def test_a_sweep_that_was_limited_by_time_alone_goes_on_with_a_limit(recipe, tmp_path, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("fcnet.experiments.sweep.run.work", stop)
    words = ["sweep", "digits", "--out", tmp_path / "study", "--resume"]
    result = fcnet(*words, "--recipe", recipe(), "--timeout", "5m", code=1)
    assert f"Go on with: fcnet sweep digits --out {tmp_path / 'study'} --resume --timeout 300" in result.stderr
    assert "give --timeout, or --trials" in fcnet(*words, code=2).stderr
    assert "Go on with" in fcnet(*words, "--trials", 3, code=1).stderr


def test_notes_on_the_data_are_shown_once(tmp_path):
    rows = [f"{n},{'ab'[n % 2]},{'yes' if n % 3 else 'no'}" for n in range(60)]
    (tmp_path / "shop.csv").write_text("\n".join(["price,kind,bought", *rows]) + "\n")
    words = ["sweep", tmp_path / "shop.csv", "--trials", 2, "--set", "epochs=2", "--set", "hidden_sizes=[4]", "--threads", 1]
    said = fcnet(*words, "--out", tmp_path / "study").stderr.splitlines()
    assert sum(line.startswith("Training the finalist") for line in said) > 1
    assert sum("Learning the column 'bought'" in line for line in said) == 1
