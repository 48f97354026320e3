"""Products in bfloat16, and the engine and the features that are made of them."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

import fcnet.products
from fcnet.cli import main
from fcnet.engine import get_engine
from fcnet.errors import SettingError
from fcnet.experiments.representations import LearntRepresentation
from fcnet.features import PatchFeatures
from fcnet.nn.network import FullyConnectedNet
from fcnet.products import bfloat16_matmul


def test_without_pytorch_it_says_what_to_install(monkeypatch):
    """A name that cannot be imported stands for a machine without PyTorch."""
    monkeypatch.setattr(fcnet.products, "find_spec", lambda name: None)
    fcnet.products._torch.cache_clear()
    with pytest.raises(SettingError, match=r"fcnet\[bfloat16\]"):
        get_engine("bfloat16", "float32")


def test_it_computes_in_float32_alone():
    """Double precision with rounded factors would be a promise that is not kept."""
    with pytest.raises(SettingError, match="float64"):
        get_engine("bfloat16", "float64")


@pytest.fixture
def bfloat16():
    """Skip what needs PyTorch and a processor that multiplies in bfloat16."""
    pytest.importorskip("torch")
    try:
        fcnet.products.check_bfloat16()
    except SettingError as error:
        pytest.skip(str(error))


def rounded(x):
    """Return `x` with the eight leading bits of its significand, halves rounded to even."""
    bits = x.view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000).astype(np.uint32).view(np.float32)


@pytest.mark.torch
@pytest.mark.usefixtures("bfloat16")
@pytest.mark.parametrize("shape", [(64, 75, 40), (256, 3072, 100), (5, 30, 20, 40)])
def test_products_are_those_of_rounded_factors(shape):
    """The sums keep float32's precision."""
    rng = np.random.default_rng(0)
    *batch, n, k, m = shape
    a, b = rng.standard_normal((*batch, n, k), np.float32), rng.standard_normal((*batch, k, m), np.float32)
    expected = rounded(a).astype(np.float64) @ rounded(b)
    for x in (a, np.ascontiguousarray(a.swapaxes(-1, -2)).swapaxes(-1, -2)):
        x.flags.writeable = False
        out = np.full((*batch, n, m), np.nan, np.float32)
        assert bfloat16_matmul(x, b, out=out) is out
        np.testing.assert_allclose(out, expected, atol=1e-5 * k**0.5)
        np.testing.assert_array_equal(bfloat16_matmul(x, b), out)


@pytest.mark.torch
@pytest.mark.usefixtures("bfloat16")
@pytest.mark.parametrize(("hidden", "members"), [([200, 100], 1), ([200], 2)])
def test_gradients_are_near_those_of_float32(hidden, members):
    """They differ by what rounding to eight bits makes of sums, and stay float32; of a ReLU some units would switch."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((256, 300), np.float32), rng.integers(10, size=256)
    nets = [
        FullyConnectedNet([300, *hidden, 10], members=members, activation="tanh", engine=engine)
        for engine in ("numpy", "bfloat16")
    ]
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
        learnt = LearntRepresentation(X, (12, 12, 3), patches, 30, 1.0, 0, lambda line: None, tmp_path / cache, matmul)
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
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["engine"] == "bfloat16"
    assert metrics["val_accuracy"] > 0.95
