"""Searches over joblib's dask back end, on a cluster of two worker processes."""

import os
from contextlib import contextmanager
from unittest import mock

import dask
import joblib
import numpy as np
import pytest
from distributed import Client, LocalCluster
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_iris
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from fcnet import FCNetClassifier, FCNetRegressor, use_threads
from fcnet.training.callbacks import Callback

pytestmark = pytest.mark.any_kernel

PATIENCE = {f"distributed.comm.timeouts.{name}": "300s" for name in ("connect", "tcp")}  # a loaded machine may be slow
GRID = {"net__alpha": [1e-4, 1.0], "net__hidden_layer_sizes": [(4,), (20,)]}
HALVING = {"resource": "net__max_iter", "min_resources": 10, "max_resources": 20, "factor": 2, "random_state": 0}


@contextmanager
def two_workers(folder):
    """Start two workers of one thread each, which joblib finds; dask leaves their variables in this process's environment."""
    places = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0", "local_directory": folder}
    with mock.patch.dict(os.environ), dask.config.set(PATIENCE):
        os.environ.pop("OPENBLAS_NUM_THREADS", None)  # which the workers would take for theirs
        with LocalCluster(n_workers=2, threads_per_worker=1, **places) as cluster, Client(cluster) as client:
            yield client


def pipeline(kind, **settings):
    net = kind(max_iter=20, learning_rate_init=0.05, random_state=0, **settings)
    return Pipeline([("scale", StandardScaler()), ("net", net)])


def check_same(search, data):
    """Check that a search finds on the cluster what it finds alone."""
    with use_threads(1):
        alone = clone(search).fit(*data)
    with joblib.parallel_config("dask"):
        shared = clone(search).fit(*data)
    assert shared.best_params_ == alone.best_params_
    assert shared.best_score_ > 0.3
    scores = [name for name in alone.cv_results_ if "test_score" in name]
    assert len(scores) == 6  # of each of three folds, their mean and deviation, and the ranks
    for name in scores:
        np.testing.assert_array_equal(shared.cv_results_[name], alone.cv_results_[name], name)
    np.testing.assert_array_equal(shared.predict(data[0]), alone.predict(data[0]))


def check_threads(client, data):
    """Check that each fit was in a process of the cluster, and computed with one thread."""

    def threads(model, X, y):  # defined here, for another process to get it whole
        return model["net"].callbacks[0].number

    def process(model, X, y):
        return os.getpid()

    class Count(Callback):
        def on_epoch_end(self, state):
            from threadpoolctl import threadpool_info

            from fcnet.threads import default_threads

            self.number = max(default_threads(), *(pool["num_threads"] for pool in threadpool_info()))

    scoring = {"threads": threads, "process": process}
    search = GridSearchCV(pipeline(FCNetClassifier, callbacks=[Count()]), GRID, cv=2, scoring=scoring, refit=False)
    with joblib.parallel_config("dask"):
        found = search.fit(*data).cv_results_
    assert found["mean_test_threads"].tolist() == [1.0] * 4
    assert {*found["split0_test_process"], *found["split1_test_process"]} <= {*client.run(os.getpid).values()}


def test_searches_on_a_cluster_are_the_same_as_alone_with_one_thread_for_each_fit(tmp_path):
    """One test, as the workers take seconds to start."""
    iris, diabetes = load_iris(return_X_y=True), load_diabetes(return_X_y=True)
    with two_workers(tmp_path) as client:
        for kind, data in ((FCNetClassifier, iris), (FCNetRegressor, diabetes)):
            check_same(GridSearchCV(pipeline(kind), GRID, cv=3), data)
            check_same(HalvingGridSearchCV(pipeline(kind), GRID, cv=3, **HALVING), data)
        check_threads(client, iris)
