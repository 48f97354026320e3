"""Sweeps: many trials of one recipe, whose settings are drawn from a search space."""

from fcnet.errors import MissingPackageError, install_extra

try:
    import optuna  # noqa: F401
except ImportError as error:
    raise MissingPackageError(f"A sweep needs {error.name}: {install_extra('sweep')}.") from None
