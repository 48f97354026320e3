"""What each ingredient of a recipe gives: validation accuracy without it, one at a time, all else being the same.

    python benchmarks/ablation.py pixels
    python benchmarks/ablation.py features --engine bfloat16 --set epochs=12

Of the training images of CIFAR-10, 20,000 are learnt and 10,000 others validate (standard error 0.4 points for one row; rows
have the same images and seed, which makes differences surer than that). The test images are not read. Each row is trained as
a user does it; runs lie in runs/ablation, and what is finished is not run again.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np

from fcnet.data import load_cifar10

RUNS = Path(__file__).parent.parent / "runs" / "ablation"
N_TRAIN, N_VAL, N_TEST = 20_000, 10_000, 10  # own data has to have test rows; nothing reads them
OF_IMAGES = {
    "dropout of hidden units": ["dropout=0"],
    "dropout of inputs": ["input_dropout=0"],
    "label smoothing": ["label_smoothing=0"],
    "L2": ["l2=0"],
    "mirror images": ["mirror=false"],
    "moved images": ["shift=0"],
    "average over views": ["average_views=false"],
}
WITHOUT = {
    "pixels": {
        "ZCA (standardised)": ["scaling=standard"],
        "layer normalisation": ["normalisation=none"],
        "a first layer that begins with patches": ["first_layer=random"],
        **OF_IMAGES,
    },
    "features": {
        "the second dictionary, filters halved": ["patch_sizes=[3]", "map_patch_size=[5]", "n_filters=4000"],
        "the second dictionary, as many filters": ["patch_sizes=[3]", "map_patch_size=[5]"],
        "maps (patches of 6 and 8 pixels)": ["map_filters=0", "patch_sizes=[6, 8]", "threshold=0.25", "regularisation=1"],
        "regularisation of the whitening (1 for 100)": ["regularisation=1"],
        "half of the components": ["n_components=2048"],
        **OF_IMAGES,
    },
}


def images(path: Path) -> Path:
    """Write the images that are learnt and those that validate, if they are not there yet."""
    if not path.exists():
        data = load_cifar10()
        parts = np.split(np.random.default_rng(0).permutation(len(data.X_train)), np.cumsum([N_TRAIN, N_VAL, N_TEST]))
        X = [data.X_train[np.sort(rows)].reshape(-1, *data.image_shape) for rows in parts[:3]]
        y = [data.y_train[np.sort(rows)] for rows in parts[:3]]
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, X=X[0], y=y[0], X_val=X[1], y_val=y[1], X_test=X[2], y_test=y[2])
    return path


def main() -> None:
    """Train the recipe as it is, then without each ingredient; print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", choices=WITHOUT)
    parser.add_argument("--engine", default="numba", help="what computes, as of fcnet train")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of every row")
    options = parser.parse_args()
    data = images(RUNS / "images.npz")
    print("| without | training | validation | difference |\n| --- | --- | --- | --- |", flush=True)
    whole = None
    for number, (what, changes) in enumerate({"nothing": [], **WITHOUT[options.recipe]}.items()):
        run = RUNS / f"{options.recipe}-{number}"
        command = [
            sys.executable,
            "-m",
            "fcnet",
            "train",
            str(data),
            "--recipe",
            options.recipe,
            "--engine",
            options.engine,
        ]
        command += ["--out", str(run), "--resume", *(word for change in options.set + changes for word in ("--set", change))]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
        whole = whole or metrics["val_accuracy"]
        difference = 100 * (metrics["val_accuracy"] - whole)
        print(f"| {what} | {metrics['train_accuracy']:.1%} | {metrics['val_accuracy']:.1%} | {difference:+.1f} |", flush=True)


if __name__ == "__main__":
    main()
