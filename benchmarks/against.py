"""Speed of this checkout against another one: the workloads of speed.py, in turns.

    git worktree add ../before v0.1.0
    python benchmarks/against.py ../before                # every workload, about five minutes
    python benchmarks/against.py ../before wide-256 --rounds 15

Each checkout has a process of its own, and both do a share of an epoch in turn. A ratio is that of the two times of one round;
the table gives its median and the quarter and three quarters of the rounds. What is below 1 is faster here.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from speed import WORKLOADS, contenders_of, fcnet, fcnet_predict

HERE = Path(__file__).resolve().parents[1]


class Turns:
    """What speed.py's contender asks of a connection: a turn is a line that comes in, a result a line that goes out."""

    def recv(self) -> bool:
        """Wait for a turn."""
        return bool(sys.stdin.readline())

    def send(self, result: tuple[float, float]) -> None:
        """Hand on the seconds."""
        print(result[0], flush=True)


def work(name: str) -> None:
    """Do a share of a workload whenever a line comes in, and print the seconds."""
    workload, turns = WORKLOADS[name], Turns()
    if contenders_of(workload)["fcnet"] is fcnet:
        fcnet(workload, turns)  # type: ignore[arg-type]
    contender = fcnet_predict(workload)
    while turns.recv():
        turns.send(next(contender))


def start(checkout: Path, name: str) -> "subprocess.Popen[str]":
    """Start the process of a checkout."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("OPENBLAS_", "OMP_"))}
    environment["PYTHONPATH"] = str(checkout / "src")
    environment["OPENBLAS_THREAD_TIMEOUT"] = "16"  # as fcnet sets it where it is imported before NumPy
    command = [sys.executable, "-W", "ignore", __file__, str(checkout), "--work", name]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)


def turn(process: Any) -> float:
    """Have a process do its share; return the seconds."""
    process.stdin.write("\n")
    process.stdin.flush()
    return float(process.stdout.readline())


def compare(other: Path, name: str, rounds: int) -> list[float]:
    """Return the ratio of the times of every round, after two to warm up."""
    processes = [start(checkout, name) for checkout in (HERE, other)]
    ratios = []
    for number in range(rounds + 2):
        times = []
        for process in processes if number % 2 else reversed(processes):
            times.append(turn(process))
            time.sleep(0.05)  # the threads of a BLAS spin for a while before they sleep
        here, there = times if number % 2 else reversed(times)
        ratios.append(here / there)
    for process in processes:
        process.kill()
    return ratios[2:]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", type=Path, help="of the other version")
    parser.add_argument("workloads", nargs="*", default=[], help=f"of {', '.join(WORKLOADS)}; all of them by default")
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--work", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(options.work)
        return
    print("| workload | time here / there | quartiles |\n| --- | --- | --- |")
    for name in options.workloads or WORKLOADS:
        low, median, high = statistics.quantiles(compare(options.checkout.resolve(), name, options.rounds), n=4)
        print(f"| {name} | {median:.3f} | {low:.3f} to {high:.3f} |", flush=True)


if __name__ == "__main__":
    main()
