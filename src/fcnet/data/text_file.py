"""Text as UTF-8, from files in other encodings, with other line ends, or compressed."""

import bz2
import codecs
import gzip
import io
import lzma
import re
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

from fcnet.errors import FileFormatError, SettingError

STANDARD_INPUT = Path("-")
MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32"} | dict.fromkeys(
    (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE), "utf-16"
)  # in this order: that of UTF-32 begins with that of UTF-16


def read_bytes(path: Path) -> bytes:
    """Return what a file, or standard input by ``-``, holds, unpacked if it is compressed, or raise FileFormatError."""
    if path == STANDARD_INPUT:
        content = sys.stdin.buffer.read()
    elif path.is_file():
        content = path.read_bytes()
    else:
        raise FileFormatError(f"{path} is a folder, not a table." if path.is_dir() else f"There is no file {path}.")
    for mark, unpack in UNPACK.items():
        if content.startswith(mark):
            try:
                return unpack(content)
            except (EOFError, OSError, ValueError, zlib.error, lzma.LZMAError, zipfile.BadZipFile) as error:
                raise FileFormatError(f"{name_of(path)} cannot be unpacked: {error}.") from None
    return content


def name_of(path: Path) -> str:
    """Return what a file is called in messages."""
    return "Standard input" if path == STANDARD_INPUT else str(path)


def to_utf8(path: Path, content: bytes, encoding: str = "") -> bytes:
    r"""Return text as UTF-8 whose lines end in ``\n`` or ``\r\n``; it is UTF-8, or what a byte-order mark or `encoding` says.

    Text in another encoding raises FileFormatError, which says in which line of `path`, and an unknown encoding SettingError.
    """
    found = next((name for mark, name in MARKS.items() if content.startswith(mark)), "")
    if not encoding and not found and b"\0" in content[:1000]:
        raise FileFormatError(
            f"{name_of(path)} has zero bytes, as UTF-16 without its mark has: name it by --encoding utf-16-le."
        )
    encoding = encoding or found or "utf-8"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise FileFormatError(
            f"{name_of(path)} is not {encoding}: line {line} has the byte 0x{content[error.start]:02x}. Name its encoding, as "
            "--encoding cp1252 (Windows in Western Europe) or --encoding latin-1, or save it as UTF-8."
        ) from None
    except LookupError:
        raise SettingError(
            f"There is no encoding {encoding!r}. Names are those of Python, as utf-8, cp1252, latin-1, utf-16."
        ) from None
    return _with_newlines(text.removeprefix("\ufeff").encode())


def _with_newlines(content: bytes) -> bytes:
    r"""Have lines end in ``\n`` that end in ``\r`` or ``\r\r\n``, which polars does not read."""
    content = content.replace(b"\r\r\n", b"\r\n")
    is_mixed = b"\n" in content and b'"' in content  # a lone \r may then be in a text
    return content if is_mixed else re.sub(rb"\r(?!\n)", b"\n", content)


def _unzip(content: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/") and not name.startswith("__MACOSX/")]
        if len(names) != 1:
            raise ValueError(f"it holds {len(names)} files, and one table is needed")
        return archive.read(names[0])


def _unzstd(content: bytes) -> bytes:
    import zstandard

    parts = []
    while content:
        frame = zstandard.ZstdDecompressor().decompressobj()
        try:
            parts.append(frame.decompress(content))
        except zstandard.ZstdError as error:
            raise ValueError(error) from None
        if not frame.eof:
            raise EOFError("it ends too early")
        content = frame.unused_data
    return b"".join(parts)


UNPACK: dict[bytes, Callable[[bytes], bytes]] = {
    b"\x1f\x8b": gzip.decompress,
    b"BZh91AY&SY": bz2.decompress,
    b"\xfd7zXZ\0": lzma.decompress,
    b"\x28\xb5\x2f\xfd": _unzstd,
    b"PK\x03\x04": _unzip,
}  # by what they begin with
