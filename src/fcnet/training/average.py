"""The moving average of a network's parameters in the course of a training."""

from collections.abc import Iterator
from contextlib import contextmanager

from fcnet.engine import NumpyEngine
from fcnet.types import Params


def follow(average: Params, params: Params, decay: float, iteration: int, engine: NumpyEngine) -> None:
    """Move an average in place towards parameters: ``ā ← ā + (1 - d) (p - ā)``.

    The decay ``d`` is ``min(decay, (1 + t) / (10 + t))`` in iteration t, from 0, so that the first parameters soon count
    nothing.
    """
    share = 1 - min(decay, (1 + iteration) / (10 + iteration))
    for name, p in params.items():
        engine.follow(average[name], p, share)


@contextmanager
def exchanged(params: Params, average: Params | None) -> Iterator[None]:
    """Have the values of an average in the place of those of the parameters, if there is one; afterwards as before."""
    if average is None:
        yield
        return
    before = {name: p.copy() for name, p in params.items()}
    try:
        for name, p in params.items():
            p[...] = average[name]
        yield
    finally:
        for name, p in params.items():
            p[...] = before[name]
