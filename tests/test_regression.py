"""Tables whose target is a number, from the file to predictions."""

import json
import re
import shutil
import tomllib
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from command_line import fcnet
from scipy import stats
from sklearn import datasets
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from fcnet import load
from fcnet.data import load_dataset
from fcnet.experiments.predictions import read_predictions
from fcnet.experiments.results import read_history
from fcnet.training.callbacks import Callback

QUICK = ["--set", "epochs=3", "--set", "hidden=[8]"]
ONE = ["--set", "n_ensemble=1"]
LOG = "Learning the column"


def trained(path, *words, out=None):
    out = out or path.parent / "run"
    return out, fcnet("train", path, "--out", out, "--force", *words)


def metrics_of(run):
    return json.loads((run / "metrics.json").read_text())


@pytest.fixture(scope="module")
def diabetes(tmp_path_factory):
    path = tmp_path_factory.mktemp("regression") / "diabetes.csv"
    pl.from_pandas(datasets.load_diabetes(as_frame=True, scaled=False).frame).write_csv(path)
    return path


@pytest.fixture(scope="module")
def whole(diabetes):
    """A run that is trained to its end, which no test changes."""
    run, result = trained(diabetes, "--recipe", "table", "--set", "epochs=20", out=diabetes.parent / "whole")
    (run / "said.txt").write_text(result.stdout)
    return run


@pytest.fixture
def run(whole, tmp_path):
    """A copy of it, for a test to change."""
    return Path(shutil.copytree(whole, tmp_path / "run", ignore=shutil.ignore_patterns("said.txt")))


def written(path, y, n=60, **columns):
    """Write a table with a number, a category and the target `y`."""
    rng = np.random.default_rng(0)
    frame = {"a": rng.normal(size=n).round(3), "b": rng.choice(["u", "v", "w"], n), **columns}
    pl.DataFrame(frame | {"y": y}).write_csv(path)
    return path


# What is a regression

NUMBERS = np.arange(60)


@pytest.mark.parametrize(
    ("y", "words", "kind"),
    [
        (NUMBERS / 7, [], "a number from 0 to 8.429, 4.214 in the mean"),
        (NUMBERS % 5 / 2, [], "a number from 0 to 2, 1 in the mean"),
        (NUMBERS % 5 / 2, ["--task", "classification"], "0, 0.5, 1, 1.5, 2"),
        (NUMBERS % 5, [], "0, 1, 2, 3, 4"),
        (NUMBERS % 5, ["--task", "regression"], "a number from 0 to 4, 2 in the mean"),
        (NUMBERS % 15, [], "Each of these 15 numbers is a class; --task regression learns the number"),
    ],
)
def test_what_the_target_holds_decides_what_is_learnt(tmp_path, y, words, kind):
    run, result = trained(written(tmp_path / "t.csv", y), *words, *QUICK)
    assert kind in result.stderr
    is_number = kind.startswith("a number")
    assert ("val_r2" in metrics_of(run), "val_accuracy" in metrics_of(run)) == (is_number, not is_number)
    assert tomllib.loads((run / "config.toml").read_text())["task"] == (words[-1] if words else "")


def test_more_than_a_hundred_whole_numbers_are_a_regression(tmp_path):
    path = written(tmp_path / "t.csv", np.arange(101) % 101, n=101)
    assert load_dataset(str(path)).classes == []
    path = written(tmp_path / "t.csv", np.arange(300) % 100, n=300)
    assert len(load_dataset(str(path)).classes) == 100


def test_numbers_are_those_of_the_file_in_float64_and_split_at_random(diabetes):
    data, there = load_dataset(str(diabetes)), pl.read_csv(diabetes)["target"].to_numpy()
    parts = data.y_train, data.y_val, data.y_test
    assert [(part.shape, part.dtype) for part in parts] == [((n, 1), np.float64) for n in (310, 66, 66)]
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)[:, 0]), np.sort(there))
    assert not all((np.diff(part[:, 0]) >= 0).any() and (part[:, 0] == np.sort(part[:, 0])).all() for part in parts)


BAD = {
    "words": (["x", "y"] * 30, ["--task", "regression"], "the target 'y' holds words, as 'x'"),
    "not finite": ([*NUMBERS[:-1] / 7, np.inf], [], "the target 'y' is inf in row 60"),
    "no class": ([*(NUMBERS[:-1] % 3 / 1), np.inf], ["--task", "classification"], "not finite, which are no classes"),
    "constant": ([1.5] * 60, [], "the target 'y' is always 1.5: there is nothing to learn"),
    "too many classes": (np.arange(300), ["--task", "classification"], "has 300 classes"),
    "too few rows": (NUMBERS[:9] / 7, [], "has 9 rows, and a regression needs 10,"),
    "missing": ([*NUMBERS[:-1] / 7, None], [], "missing in 1 of 60 rows, first in row 60"),
    "too far from 0": (1e9 + NUMBERS / 7, [], "too few digits"),
    "too large": (np.arange(120) * 1e36, [], "float32 has no room"),
    "a number in each row": (NUMBERS, [], "If it is a number to learn: --task regression."),
    "a setting for classes": (NUMBERS / 7, ["--set", "label_smoothing=0.1"], "label_smoothing is for classes"),
    "weights of classes": (NUMBERS / 7, ["--set", "training.class_weight=balanced"], "class_weight is for classes"),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_cannot_be_learnt_is_refused(tmp_path, kind):
    y, words, message = BAD[kind]
    path = written(tmp_path / "t.csv", y, n=len(y))
    is_setting = "for classes" in message
    result = fcnet("train", path, "--out", tmp_path / "run", *words, *QUICK, code=2 if is_setting else 1)
    assert message in result.stderr
    assert not (tmp_path / "run").exists()


# Training


def test_a_regression_is_trained_and_measured_in_the_units_of_the_target(whole, diabetes):
    metrics, data = metrics_of(whole), load_dataset(str(diabetes))
    model = load(whole / "model.safetensors")
    assert (model.network.loss.name, model.classes) == ("squared_error", ["target"])
    predicted = model.predict(data.X_val)
    assert predicted.shape == data.y_val.shape
    expected = {
        "val_r2": r2_score(data.y_val, predicted),
        "val_rmse": root_mean_squared_error(data.y_val, predicted),
        "val_mae": mean_absolute_error(data.y_val, predicted),
        "train_r2": r2_score(data.y_train, model.predict(data.X_train)),
    }
    assert {name: metrics[name] for name in expected} == pytest.approx(expected, rel=1e-5)
    assert metrics["val_r2"] > 0.3
    assert [name for name in metrics if "accuracy" in name] == []
    assert metrics["test_r2"] is None


def test_the_history_is_in_the_scale_of_training(whole, diabetes):
    """The loss of a kept epoch is half the mean squared error in standard deviations of the training targets."""
    history, metrics, data = read_history(whole), metrics_of(whole), load_dataset(str(diabetes))
    best = history[metrics["best_epoch"] - 1]
    assert best["val_r2"] == max(row["val_r2"] for row in history)
    # Both are sums of float32 numbers, once in either scale.
    assert best["val_r2"] == pytest.approx(metrics["val_r2"], rel=1e-4)
    assert best["val_loss"] == pytest.approx(metrics["val_loss"], rel=1e-4)
    assert metrics["val_loss"] == pytest.approx(0.5 * (metrics["val_rmse"] / data.y_train.std()) ** 2, rel=1e-4)


def test_it_says_how_well_it_did(whole, run):
    first, second = (whole / "said.txt").read_text().splitlines()[:2]
    metrics = metrics_of(whole)
    assert first.startswith(f"Validation R² {metrics['val_r2']:.4f} (epoch ")
    assert f"RMSE {metrics['val_rmse']:.4g}, MAE {metrics['val_mae']:.4g}." in second
    said = fcnet("evaluate", run).stdout
    metrics = metrics_of(run)
    assert said.startswith(f"Test R² {metrics['test_r2']:.4f} on 66 rows.\n")
    assert f"RMSE {metrics['test_rmse']:.4g}, MAE {metrics['test_mae']:.4g}." in said
    assert json.loads(fcnet("evaluate", run, "--json").stdout) == metrics
    assert metrics["test_r2"] > 0.2


@pytest.mark.parametrize(("origin", "unit"), [(0, 1), (1e6, 1), (-3e2, 1e-3), (0, 1e20)])
def test_the_unit_of_the_target_makes_no_difference(tmp_path, origin, unit):
    """Up to the digits of float32: at 1e6 numbers are 0.06 apart, a sixteenth of the deviation."""
    rng = np.random.default_rng(1)
    a = rng.normal(size=200)
    y = origin + unit * (a + 0.1 * rng.normal(size=200))
    path = tmp_path / "t.csv"
    pl.DataFrame({"a": a, "b": rng.random(200), "y": y}).write_csv(path)
    run, _ = trained(path, *(f"--set={change}" for change in ("epochs=30", "hidden=[16]", "dropout=0", "learning_rate=0.05")))
    assert metrics_of(run)["val_r2"] > 0.95


class _StopAfter(Callback):
    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_end(self, state):
        if state.epoch == self.epoch:
            raise KeyboardInterrupt


def test_a_run_that_is_stopped_keeps_a_model_and_goes_on_to_the_same(diabetes, tmp_path):
    from fcnet.experiments.configure import configure
    from fcnet.experiments.run import train

    models, words = [], {"changes": ["epochs=6", "hidden=[8]"]}
    for name in ("stopped", "whole"):
        run, config = configure(str(diabetes), tmp_path / name, **words)
        if name == "stopped":
            with pytest.raises(KeyboardInterrupt):
                train(run, config, checkpoint_seconds=0, callbacks=[_StopAfter(3)])
            data = load_dataset(str(diabetes))
            assert 25 < load(run / "model.safetensors").predict(data.X_val).mean() < 346
        train(run, config, resume=True)
        models.append((run / "model.safetensors").read_bytes())
    assert models[0] == models[1]


# Predictions


def test_numbers_are_predicted_from_raw_rows(whole, diabetes, tmp_path):
    rows = pl.read_csv(diabetes)[:20]
    new = tmp_path / "new.csv"
    rows.select(reversed(rows.columns)).write_csv(new)
    said = pl.read_csv(fcnet("predict", whole, new).stdout.encode())
    expected = load(whole / "model.safetensors").predict(rows.drop("target"))
    assert said.columns == ["target"]
    np.testing.assert_array_equal(said["target"].to_numpy().astype(np.float32), expected[:, 0])  # all digits are there
    lines = [json.loads(line) for line in fcnet("predict", whole, new, "--json").stdout.splitlines()]
    assert [line["target"] for line in lines] == said["target"].to_list()
    kept = pl.read_csv(fcnet("predict", whole, new, "--keep", "target,age").stdout.encode())
    assert kept.columns == ["input_target", "age", "target"]
    assert kept["input_target"].to_list() == rows["target"].to_list()


def test_the_graph_predicts_the_same_numbers(whole, diabetes, tmp_path):
    import onnxruntime

    fcnet("export", whole, "--to", tmp_path / "m.onnx")
    session, rows = onnxruntime.InferenceSession(tmp_path / "m.onnx"), pl.read_csv(diabetes).drop("target")[:30]
    inputs = {name: rows[name].to_numpy().astype(np.float64)[:, np.newaxis] for name in rows.columns}
    [values] = session.run(["values"], inputs)
    expected = load(whole / "model.safetensors").predict(rows)
    np.testing.assert_allclose(values, expected, rtol=1e-5)


# Which epoch is best


def test_a_monitor_in_the_unit_of_the_target_chooses_the_epoch(diabetes, tmp_path):
    run, _ = trained(diabetes, "--metric", "mae", "--recipe", "table", "--set", "epochs=12", out=tmp_path / "run")
    history, metrics = read_history(run), metrics_of(run)
    of_epochs = [row["val_mae"] for row in history]
    assert metrics["best_epoch"] == 1 + int(np.argmin(of_epochs))
    assert min(of_epochs) == pytest.approx(metrics["val_mae"], rel=1e-5)


def test_metrics_of_classes_are_refused(diabetes, tmp_path):
    result = fcnet("train", diabetes, "--out", tmp_path / "run", "--metric", "roc_auc", code=2)
    assert "roc_auc is no metric of a network with the loss squared_error. Those are: r2, loss, rmse, mae" in result.stderr


# Several networks


@pytest.mark.parametrize(("option", "n_val"), [("--seeds", 66), ("--folds", 376)])
def test_an_ensemble_predicts_the_mean(diabetes, tmp_path, option, n_val):
    run, result = trained(diabetes, option, 3, *QUICK, out=tmp_path / "run")
    metrics, model, data = metrics_of(run), load(run / "model.safetensors"), load_dataset(str(diabetes))
    assert result.stdout.startswith(f"Validation R² {metrics['val_r2']:.4f} (")
    assert metrics["n_val"] == n_val
    assert metrics["train_r2"] == pytest.approx(np.mean([member["train_r2"] for member in metrics["members"]]))
    each = [member.predict(data.X_val) for member in model.members]
    np.testing.assert_allclose(model.predict(data.X_val), np.mean(each, axis=0), rtol=1e-5)
    said = fcnet("evaluate", run).stdout
    assert said.startswith(f"Test R² {metrics_of(run)['test_r2']:.4f} on 66 rows.\nIts 3 networks, each by itself: ")
    assert "test R²" in (run / "report.html").read_text()


# Runs, beside one another


@pytest.fixture(scope="module")
def several(diabetes):
    """Runs of two recipes with three seeds each, and one on classes."""
    folder = diabetes.parent / "several"
    for hidden in (2, 16):
        for seed in range(3):
            settings = ["--set", "epochs=6", *ONE, "--set", f"hidden=[{hidden}]", "--seed", seed]
            trained(diabetes, *settings, out=folder / f"of-{hidden}" / f"seed-{seed}")
    trained(written(diabetes.parent / "classes.csv", ["no", "yes"] * 30), *QUICK, out=folder / "classes")
    return folder


def test_runs_are_listed_by_their_own_score(several):
    rows = json.loads(fcnet("runs", several, "--json", "--sort", "-validation").stdout)
    scores = [row["val_accuracy"] or row["scores"]["val_r2"] for row in rows]
    assert len(rows) == 7
    assert scores == sorted(scores, reverse=True)
    expected = {row["run"]: metrics_of(Path(row["run"])) for row in rows if row["val_accuracy"] is None}
    for row in rows:
        if metrics := expected.get(row["run"]):
            assert {name: row["scores"][name] for name in ("val_r2", "train_r2", "val_rmse")}.items() <= metrics.items()
    shown = fcnet("runs", several).stdout
    assert all(f"{metrics['val_r2']:.4f}" in shown for metrics in expected.values())
    some = json.loads(fcnet("runs", several, "--json", "--filter", "val_r2<1").stdout)
    assert len(some) == 6
    assert "val_r2" in fcnet("runs", several, "--csv").stdout.splitlines()[0]


def test_two_recipes_are_compared_over_seeds(several):
    words = "compare", several / "of-2", several / "of-16"
    said = fcnet(*words).stdout
    found = json.loads(fcnet(*words, "--json").stdout)
    a, b = ([found[side]["val_r2"][str(seed)] for seed in range(3)] for side in "ab")
    test = stats.ttest_rel(b, a)
    assert (found["test"], found["mean"]) == ("paired t of scores", pytest.approx(np.mean(np.subtract(b, a))))
    assert found["p_value"] == pytest.approx(test.pvalue)
    assert f"validation R² {np.mean(a):.4f} ± {np.std(a, ddof=1):.4f}  (" in said
    assert f"B - A: {found['mean']:+.4f}, 95 % confidence interval" in said


def test_two_models_are_compared_row_by_row(several, diabetes, tmp_path):
    runs = [Path(shutil.copytree(several / name / "seed-0", tmp_path / name)) for name in ("of-2", "of-16")]
    data, models = load_dataset(str(diabetes)), [load(run / "model.safetensors") for run in runs]
    of_a, of_b = (np.square(model.predict(data.X_val).astype(np.float64) - data.y_val) for model in models)
    expected = stats.ttest_rel(of_a, of_b, axis=None)
    for _ in range(2):  # as well where the predictions that a run keeps are those of the test rows
        found = json.loads(fcnet("compare", *runs, "--json").stdout)
        assert (found["test"], found["n"]) == ("paired t over rows", 66)
        a, b = (metrics_of(run)["val_r2"] for run in runs)
        assert found["mean"] == pytest.approx(b - a, rel=1e-4)
        assert found["p_value"] == pytest.approx(expected.pvalue, rel=1e-3)
        fcnet("evaluate", runs[0])
    assert "(paired t-test of squared errors over 66 rows)" in fcnet("compare", *runs).stdout


def test_a_regression_is_not_compared_with_classes(several, tmp_path):
    path = written(tmp_path / "t.csv", np.arange(60) % 5)
    runs = [trained(path, "--task", task, *QUICK, out=tmp_path / task)[0] for task in ("classification", "regression")]
    assert "their metric is accuracy and R²" in fcnet("compare", *runs, code=1).stderr


def test_the_page_of_several_runs_has_a_chart_of_each_score(several, tmp_path):
    fcnet("report", several, "--out", tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text()
    assert [
        name for name in ("Validation R² by epoch", "Validation accuracy by epoch", "training R²") if name not in text
    ] == []


# Sweeps


def test_a_sweep_finds_the_best_r2(diabetes, tmp_path):
    sweep = ["sweep", diabetes, "--set", "epochs=4", "--space", "hidden_sizes=[[2],[16]]", "--winner-seeds", 2]
    said = fcnet(*sweep, "--out", tmp_path / "study", "--trials", 2).stdout
    results = json.loads((tmp_path / "study" / "sweep.json").read_text())
    assert results["metric"] == "val_r2"
    values = {trial["number"]: trial["value"] for trial in results["trials"] if trial["value"] is not None}
    assert results["best"] == max(values, key=values.get)
    winner = results["winner"]
    assert f"Validation R² {winner['val_r2']:.4f} ± {winner['val_r2_std']:.4f}" in said
    assert f"Test R² {winner['test_r2']:.4f} ± " in said
    assert f"and a test R² of {winner['ensemble']['test_r2']:.4f}." in said
    assert "validation R²" in (tmp_path / "study" / "report.html").read_text()


def test_the_space_of_a_recipe_is_without_what_is_for_classes(diabetes, tmp_path):
    from fcnet.experiments.sweep.plan import make_plan

    _, plan = make_plan(str(diabetes), tmp_path / "study")
    assert "training.learning_rate" in plan.swept
    assert "training.label_smoothing" not in plan.swept
    (tmp_path / "study").mkdir()
    plan.write(tmp_path / "study")
    assert make_plan(str(diabetes), tmp_path / "study", resume=True, recipe="tabular")[1].fixed == plan.fixed
    shutil.rmtree(tmp_path / "study")
    words = ["--space", "label_smoothing=0:0.1", "--trials", 2]
    said = fcnet("sweep", diabetes, "--out", tmp_path / "study", *words, code=2).stderr
    assert "label_smoothing is for classes" in said
    said = fcnet("sweep", diabetes, "--out", tmp_path / "study", "--metric", "val_accuracy", "--trials", 2, code=2).stderr
    assert "accuracy is no metric of a network with the loss squared_error" in said


def test_a_sweep_by_an_error_looks_for_the_least(diabetes, tmp_path):
    words = ["--set", "epochs=4", "--space", "hidden_sizes=[[2],[16]]", "--winner-seeds", 2, "--metric", "val_mae"]
    fcnet("sweep", diabetes, "--out", tmp_path / "study", *words, "--trials", 2)
    results = json.loads((tmp_path / "study" / "sweep.json").read_text())
    values = {trial["number"]: trial["value"] for trial in results["trials"] if trial["value"] is not None}
    assert results["best"] == min(values, key=values.get)
    assert min(values.values()) > 20  # in the unit of the target


# What people read


def test_the_report_shows_errors_beside_those_of_the_mean_and_a_linear_model(run, diabetes):
    fcnet("report", run)
    page, metrics, data = (run / "report.html").read_text(), metrics_of(run), load_dataset(str(diabetes))
    rmse = np.sqrt(np.square(data.y_val - data.y_train.mean()).mean())
    baselines = metrics["baselines"]
    assert baselines["mean"]["val_rmse"] == pytest.approx(rmse, rel=1e-5)
    assert baselines["mean"]["val_loss"] == pytest.approx(0.5 * (rmse / data.y_train.std()) ** 2, rel=1e-4)
    expected = [metrics["val_rmse"], rmse, baselines["linear"]["val_rmse"]]
    assert re.search(r"\s*".join(f"<td>{value:.4g}</td>" for value in expected), page)
    residuals = (data.y_val - load(run / "model.safetensors").predict(data.X_val))[:, 0]
    worst = int(np.argmax(np.abs(residuals)))
    assert f"<td>{worst}</td><td>{data.y_val[worst, 0]:g}</td>" in page
    assert f"<td>{residuals[worst]:+.4g}</td>" in page
    assert "label_smoothing" not in page
    assert [words for words in ("Confusion matrix", "accuracy", "Calibration") if words in page] == []


def test_columns_that_matter_are_found(run):
    fcnet("report", run, "--importance")
    columns = [column["name"] for column in json.loads((run / "importance.json").read_text())["columns"]]
    assert {"bmi", "s5"} & set(columns[:3])  # the two that are known to say most
    assert "fall of R²" in (run / "report.html").read_text()


@pytest.mark.charts
def test_residuals_are_drawn(run):
    fcnet("report", run)
    page = (run / "report.html").read_text()
    titles = ("Predicted over true", "Residual over predicted", "R² by epoch")
    assert [title for title in titles if f'aria-label="{title}"' not in page] == []


def test_the_card_is_that_of_a_regression(run, tmp_path):
    fcnet("evaluate", run)
    fcnet("export", run, "--to", tmp_path / "card.md")
    card, metrics = (tmp_path / "card.md").read_text(), metrics_of(run)
    assert "predicts the number target from a row of a table" in card
    assert f"| test | RMSE | {metrics['test_rmse']:.4g} |" in card
    assert f"| validation | R² | {metrics['val_r2']:.4f} |" in card
    assert [words for words in ("lasses", "label_smoothing", "probabilities") if words in card] == []


def test_what_a_regression_is_logged_as(diabetes, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run, _ = trained(diabetes, *QUICK, *ONE, "--log", "tensorboard", out=tmp_path / "run")
    events = EventAccumulator(str(run / "tensorboard"))
    events.Reload()
    assert [event.value for event in events.Scalars("val_r2")] == pytest.approx([row["val_r2"] for row in read_history(run)])


def test_rows_with_the_largest_errors_are_written_as_in_their_table(tmp_path):
    days = [f"2024-02-{1 + i % 28:02}" for i in range(60)]
    sizes = [None if i % 7 == 0 else ["small", "large"][i % 2] for i in range(60)]
    run, _ = trained(written(tmp_path / "t.csv", NUMBERS / 7, day=days, size=sizes), *QUICK, *ONE)
    page = (run / "report.html").read_text()
    predictions, _ = read_predictions(run / "predictions.safetensors")
    X_val = load_dataset(str(tmp_path / "t.csv")).X_val
    row = X_val.row(int(predictions["mistakes"][0]), named=True)
    cells = [f"{row['a']:g}", row["b"], row["day"].date().isoformat(), row["size"] or "–"]
    assert "".join(f"<td>{cell}</td>" for cell in cells) in page


def test_numbers_of_large_targets_are_written_as_people_do(tmp_path):
    path = written(tmp_path / "prices.csv", 250_000.5 + 1000 * NUMBERS)
    result = fcnet("train", path, "--out", tmp_path / "run", "--recipe", "table", *QUICK)
    metrics, page = metrics_of(tmp_path / "run"), (tmp_path / "run" / "report.html").read_text()
    assert f"RMSE {metrics['val_rmse']:,.0f}, MAE {metrics['val_mae']:,.0f}." in result.stdout
    assert f"<td>{metrics['val_rmse']:,.0f}</td>" in page
    assert "a number from 250,000 to 309,000, 279,500 in the mean" in result.stderr
    assert "e+0" not in result.stdout


@pytest.mark.parametrize(
    ("y", "task", "told"),
    [
        (NUMBERS % 3, "", "Each of these 3 numbers is a class; --task regression learns the number"),
        (NUMBERS % 3 / 2, "", "It has 3 values; --task classification learns each as a class"),
        (NUMBERS % 2, "", ""),
        (NUMBERS % 30 / 2, "", ""),
        (NUMBERS % 3, "classification", ""),
        (NUMBERS % 3, "regression", ""),
    ],
)
def test_where_the_task_is_a_guess_the_other_one_is_named(tmp_path, y, task, told):
    notes = load_dataset(str(written(tmp_path / "t.csv", y)), task=task).notes
    assert [note for note in notes if "--task" in note] == [told] * bool(told)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_rows_without_a_target_are_left_out_if_that_is_asked_for(tmp_path, ending):
    path = written(tmp_path / "t.csv", [*NUMBERS[:-20] / 7, *[None] * 20])
    if ending == "parquet":
        pl.read_csv(path).write_parquet(path := path.with_suffix(".parquet"))
    assert "--drop-missing-targets leaves these rows out" in fcnet("train", path, *QUICK, code=1).stderr
    run, result = trained(path, "--drop-missing-targets", *QUICK, *ONE)
    assert "Left out, as their target is missing: 20 of 60 rows" in result.stderr
    metrics = metrics_of(run)
    assert metrics["n_train"] + metrics["n_val"] == 34
    assert json.loads(fcnet("evaluate", run, "--json").stdout)["n_test"] == 6
    assert fcnet("train", path, "--out", run, "--resume", *QUICK, *ONE).exit_code == 0  # what is not said again stays
    pl.DataFrame({"a": np.arange(20.0), "y": [None] * 20}, {"a": pl.Float64, "y": pl.Float64}).write_parquet(
        tmp_path / "n.parquet"
    )
    assert "is missing in 20 of 20 rows" in fcnet("train", tmp_path / "n.parquet", "--drop-missing-targets", code=1).stderr
