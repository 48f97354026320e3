"""Faults of the network: its wiring, its initial parameters, its size."""

from collections.abc import Callable
from typing import Any

import numpy as np
from families import CLASSES, family
from programs import Work

from fcnet import FullyConnectedNet
from fcnet.nn.activations import Activation, Tanh

Rng = np.random.Generator


class MildTanh(Tanh):
    """Its slope is taken as ``1 - out`` where it is ``1 - out²``."""

    def backward(self, dout: Any, cache: Any, engine: Any, input_gradient: bool) -> tuple[Any, Any]:
        """Return the wrong gradient."""
        return dout * (1 - cache), {}


class LostSlope(Activation):
    """``tanh``, whose slope is taken as 1 near the middle, and as -1 beyond."""

    def forward(self, x: Any, params: Any, engine: Any, rng: Any) -> tuple[Any, Any]:
        """Return the output, and the input for the backward."""
        return np.tanh(x), x.copy()

    def backward(self, dout: Any, cache: Any, engine: Any, input_gradient: bool) -> tuple[Any, Any]:
        """Return the wrong gradient."""
        return dout * np.sign(0.7 - np.abs(cache)), {}


class HalfWrongSign(FullyConnectedNet):
    """The gradient of the first weights has the wrong sign for every second unit."""

    def _backward(self, dout: Any, caches: Any) -> Any:
        found = super()._backward(dout, caches)
        np.negative(found["W1"][:, ::2], out=found["W1"][:, ::2])
        return found


class WrongSign(FullyConnectedNet):
    """The gradient of the first weights has the wrong sign."""

    def _backward(self, dout: Any, caches: Any) -> Any:
        found = super()._backward(dout, caches)
        np.negative(found["W1"], out=found["W1"])
        return found


class SummedLoss(FullyConnectedNet):
    """The loss of a batch is the sum over its rows and not their mean."""

    share = 1.0

    def loss_and_gradients(self, X: Any, y: Any, **settings: Any) -> tuple[float, Any]:
        """Return the loss and its gradient, times the number of rows or a power of it."""
        loss, found = super().loss_and_gradients(X, y, **settings)
        factor = np.float32(len(X) ** self.share)
        for gradient in found.values():
            gradient *= factor
        return loss * float(factor), found


class PartlySummedLoss(SummedLoss):
    """The loss is summed over the parts that a batch is split in."""

    share = 0.8


@family("wrong-gradient", "own activation", MildTanh, LostSlope, activation="tanh", hidden=(64, 64))
def own_activation(work: Work, activation: type[Activation], rng: Rng) -> None:
    """An activation of one's own has a wrong derivative."""
    work.network_settings["activation"] = activation


@family("wrong-gradient", "own backward", HalfWrongSign, WrongSign, activation="relu", hidden=(64, 64))
def own_backward(work: Work, network: type[FullyConnectedNet], rng: Rng) -> None:
    """A backward of one's own is wrong."""
    work.network = network


@family("exploding-gradient", "summed loss", PartlySummedLoss, SummedLoss, also=("learning-rate-too-high",), update="momentum")
def summed_loss(work: Work, network: type[FullyConnectedNet], rng: Rng) -> None:
    """The loss is summed over rows, with the rate of a mean (a "reduction" that was mistaken)."""
    work.network = network


@family("exploding-gradient", "growing layers", 1.7, 3.0, activation="relu", hidden=(64,) * 6, normalisation="none")
def growing_layers(work: Work, gain: float, rng: Rng) -> None:
    """Each of many layers enlarges what comes in: weights are drawn with a gain that is too large."""
    _after(work, lambda net, rng: _times(net, gain))


@family("bad-initial-loss", "output bias", 10.0, 60.0, kinds=CLASSES, update="momentum")
def output_bias(work: Work, size: float, rng: Rng) -> None:
    """The biases of the outputs begin far from 0, as left from another task."""

    def touch(net: FullyConnectedNet, rng: Rng) -> None:
        bias = net.params[f"b{len(net.layer_sizes) - 1}"]
        bias[...] = size * rng.standard_normal(bias.shape)

    _after(work, touch)


@family("bad-initial-loss", "output weights", 15.0, 100.0, kinds=CLASSES, update="adam")
def output_weights(work: Work, gain: float, rng: Rng) -> None:
    """The last weights begin far too large, so that the first predictions are sure and wrong."""
    _after(work, lambda net, rng: _times(net, gain, last=True))


@family("symmetric-init", "constant weights", 4, 1, update="momentum", hidden=(64,))
def constant_weights(work: Work, groups: int, rng: Rng) -> None:
    """Units of a layer, or of each of some groups, begin with the same weights, and so stay the same."""

    def touch(net: FullyConnectedNet, rng: Rng) -> None:
        for name, p in net.params.items():
            if name == "W1":
                p[...] = p[:, np.arange(p.shape[1]) % groups]
            elif name == "W2":
                p[...] = p[np.arange(p.shape[0]) % groups]

    _after(work, touch)


@family("symmetric-init", "zeros", False, True, update="adam", hidden=(64,), activation="relu")
def zeros(work: Work, all_of_them: bool, rng: Rng) -> None:
    """All weights begin at zero, or at one number in each layer (DeepLocalize's and TheDeepChecker's programs)."""

    def touch(net: FullyConnectedNet, rng: Rng) -> None:
        for name, p in net.params.items():
            if name.startswith("W"):
                p[...] = 0.0 if all_of_them else 0.05

    _after(work, touch)


@family("init-too-large", "ten times", 8.0, 40.0, hidden=(64, 64), normalisation="none")
def ten_times(work: Work, gain: float, rng: Rng) -> None:
    """All weights are drawn several times too large."""
    _after(work, lambda net, rng: _times(net, gain))


@family("init-too-large", "standard normal", 1.0, 4.0, hidden=(64, 64), normalisation="none")
def standard_normal(work: Work, std: float, rng: Rng) -> None:
    """Weights are drawn with one deviation, whatever the number of inputs (``randn`` without a factor)."""
    work.change(weight_init=std)


@family("init-too-small", "small normal", 0.02, 0.001, hidden=(48,) * 4, normalisation="none", update="momentum")
def small_normal(work: Work, std: float, rng: Rng) -> None:
    """Weights of several layers are drawn as a tutorial of two layers has it: 0.01 times a normal number."""
    work.change(weight_init=std)


@family("init-too-small", "shrinking layers", 0.3, 0.05, hidden=(48,) * 5, normalisation="none", update="sgd")
def shrinking_layers(work: Work, gain: float, rng: Rng) -> None:
    """Each layer shrinks what comes in."""
    _after(work, lambda net, rng: _times(net, gain))


@family(
    "dead-units", "negative biases", 0.8, 0.97, activation="relu", normalisation="none", hidden=(64,), also=("under-capacity",)
)
def negative_biases(work: Work, share: float, rng: Rng) -> None:
    """Biases of most hidden units begin so far below zero that no row brings them up."""

    def touch(net: FullyConnectedNet, rng: Rng) -> None:
        for name, p in list(net.params.items())[:-2]:
            if name.startswith("b"):
                p[: round(share * len(p))] = -40.0

    _after(work, touch)


@family("saturated-units", "large first weights", 15.0, 80.0, activation="tanh", normalisation="none", hidden=(64,))
def large_first_weights(work: Work, gain: float, rng: Rng) -> None:
    """Weights of hidden layers begin so large that tanh is at its ends for all rows."""

    def touch(net: FullyConnectedNet, rng: Rng) -> None:
        net.params["W1"] *= np.float32(gain)

    _after(work, touch)


@family("vanishing-gradient", "many logistic layers", 4, 8, normalisation="none", activation="logistic", update="sgd")
def many_logistic_layers(work: Work, depth: int, rng: Rng) -> None:
    """Logistic units in many layers (AUTOTRAINER's motivating program on rings of points has ten)."""
    work.change(hidden=(48,) * depth, weight_init="glorot")


@family(
    "vanishing-gradient", "deep tanh", 0.35, 0.2, normalisation="none", activation="tanh", update="momentum", hidden=(48,) * 8
)
def deep_tanh(work: Work, gain: float, rng: Rng) -> None:
    """Many layers of tanh, whose weights shrink the gradient from layer to layer."""
    _after(work, lambda net, rng: _times(net, gain, hidden=True))


@family("under-capacity", "few units", 3, 1, normalisation="none", dropout=0.0)
def few_units(work: Work, units: int, rng: Rng) -> None:
    """The hidden layer has very few units."""
    work.change(hidden=(units,))


@family("under-capacity", "bottleneck", 2, 1, normalisation="none", dropout=0.0, activation="relu")
def bottleneck(work: Work, units: int, rng: Rng) -> None:
    """A layer between two others has very few units."""
    work.change(hidden=(64, units, 64))


@family("below-baseline", "missing activations", (64,), (64, 64), also=("under-capacity",), kinds=("table", "regression"))
def missing_activations(work: Work, hidden: tuple[int, ...], rng: Rng) -> None:
    """Hidden layers without activations: a linear model (UMLAUT's programs, and DeepFD's, with the activation left out)."""
    work.change(activation="identity", normalisation="none", hidden=hidden)


@family("below-baseline", "no hidden layer", 0.0, 0.3, also=("under-capacity",), kinds=("table", "regression"))
def no_hidden_layer(work: Work, input_dropout: float, rng: Rng) -> None:
    """The hidden layers were left out."""
    work.change(hidden=(), input_dropout=input_dropout)


def _after(work: Work, touch: Callable[[FullyConnectedNet, Rng], None]) -> None:
    work.touch.append(touch)


def _times(net: FullyConnectedNet, gain: float, *, last: bool = False, hidden: bool = False) -> None:
    """Multiply the weights, of the last layer alone, or of all between two hidden layers."""
    names = [name for name in net.params if name.startswith("W")]
    for name in names[-1:] if last else names[1:-1] if hidden else names:
        net.params[name] *= np.float32(gain)
