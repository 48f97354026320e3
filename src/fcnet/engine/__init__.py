"""Array operations that the mathematics is written on."""

from functools import cache
from importlib.util import find_spec

from fcnet.engine.bfloat16_engine import Bfloat16Engine
from fcnet.engine.numba_engine import NumbaEngine
from fcnet.engine.numpy_engine import NumpyEngine, cross_entropies
from fcnet.errors import SettingError, unknown_name

ENGINES: dict[str, type[NumpyEngine]] = {"numpy": NumpyEngine, "numba": NumbaEngine, "bfloat16": Bfloat16Engine}


@cache
def default_engine() -> str:
    """Return the name of the fastest engine that is installed."""
    return "numba" if find_spec("numba") else "numpy"


def get_engine(name: str, dtype: str) -> NumpyEngine:
    """Return a new engine by its name, computing in `dtype`.

    Raises
    ------
    SettingError
        If there is no engine of that name, or what it needs is not installed.
    """
    if name not in ENGINES:
        raise unknown_name("engine", name, ENGINES)
    if name != "numpy" and not find_spec("numba"):
        raise SettingError(f'The engine "{name}" needs numba: pip install numba, or take the engine "numpy".')
    return ENGINES[name](dtype)


__all__ = ["ENGINES", "Bfloat16Engine", "NumbaEngine", "NumpyEngine", "cross_entropies", "default_engine", "get_engine"]
