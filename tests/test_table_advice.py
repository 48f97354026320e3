"""What estimators for tables say of the rows they are given, of fits that have learnt nothing, and of unseen categories."""

import warnings

import numpy as np
import polars as pl
import pytest
from sklearn.exceptions import ConvergenceWarning

import fcnet
from fcnet import TabularClassifier, TabularRegressor
from fcnet.errors import DataWarning
from fcnet.estimators.advice import no_better
from fcnet.nn.losses import get_loss
from fcnet.nn.network import FullyConnectedNet
from fcnet.training.gain import gain_over
from fcnet.training.target_scale import scale_for

SMALL = {"hidden_sizes": [8], "epochs": 2, "random_state": 0, "n_ensemble": 1}
N = 300
LEARNS_LITTLE = pytest.mark.filterwarnings("ignore:The network:sklearn.exceptions.ConvergenceWarning")  # and need not


@pytest.fixture
def table():
    """A table whose target follows from its columns."""
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({"size": rng.standard_normal(N), "colour": rng.choice(["red", "blue", "green"], N)})
    return frame, np.where((frame["size"] > 0) ^ (frame["colour"] == "red"), "yes", "no")


def told(fit):
    """Return what a fit warns of in the data."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit()
    assert all(warning.filename == __file__ for warning in caught)
    return [str(warning.message) for warning in caught if warning.category is DataWarning]


def test_a_healthy_table_is_left_in_peace(table):
    frame, y = table
    assert told(lambda: TabularClassifier(**SMALL).fit(frame, y)) == []
    assert told(lambda: TabularRegressor(**SMALL).fit(frame, frame["size"].exp().sqrt() + np.arange(N) % 7)) == []


@pytest.mark.parametrize("form", ["polars", "pandas"])
def test_columns_that_tell_rows_apart_or_the_target_are_told(table, form):
    frame, y = table
    frame = frame.with_columns(user_id=pl.Series(np.random.default_rng(1).permutation(9 * N)[:N]), answer=pl.Series(y))
    frame = frame.to_pandas() if form == "pandas" else frame
    first, second = told(lambda: TabularClassifier(**SMALL).fit(frame, y))
    assert "'user_id' only tells rows apart" in first
    assert "By itself 'answer' tells the target" in second


def test_columns_of_an_array_are_told_by_their_places():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((N, 3))
    X[:, 1] = np.arange(N)
    first, second = told(lambda: TabularRegressor(**SMALL).fit(X, np.exp(X[:, 2])))
    assert "'x1' only tells rows apart" in first
    assert "By itself 'x2' tells the target" in second


def test_repeated_rows_and_labels_that_are_alike_are_told(table):
    frame, y = table
    y = np.where(np.arange(N) % 9 == 0, "Yes ", y)
    first, second = told(lambda: TabularClassifier(**SMALL).fit(pl.concat([frame, frame]), np.append(y, y)))
    assert "differ in case or blanks alone: 'Yes ' and 'yes'" in first
    assert "validation rows are training rows, too" in second
    [said] = told(lambda: TabularRegressor(**SMALL).fit(frame, np.arange(N) % 7, X_val=frame[:9], y_val=np.arange(9) % 7))
    assert said.startswith("9 of 9 validation rows are training rows")


def test_a_rare_class_is_told_where_the_choice_hangs_on_it(table):
    frame, _ = table
    y = np.where(np.arange(N) % 24 == 0, "rare", "common")
    assert told(lambda: TabularClassifier(**SMALL).fit(frame, y)) == []
    for setting in ({"monitor": "roc_auc"}, {"threshold": "auto"}):
        [said] = told(lambda setting=setting: TabularClassifier(**SMALL, **setting).fit(frame, y))
        assert said.startswith("Few of the 60 validation rows are of 'rare': ")


@pytest.mark.parametrize("kind", [TabularClassifier, TabularRegressor])
def test_noise_that_validation_rows_are_lucky_with_is_told(kind):
    """The columns say nothing, and the kept epochs are yet a little better on the rows that they were chosen by."""
    said = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        X, y = rng.standard_normal((300, 4)), rng.integers(0, 2, 300)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            kind(**SMALL | {"random_state": seed}).fit(X, y)
        said += [str(warning.message) for warning in caught if warning.category is ConvergenceWarning]
    assert len(said) >= 2
    assert any("not clearly better than" in each and "on the 60 validation rows" in each for each in said)


def lucky(n, gain):
    """Return a network for two classes whose gain over equal shares is about so many standard errors, with its rows."""
    rng = np.random.default_rng(0)
    y = np.arange(n) % 2
    side = np.where(rng.permutation(n) < n / 2 + gain * np.sqrt(n) / 2, 1, -1) * np.where(y, 1, -1)
    network = FullyConnectedNet([1, 2], params={"W1": np.array([[-0.05, 0.05]]), "b1": np.zeros(2)}, dtype=np.float64)
    return network, side[:, np.newaxis].astype(float), y


@pytest.mark.parametrize(("n", "gain", "is_told"), [(400, 1.2, True), (400, 4, False), (40, 1.2, False), (40, -1, True)])
def test_a_gain_within_chance_is_none_where_rows_are_many_enough_to_tell(n, gain, is_told):
    network, X, y = lucky(n, gain)
    said = list(no_better(network.loss, network.logits(X), y, None, y, None))
    assert len(said) == is_told
    if gain > 0 and is_told:
        assert "not clearly better than the class shares: on the 400" in str(said[0])


@pytest.mark.parametrize("unit", [1, 1000])
def test_several_values_are_judged_whatever_their_units(unit):
    """Of two values one is learnt, and the other, which has a large unit perhaps, is not."""
    rng, loss = np.random.default_rng(0), get_loss("squared_error")
    y, noise = rng.standard_normal((100, 2)) * [unit, 1], 0.1 * unit * rng.standard_normal(100)
    one, none = np.column_stack([noise, y[:, 1]]), np.column_stack([noise, noise / unit])
    assert list(no_better(loss, one, y, None, y, None, scale_for(loss, y))) == []
    [said] = no_better(loss, none, y, None, y, None, scale_for(loss, y))
    assert "its loss in the scale of training is" in str(said)


def test_the_gain_is_paired_and_rows_count_by_their_weights():
    a, b = np.random.default_rng(0).exponential(size=(2, 60))
    mean, error = gain_over(a, b)
    assert (mean, error) == pytest.approx((np.mean(b - a), np.std(b - a, ddof=1) / np.sqrt(60)))
    weights = np.repeat([1.0, 0.0], 30)
    assert gain_over(a, b, weights)[0] == pytest.approx(np.mean((b - a)[:30]))
    assert gain_over(a, b, np.full(60, 5.0)) == pytest.approx((mean, error))


@LEARNS_LITTLE
@pytest.mark.parametrize("form", ["polars", "pandas", "objects"])
def test_an_unseen_category_is_told_once(table, form, tmp_path):
    frame, y = table
    new = pl.DataFrame({"size": [0.5, 1.0, 2.0], "colour": [None, "pink", "grey"]})

    def made(rows):
        return {"polars": rows, "pandas": rows.to_pandas(), "objects": rows.to_numpy()}[form]

    model = TabularClassifier(**SMALL).fit(made(frame), y)
    name = "x1" if form == "objects" else "colour"
    fcnet.save(tmp_path / "model.safetensors", model)
    loaded = fcnet.load(tmp_path / "model.safetensors")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.predict(made(frame))
        model.predict(made(new[:1]))  # what is missing is no category
    for predict in (model.predict_proba, *([loaded.predict_proba] if form != "objects" else [])):
        with pytest.warns(DataWarning, match=f"The column '{name}' holds 'pink', which no training row had") as caught:
            predict(made(new))
        assert [warning.filename for warning in caught] == [__file__]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            predict(made(new))


@LEARNS_LITTLE
def test_categories_with_a_place_for_rare_ones_are_no_surprise(table):
    frame, y = table
    model = TabularClassifier(**SMALL, settings={"rare": 100}).fit(frame, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.predict(frame.with_columns(colour=pl.lit("pink")))
