"""Update rules: state, and one step that moves the parameters against the gradient.

``init(params)`` returns the state, a dict of arrays. ``step(params, grads, state, learning_rate)`` changes parameters and state
in place and leaves the gradients as they are. In the equations lr is the learning rate, p a parameter, g its gradient.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from fcnet.engine import blocks
from fcnet.training.named import make_named
from fcnet.types import Params


class UpdateRule(Protocol):
    """What the trainer asks of an update rule."""

    def init(self, params: Params) -> Params: ...

    def step(self, params: Params, grads: Params, state: Params, learning_rate: float) -> None: ...


def _zeros(params: Params, kind: str) -> Params:
    return {f"{name}.{kind}": np.zeros_like(p) for name, p in params.items()}


@dataclass(frozen=True)
class SGD:
    """Gradient descent: ``p -= lr g``."""

    def init(self, params: Params) -> Params:
        return {}

    def step(self, params: Params, grads: Params, state: Params, learning_rate: float) -> None:
        for name in params:
            for p, g in blocks(params[name], grads[name]):
                p -= learning_rate * g


@dataclass(frozen=True)
class Momentum:
    """Classical momentum (Polyak 1964): ``v = mu v - lr g; p += v``, with v starting at zero."""

    momentum: float = 0.9

    def init(self, params: Params) -> Params:
        return _zeros(params, "velocity")

    def step(self, params: Params, grads: Params, state: Params, learning_rate: float) -> None:
        for name in params:
            for p, g, v in blocks(params[name], grads[name], state[f"{name}.velocity"]):
                v *= self.momentum
                v -= learning_rate * g
                p += v


@dataclass(frozen=True)
class Nesterov:
    """Nesterov's momentum as in Sutskever et al. 2013: ``v = mu v - lr g; p += mu v - lr g``, with v starting at zero."""

    momentum: float = 0.9

    def init(self, params: Params) -> Params:
        return _zeros(params, "velocity")

    def step(self, params: Params, grads: Params, state: Params, learning_rate: float) -> None:
        for name in params:
            for p, g, v in blocks(params[name], grads[name], state[f"{name}.velocity"]):
                descent = learning_rate * g
                v *= self.momentum
                v -= descent
                p -= descent
                p += self.momentum * v


@dataclass(frozen=True)
class RMSProp:
    """``c = d c + (1 - d) g²; p -= lr g / sqrt(c + eps)``, with the cache c starting at zero (Hinton 2012, lecture 6e)."""

    decay_rate: float = 0.99
    epsilon: float = 1e-8

    def init(self, params: Params) -> Params:
        return _zeros(params, "cache")

    def step(self, params: Params, grads: Params, state: Params, learning_rate: float) -> None:
        for name in params:
            for p, g, c in blocks(params[name], grads[name], state[f"{name}.cache"]):
                c *= self.decay_rate
                c += (1 - self.decay_rate) * (g * g)
                p -= learning_rate * g / np.sqrt(c + self.epsilon)


@dataclass(frozen=True)
class AdamW:
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019).

    ``m = β₁ m + (1 - β₁) g; v = β₂ v + (1 - β₂) g²; p -= lr m̂ / (sqrt(v̂) + eps) + lr λ p`` in step t, with
    ``m̂ = m / (1 - β₁ᵗ)``, ``v̂ = v / (1 - β₂ᵗ)`` and the weight decay λ on the weights alone, not the biases.
    """

    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 0.01

    def init(self, params: Params) -> Params:
        return _zeros(params, "m") | _zeros(params, "v") | {"t": np.zeros(1, np.int64)}

    def step(self, params: Params, grads: Params, state: Params, learning_rate: float) -> None:
        state["t"] += 1
        t = int(state["t"][0])
        step_size = learning_rate / (1 - self.beta1**t)
        v_scale = 1 / (1 - self.beta2**t)
        for name in params:
            keep = 1 - learning_rate * self.weight_decay if name.startswith("W") else 1.0
            for p, g, m, v in blocks(params[name], grads[name], state[f"{name}.m"], state[f"{name}.v"]):
                m *= self.beta1
                m += (1 - self.beta1) * g
                v *= self.beta2
                v += (1 - self.beta2) * (g * g)
                if keep != 1.0:
                    p *= keep
                p -= step_size * m / (np.sqrt(v_scale * v) + self.epsilon)


@dataclass(frozen=True)
class Adam(AdamW):
    """Adam (Kingma & Ba 2015): `AdamW` without weight decay."""

    weight_decay: float = 0.0


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
