"""What validation rows have a part in, and what not."""

import json

import numpy as np
import pandas as pd
import pytest
from command_line import fcnet

from fcnet import TabularClassifier, TabularRegressor, load
from fcnet.data import load_dataset
from fcnet.training.calibration import fit_temperature
from fcnet.training.metrics import METRICS
from fcnet.training.threshold import best_threshold

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


def test_a_run_chooses_temperature_and_threshold_by_the_weights_of_classes(tmp_path):
    rng = np.random.default_rng(0)
    y = np.arange(400) % 8 == 0
    X = rng.standard_normal((400, 2)) + 0.5 * y[:, np.newaxis]
    pd.DataFrame(X, columns=["a", "b"]).assign(y=np.where(y, "yes", "no")).to_csv(tmp_path / "rare.csv", index=False)
    changes = ["hidden_sizes=[8]", "epochs=4", "class_weight=balanced", "monitor=accuracy", "threshold=auto"]
    metrics, models = {}, {}
    for calibrate in ("false", "true"):
        run = tmp_path / calibrate
        words = [f"--set={change}" for change in [*changes, f"calibrate={calibrate}"]]
        fcnet("train", tmp_path / "rare.csv", "--recipe", "table", "--out", run, *words)
        metrics[calibrate], models[calibrate] = json.loads((run / "metrics.json").read_text()), load(run / "model.safetensors")
    data = load_dataset(str(tmp_path / "rare.csv"))
    weights = (len(data.y_train) / 2 / np.bincount(data.y_train))[data.y_val]

    plain = models["false"].logits(data.X_val)
    by_weights, by_rows = (
        fit_temperature(load(tmp_path / "false" / "model.safetensors").network, lambda: plain, data.y_val, counts)
        for counts in (weights, None)
    )
    assert metrics["true"]["temperature"] == pytest.approx(by_weights, rel=1e-3)
    assert abs(by_weights - by_rows) > 0.02

    logits, loss = models["true"].logits(data.X_val), models["true"].loss
    by_weights, by_rows = (best_threshold(METRICS["accuracy"], loss, logits, data.y_val, counts) for counts in (weights, None))
    assert metrics["true"]["threshold"] == pytest.approx(by_weights, rel=1e-3)
    assert abs(by_weights - by_rows) > 0.02
