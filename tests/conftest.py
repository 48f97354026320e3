"""What several test files use."""

import hashlib
import json
import math
import os
import pickle
import re
import shutil
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
    """Begin with what takes longest, so that no process waits for it in the end; skip it where CIFAR-10 is not there."""
    items.sort(key=lambda item: item.get_closest_marker("cifar10") is None)
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


@pytest.fixture(autouse=True)
def charts_are_drawn_where_they_are_looked_at(request, monkeypatch):
    """Leave the drawing of charts out of other reports, which takes longer than all else of a small run."""
    if request.node.get_closest_marker("charts") is None:
        monkeypatch.setattr("fcnet.report.run._charts", lambda history, unfinished: ["<svg></svg>"])
        monkeypatch.setattr("fcnet.report.errors._charts", lambda values, targets: ["<svg></svg>"])


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


CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
CHROMEDRIVER = shutil.which("chromedriver")
FLAGS = ["headless=new", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-sync"]
FLAGS += ["disable-background-networking", "disable-component-update", "disable-dev-shm-usage"]  # /dev/shm may be small

# The contrast of each piece of text with what lies behind it, by the formula of WCAG 2; least first.
CONTRASTS = """
const rgba = colour => [...colour.match(/[\\d.]+/g).map(Number), 1].slice(0, 4);
const behind = e => {
  const [r, g, b, a] = rgba(getComputedStyle(e).backgroundColor);
  const below = a < 1 ? behind(e.parentElement) : [0, 0, 0];
  return [r, g, b].map((v, i) => v * a + below[i] * (1 - a));
};
const linear = v => v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4;
const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b) + 0.05;
const own = e => [...e.childNodes].filter(n => n.nodeType === 3).map(n => n.data.trim()).join("");
return [...document.querySelectorAll("body *:not(style)")].filter(own).map(e => {
  const style = getComputedStyle(e);
  const ratio = light(rgba(e.closest("svg") ? style.fill : style.color)) / light(behind(e));
  return [Math.max(ratio, 1 / ratio), own(e)];
}).sort((a, b) => a[0] - b[0]);
"""
# The words of charts that are cut off at the edge.
CLIPPED = """
return [...document.querySelectorAll("svg text")].filter(text => {
  const [t, s] = [text, text.closest("svg")].map(e => e.getBoundingClientRect());
  return t.left < s.left - 1 || t.right > s.right + 1 || t.top < s.top - 1 || t.bottom > s.bottom + 1;
}).map(text => text.textContent);
"""


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """Return a driver of Chromium."""
    if not (CHROMIUM and CHROMEDRIVER):
        pytest.skip("needs chromium and chromedriver on the PATH")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, Service(executable_path=CHROMEDRIVER))
    yield driver
    driver.quit()


@pytest.fixture
def look(browser):
    """Return a function that opens a page on a screen of that width, and checks what holds for every page."""
    return lambda page, width, theme: look_at(browser, page, width, theme)


# Charts are drawn when a frame has told their size, in the next one.
DRAWN = """
const done = arguments[0];
const after = n => n ? requestAnimationFrame(() => after(n - 1)) : done();
after(4);
"""


def look_at(browser, report, width, theme):
    """Open a page on a screen of that width, and check what holds for every page."""
    screen = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": theme}]})
    browser.get_log("performance")  # only what comes from here on
    browser.get(report.as_uri())
    browser.execute_async_script(DRAWN)
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    requests = {e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"}
    # The first page that Chromium opens is one of its own, whose requests may come late.
    assert {url for url in requests if not url.startswith(("data:", "chrome:", "chrome-untrusted:"))} == {report.as_uri()}
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert browser.execute_script(CLIPPED) == []
    assert browser.execute_script(CONTRASTS)[0] > [4.5, "its text"]
    paper = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert paper == {"light": "rgb(255, 255, 255)", "dark": "rgb(18, 22, 28)"}[theme]
