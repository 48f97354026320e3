"""The picture of each finding in the report of a run."""

import re
import xml.etree.ElementTree as ET
from html import unescape

import numpy as np
import pytest

from fcnet.doctor.finding import CODES, Finding, write_findings
from fcnet.experiments import run as runs
from fcnet.experiments.recipe import load_recipe
from fcnet.report import write_report
from fcnet.report.findings.pictures import PICTURES, picture, pictures
from fcnet.report.findings.seen import Seen
from fcnet.training.history import History

pytestmark = pytest.mark.charts


def history(n_epochs=10, per_epoch=10, falls=0.01):
    rows = []
    for epoch in range(1, n_epochs + 1):
        numbers = range((epoch - 1) * per_epoch, epoch * per_epoch)
        batches = [{"iteration": i + 1, "loss": 2.3 - falls * i, "learning_rate": 0.1} for i in numbers]
        loss = 2.3 - falls * epoch * per_epoch
        row = {"epoch": epoch, "loss": loss + 0.1, "train_loss": loss, "val_loss": loss + 0.02 * epoch, "batches": batches}
        rows.append(row | {"train_accuracy": 0.5 + 0.04 * epoch, "val_accuracy": 0.5 + 0.01 * epoch})
    return History(rows)


RNG = np.random.default_rng(0)
P = RNG.dirichlet([0.5] * 4, 200)
PREDICTIONS = {"probabilities": P, "predicted": P.argmax(axis=1), "labels": RNG.integers(4, size=200)}
SEEN = Seen(history(), (), PREDICTIONS, "validation", ["ant", "bee", "<cat>", "dog"])
EVIDENCE = {
    "uninformative-inputs": {"rows": 500, "a linear model": 0.4, "nearest neighbours": -0.3, "trees": 1.1},
    "leaking-feature": {"column": 3, "alone": 0.01, "others": 0.5},
    "unscaled-data": {"rms": 300.0, "median_deviation": 2.0, "quartile": 0.5, "largest": 900.0, "column": 1, "offset": 0.1},
    "init-too-large": {"spreads": [6.0, 40.0]},
    "init-too-small": {"spreads": [0.02, 4e-4], "gains": [0.02, 0.02]},
    "learning-rate-too-low": {"loss_by_chance": 0.9, "fall_in_second_half": 0.5},
    "dead-units": {"share_of_layers": [0.2, 0.93]},
    "saturated-units": {"share_of_layers": [0.7]},
    "vanishing-gradient": {"gradients_by_weights": [1e-5, 1e-3, 0.1]},
    "exploding-gradient": {"gradients_by_weights": [90.0, 40.0]},
    "over-fitting": {"gap": 0.3, "validation_loss_rise": 0.4},
    "under-capacity": {"score_of_random_units": 0.8},
}
# What each says, for those who do not see it.
WORDS = {
    "learning-rate-too-low": "from 2.29 to 1.31. 50% of its fall",
    "leaking-feature": "0.01 of the error of a constant answer, all others 0.5",
    "dead-units": "0.2, 0.93",
    "vanishing-gradient": "1e-05, 0.001, 0.1",
    "under-capacity": "below the 0.8",
    "over-fitting": "at the end 1.3 in training and 1.5 in validation",
    "over-regularised": "1.4 is minimised, of which 1.3",
    "one-class-predicted": "rows and is predicted for",
}


def finding(code, evidence=None):
    return Finding(code=code, severity="warning", message="Something is wrong.", evidence=evidence or {})


@pytest.mark.parametrize("code", PICTURES)
def test_a_finding_has_a_picture_with_words(code):
    [svg] = pictures([finding(code, EVIDENCE.get(code))], SEEN)
    root = ET.fromstring(svg.partition(">")[0].replace("<svg", '<svg xmlns:xlink="http://www.w3.org/1999/xlink"') + "/>")
    name = root.get("aria-label")
    assert root.get("role") == "img"
    title, _, words = name.partition(": ")
    assert title in unescape(re.sub(r"<[^>]*>", "", svg))
    assert words.endswith(".")
    assert WORDS.get(code, "") in words
    assert len(svg) < 40_000
    assert "var(--ink)" in svg
    assert "nan" not in name


@pytest.mark.parametrize("code", sorted(CODES))
@pytest.mark.parametrize("evidence", [{}, {"share_of_layers": [None], "spreads": [0.0], "gradients_by_weights": [None, 1.0]}])
def test_where_there_is_nothing_to_draw_there_is_no_picture(code, evidence):
    assert pictures([finding(code, evidence)], Seen(History())) == [None]


def test_a_finding_of_which_numbers_are_elsewhere_has_none():
    assert picture(finding("unscaled-data", {"part": "validation", "times": 9.0, "deviations": 0.1}), SEEN) is None
    assert picture(finding("one-class-predicted"), Seen(history(), (), None)) is None
    many = [f"class {i}" for i in range(40)]
    assert picture(finding("class-imbalance"), Seen(history(), (), PREDICTIONS, "validation", many)) is None


def test_what_has_been_drawn_before_is_not_drawn_again():
    first, second, third = pictures([finding("learning-rate-too-high"), finding("diverged"), finding("miscalibrated")], SEEN)
    assert first
    assert second is None
    assert third


def test_batches_of_an_epoch_that_was_not_finished_are_drawn():
    seen = Seen(
        History(), [{"iteration": 1, "loss": 2.0, "learning_rate": 1.0}, {"iteration": 2, "loss": 9e9, "learning_rate": 1.0}]
    )
    [svg] = pictures([finding("diverged")], seen)
    assert "begins at 2, reaches 9e+09" in svg


def test_the_loss_is_drawn_over_the_sum_of_rates():
    rows = history()
    for row in rows[5:]:
        for batch in row["batches"]:
            batch["learning_rate"] = 0.0
    axes = picture(finding("stopped-early"), Seen(rows))[0].axes[0]
    x = axes.lines[0].get_xdata()
    assert x[len(x) // 2 :].min() > 99  # steps without a rate are no way


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    run = tmp_path_factory.mktemp("pictures") / "digits"
    runs.train(run, runs.Config("digits", "digits", load_recipe("digits", ["epochs=2", "hidden=[20]"])))
    return run


def test_the_report_has_them_beside_the_findings(run):
    found = [finding(code, EVIDENCE.get(code)) for code in PICTURES] + [finding("wrong-gradient")]
    write_findings(run / "findings.json", found)
    page = write_report(run).read_text(encoding="utf-8")
    section = page.partition('<section id="doctor">')[2].partition("</section>")[0]
    cards = re.split(r"<h3>", section)[1:]
    assert [card.partition("</h3>")[0] for card in cards] == [f"warning: {each.code}" for each in found]
    assert all(card.count("<svg") <= 1 for card in cards)
    without = [each.code for each, card in zip(found, cards, strict=True) if "<svg" not in card]
    assert without == [
        "stopped-early",
        "diverged",
        "one-class-predicted",
        "wrong-gradient",
    ]  # the first three are there already


@pytest.mark.browser
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_they_can_be_seen(browser, look, run, width, theme):
    write_findings(run / "findings.json", [finding(code, EVIDENCE.get(code)) for code in PICTURES])
    look(write_report(run), width, theme)
    shown = browser.find_elements("css selector", "#doctor svg")
    assert len(shown) > 10
    assert all(each.size["width"] > 250 and each.accessible_name for each in shown)
