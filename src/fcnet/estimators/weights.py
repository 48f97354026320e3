"""The weights of an estimator as scikit-learn shows them: lists of arrays that may be written."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from fcnet.errors import InputError
from fcnet.nn.network import FullyConnectedNet
from fcnet.types import Array

NAME_IN_LAYER = {"coefs_": "W", "intercepts_": "b"}


class WeightList(list[Array]):
    """The arrays of one kind in a network, layer by layer; what is assigned to an entry becomes the network's own."""

    def __init__(self, name: str, network: FullyConnectedNet) -> None:
        self._name, self._params = name, network.params
        self._keys = [getattr(layer, NAME_IN_LAYER[name]) for layer in network.affine]
        super().__init__(self._params[key] for key in self._keys)

    def __setitem__(self, index: Any, value: Any) -> None:
        numbers = range(len(self))[index]
        if isinstance(numbers, int):
            numbers, value = [numbers], [value]
        arrays = list(value)
        if len(arrays) != len(numbers):
            found = len(self) + len(arrays) - len(numbers)
            raise InputError(f"{self._name} must have {len(self)} arrays, one for each layer of the network, got {found}.")
        # All are checked before the first is taken, so that a list with a mistake changes nothing.
        checked = [self._checked(number, array) for number, array in zip(numbers, arrays, strict=True)]
        for number, array in zip(numbers, checked, strict=True):
            self._params[self._keys[number]] = array
            super().__setitem__(number, array)

    def _checked(self, number: int, value: Any) -> Array:
        old = self._params[self._keys[number]]
        if value is old:  # as in `coefs_[0] += step`
            return old
        where = f"{self._name}[{number}]"
        array = as_array(where, value)
        if array.shape != old.shape:
            raise InputError(f"{where} must have the shape {old.shape}, got {array.shape}.")
        with np.errstate(over="ignore"):
            array = array.astype(old.dtype)
        if not np.isfinite(array).all():
            raise InputError(f"{where} must hold finite numbers of {old.dtype}, and does not.")
        return array

    def _refuse(self, *_: Any, **__: Any) -> Any:
        raise InputError(
            f"{self._name} has one array for each layer, in their order: assign to an entry, or assign a whole new list."
        )

    append = extend = insert = pop = remove = clear = reverse = sort = _refuse
    __delitem__ = __iadd__ = __imul__ = _refuse

    def __reduce__(self) -> Any:
        """Make plain lists of copies and pickles."""
        return list, (list(self),)


def as_array(name: str, value: Any) -> Array:
    """Return numbers as an array, or raise InputError."""
    try:
        array = np.asarray(value)
        return array if array.dtype.kind == "f" else array.astype(np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{name} must be an array of numbers, got {type(value).__name__}.") from None


def sizes_and_dtype(coefs: Iterable[Any], intercepts: Iterable[Any]) -> tuple[list[int], np.dtype[Any]]:
    """Return the sizes of the layers that these weights belong to, and the dtype that holds them all."""
    arrays = [as_array(f"coefs_[{number}]", W) for number, W in enumerate(coefs)]
    if not arrays:
        raise InputError("coefs_ must have at least one array.")
    for number, W in enumerate(arrays):
        if W.ndim != 2:
            raise InputError(f"coefs_[{number}] must have the shape (inputs, outputs) of its layer, got {W.shape}.")
    dtypes = [W.dtype for W in arrays] + [as_array(f"intercepts_[{number}]", b).dtype for number, b in enumerate(intercepts)]
    dtype = np.dtype(np.float32 if max(dtype.itemsize for dtype in dtypes) <= 4 else np.float64)
    return [arrays[0].shape[0], *(W.shape[1] for W in arrays)], dtype


def fill(network: FullyConnectedNet, coefs: Iterable[Any], intercepts: Iterable[Any]) -> None:
    """Give a network these weights."""
    WeightList("coefs_", network)[:] = list(coefs)
    WeightList("intercepts_", network)[:] = list(intercepts)
