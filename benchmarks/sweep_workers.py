"""How many trials an hour two workers do on one PostgreSQL, against one: `fcnet sweep` on the digits, a thread for each worker.

    python benchmarks/sweep_workers.py postgresql://me:password@127.0.0.1/sweeps     # about three minutes

One, two, one, two …: each time a study of its own, of equal trainings. Its rate is that of the trials that have ended, from the
beginning of the first to the end of the last, and so without the seconds in which a process starts. The share is that of a
processor which each worker had. Where it is much lower with two, other work or a lack of processors is measured, not fcnet.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import optuna

SETTINGS = ["--sampler", "random", "--pruner", "none", "--space", "learning_rate=1e-3:1e-1:log", "--winner-seeds", "1"]


def measure(url: str, workers: int, trials: int, epochs: int) -> tuple[float, float]:
    """Return how many trials an hour so many workers do, and the share of a processor that each had."""
    name = f"benchmark {workers} {time.time()}"
    words = [sys.executable, "-m", "fcnet", "sweep", "digits", "--trials", str(trials), *SETTINGS, "--threads", "1"]
    words += ["--set", f"epochs={epochs}", "--set", "hidden_sizes=[512]", "--study", name]
    environment = os.environ | {"FCNET_STORAGE": url, "OPENBLAS_NUM_THREADS": "1"}
    began, before = time.perf_counter(), _processor_seconds()
    with tempfile.TemporaryDirectory() as folder:
        outs = [str(Path(folder) / str(worker)) for worker in range(workers)]
        processes = [
            subprocess.Popen([*words, "--out", out], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            for out in outs
        ]
        if sum(process.wait() for process in processes):
            raise SystemExit("A worker has failed.")
    share = (_processor_seconds() - before) / (time.perf_counter() - began) / workers
    study = optuna.load_study(study_name=name, storage=url.replace("postgresql:", "postgresql+psycopg:"))
    done = [trial for trial in study.trials if trial.state == optuna.trial.TrialState.COMPLETE]
    assert len(done) == trials
    first = min(trial.datetime_start for trial in done if trial.datetime_start)
    last = max(trial.datetime_complete for trial in done if trial.datetime_complete)
    return trials / (last - first).total_seconds() * 3600, share


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--epochs", type=int, default=60)
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    found: dict[int, list[tuple[float, float]]] = {1: [], 2: []}
    for _ in range(options.rounds):
        for workers, so_far in found.items():
            so_far.append(measure(options.url, workers, options.trials, options.epochs))
            print(f"{workers} at work: {so_far[-1][0]:,.0f} trials an hour, share {so_far[-1][1]:.2f}", flush=True)
    ratios = [two / one for (one, _), (two, _) in zip(found[1], found[2], strict=True)]
    cells = []
    for so_far in found.values():
        rates, shares = zip(*so_far, strict=True)
        cells.append(f"{statistics.median(rates):,.0f} ({statistics.median(shares):.2f})")
    print("| trainings | one worker, trials an hour (share) | two workers (share of each) | ratio |\n| --- | --- | --- | --- |")
    spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})"
    print(f"| digits, 64-512-10, {options.epochs} epochs | {' | '.join(cells)} | {spread} |")


if __name__ == "__main__":
    main()
