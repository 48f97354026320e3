"""Sweeps: many trials of one recipe, whose settings are drawn from a search space."""

import warnings

from fcnet.errors import MissingPackageError, install_extra

try:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "IProgress not found")  # in a notebook, of a bar that is not shown
        import optuna  # noqa: F401
except ImportError as error:
    raise MissingPackageError(f"A sweep needs {error.name}: {install_extra('sweep')}.") from None
