"""What works where no extra is installed, and what is said of the rest."""

import subprocess
import sys

import fcnet

EXTRAS = [
    "sklearn",
    "scipy",
    "numba",
    "polars",
    "matplotlib",
    "jinja2",
    "PIL",
    "skimage",
    "onnx",
    "torch",
    "pandas",
]
BLOCK = f"""
import sys
sys.modules |= dict.fromkeys({EXTRAS})
"""


def run(code):
    found = subprocess.run([sys.executable, "-W", "error", "-c", BLOCK + code], capture_output=True, text=True, check=False)
    assert not found.returncode, found.stderr
    return found.stdout.splitlines()


def test_every_public_name_works_or_says_what_it_needs():
    lines = run(
        """
import fcnet
from fcnet.errors import FcnetError
for name in fcnet.__all__:
    try:
        getattr(fcnet, name)
    except FcnetError as error:
        assert isinstance(error, ImportError)
        print(name, error)
"""
    )
    advice = 'FCNetClassifier or FCNetRegressor needs SciPy: pip install "fcnet[sklearn]".'
    assert lines == [f"{name} {advice}" for name in fcnet.__all__ if name.startswith("FCNet")]
    assert len(lines) == 2


def test_a_network_trains_is_saved_and_loaded(tmp_path):
    lines = run(
        f"""
import fcnet, numpy as np
X = np.random.default_rng(0).standard_normal((90, 4))
y = (X[:, 0] > 0).astype(int)
net = fcnet.FullyConnectedNet([4, 8, 2])
fcnet.Trainer(epochs=20, learning_rate=0.1, batch_size=30).fit(net, X, y)
fcnet.save({str(tmp_path / "m")!r}, net)
print((fcnet.load({str(tmp_path / "m")!r}).predict(X) == y).mean() > 0.9, max(fcnet.gradient_check(net, X, y).values()) < 1e-6)
"""
    )
    assert lines == ["True True"]


def test_other_public_parts_say_what_they_need():
    lines = run(
        """
import numpy as np
from fcnet.errors import FcnetError
from fcnet.training.history import History

def from_estimators():
    from fcnet import FCNetClassifier

def from_features():
    from fcnet.preprocessing import PCAWhitening

def figure():
    from fcnet.plots import plot_loss
    plot_loss(History())

def digits():
    from fcnet.data import load_dataset
    load_dataset("digits")

def onnx():
    from fcnet import FullyConnectedNet
    from fcnet.export import export_onnx
    export_onnx(FullyConnectedNet([2, 2]), "m.onnx")

for use in (from_estimators, from_features, figure, digits, onnx):
    try:
        use()
    except FcnetError as error:
        print(error)
"""
    )
    assert len(lines) == 5
    assert all("needs" in line or "come with" in line for line in lines)
    assert all("pip install" in line for line in lines)


def test_every_command_says_what_it_needs(tmp_path):
    lines = run(
        f"""
import os
import numpy as np
from click.testing import CliRunner
from fcnet.cli import main

os.chdir({str(tmp_path)!r})
X = np.random.default_rng(0).integers(256, size=(60, 8, 8, 1), dtype=np.uint8)
np.savez("d.npz", X=X, y=(X[:, 0, 0, 0] > 128).astype(int))
open("t.csv", "w").write("a,b" + chr(10) + "1,2" + chr(10))
for words in (
    "train d.npz --set epochs=1 --out r", "evaluate r", "export r --to m.safetensors", "export r --to m.md", "recipes",
    "train digits", "train t.csv", "predict r x.png", "report r", "export r --to m.onnx", "train d.npz --engine numba",
    "train d.npz --recipe features",
):
    result = CliRunner().invoke(main, words.split())
    assert result.exception is None or isinstance(result.exception, SystemExit), (words, result.exception)
    print(result.exit_code, "pip install" in result.output, words)
"""
    )
    assert all(line.startswith("0 ") for line in lines[:5])
    assert all(" True " in line and not line.startswith("0 ") for line in lines[5:])
