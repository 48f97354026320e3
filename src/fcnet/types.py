"""The types that most signatures share."""

from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Params = dict[str, Array]


def is_sparse(X: object) -> TypeGuard[Any]:
    """Return whether `X` is a sparse matrix or array of SciPy, without importing it."""
    return hasattr(X, "tocsr")


def as_array(X: Any) -> Array:
    """Return `X`, which may be a sparse matrix, as an array."""
    return X.toarray() if is_sparse(X) else np.asarray(X)


def is_frame(X: object) -> TypeGuard[Any]:
    """Return whether `X` is a data frame of polars, pandas or pyarrow, without importing them."""
    return hasattr(X, "columns")
