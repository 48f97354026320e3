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
    assert alarms(fcnet.diagnose(not_scaled, X, y)) == ["unscaled-data"]
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
