"""Folders of pictures as people have them, in training and in prediction."""

import json
import zlib

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from fcnet.cli import main
from fcnet.data import load_dataset
from fcnet.data.images import read_image
from fcnet.data.own import checksum
from fcnet.errors import FcnetError, FileFormatError
from fcnet.experiments.config import Config
from fcnet.experiments.run import CONFIG
from fcnet.preprocessing import Pixels

QUICK = ["--set", "epochs=4", "--set", "hidden=[16]"]


def run(*words):
    return CliRunner().invoke(main, [str(word) for word in words])


def strokes(seed=0, n=8):
    """Two classes of ink, from 0 for none to 255: strokes across and strokes down."""
    rng = np.random.default_rng(seed)
    for label in ("across", "down"):
        for i in range(n):
            ink, place = np.zeros((12, 8), np.uint8), rng.integers(1, 7)
            ink[(place, slice(None)) if label == "across" else (slice(None), place)] = rng.integers(100, 256)
            yield f"{label}/{i}", ink


def folder(root, draw, ending=".png", **settings):
    """Write the strokes as pictures that `draw` makes of their ink."""
    for name, ink in strokes():
        file = root / (name + ending)
        file.parent.mkdir(parents=True, exist_ok=True)
        draw(ink).save(file, **settings)
    return root


def of_ink(shade, mode="RGBA"):
    """Return what draws in one shade on transparent ground."""

    def draw(ink):
        image = Image.new("P" if mode == "PA" else "L", ink.T.shape, shade)  # its palette is of grey
        image.putalpha(Image.fromarray(ink))
        return image.convert(mode)

    return draw


def dark(ink):
    return Image.fromarray(255 - ink)


def light(ink):
    return Image.fromarray(ink)


def assert_same_data(found, expected, atol=0.0):
    assert found.image_shape[:2] == expected.image_shape[:2]
    for part in ("X_train", "X_val", "X_test"):
        images = [getattr(data, part).reshape(-1, *data.image_shape).astype(float) for data in (found, expected)]
        np.testing.assert_allclose(*np.broadcast_arrays(*images), atol=atol)


@pytest.mark.parametrize(
    ("mode", "ending"), [("RGBA", ".png"), ("LA", ".png"), ("RGBA", ".tif"), ("PA", ".tif"), ("RGBA", ".webp")]
)
def test_black_ink_on_transparent_ground_is_read_as_on_white(tmp_path, mode, ending):
    settings = {"lossless": True, "exact": True} if ending == ".webp" else {}
    found = load_dataset(str(folder(tmp_path / "transparent", of_ink(0, mode), ending, **settings)))
    assert_same_data(
        found, load_dataset(str(folder(tmp_path / "opaque", dark))), atol=1
    )  # of rounding where half is seen through
    assert any(note.startswith("16 pictures with transparent parts, which are read as white") for note in found.notes)


def test_white_ink_on_transparent_ground_is_read_as_on_black(tmp_path):
    found = load_dataset(str(folder(tmp_path / "transparent", of_ink(255))))
    assert_same_data(found, load_dataset(str(folder(tmp_path / "opaque", light))), atol=1)


def test_pictures_of_floats_and_of_16_bits_are_learnt_as_those_of_8(tmp_path):
    bytes_ = load_dataset(str(folder(tmp_path / "8", light)))
    floats = folder(tmp_path / "floats", lambda ink: Image.fromarray((ink / 255).astype(np.float32)), ".tif")
    words = folder(tmp_path / "16", lambda ink: Image.fromarray(ink.astype(np.uint16) * 257))
    faint = folder(tmp_path / "faint", lambda ink: Image.fromarray(ink.astype(np.uint16)))  # would all be 0 or 1 of 255
    assert_same_data(load_dataset(str(floats)), bytes_, atol=1e-3)
    assert_same_data(load_dataset(str(words)), bytes_, atol=1e-3)
    data = load_dataset(str(faint))
    assert data.X_train.dtype == np.float32
    np.testing.assert_allclose(data.X_train * 257, bytes_.X_train, rtol=1e-5)


@pytest.mark.parametrize(
    ("ending", "settings"), [(".png", {}), (".jpg", {"quality": 100}), (".tif", {"compression": "tiff_lzw"})]
)
def test_photos_of_a_phone_are_turned_before_they_are_measured(tmp_path, ending, settings):
    turned = Image.Exif()
    turned[0x0112] = 6
    photos = folder(tmp_path / "photos", lambda ink: light(ink).rotate(90, expand=True), ending, exif=turned, **settings)
    found, expected = load_dataset(str(photos)), load_dataset(str(folder(tmp_path / "upright", light)))
    assert found.image_shape == (12, 8, 1)
    assert_same_data(found, expected, atol=20 if ending == ".jpg" else 0)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run on dark strokes."""
    root = tmp_path_factory.mktemp("strokes")
    result = run("train", folder(root / "data", dark), "--out", root / "run", "--set", "epochs=60", "--set", "hidden=[16]")
    assert result.exit_code == 0, result.output
    return root / "run"


def predicted(run_folder, *files):
    result = run("predict", run_folder, *files, "--json")
    return [json.loads(line) for line in result.stdout.splitlines()], result.stderr


def test_transparent_pictures_are_predicted_as_on_white_with_a_note(trained, tmp_path):
    opaque, transparent = folder(tmp_path / "opaque", dark), folder(tmp_path / "transparent", of_ink(0))
    expected, said = predicted(trained, opaque)
    assert said == ""
    found, said = predicted(trained, transparent)
    assert [row["class"] for row in found] == [row["class"] for row in expected]
    for row, other in zip(found, expected, strict=True):
        assert row["probabilities"] == pytest.approx(other["probabilities"], abs=0.05)
    assert (
        f"Note: 16 pictures with transparent parts, which are read as white (as black where all else is white): {transparent}"
        in said
    )
    assert said.rstrip().endswith("and 11 more.")


@pytest.mark.parametrize("ending", [".gif", ".tif", ".png", ".webp"])
def test_of_several_frames_the_first_is_read_with_a_note(trained, tmp_path, ending):
    frames = [light(ink) for _, ink in strokes()]
    frames[0].save(
        tmp_path / f"a{ending}", save_all=True, append_images=frames[1:], **({"lossless": True} if ending == ".webp" else {})
    )
    np.testing.assert_array_equal(read_image(tmp_path / f"a{ending}", (12, 8, 1)), np.asarray(frames[0]).reshape(-1))
    assert (
        "Note: 1 picture with several frames or pages, of which the first is read: "
        in predicted(trained, tmp_path / f"a{ending}")[1]
    )


def untidy(root):
    """A folder as people have them."""
    folder(root, dark)
    for junk in (
        "._0.png",
        ".DS_Store",
        "across/._0.png",
        "across/Thumbs.db",
        "down/notes.pdf",
        "down/README",
        "films.h5",
        "a.mpg",
    ):
        (root / junk).write_bytes(b"junk")
    (root / "__MACOSX/across").mkdir(parents=True)
    (root / "__MACOSX/across/0.png").write_bytes(b"junk")
    (root / "down/.ipynb_checkpoints").mkdir()
    (root / "down/.ipynb_checkpoints/0.png").write_bytes(b"junk")
    (root / "empty").mkdir()
    return root


def test_what_is_no_picture_is_skipped_with_a_note(trained, tmp_path):
    root = untidy(tmp_path / "untidy")
    assert_same_data(load_dataset(str(root)), load_dataset(str(folder(tmp_path / "tidy", dark))))
    result = run("train", root, "--out", tmp_path / "run", *QUICK, "--json")
    assert json.loads(result.stdout)["n_train"] == 12
    assert "Learning across, down from" in result.stderr
    assert "Skipped 11 files or folders that are no pictures of a class: .DS_Store, ._0.png, __MACOSX, " in result.stderr
    found, said = predicted(trained, root)
    assert len(found) == 16
    assert "Note: Skipped 10 files or folders that are no pictures: " in said  # an empty folder is nothing there


def test_a_folder_without_pictures_says_what_it_has(trained, tmp_path):
    for name in ("a/0001", "b/0001"):
        (tmp_path / name).parent.mkdir()
        dark(np.zeros((12, 8), np.uint8)).save(tmp_path / name, "PNG")
    assert "it has 0. No pictures, judged by the ends of their names, are " in run("train", tmp_path).stderr
    assert "has no pictures, judged by the ends of their names, but " in predicted(trained, tmp_path)[1]
    assert len(predicted(trained, tmp_path / "a/0001")[0]) == 1  # a file that is named is read


def test_pictures_outside_the_folders_of_classes_are_told_where_to_go(tmp_path):
    for name in ("1.png", "2.png"):
        dark(np.zeros((12, 8), np.uint8)).save(tmp_path / name)
    (tmp_path / "list.txt").touch()
    said = run("train", tmp_path).stderr
    assert "it has 0. Each picture belongs into the folder of its class, such as " in said
    assert "cat/1.png. No pictures, judged by the ends of their names, are " in said.replace("\n", " ")


def test_a_damaged_picture_is_named(tmp_path):
    root = folder(tmp_path / "data", dark)
    content = (root / "down/3.png").read_bytes()
    for damaged in (b"", b"junk", content[:-20], content.replace(b"IDAT", b"IDOT")):
        (root / "down/3.png").write_bytes(damaged)
        with pytest.raises(FileFormatError, match=r"down.3\.png cannot be read as a picture: \S"):
            load_dataset(str(root))


def nested(root):
    for name, ink in strokes():
        label, i = name.split("/")
        file = root / label / ("deep/er" if int(i) % 2 else "") / f"{i}.PNG"
        file.parent.mkdir(parents=True, exist_ok=True)
        dark(ink).save(file)
    return root


def test_pictures_in_folders_of_a_class_are_read_in_training_as_in_prediction(trained, tmp_path):
    root = nested(tmp_path / "nested")
    data = load_dataset(str(root))
    assert len(data.X_train) + len(data.X_val) + len(data.X_test) == 16
    assert data.classes == ["across", "down"]
    assert len(predicted(trained, root)[0]) == 16
    before = checksum(str(root))
    (root / "down/deep/er/5.PNG").unlink()
    assert checksum(str(root)) != before


def test_links_are_followed_and_lead_nowhere_twice(trained, tmp_path):
    root = folder(tmp_path / "elsewhere", dark)
    linked = tmp_path / "linked"
    (linked / "across").mkdir(parents=True)
    (linked / "across/all").symlink_to(root / "across")
    (linked / "across/back").symlink_to(linked)
    (linked / "down").symlink_to(root / "down")
    assert_same_data(load_dataset(str(linked)), load_dataset(str(root)))
    (linked / "across/back").unlink()
    assert len(predicted(trained, linked)[0]) == 16


def test_a_run_on_a_folder_counts_pictures_alone_and_older_ones_stay_valid(tmp_path):
    root = untidy(tmp_path / "untidy")
    assert run("train", root, "--out", tmp_path / "run", *QUICK).exit_code == 0
    (root / "across/.DS_Store").write_bytes(b"more junk")
    assert run("evaluate", tmp_path / "run").exit_code == 0

    for file in (root / "empty", root / "__MACOSX/across/0.png", root / "__MACOSX/across", root / "__MACOSX"):  # were refused
        file.rmdir() if file.is_dir() else file.unlink()
    files = sorted(file for depth in ("*/*", "*/*/*") for file in root.glob(depth) if file.is_file())
    older = 0
    for file in files:
        older = zlib.crc32(f"{file.relative_to(root)} {file.stat().st_size}".encode(), older)
    config = tmp_path / "run" / CONFIG
    text = config.read_text()
    config.write_text(text.replace(checksum(str(root)), f"{older:08x}"))
    assert config.read_text() != text
    measure_again(tmp_path / "run/metrics.json")
    assert run("evaluate", tmp_path / "run").exit_code == 0
    measure_again(tmp_path / "run/metrics.json")
    (root / "across/0.png").rename(root / "across/new.png")
    assert "has changed since" in run("evaluate", tmp_path / "run").stderr


def measure_again(file):
    file.write_text(json.dumps(json.loads(file.read_text()) | {"test_accuracy": None}))


@pytest.mark.parametrize("names", [("Training", "Validation"), ("Train", "TEST")])
def test_parts_are_not_taken_for_classes(tmp_path, names):
    for name in names:
        folder(tmp_path / name, dark)
    with pytest.raises(
        FileFormatError, match="look like parts of the data and not like classes. Name them train, val and test"
    ):
        load_dataset(str(tmp_path))


def test_parts_with_folders_without_pictures(tmp_path):
    folder(tmp_path / "train", dark)
    folder(tmp_path / "val", dark)
    (tmp_path / "val/unknown").mkdir()
    (tmp_path / "test").mkdir()
    (tmp_path / "labels.csv").write_text("a,b")
    data = load_dataset(str(tmp_path))
    assert (len(data.X_train), len(data.X_val), len(data.X_test)) == (14, 16, 2)  # nothing is in test, so it is split off
    notes = " ".join(data.notes)
    assert "Not used are the folders beside train but for val and test: 'test'" in notes
    assert "no pictures of a class: val/unknown, labels.csv" in notes


def test_one_pixel_and_a_mix_of_sizes_and_of_grey_and_colour(tmp_path):
    rng = np.random.default_rng(0)
    for label in "ab":
        (tmp_path / label).mkdir()
        for i in range(6):
            size = (1, 1) if i < 4 else (5, 7)
            Image.fromarray(rng.integers(256, size=(*size, 3) if i % 2 else size).astype(np.uint8)).save(
                tmp_path / label / f"{i}.png"
            )
    data = load_dataset(str(tmp_path))
    assert (data.image_shape, data.X_train.shape) == ((1, 1, 3), (8, 3))
    Image.new("L", (900, 2), 77).save(tmp_path / "wide.png")
    np.testing.assert_array_equal(read_image(tmp_path / "wide.png", (1, 1, 3)), [77] * 3)
    with pytest.raises(FcnetError, match="5 channels"):
        read_image(tmp_path / "wide.png", (1, 1, 5))


def test_photos_are_preprocessed_as_pixels_whatever_the_recipe_calls_it(trained):
    assert Config.read(trained).settings.preprocessing == Pixels()
    text = (trained / "config.toml").read_text()
    old = trained.parent / "old"
    old.mkdir()
    (old / "config.toml").write_text(
        text.replace('kind = "pixels"', 'kind = "table"').replace('[settings.preprocessing.scaling]\nkind = "standard"\n', "")
    )
    assert Config.read(old).differences(Config.read(trained)) == ""
