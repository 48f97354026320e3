"""What "auto" stands for in the estimators."""

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.metrics import log_loss
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import scale

from fcnet import FCNetClassifier, FCNetRegressor
from fcnet.training.updates import AdamW

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
IRIS = scale(load_iris().data), load_iris().target


def rates(model):
    return model.history_.column("learning_rate")


@pytest.mark.parametrize("solver", ["adam", "adamw", "rmsprop", AdamW(weight_decay=0.1)])
def test_the_rate_goes_down_to_nothing_over_all_epochs(solver):
    of_epochs = rates(FCNetClassifier(solver=solver, max_iter=30, tol=0, n_iter_no_change=99).fit(*IRIS))
    assert len(of_epochs) == 30
    assert of_epochs[0] == pytest.approx(0.002, rel=0.01)
    assert of_epochs == sorted(of_epochs, reverse=True)
    assert of_epochs[-1] < 1e-6
    assert np.mean(of_epochs) == pytest.approx(0.001, rel=0.05)


@pytest.mark.parametrize(("patience", "stalled"), [(4, 6), (39, 41)])
def test_where_the_loss_stalls_the_rate_goes_down_before_training_ends(patience, stalled):
    """The first epoch is the best one, for a tol that no other one meets."""
    model = FCNetClassifier(tol=10, n_iter_no_change=patience, random_state=0).fit(*IRIS)
    down = max(10, round(stalled / 2))
    assert model.n_iter_ == stalled + down
    assert rates(model)[stalled - 1] > 0.0017
    assert rates(model)[-1] < 1e-4
    at_once = FCNetClassifier(tol=10, n_iter_no_change=patience, early_stopping=True, random_state=0).fit(*IRIS)
    assert at_once.n_iter_ == stalled


def test_a_rate_that_went_down_goes_up_again_in_the_next_fit():
    model = FCNetClassifier(tol=10, n_iter_no_change=4, warm_start=True, random_state=0).fit(*IRIS)
    assert rates(model.fit(*IRIS))[0] == pytest.approx(0.002, rel=0.01)


def test_the_penalty_is_that_of_a_prior_over_all_rows():
    settings = {"batch_size": 50, "max_iter": 5, "random_state": 0}
    weights = np.arange(150) % 3 + 1.0
    auto = FCNetClassifier(**settings).fit(*IRIS, sample_weight=weights)
    by_hand = FCNetClassifier(**settings, alpha=2 * 50 / 150).fit(*IRIS, sample_weight=weights)  # 2 / 2 · ΣW² over all rows
    np.testing.assert_allclose(auto.coefs_[0], by_hand.coefs_[0], rtol=1e-9)
    few = FCNetClassifier(**settings).fit(*IRIS)
    as_for_200 = FCNetClassifier(**settings, alpha=2 * 50 / 200).fit(*IRIS)
    np.testing.assert_allclose(few.coefs_[0], as_for_200.coefs_[0], rtol=1e-9)


@pytest.mark.parametrize(("n", "size"), [(50, 50), (1000, 64), (6400, 100), (20_000, 200)])
def test_batches_are_the_larger_the_more_rows_there_are(n, size):
    X, y = np.random.default_rng(0).standard_normal((n, 2)), np.arange(n) % 2
    model = FCNetClassifier(2, max_iter=1, engine="numpy").fit(X, y)
    assert len(model.history_[-1]["batches"]) == -(-n // size)


@pytest.mark.parametrize("settings", [{"solver": "sgd"}, {"solver": "nesterov"}, {"solver": "lbfgs"}])
def test_other_solvers_have_the_defaults_of_scikit_learn(settings):
    written = {"alpha": 1e-4, "learning_rate_init": 0.001, "learning_rate": "constant", "batch_size": 200}
    if settings["solver"] == "lbfgs":
        del written["batch_size"]
    X, y = np.tile(IRIS[0], (3, 1)), np.tile(IRIS[1], 3)
    auto, by_hand = (FCNetClassifier(**settings, **more, max_iter=5, random_state=0).fit(X, y) for more in ({}, written))
    np.testing.assert_array_equal(auto.coefs_[0], by_hand.coefs_[0])


def test_noise_is_not_learnt_by_heart():
    """Where classes overlap, log-loss is that of the truth or near it, and below scikit-learn's."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((2600, 8))
    y = rng.random(2600) < 1 / (1 + np.exp(-X[:, 0] - X[:, 1]))
    ours, theirs = (
        log_loss(y[600:], cls(random_state=0).fit(X[:600], y[:600]).predict_proba(X[600:]))
        for cls in (FCNetClassifier, MLPClassifier)
    )
    assert ours < theirs


def test_a_parameter_that_is_no_number_is_refused():
    for name in ("alpha", "learning_rate_init"):
        with pytest.raises(ValueError, match=name):
            FCNetRegressor(**{name: "large"}).fit(*IRIS)
