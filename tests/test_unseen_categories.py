"""Categories that no training row has, in networks that embed them."""

import numpy as np
import pandas as pd
import pytest

from fcnet import TabularClassifier
from fcnet.export import export_onnx
from fcnet.nn.tabular_network import TabularNet
from fcnet.nn.unseen import meet_unseen

SMALL = {"hidden_sizes": [8], "epochs": 4, "random_state": 0, "threads": 1}
pytestmark = [
    pytest.mark.filterwarnings("ignore:The network:sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore::fcnet.errors.DataWarning"),
]


@pytest.mark.parametrize("n_ensemble", [1, 2])
def test_an_unseen_category_counts_as_the_mean_of_those_that_were_seen(n_ensemble, tmp_path):
    pytest.importorskip("onnxruntime")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.standard_normal(120), "k": pd.Categorical(rng.choice([f"k{i}" for i in range(12)], 120))})
    model = TabularClassifier(**SMALL | {"n_ensemble": n_ensemble}).fit(frame, frame["x"] > 0)
    for params in model.model_.network.all_params:
        unseen, seen = params["category0"][0], params["category0"][1:]
        np.testing.assert_allclose(unseen, seen.mean(axis=0), atol=1e-6)
    assert export_onnx(model.model_, tmp_path / "model.onnx") <= 1e-5


def test_categories_that_no_training_row_of_a_network_has_are_unseen_to_it():
    net = TabularNet(1, [3, 12], 2, hidden_sizes=[4], seed=0)
    net.checkpoints = [{name: 2 * p for name, p in net.params.items()}]
    before = [{name: p.copy() for name, p in params.items()} for params in net.all_params]
    codes = np.repeat([-1, 0, 2, 5], 5)
    meet_unseen(net, np.column_stack([np.zeros(20), np.zeros(20), codes]).astype("float32"))
    has = np.isin(np.arange(-1, 12), codes)
    for params, old in zip(net.all_params, before, strict=True):
        table, was = params.pop("category1"), old.pop("category1")
        np.testing.assert_array_equal(table[has], was[has])
        np.testing.assert_allclose(table[~has], np.broadcast_to(was[has].mean(axis=0), (9, 8)), atol=1e-6)
        for name, p in params.items():
            np.testing.assert_array_equal(p, old[name])
