"""The layers for tables one by one, against PyTorch's derivatives."""

import math
from itertools import pairwise

import numpy as np
import pytest

from fcnet.engine import get_engine
from fcnet.nn.members import Heads, MemberScale, per_feature
from fcnet.nn.ntk import NTKAffine
from fcnet.nn.number_embeddings import PeriodicEmbedding, PiecewiseLinearEmbedding
from fcnet.nn.parametric import PARAMETRIC, Parametric
from fcnet.nn.table_inputs import Categories, Scale

pytestmark = [pytest.mark.torch, pytest.mark.usefixtures("engine_name")]
N, K = 300, 3  # more rows than are embedded at once
BINS = [[-2.0, -0.5, 0.1, 1.0, 2.0], [0.0, 1.0], [-1.0, 0.0, 3.0]]


def periodic(torch, p, x):
    cosines = torch.cos(2 * math.pi * x[:, :, None] * p["frequency0"] + p["phase0"])
    values = torch.einsum("njf,jof->njo", cosines, p["V0"]) + p["c0"]
    return torch.cat([values, x[:, :, None]], dim=2).flatten(1)


def piecewise_linear(torch, p, x):
    columns = []
    for j, bounds in enumerate(BINS):
        parts = []
        for t, (low, high) in enumerate(pairwise(bounds)):
            part = (x[:, j] - low) / (high - low)
            part = part if t == 0 else part.clamp(min=0)
            parts.append(part if t == len(bounds) - 2 else part.clamp(max=1))
        columns.append(torch.relu(torch.stack(parts, dim=1) @ p["V0"][j, : len(parts)] + p["c0"][j]))
    return torch.cat(columns, dim=1)


def categories(torch, p, x):
    codes = x.long()
    one_hot = torch.nn.functional.one_hot(codes[:, 1] + 1, 4)[:, 1:].double()
    two = torch.tensor([0.0, 1.0, -1.0]).double()[codes[:, 0] + 1]
    return torch.cat([two[:, None], one_hot, torch.nn.functional.embedding(codes[:, 2] + 1, p["category2"])], dim=1)


def parametric(torch, p, x, curve):
    value = getattr(torch.nn.functional, curve)(x)
    return x + p["slope1"] * (value - x)


def members(torch, p, x):
    return (x.reshape(N, K, -1) * p["s1"] + p["c1"]).reshape(N * K, -1)


def first_members(torch, p, x):
    return (x[:, None] * p["r1"]).reshape(N * K, -1)


def heads(torch, p, x):
    return (torch.einsum("nkd,kdo->nko", x.reshape(N, K, -1), p["W2"]) / 2 + p["b2"]).reshape(N * K, -1)


RNG = np.random.default_rng(0)
NUMBERS, MANY = RNG.standard_normal((N, 3)), RNG.standard_normal((N * K, 4))
CODES = np.column_stack([RNG.integers(-1, size, N) for size in (2, 3, 40)]).astype(float)
LAYERS = {
    "periodic": (PeriodicEmbedding(3, 7, 5, 0.5), NUMBERS, periodic),
    "piecewise linear": (PiecewiseLinearEmbedding(BINS, 6), NUMBERS, piecewise_linear),
    "categories": (Categories([2, 3, 40], 8, 5), CODES, categories),
    "scale": (Scale(3), NUMBERS, lambda torch, p, x: x * p["scale0"]),
    "ntk": (NTKAffine(1, 3, 5), NUMBERS, lambda torch, p, x: x @ p["W1"] / math.sqrt(3) + p["b1"]),
    "members": (MemberScale("s", 1, 4, K, bias_rate=1.0), MANY, members),
    "first of members": (MemberScale("r", 1, 3, K, draw=per_feature([2, 1], True)), NUMBERS, first_members),
    "heads": (Heads(2, 4, 2, K, None), MANY, heads),
    **{
        curve: (Parametric(1, 3, curve), NUMBERS * 4, lambda torch, p, x, curve=curve: parametric(torch, p, x, curve))
        for curve in PARAMETRIC
    },
}


@pytest.mark.parametrize("name", LAYERS)
def test_pytorch_agrees(name, engine_name):
    import torch

    layer, x, expected_of = LAYERS[name]
    rng, engine = np.random.default_rng(1), get_engine(engine_name, "float64")
    params = {key: p.initial(rng, np.float64) + 0.3 * rng.standard_normal(p.shape) for key, p in layer.parameters.items()}
    tensors = {key: torch.tensor(p, requires_grad=True) for key, p in params.items()}
    inputs = torch.tensor(x, requires_grad=True)
    expected = expected_of(torch, tensors, inputs)
    out, cache = layer.forward(x.copy(), params, engine, None)
    np.testing.assert_allclose(out, expected.detach().numpy(), rtol=1e-9, atol=1e-12)
    dout = rng.standard_normal(out.shape)
    expected.backward(torch.tensor(dout))
    dx, grads = layer.backward(dout, cache, engine, True)
    assert grads.keys() == params.keys()
    for key, g in grads.items():
        np.testing.assert_allclose(g, tensors[key].grad.numpy(), rtol=1e-9, atol=1e-11, err_msg=key)
    if dx is not None:  # category numbers have no gradient
        np.testing.assert_allclose(dx, inputs.grad.numpy(), rtol=1e-9, atol=1e-11)
