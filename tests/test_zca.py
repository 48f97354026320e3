"""ZCA whitening: its definition, and its own promises."""

import numpy as np
import pytest
from scipy.linalg import sqrtm

from fcnet.errors import InputError, SettingError
from fcnet.preprocessing import ZCA


@pytest.fixture
def X():
    rng = np.random.default_rng(0)
    return 100 + rng.standard_normal((400, 12)) @ rng.standard_normal((12, 12))


@pytest.mark.parametrize("regularisation", [0, 0.1, 3])
def test_the_matrix_is_the_inverse_root_of_the_covariance(X, regularisation):
    C = np.cov(X, rowvar=False, bias=True)
    expected = np.linalg.inv(sqrtm(C + regularisation * np.trace(C) / 12 * np.eye(12)))
    zca = ZCA.fit(X, regularisation)
    np.testing.assert_allclose(zca.matrix, expected, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(zca.transform(X, np.float64), (X - X.mean(axis=0)) @ expected, rtol=1e-6, atol=1e-9)


def test_bytes_become_float32_and_an_empty_direction_stays_empty():
    X = np.random.default_rng(0).integers(256, size=(2500, 8)).astype(np.uint8)
    X[:, 3] = 7
    out = ZCA.fit(X, 0).transform(X)
    assert out.dtype == np.float32
    np.testing.assert_allclose(out[:, 3], 0, atol=1e-4)
    np.testing.assert_allclose(np.cov(np.delete(out, 3, axis=1), rowvar=False), np.eye(7), atol=2e-2)


def test_with_an_image_shape_whitening_and_mirroring_commute():
    shape = (3, 4, 2)
    X = np.random.default_rng(0).gamma(2, size=(50, 24)) * np.linspace(1, 3, 24)

    def mirror(rows):
        return rows.reshape(-1, *shape)[:, :, ::-1].reshape(-1, 24)

    zca = ZCA.fit(X, 0.1, shape)
    both = ZCA.fit(np.concatenate([X, mirror(X)]), 0.1)
    np.testing.assert_allclose(zca.matrix, both.matrix, atol=1e-9)
    np.testing.assert_allclose(zca.transform(mirror(X), np.float64), mirror(zca.transform(X, np.float64)), atol=1e-9)


def test_what_cannot_be_whitened_is_refused():
    with pytest.raises(InputError, match="no variance"):
        ZCA.fit(np.ones((5, 3)))
    with pytest.raises(SettingError, match="regularisation must be"):
        ZCA.fit(np.eye(3), -1)
