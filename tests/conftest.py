"""What several test files use."""

import hashlib
import math
import os
import pickle
import re
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

import fcnet.engine.products
from fcnet.data import cifar10
from fcnet.engine import default_engine
from fcnet.errors import SettingError
from fcnet.nn.layers import ACTIVATIONS
from fcnet.training import divergence

REAL_CIFAR10 = cifar10.find_cifar10()
WITHOUT_NUMBA = str(Path(__file__).parent / "without_numba")
collect_ignore = ["without_numba", "fixtures"]

# What may be skipped where `--strict-skips` is given, as CI does where all is installed: the reasons, and when they hold.
EXPECTED_SKIPS = {
    r"This processor has no products in bfloat16": lambda config: True,
    r"root may read every file": lambda config: os.geteuid() == 0,
    r"could not import 'torch'": lambda config: find_spec("torch") is None,  # as before the tests that need it have run
    r"could not import 'numba'": lambda config: config.getoption("--without-numba"),
    r"PostgreSQL is not here": lambda config: not Path("/usr/lib/postgresql").is_dir(),
    r"the real CIFAR-10 is not here": lambda config: "FCNET_DATA" not in os.environ,
    r"SCIPY_ARRAY_API is not set|does not have a decision_function": lambda config: True,  # scikit-learn's own checks
    r"could not import 'sklearn\.callback'": lambda config: True,  # which scikit-learn has from 1.9 on
}

# The same examples everywhere, and none is too slow: what a change breaks fails, and not what a loaded machine delays.
settings.register_profile(
    "fcnet",
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("fcnet")


def pytest_addoption(parser):
    parser.addoption("--without-numba", action="store_true", help="run as where numba is not installed")
    parser.addoption("--strict-skips", action="store_true", help="fail what is skipped and not expected to be")


def pytest_configure(config):
    if config.getoption("--without-numba"):
        sys.modules["numba"] = None  # what cannot be imported, nor found
        sys.path.append(WITHOUT_NUMBA)  # tests may hand it on
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [WITHOUT_NUMBA, os.environ.get("PYTHONPATH")]))
    if workers := config.getoption("numprocesses", None):  # threads of BLAS that have to share a core wait for each other
        os.environ.setdefault("OPENBLAS_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // workers)))


def pytest_collection_modifyitems(items):
    """Skip what needs the real CIFAR-10 where it is not there."""
    if REAL_CIFAR10 is None:
        for item in items:
            if item.get_closest_marker("cifar10"):
                item.add_marker(pytest.mark.skip(reason="the real CIFAR-10 is not here: point FCNET_DATA at it"))


def fail_unexpected_skip(report, config):
    """Make a failure of a skip, of a test or of a whole file, for none of the reasons that are expected."""
    if not report.skipped or hasattr(report, "wasxfail") or not config.getoption("--strict-skips"):
        return report
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    if not any(re.search(expected, reason) and holds(config) for expected, holds in EXPECTED_SKIPS.items()):
        report.outcome = "failed"
        report.longrepr = f"{reason}\nThis skip is not among EXPECTED_SKIPS in tests/conftest.py."
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    return fail_unexpected_skip((yield), item.config)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    return fail_unexpected_skip((yield), collector.config)


@pytest.fixture(scope="module", params=["numba", "numpy"])
def engine_name(request):
    """Run the tests that use this once with each engine, as the one that everything computes with by default."""
    if request.param == "numba":
        pytest.importorskip("numba")
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "numpy":
            patch.setattr("fcnet.engine.find_spec", lambda name: None)
        default_engine.cache_clear()
        yield request.param
    default_engine.cache_clear()


@pytest.fixture(autouse=True, scope="session")
def advice_takes_its_time():
    """Have a search for a learning rate end by what it finds, and not because the machine is slow."""
    divergence.SECONDS_AT_MOST = math.inf


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
        fcnet.engine.products.torch_products()
    except SettingError as error:
        pytest.skip(str(error))
    yield torch
    fcnet.engine.products.torch_products.cache_clear()
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
