"""`fcnet.diagnose` on networks and estimators, of fcnet and of scikit-learn."""

from typing import Any

import numpy as np
import pytest
from doctor_programs import alarms, program
from sklearn import datasets
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import fcnet
from fcnet import FCNetClassifier, FCNetRegressor, FullyConnectedNet, TabularClassifier, TabularRegressor, Trainer
from fcnet.errors import InputError

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning", "ignore:Got `batch_size`")


def test_network_before_and_after_training() -> None:
    one = program("wine")
    network = one.make()
    assert fcnet.diagnose(network, one.X, one.y, one.X_val, one.y_val)[0].code == "healthy"
    Trainer(epochs=20, batch_size=20).fit(network, one.X, one.y)
    assert fcnet.diagnose(network, one.X, one.y, one.X_val, one.y_val)[0].code == "healthy"


def test_prints_nothing_and_shows_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    one = program("wine")
    one.X *= 100
    found = fcnet.diagnose(one.make(), one.X, one.y)
    assert capsys.readouterr().out == ""
    assert repr(found).startswith("warning: unscaled-data: The inputs are not scaled")


ESTIMATORS: list[Any] = [
    FCNetClassifier(max_iter=20, random_state=0, engine="numpy"),
    TabularClassifier(hidden_sizes=[16], epochs=5, random_state=0, engine="numpy"),
    MLPClassifier(max_iter=300, random_state=0),
]


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda each: type(each).__name__)
@pytest.mark.parametrize("name", ["wine", "breast cancer"])
def test_classifiers(estimator: Any, name: str) -> None:
    one = program(name)
    names = np.array(["a", "b", "c"])
    y, y_val = names[one.y], names[one.y_val]
    estimator.fit(one.X, y)
    assert alarms(fcnet.diagnose(estimator, one.X, y, one.X_val, y_val)) == []
    shuffled = np.random.default_rng(0).permutation(one.X)
    assert "uninformative-inputs" in alarms(fcnet.diagnose(estimator, shuffled, y))


REGRESSORS: list[Any] = [
    FCNetRegressor(max_iter=20, random_state=0, engine="numpy"),
    TabularRegressor(hidden_sizes=[16], epochs=5, random_state=0, engine="numpy"),
    MLPRegressor(max_iter=300, random_state=0),
]


@pytest.mark.parametrize("estimator", REGRESSORS, ids=lambda each: type(each).__name__)
def test_regressors(estimator: Any) -> None:
    one = program("diabetes")
    estimator.fit(one.X, one.y)
    assert alarms(fcnet.diagnose(estimator, one.X, one.y, one.X_val, one.y_val)) == []


def test_what_an_estimator_scales_is_not_judged() -> None:
    X, y = datasets.load_wine(return_X_y=True)
    scaled, not_scaled = (
        FCNetClassifier(max_iter=5, random_state=0, scale_inputs=scales, engine="numpy").fit(X, y) for scales in (True, False)
    )
    assert alarms(fcnet.diagnose(scaled, X, y)) == []
    assert alarms(fcnet.diagnose(not_scaled, X, y))[0] == "unscaled-data"
    values = FCNetRegressor(max_iter=5, random_state=0, engine="numpy").fit(X, 100.0 * y)
    assert alarms(fcnet.diagnose(values, X, 100.0 * y)) == []


def test_scikit_learns_own_are_judged_by_what_they_are_given() -> None:
    X, y = datasets.load_wine(return_X_y=True)
    assert alarms(fcnet.diagnose(MLPClassifier(max_iter=5, random_state=0).fit(X, y), X, y))[0] == "unscaled-data"
    pipeline = make_pipeline(StandardScaler(), MLPClassifier(max_iter=5, random_state=0)).fit(X, y)
    assert alarms(fcnet.diagnose(pipeline, X, y)) == []


def test_labels_that_a_classifier_does_not_know() -> None:
    one = program("wine")
    known = MLPClassifier(max_iter=5, random_state=0).fit(one.X, one.y)
    assert alarms(fcnet.diagnose(known, one.X, one.y + 1)) == ["label-shift"]


@pytest.mark.parametrize(
    ("thing", "words"),
    [
        (MLPClassifier(), "This MLPClassifier is not fitted yet"),
        (TabularClassifier(), "This TabularClassifier is not fitted yet"),
        (StandardScaler(), "is needed, got StandardScaler"),
    ],
)
def test_what_cannot_be_diagnosed(thing: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        fcnet.diagnose(thing, np.zeros((4, 2)), np.zeros(4, int))


def test_rows_are_needed() -> None:
    with pytest.raises(InputError, match="needs X and y"):
        fcnet.diagnose(FullyConnectedNet([2, 2]))


@pytest.mark.parametrize("kind", [FCNetClassifier, MLPClassifier])
@pytest.mark.parametrize(
    ("faults", "codes", "mends"),
    [
        ({"learning_rate_init": 1e-5}, {"learning-rate-too-low"}, {"learning_rate_init"}),
        ({"alpha": 20.0}, {"over-regularised"}, {"alpha"}),
        ({"max_iter": 2}, {"stopped-early", "batch-too-large"}, {"max_iter", "batch_size"}),
    ],
)
def test_the_curve_of_an_estimator_is_judged_and_remedies_are_its_parameters(
    kind: Any, faults: dict[str, Any], codes: set[str], mends: set[str]
) -> None:
    one = program("digits")
    estimator = kind(random_state=0, **faults).fit(one.X, one.y)
    found = fcnet.diagnose(estimator, one.X, one.y, one.X_val, one.y_val)
    assert found[0].code in codes
    assert mends & set(found[0].settings)
    for settings in (each for finding in found for each in finding.remedies):
        estimator.set_params(**settings)._validate_params()


def test_a_regressor_is_judged_in_the_scale_of_its_training() -> None:
    one = program("friedman")
    for size in (1e-4, 1.0, 1e6):
        slow = FCNetRegressor(learning_rate_init=1e-5, random_state=0).fit(one.X, size * one.y)
        assert fcnet.diagnose(slow, one.X, size * one.y)[0].code == "learning-rate-too-low"
        sound = FCNetRegressor(random_state=0).fit(one.X, size * one.y)
        assert alarms(fcnet.diagnose(sound, one.X, size * one.y)) == []


def test_several_outputs_of_a_regressor_of_scikit_learn() -> None:
    one = program("friedman")
    y = np.column_stack([one.y] * 10)
    slow = MLPRegressor(learning_rate_init=1e-5, random_state=0).fit(one.X, y)
    assert fcnet.diagnose(slow, one.X, y)[0].code == "learning-rate-too-low"


@pytest.mark.parametrize("load", [datasets.load_breast_cancer, datasets.load_wine])
@pytest.mark.parametrize("n", [40, 150])
def test_sound_estimators_of_few_rows_in_their_own_units(load: Any, n: int) -> None:
    X, y = load(return_X_y=True)
    chosen = np.random.default_rng(0).permutation(len(X))[:n]
    X, y = X[chosen] * 10.0 ** np.arange(X.shape[1]).clip(0, 6), y[chosen]
    assert alarms(fcnet.diagnose(FCNetClassifier(random_state=0).fit(X, y), X, y)) == []


def noisy(share: float) -> tuple[Any, ...]:
    """Return rows of two classes, of which a share has wrong labels, as (X, y, X_val, y_val)."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((900, 10)).astype(np.float32)
    y = (X[:, 0] + X[:, 1] > 0) ^ (rng.random(900) < share)
    return X[:400], y[:400].astype(int), X[400:], y[400:].astype(int)


@pytest.mark.parametrize("kind", [FCNetClassifier, MLPClassifier])
def test_two_classes_are_judged_as_more_are(kind: Any) -> None:
    X, y, X_val, y_val = noisy(0.3)
    free = kind((200,), max_iter=300, batch_size=32, learning_rate_init=0.01, random_state=0, tol=0, n_iter_no_change=300)
    assert alarms(fcnet.diagnose(free.fit(X, y), X, y, X_val, y_val))[0] == "over-fitting"
    X, y = datasets.make_moons(1200, noise=0.1, random_state=0)
    small = kind((1,), max_iter=200, batch_size=32, learning_rate_init=0.02, random_state=0).fit(X[:600], y[:600])
    assert alarms(fcnet.diagnose(small, X[:600], y[:600], X[600:], y[600:])) == ["under-capacity"]


@pytest.mark.parametrize("kind", [FCNetClassifier, MLPClassifier])
def test_classes_that_only_validation_rows_have(kind: Any) -> None:
    X, y = datasets.load_wine(return_X_y=True)
    y = np.array(["a", "b", "c"])[y]
    found = fcnet.diagnose(kind(max_iter=20).fit(X[:125], y[:125]), X[:125], y[:125], X[125:], y[125:])
    assert found[0].code == "label-shift"
    assert "48 labels have no output" in found[0].message


def test_a_rate_so_low_that_next_to_nothing_is_learnt() -> None:
    X, y = datasets.load_breast_cancer(return_X_y=True)
    estimator = FCNetClassifier(learning_rate_init=1e-6, random_state=0).fit(X[:400], y[:400])
    assert alarms(fcnet.diagnose(estimator, X[:400], y[:400], X[400:], y[400:]))[0] == "learning-rate-too-low"
    assert alarms(fcnet.diagnose(estimator, X[:400], y[:400])) != []


def test_weights_that_a_penalty_has_taken() -> None:
    X, y = datasets.load_breast_cancer(return_X_y=True)
    estimator = FCNetClassifier(alpha=1000.0, random_state=0).fit(X[:400], y[:400])
    finding = fcnet.diagnose(estimator, X[:400], y[:400], X[400:], y[400:])[0]
    assert (finding.code, finding.severity) == ("over-regularised", "error")
    assert finding.remedies == [{"alpha": 10.0}, {"alpha": 0.0}]


def test_a_validation_loss_above_chance_is_over_fitting_without_a_curve_of_it() -> None:
    X, y, X_val, y_val = noisy(0.25)
    estimator = MLPClassifier((200,), max_iter=300, learning_rate_init=0.01, random_state=0).fit(X, y)
    found = fcnet.diagnose(estimator, X, y, X_val, y_val)
    assert found[0].code == "over-fitting"
    assert "times that of chance" in found[0].message


def test_a_class_that_is_seldom_more_likely_than_not_need_not_be_predicted() -> None:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((3000, 4)).astype(np.float32)
    y = (rng.random(3000) < 0.3 / (1 + np.exp(-3 * X[:, 0]))).astype(int)
    estimator = FCNetClassifier(max_iter=15, early_stopping=True, random_state=0).fit(X[:2000], y[:2000])
    assert (estimator.predict(X[2000:]) == 0).all()
    found = {each.code: each for each in fcnet.diagnose(estimator, X[:2000], y[:2000], X[2000:], y[2000:])}
    assert found["one-class-predicted"].severity == "note"
    assert found["one-class-predicted"].settings["class_weight"] == "balanced"
    table = TabularClassifier(hidden_sizes=[16], epochs=4, n_ensemble=1, random_state=0).fit(X[:2000], y[:2000])
    found = {each.code: each for each in fcnet.diagnose(table, X[:2000], y[:2000], X[2000:], y[2000:])}
    assert found["one-class-predicted"].severity == "note"
    assert set(found["one-class-predicted"].settings) <= set(table.get_params())


def test_what_was_learnt_after_the_epoch_that_is_kept_does_no_harm() -> None:
    X, y, X_val, y_val = noisy(0.15)
    settings = {"batch_size": 32, "learning_rate_init": 0.01, "random_state": 0, "tol": 0, "n_iter_no_change": 300}
    kept = FCNetClassifier((200,), max_iter=300, early_stopping=True, **settings).fit(X, y)
    assert alarms(fcnet.diagnose(kept, X, y, X_val, y_val)) == []
    for keep_best, severity in ((True, "note"), (False, "warning")):
        network = FullyConnectedNet([10, 200, 2], seed=0)
        trainer = Trainer(epochs=40, learning_rate=0.01, update="adam", batch_size=32, keep_best=keep_best)
        history = trainer.fit(network, X, y, X_val, y_val)
        found = {each.code: each for each in fcnet.diagnose(network, X, y, X_val, y_val, history=history)}["over-fitting"]
        assert found.severity == severity
        assert (
            f"The parameters of epoch {1 + int(np.argmax(history.column('val_accuracy')))} are kept" in found.message
        ) is keep_best


def test_classes_that_count_the_same_cost_accuracy_which_is_no_fault() -> None:
    X, y = datasets.make_classification(2000, 10, weights=[0.9], flip_y=0.1, class_sep=0.5, random_state=0)
    estimator = FCNetClassifier(class_weight="balanced", random_state=0).fit(X[:1500], y[:1500])
    assert alarms(fcnet.diagnose(estimator, X[:1500], y[:1500], X[1500:], y[1500:])) == []


@pytest.mark.parametrize("scale", [1e-7, 1e-6, 1e-5])
def test_what_has_learnt_nothing_is_not_healthy(scale: float) -> None:
    one = program("digits")
    estimator = MLPClassifier(learning_rate_init=scale, max_iter=30, random_state=0).fit(one.X, one.y)
    assert alarms(fcnet.diagnose(estimator, one.X, one.y)) != []


def test_a_training_that_diverged_is_found_in_its_history_and_in_its_network() -> None:
    one = program("wine")
    network, history = one.make(), [{"loss": 2.3}, {"loss": 5.0}, {"loss": float("nan")}]
    assert fcnet.diagnose(network, one.X, one.y, history=history)[0].code == "diverged"
    network.params["W1"][0, 0] = np.nan
    assert alarms(fcnet.diagnose(network, one.X, one.y)) == ["diverged"]


@pytest.mark.parametrize("history", ["abc", [1.0, 0.5], [{"epoch": 1}]])
def test_a_history_without_losses(history: Any) -> None:
    one = program("wine")
    with pytest.raises(InputError, match="history must hold a row for each epoch"):
        fcnet.diagnose(one.make(), one.X, one.y, history=history)


def test_no_validation_rows_are_as_none() -> None:
    one = program("wine")
    assert fcnet.diagnose(one.make(), one.X, one.y, one.X[:0], one.y[:0]) == fcnet.diagnose(one.make(), one.X, one.y)
