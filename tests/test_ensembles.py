"""Ensembles: models whose probabilities, or values, are averaged."""

import numpy as np
import pytest

import fcnet
from fcnet import FullyConnectedNet
from fcnet.errors import FileFormatError, InputError
from fcnet.files import load_tensors, save_tensors
from fcnet.model import MODEL_FORMAT, Ensemble, Model
from fcnet.nn.losses import LOSSES
from fcnet.preprocessing import Scaling


def members(loss="cross_entropy", n=3, spread=1.0, **changes):
    X = np.random.default_rng(7).standard_normal((30, 4)) + 5
    sizes = [[4, 3 + seed, 3] for seed in range(n)]  # they need not have the same layers
    nets = [
        FullyConnectedNet(size, loss=loss, weight_init=spread, seed=seed, **changes) for seed, size in enumerate(sizes)
    ]
    return [Model(net, Scaling.fit(X), ["a", "b", "c"]) for net in nets], X


@pytest.mark.parametrize("loss", LOSSES)
def test_the_mean_of_what_the_members_predict(loss):
    models, X = members(loss)
    ensemble = Ensemble(models)
    mean = np.mean([model.predict_proba(X).astype(np.float64) for model in models], axis=0)
    assert ensemble.predict_proba(X) == pytest.approx(mean, rel=1e-5, abs=1e-7)
    assert ensemble.predict_proba(X).dtype == ensemble.logits(X).dtype == np.float32
    expected = {"cross_entropy": mean.argmax(axis=1), "binary_cross_entropy": (mean > 0.5).astype(int)}.get(loss, mean)
    assert ensemble.predict(X) == pytest.approx(expected, rel=1e-5, abs=1e-7)


@pytest.mark.parametrize("loss", ["cross_entropy", "binary_cross_entropy"])
def test_members_that_are_all_but_certain(loss):
    models, X = members(loss, n=2, spread=100.0)
    ensemble = Ensemble(models)
    mean = np.mean([model.predict_proba(X).astype(np.float64) for model in models], axis=0)
    assert np.abs(models[0].logits(X)).max() > 1000
    assert np.isfinite(ensemble.logits(X)).all()
    assert ensemble.predict_proba(X) == pytest.approx(mean, abs=1e-6)


@pytest.mark.parametrize("loss", LOSSES)
def test_one_member_alone_predicts_as_it_does(loss):
    models, X = members(loss, n=1)
    assert Ensemble(models).predict_proba(X) == pytest.approx(models[0].predict_proba(X), rel=1e-6, abs=1e-7)


def test_an_ensemble_of_ensembles_counts_each_model_once():
    models, X = members(n=3)
    nested = Ensemble([Ensemble(models[:2]), models[2]])
    assert np.array_equal(nested.logits(X), Ensemble(models).logits(X))
    assert nested.members == models


def test_a_file_holds_all_members(tmp_path):
    models, X = members()
    fcnet.save(tmp_path / "m.safetensors", Ensemble(models))
    loaded = fcnet.load(tmp_path / "m.safetensors")
    assert isinstance(loaded, Ensemble)
    assert np.array_equal(loaded.logits(X), Ensemble(models).logits(X))
    assert loaded.classes == ["a", "b", "c"]
    assert [model.network.layer_sizes for model in loaded.members] == [model.network.layer_sizes for model in models]


@pytest.mark.parametrize("damage", ["a member less", "no members", "members within", "a tensor of no member", "text"])
def test_a_file_whose_members_do_not_fit_is_refused(tmp_path, damage):
    path = tmp_path / "m.safetensors"
    fcnet.save(path, Ensemble(members(n=2)[0]))
    tensors, metadata = load_tensors(path, MODEL_FORMAT)
    if damage == "a member less":
        metadata["members"].pop()
    elif damage == "no members":
        tensors, metadata = {}, {"members": []}
    elif damage == "members within":
        metadata["members"][0] = {"members": [metadata["members"][0]]}
    elif damage == "a tensor of no member":
        tensors["7.W1"] = tensors["0.W1"]
    else:
        metadata["members"] = "two"
    save_tensors(path, tensors, metadata, MODEL_FORMAT)
    with pytest.raises(FileFormatError, match="does not describe a model"):
        fcnet.load(path)


@pytest.mark.parametrize("change", [{"loss": "squared_error"}, {"dtype": "float64"}])
def test_models_that_do_not_go_together_are_refused(change):
    with pytest.raises(InputError, match="must have the same inputs, classes, loss and dtype"):
        Ensemble([members()[0][0], members(**change)[0][0]])
    with pytest.raises(InputError, match="a model or more"):
        Ensemble([])


@pytest.mark.parametrize("loss", LOSSES)
def test_onnx_of_an_ensemble_is_the_same(tmp_path, loss):
    onnxruntime = pytest.importorskip("onnxruntime")
    models, X = members(loss)
    ensemble = Ensemble(models)
    from fcnet.export import export_onnx

    assert export_onnx(ensemble, tmp_path / "m.onnx") < 1e-5
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx", providers=["CPUExecutionProvider"])
    assert [value.name for value in session.get_inputs()] == ["inputs"]
    logits, means, *labels = session.run(None, {"inputs": X.astype(np.float32)})
    assert logits == pytest.approx(ensemble.logits(X), rel=1e-5, abs=1e-5)
    assert means == pytest.approx(ensemble.predict_proba(X), rel=1e-5, abs=1e-5)
    if loss == "cross_entropy":
        assert list(labels[0]) == [ensemble.classes[number] for number in ensemble.predict(X)]
