"""Names of modules that have moved, and pickles that name them."""

import importlib
import pickle
from pathlib import Path

import numpy as np
import pytest

from fcnet import FullyConnectedNet
from fcnet.model import Model
from fcnet.preprocessing import Scaling

PICKLES = Path(__file__).parent / "fixtures" / "pickles"  # written by 0.1 while its modules had those names
EXPECTED = np.load(PICKLES / "expected.npz")


@pytest.mark.parametrize(
    ("old", "new", "names"),
    [
        ("persist", "model_file", ["Model", "save", "load"]),
        ("onnx_export", "export", ["export_onnx"]),
        ("features", "preprocessing", ["PCAWhitening", "PatchTransformer"]),
    ],
)
def test_a_moved_name_works_with_a_warning(old, new, names):
    module = importlib.import_module(f"fcnet.{old}")
    for name in names:
        with pytest.warns(DeprecationWarning, match=f"fcnet.{old} is now fcnet.{new}: import {name} from there"):
            value = getattr(module, name)
        assert value is getattr(importlib.import_module(f"fcnet.{new}"), name)
    with pytest.raises(AttributeError, match="nothing"):
        _ = module.nothing


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.InconsistentVersionWarning")
@pytest.mark.parametrize("name", [path.stem for path in sorted(PICKLES.glob("*.pickle"))])
def test_a_pickle_of_before_the_move_gives_what_it_gave(name):
    model = pickle.loads((PICKLES / f"{name}.pickle").read_bytes())
    X = EXPECTED["X"][:, : model.n_features_in_].astype(np.float32)
    ask = next(getattr(model, method) for method in ("transform", "predict_proba", "predict") if hasattr(model, method))
    np.testing.assert_allclose(ask(X), EXPECTED[name], rtol=1e-4, atol=1e-4)
    if hasattr(model, "history_"):
        assert model.history_.column("epoch") == list(range(1, model.n_iter_ + 1))
        assert pickle.loads(pickle.dumps(model)).history_ == model.history_
    assert b"fcnet.features" not in pickle.dumps(model)  # written anew by the names of today


def test_a_pickled_model_of_before_has_its_preprocessor():
    model = Model(FullyConnectedNet([2, 3, 2]), Scaling.fit(np.eye(2)))
    state = dict(vars(model))
    state["scaling"] = state.pop("preprocessor")
    old = Model.__new__(Model)
    old.__setstate__(state)
    np.testing.assert_array_equal(old.logits(np.eye(2)), model.logits(np.eye(2)))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_old_name_of_a_module_is_the_module_of_today():
    assert importlib.import_module("fcnet.features.table") is importlib.import_module("fcnet.preprocessing.table")
    with pytest.raises(ModuleNotFoundError):  # not loaded a second time, under another name
        importlib.import_module("fcnet.features.base")
