import base64
import hashlib
import os
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from camwatch.engine.image_header import read_header
from camwatch.engine.photos import decode_photo, enroll_photo, read_photo
from camwatch.errors import PhotoError
from camwatch.records import Box, Detection, Picture

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


class Finder:
    """Finds the faces it was given in pictures of one size, whatever they show."""

    def __init__(self, *faces: Detection, size: tuple[int, int] | None = None) -> None:
        self.faces, self.size, self.asked = faces, size, list[tuple[int, int]]()

    def detect(self, pictures: Sequence[Picture], min_face: int) -> list[list[Detection]]:
        self.asked += [(picture.shape[1], picture.shape[0]) for picture in pictures]
        fits = self.size is None or self.asked[-1] == self.size
        return [list(self.faces) if fits else [] for _ in pictures]

    def embed(self, chips: NDArray[np.uint8] | Sequence[Picture]) -> NDArray[np.float32]:
        # the mean of the left edge stands for the face: the mirror's is the mean of the right edge
        return np.array([np.full(512, chip[:, 0].mean()) for chip in chips], np.float32)


def face(x: float, y: float, side: float, *, turn: float = 0) -> Detection:
    def at(across: float, down: float) -> tuple[float, float]:
        return x + across * side, y + down * side

    marks = (at(0.3, 0.4), at(0.7, 0.4), at(0.5 + 0.4 * turn, 0.6), at(0.35, 0.8), at(0.65, 0.8))
    return Detection(Box(x, y, x + side, y + side), marks, 0.99)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """640 x 480 of fine structure that darkens to the left."""
    noise = np.random.default_rng(0).integers(0, 200, (480, 640, 3)).astype(np.uint8)
    noise = np.asarray(cv2.GaussianBlur(noise, (0, 0), 1.0), np.uint8)
    path = tmp_path / "ann.png"
    path.write_bytes(encoded(".png", (noise * np.linspace(0.5, 1, 640)[None, :, None]).astype(np.uint8)))
    return path


def test_enrolling_gives_the_views_of_the_face_and_the_files_hash(photo: Path) -> None:
    enrolled = enroll_photo(Finder(face(200, 100, 180)), "Ann", photo, strict=True)

    assert (enrolled.person, enrolled.photo) == ("Ann", "ann.png")
    assert enrolled.sha256 == hashlib.sha256(photo.read_bytes()).hexdigest()
    assert enrolled.embeddings.shape == (4, 512)  # closely and widely, each with its mirror image
    assert enrolled.embeddings.dtype == np.float32
    assert enrolled.embeddings[0, 0] + 10 < enrolled.embeddings[1, 0]
    assert enrolled.embeddings[2, 0] + 10 < enrolled.embeddings[3, 0]
    assert enrolled.quality.height == 180


@pytest.mark.parametrize(
    ("faces", "reason"),
    [
        ([], "no face found; .* at least 40 pixels high"),
        ([face(10, 10, 30)], "the face is too small: 30 pixels high, at least 40"),
        ([face(200, 100, 180, turn=0.6)], "the face is turned away: turn 0.60, at most 0.4"),
        ([face(10, 100, 180), face(400, 100, 170)], "2 faces, exactly one is expected"),
        ([face(200, 100, 180, turn=0.6), face(10, 10, 60)], "the face is turned away"),
    ],
    ids=["none", "small", "turned", "two", "bystander"],
)
def test_strict_refuses_and_says_why(photo: Path, faces: list[Detection], reason: str) -> None:
    with pytest.raises(PhotoError, match=reason) as caught:
        enroll_photo(Finder(*faces), "Ann", photo, strict=True)

    assert str(caught.value).startswith(f"{photo}: ")


def test_strict_refuses_a_blurred_face(photo: Path) -> None:
    picture = cv2.GaussianBlur(cv2.imread(str(photo)), (0, 0), 12)
    cv2.imwrite(str(photo), picture)

    with pytest.raises(PhotoError, match=r"the face is blurred: sharpness \d+, at least 20"):
        enroll_photo(Finder(face(200, 100, 180)), "Ann", photo, strict=True)


def test_strict_does_not_mind_a_second_face_too_small_to_be_used(photo: Path) -> None:
    assert enroll_photo(Finder(face(10, 10, 30), face(200, 100, 180)), "Ann", photo, strict=True).quality.height == 180


def test_not_strict_takes_the_clearly_largest_face_whatever_its_quality(photo: Path) -> None:
    finder = Finder(face(10, 10, 60), face(200, 100, 180, turn=0.6), face(400, 10, 90))

    assert enroll_photo(finder, "Ann", photo, strict=False).quality.height == 180


def test_not_strict_takes_the_one_in_the_middle_of_faces_about_as_large(photo: Path) -> None:
    # the first is larger, but less of it can be seen
    finder = Finder(face(-60, 100, 230), face(230, 150, 180), face(455, 100, 180))

    assert enroll_photo(finder, "Ann", photo, strict=False).quality.height == 180


def test_not_strict_refuses_where_it_is_not_clear_whose_photo_it_is(photo: Path) -> None:
    with pytest.raises(PhotoError, match="2 faces of about the same size: crop the photo to the person"):
        enroll_photo(Finder(face(10, 100, 180), face(400, 100, 170)), "Ann", photo, strict=False)


SIDES, TURNS = st.sampled_from((60, 90, 150, 170, 180)), st.sampled_from((0, 0.6))
PLACES = st.tuples(st.integers(0, 460), st.integers(0, 300), SIDES, TURNS)


@given(st.lists(PLACES, min_size=1, max_size=4))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
def test_what_strict_takes_is_taken_again(photo: Path, places: list[tuple[int, int, int, float]]) -> None:
    finder = Finder(*(face(x, y, side, turn=turn) for x, y, side, turn in places))
    try:
        strict = enroll_photo(finder, "Ann", photo, strict=True)
    except PhotoError:
        return
    again = enroll_photo(finder, "Ann", photo, strict=False)
    np.testing.assert_array_equal(again.embeddings, strict.embeddings)


def test_the_one_good_face_is_taken_again_though_a_poor_one_is_in_the_middle(photo: Path) -> None:
    finder = Finder(face(10, 100, 180), face(240, 150, 170, turn=0.6))
    for strict in (True, False):
        assert enroll_photo(finder, "Ann", photo, strict=strict).quality.height == 180


def test_a_tight_crop_is_searched_again_with_a_border(photo: Path) -> None:
    # found only in the bordered picture; there, the face starts at the border's corner
    finder = Finder(face(160 + 50, 160 + 20, 400), size=(640 + 320, 480 + 320))

    enrolled = enroll_photo(finder, "Ann", photo, strict=True)

    assert finder.asked == [(640, 480), (960, 800)]
    direct = enroll_photo(Finder(face(50, 20, 400)), "Ann", photo, strict=True)
    np.testing.assert_allclose(enrolled.embeddings, direct.embeddings)


def test_a_large_photo_is_searched_small_and_cropped_large(tmp_path: Path) -> None:
    picture = np.zeros((3000, 4000, 3), np.uint8)
    picture[:, 1000:2200] = 200
    path = tmp_path / "large.bmp"
    path.write_bytes(encoded(".bmp", picture))
    finder = Finder(face(400, 300, 200), size=(1280, 960))

    enrolled = enroll_photo(finder, "Ann", path, strict=False)

    assert enrolled.quality.height == pytest.approx(625)
    assert enrolled.embeddings[0, 0] > 150  # the left edge lies at 1163 in the photo


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
