"""What a sweep of a small table leaves, measured on the many rows that it does not have: its networks, and ensembles of them.

    python benchmarks/sweep_ensembles.py --timeout 100s --jobs 2      # twelve tables for choosing; what is finished stays
    python benchmarks/sweep_ensembles.py --report-only

Of each table 1,200 rows are swept, and all others are to measure on: the default networks of `fcnet train`, those of the winner
with the same seeds, and ensembles of the default ones, of the winner's, and of all finalists'. Needs two packages of tables:
pip install --group bench.
"""

import argparse
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from lines import add, call, commit, read
from table_data import CHOOSE, load

from fcnet import load as load_model
from fcnet.types import Array

RUNS = Path(__file__).parent.parent / "runs" / "sweep-ensembles"
RESULTS = "results.jsonl"
TABLES = (
    *("twonorm", "ring", "optdigits", "spam7", "flchain", "k401ksubs", "HealthInsurance", "credit_data", "mlc_churn"),
    *("CreditCard", "rwm5yr", "bfi"),
)
WHAT = {
    "default": "default networks",
    "default_ensemble": "their ensemble",
    "winner": "the winner's networks",
    "winner_ensemble": "their ensemble",
    "ensemble": "ensemble of all finalists",
}


def measured(members: list[Path], rest: Any, alone: bool) -> tuple[float, float]:
    """Return accuracy and log-loss of models on rows: the means of each alone, or of their mean probabilities."""
    models = [load_model(run / "model.safetensors") for run in members]
    places = {name: place for place, name in enumerate(models[0].classes)}
    y = np.array([places.get(label, -1) for label in rest["target"].to_list()])
    each = np.array([model.predict_proba(rest.drop("target")) for model in models], np.float64)
    scores = [_scores(p, y) for p in (each if alone else [each.mean(axis=0)])]
    accuracy, loss = np.mean(scores, axis=0)
    return float(accuracy), float(loss)


def _scores(p: Array, y: Array) -> tuple[float, float]:
    known = y >= 0  # a class that no swept row has cannot be predicted
    loss = -np.log(np.maximum(p[np.flatnonzero(known), y[known]], 1e-7)).mean()
    return float((p.argmax(axis=1) == y).mean()), float(loss)


def run(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Sweep and train by the command line, and measure on the other rows."""
    now, folder = commit(), options.runs / name.replace(" ", "-")
    rows, y = load(name, CHOOSE[name], 20_000)
    rows.columns = [f"column {column}" if str(column).isdigit() else str(column) for column in rows.columns]
    rows = rows.assign(target=y).sample(frac=1, random_state=0)
    folder.mkdir(parents=True, exist_ok=True)
    rows[: options.rows].to_csv(folder / "table.csv", index=False)
    rows[options.rows :].to_csv(folder / "rest.csv", index=False)
    common = [str(folder / "table.csv"), "--target", "target", "--threads", "1"]
    time = ["--trials", "100000", "--timeout", options.timeout]
    swept = call("sweep", *common, "--out", str(folder / "sweep"), "--resume", *time)
    winner = swept["winner"]
    defaults = [folder / "default" / f"seed-{seed}" for seed in winner["seeds"]]
    for seed, default in zip(winner["seeds"], defaults, strict=True):
        call("train", *common, "--seed", str(seed), "--out", str(default), "--resume")
    rest = pl.read_csv(folder / "rest.csv", infer_schema_length=None).with_columns(pl.col("target").cast(pl.String))
    study = folder / "sweep"
    winners = [study / path for path in winner["runs"]]
    final = [study / path for finalist in winner["finalists"] for path in finalist["runs"]]
    found = {
        "default": measured(defaults, rest, alone=True),
        "default_ensemble": measured(defaults, rest, alone=False),
        "winner": measured(winners, rest, alone=True),
        "winner_ensemble": measured(winners, rest, alone=False),
        "ensemble": measured(final, rest, alone=False),
    }
    return {"table": name, "commit": now, "trials": swept["n_trials"], "rows": len(rest), **found}


def report(rows: list[dict[str, Any]]) -> str:
    """Return a line for each kind of model: the mean difference from the default, and on how many tables it is better."""
    lines = [
        "| what | accuracy, points more than default networks | better on | log-loss less | better on |",
        "| --- | --- | --- | --- | --- |",
    ]
    for what, words in list(WHAT.items())[1:]:
        gains = np.array([[row[what][0] - row["default"][0], row["default"][1] - row[what][1]] for row in rows])
        errors = gains.std(axis=0, ddof=1) / len(rows) ** 0.5
        (accuracy, loss), better = gains.mean(axis=0), (gains > 0).sum(axis=0)
        lines.append(
            f"| {words} | {100 * accuracy:+.2f} ± {100 * errors[0]:.2f} | {better[0]} of {len(rows)} | {loss:+.4f} ± "
            f"{errors[1]:.4f} | {better[1]} of {len(rows)} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Run what is not finished, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--timeout", default="100s", help="of each sweep")
    parser.add_argument("--rows", type=int, default=1200, help="that are swept")
    parser.add_argument("--jobs", type=int, default=1, help="so many sweeps side by side")
    parser.add_argument("--runs", type=Path, default=RUNS, help="where runs and results are kept")
    parser.add_argument("--report-only", action="store_true")
    options = parser.parse_args()
    results = options.runs / RESULTS

    def one(name: str) -> None:
        row = run(name, options)
        add(results, row)
        print(json.dumps(row), flush=True)

    there = read(results, "table")
    if not options.report_only:
        with ThreadPoolExecutor(options.jobs) as pool:
            list(pool.map(one, [name for name in TABLES if (name,) not in there]))
    print(report(list(read(results, "table").values())))


if __name__ == "__main__":
    main()
