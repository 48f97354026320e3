"""The types that most signatures share."""

from typing import Any, TypeGuard

from numpy.typing import NDArray

Array = NDArray[Any]
Params = dict[str, Array]


def is_sparse(X: object) -> TypeGuard[Any]:
    """Return whether `X` is a sparse matrix or array of SciPy, without importing it."""
    return hasattr(X, "tocsr")
