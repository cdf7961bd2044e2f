import base64
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from camwatch.engine.image_header import read_header
from camwatch.engine.photos import decode_photo, enroll_photo, read_photo
from camwatch.errors import PhotoError
from camwatch.records import Picture

ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
ORANGE = (200, 60, 30)
# 16 x 8 pixels of the same orange as a CMYK JPEG, which OpenCV cannot write
CMYK = base64.b85decode(
    "|JeWT01iQ9Z(?NtWB>pF0095n07C#95)>B{5gQj47aklNASgmBC?zE*Q93;^LSR*8WM5TXTWWZjfogG(b6Z`7wT6(MqpPi}XMnuPx~9jOsH"
    ">#^zyK5o00;mO1Va%3O%VWD5dcdO0RO}Q761VO0RR910000000000000052LHqW6c7Ob00000000000000000030+5ip&LjX+xSpZ7_06ze"
    "#mW0y)KmXY"
)


def encoded(suffix: str, picture: NDArray[np.generic], *options: int) -> bytes:
    """A picture (RGB, grey or RGBA) as a file."""
    if picture.ndim == 3:
        picture = picture[..., [2, 1, 0, 3][: picture.shape[2]]]
    return cv2.imencode(suffix, picture, options)[1].tobytes()


def sample() -> Picture:
    """Smooth, not symmetric in any way, wider than high."""
    picture = np.zeros((60, 90, 3), np.uint8)
    picture[..., 0] = np.linspace(20, 220, 90)[None, :]
    picture[..., 1] = np.linspace(10, 240, 60)[:, None]
    picture[..., 2] = 70
    return picture


def test_common_formats_give_the_same_picture(tmp_path: Path) -> None:
    for suffix, tolerance in ((".png", 0), (".bmp", 0), (".tiff", 0), (".jpg", 12), (".webp", 12)):
        path = tmp_path / f"photo{suffix}"
        path.write_bytes(encoded(suffix, sample()))

        found = read_photo(path)

        assert found.dtype == np.uint8
        assert np.abs(found.astype(int) - sample()).max() <= tolerance, suffix


def test_16_bit_grey_and_transparent_pictures_become_8_bit_rgb() -> None:
    expected = sample()
    wide = encoded(".png", expected.astype(np.uint16) * 257)
    clear = encoded(".png", np.dstack([expected, np.full((60, 90), 3, np.uint8)]))
    grey = encoded(".png", expected[..., 0])
    grey16 = encoded(".tiff", expected[..., 0].astype(np.uint16) * 257)

    assert np.array_equal(decode_photo(wide, "a"), expected)
    assert np.array_equal(decode_photo(clear, "a"), expected)
    for data in (grey, grey16):
        assert np.array_equal(decode_photo(data, "a"), np.repeat(expected[..., :1], 3, axis=2))


def test_cmyk_becomes_rgb() -> None:
    found = decode_photo(CMYK, "a")

    assert found.shape == (8, 16, 3)
    assert np.abs(found.astype(int) - ORANGE).max() <= 4


def exif(orientation: int) -> bytes:
    """An APP1 segment with one entry: tag 0x0112, orientation."""
    tiff = struct.pack(">2sHIHHHIHHI", b"MM", 42, 8, 1, 0x0112, 3, 1, orientation, 0, 0)
    body = b"Exif\0\0" + tiff
    return b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body


@pytest.mark.parametrize(("orientation", "turns"), [(1, 0), (3, 2), (6, 3), (8, 1)])
def test_exif_turns_the_picture_upright(orientation: int, turns: int) -> None:
    plain = encoded(".jpg", sample(), cv2.IMWRITE_JPEG_QUALITY, 100)
    turned = plain[:2] + exif(orientation) + plain[2:]

    expected = np.rot90(sample(), turns)
    found = decode_photo(turned, "a")

    assert found.shape == expected.shape
    assert np.abs(found.astype(int) - expected).max() < 20


def png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        body = kind + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(100))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def test_a_picture_that_announces_too_many_pixels_is_not_decoded() -> None:
    with pytest.raises(PhotoError, match=r"bomb\.png: 60000 x 60000 pixels, at most 50 megapixels are read"):
        decode_photo(png(60000, 60000), "bomb.png")
    with pytest.raises(PhotoError, match=r"bomb\.png: 0 x 10 pixels"):
        decode_photo(png(0, 10), "bomb.png")


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.jpg"
    with path.open("wb") as file:
        file.truncate(70_000_000)  # sparse: takes no room

    with pytest.raises(PhotoError, match=r"huge\.jpg: 70 MB, at most 64 MB are read"):
        read_photo(path)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("empty.jpg", b"", "is empty, a JPEG"),
        ("text.jpg", b"not a picture\n" * 50, "not a picture that can be read"),
        ("start.jpg", b"\xff\xd8\xff", "not a picture that can be read"),
        ("half.jpg", encoded(".jpg", sample())[:-40], "the JPEG file is cut short or damaged"),
        ("half.png", encoded(".png", sample())[:-40], "the PNG file is cut short or damaged"),
        ("half.webp", encoded(".webp", sample())[:-40], "the WebP file is cut short or damaged"),
        ("half.bmp", encoded(".bmp", sample())[:-40], "the BMP file is cut short or damaged"),
        ("half.tiff", encoded(".tiff", sample())[:-40], "the TIFF file is damaged, or of a kind"),
    ],
)
def test_a_damaged_file_is_one_clear_line_that_names_it(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], name: str, content: bytes, reason: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)

    with pytest.raises(PhotoError, match=reason) as caught:
        read_photo(path)

    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""


def test_a_flipped_bit_in_a_png_is_noticed() -> None:
    data = bytearray(encoded(".png", sample()))
    data[len(data) // 2] ^= 1

    with pytest.raises(PhotoError, match="cut short or damaged"):
        decode_photo(bytes(data), "a.png")


def test_what_is_not_a_readable_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PhotoError, match=r"absent\.jpg: no such file"):
        read_photo(tmp_path / "absent.jpg")
    with pytest.raises(PhotoError, match="a folder"):
        read_photo(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(PhotoError, match="pipe: not a file"):
        read_photo(tmp_path / "pipe")


@pytest.mark.skipif(ROOT, reason="root may read every file")
def test_a_file_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "secret.jpg"
    path.write_bytes(encoded(".jpg", sample()))
    path.chmod(0)

    with pytest.raises(PhotoError, match=r"secret\.jpg: cannot be read: Permission denied"):
        read_photo(path)


STARTS = [encoded(suffix, sample())[:200] for suffix in (".jpg", ".png", ".webp", ".bmp", ".tiff")]


@given(st.sampled_from(STARTS), st.integers(2, 200), st.binary(max_size=60))
def test_no_bytes_upset_the_header_reader(start: bytes, keep: int, rest: bytes) -> None:
    header = read_header(start[:keep] + rest)

    assert header is None or (header.width >= 0 and header.height >= 0)


def _tiff(*entries: tuple[int, int, int, int]) -> bytes:
    body = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<I", 8) + body + bytes(4)


def test_a_tiff_whose_size_is_told_twice_is_refused() -> None:
    plain = _tiff((256, 4, 1, 8), (257, 4, 1, 8))
    found = read_header(plain)
    assert found is not None and (found.width, found.height) == (8, 8)

    assert read_header(_tiff((256, 4, 1, 30000), (257, 4, 1, 30000), (256, 4, 1, 8), (257, 4, 1, 8))) is None
    assert read_header(_tiff((256, 4, 3, 8), (257, 4, 1, 8))) is None
    assert read_header(_tiff((256, 1, 1, 8), (256, 4, 1, 8), (257, 4, 1, 8))) is None


def test_a_name_with_a_line_break_leaves_the_message_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a\nb\x1b[31m.jpg"
    path.write_bytes(b"text")
    with pytest.raises(PhotoError, match=r"a\\nb\\x1b\[31m\.jpg: not a picture"):
        read_photo(path)


@pytest.mark.parametrize("part", range(20))
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".bmp"])
def test_a_photo_cut_short_anywhere_is_refused(suffix: str, part: int) -> None:
    whole = encoded(suffix, sample())
    with pytest.raises(PhotoError, match=r"^cut: "):
        decode_photo(whole[: len(whole) * part // 20], "cut")


STORED = {
    1: lambda upright: upright,
    2: np.fliplr,
    3: lambda upright: np.rot90(upright, 2),
    4: np.flipud,
    5: lambda upright: upright.swapaxes(0, 1),
    6: lambda upright: np.rot90(upright, 1),
    7: lambda upright: np.rot90(upright, 2).swapaxes(0, 1),
    8: lambda upright: np.rot90(upright, -1),
}
"""How a camera stores a picture that is to be shown upright, by orientation (EXIF 2.3, tag 0x0112)."""


@pytest.mark.weights
def test_a_face_is_found_however_the_camera_was_held(footage: Any, analyzer: Any, tmp_path: Path) -> None:
    upright = read_photo(footage.path("single_face.jpg"))
    found = {}
    for orientation, stored in STORED.items():
        plain = encoded(".jpg", np.ascontiguousarray(stored(upright)), cv2.IMWRITE_JPEG_QUALITY, 97)
        file = tmp_path / f"{orientation}.jpg"
        file.write_bytes(plain[:2] + exif(orientation) + plain[2:])
        found[orientation] = enroll_photo(analyzer, "Ann", file, strict=True).embeddings
    for orientation, rows in found.items():
        assert (rows * found[1]).sum(axis=1).min() > 0.98, orientation


def test_opencv_may_speak_again_afterwards() -> None:
    before = cv2.utils.logging.getLogLevel()
    done, data = cv2.imencode(".png", np.zeros((40, 40, 3), np.uint8))
    assert done
    decode_photo(data.tobytes(), "x")
    assert cv2.utils.logging.getLogLevel() == before != 0
    with pytest.raises(PhotoError):
        decode_photo(data.tobytes()[:-30], "x")
    assert cv2.utils.logging.getLogLevel() == before
