"""The pages of studies and runs that are not as most: what their charts cannot show is said in words."""

import json
import re
import shutil
from pathlib import Path

import pytest
from command_line import fcnet
from pages import Parts

from fcnet.report.comparison import write_comparison
from fcnet.report.study import write_study_report

pytestmark = pytest.mark.any_kernel

RECIPE = """
description = "mine"

[network]
hidden_sizes = [4]

[training]
kind = "gradient"
epochs = 1
batch_size = 300
learning_rate = 0.05
update = "momentum"

[sweep]
hidden_sizes = { low = 6, high = 8 }
epochs = [2]
dropout = [0.1, 0.2]

[[sweep.update]]
kind = "nesterov"
learning_rate = { low = 1e-2, high = 0.1, log = true }

[[sweep.update]]
kind = "adamw"
learning_rate = { low = 1e-4, high = 1e-2, log = true }
"""
NEVER_PRUNED = ["--pruner", "none", "--winner-seeds", 0, "--engine", "numpy", "--threads", 1]


@pytest.fixture(scope="module")
def outside(tmp_path_factory):
    """The study of a plain recipe that lies outside of its search space."""
    folder = tmp_path_factory.mktemp("outside")
    (folder / "mine.toml").write_text(RECIPE)
    fcnet("sweep", "digits", "--recipe", folder / "mine.toml", "--out", folder / "study", "--trials", 7, *NEVER_PRUNED)
    return folder / "study"


@pytest.fixture(scope="module")
def diverged(tmp_path_factory):
    """A study all of whose trials have diverged."""
    study = tmp_path_factory.mktemp("diverged") / "study"
    space = ["--space", "learning_rate=1e8:1e9:log", "--set", "learning_rate=1e9", "--set", "epochs=1"]
    fcnet("sweep", "digits", "--out", study, "--trials", 3, *space, *NEVER_PRUNED, code=1)
    return study


def test_a_plain_recipe_outside_of_the_space_is_in_the_charts(outside):
    page = Parts(outside / "report.html")
    axes = {axis["name"]: axis for axis in page.data["axes"]}
    assert set(axes) == {"update", "dropout", "hidden_sizes", "learning_rate with nesterov", "learning_rate with adamw"}
    assert axes["update"]["choices"] == ["nesterov", "adamw", "momentum"]
    assert axes["dropout"]["choices"] == ["0.1", "0.2", "0"]
    assert (axes["hidden_sizes"]["low"], axes["hidden_sizes"]["high"]) == (4, 8)
    [plain] = [item for item in page.data["items"] if item["plain"]]
    places = dict(zip(axes, plain["settings"], strict=True))
    assert [places[name] for name in ("update", "dropout", "hidden_sizes")] == [2, 2, 4]
    assert places["learning_rate with adamw"] is None
    assert "epochs 1, " in plain["says"]
    for note in (
        "A trial that lacks a setting goes straight past its axis.",
        "epochs has no chart: it is 2 in every trial but the plain recipe, which has 1.",
        "The plain recipe lies outside of the search space: update = momentum, dropout = 0, hidden_sizes = 4.",
        "the 6 trials that were trained to the end, without the plain recipe, by fANOVA",
    ):
        assert note in page.text


def test_a_value_that_no_axis_can_have_is_left_out_with_a_note(outside, tmp_path):
    study = Path(shutil.copytree(outside, tmp_path / "study"))
    text = (study / "study.toml").read_text()
    (study / "study.toml").write_text(re.sub(r"hidden_sizes = \[\s*4,\s*\]", "hidden_sizes = [4, 4]", text))
    page = Parts(write_study_report(study))
    [k] = [k for k, axis in enumerate(page.data["axes"]) if axis["name"] == "hidden_sizes"]
    assert (page.data["axes"][k]["low"], page.data["axes"][k]["high"]) == (6, 8)
    assert "hidden_sizes = 4, 4." in page.text
    assert "The charts have no place for its hidden_sizes." in page.text
    assert [item["settings"][k] for item in page.data["items"] if item["plain"]] == [None]
    (study / "study.toml").write_text(re.sub(r"hidden_sizes = \[\s*4,\s*\]", "hidden_sizes = [500]", text))
    page = Parts(write_study_report(study))
    assert (page.data["axes"][k]["low"], page.data["axes"][k]["high"]) == (6, 8)  # or these would be one point on it
    assert "hidden_sizes = 500." in page.text


def test_settings_of_which_the_importance_is_not_known_are_named(outside):
    page = Parts(outside / "report.html")
    section = page.source.partition('<section id="importance">')[2].partition("</section>")[0]
    bars = set(re.findall(r"<span>([^<%]+)</span><div", section))
    not_known = re.search(r"Of ([^<]*) nothing can be said", section)[1].split(", ")
    assert bars.isdisjoint(not_known)
    assert bars | set(not_known) == {axis["name"] for axis in page.data["axes"]}
    assert any("learning_rate" in name for name in not_known)  # as six trials have two kinds between them


def test_a_study_that_is_limited_by_time_alone_goes_on_with_more_of_it(outside, tmp_path):
    study = Path(shutil.copytree(outside, tmp_path / "study"))
    text = (study / "study.toml").read_text()
    (study / "study.toml").write_text(re.sub("^trials = 7$", "trials = 10000", text, flags=re.M))
    page = Parts(write_study_report(study))
    assert "Go on with" not in page.text  # it has come to its end, and without new seeds the best trial is the winner
    assert ", the winner" in page.text
    (study / "sweep.json").unlink()  # it was stopped
    page = Parts(write_study_report(study))
    command = f"fcnet sweep digits --out {study} --resume --timeout TIME"
    assert f"The sweep has no winner yet: 7 trials have ended. Go on with: {command}" in page.text
    for status, ended in (
        ({"pid": 1}, "It was killed."),
        ({"pid": 1, "ended": "stopped", "reason": "KeyboardInterrupt"}, "It was stopped."),
        ({"pid": 1, "ended": "failed", "reason": "No space left."}, "It failed: No space left."),
    ):
        (study / "status.json").write_text(json.dumps(status))
        assert f"7 trials have ended. {ended} Go on with: {command}" in Parts(write_study_report(study)).text


def test_a_study_without_a_result_has_nothing_to_go_on_with(diverged):
    text = Parts(write_study_report(diverged)).text
    assert "The sweep has no winner: 3 of 3 trials have ended, none with a result. The table says why." in text
    assert "Go on with" not in text


def test_a_study_whose_only_result_lies_on_no_axis_says_so_in_place_of_charts(tmp_path):
    space = ["--space", "learning_rate=1e8:1e9:log", "--set", "learning_rate=0.05", "--set", "epochs=1"]
    fcnet("sweep", "digits", "--out", tmp_path / "study", "--trials", 2, *space, *NEVER_PRUNED)
    text = Parts(tmp_path / "study/report.html").text
    assert "There is nothing to draw: only the plain recipe has a validation accuracy, and it lies on no axis." in text


@pytest.mark.browser
def test_a_study_without_a_result_says_so_in_place_of_charts(browser, look, diverged):
    page = write_study_report(diverged)
    text = Parts(page).text
    assert "There is nothing to draw: no trial has a validation accuracy." in text
    assert "Trials without a validation accuracy: 3 diverged. The table says why." in text
    assert "No trial has come to the end of an epoch." in text
    look(page, 390, "light")
    assert browser.find_elements("css selector", "[data-chart]") == []
    assert len(browser.find_elements("css selector", ".sortable tbody tr")) == 3


@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 1280])
def test_a_study_with_a_plain_recipe_outside_of_it_can_be_seen(browser, look, outside, width):
    look(outside / "report.html", width, "dark")
    assert len(browser.find_elements("css selector", "[data-chart] svg")) == 1 + 5 + 1


def test_runs_on_several_data_sets_have_charts_each(tmp_path):
    runs = tmp_path / "runs"
    for name in ("a", "b"):
        changes = ["--set", "epochs=2", "--set", "hidden_sizes=[6]", "--set", f"learning_rate={0.01 if name == 'a' else 0.05}"]
        fcnet("train", "digits", "--out", runs / name, *changes, "--engine", "numpy", "--threads", 1)
    other = Path(shutil.copytree(runs / "b", runs / "c")) / "config.toml"
    other.write_text(other.read_text().replace('dataset = "digits"', 'dataset = "/data/others.npz"'))
    page = Parts(write_comparison([runs], tmp_path / "all.html"))
    assert "runs on 2 data sets, whose figures do not compare" in page.text
    assert [(chart["title"], [len(line) for line in chart["lines"]]) for chart in page.data["curves"]] == [
        (f"{title} by epoch, {name}", n)
        for name, n in (("digits", [2, 2, 0]), ("others.npz", [0, 0, 2]))
        for title in ("Validation accuracy", "Validation loss", "Training loss")
    ]
    first, second, alone = page.data["items"]
    assert first["range"] == second["range"] != alone["range"]
    assert "do not compare" not in Parts(write_comparison([runs / "a", runs / "b"], tmp_path / "two.html")).text
