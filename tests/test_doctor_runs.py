"""`fcnet doctor` on runs: their training is judged by the history, and by what the doctor saw in it."""

import json

import numpy as np
import pytest
from command_line import fcnet
from test_doctor_resumed import StopAt

from fcnet import diagnose
from fcnet.doctor.finding import read_findings
from fcnet.errors import DivergedError
from fcnet.experiments.configure import configure
from fcnet.experiments.run import train
from fcnet.experiments.run_course import OF_COURSES


def trained(folder, *changes, data="digits", callbacks=(), error=None, **options):
    """Train a run, which may end by an error, and return its folder."""
    run, config = configure(data, folder, changes=changes)
    if error:
        with pytest.raises(error):
            train(run, config, callbacks=callbacks, **options)
    else:
        train(run, config, callbacks=callbacks, **options)
    return run


def of_course(findings):
    """Return what was found in the training."""
    return [finding for finding in findings if finding.code in OF_COURSES and finding.severity != "note"]


def signs(findings):
    """Return what was found in the training without what mends it, which trials at its end may have found."""
    return [(each.code, each.severity, each.message, each.evidence) for each in of_course(findings)]


def codes(run):
    return [finding.code for finding in of_course(diagnose(run))]


FAULTS = {
    "healthy": [],
    "learning-rate-too-low": ["learning_rate=1e-6", "epochs=5"],
    "learning-rate-too-high": ["learning_rate=1", "epochs=6"],
    "saturated-units": ["activation=tanh", "weight_init=5", "epochs=6"],
    "stopped-early": ["learning_rate=3e-3", "epochs=2", "dropout=0"],
}


@pytest.mark.parametrize("code", FAULTS)
def test_the_same_is_found_as_in_training(tmp_path, code):
    run = trained(tmp_path / "run", *FAULTS[code], doctor=True)
    kept = read_findings(run / "findings.json")
    seen = of_course(kept)
    assert [finding.code for finding in seen] == ([] if code == "healthy" else [code])
    assert of_course(diagnose(run)) == seen
    (run / "findings.json").unlink()
    found = diagnose(run)
    assert signs(found) == signs(seen)
    others = {"healthy", "constant-features", "init-too-large", "bad-initial-loss"}  # before training these can be seen
    assert {finding.code for finding in found} - others == {finding.code for finding in kept} - others


@pytest.mark.parametrize("code", FAULTS)
def test_what_was_trained_without_the_doctor_is_judged_as_with_it(tmp_path, code):
    run = trained(tmp_path / "run", *FAULTS[code])
    assert codes(run) == ([] if code == "healthy" else [code])


def test_what_the_doctor_saw_in_a_training_outlives_its_checkpoint(tmp_path):
    run = trained(tmp_path / "run", *FAULTS["saturated-units"], doctor=True)
    (run / "checkpoint.safetensors").unlink()
    assert codes(run) == ["saturated-units"]


@pytest.mark.parametrize("doctor", [True, False])
def test_a_run_that_has_diverged(tmp_path, doctor):
    run = trained(tmp_path / "run", "learning_rate=1e6", doctor=doctor, error=DivergedError)
    found = of_course(diagnose(run))
    assert [finding.code for finding in found] == ["learning-rate-too-high", "diverged"]
    assert 0 < found[0].settings["learning_rate"] < 1e6
    assert found[0].evidence["first_loss_by_chance"] > 0
    fcnet("doctor", run)
    assert of_course(read_findings(run / "findings.json")) == found


@pytest.mark.parametrize("doctor", [True, False])
def test_of_a_run_that_is_not_finished_nothing_is_said_of_its_length(tmp_path, doctor):
    stopped = {"callbacks": [StopAt(60)], "error": KeyboardInterrupt, "doctor": doctor}
    assert codes(trained(tmp_path / "one", "learning_rate=0.02", "dropout=0", "epochs=30", **stopped)) == []
    assert codes(trained(tmp_path / "other", "learning_rate=1e-6", **stopped)) == ["learning-rate-too-low"]
    assert codes(trained(tmp_path / "new", callbacks=[StopAt(1)], error=KeyboardInterrupt, doctor=doctor)) == []


def test_a_training_that_has_not_learnt_is_not_to_be_calibrated(tmp_path):
    run = trained(tmp_path / "run", *FAULTS["learning-rate-too-low"])
    found = {finding.code for finding in diagnose(run)}
    assert "below-baseline" in found
    assert not {"miscalibrated", "label-mistakes"} & found


def test_a_regression_is_compared_in_the_scale_of_its_training(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 3))
    y = 1e4 + 500 * (X[:, 0] * X[:, 1] + X[:, 2] + 0.1 * rng.standard_normal(300))
    path = tmp_path / "prices.csv"
    np.savetxt(path, np.column_stack([X, y]), delimiter=",", header="a,b,c,price", comments="")
    slow = ["network=plain", "blend_linear=false", "learning_rate=1e-7", "epochs=10"]
    run = trained(tmp_path / "run", *slow, data=str(path), doctor=True)
    seen = of_course(read_findings(run / "findings.json"))
    assert [finding.code for finding in seen] == ["learning-rate-too-low"]
    (run / "findings.json").unlink()
    assert signs(diagnose(run)) == signs(seen)
    (run / "checkpoint.safetensors").unlink()
    assert codes(run) == ["learning-rate-too-low"]


def test_of_an_ensemble_each_network_is_judged(tmp_path):
    fcnet("train", "digits", "--out", tmp_path / "run", "--seeds", "2", "--set", "learning_rate=1e-6", "--set", "epochs=3")
    found = json.loads(fcnet("doctor", tmp_path / "run", "--json").stdout)
    (message,) = [finding["message"] for finding in found if finding["code"] == "learning-rate-too-low"]
    assert message.endswith(" So it is in 2 of 2 networks.")


def test_what_was_found_before_a_run_went_on_is_looked_at_anew(tmp_path):
    run = trained(tmp_path / "run", callbacks=[StopAt(60)], error=KeyboardInterrupt)
    fcnet("doctor", run)
    train(run, configure("digits", run)[1], resume=True)
    fcnet("doctor", run)
    found = read_findings(run / "findings.json")
    (run / "findings.json").unlink()
    fcnet("doctor", run)
    assert found == read_findings(run / "findings.json")
