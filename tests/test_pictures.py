"""Picture files of every kind, and what becomes of them in training and in prediction."""

import json
import struct
import zlib

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image, ImageCms

from fcnet.cli import main
from fcnet.data import load_dataset
from fcnet.data.images import read_image
from fcnet.data.own import checksum
from fcnet.errors import FcnetError, FileFormatError
from fcnet.experiments.run import CONFIG

QUICK = ["--set", "epochs=4", "--set", "hidden=[16]"]
RAMP = np.array([[0, 85, 170, 255], [255, 170, 85, 0]], np.uint8)
GREY = Image.fromarray(RAMP)
COLOUR = GREY.convert("RGB")


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


def png(depth, colour, rows, transparent=b"", palette=b""):
    """Return the bytes of a PNG, also of kinds that Pillow does not write; `rows` of packed bytes."""

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    width = len(rows[0]) * 8 // (depth * {0: 1, 2: 3, 3: 1}[colour])
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, len(rows), depth, colour, 0, 0, 0))
    optional = (chunk(b"PLTE", palette) if palette else b"") + (chunk(b"tRNS", transparent) if transparent else b"")
    return (
        b"\x89PNG\r\n\x1a\n"
        + head
        + optional
        + chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
        + chunk(b"IEND", b"")
    )


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


@pytest.mark.parametrize("seen", [0, 64, 128, 255])
def test_half_transparent_parts_are_mixed_with_white(tmp_path, seen):
    Image.new("RGBA", (3, 2), (200, 100, 0, seen)).save(tmp_path / "a.png")
    expected = np.array([200, 100, 0]) * (seen / 255) + 255 * (1 - seen / 255)
    np.testing.assert_allclose(read_image(tmp_path / "a.png", (2, 3, 3)).reshape(-1, 3), [expected] * 6, atol=1)


ROWS = {  # by depth and colour type of PNG: pixels black, grey, black, grey, and each of them as the transparent one
    "2 bits": (2, 0, b"\x11", b"\0\0", b"\0\1"),
    "4 bits": (4, 0, b"\x05\x05", b"\0\0", b"\0\5"),
    "8 bits": (8, 0, b"\0\x55" * 2, b"\0\0", b"\0\x55"),
    "16 bits": (16, 0, b"\0\0\x55\x55" * 2, b"\0\0", b"\x55\x55"),
    "colours": (8, 2, b"\0\0\0\x55\x55\x55" * 2, b"\0\0" * 3, b"\0\x55" * 3),
    "16 bits of colours": (16, 2, (b"\0\0" * 3 + b"\x55\x55" * 3) * 2, b"\0\0" * 3, b"\x55\x55" * 3),
    "palette": (8, 3, b"\0\1" * 2, b"\0", b"\xff\0"),
}


@pytest.mark.parametrize("kind", ROWS)
@pytest.mark.parametrize("seen_through", ["black", "grey"])
def test_one_value_or_colour_that_is_transparent(tmp_path, kind, seen_through):
    depth, colour, row, black, grey = ROWS[kind]
    palette = b"\0\0\0\x55\x55\x55" if colour == 3 else b""
    (tmp_path / "a.png").write_bytes(png(depth, colour, [row], black if seen_through == "black" else grey, palette))
    expected = [255, 85, 255, 85] if seen_through == "black" else [0, 255, 0, 255]
    for channels in (1, 3):
        np.testing.assert_array_equal(read_image(tmp_path / "a.png", (1, 4, channels)), np.repeat(expected, channels))


@pytest.mark.parametrize("white", [0, 1])
def test_one_bit_and_transparency(tmp_path, white):
    """White on transparent stays white on black; black on transparent, black on white."""
    (tmp_path / "a.png").write_bytes(png(1, 0, [b"\x55"], bytes([0, white])))
    np.testing.assert_array_equal(read_image(tmp_path / "a.png", (1, 8, 1)), [0, 255] * 4)


def lab(image):
    profiles = [ImageCms.createProfile(name) for name in ("sRGB", "LAB")]
    return ImageCms.profileToProfile(image, *profiles, outputMode="LAB")


DEEP = RAMP.astype(np.uint16) * 257
SCALED = {
    "1 bit": (GREY.convert("1"), ".png", {}),
    "bytes": (GREY, ".png", {}),
    "a palette": (GREY.convert("P"), ".png", {}),
    "GIF": (GREY, ".gif", {}),
    "colours": (COLOUR, ".bmp", {}),
    "CMYK": (COLOUR.convert("CMYK"), ".tif", {}),
    "YCbCr": (COLOUR.convert("YCbCr"), ".tif", {}),
    "LAB": (lab(COLOUR), ".tif", {}),
    "JPEG 2000 of 16 bits": (Image.fromarray(DEEP), ".jp2", {}),
    "PNG of 16 bits": (Image.fromarray(DEEP), ".png", {}),
    "TIFF of 16 bits": (Image.fromarray(DEEP), ".tif", {}),
    "big-endian": (Image.fromarray(DEEP.astype(">u2")), ".tif", {}),
    "PGM of 16 bits": (Image.fromarray(DEEP.astype(np.int32)), ".pgm", {}),
    "white is 0": (Image.fromarray(65535 - DEEP), ".tif", {"tiffinfo": {262: 0}}),
    "floats": (Image.fromarray((RAMP / 255).astype(np.float32)), ".tif", {}),
    "floats, white is 0": (Image.fromarray((1 - RAMP / 255).astype(np.float32)), ".tif", {"tiffinfo": {262: 0}}),
    "floats of PFM": (Image.fromarray((RAMP / 255).astype(np.float32)), ".pfm", {}),
}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", SCALED)
def test_every_mode_and_depth_is_scaled(tmp_path, kind, channels):
    image, ending, settings = SCALED[kind]
    image.save(tmp_path / f"a{ending}", **settings)
    found = read_image(tmp_path / f"a{ending}", (2, 4, channels), max_value=16).reshape(2, 4, channels)
    expected = RAMP >= 128 if kind == "1 bit" else RAMP / 255
    np.testing.assert_allclose(found, np.repeat(expected[..., np.newaxis] * 16, channels, axis=2), atol=1.01 * 16 / 255)


def test_a_tiff_of_12_bits(tmp_path):
    """White is 4,095 there; Pillow does not write such files, so one of 16 bits has its header changed."""
    packed = b"".join(int(f"{a:03x}{b:03x}", 16).to_bytes(3, "big") for a, b in [(0, 1365), (2730, 4095)])
    tags = [
        (256, 4, 4),
        (257, 4, 1),
        (258, 3, 12),
        (259, 3, 1),
        (262, 3, 1),
        (273, 4, 8),
        (277, 3, 1),
        (278, 4, 1),
        (279, 4, 6),
    ]
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    head = b"II*\0" + struct.pack("<I", 16) + packed + b"\0\0"
    (tmp_path / "a.tif").write_bytes(head + struct.pack("<H", len(tags)) + entries + b"\0\0\0\0")
    np.testing.assert_allclose(read_image(tmp_path / "a.tif", (1, 4, 1)), [0, 85, 170, 255], atol=1e-4)


REFUSED = {
    "floats above 1": (
        RAMP.astype(np.float32),
        {},
        "floats are read as 0 for black to 1 for white, and these go from 0 to 255",
    ),
    "NaN": (np.full((2, 4), np.nan, np.float32), {}, "these go from nan"),
    "32 bits": (RAMP.astype(np.int32), {}, "does not say which of its numbers, signed or of more than 8 bits, is white"),
    "signed": (RAMP, {"tiffinfo": {339: 2}}, "does not say which of its numbers"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_numbers_that_do_not_say_what_is_white_are_refused_by_name(tmp_path, kind):
    numbers, settings, words = REFUSED[kind]
    Image.fromarray(numbers).save(tmp_path / "a.tif", **settings)
    with pytest.raises(FileFormatError, match=rf"a\.tif cannot be read as a picture: .*{words}.* Save it with 8 or 16 bits"):
        read_image(tmp_path / "a.tif", (2, 4, 1))


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


def test_a_tiff_that_pillow_turns_wrongly_is_refused(tmp_path):
    turned = Image.Exif()
    turned[0x0112] = 6
    light(np.arange(96, dtype=np.uint8).reshape(12, 8)).rotate(90, expand=True).save(tmp_path / "a.tif", exif=turned)
    try:
        found = read_image(tmp_path / "a.tif", (12, 8, 1))
    except FileFormatError as error:
        assert "a.tif cannot be read as a picture: it lies on its side" in str(error)
    else:
        np.testing.assert_array_equal(found, np.arange(96))


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
