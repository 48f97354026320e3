"""Checks of the values and labels by themselves, whatever they have to do with one another."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from fcnet.doctor.finding import Finding
from fcnet.doctor.rows import Rows, finite_rows
from fcnet.types import Array, is_sparse
from fcnet.words import listed

SURE = 1e-4  # probability below which something is not left to chance
UNBALANCED = 10  # times as many rows
RARER, SURELY = 3.0, 5.0  # times the share of a class in the training rows, and standard deviations
MOSTLY, NEARLY_ALL = 0.75, 0.9  # shares of constant columns
PARTS = {"X": "training", "X_val": "validation"}


def sound_rows(rows: Rows) -> tuple[Rows, list[Finding]]:
    """Return the rows whose values are finite and whose labels exist, and what is to be said of the others."""
    kept: dict[str, Any] = {}
    found = list(_not_finite(rows))
    for name, X, y in (("X", rows.X, rows.y), ("X_val", rows.X_val, rows.y_val)):
        if X is None or y is None:
            continue
        good = finite_rows(X) & finite_rows(y)
        if rows.loss.one_label:
            good &= (y >= 0) & (y < rows.n_outputs) & (y == np.floor(y))
        y = y[good]
        kept |= {name: X[good], f"y{name[1:]}": y.astype(np.int64) if rows.loss.one_label else y}
    return replace(rows, **kept), [*found, *_foreign_labels(rows)]


def _not_finite(rows: Rows) -> Iterator[Finding]:
    counts: dict[str, int] = {}
    for name in ("X", "y", "X_val", "y_val"):
        values = getattr(rows, name)
        if values is not None and (n := int((~finite_rows(values)).sum())):
            counts[name] = n
    if counts:
        first = next(iter(counts))
        row = int(finite_rows(getattr(rows, first)).argmin())
        words = listed(f"{n:,} of {getattr(rows, name).shape[0]:,} rows of {name}" for name, n in counts.items())
        yield Finding(
            code="not-finite-data",
            severity="error",
            message=f"{words} hold NaN, or values that are infinite in float32, the first of them row {row} of {first}.",
            evidence={"rows": counts, "first_row": row},
            remedy="Remove these rows, or replace what is missing, as by the median of the column.",
        )


def _foreign_labels(rows: Rows) -> Iterator[Finding]:
    if not rows.loss.one_label:
        return
    for name in ("y", "y_val"):
        y = getattr(rows, name)
        if y is None:
            continue
        y = y[np.isfinite(y)]
        wrong = (y < 0) | (y >= rows.n_outputs) | (y != np.floor(y))
        if wrong.any():
            least, most = float(y.min()), float(y.max())
            yield Finding(
                code="label-shift",
                severity="error",
                message=f"{name} has labels from {least:g} to {most:g}, and the network's {rows.n_outputs} outputs are for the "
                f"classes 0 to {rows.n_outputs - 1}: {int(wrong.sum()):,} labels have no output.",
                evidence={"least": least, "most": most, "n_outputs": rows.n_outputs, "labels": int(wrong.sum())},
                remedy="Number the classes from 0 without gaps, as numpy.unique(y, return_inverse=True) does, and give the "
                "network an output for each.",
            )


def classes(rows: Rows) -> Iterator[Finding]:
    """Yield what is to be said of the numbers of rows that the classes have."""
    if not rows.loss.one_label or not len(rows.y):
        return
    counts = np.bincount(rows.y, minlength=rows.n_outputs)
    absent = np.flatnonzero(counts == 0).tolist()
    if absent:
        of_validation = 0 if rows.y_val is None else int(np.isin(rows.y_val, absent).sum())
        yield Finding(
            code="label-shift",
            severity="error" if of_validation else "warning",
            message=f"No training row has the class {listed(map(str, absent))}, though the network has an output for it"
            f"{f', and {of_validation:,} validation rows have it' if of_validation else ''}.",
            evidence={"classes": absent, "n_outputs": rows.n_outputs, "validation_rows": of_validation},
            remedy="Number the classes from 0 without gaps; add rows of a class that lacks them, or leave it out.",
        )
    elif (missing := _missing_to_validate(rows, counts)) is not None and len(missing):
        yield Finding(
            code="label-shift",
            severity="warning",
            message=f"No validation row has the class {listed(map(str, missing))}, which "
            f"{counts[missing].sum():,} training rows have: the parts are of different classes.",
            evidence={"classes": missing.tolist(), "training_rows": int(counts[missing].sum())},
            remedy="Shuffle the rows before they are split, or split each class by itself.",
        )
    there = counts[counts > 0]
    if there.max() >= UNBALANCED * there.min():
        yield from _rarer_to_train(rows, counts)
        yield Finding(
            code="class-imbalance",
            severity="note",
            message=f"Class {counts.argmax()} has {there.max():,} rows and class {np.where(counts, counts, np.inf).argmin()} "
            f"has {there.min():,}: always to say the former is right in {there.max() / there.sum():.1%}.",
            evidence={"most": int(there.max()), "fewest": int(there.min()), "share": float(there.max() / there.sum())},
            remedy="Judge by a metric that counts every class, as balanced_accuracy or roc_auc; if rare classes are not found, "
            "let all classes count the same in the loss.",
            settings={"monitor": "balanced_accuracy", "class_weight": "balanced"},
        )


def _rarer_to_train(rows: Rows, counts: Array) -> Iterator[Finding]:
    """Yield whether a rare class is far less rare, and more than by chance, where the network is validated."""
    if rows.y_val is None or not len(rows.y_val):
        return
    n = len(rows.y_val)
    shares, shares_val = counts / counts.sum(), np.bincount(rows.y_val, minlength=rows.n_outputs) / n
    rare = int(np.where(counts > 0, shares_val / np.maximum(shares, 1e-30), 0).argmax())
    far = shares_val[rare] > RARER * shares[rare] and shares_val[rare] - shares[rare] > SURELY * np.sqrt(shares[rare] / n)
    if counts.max() < UNBALANCED * counts[rare] or not far:
        return
    yield Finding(
        code="class-imbalance",
        severity="warning",
        message=f"Class {rare} has {counts[rare]:,} of the {counts.sum():,} training rows ({shares[rare]:.2%}), and "
        f"{shares_val[rare]:.1%} of those to validate: the network learns that it is far rarer than it is.",
        evidence={"class": rare, "share": float(shares[rare]), "share_to_validate": float(shares_val[rare])},
        remedy="Train on rows drawn as those to validate are; else let all classes count the same in the loss.",
        settings={"class_weight": "balanced"},
    )


def _missing_to_validate(rows: Rows, counts: Array) -> Array | None:
    """Return the classes that validation rows should have by far, and do not."""
    if rows.y_val is None or not len(rows.y_val):
        return None
    chance = (1 - counts / counts.sum()) ** len(rows.y_val)
    return np.flatnonzero((np.bincount(rows.y_val, minlength=rows.n_outputs) == 0) & (chance < SURE))


def constant_columns(rows: Rows) -> Iterator[Finding]:
    """Yield what is to be said of columns that hold one value."""
    n, d = rows.X.shape
    if n < 2:
        return
    low, high = (_by_column(rows.X, how) for how in ("min", "max"))
    constant = np.flatnonzero(low == high)
    if len(constant):
        share = len(constant) / d
        yield Finding(
            code="constant-features",
            severity="error" if share >= NEARLY_ALL else "warning" if share >= MOSTLY else "note",
            message=f"{len(constant):,} of {d:,} inputs hold the same value in all {n:,} training rows, "
            f"as {rows.name(int(constant[0]))}.",
            evidence={"columns": constant[:20].tolist(), "n": len(constant), "share": share},
            remedy="Leave these inputs out; if they should vary, look for where they are read or scaled.",
        )


def _by_column(X: Any, how: str) -> Array:
    found = getattr(X, how)(axis=0)
    return found.toarray().ravel() if is_sparse(found) else np.asarray(found).ravel()
