"""The gradient of a batch in parts of its rows, which threads share.

A thread takes its rows through all layers, forward and backward. So everything is shared and not the products alone, threads
wait for one another once, and what a layer hands on is still in the cache. The parts depend on the sizes and the number of
threads alone; which thread does which changes nothing.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from fcnet.engine.masks import Seed, draw_seed
from fcnet.engine.products import SHARED_WORK, cut, matmul, work_of
from fcnet.nn import chain
from fcnet.nn.layers import Dropout
from fcnet.threads import default_threads, is_busy, is_sharing, share
from fcnet.types import Array, Params, is_sparse

if TYPE_CHECKING:
    from fcnet.nn.tabular_network import TabularNet

ROWS_OF_A_PART = 32  # at least: the gradients of parts have to be added


def parts_of(network: "TabularNet", X: Array, largest: int) -> list[slice]:
    """Return the rows of each part of a batch, one where sharing is not worth it or not safe; `largest` is that of the weights.

    Layers of one's own, which may draw random numbers or keep what they computed, are not used by several threads at once.
    """
    n, whole = X.shape[0], [slice(0, X.shape[0])]
    if work_of(n, largest) < SHARED_WORK or is_busy() or not is_sharing() or network.engine.matmul is not matmul:
        return whole
    n_parts = min(default_threads(), n // ROWS_OF_A_PART)
    is_own = any(not type(layer).__module__.startswith("fcnet.nn.") for layer in network.layers)
    if n_parts < 2 or is_own or is_sparse(X) or network.shortcut is not None:
        return whole
    return cut(n, n_parts)


def gradient_in_parts(
    network: "TabularNet",
    parts: Sequence[slice],
    X: Array,
    y: Array,
    label_smoothing: float,
    rng: np.random.Generator | None,
    weights: Array | None,
) -> tuple[float, Params]:
    """Return the mean loss of a batch and its gradient, as `TabularNet.loss_and_gradients` without a penalty.

    X has n rows; y, and weights if there are any, n k of k members.
    """
    k, layers, engines = network.n_members, network.layers, network.engines_of_parts(len(parts))
    results: list[tuple[float, Params]] = [(0.0, {})] * len(parts)
    seeds: dict[str, tuple[Seed, int]] = {}  # of masks, and the units that each is for
    if rng is not None:
        dropouts = [layer.name for layer in layers if isinstance(layer, Dropout)]
        seeds = {name: (draw_seed(rng), size) for name, size in zip(dropouts, network.layer_sizes[1:], strict=False)}

    def work(i: int) -> None:
        rows, engine = slice(k * parts[i].start, k * parts[i].stop), engines[i]
        own, share_of_all = None, (rows.stop - rows.start) / len(y)
        if weights is not None:
            own = weights[rows]
            share_of_all = float(own.sum() / weights.sum())
        if not share_of_all:  # nothing in it counts
            return

        engine.seeds = {name: seed._replace(place=rows.start * size) for name, (seed, size) in seeds.items()}
        logits, caches = chain.forward(layers, X[parts[i]], network.params, engine, rng)
        loss = network.loss.gradient(logits, y[rows], engine, label_smoothing, own)
        logits *= share_of_all
        results[i] = share_of_all * loss, chain.backward(layers, logits, caches, engine)

    share(work, range(len(parts)))
    total, *others = [grads for _, grads in results if grads]
    for grads in others:
        for name, g in total.items():
            np.add(g, grads[name], out=g)
    return sum(loss for loss, _ in results), {name: total[name] for name in network.params}
