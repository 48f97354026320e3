"""Histograms of gradients and hues: pictures whose histograms are known."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from fcnet import FullyConnectedNet, load, save
from fcnet.cli import main
from fcnet.data import load_cifar10
from fcnet.errors import FileFormatError, InputError
from fcnet.experiments import config
from fcnet.files import load_tensors, save_tensors
from fcnet.model import Model
from fcnet.preprocessing import HistogramFeatures

SHAPE = (16, 16, 3)


def histograms(image, **settings):
    features = HistogramFeatures(**settings)
    features.set_shape(image.shape)
    return features._histograms(image.reshape(1, -1))[0]


def test_edges_fall_into_the_bin_of_their_direction():
    ramp = np.tile(np.arange(16)[:, None, None] * 10.0, (1, 16, 3)).astype(np.uint8)
    down, across = (histograms(image)[: 4 * 9].reshape(4, 9) for image in (ramp, ramp.swapaxes(0, 1).copy()))
    assert (down.argmax(axis=1) == 4).all()  # a gradient that points down, at 90 degrees, lies in the fifth of nine bins
    assert (across.argmax(axis=1) == 0).all()
    np.testing.assert_allclose(np.delete(down, 4, axis=1), 0, atol=1e-6)


def test_hues_are_counted_in_each_part():
    image = np.zeros(SHAPE, np.uint8)
    image[:8, :8, 0], image[:8, 8:, 1], image[8:, :8, 2], image[8:, 8:] = 255, 255, 255, 128  # red, green, blue, grey
    hues = histograms(image, hues=6)[4 * 9 :].reshape(4, 6)
    np.testing.assert_array_equal(hues[:3].argmax(axis=1), [0, 2, 4])
    np.testing.assert_allclose(hues.sum(axis=1), [1, 1, 1, 0])


def test_features_are_standardised_and_float32():
    X = np.random.default_rng(0).integers(256, size=(50, 768)).astype(np.uint8)
    out = HistogramFeatures().fit(X, SHAPE).transform(X)
    assert out.dtype == np.float32
    np.testing.assert_allclose(out.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(out.std(axis=0), 1, atol=1e-3)


def test_what_does_not_fit_is_refused():
    with pytest.raises(InputError, match="do not fit into images of 16 × 16"):
        HistogramFeatures(cell=9).set_shape(SHAPE)
    with pytest.raises(InputError, match=r"shape \(n, 768\)"):
        HistogramFeatures().fit(np.zeros((2, 700)), SHAPE)


def test_a_data_set_of_images_that_are_too_small_is_refused(tmp_path):
    command = ["train", "digits", "--out", str(tmp_path / "run"), "--set", "features=histograms", "--set", "epochs=3"]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 2
    assert "do not fit into images of 8 × 8" in result.output
    assert not (tmp_path / "run").exists()


def test_a_model_on_histograms_is_saved_and_loaded(tmp_path):
    X = np.random.default_rng(0).integers(256, size=(20, 768)).astype(np.uint8)
    features = HistogramFeatures(cell=4, hues=5)
    rows = features.fit_transform(X, SHAPE)
    np.testing.assert_array_equal(features.transform(X), rows)
    assert features.transform(X[:0]).shape == (0, features.n_outputs)
    model = Model(FullyConnectedNet([rows.shape[1], 10, 3], seed=0), features, image_shape=SHAPE)
    save(tmp_path / "m.safetensors", model)
    found = load(tmp_path / "m.safetensors")
    assert found.n_inputs == 768
    np.testing.assert_array_equal(found.logits(X), model.network.logits(rows))
    tensors, metadata = load_tensors(tmp_path / "m.safetensors", "fcnet-model-1")
    metadata["scaling"]["hues"] = 6
    save_tensors(tmp_path / "m.safetensors", tensors, metadata, "fcnet-model-1")
    with pytest.raises(FileFormatError, match="its histograms needs 'mean'"):
        load(tmp_path / "m.safetensors")


@pytest.mark.cifar10
def test_a_run_on_some_of_cifar10(tmp_path, monkeypatch):
    some = lambda name, data_dir, *, n_test, **_: load_cifar10(data_dir, n_train=4000, n_test=n_test)  # noqa: E731
    monkeypatch.setattr(config, "load_dataset", some)
    command = ["train", "cifar10", "--recipe", "histograms", "--out", str(tmp_path / "run"), "--set", "epochs=5", "--json"]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["val_accuracy"] > 0.45
    model = load(tmp_path / "run" / "model.safetensors")
    assert model.n_inputs == 3072
