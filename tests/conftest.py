"""What several test files use."""

import hashlib
import os
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest

import fcnet.engine.products
from fcnet.data import cifar10
from fcnet.errors import SettingError
from fcnet.nn.layers import ACTIVATIONS

REAL_CIFAR10 = cifar10.find_cifar10()


def pytest_addoption(parser):
    parser.addoption("--without-numba", action="store_true", help="run as where numba is not installed")


def pytest_configure(config):
    if config.getoption("--without-numba"):
        sys.modules["numba"] = None  # what cannot be imported, nor found
    if workers := config.getoption("numprocesses", None):  # threads of BLAS that have to share a core wait for each other
        os.environ.setdefault("OPENBLAS_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // workers)))


def pytest_collection_modifyitems(items):
    """Skip what needs the real CIFAR-10 where it is not there."""
    if REAL_CIFAR10 is None:
        for item in items:
            if item.get_closest_marker("cifar10"):
                item.add_marker(pytest.mark.skip(reason="the real CIFAR-10 is not here: point FCNET_DATA at it"))


@pytest.fixture(scope="module", params=["numba", "numpy"])
def engine_name(request):
    """Run the tests that use this once with each engine, as the one that networks have by default."""
    if request.param == "numba":
        pytest.importorskip("numba")
    with pytest.MonkeyPatch.context() as patch:
        for module in ("fcnet.nn.network", "fcnet.experiments.run", "cs231n.classifier_trainer"):
            patch.setattr(f"{module}.default_engine", lambda: request.param)
        yield request.param


@pytest.fixture(autouse=True)
def no_activation_stays():
    """Forget what activations a test has registered."""
    known = dict(ACTIVATIONS)
    yield
    ACTIVATIONS.clear()
    ACTIVATIONS.update(known)


@pytest.fixture
def bfloat16():
    """Skip what needs PyTorch and a processor that multiplies in bfloat16."""
    torch = pytest.importorskip("torch")
    try:
        fcnet.engine.products.check_bfloat16()
    except SettingError as error:
        pytest.skip(str(error))
    yield torch
    fcnet.engine.products._torch.cache_clear()
    torch.set_float32_matmul_precision("highest")


@pytest.fixture
def toy_params():
    """Return the parameters of the exercise's toy model."""
    return {
        "W1": np.linspace(-0.2, 0.6, 40).reshape(4, 10),
        "b1": np.linspace(-0.3, 0.7, 10),
        "W2": np.linspace(-0.4, 0.1, 30).reshape(10, 3),
        "b2": np.linspace(-0.5, 0.9, 3),
    }


@pytest.fixture
def toy_data():
    """Return the inputs and labels of the exercise's toy model."""
    return np.linspace(-0.2, 0.5, 20).reshape(5, 4), np.array([0, 1, 2, 2, 1])


def write_pickle(path: Path, content: object) -> None:
    """Write a pickle of protocol 2, as the batches are."""
    path.write_bytes(pickle.dumps(content, protocol=2))


@pytest.fixture
def small_cifar10(tmp_path, monkeypatch):
    """Return a folder with batches of the published form but of 20 random images each, and their own checksums as published."""
    rng = np.random.default_rng(0)
    folder = tmp_path / cifar10.FOLDER
    folder.mkdir()
    for name in [*cifar10.TRAIN_BATCHES, "test_batch"]:
        write_pickle(
            folder / name,
            {"data": rng.integers(256, size=(20, 3072), dtype=np.uint8), "labels": [i % 10 for i in range(20)]},
        )
    names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    write_pickle(folder / "batches.meta", {"label_names": names, "num_vis": 3072})
    sums = {path.name: hashlib.md5(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    monkeypatch.setattr(cifar10, "MD5", sums)
    return folder
