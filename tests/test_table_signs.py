"""Signs of trouble in a table: columns that tell rows apart or give the target away, repeated rows, labels that are alike."""

import json

import numpy as np
import polars as pl
import pytest
from command_line import fcnet

from fcnet.data import load_dataset
from fcnet.data.table_signs import alike, id_columns, rare_to_validate, repeated_rows, telling_columns

N = 400


def table(**columns):
    rng = np.random.default_rng(0)
    return pl.DataFrame(
        {"size": rng.standard_normal(N), "shade": rng.choice(["a", "b", "c"], N), "n": rng.integers(0, 9, N)} | columns
    )


LABELS = np.random.default_rng(1).integers(0, 3, N)
IDS = {
    "counted": np.arange(N) + 7,
    "rising": np.cumsum(np.random.default_rng(2).integers(1, 9, N)),
    "customer_id": np.random.default_rng(3).permutation(10 * N)[:N],
    "userID": np.random.default_rng(4).permutation(10 * N)[:N],
    "code": [f"k{i}" for i in np.random.default_rng(5).permutation(N)],
}
NO_IDS = {
    "population": np.random.default_rng(3).permutation(10 * N)[:N],
    "paid": np.random.default_rng(3).permutation(10 * N)[:N] + 0.5,
    "shop_id": np.arange(N) // 2,
    "gaps_id": pl.Series([None, *range(N - 1)]),
    "humid": np.random.default_rng(3).permutation(10 * N)[:N],
}


@pytest.mark.parametrize("name", [*IDS, *NO_IDS])
def test_columns_that_tell_rows_apart_are_found(name):
    assert id_columns(table(**{name: (IDS | NO_IDS)[name]})) == ([name] if name in IDS else [])


def test_few_rows_are_no_ids_by_their_order():
    assert id_columns(pl.DataFrame({"size": [1, 5, 9]})) == []


TELLING = {
    "word": np.array(["u", "v", "w"])[LABELS],
    "number": 10.0 * LABELS - 3,
    "finer": LABELS + 3 * np.random.default_rng(2).integers(0, 5, N),
}
NOT_TELLING = {
    "nearly": np.where(np.arange(N) == 7, 2 - LABELS[7], LABELS) if LABELS[7] != 1 else np.where(np.arange(N) == 7, 0, LABELS),
    "all_different": LABELS + np.random.default_rng(2).uniform(0, 0.1, N),
}


@pytest.mark.parametrize("name", [*TELLING, *NOT_TELLING])
def test_columns_that_tell_the_class_are_found(name):
    found = telling_columns(table(**{name: (TELLING | NOT_TELLING)[name]}), LABELS, has_classes=True)
    assert found == ([name] if name in TELLING else [])


def test_a_rare_class_is_not_told_by_chance():
    X = pl.DataFrame({"group": np.arange(N) % 40})
    assert telling_columns(X, (np.arange(N) == 3).astype(int), has_classes=True) == []


NUMBERS = np.random.default_rng(6).gamma(2, 1000, N)


@pytest.mark.parametrize(
    ("column", "tells"),
    [
        (0.01 * NUMBERS - 5, True),
        (-np.log(NUMBERS), True),
        (np.where(np.arange(N) % 50 == 0, np.nan, NUMBERS), True),
        (NUMBERS + np.random.default_rng(7).normal(0, 300, N), False),
        (np.median(NUMBERS) < NUMBERS, False),
    ],
    ids=["scaled", "falling", "gaps", "noisy", "coarse"],
)
def test_copies_of_a_number_are_found(column, tells):
    X = table(other=np.asarray(column, float))
    assert telling_columns(X, NUMBERS[:, np.newaxis], has_classes=False) == ["other"] * tells


def test_repeated_rows_are_counted_unless_chance_explains_them():
    X = table()
    assert repeated_rows(X[:300], LABELS[:300], X[300:], LABELS[300:]) == 0
    both = pl.concat([X[300:], X[:5]])
    assert repeated_rows(X[:300], LABELS[:300], both, np.append(LABELS[300:], LABELS[:5])) == 5
    assert repeated_rows(X[:300], LABELS[:300], both, np.append(LABELS[300:], 5 + LABELS[:5])) == 0  # the target is another
    few = X["shade", "n"]
    assert few[300:].join(few[:300], on=["shade", "n"], how="semi").height > 50
    assert repeated_rows(few[:300], LABELS[:300], few[300:], LABELS[300:]) == 0


def test_labels_that_are_alike():
    assert alike(["Yes", "no", "yes ", "NO", "n o", "maybe"]) == [["Yes", "yes "], ["no", "NO", "n o"]]
    assert alike([0, 1, True]) == []


def test_classes_of_few_validation_rows():
    assert rare_to_validate(np.repeat([0, 1, 2], [60, 9, 10]), 4) == [1, 3]
    assert rare_to_validate(np.repeat([0, 1], [20, 9]), 2) == []  # all are few


def test_the_command_line_tells_once(tmp_path):
    label = np.array(["yes", "no", "Yes"])[LABELS]
    label[LABELS == 2] = np.where(np.arange((LABELS == 2).sum()) < 20, "Yes", "no")
    frame = table(sent=np.char.add("to ", label), customer_id=IDS["customer_id"]).with_columns(label=label)
    path = tmp_path / "t.csv"
    pl.concat([frame, frame[:100]]).write_csv(path)
    notes = " ".join(load_dataset(str(path)).notes)
    assert "differ in case or blanks alone, and may be the same: 'Yes' and 'yes'" in notes
    assert "By itself each of these tells 'label', as a copy of it does: 'sent'; " in notes
    assert "--drop 'sent'" in notes
    assert "validation rows are training rows, too, in every column" in notes
    words = ("--recipe", "table", "--set", "epochs=1", "--out", tmp_path / "run")
    said = fcnet("train", path, *words).stderr
    assert "Few rows to validate: 'Yes' (" in said
    assert "Few rows to validate" in " ".join(json.loads((tmp_path / "run" / "metrics.json").read_text())["notes"])
    assert "Few rows to validate" not in fcnet("train", path, *words, "--force", "--folds", 2).stderr
    table(label=label == "no").write_csv(path)
    told = " ".join(load_dataset(str(path)).notes)
    assert all(word not in told for word in ("By itself", "validation rows", "alone", "number the rows"))
