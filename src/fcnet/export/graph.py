"""An ONNX graph under construction."""

from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from fcnet.errors import InputError, MissingPackageError, install_extra
from fcnet.types import Array

OPSETS = {"": 17, "ai.onnx.ml": 3}  # the first with layer normalisation: read by onnxruntime from 1.13 on, and by most others
IR_VERSION = 8  # that of the release of ONNX which brought those
LARGEST_FILE = (1 << 31) - (1 << 20)  # what a protocol buffer may hold, less some room for the nodes


class Graph:
    """Nodes and constants, in the order in which they were added.

    Their names begin with `prefix`, and are none that is `taken`, such as the names of columns.
    """

    def __init__(self, prefix: str = "", taken: Collection[str] = ()) -> None:
        require_onnx()
        self.prefix = prefix
        self.taken = frozenset(taken)
        self.inputs: list[Any] = []
        self.outputs: list[Any] = []
        self.nodes: list[Any] = []
        self.constants: dict[str, Array] = {}

    def input(self, name: str, dtype: DTypeLike, n_columns: int) -> str:
        """Add an input of any number of rows, unless there is one of that name, and return its name."""
        if all(known.name != name for known in self.inputs):
            self.inputs.append(_value(name, dtype, ["rows", n_columns]))
        return name

    def add(
        self,
        op: str,
        *inputs: str | Array | np.generic,
        output: str = "",
        domain: str = "",
        n_outputs: int = 1,
        **attributes: Any,
    ) -> str:
        """Add a node, its inputs names or constants, and return the name of its output, the first where it has several."""
        from onnx import helper

        output = output or self._free(f"{self.prefix}{op.lower()}_{len(self.nodes)}")
        names = [value if type(value) is str else self._constant(value) for value in inputs]
        outputs = [output, *(f"{output}_{i}" for i in range(1, n_outputs))]
        self.nodes.append(helper.make_node(op, names, outputs, output, domain=domain, **attributes))
        return output

    def cast(self, value: str, dtype: DTypeLike) -> str:
        """Add a conversion to another type."""
        return self.add("Cast", value, to=onnx_type(dtype))

    def output(self, name: str, value: str, dtype: DTypeLike, n_columns: int | None = None) -> None:
        """Make a value an output: (rows, n_columns), or (rows,) without columns; of another name where this one is taken."""
        name = self._free(name)
        self.add("Identity", value, output=name)
        self.outputs.append(_value(name, dtype, ["rows"] if n_columns is None else ["rows", n_columns]))

    def _constant(self, value: Any) -> str:
        name = self._free(f"{self.prefix}constant_{len(self.constants)}")
        self.constants[name] = np.asarray(value)
        return name

    def _free(self, name: str) -> str:
        while name in self.taken:
            name = f"output_{name}"
        return name

    def model(self, metadata: dict[str, str]) -> Any:
        """Return the whole as an ``onnx.ModelProto``, checked, with the version of fcnet in its metadata.

        If it is too large for a file of ONNX, InputError is raised.
        """
        import onnx
        from onnx import helper

        from fcnet import __version__

        size = sum(array.nbytes for array in self.constants.values())
        if size > LARGEST_FILE:
            raise InputError(f"The model has {size / 1e9:.1f} GB of parameters, and an ONNX file holds at most 2 GB.")
        graph = helper.make_graph(self.nodes, "fcnet", self.inputs, self.outputs, self.initializers())
        opsets = [helper.make_opsetid(domain, version) for domain, version in OPSETS.items()]
        model = helper.make_model(
            graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="fcnet", producer_version=__version__
        )
        helper.set_model_props(model, {"fcnet_version": __version__} | metadata)
        onnx.checker.check_model(model, full_check=True)
        return model

    def initializers(self) -> list[Any]:
        """Return the constants as ``onnx.TensorProto``."""
        from onnx import numpy_helper

        return [numpy_helper.from_array(array, name) for name, array in self.constants.items()]


def require_onnx() -> None:
    """Raise MissingPackageError where the extra is not installed."""
    try:
        import onnx  # noqa: F401  # whether it can be imported
        import onnxruntime  # noqa: F401  # so here
    except ImportError as error:
        raise MissingPackageError(f"Exporting to ONNX needs {error.name}: {install_extra('onnx')}.") from None


def onnx_type(dtype: DTypeLike) -> int:
    """Return ONNX's number of a NumPy type; of ``object`` that of strings."""
    from onnx import helper

    return int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))


def _value(name: str, dtype: DTypeLike, shape: list[str | int]) -> Any:
    from onnx import helper

    return helper.make_tensor_value_info(name, onnx_type(dtype), shape)
