"""The estimators in pipelines that skl2onnx converts."""

from typing import Any

import numpy as np

from fcnet.errors import InputError, MissingPackageError, install_extra
from fcnet.export.graph import OPSETS, Graph, onnx_type, require_onnx
from fcnet.nn.loss import HALF
from fcnet.nn.losses import get_loss
from fcnet.types import Array


def register_skl2onnx() -> None:
    """Tell skl2onnx how `FCNetClassifier` and `FCNetRegressor` are converted, alone and in pipelines.

    Options are those of scikit-learn's classifiers: ``zipmap``, ``nocl`` and ``output_class_labels``. Whatever the type of the
    inputs, the network computes in its own: one that was fitted on float64 does so in float64.

    Raises
    ------
    MissingPackageError
        If the extra ``onnx`` is not installed.

    Examples
    --------
    >>> from fcnet.estimators import FCNetRegressor
    >>> from skl2onnx import to_onnx
    >>> register_skl2onnx()
    >>> X = np.eye(4, dtype=np.float32)
    >>> graph = to_onnx(FCNetRegressor(hidden_layer_sizes=5, solver="lbfgs").fit(X, [1, 2, 3, 4]), X)
    >>> [output.name for output in graph.graph.output]
    ['variable']
    """
    require_onnx()
    try:
        from skl2onnx import update_registered_converter

        from fcnet.estimators import FCNetClassifier, FCNetRegressor
    except ImportError as error:
        raise MissingPackageError(f"Converting pipelines needs {error.name}: {install_extra('onnx')}.") from None
    options = {"zipmap": [True, False, "columns"], "nocl": [True, False], "output_class_labels": [False, True]}
    update_registered_converter(FCNetClassifier, "FCNetClassifier", _classifier_shapes, _convert_classifier, options=options)
    update_registered_converter(FCNetRegressor, "FCNetRegressor", _regressor_shapes, _convert_regressor)


def _regressor_shapes(operator: Any) -> None:
    operator.outputs[0].type.shape = [operator.inputs[0].get_first_dimension(), operator.raw_operator.n_outputs_]


def _classifier_shapes(operator: Any) -> None:
    from skl2onnx.common.data_types import Int64TensorType, StringTensorType

    estimator, rows = operator.raw_operator, operator.inputs[0].get_first_dimension()
    n = len(estimator.classes_)
    label = Int64TensorType if _labels(operator).dtype == np.int64 else StringTensorType
    operator.outputs[0].set_type(label([rows, n] if _is_multilabel(estimator) else [rows]))
    operator.outputs[1].type.shape = [rows, n]


def _is_multilabel(estimator: Any) -> bool:
    return bool(not estimator.network_.loss.one_label and estimator.n_outputs_ == len(estimator.classes_) > 1)


def _labels(operator: Any) -> Array:
    """Return the classes as ONNX can have them: whole numbers, or text."""
    from skl2onnx.common.utils_classifier import get_label_classes

    classes = np.asarray(get_label_classes(operator.scope_inst, operator.raw_operator))
    if classes.dtype.kind in "OUS":
        return classes.astype(str).astype(object)
    if (classes != classes.astype(np.int64)).any():
        raise InputError(f"ONNX has labels that are whole numbers or text, and these are {classes}.")
    return classes.astype(np.int64)


def _convert_regressor(scope: Any, operator: Any, container: Any) -> None:
    graph, logits = _begin(scope, operator, container)
    _finish(graph, operator, container, [operator.raw_operator.network_.loss.mean_to_onnx(graph, logits)])


def _convert_classifier(scope: Any, operator: Any, container: Any) -> None:
    graph, logits = _begin(scope, operator, container)
    estimator = operator.raw_operator
    network = estimator.network_
    loss, number = network.loss.at(getattr(estimator, "threshold_", HALF), network.n_classes), network.dtype.type
    if len(estimator.classes_) == 1:
        loss = get_loss("cross_entropy")  # of one logit, which gives the probability 1
    mean, label = loss.mean_to_onnx(graph, logits), loss.label_to_onnx(graph, logits, number)
    if not _is_multilabel(estimator):
        if not loss.one_label:  # the probability of the second of two classes
            mean = graph.add("Concat", graph.add("Sub", number(1), mean), mean, axis=1)
            label = graph.add("Reshape", label, np.array([-1]))
        label = graph.add("Gather", _labels(operator), label)
    _finish(graph, operator, container, [label, mean])


def _begin(scope: Any, operator: Any, container: Any) -> tuple[Graph, str]:
    """Return a graph and the name of the logits in it."""
    from onnx import defs

    network, opset = operator.raw_operator.network_, container.target_opset
    graph = Graph(scope.get_unique_variable_name("fcnet") + "_", scope.onnx_variable_names)
    logits = network.to_onnx(graph, graph.cast(operator.inputs[0].full_name, network.dtype))
    for node in graph.nodes:
        if not defs.has(node.op_type, opset):
            needed = defs.get_schema(node.op_type, OPSETS[""]).since_version
            raise InputError(f"{node.op_type} needs target_opset={needed} or above, and {opset} was asked for.")
    return graph, logits


def _finish(graph: Graph, operator: Any, container: Any, outputs: list[str]) -> None:
    """Hand the outputs and all nodes and constants on to skl2onnx."""
    from onnx import helper
    from skl2onnx.common.data_types import StringTensorType, guess_proto_type

    for variable, value in zip(operator.outputs, outputs, strict=True):
        if isinstance(variable.type, StringTensorType):
            graph.add("Identity", value, output=variable.full_name)
        else:
            graph.add("Cast", value, to=guess_proto_type(variable.type), output=variable.full_name)
    for name, array in graph.constants.items():
        values = [text.encode() for text in array.ravel()] if array.dtype == object else array.ravel()
        container.add_initializer(name, onnx_type(array.dtype), array.shape, values)
    for node in graph.nodes:
        attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
        container.add_node(node.op_type, list(node.input), list(node.output), node.domain, name=node.name, **attributes)
