"""Images in arrays: what is white, where the channels are, and how many there may be."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from sklearn.datasets import load_digits

from fcnet import load
from fcnet.cli import main
from fcnet.data import load_dataset
from fcnet.data.images import read_image
from fcnet.errors import FileFormatError

QUICK = ["--set", "epochs=4", "--set", "hidden=[16]"]


def run(*words):
    return CliRunner().invoke(main, [str(word) for word in words])


def images(shape, n=20, top=255, dtype=np.uint8):
    return (np.random.default_rng(0).random((n, *shape)) * top).round().astype(dtype)


def saved(path, X, **arrays):
    np.savez(path, X=X, y=np.arange(len(X)) % 2, **arrays)
    return str(path)


WHITES = [  # largest value, dtype, white
    (1, bool, 1),
    (1, np.uint8, 1),
    (0.75, np.float32, 1),
    (1, np.float64, 1),
    (15, np.uint8, 15),
    (16, np.int64, 16),
    (16, np.float64, 16),
    (17, np.uint8, 255),
    (200, np.float32, 255),
    (255, np.uint8, 255),
    (4095, np.uint16, 65535),
    (64000, np.uint16, 65535),
    (1 << 20, np.int64, 1 << 20),
]


@pytest.mark.parametrize(("largest", "dtype", "white"), WHITES)
def test_the_value_of_white_follows_from_the_largest(tmp_path, largest, dtype, white):
    X = np.zeros((20, 2, 2), dtype)
    X[:, 0] = largest
    data = load_dataset(saved(tmp_path / "a.npz", X))
    assert data.max_value == white
    assert f"The values to train on go up to {largest:g}, and {white:g} is taken for white" in data.notes[-1]
    assert load_dataset(saved(tmp_path / "a.npz", X, max_value=2 * white)).max_value == 2 * white


@pytest.mark.parametrize("white", [100, np.nan, np.inf, "white", [255, 255]])
def test_a_white_that_cannot_be_is_refused(tmp_path, white):
    with pytest.raises(FileFormatError, match="max_value is the value of white, one number that no value of X exceeds"):
        load_dataset(saved(tmp_path / "a.npz", images((2, 2)), max_value=white))


SCALES = {  # of the digits from 0 to 16 in the arrays, and in the picture files that go with them
    "16 bits": (4000, np.uint16, lambda image: Image.fromarray((image * 4000).astype(np.uint16))),
    "as they are": (1, np.uint8, lambda image: Image.fromarray((image * (255 / 16)).round().astype(np.uint8))),
    "floats": (1 / 16, np.float32, lambda image: Image.fromarray((image / 16).astype(np.float32))),
}


@pytest.mark.parametrize("scale", SCALES)
def test_pictures_of_what_arrays_hold_are_predicted_as_the_arrays(tmp_path, scale):
    factor, dtype, picture = SCALES[scale]
    digits = load_digits()
    X = (digits.images[:400] * factor).astype(dtype)
    np.savez(tmp_path / "digits.npz", X=X, y=digits.target[:400])
    result = run("train", tmp_path / "digits.npz", "--out", tmp_path / "run", "--set", "epochs=15", "--json")
    assert json.loads(result.stdout)["val_accuracy"] > 0.8
    model, files = load(tmp_path / "run/model.safetensors"), []
    for i in range(20):
        files.append(tmp_path / f"{i}{'.tif' if dtype == np.float32 else '.png'}")
        picture(digits.images[i]).save(files[-1])
        read = read_image(files[-1], model.image_shape, model.max_value)
        np.testing.assert_allclose(
            read, X[i].reshape(-1), atol=0.51 / 255 * model.max_value if scale == "as they are" else 0.01 * factor
        )
    rows = [json.loads(line) for line in run("predict", tmp_path / "run", *files, "--json").stdout.splitlines()]
    expected = model.predict_proba(X[:20].reshape(20, -1))
    for row, probabilities in zip(rows, expected, strict=True):
        assert [row["probabilities"][name] for name in model.classes] == pytest.approx(list(probabilities), abs=0.1)


@pytest.mark.parametrize("shape", [(3, 16, 16), (1, 28, 28), (4, 12, 10), (5, 16, 16)])
def test_channels_that_come_first_are_refused_with_advice(tmp_path, shape):
    advice = r"as if its channels came first. They come last: X.transpose\(0, 2, 3, 1\)"
    with pytest.raises(FileFormatError, match=advice):
        load_dataset(saved(tmp_path / "a.npz", images(shape)))
    X = images(shape)
    assert load_dataset(saved(tmp_path / "a.npz", X.transpose(0, 2, 3, 1))).image_shape == (*shape[1:], shape[0])
    assert load_dataset(saved(tmp_path / "a.npz", X.reshape(len(X), -1))).image_shape is None


@pytest.mark.parametrize("shape", [(3, 16, 3), (2, 8, 1), (8, 8, 200), (6, 6, 6), (1, 1, 7)])
def test_shapes_whose_channels_come_last(tmp_path, shape):
    assert load_dataset(saved(tmp_path / "a.npz", images(shape))).image_shape == shape


def test_arrays_that_are_no_images_are_rows(tmp_path):
    data = load_dataset(saved(tmp_path / "a.npz", images((4, 4)) - 100.0))
    assert data.image_shape is None
    assert "X goes down to -100, and black would be 0: X is read as rows of numbers, not as images" in data.notes[-1]
    path = saved(tmp_path / "long.npz", images((1, 20_000)))  # longer than the images that a model file may have
    assert run("train", path, "--out", tmp_path / "run", *QUICK).exit_code == 0
    Image.new("L", (4, 4)).save(tmp_path / "a.png")
    assert "was trained neither on images nor on a table" in run("predict", tmp_path / "run", tmp_path / "a.png").stderr


@pytest.mark.parametrize(
    ("channels", "settings"),
    [(2, []), (4, []), (5, []), (5, ["features=patches", "n_filters=8", "n_components=10"]), (5, ["features=histograms"])],
)
def test_other_channels_work_but_for_picture_files(tmp_path, monkeypatch, channels, settings):
    pytest.importorskip("onnxruntime")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = saved(tmp_path / "a.npz", images((16, 16, channels), n=60))
    words = [word for setting in settings for word in ("--set", setting)]
    result = run("train", path, "--out", tmp_path / "run", *QUICK, *words)
    assert result.exit_code == 0, result.output
    assert f"images of 16 × 16 pixels of {channels} channels" in result.stderr
    assert run("evaluate", tmp_path / "run").exit_code == 0
    page = (tmp_path / "run/report.html").read_text()
    assert "data:image/png" in page
    assert "the mean of its channels" in page
    assert run("export", tmp_path / "run", "--to", tmp_path / "a.onnx").exit_code == 0
    Image.new("RGB", (16, 16)).save(tmp_path / "a.png")
    said = run("predict", tmp_path / "run", tmp_path / "a.png")
    assert said.exit_code == 1
    assert f"was trained on images of {channels} channels, and picture files have 1 or 3" in said.stderr


def test_other_arrays_in_the_file_are_not_read(tmp_path):
    names = np.array([f"{i}.png" for i in range(20)], object)  # NumPy pickles objects, and a pickle is not opened
    data = load_dataset(saved(tmp_path / "a.npz", images((4, 4)), names=names))
    assert data.image_shape == (4, 4, 1)
