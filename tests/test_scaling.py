"""Scaling: the statistics of scikit-learn, and its own promises."""

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from fcnet.errors import SettingError
from fcnet.preprocessing.scaling import Scaling


@pytest.mark.parametrize("offset", [0, 1e6])
def test_scikit_learn_agrees(offset):
    X = offset + np.random.default_rng(0).standard_normal((3000, 5)) * [1, 10, 0.1, 1e-3, 0]
    peer = StandardScaler().fit(X)
    scaling = Scaling.fit(X)
    np.testing.assert_allclose(scaling.mean, peer.mean_, rtol=1e-10)
    np.testing.assert_allclose(scaling.transform(X, np.float64), peer.transform(X), atol=2e-3 if offset else 1e-9)


def test_bytes_become_float32_and_stay_as_they_are():
    X = np.random.default_rng(0).integers(256, size=(2500, 8)).astype(np.uint8)
    kept = X.copy()
    out = Scaling.fit(X).transform(X)
    assert out.dtype == np.float32
    np.testing.assert_allclose(out.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(out.std(axis=0), 1, atol=1e-4)
    np.testing.assert_array_equal(X, kept)


def test_a_constant_input_becomes_zero():
    X = np.column_stack([np.full(10, 0.1), np.arange(10)])
    np.testing.assert_array_equal(Scaling.fit(X).transform(X, np.float64)[:, 0], 0)


def test_mean_and_none():
    X = np.arange(12.0).reshape(4, 3)
    np.testing.assert_allclose(Scaling.fit(X, "mean").transform(X, np.float64), X - X.mean(axis=0))
    np.testing.assert_array_equal(Scaling.fit(X, "none").transform(X, np.float64), X)
    with pytest.raises(SettingError, match="Did you mean 'standard'"):
        Scaling.fit(X, "standart")


def test_with_an_image_shape_scaling_and_mirroring_commute():
    shape = (3, 4, 2)
    X = np.random.default_rng(0).gamma(2, size=(50, 24)) * np.linspace(1, 3, 24)
    mirrored = X.reshape(-1, *shape)[:, :, ::-1].reshape(50, 24)
    scaling = Scaling.fit(X, "standard", shape)
    both = StandardScaler().fit(np.concatenate([X, mirrored]))
    np.testing.assert_allclose(scaling.mean, both.mean_)
    np.testing.assert_allclose(scaling.std, both.scale_)
    np.testing.assert_allclose(
        scaling.transform(mirrored, np.float64),
        scaling.transform(X, np.float64).reshape(-1, *shape)[:, :, ::-1].reshape(50, 24),
    )
