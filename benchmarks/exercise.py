"""Validation accuracy of section 7 of the exercise through the names of `cs231n`, in float64: mean and deviation over seeds.

    python benchmarks/exercise.py --seeds 10

The same by the recipe `exercise` is a rung of benchmarks/ladder.py.
"""

import argparse
import contextlib
import io

import numpy as np

from cs231n.classifier_trainer import ClassifierTrainer
from cs231n.classifiers.neural_net import init_two_layer_model, two_layer_net
from cs231n.data_utils import load_CIFAR10


def main() -> None:
    """Run the seeds and print every one, then mean ± standard deviation."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    X, y, _, _ = load_CIFAR10("data")
    X = X.reshape(len(X), -1)
    X -= X[:49000].mean(axis=0)
    accuracies = []
    for seed in range(parser.parse_args().seeds):
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
        accuracies.append(max(val_accuracies))
        print(f"seed {seed}: first loss {losses[0]:.6f}, validation accuracy {accuracies[-1]:.4f}", flush=True)
    print(f"validation accuracy {np.mean(accuracies):.4f} ± {np.std(accuracies, ddof=len(accuracies) > 1):.4f}")


if __name__ == "__main__":
    main()
