"""Which columns matter: permutation importance and partial dependence, of functions and of runs on tables."""

import json

import numpy as np
import polars as pl
import pytest
from command_line import fcnet
from sklearn.inspection import partial_dependence as sklearn_dependence
from sklearn.linear_model import LogisticRegression

from fcnet import load
from fcnet.data import load_dataset
from fcnet.data.splits import of_fold
from fcnet.experiments import importance as of_runs
from fcnet.nn.losses import get_loss
from fcnet.training.importance import partial_dependence, permutation_importance


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A table whose label follows from a number and a category, and not from two other columns."""
    rng, n = np.random.default_rng(0), 600
    size, colour = rng.normal(50, 10, n).round(2), rng.choice(["red", "green", "blue"], n, p=[0.5, 0.3, 0.2])
    path = tmp_path_factory.mktemp("importance") / "table.csv"
    pl.DataFrame(
        {
            "noise": rng.standard_normal(n),
            "size $x$": size,
            "colour": colour,
            "other": rng.choice(["a", "b"], n),
            "label": np.where((size > 50) ^ (colour == "red"), "yes", "no"),
        }
    ).write_csv(path)
    return path


@pytest.fixture(scope="module")
def run(table):
    fcnet("train", table, "--out", table.parent / "run", "--set", "epochs=40", "--set", "n_ensemble=1")
    return table.parent / "run"


def linear_logits(W):
    return lambda X: np.column_stack([np.zeros(len(X)), X @ W])


def test_a_column_that_is_not_used_has_no_importance_and_a_useful_one_costs_the_loss():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((2000, 3))
    y = (rng.random(2000) < 1 / (1 + np.exp(-2 * X[:, 0]))).astype(int)
    logits_of, loss = linear_logits(np.array([2.0, 0.0, 0.1])), get_loss("cross_entropy")
    found = permutation_importance(logits_of, loss, X, y)
    assert found.mean[1] == found.std[1] == 0
    assert found.order[0] == 0
    assert found.mean.shape == found.std.shape == (3,)
    shuffled = []
    for seed in range(20):
        Z = X.copy()
        Z[:, 0] = np.random.default_rng(100 + seed).permutation(Z[:, 0])
        shuffled.append(loss.value(logits_of(Z), y) - loss.value(logits_of(X), y))
    assert abs(found.mean[0] - np.mean(shuffled)) < 5 * np.std(shuffled)
    again, other = (permutation_importance(logits_of, loss, X, y, seed=seed) for seed in (0, 1))
    assert (again.mean == found.mean).all()
    assert other.mean[0] != found.mean[0]


def test_of_numbers_it_is_the_fall_of_r2():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((5000, 2))
    found = permutation_importance(lambda X: X[:, :1].copy(), get_loss("squared_error"), X, X[:, :1])
    assert found.mean[0] == pytest.approx(2, abs=0.2)  # E (x - x')² = 2 var x
    assert found.mean[1] == 0


def test_partial_dependence_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((100, 3))
    model = LogisticRegression().fit(X, X[:, 0] + X[:, 1] > 0)
    expected = sklearn_dependence(model, X, [1], grid_resolution=7, response_method="predict_proba", kind="average")
    logits_of = lambda X: np.column_stack([np.zeros(len(X)), model.decision_function(X)])  # noqa: E731
    found = partial_dependence(logits_of, get_loss("cross_entropy"), X, 1, expected["grid_values"][0])
    np.testing.assert_allclose(found[:, 1], expected["average"][0], atol=1e-12)
    np.testing.assert_allclose(found.sum(axis=1), 1)


def test_a_run_on_a_table_says_which_columns_matter(run):
    found = of_runs.permutation_importance(run)
    by_name = {column["name"]: column for column in found["columns"]}
    assert [column["name"] for column in found["columns"]][:2] in (["size $x$", "colour"], ["colour", "size $x$"])
    metrics = json.loads((run / "metrics.json").read_text())
    assert found["rows"] == metrics["n_val"]
    assert found["metric"] == "log_loss"
    for name in ("noise", "other"):
        assert abs(by_name[name]["mean"]) < 0.1 * min(by_name["size $x$"]["mean"], by_name["colour"]["mean"])
    assert min(by_name["size $x$"]["mean"], by_name["colour"]["mean"]) > 5 * by_name["size $x$"]["std"] / np.sqrt(5)
    colour, size = ({each["name"]: each for each in found["dependence"]}[name] for name in ("colour", "size $x$"))
    data = load_dataset(str(run.parent / "table.csv"))
    values, counts = np.unique(data.X_val["colour"].to_numpy(), return_counts=True)
    assert colour["values"] == list(values[np.argsort(-counts)]) == ["red", "green", "blue"]
    assert len(size["values"]) == 20
    assert size["values"] == sorted(size["values"])
    assert set(size["values"]) <= set(data.X_val["size $x$"])
    frame = data.X_val.with_columns(pl.lit("blue").alias("colour"))
    mean = load(run / "model.safetensors").predict_proba(frame).mean(axis=0)
    np.testing.assert_allclose(colour["predictions"][2], mean, atol=1e-6)
    again = of_runs.permutation_importance(run)
    assert again | {"seconds": 0} == found | {"seconds": 0}


def test_at_most_some_rows_are_looked_at(run, monkeypatch):
    monkeypatch.setattr(of_runs, "MOST_ROWS", 50)
    assert of_runs.permutation_importance(run, repeats=2)["rows"] == 50


def test_dates_are_written_as_dates(tmp_path):
    rng = np.random.default_rng(0)
    days = np.datetime64("2024-01-01") + rng.integers(0, 366, 300)
    late = days > np.datetime64("2024-07-01")
    table = pl.DataFrame({"day": days, "noise": rng.standard_normal(300), "label": np.where(late, "late", "early")})
    table.write_parquet(tmp_path / "dates.parquet")
    fcnet("train", tmp_path / "dates.parquet", "--out", tmp_path / "run", "--set", "epochs=20")
    found = of_runs.permutation_importance(tmp_path / "run", repeats=2)
    day = found["dependence"][0]
    assert day["name"] == found["columns"][0]["name"] == "day"
    assert all(value in days.astype(str) for value in day["values"])
    assert day["predictions"][0][1] < 0.3
    assert day["predictions"][-1][1] > 0.7


@pytest.mark.charts
def test_the_report_shows_it_and_goes_on_showing_it(run):
    result = fcnet("report", run, "--importance")
    assert "Importance of 4 columns on 90 validation rows" in result.stderr
    page = (run / "report.html").read_text(encoding="utf-8")
    assert page.count('aria-label="Importance of columns"') == 1
    for name in ("size $x$", "colour", "noise", "other"):
        assert page.count(f'aria-label="{name}"') == 1
        assert f"<td>{name}</td>" in page
    assert "probability of yes" in page
    fcnet("evaluate", run)
    assert 'aria-label="Importance of columns"' in (run / "report.html").read_text(encoding="utf-8")


def test_with_folds_each_row_is_judged_by_the_network_that_has_not_seen_it(table, tmp_path):
    fcnet("train", table, "--out", tmp_path / "run", "--set", "epochs=3", "--set", "hidden_sizes=[8]", "--folds", 2)
    found = of_runs.permutation_importance(tmp_path / "run", repeats=2)
    data = load_dataset(str(table), n_test=0)
    assert found["rows"] == len(data.y_train) + len(data.y_val)
    probabilities = []
    for fold in (1, 2):
        frame = of_fold(data, fold, 2).X_val.with_columns(pl.lit("red").alias("colour"))
        probabilities.append(load(tmp_path / "run" / "members" / str(fold) / "model.safetensors").predict_proba(frame))
    colour = next(each for each in found["dependence"] if each["name"] == "colour")
    red = colour["predictions"][colour["values"].index("red")]
    np.testing.assert_allclose(red, np.concatenate(probabilities).mean(axis=0), atol=1e-6)


def test_what_has_no_columns_is_refused(run, tmp_path):
    fcnet("train", "digits", "--out", tmp_path / "digits", "--set", "epochs=1", "--set", "hidden_sizes=[8]")
    result = fcnet("report", tmp_path / "digits", "--importance", code=1)
    assert "was not trained on a table" in result.stderr
    result = fcnet("report", run, tmp_path / "digits", "--importance", code=2)
    assert "name one, or several with --each" in result.stderr


@pytest.mark.browser
@pytest.mark.charts
@pytest.mark.parametrize(("width", "theme"), [(390, "light"), (1100, "dark")])
def test_the_page_of_a_table_fits_every_screen(run, look, width, theme):
    fcnet("report", run, "--importance")
    look(run / "report.html", width, theme)
