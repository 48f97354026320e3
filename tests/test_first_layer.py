"""How smooth the weights of a first layer are, and what findings say of it."""

import numpy as np
import pytest

from fcnet import FCNetClassifier, FullyConnectedNet, Trainer, diagnose
from fcnet.data import load_dataset
from fcnet.doctor.finding import Finding
from fcnet.doctor.first_layer import first_layer, with_first_layer
from fcnet.doctor.inflight import Doctor
from fcnet.errors import InputError
from fcnet.preprocessing import Scaling
from fcnet.training.smoothness import roughness

LOW = Finding(code="learning-rate-too-low", severity="error", message="The loss hardly falls.", evidence={"ratio": 1e-5})


def waves(n_units, channels):
    """Return weights (12 · 12 · channels, n_units), each unit a smooth wave, of each colour another one."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:12, :12] / 12
    phases, turns = rng.uniform(0, 6, (2, n_units, channels))
    each = np.sin(
        5 * (rows * np.cos(turns[..., None, None]) + columns * np.sin(turns[..., None, None])) + phases[..., None, None]
    )
    return np.moveaxis(each, 1, -1).reshape(n_units, -1).T


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("n_units", [1, 50, 230])
def test_noise_is_told_from_what_is_smooth(channels, n_units):
    noise = np.random.default_rng(1).standard_normal((144 * channels, n_units))
    smooth = first_layer(waves(n_units, channels), (12, 12, channels))
    rough = first_layer(noise, (12, 12, channels))
    assert smooth.correlation > 0.9
    assert smooth.by_chance < 0.4
    assert abs(rough.correlation) < 0.15
    assert "smooth" in smooth.words
    learnt = first_layer(noise + waves(n_units, channels), (12, 12, channels))
    assert max(rough.correlation, 0) < learnt.correlation < smooth.correlation
    assert learnt.words == ""


def test_each_colour_counts_by_itself():
    """Noise around a shade of each colour is noise."""
    noise = np.random.default_rng(0).standard_normal((200, 8, 8, 3)) + np.array([10.0, 0.0, -10.0])
    assert roughness(noise).mean() == pytest.approx(1, abs=0.02)


def test_findings_of_the_training_say_it_and_others_do_not():
    noise = np.random.default_rng(3).standard_normal((144, 40))
    other = Finding(code="dead-units", severity="error", message="Units are dead.")
    found = with_first_layer([LOW, other], noise, (12, 12, 1))
    assert found[1] == other
    assert found[0].message.startswith(
        LOW.message + " The weights of the first layer are noise: neighbouring pixels correlate by"
    )
    assert found[0].evidence["first_layer_correlation"] <= found[0].evidence["first_layer_correlation_by_chance"]
    assert found[0].evidence["ratio"] == 1e-5
    assert with_first_layer([other], noise, (12, 12, 1)) == [other]
    assert with_first_layer([], noise, (12, 12, 1)) == []
    assert with_first_layer([LOW], np.full((144, 40), np.nan), (12, 12, 1)) == [LOW]


def scaled_digits():
    data = load_dataset("digits", n_test=0)
    scaling = Scaling.fit(data.X_train)
    return scaling.transform(data.X_train), data.y_train, scaling.transform(data.X_val), data.y_val


def digits(learning_rate, image_shape, weight_init="he"):
    X, y, X_val, y_val = scaled_digits()
    doctor = Doctor({}, (X_val, y_val), image_shape)
    net = FullyConnectedNet([64, 40, 10], weight_init=weight_init, seed=0)
    Trainer(epochs=10, learning_rate=learning_rate, callbacks=[doctor]).fit(net, X, y, X_val, y_val)
    return doctor.findings


def test_a_network_that_has_not_learnt_has_noise_and_a_sound_one_has_no_finding():
    [finding] = digits(1e-5, (8, 8, 1))
    assert "The weights of the first layer are noise" in finding.message
    assert digits(3e-2, (8, 8, 1)) == []


def test_rows_that_are_no_images_have_none_and_a_wrong_shape_is_an_error():
    [finding] = digits(1e-5, None)
    assert "first_layer_correlation" not in finding.evidence
    with pytest.raises(InputError, match=r"image_shape \(4, 4, 3\) does not fit 64 inputs"):
        digits(1e-5, (4, 4, 3))


def test_a_network_is_diagnosed_with_the_history_of_its_training():
    given = scaled_digits()
    net = FullyConnectedNet([64, 40, 10], seed=0)
    history = Trainer(epochs=10, learning_rate=1e-3).fit(net, *given)
    of_another_loop = [
        {name: row[name] for name in ("loss", "train_accuracy", "val_accuracy")}
        | {"batches": [{"loss": batch["loss"]} for batch in row["batches"]]}
        for row in history
    ]
    for rows in (history, of_another_loop):
        low = next(each for each in diagnose(net, *given, history=rows, image_shape=(8, 8, 1)) if each.code == LOW.code)
        assert low.evidence["first_layer_correlation"] < 0.5
    assert LOW.code not in [each.code for each in diagnose(net, *given)]
    with pytest.raises(InputError, match="does not fit 64 inputs"):
        diagnose(net, *given, history=history, image_shape=(3, 3, 1))


def test_an_estimator_knows_its_history(tmp_path):
    X, y, *_ = scaled_digits()
    fitted = FCNetClassifier(max_iter=2, early_stopping=True).fit(X, y)
    with pytest.raises(InputError, match="history and image_shape are for a network"):
        diagnose(fitted, X, y, history=[{"loss": 1.0}])
    with pytest.raises(InputError, match="A run knows its training: leave out history"):
        diagnose(tmp_path, history=[{"loss": 1.0}])
