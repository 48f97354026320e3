"""One picture file of every kind, read as a row of shades."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from fcnet.data.images import read_image
from fcnet.errors import FileFormatError

RAMP = np.array([[0, 85, 170, 255], [255, 170, 85, 0]], np.uint8)
GREY = Image.fromarray(RAMP)
COLOUR = GREY.convert("RGB")


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


def test_a_tiff_that_pillow_turns_wrongly_is_refused(tmp_path):
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.fromarray(np.arange(96, dtype=np.uint8).reshape(12, 8)).rotate(90, expand=True).save(tmp_path / "a.tif", exif=turned)
    try:
        found = read_image(tmp_path / "a.tif", (12, 8, 1))
    except FileFormatError as error:
        assert "a.tif cannot be read as a picture: it lies on its side" in str(error)
    else:
        np.testing.assert_array_equal(found, np.arange(96))
