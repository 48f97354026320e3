"""Arithmetic with values of an ONNX graph, so that a formula written once is right for arrays and for graphs."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from fcnet.export.graph import Graph


@dataclass(frozen=True)
class Node:
    """A float64 value of a graph."""

    graph: "Graph"
    name: str

    def __add__(self, other: "Node | float") -> "Node":
        return self._with("Add", other)

    def __sub__(self, other: "Node | float") -> "Node":
        return self._with("Sub", other)

    def __mul__(self, other: "Node | float") -> "Node":
        return self._with("Mul", other)

    def __truediv__(self, other: "Node | float") -> "Node":
        return self._with("Div", other)

    def floor(self) -> "Node":
        """Return the largest whole number that is no larger."""
        return Node(self.graph, self.graph.add("Floor", self.name))

    def _with(self, op: str, other: "Node | float") -> "Node":
        return Node(self.graph, self.graph.add(op, self.name, other.name if isinstance(other, Node) else np.float64(other)))
