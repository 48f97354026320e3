"""What works with what ``pip install fcnet`` brings, and what is said of the rest."""

import os
import subprocess
import sys
import tomllib
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import fcnet

pytestmark = pytest.mark.any_kernel

ROOT = Path(__file__).parents[1]


def brought(requirements):
    """Return the names of the distributions that `requirements` bring, and those that these need in turn."""
    names, todo = set(), list(map(Requirement, requirements))
    while todo:
        requirement = todo.pop()
        if requirement.name not in names:
            names.add(requirement.name)
            extras = {"", *requirement.extras}
            needed = map(Requirement, distribution(requirement.name).requires or [])
            todo += [r for r in needed if not r.marker or any(r.marker.evaluate({"extra": extra}) for extra in extras)]
    return names


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """Return the environment of a process that finds what ``pip install fcnet`` brings, and nothing else."""
    site = tmp_path_factory.mktemp("site-packages")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for name in brought(project["dependencies"]):
        found = distribution(name)
        for place in {file.parts[0] for file in found.files} - {"..", "__pycache__"}:
            (site / place).symlink_to(found.locate_file(place))
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(fcnet.__file__).parents[1]), str(site)])}


def run(environment, *arguments):
    words = [sys.executable, "-S", "-W", "error", *arguments]  # -S: without this interpreter's own packages
    found = subprocess.run(words, capture_output=True, text=True, check=False, env=environment)
    assert not found.returncode, found.stdout + found.stderr
    return found.stdout.splitlines()


def test_all_that_the_readme_shows_works(bare):
    assert run(bare, str(ROOT / "tests" / "readme.py"))[-1] == "All that the README shows works."


def test_every_public_name_works(bare):
    assert run(bare, "-c", "import fcnet; print(*(getattr(fcnet, name) and name for name in fcnet.__all__))") == [
        " ".join(fcnet.__all__)
    ]


def test_what_needs_an_extra_says_which(bare, tmp_path):
    code = f"""
import os
import numpy as np
from click.testing import CliRunner
from fcnet.cli import main
from fcnet.errors import MissingPackageError
from fcnet.skl2onnx_converter import register_skl2onnx

os.chdir({str(tmp_path)!r})
try:
    register_skl2onnx()
except MissingPackageError as error:
    print(error)
for words in ("train digits --set epochs=1 --out r", "export r --to m.onnx", "train digits --engine bfloat16", "sweep digits"):
    result = CliRunner().invoke(main, words.split())
    assert result.exception is None or isinstance(result.exception, SystemExit), (words, result.exception)
    print(result.exit_code, result.stderr.splitlines()[-1])
"""
    converter, trained, exported, engine, swept = run(bare, "-c", code)
    assert converter == 'Exporting to ONNX needs onnx: pip install "fcnet[onnx]", or pip install ".[onnx]" in a checkout.'
    assert trained.startswith("0 ")
    assert exported == f"1 Error: {converter}"
    assert engine.startswith(
        '2 Error: Products in bfloat16 need PyTorch: pip install "fcnet[torch]", or pip install ".[torch]"'
    )
    assert swept.startswith('1 Error: A sweep needs optuna: pip install "fcnet[sweep]"')
