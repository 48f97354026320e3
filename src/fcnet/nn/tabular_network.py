"""A fully-connected network for the rows of a table: numbers, and the numbers of categories."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from fcnet.engine import NumpyEngine
from fcnet.errors import SettingError, to_float, to_int, unknown_name
from fcnet.nn.activations import activation_name
from fcnet.nn.base import Layer
from fcnet.nn.batch_parts import gradient_in_parts, parts_of
from fcnet.nn.checks import check_inputs, in_dtype, without_members
from fcnet.nn.each_network import FEW_ROWS, logits_of_few
from fcnet.nn.members import Heads
from fcnet.nn.network import FullyConnectedNet
from fcnet.nn.ntk import NTKAffine
from fcnet.nn.shortcut import Shortcut
from fcnet.nn.tabular_layers import tabular_layers
from fcnet.types import Array, Params, as_array, is_sparse

if TYPE_CHECKING:
    from fcnet.export.graph import Graph

NumberEmbedding = Literal["none", "periodic", "piecewise_linear"]
Parametrisation = Literal["ntk", "standard"]
Adapters = Literal["all", "first"]
ROWS_TO_START = 10_000


class TabularNet(FullyConnectedNet):
    """The network for tables, with what RealMLP, TabM and the embeddings of numbers of Gorishniy et al. brought.

    ``X → numbers embedded | categories one-hot or embedded → [scale] → affine → activation → [dropout] → … → affine → logits``

    The defaults are those of RealMLP-TD for classes (Holzmüller, Grinsztajn & Steinwart 2024), which goes with
    ``Trainer(epochs=256, batch_size=256, update=AdamW(beta2=0.95, weight_decay=0.02), learning_rate=0.04,
    schedule="log_cosine", dropout_schedule="flat_cosine", weight_decay_schedule="flat_cosine", label_smoothing=0.1)``; for
    numbers ``activation="mish"`` and a rate of 0.2. Call `start` with the training rows before the training.

    Parameters
    ----------
    n_numbers : int
        How many columns are numbers. They are the first.
    category_sizes : sequence of ints
        How many categories each further column has. Its values are their numbers, from 0; any other means that the category is
        missing or unknown.
    n_outputs : int
        Classes, labels or values.
    hidden_sizes : sequence of ints
    loss : str
        As in `FullyConnectedNet`.
    activation : {"selu", "mish", "silu"}, or what `FullyConnectedNet` takes
        These three have a slope that is learnt for each unit.
    dropout : float in [0, 1)
        Probability that a hidden unit is dropped in training.
    number_embedding : {"periodic", "piecewise_linear", "none"}
        See `PeriodicEmbedding` and `PiecewiseLinearEmbedding`.
    number_width : int
        How many values an embedded number becomes; with "periodic" it is itself the last of them.
    n_frequencies, sigma : int and float
        Of a periodic embedding: how many cosines a number has, and the standard deviation of their initial frequencies.
    bins : sequence of m increasing sequences, optional
        For "piecewise_linear", such as `quantile_bins` returns.
    one_hot_up_to, category_width : int
        Columns of more categories are embedded, in so many values.
    learnt_scale : bool
        Whether each value has a learnt scale before the first affine layer.
    parametrisation : {"ntk", "standard"}
        Of affine layers: `NTKAffine`, or those of `FullyConnectedNet`, for which `weight_init` is.
    n_members : int
        Above 1 the network is an ensemble that shares its weights. The loss is the mean of its members' losses, and a
        probability or value the mean of theirs.
    adapters : {"all", "first"}
        What members have of their own besides their last affine layer: scales before and after each affine layer, and biases,
        as in TabM (Gorishniy, Kotelnikov & Babenko 2025); or one scale before the first, as in TabM-mini.
    weight_init, dtype, seed, engine, params
        As in `FullyConnectedNet`.
    shortcut : bool
        Whether the logits of a linear model of the inputs are added, see `Shortcut`.

    Notes
    -----
    A batch of 256 rows with 20 numbers goes through 152,064 weights (80 × 256 + 2 · 256 × 256 + 256 × 2), by the defaults and
    with two classes. Its products take 6 · 256 · 152,064 = 234 million operations, forward and backward; the embeddings about 9
    million, activations 3, Adam 2. An ensemble of k takes k times the first and third.

    Examples
    --------
    >>> net = TabularNet(2, [3, 40], 2, hidden_sizes=[16], seed=0)
    >>> net.predict_proba([[0.5, -1.2, 2, 17], [0.1, 0.3, -1, 39]]).shape
    (2, 2)
    >>> {name: p.shape for name, p in net.params.items() if name in ("V0", "category1", "scale0", "W1", "slope1")}
    {'V0': (2, 3, 16), 'category1': (41, 8), 'scale0': (19,), 'W1': (19, 16), 'slope1': (16,)}
    """

    def __init__(
        self,
        n_numbers: int,
        category_sizes: Sequence[int],
        n_outputs: int,
        *,
        hidden_sizes: Sequence[int] = (256, 256, 256),
        loss: str = "cross_entropy",
        activation: str | Callable[[int], Layer] = "selu",
        dropout: float = 0.15,
        number_embedding: NumberEmbedding = "periodic",
        number_width: int = 4,
        n_frequencies: int = 16,
        sigma: float = 0.1,
        bins: Sequence[Sequence[float]] | None = None,
        one_hot_up_to: int = 8,
        category_width: int = 8,
        learnt_scale: bool = True,
        parametrisation: Parametrisation = "ntk",
        n_members: int = 1,
        adapters: Adapters = "all",
        weight_init: str | float = "he",
        dtype: DTypeLike = np.float32,
        seed: int | np.random.Generator = 0,
        engine: str | None = None,
        params: Params | None = None,
        shortcut: bool = False,
    ) -> None:
        self.shortcut = Shortcut(n_numbers, category_sizes, n_outputs) if shortcut else None
        self.n_numbers = to_int("n_numbers", n_numbers, 0)
        self.category_sizes = [to_int("a size of category_sizes", size, 1) for size in category_sizes]
        self.number_embedding = _one_of("number_embedding", number_embedding, NumberEmbedding)
        self.parametrisation = _one_of("parametrisation", parametrisation, Parametrisation)
        self.adapters = _one_of("adapters", adapters, Adapters)
        self.number_width = to_int("number_width", number_width, 2 if number_embedding == "periodic" else 1)
        self.n_frequencies, self.sigma = to_int("n_frequencies", n_frequencies, 1), to_float("sigma", sigma, 0)
        self.bins = None if bins is None else [[float(bound) for bound in column] for column in bins]
        if number_embedding == "piecewise_linear" and self.n_numbers and len(self.bins or ()) != self.n_numbers:
            n_bins = len(self.bins or ())
            raise SettingError(f"piecewise_linear needs bins for {self.n_numbers} columns of numbers, got {n_bins}.")
        self.one_hot_up_to = to_int("one_hot_up_to", one_hot_up_to, 0)
        self.category_width = to_int("category_width", category_width, 1)
        self.learnt_scale, self.n_members = bool(learnt_scale), to_int("n_members", n_members, 1)
        n_inputs = self.n_numbers + len(self.category_sizes)
        settings: dict[str, Any] = {"loss": loss, "activation": activation, "dropout": dropout, "weight_init": weight_init}
        settings |= {"dtype": dtype, "seed": seed, "engine": engine, "params": params}
        super().__init__([n_inputs, *hidden_sizes, n_outputs], **settings)

    def _make_layers(self) -> None:
        super()._make_layers()
        self._largest *= self.n_members
        self._parameters |= self.shortcut.parameters if self.shortcut else {}
        self._engines: list[NumpyEngine] = []

    def _new_layers(self) -> list[Layer]:
        return tabular_layers(self)

    def start(self, X: Array, seed: int | np.random.Generator = 0) -> None:
        """Fit the initial weights and biases to rows, 10,000 of them at most: in the NTK parametrisation, see `start_units`.

        Raises
        ------
        InputError
            If the shape does not fit, or `X` holds anything but numbers that are finite in the network's dtype.
        """
        rng = np.random.default_rng(seed)
        X = check_inputs(X, self.layer_sizes[0])
        chosen = rng.choice(X.shape[0], ROWS_TO_START, replace=False) if X.shape[0] > ROWS_TO_START else slice(None)
        out = in_dtype(as_array(X[chosen]), self.dtype)
        engine = type(self.engine)(self.dtype)  # buffers for so many rows are not kept
        for layer in self.layers:
            if isinstance(layer, NTKAffine | Heads) and self.parametrisation == "ntk":
                layer.start(out, self.params, rng)
            out = layer.forward(out, self.params, engine, None)[0]

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make the same network, without the values of its parameters."""
        own = ["n_numbers", "category_sizes", "dropout", "number_embedding", "number_width", "n_frequencies", "sigma", "bins"]
        own += ["one_hot_up_to", "category_width", "learnt_scale", "parametrisation", "n_members", "adapters", "weight_init"]
        return {
            "n_outputs": self.n_classes,
            "hidden_sizes": self.layer_sizes[1:-1],
            "loss": self.loss.name,
            "activation": activation_name(self.activation),
            "dtype": str(self.dtype),
            "engine": self.engine.name,
            **{name: getattr(self, name) for name in own},
            "shortcut": self.shortcut is not None,
        }

    def _logits(self, X: Array, params: Params) -> Array:
        logits = super()._logits(X, params)  # those of the members of a row are side by side
        if self.n_members == 1:
            return logits
        return self.loss.averaged(logits.reshape(-1, self.n_members, self.n_classes).swapaxes(0, 1))

    def logits_of(self, rows: Array) -> Array:
        """Return the logits, finite or not, of rows in the network's dtype; the next call may write over them."""
        if self.checkpoints and self.n_members == 1 and rows.shape[0] <= FEW_ROWS and not is_sparse(rows):
            with np.errstate(over="ignore", invalid="ignore"):
                each = logits_of_few(self, rows)
                if each is not None:
                    return self.loss.averaged(each)
        return super().logits_of(rows)

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
        """Return the mean loss, of members the mean of theirs, and its gradient; as that of `FullyConnectedNet`."""
        if self.n_members > 1:
            y = np.repeat(y, self.n_members, axis=0)
            weights = None if weights is None else np.repeat(weights, self.n_members)
        parts = parts_of(self, X, self._largest)
        if len(parts) > 1 and not l2 and (weights is None or weights.any()):
            return gradient_in_parts(self, parts, X, y, label_smoothing, rng, weights)
        return super().loss_and_gradients(X, y, l2=l2, label_smoothing=label_smoothing, rng=rng, weights=weights)

    def free_buffers(self) -> None:
        """Forget the buffers that parts of batches were computed in."""
        self._engines = []

    def engines_of_parts(self, n: int) -> list[NumpyEngine]:
        """Return an engine with buffers of its own for each of n parts of a batch."""
        while len(self._engines) < n:
            self._engines.append(type(self.engine)(self.dtype))
        return self._engines[:n]

    def _logits_to_onnx(self, graph: "Graph", x: str, params: Params) -> str:
        raw, x = x, super()._logits_to_onnx(graph, x, params)
        if self.shortcut is not None:
            linear = self.shortcut.to_onnx(graph, raw, self.dtype.type, params)
            if self.n_members > 1:
                linear = graph.add("Unsqueeze", linear, np.array([1]))
            x = graph.add("Add", x, linear)
        return x if self.n_members == 1 else self.loss.averaged_to_onnx(graph, x, self.dtype.type, self.n_members)

    def _forward(self, X: Array, rng: np.random.Generator | None, params: Params | None = None) -> tuple[Array, list[Any]]:
        X = X.toarray() if is_sparse(X) else X
        out, caches = super()._forward(X, rng, params)
        if self.shortcut is not None:
            linear = self.shortcut.forward(X, self.params if params is None else params, self.engine)
            out += linear if self.n_members == 1 else np.repeat(linear, self.n_members, axis=0)
            caches.append(X)
        return out, caches

    def _backward(self, dout: Array, caches: list[Any]) -> Params:
        if self.shortcut is None:
            return super()._backward(dout, caches)
        of_rows = dout if self.n_members == 1 else dout.reshape(-1, self.n_members, self.n_classes).sum(axis=1)
        own = self.shortcut.backward(of_rows, caches[-1], self.engine)
        return super()._backward(dout, caches) | own

    @property
    def output_params(self) -> list[str]:
        """The names of the parameters that the logits are linear in, the bias of the last layer among them."""
        return [*super().output_params, *(self.shortcut.parameters if self.shortcut else [])]

    def with_shortcut(self, share: ArrayLike, W: Array, bias: Array) -> "TabularNet":
        """Return a network with ``(1 - share)`` times the logits of this one, and `share` times those of a linear model.

        Each member and checkpoint is blended by itself, and their predictions are averaged after that. Where the average is
        not that of logits, as of classes, it is not the blend of the averages.

        Parameters
        ----------
        share : float in [0, 1], or array (n_outputs,) of such
        W : array (n_numbers + Σ (size + 1), n_outputs)
            Its weights: of numbers, and of each category, those that are missing first.
        bias : array (n_outputs,)
        """
        network = TabularNet(**self.get_config() | {"shortcut": True})
        assert network.shortcut is not None
        share, names = np.asarray(share, np.float64), list(network.shortcut.parameters)
        shapes = [network.shortcut.parameters[name].shape[0] for name in names]
        linear = dict(zip(names, np.split((share.astype(W.dtype) * W).astype(self.dtype), np.cumsum(shapes)[:-1]), strict=True))
        last_bias = list(self.layers[-1].parameters)[1]
        every = []
        for params in self.all_params:
            scaled = {name: p * (1 - share).astype(p.dtype) for name, p in params.items() if name in self.output_params}
            scaled[last_bias] += (share.astype(bias.dtype) * bias).astype(self.dtype)
            every.append(params | scaled | {name: p.copy() for name, p in linear.items()})
        network.params, *network.checkpoints = [network.check_params(params) for params in every]
        return network


def _one_of(name: str, value: Any, names: Any) -> Any:
    if value not in get_args(names):
        raise unknown_name(name, str(value), get_args(names))
    return value


def network_from(config: Mapping[str, Any], params: Params) -> FullyConnectedNet:
    """Return the network that a `get_config` describes, with these parameters, or raise InputError or SettingError."""
    kind = TabularNet if "n_numbers" in config else FullyConnectedNet
    return kind(**without_members(config), params=params)
