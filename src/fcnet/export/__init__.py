"""Models as ONNX graphs, preparation of the inputs included, for the runtimes that read them."""

from fcnet.export.export import export_onnx

__all__ = ["export_onnx"]
