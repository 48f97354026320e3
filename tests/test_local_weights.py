"""Weights that begin as patches of images."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from fcnet.cli import main
from fcnet.preprocessing.kmeans import spherical_kmeans, unit_rows
from fcnet.preprocessing.local_weights import local_weights

SHAPE = (9, 10, 3)


@pytest.fixture(scope="module")
def X():
    return np.random.default_rng(0).standard_normal((300, 270)).astype(np.float32)


def test_every_unit_looks_at_one_patch(X):
    W = local_weights(X, SHAPE, 50, 4, np.random.default_rng(0))
    assert W.dtype == np.float32
    assert W.shape == (270, 50)
    corners = set()
    for unit in W.T.reshape(50, *SHAPE):
        rows, columns = np.flatnonzero(unit.any(axis=(1, 2))), np.flatnonzero(unit.any(axis=(0, 2)))
        assert len(rows) == len(columns) == 4
        assert rows[-1] - rows[0] == columns[-1] - columns[0] == 3
        corners.add((rows[0], columns[0]))
    assert len(corners) > 20
    np.testing.assert_allclose(np.square(X @ W).mean(axis=0), 2 * np.square(X).mean(), rtol=1e-3)


def test_patches_are_those_that_the_images_are_made_of():
    rng = np.random.default_rng(0)
    made_of = unit_rows(rng.standard_normal((4, 27)).astype(np.float32))
    X = np.concatenate([made_of[rng.integers(4, size=(200, 1))] * rng.uniform(1, 3, (200, 1, 1))], axis=1).reshape(200, 27)
    W = local_weights(X.astype(np.float32), (3, 3, 3), 40, 3, rng)
    assert (np.abs(unit_rows(W.T) @ made_of.T).max(axis=1) > 0.999).all()


def test_kmeans_finds_directions_either_way_and_flipped():
    rng = np.random.default_rng(0)
    flip = np.arange(30)[::-1]
    true = unit_rows(rng.standard_normal((3, 30)).astype(np.float32))
    either = np.concatenate([true, -true, true[:, flip], -true[:, flip]])
    rows = unit_rows(either[rng.integers(12, size=600)] + 0.02 * rng.standard_normal((600, 30)).astype(np.float32))
    found = spherical_kmeans(rows, 8, 15, rng, flip)
    assert found.dtype == np.float32
    assert (np.abs(true @ np.concatenate([found, found[:, flip]]).T).max(axis=1) > 0.99).all()


def test_a_run_that_begins_with_patches(tmp_path):
    settings = ["scaling=zca", "first_layer=patches", "patch_sizes=[3,4]", "epochs=3"]
    command = ["train", "digits", *[word for setting in settings for word in ("--set", setting)]]
    for run in ("one", "two"):
        result = CliRunner().invoke(main, [*command, "--out", str(tmp_path / run)])
        assert result.exit_code == 0, result.output
    assert (tmp_path / "one" / "model.safetensors").read_bytes() == (tmp_path / "two" / "model.safetensors").read_bytes()
    assert json.loads((tmp_path / "one" / "metrics.json").read_text())["val_accuracy"] > 0.9


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("first_layer=patch", "Did you mean 'patches'"),
        ("patch_sizes=[9]", "do not fit into images"),
        ("hidden=[]", "hidden units"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path, setting, message):
    command = ["train", "digits", "--out", str(tmp_path / "run"), "--set", "first_layer=patches", "--set", setting]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 2
    assert message in result.output
