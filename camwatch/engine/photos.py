"""Photos of people: reading files that came from anywhere, and checking that a face in them can be enrolled."""

import hashlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from camwatch.engine.alignment import crop, views
from camwatch.engine.image_header import read_header
from camwatch.engine.quality import quality
from camwatch.errors import PhotoError
from camwatch.geometry import clip
from camwatch.records import Box, Detection, Enrolled, Picture, Point, Quality

MAX_BYTES = 64_000_000
MAX_PIXELS = 50_000_000
FORMATS = "a JPEG, PNG, WebP, BMP or TIFF file is expected"

SEARCHED_SIDE = 1280
"""Photos are searched at this size: what would be lost by it is too small beside the face that matters."""
SMALLEST_FACE = 20
MIN_HEIGHT = 40.0
"""Box height in pixels of the photo from which identification can be trusted."""
MIN_SHARPNESS = 20.0
MAX_TURN = 0.4
CLEARLY_LARGER = 1.4
"""A face is clearly the largest where every other shows less than its area divided by this."""
CLEARLY_NEARER = 0.5
"""Of faces about as large, one is clearly in the middle where its distance from it is at most this share of the
next one's."""


class FaceFinder(Protocol):
    """The part of `FaceAnalyzer` that enrolling needs."""

    def detect(self, pictures: Sequence[Picture], min_face: int) -> list[list[Detection]]:
        """Faces of each picture."""

    def embed(self, chips: NDArray[np.uint8] | Sequence[Picture]) -> NDArray[np.float32]:
        """(n, 512) unit rows for n chips."""


def read_photo(path: Path | str) -> Picture:
    """Read a photo: turned upright as its EXIF data says, transparency dropped, any bit depth and colour space.

    Returns:
        (h, w, 3) uint8, RGB.

    Raises:
        PhotoError: Not a file, not readable, empty, not a picture of a known format, damaged, larger than 64 MB or
            50 megapixels (told from the header, nothing is decoded).
    """
    return decode_photo(load_photo(Path(path)), str(path))


def decode_photo(data: bytes, name: str) -> Picture:
    """As `read_photo`, from the content of a file; `name` is what errors call it."""
    if not data:
        raise PhotoError(f"{name}: the file is empty, {FORMATS}")
    header = read_header(data)
    if header is None:
        raise PhotoError(f"{name}: not a picture that can be read, or damaged: {FORMATS}")
    if not 0 < header.width * header.height <= MAX_PIXELS:
        raise PhotoError(
            f"{name}: {header.width} x {header.height} pixels, at most {MAX_PIXELS // 1_000_000} megapixels are read"
        )
    if not header.complete:
        raise PhotoError(f"{name}: the {header.format} file is cut short or damaged, copy it again")
    level = cv2.utils.logging.setLogLevel(0)  # else OpenCV writes its own lines about damaged files
    try:
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    except cv2.error:
        picture = None
    finally:
        cv2.utils.logging.setLogLevel(level)
    sides = (header.height, header.width), (header.width, header.height)  # the other way round where it was turned
    if picture is None or picture.shape[:2] not in sides:
        raise PhotoError(f"{name}: the {header.format} file is damaged, or of a kind that cannot be read")
    return np.asarray(picture, np.uint8)


def enroll_photo(analyzer: FaceFinder, person: str, path: Path, *, strict: bool) -> Enrolled:
    """Embed the face of a photo, cut out closely and widely, and the mirror images of both.

    Args:
        analyzer: Finds and embeds faces.
        person: Whose face it is.
        path: The photo.
        strict: True where somebody stands by to choose a better photo: exactly one face, large, sharp and facing
            the camera. False takes what True would, else the clearly largest face, or of several large ones the
            one clearly in the middle, however good it is.

    Raises:
        PhotoError: The photo cannot be read, or has no face that can be used; the message says what would do.
    """
    return enroll_content(analyzer, person, load_photo(path), path, strict=strict)


def enroll_content(analyzer: FaceFinder, person: str, data: bytes, path: Path, *, strict: bool) -> Enrolled:
    """As `enroll_photo`, from the content of a file; `path` is what errors call it."""
    picture = decode_photo(data, str(path))
    [found] = find_faces(analyzer, [picture])
    if not found:
        raise PhotoError(f"{path}: no face found; the face should be upright, uncovered and at least 40 pixels high")
    face = _only_usable(path, picture, found) if strict else _main(path, picture, found)
    embeddings = analyzer.embed(views(picture, face.box))
    return Enrolled(person, path.name, hashlib.sha256(data).hexdigest(), embeddings, quality(picture, face))


def load_photo(path: Path) -> bytes:
    """The content of a photo's file.

    Raises:
        PhotoError: There is none, it is too large, or cannot be read.
    """
    try:
        if not path.is_file():
            what = "a folder" if path.is_dir() else "not a file" if path.exists() else "no such file"
            raise PhotoError(f"{path}: {what}, {FORMATS}")
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise PhotoError(f"{path}: {size // 1_000_000} MB, at most {MAX_BYTES // 1_000_000} MB are read")
        return path.read_bytes()
    except OSError as error:
        raise PhotoError(f"{path}: cannot be read: {error.strerror or error}") from error


def find_faces(analyzer: FaceFinder, pictures: Sequence[Picture]) -> list[list[Detection]]:
    """The faces of photos, each in pixels of its photo, those first of which most is seen.

    Photos are searched reduced to `SEARCHED_SIDE`; tight crops without a face get a border to be found in.

    Args:
        analyzer: Finds them.
        pictures: (h, w, 3) uint8, RGB, of any sizes.
    """
    small = [_reduced(picture) for picture in pictures]
    found = analyzer.detect(small, SMALLEST_FACE)
    borders = [0 if faces else max(40, max(each.shape[:2]) // 4) for faces, each in zip(found, small, strict=True)]
    framed = [_framed(each, border) for border, each in zip(borders, small, strict=True) if border]
    again = iter(analyzer.detect(framed, SMALLEST_FACE) if framed else [])
    placed = []
    for picture, each, border, faces in zip(pictures, small, borders, found, strict=True):
        # each side by its own factor: both were rounded
        factors = picture.shape[1] / each.shape[1], picture.shape[0] / each.shape[0]
        moved = [_moved(face, border, *factors) for face in (next(again) if border else faces)]
        seen = [face for face in moved if crop(picture, face.box).size]  # not those that are all border
        placed.append(sorted(seen, key=lambda face: _area(picture, face), reverse=True))
    return placed


def _reduced(picture: Picture) -> Picture:
    height, width = picture.shape[:2]
    scale = SEARCHED_SIDE / max(height, width)
    if scale >= 1:
        return picture
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def _framed(picture: Picture, border: int) -> Picture:
    framed = cv2.copyMakeBorder(picture, border, border, border, border, cv2.BORDER_REPLICATE)
    return np.asarray(framed, np.uint8)


def _moved(face: Detection, border: int, factor_x: float, factor_y: float) -> Detection:
    """A detection of the searched picture in pixels of the photo."""

    def point(x: float, y: float) -> Point:
        return (x - border) * factor_x, (y - border) * factor_y

    left_eye, right_eye, nose, left_mouth, right_mouth = (point(*mark) for mark in face.landmarks)
    box = Box(*point(face.box.x1, face.box.y1), *point(face.box.x2, face.box.y2))
    return Detection(box, (left_eye, right_eye, nose, left_mouth, right_mouth), face.confidence)


def _only_usable(path: Path, picture: Picture, found: list[Detection]) -> Detection:
    qualities = [quality(picture, face) for face in found]
    # The largest face is the one meant: a sharp bystander must not stand in for a blurred main person.
    wrong = fault(qualities[0])
    if wrong:
        raise PhotoError(f"{path}: {wrong}")
    usable = sum(not fault(each) for each in qualities)
    if usable > 1:
        raise PhotoError(f"{path}: {usable} faces, exactly one is expected: crop the photo to the person")
    return found[0]


def _main(path: Path, picture: Picture, found: list[Detection]) -> Detection:
    """The face that the photo is of.

    Raises:
        PhotoError: That is not clear.
    """
    likely = shown_faces(picture, found)
    if len(likely) > 1:
        raise PhotoError(f"{path}: {len(likely)} faces of about the same size: crop the photo to the person")
    return likely[0]


def shown_faces(picture: Picture, found: Sequence[Detection]) -> list[Detection]:
    """The faces of whom a photo can be: the largest, or the one in the middle where several are about as large.

    Args:
        picture: (h, w, 3) uint8, RGB.
        found: Its faces as `find_faces` has them, at least one.

    Returns:
        One where it is clear; else all that are about as large, the nearest to the middle first.
    """
    large = [face for face in found if _area(picture, face) * CLEARLY_LARGER > _area(picture, found[0])]
    if len(large) == 1:
        return large
    # What `strict` took must be taken here, too: a photo enrolled by hand is embedded anew without its cache.
    good = [face for face in found if not fault(quality(picture, face))]
    if good == list(found[:1]):
        return good
    large.sort(key=lambda face: _off_center(picture, face))
    clear = _off_center(picture, large[0]) <= CLEARLY_NEARER * _off_center(picture, large[1])
    return large[:1] if clear else large


def _area(picture: Picture, face: Detection) -> float:
    """Visible pixels of a face: one cut off by the edge is seldom the one meant."""
    seen = clip(face.box, picture.shape[1], picture.shape[0])
    return seen.width * seen.height


def _off_center(picture: Picture, face: Detection) -> float:
    x, y = (face.box.x1 + face.box.x2) / 2, (face.box.y1 + face.box.y2) / 2
    return math.hypot(x - picture.shape[1] / 2, y - picture.shape[0] / 2)


def fault(measured: Quality) -> str | None:
    """Why a face is not good enough to be enrolled by hand, and what would be; None for a good one."""
    if measured.height < MIN_HEIGHT:
        return f"the face is too small: {measured.height:.0f} pixels high, at least {MIN_HEIGHT:.0f} are needed"
    if measured.sharpness < MIN_SHARPNESS:
        return f"the face is blurred: sharpness {measured.sharpness:.0f}, at least {MIN_SHARPNESS:.0f} is needed"
    if measured.turn > MAX_TURN:
        return f"the face is turned away: turn {measured.turn:.2f}, at most {MAX_TURN} is usable"
    return None
