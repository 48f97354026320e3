"""A fully-connected network: layers in a row, and the gradient of its loss."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from fcnet.engine import default_engine, get_engine
from fcnet.engine.products import work_of
from fcnet.errors import InputError, SettingError, to_float, to_int
from fcnet.nn import chain
from fcnet.nn.activations import activation_name
from fcnet.nn.base import Layer, parameters_of
from fcnet.nn.checks import ROWS_AT_ONCE, check_dtype, check_inputs, check_results, in_dtype, without_members
from fcnet.nn.layers import Affine, Dropout, check_weight_init, make_layers
from fcnet.nn.losses import get_loss
from fcnet.threads import is_sharing
from fcnet.types import Array, Params

if TYPE_CHECKING:
    from fcnet.export.graph import Graph


class FullyConnectedNet:
    """Affine layers with an activation between them, and a loss that says what their logits mean.

    ``X → [dropout] → affine → [normalisation] → activation → [dropout] → … → affine → logits``

    Parameters
    ----------
    layer_sizes : sequence of at least two ints
        Inputs, hidden units of each layer, classes or outputs: ``[3072, 50, 10]`` is the two-layer network of the exercise.
    loss : {"cross_entropy", "binary_cross_entropy", "squared_error", "poisson", "absolute_error", "quantile(0.1, 0.9)"}
        One of several classes, by a softmax; any number of labels, each by a sigmoid; numbers; counts, with a logarithmic link;
        medians; quantiles of one number, as many as there are outputs.
    activation : {"relu", "leaky_relu", "tanh", "gelu", "logistic", "identity", "exp"} or callable
        A callable is given the number of the affine layer before it, and returns a layer.
        `fcnet.nn.activations.register_activation` gives it a name.
    normalisation : {"none", "layer"}
        "layer" normalises the values of a hidden layer over its units, before the activation (Ba, Kiros & Hinton 2016).
    dropout, input_dropout : float in [0, 1)
        Probability that a hidden unit, or an input, is dropped in training.
    weight_init : "he", "glorot" or float
        Weights are drawn from a normal distribution of mean 0 and standard deviation ``sqrt(2 / d_in)`` (He et al. 2015),
        ``sqrt(2 / (d_in + d_out))`` (Glorot & Bengio 2010), or the given number. Biases start at zero.
    dtype : {"float32", "float64"}
        Type of the parameters and of everything computed from them.
    seed : int or numpy.random.Generator
    engine : {"numba", "numpy", "bfloat16"}, optional
        What computes: by default "numba" where it is installed, NumPy's matrix products with fused kernels beside them, else
        "numpy". "bfloat16" has PyTorch round the factors of matrix products, which is several times as fast on processors that
        multiply in bfloat16.
    params : dict of arrays, optional
        Parameters to use as they are, in place of drawn ones.

    Attributes
    ----------
    params : dict of arrays
        ``W1`` (layer_sizes[0], layer_sizes[1]), ``b1`` (layer_sizes[1],), with layer normalisation ``gamma1`` and ``beta1``
        (layer_sizes[1],), ``W2`` …
    decayed : frozenset of str
        The names of the weights, which L2 and weight decay are for.
    rates : dict of str to float
        What the learning rate is multiplied by for a parameter, where that is not 1.
    layers : list of Layer
    affine : list of Affine
        Those of `layers` that have weights and biases, in their order.

    Raises
    ------
    SettingError
        If a parameter is unknown or out of range.
    InputError
        If `params` do not have the names and shapes that `layer_sizes` ask for.

    Examples
    --------
    >>> net = FullyConnectedNet([4, 10, 3], seed=0)
    >>> net.logits([[0.1, 0.2, 0.3, 0.4]]).shape
    (1, 3)
    >>> {name: p.shape for name, p in net.params.items()}
    {'W1': (4, 10), 'b1': (10,), 'W2': (10, 3), 'b2': (3,)}
    """

    def __init__(
        self,
        layer_sizes: Sequence[int],
        *,
        loss: str = "cross_entropy",
        activation: str | Callable[[int], Layer] = "relu",
        normalisation: str = "none",
        dropout: float = 0.0,
        input_dropout: float = 0.0,
        weight_init: str | float = "he",
        dtype: DTypeLike = np.float32,
        seed: int | np.random.Generator = 0,
        engine: str | None = None,
        params: Params | None = None,
    ) -> None:
        self.layer_sizes = [to_int("a size of layer_sizes", size, 1) for size in layer_sizes]
        if len(self.layer_sizes) < 2:
            raise SettingError(f"layer_sizes needs two or more numbers, got {self.layer_sizes}.")
        self.dropout = to_float("dropout", dropout, 0, 1, below=True)
        self.input_dropout = to_float("input_dropout", input_dropout, 0, 1, below=True)
        self.dtype = check_dtype(dtype)
        self.activation, self.normalisation = activation, normalisation
        self.weight_init = check_weight_init(weight_init)
        self.loss = get_loss(loss)
        self.engine = get_engine(engine or default_engine(), str(self.dtype))
        self._make_layers()
        self.params = self.check_params(chain.draw(self._parameters, seed, self.dtype) if params is None else params)
        self.checkpoints: list[Params] = []

    def _make_layers(self) -> None:
        self.layers = self._new_layers()
        self.affine = [layer for layer in self.layers if isinstance(layer, Affine)]
        self._parameters = {name: p for layer in self.layers for name, p in parameters_of(layer).items()}
        self.decayed = frozenset(name for name, p in self._parameters.items() if p.decayed)
        self.rates = {name: p.rate for name, p in self._parameters.items() if p.rate != 1}
        self._largest = max(d_in * d_out for d_in, d_out in pairwise(self.layer_sizes))

    def _new_layers(self) -> list[Layer]:
        settings = (self.normalisation, self.dropout, self.input_dropout, self.weight_init)
        return make_layers(self.layer_sizes, self.activation, *settings)

    def check_params(self, params: Params) -> Params:
        """Return parameters as they are; raise InputError if this network cannot have them."""
        return chain.check_params(params, self._parameters, self.dtype)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore a pickle, also one of before, whose layers do not know their parameters or these not their rates.

        Where numba is not installed, NumPy computes.
        """
        vars(self).update({"checkpoints": []} | without_members(state))
        if self.engine.name != default_engine() == "numpy":
            self.engine = get_engine("numpy", str(self.dtype))
        if not {"decayed", "rates"} <= state.keys():
            self._make_layers()

    @property
    def n_classes(self) -> int:
        """Number of logits: of classes, or of outputs."""
        return self.layer_sizes[-1]

    @property
    def n_parameters(self) -> int:
        """Number of weights and biases, with those of checkpoints."""
        return sum(p.size for params in self.all_params for p in params.values())

    @property
    def output_params(self) -> list[str]:
        """The names of the parameters that the logits are linear in, the bias of the last layer among them."""
        return list(self.layers[-1].parameters)

    @property
    def all_params(self) -> list[Params]:
        """The parameters, and those of checkpoints: of other epochs of the same training, which predict together with these."""
        return [self.params, *self.checkpoints]

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make the same network, without the values of its parameters."""
        return {
            "layer_sizes": self.layer_sizes,
            "loss": self.loss.name,
            "activation": activation_name(self.activation),
            "normalisation": self.normalisation,
            "dropout": self.dropout,
            "input_dropout": self.input_dropout,
            "weight_init": self.weight_init,
            "dtype": str(self.dtype),
            "engine": self.engine.name,
        }

    def astype(self, dtype: DTypeLike) -> "FullyConnectedNet":
        """Return a copy with its parameters in another dtype."""
        params, *checkpoints = [{name: p.astype(dtype) for name, p in params.items()} for params in self.all_params]
        engine = self.engine.name if str(np.dtype(dtype)) in self.engine.dtypes else None
        network = type(self)(**(self.get_config() | {"dtype": dtype, "engine": engine}), params=params)
        network.checkpoints = checkpoints
        return network

    def check_data(self, X: ArrayLike, y: ArrayLike, X_name: str = "X", y_name: str = "y") -> tuple[Array, Array]:
        """Return inputs (n, n_inputs) in the network's dtype, and labels (n,) or targets (n, n_outputs).

        Raises
        ------
        InputError
            If a shape, a dtype or a value does not fit, or there are no rows; it says which and where.
        """
        X = in_dtype(check_inputs(X, self.layer_sizes[0], X_name), self.dtype, X_name)
        if X.shape[0] == 0:
            raise InputError(f"{X_name} must have at least 1 row, got shape {X.shape}.")
        y = self.loss.check_targets(y, X.shape[0], self.n_classes, y_name)
        return X, in_dtype(y, self.dtype, y_name) if y.ndim == 2 else y

    def logits(self, X: ArrayLike) -> Array:
        """Return the scores of each class before the softmax, (n, n_classes), for inputs (n, n_inputs).

        Raises
        ------
        InputError
            If the shape does not fit, or `X` holds anything but numbers that are finite in the network's dtype.
        OverflowedError
            If a score is not finite.
        """
        X = check_inputs(X, self.layer_sizes[0])
        n = X.shape[0]
        out = np.empty((n, self.n_classes), self.dtype)
        for start in range(0, n, ROWS_AT_ONCE):
            rows = slice(start, start + ROWS_AT_ONCE)
            out[rows] = self.logits_of(in_dtype(X[rows], self.dtype, "X", start))
        return check_results(out)

    def logits_of(self, rows: Array) -> Array:
        """Return the logits, finite or not, of rows in the network's dtype; the next call may write over them."""
        sharing = self.engine.sharing(work_of(rows.shape[0], self._largest))
        with sharing, np.errstate(over="ignore", invalid="ignore"):
            if not self.checkpoints:
                return self._logits(rows, self.params)
            return self.loss.averaged(np.stack([self._logits(rows, params).copy() for params in self.all_params]))

    def predict_proba(self, X: ArrayLike) -> Array:
        """Return the probability of each class or label, (n, n_classes); of a regression its values."""
        return check_results(self.loss.mean(self.logits(X)))

    def predict(self, X: ArrayLike) -> Array:
        """Return the number of the most probable class, (n,); for other losses labels or values, (n, n_classes)."""
        return check_results(self.loss.predict(self.logits(X)))

    def loss_and_gradients(
        self,
        X: Array,
        y: Array,
        *,
        l2: float = 0.0,
        label_smoothing: float = 0.0,
        rng: np.random.Generator | None = None,
        weights: Array | None = None,
    ) -> tuple[float, Params]:
        """Mean loss ``+ l2/2 · ΣW²``, and its gradient in every parameter.

        Parameters
        ----------
        X : array (n, n_inputs) of the network's dtype
        y : integer array (n,), or array (n, n_outputs) of the network's dtype
            As `check_data` returns it.
        l2 : float
            Strength of the L2 penalty on the weights.
        label_smoothing : float in [0, 1)
        rng : numpy.random.Generator, optional
            Draws the dropout masks; without it nothing is dropped.
        weights : array (n,), optional
            How much each row counts in the mean.

        Returns
        -------
        loss : float
        grads : dict of arrays, names and shapes of `params`
            Buffers that the next call writes over; copy what has to last.
        """
        if weights is not None and not weights.any():
            raise InputError("weights must not all be zero: the mean over rows that count nothing has no value.")
        # Within a training it is shared already.
        with nullcontext() if is_sharing() else self.engine.sharing(work_of(X.shape[0], self._largest)):
            logits, caches = self._forward(X, rng)
            loss = self.loss.gradient(logits, y, self.engine, label_smoothing, weights)
            grads = self._backward(logits, caches)
            for name, p in self.params.items():
                if l2 and name in self.decayed:
                    loss += self.engine.add_l2(grads[name], p, l2)
        return loss, grads

    def scale_dropout(self, share: float) -> None:
        """Drop this share of the set probability from now on, as a schedule has it."""
        for layer in self.layers:
            if isinstance(layer, Dropout):
                layer.share = share

    def to_onnx(self, graph: "Graph", x: str) -> str:
        """Add the layers to an ONNX graph, and return the name of the logits; raise InputError where one does not say how."""
        each = [self._logits_to_onnx(graph, x, params) for params in self.all_params]
        return self.loss.networks_to_onnx(graph, each, self.dtype.type)

    def _logits_to_onnx(self, graph: "Graph", x: str, params: Params) -> str:
        return chain.to_onnx(self.layers, graph, x, self.dtype.type, params)

    def _logits(self, X: Array, params: Params) -> Array:
        return self._forward(X, None, params)[0]

    def _forward(self, X: Array, rng: np.random.Generator | None, params: Params | None = None) -> tuple[Array, list[Any]]:
        return chain.forward(self.layers, X, self.params if params is None else params, self.engine, rng)

    def _backward(self, dout: Array, caches: list[Any]) -> Params:
        grads = chain.backward(self.layers, dout, caches, self.engine)
        return {name: grads[name] for name in self.params if name in grads}
