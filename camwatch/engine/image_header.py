"""What a picture file says of itself, read from its bytes without decoding it.

A small file can announce a picture of many gigabytes. So the size is read here first, and whether the file is all
there: decoders fill what is missing with grey and say nothing.
"""

import struct
import zlib
from dataclasses import dataclass

_START_OF_FRAME = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_NO_LENGTH = {0x01, *range(0xD0, 0xD8)}
_JPEG_END = b"\xff\xd9"
_WIDTH, _HEIGHT = 256, 257  # TIFF tags


@dataclass(frozen=True, slots=True)
class Header:
    """Format name, size in pixels as stored (before any rotation), and whether the file ends where it should."""

    format: str
    width: int
    height: int
    complete: bool


def read_header(data: bytes) -> Header | None:
    """Recognize a JPEG, PNG, WebP, BMP or TIFF file; None for anything else, or where the header is damaged."""
    try:
        if data.startswith(b"\xff\xd8\xff"):
            return _jpeg(data)
        if data.startswith(b"\x89PNG\r\n\x1a\n") and data[12:16] == b"IHDR":
            width, height = struct.unpack_from(">II", data, 16)
            return Header("PNG", width, height, _png_is_whole(data))
        if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
            return _webp(data)
        if data.startswith(b"BM"):
            return _bmp(data)
        if data.startswith((b"II*\0", b"MM\0*")):
            return _tiff(data)
    except (struct.error, IndexError):
        return None
    return None


def _jpeg(data: bytes) -> Header | None:
    """Walk the segments of ITU-T T.81 up to the first scan; after it, the end marker occurs at the end only."""
    at, size = 2, None
    while True:
        if data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        if marker in _NO_LENGTH:
            at += 2
            continue
        (length,) = struct.unpack_from(">H", data, at + 2)
        if marker in _START_OF_FRAME:
            height, width = struct.unpack_from(">HH", data, at + 5)
            size = width, height
        at += 2 + max(2, length)
        if marker == 0xDA:
            return Header("JPEG", *size, _JPEG_END in data[at:]) if size else None


def _png_is_whole(data: bytes) -> bool:
    """Walk the chunks of a PNG file (ISO/IEC 15948) to its end chunk: length, type, content, checksum."""
    at = 8
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        content = data[at + 4 : at + 8 + length]
        if data[at + 8 + length : at + 12 + length] != zlib.crc32(content).to_bytes(4, "big"):
            return False
        if content.startswith(b"IEND"):
            return True
        at += 12 + length
    return False


def _webp(data: bytes) -> Header | None:
    """RFC 9649: a RIFF container with a lossy, lossless or extended picture."""
    (length,) = struct.unpack_from("<I", data, 4)
    complete = length + 8 <= len(data)
    kind = data[12:16]
    if kind == b"VP8X":
        width, height = (1 + int.from_bytes(data[i : i + 3], "little") for i in (24, 27))
    elif kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    elif kind == b"VP8 ":
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", data, 26))
    else:
        return None
    return Header("WebP", width, height, complete)


def _bmp(data: bytes) -> Header:
    length, header = struct.unpack_from("<I", data, 2)[0], struct.unpack_from("<I", data, 14)[0]
    if header == 12:
        width, height = struct.unpack_from("<HH", data, 18)
    else:
        width, height = struct.unpack_from("<ii", data, 18)
    return Header("BMP", abs(width), abs(height), length <= len(data))


def _tiff(data: bytes) -> Header | None:
    """TIFF 6.0: the first directory; each entry is tag, type, count, value."""
    order = "<" if data.startswith(b"II") else ">"
    (at,) = struct.unpack_from(order + "I", data, 4)
    (entries,) = struct.unpack_from(order + "H", data, at)
    size: dict[int, int] = {}
    for entry in range(at + 2, at + 2 + 12 * entries, 12):
        tag, kind = struct.unpack_from(order + "HH", data, entry)
        if tag in (_WIDTH, _HEIGHT):
            (count,) = struct.unpack_from(order + "I", data, entry + 4)
            if tag in size or kind not in (3, 4) or count != 1:
                return None  # decoders do not agree on what such a file means
            (size[tag],) = struct.unpack_from(order + ("H" if kind == 3 else "I"), data, entry + 8)
    if len(size) != 2:
        return None
    return Header("TIFF", size[_WIDTH], size[_HEIGHT], True)
