"""On the path of a Python, it has no numba: what `--without-numba` does to the processes that tests begin."""

import sys

sys.modules["numba"] = None  # type: ignore[assignment]  # what cannot be imported, nor found
