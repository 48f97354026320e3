"""The layers of a `TabularNet`, by its settings."""

from itertools import pairwise
from typing import TYPE_CHECKING

from fcnet.errors import unknown_name
from fcnet.nn.activations import ACTIVATIONS, get_activation
from fcnet.nn.base import Layer
from fcnet.nn.layers import WEIGHT_INITS, Affine, Dropout
from fcnet.nn.members import Heads, MemberScale, per_feature
from fcnet.nn.ntk import BIAS_RATE, NTKAffine
from fcnet.nn.number_embeddings import PeriodicEmbedding, PiecewiseLinearEmbedding
from fcnet.nn.parametric import PARAMETRIC, Parametric
from fcnet.nn.table_inputs import Categories, Embedding, Scale, SideBySide

if TYPE_CHECKING:
    from fcnet.nn.tabular_network import TabularNet


def tabular_layers(net: "TabularNet") -> list[Layer]:
    """Return the layers in their order, or raise SettingError for an activation that is unknown."""
    layers, widths = _input_layers(net)
    sizes = [sum(widths), *net.layer_sizes[1:]]
    if net.learnt_scale:
        layers.append(Scale(sizes[0]))
    last, k = len(sizes) - 1, net.n_members
    adapted, bias_rate = k > 1 and net.adapters == "all", BIAS_RATE if net.parametrisation == "ntk" else 1.0
    # TabM draws signs for numbers as they are, and else from a normal distribution.
    draw = per_feature(widths, signs=net.number_embedding == "none")
    for number, (d_in, d_out) in enumerate(pairwise(sizes), 1):
        if number > 1 and net.dropout:
            layers.append(Dropout(number, net.dropout))
        if k > 1 and (number == 1 or (adapted and number < last)):
            layers.append(MemberScale("r", number, d_in, k, draw=draw if number == 1 else None))
        layers.append(_affine(net, number, d_in, d_out, in_members=k > 1 and number == last))
        if number < last:
            if adapted:
                layers.append(MemberScale("s", number, d_out, k, bias_rate))
            layers.append(_activation(net, number, d_out))
    return layers


def _activation(net: "TabularNet", number: int, size: int) -> Layer:
    if isinstance(net.activation, str):
        if net.activation in PARAMETRIC:
            return Parametric(number, size, net.activation)
        if net.activation not in ACTIVATIONS:
            raise unknown_name("activation", net.activation, (*PARAMETRIC, *ACTIVATIONS))
    return get_activation(net.activation, number)


def _input_layers(net: "TabularNet") -> tuple[list[Layer], list[int]]:
    """Return the layers that embed the inputs, and how many columns each input has after them."""
    numbers: Embedding | None = None
    if net.n_numbers and net.number_embedding == "periodic":
        numbers = PeriodicEmbedding(net.n_numbers, net.n_frequencies, net.number_width, net.sigma)
    elif net.n_numbers and net.bins is not None and net.number_embedding == "piecewise_linear":
        numbers = PiecewiseLinearEmbedding(net.bins, net.number_width)
    widths = [1 if numbers is None else net.number_width] * net.n_numbers
    if not net.category_sizes:
        return [] if numbers is None else [numbers], widths
    categories = Categories(net.category_sizes, net.one_hot_up_to, net.category_width)
    first = SideBySide(net.n_numbers, numbers, categories) if net.n_numbers else categories
    return [first], widths + categories.widths


def _affine(net: "TabularNet", number: int, d_in: int, d_out: int, in_members: bool) -> Layer:
    is_ntk, init = net.parametrisation == "ntk", net.weight_init
    if in_members:
        std = WEIGHT_INITS[init](d_in, d_out) if isinstance(init, str) else init
        return Heads(number, d_in, d_out, net.n_members, None if is_ntk else std)
    return NTKAffine(number, d_in, d_out) if is_ntk else Affine(number, d_in, d_out, init)
