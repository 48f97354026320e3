"""What contenders come to over tables: means, ranks, regret, errors of differences, times, and the picture of Demšar (2006)."""

from collections.abc import Iterable, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import wilcoxon

MEASURES = {"score": "accuracy or R²", "log_loss": "log-loss", "auc": "ROC AUC"}
LOWER_IS_BETTER = ("log_loss",)
KEYS = ("table", "split", "contender")
COSTS = ("fit_seconds", "predict_seconds", "one_row_seconds", "peak_memory_mb")
VALUES = ("limit", "accuracy", "r2", "log_loss", "auc", *COSTS)


def common(lines: Iterable[dict[str, Any]], contenders: Sequence[str]) -> pd.DataFrame:
    """Return the lines of the splits that all of these contenders have; accuracy or R² is the `score`.

    What was ended at its limit has no score, and that time for its fit.
    """
    found = pd.DataFrame(list(lines), columns=[*KEYS, *VALUES]).astype(dict.fromkeys(VALUES, float))
    found = found[found["contender"].isin(contenders)]
    counts = found.groupby(["table", "split"])["contender"].transform("nunique")
    found = found[counts == len(contenders)]
    score, seconds = found["accuracy"].fillna(found["r2"]), found["fit_seconds"].fillna(found["limit"])
    return found.assign(score=score, fit_seconds=seconds, contender=pd.Categorical(found["contender"], contenders))


def by_split(found: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return a column of `common` as a row a split and a column a contender."""
    values = found.pivot(index=["table", "split"], columns="contender", values=column)
    return values.set_axis(list(values.columns), axis=1).astype(float)


def means(found: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Return means over splits, a row a table and a column a contender; NaN where a fit was ended at its limit."""
    return by_split(found, measure).groupby("table").agg(lambda values: values.mean(skipna=False)).dropna(how="all")


def goodness(values: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Return means so that higher is better; who was ended at a limit is as good as the worst of the others there."""
    higher = (-values if measure in LOWER_IS_BETTER else values).round(12)  # sums in another order tie
    return higher.T.fillna(higher.min(axis=1)).T


def ranks(good: pd.DataFrame) -> pd.DataFrame:
    """Return the rank of each contender on each table, 1 for the best; those that tie share the mean of their ranks."""
    return good.rank(axis=1, ascending=False)


def regret(good: pd.DataFrame) -> pd.DataFrame:
    """Return (best - x) / (best - worst), and 0 where all are equal."""
    best, worst = good.max(axis=1), good.min(axis=1)
    return good.rsub(best, axis=0).div((best - worst).replace(0, 1), axis=0)


def differences(found: pd.DataFrame, ours: str, other: str, measure: str) -> pd.DataFrame:
    """Return the mean over splits of how much better ours is, and its standard error, a row a table."""
    values = by_split(found, measure)
    better = (values[ours] - values[other]) * (-1 if measure in LOWER_IS_BETTER else 1)
    return better.dropna().groupby("table").agg(["mean", "sem"])


def holm(p_values: Sequence[float]) -> np.ndarray:
    """Return p-values adjusted for how many there are, by Holm's method: the i-th lowest of m times m - i + 1."""
    order = np.argsort(p_values)
    adjusted = np.empty(len(order))
    adjusted[order] = np.maximum.accumulate(np.sort(p_values) * np.arange(len(order), 0, -1)).clip(max=1)
    return adjusted


def alike(good: pd.DataFrame, level: float = 0.05) -> list[list[str]]:
    """Return the longest runs of contenders, by mean rank, of which no two differ.

    Two differ if Wilcoxon's signed-rank test over the tables says so after Holm's correction for all pairs, as Benavoli, Corani
    and Mangili (2016) advise: whether they do is then not a matter of who else is compared but for this correction.
    """
    order = list(ranks(good).mean().sort_values(kind="stable").index)
    pairs = list(combinations(order, 2))
    gaps = [good[one] - good[other] for one, other in pairs]
    p_values = holm([wilcoxon(gap).pvalue if gap.any() else 1.0 for gap in gaps])
    same = {pair for pair, p in zip(pairs, p_values, strict=True) if p >= level}
    runs = [order[i:j] for i in range(len(order)) for j in range(i + 2, len(order) + 1)]
    runs = [run for run in runs if same.issuperset(combinations(run, 2))]
    return [run for run in runs if not any(set(run) < set(other) for other in runs)]


def report(found: pd.DataFrame) -> str:
    """Return all but the picture, as Markdown."""
    contenders = list(found["contender"].cat.categories)
    parts = []
    for measure, title in MEASURES.items():
        values = means(found, measure)
        if len(values):
            good = goodness(values, measure)
            rows = [[table, *(_number(value) for value in row)] for table, *row in values.itertuples()]
            rows.append(["*mean rank*", *(f"{rank:.2f}" for rank in ranks(good).mean())])
            rows.append(["*mean normalised regret*", *(f"{value:.3f}" for value in regret(good).mean())])
            parts.append(f"Mean {title} over splits:\n\n{markdown(['table', *contenders], rows)}")
    for ours in (name for name in contenders if name.startswith("fcnet")):
        if "linear" in contenders:
            parts.append(_against(found, ours, "linear"))
        parts.append(_costs(found, ours))
    return "\n\n".join(parts)


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table."""
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [head, ["---"] * len(head), *rows])


def _number(value: float) -> str:
    return "limit" if np.isnan(value) else f"{value:.4f}"


def _against(found: pd.DataFrame, ours: str, other: str) -> str:
    """Return by how much ours is better than another on each table, and where it is worse by more than a standard error."""
    tables = {measure: differences(found, ours, other, measure) for measure in ("score", "log_loss")}
    rows = [
        [name, *(f"{t.at[name, 'mean']:+.4f} ± {t.at[name, 'sem']:.4f}" if name in t.index else "–" for t in tables.values())]
        for name in tables["score"].index
    ]
    head = ["table", *(MEASURES[measure] for measure in tables)]
    words = []
    for measure, t in tables.items():
        known = t.dropna()  # one split has no error
        worse = list(known.index[known["mean"] < -known["sem"]])
        words.append(f"{MEASURES[measure]} on {len(worse)} of {len(known)}{': ' if worse else ''}{', '.join(worse)}")
    title = f"How much better {ours} is than {other}, mean over splits ± standard error:"
    return f"{title}\n\n{markdown(head, rows)}\n\nWorse by more than a standard error: {'; '.join(words)}."


def _costs(found: pd.DataFrame, ours: str) -> str:
    """Return times and memory; ratios are those of the same split."""
    fit, predict, one_row, memory = (by_split(found, column) for column in COSTS)
    ratio = fit.div(fit[ours], axis=0).median()
    rows = [
        [
            *(name, f"{fit[name].median():.2f}", f"{fit[name].max():.2f}", f"{ratio[name]:.2f}"),
            *(f"{_median(predict[name]):.3f}", f"{1000 * _median(one_row[name]):.2f}", f"{memory[name].max():,.0f}"),
        ]
        for name in fit
    ]
    head = ["contender", "fit, s", "longest, s", f"times that of {ours}", "predict, s", "one row, ms", "most memory, MB"]
    return f"Medians over tables and splits, a limit that was reached as its time:\n\n{markdown(head, rows)}"


def _median(values: pd.Series) -> float:
    return float(values.dropna().median())  # NaN where all have reached the limit


def picture(good: pd.DataFrame, path: Path, title: str) -> None:
    """Draw mean ranks on an axis, the best on the left, and a bar over those that do not differ."""
    from matplotlib.figure import Figure

    rank = ranks(good).mean().sort_values(kind="stable")
    bars, half = alike(good), (len(rank) + 1) // 2
    top = 0.35 * len(bars)
    figure = Figure(figsize=(8, 1.2 + 0.3 * (half + len(bars))), layout="constrained")
    axes = figure.subplots()
    axes.set(xlim=(1, len(rank)), ylim=(-half - 0.5, top + 0.3), yticks=[], title=f"{title}: mean rank on {len(good)} tables")
    axes.spines[["left", "right", "bottom"]].set_visible(False)
    axes.xaxis.tick_top()
    for place, (name, value) in enumerate(rank.items()):
        is_left = place < half
        y, end = -(place if is_left else len(rank) - 1 - place) - 0.5, 1 if is_left else len(rank)
        axes.plot([value, value, end], [top + 0.3, y, y], color="#888", linewidth=0.8, clip_on=False)
        words = {"ha": "right" if is_left else "left", "va": "center", "weight": "bold" if name.startswith("fcnet") else None}
        axes.annotate(f"{name} {value:.2f}", (end, y), (-4 if is_left else 4, 0), textcoords="offset points", **words)
    for line, names in enumerate(bars):
        axes.plot(
            [rank[names[0]], rank[names[-1]]], [top - 0.35 * line] * 2, color="#1f5fbf", linewidth=4, solid_capstyle="butt"
        )
    figure.savefig(path, metadata={"Date": None})
