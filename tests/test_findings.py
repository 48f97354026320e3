"""Findings: their order, and the file that keeps them."""

from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fcnet.doctor.finding import CODES, HIDES, Finding, concluded, in_order, read_findings, write_findings
from fcnet.errors import FileFormatError


def finding(code: str, severity: Literal["error", "warning", "note"] = "warning", message: str = "so it is") -> Finding:
    return Finding(code=code, severity=severity, message=message)


FINDINGS = st.builds(finding, st.sampled_from(sorted(CODES)), st.sampled_from(["error", "warning", "note"]), st.text())


@given(st.lists(FINDINGS))
def test_order_does_not_depend_on_who_came_first(found: list[Finding]) -> None:
    once = in_order(found)
    assert [each.code for each in in_order(reversed(found))] == [each.code for each in once]
    hidden = {code for each in found if each.severity == "error" for code in HIDES.get(each.code, ())}
    assert {each.code for each in once} == {each.code for each in found} - hidden
    assert len(once) == len({each.code for each in once})


def test_errors_come_first_then_causes_before_symptoms() -> None:
    found = [finding("diverged"), finding("over-fitting", "error"), finding("learning-rate-too-high"), finding("unscaled-data")]
    codes = [each.code for each in in_order(found)]
    assert codes == ["over-fitting", "unscaled-data", "learning-rate-too-high", "diverged"]


@pytest.mark.parametrize(("severity", "hides"), [("error", True), ("warning", False)])
def test_where_inputs_say_nothing_no_baseline_can_be_beaten(severity: Literal["error", "warning"], hides: bool) -> None:
    codes = {each.code for each in in_order([finding("uninformative-inputs", severity), finding("below-baseline")])}
    assert codes == ({"uninformative-inputs"} if hides else {"uninformative-inputs", "below-baseline"})


def test_the_worst_of_one_code_is_kept() -> None:
    assert in_order([finding("dead-units", "note"), finding("dead-units", "error")]) == [finding("dead-units", "error")]


def test_what_has_notes_alone_is_healthy() -> None:
    assert [each.code for each in concluded([finding("class-imbalance", "note")], "the data")] == ["healthy", "class-imbalance"]
    assert [each.code for each in concluded([finding("class-imbalance")], "the data")] == ["class-imbalance"]


def test_a_code_that_is_not_in_the_table_is_refused() -> None:
    with pytest.raises(ValueError, match="no-such-code"):
        finding("no-such-code")


def test_file_keeps_findings(tmp_path) -> None:
    evidence = {"share": np.float32(0.5), "column": "pixel 3", "sizes": np.array([1, 2])}
    settings = {"training.update.momentum": 0.5}
    given = Finding(code="unscaled-data", severity="error", message="ä", evidence=evidence, remedy="Scale.", settings=settings)
    write_findings(tmp_path / "findings.json", [given])
    (read,) = read_findings(tmp_path / "findings.json")
    assert read.evidence == {"share": 0.5, "column": "pixel 3", "sizes": [1, 2]}
    assert (read.code, read.severity, read.message, read.remedy, read.settings) == (
        *("unscaled-data", "error", "ä", "Scale."),
        settings,
    )


@pytest.mark.parametrize("text", ["[{", '[{"code": "healthy"}]', '[{"code": "x", "severity": "note", "message": ""}]', "{}"])
def test_damaged_file_is_named(tmp_path, text: str) -> None:
    (tmp_path / "findings.json").write_text(text)
    with pytest.raises(FileFormatError, match=r"findings\.json is damaged"):
        read_findings(tmp_path / "findings.json")


def test_missing_file_is_named(tmp_path) -> None:
    with pytest.raises(FileFormatError, match=r"There is no file .*findings\.json"):
        read_findings(tmp_path / "findings.json")


def test_a_warning_that_brings_an_error_comes_before_it():
    found = [finding("dead-units", "error"), finding("unscaled-data", "warning"), finding("class-imbalance", "warning")]
    assert [(each.code, each.severity) for each in in_order(found)] == [
        ("unscaled-data", "error"),
        ("dead-units", "error"),
        ("class-imbalance", "warning"),
    ]
    noted = [finding("dead-units", "error"), finding("unscaled-data", "note")]
    assert [each.code for each in in_order(noted)] == ["dead-units", "unscaled-data"]


def test_where_there_is_nothing_to_learn_no_curve_is_judged():
    found = [finding("learning-rate-too-high", "error"), finding("uninformative-inputs", "error")]
    assert [each.code for each in in_order(found)] == ["uninformative-inputs"]
    few = [finding("learning-rate-too-high", "error"), finding("uninformative-inputs", "warning")]
    assert [each.code for each in in_order(few)] == ["learning-rate-too-high", "uninformative-inputs"]
