"""Nodes of a network: its layers, and what its loss makes of the logits."""

from collections.abc import Callable
from typing import Any

import numpy as np

from fcnet.errors import InputError
from fcnet.export.graph import Graph
from fcnet.nn.layers import GELU, Affine, Dropout, LayerNorm, LeakyReLU, activation_name
from fcnet.nn.network import FullyConnectedNet

Number = Callable[[float], Any]  # makes constants of the network's type


def add_network(graph: Graph, network: FullyConnectedNet, x: str) -> str:
    """Add the layers of a network, and return the name of its logits.

    Raises
    ------
    InputError
        If its activation is none of fcnet's and does not say how it is exported.
    """
    params, number = network.params, network.dtype.type
    for layer in network.layers:
        if isinstance(layer, Dropout):
            continue
        if isinstance(layer, Affine):
            x = graph.add("Add", graph.add("MatMul", x, params[layer.W]), params[layer.b])
        elif isinstance(layer, LayerNorm):
            gamma, beta = params[layer.gamma], params[layer.beta]
            x = graph.add("LayerNormalization", x, gamma, beta, axis=-1, epsilon=layer.epsilon)
        elif hasattr(layer, "to_onnx"):
            x = layer.to_onnx(graph, x, number)
        elif (name := activation_name(network.activation)) in ACTIVATION_NODES and isinstance(name, str):
            x = ACTIVATION_NODES[name](graph, x, number)
        else:
            raise InputError(
                "The activation of this network is one of your own, which does not say what it is in ONNX: give its class a "
                f"method to_onnx, see fcnet.nn.layers.register_activation, or take {', '.join(sorted(ACTIVATION_NODES))}."
            )
    return x


def _gelu(graph: Graph, x: str, number: Number) -> str:
    cube = graph.add("Mul", graph.add("Mul", x, x), x)
    inner = graph.add("Add", x, graph.add("Mul", cube, number(GELU.a)))
    tanh = graph.add("Tanh", graph.add("Mul", inner, number(GELU.c)))
    return graph.add("Mul", graph.add("Mul", x, number(0.5)), graph.add("Add", tanh, number(1)))


ACTIVATION_NODES: dict[str, Callable[[Graph, str, Number], str]] = {
    "relu": lambda graph, x, number: graph.add("Relu", x),
    "leaky_relu": lambda graph, x, number: graph.add("Max", x, graph.add("Mul", x, number(LeakyReLU.slope))),
    "tanh": lambda graph, x, number: graph.add("Tanh", x),
    "gelu": _gelu,
    "logistic": lambda graph, x, number: graph.add("Sigmoid", x),
    "identity": lambda graph, x, number: x,
    "exp": lambda graph, x, number: graph.add("Exp", x),
}


def add_mean(graph: Graph, loss: str, logits: str) -> str:
    """Add what a loss makes of logits: probabilities or values."""
    if loss == "cross_entropy":
        return graph.add("Softmax", logits, axis=1)
    if loss == "squared_error":
        return logits
    return graph.add({"binary_cross_entropy": "Sigmoid", "poisson": "Exp"}[loss], logits)


def add_label(graph: Graph, loss: str, logits: str, number: Number) -> str:
    """Add the number of the most probable class, int64 (rows,), or of every label whether a row has it, int64 (rows, n)."""
    if loss == "cross_entropy":
        return graph.add("ArgMax", logits, axis=1, keepdims=0)
    return graph.cast(graph.add("Greater", logits, number(0)), np.int64)
