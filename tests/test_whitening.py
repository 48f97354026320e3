"""The whitening of features: PCA of images and mirror images together, by another road."""

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from fcnet.errors import InputError
from fcnet.features import MirrorCovariance, MirrorWhitening, whitening

MIRRORED = np.arange(40).reshape(2, 20)[::-1].reshape(-1)


@pytest.fixture
def F():
    rng = np.random.default_rng(0)
    return (5 + rng.standard_normal((600, 40)) @ rng.standard_normal((40, 40)) * np.linspace(0.2, 3, 40)).astype(np.float32)


def fit(F, n_components):
    covariance = MirrorCovariance(MIRRORED)
    for start in range(0, len(F), 250):
        covariance.add(F[start : start + 250])
    return MirrorWhitening.fit(covariance, n_components)


@pytest.mark.parametrize("exact_size", [4096, 8])
def test_scikit_learn_agrees(F, monkeypatch, exact_size):
    monkeypatch.setattr(whitening, "EXACT_SIZE", exact_size)
    monkeypatch.setattr(whitening, "N_ITERATIONS", 60)
    monkeypatch.setattr(whitening, "EXTRA", 2)
    both = np.concatenate([F, F[:, MIRRORED]]).astype(np.float64)
    standard = StandardScaler().fit(both)
    pca = PCA(12).fit(standard.transform(both))
    whitened = fit(F, 12)
    eigenvalues = pca.explained_variance_ * (len(both) - 1) / len(both)
    expected = pca.transform(standard.transform(F)) / np.sqrt(eigenvalues + 1)
    found = whitened.transform(F)
    assert found.dtype == np.float32
    # Components may come in another order and with the other sign; the distances between rows may not differ.
    np.testing.assert_allclose(found @ found.T, expected @ expected.T, atol=2e-3)


def test_mirroring_changes_signs_alone(F):
    whitened = fit(F, 15)
    np.testing.assert_allclose(whitened.transform(F[:, MIRRORED]), whitened.transform(F) * whitened.signs, atol=1e-5)
    assert whitened.n_components == 15
    assert set(whitened.signs) == {-1, 1}


def test_a_constant_feature_and_more_components_than_there_are(F):
    F[:, [3, 23]] = 7
    out = fit(F, 100).transform(F)
    assert np.isfinite(out).all()
    assert out.shape[1] <= 40


def test_stopping_and_going_on_changes_nothing(F):
    whole, first, second = (MirrorCovariance(MIRRORED) for _ in range(3))
    for covariance in (whole, first):
        covariance.add(F[:250])
    second.load_arrays({name: array.copy(order="K") for name, array in first.arrays().items()})
    for covariance in (whole, second):
        covariance.add(F[250:])
    for name, array in whole.arrays().items():
        np.testing.assert_array_equal(second.arrays()[name], array)


def test_what_does_not_fit_is_refused(F):
    with pytest.raises(InputError, match="at least 2 rows"):
        MirrorWhitening.fit(MirrorCovariance(MIRRORED), 3)
    whitened = fit(F, 4)
    with pytest.raises(InputError, match="do not fit 40 features"):
        MirrorWhitening(MIRRORED, whitened.even[:-1], whitened.odd, whitened.offset)
