"""Array operations that the mathematics is written on."""

from fcnet.engine.numpy_engine import NumpyEngine, blocks
from fcnet.errors import unknown_name

ENGINES = {"numpy": NumpyEngine}


def get_engine(name: str, dtype: str) -> NumpyEngine:
    """Return a new engine by its name, computing in `dtype`.

    Raises
    ------
    SettingError
        If there is no engine of that name.
    """
    if name not in ENGINES:
        raise unknown_name("engine", name, ENGINES)
    return ENGINES[name](dtype)


__all__ = ["ENGINES", "NumpyEngine", "blocks", "get_engine"]
