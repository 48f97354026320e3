"""The benchmark of contenders on tables: its arithmetic, what contenders get, and that it goes on where it was stopped."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

sys.path.append(str(Path(__file__).parent.parent / "benchmarks"))  # whose modules import one another by their names
import table_contenders
import table_report
import tables
from lines import add, read
from table_report import alike, by_split, common, differences, goodness, holm, means, ranks, regret

DEMSAR = {  # Demšar (2006), table 6: AUC of C4.5 and three variants on 14 data sets
    "C4.5": [0.763, 0.599, 0.954, 0.628, 0.882, 0.936, 0.661, 0.583, 0.775, 1, 0.940, 0.619, 0.972, 0.957],
    "+m": [0.768, 0.591, 0.971, 0.661, 0.888, 0.931, 0.668, 0.583, 0.838, 1, 0.962, 0.666, 0.981, 0.978],
    "+cf": [0.771, 0.590, 0.968, 0.654, 0.886, 0.916, 0.609, 0.563, 0.866, 1, 0.965, 0.614, 0.975, 0.946],
    # On the last but one it has rank 3 there, behind digits that are not printed.
    "+m+cf": [0.798, 0.569, 0.967, 0.657, 0.898, 0.931, 0.685, 0.625, 0.875, 1, 0.962, 0.669, 0.9749, 0.970],
}


def line(table, split, contender, **found):
    return {"table": table, "split": split, "contender": contender, "rows": 10_000, "threads": 2, "commit": "c0ffee", **found}


def accuracies(contender, *values, table="a"):
    return [line(table, split, contender, accuracy=value, fit_seconds=1.0) for split, value in enumerate(values)]


def test_mean_ranks_are_those_of_demsar_ties_among_them():
    assert ranks(pd.DataFrame(DEMSAR)).mean().round(3).to_dict() == {"C4.5": 3.143, "+m": 2.0, "+cf": 2.893, "+m+cf": 1.964}


def test_two_differ_where_wilcoxons_test_in_demsar_says_so():
    pair = pd.DataFrame(DEMSAR)[["C4.5", "+m"]]  # his table 2: 12 is below the critical value, 21
    assert alike(pair) == []
    assert alike(pair, level=0.001) == [["+m", "C4.5"]]
    assert alike(pair.assign(other=pair["+m"])) == [["+m", "other"]]  # by two tests and one of equals


def test_runs_that_do_not_differ_are_the_longest():
    steps = pd.DataFrame(np.arange(20)[:, None] + [[0.03, 0.02, 0.01]], columns=["best", "middle", "worst"])
    assert alike(steps) == []
    noise = np.where(np.arange(20) % 2, 1, -1)
    steps["middle"] += noise  # which goes with both of the others, and they not with each other
    assert alike(steps) == [["best", "middle"], ["middle", "worst"]]


def test_p_values_by_holm():
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.9]), [0.04, 0.09, 0.09, 0.9])


def test_regret_is_of_the_best_and_the_worst_and_ties_have_none():
    good = pd.DataFrame([[0.9, 0.8, 0.7], [0.5, 0.5, 0.5]], columns=["a", "b", "c"])
    np.testing.assert_allclose(regret(good), [[0, 0.5, 1], [0, 0, 0]])
    losses = goodness(pd.DataFrame([[0.3, 0.2, 0.6]]), "log_loss")
    np.testing.assert_allclose(regret(losses), [[0.25, 0, 1]])


def test_means_of_the_same_numbers_in_another_order_tie():
    found = common([*accuracies("x", 0.1, 0.2, 0.3), *accuracies("y", 0.3, 0.2, 0.1)], ["x", "y"])
    assert ranks(goodness(means(found, "score"), "score")).loc["a"].to_list() == [1.5, 1.5]


def test_compared_are_the_splits_that_all_have():
    lines = [*accuracies("x", 0.1, 0.3, 0.9), *accuracies("y", 0.2, 0.4), *accuracies("x", 0.5, table="b"), *accuracies("z", 0)]
    assert means(common(lines, ["y", "x"]), "score").to_dict("index") == {"a": {"y": pytest.approx(0.3), "x": 0.2}}
    assert table_report.report(common([], ["x"])) == ""


def test_a_fit_that_was_ended_counts_as_the_worst_of_the_others():
    lines = [*accuracies("x", 0.8, 0.9), *accuracies("y", 0.6, 0.6), *accuracies("z", 0.9)]
    found = common([*lines, line("a", 1, "z", limit=60.0)], ["x", "y", "z"])
    good = goodness(means(found, "score"), "score")
    assert good.loc["a"].to_list() == pytest.approx([0.85, 0.6, 0.6])
    assert by_split(found, "fit_seconds")["z"].to_list() == [1, 60]
    assert "| a | 0.8500 | 0.6000 | limit |" in table_report.report(found)


def test_differences_are_paired_by_split():
    lines = [*accuracies("fcnet", 0.91, 0.83), *accuracies("linear", 0.9, 0.8), *accuracies("fcnet", 0.5, 0.6, table="b")]
    found = common([*lines, *accuracies("linear", 0.6, 0.61, table="b")], ["fcnet", "linear"])
    better = differences(found, "fcnet", "linear", "score")
    np.testing.assert_allclose(better, [[0.02, 0.01], [-0.055, 0.045]])  # errors: half the range of two, over no more
    assert "Worse by more than a standard error: accuracy or R² on 1 of 2: b; log-loss on 0 of 0." in table_report.report(found)


def test_times_are_compared_by_split():
    times = {"fcnet": [1.0, 2.0, 4.0], "slow": [6.0, 8.0, 40.0]}
    lines = [
        line("a", split, who, accuracy=0.5, fit_seconds=seconds) for who in times for split, seconds in enumerate(times[who])
    ]
    assert "| slow | 8.00 | 40.00 | 6.00 |" in table_report.report(common(lines, list(times)))


def test_the_picture_has_every_contender(tmp_path):
    table_report.picture(pd.DataFrame(DEMSAR), tmp_path / "ranks.svg", "AUC")
    assert (tmp_path / "ranks.svg").read_text(encoding="utf-8").endswith("</svg>\n")


@pytest.fixture
def call(tmp_path, monkeypatch):
    """Return a function that calls the benchmark with fits that are not done, and returns which ones it asked for."""

    def call(*words, stop_after=99, limit=False):
        asked = []

        def fit(job, seconds):
            if len(asked) == stop_after:
                raise KeyboardInterrupt
            asked.append((job["table"], job["split"], job["contender"]))
            return {"limit": seconds} if limit else {"accuracy": 0.5, "fit_seconds": 1.0}

        monkeypatch.setattr(tables, "fit", fit)
        words = ["--choose", "--only", "iris", "wine", "--contenders", "linear", "--out", str(tmp_path), *words]
        if stop_after < 99:
            with pytest.raises(KeyboardInterrupt):
                tables.main(words)
        else:
            tables.main(words)
        return asked

    return call


def test_a_run_goes_on_where_it_was_stopped(call, tmp_path):
    everything = [("iris", 0, "linear"), ("wine", 0, "linear"), ("iris", 1, "linear"), ("wine", 1, "linear")]
    assert call("--splits", "2", stop_after=3) == everything[:3]
    assert call("--splits", "2") == everything[3:]
    assert call("--splits", "2") == []
    assert call("--splits", "1", "--rows", "100") == everything[:2]  # which is another benchmark
    assert len((tmp_path / "choose.jsonl").read_text(encoding="utf-8").splitlines()) == 6


def test_again_measures_what_is_of_another_commit(call, monkeypatch):
    monkeypatch.setattr(tables, "commit", lambda: "one")
    assert len(call("--splits", "1")) == 2
    monkeypatch.setattr(tables, "commit", lambda: "two")
    assert call("--splits", "1") == []
    assert len(call("--splits", "1", "--again", stop_after=1)) == 1
    assert call("--splits", "1", "--again") == [("wine", 0, "linear")]


def test_a_limit_is_a_result_for_all_but_longer_ones(call, capsys):
    assert len(call("--splits", "1", "--limit", "20m", limit=True)) == 2
    assert "iris, split 0, linear: limit" in capsys.readouterr().out
    assert call("--splits", "1", "--limit", "90s") == []
    assert len(call("--splits", "1", "--limit", "1h")) == 2
    assert call("--splits", "1", "--limit", "2h") == []


def test_a_torn_line_is_left_out_and_the_next_one_is_whole(tmp_path):
    path = tmp_path / "results.jsonl"
    add(path, {"table": "a", "score": 1})
    path.write_bytes(path.read_bytes() + b'{"table": "b", "sc')
    add(path, {"table": "c", "score": 3})
    assert list(read(path, "table")) == [("a",), ("c",)]


def test_one_fit_in_a_process_of_its_own(tmp_path):
    job = ["--choose", "--only", "iris", "--splits", "1", "--contenders", "linear", "--threads", "1", "--out", str(tmp_path)]
    tables.main([*job, "--limit", "0s"])
    tables.main(job)
    ended, found = map(json.loads, (tmp_path / "choose.jsonl").read_text(encoding="utf-8").splitlines())
    assert ended["limit"] == 0
    assert found["n_rows"] == 150
    assert found["accuracy"] > 0.9
    assert found["auc"] > 0.9
    assert 0 < found["log_loss"] < 0.5
    assert set(found["versions"]) == {"python", "numpy", "pandas", "scipy", "scikit-learn"}
    assert found["commit"]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # as a short fit is to end before
@pytest.mark.filterwarnings("ignore::fcnet.errors.DataWarning")  # of the column that the target is made of
@pytest.mark.parametrize("contender", ["fcnet", "fcnet tabular", "linear", "sklearn MLP"])
def test_targets_of_any_scale(contender):
    y = 1e6 + 1e3 * np.arange(60.0)
    X = np.stack([np.linspace(-1, 1, 60), np.ones(60)], axis=1)
    model = table_contenders.make(contender, X, regression=True, seed=0, threads=1, is_short=True).fit(X, y)
    assert abs(model.predict(X).mean() - y.mean()) < 1e5


def test_what_contenders_get():
    fitted_on = pd.DataFrame({"n": [1.0, np.nan, 3.0], "c": ["u", None, "v"], "b": [True, False, True]})
    rows = pd.DataFrame({"n": [np.nan, 5.0], "c": ["w", "u"], "b": [True, True]})
    native = table_contenders.categories(rows, fitted_on)
    assert native["c"].isna().to_list() == [True, False]  # what was not seen is a gap
    assert {name: str(dtype) for name, dtype in native.dtypes.items()} == {"n": "float64", "c": "category", "b": "category"}
    often = table_contenders.categories(fitted_on, pd.DataFrame({"n": [1.0], "c": ["v"], "b": [True]}), most=1)
    assert often["c"].isna().to_list() == [True, True, False]
    filled = table_contenders.filled(rows, fitted_on)
    assert filled["n"].to_list() == [2, 5]
    assert filled["n missing"].to_list() == [1, 0]
    words = table_contenders.CONTENDERS["CatBoost"].rows(fitted_on, fitted_on)
    assert words["c"].to_list() == ["u", "missing", "v"]
    assert words["b"].to_list() == ["True", "False", "True"]
    numbers = table_contenders.CONTENDERS["linear"].rows(rows, fitted_on)
    assert numbers.shape == (2, 2 + 3 + 2)  # with its mark of gaps; categories with theirs
    assert np.isfinite(numbers).all()


def test_unknown_tables_and_missing_packages_are_said(capsys, monkeypatch):
    with pytest.raises(SystemExit):
        tables.main(["--only", "iris"])
    assert "there is no table iris among magic" in capsys.readouterr().err
    monkeypatch.setattr(tables, "find_spec", lambda name: None if name == "pytabkit" else True)
    with pytest.raises(SystemExit):
        tables.main([])
    assert "pytabkit not installed" in capsys.readouterr().err
