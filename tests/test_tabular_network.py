"""The network for tables: its gradients, values, initial values, training, files and graphs."""

import pickle

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad

from fcnet import Trainer, gradient_check, load, save
from fcnet.errors import InputError, SettingError
from fcnet.nn.every_gradient import TABLES, TOLERANCE, check_tables
from fcnet.nn.losses import LOSSES, sigmoid, softmax
from fcnet.nn.number_embeddings import quantile_bins
from fcnet.nn.tabular_network import TabularNet
from fcnet.training.calibration import multiply_logits
from fcnet.training.callbacks import Callback

pytestmark = pytest.mark.usefixtures("engine_name")
SIZES = [2, 4, 11]  # two columns are one-hot, one is embedded
MEMBERS = {"n_members": 3, "adapters": "all"}


def rows(n=24, seed=0):
    rng = np.random.default_rng(seed)
    return np.column_stack([rng.standard_normal((n, 3)), *(rng.integers(-1, size, n) for size in SIZES)])


X = rows()
BINS = quantile_bins(X[:, :3], 5)
LABELS = np.random.default_rng(1).integers(4, size=24)


def network(**settings):
    own = {"hidden_sizes": [7, 6], "n_frequencies": 5, "bins": BINS, "seed": 0}
    return TabularNet(3, SIZES, 4, **own | settings)


def targets(net):
    values = np.random.default_rng(1).random((24, 4))
    return {"cross_entropy": LABELS, "binary_cross_entropy": (values > 0.5).astype(float)}.get(net.loss.name, values)


@pytest.mark.parametrize("members", [{}, MEMBERS, {"n_members": 2, "adapters": "first"}], ids=str)
@pytest.mark.parametrize("parametrisation", ["ntk", "standard"])
@pytest.mark.parametrize("number_embedding", ["periodic", "piecewise_linear", "none"])
@pytest.mark.parametrize("activation", ["selu", "mish", "silu", "relu"])
def test_numeric_gradients_agree(activation, number_embedding, parametrisation, members):
    settings = {"activation": activation, "number_embedding": number_embedding, "parametrisation": parametrisation}
    net = network(**settings, **members)
    errors = gradient_check(net, X, LABELS, l2=0.1, label_smoothing=0.1, method="projections")
    assert list(errors) == list(net.params)
    assert max(errors.values()) < 1e-6


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("hidden", [[], [5]])
def test_numeric_gradients_agree_for_other_losses_sizes_and_weights(loss, hidden):
    for settings in ({"learnt_scale": False}, MEMBERS | {"number_embedding": "none", "learnt_scale": False}):
        net = network(loss=loss, hidden_sizes=hidden, **settings)
        weights = np.random.default_rng(2).random(24)
        assert max(gradient_check(net, X, targets(net), weights=weights, method="projections").values()) < 1e-6


def test_the_check_of_every_gradient_has_tables():
    checks = {check.kind: check.relative_error for check in check_tables()}
    assert checks.keys() == TABLES.keys()
    assert max(checks.values()) < TOLERANCE


def selu(z):
    return 1.0507009873554805 * anp.where(z > 0, z, 1.6732632423543772 * (anp.exp(anp.minimum(z, 0)) - 1))


def off_their_beginnings(net):
    """Give every parameter that begins at 0 or 1 another value, which a forgotten factor would show in."""
    rng = np.random.default_rng(5)
    for p in net.params.values():
        p += 0.3 * rng.standard_normal(p.shape)
    return net


def one_hot_by_hand(codes):
    two = np.array([0.0, 1.0, -1.0])[codes[:, 0].astype(int) + 1]
    four = [[float(code == i) for i in range(4)] for code in codes[:, 1]]
    return np.column_stack([two, four])


def test_autograd_agrees_with_all_parts_of_realmlp():
    net = off_their_beginnings(network(dtype="float64"))

    def loss_of(p):
        x = X[:, :3, None]
        cosines = anp.cos(2 * np.pi * p["frequency0"] * x + p["phase0"])
        values = anp.stack([cosines[:, j] @ p["V0"][j].T + p["c0"][j] for j in range(3)], axis=1)
        numbers = anp.concatenate([values, x], axis=2).reshape(24, 12)
        out = anp.concatenate([numbers, one_hot_by_hand(X[:, 3:5]), p["category2"][X[:, 5].astype(int) + 1]], axis=1)
        out = out * p["scale0"]
        for i, size in ((1, 25), (2, 7)):
            z = out @ p[f"W{i}"] / np.sqrt(size) + p[f"b{i}"]
            out = z + p[f"slope{i}"] * (selu(z) - z)
        logits = out @ p["W3"] / np.sqrt(6) + p["b3"]
        log_p = logits - anp.log(anp.sum(anp.exp(logits), axis=1, keepdims=True))
        penalty = sum(anp.sum(p[name] ** 2) for name in net.decayed)
        return -anp.mean(log_p[np.arange(24), LABELS]) + 0.5 * 0.3 * penalty

    loss, grads = net.loss_and_gradients(X, LABELS, l2=0.3)
    assert loss == pytest.approx(loss_of(net.params), rel=1e-12)
    expected = grad(loss_of)(net.params)
    assert grads.keys() == expected.keys()
    for name, g in grads.items():
        np.testing.assert_allclose(g, expected[name], rtol=1e-9, atol=1e-12, err_msg=name)


def test_autograd_agrees_with_an_ensemble_of_separate_members():
    """The loss is the mean of the losses of members that are computed one by one, and so are the probabilities."""
    settings = MEMBERS | {"number_embedding": "none", "activation": "tanh", "parametrisation": "standard", "dtype": "float64"}
    net = off_their_beginnings(network(**settings))

    def logits_of(p, m):
        out = anp.concatenate([X[:, :3], one_hot_by_hand(X[:, 3:5]), p["category2"][X[:, 5].astype(int) + 1]], axis=1)
        out = out * p["scale0"]
        for i in (1, 2):
            out = anp.tanh(p[f"s{i}"][m] * ((out * p[f"r{i}"][m]) @ p[f"W{i}"] + p[f"b{i}"]) + p[f"c{i}"][m])
        return out @ p["W3"][m] + p["b3"][m]

    def loss_of(p):
        log_p = [s - anp.log(anp.sum(anp.exp(s), axis=1, keepdims=True)) for s in (logits_of(p, m) for m in range(3))]
        return -sum(anp.mean(one[np.arange(24), LABELS]) for one in log_p) / 3

    loss, grads = net.loss_and_gradients(X, LABELS)
    assert loss == pytest.approx(loss_of(net.params), rel=1e-12)
    for name, g in grad(loss_of)(net.params).items():
        np.testing.assert_allclose(grads[name], g, rtol=1e-9, atol=1e-12, err_msg=name)
    mean = np.mean([softmax(logits_of(net.params, m)) for m in range(3)], axis=0)
    np.testing.assert_allclose(net.predict_proba(X), mean, rtol=1e-12)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("size", [1.0, 300.0])
def test_predictions_are_the_mean_of_the_members(loss, size):
    """Exponentials of logits of 300 are still finite in float64; of their squares nothing may be computed."""
    net = network(loss=loss, dtype="float64", number_embedding="none", **MEMBERS)
    net.params["W3"] *= size / np.abs(net._forward(X, None)[0]).max()
    net.params["b3"][...] = 0
    members = net._forward(X, None)[0].reshape(24, 3, 4).copy()
    mean = {"cross_entropy": softmax_by_hand, "binary_cross_entropy": sigmoid, "poisson": np.exp}.get(loss, lambda s: s)
    expected = np.mean([mean(members[:, m]) for m in range(3)], axis=0)
    np.testing.assert_allclose(net.predict_proba(X), expected, rtol=1e-9, atol=1e-15)
    assert np.isfinite(net.logits(X)).all()


def softmax_by_hand(logits):
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("members", [{}, MEMBERS], ids=str)
def test_logits_are_multiplied_in_the_last_layer(members):
    net = network(dtype="float64", **members)
    before = net._forward(X, None)[0].copy()
    multiply_logits(net, 2.0)
    np.testing.assert_allclose(net._forward(X, None)[0], 2 * before, rtol=1e-12)


@pytest.mark.parametrize("number_embedding", ["periodic", "piecewise_linear", "none"])
@pytest.mark.parametrize("members", [{}, MEMBERS], ids=str)
def test_float32_stays_float32_and_the_engine_changes_nothing(number_embedding, members, engine_name):
    results = {}
    for dtype, engine in (("float32", engine_name), ("float64", "numpy")):
        net = network(number_embedding=number_embedding, dtype=dtype, engine=engine, activation="mish", **members)
        loss, grads = net.loss_and_gradients(*net.check_data(X, LABELS))
        assert {g.dtype for g in [*grads.values(), *net.params.values(), net.logits(X)]} == {np.dtype(dtype)}
        assert {g.shape == net.params[name].shape for name, g in grads.items()} == {True}
        results[dtype] = {name: g.copy() for name, g in grads.items()} | {"loss": np.array(loss), "logits": net.logits(X)}
    for name, wide in results["float64"].items():
        # Some hundred sums of some twenty products each lie between an input and the end of a gradient.
        np.testing.assert_allclose(results["float32"][name], wide, rtol=0, atol=1e-4 * np.abs(wide).max(), err_msg=name)


def test_numbers_that_are_no_category_are_the_missing_one():
    net = network()
    strange = [[0.1, 0.2, 0.3, *[code] * 3] for code in (-1, -7, 11, 1e30, -1e30)]
    logits = net.logits(strange)
    np.testing.assert_array_equal(logits, np.repeat(logits[:1], 5, axis=0))
    assert len(np.unique(net.logits([[0.1, 0.2, 0.3, 0, 0, code] for code in range(-1, 11)])[:, 0])) == 12
    large = TabularNet(0, [100_000], 2, hidden_sizes=[3], seed=0)
    assert large.params["category0"].shape == (100_001, 8)
    assert np.ptp(large.logits([[99_999], [99_998], [-1]]), axis=0).min() > 0


def test_rows_far_away_have_finite_logits():
    for number_embedding in ("periodic", "piecewise_linear", "none"):
        for activation in ("selu", "mish", "silu"):
            net = network(number_embedding=number_embedding, activation=activation)
            far = np.array([[1e6, -1e6, 1e5, 0, 0, 0], [-300.0, 300.0, 90.0, 1, 1, 1]], np.float32)
            assert np.isfinite(net.logits(far)).all()
            assert all(np.isfinite(g).all() for g in net.loss_and_gradients(far, np.array([0, 1]))[1].values())


def test_sparse_rows_are_as_dense_ones():
    from scipy.sparse import csr_array

    net = network()
    np.testing.assert_array_equal(net.logits(csr_array(X)), net.logits(X))


def test_initial_values():
    net = TabularNet(50, [20], 3, hidden_sizes=[40], sigma=0.3, dtype="float64", seed=0)
    p = net.params
    assert p["frequency0"].std() == pytest.approx(0.3, rel=0.1)  # of 800 numbers: three times its deviation is 0.08
    for name, limit in (("phase0", np.pi), ("V0", 0.25), ("c0", 0.25)):
        assert 0.9 * limit < np.abs(p[name]).max() < limit
    for name in ("W1", "b1", "category0"):
        assert p[name].std() == pytest.approx(1, rel=0.4)
    assert {np.ptp(p[name]) for name in ("scale0", "slope1")} == {0}
    assert net.rates == dict.fromkeys(["frequency0", "phase0", "V0", "c0", "b1", "slope1", "b2"], 0.1) | {"scale0": 6}
    assert p.keys() - net.decayed == {"b1", "b2"}


def test_members_begin_with_a_scale_of_each_feature():
    for number_embedding, signs in (("none", True), ("periodic", False), ("piecewise_linear", False)):
        for adapters, own in (("all", {"r1", "s1", "c1", "r2", "s2", "c2"}), ("first", {"r1"})):
            net = network(number_embedding=number_embedding, n_members=5, adapters=adapters)
            assert {name for name in net.params if name[0] in "rsc" and name[1:] in "12"} == own
            r = net.params["r1"]
            widths = [*[1 if signs else 4] * 3, 1, 4, 8]
            assert r.shape == (5, sum(widths))
            for part in np.split(r, np.cumsum(widths)[:-1], axis=1):
                np.testing.assert_array_equal(part, np.repeat(part[:, :1], part.shape[1], axis=1))
            assert (set(np.unique(r)) == {-1, 1}) == signs
            assert net.params["W3"].shape == (5, 6, 4)
            assert all((net.params[name] == 1).all() for name in own - {"r1", "c1", "c2"})


@pytest.mark.parametrize("members", [{}, MEMBERS], ids=str)
def test_start_fits_weights_and_biases_to_rows(members):
    net = network(dtype="float64", dropout=0.0, activation="identity", hidden_sizes=[30], **members)
    net.start(X, seed=1)
    before = network(dtype="float64", dropout=0.0, activation="identity", hidden_sizes=[30], **members)
    assert not np.array_equal(before.params["W1"], net.params["W1"])
    values = net._forward(X, None)[0].reshape(24, net.n_members, 4)
    np.testing.assert_allclose(values.std(axis=0), 1, rtol=1e-9)
    # Each bias is minus a mean of values without it, so that 0 is between the smallest and the largest.
    assert (values.min(axis=0) <= 0).all()
    assert (values.max(axis=0) >= 0).all()
    again = network(dtype="float64", dropout=0.0, activation="identity", hidden_sizes=[30], **members)
    again.start(X, seed=1)
    for name, p in again.params.items():
        np.testing.assert_array_equal(p, net.params[name])


def test_start_leaves_units_without_spread_finite():
    net = network(number_embedding="none")
    net.start(np.zeros((5, 6)))
    assert all(np.isfinite(p).all() for p in net.params.values())
    with pytest.raises(InputError, match="must have shape"):
        net.start(np.zeros((5, 7)))


class Interrupt(Callback):
    def on_batch_end(self, state):
        if state.iteration == 30:
            raise KeyboardInterrupt


@pytest.mark.parametrize("members", [{}, {"n_members": 4, "adapters": "all"}], ids=str)
def test_it_trains_resumes_is_pickled_saved_and_loaded(members, tmp_path):
    data = rows(400, seed=3)
    y = (data[:, 0] + 2 * (data[:, 3] == 1) - (data[:, 5] > 5) > 0.5).astype(int)

    def made():
        net = TabularNet(3, SIZES, 2, hidden_sizes=[16, 16], dropout=0.1, seed=0, **members)
        net.start(data, seed=0)
        return net

    settings = {"epochs": 20, "batch_size": 50, "update": "adam", "learning_rate": 0.05, "schedule": "log_cosine"}
    settings |= {"dropout_schedule": "flat_cosine", "keep_best": False}
    net = made()
    Trainer(**settings).fit(net, data, y)
    assert np.mean(net.predict(data) == y) > 0.9
    broken, again = made(), made()
    with pytest.raises(KeyboardInterrupt):
        Trainer(**settings, callbacks=[Interrupt()]).fit(broken, data, y, checkpoint=tmp_path / "c")
    Trainer(**settings).fit(again, data, y, checkpoint=tmp_path / "c", resume=True)
    save(tmp_path / "m.safetensors", net)
    loaded = load(tmp_path / "m.safetensors").network
    for twin in (again, pickle.loads(pickle.dumps(net)), loaded):
        assert twin.get_config() == net.get_config()
        np.testing.assert_array_equal(twin.logits(data), net.logits(data))


@pytest.mark.parametrize("number_embedding", ["periodic", "piecewise_linear", "none"])
@pytest.mark.parametrize("members", [{}, MEMBERS, {"n_members": 2, "adapters": "first"}], ids=str)
def test_a_model_file_has_all_settings(number_embedding, members, tmp_path):
    net = network(number_embedding=number_embedding, parametrisation="standard", weight_init=0.3, sigma=0.2, **members)
    save(tmp_path / "m.safetensors", net)
    loaded = load(tmp_path / "m.safetensors").network
    assert loaded.get_config() == net.get_config()
    np.testing.assert_array_equal(loaded.logits(X), net.logits(X))


@pytest.mark.parametrize(("activation", "loss"), list(zip(["selu", "mish", "silu", "relu", "tanh"], LOSSES, strict=True)))
@pytest.mark.parametrize("members", [{}, MEMBERS, {"n_members": 2, "adapters": "first"}], ids=str)
def test_graphs_of_onnx_agree(loss, activation, members, tmp_path):
    pytest.importorskip("onnxruntime")
    from fcnet.export import export_onnx

    number_embedding = {"selu": "periodic", "mish": "piecewise_linear"}.get(activation, "none")
    for settings in ({}, {"dtype": "float64", "bins": [[-1, 1], [-2, 0, 0.5, 3], [0, 1]]}):
        net = network(loss=loss, activation=activation, number_embedding=number_embedding, **settings, **members)
        assert export_onnx(net, tmp_path / "m.onnx") < 1e-5


def test_a_graph_of_onnx_knows_missing_and_unknown_categories(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    from fcnet.export import export_onnx

    for n_numbers in (0, 2):
        net = TabularNet(n_numbers, SIZES, 3, hidden_sizes=[5], seed=0)
        export_onnx(net, tmp_path / "m.onnx")
        codes = [[-1, 3, 10], [2, 4, 11], [1, -5, 1e9], [0, 0, 0]]
        data = np.hstack([np.full((4, n_numbers), 0.5), codes]).astype(np.float32)
        session = onnxruntime.InferenceSession(tmp_path / "m.onnx", providers=["CPUExecutionProvider"])
        found = session.run(["logits"], {"inputs": data})[0]
        np.testing.assert_allclose(found, net.logits(data), rtol=0, atol=1e-5 * np.abs(found).max())


def test_bins_are_quantiles_that_differ():
    column = np.array([0, 0, 0, 0, 1, 2, 3, 4.0])
    bins = quantile_bins(np.column_stack([column, np.full(8, 5.0), np.arange(8)]), 4)
    assert bins == [[0, 0.5, 2.25, 4], [5, 6], [0, 1.75, 3.5, 5.25, 7]]


def test_settings_are_checked():
    for settings, said in (
        ({"number_embedding": "periodical"}, "Did you mean 'periodic'"),
        ({"parametrisation": "ntq"}, "Unknown parametrisation 'ntq'. Known: ntk, standard"),
        ({"adapters": "last"}, "adapters"),
        ({"activation": "sellu"}, "Did you mean 'selu'"),
        ({"number_embedding": "piecewise_linear", "bins": None}, "needs bins for 3 columns of numbers, got 0"),
        ({"number_embedding": "piecewise_linear", "bins": [[0, 1], [1, 1], [0, 1]]}, "increasing bounds"),
        ({"number_width": 1}, "number_width must be"),
        ({"n_members": 0}, "n_members must be"),
        ({"dropout": 1.0}, "dropout must be"),
    ):
        with pytest.raises(SettingError, match=said):
            network(**settings)
    with pytest.raises(SettingError, match="category_sizes must be"):
        TabularNet(1, [0], 2)
