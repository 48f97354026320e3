"""Comparing recipes over seeds, and runs over rows."""

import json
import shlex
import shutil
import zlib
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from scipy import stats

from fcnet.cli import main
from fcnet.data import load_digits
from fcnet.experiments import run as runs
from fcnet.experiments.compare import Compared, Side, compare_runs
from fcnet.experiments.config import Config
from fcnet.experiments.recipe import load_recipe
from fcnet.experiments.results import read_metrics
from fcnet.training.paired import over_rows, over_seeds, pairs_needed

QUICK = ["--set", "epochs=2", "--set", "hidden_sizes=[8]", "--engine", "numpy"]


def fcnet(*words, code=0):
    result = CliRunner().invoke(main, ["compare", *map(str, words)])
    assert result.exit_code == code, result.output + repr(result.exception)
    return result.stderr if code else result.stdout


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Three seeds of two recipes: what the command line says as JSON, and the folders of the two."""
    out = tmp_path_factory.mktemp("compare")
    found = json.loads(
        fcnet("digits", "--on", "digits", *QUICK, "--set-b", "learning_rate=0.002", "--seeds", 3, "--out", out, "--json")
    )
    return found, *(Path(found[side]["runs"]["0"]).parent for side in "ab")


def test_the_interval_over_seeds_is_that_of_scipy():
    rng = np.random.default_rng(0)
    a, b = rng.normal(0.5, 0.02, 6), rng.normal(0.52, 0.02, 6)
    found, expected = over_seeds(a, b, 10_000), stats.ttest_rel(b, a)
    assert found.p_value == pytest.approx(expected.pvalue)
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval(0.95)))
    assert found.mean == pytest.approx(np.mean(b - a))
    opposite = over_seeds(b, a, 10_000)
    assert (opposite.low, opposite.high) == pytest.approx((-found.high, -found.low))


def test_the_number_of_pairs_is_the_published_one():
    """Of two-sided paired t-tests at 5 % with a power of 80 %, as in Cohen's tables and G*Power."""
    assert [pairs_needed(effect) for effect in (0.2, 0.5, 0.8)] == [199, 34, 15]
    assert pairs_needed(0) is None


def test_so_many_new_seeds_would_decide():
    a, b = [0.50, 0.52, 0.51, 0.53], [0.51, 0.52, 0.53, 0.53]
    found, d = over_seeds(a, b, 1000), np.subtract(b, a)
    assert not found.is_decided
    assert found.new_seeds == pairs_needed(d.mean() / d.std(ddof=1))
    draws = np.random.default_rng(0).normal(d.mean(), d.std(ddof=1), (4000, found.new_seeds))
    share = np.mean(stats.ttest_1samp(draws, 0, axis=1).pvalue < 0.05)
    assert abs(share - 0.8) < 0.1  # a pair more or less changes it by up to 0.05, and 4,000 draws by 0.02
    assert over_seeds([0.1, 0.2, 0.3], [0.2, 0.3, 0.4], 1000).new_seeds is None  # decided


def test_equal_differences_are_known_to_a_step_of_the_accuracy_at_best():
    two = over_seeds([0.5, 0.6], [0.51, 0.61], n_rows=100)  # one row in both: chance
    assert not two.is_decided
    assert two.new_seeds >= 2
    none = over_seeds([0.5, 0.6], [0.5, 0.6], n_rows=100)
    assert (none.mean, none.p_value, none.new_seeds) == (0, 1, None)


def test_rows_are_compared_by_the_exact_test_of_mcnemar():
    a = np.array([True] * 60 + [False] * 40)
    b = a.copy()
    b[:2] = False  # A alone
    b[60:70] = True  # B alone
    found = over_rows(a, b)
    assert (found.only_a, found.only_b, found.mean) == (2, 10, pytest.approx(0.08))
    assert found.p_value == pytest.approx(2 * sum(stats.binom.pmf(k, 12, 0.5) for k in range(3)))
    # Clopper and Pearson: the shares of 10 in 12 of which 10 and more, or 10 and fewer, have a probability of 2.5 %
    low, high = (0.5 * (1 + 100 * limit / 12) for limit in (found.low, found.high))
    assert stats.binom.sf(9, 12, low) == pytest.approx(0.025)
    assert stats.binom.cdf(10, 12, high) == pytest.approx(0.025)
    same = over_rows(a, a)
    assert (same.mean, same.p_value) == (0, 1)
    assert same.low < 0 < same.high
    assert (1 - same.high) ** 100 == pytest.approx(0.025)


def test_interval_and_p_value_over_rows_agree():
    counts = [(b, c) for b in range(0, 31, 3) for c in range(31)] + [(28, 15), (15, 28)]
    decided = set()
    for b, c in counts:
        one, other = np.zeros((2, 1000), bool)
        one[:b], other[b : b + c] = True, True
        found = over_rows(one, other)
        assert found.is_decided == (found.low > 0 or found.high < 0)
        assert found.low <= found.mean <= found.high
        decided.add(found.is_decided)
    assert decided == {True, False}


def test_recipes_are_trained_with_the_same_seeds_and_compared(trained):
    found, a, b = trained
    assert found["seeds"] == [0, 1, 2]
    assert found["differing"] == {"training.learning_rate": [0.02, 0.002]}
    of = [[read_metrics(side / f"seed-{seed}")["val_accuracy"] for seed in range(3)] for side in (a, b)]
    assert [list(found[side]["val_accuracy"].values()) for side in "ab"] == of
    expected = stats.ttest_rel(of[1], of[0])
    assert (found["mean"], found["p_value"]) == pytest.approx((np.mean(of[1]) - np.mean(of[0]), expected.pvalue))
    assert found["decided"]
    assert found["high"] < 0


def test_a_comparison_goes_on_where_it_was(trained, monkeypatch):
    found, a, _ = trained
    before, trainings = (a / "seed-0" / "model.safetensors").stat().st_mtime_ns, []
    original = runs.Config.load
    monkeypatch.setattr(runs.Config, "load", lambda *given, **named: trainings.append(1) or original(*given, **named))
    words = ["digits", "--on", "digits", *QUICK, "--set-b", "learning_rate=0.002", "--seeds", 4, "--out", a.parent]
    text = fcnet(*words)
    assert len(trainings) == 2  # the fourth seed
    assert (a / "seed-0" / "model.safetensors").stat().st_mtime_ns == before
    assert "training.learning_rate: 0.02 → 0.002" in text
    assert "A is better than B" in text
    for side in found["a"], found["b"]:
        shutil.rmtree(Path(side["runs"]["0"]).parent / "seed-3")


def test_a_seed_that_diverges_is_named_with_its_side(trained, tmp_path):
    _, a, b = trained
    words = ["digits", "--on", "digits", *QUICK, "--set-b", "learning_rate=1e6", "--seeds", 2, "--seed", 4, "--out", tmp_path]
    for _ in range(2):  # nor does the same command again get over it
        said = fcnet(*words, code=1)
        assert "Error: B diverged with seed 4, in " in said
        assert "Change it, or compare other seeds by --seed. The loss stopped being finite" in said
    [wild] = [status.parent for status in tmp_path.glob("*/seed-4/status.json")]
    mixed = Path(shutil.copytree(b, tmp_path / "mixed"))
    shutil.copy(wild / "status.json", mixed / "seed-1")
    (mixed / "seed-1" / "metrics.json").unlink()
    assert f"Error: B diverged with seed 1, in {mixed / 'seed-1'}: a recipe that diverges" in fcnet(a, mixed, code=1)


def test_a_stop_says_how_to_go_on(tmp_path, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("fcnet.experiments.run.prepare", stop)
    out = tmp_path / "my runs"
    words = ["digits", "--on", "digits", *QUICK, "--set-b", "learning_rate=0.1", "--out", out, "--no-verify", "--json"]
    said = fcnet(*words, code=1)
    assert f"Stopped. The runs are kept in {out}. Go on with: fcnet compare digits --on digits" in said
    again = shlex.split(said.partition("Go on with: fcnet compare ")[2])
    assert sorted(again) == sorted(map(str, words))
    assert fcnet(*again, code=1) == said
    shutil.rmtree(out)
    monkeypatch.setattr("fcnet.experiments.config.Config.load", stop)
    assert "Stopped before anything was written" in fcnet(*words, code=1)
    assert not out.exists()


def test_only_seeds_of_both_count_and_those_left_out_are_named(trained):
    found, a, b = trained
    few = [a, b / "seed-0", b / "seed-1"]
    text = fcnet(*few)
    first = "A" if text.splitlines()[0].startswith("A") and str(a) in text.splitlines()[0] else "B"
    shares = [100 * found["a"]["val_accuracy"][str(seed)] for seed in (0, 1)]
    assert f"{np.mean(shares):.2f} ± {np.std(shares, ddof=1):.2f} %  ({a})" in text
    assert f"\nSeed 2 of {first} has no partner and is left out.\n" in text
    side = json.loads(fcnet(*few, "--json"))[first.lower()]
    assert side["left_out"] == [2]
    assert (100 * side["mean"], 100 * side["std"]) == pytest.approx((np.mean(shares), np.std(shares, ddof=1)))
    assert list(side["runs"]) == ["0", "1"]


def test_sides_in_one_folder_are_named_by_their_runs(trained, tmp_path):
    _, a, b = trained
    for name, side in (("a", a), ("b", b)):
        for seed in range(3):
            shutil.copytree(side / f"seed-{seed}", tmp_path / f"{name}-{seed}")
    lines = fcnet(tmp_path).splitlines()
    assert lines[0].endswith(f"({tmp_path / 'a-0'} and 2 more)")
    assert lines[1].endswith(f"({tmp_path / 'b-0'} and 2 more)")


def test_one_recipe_with_another_seed_can_be_compared_and_a_run_with_its_copy_not(trained, tmp_path):
    _, a, _ = trained
    copy = Path(shutil.copytree(a / "seed-0", tmp_path / "copy"))
    assert "the same settings and the same seed, 0" in fcnet(a / "seed-0", copy, code=1)
    assert "the same recipe, other seeds" in fcnet(a / "seed-0", a / "seed-1")


def test_labels_of_other_rows_are_noticed_also_in_evaluated_runs(trained, tmp_path):
    _, a, b = trained
    copy = Path(shutil.copytree(a / "seed-0", tmp_path / "copy"))
    runs.evaluate(copy)
    metrics = read_metrics(copy)
    assert metrics["val_labels"] == f"{zlib.crc32(load_digits().y_val.astype('<i8').tobytes()):08x}"
    (copy / "metrics.json").write_text(json.dumps(metrics | {"val_labels": "00000000"}))
    assert "the checksum of their labels is 00000000 and" in fcnet(copy, b / "seed-0", code=1)
    older = {key: value for key, value in read_metrics(a / "seed-0").items() if key != "val_labels"}
    shutil.copy(a / "seed-0" / "predictions.safetensors", copy)
    (copy / "metrics.json").write_text(json.dumps(older))
    assert fcnet(copy, b / "seed-0", "--json")


def test_an_undecided_comparison_advises_new_seeds_alone(trained, tmp_path):
    for side, run, accuracies in (("a", trained[1], (0.5, 0.6)), ("b", trained[2], (0.51, 0.61))):
        for seed, accuracy in enumerate(accuracies):
            copy = Path(shutil.copytree(run / f"seed-{seed}", tmp_path / side / str(seed)))
            metrics = json.loads((copy / "metrics.json").read_text())
            (copy / "metrics.json").write_text(json.dumps(metrics | {"val_accuracy": accuracy, "n_val": 100}))
    n = over_seeds([0.5, 0.6], [0.51, 0.61], n_rows=100).new_seeds
    said = fcnet(tmp_path / "a", tmp_path / "b")
    assert f"Undecided. {n} new seeds, compared alone (with --on: --seed 2 --seeds {n}), would decide" in said
    assert "is wrong in more than 5 % of comparisons" in said
    assert said.count("± is the standard deviation over seeds") == 1


@pytest.mark.parametrize("given", ["two folders", "all runs", "one folder"])
def test_runs_are_named_in_any_way(trained, given):
    found, a, b = trained
    paths = {"two folders": [a, b], "all runs": sorted(a.parent.glob("*/*"), reverse=b.name > a.name), "one folder": [a.parent]}
    text = fcnet(*paths[given], "--json")
    again = json.loads(text)
    sign = 1 if again["a"]["runs"]["0"].startswith(str(a)) else -1
    assert again["mean"] == pytest.approx(sign * found["mean"])
    assert again["p_value"] == pytest.approx(found["p_value"])


def test_single_runs_are_compared_row_by_row_also_when_they_were_evaluated(trained, tmp_path):
    """The predictions of an evaluated run are those of the test rows: the validation rows are predicted again."""
    _, a, b = trained
    found = json.loads(fcnet(a / "seed-0", b / "seed-1", "--json"))
    assert (found["test"], found["n"], found["seeds"], found["new_seeds"]) == ("McNemar", 300, [], None)
    accuracies = [read_metrics(run)["val_accuracy"] for run in (a / "seed-0", b / "seed-1")]
    assert found["mean"] == pytest.approx(accuracies[1] - accuracies[0])
    evaluated = Path(shutil.copytree(a / "seed-0", tmp_path / "evaluated"))
    runs.evaluate(evaluated)
    again = compare_runs([str(evaluated), str(b / "seed-1")]).difference
    assert (again.only_a, again.only_b) == (found["only_a"], found["only_b"])
    text = fcnet(a / "seed-0", b / "seed-1")
    assert f"Of 300 rows A alone has {found['only_a']} right, and B alone {found['only_b']}." in text
    assert "luck of its seed" in text


def test_tables_are_compared_by_the_rows_of_the_same_file(tmp_path):
    rng = np.random.default_rng(0)
    rows = ["x,z,y"] + [f"{x:.4f},{z:.4f},{'no' if x + z < 0 else 'yes'}" for x, z in rng.standard_normal((120, 2))]
    (tmp_path / "a.csv").write_text("\n".join(rows) + "\n")
    shutil.copy(tmp_path / "a.csv", tmp_path / "copy.csv")
    (tmp_path / "other.csv").write_text("\n".join(rows[:-1]) + "\n")
    quick = ["--set", "epochs=1", "--set", "hidden_sizes=[4]", "--engine", "numpy"]
    for name in ("a", "copy", "other"):
        words = ["train", str(tmp_path / f"{name}.csv"), *quick, "--out", str(tmp_path / name)]
        assert CliRunner().invoke(main, words).exit_code == 0
    runs.evaluate(tmp_path / "copy")
    assert fcnet(tmp_path / "a", tmp_path / "copy", "--json")
    assert "validated on different rows: the data is" in fcnet(tmp_path / "a", tmp_path / "other", code=1)


def test_what_cannot_be_compared_is_refused(trained, tmp_path):
    _, a, b = trained
    other = tmp_path / "other"
    shutil.copytree(a / "seed-0", other)
    metrics = json.loads((other / "metrics.json").read_text())
    (other / "metrics.json").write_text(json.dumps(metrics | {"n_val": 200}))
    stopped = tmp_path / "stopped"
    shutil.copytree(a / "seed-0", stopped)
    (stopped / "metrics.json").unlink()
    assert "different rows: the number of rows is 300 and 200" in fcnet(b / "seed-0", other, code=1)
    assert "is not a finished run" in fcnet(b / "seed-0", stopped, code=1)
    assert "have the same seed, 0" in fcnet(a, a.parent, code=1)
    assert "differ in training.learning_rate" in fcnet(a / "seed-0", _mixed(tmp_path, a, b), code=1)
    said = fcnet(a, code=1)
    assert f"these are of 1: {a}/seed-0 (digits, a single network). Name two folders." in said
    assert "seed-0 is named twice: there is nothing to compare." in fcnet(a / "seed-0", a / "seed-0", code=1)
    assert "fewer than two are in common: A has 0, 1, 2 and B has 0" in fcnet(a, b / "seed-0", code=1)
    assert "There is no folder" in fcnet(a, tmp_path / "none", code=1)
    assert "There is no folder digits. To compare recipes add --on DATASET." in fcnet("digits", "digits", code=1)
    (tmp_path / "empty").mkdir()
    assert "is not a run folder, and holds none" in fcnet(a, tmp_path / "empty", code=1)


def _mixed(tmp_path, a, b):
    for name, run in (("0", a / "seed-0"), ("1", b / "seed-1")):
        shutil.copytree(run, tmp_path / "mixed" / name)
    return tmp_path / "mixed"


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["a", "b", "--set-b", "dropout=0.1"], 2, "--set-b goes with --on DATASET"),
        (["a", "b", "--seeds", "5"], 2, "--seeds goes with --on DATASET"),
        (["digits", "digits", "digits", "--on", "digits"], 2, "two recipes are compared, and these are 3"),
        (
            ["digits", "--on", "digits"],
            2,
            "A and B have the same settings: change one, but not n_ensemble, as by --set-b learning_rate=0.05.",
        ),
        (["digits", "digits", "--on", "digits"], 2, "as by --set-b learning_rate"),
        (["digits", "--on", "digits", "--set-b", "dropuot=0.1"], 2, "Error: --set-b: Unknown setting 'dropuot'."),
        (["digist", "--on", "digits"], 2, "Did you mean 'digits'"),
        (["digits", "--on", "digist"], 2, "Did you mean 'digits'"),
    ],
)
def test_wrong_use_is_said_in_a_line(words, code, message):
    said = fcnet(*words, code=code)
    assert message in said
    assert said.count("\n") == 1


def test_an_engine_is_a_difference_of_recipes_and_threads_are_not():
    recipe = load_recipe("digits")
    configs = [Config("digits", "digits", recipe, engine=engine, threads=n) for engine, n in (("numpy", 1), ("numba", 2))]
    sides = [Side(config, {}, {}) for config in configs]
    assert Compared(*sides, [], None).differing() == {"engine": ("numpy", "numba")}
