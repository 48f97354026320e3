"""TabularClassifier and TabularRegressor: tables as they are, through fit, predict and all that scikit-learn asks."""

import datetime
import pickle
import time
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks

import fcnet
from fcnet import FCNetRegressor, TabularClassifier, TabularRegressor
from fcnet.errors import DivergedError, FcnetError, InputError, SettingError
from fcnet.estimators.tabular import FEWEST_ROWS
from fcnet.estimators.together import train_all
from fcnet.export import export_onnx
from fcnet.threads import use_threads
from fcnet.training.callbacks import Callback
from fcnet.training.tabular import batch_size_for, ensemble_for, epochs_for
from fcnet.training.trainer import Trainer

SMALL = {"hidden_sizes": [8], "epochs": 4, "random_state": 0, "threads": 1}
LEARNS_LITTLE = pytest.mark.filterwarnings("ignore:The network:sklearn.exceptions.ConvergenceWarning")  # and need not
MADE_UP = pytest.mark.filterwarnings("ignore::fcnet.errors.DataWarning")  # of columns that are made to give targets away
IN_FLOAT64 = {"hidden_sizes": [16], "epochs": 30, "settings": {"dtype": "float64"}}  # equal to 1e-7 in batches of any size
OTHER_WEIGHTS = {
    "check_sample_weight_equivalence_on_dense_data": "rows and dropout are drawn by the number of rows; medians have no weights"
}


@parametrize_with_checks(
    [TabularClassifier(**IN_FLOAT64), TabularRegressor(**IN_FLOAT64)], expected_failed_checks=lambda _: OTHER_WEIGHTS
)
@MADE_UP
@LEARNS_LITTLE
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def table():
    """Numbers, categories, truths and dates with gaps, and classes that follow from a number and a category."""
    rng, n = np.random.default_rng(0), 120
    days = [datetime.date(2024, 1, 1) + datetime.timedelta(days=int(day)) for day in rng.integers(0, 300, n)]
    frame = pl.DataFrame(
        {
            "size": rng.standard_normal(n),
            "colour": rng.choice(["red", "green", "blue"], n),
            "is_new": rng.random(n) > 0.5,
            "bought": days,
            "count": rng.integers(0, 50, n),
        }
    )
    y = np.where((frame["size"].to_numpy() > 0) ^ (frame["colour"] == "red").to_numpy(), "yes", "no")
    gaps = pl.Series(np.arange(n) % 17 == 3)
    frame = frame.with_columns(
        pl.when(pl.lit(gaps.shift(i, fill_value=False))).then(None).otherwise(pl.col(name)).alias(name)
        for i, name in enumerate(frame.columns)
    )
    return frame, y


@pytest.fixture(scope="module")
def classifier(table):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # it learns little, and need not
        return TabularClassifier(**SMALL).fit(*table)


@LEARNS_LITTLE
def test_frames_of_each_kind_give_the_same(table, classifier):
    frame, y = table
    expected = classifier.predict_proba(frame)
    as_pandas = pd.DataFrame({name: frame[name].to_list() for name in frame.columns}).astype({"bought": "datetime64[us]"})
    for other in (as_pandas, frame.to_arrow()):
        fitted = TabularClassifier(**SMALL).fit(other, y)
        assert fitted.predict_proba(other) == pytest.approx(expected, abs=1e-6)
        assert classifier.predict_proba(other) == pytest.approx(expected, abs=1e-6)
        assert list(fitted.feature_names_in_) == frame.columns
    assert classifier.n_features_in_ == 5
    assert list(classifier.classes_) == ["no", "yes"]
    assert expected.dtype == np.float32


def test_columns_are_found_by_name_and_a_missing_one_is_named(table, classifier):
    frame, _ = table
    mixed = frame.select(*reversed(frame.columns), pl.lit(1).alias("more"))
    assert (classifier.predict_proba(mixed) == classifier.predict_proba(frame)).all()
    with pytest.raises(InputError, match="'colour'"):
        classifier.predict(frame.drop("colour"))


def test_unseen_categories_and_new_gaps_are_predicted(table, classifier):
    frame, _ = table
    with warnings.catch_warnings(action="ignore"):  # in whichever test it is that the column is told
        violet, mauve, missing = (
            classifier.predict_proba(frame.with_columns(pl.lit(colour, pl.String).alias("colour"), pl.lit(None).alias("size")))
            for colour in ("violet", "mauve", None)
        )
    assert (violet == mauve).all()
    assert np.isfinite(missing).all()


def test_it_learns_what_follows_from_a_number_and_a_category(table):
    frame, y = table
    model = TabularClassifier(hidden_sizes=[32], epochs=60, random_state=0, threads=1).fit(frame, y)
    assert model.score(frame, y) > 0.85
    assert 1 <= model.best_epoch_ <= len(model.history_) <= 60


@LEARNS_LITTLE
@pytest.mark.parametrize(
    "changes",
    [
        {"n_members": 3, "number_embedding": "none"},
        {"number_embedding": "piecewise_linear", "settings": {"one_hot_up_to": 2, "activation": "relu"}},
        {"refit": True, "n_ensemble": 2},
    ],
)
def test_models_are_saved_exported_and_pickled(table, tmp_path, changes):
    frame, y = table
    fitted = TabularClassifier(**SMALL | changes).fit(frame, y)
    expected = fitted.predict_proba(frame)
    assert export_onnx(fitted.model_, tmp_path / "model.onnx") <= 1e-5
    fcnet.save(tmp_path / "model.safetensors", fitted)
    loaded = fcnet.load(tmp_path / "model.safetensors")
    assert (loaded.predict_proba(frame) == expected).all()
    assert [loaded.classes[number] for number in loaded.predict(frame)] == list(fitted.predict(frame))
    assert (pickle.loads(pickle.dumps(fitted)).predict_proba(frame) == expected).all()
    assert (clone(fitted).fit(frame, y).predict_proba(frame) == expected).all()


def test_onnx_takes_raw_columns(table, classifier, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    export_onnx(classifier.model_, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    frame = table[0].head(20)
    seconds = frame["bought"].cast(pl.Datetime("us")).dt.epoch("us") / 1e6
    numbers = {"size": frame["size"], "count": frame["count"].cast(pl.Float64), "bought": seconds}
    given = {name: column.fill_null(np.nan).to_numpy()[:, np.newaxis] for name, column in numbers.items()}
    for name in ("colour", "is_new"):
        given[name] = np.array(frame[name].cast(pl.String).fill_null("").to_list(), object)[:, np.newaxis]
    probabilities, labels = session.run(["probabilities", "label"], given)
    assert probabilities == pytest.approx(classifier.predict_proba(frame), abs=1e-5)
    assert labels.tolist() == classifier.predict(frame).tolist()


def test_arrays_of_numbers_with_gaps_and_infinite_values():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((80, 3))
    y = (X[:, 0] > 0).astype(int)
    X[::9, 1], X[1::9, 2] = np.nan, np.inf
    model = TabularClassifier(**SMALL).fit(X, y)
    as_missing = np.where(np.isfinite(X), X, np.nan)
    assert (model.predict_proba(X) == model.predict_proba(as_missing)).all()
    assert model.predict_proba(X[:1]) == pytest.approx(model.predict_proba(X)[:1], abs=1e-6)
    assert not hasattr(model, "feature_names_in_")
    with pytest.warns(UserWarning, match="feature names"):
        assert (model.predict(pd.DataFrame(X, columns=["a", "b", "c"])) == model.predict(X)).all()


@MADE_UP
def test_arrays_of_objects_hold_numbers_and_categories():
    X = np.array([[1.5, "a", None], ["2", "b", True], [np.nan, "a", False]] * 20, object)
    model = TabularClassifier(**SMALL).fit(X, [0, 1, 0] * 20)
    assert [categories for _, categories in model.model_.preprocessor.columns] == [None, ["a", "b"], ["false", "true"]]
    assert model.predict(X).shape == (60,)


@MADE_UP
def test_a_category_of_numbers_and_one_of_many_texts():
    n = 100
    frame = pd.DataFrame({"code": pd.Categorical([7, 8] * 50), "name": pd.Categorical([f"name {i}" for i in range(n)])})
    model = TabularClassifier(**SMALL).fit(frame, [0, 1] * 50)
    assert model.model_.preprocessor.columns[0] == ("code", ["7", "8"])
    assert model.model_.network.category_sizes == [2, 100]
    assert (model.predict_proba(frame) == model.predict_proba(frame.astype({"code": int}))).all()


def test_free_text_is_refused_with_advice():
    frame = pl.DataFrame({"x": np.arange(60.0), "remark": [f"remark {i}" for i in range(60)]})
    with pytest.raises(InputError, match="'remark' has 60 different texts in 60 rows.*type category"):
        TabularClassifier(**SMALL).fit(frame, [0, 1] * 30)


@MADE_UP
def test_columns_that_say_nothing():
    frame = pl.DataFrame(
        {"x": np.arange(60.0), "same": [1.0] * 60, "none": [None] * 60, "nan": [np.nan] * 60, "one": ["a"] * 60},
        schema_overrides={"none": pl.String},
    )
    model = TabularClassifier(**SMALL).fit(frame, frame["x"] > 29)
    assert model.predict(frame).dtype == bool
    with pytest.raises(InputError, match="Every column is constant over 60 samples"):
        TabularClassifier(**SMALL).fit(frame.select("same"), frame["x"] > 29)
    for empty in (frame.select("none"), frame.select("nan").to_numpy(), np.full((60, 2), np.inf)):
        with pytest.raises(InputError, match="Every column is constant"):
            TabularClassifier(**SMALL).fit(empty, frame["x"] > 29)
    gaps = np.where(frame[["x"]].to_numpy() > 29, np.nan, 1.0)  # where a value is there says something
    assert TabularClassifier(**SMALL).fit(gaps, frame["x"] > 29).predict(gaps).shape == (60,)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"dropout": 1.0}, "dropout"),
        ({"epochs": 0}, "epochs"),
        ({"epochs": "many"}, "epochs must be a whole number of at least 1 or auto"),
        ({"monitor": "accurracy"}, "Did you mean 'accuracy'"),
        ({"number_embedding": "fourier"}, "number_embedding"),
        ({"settings": {"activatoin": "relu"}}, "Did you mean 'activation'"),
        ({"settings": {"dropout": 0.1}}, "a parameter of its own"),
        ({"class_weight": 3}, "class_weight"),
        ({"settings": ["a"]}, "settings must be a dict"),
        ({"callbacks": 1}, "callbacks must be a list"),
    ],
)
def test_parameters_that_do_not_fit_are_refused(table, changes, words):
    with pytest.raises(SettingError) as error:
        TabularClassifier(**SMALL | changes).fit(*table)
    assert words in str(error.value)


@LEARNS_LITTLE
def test_validation_rows_that_are_given(table):
    frame, y = table
    model = TabularClassifier(**SMALL, settings={"ema_decay": 0.0}).fit(frame[:90], y[:90], X_val=frame[90:], y_val=y[90:])
    first = model.history_[model.best_epoch_ - 1]
    assert first["val_loss"] == min(model.history_.column("val_loss"))
    alone = {"best_epochs": 1, "ema_decay": 0.0, "blend_linear": False}
    uncalibrated = TabularClassifier(**SMALL, n_ensemble=1, calibrate=False, settings=alone).fit(
        frame[:90], y[:90], X_val=frame[90:], y_val=y[90:]
    )
    assert log_loss(y[90:], uncalibrated.predict_proba(frame[90:])) == pytest.approx(first["val_loss"], rel=1e-5)
    assert log_loss(y[90:], model.predict_proba(frame[90:])) <= first["val_loss"] + 1e-6
    with pytest.raises(InputError, match="together"):
        TabularClassifier(**SMALL).fit(frame, y, X_val=frame)
    with pytest.raises(InputError, match="X_val and y_val"):
        TabularClassifier(**SMALL).fit(frame, y, X_val=frame, y_val=["perhaps"] * 120)
    with pytest.raises(InputError, match="refit"):
        TabularClassifier(**SMALL, refit=True).fit(frame, y, X_val=frame, y_val=y)


@pytest.mark.parametrize("kind", [TabularClassifier, TabularRegressor])
def test_a_network_that_is_no_better_than_one_answer_is_told_once(kind):
    rng = np.random.default_rng(0)
    X, X_val = rng.standard_normal((200, 2)), rng.standard_normal((60, 2))
    y, y_val = ((rows[:, 0] > 0).astype(float) for rows in (X, X_val))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kind(**SMALL).fit(X, y, X_val=X_val, y_val=y_val)
        kind(**SMALL).fit(X, y, X_val=X_val[:19], y_val=1 - y_val[:19])  # too few to tell
        kind(**SMALL).fit(X, y, X_val=X_val, y_val=np.ones(60))
    with pytest.warns(ConvergenceWarning) as told:
        model = kind(**SMALL).fit(X, y, X_val=X_val, y_val=1 - y_val)
    [said] = told
    assert said.filename == __file__
    assert "no better than" in str(said.message)
    assert "on the 60 validation rows" in str(said.message)
    if kind is TabularClassifier:
        shares = np.tile([np.mean(y == 0), np.mean(y == 1)], (60, 1))
        costs = [log_loss(1 - y_val, each) for each in (model.predict_proba(X_val), shares)]
        assert f"log-loss is {costs[0]:.4g}, and {costs[1]:.4g} without any column" in str(said.message)


def test_few_rows_are_all_trained_on():
    X = np.random.default_rng(0).standard_normal((FEWEST_ROWS - 1, 2))
    model = TabularClassifier(**SMALL).fit(X, X[:, 0] > 0)
    assert "val_loss" not in model.history_[0]
    assert model.best_epoch_ == 4


def test_rows_of_weight_zero_are_left_out(table):
    frame, y = table
    weights = np.ones(120)
    weights[100:] = 0
    given = TabularClassifier(**SMALL).fit(frame, y, sample_weight=weights)
    expected = TabularClassifier(**SMALL).fit(frame[:100], y[:100], sample_weight=weights[:100])
    assert (given.predict_proba(frame) == expected.predict_proba(frame)).all()
    with pytest.raises(FcnetError, match="weight zero"):
        TabularClassifier(**SMALL, class_weight={"yes": 0, "no": 0}).fit(frame, y)


def test_rows_that_count_little_leave_probabilities_sure():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((400, 2))
    y = X[:, 0] > 0
    labels, weights = np.concatenate([y, ~y]), np.repeat([1.0, 1e-9], 400)
    model = TabularClassifier(**SMALL | {"epochs": 8}).fit(np.concatenate([X, X]), labels, sample_weight=weights)
    assert model.predict_proba(X).max(axis=1).mean() > 0.93


@LEARNS_LITTLE
@MADE_UP
def test_dates_that_are_text_are_refused_unless_they_are_names():
    days = [f"2024-0{1 + i % 9}-1{i % 7}" for i in range(60)]
    frame, y = pd.DataFrame({"day": days, "size": np.arange(60.0)}), np.arange(60) % 2
    with pytest.raises(InputError, match=r"'day' holds dates as text, as '2024-01-10' \(YYYY-MM-DD\).*to_datetime"):
        TabularClassifier(**SMALL).fit(frame, y)
    for kind in ("category", "datetime64[ns]"):
        TabularClassifier(**SMALL).fit(frame.astype({"day": kind}), y)


@pytest.mark.filterwarnings("ignore:.*better than the class shares")  # as there is nothing to learn
def test_weights_of_classes_move_probabilities():
    X = np.random.default_rng(0).standard_normal((200, 2))
    y = np.arange(200) % 10 == 0
    plain, balanced = (
        TabularClassifier(**SMALL | {"epochs": 10}, class_weight=by).fit(X, y).predict_proba(X)[:, 1].mean()
        for by in (None, "balanced")
    )
    assert plain < 0.25 < balanced


@LEARNS_LITTLE
def test_members_share_a_temperature_that_lowers_the_log_loss():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((300, 3)), rng.integers(2, size=300)  # nothing to learn: it is too sure
    settings = {"hidden_sizes": [32], "epochs": 20, "n_members": 2, "random_state": 0, "threads": 1}
    fitted = {
        calibrate: TabularClassifier(**settings, calibrate=calibrate, settings={"dtype": "float64"}).fit(
            X[:100], y[:100], X_val=X[100:], y_val=y[100:]
        )
        for calibrate in (True, False)
    }
    losses = {calibrate: log_loss(y[100:], model.predict_proba(X[100:])) for calibrate, model in fitted.items()}
    assert losses[True] <= losses[False]
    assert (fitted[True].predict(X) == fitted[False].predict(X)).mean() > 0.9


def test_several_seeds_predict_together_trained_side_by_side_or_in_turn():
    X = np.random.default_rng(0).standard_normal((100, 2))
    y, started = X[:, 0] > 0, []

    class Started(Callback):
        def on_train_begin(self, state):
            started.append({name: p.copy() for name, p in state.network.params.items()})

    changes = {"n_ensemble": 3, "settings": {"best_epochs": 2}, "random_state": 1, "threads": 2}
    side_by_side = TabularClassifier(**SMALL | changes).fit(X, y)
    in_turn = TabularClassifier(**SMALL | changes, callbacks=[Started()]).fit(X, y)
    assert len(side_by_side.model_.network.all_params) == 6
    assert (side_by_side.predict_proba(X) == in_turn.predict_proba(X)).all()
    assert len({params["W1"].tobytes() for params in started}) == 3


def test_more_networks_where_rows_are_few():
    assert [ensemble_for(n) for n in (50, 1000, 1001, 4000, 4001)] == [5, 5, 2, 2, 1]
    X = np.random.default_rng(0).standard_normal((60, 2))
    fitted = TabularClassifier(**SMALL, settings={"best_epochs": 1}).fit(X, X[:, 0] > 0)
    assert len(fitted.model_.network.all_params) == 5


@MADE_UP
@pytest.mark.parametrize("n_ensemble", [1, 3, 5, 7])
def test_networks_are_validated_on_rows_of_their_own(n_ensemble, monkeypatch):
    rng = np.random.default_rng(0)
    X = np.column_stack([np.arange(100.0), rng.standard_normal(100)])
    seen = []

    def fit(self, network, X, y, X_val=None, y_val=None, **more):
        seen.append((X[:, 0], X_val[:, 0]))
        return train(self, network, X, y, X_val, y_val, **more)

    train = Trainer.fit
    monkeypatch.setattr(Trainer, "fit", fit)
    TabularClassifier(**SMALL, n_ensemble=n_ensemble, callbacks=[Callback()]).fit(X, X[:, 1] > 0)  # one after the other
    assert len(seen) == n_ensemble
    everything = set(np.concatenate(seen[0]))
    assert all(len(part) + len(val) == len(everything) == 100 for part, val in seen)
    assert all(set(part) | set(val) == everything for part, val in seen)
    held = [set(val) for _, val in seen]
    for place, others in enumerate(held):
        assert all(not others & other for other in held[max(0, place - 4) : place])  # five are without a row in common
    assert held[5:] == held[: max(0, n_ensemble - 5)]


@MADE_UP
def test_bins_are_those_of_all_networks():
    rng = np.random.default_rng(0)
    X = rng.integers(0, 40, (200, 2)).astype(float)
    settings = {"number_embedding": "piecewise_linear", "epochs": 20, "hidden_sizes": [16], "random_state": 0, "threads": 1}
    model = TabularRegressor(**settings).fit(X, X[:, 0])
    assert len(model.model_.network.all_params) == 15
    assert model.score(X, X[:, 0]) > 0.9


def test_a_training_that_fails_ends_those_beside_it():
    through = []

    def train(place, callbacks):
        if place == 0:
            raise DivergedError("loss")
        for _ in range(3000):
            callbacks[0].on_batch_end(None)
            time.sleep(0.01)
        through.append(place)

    with use_threads(2), pytest.raises(DivergedError):
        train_all(train, 2, [])
    assert not through


@LEARNS_LITTLE
def test_pipelines_searches_and_cross_validation(table):
    frame, y = table
    as_pandas = pd.DataFrame({name: frame[name].to_list() for name in ("size", "colour")})
    search = GridSearchCV(TabularClassifier(**SMALL), {"dropout": [0.0, 0.3]}, cv=2, error_score="raise").fit(as_pandas, y)
    assert search.best_params_.keys() == {"dropout"}
    pipeline = make_pipeline(FunctionTransformer(lambda X: X.assign(twice=2 * X["size"])), TabularClassifier(**SMALL))
    assert cross_val_score(pipeline, as_pandas, y, cv=2, error_score="raise").shape == (2,)


def test_callbacks_and_patience():
    class Counting(Callback):
        epochs = 0

        def on_epoch_end(self, state):
            self.epochs += 1

    rng = np.random.default_rng(0)
    X, y, counting = rng.standard_normal((100, 2)), rng.integers(2, size=100), Counting()
    model = TabularClassifier(**SMALL | {"epochs": 60}, n_ensemble=1, patience=2, callbacks=[counting], monitor="roc_auc").fit(
        X, y
    )
    assert counting.epochs == len(model.history_) == model.best_epoch_ + 2
    assert "val_roc_auc" in model.history_[0]


def test_columns_that_matter():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"noise": rng.standard_normal(200), "kind": rng.choice(["a", "b"], 200)})
    model = TabularRegressor(hidden_sizes=[16], epochs=20, random_state=0, threads=1).fit(frame, frame["kind"] == "a")
    importance = model.feature_importances(frame, frame["kind"] == "a", repeats=2)
    assert list(importance.order) == [1, 0]
    assert importance.mean[1] > 0.5 > importance.mean[0]


def test_regressions_of_each_loss(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 2))
    y = 1000 + 50 * (X[:, 0] + 0.1 * rng.standard_normal(200))
    counts = rng.poisson(np.exp(1 + X[:, 0]))
    settings = {"hidden_sizes": [32], "epochs": 40, "random_state": 0, "threads": 1}
    losses = ({}, y), ({"loss": "absolute_error"}, y), ({"n_members": 2}, y), ({"loss": "poisson"}, counts)
    for changes, targets in losses:
        model = TabularRegressor(**settings, **changes).fit(X, targets)
        assert model.score(X, targets) > (0.8 if targets is y else 0.5)
        assert model.predict(X).shape == (200,)
        assert export_onnx(model.model_, tmp_path / "model.onnx") <= 1e-5


def test_quantiles_are_in_order_and_as_often_exceeded(tmp_path):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((600, 2)), rng.standard_normal(600)
    y += X[:, 0]
    model = TabularRegressor(
        loss="quantile", quantiles=[0.2, 0.5, 0.8], hidden_sizes=[32], epochs=20, n_ensemble=2, random_state=0, threads=1
    ).fit(X, y)
    found = model.predict(X)
    assert (np.diff(found, axis=1) >= 0).all()
    assert (y[:, np.newaxis] < found).mean(axis=0) == pytest.approx([0.2, 0.5, 0.8], abs=0.12)
    assert 0.1 < model.score(X, y) < 1
    assert export_onnx(model.model_, tmp_path / "model.onnx") <= 1e-5
    fcnet.save(tmp_path / "model.safetensors", model.model_)
    assert (fcnet.load(tmp_path / "model.safetensors").predict_proba(X) == found).all()


def test_several_targets_and_refusals_of_regressions():
    X = np.random.default_rng(0).standard_normal((60, 2))
    found = TabularRegressor(**SMALL | {"epochs": 30}).fit(X, X).predict(X)
    assert found.shape == (60, 2)
    assert (np.square(found - X).mean(axis=0) < 0.3 * X.var(axis=0)).all()
    for changes, y, words in (
        ({"loss": "quantile"}, X, "one target"),
        ({"loss": "poisson"}, X[:, 0], "poisson"),
        ({"loss": "quantile", "quantiles": [0.9, 0.1]}, X[:, 0], "rising"),
        ({"loss": "huber"}, X[:, 0], "Unknown loss"),
        ({"loss": "quantile", "quantiles": "abc"}, X[:, 0], "quantiles must be numbers.*'abc'"),
    ):
        with pytest.raises(InputError, match=words):
            TabularRegressor(**SMALL | changes).fit(X, y)


def test_epochs_and_batches_by_the_number_of_rows():
    rows = [1, 1000, 10_000, 100_000, 1_000_000]
    assert [epochs_for(n) for n in rows] == [64, 64, 64, 20, 8]
    assert [batch_size_for(n) for n in rows] == [32, 64, 256, 512, 1024]


@MADE_UP
def test_targets_that_float32_cannot_hold_are_refused():
    X = np.random.default_rng(0).standard_normal((100, 2))
    y = 1e8 + X[:, 0]
    with pytest.raises(InputError, match='too few digits.*settings={"dtype": "float64"}'):
        TabularRegressor(**SMALL).fit(X, y)
    with pytest.raises(InputError, match='too few digits.*dtype="float64"'):
        FCNetRegressor(dtype="float32").fit(X, y)
    assert TabularRegressor(**SMALL | {"epochs": 20}, settings={"dtype": "float64"}).fit(X, y).score(X, y) > 0.9


@LEARNS_LITTLE
@pytest.mark.parametrize("value", [0.1, 1e9])
def test_constant_targets_are_predicted_exactly(value):
    X = np.random.default_rng(0).standard_normal((60, 2))
    constant, half = np.full(60, value), np.column_stack([X[:, 0], np.full(60, value)])
    for loss in ("squared_error", "absolute_error", "quantile"):
        assert (TabularRegressor(**SMALL, loss=loss).fit(X, constant).predict(X) == np.float32(value)).all()
    assert TabularRegressor(**SMALL, loss="poisson").fit(X, constant).predict(X) == pytest.approx(constant, rel=1e-5)
    for model in (TabularRegressor(**SMALL), FCNetRegressor(max_iter=2, random_state=0, dtype="float32")):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            found = model.fit(X, half).predict(X)
        assert np.ptp(found[:, 0]) > 0
        assert (found[:, 1] == np.float32(value)).all()


@pytest.mark.parametrize("unit", [1e-30, 1e-9, 1e20])
def test_the_unit_of_counts_makes_no_difference(unit):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 2))
    y = rng.poisson(np.exp(2 + X[:, 0]))
    settings = SMALL | {"epochs": 20, "loss": "poisson", "settings": {"dtype": "float64"}}
    expected, found = (TabularRegressor(**settings).fit(X, targets).predict(X) for targets in (y, unit * y))
    assert found == pytest.approx(unit * expected, rel=1e-4)
    with pytest.raises(InputError, match="too few digits"):
        TabularRegressor(**SMALL, loss="poisson").fit(X, 1e9 + y)


@MADE_UP
@LEARNS_LITTLE
def test_quantiles_keep_their_digits():
    X = np.random.default_rng(0).standard_normal((60, 2))
    model = TabularRegressor(**SMALL, loss="quantile", quantiles=[0.5, 0.9999999]).fit(X, X[:, 0])
    assert model.model_.network.loss.quantiles == [0.5, 0.9999999]
    assert list(model.model_.classes) == ["0.5", "0.9999999"]


def test_a_monitor_that_is_for_classes_is_refused_of_few_rows_too():
    X = np.random.default_rng(0).standard_normal((30, 2))
    with pytest.raises(SettingError, match="accuracy is no metric"):
        TabularRegressor(**SMALL, monitor="accuracy").fit(X, X[:, 0])


def test_columns_of_the_same_name_and_validation_rows_without_weight_are_refused():
    X = np.random.default_rng(0).standard_normal((100, 2))
    twice, y = pd.DataFrame(X, columns=["a", "a"]), X[:, 0] > 0
    with pytest.raises(InputError, match="several columns of the name 'a'"):
        TabularClassifier(**SMALL).fit(twice, y)
    with pytest.raises(InputError, match="several columns of the name 'a'"):
        TabularClassifier(**SMALL).fit(X, y).predict(twice)
    with pytest.raises(InputError, match="set aside to validate on have weights of sample_weight"):
        TabularClassifier(**SMALL).fit(X, y, sample_weight=np.where(np.arange(100) == 0, 1, 1e-60))


def test_what_is_constant_at_first_is_learnt_by_partial_fit():
    X = np.random.default_rng(0).standard_normal((60, 2))
    model = FCNetRegressor(random_state=0).partial_fit(X[:1], [3.0])
    for _ in range(3):
        model.partial_fit(X, X[:, 0])
    assert np.ptp(model.predict(X)) > 0
