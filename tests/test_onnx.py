"""ONNX graphs give what the model gives, whatever it is made of, or are not written."""


import numpy as np
import pytest

from fcnet import FullyConnectedNet
from fcnet.features import ZCA, HistogramFeatures, PatchFeatures, PatchRepresentation, Scaling, StackedPatches
from fcnet.features.representation import extract
from fcnet.features.whitening import MirrorCovariance, MirrorWhitening, even_and_odd, side_by_side
from fcnet.nn.layers import ACTIVATIONS
from fcnet.nn.losses import LOSSES
from fcnet.persist import Model

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
from fcnet.onnx_export import export_onnx  # noqa: E402
from fcnet.onnx_export.network import ACTIVATION_NODES  # noqa: E402

SHAPE = (12, 12, 3)
N = 432


def images(n, shape=SHAPE, seed=0):
    return np.random.default_rng(seed).integers(256, size=(n, int(np.prod(shape)))).astype(np.float32)


def representation(*patches, X=None, shape=SHAPE):
    X = images(60, shape) if X is None else X
    for part in patches:
        part.fit(X, shape)
    features = extract(patches, X)[:, 0]
    order = side_by_side([part.mirrored() for part in patches])
    covariance = MirrorCovariance(len(order) // 2, len(order) // 2)
    covariance.add(*even_and_odd(features, order))
    return PatchRepresentation(list(patches), MirrorWhitening.fit(order, covariance, 12))


def assert_equal_to_onnx(model, path, make_rows, tolerance=1e-5):
    """Compare for 1, 7 and 300 rows; return the graph's outputs for the last."""
    assert export_onnx(model, path) <= tolerance
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    for n in (1, 7, 300):
        X = make_rows(n)
        found = dict(zip(names, session.run(None, {"inputs": X.astype(model.network.dtype)}), strict=True))
        logits, mean = model.logits(X), model.predict_proba(X)
        assert found["logits"].dtype == model.network.dtype
        np.testing.assert_allclose(found["logits"], logits, rtol=0, atol=tolerance * max(1, np.abs(logits).max()))
        values = found["values"] if "values" in found else found["probabilities"]
        np.testing.assert_allclose(values, mean, rtol=tolerance, atol=tolerance)
    return found, X


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
@pytest.mark.parametrize("loss", sorted(LOSSES))
@pytest.mark.parametrize("settings", [{}, {"normalisation": "layer"}, {"members": 3}, {"dtype": "float64"}], ids=str)
def test_every_layer_and_loss(activation, loss, settings, tmp_path):
    sizes = [5, 12, 3] if "members" in settings else [5, 12, 8, 3]
    net = FullyConnectedNet(sizes, activation=activation, loss=loss, dropout=0.5, input_dropout=0.2, seed=3, **settings)
    rng = np.random.default_rng(0)
    for name, p in net.params.items():
        if not name.startswith("W"):
            p += rng.standard_normal(p.shape).astype(p.dtype)
    found, X = assert_equal_to_onnx(Model(net), tmp_path / "m.onnx", lambda n: rng.standard_normal((n, 5)).astype(net.dtype))
    assert set(found) == {"logits", "values"} if LOSSES[loss].measure == "r2" else {"logits", "probabilities", "label"}
    if "label" in found:
        assert found["label"].dtype == np.int64
        np.testing.assert_array_equal(found["label"], net.predict(X))


def test_every_activation_has_nodes():
    assert set(ACTIVATION_NODES) == set(ACTIVATIONS)


def scalings():
    X = images(80)
    grey = images(80, (12, 10, 1))
    small = {"n_filters": 6, "patch_size": 4}
    maps = {"n_filters": 8, "patch_size": 2, "map_filters": 8, "map_patch_size": 3, "map_channels": 4}
    yield "none", Scaling(), SHAPE
    yield "mean", Scaling.fit(X, "mean"), SHAPE
    yield "standard", Scaling.fit(X, image_shape=SHAPE), SHAPE
    yield "zca", ZCA.fit(X, image_shape=SHAPE), SHAPE
    yield "histograms", HistogramFeatures(cell=3, hues=6).fit(X, SHAPE), SHAPE
    yield "grey histograms", HistogramFeatures(cell=4, orientations=4).fit(grey, (12, 10, 1)), (12, 10, 1)
    yield "patches", representation(PatchFeatures(**small, shift=1)), SHAPE
    yield (
        "patches in uneven cells",
        representation(PatchFeatures(6, 5, grid=3, shift=2), PatchFeatures(**small, shift=2)),
        SHAPE,
    )
    grey_patches = PatchFeatures(**small, grid=(1, 3), max_value=255, shift=1)
    yield "grey patches", representation(grey_patches, X=grey, shape=(12, 10, 1)), (12, 10, 1)
    yield "maps", representation(StackedPatches(**maps, shift=2), PatchFeatures(**small, shift=2)), SHAPE


SCALINGS = {name: (scaling, shape) for name, scaling, shape in scalings()}


@pytest.mark.parametrize("views", [(False, 0), (True, 0), (False, 1), (True, 1)], ids=str)
@pytest.mark.parametrize("name", SCALINGS)
def test_every_preparation_and_view(name, views, tmp_path):
    scaling, shape = SCALINGS[name]
    if any(views) and scaling.kind == "histograms":
        pytest.skip("histograms have no views")
    n_inputs = int(np.prod(shape))
    net = FullyConnectedNet([scaling.n_outputs or n_inputs, 7, 4], seed=1)
    if scaling.n_outputs is None:
        net.params["W1"] /= 255
    model = Model(net, scaling, list("äbcd"), shape, 255.0, *views)
    found, X = assert_equal_to_onnx(model, tmp_path / "m.onnx", lambda n: images(n, shape, seed=n))
    assert found["label"].tolist() == [model.classes[i] for i in model.predict(X)]
    if any(views):  # else a graph that ignores views would pass as well
        assert np.abs(Model(net, scaling, model.classes, shape).logits(X) - model.logits(X)).max() > 1e-3


@pytest.mark.parametrize("name", ["standard", "zca", "histograms", "maps"])
def test_networks_of_float64_have_prepared_inputs_too(name, tmp_path):
    scaling, shape = SCALINGS[name]
    net = FullyConnectedNet([scaling.n_outputs, 7, 4], seed=1, dtype="float64")
    assert_equal_to_onnx(Model(net, scaling, [], shape), tmp_path / "m.onnx", lambda n: images(n, shape, seed=n))
