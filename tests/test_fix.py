"""`fcnet train --fix`: remedies are tried one at a time, and those are kept that help on the validation rows."""

import json

import numpy as np
import pytest
from command_line import fcnet

from fcnet.doctor.finding import Finding, Findings, read_findings
from fcnet.doctor.fixing import Trial, compared, gain_of, mend, read_fixes
from fcnet.errors import SettingError
from fcnet.experiments import fix as fixing
from fcnet.experiments.config import Config
from fcnet.experiments.configure import configure
from fcnet.experiments.results import read_metrics
from fcnet.nn.losses import get_loss
from fcnet.training.callbacks import Callback
from fcnet.training.metrics import METRICS

LOSS = get_loss("cross_entropy")
Y = np.arange(200) % 2


def trial(right, *findings, monitor="auto"):
    """Return a training that has so many of 200 rows right, and how often it was diagnosed."""
    logits = None if right is None else np.eye(2, dtype="float32")[np.where(np.arange(200) < right, Y, 1 - Y)]
    return Trial(lambda: Findings(findings), monitor, LOSS, logits)


def finding(code="over-fitting", severity="warning", alternatives=(), **settings):
    return Finding(code=code, severity=severity, message="", settings=settings, alternatives=[*alternatives])


def mended(first, outcomes, **options):
    """Return what `mend` keeps, and its log, where trainings with these settings come out so."""
    told = []

    def train(finding, settings):
        outcome = outcomes[str(settings)]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    kept, log = mend(first, train, Y, told.append, **options)
    assert told == log[len(options.get("log", ())) :]
    return kept, log


def test_what_helps_is_kept_and_what_follows_begins_there():
    second = trial(150, finding("stopped-early", epochs=40))
    third = trial(190)
    first = trial(100, finding("learning-rate-too-low", "error", learning_rate=0.1))
    kept, log = mended(first, {"{'learning_rate': 0.1}": second, "{'epochs': 40}": third})
    assert kept is third
    assert [(fix.code, fix.before, fix.after, fix.kept) for fix in log] == [
        ("learning-rate-too-low", 0.5, 0.75, True),
        ("stopped-early", 0.75, 0.95, True),
    ]


def test_what_does_not_help_is_put_back_and_the_next_is_tried():
    first = trial(100, finding(dropout=0.5), finding("stopped-early", epochs=40), finding("label-mistakes", "note", l2=1.0))
    outcomes = {"{'dropout': 0.5}": trial(101), "{'epochs': 40}": trial(60), "{'dropout': 0.5, 'epochs': 40}": trial(100)}
    kept, log = mended(first, outcomes)
    assert kept is first
    assert [(fix.kept, fix.why) for fix in log] == [(False, "no better than by chance"), (False, "worse"), (False, "no better")]


def test_a_remedy_that_was_put_back_is_tried_again_after_another_was_kept():
    dropout = finding(dropout=0.5)
    first, second = trial(100, dropout, finding(epochs=40)), trial(150, dropout)
    outcomes = [trial(160), second, trial(90)]
    kept, log = mend(first, lambda *_: outcomes.pop(), Y, lambda _: None)
    assert [(fix.settings, fix.kept) for fix in log] == [
        ({"dropout": 0.5}, False),
        ({"epochs": 40}, True),
        ({"dropout": 0.5}, True),
    ]
    assert kept is not second


def test_more_epochs_are_tried_by_a_note_once_something_was_mended():
    more = finding("stopped-early", "note", epochs=40)
    first = trial(100, finding("learning-rate-too-low", "error", learning_rate=0.1), more)
    better = trial(150, more)
    _, log = mended(first, {"{'learning_rate': 0.1}": better, "{'epochs': 40}": trial(190)})
    assert [fix.code for fix in log] == ["learning-rate-too-low", "stopped-early"]
    assert mended(trial(100, more), {})[1] == []


def test_a_note_of_over_fitting_is_tried_as_it_may_make_the_best_epoch_better():
    first = trial(100, finding("label-mistakes", "note", l2=1.0), finding("over-fitting", "note", dropout=0.5))
    assert [fix.code for fix in mended(first, {"{'dropout': 0.5}": trial(150)})[1]] == ["over-fitting"]


def test_what_no_remedy_mends_alone_all_first_ones_may_mend_together():
    scaling, weights = finding("unscaled-data", scaling="standard"), finding("symmetric-init", weight_init="he")
    also = finding("saturated-units", **{"network.weight_init": "glorot"}), finding("below-baseline", activation="relu")
    each = ({"scaling": "standard"}, {"weight_init": "he"}, {"network.weight_init": "glorot"}, {"activation": "relu"})
    outcomes = {str(settings): trial(100) for settings in each} | {"{'scaling': 'standard', 'weight_init': 'he'}": trial(190)}
    kept, log = mended(trial(100, scaling, weights, *also), outcomes)
    assert [fix.kept for fix in log] == [False] * 4 + [True]
    assert kept is outcomes["{'scaling': 'standard', 'weight_init': 'he'}"]


def test_no_more_remedies_are_tried_than_asked_for():
    first = trial(100, finding(dropout=0.5), finding(dropout=0.3), finding(dropout=0.1))
    outcomes = {f"{{'dropout': {share}}}": trial(100) for share in (0.5, 0.3, 0.1)}
    log = mended(first, outcomes, trials=2)[1]
    assert [fix.settings for fix in log] == [{"dropout": 0.5}, {"dropout": 0.3}]
    assert mended(first, outcomes, trials=3, log=log)[1][2].settings == {"dropout": 0.1}


def test_settings_that_cannot_be_used_are_left_out():
    first = trial(100, finding(dropout=0.5), finding(epochs=40))
    outcomes = {"{'dropout': 0.5}": SettingError("It has no dropout."), "{'epochs': 40}": trial(100)}
    assert [fix.settings for fix in mended(first, outcomes, trials=1)[1]] == [{"epochs": 40}]


def test_other_settings_for_the_same_finding_are_tried_next():
    remedies = finding(alternatives=[{"l2": 1e-3}, {"l2": 1e-2}], dropout=0.5)
    outcomes = {"{'dropout': 0.5}": trial(100), "{'l2': 0.001}": trial(150)}
    log = mended(trial(100, remedies), outcomes)[1]
    assert [(fix.settings, fix.kept) for fix in log] == [({"dropout": 0.5}, False), ({"l2": 1e-3}, True)]
    assert remedies.advice == ["Settings: dropout = 0.5; or l2 = 0.001; or l2 = 0.01"]


def test_what_diverges_is_worse_than_anything_finite():
    assert compared(trial(None), trial(10), Y) == (True, "it no longer diverges")
    assert compared(trial(10), trial(None), Y) == (False, "it diverged")


def test_probabilities_that_become_right_are_better_though_the_classes_stay():
    sure = trial(150)
    sure = Trial(sure.diagnose, "auto", LOSS, 20 * sure.logits)
    assert compared(sure, trial(150), Y) == (True, "as good, by a lower loss")
    assert compared(trial(150), sure, Y)[0] is False


def test_a_metric_that_was_chosen_is_not_changed_by_a_remedy():
    remedy = finding("class-imbalance", class_weight="balanced", monitor="balanced_accuracy")
    chosen = mended(trial(100, remedy, monitor="f1"), {"{'class_weight': 'balanced'}": trial(100, monitor="f1")})[1]
    assert chosen[0].metric == "f1"
    both = "{'class_weight': 'balanced', 'monitor': 'balanced_accuracy'}"
    free = mended(trial(100, remedy), {both: trial(100, monitor="balanced_accuracy")})[1]
    assert free[0].metric == "balanced_accuracy"


def test_the_error_of_a_gain_is_that_of_its_rows():
    a, b = trial(120), trial(140)
    gain, error = gain_of(METRICS["accuracy"], (LOSS, a.logits), (LOSS, b.logits), Y)
    assert gain == pytest.approx(0.1)
    assert error == pytest.approx(np.sqrt(0.1 * 0.9 / 200), rel=0.3)
    assert gain_of(METRICS["accuracy"], (LOSS, a.logits), (LOSS, a.logits), Y) == (0.0, 0.0)


@pytest.fixture
def quick(monkeypatch):
    """Have a run be judged by its training alone, which takes no time, and return the settings of all trainings."""
    begun, train = [], fixing.train
    monkeypatch.setattr(fixing, "diagnose_run", lambda run, data: read_findings(run / "findings.json"))
    monkeypatch.setattr(fixing, "train", lambda run, config, **how: begun.append(config.settings) or train(run, config, **how))
    return begun


def says(monkeypatch, *findings):
    """Have the doctor say so of every training."""
    monkeypatch.setattr(fixing, "diagnose_run", lambda run, data: Findings(findings))


SLOW = ("--set", "epochs=3", "--set", "learning_rate=1e-5")
SOUND = ("--set", "epochs=2")


def test_a_rate_far_too_low_is_mended(tmp_path):
    run = tmp_path / "run"
    said = fcnet("train", "digits", "--fix", "--out", run, *SLOW).stdout
    fixes, metrics, config = read_fixes(run / "fixes.json"), read_metrics(run), Config.read(run)
    assert (fixes[0].code, fixes[0].kept) == ("learning-rate-too-low", True)
    assert fixes[0].before < 0.5
    assert metrics["val_accuracy"] > 0.9
    assert max(fix.after for fix in fixes if fix.kept) == metrics["val_accuracy"]
    assert config.settings.training.learning_rate > 1e-3
    assert f"Remedy 1: {fixes[0].words}." in said
    assert fixes[0].changes in (run / "report.html").read_text()
    assert not (run / "attempt").exists()
    assert "learning-rate-too-low" not in [each.code for each in read_findings(run / "findings.json")]


def test_a_healthy_run_is_left_as_it_is(tmp_path, quick):
    plain, run = tmp_path / "plain", tmp_path / "run"
    fcnet("train", "digits", "--out", plain)
    metrics = json.loads(fcnet("train", "digits", "--fix", "--out", run, "--json").stdout)
    assert metrics["fixes"] == read_fixes(run / "fixes.json") == []
    assert len(quick) == 1
    for name in ("history.jsonl", "model.safetensors", "findings.json", "config.toml"):
        assert (run / name).read_bytes() == (plain / name).read_bytes()


def test_a_remedy_that_does_not_help_is_put_back(tmp_path, monkeypatch, quick):
    plain, run = tmp_path / "plain", tmp_path / "run"
    fcnet("train", "digits", "--out", plain, *SOUND)
    not_tried = finding(n_filters=3), finding(epochs=2)
    says(monkeypatch, *not_tried, finding(dropout=0.9), finding("learning-rate-too-high", learning_rate=1e4))
    fixes = json.loads(fcnet("train", "digits", "--fix", "--out", run, *SOUND, "--json").stdout)["fixes"]
    assert [(fix["settings"], fix["kept"], fix["why"]) for fix in fixes] == [
        ({"dropout": 0.9}, False, "worse"),
        ({"learning_rate": 1e4}, False, "it diverged"),
    ]
    for name in ("history.jsonl", "model.safetensors", "config.toml"):
        assert (run / name).read_bytes() == (plain / name).read_bytes()
    assert not (run / "attempt").exists()


def test_the_test_rows_are_read_once_and_for_the_run_that_is_kept(tmp_path, monkeypatch, quick):
    asked, load = [], Config.load
    monkeypatch.setattr(
        Config, "load", lambda self, *given, **by_name: asked.append(load(self, *given, **by_name)) or asked[-1]
    )
    run = tmp_path / "run"
    fcnet("train", "digits", "--fix", "--out", run, *SLOW)
    assert len(quick) > 1
    assert {len(data.y_test) for data in asked} == {0}
    tested = json.loads(fcnet("evaluate", run, "--json").stdout)
    assert len(asked[-1].y_test) == tested["n_test"] > 0
    assert tested["test_accuracy"] > 0.8
    assert len(asked) == 2


def test_a_training_that_diverges_is_mended(tmp_path, quick):
    run = tmp_path / "run"
    fcnet("train", "digits", "--fix", "--out", run, *SOUND, "--set", "learning_rate=1e4")
    [fix, *_] = read_fixes(run / "fixes.json")
    assert (fix.before, fix.kept, fix.why) == (None, True, "it no longer diverges")
    assert read_metrics(run)["val_accuracy"] >= fix.after > 0.8
    assert not (run / "status.json").exists()


def test_a_training_that_diverges_whatever_is_tried_is_an_error(tmp_path, monkeypatch):
    says(monkeypatch, finding("diverged", learning_rate=9e3))
    run, how = tmp_path / "run", ("--set", "learning_rate=1e4")
    first = fcnet("train", "digits", "--fix", "--out", run, *how, code=1).stderr
    assert "The loss stopped being finite" in first
    assert [fix.why for fix in read_fixes(run / "fixes.json")] == ["it diverged"]
    monkeypatch.setattr(fixing, "train", None)  # it would diverge again
    assert first.splitlines()[-1] in fcnet("train", "digits", "--fix", "--out", run, "--resume", code=1).stderr


class _Stop(Callback):
    def on_epoch_end(self, state):
        if state.epoch == 2:
            raise KeyboardInterrupt


def test_what_is_stopped_leaves_the_best_and_goes_on(tmp_path, monkeypatch, quick):
    says(monkeypatch, finding(learning_rate=0.02), finding(epochs=5))
    run, config = configure("digits", tmp_path / "run", changes=[*SLOW[1::2]])
    whole, _ = configure("digits", tmp_path / "whole")
    fixing.fix(whole, config)
    done = iter([(), (), [_Stop()]])  # while the second remedy is tried
    train = fixing.train
    monkeypatch.setattr(fixing, "train", lambda *given, **how: train(*given, **how | {"callbacks": next(done)}))
    with pytest.raises(KeyboardInterrupt):
        fixing.fix(run, config)
    assert read_metrics(run)["val_accuracy"] == read_fixes(run / "fixes.json")[0].after
    assert (run / "attempt" / "checkpoint.safetensors").exists()
    monkeypatch.setattr(fixing, "train", train)
    fcnet("train", "digits", "--fix", "--out", run, "--resume")
    assert (run / "history.jsonl").read_bytes() == (whole / "history.jsonl").read_bytes()
    for one, other in zip(read_fixes(run / "fixes.json"), read_fixes(whole / "fixes.json"), strict=True):
        assert (one.settings, one.after, one.kept) == (other.settings, other.after, other.kept)


def test_the_command_of_the_first_training_goes_on_after_a_remedy_was_kept(tmp_path, monkeypatch, quick):
    says(monkeypatch, finding(learning_rate=0.02))
    words = ("train", "digits", "--fix", "--out", tmp_path / "run", *SLOW)
    fcnet(*words)
    (kept,) = read_fixes(tmp_path / "run" / "fixes.json")
    assert kept.kept
    fcnet(*words, "--resume")
    assert read_metrics(tmp_path / "run")["val_accuracy"] == kept.after


def test_a_kill_while_a_better_run_is_moved_loses_nothing(tmp_path, monkeypatch, quick):
    run, config = configure("digits", tmp_path / "run", changes=[*SLOW[1::2]])
    monkeypatch.setattr(fixing, "_adopt", lambda run: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        fixing.fix(run, config, trials=1)
    monkeypatch.undo()
    assert fixing.fix(run, config, trials=1, resume=True)["val_accuracy"] == read_fixes(run / "fixes.json")[0].after


def test_what_ctrl_c_says(tmp_path, monkeypatch):
    run = tmp_path / "run"

    def stop(run, config, **_):
        monkeypatch.undo()
        fcnet("train", "digits", "--out", run, *SOUND)
        raise KeyboardInterrupt

    monkeypatch.setattr(fixing, "fix", stop)
    said = fcnet("train", "digits", "--fix", "--out", run, *SOUND, code=1).stderr
    assert f"the best training so far is kept. Go on with: fcnet train digits --out {run} --resume --fix" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--fix", "--seeds", "2"), "--fix mends a single training: leave out --seeds and --folds"),
        (("--fix", "--folds", "2"), "--fix mends a single training: leave out --seeds and --folds"),
        (("--fix", "--log", "mlflow"), "leave out --log."),
        (("--fix", "--no-doctor"), "leave out --no-doctor."),
        (("--fix-trials", "2"), "--fix-trials is for --fix"),
    ],
)
def test_what_does_not_go_with_it_is_wrong_use(tmp_path, words, said):
    assert said in fcnet("train", "digits", "--out", tmp_path / "run", *words, code=2).stderr
    assert not (tmp_path / "run").exists()
