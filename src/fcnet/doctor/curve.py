"""The learning curve of a training, as numbers that rules can judge."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from fcnet.nn.loss import Loss
from fcnet.types import Array

PARTS, ROWS_OF_CHANCE = 10, 10_000
NOTHING_TO_TELL = 1e-6  # the loss of chance where all rows have one label; the relative deviation of targets that are alike
FEWEST_POINTS = 8  # of a curve that has a shape
OUTLYING = 12  # median distances between batches, that no chance makes
FALLING = 0.1  # share of the fall in the second half, of what has not settled
SCORES = ("accuracy", "r2")


def chance_of(loss: Loss, y: Array, n_outputs: int, weights: Array | None = None) -> float | None:
    """Return the loss of the best answer that is the same for all rows that count; None where they have one label.

    Of more than 10,000 some are looked at.
    """
    counting = np.arange(len(y)) if weights is None else np.flatnonzero(weights)
    rows = counting[:: max(1, len(counting) // ROWS_OF_CHANCE)]
    y, weights = y[rows], None if weights is None else weights[rows]
    constant = np.broadcast_to(loss.constant_logits(y, n_outputs, weights), (len(y), n_outputs))
    chance = float(loss.value(constant, y, weights))
    least = NOTHING_TO_TELL if loss.has_labels else NOTHING_TO_TELL**2 * float(np.square(y, dtype=np.float64).mean())
    return chance if chance > least else None


@dataclass(frozen=True)
class Curve:
    """A history and what it is measured by.

    Parameters
    ----------
    history : sequence of mappings
        A row an epoch, as `fcnet.training.history.History` has them; of other programs a ``loss`` is enough.
    chance : float, optional
        The loss of the best answer that is the same for all rows, as the entropy of the class shares; the first loss where it
        is not known.
    n_val : int, optional
        The rows that validation scores are of.
    kept : int, optional
        The number of the epoch whose parameters are kept, from 1; the last where it is not known.
    """

    history: Sequence[Mapping[str, Any]]
    chance: float | None = None
    n_val: int | None = None
    kept: int | None = None

    @property
    def until_kept(self) -> "Curve":
        """What there was until the epoch whose parameters are kept."""
        return Curve(self.history[: self.kept], self.chance, self.n_val)

    def column(self, name: str) -> Array:
        """Return one value of each epoch that has it."""
        return np.array([row[name] for row in self.history if row.get(name) is not None], float)

    @cached_property
    def score(self) -> str | None:
        """The name of the score, "accuracy" or "r2", that rows have of the training or validation rows."""
        return next((name for name in SCORES for part in ("train", "val") if len(self.column(f"{part}_{name}"))), None)

    def last(self, part: str) -> float | None:
        """Return the last score of the training or the validation rows, a mean of a few epochs where they swing."""
        column = self.column(f"{part}_{self.score}")
        return float(column[-max(1, min(3, len(column) // 4)) :].mean()) if len(column) else None

    @property
    def gap(self) -> float | None:
        """How much better the training rows are predicted than the validation rows."""
        train, val = self.last("train"), self.last("val")
        return None if train is None or val is None else train - val

    @property
    def gap_noise(self) -> float:
        """The standard deviation that a gap of scores has by chance, which is taken for 0.02 where rows are not known.

        That of R² is by Olkin & Finn (1995), for one input.
        """
        val = self.last("val")
        if val is None or not self.n_val:
            return 0.02
        if self.score != "accuracy":
            return max(0.02, 2 * (1 - val) * math.sqrt(max(val, 0.0) / self.n_val))
        return math.sqrt(max(val * (1 - val), 0.01) / self.n_val)

    @cached_property
    def losses(self) -> Array:
        """The loss of each epoch on training rows, without penalty and dropout where it is known so."""
        plain = self.column("train_loss")
        return plain if len(plain) == len(self.history) else self.column("loss")

    @cached_property
    def batches(self) -> tuple[Array, Array]:
        """The losses of all batches, with their learning rates; of epochs where batches are not known."""
        rows = [batch for row in self.history for batch in row.get("batches", ())] or list(self.history)
        rates = [row.get("learning_rate", 1.0) for row in rows]
        return np.array([row["loss"] for row in rows], float), np.array(rates, float)

    @property
    def scale(self) -> float:
        """What losses are compared with: that of chance, or the first."""
        return self.chance if self.chance else float(self.batches[0][0])

    @cached_property
    def parts(self) -> Array | None:
        """The mean loss in each tenth of the way, which is the sum of learning rates; None of too few points.

        So a schedule that ends near 0 does not look like a curve that levels off.
        """
        losses, rates = self.batches
        if len(losses) < FEWEST_POINTS or not rates.sum() > 0:
            return None
        way = (np.cumsum(rates) - rates / 2) / rates.sum()
        part = np.minimum((way * PARTS).astype(int), PARTS - 1)
        counts = np.bincount(part, minlength=PARTS)
        if not counts.all():
            way_of_parts = (np.arange(PARTS) + 0.5) / PARTS
            return np.interp(way_of_parts, way, losses)
        return np.bincount(part, losses, PARTS) / counts

    @cached_property
    def noise(self) -> float:
        """The standard error of the mean loss of half of the parts, by how batches differ from one another."""
        losses = self.batches[0]
        late = losses[len(losses) // 2 :]
        return float(np.std(np.diff(late)) / math.sqrt(2 * max(1, len(late) // 2))) if len(late) > 2 else 0.0

    @property
    def end(self) -> float:
        """The loss at the end, as a share of that of chance."""
        return float(self.losses[-1]) / self.scale

    @property
    def fall(self) -> float:
        """How much of the loss training has taken off, from the first batch on."""
        return 0.0 if self.parts is None else float(self.batches[0][:3].mean() - self.parts[-1])

    @cached_property
    def late_share(self) -> float:
        """How much of the fall was in the second half of the way: a half of a straight line, and 0 once it has settled."""
        if self.parts is None or self.fall <= 0:
            return 0.0
        late = float(self.parts[PARTS // 2 - 1 : PARTS // 2 + 1].mean() - self.parts[-1])
        return late / self.fall if late > 3 * self.noise else 0.0

    @property
    def has_settled(self) -> bool:
        """Whether neither the loss of batches nor that of epochs goes on falling."""
        return self.late_share < FALLING and not self.still_improves

    @cached_property
    def swing(self) -> float:
        """How far the loss of epochs goes up and down in the second half, as a share of that of chance.

        That of all batches does so with dropout and few rows, too, and that at the end of epochs with rows that are drawn anew:
        it is the lesser of both. A penalty adds much the same to each. A loss that rises with the rate is left out.
        """
        rises, rates = [], self.column("learning_rate")
        for column in (self.column("loss"), self.column("train_loss")):
            late = column[len(column) // 2 :]
            if len(late) > 2:
                up = np.maximum(np.diff(late), 0)
                up = up * (np.diff(rates[-len(late) :]) <= 0) if len(rates) >= len(late) else up
                rises.append(float(up.mean()) / self.scale)
        return min(rises, default=0.0)

    @cached_property
    def peak(self) -> float:
        """The largest loss of a batch, as a share of the first, or of chance where the first is less.

        It is 1 where the largest is no further from the median than batches are from one another.
        """
        losses = self.batches[0]
        late = losses[len(losses) // 2 :]
        usual = float(np.median(np.abs(np.diff(late)))) if len(late) > 2 else 0.0
        largest = float(losses.max())
        return largest / max(float(losses[0]), self.scale) if largest - float(np.median(late)) > OUTLYING * usual else 1.0

    @property
    def val_rise(self) -> float:
        """By what share the validation loss at the end is above its lowest."""
        column = self.column("val_loss")
        if len(column) < 4:
            return 0.0
        lowest = float(column.min())
        return float(column[-max(1, len(column) // 10) :].mean()) / lowest - 1 if lowest > 0 else 0.0

    @property
    def val_end(self) -> float:
        """The last validation loss, as a share of the loss of chance; 0 where it is not known."""
        column = self.column("val_loss")
        return float(column[-1]) / self.chance if len(column) and self.chance else 0.0

    @cached_property
    def still_improves(self) -> bool:
        """Whether the validation loss, or that of training, goes on falling in the last fifth of the epochs."""
        val = self.column("val_loss")
        column = val if len(val) == len(self.history) else self.losses
        n = len(column)
        if n < 3:
            return True
        last = max(2, n // 5)
        recent, before = column[-last:], column[-2 * last : -last]
        if not len(before):
            return bool(column[-1] < column[0])
        half = len(recent) // 2
        return bool(recent[half:].mean() < recent[:half].mean() and before.mean() - recent.mean() > 0.01 * self.scale)
