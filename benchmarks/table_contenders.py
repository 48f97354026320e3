"""Who is compared on tables, what each gets, and one fit of one of them, in a process of its own.

    python benchmarks/table_contenders.py '{"table": "iris", "split": 0, "contender": "linear", "rows": 10000, "threads": 2}'

Prints a JSON line. `tables.py` starts such a process for every fit.
"""

import json
import platform
import re
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.compose import TransformedTargetRegressor
from sklearn.metrics import log_loss, r2_score, roc_auc_score, root_mean_squared_error
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from table_data import CHOOSE, STATE, as_words, load, prepare

ONE_ROW_CALLS = 20
VERSIONS = ("fcnet", "numpy", "pandas", "scipy", "scikit-learn", "torch", "lightgbm", "xgboost", "catboost", "pytabkit")


class Contender(NamedTuple):
    """Two estimators, what they get, and how they are told what all have in common."""

    package: str
    classifier: str
    regressor: str
    rows: Callable[[pd.DataFrame, pd.DataFrame], Any]  # of the rows and of those to fit on, what the estimator gets
    short: Mapping[str, Any]  # settings of a fit that ends at once, so that what is imported and compiled in it is not counted
    settings: Mapping[str, Any] = {}
    threads: str = ""  # the setting that says how many
    categories: str = ""  # the setting that names the columns of categories, where their dtype does not tell
    scale_target: bool = False  # standardise the targets of a regression, which the estimator does not do


def categories(rows: pd.DataFrame, fitted_on: pd.DataFrame, most: int | None = None) -> pd.DataFrame:
    """Return a frame whose columns are numbers and pandas categories; gaps, and what `fitted_on` has not, are NaN.

    The `most` frequent categories are kept.
    """
    found = rows.copy()
    for name in rows.select_dtypes(exclude="number"):
        words, known = (part[name].astype(object).map(str, na_action="ignore") for part in (rows, fitted_on))
        kept = known.value_counts().index[:most]
        found[name] = words.where(words.isin(kept)).astype(pd.CategoricalDtype(kept))
    return found


def filled(rows: pd.DataFrame, fitted_on: pd.DataFrame) -> pd.DataFrame:
    """Return `categories` without gaps in numbers: medians are in their places, and columns more mark them."""
    numbers = fitted_on.select_dtypes("number")
    gaps = rows[numbers.columns[numbers.isna().any()]].isna().astype(float).add_suffix(" missing")
    return pd.concat([categories(rows, fitted_on).fillna(numbers.median().to_dict()), gaps], axis=1)


_mlp = partial(Contender, rows=prepare, short={"max_iter": 1})
_trees = partial(Contender, rows=categories, short={"n_estimators": 1}, threads="n_jobs")
_pytabkit = partial(Contender, "pytabkit", rows=filled, short={"n_epochs": 1}, threads="n_threads")
CONTENDERS = {
    "fcnet": _mlp("fcnet", "FCNetClassifier", "FCNetRegressor", threads="threads"),
    "fcnet tabular": Contender(
        "fcnet",
        "TabularClassifier",
        "TabularRegressor",
        rows=lambda rows, fitted_on: rows,
        short={"epochs": 1},
        threads="threads",
    ),
    "linear": _mlp("sklearn.linear_model", "LogisticRegression", "Ridge", settings={"max_iter": 1000}),
    "sklearn MLP": _mlp("sklearn.neural_network", "MLPClassifier", "MLPRegressor", scale_target=True),
    "HistGB": Contender(
        "sklearn.ensemble",
        "HistGradientBoostingClassifier",
        "HistGradientBoostingRegressor",
        rows=partial(categories, most=255),  # it refuses more
        short={"max_iter": 1},
    ),
    "LightGBM": _trees("lightgbm", "LGBMClassifier", "LGBMRegressor", settings={"verbose": -1}),
    "XGBoost": _trees("xgboost", "XGBClassifier", "XGBRegressor", settings={"enable_categorical": True}),
    "CatBoost": Contender(
        "catboost",
        "CatBoostClassifier",
        "CatBoostRegressor",
        rows=lambda rows, fitted_on: as_words(rows),
        short={"iterations": 1},
        settings={"verbose": False, "allow_writing_files": False},
        threads="thread_count",
        categories="cat_features",
    ),
    "RealMLP-TD": _pytabkit("RealMLP_TD_Classifier", "RealMLP_TD_Regressor"),
    "TabM-D": _pytabkit("TabM_D_Classifier", "TabM_D_Regressor"),
}


def make(name: str, X: Any, regression: bool, seed: int, threads: int, is_short: bool = False) -> Any:
    """Return the estimator of a contender, not yet fitted."""
    who = CONTENDERS[name]
    settings = {"random_state": seed, **who.settings, **(who.short if is_short else {})}
    if who.threads:
        settings[who.threads] = threads
    if who.categories:
        settings[who.categories] = list(X.select_dtypes(exclude="number"))
    estimator = getattr(import_module(who.package), who.regressor if regression else who.classifier)(**settings)
    return TransformedTargetRegressor(estimator, transformer=StandardScaler()) if regression and who.scale_target else estimator


def measure(table: str, split: int, contender: str, rows: int, threads: int) -> dict[str, Any]:
    """Fit a contender on three quarters of a table, and return what it reaches on the others, in what time and memory."""
    about = (CHOOSE | STATE)[table]
    frame, y = load(table, about, rows)
    frame.columns = pd.Index([f"column {number}" for number in range(frame.shape[1])])  # some refuse brackets and commas
    if not about.regression:
        y = np.unique(y, return_inverse=True)[1]
    parts = train_test_split(frame, y, random_state=split, stratify=None if about.regression else y)
    X, X_test = (CONTENDERS[contender].rows(part, parts[0]) for part in parts[:2])
    y_train, y_test = parts[2:]
    make(contender, X, about.regression, split, threads, is_short=True).fit(X, y_train)
    estimator = make(contender, X, about.regression, split, threads)
    fit_seconds, _ = _timed(estimator.fit, X, y_train)
    predict = estimator.predict if about.regression else estimator.predict_proba
    predict_seconds, predicted = _timed(predict, X_test)
    one_row = X_test[:1]
    return {
        "n_rows": len(frame),
        **(numbers_of if about.regression else classes_of)(y_test, np.asarray(predicted, float)),
        "fit_seconds": fit_seconds,
        "predict_seconds": predict_seconds,
        "one_row_seconds": statistics.median(_timed(predict, one_row)[0] for _ in range(ONE_ROW_CALLS)),
        "peak_memory_mb": peak_memory_mb(),
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in VERSIONS if name.replace("scikit-", "sk") in sys.modules},
        },
    }


def classes_of(y: np.ndarray, p: np.ndarray) -> dict[str, float]:
    """Return how good probabilities are; the AUC is the mean over classes, each against the rest."""
    p = p / p.sum(axis=1, keepdims=True)  # float32 adds up to less or more
    return {
        "accuracy": float(np.mean(p.argmax(axis=1) == y)),
        "log_loss": float(log_loss(y, p, labels=np.arange(p.shape[1]))),
        "auc": float(np.mean([roc_auc_score(y == label, p[:, label]) for label in np.unique(y)])),
    }


def numbers_of(y: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Return how good predictions of a regression are."""
    return {"r2": float(r2_score(y, predicted)), "rmse": float(root_mean_squared_error(y, predicted))}


def peak_memory_mb() -> float | None:
    """Return the most memory that this process has had, where Linux tells; `getrusage` begins with that of its parent."""
    status = Path("/proc/self/status")
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status.read_text())[0]) * 1024 / 1e6 if status.exists() else None


def _timed(function: Callable[..., Any], *args: Any) -> tuple[float, Any]:
    began = time.perf_counter()
    result = function(*args)
    return time.perf_counter() - began, result


if __name__ == "__main__":
    print(json.dumps(measure(**json.loads(sys.argv[1]))))
