"""The doctor finds a fault, and names it first, in programs that are sound without it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from doctor_programs import CLASSES, DATA, VALUES, Program, alarms, codes, program
from hypothesis import given, settings
from hypothesis import strategies as st

from fcnet import FullyConnectedNet
from fcnet.doctor.finding import Finding, in_order
from fcnet.doctor.preflight import preflight
from fcnet.engine import NumpyEngine
from fcnet.errors import InputError
from fcnet.nn.activations import Tanh
from fcnet.nn.tabular_network import TabularNet
from fcnet.types import Array, Params

Fault = Callable[[Program], Any]


def nan_in_a_row(one: Program) -> None:
    one.X[7, 1] = np.nan


def infinite_in_validation(one: Program) -> None:
    one.X_val[3, 0] = np.inf


def labels_from_one(one: Program) -> None:
    one.n_outputs = int(one.y.max()) + 1
    one.y += 1
    one.y_val += 1


def validation_labels_moved_on(one: Program) -> None:
    one.y_val = (one.y_val + 1) % (one.y.max() + 1)


def sorted_split(one: Program) -> None:
    X, y = np.concatenate([one.X, one.X_val]), np.concatenate([one.y, one.y_val])
    order = np.argsort(y, kind="stable")
    one.X, one.X_val = np.split(X[order], [len(one.y)])
    one.y, one.y_val = np.split(y[order], [len(one.y)])


def inputs_shuffled(one: Program) -> None:
    rng = np.random.default_rng(5)
    one.X, one.X_val = rng.permutation(one.X), rng.permutation(one.X_val)


def rows_in_both(one: Program) -> None:
    one.X = np.concatenate([one.X, one.X_val[::2]])
    one.y = np.concatenate([one.y, one.y_val[::2]])


def a_column_of_labels(one: Program) -> None:
    rng = np.random.default_rng(5)
    for name in ("X", "X_val"):
        y = getattr(one, f"y{name[1:]}")
        column = (y - y.mean()) / y.std() + 0.01 * rng.standard_normal(len(y))
        setattr(one, name, np.column_stack([getattr(one, name), column]).astype(np.float32))


def times_a_hundred(one: Program) -> None:
    one.X *= 100
    one.X_val *= 100


def far_from_zero(one: Program) -> None:
    one.X += 30
    one.X_val += 30


def validation_not_scaled(one: Program) -> None:
    one.X_val = 20 * one.X_val + 50


def one_large_column(one: Program) -> None:
    one.X[:, 1] = 300 * one.X[:, 1] + 1000
    one.X_val[:, 1] = 300 * one.X_val[:, 1] + 1000


def large_weights(one: Program) -> None:
    one.network["weight_init"] = 5.0


def small_weights_in_layers(one: Program) -> None:
    one.network["weight_init"] = 1e-3
    one.hidden_sizes = (32, 32, 32)


def nearly_all_constant(one: Program) -> None:
    one.X[:, 1:] = one.X_val[:, 1:] = 0.5


ALL: dict[Fault, tuple[str, Any]] = {
    nan_in_a_row: ("not-finite-data", DATA),
    infinite_in_validation: ("not-finite-data", DATA),
    inputs_shuffled: ("uninformative-inputs", DATA),
    rows_in_both: ("duplicate-across-splits", DATA),
    times_a_hundred: ("unscaled-data", DATA),
    far_from_zero: ("unscaled-data", DATA),
    validation_not_scaled: ("unscaled-data", DATA),
    one_large_column: ("unscaled-data", DATA),
    large_weights: ("init-too-large", DATA),
    small_weights_in_layers: ("init-too-small", DATA),
    labels_from_one: ("label-shift", CLASSES),
    validation_labels_moved_on: ("label-shift", ("digits", "breast cancer", "clusters", "moons")),
    sorted_split: ("label-shift", ("digits", "iris", "wine", "clusters")),
    a_column_of_labels: ("leaking-feature", ("diabetes", "friedman", "clusters", "moons")),
    nearly_all_constant: ("constant-features", ("digits", "breast cancer", "wine", "friedman", "linear", "clusters")),
}


def first(found: list[Finding]) -> str:
    return next(iter(alarms(list(in_order(found)))), "")


@pytest.mark.parametrize(("fault", "name"), [(fault, name) for fault, (_, names) in ALL.items() for name in names])
def test_fault_is_named_first(fault: Fault, name: str) -> None:
    one = program(name)
    fault(one)
    assert first(one.findings()) == ALL[fault][0]


class WrongTanh(Tanh):
    """A backward that forgets the square."""

    def backward(self, dout: Array, cache: Any, engine: NumpyEngine, input_gradient: bool) -> tuple[Array | None, Params]:
        dout *= 1 - cache
        return dout, {}


@pytest.mark.parametrize("name", DATA)
def test_wrong_gradient(name: str) -> None:
    one = program(name, network={"activation": WrongTanh})
    (wrong,) = [finding for finding in one.findings() if finding.severity != "note"]
    assert wrong.code == "wrong-gradient"
    assert wrong.severity == "error"
    assert wrong.evidence["relative_errors"].keys() == {"W1", "b1"}


def test_a_right_gradient_of_tiny_weights_is_no_fault() -> None:
    one = program("friedman", network={"weight_init": 1e-4, "activation": "tanh"}, hidden_sizes=(20, 20, 20))
    assert "wrong-gradient" not in codes(one.findings())


@pytest.mark.parametrize("name", DATA)
@pytest.mark.parametrize("value", [0.0, 0.05])
def test_equal_weights(name: str, value: float) -> None:
    one = program(name, network={"activation": "tanh"})
    network = one.make()
    for W in ("W1", "W2"):
        network.params[W][...] = value
    assert first(one.findings(network)) == "symmetric-init"


def test_nearly_equal_weights_warn() -> None:
    one = program("wine")
    network = one.make()
    network.params["W1"][...] = 0.1 + 0.001 * network.params["W1"]
    (found,) = [finding for finding in one.findings(network) if finding.code == "symmetric-init"]
    assert found.severity == "warning"  # as the weights of the last layer differ, so will the units


def test_a_last_layer_of_zeros_is_sound() -> None:
    one = program("digits")
    network = one.make()
    network.params["W2"][...] = 0
    assert alarms(one.findings(network)) == []


@pytest.mark.parametrize("name", DATA)
def test_large_initial_loss(name: str) -> None:
    one = program(name)
    network = one.make()
    network.params["W2"] *= 100
    assert first(one.findings(network)) == "bad-initial-loss"


def test_initial_values_of_a_trained_network_are_not_judged() -> None:
    one = program("wine")
    network = one.make()
    network.params["b1"] += np.linspace(0, 0.1, 32, dtype=np.float32)
    network.params["W2"] *= 100
    assert alarms(one.findings(network)) == []


def test_gradient_that_vanishes() -> None:
    one = program("digits", hidden_sizes=(30,) * 8, network={"activation": "logistic", "weight_init": "glorot"})
    assert "vanishing-gradient" in codes(one.findings())


def test_rows_that_a_small_network_cannot_learn_by_heart() -> None:
    one = program("digits", hidden_sizes=(1,))
    assert "under-capacity" in codes(one.findings())
    assert alarms(one.findings()) == []


@pytest.mark.parametrize("fault", [inputs_shuffled, rows_in_both, times_a_hundred, validation_not_scaled])
def test_faults_in_tables(fault: Fault) -> None:
    one = program("breast cancer")
    fault(one)
    network = TabularNet(30, [], 2, hidden_sizes=(16,), engine="numpy")
    network.start(one.X)
    assert first(preflight(network, one.X, one.y, one.X_val, one.y_val)) == ALL[fault][0]


def test_numbers_of_categories_have_no_scale() -> None:
    rng = np.random.default_rng(0)
    numbers, place = rng.standard_normal((400, 2)), rng.integers(0, 300, 400)
    X, y = np.column_stack([numbers, place]).astype(np.float32), (numbers[:, 0] > 0).astype(int)
    network = TabularNet(2, [300], 2, hidden_sizes=(16,), engine="numpy")
    network.start(X)
    assert "unscaled-data" not in codes(preflight(network, X, y))


@pytest.mark.parametrize(("labels", "outputs"), [([0, 1, 5], 3), ([-1, 0, 1], 3), ([0.5, 1, 0], 3)])
def test_labels_without_an_output(labels: list[float], outputs: int) -> None:
    X = np.random.default_rng(0).standard_normal((90, 4))
    found = preflight(FullyConnectedNet([4, 8, outputs], engine="numpy"), X, np.array(labels * 30))
    assert first(found) == "label-shift"


def test_two_classes_with_one_output() -> None:
    X = np.random.default_rng(0).standard_normal((200, 4))
    y, network = (X[:, 0] + X[:, 1] > 0).astype(int), FullyConnectedNet([4, 8, 1], loss="binary_cross_entropy", engine="numpy")
    assert alarms(preflight(network, X, y)) == []
    assert first(preflight(network, X, y + 1)) == "label-shift"


def test_targets_of_a_regression_that_are_not_scaled() -> None:
    one = program("diabetes")
    one.y, one.y_val = 77 * one.y + 150, 77 * one.y_val + 150
    (found,) = [finding for finding in one.findings() if finding.severity == "warning"]
    assert (found.code, found.evidence["part"]) == ("unscaled-data", "targets")


def test_inputs_and_targets_that_are_not_scaled_are_both_named() -> None:
    one = program("friedman")
    found = preflight(one.make(), 100 * one.X, 1000 + 50 * one.y)
    (both,) = [each for each in found if each.code == "unscaled-data"]
    assert "The inputs are not scaled" in both.message
    assert "The targets are not scaled" in both.message


def test_nothing_but_wrong_rows() -> None:
    found = preflight(FullyConnectedNet([2, 3, 2], engine="numpy"), np.full((5, 2), np.nan), np.zeros(5, int))
    assert codes(found) == ["not-finite-data"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"X": np.zeros((4, 3)), "y": np.zeros(4, int)}, r"X must have shape \(n, 2\)"),
        ({"X": np.zeros((4, 2)), "y": np.zeros(3, int)}, "y must hold numbers, a label or a row of targets for each row of X"),
        ({"X": np.zeros((4, 2)), "y": np.zeros(4, int), "X_val": np.zeros((4, 2))}, "X_val and y_val go together"),
    ],
)
def test_what_does_not_fit_is_refused(given: dict[str, Array], words: str) -> None:
    with pytest.raises(InputError, match=words):
        preflight(FullyConnectedNet([2, 3, 2], engine="numpy"), **given)


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 2**31), st.integers(300, 500), st.integers(1, 30), st.integers(2, 5))
def test_inputs_that_were_drawn_say_nothing(seed: int, n: int, d: int, n_classes: int) -> None:
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d)) * rng.choice([1, 1e-20, 1e15], d)
    found = preflight(FullyConnectedNet([d, 5, n_classes], engine="numpy"), X, rng.integers(0, n_classes, n))
    assert {"leaking-feature", "label-shift", "wrong-gradient", "duplicate-across-splits"}.isdisjoint(codes(found))


def test_same_seed_same_findings() -> None:
    one = program("digits")
    times_a_hundred(one)
    assert one.findings() == one.findings()


def test_values_have_no_classes() -> None:
    assert {"class-imbalance", "label-shift"}.isdisjoint(code for name in VALUES for code in codes(program(name).findings()))


def test_first_weights_make_up_for_the_scale_of_all_inputs() -> None:
    one = program("digits", network={"weight_init": 0.003})
    times_a_hundred(one)
    (found,) = [finding for finding in one.findings() if finding.code == "unscaled-data"]
    assert found.severity == "note"
    assert "make up for that" in found.message


def test_rows_that_are_alike_by_nature_are_a_note() -> None:
    rng = np.random.default_rng(0)
    kinds = rng.standard_normal((300, 6)).astype(np.float32)
    whole = np.concatenate([kinds, kinds[:40]])[rng.permutation(340)]
    y = (whole[:, 0] + whole[:, 1] > 0).astype(int)
    one = Program(whole[:240], y[:240], whole[240:], y[240:])
    (found,) = [finding for finding in one.findings() if finding.code == "duplicate-across-splits"]
    assert found.severity == "note"


def test_copies_that_were_made_before_the_split_are_no_note() -> None:
    rng = np.random.default_rng(0)
    sound = program("wine")
    copies = rng.integers(0, len(sound.y), 400)
    X, y = sound.X[copies], sound.y[copies]
    assert first(Program(X[:300], y[:300], X[300:], y[300:]).findings()) == "duplicate-across-splits"


def test_groups_of_equal_units() -> None:
    one = program("wine")
    network = one.make()
    network.params["W1"][...] = network.params["W1"][:, np.arange(32) % 4]
    network.params["W2"][...] = network.params["W2"][np.arange(32) % 4]
    (found,) = [finding for finding in one.findings(network) if finding.severity != "note"]
    assert (found.code, found.severity, found.evidence["distinct"]) == ("symmetric-init", "error", 4)


def test_units_of_measure_that_differ_by_powers_of_ten() -> None:
    one = program("breast cancer", network={"normalisation": "layer"})
    scales = 10 ** np.linspace(0, 4, one.X.shape[1], dtype=np.float32)
    one.X, one.X_val = one.X * scales, one.X_val * scales
    assert first(one.findings()) == "unscaled-data"


def test_a_class_that_is_rare_to_train_on_alone() -> None:
    sound = program("digits")
    kept = (sound.y != 7) | (np.arange(len(sound.y)) % 20 == 0)
    thinned = replace(sound, X=sound.X[kept], y=sound.y[kept])
    finding = next(each for each in thinned.findings() if each.severity != "note")
    assert (finding.code, finding.evidence["class"]) == ("class-imbalance", 7)
    both = (sound.y_val != 7) | (np.arange(len(sound.y_val)) % 20 == 0)
    assert alarms(replace(thinned, X_val=sound.X_val[both], y_val=sound.y_val[both]).findings()) == []


def test_a_few_rows_of_the_rarer_class_do_not_say_that_inputs_say_nothing() -> None:
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((1000, 5)).astype(np.float32), (np.arange(1000) < 5).astype(int)
    assert "uninformative-inputs" not in codes(preflight(FullyConnectedNet([5, 8, 2]), X, y))


@pytest.mark.parametrize(("n", "severity"), [(90, "note"), (110, "warning"), (400, "error")])
def test_of_few_rows_less_is_said_of_inputs_that_say_nothing(n: int, severity: str) -> None:
    rng = np.random.default_rng(1)
    found = preflight(FullyConnectedNet([5, 8, 2]), rng.standard_normal((n, 5)).astype(np.float32), np.arange(n) % 2)
    assert [each.severity for each in found if each.code == "uninformative-inputs"] == [severity]


@pytest.mark.parametrize(("copies", "expected"), [(1, ["note"]), (2, [])])
def test_an_input_that_alone_explains_what_the_others_do_together_is_a_note(copies: int, expected: list[str]) -> None:
    rng = np.random.default_rng(0)
    y = rng.standard_normal(600)
    parts = rng.standard_normal((600, 8))
    parts += (y - parts.sum(axis=1))[:, np.newaxis] / 8  # their sum is the target
    X = np.column_stack([*[y + 0.4 * rng.standard_normal(600) for _ in range(copies)], parts]).astype(np.float32)
    network = FullyConnectedNet([X.shape[1], 8, 1], loss="squared_error")
    found = preflight(network, X, y.astype(np.float32)[:, np.newaxis])
    assert [each.severity for each in found if each.code == "leaking-feature"] == expected
