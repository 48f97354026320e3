"""The whitening of features: PCA of images and mirror images together, by another road."""

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from fcnet.errors import InputError
from fcnet.preprocessing import MirrorCovariance, MirrorWhitening, whitening
from fcnet.preprocessing.whitening import even_and_odd

MIRRORED = np.arange(40).reshape(2, 20)[::-1].reshape(-1)


@pytest.fixture
def F():
    rng = np.random.default_rng(0)
    return (5 + rng.standard_normal((600, 40)) @ rng.standard_normal((40, 40)) * np.linspace(0.2, 3, 40)).astype(np.float32)


def fit(F, n_components, **settings):
    covariance = MirrorCovariance(20, 20)
    for start in range(0, len(F), 250):
        covariance.add(*even_and_odd(F[start : start + 250], MIRRORED))
    return MirrorWhitening.fit(MIRRORED, covariance, n_components, **settings)


@pytest.mark.parametrize("exact_size", [4096, 8])
def test_scikit_learn_agrees(F, monkeypatch, exact_size):
    monkeypatch.setattr(whitening, "EXACT_SIZE", exact_size)
    monkeypatch.setattr(whitening, "N_ITERATIONS", 60)
    monkeypatch.setattr(whitening, "CARRIED", 1)
    both = np.concatenate([F, F[:, MIRRORED]]).astype(np.float64)
    standard = StandardScaler().fit(both)
    pca = PCA(12).fit(standard.transform(both))
    whitened = fit(F, 12, regularisation=5.0)
    eigenvalues = pca.explained_variance_ * (len(both) - 1) / len(both)
    expected = pca.transform(standard.transform(F)) / np.sqrt(eigenvalues + 5)
    expected *= np.sqrt(0.5 / np.mean(eigenvalues / (eigenvalues + 5)))
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


@pytest.mark.parametrize("regularisation", [1.0, 100.0])
def test_features_without_variance_give_finite_components(regularisation):
    whitened = fit(np.full((50, 40), 3, np.float32), 5, regularisation=regularisation)
    assert np.isfinite(whitened.transform(np.full((3, 40), 3, np.float32))).all()


def test_rounding_is_not_taken_for_a_component(F):
    F = (F[:, :4] @ np.random.default_rng(1).standard_normal((4, 40))).astype(np.float32)
    assert fit(F, 40, regularisation=1e-6).n_components <= 8


def test_one_large_component_hides_no_small_ones():
    n = 1000
    even = np.diag(np.concatenate([[2e4], np.ones(n - 1)])).astype(np.float32)
    found = whitening._components([even, np.eye(n, dtype=np.float32)], 2 * n, 100.0, 0)
    assert [part.shape[1] for part in found] == [n, n]


def test_stopping_and_going_on_changes_nothing(F):
    whole, first, second = (MirrorCovariance(20, 20) for _ in range(3))
    for covariance in (whole, first):
        covariance.add(*even_and_odd(F[:250], MIRRORED))
    second.load_arrays({name: array.copy(order="K") for name, array in first.arrays().items()})
    for covariance in (whole, second):
        covariance.add(*even_and_odd(F[250:], MIRRORED))
    for name, array in whole.arrays().items():
        np.testing.assert_array_equal(second.arrays()[name], array)


def test_what_does_not_fit_is_refused(F):
    with pytest.raises(InputError, match="at least 2 rows"):
        MirrorWhitening.fit(MIRRORED, MirrorCovariance(20, 20), 3)
    whitened = fit(F, 4)
    with pytest.raises(InputError, match="do not fit 40 features"):
        MirrorWhitening(MIRRORED, whitened.even[:-1], whitened.odd, whitened.offset)


def test_groups_that_are_joined_are_whitened_like_all_at_once(F):
    rng = np.random.default_rng(1)
    G = (F @ rng.standard_normal((40, 40)) + 3).astype(np.float32)
    both, order = np.concatenate([F, G], axis=1), np.concatenate([MIRRORED, 40 + MIRRORED])
    covariance = MirrorCovariance(40, 40)
    covariance.add(*even_and_odd(both, order))
    at_once = MirrorWhitening.fit(order, covariance, 30).transform(both)
    parts = [fit(group, 40, regularisation=None) for group in (F, G)]
    rows = [part.transform(group) for part, group in zip(parts, (F, G), strict=True)]
    n_even = [part.even.shape[1] for part in parts]
    even = np.concatenate([row[:, :n] for row, n in zip(rows, n_even, strict=True)], axis=1)
    odd = np.concatenate([row[:, n:] for row, n in zip(rows, n_even, strict=True)], axis=1)
    joint = MirrorCovariance(even.shape[1], odd.shape[1])
    joint.add(even.copy(), odd)
    joined = MirrorWhitening.join(parts, joint, 30)
    found = joined.transform(both)
    np.testing.assert_allclose(found @ found.T, at_once @ at_once.T, atol=1e-2)
    np.testing.assert_allclose(joined.transform(both[:, order]), found * joined.signs, atol=1e-4)


@pytest.mark.parametrize("n", [1, 3, 5, 40, 150])
def test_subspace_iteration_finds_as_many_components_of_either_part_as_there_are(monkeypatch, n):
    rng = np.random.default_rng(2)
    order = np.arange(600).reshape(2, 300)[::-1].reshape(-1)
    F = rng.standard_normal((2000, 600)) @ (rng.standard_normal((600, 600)) * np.geomspace(3, 0.01, 600)[:, np.newaxis])
    F += 0.5 * F[:, order]  # even combinations vary three times as much as odd ones
    found = []
    for exact_size in (4096, 8):
        monkeypatch.setattr(whitening, "EXACT_SIZE", exact_size)
        covariance = MirrorCovariance(300, 300)
        covariance.add(*even_and_odd(F.astype(np.float32), order))
        found.append(MirrorWhitening.fit(order, covariance, n).signs)
    exact, iterated = ((signs > 0).sum() for signs in found)
    assert len(found[0]) == len(found[1]) == n
    assert abs(int(exact) - int(iterated)) <= 0.02 * n
