"""Models: what `save` writes `load` reads, whatever kinds of numbers they were made of; and sparse inputs."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fcnet import FullyConnectedNet, load, save
from fcnet.errors import InputError, SettingError
from fcnet.model import Model
from fcnet.nn.layers import ACTIVATIONS
from fcnet.nn.losses import LOSSES
from fcnet.preprocessing import ZCA, HistogramFeatures, PatchFeatures, Scaling

NUMBERS = [int, np.int64, np.uint8, np.int16]
FLOATS = [float, np.float32, np.float64, np.float16]
FLAGS = [bool, np.bool_]
NAMES = st.one_of(st.integers(), st.text(), st.floats(), st.booleans(), st.sampled_from([np.int64(3), np.str_("a"), None]))


@st.composite
def models(draw):
    def whole(low, high):
        return draw(st.sampled_from(NUMBERS))(draw(st.integers(low, high)))

    def share():
        return draw(st.sampled_from(FLOATS))(draw(st.sampled_from([0.0, 0.25, 0.5])))

    shape = [whole(4, 6), whole(4, 6), whole(1, 3)]
    n_inputs = int(np.prod([int(side) for side in shape]))
    n_classes = draw(st.integers(1, 4))
    hidden_sizes = draw(st.lists(st.integers(1, 5), max_size=3))
    net = FullyConnectedNet(
        draw(st.sampled_from([list, tuple, np.array]))([n_inputs, *hidden_sizes, n_classes]),
        loss=draw(st.sampled_from(sorted(LOSSES))),
        # Exponentials of exponentials of pixels are far too large for logits to compare.
        activation=draw(st.sampled_from([*sorted({*ACTIVATIONS} - {"exp"}), np.str_("gelu")])),
        normalisation=draw(st.sampled_from(["none", "layer"])),
        dropout=share(),
        input_dropout=share(),
        weight_init=draw(st.sampled_from(["he", "glorot", 1, 0.1, np.float32(0.1), np.float64(0.1), np.int64(1)])),
        dtype=draw(st.sampled_from(["float32", np.float64, np.dtype("float32")])),
    )
    X = np.random.default_rng(0).integers(256, size=(20, n_inputs))
    kind = draw(st.sampled_from([*FLOATS, np.uint8]))
    scaling = draw(st.sampled_from([Scaling(), Scaling.fit(X), Scaling.fit(X, "mean"), ZCA.fit(X), "lists", "patches"]))
    if scaling == "lists":
        scaling = Scaling([0] * n_inputs, [2] * n_inputs)
    image_shape = draw(st.sampled_from([tuple, list, np.array]))(shape)
    if scaling == "patches":
        grid = draw(st.sampled_from([1, np.int64(1), (1, np.int8(2)), [1, 2]]))
        scaling = fitted(PatchFeatures(8, whole(2, 2), threshold=share(), grid=grid, seed=whole(0, 3)), X, shape)
        net = FullyConnectedNet([scaling.n_outputs, n_classes])
    names = draw(st.lists(NAMES, min_size=n_classes, max_size=n_classes))
    mirror = draw(st.sampled_from(FLAGS))(draw(st.booleans()))
    model = Model(net, scaling, names, image_shape, draw(st.sampled_from(FLOATS))(255), mirror, whole(0, 1))
    return model, X.astype(kind if np.dtype(kind) != np.float16 else np.float32)


def fitted(patches, X, shape):
    from fcnet.preprocessing import MirrorCovariance, MirrorWhitening, PatchRepresentation, even_and_odd

    features = patches.fit(X, shape).transform(X)
    covariance = MirrorCovariance(patches.n_features // 2, patches.n_features // 2)
    covariance.add(*even_and_odd(features, patches.mirrored()))
    return PatchRepresentation([patches], MirrorWhitening.fit(patches.mirrored(), covariance, 3))


@settings(max_examples=150)
@given(made=models())
def test_a_saved_model_can_be_loaded(made, tmp_path):
    pytest.importorskip("scipy")
    model, X = made
    save(tmp_path / "m", model)
    found = load(tmp_path / "m")
    np.testing.assert_array_equal(found.logits(X), model.logits(X))
    for name, p in model.network.params.items():
        assert (found.network.params[name].dtype, found.network.params[name].tobytes()) == (p.dtype, p.tobytes())
    save(tmp_path / "again", found)
    assert (tmp_path / "again").read_bytes() == (tmp_path / "m").read_bytes()
    assert found.classes == [str(name) for name in model.classes]
    assert found.network.get_config() == model.network.get_config()
    assert tuple(found.image_shape) == tuple(model.image_shape)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": ["a", "b"]}, "names 2 classes, its network has 3"),
        ({"image_shape": (3, 3, 1)}, "image shape"),
        ({"image_shape": (2, 2.5, 1)}, "image shape must be three whole numbers"),
        ({"average_mirror": True}, "averages over views, and has none"),
        ({"preprocessor": Scaling(np.zeros(5), np.ones(5))}, "its preprocessing"),
        ({"preprocessor": Scaling(np.zeros(4), np.ones(3))}, "its scaling"),
        ({"preprocessor": Scaling(np.full(4, np.nan))}, "'scaling.mean' holds NaN"),
        ({"max_value": float("nan")}, "max_value"),
    ],
)
def test_a_model_that_could_not_be_loaded_is_not_saved(change, message, tmp_path):
    with pytest.raises(InputError, match=message):
        save(tmp_path / "m", Model(**({"network": FullyConnectedNet([4, 3])} | change)))
    assert not list(tmp_path.iterdir())


def test_names_that_are_numbers_become_text(tmp_path):
    model = Model(FullyConnectedNet([4, 3]), classes=[0, 1, np.int64(2)])
    assert model.classes == ["0", "1", "2"]
    model.classes = [0, 1, 2]
    with pytest.raises(InputError, match="names that are no text"):
        save(tmp_path / "m", model)


@pytest.mark.parametrize("value", [np.float32(0.1), 0.1, 1, np.int64(2)])
def test_a_scale_of_weights_is_a_number_like_any(value):
    net = FullyConnectedNet([400, 300], weight_init=value)
    assert type(net.weight_init) is float
    assert net.params["W1"].std() == pytest.approx(float(value), rel=0.02)


@pytest.mark.parametrize("value", ["hee", -1, float("nan"), None, True, [1]])
@pytest.mark.parametrize("params", [None, {"W1": np.zeros((4, 3), np.float32), "b1": np.zeros(3, np.float32)}])
def test_another_weight_init_is_refused(value, params):
    with pytest.raises(SettingError, match="weight_init must be 'he', 'glorot' or a number of at least 0"):
        FullyConnectedNet([4, 3], weight_init=value, params=params)


def images(n=30):
    X = np.random.default_rng(0).integers(256, size=(n, 8 * 8))
    return np.where(X < 200, 0, X)


PREPARED = {
    "nothing": lambda X: {},
    "mean": lambda X: {"preprocessor": Scaling.fit(X, "mean")},
    "standard": lambda X: {"preprocessor": Scaling.fit(X)},
    "zca": lambda X: {"preprocessor": ZCA.fit(X)},
    "views": lambda X: {"image_shape": (8, 8, 1), "average_mirror": True, "average_shift": 1},
    "histograms": lambda X: {"preprocessor": HistogramFeatures(cell=4).fit(X, (8, 8, 1)), "image_shape": (8, 8, 1)},
    "patches": lambda X: {"preprocessor": fitted(PatchFeatures(8, 3), X, (8, 8, 1)), "image_shape": (8, 8, 1)},
}


@pytest.mark.parametrize("name", PREPARED)
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.uint8])
def test_sparse_rows_are_predicted_like_dense_ones(name, dtype):
    sparse = pytest.importorskip("scipy.sparse")
    if name == "histograms":
        pytest.importorskip("skimage")
    X = images().astype(dtype)
    prepared = PREPARED[name](X)
    n_inputs = prepared["preprocessor"].n_outputs or 64 if "preprocessor" in prepared else 64
    model = Model(FullyConnectedNet([n_inputs, 6, 3], seed=0), **prepared)
    for kind in (sparse.csr_matrix, sparse.csr_array, sparse.csc_matrix, sparse.coo_matrix):
        np.testing.assert_allclose(model.logits(kind(X)), model.logits(X), rtol=1e-4, atol=1e-3)
        assert model.predict(kind(X)).shape == (30,)
        assert model.predict_proba(kind(X)).shape == (30, 3)


@pytest.mark.parametrize("name", PREPARED)
def test_threads_that_predict_by_one_model_do_not_disturb_one_another(name):
    X = images(200)
    prepared = PREPARED[name](X)
    n_inputs = prepared["preprocessor"].n_outputs or 64 if "preprocessor" in prepared else 64
    model = Model(FullyConnectedNet([n_inputs, 16, 3], normalisation="layer", seed=0), **prepared)
    parts = [X[start : start + 50] for start in range(0, 150, 5)]
    alone = [model.logits(part) for part in parts]
    with ThreadPoolExecutor(4) as pool:
        for logits, expected in zip(pool.map(model.logits, parts), alone, strict=True):
            np.testing.assert_array_equal(logits, expected)


def test_sparse_rows_are_not_made_dense_where_the_network_takes_them(monkeypatch):
    sparse = pytest.importorskip("scipy.sparse")
    monkeypatch.setattr(sparse.csr_matrix, "toarray", None)
    wide = sparse.csr_matrix(([1.0, 2.0], ([0, 1], [5, 900_000])), (2, 1_000_000))
    net = FullyConnectedNet([1_000_000, 2], seed=0)
    np.testing.assert_array_equal(Model(net).logits(wide), net.logits(wide))
