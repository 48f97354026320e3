"""What the doctor costs while it watches: the time of a training with it, over that of the same training without.

    python benchmarks/doctor/cost.py                     # about ten minutes
    python benchmarks/doctor/cost.py --rounds 5 --only small --seconds 3

The large network is 3072-1000-10 in batches of 100, on 10,000 random rows; the small one is 20-64-2 in batches of 50, on the
3,000 rows to train of the data set "ring". A training has so many epochs that it takes `--seconds` or more. In each round both
trainings run, in turns first; a ratio is that of times of one round. Time is that of the processor, of all threads, which other
processes disturb less, and that of the clock. Looks and steps are measured in a training of their own.
"""

import argparse
import math
import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from problems import Rows, load

from fcnet import FullyConnectedNet, Trainer
from fcnet.doctor.inflight import Doctor
from fcnet.training.state import TrainingState


def _random() -> Rows:
    rng = np.random.default_rng(0)
    return rng.standard_normal((10_000, 3072), dtype=np.float32), rng.integers(10, size=10_000)


def _ring() -> Rows:
    return load("ring").X, load("ring").y


SIZES: dict[str, tuple[list[int], int, Callable[[], Rows]]] = {
    "large": ([3072, 1000, 10], 100, _random),
    "small": ([20, 64, 2], 50, _ring),
}


class Times(NamedTuple):
    """Seconds of the processor and of the clock."""

    cpu: float
    wall: float

    @classmethod
    def since(cls, began: "Times | None" = None) -> "Times":
        """Return the times since then, or since some moment."""
        now = cls(time.process_time(), time.perf_counter())
        return now if began is None else cls(*(a - b for a, b in zip(now, began, strict=True)))


class Timed(Doctor):
    """Notes how long all hooks of batches take, those of epochs, and what is done once, in seconds of the processor."""

    def __init__(self) -> None:
        super().__init__()
        self.batches = self.epochs = self.once = 0.0

    def on_train_begin(self, state: TrainingState) -> None:
        """Prepare."""
        began = time.process_time()
        super().on_train_begin(state)
        self.once += time.process_time() - began

    def on_batch_end(self, state: TrainingState) -> None:
        """Look, at few batches."""
        if state.iteration >= self._next - 1:  # two calls of the clock are more than there is to do at others
            began = time.process_time()
            super().on_batch_end(state)
            self.batches += time.process_time() - began

    def on_epoch_end(self, state: TrainingState) -> None:
        """Judge, at few epochs."""
        began = time.process_time()
        super().on_epoch_end(state)
        self.epochs += time.process_time() - began

    def on_train_end(self, state: TrainingState) -> None:
        """Judge."""
        began = time.process_time()
        super().on_train_end(state)
        self.once += time.process_time() - began


def train(name: str, rows: Rows, epochs: int, doctor: Doctor | None) -> Times:
    """Return how long a training takes."""
    sizes, batch_size, _ = SIZES[name]
    callbacks = [doctor] if doctor else []
    trainer = Trainer(epochs=epochs, batch_size=batch_size, learning_rate=1e-3, callbacks=callbacks)
    network, began = FullyConnectedNet(sizes), Times.since()
    trainer.fit(network, *rows)
    return Times.since(began)


def measure(name: str, rounds: int, seconds: float) -> None:
    """Print the rows of a network in both tables."""
    sizes, batch_size, make = SIZES[name]
    rows = make()
    train(name, rows, 1, Doctor())
    epochs = max(1, math.ceil(3 * seconds / train(name, rows, 3, None).cpu))
    ratios: list[Times] = []
    alone = []
    for number in range(rounds):
        in_turn = (True, False) if number % 2 else (False, True)
        times = {watched: train(name, rows, epochs, Doctor() if watched else None) for watched in in_turn}
        alone.append(times[False])
        ratios.append(Times(*(a / b for a, b in zip(times[True], times[False], strict=True))))
    doctor = Timed()
    train(name, rows, epochs, doctor)
    steps = epochs * math.ceil(len(rows[1]) / batch_size)
    step = statistics.median(each.cpu for each in alone) / steps
    share = (doctor.batches + doctor.epochs) / (step * steps)
    print(
        f"| {'-'.join(map(str, sizes))} | {steps:,} | {_words(alone, 1)} | {_words(ratios, 3)} | {len(doctor.looks)} | "
        f"{1e6 * doctor.batches / len(doctor.looks):,.0f} | {1e6 * step:,.0f} | {share:.2%} | {1e3 * doctor.once:.1f} |",
        flush=True,
    )


def _words(times: list[Times], digits: int) -> str:
    """Return medians with quartiles, of the processor and of the clock, as two cells of a table."""
    cells = []
    for column in zip(*times, strict=True):
        low, middle, high = statistics.quantiles(column, n=4) if len(column) > 1 else 3 * column
        cells.append(f"{middle:.{digits}f} ({low:.{digits}f}–{high:.{digits}f})")
    return " | ".join(cells)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=10.0, help="of the processor, that a training takes at least")
    parser.add_argument("--only", choices=SIZES, nargs="+", default=list(SIZES))
    options = parser.parse_args()
    titles = "network | steps | without: CPU, s | wall, s | with / without: CPU | wall | looks | a look, µs | a step, µs"
    titles += " | looks and judgements | once, ms"
    print(f"| {titles} |\n|{' --- |' * (titles.count('|') + 1)}")
    for name in options.only:
        measure(name, options.rounds, options.seconds)


if __name__ == "__main__":
    main()
