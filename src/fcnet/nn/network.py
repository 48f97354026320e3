"""A fully-connected network: layers in a row, and the gradient of its loss."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from fcnet.engine import default_engine, get_engine
from fcnet.engine.products import work_of
from fcnet.errors import InputError, SettingError, to_float, to_int, unknown_name
from fcnet.nn.checks import ROWS_AT_ONCE, check_inputs, check_results, in_dtype
from fcnet.nn.layers import Affine, Dropout, Layer, LayerNorm, MemberAffine, activation_name, get_activation
from fcnet.nn.losses import get_loss
from fcnet.threads import is_sharing
from fcnet.types import Array, Params

NORMALISATIONS = ("none", "layer")
DTYPES = ("float32", "float64")


class FullyConnectedNet:
    """Affine layers with an activation between them, and a loss that says what their logits mean.

    ``X → [dropout] → affine → [normalisation] → activation → [dropout] → … → affine → logits``

    Parameters
    ----------
    layer_sizes : sequence of at least two ints
        Inputs, hidden units of each layer, classes or outputs: ``[3072, 50, 10]`` is the two-layer network of the exercise.
    loss : {"cross_entropy", "binary_cross_entropy", "squared_error", "poisson"}
        Classes by softmax; labels that a row has or has not, each by a sigmoid; numbers; counts, with a logarithmic link.
    activation : {"relu", "leaky_relu", "tanh", "gelu", "logistic", "identity", "exp"} or callable
        A callable makes a layer of its own from the number of the affine layer before it, see
        `fcnet.nn.layers.register_activation`, which gives it a name.
    normalisation : {"none", "layer"}
        Whether each hidden layer's values before the activation are normalised over its units (Ba, Kiros & Hinton 2016).
    dropout, input_dropout : float in [0, 1)
        Probability that a hidden unit, or an input, is dropped in training.
    members : int
        With more than one, the units of the hidden layer, which there has to be one of, are those of so many networks, trained
        side by side on the same batches. The logits are the mean of theirs, the loss is the sum; the last bias is one for all.
    weight_init : "he", "glorot" or float
        Weights are drawn from a normal distribution of mean 0 and standard deviation ``sqrt(2 / d_in)`` (He et al. 2015),
        ``sqrt(2 / (d_in + d_out))`` (Glorot & Bengio 2010), or the given number. Biases start at zero.
    dtype : {"float32", "float64"}
        Type of the parameters and of everything computed from them.
    seed : int or numpy.random.Generator
    engine : {"numba", "numpy", "bfloat16"}, optional
        What computes. By default numba's loops beside NumPy's products where numba is installed, else NumPy alone. That of
        the name bfloat16 rounds the factors of products, by PyTorch, which some processors do several times as fast.
    params : dict of arrays, optional
        Parameters to use as they are, in place of drawn ones.

    Attributes
    ----------
    params : dict of arrays
        ``W1`` (layer_sizes[0], layer_sizes[1]), ``b1`` (layer_sizes[1],), with a normalisation ``gamma1`` and ``beta1``
        (layer_sizes[1],), ``W2`` …

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
        members: int = 1,
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
        self.members = to_int("members", members, 1)
        if self.members > 1 and (len(self.layer_sizes) != 3 or self.layer_sizes[1] % self.members or normalisation != "none"):
            raise SettingError(
                f"{members} members need one hidden layer without normalisation whose units they can share, got hidden "
                f"layers of {self.layer_sizes[1:-1]} units and the normalisation {normalisation}."
            )
        if str(dtype) not in DTYPES and dtype not in (np.float32, np.float64):
            raise unknown_name("dtype", str(dtype), DTYPES)
        self.dtype = np.dtype(dtype)
        if normalisation not in NORMALISATIONS:
            raise unknown_name("normalisation", normalisation, NORMALISATIONS)
        self.activation, self.normalisation = activation, normalisation
        self.weight_init = _check_weight_init(weight_init)
        self.loss = get_loss(loss)
        self.engine = get_engine(engine or default_engine(), str(self.dtype))
        self.layers = self._make_layers()
        self.params = self._draw_params(np.random.default_rng(seed)) if params is None else self._check_params(params)

    @property
    def _largest(self) -> int:
        return max(d_in * d_out for d_in, d_out in pairwise(self.layer_sizes))

    def _make_layers(self) -> list[Layer]:
        layers: list[Layer] = []
        depth = len(self.layer_sizes) - 1
        for number in range(1, depth + 1):
            p = self.input_dropout if number == 1 else self.dropout
            if p:
                layers.append(Dropout(number, p))
            layers.append(Affine(number) if number < depth or self.members == 1 else MemberAffine(number, self.members))
            if number < depth:
                if self.normalisation == "layer":
                    layers.append(LayerNorm(number))
                layers.append(get_activation(self.activation, number))
        return layers

    def _draw_params(self, rng: np.random.Generator) -> Params:
        params: Params = {}
        for name, shape in self._param_shapes().items():
            if name.startswith("W"):
                d_in = shape[0] // (self.members if name == f"W{len(self.layer_sizes) - 1}" else 1)
                params[name] = (self._weight_scale(d_in, shape[1]) * rng.standard_normal(shape)).astype(self.dtype)
            else:
                params[name] = np.full(shape, name.startswith("gamma"), self.dtype)
        return params

    def _param_shapes(self) -> dict[str, tuple[int, ...]]:
        shapes: dict[str, tuple[int, ...]] = {}
        for number, sizes in enumerate(pairwise(self.layer_sizes), 1):
            shapes |= {f"W{number}": sizes, f"b{number}": sizes[1:]}
            if self.normalisation == "layer" and number < len(self.layer_sizes) - 1:
                shapes |= {f"gamma{number}": sizes[1:], f"beta{number}": sizes[1:]}
        return shapes

    def _check_params(self, params: Params) -> Params:
        expected = self._param_shapes()
        found = {name: p.shape for name, p in params.items()}
        if found != expected:
            raise InputError(f"params must have the shapes {expected}, got {found}.")
        if any(p.dtype != self.dtype for p in params.values()):
            raise InputError(f"params must be {self.dtype}, got {', '.join(f'{n} {p.dtype}' for n, p in params.items())}.")
        return params

    def _weight_scale(self, d_in: int, d_out: int) -> float:
        if self.weight_init == "he":
            return float(np.sqrt(2 / d_in))
        if self.weight_init == "glorot":
            return float(np.sqrt(2 / (d_in + d_out)))
        return float(self.weight_init)

    @property
    def n_classes(self) -> int:
        """Number of logits: of classes, or of outputs."""
        return self.layer_sizes[-1]

    @property
    def n_parameters(self) -> int:
        """Number of weights and biases."""
        return sum(p.size for p in self.params.values())

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal network, but for the values of its parameters."""
        return {
            "layer_sizes": self.layer_sizes,
            "loss": self.loss.name,
            "activation": activation_name(self.activation),
            "normalisation": self.normalisation,
            "dropout": self.dropout,
            "input_dropout": self.input_dropout,
            "members": self.members,
            "weight_init": self.weight_init,
            "dtype": str(self.dtype),
            "engine": self.engine.name,
        }

    def astype(self, dtype: DTypeLike) -> "FullyConnectedNet":
        """Return a copy with its parameters in another dtype."""
        params = {name: p.astype(dtype) for name, p in self.params.items()}
        engine = self.engine.name if str(np.dtype(dtype)) in self.engine.dtypes else None
        return FullyConnectedNet(**(self.get_config() | {"dtype": dtype, "engine": engine}), params=params)

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
        """Return the logits, finite or not, of some rows in the network's dtype, which the next call may write over."""
        sharing = self.engine.sharing(work_of(rows.shape[0], self._largest))
        with sharing, np.errstate(over="ignore", invalid="ignore"):
            logits = self._forward(rows, None)[0]
            return logits.reshape(self.members, -1, self.n_classes).mean(axis=0) if self.members > 1 else logits

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
        """Mean loss ``+ l2/2 · ΣW²``, and its gradient in every parameter; of members, the sum of theirs.

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
        if is_sharing():  # within a training
            return self._loss_and_gradients(X, y, l2, label_smoothing, rng, weights)
        with self.engine.sharing(work_of(X.shape[0], self._largest)):
            return self._loss_and_gradients(X, y, l2, label_smoothing, rng, weights)

    def _loss_and_gradients(
        self, X: Array, y: Array, l2: float, label_smoothing: float, rng: np.random.Generator | None, weights: Array | None
    ) -> tuple[float, Params]:
        logits, caches = self._forward(X, rng)
        if self.members > 1:
            y = np.concatenate([y] * self.members)
            weights = None if weights is None else np.tile(weights, self.members)
        loss, dout = self.loss.gradient(logits, y, self.engine, label_smoothing, weights), logits
        if self.members > 1:
            loss *= self.members
            dout *= self.members
        grads = self._backward(dout, caches)
        if l2:
            for name, W in self.params.items():
                if name.startswith("W"):
                    loss += self.engine.add_l2(grads[name], W, l2)
        return loss, grads

    def _forward(self, X: Array, rng: np.random.Generator | None) -> tuple[Array, list[Any]]:
        out, caches = X, []
        for layer in self.layers:
            out, cache = layer.forward(out, self.params, self.engine, rng)
            caches.append(cache)
        return out, caches

    def _backward(self, dout: Array, caches: list[Any]) -> Params:
        grads: Params = {}
        gradient: Array | None = dout
        # Nothing below the first affine layer has parameters, so the gradient stops there.
        first = next(i for i, layer in enumerate(self.layers) if isinstance(layer, Affine))
        for i in range(len(self.layers) - 1, first - 1, -1):
            assert gradient is not None
            gradient, own = self.layers[i].backward(gradient, caches[i], self.engine, i > first)
            grads |= own
        return {name: grads[name] for name in self.params}


def _check_weight_init(value: Any) -> str | float:
    if isinstance(value, str) and value in ("he", "glorot"):
        return str(value)
    try:
        return to_float("weight_init", value, 0)
    except SettingError:
        raise SettingError(f"weight_init must be 'he', 'glorot' or a number of at least 0, got {value!r}.") from None
