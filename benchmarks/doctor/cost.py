"""What the doctor costs while it watches: the time of a training with it, over that of the same training without.

    python benchmarks/doctor/cost.py                     # about five minutes
    python benchmarks/doctor/cost.py --rounds 5 --only small

The large network is 3072-1000-10 in batches of 100, on 10,000 random rows; the small one is 20-64-2 in batches of 50, on the
3,000 rows to train of the data set "ring". In each round both trainings run, in turns first; a ratio is that of times of one
round.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
from problems import Rows, load

from fcnet import FullyConnectedNet, Trainer
from fcnet.doctor.inflight import Doctor


def _random() -> Rows:
    rng = np.random.default_rng(0)
    return rng.standard_normal((10_000, 3072), dtype=np.float32), rng.integers(10, size=10_000)


def _ring() -> Rows:
    return load("ring").X, load("ring").y


SIZES: dict[str, tuple[list[int], int, int, Callable[[], Rows]]] = {
    "large": ([3072, 1000, 10], 100, 2, _random),
    "small": ([20, 64, 2], 50, 25, _ring),
}


def seconds(name: str, rows: Rows, watched: bool) -> float:
    """Return how long a training takes."""
    sizes, batch_size, epochs, _ = SIZES[name]
    callbacks = [Doctor()] if watched else []
    trainer = Trainer(epochs=epochs, batch_size=batch_size, learning_rate=1e-3, callbacks=callbacks)
    network = FullyConnectedNet(sizes)
    began = time.perf_counter()
    trainer.fit(network, *rows)
    return time.perf_counter() - began


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--only", choices=SIZES, nargs="+", default=list(SIZES))
    options = parser.parse_args()
    print("| network | without, s | with / without: median (quartiles) |\n| --- | --- | --- |")
    for name in options.only:
        rows = SIZES[name][3]()
        seconds(name, rows, watched=True)
        alone, ratios = [], []
        for number in range(options.rounds):
            times = {watched: seconds(name, rows, watched) for watched in ((True, False) if number % 2 else (False, True))}
            alone.append(times[False])
            ratios.append(times[True] / times[False])
        low, middle, high = statistics.quantiles(ratios, n=4)
        sizes = "-".join(map(str, SIZES[name][0]))
        print(f"| {sizes} | {statistics.median(alone):.2f} | {middle:.3f} ({low:.3f}–{high:.3f}) |", flush=True)


if __name__ == "__main__":
    main()
