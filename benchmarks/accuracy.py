"""Accuracy of a recipe on CIFAR-10 over seeds: mean and standard deviation, with times and memory.

    python benchmarks/accuracy.py exercise --seeds 10
    python benchmarks/accuracy.py exercise --seeds 10 --through cs231n
    python benchmarks/accuracy.py tuned --seeds 3

Each seed is a run of its own, in a process of its own, evaluated once on the 10,000 test images.
"""

import argparse
import contextlib
import io
import json
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np


def run_recipe(recipe: str, seed: int, folder: Path) -> dict[str, float]:
    """Train and evaluate by the command line, as a user does; return the metrics."""
    run = folder / f"{recipe}-{seed}"
    fcnet = [sys.executable, "-m", "fcnet.cli"]
    train = [*fcnet, "train", "cifar10", "--recipe", recipe, "--seed", str(seed), "--out", str(run)]
    subprocess.run(train, check=True, capture_output=True)
    result = subprocess.run([*fcnet, "evaluate", str(run), "--json"], check=True, capture_output=True, text=True)
    return dict(json.loads(result.stdout))


def run_exercise_names(seed: int) -> dict[str, float]:
    """Train section 7 of the exercise through the names of `cs231n`, in float64; return its validation accuracy."""
    from cs231n.classifier_trainer import ClassifierTrainer
    from cs231n.classifiers.neural_net import init_two_layer_model, two_layer_net
    from cs231n.data_utils import load_CIFAR10

    X, y, _, _ = load_CIFAR10("data")
    X = X.reshape(len(X), -1)
    X -= X[:49000].mean(axis=0)
    np.random.seed(seed)  # noqa: NPY002  # as the exercise does
    with contextlib.redirect_stdout(io.StringIO()):
        _, losses, _, val_accuracies = ClassifierTrainer().train(
            *(X[:49000], y[:49000], X[49000:], y[49000:], init_two_layer_model(3072, 50, 10), two_layer_net),
            num_epochs=5,
            reg=1.0,
            momentum=0.9,
            learning_rate_decay=0.95,
            learning_rate=1e-5,
        )
    return {"val_accuracy": max(val_accuracies), "first_loss": losses[0]}


def main() -> None:
    """Run the seeds and print every one, then mean ± standard deviation."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--through", choices=["recipe", "cs231n"], default="recipe")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(options.seeds):
            if options.through == "cs231n":
                metrics = run_exercise_names(seed)
            else:
                metrics = run_recipe(options.recipe, seed, Path(folder))
            keys = ["first_loss", "val_accuracy", "test_accuracy", "fit_seconds", "total_seconds", "peak_memory_mb"]
            rows.append({key: metrics[key] for key in keys if key in metrics})
            print(f"seed {seed}: {rows[-1]}", flush=True)
    print(f"{options.recipe} through {options.through}, {options.seeds} seeds, {platform.processor() or platform.machine()}")
    for key in rows[0]:
        values = np.array([row[key] for row in rows])
        print(f"{key}: {values.mean():.4f} ± {values.std(ddof=1) if len(values) > 1 else 0:.4f}")


if __name__ == "__main__":
    main()
