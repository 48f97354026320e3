"""A model: a network with its preprocessor. Models of the same data make an ensemble."""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fcnet.errors import DataWarning, InputError, callers
from fcnet.nn.checks import ROWS_AT_ONCE, check_inputs, check_results, in_dtype
from fcnet.nn.loss import HALF, Loss
from fcnet.nn.network import FullyConnectedNet
from fcnet.preprocessing import Preprocessor, Scaling
from fcnet.preprocessing.views import Views
from fcnet.types import Array


@dataclass
class Model:
    """A network with all that it needs to predict from raw inputs.

    Parameters
    ----------
    network : FullyConnectedNet
    preprocessor : Preprocessor
        Applied to raw inputs before the network sees them; by default it leaves them as they are.
    classes : list of str
        Name of each class, or of each output, in the order of the logits; their numbers by default. Other values become text.
    image_shape : tuple of ints, optional
        (height, width, channels) of the images that the rows of the input are, if they are images.
    max_value : float
        The value of white in those images.
    average_mirror : bool
        Test-time augmentation: whether logits are the mean of those of the image and of its mirror image.
    average_shift : int
        Likewise of the image and of its translations by up to so many pixels down and across; with features of patches, of
        the translations that these were learnt with.
    threshold : float
        Of two classes: the second is predicted where its probability is above this. Probabilities do not depend on it.

    Raises
    ------
    SettingError
        If the threshold is out of range, or is not 0.5 and there are not two classes.
    """

    network: FullyConnectedNet
    preprocessor: Preprocessor = field(default_factory=Scaling)
    classes: list[str] = field(default_factory=list)
    image_shape: tuple[int, ...] | None = None
    max_value: float = 255.0
    average_mirror: bool = False
    average_shift: int = 0
    threshold: float = HALF

    def __post_init__(self) -> None:
        if self.image_shape is not None:
            self.image_shape = tuple(int(side) if hasattr(side, "__index__") else side for side in self.image_shape)
        self.max_value, self.average_mirror = float(self.max_value), bool(self.average_mirror)
        self.average_shift = int(self.average_shift)
        self.classes = [str(name) for name in self.classes] or [str(i) for i in range(self.network.n_classes)]
        self.threshold = self.loss.threshold

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take a pickle of before, too, in which the preprocessor was called scaling."""
        vars(self).update(state)
        if "scaling" in state:
            self.preprocessor = vars(self).pop("scaling")

    @property
    def loss(self) -> Loss:
        """The network's loss with the threshold of this model: it says what logits mean, and which class they decide for."""
        return self.network.loss.at(self.threshold, self.network.n_classes)

    @property
    def members(self) -> Sequence["Model"]:
        """The models whose predictions are averaged: this one alone."""
        return [self]

    def averaged(self, logits: Sequence[Array]) -> Array:
        """Return the logits of the whole by those of its members."""
        return logits[0]

    @property
    def n_inputs(self) -> int:
        """Values of a raw input."""
        n_inputs = self.preprocessor.n_inputs
        return self.network.layer_sizes[0] if n_inputs is None else n_inputs

    def goes_with(self, other: "Model") -> bool:
        """Return whether another model takes the same raw inputs and predicts the same, so that an ensemble can have both."""
        return self._interface == other._interface

    @property
    def _interface(self) -> tuple[Any, ...]:
        network, encoding = self.network, self.preprocessor.encoding
        return network.loss.name, network.dtype, self.n_inputs, encoding, self.classes, self.image_shape, self.max_value

    @property
    def views(self) -> Views:
        """The views of an image that logits are averaged over."""
        return Views(self.image_shape, self.average_mirror, self.average_shift)

    def logits(self, X: Any) -> Array:
        """Return the logits (n, n_classes) of raw inputs (n, n_inputs), or of a data frame for a model of tables.

        Parameters
        ----------
        X : array, sparse matrix or data frame
            A sparse matrix is made dense in blocks of a few thousand rows, unless the network takes sparse rows. A data frame
            is one of polars, pandas or pyarrow.

        Raises
        ------
        InputError
            If the shape does not fit, or `X` holds anything but numbers that are finite in the network's dtype.
        OverflowedError
            If a score is not finite.
        """
        return check_results(np.concatenate([self._logits(block) for block in self.preprocessor.blocks(X)]))

    def _logits(self, X: Any) -> Array:
        X = check_inputs(X, self.n_inputs)
        raw_dtype, dtype, views = self.preprocessor.input_dtype or self.network.dtype, self.network.dtype, self.views
        out = np.zeros((X.shape[0], self.network.n_classes), dtype)
        for start in range(0, len(out), ROWS_AT_ONCE):
            rows = slice(start, start + ROWS_AT_ONCE)
            as_it_is = X.dtype.kind != "f" or self.preprocessor.takes_gaps
            raw = X[rows] if as_it_is else in_dtype(X[rows], raw_dtype, "X", start)
            with np.errstate(over="ignore", invalid="ignore"):
                for n_views, view in enumerate(self.preprocessor.each_view(raw, dtype, views), 1):
                    prepared = in_dtype(view, dtype, "X, once preprocessed,", start)
                    out[rows] += (self.network.logits_of(prepared) - out[rows]) / n_views
        return out

    def predict_proba(self, X: ArrayLike) -> Array:
        """Return the probability of each class, (n, n_classes), for raw inputs (n, n_inputs); of a regression the values.

        A model of tables takes an array as well, with its columns in the order of ``preprocessor.columns``, and for each
        category its place in the list there, from 0; -1 for none. Names are not compared: a data frame is safer.
        """
        probabilities = check_results(self.network.loss.mean(self.logits(X)))
        self.tell_unseen()
        return probabilities

    def predict(self, X: ArrayLike) -> Array:
        """Return the class number (n,) of raw inputs (n, n_inputs); for other losses labels or values, (n, n_classes).

        It is the most probable class; of two the second where its probability is above the `threshold`.
        """
        predicted = check_results(self.loss.predict(self.logits(X)))
        self.tell_unseen()
        return predicted

    def tell_unseen(self) -> None:
        """Warn of categories in the rows of the last prediction that no training row had, of each column of a table once."""
        unseen = {name: word for member in self.members for name, word in member.preprocessor.unseen().items()}
        for name, word in unseen.items():
            warnings.warn(
                DataWarning(
                    f"The column {name!r} holds {word!r}, which no training row had: it counts as no category. Of further ones "
                    "in this column nothing is said."
                ),
                stacklevel=callers(),
            )


class Ensemble(Model):
    """Models of the same data that predict together, by the mean of their probabilities, or values.

    Its other attributes are those of the first one.

    Parameters
    ----------
    members : sequence of Model
    threshold : float, optional
        As in `Model`; the mean of those of the members where nothing is given.

    Raises
    ------
    InputError
        If there are none, or they differ in what they take or predict.
    """

    def __init__(self, members: Sequence[Model], threshold: float | None = None) -> None:
        self._members = [one for member in members for one in member.members]
        if not self._members:
            raise InputError("An ensemble needs a model or more.")
        first = self._members[0]
        if not all(member.goes_with(first) for member in self._members):
            raise InputError("The models of an ensemble must take the same inputs and have the same classes, loss and dtype.")
        views = (first.average_mirror, first.average_shift)
        if threshold is None:
            threshold = math.fsum(member.threshold for member in self._members) / len(self._members)
        super().__init__(
            first.network, first.preprocessor, first.classes, first.image_shape, first.max_value, *views, threshold
        )

    @property
    def members(self) -> Sequence[Model]:
        """The models whose predictions are averaged."""
        return self._members

    def logits(self, X: Any) -> Array:
        """Return the logits (n, n_classes) that give the mean of the members' probabilities, for raw inputs (n, n_inputs).

        Of two classes or more these are the logarithms of the probabilities. What is taken and raised is that of `Model`.
        """
        return self.averaged([member.logits(X) for member in self.members])

    def averaged(self, logits: Sequence[Array]) -> Array:
        """Return the logits of the whole by those of its members."""
        return check_results(self.network.loss.averaged(np.stack(logits)))


def as_model(model: Any) -> Model:
    """Return a model as it is, that of a fitted estimator for tables, and one of a bare network; else raise InputError."""
    model = getattr(model, "model_", model)
    if isinstance(model, Model):
        return model
    if isinstance(model, FullyConnectedNet):
        return Model(model)
    advice = ""
    if hasattr(model, "get_params"):
        advice = (
            " An estimator has one as its network_. To keep the estimator, or a pipeline, use pickle or joblib; to convert it, "
            "skl2onnx, see fcnet.skl2onnx_converter."
        )
    raise InputError(f"A Model or a FullyConnectedNet is needed, got {type(model).__name__}.{advice}")
