"""Whitening as transformers."""

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted, validate_data

from fcnet.errors import InputError, to_float, to_int
from fcnet.preprocessing.checks import check_finite
from fcnet.preprocessing.pca import principal_components
from fcnet.preprocessing.zca import ZCA
from fcnet.types import Array

INVERTIBLE = 1e-5  # of the largest eigenvalue of a ZCA matrix: directions that it left out have less


class _Whitening(TransformerMixin, BaseEstimator):
    """Float32 stays float32 and bytes become it; everything else becomes or stays float64."""

    def _validated(self, X: Any, reset: bool) -> Array:
        # Images of bytes are not copied: their products are made block by block.
        return validate_data(self, X, reset=reset, dtype=(np.float64, np.float32, np.uint8), ensure_min_samples=1 + reset)

    def _whitened(self, X: Any, n_columns: int) -> Array:
        X = check_array(X, dtype=(np.float64, np.float32))
        if X.shape[1] != n_columns:
            raise InputError(f"X must have {n_columns} columns, as transform returns them, got shape {X.shape}.")
        return np.asarray(X)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


class PCAWhitening(ClassNamePrefixFeaturesOutMixin, _Whitening):
    """Projection on the leading principal components, each divided by ``sqrt(variance + regularisation)``.

    ``(X - mean) componentsᵀ / sqrt(variances + r)``: with r = 0 each has variance one, as those of scikit-learn's
    ``PCA(whiten=True)``; with more, components of little variance, which are mostly noise, stay small.

    Parameters
    ----------
    n_components : int, float or None
        How many, at most as many as there are directions with variance; a float, from 0 to 1, is the share of the variance
        that they have to explain, and None are all.
    regularisation : float
        The r above, at least 0, in the unit of the variances; that of `ZCAWhitening` is a share of their mean.

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

    def fit(self, X: Any, y: Any = None) -> Self:
        """Find the components of the rows of `X`.

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
        X = self._validated(X, reset=True)
        self._regularisation = to_float("regularisation", self.regularisation, 0)
        self.mean_, variances, components = principal_components(X)
        shares = variances / variances.sum()
        n = self.n_components_ = self._n_kept(shares, min(X.shape))
        self.components_, self.explained_variance_, self.explained_variance_ratio_ = components[:n], variances[:n], shares[:n]
        return self

    def _n_kept(self, shares: Array, largest: int) -> int:
        if self.n_components is None:
            return len(shares)
        if isinstance(self.n_components, float | np.floating):
            share = to_float("n_components", self.n_components, 0, 1)
            return min(int(np.searchsorted(shares.cumsum(), share, side="right")) + 1, len(shares))
        n = to_int("n_components", self.n_components, 1)
        if n > largest:
            raise InputError(f"n_components must be at most min(n_samples, n_features) = {largest}, got {n}.")
        return min(n, len(shares))

    @property
    def _n_features_out(self) -> int:
        return self.n_components_

    @property
    def _scales(self) -> Array:
        return np.sqrt(self.explained_variance_ + self._regularisation)[:, np.newaxis]

    def transform(self, X: Any) -> Array:
        """Return the whitened components (n, n_components) of rows: float32 of float32 and bytes, else float64."""
        check_is_fitted(self)
        X = self._validated(X, reset=False)
        dtype = X.dtype if X.dtype == np.float64 else np.dtype(np.float32)
        with np.errstate(over="ignore", invalid="ignore"):
            projection = (self.components_ / self._scales).astype(dtype).T
            return check_finite(np.subtract(X, self.mean_.astype(dtype), dtype=dtype) @ projection, X)

    def inverse_transform(self, X: Any) -> Array:
        """Return the rows (n, n_features) that have these components, and the mean in all other directions."""
        check_is_fitted(self)
        X = self._whitened(X, self.n_components_)
        return X @ (self.components_ * self._scales).astype(X.dtype) + self.mean_.astype(X.dtype)


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

    def fit(self, X: Any, y: Any = None) -> Self:
        """Measure mean and covariance of the rows of `X`.

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
            If `regularisation` is out of range, or `X` has fewer than two rows or no variance.
        """
        X = self._validated(X, reset=True)
        self.zca_ = ZCA.fit(X, to_float("regularisation", self.regularisation, 0))
        return self

    def transform(self, X: Any) -> Array:
        """Return the whitened rows (n, n_features): float32 of float32 and bytes, else float64."""
        check_is_fitted(self)
        X = self._validated(X, reset=False)
        with np.errstate(over="ignore", invalid="ignore"):
            return check_finite(self.zca_.transform(X, np.float64 if X.dtype == np.float64 else np.float32), X)

    def inverse_transform(self, X: Any) -> Array:
        """Return the rows (n, n_features) that become these, with the mean in directions that have no variance."""
        check_is_fitted(self)
        X = self._whitened(X, self.n_features_in_)
        inverse = np.linalg.pinv(self.zca_.matrix.astype(np.float64), rcond=INVERTIBLE, hermitian=True)
        return X @ inverse.astype(X.dtype) + self.zca_.mean.astype(X.dtype)
