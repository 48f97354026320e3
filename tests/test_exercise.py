"""The published numbers of the exercise, through the names that it imports."""

import re

import numpy as np
import pytest

from cs231n.classifier_trainer import ClassifierTrainer
from cs231n.classifiers.neural_net import init_two_layer_model, two_layer_net
from cs231n.data_utils import load_CIFAR10
from cs231n.gradient_check import eval_numerical_gradient
from cs231n.vis_utils import visualize_grid
from fcnet.nn.gradcheck import relative_error

pytestmark = pytest.mark.usefixtures("engine_name")

SCORES = [
    [-0.5328368, 0.20031504, 0.93346689],
    [-0.59412164, 0.15498488, 0.9040914],
    [-0.67658362, 0.08978957, 0.85616275],
    [-0.77092643, 0.01339997, 0.79772637],
    [-0.89110401, -0.08754544, 0.71601312],
]


def test_scores(toy_params, toy_data):
    assert np.sum(np.abs(two_layer_net(toy_data[0], toy_params) - SCORES)) < 4e-8


def test_loss(toy_params, toy_data):
    loss, _ = two_layer_net(*toy_data[:1], toy_params, toy_data[1], reg=0.1)
    assert abs(loss - 1.38191946092) < 5e-12


def test_gradients(toy_params, toy_data):
    X, y = toy_data
    _, grads = two_layer_net(X, toy_params, y, reg=0.1)
    for name, bound in {"W2": 3e-9, "b2": 2e-10, "W1": 1e-8, "b1": 1e-7}.items():
        f = lambda _: two_layer_net(X, toy_params, y, reg=0.1)[0]  # noqa: E731  # as notebooks do
        numeric = eval_numerical_gradient(f, toy_params[name], verbose=False)
        assert relative_error(numeric, grads[name]) <= bound, name


def test_gradients_of_two_calls_are_kept_apart(toy_params, toy_data):
    X, y = toy_data
    _, first = two_layer_net(X, toy_params, y)
    kept = {name: g.copy() for name, g in first.items()}
    two_layer_net(2 * X, toy_params, y, reg=1.0)
    for name, grad in first.items():
        np.testing.assert_array_equal(grad, kept[name])


@pytest.mark.parametrize(
    ("update", "momentum", "last_loss"), [("sgd", 0.0, 0.940686), ("momentum", 0.9, 0.494394), ("rmsprop", 0.9, 0.439368)]
)
def test_last_loss_of_full_batch_descent(toy_params, toy_data, capsys, update, momentum, last_loss):
    X, y = toy_data
    _, losses, train_accuracies, val_accuracies = ClassifierTrainer().train(
        *(X, y, X, y, toy_params, two_layer_net),
        reg=0.001,
        learning_rate=0.1,
        momentum=momentum,
        learning_rate_decay=1,
        update=update,
        sample_batches=False,
        num_epochs=100,
        verbose=False,
    )
    assert len(losses) == len(train_accuracies) == len(val_accuracies) == 100
    assert losses[-1] == pytest.approx(last_loss, abs=5e-7)
    assert capsys.readouterr().out.splitlines() == [f"starting iteration {i}" for i in range(0, 100, 10)]


def test_what_a_verbose_trainer_prints(capsys):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((60, 8)), rng.integers(3, size=60)
    np.random.seed(0)  # noqa: NPY002
    _, losses, train_accuracies, val_accuracies = ClassifierTrainer().train(
        *(X, y, X, y, init_two_layer_model(8, 5, 3), two_layer_net),
        learning_rate=1e-5,
        num_epochs=2,
        batch_size=4,
        acc_frequency=7,
        verbose=True,
    )
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith("starting")] == [
        "starting iteration 0",
        "starting iteration 10",
        "starting iteration 20",
    ]
    pattern = r"Finished epoch (\d) / 2: cost \d\.\d{6}, train: [01]\.\d{6}, val [01]\.\d{6}, lr (\S+)"
    finished = [re.fullmatch(pattern, line) for line in lines if line.startswith("Finished")]
    # After iterations 1, 8, 15 (the end of epoch 1, once), 22, 29 and 30 (the end of epoch 2).
    expected = [("0", "1.000000e-05"), ("0", "1.000000e-05"), ("1", "9.500000e-06"), ("1", "9.500000e-06")]
    assert [match.groups() for match in finished] == [*expected, ("1", "9.500000e-06"), ("2", "9.025000e-06")]
    assert len(losses) == 30
    assert len(train_accuracies) == len(val_accuracies) == 6
    assert lines[-1] == f"finished optimization. best validation accuracy: {max(val_accuracies):f}"


def test_the_rate_of_full_batches_decays_from_the_second_on(toy_params, toy_data, capsys):
    X, y = toy_data
    ClassifierTrainer().train(
        *(X, y, X, y, toy_params, two_layer_net),
        learning_rate=1.0,
        learning_rate_decay=0.5,
        sample_batches=False,
        num_epochs=3,
        verbose=True,
    )
    finished = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Finished")]
    assert [line[:20] for line in finished] == [f"Finished epoch {epoch} / 3" for epoch in (0, 1, 2)]
    assert [line.split("lr ")[1] for line in finished] == ["1.000000e+00", "5.000000e-01", "2.500000e-01"]


def test_the_best_model_is_that_of_the_best_measurement(capsys):
    rng = np.random.default_rng(1)
    X, y = rng.standard_normal((50, 6)), rng.integers(2, size=50)
    model = init_two_layer_model(6, 20, 2)
    best, _, _, val_accuracies = ClassifierTrainer().train(
        *(X, y, X, y, model, two_layer_net), learning_rate=3.0, update="sgd", num_epochs=30, batch_size=5
    )
    assert np.mean(two_layer_net(X, best).argmax(axis=1) == y) == max(val_accuracies)


def test_a_rate_that_diverges_warns_and_returns_the_best(capsys):
    rng = np.random.default_rng(1)
    X, y = rng.standard_normal((50, 6)), rng.integers(2, size=50)
    told = r"learning_rate = 1e\+09; it is too large\. In short trials learning_rate = 0\.\d+ lowered"
    with pytest.warns(RuntimeWarning, match=told):
        best, losses, _, val_accuracies = ClassifierTrainer().train(
            *(X, y, X, y, init_two_layer_model(6, 20, 2), two_layer_net), learning_rate=1e9, num_epochs=50, batch_size=5
        )
    assert np.isfinite(best["W1"]).all()
    assert losses
    assert val_accuracies


def test_any_model_and_any_inputs_can_be_trained(capsys):
    """The exercise's trainer knows nothing but a dict of arrays and a function."""

    def mean_of_images(X, model, y=None, reg=0.0):
        scores = X.mean(axis=(1, 2)) * model["gain"] + model["shift"]
        if y is None:
            return scores
        error = (scores - np.eye(3)[y]) / len(y)
        return 0.5 * float(np.sum(error**2)) * len(y), {
            "gain": np.sum(error * X.mean(axis=(1, 2)), axis=0),
            "shift": error.sum(axis=0),
        }

    X, y = np.random.default_rng(0).standard_normal((30, 4, 4, 3)), np.arange(30) % 3
    X[np.arange(30), :, :, y] += 2
    model = {"gain": np.zeros(3), "shift": np.zeros(3)}
    best, _, _, val_accuracies = ClassifierTrainer().train(X, y, X, y, model, mean_of_images, num_epochs=5, batch_size=50)
    assert set(best) == {"gain", "shift"}
    assert max(val_accuracies) > 0.9


def test_initial_model_follows_the_global_seed():
    np.random.seed(3)  # noqa: NPY002
    first = init_two_layer_model(30, 20, 10)
    np.random.seed(3)  # noqa: NPY002
    second = init_two_layer_model(30, 20, 10)
    assert first["W1"].shape == (30, 20)
    assert first["W2"].shape == (20, 10)
    assert first["W1"].std() == pytest.approx(1e-5, rel=0.1)
    assert not first["b1"].any()
    np.testing.assert_array_equal(first["W2"], second["W2"])


def test_visualize_grid_stretches_each_image():
    images = np.random.default_rng(0).standard_normal((5, 4, 6, 3))
    grid = visualize_grid(images, padding=2)
    assert grid.shape == (3 * 6 - 2, 3 * 8 - 2, 3)
    assert grid[:4, :6].min() == 0
    assert grid[:4, :6].max() == 255
    assert not grid[4:6].any()


@pytest.fixture(scope="module")
def real_cifar10():
    with pytest.warns(UserWarning, match="no cifar-10-batches-py in not/there; using"):
        X, y, X_test, y_test = load_CIFAR10("not/there")
    assert (X.shape, y.shape) == ((50000, 32, 32, 3), (50000,))
    assert (X_test.shape, y_test.shape) == ((10000, 32, 32, 3), (10000,))
    assert X.dtype == np.float64
    X_val, X = X[49000:].reshape(1000, -1), X[:49000].reshape(49000, -1)
    mean = X.mean(axis=0)
    X -= mean
    return X, y[:49000], X_val - mean, y[49000:]


@pytest.mark.cifar10
@pytest.mark.slow  # the notebook trains so, with numba
@pytest.mark.parametrize("engine_name", ["numpy"], indirect=True)
def test_cifar10_shapes_and_training_in_float64(real_cifar10, capsys):
    np.random.seed(0)  # noqa: NPY002
    _, losses, _, val_accuracies = ClassifierTrainer().train(
        *real_cifar10,
        *(init_two_layer_model(3072, 50, 10), two_layer_net),
        num_epochs=5,
        reg=1.0,
        momentum=0.9,
        learning_rate_decay=0.95,
        learning_rate=1e-5,
    )
    assert losses[0] == pytest.approx(2.302593, abs=2e-6)
    assert 0.34 < max(val_accuracies) < 0.40
