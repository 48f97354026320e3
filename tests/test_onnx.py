"""ONNX graphs give what the model gives, whatever it is made of, or are not written."""

import json
import subprocess
import sys
from functools import cache

import numpy as np
import polars as pl
import pytest

import fcnet
from fcnet import FullyConnectedNet
from fcnet.errors import FcnetError, InputError
from fcnet.export import export, export_onnx, graph
from fcnet.model import Model
from fcnet.nn.layers import ACTIVATIONS, ReLU
from fcnet.nn.losses import LOSSES
from fcnet.preprocessing import (
    ZCA,
    HistogramFeatures,
    PatchFeatures,
    PatchRepresentation,
    Scaling,
    StackedPatches,
    TableFeatures,
)
from fcnet.preprocessing.base import KINDS
from fcnet.preprocessing.representation import extract
from fcnet.preprocessing.whitening import MirrorCovariance, MirrorWhitening, even_and_odd, side_by_side

pytest.importorskip("onnx")
pytest.importorskip("skimage")
onnxruntime = pytest.importorskip("onnxruntime")

SHAPE = (12, 12, 3)


def images(n, shape, seed=0):
    return np.random.default_rng(seed).integers(256, size=(n, int(np.prod(shape)))).astype(np.float32)


def representation(X, shape, *patches):
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
@pytest.mark.parametrize("settings", [{}, {"normalisation": "layer"}, {"dtype": "float64"}], ids=str)
def test_every_layer_and_loss(activation, loss, settings, tmp_path):
    settings = settings | {"weight_init": 0.02 if activation == "exp" else "he"}  # exponentials of exponentials overflow
    net = FullyConnectedNet([5, 12, 8, 3], activation=activation, loss=loss, dropout=0.5, input_dropout=0.2, seed=3, **settings)
    rng = np.random.default_rng(0)
    for name, p in net.params.items():
        if name not in net.decayed:
            p += rng.standard_normal(p.shape).astype(p.dtype)
    found, X = assert_equal_to_onnx(Model(net), tmp_path / "m.onnx", lambda n: rng.standard_normal((n, 5)).astype(net.dtype))
    assert set(found) == {"logits", "values"} if LOSSES[loss].metric == "r2" else {"logits", "probabilities", "label"}
    if "label" in found:
        assert found["label"].dtype == np.int64
        np.testing.assert_array_equal(found["label"], net.predict(X))


GREY = (12, 10, 1)
FEW = {"n_filters": 6, "patch_size": 4}
MAPS = {"n_filters": 8, "patch_size": 2, "map_filters": 8, "map_patch_size": 3, "map_channels": 4}
DEEP = MAPS | {"map_patch_size": 5, "map_layers": 2, "grid": (1, 2)}
PREPARATIONS = {
    "none": lambda X, shape: Scaling(),
    "mean": lambda X, shape: Scaling.fit(X, "mean"),
    "standard": lambda X, shape: Scaling.fit(X, image_shape=shape),
    "zca": lambda X, shape: ZCA.fit(X, image_shape=shape),
    "histograms": lambda X, shape: HistogramFeatures(cell=3, hues=6).fit(X, shape),
    "patches": lambda X, shape: representation(X, shape, PatchFeatures(**FEW, shift=1)),
    "uneven cells": lambda X, shape: representation(X, shape, PatchFeatures(6, 5, grid=(3, 1), shift=2)),
    "two dictionaries": lambda X, shape: representation(X, shape, PatchFeatures(**FEW), PatchFeatures(6, 5)),
    "maps": lambda X, shape: representation(X, shape, StackedPatches(**MAPS, shift=2), PatchFeatures(**FEW, shift=2)),
    "maps of maps": lambda X, shape: representation(X, shape, StackedPatches(**DEEP, shift=2)),
}
# Without a shift that is known to the patches there are no moved views.
VIEWS = {"histograms": [(False, 0)], "two dictionaries": [(False, 0), (True, 0)]}
CASES = [
    (name, shape, views)
    for name in PREPARATIONS
    for shape in (((16, 20, 3),) if name == "maps of maps" else (SHAPE, GREY))
    for views in VIEWS.get(name, [(False, 0), (True, 0), (False, 1), (True, 1)])
]


@cache
def preparation(name, shape):
    return PREPARATIONS[name](images(80, shape), shape)


@pytest.mark.parametrize(("name", "shape", "views"), CASES, ids=str)
def test_every_preparation_and_view(name, shape, views, tmp_path):
    scaling, n_inputs = preparation(name, shape), int(np.prod(shape))
    net = FullyConnectedNet([scaling.n_outputs or n_inputs, 7, 4], seed=1)
    if scaling.kind == "scaling" and scaling.std is None:
        net.params["W1"] /= 255
    model = Model(net, scaling, list("äbcd"), shape, 255.0, *views)
    found, X = assert_equal_to_onnx(model, tmp_path / "m.onnx", lambda n: images(n, shape, seed=n))
    assert found["label"].tolist() == [model.classes[i] for i in model.predict(X)]
    if any(views):  # else a graph that ignores views would pass as well
        assert np.abs(Model(net, scaling, model.classes, shape).logits(X) - model.logits(X)).max() > 1e-3


def test_whitened_pixels_of_which_some_never_change(tmp_path):
    X = images(80, GREY)
    X[:, :5] = 0  # as the corners of digits
    model = Model(FullyConnectedNet([120, 7, 4], seed=1), ZCA.fit(X), image_shape=GREY)
    assert_equal_to_onnx(model, tmp_path / "m.onnx", lambda n: images(n, GREY, seed=n))


def test_every_kind_of_preparation_is_tested():
    kinds = {kind for kind, of in KINDS.items() if of.__module__.startswith("fcnet.")}
    assert {preparation(name, shape).kind for name, shape, _ in CASES} | {"table"} == kinds


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.filterwarnings("ignore:The column:fcnet.errors.DataWarning")  # of a category that is new on purpose
def test_a_table_has_an_input_for_each_column(dtype, tmp_path):
    rng = np.random.default_rng(0)
    n = 300
    frame = pl.DataFrame(
        {
            "größe": [
                [None, np.inf, -np.inf][i % 3] if i % 7 == 0 else float(x)
                for i, x in enumerate(1e9 + 50 * rng.standard_normal(n))
            ],
            "colour": [[None, "red", "blue", "never", "grün"][i % 5] for i in range(n)],
            "empty": pl.Series([None] * n, dtype=pl.String),
            "constant": [3.0] * n,
        }
    )
    table = TableFeatures.fit(frame.with_columns(colour=pl.col("colour").replace({"never": None})))
    model = Model(FullyConnectedNet([table.n_outputs, 7, 2], seed=1, dtype=dtype), table, ["no", "yes"])
    assert export_onnx(model, tmp_path / "m.onnx") < 1e-5
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx", providers=["CPUExecutionProvider"])
    for rows in (frame[:1], frame[:7], frame):
        inputs = {
            "größe": rows["größe"].fill_null(np.nan).to_numpy()[:, np.newaxis],
            "colour": np.array(rows["colour"].fill_null("").to_list(), object)[:, np.newaxis],
            "constant": rows["constant"].to_numpy()[:, np.newaxis],
        }
        logits, probabilities, label = session.run(["logits", "probabilities", "label"], inputs)
        np.testing.assert_allclose(logits, model.logits(rows), rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(probabilities, model.predict_proba(rows), rtol=1e-5, atol=1e-6)
        assert label.tolist() == [model.classes[i] for i in model.predict(rows)]


OF_A_GRAPH = [
    "label",
    "logits",
    "probabilities",
    "output_label",
    "isnan_0",
    "or_2",
    "constant_0",
    "output_constant_1",
    "concat_28",
]


@pytest.mark.parametrize(
    "names", [OF_A_GRAPH, *([name] for name in OF_A_GRAPH), ["probabilities", "inputs", "rows", "X", "é/ü b"]]
)
def test_columns_may_have_the_names_that_a_graph_uses(names, tmp_path):
    rng = np.random.default_rng(0)
    columns = [rng.standard_normal(30), np.array(["a", "b", "c"] * 10)]
    frame = pl.DataFrame({name: columns[i % 2] for i, name in enumerate(names)})
    table = TableFeatures.fit(frame)
    model = Model(FullyConnectedNet([table.n_outputs, 3, 2], seed=1), table, ["no", "yes"])
    assert export_onnx(model, tmp_path / "m.onnx") < 1e-5
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx", providers=["CPUExecutionProvider"])
    assert [value.name for value in session.get_inputs()] == names
    outputs = [value.name for value in session.get_outputs()]
    expected = [name if name not in names else f"output_{name}" for name in ("logits", "probabilities", "label")]
    assert outputs == [name if name not in names else f"output_{name}" for name in expected]
    inputs = {
        name: frame[name].to_numpy().reshape(-1, 1).astype(float if i % 2 == 0 else object) for i, name in enumerate(names)
    }
    logits, probabilities, label = session.run(None, inputs)
    np.testing.assert_allclose(logits, model.logits(frame), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(probabilities, model.predict_proba(frame), rtol=1e-5, atol=1e-6)
    assert label.tolist() == [model.classes[i] for i in model.predict(frame)]


def test_a_column_without_a_name_has_no_input(tmp_path):
    table = TableFeatures.fit(pl.DataFrame({"": [1.0, 2.0]}))
    with pytest.raises(InputError, match="has no name"):
        export_onnx(Model(FullyConnectedNet([1, 2]), table), tmp_path / "m.onnx")


@pytest.mark.parametrize("orientations", [1, 2, 4, 6, 9])
def test_borders_of_bins_are_those_of_the_histograms(orientations, tmp_path):
    # Few values: gradients of two channels that are equally long, also by 3² + 4² = 5², directions and hues at the border of
    # two bins, a hue so little below 0 that it becomes 1, grey and black pixels abound.
    X = np.random.default_rng(0).choice([0, 0, 1e-6, 51, 153, 204, 255], size=(300, 432)).astype(np.float32)
    scaling = HistogramFeatures(cell=4, orientations=orientations, hues=12, grid=3).fit(X, SHAPE)
    model = Model(FullyConnectedNet([scaling.n_outputs, 7, 4]), scaling, [], SHAPE)
    assert_equal_to_onnx(model, tmp_path / "m.onnx", lambda n: X[:n])


@pytest.mark.parametrize("name", ["standard", "zca", "histograms", "maps"])
def test_networks_of_float64_have_prepared_inputs_too(name, tmp_path):
    scaling = preparation(name, SHAPE)
    net = FullyConnectedNet([scaling.n_outputs, 7, 4], seed=1, dtype="float64")
    assert_equal_to_onnx(Model(net, scaling, [], SHAPE), tmp_path / "m.onnx", lambda n: images(n, SHAPE, seed=n))


def test_a_graph_that_gives_something_else_is_not_written(tmp_path, monkeypatch):
    path = tmp_path / "m.onnx"
    path.write_text("older")
    model = Model(FullyConnectedNet([5, 4, 3]))
    run = export._run
    monkeypatch.setattr(export, "_run", lambda content, rows: [found + 2e-5 for found in run(content, rows)])
    with pytest.raises(FcnetError, match=r"by up to 2e-05.*more than 1e-05"):
        export_onnx(model, path)
    assert path.read_text() == "older"
    assert export_onnx(model, path, tolerance=1e-4) == pytest.approx(2e-5, rel=0.1)
    assert path.read_bytes() != b"older"
    monkeypatch.setattr(export, "_run", lambda content, rows: [run(content, rows)[0], np.full((16, 3), np.nan)])
    with pytest.raises(FcnetError, match="by up to nan"):
        export_onnx(model, tmp_path / "other.onnx")
    assert [file.name for file in tmp_path.iterdir()] == ["m.onnx"]


def test_what_has_no_onnx_form_is_refused_in_a_line(tmp_path, monkeypatch):
    class Own(ReLU):
        def forward(self, x, params, engine, rng):  # another one than the inherited to_onnx is meant for
            return super().forward(x, params, engine, rng)

    with pytest.raises(InputError, match=r"Own is one of your own, .* method to_onnx"):
        export_onnx(Model(FullyConnectedNet([5, 4, 3], activation=Own)), tmp_path / "m.onnx")
    monkeypatch.setattr(graph, "LARGEST_FILE", 100)
    with pytest.raises(InputError, match="an ONNX file holds at most 2 GB"):
        export_onnx(Model(FullyConnectedNet([5, 4, 3])), tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())


def test_the_file_says_where_it_is_from(tmp_path):
    model = Model(FullyConnectedNet([12, 3]), Scaling(), ["ä", "b", "c"], (2, 2, 3), 1.0)
    export_onnx(model, tmp_path / "m.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
    metadata = session.get_modelmeta().custom_metadata_map
    assert metadata.pop("fcnet_version") == fcnet.__version__
    found = {name: json.loads(text) for name, text in metadata.items() if name != "loss"}
    assert found == {"classes": ["ä", "b", "c"], "image_shape": [2, 2, 3], "max_value": 1.0, "threshold": 0.5}
    assert metadata["loss"] == "cross_entropy"
    assert session.get_inputs()[0].shape == ["rows", 12]
    content = (tmp_path / "m.onnx").read_bytes()
    export_onnx(model, tmp_path / "again.onnx")
    assert (tmp_path / "again.onnx").read_bytes() == content


def test_onnx_is_imported_only_where_it_is_used():
    code = "import sys, fcnet.cli, fcnet.export; print({'onnx', 'onnxruntime', 'skl2onnx'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "set()\n"


def test_the_extra_is_named_where_it_is_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(FcnetError, match=r'needs onnxruntime: pip install "fcnet\[onnx\]"'):
        export_onnx(Model(FullyConnectedNet([5, 3])), tmp_path / "m.onnx")
