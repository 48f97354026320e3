"""What a person is told where something cannot be used, each case by the call or command that meets it."""

import io
import logging
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse
import zstandard
from click.testing import CliRunner

from cs231n.data_utils import load_CIFAR10
from cs231n.gradient_check import eval_numerical_gradient
from fcnet import FCNetClassifier, FullyConnectedNet, Trainer, gradient_check, save
from fcnet.cli import main
from fcnet.data import cifar10, load_cifar10, load_dataset
from fcnet.data.cells import Dialect
from fcnet.data.restricted_pickle import load_plain_pickle
from fcnet.errors import FileFormatError, InputError, SettingError
from fcnet.files import load_tensors, save_tensors, write_atomic
from fcnet.model import Model
from fcnet.model_card import model_card
from fcnet.preprocessing import PCAWhitening, TableFeatures, ZCAWhitening
from fcnet.training.callbacks import EarlyStopping, Progress

QUICK = ["--set", "epochs=1", "--set", "hidden=[4]"]


def run(*words):
    return CliRunner().invoke(main, [str(word) for word in words])


def table(path, n=20, **columns):
    columns = columns or {"x": range(n), "y": ["a", "b"] * (n // 2)}
    pl.DataFrame(columns).write_csv(path)
    return path


@pytest.fixture(scope="module")
def of_table(tmp_path_factory):
    """Return the folder of a run on a table, which tests leave as it is."""
    folder = tmp_path_factory.mktemp("table")
    result = run("train", table(folder / "t.csv"), "--out", folder / "run", *QUICK)
    assert result.exit_code == 0, result.output
    return folder / "run"


# The command line


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["recipes", "digits", "--json"], "NAME prints a recipe as it is; --schema and --json go without it."),
        (["train", "digits", "--recipe", "bad.toml"], "The recipe bad.toml is not TOML"),
        (["train", "digits", "--target", "x"], "--target is for tables"),
        (["train", "rows.txt"], "rows.txt is not a .csv, .tsv, .parquet or .npz file, nor a folder of pictures."),
        (["train", "damaged.npz"], "damaged.npz is damaged"),
        (["train", "none.npz"], "Error: There is no file "),
        (["train", "./none"], "Error: There is no file or folder "),
        (["train", "t.csv", "--drop", "x"], "has no column beside the target 'y'"),
        (["train", "pandas.csv"], "every column is left out"),
        (["train", "classes.csv"], "has 101 classes; name another --target."),
        (["train", "t.csv.zst"], "t.csv.zst cannot be unpacked"),
        (["train", "t.csv", "--recipe", "table", "--set", "first_layer=patches"], "first_layer = patches"),
        (["train", "t.csv", "--batch-size", "3"], "No such option '--batch-size'. Write --set batch_size=VALUE."),
        (["sweep", "t.csv", "--lr=0.1"], "No such option '--lr'. Write --set learning_rate=VALUE."),
        (["train", "t.csv", "--seet", "3"], "No such option '--seet'. (Did you mean"),
    ],
)
def test_commands(tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.toml").write_text("epochs =")
    (tmp_path / "rows.txt").touch()
    content = io.BytesIO()
    np.savez_compressed(content, X=np.arange(4000.0).reshape(40, 100), y=np.arange(40) % 2)
    damaged = bytearray(content.getvalue())
    damaged[200:220] = bytes(20)  # within the compressed rows
    (tmp_path / "damaged.npz").write_bytes(damaged)
    table(tmp_path / "pandas.csv", index=range(20), level_0=range(20))
    table(tmp_path / "classes.csv", x=range(202), y=[f"{i % 101}k" for i in range(202)])
    packed = zstandard.compress(table(tmp_path / "t.csv").read_bytes())
    (tmp_path / "t.csv.zst").write_bytes(packed[:6] + b"\xff\xff" + packed[8:])
    result = run(*words, *(["--out", "run"] if words[0] == "train" else []))
    assert result.exit_code in (1, 2), result.output
    assert said in result.stderr


def test_all_recipes_as_json():
    assert '"digits"' in run("recipes", "--json").stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [(["--out", "no/where.csv"], "There is no folder no."), (["--decimal", ","], "--decimal is for text, and ")],
)
def test_predictions_for_tables(of_table, tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    pl.DataFrame({"x": [1.0]}).write_parquet("new.parquet")
    assert said in run("predict", of_table, "new.parquet", *words).stderr


def test_options_of_tables_are_refused_for_pictures(tmp_path):
    assert run("train", "digits", "--out", tmp_path / "run", *QUICK).exit_code == 0
    assert "--decimal is for tables." in run("predict", tmp_path / "run", "a.png", "--decimal", ",").stderr


def test_notes_on_a_terminal_have_the_time(monkeypatch):
    from fcnet.cli import notes

    screen = io.StringIO()
    monkeypatch.setattr(screen, "isatty", lambda: True)
    monkeypatch.setattr("sys.stderr", screen)
    with notes.shown_notes():
        logging.getLogger("fcnet").info("learning")
    assert "learning" in screen.getvalue()
    assert ":" in screen.getvalue()


# Data


def test_data_sets_by_the_library(tmp_path, small_cifar10):
    with pytest.raises(InputError, match="--target is for tables, and digits is none"):
        load_dataset("digits", target="x")
    with pytest.raises(SettingError, match="Unknown data set 'digit'. Did you mean 'digits'"):
        load_dataset("digit")
    with pytest.raises(SettingError, match="parts must have at least 0 images, and 1 to train"):
        load_cifar10(small_cifar10, n_train=0)
    (tmp_path / "file").touch()
    with pytest.raises(FileFormatError, match="CIFAR-10 cannot be kept in"):
        cifar10.download_cifar10(tmp_path / "file" / "cache")
    (small_cifar10 / "batches.meta").write_bytes(pickle.dumps({"label_names": ["one"]}, 2))
    with pytest.raises(FileFormatError, match="does not hold ten class names"):
        load_cifar10(small_cifar10, n_train=1, n_val=0, n_test=0, verify=False)


def test_cifar10_that_is_nowhere(tmp_path, monkeypatch):
    monkeypatch.delenv("FCNET_DATA", raising=False)
    monkeypatch.setattr(cifar10, "cache_dir", lambda: tmp_path / "cache")
    with pytest.raises(FileFormatError, match="CIFAR-10 is nowhere: point FCNET_DATA at"):
        load_cifar10(download=False)
    asked = []
    monkeypatch.setattr(cifar10, "download_cifar10", lambda: asked.append(1) or tmp_path)
    with pytest.raises(FileFormatError, match="cannot be read"):
        load_CIFAR10(str(tmp_path / "mistyped"))  # a notebook goes on with a download
    assert asked == [1]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n(NNNtR(K\x01)NN]tb.", "something other than bytes"),
        (b"\x80\x02c_codecs\nencode\nX\x01\0\0\0aX\x05\0\0\0utf-8\x86R.", "it holds text in 'utf-8'"),
    ],
)
def test_pickles(content, said):
    with pytest.raises(FileFormatError, match=said):
        load_plain_pickle(content, "batch")


def test_a_frame_of_pandas_with_values_of_several_types():
    features = TableFeatures.fit(pl.DataFrame({"x": ["1", "a", "1"]}))
    assert features.encode(pd.DataFrame({"x": pd.Series([1, "a"], dtype=object)})).tolist() == [[0], [1]]


# Files


def test_what_a_file_cannot_hold(tmp_path):
    with pytest.raises(TypeError, match="set cannot be kept in a file"):
        save_tensors(tmp_path / "x", {}, {"a": {1}}, "f")
    with pytest.raises(TypeError):
        write_atomic(tmp_path / "x", 1)
    assert not list(tmp_path.iterdir())


def test_a_table_in_a_model_file():
    with pytest.raises(InputError, match="decimal_commas or missing words that are no text"):
        Dialect.from_dict({"separator": ",", "decimal_commas": [1], "missing": []})
    features = TableFeatures.fit(pl.DataFrame({"x": ["a", "b"]}))
    with pytest.raises(InputError, match="a column of a table needs a name, and categories that are text"):
        TableFeatures.from_arrays({**features.get_config(), "columns": [["x", [1]]]}, features.arrays())


def test_the_card_of_a_table_of_many_columns(tmp_path):
    wide = {f"x{i}": np.arange(20) * (i + 1) % 107 for i in range(103)}
    path = table(tmp_path / "wide.csv", **wide, y=["a", "b"] * 10)
    assert run("train", path, "--out", tmp_path / "run", *QUICK).exit_code == 0
    assert "And 3 more columns." in model_card(tmp_path / "run")


def test_a_model_whose_white_is_infinite(tmp_path):
    with pytest.raises(InputError, match="its max_value is inf"):
        save(tmp_path / "m", Model(FullyConnectedNet([4, 2]), image_shape=(2, 2, 1), max_value=np.inf))


def test_checkpoints(tmp_path):
    X, y = np.eye(4, dtype=np.float32), np.array([0, 1, 0, 1])
    path = tmp_path / "checkpoint"

    def train():
        Trainer(epochs=2, batch_size=2).fit(FullyConnectedNet([4, 2], seed=0), X, y, checkpoint=path, resume=True)

    def changed(tensors=None, **metadata):
        kept, words = load_tensors(written, "fcnet-checkpoint-1")
        save_tensors(path, kept | (tensors or {}), words | metadata, "fcnet-checkpoint-1")

    train()
    written = path.rename(tmp_path / "written")
    for tensors, metadata, said in (
        ({"other": X}, {}, "has an unexpected tensor 'other'"),
        ({"params.W1": X}, {}, "the network needs float32"),
        ({"params.b1": np.full(2, np.nan, np.float32)}, {}, "'params.b1' holds NaN or infinite values"),
        ({}, {"training": {}}, "is a checkpoint of another version of fcnet"),
        ({}, {"rng": {}}, "is damaged"),
    ):
        changed(tensors, **metadata)
        with pytest.raises(FileFormatError, match=said):
            train()


def test_training_goes_on_where_no_checkpoint_can_be_written(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("fcnet.training.checkpoint.save_tensors", full)
    with pytest.warns(RuntimeWarning, match="No checkpoint of epoch 1: .*No space left on device. Training goes on"):
        Trainer(epochs=1).fit(FullyConnectedNet([2, 2]), np.eye(2), [0, 1], checkpoint=tmp_path / "checkpoint")


# Networks and training


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: FullyConnectedNet([2, 2], normalisation="batch"), "Unknown normalisation 'batch'"),
        (lambda: gradient_check(FullyConnectedNet([2, 2]), np.eye(2), [0, 1], n_projections=0), "must be positive"),
        (lambda: EarlyStopping(metric="accuracy"), "Unknown metric 'accuracy'"),
        (
            lambda: Trainer(epochs=1, augment=lambda X, rng: None).fit(
                FullyConnectedNet([2, 2]), scipy.sparse.csr_matrix(np.eye(2, dtype=np.float32)), [0, 1]
            ),
            "augment changes rows of an array, and X is sparse",
        ),
        (
            lambda: Trainer(epochs=1, callbacks=[EarlyStopping(2)]).fit(FullyConnectedNet([2, 2]), np.eye(2), [0, 1]),
            "EarlyStopping needs validation data",
        ),
        (lambda: PCAWhitening(1).fit(np.eye(3)).inverse_transform(np.eye(3)), "X must have 1 columns"),
        (lambda: ZCAWhitening().fit(np.ones((4, 3))), "X has no variance"),
    ],
)
def test_settings_and_inputs(call, said):
    with pytest.raises(InputError, match=said):
        call()


def test_numeric_gradients_are_printed(capsys):
    eval_numerical_gradient(lambda x: float(2 * x.sum()), np.zeros(2), verbose=True)
    assert [line[:7] for line in capsys.readouterr().out.splitlines()] == ["(0,) 2.", "(1,) 2."]


def test_progress_on_a_terminal_is_a_bar(monkeypatch):
    screen = io.StringIO()
    monkeypatch.setattr(screen, "isatty", lambda: True)
    Trainer(epochs=2, callbacks=[Progress(screen)]).fit(FullyConnectedNet([2, 2]), np.eye(2), [0, 1])
    assert "epoch 2/2  loss " in screen.getvalue()


# Estimators

X, LABELS = np.eye(6), np.array([[0, 1], [1, 0]] * 3)


def classifier(**settings):
    return FCNetClassifier(hidden_layer_sizes=(3,), max_iter=1, random_state=0, **settings)


@pytest.mark.filterwarnings("ignore:.*:sklearn.exceptions.ConvergenceWarning")
def test_what_estimators_say(capsys):
    with pytest.warns(UserWarning, match="Got `batch_size` larger than sample size"):
        classifier(batch_size=7).fit(X, [0, 1] * 3)
    classifier(verbose=True, early_stopping=True, validation_fraction=0.5).fit(X, [0, 1] * 3)
    assert "Validation score: " in capsys.readouterr().out
    with pytest.raises(InputError, match="several columns of more than two values"):
        classifier().fit(X, np.arange(12).reshape(6, 2) % 3)
    with pytest.raises(InputError, match="y must have a column for each of 2 labels"):
        classifier().partial_fit(X, LABELS, classes=[0, 1]).partial_fit(X, LABELS[:, [0, 1, 1]])
    with pytest.raises(InputError, match="a list of dicts, one for each of 2 labels"):
        classifier(class_weight=[{}]).fit(X, LABELS)


@pytest.mark.filterwarnings("ignore:.*:sklearn.exceptions.ConvergenceWarning")
def test_balanced_labels_and_one_class():
    balanced, equal = (classifier(class_weight=weights).fit(X, LABELS) for weights in ("balanced", [{0: 1, 1: 1}] * 2))
    np.testing.assert_array_equal(balanced.coefs_[0], equal.coefs_[0])  # there are as many of each
    assert classifier().fit(X, np.zeros(6)).predict_log_proba(X).tolist() == [[0.0]] * 6
