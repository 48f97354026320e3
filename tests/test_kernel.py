"""Kernel regression as a network: against scikit-learn, and as a run."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from sklearn.kernel_ridge import KernelRidge

from fcnet import FullyConnectedNet, load, save
from fcnet.cli import main
from fcnet.data import load_digits
from fcnet.errors import InputError
from fcnet.export import export_onnx
from fcnet.preprocessing import PatchRepresentation
from fcnet.training import kernel
from fcnet.training.kernel import calibrate, fit_kernel, room_for_kernel

SIGNS = np.repeat(np.array([1, -1], np.float32), [6, 3])
SETTINGS = (
    *("features=patches", "n_filters=32", "patch_sizes=[3, 4]", "n_components=60", "mirror=true", "shift=1"),
    "training=kernel",
)


@pytest.fixture(autouse=True, scope="module")
def _cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(params=[7, 2048])
def block(request, monkeypatch):
    """Some blocks and a rest, or all rows in one."""
    monkeypatch.setattr(kernel, "BLOCK", request.param)


def unit_rows(n, seed):
    X = np.random.default_rng(seed).standard_normal((n, 9)).astype(np.float32)
    return X / np.linalg.norm(X, axis=1, keepdims=True)


def classes(X):
    return (X[:, 0] > 0).astype(int) + (X[:, 1] > 0.2)


def gaussian(A, B, gamma):
    return np.exp(-gamma * np.square(A[:, None].astype(float) - B).sum(axis=2))


@pytest.mark.usefixtures("block")
@pytest.mark.parametrize("gamma", [0.25, 1.5])
def test_scikit_learn_agrees(gamma):
    X, Z = unit_rows(60, 0), unit_rows(20, 1)
    y = classes(X)
    network, fitted = fit_kernel(X, y, 3, gamma=gamma, ridge=0.01)
    oracle = KernelRidge(kernel="rbf", gamma=gamma, alpha=0.01).fit(X.astype(float), np.eye(3)[y] - 1 / 3)
    np.testing.assert_allclose(network.logits(Z), oracle.predict(Z.astype(float)) + 1 / 3, atol=1e-4)
    np.testing.assert_allclose(fitted, network.logits(X), atol=1e-4)
    assert network.logits(Z).dtype == fitted.dtype == np.float32


@pytest.mark.usefixtures("block")
def test_with_mirror_images_it_fits_what_is_averaged_over_them():
    X, Z = unit_rows(60, 0), unit_rows(20, 1)
    y = classes(X)
    network, fitted = fit_kernel(X, y, 3, gamma=1.0, ridge=0.01, signs=SIGNS)
    averaged = lambda A: (gaussian(A, X, 1.0) + gaussian(A * SIGNS, X, 1.0)) / 2  # noqa: E731
    oracle = KernelRidge(kernel="precomputed", alpha=0.01).fit(averaged(X), np.eye(3)[y] - 1 / 3)
    mean = (network.logits(Z) + network.logits(Z * SIGNS)) / 2
    np.testing.assert_allclose(mean, oracle.predict(averaged(Z)) + 1 / 3, atol=1e-4)
    np.testing.assert_allclose(fitted, oracle.predict(averaged(X)) + 1 / 3, atol=1e-4)


def test_more_rows_than_there_is_memory_for():
    with pytest.raises(InputError, match=r"A kernel of 10,000,000 rows needs 200041\.0 GB of memory; use fewer rows\."):
        room_for_kernel(10**7)


@pytest.mark.usefixtures("block")
def test_it_logs_how_far_it_has_come(caplog):
    caplog.set_level("INFO", "fcnet")
    fit_kernel(unit_rows(20, 0), np.arange(20) % 2, 2)
    lines = caplog.messages
    n_blocks = -(-20 // kernel.BLOCK)
    assert len(lines) == 2 * n_blocks
    assert lines[n_blocks - 1] == "Kernel of rows: 20 of 20"
    assert lines[-1] == "Cholesky factors: 20 of 20"


def test_a_matrix_that_is_not_positive_definite():
    X = np.tile(unit_rows(1, 0), (50, 1))
    with pytest.raises(InputError, match=r"not positive definite: choose a larger ridge\.$"):
        fit_kernel(X, np.zeros(50, int), 2, ridge=1e-9)


def test_a_regression_without_a_finite_solution():
    X = unit_rows(20, 0)
    X[3, 2] = np.nan
    with pytest.raises(InputError, match="no finite solution"):
        fit_kernel(X, np.zeros(20, int), 2)


def test_calibrated_logits_cost_least():
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=300)
    network = FullyConnectedNet([9, 4, 3])
    before = {name: p.copy() for name, p in network.params.items()}
    logits = (0.1 * np.eye(3)[y] + 0.1 * rng.standard_normal((300, 3))).astype(np.float32)
    scale = calibrate(network, logits, y)
    costs = [network.loss.value(np.float32(factor * scale) * logits, y) for factor in (0.9, 1, 1.1)]
    assert costs[1] == min(costs)
    for name, p in network.params.items():
        np.testing.assert_array_equal(p, before[name] * np.float32(scale if name in ("W2", "b2") else 1))


def fcnet(*arguments):
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exit_code == 0, result.output + repr(result.exception)
    return result.output


@pytest.mark.charts
def test_a_run(tmp_path):
    run, digits = tmp_path / "run", load_digits()
    changes = [word for setting in SETTINGS for word in ("--set", setting)]
    assert "1,200 hidden units" in fcnet("train", "digits", "--out", run, *changes)
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["val_accuracy"] > 0.97
    row = json.loads((run / "history.jsonl").read_text())
    assert row["train_loss"] == row["loss"]
    model = load(run / "model.safetensors")
    assert np.mean(model.predict(digits.X_val) == digits.y_val) == metrics["val_accuracy"]
    assert model.network.layer_sizes == [60, 1200, 10]
    report = (run / "report.html").read_text()
    assert "gamma" in report
    assert "learning_rate" not in report
    assert "weights are kept" not in report
    fcnet("export", run, "--to", tmp_path / "card.md")
    card = (tmp_path / "card.md").read_text()
    assert "output weights were solved for" in card
    assert "averaged over mirrored views" in card
    assert "Test accuracy" in fcnet("evaluate", run)
    before = (run / "model.safetensors").read_bytes()
    (run / "metrics.json").unlink()
    fcnet("train", "digits", "--out", run, *changes, "--resume")
    assert (run / "model.safetensors").read_bytes() == before
    export_onnx(model, tmp_path / "m.onnx", tolerance=1e-3)  # sums of 1,200 terms that cancel one another


def test_its_inputs_are_the_means_of_views(tmp_path):
    run, digits = tmp_path / "run", load_digits()
    fcnet("train", "digits", "--out", run, *[word for setting in SETTINGS for word in ("--set", setting)])
    model = load(run / "model.safetensors")
    scaling = model.preprocessor
    assert isinstance(scaling, PatchRepresentation)
    mean = scaling.views(digits.X_val[:30]).mean(axis=1)
    expected = mean / np.linalg.norm(mean, axis=1, keepdims=True)
    np.testing.assert_allclose(scaling.transform(digits.X_val[:30]), expected, atol=1e-5)
    model.average_shift = 1
    with pytest.raises(InputError, match="translations of what is a mean of translations"):
        save(run / "model.safetensors", model)


def test_memory_is_asked_for_before_features_are_learnt(tmp_path, monkeypatch):
    def refuse(n):
        raise InputError(f"no room for {n}")

    monkeypatch.setattr(kernel, "room_for_kernel", refuse)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    changes = [word for setting in SETTINGS for word in ("--set", setting)]
    result = CliRunner().invoke(main, ["train", "digits", "--out", str(tmp_path / "run"), *changes])
    assert result.exit_code == 1
    assert "no room for 1200" in result.output
    assert not (tmp_path / "run").exists()
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["preprocessing=pixels", "training=kernel"], "training = kernel needs preprocessing = patches."),
        (["preprocessing=histograms", "training=kernel"], "training = kernel needs preprocessing = patches."),
        ([*SETTINGS, "dtype=float64"], "dtype belongs to training of kind gradient; here it is kernel"),
        ([*SETTINGS, "class_weight=balanced"], "class_weight belongs to training of kind gradient; here it is kernel"),
    ],
)
def test_settings_that_do_not_go_with_it(settings, message, tmp_path):
    changes = [word for s in settings for word in ("--set", s)]
    result = CliRunner().invoke(main, ["train", "digits", "--out", str(tmp_path / "run"), *changes])
    assert result.exit_code == 2
    assert message in result.output


@pytest.mark.parametrize("setting", ["mirror=false", "shift=0"])
def test_without_mirror_images_or_moved_copies(setting, tmp_path):
    run, digits = tmp_path / "run", load_digits()
    fcnet("train", "digits", "--out", run, *[word for s in (*SETTINGS, setting) for word in ("--set", s)])
    model = load(run / "model.safetensors")
    assert model.average_mirror == (setting != "mirror=false")
    assert np.mean(model.predict(digits.X_val) == digits.y_val) > 0.97


@pytest.mark.usefixtures("bfloat16")
def test_bfloat16_is_for_the_kernel_alone():
    X, Z = unit_rows(300, 0), unit_rows(50, 1)
    y = classes(X)
    exact, _ = fit_kernel(X, y, 3, ridge=0.01)
    network, _ = fit_kernel(X, y, 3, ridge=0.01, engine="bfloat16")
    assert network.engine.name != "bfloat16"
    np.testing.assert_allclose(network.logits(Z), exact.logits(Z), atol=0.03)
