"""`fcnet doctor` on data sets and runs."""

import json

import numpy as np
import pytest
from command_line import fcnet
from sklearn.datasets import load_breast_cancer

from fcnet import diagnose
from fcnet.doctor.finding import Finding, read_findings, write_findings
from fcnet.errors import InputError


@pytest.fixture
def table(tmp_path):
    """Return a function that writes a table, by default a sound one, and returns its path."""

    def write(change=lambda X, y: (X, y)):
        X, y = change(*load_breast_cancer(return_X_y=True))
        path = tmp_path / "cells.csv"
        rows = [
            [*(f"X{i}" for i in range(8)), "kind"],
            *([*row[:8], "benign" if label else "malignant"] for row, label in zip(X, y, strict=True)),
        ]
        path.write_text("\n".join(",".join(map(str, row)) for row in rows) + "\n")
        return path

    return write


def test_digits_are_healthy_and_a_finding_is_a_line():
    lines = fcnet("doctor", "digits").stdout.splitlines()
    assert lines[0] == "note: healthy: Nothing is wrong with the data, and the network as it begins."
    assert lines[1].startswith("note: constant-features: ")
    assert lines[2].startswith("    Leave these inputs out")


def test_a_table_is_prepared_as_for_training(table):
    (first, *_) = json.loads(fcnet("doctor", table(), "--json").stdout)
    assert first["code"] == "healthy"


def test_shuffled_rows_of_a_table(table):
    shuffled = table(lambda X, y: (np.random.default_rng(0).permutation(X), y))
    (first, *_) = json.loads(fcnet("doctor", shuffled, "--json").stdout)
    assert (first["code"], first["severity"]) == ("uninformative-inputs", "error")
    assert first["evidence"]["rows"] > 300
    assert first["remedy"]


def test_a_column_that_gives_the_target_away_is_named(table):
    rng = np.random.default_rng(0)
    told = table(lambda X, y: (np.column_stack([rng.standard_normal((len(y), 7)), y + 0.1 * rng.standard_normal(len(y))]), y))
    (first, *_) = json.loads(fcnet("doctor", told, "--json").stdout)
    assert first["code"] == "leaking-feature"
    assert first["message"].startswith("'X7' alone gives the target nearly away")


def test_the_recipe_and_its_changes_count():
    (first, *_) = json.loads(fcnet("doctor", "digits", "--set", "weight_init=5", "--json").stdout)
    assert (first["code"], first["settings"]) == ("init-too-large", {"network.weight_init": "he"})
    shown = fcnet("doctor", "digits", "--set", "weight_init=5").stdout
    assert "    Settings: network.weight_init = he\n" in shown


def test_a_run_keeps_its_findings(tmp_path):
    run = tmp_path / "run"
    fcnet("train", "digits", "--out", run, "--set", "epochs=1", "--set", "weight_init=5")
    (first, *_) = json.loads(fcnet("doctor", run, "--json").stdout)
    assert first["code"] == "init-too-large"
    assert read_findings(run / "findings.json")[0].to_dict() == first
    assert [finding.code for finding in diagnose(run)] == [finding.code for finding in read_findings(run / "findings.json")]
    with pytest.raises(InputError, match="A run knows its data"):
        diagnose(run, np.zeros((2, 2)), np.zeros(2, int))
    said = fcnet("doctor", run, "--set", "epochs=2", code=2).stderr
    assert "leave out --set, or name its data set" in said
    fcnet("train", "digits", "--out", run, "--set", "epochs=1", "--force", "--no-doctor")
    assert not (run / "findings.json").exists()


def test_what_was_found_in_training_is_kept(tmp_path):
    run = tmp_path / "run"
    fcnet("train", "digits", "--out", run, "--set", "epochs=2")
    seen = Finding(code="dead-units", severity="warning", message="Half of the units are dead.")
    write_findings(run / "findings.json", [seen])
    assert "dead-units" in [finding["code"] for finding in json.loads(fcnet("doctor", run, "--json").stdout)]
    assert seen in read_findings(run / "findings.json")


def test_a_regression_is_learnt_in_its_scale(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 3))
    y = 1e4 + 500 * (X[:, 0] + X[:, 1] + 0.3 * rng.standard_normal(200))
    path = tmp_path / "prices.csv"
    np.savetxt(path, np.column_stack([X, y]), delimiter=",", header="a,b,c,price", comments="")
    assert json.loads(fcnet("doctor", path, "--json").stdout)[0]["code"] == "healthy"


def test_of_kernel_regression_the_data_is_looked_at():
    kernel = ["features=patches", "n_filters=8", "patch_sizes=[3]", "n_components=10", "mirror=true", "training=kernel"]
    changes = [word for change in kernel for word in ("--set", change)]
    codes = [finding["code"] for finding in json.loads(fcnet("doctor", "digits", *changes, "--json").stdout)]
    assert codes == ["healthy"]


def test_what_is_no_data_set_is_wrong_use():
    assert "Did you mean 'digits'?" in fcnet("doctor", "digit", code=2).stderr
