"""What validation rows have a part in, and what not."""

import numpy as np
import pandas as pd
import pytest

from fcnet import TabularClassifier, TabularRegressor

SMALL = {"hidden_sizes": [8], "epochs": 4, "random_state": 0, "threads": 1}
pytestmark = [
    pytest.mark.filterwarnings("ignore:The network:sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore::fcnet.errors.DataWarning"),
]


@pytest.mark.parametrize("n_ensemble", [1, 2])
def test_what_is_fitted_before_a_network_is_of_the_rows_that_train_it(n_ensemble):
    names = pd.DataFrame({"name": pd.Categorical([f"n{i}" for i in range(100)]), "x": np.arange(100.0)})
    model = TabularRegressor(**SMALL | {"n_ensemble": n_ensemble}).fit(names, np.arange(100.0))
    (known,) = (categories for _, categories in model.model_.preprocessor.columns if categories)
    assert len(known) == {1: 80, 2: 100}[n_ensemble]


def test_validation_rows_that_are_given_count_as_their_classes_do_in_training():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((200, 2)), np.arange(200) % 5 == 0
    X_val, y_val = rng.standard_normal((40, 2)), np.arange(40) % 2 == 0
    by_hand = {False: 200 / 2 / 160, True: 200 / 2 / 40}
    losses = [
        TabularClassifier(**SMALL, n_ensemble=1, class_weight=weight)
        .fit(X, y, X_val=X_val, y_val=y_val)
        .history_[0]["val_loss"]
        for weight in ("balanced", by_hand)
    ]
    assert losses[0] == pytest.approx(losses[1])
