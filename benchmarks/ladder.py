"""The ladder: test accuracy of the recipes on CIFAR-10 over seeds, each run trained and evaluated as a user does it.

    python benchmarks/ladder.py                          # every rung, hours; what is finished is not run again
    python benchmarks/ladder.py exercise tuned --seeds 5
    python benchmarks/ladder.py --report-only            # the tables and the plot from the runs there are

Runs lie in runs/ladder/RECIPE-SEED. Each is a process of its own, evaluated once on the 10,000 test images. Writes ladder.json,
ladder.md and ladder.svg beside this file.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
RUNS = HERE.parent / "runs" / "ladder"
QUICK = ("exercise", "histograms", "tuned")
SLOW = ("pixels", "pixels-deep", "features", "features-large")
COMMIT = "commit.txt"
COLUMNS = {
    "val_accuracy": "validation",
    "test_accuracy": "test",
    "fit_seconds": "training, s",
    "feature_seconds": "features, s",
    "peak_memory_mb": "peak memory, MB",
    "n_parameters": "parameters",
}
KNOWN = [  # test accuracy in per cent; what is published of networks and features like these, and where no time is known
    ("best student two-layer nets on pixels", 58.0),
    ("HOG and colour histograms, two layers", 60.0),
    ("Z-Lin, three layers on pixels", 69.6),
    ("Z-Lin, augmented", 78.6),
    ("k-means patches, 4,000 centroids", 82.0),
    ("random patches, 256,000 filters, least squares", 84.2),
    ("β-lasso, augmented, 4,000 epochs", 85.2),
    ("Thiry et al., 64,000 patches, linear", 86.9),
    ("Myrtle kernels", 90.0),
]


def run_recipe(recipe: str, seed: int, engine: str | None) -> dict[str, Any]:
    """Train and evaluate by the command line, going on with what there is; return the metrics."""
    run = RUNS / f"{recipe}-{seed}"
    fcnet = [sys.executable, "-m", "fcnet"]
    train = [*fcnet, "train", "cifar10", "--recipe", recipe, "--seed", str(seed), "--out", str(run), "--resume"]
    train += ["--engine", engine] if engine else []
    describe = ["git", "describe", "--always", "--dirty", "--exclude=*"]  # before the hours in which others may commit
    commit = subprocess.run(describe, cwd=HERE, check=True, stdout=subprocess.PIPE, text=True)
    subprocess.run(train, check=True)
    result = subprocess.run([*fcnet, "evaluate", str(run), "--json"], check=True, stdout=subprocess.PIPE, text=True)
    if not (run / COMMIT).exists():  # a run that had been evaluated before is that of an earlier one
        (run / COMMIT).write_text(commit.stdout, encoding="utf-8")
    return dict(json.loads(result.stdout))


def finished() -> dict[str, list[dict[str, Any]]]:
    """Return the metrics of all evaluated runs, by recipe."""
    rungs: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(RUNS.glob("*/metrics.json")):
        metrics = json.loads(path.read_text(encoding="utf-8"))
        if metrics["test_accuracy"] is not None and path.parent.name == f"{metrics['recipe']}-{metrics['seed']}":
            commit = (path.parent / COMMIT).read_text(encoding="utf-8").strip()
            rungs.setdefault(metrics["recipe"], []).append(metrics | {"commit": commit})
    return dict(sorted(rungs.items(), key=lambda rung: np.mean([row["test_accuracy"] for row in rung[1]])))


def table(rungs: dict[str, list[dict[str, Any]]]) -> str:
    """Return mean ± standard deviation of every column as a Markdown table."""
    lines = [f"| recipe | seeds | engine | {' | '.join(COLUMNS.values())} | commit |", "| --- " * (len(COLUMNS) + 4) + "|"]
    for recipe, rows in rungs.items():
        cells = []
        for column in COLUMNS:
            values = np.array([row[column] for row in rows], float)
            share = column.endswith("accuracy")
            mean, deviation = (100 if share else 1) * values.mean(), (100 if share else 1) * values.std(ddof=len(values) > 1)
            if column in ("peak_memory_mb", "n_parameters"):
                cells.append(f"{mean:,.0f}")
            else:
                cells.append(f"{mean:.2f} ± {deviation:.2f} %" if share else f"{mean:,.0f} ± {deviation:,.0f}")
        seeds, engines, commits = (", ".join(sorted({str(row[key]) for row in rows})) for key in ("seed", "engine", "commit"))
        lines.append(f"| `{recipe}` | {seeds} | {engines} | {' | '.join(cells)} | {commits} |")
    return "\n".join(lines) + "\n"


def plot(rungs: dict[str, list[dict[str, Any]]], path: Path) -> None:
    """Draw test accuracy against minutes, with what is known as marks at the side."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5.5), layout="constrained")
    axes = figure.subplots()
    for recipe, rows in rungs.items():
        minutes = np.mean([row["fit_seconds"] + row["feature_seconds"] for row in rows]) / 60
        accuracies = 100 * np.array([row["test_accuracy"] for row in rows])
        axes.errorbar(minutes, accuracies.mean(), accuracies.std(ddof=len(rows) > 1), fmt="o", color="#1f5fbf", capsize=3)
        axes.annotate(recipe, (minutes, accuracies.mean()), xytext=(7, -4), textcoords="offset points", weight="bold")
    axes.set_xscale("log")
    axes.set_xlim(0.05, 200)
    for name, accuracy in KNOWN:
        axes.axhline(accuracy, color="#bbb", linewidth=0.8, zorder=0)
        axes.annotate(
            f"{name} {accuracy:g}", (0.055, accuracy), xytext=(0, 2), textcoords="offset points", size=7, color="#666"
        )
    axes.set_xlabel("minutes of learning features and training, on two cores")
    axes.set_ylabel("accuracy on the 10,000 test images, %")
    axes.set_title("Fully-connected networks on CIFAR-10")
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    """Run the rungs that are asked for, then write what there is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rungs", nargs="*", metavar="RUNG", help=f"of {', '.join(QUICK + SLOW)}; all of them by default")
    parser.add_argument(
        "--seeds", type=int, help="seeds of each rung, from 0; by default five of the first three, three of the others"
    )
    parser.add_argument("--engine", help="what computes, as of fcnet train")
    parser.add_argument("--report-only", action="store_true")
    options = parser.parse_args()
    if not options.report_only:
        for rung in options.rungs or QUICK + SLOW:
            for seed in range(options.seeds or (5 if rung in QUICK else 3)):
                metrics = run_recipe(rung, seed, options.engine)
                print(f"{rung}, seed {seed}: {metrics['test_accuracy']:.2%} in {metrics['total_seconds']:.0f} s", flush=True)
    rungs = finished()
    (HERE / "ladder.json").write_text(json.dumps(rungs, indent=1) + "\n", encoding="utf-8")
    (HERE / "ladder.md").write_text(table(rungs), encoding="utf-8")
    plot(rungs, HERE / "ladder.svg")
    print(table(rungs))


if __name__ == "__main__":
    main()
