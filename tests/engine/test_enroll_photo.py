"""Which face of a photo is enrolled, and which are refused."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from camwatch.engine.photos import MAX_TURN, MIN_HEIGHT, MIN_SHARPNESS, enroll_photo, fault
from camwatch.errors import PhotoError
from camwatch.records import Box, Detection, Picture, Quality
from tests.engine.test_photos import encoded


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


def test_what_is_just_good_enough_is_enrolled() -> None:
    assert fault(Quality(MIN_HEIGHT, MIN_SHARPNESS, MAX_TURN, 0.5)) is None


class Bordered:
    """Finds nothing, and then with a border around it a face that lies in the border alone."""

    def __init__(self) -> None:
        self.asked = 0

    def detect(self, pictures: Sequence[Picture], min_face: int) -> list[list[Detection]]:
        self.asked += 1
        return [[Detection(Box(2, 2, 38, 38), ((0.0, 0.0),) * 5, 0.99)] if self.asked == 2 else [] for _ in pictures]

    def embed(self, chips: NDArray[np.uint8] | Sequence[Picture]) -> NDArray[np.float32]:
        raise AssertionError("there is no face")


def test_a_face_in_the_border_alone_is_none(tmp_path: Path) -> None:
    file = tmp_path / "x.png"
    assert cv2.imwrite(str(file), np.full((100, 100, 3), 9, np.uint8))
    finder = Bordered()
    with pytest.raises(PhotoError, match="no face found"):
        enroll_photo(finder, "Ann", file, strict=False)
    assert finder.asked == 2
