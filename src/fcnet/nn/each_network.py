"""The logits of the networks that one is with its members and checkpoints, before their average."""

from typing import TYPE_CHECKING

import numpy as np

from fcnet.engine.products import work_of
from fcnet.engine.table_operations import TableOperations
from fcnet.nn.checks import ROWS_AT_ONCE, in_dtype
from fcnet.nn.layers import Affine, Dropout
from fcnet.nn.ntk import NTKAffine
from fcnet.nn.number_embeddings import PeriodicEmbedding, PiecewiseLinearEmbedding
from fcnet.nn.parametric import Parametric
from fcnet.nn.table_inputs import Categories, Scale, SideBySide
from fcnet.types import Array, Params

if TYPE_CHECKING:
    from fcnet.nn.network import FullyConnectedNet
    from fcnet.nn.tabular_network import TabularNet

FEW_ROWS = 16


def logits_of_each(network: "FullyConnectedNet", X: Array) -> Array:
    """Return the logits of each member with each of `all_params`, (k, n, n_classes), whose mean `logits` gives.

    X are rows (n, n_inputs), as `check_data` takes them; InputError is raised for a value that the network's dtype has not.
    """
    n, k = X.shape[0], getattr(network, "n_members", 1)
    out = np.empty((len(network.all_params), n, k, network.n_classes), network.dtype)
    with network.engine.sharing(work_of(min(n, ROWS_AT_ONCE), max(p.size for p in network.params.values()))):
        for start in range(0, n, ROWS_AT_ONCE):
            rows = slice(start, start + ROWS_AT_ONCE)
            part = in_dtype(X[rows], network.dtype, "X", start)
            for each, params in zip(out, network.all_params, strict=True):
                each[rows] = network._forward(part, None, params)[0].reshape(each[rows].shape)
    return out.swapaxes(1, 2).reshape(-1, n, network.n_classes)


def logits_of_few(network: "TabularNet", X: Array) -> Array | None:
    """Return the logits of a few rows by each of `all_params`, (k, n, n_classes), or None for layers that it does not know.

    Calls take longer than their work there. So one is made for all networks, where it need not be one for each.
    """
    every, layers = network.all_params, [layer for layer in network.layers if not isinstance(layer, Dropout)]
    if not all(isinstance(layer, Affine | Scale | Parametric) for layer in layers[1:]):
        return None
    x = _embedded(network, X, every)
    if x is None:
        x = np.broadcast_to(X, (len(every), *X.shape)).copy()
    else:
        layers = layers[1:]
    for layer in layers:
        if isinstance(layer, Affine):
            out = np.empty((*x.shape[:2], layer.parameters[layer.b].shape[0]), x.dtype)
            for one, to, params in zip(x, out, every, strict=True):
                np.matmul(one, params[layer.W], out=to)
            if isinstance(layer, NTKAffine):
                out *= layer.factor
            x = np.add(out, _stacked(every, layer.b), out=out)
        elif isinstance(layer, Parametric):
            out = np.empty_like(x)
            TableOperations().curve(layer.curve, x, _stacked(every, layer.slope), out)
            x = out
        else:
            x *= _stacked(every, *layer.parameters)
    if network.shortcut is not None:
        for one, params in zip(x, every, strict=True):
            one += network.shortcut.forward(X, params, network.engine)
    return x


def _embedded(network: "TabularNet", X: Array, every: list[Params]) -> Array | None:
    """Return the output of the first layer of each network, (k, n, d), or None if it embeds nothing."""
    layer, k = network.layers[0], len(every)
    if isinstance(layer, PeriodicEmbedding):  # of as many columns as all networks have together
        out = np.empty((len(X), k * X.shape[1] * layer.width), X.dtype)
        f, b, V, c = (np.concatenate([params[name] for params in every]) for name in layer.parameters)
        network.engine.periodic(np.tile(X, (1, k)), f, b, V, c, out)
        return out.reshape(len(X), k, -1).swapaxes(0, 1).copy()
    if isinstance(layer, SideBySide | Categories | PiecewiseLinearEmbedding):
        return np.stack([layer.forward(X, params, network.engine, None)[0].copy() for params in every])
    return None


def _stacked(every: list[Params], name: str) -> Array:
    """Return a parameter (d,) of each network as (k, 1, d)."""
    return np.array([params[name] for params in every])[:, np.newaxis]
