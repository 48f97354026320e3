"""Speed of a training step and of prediction: fcnet, its peers, and the matrix products alone, which are the floor.

    python benchmarks/speed.py                      # every workload, about five minutes
    python benchmarks/speed.py wide-256 table-256   # some
    python benchmarks/speed.py --json speed.json --markdown speed.md

Each contender lives in a process of its own and does a share of an epoch at a time, in turn with the others, several rounds. A
ratio is that of two times of one round; the table gives its median and its range. All train on the same rows, with the same
batch size, momentum, L2 and shuffling. The loss of the last batch is printed, so that none can win by not learning; those of
fcnet and the naive step include the L2 penalty. The workload "overhead" has arrays of a few numbers: its time is Python's.
Peers that are not installed (``pip install scikit-learn torch``) are left out.
"""

import argparse
import json
import math
import multiprocessing
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

LEARNING_RATE, MOMENTUM, L2 = 0.01, 0.9, 1e-4


@dataclass(frozen=True)
class Workload:
    """Layers, batch size, and the rows that are timed at a time."""

    sizes: tuple[int, ...]
    batch: int
    rows: int


WORKLOADS = {
    "narrow-100": Workload((3072, 50, 10), 100, 20_000),
    "wide-100": Workload((3072, 1000, 10), 100, 5_000),
    "wide-256": Workload((3072, 1000, 10), 256, 256 * 25),
    "deep-512": Workload((3072, 2048, 2048, 10), 512, 512 * 6),
    "table-256": Workload((32, 64, 64, 2), 256, 100_000),
    "overhead": Workload((2, 2, 2), 2, 10_000),
    "predict-10000": Workload((3072, 1000, 10), 10_000, 10_000),
    "predict-1": Workload((3072, 1000, 10), 1, 2_000),
    "predict-1-table": Workload((32, 64, 64, 2), 1, 20_000),
}


def make_data(workload: Workload) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return inputs and labels that can be learned."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((workload.rows, workload.sizes[0]), dtype=np.float32)
    y = (X @ rng.standard_normal((workload.sizes[0], workload.sizes[-1]), dtype=np.float32)).argmax(axis=1)
    return X, y


def initial_params(workload: Workload) -> dict[str, np.ndarray[Any, Any]]:
    """Return the parameters that every contender begins with."""
    from fcnet import FullyConnectedNet

    return FullyConnectedNet(workload.sizes, seed=0).params


# A contender is a generator: each step of it does the work once and yields the seconds it took and the last loss.
Contender = Iterator[tuple[float, float]]


def floor(workload: Workload) -> Contender:
    """Do the products of a step alone, into buffers that are used again."""
    n, sizes = workload.batch, workload.sizes
    X, _ = make_data(workload)
    W = [p for name, p in initial_params(workload).items() if name.startswith("W")]
    a = [np.zeros((n, size), np.float32) for size in sizes]
    da = [np.ones((n, size), np.float32) for size in sizes]
    dW = [np.empty_like(w) for w in W]
    while True:
        started = time.perf_counter()
        for start in range(0, len(X) - n + 1, n):
            a[0] = X[start : start + n]
            for i, w in enumerate(W):
                np.matmul(a[i], w, out=a[i + 1])
            for i in range(len(W) - 1, -1, -1) if n < workload.rows and n > 1 else ():
                np.matmul(a[i].T, da[i + 1], out=dW[i])
                if i:
                    np.matmul(da[i + 1], W[i].T, out=da[i])
        yield time.perf_counter() - started, math.nan


def fcnet(workload: Workload, pipe: Connection, engine: str | None = None) -> None:
    """Train with one Trainer, which waits for its turn before each epoch; the time is from its first batch to its last."""
    from fcnet import FullyConnectedNet, Trainer
    from fcnet.training.callbacks import Callback

    class Turns(Callback):
        def on_epoch_begin(self, state: Any) -> None:
            if not pipe.recv():
                sys.exit()
            self.started = time.perf_counter()

        def on_batch_end(self, state: Any) -> None:
            self.ended = time.perf_counter()

        def on_epoch_end(self, state: Any) -> None:
            pipe.send((self.ended - self.started, state.loss))

    settings = {"learning_rate": LEARNING_RATE, "update": "momentum", "l2": L2, "batch_size": workload.batch}
    trainer = Trainer(epochs=1000, **settings, callbacks=[Turns()])
    trainer.fit(FullyConnectedNet(workload.sizes, seed=0, engine=engine), *make_data(workload))


def fcnet_bfloat16(workload: Workload, pipe: Connection) -> None:
    """Train with products in bfloat16."""
    fcnet(workload, pipe, "bfloat16")


def naive(workload: Workload) -> Contender:
    """Train as the exercise does, with two_layer_net's algebra in float64 and a new array for every result."""
    X, y = make_data(workload)
    X = X.astype(np.float64)
    params = {name: p.astype(np.float64) for name, p in initial_params(workload).items()}
    depth = len(workload.sizes) - 1
    velocity = {name: np.zeros_like(p) for name, p in params.items()}
    rng = np.random.default_rng(0)
    while True:
        started, order = time.perf_counter(), rng.permutation(len(X))
        for start in range(0, len(X), workload.batch):
            rows = order[start : start + workload.batch]
            outs = [X[rows]]
            for i in range(1, depth + 1):
                z = outs[-1] @ params[f"W{i}"] + params[f"b{i}"]
                outs.append(np.maximum(z, 0) if i < depth else z)
            p = np.exp(outs[-1] - outs[-1].max(axis=1, keepdims=True))
            p /= p.sum(axis=1, keepdims=True)
            each = np.arange(len(rows))
            penalty = 0.5 * L2 * sum(np.sum(params[f"W{i}"] ** 2) for i in range(1, depth + 1))
            loss = -np.log(p[each, y[rows]]).mean() + penalty
            p[each, y[rows]] -= 1
            dout = p / len(rows)
            for i in range(depth, 0, -1):
                grads = {f"W{i}": outs[i - 1].T @ dout + L2 * params[f"W{i}"], f"b{i}": dout.sum(axis=0)}
                if i > 1:
                    dout = (dout @ params[f"W{i}"].T) * (outs[i - 1] > 0)
                for name, grad in grads.items():
                    velocity[name] = MOMENTUM * velocity[name] - LEARNING_RATE * grad
                    params[name] = params[name] + velocity[name]
        yield time.perf_counter() - started, float(loss)


def scikit_learn(workload: Workload) -> Contender:
    """Train scikit-learn's MLPClassifier, an epoch by partial_fit."""
    from sklearn.neural_network import MLPClassifier

    X, y = make_data(workload)
    peer = MLPClassifier(
        workload.sizes[1:-1],
        solver="sgd",
        alpha=L2,
        batch_size=workload.batch,
        learning_rate_init=LEARNING_RATE,
        momentum=MOMENTUM,
        nesterovs_momentum=False,
        random_state=0,
    )
    classes = np.arange(workload.sizes[-1])
    while True:
        started = time.perf_counter()
        peer.partial_fit(X, y, classes=classes)
        yield time.perf_counter() - started, float(peer.loss_)


def torch(workload: Workload, bf16: bool = False) -> Contender:
    """Train with PyTorch, eager, and its fused SGD."""
    import torch as th
    from torch.nn import functional

    X, y = (th.from_numpy(a) for a in make_data(workload))
    params = {name: th.from_numpy(p).requires_grad_() for name, p in initial_params(workload).items()}
    decays = [{"params": [p], "weight_decay": L2 if name.startswith("W") else 0.0} for name, p in params.items()]
    optimizer = th.optim.SGD(decays, LEARNING_RATE, momentum=MOMENTUM, fused=True)
    depth = len(workload.sizes) - 1
    while True:
        started, order = time.perf_counter(), th.randperm(len(X))
        for start in range(0, len(X), workload.batch):
            rows = order[start : start + workload.batch]
            with th.autocast("cpu", th.bfloat16, enabled=bf16):
                out = X[rows]
                for i in range(1, depth + 1):
                    out = out @ params[f"W{i}"] + params[f"b{i}"] if bf16 else th.addmm(params[f"b{i}"], out, params[f"W{i}"])
                    out = functional.relu(out) if i < depth else out
                loss = functional.cross_entropy(out, y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        yield time.perf_counter() - started, float(loss)


def torch_bf16(workload: Workload) -> Contender:
    """Train with PyTorch in bfloat16 by autocast."""
    return torch(workload, bf16=True)


def _predictions(predict: Callable[[Any], Any], X: Any, batch: int) -> Contender:
    while True:
        started = time.perf_counter()
        for start in range(0, len(X), batch):
            predict(X[start : start + batch])
        yield time.perf_counter() - started, math.nan


def fcnet_predict(workload: Workload) -> Contender:
    """Predict with fcnet."""
    from fcnet import FullyConnectedNet

    return _predictions(FullyConnectedNet(workload.sizes, seed=0).logits, make_data(workload)[0], workload.batch)


def scikit_learn_predict(workload: Workload) -> Contender:
    """Predict with scikit-learn."""
    from sklearn.neural_network import MLPClassifier

    X, y = make_data(workload)
    classes = np.arange(workload.sizes[-1])
    peer = MLPClassifier(workload.sizes[1:-1], solver="sgd").partial_fit(X[:200], y[:200], classes=classes)
    return _predictions(peer.predict_proba, X, workload.batch)


def torch_predict(workload: Workload) -> Contender:
    """Predict with PyTorch."""
    import torch as th

    X = th.from_numpy(make_data(workload)[0])
    params = {name: th.from_numpy(p) for name, p in initial_params(workload).items()}
    depth = len(workload.sizes) - 1

    def predict(x: Any) -> Any:
        with th.inference_mode():
            for i in range(1, depth + 1):
                x = th.addmm(params[f"b{i}"], x, params[f"W{i}"])
                x = x.relu_() if i < depth else x
            return x

    return _predictions(predict, X, workload.batch)


TRAINING = {
    "floor": floor,
    "fcnet": fcnet,
    "fcnet bfloat16": fcnet_bfloat16,
    "PyTorch": torch,
    "PyTorch bf16": torch_bf16,
    "scikit-learn": scikit_learn,
    "naive float64": naive,
}
PREDICTION = {"floor": floor, "fcnet": fcnet_predict, "PyTorch": torch_predict, "scikit-learn": scikit_learn_predict}
NEEDS = {"fcnet bfloat16": "torch", "PyTorch": "torch", "PyTorch bf16": "torch", "scikit-learn": "sklearn"}


def contenders_of(workload: Workload) -> dict[str, Callable[..., Any]]:
    """Return who takes part: all rows at once, or one at a time, are for prediction."""
    return PREDICTION if workload.batch in (1, workload.rows) else TRAINING


def work(name: str, workload: Workload, pipe: Connection) -> None:
    """Do a contender's share each time it is asked for."""
    warnings.simplefilter("ignore")
    contenders = contenders_of(workload)
    if contenders[name] in (fcnet, fcnet_bfloat16):
        contenders[name](workload, pipe)
    contender = contenders[name](workload)
    while pipe.recv():
        pipe.send(next(contender))


def measure(workload: Workload, rounds: int) -> dict[str, list[tuple[float, float]]]:
    """Return seconds and loss of every round of each contender, after a round to warm up."""
    names = [name for name in contenders_of(workload) if name not in NEEDS or find_spec(NEEDS[name])]
    context = multiprocessing.get_context("spawn")
    pipes, processes = {}, []
    for name in names:
        pipes[name], theirs = context.Pipe()
        processes.append(context.Process(target=work, args=(name, workload, theirs), daemon=True))
        processes[-1].start()
    results: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    for round_number in range(rounds + 1):
        for name in names:
            pipes[name].send(True)
            result = pipes[name].recv()
            if round_number:
                results[name].append(result)
            time.sleep(0.05)  # the threads of a BLAS spin for a while before they sleep
    for name, process in zip(names, processes, strict=True):
        pipes[name].send(False)
        process.join()
    return results


def rows_of(workload_name: str, results: dict[str, list[tuple[float, float]]]) -> list[dict[str, Any]]:
    """Return a row for each contender: time of a step, its ratio to the floor, and fcnet's ratio to it."""
    workload = WORKLOADS[workload_name]
    steps = math.ceil(workload.rows / workload.batch)
    rows = []
    for name, rounds in results.items():
        seconds = [t for t, _ in rounds]
        to_floor = [t / f for t, (f, _) in zip(seconds, results["floor"], strict=True)]
        to_ours = [t / f for t, (f, _) in zip(seconds, results["fcnet"], strict=True)]
        rows.append(
            {
                "workload": workload_name,
                "contender": name,
                "step_us": 1e6 * statistics.median(seconds) / steps,
                "to_floor": [statistics.median(to_floor), min(to_floor), max(to_floor)],
                "to_fcnet": [statistics.median(to_ours), min(to_ours), max(to_ours)],
                "loss": rounds[-1][1],
            }
        )
    return rows


def markdown(rows: list[dict[str, Any]]) -> str:
    """Return the rows as a Markdown table."""
    lines = [
        "| workload | contender | µs a step | times the floor | times fcnet | last loss |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        ratios = ["{:.2f} ({:.2f} to {:.2f})".format(*row[key]) for key in ("to_floor", "to_fcnet")]
        loss = "" if math.isnan(row["loss"]) else f"{row['loss']:.3f}"
        lines.append(f"| {row['workload']} | {row['contender']} | {row['step_us']:,.0f} | {ratios[0]} | {ratios[1]} | {loss} |")
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workloads", nargs="*", default=[], help=f"of {', '.join(WORKLOADS)}; all of them by default")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path, help="write the rows to this file too")
    parser.add_argument("--markdown", type=Path, help="write the table to this file too")
    options = parser.parse_args()
    import fcnet  # noqa: F401  # how long the threads of OpenBLAS spin, for all contenders: their processes inherit it

    rows = []
    for name in options.workloads or WORKLOADS:
        rows += rows_of(name, measure(WORKLOADS[name], options.rounds))
    print(markdown(rows))
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")
    if options.markdown:
        options.markdown.write_text(markdown(rows) + "\n")


if __name__ == "__main__":
    main()
