"""Speed and memory of the estimators for tables: fits, predictions of one row, and training steps against their products.

    python benchmarks/tabular_speed.py                          # all, up to a quarter of an hour
    python benchmarks/tabular_speed.py steps latency
    python benchmarks/tabular_speed.py fits --sizes 1000000x100 --epochs 1

A fit has a process of its own. It makes X, float32 numbers, and two classes, and fits `TabularClassifier` with its defaults.
"Memory" is the largest resident memory of the process less that after the imports: X is in it. "Times X" divides it by the
bytes of X.

A step is timed in turn with its floor in one process, several rounds: the matrix products of the affine layers alone, forward
and backward, by the same function and threads, into buffers that are used again. A ratio is that of two times of one round;
the table gives its median and its range. With `--threads 1` the times are those that the processor worked, which other programs
change less.
"""

import argparse
import multiprocessing
import resource
import statistics
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

SIZES, MB = ("10000x20", "10000x100", "1000000x100"), 1 << 20
STEPS = {  # columns of numbers, sizes of categories, rows of a batch
    "20 numbers, batch 256": (20, [], 256),
    "10 numbers and 10 categories, batch 256": (10, [3, 5, 12, 2, 40, 8, 100, 4, 25, 6], 256),
    "100 numbers, batch 1024": (100, [], 1024),
}
WHAT = ("fits", "latency", "steps")


def make_data(n: int, d: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return float32 numbers, and two classes that can be learnt from them and not wholly."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, d), dtype=np.float32)
    score = X[:, 0] * X[:, 1] + np.abs(X[:, 2]) + X[:, 3 : d // 2].mean(axis=1) + rng.standard_normal(n, dtype=np.float32)
    return X, (score > np.median(score)).astype(np.int64)


def resident() -> float:
    """Return the resident memory of this process in MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / MB


def fit(n: int, d: int, epochs: int | None, pipe: Connection) -> None:
    """Fit, and send seconds, MB after the imports, after X was made and at most, MB of X, and the log-loss and epochs."""
    from fcnet import TabularClassifier

    imported = resident()
    X, y = make_data(n, d)
    made = resident()
    began = time.perf_counter()
    model = TabularClassifier(random_state=0, **({} if epochs is None else {"epochs": epochs})).fit(X, y)
    seconds = time.perf_counter() - began
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    history = model.history_
    pipe.send((seconds, imported, made, most, X.nbytes / MB, min(row["val_loss"] for row in history), len(history)))


def fits(sizes: list[str], epochs: int | None) -> None:
    """Print a row for each size."""
    print("| fit | seconds | epochs | after imports | with X | at most | memory | times X | log-loss |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |", flush=True)
    context = multiprocessing.get_context("spawn")
    for size in sizes:
        n, d = map(int, size.split("x"))
        pipe, theirs = context.Pipe()
        process = context.Process(target=fit, args=(n, d, epochs, theirs))
        process.start()
        theirs.close()
        seconds, imported, made, most, data, loss, trained = pipe.recv()
        process.join()
        memory = f"{imported:,.0f} MB | {made:,.0f} MB | {most:,.0f} MB | {most - imported:,.0f} MB"
        print(
            f"| {n:,} × {d} | {seconds:.1f} | {trained} | {memory} | {(most - imported) / data:.2f} | {loss:.4f} |", flush=True
        )


def median_time(work: Callable[[], object], rounds: int = 300) -> str:
    """Return the median and the ninth decile of the milliseconds that a call takes."""
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        times.append(1e3 * (time.perf_counter() - began))
    return f"{statistics.median(times):.2f} | {np.quantile(times, 0.9):.2f}"


def latency() -> None:
    """Print how long one row takes, of an array and of a data frame."""
    import pandas as pd

    from fcnet import TabularClassifier

    print("| one row | median, ms | 9 of 10, ms |\n| --- | --- | --- |", flush=True)
    for d in (20, 100):
        X, y = make_data(3000, d)
        row, model = X[:1], TabularClassifier(random_state=0, epochs=8).fit(X, y)
        print(f"| {d} numbers of an array | {median_time(lambda: model.predict_proba(row))} |", flush=True)  # noqa: B023
    X, y = make_data(3000, 20)
    frame = pd.DataFrame(X, columns=[f"number {i}" for i in range(20)])
    names = np.array(["red", "green", "blue", "white"])
    for i in range(5):
        frame[f"colour {i}"] = names[np.random.default_rng(i).integers(4, size=len(X))]
    model, row = TabularClassifier(random_state=0, epochs=8).fit(frame, y), frame.iloc[:1]
    print(f"| 20 numbers, 5 categories of a pandas frame | {median_time(lambda: model.predict_proba(row))} |", flush=True)


def steps(rounds: int, threads: int | None) -> None:
    """Print a row for each workload."""
    print("| step | µs | products, µs | ratio |\n| --- | --- | --- | --- |", flush=True)
    for name, workload in STEPS.items():
        seconds, floors = time_steps(*workload, rounds, threads)
        ratios = [step / floor for step, floor in zip(seconds, floors, strict=True)]
        times = f"{1e6 * statistics.median(seconds):,.0f} | {1e6 * statistics.median(floors):,.0f}"
        print(f"| {name} | {times} | {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) |", flush=True)


def time_steps(
    n_numbers: int, category_sizes: list[int], batch: int, rounds: int, threads: int | None
) -> tuple[list[float], list[float]]:
    """Return the seconds of a step, and of its products, of each round."""
    from fcnet.training.callbacks import Callback
    from fcnet.training.tabular import TabularSettings, TabularTraining

    rng = np.random.default_rng(0)
    per_round = 25
    X = rng.standard_normal((per_round * batch, n_numbers + len(category_sizes)), dtype=np.float32)
    for j, size in enumerate(category_sizes, n_numbers):
        X[:, j] = rng.integers(size, size=len(X))
    y = (X[:, 0] * X[:, 1] > 0).astype(np.int64)
    network = TabularSettings().make(X, category_sizes, 2, seed=0)
    floor = products(network, batch)
    seconds, floors = [], []
    clock = time.thread_time if threads == 1 else time.perf_counter

    class Turns(Callback):
        def on_epoch_begin(self, state: Any) -> None:
            began = clock()
            for _ in range(per_round):
                floor()
            floors.append((clock() - began) / per_round)
            self.began = clock()

        def on_batch_end(self, state: Any) -> None:
            self.ended = clock()

        def on_epoch_end(self, state: Any) -> None:
            seconds.append((self.ended - self.began) / per_round)

    training = TabularTraining(epochs=rounds + 1, batch_size=batch)
    trainer = training.trainer(len(X), network.loss, validates=False, seed=0, callbacks=[Turns()])
    trainer.threads = threads
    trainer.fit(network, X, y)
    return seconds[1:], floors[1:]  # the first is to warm up


def products(network: Any, batch: int) -> Callable[[], None]:
    """Return what does the products of a step of a network."""
    weights = [np.array(network.params[layer.W]) for layer in network.affine]
    sizes = [weights[0].shape[0], *(W.shape[1] for W in weights)]
    a, da = ([np.ones((batch, size), np.float32) for size in sizes] for _ in range(2))
    dW, matmul, has_embeddings = [np.empty_like(W) for W in weights], network.engine.matmul, network.n_numbers > 0

    def work() -> None:
        for i, W in enumerate(weights):
            matmul(a[i], W, out=a[i + 1])
        for i in range(len(weights) - 1, -1, -1):
            matmul(a[i].T, da[i + 1], out=dW[i])
            if i or has_embeddings:
                matmul(da[i + 1], weights[i].T, out=da[i])

    return work


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", default=[], help=f"of {', '.join(WHAT)}; all of them by default")
    parser.add_argument("--sizes", nargs="*", default=list(SIZES), help="rows x columns of the fits")
    parser.add_argument("--epochs", type=int, help="of the fits, in the place of the default")
    parser.add_argument("--rounds", type=int, default=9, help="of the steps")
    parser.add_argument("--threads", type=int, help="of the steps")
    options = parser.parse_args()
    chosen = options.what or WHAT
    if "steps" in chosen:
        steps(options.rounds, options.threads)
    if "latency" in chosen:
        latency()
    if "fits" in chosen:
        fits(options.sizes, options.epochs)


if __name__ == "__main__":
    main()
