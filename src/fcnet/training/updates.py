"""Update rules: state, and one step that moves the parameters against the gradient.

``init(params)`` returns the state, a dict of arrays. ``step(params, grads, state, learning_rate)`` changes parameters and state
in place and leaves the gradients as they are. In the equations lr is the learning rate, p a parameter, g its gradient.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from fcnet.engine import NumpyEngine
from fcnet.training.named import Checked, make_named, number
from fcnet.types import Array, Params

NUMPY = NumpyEngine()
LEAST_EPSILON = 1e-37  # less is none in float32, and 0 / 0 is not a step


class UpdateRule(Protocol):
    """What the trainer asks of an update rule."""

    def init(self, params: Params) -> Params: ...

    def step(self, params: Params, grads: Params, state: Params, learning_rate: float) -> None: ...


class FusedRule(Checked, ABC):
    """A rule whose step, L2 penalty included, is one pass of an engine over each parameter."""

    @abstractmethod
    def init(self, params: Params) -> Params: ...

    def step(self, params: Params, grads: Params, state: Params, learning_rate: float) -> None:
        self.fused_step(params, grads, state, learning_rate, 0.0, NUMPY)

    def fused_step(
        self,
        params: Params,
        grads: Params,
        state: Params,
        learning_rate: float,
        l2: float,
        engine: NumpyEngine,
        decayed: Collection[str] | None = None,
    ) -> float:
        """Step with ``g + l2 p`` for the gradient of each weight; return ``l2/2 · ΣW²`` as it was before.

        `decayed` names the weights, which weight decay is for, too: by default what has two or more dimensions.
        """
        penalty = 0.0
        for name, p in params.items():
            is_weight = p.ndim > 1 if decayed is None else name in decayed
            penalty += self._move(name, p, grads[name], state, learning_rate, l2 if is_weight else 0.0, is_weight, engine)
        return penalty

    @abstractmethod
    def _move(
        self, name: str, p: Array, g: Array, state: Params, learning_rate: float, l2: float, decays: bool, engine: NumpyEngine
    ) -> float: ...


def _zeros(params: Params, kind: str) -> Params:
    return {f"{name}.{kind}": np.zeros_like(p) for name, p in params.items()}


@dataclass(frozen=True)
class SGD(FusedRule):
    """Gradient descent: ``p -= lr g``."""

    def init(self, params: Params) -> Params:
        return {}

    def _move(
        self, name: str, p: Array, g: Array, state: Params, learning_rate: float, l2: float, decays: bool, engine: NumpyEngine
    ) -> float:
        return engine.sgd(p, g, learning_rate, l2)


@dataclass(frozen=True)
class Momentum(FusedRule):
    """Classical momentum (Polyak 1964): ``v = mu v - lr g; p += v``, with v starting at zero; mu is from 0 to 1."""

    momentum: float = number(0.9, 0, 1)

    def init(self, params: Params) -> Params:
        return _zeros(params, "velocity")

    def _move(
        self, name: str, p: Array, g: Array, state: Params, learning_rate: float, l2: float, decays: bool, engine: NumpyEngine
    ) -> float:
        return engine.momentum(p, g, state[f"{name}.velocity"], learning_rate, self.momentum, l2)


@dataclass(frozen=True)
class Nesterov(Momentum):
    """Nesterov's momentum as in Sutskever et al. 2013: ``v = mu v - lr g; p += mu v - lr g``, with v starting at zero."""

    def _move(
        self, name: str, p: Array, g: Array, state: Params, learning_rate: float, l2: float, decays: bool, engine: NumpyEngine
    ) -> float:
        return engine.nesterov(p, g, state[f"{name}.velocity"], learning_rate, self.momentum, l2)


@dataclass(frozen=True)
class RMSProp(FusedRule):
    """``c = d c + (1 - d) g²; p -= lr g / sqrt(c + eps)``, with the cache c starting at zero (Hinton 2012, lecture 6e).

    The decay rate d is below 1, and eps above 0.
    """

    decay_rate: float = number(0.99, 0, 1, below=True)
    epsilon: float = number(1e-8, LEAST_EPSILON)

    def init(self, params: Params) -> Params:
        return _zeros(params, "cache")

    def _move(
        self, name: str, p: Array, g: Array, state: Params, learning_rate: float, l2: float, decays: bool, engine: NumpyEngine
    ) -> float:
        rates = (self.decay_rate, 1 - self.decay_rate)
        return engine.rmsprop(p, g, state[f"{name}.cache"], learning_rate, *rates, self.epsilon, l2)


@dataclass(frozen=True)
class AdamW(FusedRule):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019).

    ``m = β₁ m + (1 - β₁) g; v = β₂ v + (1 - β₂) g²; p -= lr m̂ / (sqrt(v̂) + eps) + lr λ p`` in step t, with
    ``m̂ = m / (1 - β₁ᵗ)``, ``v̂ = v / (1 - β₂ᵗ)`` and the weight decay λ on the weights alone, not the biases.
    Both β are below 1, and eps is above 0.
    """

    beta1: float = number(0.9, 0, 1, below=True)
    beta2: float = number(0.999, 0, 1, below=True)
    epsilon: float = number(1e-8, LEAST_EPSILON)
    weight_decay: float = number(0.01, 0)

    def init(self, params: Params) -> Params:
        return _zeros(params, "m") | _zeros(params, "v") | {"t": np.zeros(1, np.int64)}

    def fused_step(
        self,
        params: Params,
        grads: Params,
        state: Params,
        learning_rate: float,
        l2: float,
        engine: NumpyEngine,
        decayed: Collection[str] | None = None,
    ) -> float:
        """Count the step, and take it as every rule does."""
        state["t"] += 1
        return super().fused_step(params, grads, state, learning_rate, l2, engine, decayed)

    def _move(
        self, name: str, p: Array, g: Array, state: Params, learning_rate: float, l2: float, decays: bool, engine: NumpyEngine
    ) -> float:
        t = int(state["t"][0])
        step_size = learning_rate / (1 - self.beta1**t)
        v_scale = 1 / (1 - self.beta2**t)
        keep = 1 - learning_rate * self.weight_decay if decays else 1.0
        betas = (self.beta1, 1 - self.beta1, self.beta2, 1 - self.beta2)
        return engine.adam(p, g, state[f"{name}.m"], state[f"{name}.v"], step_size, *betas, v_scale, self.epsilon, keep, l2)


@dataclass(frozen=True)
class Adam(AdamW):
    """Adam (Kingma & Ba 2015): `AdamW` without weight decay."""

    weight_decay: float = number(0.0, 0)


UPDATES: dict[str, type[Any]] = {
    "sgd": SGD,
    "momentum": Momentum,
    "nesterov": Nesterov,
    "rmsprop": RMSProp,
    "adam": Adam,
    "adamw": AdamW,
}


def get_update(name: str, **settings: float) -> UpdateRule:
    """Return an update rule by its name, with those of `settings` that it has.

    Raises
    ------
    SettingError
        If the name is unknown, a setting belongs to no rule, or a value is out of range.
    """
    rule: UpdateRule = make_named("update", UPDATES, name, settings)
    return rule
