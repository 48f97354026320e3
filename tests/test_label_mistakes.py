"""Labels that a network, trained without their rows, disagrees with."""

import numpy as np
import pytest
from sklearn.datasets import load_digits, make_classification
from sklearn.linear_model import LogisticRegression

from fcnet.doctor.label_mistakes import label_mistakes, mistake_findings


def predicted(X, y, share=0.0):
    """Flip a share of labels; return probabilities of half of the rows by a model of the others, their labels, and flips."""
    rng = np.random.default_rng(0)
    n_classes = y.max() + 1
    wrong = rng.random(len(y)) < share
    given = np.where(wrong, (y + rng.integers(1, n_classes, len(y))) % n_classes, y)
    model = LogisticRegression(max_iter=200, C=0.01).fit(X[::2], given[::2])
    return model.predict_proba(X[1::2]), given[1::2], wrong[1::2]


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X / 8 - 1, y


@pytest.mark.parametrize("share", [0.1, 0.3])
def test_wrong_labels_are_found_and_counted(digits, share):
    p, labels, wrong = predicted(*digits, share)
    found, rows = label_mistakes(p, labels)
    assert 0.5 * share < found < 1.5 * share
    assert wrong[rows[: wrong.sum() // 2]].mean() > 0.9  # the worst are the wrong ones
    [finding] = mistake_findings(p, labels)
    assert finding.code == "label-mistakes"
    assert finding.evidence["rows"] == rows[:10].tolist()


def test_right_labels_raise_no_alarm(digits):
    assert label_mistakes(*predicted(*digits)[:2]) is None


def test_hard_rows_are_no_mistakes():
    X, y = make_classification(2000, 20, n_informative=8, n_classes=3, class_sep=0.7, flip_y=0.0, random_state=0)
    p, labels, _ = predicted(X, y)
    assert (p.argmax(axis=1) != labels).mean() > 0.2
    assert label_mistakes(p, labels) is None


def test_errors_are_a_share_of_those_of_chance(digits):
    p, labels, wrong = predicted(*digits, 0.55)
    assert (p.argmax(axis=1) != labels).mean() > 0.5
    found, _ = label_mistakes(p, labels)
    assert found == pytest.approx(wrong.mean(), abs=0.15)
    rng = np.random.default_rng(0)
    assert label_mistakes(p, rng.permutation(labels)) is None  # nine in ten wrong, as of ten classes by chance
