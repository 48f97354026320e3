"""What each part of the network for tables gives: accuracy, log-loss and R² of other settings, less those of the defaults.

    python benchmarks/tabular_ablation.py                                  # all parts, one split: about an hour on two cores
    python benchmarks/tabular_ablation.py --splits 3 --only "no embedding" "ReLU"
    python benchmarks/tabular_ablation.py --rows 10000 --tables ring optdigits --only "twice the epochs"
    python benchmarks/tabular_ablation.py --again                          # what was measured at other commits
    python benchmarks/tabular_ablation.py --report-only

On the tables for choosing of `table_data`, up to 3,000 rows of each unless `--rows` says more, a quarter held out. Differences
are those of the same split and seed, averaged over the splits of a table; ± is the standard error of their mean over tables.
One fit at a time runs on each of `--jobs` cores. Each result is a line of runs/tabular-ablation.jsonl; a run that was stopped
goes on. After a change of code `--again` measures anew what is asked for, so that settings are compared with defaults of the
same commit. It needs what `tables.py` needs, without the contenders.
"""

import argparse
import os
import time
import warnings
from concurrent.futures import ProcessPoolExecutor, as_completed
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from lines import add, commit, read
from table_contenders import classes_of, numbers_of
from table_data import CHOOSE, load

from fcnet import TabularClassifier, TabularRegressor
from fcnet.training.schedules import get_schedule
from fcnet.training.tabular import RATE, RATE_OF_VALUES, batch_size_for, epochs_for

RESULTS = Path(__file__).parent.parent / "runs" / "tabular-ablation.jsonl"
KEYS = ("split", "variant", "table", "rows")
THREADS = ("OMP", "OPENBLAS", "NUMBA")
DEFAULTS = "defaults"
# Parameters of the estimators; a factor is of the default for so many rows, or for such a target.
VARIANTS: dict[str, dict[str, Any]] = {
    DEFAULTS: {},
    "numbers as they are, without embedding": {"number_embedding": "none"},
    "piecewise linear embedding": {"number_embedding": "piecewise_linear"},
    "no learnt scale of inputs": {"settings": {"learnt_scale": False}},
    "standard parametrisation, rate .002": {"settings": {"parametrisation": "standard"}, "learning_rate": 0.002},
    "ReLU": {"settings": {"activation": "relu"}},
    "no gap indicators": {"settings": {"gaps": "median"}},
    "standardised, not scaled robustly": {"settings": {"scaling": "standard"}},
    "no dropout": {"dropout": 0.0},
    "no weight decay": {"weight_decay": 0.0},
    "cosine schedule": {"settings": {"schedule": get_schedule("cosine")}, "patience": 0},
    "no average of parameters": {"settings": {"ema_decay": 0.0}},
    "the best epoch alone": {"settings": {"best_epochs": 1}},
    "neither": {"settings": {"ema_decay": 0.0, "best_epochs": 1}},
    "all epochs, no stop by cycles": {"patience": 0},
    "half the epochs": {"factors": {"epochs": 0.5}},
    "twice the epochs": {"factors": {"epochs": 2}},
    "half the rate": {"factors": {"learning_rate": 0.5}},
    "twice the rate": {"factors": {"learning_rate": 2}},
    "twice the batch": {"factors": {"batch_size": 2}},
    "two layers of 256": {"hidden_sizes": (256, 256)},
    "three layers of 128": {"hidden_sizes": (128, 128, 128)},
    "label smoothing .1": {"label_smoothing": 0.1},
    "no temperature": {"calibrate": False},
    "8 members that share weights": {"n_members": 8},
    "one network, its best 5 epochs": {"n_ensemble": 1, "settings": {"best_epochs": 5}},
    "2 networks": {"n_ensemble": 2},
    "3 networks": {"n_ensemble": 3},
    "refit on all rows": {"refit": True},
}


def parameters(variant: str, n_train: int, regression: bool) -> dict[str, Any]:
    """Return the parameters of the estimator for a variant."""
    of_default = {
        "epochs": epochs_for(n_train),
        "batch_size": batch_size_for(n_train),
        "learning_rate": RATE_OF_VALUES if regression else RATE,
    }
    found = {**VARIANTS[variant]}
    for name, factor in found.pop("factors", {}).items():
        found[name] = type(of_default[name])(factor * of_default[name])
    return {name: value for name, value in found.items() if not (regression and name in ("label_smoothing", "calibrate"))}


def measure(split: int, variant: str, name: str, most_rows: int) -> dict[str, Any]:
    """Fit on three quarters of a table, and return what is reached on the others."""
    from sklearn.model_selection import train_test_split

    table = CHOOSE[name]
    frame, y = load(name, table, most_rows)
    if not table.regression:
        y = np.unique(y, return_inverse=True)[1]
    X, X_test, y, y_test = train_test_split(frame, y, random_state=split, stratify=None if table.regression else y)
    given = parameters(variant, int(0.8 * len(y)), table.regression)
    estimator = (TabularRegressor if table.regression else TabularClassifier)(random_state=split, threads=1, **given)
    began = time.process_time()
    with warnings.catch_warnings(action="ignore"):
        estimator.fit(X, y)
    seconds = time.process_time() - began
    of = (
        numbers_of(y_test, estimator.predict(X_test))
        if table.regression
        else classes_of(y_test, estimator.predict_proba(X_test))
    )
    return {**of, "cpu_seconds": seconds}


def report(lines: dict[tuple[Any, ...], dict[str, Any]]) -> str:
    """Return a Markdown table of differences from the defaults."""
    rows = [
        "| part | accuracy, points | better, worse | log-loss | better, worse | R², points | better, worse | time |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for variant in VARIANTS:
        cells, times = [], []
        for measured, factor, sign in (("accuracy", 100, 1), ("log_loss", 1, -1), ("r2", 100, 1)):
            by_table: dict[str, list[float]] = {}
            for (split, own, table, most_rows), line in lines.items():
                base = lines.get((split, DEFAULTS, table, most_rows))
                if own == variant and base and measured in line:
                    by_table.setdefault(table, []).append(factor * (line[measured] - base[measured]))
                    times.append(line["cpu_seconds"] / base["cpu_seconds"])
            means = np.array([np.mean(values) for values in by_table.values()])
            if not len(means):
                cells += ["–", "–"]
                continue
            error, digits = means.std(ddof=1) / len(means) ** 0.5 if len(means) > 1 else np.nan, 4 if factor == 1 else 2
            cells += [
                f"{means.mean():+.{digits}f} ± {error:.{digits}f}",
                f"{(sign * means > 0).sum()}, {(sign * means < 0).sum()}",
            ]
        if times and variant != DEFAULTS:
            rows.append(f"| {variant} | {' | '.join(cells)} | {np.median(times):.2f} |")
    return "\n".join(rows)


def main() -> None:
    """Measure what is asked for and not there, and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=VARIANTS, default=list(VARIANTS), metavar="PART", help="all by default")
    parser.add_argument("--splits", type=int, default=1)
    parser.add_argument("--rows", type=int, default=3000, help="most rows of a table")
    parser.add_argument("--tables", nargs="+", choices=CHOOSE, default=list(CHOOSE), metavar="TABLE", help="all by default")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--again", action="store_true", help="measure anew what was measured at another commit")
    parser.add_argument("--report-only", action="store_true")
    options = parser.parse_args()
    there, now = read(RESULTS, *KEYS), commit()
    wanted = list(product(range(options.splits), dict.fromkeys([DEFAULTS, *options.only]), options.tables, [options.rows]))
    if not options.report_only:
        os.environ |= {f"{name}_NUM_THREADS": "1" for name in THREADS}
        with ProcessPoolExecutor(options.jobs) as pool:
            done = {key for key, line in there.items() if line["commit"] == now or not options.again}
            jobs = {pool.submit(measure, *key): key for key in wanted if key not in done}
            for number, job in enumerate(as_completed(jobs), 1):
                key = jobs[job]
                add(RESULTS, {**dict(zip(KEYS, key, strict=True)), "commit": now, **job.result()})
                print(f"{number} of {len(jobs)}: {key[1]}, {key[2]}, split {key[0]}", flush=True)
    lines = read(RESULTS, *KEYS)
    found = {key: lines[key] for key in wanted if key in lines}
    print(
        f"{len({key[2] for key in found})} tables, commits {', '.join(sorted({line['commit'] for line in found.values()}))}\n"
    )
    print(report(found))


if __name__ == "__main__":
    main()
