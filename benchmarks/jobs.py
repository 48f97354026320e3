"""Whether a search in two processes takes more threads than there are cores: time and work of GridSearchCV over a pipeline.

    python benchmarks/jobs.py

Each is run in fresh worker processes, which are asked for their processor time when they have ended. A search that
oversubscribes the machine takes more processor time for the same work.
"""

import resource
import time
import warnings

import joblib
from joblib.externals.loky import get_reusable_executor
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from fcnet import FCNetClassifier

WAYS = {  # jobs, and threads within each
    "1 job": (1, None),
    "2 jobs, as by default": (2, None),
    "2 jobs, 2 threads each (oversubscribed)": (2, 2),
}


def measure(n_jobs: int, threads: int | None) -> tuple[float, float]:
    """Return seconds on the clock, and of processor time."""
    pipeline = Pipeline([("scale", StandardScaler()), ("net", FCNetClassifier((512, 512), max_iter=15, random_state=0))])
    search = GridSearchCV(pipeline, {"net__alpha": [1e-4, 1e-2], "net__dropout": [0.0, 0.2]}, cv=3)
    before = _processor_seconds()
    began = time.perf_counter()
    with joblib.parallel_config("loky", n_jobs=n_jobs, inner_max_num_threads=threads):
        search.fit(*load_digits(return_X_y=True))
    get_reusable_executor().shutdown(wait=True)
    return time.perf_counter() - began, _processor_seconds() - before


def _processor_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    measure(1, None)
    print("| search | seconds | of processor time |\n| --- | --- | --- |")
    for name, way in WAYS.items():
        seconds, processor = measure(*way)
        print(f"| {name} | {seconds:.1f} | {processor:.1f} |")
