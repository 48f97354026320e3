"""A model as one ONNX graph, checked against the model before it is written."""

import json
from pathlib import Path

import numpy as np

from fcnet.errors import FcnetError
from fcnet.export.graph import Graph
from fcnet.files import write_atomic
from fcnet.model import Model, as_model
from fcnet.nn.network import FullyConnectedNet
from fcnet.types import Array

N_CHECKED = 16


def export_onnx(model: Model | FullyConnectedNet, path: str | Path, *, tolerance: float = 1e-5) -> float:
    """Write a model as an ONNX file that takes raw inputs, once onnxruntime computes the same from it.

    The graph has one input, ``inputs`` (rows, n_inputs) in the network's type, for any number of rows. For a table it has an
    input (rows, 1) for each column, by its name: float64 for numbers, float64 seconds since 1970 for dates, and strings for
    categories. Its outputs are ``logits`` (rows, n), and

    - for classes, ``probabilities`` (rows, n) and ``label`` (rows,), the name of the most probable class, of two by the model's
      threshold, or its number where classes have no names;
    - for independent labels, ``probabilities`` (rows, n) and ``label`` (rows, n), 1 or 0;
    - for a regression, ``values`` (rows, n).

    Where a column of a table has the name of an output, the output is called ``output_label`` and so on.

    The names of the classes, the shape of images, the loss, the threshold and the version of fcnet are in its metadata.

    Parameters
    ----------
    model : Model or FullyConnectedNet
    path : str or Path
    tolerance : float
        The largest difference allowed between the outputs of onnxruntime and of the model: of probabilities, and of logits and
        values relative to the largest where that is above 1.

    Returns
    -------
    difference : float
        The largest one found on random rows.

    Raises
    ------
    InputError
        If `model` is something else, or something in it has no equivalent in ONNX.
    FcnetError
        If the outputs differ by more, or the extra ``onnx`` is not installed.
    OSError
        If the file cannot be written; an older one at `path` is then unharmed.
    """
    model = as_model(model)
    network = model.network
    graph = Graph(taken=[name for name, _ in model.preprocessor.columns])
    logits = [_add_member(graph, member) for member in model.members]
    _add_outputs(graph, model, network.loss.networks_to_onnx(graph, logits, network.dtype.type))
    metadata = {
        "loss": network.loss.name,
        "threshold": json.dumps(model.threshold),
        "classes": json.dumps(model.classes, ensure_ascii=False),
        "image_shape": json.dumps(model.image_shape),
        "max_value": json.dumps(model.max_value),
    }
    content: bytes = graph.model(metadata).SerializeToString(deterministic=True)
    difference = _check(content, model, tolerance)
    write_atomic(path, content)
    return difference


def _add_member(graph: Graph, model: Model) -> str:
    """Add the nodes that compute the logits of a model from raw inputs, and return their name."""
    network, preprocessor, views = model.network, model.preprocessor, model.views
    raw = preprocessor.onnx_inputs(graph, network.dtype, model.n_inputs)
    logits = network.to_onnx(graph, preprocessor.to_onnx(graph, raw, network.dtype, views))
    return graph.add("ReduceMean", logits, axes=[1], keepdims=0) if views else logits


def _add_outputs(graph: Graph, model: Model, logits: str) -> None:
    network, loss, n = model.network, model.loss, model.network.n_classes
    graph.output("logits", logits, network.dtype, n)
    graph.output("probabilities" if loss.has_labels else "values", loss.mean_to_onnx(graph, logits), network.dtype, n)
    if not loss.has_labels:
        return
    label = loss.label_to_onnx(graph, logits, network.dtype.type)
    if not loss.one_label:
        graph.output("label", label, np.int64, n)
    elif model.classes == [str(i) for i in range(n)]:
        graph.output("label", label, np.int64)
    else:
        graph.output("label", graph.add("Gather", np.array(model.classes, object), label), object)


def _check(content: bytes, model: Model, tolerance: float) -> float:
    """Return the largest difference of onnxruntime's outputs from the model's, or raise FcnetError where it is too large."""
    rows = _random_rows(model, np.random.default_rng(0))
    expected = model.logits(rows), model.predict_proba(rows)
    pairs = zip(_run(content, model.preprocessor.onnx_values(rows)), expected, strict=True)
    difference = float(np.max([np.abs(found - values).max() / max(1, np.abs(values).max()) for found, values in pairs]))
    if not difference <= tolerance:
        raise FcnetError(
            f"The ONNX graph was not written: onnxruntime's outputs differ from the model's by up to {difference:.2g}. "
            f"Logits of hundreds, or of terms that cancel one another, as of training = kernel, cannot be computed "
            f"more exactly in float32; if yours are such, allow more than {tolerance:g} (--tolerance)."
        )
    return difference


def _run(content: bytes, inputs: dict[str, Array]) -> list[Array]:
    """Return logits, and probabilities or values, as onnxruntime computes them."""
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()][:2]
    found: list[Array] = session.run(names, inputs)
    return found


def _random_rows(model: Model, rng: np.random.Generator) -> Array:
    """Return random raw inputs like those that the model was trained on."""
    preprocessor, dtype = model.preprocessor, model.preprocessor.input_dtype or model.network.dtype
    white = None if model.image_shape is None else model.max_value
    rows = preprocessor.example_rows((N_CHECKED, model.n_inputs), rng, white)
    if white is not None:
        rows = rows.clip(0, white)
        rows = np.rint(rows) if white > 1 else rows
    return rows.astype(dtype)
