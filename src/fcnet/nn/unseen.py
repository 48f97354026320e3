"""What a network for tables makes of categories that it has not been trained on."""

import numpy as np

from fcnet.nn.table_inputs import Categories, SideBySide
from fcnet.nn.tabular_network import TabularNet
from fcnet.types import Array


def meet_unseen(network: TabularNet, X: Array) -> None:
    """Embed categories that no training row has as the mean of those that some have, where embeddings are learnt.

    Their own are as they were drawn: no gradient has reached them. The first row of a table, of missing and unknown categories,
    is among them where training rows have neither.

    Parameters
    ----------
    network : TabularNet
        A trained one, which is changed, with all its checkpoints.
    X : array (n, n_inputs)
        Preprocessed training rows.
    """
    first = network.layers[0]
    categories = first.others if isinstance(first, SideBySide) else first
    if not isinstance(categories, Categories):
        return
    rows = categories.rows(X[:, network.n_numbers :], network.engine)
    for name, codes, size in zip(categories.names, rows.T, categories.sizes, strict=True):
        if name is not None:
            is_seen = np.bincount(codes, minlength=size + 1) > 0
            for params in network.all_params:
                params[name][~is_seen] = params[name][is_seen].mean(axis=0)
