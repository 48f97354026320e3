"""Training on a machine that is shared: seconds an epoch alone, and of two programs at once.

    python benchmarks/shared.py                       # about two minutes
    python benchmarks/shared.py --hidden 100 --rounds 5 --libraries fcnet

Each program is a process that imports NumPy first, as most do, and trains an estimator on 10,240 rows of 3,072 float32 numbers
in batches of 100. In every round each library has an epoch alone, and then two programs have one each at the same time; a ratio
is that of times of one round. Fair is 2: each has half of the machine.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time

ROWS, INPUTS, BATCH = 10_240, 3_072, 100
LIBRARIES = {"fcnet": ("fcnet", "FCNetClassifier"), "scikit-learn": ("sklearn.neural_network", "MLPClassifier")}


def work(library: str, hidden: int) -> None:
    """Train for an epoch whenever a line comes in, and print how long it took."""
    from importlib import import_module

    import numpy as np

    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((ROWS, INPUTS), dtype=np.float32), rng.integers(10, size=ROWS)
    module, name = LIBRARIES[library]
    model = getattr(import_module(module), name)((hidden,), batch_size=BATCH, random_state=0)
    model.partial_fit(X[: 2 * BATCH], y[: 2 * BATCH], classes=np.arange(10))
    print("ready", flush=True)
    for _ in sys.stdin:
        began = time.perf_counter()
        model.partial_fit(X, y)
        print(time.perf_counter() - began, flush=True)


def start(library: str, hidden: int) -> "subprocess.Popen[str]":
    """Start a program, and wait until it is ready."""
    command = [sys.executable, "-W", "ignore", __file__, "--work", library, "--hidden", str(hidden)]
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("OPENBLAS_", "OMP_"))}
    program = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
    assert program.stdout is not None
    program.stdout.readline()
    return program


def epoch(*programs: "subprocess.Popen[str]") -> list[float]:
    """Return the seconds of an epoch of each of the programs, all at the same time."""
    for program in programs:
        assert program.stdin is not None
        program.stdin.write("\n")
        program.stdin.flush()
    return [float(program.stdout.readline()) for program in programs if program.stdout is not None]


def measure(libraries: list[str], hidden: int, rounds: int) -> None:
    """Print a row of the table for each library."""
    programs = {library: [start(library, hidden) for _ in range(2)] for library in libraries}
    alone: dict[str, list[float]] = {library: [] for library in libraries}
    together: dict[str, list[float]] = {library: [] for library in libraries}
    for _ in range(rounds):
        for library, (first, second) in programs.items():
            alone[library] += epoch(first)
            time.sleep(0.1)  # the threads of a BLAS spin for a while before they sleep
            together[library].append(statistics.mean(epoch(first, second)))
            time.sleep(0.1)
    for library, both in programs.items():
        ratios = [two / one for one, two in zip(alone[library], together[library], strict=True)]
        seconds = f"{statistics.median(alone[library]):.3f} | {statistics.median(together[library]):.3f}"
        spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})"
        print(f"| {INPUTS}-{hidden}-10 | {library} | {seconds} | {spread} |", flush=True)
        for program in both:
            program.kill()
            program.wait()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hidden", type=int, nargs="*", default=[50, 100, 1000])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--libraries", choices=LIBRARIES, nargs="*", default=list(LIBRARIES))
    parser.add_argument("--work", choices=LIBRARIES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(options.work, *options.hidden)
        return
    print("| network | library | alone, s | two at once, s each | ratio |\n| --- | --- | --- | --- | --- |")
    for hidden in options.hidden:
        measure(options.libraries, hidden, options.rounds)


if __name__ == "__main__":
    main()
