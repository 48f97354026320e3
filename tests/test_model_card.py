"""Model cards say what is in the run folder, and nothing else; exports go by the ending of the name."""

import json
import re
import shutil

import numpy as np
import pytest
from click.testing import CliRunner

from fcnet import load, save
from fcnet.cli import main
from fcnet.errors import FileFormatError
from fcnet.model_card import model_card

pytest.importorskip("sklearn")


def fcnet(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    run = tmp_path_factory.mktemp("runs") / "my_run"
    assert fcnet("train", "digits", "--out", run, "--set", "epochs=2").exit_code == 0
    return run


def shown(card):
    """Return the percentages and the rows of a card."""
    return re.findall(r"\| (\w+) \| accuracy \| ([\d.]+)% \|", card), re.findall(r"\| (\w+) \| ([\d,]+) \|", card)


def test_figures_are_those_of_the_metrics(run):
    metrics = json.loads((run / "metrics.json").read_text())
    card = model_card(run)
    accuracies, rows = shown(card)
    expected = {"training": metrics["train_accuracy"], "validation": metrics["val_accuracy"]}
    assert accuracies == [(part, f"{100 * accuracy:.2f}") for part, accuracy in expected.items()]
    assert rows[:2] == [("training", f"{metrics['n_train']:,}"), ("validation", f"{metrics['n_val']:,}")]
    assert "test part has not been measured" in card
    assert f"{metrics['n_parameters']:,} parameters" in card
    assert "# my\\_run" in card.splitlines()[0]


def test_the_card_of_an_evaluated_run_has_the_test_accuracy(run, tmp_path):
    copy = shutil.copytree(run, tmp_path / "run")
    assert fcnet("evaluate", copy).exit_code == 0
    metrics = json.loads((copy / "metrics.json").read_text())
    accuracies, rows = shown(model_card(copy))
    assert accuracies[2] == ("test", f"{100 * metrics['test_accuracy']:.2f}")
    assert rows[2] == ("test", f"{metrics['n_test']:,}")
    assert "was measured once" in model_card(copy)


def test_settings_in_effect_are_told_and_no_others(run):
    card = model_card(run)
    assert "| `epochs` | 2 |" in card
    assert "`n_filters`" not in card


def test_names_cannot_break_the_page(run, tmp_path):
    copy = shutil.copytree(run, tmp_path / "run")
    model = load(copy / "model.safetensors")
    model.classes[0] = "<script>|\n# *zero*"
    save(copy / "model.safetensors", model)
    assert r"Classes: \<script\>\| \# \*zero\*, 1, 2" in model_card(copy)


def test_the_python_of_a_card_runs(run, monkeypatch):
    code = re.search(r"```python\n(.*?)```", model_card(run), re.DOTALL)[1]
    monkeypatch.chdir(run)
    exec(code, {"X": np.zeros((2, 64))})


def test_the_source_of_known_data_is_cited(run, tmp_path):
    assert "Alpaydin" in model_card(run).partition("## Citation")[2]
    copy = shutil.copytree(run, tmp_path / "run")
    config = (copy / "config.toml").read_text()
    (copy / "config.toml").write_text(config.replace('dataset = "digits"', 'dataset = "/home/me/private/table.csv"'))
    card = model_card(copy)
    assert "no publication of table.csv" in card
    assert "private" not in card


def test_an_unfinished_run_has_no_card(run, tmp_path):
    (tmp_path / "config.toml").write_bytes((run / "config.toml").read_bytes())
    with pytest.raises(FileFormatError, match="not a finished run"):
        model_card(tmp_path)


def test_the_ending_says_what_is_exported(run, tmp_path):
    for name in ("card.md", "model.safetensors", "MODEL_CARD.md"):
        result = fcnet("export", run, "--to", tmp_path / name)
        assert (result.exit_code, result.output) == (0, f"{tmp_path / name}\n")
    assert (tmp_path / "card.md").read_text() == (tmp_path / "MODEL_CARD.md").read_text() == model_card(run)
    assert (tmp_path / "model.safetensors").read_bytes() == (run / "model.safetensors").read_bytes()


def test_a_run_is_exported_to_onnx(run, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    result = fcnet("export", run, "--to", tmp_path / "m.onnx")
    assert result.exit_code == 0, result.output
    assert "the outputs of onnxruntime and of the model differ by at most" in result.output
    X = np.random.default_rng(0).integers(17, size=(9, 64)).astype(np.float32)
    found = onnxruntime.InferenceSession(tmp_path / "m.onnx").run(["probabilities"], {"inputs": X})[0]
    np.testing.assert_allclose(found, load(run / "model.safetensors").predict_proba(X), atol=1e-5)


@pytest.mark.parametrize("name", ["model.pkl", "model", "model.ONNX.gz"])
def test_other_endings_are_wrong_use(run, tmp_path, name):
    result = fcnet("export", run, "--to", tmp_path / name)
    assert result.exit_code == 2
    assert re.search(r"Error: .*\.onnx, \.safetensors or \.md", result.output)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["m.onnx", "m.safetensors", "m.md"])
def test_what_cannot_be_exported_fails_in_a_line(run, tmp_path, name):
    result = fcnet("export", tmp_path, "--to", tmp_path / name)
    assert (result.exit_code, result.output) == (1, f"Error: {tmp_path} is not a run folder: it has no config.toml.\n")
    result = fcnet("export", run, "--to", tmp_path / "none" / name)
    assert (result.exit_code, result.output) == (1, f"Error: There is no folder {tmp_path / 'none'}.\n")
    content = (run / "model.safetensors").read_bytes()
    shutil.copytree(run, tmp_path, dirs_exist_ok=True)
    (tmp_path / "model.safetensors").write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    (tmp_path / name).write_text("older")
    result = fcnet("export", tmp_path, "--to", tmp_path / name)
    assert result.exit_code == 1
    assert "model.safetensors is damaged" in result.output
    assert (tmp_path / name).read_text() == "older"
