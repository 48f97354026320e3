"""`fcnet sweep` for five minutes against the default of `fcnet train`, on tables that nothing was chosen on.

    python benchmarks/sweep_tables.py --jobs 2                  # ten tables, three seeds: two hours; what is finished stays
    python benchmarks/sweep_tables.py german --timeout 60s --seeds 1
    python benchmarks/sweep_tables.py --choose --timeout 60s    # tables to choose the search space and the defaults on
    python benchmarks/sweep_tables.py --report-only

The ten are the first in alphabetical order of the tables with classes in `table_data.STATE`, 10,000 rows at most. Each seed
orders the rows anew, and so has a split of its own: fcnet takes 70 % to train, 15 % to validate and 15 % to test. The winner of
the sweep and the default are trained with the same new seeds, and each of these networks is evaluated on the test rows once,
and so is the model that the sweep leaves, the ensemble of all finalists' networks. Both are compared with the default.

A table is better or worse if the mean over all its networks is. It is so beyond noise if Student's paired t-test says so at 5 %
over the test rows of all seeds, or over the seeds. Needs two packages of tables: pip install --group bench.
"""

import argparse
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from lines import add, call, commit, read
from table_data import CHOOSE, STATE, Table, load

from fcnet.experiments.predictions import read_predictions
from fcnet.training.paired import Difference, over_seeds

RUNS = Path(__file__).parent.parent / "runs" / "sweep-tables"
RESULTS = "results.jsonl"
KEYS = ("table", "seed")
WHAT = {"sweep": "The winner's networks are", "ensemble": "The ensemble of the finalists is"}
COLUMNS = (
    *("table", "rows", "trials", "default", "sweep", "difference", "over test rows", "over seeds"),
    *("log-loss of the default", "of the sweep"),
)


def of_classes(tables: dict[str, Table]) -> list[str]:
    """Return the names of tables with classes, in alphabetical order."""
    return sorted((name for name, table in tables.items() if not table.regression), key=str.lower)


def write_table(name: str, path: Path, seed: int, most_rows: int) -> int:
    """Write a table whose rows are in the order of a seed; return how many it has."""
    rows, y = load(name, (CHOOSE | STATE)[name], most_rows)
    rows.columns = [f"column {column}" if str(column).isdigit() else str(column) for column in rows.columns]
    rows = rows.assign(target=y).sample(frac=1, random_state=seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    rows.to_csv(path, index=False)
    return len(rows)


def measured(runs: list[Path]) -> dict[str, Any]:
    """Return, of networks that were evaluated, the accuracy and log-loss of each, and how many have each test row right."""
    metrics = [json.loads((run / "metrics.json").read_text(encoding="utf-8")) for run in runs]
    right, losses = [], []
    for run in runs:
        found, part = read_predictions(run / "predictions.safetensors")
        assert part == "test"
        p, y = found["probabilities"], found["labels"]
        right.append(p.argmax(axis=1) == y)
        losses.append(float(-np.log(np.maximum(p[np.arange(len(y)), y], 1e-7)).mean()))
    return {
        **{key: [row[key] for row in metrics] for key in ("val_accuracy", "test_accuracy")},
        "log_loss": losses,
        "right": np.sum(right, axis=0).tolist(),
    }


def run(name: str, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """Sweep and train by the command line, going on with what there is; return what was measured."""
    now, folder = commit(), options.runs / f"{name.replace(' ', '-')}-{seed}"
    data = folder / "table.csv"
    n_rows = write_table(name, data, seed, options.rows)
    common = [str(data), "--target", "target", "--threads", str(options.threads)]
    own = ["--trials", str(options.trials), "--timeout", options.timeout, "--winner-seeds", str(options.winner_seeds)]
    study = folder / "sweep"
    swept = json.loads((study / "sweep.json").read_text(encoding="utf-8")) if (study / "sweep.json").exists() else {}
    if not swept.get("winner"):  # if it was stopped it begins anew: resumed it would have its whole time again
        shutil.rmtree(study, ignore_errors=True)
        swept = call("sweep", *common, "--seed", str(seed), "--out", str(study), *own, *options.sweep)
    defaults = [folder / "default" / f"seed-{n}" for n in swept["winner"]["seeds"]]
    for n, default in zip(swept["winner"]["seeds"], defaults, strict=True):
        call("train", *common, "--seed", str(n), "--out", str(default), "--resume")
        call("evaluate", str(default))
    return {
        "table": name,
        "seed": seed,
        "commit": now,
        "rows": n_rows,
        "timeout": options.timeout,
        "trials": swept["n_trials"],
        "params": swept["winner"]["params"],
        "sweep": measured([study / path for path in swept["winner"]["runs"]]),
        "ensemble": measured([study / swept["winner"]["ensemble"]["run"]]),
        "default": measured(defaults),
    }


def verdict(difference: Difference) -> str:
    """Return a difference in points with its interval."""
    word = "" if not difference.is_decided else " better" if difference.mean > 0 else " worse"
    return f"{100 * difference.low:+.2f} to {100 * difference.high:+.2f}{word}"


def line_of(rows: list[dict[str, Any]], what: str) -> tuple[str, float, list[Difference]]:
    """Return a row of the table, the mean difference, and the tests of it."""
    accuracy = {who: [float(np.mean(row[who]["test_accuracy"])) for row in rows] for who in ("default", what)}
    n = {who: len(rows[0][who]["test_accuracy"]) for who in accuracy}
    right = {who: np.concatenate([row[who]["right"] for row in rows]) / n[who] for who in accuracy}
    tests = [over_seeds(right["default"].tolist(), right[what].tolist(), n[what])]
    if len(rows) > 1:
        tests.append(over_seeds(accuracy["default"], accuracy[what], n[what] * len(rows[0][what]["right"])))
    mean = float(np.mean(accuracy[what]) - np.mean(accuracy["default"]))
    cells = [
        *(rows[0]["table"], f"{rows[0]['rows']:,}", f"{np.mean([row['trials'] for row in rows]):.0f}"),
        *(_spread(accuracy[who]) for who in accuracy),
        *(f"{100 * mean:+.2f}", verdict(tests[0]), verdict(tests[1]) if len(tests) > 1 else "–"),
        *(f"{np.mean([row[who]['log_loss'] for row in rows]):.3f}" for who in accuracy),
    ]
    return f"| {' | '.join(cells)} |", mean, tests


def _spread(values: list[float]) -> str:
    return f"{100 * np.mean(values):.2f} ± {100 * np.std(values, ddof=len(values) > 1):.2f} %"


def table(found: dict[tuple[Any, ...], dict[str, Any]], names: list[str], what: str) -> str:
    """Return the results of the sweep's networks, or of their ensemble, as a Markdown table, and what they come to."""
    lines, means, tests = [], [], []
    for name in names:
        rows = [row for (table, _), row in sorted(found.items()) if table == name]
        if rows:
            line, mean, of_table = line_of(rows, what)
            lines, means, tests = [*lines, line], [*means, mean], [*tests, of_table]
    better = f"better on {np.sum(np.array(means) > 0)} of {len(means)}, beyond noise on {_beyond(tests, 1)}"
    head = f"| {' | '.join(COLUMNS)} |\n| {' | '.join('---' for _ in COLUMNS)} |\n"
    words = f"{WHAT[what]} {better}; worse beyond noise on {_beyond(tests, -1)}; {100 * np.mean(means):+.2f} points on average."
    return head + "\n".join(lines) + f"\n\n{words}"


def _beyond(tests: list[list[Difference]], sign: int) -> int:
    return sum(any(test.is_decided and sign * test.mean > 0 for test in of_table) for of_table in tests)


def main() -> None:
    """Run what is asked for and is not finished, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="TABLE", help="else the ten")
    parser.add_argument("--choose", action="store_true", help="the tables with classes for choosing, 3,000 rows at most")
    parser.add_argument("--seeds", type=int, default=3, help="splits, from 0 on")
    parser.add_argument("--timeout", default="5m", help="of each sweep")
    parser.add_argument("--trials", type=int, default=100_000, help="of each sweep at most")
    parser.add_argument("--winner-seeds", type=int, default=3, help="networks of each recipe in the end")
    parser.add_argument("--rows", type=int, help="most rows of a table, else 10,000, or 3,000 to choose")
    parser.add_argument("--threads", type=int, default=1, help="of each sweep")
    parser.add_argument("--jobs", type=int, default=1, help="so many sweeps side by side")
    parser.add_argument(
        "--sweep", action="append", default=[], metavar="OPTION", help="of fcnet sweep, as --sweep=--metric=val_loss"
    )
    parser.add_argument("--runs", type=Path, default=RUNS, help="where runs and results are kept")
    parser.add_argument("--report-only", action="store_true")
    options = parser.parse_args()
    if unknown := set(options.names) - {*of_classes(CHOOSE), *of_classes(STATE)}:
        parser.error(f"there is no table {', '.join(sorted(unknown))} with classes")
    names = options.names or (of_classes(CHOOSE) if options.choose else of_classes(STATE)[:10])
    options.rows = options.rows or (3_000 if options.choose else 10_000)
    results = options.runs / RESULTS
    there = read(results, *KEYS)
    todo = [(name, seed) for seed in range(options.seeds) for name in names if (name, seed) not in there]

    def one(job: tuple[str, int]) -> None:
        row = run(*job, options)
        add(results, row)
        words = ", ".join(f"{who} {100 * np.mean(row[who]['test_accuracy']):.2f} %" for who in ("default", *WHAT))
        print(f"{job[0]}, seed {job[1]}: {words}, {row['trials']} trials", flush=True)

    if todo and not options.report_only:
        with ThreadPoolExecutor(options.jobs) as pool:
            list(pool.map(one, todo))
    for what in WHAT:
        print(table(read(results, *KEYS), names, what))


if __name__ == "__main__":
    main()
