"""The types that most signatures share."""

from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]
Params = dict[str, Array]
