"""FCNetClassifier and FCNetRegressor against scikit-learn's MLPClassifier and MLPRegressor: defaults against defaults.

    python benchmarks/estimators.py --choose                       # tables for choosing: three splits, 3,000 rows at most
    python benchmarks/estimators.py --choose --set dropout=0.3     # with another setting of fcnet's
    python benchmarks/estimators.py --choose --raw                 # with numbers as they are, not standardised
    python benchmarks/estimators.py --state                        # tables for the statement: five splits, 10,000 rows at most

A quarter of every table is held out by a split of each seed. Gaps are filled with medians and marked, numbers standardised,
categories one-hot. Both are fitted on the same rows, one after the other, the first one in turn; targets of regressions are
standardised for both. Choose on the first list alone: what is tuned on is no evidence. Needs two packages of tables beside
scikit-learn: pip install --group bench. With OPENBLAS_NUM_THREADS=1 each has one thread.
"""

import argparse
import ast
import json
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import TransformedTargetRegressor
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.preprocessing import StandardScaler
from table_data import CHOOSE, STATE, Table, load, prepare

from fcnet import FCNetClassifier, FCNetRegressor
from fcnet.training import schedules, updates

COLUMNS = (
    *("table", "rows × inputs", "measure", "fcnet", "scikit-learn", "difference ± its standard error", "log-loss of fcnet"),
    *("of scikit-learn", "seconds", "times faster", "epochs"),
)


def estimators(regression: bool, seed: int, ours: dict[str, Any]) -> dict[str, Any]:
    """Return both, not yet fitted."""
    if not regression:
        return {"fcnet": FCNetClassifier(random_state=seed, **ours), "scikit-learn": MLPClassifier(random_state=seed)}
    theirs = TransformedTargetRegressor(MLPRegressor(random_state=seed), transformer=StandardScaler())
    return {"fcnet": FCNetRegressor(random_state=seed, **ours), "scikit-learn": theirs}


def measure(estimator: Any, X: Any, y: Any, X_test: Any, y_test: Any) -> list[float]:
    """Return the score, the log-loss of classes, seconds, epochs and inputs."""
    began = time.perf_counter()
    estimator.fit(X, y)
    seconds = time.perf_counter() - began
    loss = log_loss(y_test, estimator.predict_proba(X_test), labels=estimator.classes_) if hasattr(estimator, "classes_") else 0
    return [estimator.score(X_test, y_test), loss, seconds, getattr(estimator, "regressor_", estimator).n_iter_, X.shape[1]]


def compare(
    name: str, table: Table, seeds: int, most_rows: int, raw: bool, ours: dict[str, Any], cache: dict[str, Any]
) -> dict[str, Any]:
    """Return what was measured of both, a row a seed; what is in the cache is not measured again."""
    rows, y = load(name, table, most_rows)
    found: dict[str, Any] = {"rows": len(rows), "fcnet": [], "scikit-learn": []}
    for seed in range(seeds):
        train, test, y_train, y_test = train_test_split(rows, y, random_state=seed, stratify=None if table.regression else y)
        data: Any = None
        both = estimators(table.regression, seed, ours)
        for who in list(both)[:: 1 if seed % 2 else -1]:
            settings = {key: repr(value) for key, value in ours.items()} if who == "fcnet" else {}
            key = json.dumps([who, name, seed, most_rows, raw, settings])
            if key not in cache:
                if data is None:
                    data = prepare(train, train, raw), y_train, prepare(test, train, raw), y_test
                cache[key] = measure(both[who], *data)
            found[who].append(cache[key])
    return found


def line_of(name: str, table: Table, found: dict[str, Any]) -> tuple[str, dict[str, float]]:
    """Return a row of the table, and what the summary is made from."""
    ours, theirs = np.array(found["fcnet"]), np.array(found["scikit-learn"])
    difference = 100 * (ours[:, 0] - theirs[:, 0])
    error = difference.std(ddof=1) / np.sqrt(len(difference))
    ratio = float(np.median(theirs[:, 2] / ours[:, 2]))
    scores = [f"{100 * s[:, 0].mean():.2f} ± {100 * s[:, 0].std(ddof=1):.2f} %" for s in (ours, theirs)]
    losses = ["–" if table.regression else f"{s[:, 1].mean():.3f} ± {s[:, 1].std(ddof=1):.3f}" for s in (ours, theirs)]
    cells = [
        *(name, f"{found['rows']:,} × {ours[0, 4]:.0f}", "R²" if table.regression else "accuracy", *scores),
        *(f"{difference.mean():+.2f} ± {error:.2f}", *losses, f"{np.median(ours[:, 2]):.2f}, {np.median(theirs[:, 2]):.2f}"),
        *(f"{ratio:.1f}", f"{ours[:, 3].mean():.0f}, {theirs[:, 3].mean():.0f}"),
    ]
    better = float("nan") if table.regression else float(ours[:, 1].mean() < theirs[:, 1].mean())
    below = float(difference.mean() < -error)
    return f"| {' | '.join(cells)} |", {"difference": difference.mean(), "below": below, "better": better, "ratio": ratio}


def setting(text: str) -> Any:
    """Return the value of a setting: a literal, an object as Cosine(0.1), or a word."""
    try:
        return ast.literal_eval(text)
    except (SyntaxError, ValueError):
        return eval(text, vars(schedules) | vars(updates)) if "(" in text else text


def main() -> None:
    """Print a row a table, and what they come to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--choose", action="store_true", help="tables that defaults were chosen on")
    which.add_argument("--state", action="store_true", help="tables that had no part in that")
    parser.add_argument("names", nargs="*", help="of tables, else all")
    parser.add_argument("--seeds", type=int, help="splits, else 3 to choose and 5 to state")
    parser.add_argument("--rows", type=int, help="most rows of a table, else 3,000 to choose and 10,000 to state")
    parser.add_argument("--raw", action="store_true", help="do not standardise numbers")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="another setting of fcnet's")
    parser.add_argument(
        "--cache", type=Path, metavar="FILE", help="keep there what is measured, for other calls of one version"
    )
    args = parser.parse_args()
    tables = CHOOSE if args.choose else STATE
    seeds, most_rows = args.seeds or (3 if args.choose else 5), args.rows or (3_000 if args.choose else 10_000)
    settings = {key: setting(value) for key, value in (change.split("=", 1) for change in args.set)}
    cache = json.loads(args.cache.read_text()) if args.cache and args.cache.exists() else {}
    warnings.simplefilter("ignore")  # that training ends before it has converged
    for n_classes in (2, 3):
        FCNetClassifier(max_iter=2).fit(np.eye(6, dtype=float), np.arange(6) % n_classes)  # compiled once
    print(f"| {' | '.join(COLUMNS)} |\n| {' | '.join('---' for _ in COLUMNS)} |")
    of_tables = []
    for name in args.names or tables:
        found = compare(name, tables[name], seeds, most_rows, args.raw, settings, cache)
        line, numbers = line_of(name, tables[name], found)
        of_tables.append(numbers)
        print(line, flush=True)
        if args.cache:
            args.cache.write_text(json.dumps(cache))
    summary = pd.DataFrame(of_tables)
    print(
        f"\nBelow by more than a standard error on {summary['below'].sum():.0f} of {len(summary)}, "
        f"mean difference {summary['difference'].mean():+.2f}; "
        f"log-loss better on {summary['better'].sum():.0f} of {summary['better'].count()}; "
        f"median time {summary['ratio'].median():.1f} times faster (least {summary['ratio'].min():.1f})."
    )


if __name__ == "__main__":
    main()
