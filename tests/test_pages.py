"""The pages of a study and of several runs: what goes into them, that nothing leaves them, and what a browser makes of them."""

import json
import re
import shutil
import socket
from pathlib import Path

import numpy as np
import optuna
import pytest
from command_line import fcnet
from pages import Parts

from fcnet.experiments.sweep.importance import LEAST_TRIALS, importances
from fcnet.report.comparison import write_comparison
from fcnet.report.page import DIGITS, POINTS, Cell, curve, epoch_ticks, span, table
from fcnet.report.study import write_study_report

pytestmark = pytest.mark.any_kernel

RECIPE = """
description = "mine"

[network]
hidden_sizes = [8]

[training]
kind = "gradient"
epochs = 3
batch_size = 300
learning_rate = 0.05

[sweep]
hidden_sizes = [[8], [4, 4]]
dropout = { low = 0.0, high = 0.5 }

[[sweep.update]]
kind = "nesterov"
learning_rate = { low = 1e-2, high = 0.5, log = true }

[[sweep.update]]
kind = "adamw"
learning_rate = { low = 1e-4, high = 1e-2, log = true }
"""
N_TRIALS = 9
HOSTILE = "<img src=x onerror=alert(1)>"
LINES = "path[stroke-width='1.2'], path[stroke-width='1.8'], path[stroke-width='3.5']"  # of trials or runs
POINTS_SHOWN = "path[stroke='#3b82c4'], path[stroke='#d9722e']"


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A study, what its sweep has printed, and its file of results."""
    folder = tmp_path_factory.mktemp("pages")
    (folder / "mine.toml").write_text(RECIPE)
    words = ["sweep", "digits", "--recipe", folder / "mine.toml", "--out", folder / "study", "--trials", N_TRIALS]
    printed = fcnet(*words, "--winner-seeds", 2, "--engine", "numpy", "--threads", 1).stdout
    return folder / "study", printed, json.loads((folder / "study/sweep.json").read_text())


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Three runs, one of which has diverged."""
    folder = tmp_path_factory.mktemp("runs")
    for rate, code in (("0.05", 0), ("0.01", 0), ("1e9", 1)):
        changes = ["--set", f"learning_rate={rate}", "--set", "epochs=3", "--set", "hidden_sizes=[6]"]
        fcnet("train", "digits", "--out", folder / f"rate-{rate}", *changes, "--engine", "numpy", code=code)
    return folder


def test_a_sweep_writes_the_page_of_its_study(swept):
    study, printed, results = swept
    assert f"Report:  {study / 'report.html'}" in printed
    page, winner = Parts(study / "report.html"), results["winner"]
    for name in ("val_accuracy", "test_accuracy"):
        assert re.search(rf"{winner[name]:.2%}\s*± {winner[f'{name}_std']:.2%}", page.text)
    assert all(warning in page.text for warning in winner["warnings"])
    assert re.search(
        rf"{winner['plain']:.2%}\s*± [\d.]+%validation accuracy of the plain recipe with the same seeds", page.text
    )
    assert winner["difference"] is None or winner["difference"]["words"] in page.text
    assert "What the first layer of the winner looks for" in page.text
    assert (study / winner["runs"][0] / "report.html").exists()


def test_what_charts_of_a_study_are_drawn_from(swept):
    study, _, results = swept
    page = Parts(write_study_report(study))
    items, trials = page.data["items"], results["trials"]
    assert len(items) == N_TRIALS
    best_first = sorted(trials, key=lambda trial: (trial["value"] is None, -(trial["value"] or 0)))
    assert [item["value"] for item in items] == [trial["value"] and float(f"{trial['value']:.5g}") for trial in best_first]
    assert [item["whole"] for item in items] == [trial["state"] == "finished" for trial in best_first]
    assert [best_first[i]["number"] for i in page.data["picked"]] == [results["winner"]["trial"]]
    names = [axis["name"] for axis in page.data["axes"]]
    assert names == ["update", "hidden_sizes", "learning_rate with nesterov", "learning_rate with adamw", "dropout"]
    assert page.data["axes"][1]["choices"] == ["8", "4, 4"]
    assert tuple(page.data["axes"][2][key] for key in ("low", "high", "log")) == (0.01, 0.5, True)
    for item, line, trial in zip(items, page.data["curves"][0]["lines"], best_first, strict=True):
        history = (study / f"trials/{trial['number']:04d}/history.jsonl").read_text().splitlines()
        rows = [json.loads(text) for text in history]  # of pruned ones, too
        assert line == [[row["epoch"], float(f"{row['val_accuracy']:.5g}")] for row in rows]
        kind = trial["params"].get("training.update")  # that of the plain recipe is another one
        assert item["settings"][0] == {"nesterov": 0, "adamw": 1}.get(kind, 2)
        assert [place is None for place in item["settings"][2:4]] == [kind != "nesterov", kind != "adamw"]
        assert item["says"].startswith(f"trial {trial['number']}")


def test_a_study_without_a_winner_says_how_to_go_on(swept, tmp_path):
    study = Path(shutil.copytree(swept[0], tmp_path / "study"))
    (study / "sweep.json").unlink()
    shutil.rmtree(study / "finalists")
    page = Parts(Path(fcnet("report", study).stdout.strip()))
    assert f"{N_TRIALS} of {N_TRIALS} trials have ended. Go on with: fcnet sweep digits --out {study} --resume" in page.text
    assert "the best so far" in page.text
    assert "What the first layer" not in page.text
    (study / "study.db").unlink()
    assert f"The trials of {study} are in a database: give --storage" in fcnet("report", study, code=2).stderr
    assert not (study / "study.db").exists()


def test_a_study_in_a_database(tmp_path):
    (tmp_path / "mine.toml").write_text(RECIPE)
    where = ["--storage", f"sqlite:///{tmp_path / 'shared.db'}"]
    words = ["sweep", "digits", "--recipe", tmp_path / "mine.toml", "--trials", 2, "--winner-seeds", 2, "--engine", "numpy"]
    study = tmp_path / "study"
    fcnet(*words, "--threads", 1, "--out", study, *where, "--study", "ours")
    assert (study / "ensemble").is_dir()
    before = Parts(study / "report.html").data
    assert Parts(Path(fcnet("report", study, *where, "--study", "ours").stdout.strip())).data == before
    assert str(tmp_path / "shared.db") not in (study / "report.html").read_text()
    assert f"The trials of {study} are in a database: give --storage" in fcnet("report", study, code=2).stderr
    assert "no study 'other'" in fcnet("report", study, *where, "--study", "other", code=1).stderr
    missing = ["--storage", f"sqlite:///{tmp_path / 'missing.db'}", "--study", "ours"]
    said = fcnet("report", study, *missing, code=1).stderr
    assert f"{study} has no trials yet: the database has no study 'ours' with trials." in said
    assert said.count("\n") == 1
    assert not (tmp_path / "missing.db").exists()
    other, there = tmp_path / "other", f"{socket.gethostname()}:{study.resolve()}"
    said = json.loads(fcnet(*words, "--threads", 1, "--out", other, *where, "--study", "ours", "--json").stdout)
    assert (said["n_trials"], said["winner"], said["winner_in"]) == (2, None, there)
    text = Parts(other / "report.html").text
    assert f"The finalists were trained in {there}: the winner is there." in text
    assert "Go on with" not in text
    said = json.loads(
        fcnet(*words, "--threads", 1, "--out", other, *where, "--study", "ours", "--json", "--resume", "--trials", 3).stdout
    )
    assert said["winner"]["runs"]
    where += ["--study", "ours"]
    page = Parts(Path(fcnet("report", study, *where).stdout.strip()))
    winner = json.loads((study / "sweep.json").read_text())["winner"]["trial"]
    assert f"The winner of the first 2 trials is trial {winner}; 1 has ended since." in page.text
    assert "Go on with" not in page.text
    said = json.loads(fcnet(*words, "--threads", 1, "--out", study, *where, "--json", "--resume", "--trials", 3).stdout)
    assert said["winner_in"].endswith(str(other))
    assert not (study / "winner.toml").exists()
    assert not (study / "ensemble").exists()


def test_the_deviation_of_the_plain_recipe_is_the_recorded_one_or_in_older_studies_that_of_the_finalist(swept, tmp_path):
    study = Path(shutil.copytree(swept[0], tmp_path / "study"))
    winner = swept[2]["winner"]
    of_finalist = next(one["val_accuracy_std"] for one in winner["finalists"] if one["trial"] == 0)
    assert winner["plain_std"] == of_finalist
    for recorded, shown in (({"plain_std": 0.0123}, 0.0123), ({}, of_finalist)):
        older = {key: value for key, value in winner.items() if key != "plain_std"}
        (study / "sweep.json").write_text(json.dumps(swept[2] | {"winner": older | recorded}))
        text = " ".join(Parts(write_study_report(study)).text.split())
        assert f"{winner['plain']:.2%} ± {shown:.2%}validation accuracy of the plain recipe with the same seeds" in text


def test_a_study_that_was_stopped_after_its_winner_says_so(swept, tmp_path):
    study = Path(shutil.copytree(swept[0], tmp_path / "study"))
    (study / "sweep.json").write_text(json.dumps(swept[2] | {"n_trials": N_TRIALS - 2}))
    (study / "status.json").write_text('{"ended": "stopped"}')
    words = f"The winner of the first {N_TRIALS - 2} trials is trial {swept[2]['winner']['trial']}; 2 have ended since."
    page = Parts(Path(fcnet("report", study).stdout.strip()))
    assert f"{words} It was stopped. Go on with: fcnet sweep digits --out {study} --resume" in page.text


def test_what_several_runs_differ_in(trained, tmp_path):
    page = Parts(write_comparison([trained], tmp_path / "all.html"))
    assert "3 runs" in page.text
    assert {"learning_rate", "validation accuracy", "what is wrong"} <= set(re.findall(r"<button[^>]*>([^<]*)", page.source))
    assert "hidden_sizes" not in page.text  # in which they do not differ
    rows = np.reshape(page.cells, (3, -1)).tolist()
    metrics = json.loads((trained / "rate-0.05/metrics.json").read_text())
    assert rows[0][:4] == ["rate-0.05", "finished", f"{metrics['val_accuracy']:.2%}", "0.05"]
    assert rows[2][:4] == ["rate-1e9", "diverged", "", "1000000000"]
    assert "stopped being finite" in rows[2][-1]
    accuracy, *losses = page.data["curves"]
    assert [len(line) for line in accuracy["lines"]] == [3, 3, 0]
    assert len(losses) == 2
    assert page.tags.count("img") == 3
    assert [item["whole"] for item in page.data["items"]] == [True, True, False]


def test_which_page_is_written_where(trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first, second = trained / "rate-0.05", trained / "rate-0.01"
    assert fcnet("report", first).stdout == f"{first / 'report.html'}\n"
    assert fcnet("report", first, "--out", "one.html").stdout == "one.html\n"
    assert Path("one.html").read_bytes() == (first / "report.html").read_bytes()
    assert fcnet("report", second, first, second).stdout == "runs.html\n"
    assert len(Parts(Path("runs.html")).data["items"]) == 2
    assert fcnet("report", first, second, "--each").stdout.split() == [str(run / "report.html") for run in (first, second)]
    Path("empty").mkdir()
    for words, message in (
        (["empty"], "empty is neither a run nor the study of a sweep, and there are no runs below it."),
        (["nothing"], "nothing is not a run folder: there is no such folder."),
        ([first, "nothing"], "There is no folder nothing."),
    ):
        assert fcnet("report", *words, code=1).stderr == f"Error: {message}\n"
    fcnet("report", first, second, "--each", "--out", "x.html", code=2)


def test_a_damaged_run_is_a_row(trained, tmp_path):
    run = Path(shutil.copytree(trained / "rate-0.05", tmp_path / "runs/good")).parent / "bad"
    shutil.copytree(trained / "rate-0.01", run)
    lines = (run / "history.jsonl").read_text().splitlines(keepends=True)
    (run / "history.jsonl").write_text("".join(["no row\n", *lines]))
    (run / "model.safetensors").write_bytes(b"no model")
    page = Parts(write_comparison([tmp_path / "runs"], tmp_path / "x.html"))
    states = [item["whole"] for item in page.data["items"]]
    assert sorted(states) == [False, True]
    assert "damaged" in page.text
    assert page.tags.count("img") == 1


def test_names_are_only_text(trained, swept, tmp_path):
    shutil.copytree(trained / "rate-0.05", tmp_path / f"runs/{HOSTILE}")
    shutil.copytree(trained / "rate-0.01", tmp_path / "runs/a<script>alert(2)<")
    study = Path(shutil.copytree(swept[0], tmp_path / f"study{HOSTILE}"))
    results = json.loads((study / "sweep.json").read_text())
    results["winner"]["warnings"] = ["</script><script>alert(3)</script>"]
    (study / "sweep.json").write_text(json.dumps(results))
    for page in (Parts(write_comparison([tmp_path / "runs"], tmp_path / "x.html")), Parts(write_study_report(study))):
        assert HOSTILE in page.text
        assert page.tags.count("script") == 3
        assert "<" not in page.scripts[0]
        assert not any(name.startswith("on") for name, _ in page.attributes)
        policy = next(v for _, v in page.attributes if v and "default-src" in v)
        assert "default-src 'none'" in policy
        assert "unsafe-inline" not in policy.partition("script-src")[2]


def test_only_what_can_be_seen_goes_in():
    points = [(epoch, 1 / (1 + epoch)) for epoch in range(1, 5001)]
    shown = curve(points)
    assert len(shown) == POINTS
    assert (shown[0], shown[-1]) == ((1, 0.5), (5000, 0.00019996))
    assert all(len(f"{value:g}".replace(".", "").lstrip("0")) <= DIGITS for _, value in shown)
    assert curve([(1, None), (2, float("nan")), (3, 0.25)]) == [(3, 0.25)]
    assert curve([]) == []


@pytest.mark.parametrize(
    ("first", "last", "ticks"),
    [
        (1, 1, [1]),
        (1, 3, [1, 2, 3]),
        (2, 6, [2, 3, 4, 5, 6]),
        (1, 8, [2, 4, 6, 8]),
        (1, 60, [10, 20, 30, 40, 50, 60]),
        (3, 200, [50, 100, 150, 200]),
    ],
)
def test_learning_curves_have_whole_and_evenly_spaced_epochs_at_their_axis(first, last, ticks):
    assert epoch_ticks([[], [(first, 0.5), (last, 0.6)], [(first, 0.4)]]) == ticks


def test_a_range_shows_most_values_and_leaves_out_those_far_away():
    low, high = span([0.1, *np.linspace(0.9, 1.0, 20)])
    assert 0.1 < low < 0.9
    assert 1 < high < 1.1
    low, high = span([0.1, *np.linspace(0.9, 1.0, 20)], low=False)
    assert low < 0.1
    low, high = span([0.5, 0.5])
    assert low < 0.5 < high
    assert span([None, float("nan")]) is None


def test_a_table_leaves_out_what_no_row_has():
    rows = [{"a": Cell("x"), "b": Cell(), "c": Cell("1", 1.0)}, {"a": Cell("y"), "d": Cell("z")}]
    made = table(rows)
    assert (made["columns"], made["numeric"]) == (["a", "c", "d"], ["c"])
    assert [list(row) for row in made["rows"]] == [["a", "c", "d"]] * 2


def test_importance_finds_the_setting_that_matters():
    floats = optuna.distributions.FloatDistribution(0, 1)
    kinds = optuna.distributions.CategoricalDistribution(["p", "q"])
    rng, trials = np.random.default_rng(0), []
    for number in range(40):
        a, b, c, kind = rng.random(), rng.random(), rng.random(), "pq"[number % 2]
        params = {"a": a, "b": b, "kind": kind} | ({"c": c} if kind == "q" else {})
        value = a + (3 * c if kind == "q" else 0)
        distributions = {name: kinds if name == "kind" else floats for name in params}
        trial = optuna.trial.create_trial(params=params, distributions=distributions, value=value)
        trial.number = number
        trials.append(trial)
    found = importances(trials)
    assert list(found) == sorted(found, key=lambda name: -found[name])
    assert found["a"] > found["b"]
    assert found["c"] > 0.5  # among the trials that have it
    assert importances(trials[: LEAST_TRIALS - 1]) == {}
    same = [optuna.trial.create_trial(params={"a": 0.1 * i}, distributions={"a": floats}, value=1.0) for i in range(9)]
    assert importances(same) == {}


def hundred_runs(trained, folder):
    """Return a folder with a hundred runs, whose settings differ."""
    for n in range(100):
        run = Path(shutil.copytree(trained / "rate-0.05", folder / f"run-{n:02d}"))
        config = (run / "config.toml").read_text()
        (run / "config.toml").write_text(config.replace("learning_rate = 0.05", f"learning_rate = {0.001 * (n + 1):.3f}"))
    return folder


@pytest.mark.browser
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_every_chart_of_a_study_can_be_seen(browser, look, swept, width, theme):
    study, _, results = swept
    look(write_study_report(study), width, theme)

    def n(shown):
        return len(browser.find_elements("css selector", shown))

    assert n("[data-chart] svg") == 1 + 5 + 1
    assert n(f"#parallel :is({LINES})") == N_TRIALS
    assert n(f"#curves :is({LINES})") == sum(trial["epochs"] > 0 for trial in results["trials"])
    items = Parts(study / "report.html").data["items"]
    places = sum(place is not None for item in items for place in item["settings"] if item["value"] is not None)
    assert n(f"#slices :is({POINTS_SHOWN})") == places
    assert all(figure.accessible_name for figure in browser.find_elements("css selector", "[data-chart]"))
    assert f"trial {results['winner']['trial']}" in browser.find_element("css selector", "#curves .says").text
    words = [text.text for text in browser.find_elements("css selector", "#curves svg text")]
    assert [word for word in words if "%" not in word] == ["1", "2", "3"]  # the epochs
    parallel = browser.find_element("css selector", "[data-chart=parallel] svg")
    assert parallel.size["height"] > (80 * 6 if width < 600 else 0)  # room between the axes, which lie below each other there


@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 1280])
def test_the_axis_of_the_metric_ends_at_trials_or_says_that_others_lie_beyond(browser, look, swept, tmp_path, width):
    page = Parts(write_study_report(swept[0], out=tmp_path / "page.html"))
    values = sorted(item["value"] for item in page.data["items"] if item["value"] is not None)
    middle = (values[0] + values[-1]) / 2
    for low, end in ((0, f"{100 * values[0]:.4g}%"), (middle, f"≤ {100 * middle:.4g}%")):
        data = json.dumps(page.data | {"range": [low, 1]})
        (tmp_path / "page.html").write_text(page.source.replace(page.scripts[0], data), encoding="utf-8")
        look(tmp_path / "page.html", width, "light")
        words = [text.text for text in browser.find_elements("css selector", "#parallel svg text")]
        assert {end, f"{100 * values[-1]:.4g}%"} <= set(words)


@pytest.mark.browser
def test_a_table_is_sorted_by_click_and_by_keyboard(browser, look, swept):
    from selenium.webdriver.common.keys import Keys

    study, _, results = swept
    look(write_study_report(study), 1280, "light")
    find = browser.find_elements

    def column(name):
        names = [heading.text.split(" ")[0] for heading in find("css selector", ".sortable th")]
        return [
            row.find_elements("css selector", "td")[names.index(name)].text
            for row in find("css selector", ".sortable tbody tr")
        ]

    def heading(name):
        return next(th for th in find("css selector", ".sortable th") if th.text.split(" ")[0] == name)

    assert heading("validation").get_attribute("aria-sort") == "descending"
    heading("trial").find_element("css selector", "button").click()
    assert [int(cell.split(",")[0]) for cell in column("trial")] == list(range(N_TRIALS))
    assert (heading("trial").get_attribute("aria-sort"), heading("validation").get_attribute("aria-sort")) == (
        "ascending",
        None,
    )
    heading("trial").find_element("css selector", "button").send_keys(Keys.ENTER)
    assert [int(cell.split(",")[0]) for cell in column("trial")] == list(range(N_TRIALS))[::-1]
    assert heading("trial").get_attribute("aria-sort") == "descending"
    heading("dropout").find_element("css selector", "button").send_keys(Keys.SPACE)
    values = [float(cell) for cell in column("dropout") if cell]
    assert values == sorted(values)
    assert column("dropout")[len(values) :] == [""] * (N_TRIALS - len(values))

    picks = find("css selector", ".pick[aria-pressed=true]")
    assert [button.text.split(",")[0] for button in picks] == [str(results["winner"]["trial"])]
    n_thick = len(find("css selector", "#curves path[stroke-width='3.5']"))
    other = find("css selector", ".pick[aria-pressed=false]")[0]
    other.send_keys(Keys.ENTER)
    assert other.get_attribute("aria-pressed") == "true"
    assert len(find("css selector", "#curves path[stroke-width='3.5']")) == n_thick + 1


@pytest.mark.browser
def test_pointing_at_a_line_says_what_it_is_and_a_click_picks_it(browser, look, trained, tmp_path):
    from selenium.webdriver import ActionChains

    look(write_comparison([trained], tmp_path / "x.html"), 1280, "light")
    chart = browser.find_elements("css selector", "[data-chart]")[0]
    line = chart.find_elements("css selector", LINES)[0]
    x, y = browser.execute_script(
        "const [line, chart] = arguments, b = line.getPointAtLength(line.getTotalLength() * 0.95);"
        "chart.scrollIntoView({block: 'center'});"  # the driver counts from the middle of what can be seen of it
        "const s = chart.getBoundingClientRect();"
        "return [b.x - s.width / 2, b.y - s.height / 2]",
        *(line, chart),
    )
    ActionChains(browser).move_to_element_with_offset(chart, round(x), round(y)).click().perform()
    assert browser.find_element("css selector", "#curves .says").text.startswith("rate-0.05: finished")
    assert [b.text for b in browser.find_elements("css selector", ".pick[aria-pressed=true]")] == ["rate-0.05"]


@pytest.mark.browser
@pytest.mark.parametrize(("width", "theme"), [(390, "dark"), (1280, "light")])
def test_a_hundred_runs_can_be_seen(browser, look, trained, tmp_path, width, theme):
    shutil.copytree(trained / "rate-0.01", tmp_path / f"runs/{HOSTILE}")
    page = write_comparison([hundred_runs(trained, tmp_path / "runs")], tmp_path / "x.html")
    assert page.stat().st_size < 5e6
    look(page, width, theme)
    charts = browser.find_elements("css selector", "[data-chart]")
    assert [len(chart.find_elements("css selector", LINES)) for chart in charts] == [101] * 3
    assert len(browser.find_elements("css selector", ".sortable tbody tr")) == 101
    assert all(picture.get_property("naturalWidth") > 0 for picture in browser.find_elements("css selector", "img"))
