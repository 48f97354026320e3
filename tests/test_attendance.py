"""The doctor at ``fcnet train``."""

import json

import numpy as np
from command_line import fcnet

from fcnet.doctor.finding import Finding, read_findings, write_findings
from fcnet.experiments.attendance import findings_of


def trained(tmp_path, *words, data="digits", code=0):
    """Return what ``fcnet train`` has printed, and the codes of the errors and warnings in its folder."""
    result = fcnet("train", data, "--out", tmp_path / "run", *words, code=code)
    path = tmp_path / "run" / "findings.json"
    return result, [each.code for each in read_findings(path) if each.severity != "note"] if path.exists() else None


def test_of_a_healthy_training_nothing_is_said(tmp_path):
    result, found = trained(tmp_path, "--set", "epochs=15")
    assert found == []
    assert "Warning" not in result.stderr
    assert "note: healthy" in (tmp_path / "run" / "report.html").read_text()


def test_a_finding_is_a_line_and_a_row_of_the_report(tmp_path):
    result, found = trained(tmp_path, "--set", "learning_rate=1e-6", "--set", "epochs=5")
    assert found[0] == "learning-rate-too-low"
    lines = [line for line in result.stderr.splitlines() if line.startswith("Warning: ")]
    assert [line.rpartition("[")[2].rstrip("]") for line in lines] == found
    report = (tmp_path / "run" / "report.html").read_text()
    assert all(code in report for code in found)


def test_without_the_doctor_there_is_no_file(tmp_path):
    result, found = trained(tmp_path, "--no-doctor", "--set", "learning_rate=1e-6", "--set", "epochs=2")
    assert found is None
    assert "learning-rate-too-low" not in result.stderr


def test_the_doctor_changes_no_result(tmp_path):
    each = [
        fcnet("train", "digits", "--out", tmp_path / word, word, "--set", "epochs=2", "--json")
        for word in ("--doctor", "--no-doctor")
    ]
    with_doctor, without = (json.loads(result.stdout) for result in each)
    assert with_doctor["val_loss"] == without["val_loss"]
    assert (tmp_path / "--doctor/history.jsonl").read_text() == (tmp_path / "--no-doctor/history.jsonl").read_text()


def test_a_training_that_diverges_leaves_what_was_found(tmp_path):
    assert trained(tmp_path, "--set", "learning_rate=1e6", code=1)[1] == ["learning-rate-too-high", "diverged"]


def test_members_of_an_ensemble_are_seen_each(tmp_path):
    words = ("--set", "learning_rate=1e-6", "--set", "epochs=3", "--seeds", "2")
    result, found = trained(tmp_path, *words)
    assert found is None  # the findings are those of members
    assert "[learning-rate-too-low, in 2 of 2 networks]" in result.stderr
    assert "learning-rate-too-low, in 2 of 2 networks" in (tmp_path / "run" / "report.html").read_text()


def test_a_warning_of_few_members_is_left_out(tmp_path):
    members = [{"run": str(number)} for number in range(5)]
    each = [
        Finding(code="over-fitting", severity="warning", message=""),
        Finding(code="diverged", severity="error", message=""),
    ]
    for number in range(5):
        (tmp_path / str(number)).mkdir()
        write_findings(
            tmp_path / str(number) / "findings.json", each[:1] if number in (1, 2) else each[1:] if number == 3 else []
        )
    assert [(found.code, n) for found, n in findings_of(tmp_path, {"members": members})] == [("diverged", 1)]
    assert [found.code for found, _ in findings_of(tmp_path, {"members": members[:4]})] == ["over-fitting", "diverged"]


def test_what_the_metrics_of_a_table_say_is_said_once(tmp_path):
    rng = np.random.default_rng(0)
    rows = [
        f"{a:.3f},{b:.3f},{label}"
        for (a, b), label in zip(rng.standard_normal((200, 2)), rng.choice(["x", "y"], 200), strict=True)
    ]
    (tmp_path / "noise.csv").write_text("a,b,target\n" + "\n".join(rows))
    result, found = trained(tmp_path, "--set", "epochs=5", "--set", "n_ensemble=1", data=str(tmp_path / "noise.csv"))
    assert set(found) & {"below-baseline", "one-class-predicted"}
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    said = " ".join(metrics["warnings"]["val"])
    assert result.stderr.count(said) == 1
