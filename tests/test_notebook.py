"""The exercise notebook: it runs from start to end, and prints the published numbers."""

import re
from pathlib import Path

import nbformat
import pytest
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpecManager
from nbclient import NotebookClient
from traitlets import default

from fcnet.data.cifar10 import find_cifar10

NOTEBOOK = Path(__file__).parents[1] / "notebooks" / "two_layer_net.ipynb"


class OwnKernelManager(AsyncKernelManager):
    """Starts the interpreter that runs the tests, whatever kernels are registered on this computer."""

    @default("kernel_spec_manager")
    def _without_registered_kernels(self):
        return KernelSpecManager(kernel_dirs=[])


@pytest.mark.parametrize("name", ["two_layer_net.ipynb", "two_layer_net_student.ipynb"])
def test_notebook_is_valid_and_stored_without_outputs(name):
    nb = nbformat.read(NOTEBOOK.with_name(name), as_version=nbformat.NO_CONVERT)
    nbformat.validate(nb)
    assert (nb.nbformat, nb.nbformat_minor) == (4, 5)
    assert nb.metadata.kernelspec.name == "python3"
    for cell in nb.cells:
        if cell.cell_type == "code":
            assert not cell.outputs, cell.id
            assert cell.execution_count is None, cell.id


# Where few pictures have to do, what is tuned after the published training has fewer, and is worth less.
FEW = {
    "standardise-code": ("std = ", "X_train, y_train = X_train[:10000].copy(), y_train[:10000]\nstd = "),
    "library-sweep-code": ("8000", "3000"),
    "best-code": ("> 0.50", "> 0.40"),
    "test-code": ("> 0.45", "> 0.37"),
}


@pytest.mark.cifar10
@pytest.mark.parametrize("few", [FEW, pytest.param({}, marks=pytest.mark.slow)], ids=["few to tune", "all"])
def test_notebook_prints_the_published_numbers(tmp_path, monkeypatch, few):
    monkeypatch.setenv("FCNET_DATA", str(find_cifar10()))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    nb = nbformat.read(NOTEBOOK, as_version=4)
    for cell in nb.cells:
        words, instead = few.get(cell.id, ("", ""))
        assert words in cell.source
        cell.source = cell.source.replace(words, instead)
    NotebookClient(
        nb,
        kernel_name="python3",
        kernel_manager_class=OwnKernelManager,
        timeout=900,
        startup_timeout=600,
        resources={"metadata": {"path": str(tmp_path)}},
    ).execute()

    outputs = {cell.id: cell.outputs for cell in nb.cells if cell.cell_type == "code"}
    printed = {
        name: "".join(output.text for output in cell if output.output_type == "stream") for name, cell in outputs.items()
    }
    assert not any("Warning" in text for text in printed.values())
    assert "-0.5328368" in printed["forward-code"]
    assert "loss: 1.38191946" in printed["loss-code"]
    assert re.findall(r"^(\w+) max relative error", printed["gradient-code"], re.M) == ["W2", "b2", "W1", "b1"]
    assert re.findall(r"last loss (\S+)", printed["toy-training-code"]) == ["0.940686", "0.494394", "0.439368"]
    assert "(49000, 3072) (49000,)" in printed["data-code"]

    training = printed["training-code"]
    assert "starting iteration 0\n" in training
    assert "starting iteration 2440\n" in training
    assert re.search(
        r"^Finished epoch 0 / 5: cost 2\.3025\d\d, train: 0\.\d{6}, val 0\.\d{6}, lr 1\.000000e-05$", training, re.M
    )
    assert re.search(r"^Finished epoch 5 / 5: ", training, re.M)
    best = float(re.search(r"^finished optimization\. best validation accuracy: (0\.\d{6})$", training, re.M)[1])
    assert 0.34 < best < 0.40

    assert re.findall(r"^\w+: ([\w-]+): ", printed["doctor-code"], re.M) == [
        "unscaled-data",
        "learning-rate-too-low",
        "under-capacity",
    ]

    assert printed["sweep-code"].count("learning rate") == 7
    trial = r"^trial (\d+): .*: (?:validation (\S+)|pruned after epoch \d of 4)$"
    trials = re.findall(trial, printed["library-sweep-code"], re.M)
    assert [int(number) for number, _ in trials] == list(range(10))
    assert (0.3 if few else 0.35) < max(float(accuracy) for _, accuracy in trials if accuracy) < 0.5
    assert float(re.search(r"^best validation accuracy: (\S+),", printed["best-code"], re.M)[1]) > (0.40 if few else 0.50)
    assert float(re.search(r"^test accuracy: (\S+) ", printed["test-code"], re.M)[1]) > (0.37 if few else 0.45)
    drawn = ("toy-training", "pictures", "debugging", "weights", "library-sweep-plot", "best", "best-weights")
    for name in (f"{cell}-code" for cell in drawn):
        assert any("image/png" in output.get("data", {}) for output in outputs[name]), name
