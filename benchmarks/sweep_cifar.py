"""Sweeps on CIFAR-10: of the recipe `tuned` against random search, and of plain two-layer networks from that of the exercise.

    python benchmarks/sweep_cifar.py                            # both, three seeds, hours; what is finished stays
    python benchmarks/sweep_cifar.py tuned --seeds 1 --random-trials
    python benchmarks/sweep_cifar.py exercise --trials 60 --sweep=--set=epochs=20
    python benchmarks/sweep_cifar.py --report-only

tuned: 30 trials with the default sampler and pruner, then as many seconds of random search without a pruner, and with
`--random-trials` as many trials of it. exercise: a sweep of its space. Seconds are those in which at least one trial was
trained. The finalists, which are trained with three new seeds each, come after them, and the plain recipe is one of them.
The validation rows have chosen the best trial and the winner: what the winner is worth, the test says.
"""

import argparse
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from lines import add, call, commit, read

RUNS = Path(__file__).parent.parent / "runs" / "sweep-cifar"
RESULTS, KEYS = "results.jsonl", ("sweep", "seed")
RANDOM = ("--sampler", "random", "--pruner", "none")
OF_WINNER = ("val_accuracy", "val_accuracy_std", "test_accuracy", "test_accuracy_std", "plain")
COLUMNS = {
    "trials": "trials",
    "to_the_end": "to the end",
    "seconds": "seconds",
    "best": "best trial, validation",
    "val_accuracy": "winner, validation",
    "plain": "the plain recipe, validation",
    "test_accuracy": "winner, test",
}


def seconds_of(study: Path) -> float:
    """Return in how many seconds at least one trial of a study was trained, none of one that has not begun."""
    if not (study / "study.db").exists():
        return 0.0
    trials = optuna.load_study(study_name="sweep", storage=f"sqlite:///{study / 'study.db'}").trials
    spans = sorted((trial.datetime_start, trial.datetime_complete) for trial in trials if trial.datetime_complete)
    seconds, until = 0.0, datetime.min
    for begun, ended in spans:
        seconds += max(0.0, (ended - max(begun, until)).total_seconds())
        until = max(until, ended)
    return seconds


def run(name: str, recipe: str, seed: int, own: list[str], options: argparse.Namespace) -> dict[str, Any]:
    """Sweep by the command line, going on with what there is, unless it is finished; return what came of it."""
    path = options.runs / RESULTS
    if found := read(path, *KEYS).get((name, seed)):
        return found
    now, study = commit(), options.runs / f"{name}-{seed}"
    words = ["cifar10", "--recipe", recipe, "--seed", str(seed), "--out", str(study), "--resume", "--jobs", str(options.jobs)]
    words += ["--winner-seeds", str(options.winner_seeds), *(["--threads", str(options.threads)] if options.threads else [])]
    said = call("sweep", *words, *options.sweep, *own)
    best = said["trials"][said["best"]]
    winner = said["winner"] or dict.fromkeys(OF_WINNER) | {"params": best["params"]}
    row = {
        "sweep": name,
        "seed": seed,
        "commit": now,
        "jobs": options.jobs,
        "params": winner["params"],
        **{key: winner[key] for key in OF_WINNER},
        "best": best["value"],
        "trials": said["n_trials"],
        "to_the_end": sum(trial["state"] == "finished" for trial in said["trials"]),
        "seconds": seconds_of(study),
    }
    add(path, row)
    print(f"{name}, seed {seed}: " + ", ".join(f"{title} {_cell(key, [row])}" for key, title in COLUMNS.items()), flush=True)
    return row


def sweep_tuned(seed: int, options: argparse.Namespace) -> None:
    """Sweep the space of `tuned` by the defaults, then at random."""
    trials = ["--trials", str(options.trials)]
    default = run("tuned", "tuned", seed, trials, options)
    left = default["seconds"] - seconds_of(options.runs / f"tuned-random-{seed}")  # of a sweep that was stopped
    budget = ["--trials", "10000", "--timeout", f"{max(left, 1):.0f}s"]
    run("tuned-random", "tuned", seed, [*RANDOM, *budget], options)
    if options.random_trials:
        run("tuned-random-trials", "tuned", seed, [*RANDOM, *trials], options)


def table(rows: list[dict[str, Any]]) -> str:
    """Return mean ± standard deviation over the seeds of each sweep as a Markdown table."""
    lines = [f"| sweep | seeds | {' | '.join(COLUMNS.values())} | commit |", "| --- " * (len(COLUMNS) + 3) + "|"]
    for name in dict.fromkeys(row["sweep"] for row in rows):
        of_sweep = [row for row in rows if row["sweep"] == name]
        seeds, commits = (", ".join(sorted({str(row[key]) for row in of_sweep})) for key in ("seed", "commit"))
        lines.append(f"| {name} | {seeds} | {' | '.join(_cell(key, of_sweep) for key in COLUMNS)} | {commits} |")
    return "\n".join(lines)


def _cell(key: str, rows: list[dict[str, Any]]) -> str:
    values = np.array([row[key] for row in rows if row[key] is not None], float)
    if not len(values):
        return "–"
    is_share = key not in ("trials", "to_the_end", "seconds")
    scale, digits = (100, 2) if is_share else (1, 0)
    spread = f" ± {scale * values.std(ddof=1):,.{digits}f}" if len(values) > 1 else ""
    return f"{scale * values.mean():,.{digits}f}{spread}{' %' * is_share}"


def main() -> None:
    """Run what is asked for and is not finished, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", metavar="SWEEP", help="tuned or exercise; both by default")
    parser.add_argument("--seeds", type=int, default=3, help="seeds of each sweep, from 0 on")
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--random-trials", action="store_true", help="as many trials of random search, too, however long")
    parser.add_argument("--winner-seeds", type=int, default=3, help="trainings of each finalist; with 0 the best trial is all")
    parser.add_argument("--jobs", type=int, default=1, help="trials at once")
    parser.add_argument("--threads", type=int, help="of each sweep; as many as there are cores by default")
    parser.add_argument(
        "--sweep", action="append", default=[], metavar="OPTION", help="of fcnet sweep, as --sweep=--metric=val_loss"
    )
    parser.add_argument("--runs", type=Path, default=RUNS, help="where runs and results are kept")
    parser.add_argument("--report-only", action="store_true")
    options = parser.parse_args()
    if unknown := set(options.what) - {"tuned", "exercise"}:
        parser.error(f"there is no sweep {', '.join(sorted(unknown))}")
    for seed in range(0 if options.report_only else options.seeds):
        if "tuned" in (options.what or ["tuned"]):
            sweep_tuned(seed, options)
        if "exercise" in (options.what or ["exercise"]):
            run("exercise", "exercise", seed, ["--trials", str(options.trials)], options)
    print(table(list(read(options.runs / RESULTS, *KEYS).values())))


if __name__ == "__main__":
    main()
