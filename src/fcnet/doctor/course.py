"""The course of a training: its curve, what was seen on the way, and how it ended."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from fcnet.doctor.curve import Curve
from fcnet.doctor.looks import Look
from fcnet.errors import DivergedError
from fcnet.types import Array, is_sparse

FEWEST_LATE = 5
TINY_GAIN, LARGE_GAIN = 0.1, 4.0  # of weights that begin near zero, or so large that activations or scores explode


@dataclass(frozen=True)
class Course:
    """A training to be judged, in its midst or after its end.

    Parameters
    ----------
    curve : Curve
    looks : sequence of Look
        Those of a `Doctor` that was there; without them the curve is all that is judged.
    divergence : DivergedError, optional
        What ended it.
    input_size : float, optional
        The root mean square of the inputs.
    planned : int
        How many batches there are to be.
    stopped : bool
        Whether a callback ended it, as an early stop does, before all epochs were done.
    """

    curve: Curve
    looks: Sequence[Look] = ()
    divergence: DivergedError | None = None
    input_size: float | None = None
    planned: int = 0
    stopped: bool = False

    @cached_property
    def late(self) -> Sequence[Look]:
        """The looks in the second half of the training; five, if these are more, and no more than half of all."""
        n_late = sum(2 * seen.iteration > self.looks[-1].iteration for seen in self.looks)
        return self.looks[max(len(self.looks) // 2, len(self.looks) - max(n_late, FEWEST_LATE)) :]

    @cached_property
    def early(self) -> Sequence[Look]:
        """The looks in the first third."""
        return self.looks[: max(1, len(self.looks) // 3)]

    @property
    def n_iterations(self) -> int:
        """How many batches there were."""
        return len(self.curve.batches[0])

    @property
    def per_epoch(self) -> float:
        """How many batches an epoch had."""
        return self.n_iterations / max(1, len(self.curve.history))

    @cached_property
    def rate(self) -> float | None:
        """The largest learning rate there was, where it is known."""
        rows = [*self.curve.history, *(batch for row in self.curve.history[:1] for batch in row.get("batches", ()))]
        rates = [row["learning_rate"] for row in rows if "learning_rate" in row]
        return float(max(rates)) if rates else None

    @cached_property
    def ratio(self) -> float | None:
        """The median over looks of the largest update of a layer that did not begin near zero, as a share of its weights."""
        if not self.looks:
            return None
        judged = self.looks[0].gains >= (0 if self.began_tiny else TINY_GAIN)
        return float(np.median([seen.ratios[judged].max() for seen in self.looks]))

    @cached_property
    def moved(self) -> float | None:
        """How far all updates together can have moved weights, as a share of them; None where that says nothing."""
        return None if self.ratio is None or self.began_tiny else self.ratio * self.n_iterations

    @property
    def began_tiny(self) -> bool:
        """Whether the weights of a hidden layer began near zero, where updates as a share of the weights say nothing."""
        return bool(self.looks) and bool(self.looks[0].gains[: max(1, len(self.looks[0].gains) - 1)].min() < TINY_GAIN)

    @cached_property
    def died(self) -> float:
        """The largest share of a hidden layer's units that are 0 for all rows in the end, and were not at first."""
        pairs = zip(self.looks[0].dead, self.looks[-1].dead, strict=True) if self.looks else ()
        return max((float((last & ~first).mean()) for first, last in pairs if len(last)), default=0.0)

    @property
    def began_large(self) -> bool:
        """Whether some weights began so large that steps, as a share of them, are short whatever the rate."""
        return bool(self.looks) and bool(self.looks[0].gains.max() > LARGE_GAIN)

    @property
    def shrunk(self) -> float | None:
        """What is left of the weights of the layer that has shrunk least, as a share of its first ones."""
        if not self.looks:
            return None
        return float((self.looks[-1].weights / np.maximum(self.looks[0].weights, 1e-30)).max())

    @cached_property
    def first_loss(self) -> float:
        """The loss of the first batch, as a share of that of chance."""
        losses = self.curve.batches[0] if self.curve.history else self.unfinished_losses
        return float(losses[0]) / self.curve.scale if len(losses) else 1.0

    @property
    def unfinished_losses(self) -> Array:
        """The losses of the epoch in which it diverged."""
        return np.array([row["loss"] for row in self.divergence.batches], float) if self.divergence else np.zeros(0)

    @property
    def has_learnt(self) -> float:
        """What share of the loss of chance has been taken off at the end, from 0 to 1; 0 of what diverged at once."""
        return float(np.clip(1 - self.curve.end, 0, 1)) if self.curve.history else 0.0


def input_size(rows: Any) -> float | None:
    """Return the root mean square of inputs, of CSR matrices of those that are not 0; None of none."""
    values = rows.data if is_sparse(rows) else rows
    return float(np.sqrt(np.square(values, dtype=np.float64).mean())) if values.size else None


def layer_words(number: int, n_layers: int) -> str:
    """Return the name of a hidden layer, counted from 0, for people."""
    return "the hidden layer" if n_layers == 1 else f"hidden layer {number + 1}"
