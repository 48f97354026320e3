"""The doctor while a network trains: faults in programs that are healthy without them, and odd ones that are sound."""

from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, make_classification, make_friedman1, make_moons

from fcnet import FullyConnectedNet, Trainer
from fcnet.doctor.course import Course
from fcnet.doctor.inflight import Doctor
from fcnet.doctor.looks import Look
from fcnet.doctor.rate_rules import rate_findings
from fcnet.errors import DivergedError
from fcnet.training.callbacks import Callback

SETS = {
    "digits": lambda: load_digits(return_X_y=True),
    "iris": lambda: load_iris(return_X_y=True),
    "cancer": lambda: load_breast_cancer(return_X_y=True),
    "classes": lambda: make_classification(1200, 20, n_informative=8, n_classes=3, flip_y=0.1, random_state=0),
    "rare": lambda: make_classification(1500, 20, n_informative=8, weights=[0.93], flip_y=0.01, class_sep=1.5, random_state=0),
    "moons": lambda: make_moons(800, noise=0.2, random_state=0),
    "friedman": lambda: make_friedman1(1000, noise=1.0, random_state=0),
}


@pytest.fixture(scope="module")
def sets():
    """Return scaled data sets by their names, as (X, y, X_val, y_val)."""

    def prepared(X, y):
        order = np.random.default_rng(0).permutation(len(X))
        n = len(X) * 3 // 4
        X, y = X[order], y[order]
        X = ((X - X[:n].mean(axis=0)) / np.where(X[:n].std(axis=0) > 0, X[:n].std(axis=0), 1)).astype(np.float32)
        if y.dtype.kind == "f":
            y = ((y - y[:n].mean()) / y[:n].std()).astype(np.float32)[:, np.newaxis]
        return X[:n], y[:n], X[n:], y[n:]

    return {name: prepared(*load()) for name, load in SETS.items()}


def examined(data, hidden, network=None, bias=0.0, rows=None, validation=True, **training):
    """Train, and return the doctor that was there."""
    X, y, X_val, y_val = data
    X, y = X[:rows], y[:rows]
    of_numbers = y.dtype.kind == "f"
    loss, n_outputs = ("squared_error", 1) if of_numbers else ("cross_entropy", y_val.max() + 1)
    net = FullyConnectedNet([X.shape[1], *hidden, n_outputs], loss=loss, seed=1, **network or {})
    for number in range(1, len(hidden) + 1):
        net.params[f"b{number}"][:] = bias
    settings = {"hidden_sizes": hidden, "l2": training.get("l2", 0.0), "dropout": net.dropout}
    doctor = Doctor(settings, (X_val, y_val) if validation else None)
    training = {"epochs": 20, "batch_size": 32, "learning_rate": 0.05, "seed": 0} | training
    try:
        Trainer(**training, callbacks=[doctor]).fit(net, X, y, X_val, y_val)
    except DivergedError:
        assert "diverged" in codes(doctor)
    return doctor


def codes(doctor):
    return [finding.code for finding in doctor.findings if finding.severity != "note"]


LOGISTIC = {"activation": "logistic", "weight_init": "glorot"}
FAULTS = [
    ("learning-rate-too-low", "digits", [64], {"learning_rate": 1e-5}),
    ("learning-rate-too-low", "classes", [50, 50], {"learning_rate": 5e-4}),
    ("learning-rate-too-low", "moons", [20, 20], {"learning_rate": 3e-5}),
    ("learning-rate-too-low", "friedman", [64], {"learning_rate": 1e-5}),
    ("learning-rate-too-low", "digits", [64, 64], {"learning_rate": 1e-7, "update": "adam"}),
    ("learning-rate-too-high", "digits", [64], {"learning_rate": 5.0}),
    ("learning-rate-too-high", "classes", [50, 50], {"learning_rate": 5.0}),
    ("learning-rate-too-high", "moons", [20, 20], {"learning_rate": 2.0}),
    ("learning-rate-too-high", "friedman", [64], {"learning_rate": 5.0}),
    ("learning-rate-too-high", "digits", [64, 64], {"learning_rate": 1.0, "update": "adam"}),
    ("stopped-early", "classes", [50, 50], {"epochs": 1}),
    ("stopped-early", "friedman", [64], {"epochs": 1}),
    ("batch-too-large", "classes", [50, 50], {"batches": "full", "epochs": 10}),
    ("batch-too-large", "digits", [64], {"batches": "full"}),
    ("batch-too-large", "digits", [64], {"batch_size": 270, "epochs": 15, "learning_rate": 3e-3}),
    ("over-regularised", "digits", [64], {"l2": 1.0}),
    ("over-regularised", "classes", [50, 50], {"l2": 0.2}),
    ("over-regularised", "friedman", [64], {"l2": 1.0}),
    ("under-capacity", "digits", [2], {"epochs": 30}),
    ("under-capacity", "friedman", [1], {"epochs": 30}),
    ("under-capacity", "friedman", [], {"epochs": 30, "learning_rate": 0.01}),
    ("over-fitting", "classes", [500], {"epochs": 40, "rows": 60, "batch_size": 8}),
    ("dead-units", "digits", [64], {"bias": -8.0}),
    ("dead-units", "classes", [50, 50], {"bias": -8.0}),
    ("saturated-units", "digits", [64], {"network": {"activation": "tanh", "weight_init": 5.0}}),
    ("saturated-units", "classes", [50, 50], {"network": {"activation": "logistic", "weight_init": 3.0}}),
    ("vanishing-gradient", "classes", [30] * 7, {"network": LOGISTIC}),
    ("vanishing-gradient", "cancer", [30] * 7, {"network": LOGISTIC}),
    ("exploding-gradient", "digits", [50] * 8, {"network": {"weight_init": 0.6}}),
    ("init-too-large", "friedman", [64], {"network": {"weight_init": 5.0}}),
]
DIVERGING = {"learning-rate-too-high", "exploding-gradient", "init-too-large"}


@pytest.mark.parametrize(("code", "name", "hidden", "fault"), FAULTS, ids=[f"{code}-{name}" for code, name, *_ in FAULTS])
def test_a_fault_is_found(sets, code, name, hidden, fault):
    doctor = examined(sets[name], hidden, **fault)
    assert code in codes(doctor)
    found = next(finding for finding in doctor.findings if finding.code == code)
    assert found.severity != "note"
    assert found.message.endswith(".")
    assert found.remedy
    unexpected = set(codes(doctor)) - {code} - (DIVERGING | {"diverged", "dead-units"} if code in DIVERGING else set())
    assert not unexpected


HEALTHY = {
    "wide": ("digits", [200], {"epochs": 10}),
    "deep": (
        "digits",
        [100] * 4,
        {"epochs": 10, "learning_rate": 1e-3, "update": "adam", "network": {"normalisation": "layer"}},
    ),
    "few epochs that suffice": ("digits", [100], {"epochs": 5}),
    "a large rate with warm-up": ("digits", [100], {"learning_rate": 0.3, "batch_size": 64, "schedule": "one_cycle"}),
    "a rate that ends at zero": ("classes", [100], {"epochs": 12, "learning_rate": 0.02, "schedule": "cosine"}),
    "heavy dropout": ("digits", [300], {"epochs": 25, "learning_rate": 0.01, "network": {"dropout": 0.8}}),
    "tanh": ("digits", [64], {"network": {"activation": "tanh"}}),
    "logistic units of few dimensions": (
        "moons",
        [8],
        {"epochs": 60, "learning_rate": 0.5, "network": {"activation": "logistic"}},
    ),
    "tiny and sufficient": ("iris", [4], {"epochs": 60, "learning_rate": 0.05, "batch_size": 16}),
    "tiny beginnings": ("digits", [64], {"network": {"weight_init": 1e-3}}),
    "a rare class": ("rare", [50], {}),
    "labels with noise and a penalty": ("classes", [50], {"l2": 1e-2}),
    "numbers": ("friedman", [64], {"epochs": 40}),
    "all rows in a batch, and many epochs": ("cancer", [30], {"epochs": 150, "batches": "full"}),
}


@pytest.mark.parametrize(("name", "hidden", "program"), HEALTHY.values(), ids=HEALTHY)
def test_of_a_healthy_program_nothing_is_said(sets, name, hidden, program):
    assert codes(examined(sets[name], hidden, **program)) == []


def test_means_of_few_batches_swing_by_chance(sets):
    X, y, X_val, y_val = sets["cancer"]
    y = y ^ (np.random.default_rng(0).random(len(y)) < 0.25)
    few = examined((X, y, X_val, y_val), [32], rows=50, epochs=40, learning_rate=0.02, network={"dropout": 0.5}, batch_size=25)
    assert "learning-rate-too-high" not in codes(few)


def test_a_rate_that_is_too_low_for_a_network_whose_last_layer_begins_at_zero(sets):
    X, y, X_val, y_val = sets["classes"]
    net = FullyConnectedNet([20, 64, 3], seed=0)
    net.params["W2"][:] = 0
    doctor = Doctor({}, (X_val, y_val))
    Trainer(epochs=20, learning_rate=1e-6, update="adam", callbacks=[doctor]).fit(net, X, y, X_val, y_val)
    assert codes(doctor) == ["learning-rate-too-low"]


def test_over_fitting_after_the_epoch_that_is_kept_is_a_note(sets):
    X, y, X_val, y_val = sets["cancer"]
    wrong = np.random.default_rng(0).random(len(y)) < 0.2
    settings = {"epochs": 60, "learning_rate": 0.01, "update": "adam"}
    doctors = [examined((X, y ^ wrong, X_val, y_val), [200], keep_best=keep, **settings) for keep in (False, True)]
    of_last, of_best = (next(each for each in doctor.findings if each.code == "over-fitting") for doctor in doctors)
    assert (of_last.severity, of_best.severity) == ("warning", "note")
    assert "are kept" in of_best.message
    assert of_best.settings == of_last.settings != {}


def test_an_early_stop_without_patience_stopped_too_early(sets):
    X, y, X_val, y_val = sets["digits"]
    doctor = Doctor({}, (X_val, y_val))

    class Impatient(Callback):
        def on_epoch_end(self, state):
            state.stop("the first epoch was enough")

    Trainer(epochs=20, learning_rate=0.01, callbacks=[Impatient(), doctor]).fit(FullyConnectedNet([64, 20, 10]), X, y)
    [finding] = doctor.findings
    assert finding.code == "stopped-early"
    assert "1 epoch of 20" in finding.message
    assert finding.settings == {"patience": 10}


def test_of_rows_with_one_label_no_rate_is_judged(sets):
    X, y, X_val, y_val = sets["digits"]
    doctor = examined((X[y == 3], y[y == 3], X_val, y_val), [64], epochs=5, learning_rate=0.01)
    assert codes(doctor) == []
    assert [finding.code for finding in doctor.findings] == ["over-fitting"]


def test_a_fault_of_the_steps_is_found_long_before_the_end(sets):
    doctor = examined(sets["digits"], [64], learning_rate=1e-5, epochs=40)
    assert 0 < doctor.first_seen["learning-rate-too-low"] < 0.2 * 40 * 43


def test_a_remedy_learns_what_the_fault_kept_from_learning(sets):
    [finding] = examined(sets["digits"], [64], learning_rate=1e-5).findings
    assert examined(sets["digits"], [64], **finding.settings).findings == []


def test_a_doctor_changes_nothing_and_serves_many_trainings(sets):
    X, y, X_val, y_val = sets["digits"]
    doctor, histories = Doctor({}, (X_val, y_val)), []
    for callbacks in ([doctor], [], [doctor]):
        net = FullyConnectedNet([64, 20, 10], dropout=0.2, seed=0)
        histories.append(Trainer(epochs=3, callbacks=callbacks).fit(net, X, y, X_val, y_val))
        if callbacks:
            histories.append(codes(doctor))
    first, said, without, again, said_again = histories
    assert first == without == again
    assert said == said_again


def test_without_validation_rows_nothing_is_said_of_size(sets):
    assert "under-capacity" not in codes(examined(sets["digits"], [2], epochs=30, validation=False))


@pytest.mark.parametrize("validation", [True, False])
def test_rows_that_count_differently_do_so_in_the_loss_of_chance(validation):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((1500, 6)).astype("float32")
    y = (rng.random(1500) < 1 / (1 + np.exp(4.6 - 1.5 * X[:, 0]))).astype(int)
    weights, val = 0.5 / np.bincount(y)[y] * len(y), slice(1000, None)
    doctor = Doctor({"hidden_sizes": [32]}, (X[val], y[val]) if validation else None)
    trainer = Trainer(epochs=20, batch_size=32, callbacks=[doctor])
    trainer.fit(FullyConnectedNet([6, 32, 2], seed=0), X[:1000], y[:1000], sample_weight=weights[:1000])
    assert codes(doctor) == []


@pytest.mark.parametrize(("update", "rate"), [("sgd", 30.0), ("sgd", 1e-9), ("momentum", 1e-5), ("adam", 1e-9)])
def test_the_rate_that_is_advised_trains_in_one_step(sets, update, rate):
    [*_, finding] = [
        each
        for each in examined(sets["digits"], [64], learning_rate=rate, update=update).findings
        if "learning_rate" in each.settings
    ]
    doctor = examined(sets["digits"], [64], update=update, **finding.settings)
    assert codes(doctor) == []


def test_a_search_for_a_rate_leaves_the_network_as_it_is(sets):
    found = []
    for advise in (True, False):
        net, doctor = FullyConnectedNet([64, 20, 10], seed=0), Doctor()
        X, y = sets["digits"][:2]
        Trainer(epochs=5, learning_rate=1e-6, callbacks=[doctor], advise=advise).fit(net, X, y)
        found.append((net.params["W1"].copy(), doctor.findings[0].settings["learning_rate"]))
    (one, by_trials), (other, by_rule) = found
    assert (one == other).all()
    assert by_trials > 1e-3
    assert by_rule > 1e-3


@pytest.mark.parametrize(
    ("step", "n_dead_before", "n_dead", "gain", "expected"),
    [
        (0.5, 0, 8, 1.4, ["learning-rate-too-high"]),
        (0.5, 0, 4, 1.4, []),  # few died
        (0.02, 0, 8, 1.4, []),  # by something other than steps
        (0.5, 8, 8, 1.4, []),  # they were dead from the start
        (0.5, 0, 8, 0.01, []),  # of weights near zero any step is a large share
    ],
)
def test_calm_steps_that_killed_units_are_too_long(step, n_dead_before, n_dead, gain, expected):
    def seen(iteration, ratio, n):
        ones = np.ones(2)
        return Look(iteration, ratio * ones, ones, ones, gain * ones, [np.arange(10) < n], np.zeros(1))

    row = {"loss": 1.0, "learning_rate": 0.1}
    curve = SimpleNamespace(
        gap=None,
        history=[row] * 4,
        batches=(np.ones(40),),
        scale=1.0,
        end=0.95,
        swing=0.0,
        peak=1.0,
        late_share=0.0,
        still_improves=False,
    )
    looks = [seen(1, step, n_dead_before), *[seen(2**k, 5e-3, n_dead) for k in range(1, 6)]]
    assert [each.code for each in rate_findings(Course(curve, looks, planned=40))] == expected


@pytest.mark.parametrize("seed", range(3))
def test_a_rare_class_makes_losses_of_few_rows_swing_and_not_those_of_epochs(seed):
    X, y = make_classification(5000, 20, n_informative=5, weights=[0.99], class_sep=0.7, flip_y=0, random_state=seed)
    data = (X[:3500].astype("float32"), y[:3500], X[3500:].astype("float32"), y[3500:])
    assert "learning-rate-too-high" not in codes(examined(data, [32], update="adam", learning_rate=1e-3, epochs=6))


def test_fewer_units_than_classes_are_too_few_whatever_is_left_to_learn():
    rng = np.random.default_rng(0)
    centres, cluster = 2 * rng.normal(size=(16, 12)), rng.integers(16, size=2000)
    X, y = (centres[cluster] + rng.normal(size=(2000, 12))).astype(np.float32), cluster % 4
    data = X[:1500], y[:1500], X[1500:], y[1500:]
    assert codes(examined(data, [2], update="adam", learning_rate=1e-3, epochs=40))[0] == "under-capacity"


def test_validation_targets_may_be_a_column_or_not(sets):
    X, y, X_val, y_val = sets["friedman"]
    found = []
    for targets in (y_val, y_val[:, 0]):
        doctor = Doctor({"hidden_sizes": [1]}, (X_val, targets))
        net = FullyConnectedNet([X.shape[1], 1, 1], loss="squared_error", seed=0)
        Trainer(epochs=20, batch_size=32, learning_rate=0.02, callbacks=[doctor]).fit(net, X, y, X_val, y_val)
        found.append(doctor.findings)
    assert [finding.code for finding in found[0]] == ["under-capacity"]
    assert found[0] == found[1]
