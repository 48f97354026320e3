"""A preprocessor of one's own: its class alone makes it work in models, files and ONNX graphs."""

from dataclasses import dataclass

import numpy as np
import pytest

from fcnet import FullyConnectedNet, load, save
from fcnet.errors import FileFormatError, InputError
from fcnet.files import load_tensors, save_tensors
from fcnet.model import Model
from fcnet.preprocessing import Preprocessor
from fcnet.preprocessing.checks import check_arrays


class Plain(Preprocessor):
    """Every other value: what the abstract methods of a preprocessor ask for, and no more."""

    kind = "every other value"
    n_inputs = 6
    n_outputs = 3

    def transform(self, X, dtype=np.float32):
        return np.asarray(X)[:, ::2].astype(dtype)

    def get_config(self):
        return {}

    def arrays(self):
        return {}

    @classmethod
    def from_arrays(cls, config, arrays):
        return cls()


@dataclass
class Mixture(Preprocessor):
    """Rows times a fixed matrix, plus a number."""

    matrix: np.ndarray
    offset: float = 0.0

    kind = "mixture"

    @property
    def n_inputs(self):
        return self.matrix.shape[0]

    @property
    def n_outputs(self):
        return self.matrix.shape[1]

    @property
    def description(self):
        return f"{self.n_outputs} mixtures"

    def transform(self, X, dtype=np.float32):
        return np.asarray(X, dtype) @ self.matrix.astype(dtype) + np.dtype(dtype).type(self.offset)

    def get_config(self):
        return {"offset": self.offset}

    def arrays(self):
        return {"matrix": self.matrix}

    @classmethod
    def from_arrays(cls, config, arrays):
        check_arrays("mixture", arrays, {"matrix": arrays["matrix"].shape})
        return cls(arrays["matrix"], config["offset"])

    def to_onnx(self, graph, x, dtype, views):
        return graph.add("Add", graph.add("MatMul", x, self.matrix.astype(dtype)), np.dtype(dtype).type(self.offset))


@pytest.fixture
def X():
    return np.random.default_rng(0).standard_normal((9, 6)).astype(np.float32)


@pytest.fixture
def model():
    matrix = np.random.default_rng(1).standard_normal((6, 3)).astype(np.float32)
    return Model(FullyConnectedNet([3, 5, 2], seed=0), Mixture(matrix, 0.5), ["no", "yes"])


def test_a_model_predicts_through_it(model, X):
    np.testing.assert_allclose(model.logits(X), model.network.logits(X @ model.preprocessor.matrix + 0.5), rtol=1e-5)
    assert model.n_inputs == 6
    with pytest.raises(InputError, match=r"shape \(n, 6\)"):
        model.logits(X[:, :5])


def test_a_model_file_holds_it(model, X, tmp_path):
    save(tmp_path / "m.safetensors", model)
    found = load(tmp_path / "m.safetensors")
    assert (type(found.preprocessor), found.preprocessor.offset) == (Mixture, 0.5)
    np.testing.assert_array_equal(found.logits(X), model.logits(X))
    tensors, metadata = load_tensors(tmp_path / "m.safetensors", "fcnet-model-1")
    metadata["scaling"]["kind"] = "mixtures"
    save_tensors(tmp_path / "m.safetensors", tensors, metadata, "fcnet-model-1")
    with pytest.raises(FileFormatError, match="Unknown preprocessor 'mixtures'. Did you mean 'mixture'"):
        load(tmp_path / "m.safetensors")


def test_an_onnx_graph_holds_it(model, tmp_path):
    pytest.importorskip("onnxruntime")
    from fcnet.export import export_onnx

    assert export_onnx(model, tmp_path / "m.onnx") < 1e-5


def test_it_has_no_views_and_no_onnx_nodes_unless_it_says_so(X, tmp_path):
    model = Model(FullyConnectedNet([3, 2], seed=0), Plain(), image_shape=(2, 3, 1))
    np.testing.assert_array_equal(model.logits(X), model.network.logits(X[:, ::2]))
    save(tmp_path / "m.safetensors", model)
    np.testing.assert_array_equal(load(tmp_path / "m.safetensors").logits(X), model.logits(X))
    model.average_mirror = True
    with pytest.raises(InputError, match="averages over views, and has none"):
        save(tmp_path / "m.safetensors", model)
    model.average_mirror = False
    pytest.importorskip("onnxruntime")
    from fcnet.export import export_onnx

    with pytest.raises(InputError, match="preprocessed by 'every other value' cannot be exported"):
        export_onnx(model, tmp_path / "m.onnx")
    assert not (tmp_path / "m.onnx").exists()
