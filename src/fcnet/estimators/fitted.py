"""What a fitted estimator shows of its network, and how one is made of weights alone."""

import inspect
from abc import abstractmethod
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data

from fcnet.errors import InputError
from fcnet.estimators.solvers import Memory
from fcnet.estimators.weights import WeightList, fill, sizes_and_dtype
from fcnet.nn.network import FullyConnectedNet
from fcnet.threads import use_threads
from fcnet.training.updates import Adam
from fcnet.types import Array

FLOATS = (np.float64, np.float32)
OF_NETWORK: dict[str, Callable[[FullyConnectedNet], Any]] = {
    "n_layers_": lambda network: len(network.layer_sizes),
    "n_outputs_": lambda network: network.n_classes,
    "out_activation_": lambda network: network.loss.out_activation,
}
WEIGHTS = ("coefs_", "intercepts_")


def _of_network(name: str, doc: str) -> Any:
    def get(self: Any) -> Any:
        if name in vars(self):
            return vars(self)[name]
        return WeightList(name, self.network_) if name in WEIGHTS else OF_NETWORK[name](self.network_)

    def set_(self: Any, value: Any) -> None:
        if "network_" not in vars(self):
            vars(self)[name] = list(value) if name in WEIGHTS else value
        elif name in WEIGHTS:
            WeightList(name, self.network_)[:] = value
        else:
            _compare(name, value, self.network_)

    return property(get, set_, doc=doc)


def _compare(name: str, value: Any, network: FullyConnectedNet) -> None:
    there = OF_NETWORK[name](network)
    if value != there:
        logits = " Logits are network_.logits(X)." if value == "identity" else ""
        raise InputError(f"{name} follows from the network, where it is {there!r}: it cannot become {value!r}.{logits}")


class FittedNetwork(BaseEstimator):
    """Attributes of an estimator that its network holds.

    An estimator that was not fitted may be given them, `coefs_` and `intercepts_` at least: they lie in its `__dict__` until a
    network is needed, which is then made of them.
    """

    coefs_ = _of_network("coefs_", "Weights of every layer, (n_in, n_out).")
    intercepts_ = _of_network("intercepts_", "Biases of every layer, (n_out,).")
    n_layers_ = _of_network("n_layers_", "Layers, those of inputs and outputs among them.")
    n_outputs_ = _of_network("n_outputs_", "Outputs of the last layer: one for two classes.")
    out_activation_ = _of_network(
        "out_activation_", 'What makes outputs of logits: "softmax", "logistic", "identity" or "exp".'
    )

    @cached_property
    def network_(self) -> FullyConnectedNet:
        """The network, where no `fit` has made one: of the weights that were assigned."""
        given = self.__dict__
        weights = [name for name in WEIGHTS if name in given]
        if not weights:
            raise AttributeError(f"This {type(self).__name__} is not fitted yet.")
        if len(weights) == 1:
            raise InputError(f"This {type(self).__name__} was given {weights[0]} alone: assign coefs_ and intercepts_.")
        sizes, dtype = sizes_and_dtype(given["coefs_"], given["intercepts_"])
        network = self._make_network(sizes, dtype, given.get("out_activation_"))
        fill(network, given["coefs_"], given["intercepts_"])
        for name in OF_NETWORK:
            if name in given:
                _compare(name, given[name], network)
        self._forget_given()
        self.n_features_in_ = sizes[0]
        return network

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take the pickle of an earlier version, too, which had fewer parameters and did not scale inputs."""
        super().__setstate__(state)
        defaults = {name: of.default for name, of in inspect.signature(type(self)).parameters.items()}
        for name, value in (defaults | {"scale_inputs": False, "_input_scale": None}).items():
            self.__dict__.setdefault(name, value)
        if state.get("label_smoothing") == "auto":  # 0.05 with a softmax
            self.label_smoothing = 0.05 if "network_" in state and state["network_"].loss.one_label else 0.0
        if "_update" in self.__dict__:
            old = {name: self.__dict__.pop(name, None) for name in ("_update", "_update_state", "_adaptive", "_n_partial_fits")}
            if self.solver == "adam" and old["_update"] is not None:
                old["_update"] = Adam()  # not AdamW, which it is unpickled as; its class is what counts
            factor = getattr(old["_adaptive"], "lowered", getattr(old["_adaptive"], "factor", 1.0))
            self._memory = Memory(old["_update"], old["_update_state"] or {}, factor, old["_n_partial_fits"] or 0)

    def _forget_given(self) -> None:
        for name in (*WEIGHTS, *OF_NETWORK):
            self.__dict__.pop(name, None)

    @abstractmethod
    def _make_network(self, sizes: list[int], dtype: Any, out_activation: str | None) -> FullyConnectedNet:
        """Return a network with layers of these sizes, by the parameters of the estimator."""

    def _logits(self, X: Any) -> Array:
        check_is_fitted(self)
        network = self.network_
        X = validate_data(self, X, accept_sparse=["csr", "csc"], dtype=FLOATS, reset=False)
        with use_threads(getattr(self, "threads", None)):  # which models of before do not have
            return network.logits(X)
