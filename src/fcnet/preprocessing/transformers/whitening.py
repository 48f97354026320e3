"""Whitening as transformers."""

from abc import abstractmethod
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted, validate_data

from fcnet.errors import InputError
from fcnet.preprocessing.checks import check_finite
from fcnet.preprocessing.pca import PCA
from fcnet.preprocessing.zca import ZCA
from fcnet.types import Array


class _Whitening(TransformerMixin, BaseEstimator):
    """A whitening of `fcnet.preprocessing`: float32 stays float32 and bytes become it; all else becomes or stays float64."""

    def fit(self, X: Any, y: Any = None) -> Self:
        """Find the mean of the rows of `X`, and the directions along which they vary.

        Parameters
        ----------
        X : array or data frame (n, n_features)
        y : ignored

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a setting is out of range, or `X` has fewer than two rows or no variance.
        """
        self._fit(self._validated(X, reset=True))
        return self

    @abstractmethod
    def _fit(self, X: Array) -> None:
        """Do what `fit` does."""

    @property
    @abstractmethod
    def _fitted(self) -> PCA | ZCA:
        """What the rows are whitened by."""

    @property
    def _n_features_out(self) -> int:
        return self.n_features_in_

    def transform(self, X: Any) -> Array:
        """Return the whitened rows, float32 of float32 and bytes, else float64."""
        check_is_fitted(self)
        X = self._validated(X, reset=False)
        with np.errstate(over="ignore", invalid="ignore"):
            return check_finite(self._fitted.transform(X, np.float64 if X.dtype == np.float64 else np.float32), X)

    def inverse_transform(self, X: Any) -> Array:
        """Return the rows (n, n_features) that become these, with the mean in directions that are left out."""
        check_is_fitted(self)
        X = check_array(X, dtype=(np.float64, np.float32))
        if X.shape[1] != self._n_features_out:
            raise InputError(f"X must have {self._n_features_out} columns, as transform returns them, got shape {X.shape}.")
        return self._fitted.inverse(X)

    def _validated(self, X: Any, reset: bool) -> Array:
        # Images of bytes are not copied: their products are made block by block.
        return validate_data(self, X, reset=reset, dtype=(np.float64, np.float32, np.uint8), ensure_min_samples=1 + reset)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


class PCAWhitening(ClassNamePrefixFeaturesOutMixin, _Whitening):
    """Projection on the leading principal components, whitened: ``(X - mean) componentsᵀ / sqrt(variances + r σ²)``.

    With r = 0 each has variance one, as those of scikit-learn's ``PCA(whiten=True)``; with more, components of little variance,
    which are mostly noise, stay small. σ² is the mean variance of the inputs.

    Parameters
    ----------
    n_components : int, float or None
        How many, at most as many as there are directions with variance; a float, from 0 to 1, is the share of the variance
        that they have to explain, and None are all.
    regularisation : float
        The r above, at least 0.

    Attributes
    ----------
    mean_ : float64 array (n_features,)
    components_ : float64 array (n_components, n_features)
        Of length one, largest variance first.
    explained_variance_, explained_variance_ratio_ : float64 arrays (n_components,)
    n_components_ : int
    n_features_in_ : int
    feature_names_in_ : array (n_features,)
        Where `X` was a data frame.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> X, _ = load_digits(return_X_y=True)
    >>> pca = PCAWhitening(n_components=0.9).fit(X)
    >>> pca.transform(X).shape
    (1797, 21)
    >>> pca.transform(X)[:, :3].std(axis=0).round(2)
    array([1., 1., 1.])
    """

    def __init__(self, n_components: int | float | None = None, *, regularisation: float = 0.0) -> None:
        self.n_components = n_components
        self.regularisation = regularisation

    def _fit(self, X: Array) -> None:
        pca = PCA.fit(X, self.n_components, self.regularisation)
        self.mean_, self.components_, self.n_components_ = pca.mean, pca.components, len(pca.components)
        self.explained_variance_, self.explained_variance_ratio_ = pca.variances, pca.shares
        self._regularisation = pca.ridge  # in the unit of the variances, as older pickles have it

    @property
    def _fitted(self) -> PCA:
        shares = self.explained_variance_ratio_
        return PCA(self.mean_, self.components_, self.explained_variance_, shares, self._regularisation)

    @property
    def _n_features_out(self) -> int:
        return self.n_components_


class ZCAWhitening(OneToOneFeatureMixin, _Whitening):
    """Whitening that changes the inputs least: ``(X - mean) (C + r σ² I)^(-1/2)``.

    It is `fcnet.preprocessing.ZCA`. C is the covariance of the inputs and σ² their mean variance.

    Parameters
    ----------
    regularisation : float
        The r above, at least 0.

    Attributes
    ----------
    zca_ : fcnet.preprocessing.ZCA
    n_features_in_ : int
    feature_names_in_ : array (n_features,)
        Where `X` was a data frame.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> X, _ = load_iris(return_X_y=True)
    >>> zca = ZCAWhitening(regularisation=0).fit(X)
    >>> np.cov(zca.transform(X), rowvar=False, ddof=0).round(6).diagonal()
    array([1., 1., 1., 1.])
    >>> bool(np.allclose(zca.inverse_transform(zca.transform(X)), X))
    True
    """

    def __init__(self, *, regularisation: float = 0.1) -> None:
        self.regularisation = regularisation

    def _fit(self, X: Array) -> None:
        self.zca_ = ZCA.fit(X, self.regularisation)

    @property
    def _fitted(self) -> ZCA:
        return self.zca_
