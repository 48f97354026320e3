"""Models as ONNX graphs, preprocessing included."""

from fcnet.export.export import export_onnx

__all__ = ["export_onnx"]
