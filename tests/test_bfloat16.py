"""Products in bfloat16, and the engine and the features that are made of them."""

import json
import pickle
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from click.testing import CliRunner

import fcnet.engine.products
from fcnet.cli import main
from fcnet.engine import get_engine
from fcnet.engine.products import bfloat16_matmul
from fcnet.errors import SettingError
from fcnet.model_file import load
from fcnet.nn.network import FullyConnectedNet
from fcnet.preprocessing import PatchFeatures
from fcnet.preprocessing.learning import LearntRepresentation


def test_without_pytorch_it_says_what_to_install(monkeypatch):
    """A name that cannot be imported stands for a machine without PyTorch."""
    pytest.importorskip("numba")
    monkeypatch.setitem(sys.modules, "torch", None)
    fcnet.engine.products.torch_products.cache_clear()
    with pytest.raises(SettingError, match=r"fcnet\[torch\]"):
        get_engine("bfloat16", "float32")


def test_it_computes_in_float32_alone():
    """Double precision with rounded factors would be a promise that is not kept."""
    pytest.importorskip("numba")
    with pytest.raises(SettingError, match="float64"):
        get_engine("bfloat16", "float64")


def rounded(x):
    """Return `x` with the eight leading bits of its significand, halves rounded to even."""
    bits = x.view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000).astype(np.uint32).view(np.float32)


@pytest.mark.torch
@pytest.mark.usefixtures("bfloat16")
@pytest.mark.parametrize("shape", [(64, 75, 40), (256, 3072, 100)])
def test_products_are_those_of_rounded_factors(shape):
    """The sums keep float32's precision."""
    rng = np.random.default_rng(0)
    n, k, m = shape
    a, b = rng.standard_normal((n, k), np.float32), rng.standard_normal((k, m), np.float32)
    expected = rounded(a).astype(np.float64) @ rounded(b)
    for x in (a, np.ascontiguousarray(a.swapaxes(-1, -2)).swapaxes(-1, -2), a[..., ::-1, :].copy()[..., ::-1, :]):
        x.flags.writeable = False
        out = np.full((n, m), np.nan, np.float32)
        assert bfloat16_matmul(x, b, out=out) is out
        np.testing.assert_allclose(out, expected, atol=1e-5 * k**0.5)
        np.testing.assert_array_equal(bfloat16_matmul(x, b), out)


@pytest.mark.torch
@pytest.mark.usefixtures("bfloat16")
def test_gradients_are_near_those_of_float32():
    """They differ by what rounding to eight bits makes of sums, and stay float32; of a ReLU some units would switch."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((256, 300), np.float32), rng.integers(10, size=256)
    nets = [FullyConnectedNet([300, 200, 100, 10], activation="tanh", engine=engine) for engine in ("numpy", "bfloat16")]
    (loss, grads), (other_loss, other) = (net.loss_and_gradients(X, y, l2=1e-3) for net in nets)
    assert loss == pytest.approx(other_loss, rel=1e-3)
    for name, gradient in grads.items():
        assert other[name].dtype == np.float32
        assert np.linalg.norm(other[name] - gradient) < 0.02 * np.linalg.norm(gradient)
        assert name.startswith("b") or (other[name] != gradient).any()


@pytest.mark.torch
@pytest.mark.usefixtures("bfloat16")
def test_features_are_near_those_of_float32():
    """With one dictionary, as its own patches would be others after the rounding."""
    X = np.random.default_rng(0).integers(256, size=(60, 12 * 12 * 3), dtype=np.uint8)
    features = PatchFeatures(300, 5, shift=2).fit(X, (12, 12, 3))
    exact, views = features.transform(X), features.views(X)
    features.matmul = bfloat16_matmul
    for rough, fine in ((features.transform(X), exact), (features.views(X), views)):
        assert rough.dtype == np.float32
        assert 0 < np.abs(rough - fine).max() < 0.02 * fine.max()


@pytest.mark.torch
@pytest.mark.usefixtures("bfloat16")
def test_representations_are_kept_apart(tmp_path):
    """What one kind of products learnt is not what another would have, and each is the same when learnt again."""
    X = np.random.default_rng(0).integers(256, size=(200, 12 * 12 * 3), dtype=np.uint8)
    patches = [{"n_filters": 40, "patch_size": 5}]

    def components(matmul, cache):
        learnt = LearntRepresentation(X, (12, 12, 3), patches, 30, 1.0, 0, tmp_path / cache, matmul)
        return learnt.learn()[1]

    first = components(bfloat16_matmul, "a")
    components(np.matmul, "a")
    assert len(list((tmp_path / "a").iterdir())) == 2
    np.testing.assert_array_equal(components(bfloat16_matmul, "b"), first)


@pytest.mark.torch
@pytest.mark.usefixtures("bfloat16")
def test_training_by_the_command_line(tmp_path):
    """The run says which engine it was; what is loaded from it takes the reader's own."""
    run = tmp_path / "run"
    result = CliRunner().invoke(main, ["train", "digits", "--engine", "bfloat16", "--out", str(run)])
    assert result.exit_code == 0, result.output
    assert load(run / "model.safetensors").network.engine.name != "bfloat16"
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["engine"] == "bfloat16"
    assert metrics["val_accuracy"] > 0.95


@pytest.mark.torch
def test_a_processor_without_such_products_is_refused(bfloat16, monkeypatch):
    """One that leaves factors as they are, as PyTorch does where it cannot round them."""
    fcnet.engine.products.torch_products.cache_clear()
    bfloat16.set_float32_matmul_precision("highest")
    monkeypatch.setattr(bfloat16, "set_float32_matmul_precision", lambda precision: None)
    with pytest.raises(SettingError, match="This processor has no products in bfloat16"):
        get_engine("bfloat16", "float32")


@pytest.mark.torch
def test_a_pickled_network_needs_no_pytorch(bfloat16, monkeypatch):
    """It is the reader's machine that decides, as with model files."""
    net = FullyConnectedNet([4, 3, 2], engine="bfloat16")
    assert pickle.loads(pickle.dumps(net)).engine.name == "bfloat16"
    pickled = pickle.dumps(net)
    fcnet.engine.products.torch_products.cache_clear()
    monkeypatch.setitem(sys.modules, "torch", None)
    again = pickle.loads(pickled)
    assert again.engine.name == "numba"
    np.testing.assert_allclose(again.logits(np.eye(4)), net.params["W1"].clip(0) @ net.params["W2"], rtol=1e-5)


@pytest.mark.torch
@pytest.mark.usefixtures("bfloat16")
def test_gradients_are_checked_in_double_precision():
    """By another engine, as this one has none."""
    net = FullyConnectedNet([6, 5, 3], engine="bfloat16")
    assert net.astype(np.float64).engine.name != "bfloat16"
    assert net.astype(np.float32).engine.name == "bfloat16"


@pytest.mark.torch
def test_threads_are_as_before(bfloat16):
    """Those of the features take one each; the number of the others stays."""
    before = bfloat16.get_num_threads()
    features = PatchFeatures(10, 3)
    features.matmul = bfloat16_matmul
    X = np.zeros((4, 8 * 8), np.uint8)
    features.fit(X, (8, 8, 1)).transform(X)
    assert bfloat16.get_num_threads() == before
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(bfloat16.get_num_threads).result() == before
