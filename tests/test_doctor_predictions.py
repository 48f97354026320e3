"""What the doctor says of the predictions of a trained network."""

import numpy as np
import pytest
from doctor_programs import DATA, Program, alarms, codes, program
from sklearn import datasets
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from fcnet import FCNetClassifier, FullyConnectedNet, Trainer, diagnose
from fcnet.doctor.finding import Finding


def trained(one: Program, epochs: int = 30, **settings: float) -> FullyConnectedNet:
    network = one.make()
    y = one.y if one.y.dtype.kind == "i" else one.y[:, np.newaxis]
    Trainer(epochs=epochs, batch_size=20, learning_rate=0.01, **settings).fit(network, one.X, y)
    return network


def findings(network: FullyConnectedNet, one: Program) -> list[Finding]:
    return diagnose(network, one.X, one.y, one.X_val, one.y_val)


@pytest.mark.parametrize("name", DATA)
def test_sound_trainings(name: str) -> None:
    one = program(name)
    assert alarms(findings(trained(one), one)) == []


@pytest.mark.parametrize("name", ["digits", "breast cancer", "clusters"])
def test_one_class_for_all(name: str) -> None:
    one = program(name)
    network = trained(one, 3)
    network.params["b2"][0] += 1e3
    first, *_ = findings(network, one)
    assert first.code == "one-class-predicted"


@pytest.mark.parametrize("name", ["digits", "breast cancer", "friedman", "diabetes"])
def test_no_better_than_without_inputs(name: str) -> None:
    one = program(name)
    network = trained(one, 3)
    network.params["W2"][...] = np.random.default_rng(0).standard_normal(network.params["W2"].shape)
    assert "below-baseline" in alarms(findings(network, one))


@pytest.mark.parametrize("name", ["linear", "clusters"])
def test_no_better_than_a_linear_model(name: str) -> None:
    one = program(name, hidden_sizes=(2,), network={"activation": "tanh"})
    (found,) = [finding for finding in findings(trained(one, 4), one) if finding.code == "below-baseline"]
    assert found.evidence["baseline"] == "a linear model"


def test_units_that_are_dead_from_the_start() -> None:
    one = program("digits")
    network = one.make()
    network.params["b1"][...] = -20
    assert alarms(diagnose(network, one.X, one.y)) == ["dead-units"]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_layers_that_leave_nothing_are_named_before_what_comes_of_them() -> None:
    one = program("digits")
    deep = MLPClassifier([50] * 8, activation="logistic", max_iter=20, random_state=0).fit(one.X, one.y)
    assert diagnose(deep, one.X, one.y, one.X_val, one.y_val)[0].code == "vanishing-gradient"


def test_probabilities_that_are_too_high() -> None:
    one = program("clusters")
    network = trained(one)
    for name in ("W2", "b2"):
        network.params[name] *= 30
    (found,) = [finding for finding in findings(network, one) if finding.code == "miscalibrated"]
    assert found.severity == "warning"
    assert found.evidence["confidence"] > found.evidence["accuracy"] + 0.1


def test_a_rare_class_that_is_not_found() -> None:
    X, y = datasets.make_classification(3000, 10, n_informative=5, weights=[0.94], class_sep=0.5, flip_y=0, random_state=1)
    one = Program(X[:2000].astype(np.float32), y[:2000], X[2000:].astype(np.float32), y[2000:])
    network = trained(one, 10)
    found = findings(network, one)
    assert "class-imbalance" in codes(found)
    network.params["b2"][0] += 1
    assert alarms(findings(network, one))[0] == "class-imbalance"


def test_an_estimator_is_judged_by_its_predictions() -> None:
    one = program("breast cancer")
    network = FCNetClassifier(max_iter=10, random_state=0, engine="numpy").fit(one.X, one.y)
    assert alarms(diagnose(network, one.X, one.y, one.X_val, one.y_val)) == []
    network.intercepts_[-1] += 1e3
    assert alarms(diagnose(network, one.X, one.y, one.X_val, one.y_val))[0] == "one-class-predicted"


def test_the_curve_of_scikit_learns_estimators_is_judged() -> None:
    one = program("digits")
    slow = MLPClassifier(solver="sgd", learning_rate_init=1e-4, max_iter=20, random_state=0)
    with pytest.warns(ConvergenceWarning):
        slow.fit(one.X, one.y)
    assert alarms(diagnose(slow, one.X, one.y, one.X_val, one.y_val))[0] == "learning-rate-too-low"
