"""Time of patch features against that of their matrix products alone, in turn.

    python benchmarks/patches.py

The floor: 108 × filters multiplications for each of an image's 729 patches, as one large product on all threads of the BLAS.
"""

import time
from collections.abc import Callable

import fcnet  # noqa: F401  # before NumPy, whose threads it tells not to spin

# isort: split
import numpy as np

from fcnet.features import PatchFeatures, patches

N_IMAGES, ROUNDS = 200, 7


def seconds(function: Callable[[], object]) -> float:
    """Return how long a call takes."""
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


def main() -> None:
    """Print the median and the range of each ratio."""
    rng = np.random.default_rng(0)
    images = rng.integers(256, size=(N_IMAGES, 3072)).astype(np.uint8)
    patches.N_PATCHES = 20_000
    print("| filters | floor, ms an image | features, times the floor | with four moved copies |\n| --- | --- | --- | --- |")
    for n_filters in (1600, 3200, 6400):
        features = PatchFeatures(n_filters, 6, shift=2, dictionary="patches").fit(images, (32, 32, 3))
        rows, out = rng.standard_normal((8 * 729, 108), np.float32), np.empty((8 * 729, n_filters), np.float32)
        work = {
            "floor": lambda rows=rows, out=out, f=features: [np.matmul(rows, f.filters, out=out) for _ in range(N_IMAGES // 8)],
            "features": lambda f=features: f.transform(images),
            "views": lambda f=features: f.views(images),
        }
        times = np.array([[seconds(function) for function in work.values()] for _ in range(ROUNDS + 1)])[1:]
        floor = times[:, 0]
        ratios = [np.percentile(times[:, i] / floor, (50, 0, 100)) for i in (1, 2)]
        cells = [f"{median:.2f} ({least:.2f}–{most:.2f})" for median, least, most in ratios]
        print(f"| {n_filters:,} | {1000 * np.median(floor) / N_IMAGES:.2f} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
