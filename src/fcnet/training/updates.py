"""Update rules: state, and one step that moves the parameters against the gradient.

``init(params)`` returns the state, a dict of arrays. ``step(params, grads, state, learning_rate)`` changes parameters and state
in place and leaves the gradients as they are. In the equations lr is the learning rate, p a parameter, g its gradient.
"""

from collections.abc import Collection, Mapping
from typing import Annotated, Any, ClassVar, Protocol

import numpy as np
from msgspec import Meta

from fcnet.engine import NumpyEngine
from fcnet.errors import SettingError
from fcnet.settings import NotNegative, OnceDataclass, Share, ShareBelowOne, make_kind, parts_of
from fcnet.types import Array, Params

NUMPY = NumpyEngine()

# Less than 1e-37 is nothing in float32, and 0 / 0 is not a step.
Epsilon = Annotated[float, Meta(ge=1e-37), Meta(description="Added to what a step is divided by.")]


class UpdateRule(Protocol):
    """What the trainer asks of an update rule."""

    def init(self, params: Params) -> Params: ...

    def step(self, params: Params, grads: Params, state: Params, learning_rate: float) -> None: ...


class FusedRule(OnceDataclass, tag_field="kind"):
    """A rule whose step, L2 penalty included, is one pass of an engine over each parameter.

    `memory` names the arrays that it keeps for each parameter, which start at zero.
    """

    memory: ClassVar[tuple[str, ...]] = ()

    def init(self, params: Params) -> Params:
        return {f"{name}.{kind}": np.zeros_like(p) for kind in self.memory for name, p in params.items()}

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
        rates: Mapping[str, float] | None = None,
        decay: float = 1.0,
    ) -> float:
        """Step with ``g + l2 p`` for the gradient of each weight; return ``l2/2 · ΣW²`` as it was before.

        `decayed` names the weights, which weight decay is for, too: by default what has two or more dimensions. `rates` has
        what the learning rate is multiplied by for some parameters, `decay` what the weight decay is multiplied by.
        """
        if "t" in state:
            state["t"] += 1  # the number of the step
        penalty = 0.0
        for name, p in params.items():
            is_weight = p.ndim > 1 if decayed is None else name in decayed
            rate = learning_rate * rates[name] if rates and name in rates else learning_rate
            of_weight = (l2, decay) if is_weight else (0.0, 0.0)
            penalty += self._move(name, p, grads[name], state, rate, *of_weight, engine)
        return penalty

    def _move(
        self, name: str, p: Array, g: Array, state: Params, learning_rate: float, l2: float, decay: float, engine: NumpyEngine
    ) -> float:
        """Move one parameter, by `decay` times the weight decay, too; return its share of the penalty."""
        raise NotImplementedError


def fused_rule(update: UpdateRule) -> FusedRule | None:
    """Return an update rule whose step takes the penalty and the engine; a subclass with a step of its own means that step."""
    return update if isinstance(update, FusedRule) and type(update).step is FusedRule.step else None


def step_at_rates(
    update: UpdateRule, params: Params, grads: Params, state: Params, learning_rate: float, rates: Mapping[str, float]
) -> None:
    """Make a step of a rule that knows one learning rate, and then the moves of some parameters so many times as long.

    That is what other rates would have done wherever a step is in proportion to its rate.
    """
    before = {name: params[name].copy() for name in rates}
    update.step(params, grads, state, learning_rate)
    for name, old in before.items():
        p = params[name]
        p -= old
        p *= rates[name]
        p += old


class SGD(FusedRule, tag="sgd"):
    """Gradient descent: ``p -= lr g``."""

    def _move(
        self, name: str, p: Array, g: Array, state: Params, learning_rate: float, l2: float, decay: float, engine: NumpyEngine
    ) -> float:
        return engine.sgd(p, g, learning_rate, l2)


class Momentum(FusedRule, tag="momentum"):
    """Classical momentum (Polyak 1964): ``v = mu v - lr g; p += v``, with v starting at zero."""

    momentum: Annotated[Share, Meta(description="Share of the velocity that is kept in a step.")] = 0.9
    memory: ClassVar = ("velocity",)

    def _move(
        self, name: str, p: Array, g: Array, state: Params, learning_rate: float, l2: float, decay: float, engine: NumpyEngine
    ) -> float:
        return engine.momentum(p, g, state[f"{name}.velocity"], learning_rate, self.momentum, l2)


class Nesterov(Momentum, tag="nesterov"):
    """Nesterov's momentum as in Sutskever et al. 2013: ``v = mu v - lr g; p += mu v - lr g``, with v starting at zero."""

    def _move(
        self, name: str, p: Array, g: Array, state: Params, learning_rate: float, l2: float, decay: float, engine: NumpyEngine
    ) -> float:
        return engine.nesterov(p, g, state[f"{name}.velocity"], learning_rate, self.momentum, l2)


class RMSProp(FusedRule, tag="rmsprop"):
    """``c = d c + (1 - d) g²; p -= lr g / sqrt(c + eps)``, with the cache c starting at zero (Hinton 2012, lecture 6e)."""

    decay_rate: Annotated[ShareBelowOne, Meta(description="Share of the mean of squares that is kept in a step.")] = 0.99
    epsilon: Epsilon = 1e-8
    memory: ClassVar = ("cache",)

    def _move(
        self, name: str, p: Array, g: Array, state: Params, learning_rate: float, l2: float, decay: float, engine: NumpyEngine
    ) -> float:
        rates = (self.decay_rate, 1 - self.decay_rate)
        return engine.rmsprop(p, g, state[f"{name}.cache"], learning_rate, *rates, self.epsilon, l2)


class Adam(FusedRule, tag="adam"):
    """Adam (Kingma & Ba 2015), with m and v starting at zero.

    ``m = β₁ m + (1 - β₁) g; v = β₂ v + (1 - β₂) g²; p -= lr m̂ / (sqrt(v̂) + eps)`` in step t, with ``m̂ = m / (1 - β₁ᵗ)`` and
    ``v̂ = v / (1 - β₂ᵗ)``.
    """

    beta1: Annotated[ShareBelowOne, Meta(description="Share of the mean of gradients that is kept in a step.")] = 0.9
    beta2: Annotated[ShareBelowOne, Meta(description="Share of the mean of squares that is kept in a step.")] = 0.999
    epsilon: Epsilon = 1e-8
    memory: ClassVar = ("m", "v")

    def init(self, params: Params) -> Params:
        return super().init(params) | {"t": np.zeros(1, np.int64)}

    def _move(
        self, name: str, p: Array, g: Array, state: Params, learning_rate: float, l2: float, decay: float, engine: NumpyEngine
    ) -> float:
        t = int(state["t"][0])
        step_size = learning_rate / (1 - self.beta1**t)
        v_scale = 1 / (1 - self.beta2**t)
        keep = self._kept(learning_rate * decay)
        betas = (self.beta1, 1 - self.beta1, self.beta2, 1 - self.beta2)
        return engine.adam(p, g, state[f"{name}.m"], state[f"{name}.v"], step_size, *betas, v_scale, self.epsilon, keep, l2)

    @classmethod
    def for_old_pickle(cls) -> "Adam":
        """Return AdamW for a pickle of Adam, which had a weight decay of 0 or more."""
        return AdamW(weight_decay=0.0) if cls is Adam else cls()

    def _kept(self, learning_rate: float) -> float:
        """Return the share of a weight that is left by its decay."""
        return 1.0


class AdamW(Adam, tag="adamw"):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019).

    A step is that of `Adam` and ``p -= lr λ p``, with the weight decay λ on the weights alone, not the biases.
    """

    weight_decay: Annotated[
        NotNegative, Meta(description="Share of a weight, times the learning rate, that a step takes off.")
    ] = 0.01

    def _kept(self, learning_rate: float) -> float:
        return 1 - learning_rate * self.weight_decay


Update = SGD | Momentum | Nesterov | RMSProp | Adam | AdamW
UPDATES = parts_of(Update)


def get_update(name: str, **settings: Any) -> Update:
    """Return an update rule by its name, with those of `settings` that it has.

    Raises
    ------
    SettingError
        If the name is unknown, a setting belongs to no rule, a value is out of range, or Adam is to decay weights.
    """
    rule: Update = make_kind("update", UPDATES, name, settings)
    if name == "adam" and settings.get("weight_decay"):  # which it once had
        raise SettingError('The update "adam" has no weight_decay: take "adamw".')
    return rule
