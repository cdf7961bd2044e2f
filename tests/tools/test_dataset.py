"""Datasets: who is in them, how they are split, which face a picture is about."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from camwatch.errors import InputError, PhotoError
from camwatch.geometry import clip
from camwatch.identification.faces import PhotoFile
from camwatch.records import Box, Detection, Picture
from camwatch.tools.dataset import (
    Person,
    embed_dataset,
    enrolled_face,
    main_face,
    portraits,
    read_dataset,
    split_dataset,
)
from tests.tools.pictures import save

BLANK = np.full((360, 640, 3), 128, np.uint8)


class Networks:
    """Finds what it is told to, and embeds a face as its mean colour."""

    network = "scripted"

    def __init__(self, *answers: list[Box]) -> None:
        self._answers = list(answers)
        self.searched: list[tuple[int, ...]] = []

    def detect(self, pictures: Sequence[Picture], min_face: int) -> list[list[Detection]]:
        self.searched += [picture.shape for picture in pictures]
        return [[Detection(box, ((0.0, 0.0),) * 5, 0.99) for box in self._answers.pop(0)] for _ in pictures]

    def embed(self, chips: NDArray[np.uint8] | Sequence[Picture]) -> NDArray[np.float32]:
        rows = np.zeros((len(chips), 512), np.float32)
        rows[:, :3] = np.asarray(chips).mean(axis=(1, 2))
        rows[:, 3] = np.asarray(chips)[:, :, :80].mean(axis=(1, 2, 3))
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def person(name: str, count: int) -> Person:
    return Person(name, tuple(PhotoFile(name, Path(name) / f"{number}.jpg", str(number)) for number in range(count)))


def test_a_split_takes_the_first_pictures_of_those_who_have_enough() -> None:
    train, test = split_dataset([person("a", 5), person("b", 4), person("c", 9)], least=5, train=3)
    assert [(one.name, len(one.photos)) for one in train] == [("a", 3), ("c", 3)]
    assert [(one.name, len(one.photos)) for one in test] == [("a", 2), ("c", 6)]
    for first, second in zip(train, test, strict=True):
        assert not set(first.photos) & set(second.photos)
    with pytest.raises(InputError, match=r"--min-images-per-class 10: .* the most are 9"):
        split_dataset([person("a", 5), person("c", 9)], least=10, train=3)


def test_a_dataset_needs_pictures(tmp_path: Path) -> None:
    with pytest.raises(PhotoError, match="no such folder"):
        read_dataset(tmp_path / "none", print)
    with pytest.raises(PhotoError, match="nobody in it"):
        read_dataset(tmp_path, print)
    (tmp_path / "b_c").mkdir()
    (tmp_path / "b_c" / "x.jpg").write_bytes(b"x")
    save(np.zeros((9, 9, 3), np.uint8), tmp_path / "a" / "y.png")
    save(np.zeros((9, 9, 3), np.uint8), tmp_path / "loose.png")
    notes: list[str] = []
    assert [one.name for one in read_dataset(tmp_path, notes.append)] == ["a", "b_c"]
    assert len(notes) == 1 and "loose.png" in notes[0]


def faces(*boxes: Box) -> list[Detection]:
    """As detections, those first of which most is seen; landmarks of somebody who faces the camera."""

    def point(box: Box, x: float, y: float) -> tuple[float, float]:
        return box.x1 + x * box.width, box.y1 + y * box.height

    marks = ((0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8))
    found = [Detection(box, tuple(point(box, *mark) for mark in marks), 0.99) for box in boxes]  # type: ignore[arg-type]

    def seen(face: Detection) -> float:
        shown = clip(face.box, BLANK.shape[1], BLANK.shape[0])
        return shown.width * shown.height

    return sorted(found, key=seen, reverse=True)


def test_strangers_may_be_called_unknown_where_nobody_is_told_of_them(tmp_path: Path) -> None:
    for name in ("unknown", "Ann"):
        save(np.full((9, 9, 3), len(name), np.uint8), tmp_path / name / "x.png")
    assert [one.name for one in read_dataset(tmp_path, print)] == ["Ann", "unknown"]


def test_large_and_central_counts() -> None:
    small, middle, edge = Box(240, 170, 280, 220), Box(300, 150, 360, 230), Box(0, 0, 90, 110)
    assert main_face(BLANK, faces(small, edge, middle)).box == middle
    huge = Box(0, 0, 300, 350)
    assert main_face(BLANK, faces(middle, huge)).box == huge


def test_the_enrolled_face_is_the_largest_or_of_those_as_large_the_most_central() -> None:
    small, large = Box(310, 170, 335, 200), Box(400, 150, 429, 188)
    assert main_face(BLANK, faces(small, large)).box == small, "as the script has it"
    assert enrolled_face(BLANK, faces(small, large)).box == large
    middle, edge = Box(290, 140, 350, 220), Box(20, 100, 85, 185)
    assert enrolled_face(BLANK, faces(edge, middle)).box == middle
    cut_off = Box(-200, 100, 20, 300)
    assert enrolled_face(BLANK, faces(cut_off, middle)).box == middle, "what is seen counts"
    left, right = Box(190, 140, 250, 220), Box(420, 140, 480, 220)
    assert enrolled_face(BLANK, faces(right, left)).box == left, "not clear: the gallery would refuse the picture"


def test_the_enrolled_face_is_the_one_that_the_gallery_takes() -> None:
    """The largest alone is good, another as large is in the middle."""
    picture = np.full((300, 900, 3), 128, np.uint8)
    rng = np.random.default_rng(0)
    good, blurred = Box(40, 70, 168, 230), Box(390, 75, 510, 225)
    picture[70:230, 40:168] = rng.integers(0, 255, (160, 128, 3))
    picture[75:225, 390:510] = cv2.GaussianBlur(rng.integers(0, 255, (150, 120, 3), np.uint8), (0, 0), 9)
    assert enrolled_face(picture, faces(good, blurred)).box == good


def test_pictures_are_searched_small_and_faces_told_in_full_pixels(tmp_path: Path) -> None:
    photo = PhotoFile("a", save(np.full((1000, 2560, 3), 90, np.uint8), tmp_path / "a" / "big.png"), "0")
    networks = Networks([Box(600, 200, 700, 300)])
    (portrait,) = portraits(networks, [photo], lambda path, reason: None)
    assert networks.searched == [(500, 1280, 3)]
    assert portrait.box == Box(1200, 400, 1400, 600) and portrait.picture.shape == (1000, 2560, 3)


def test_a_tight_crop_is_searched_again_with_a_border(tmp_path: Path) -> None:
    photo = PhotoFile("a", save(np.full((160, 160, 3), 90, np.uint8), tmp_path / "a" / "crop.png"), "0")
    networks = Networks([], [Box(45, 50, 195, 190), Box(0, 0, 30, 30)])
    (portrait,) = portraits(networks, [photo], lambda path, reason: None)
    assert portrait.box == Box(5, 10, 155, 150)

    left_out: list[tuple[str, str]] = []
    only_border = Networks([], [Box(0, 0, 30, 30)])
    assert list(portraits(only_border, [photo], lambda *told: left_out.append(told))) == []
    assert left_out == [(str(photo.path), "no face found")]


def test_so_many_pictures_as_there_are_are_never_in_memory_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = [
        PhotoFile("a", save(np.full((160, 160, 3), 1 + number, np.uint8), tmp_path / f"{number}.png"), f"{number}")
        for number in range(40)
    ]
    networks, sizes = Networks(), []
    embed = networks.embed
    monkeypatch.setattr(networks, "embed", lambda chips: sizes.append(len(chips)) or embed(chips))
    found = embed_dataset(networks, photos, aligned=True, note=print, done=lambda count: None)
    assert [one.photo.sha256 for one in found] == [f"{number}" for number in range(40)]
    assert sum(sizes) == 80 and max(sizes) <= 32, "a batch of faces and their mirror images"


def test_embeddings_are_the_mean_of_face_and_mirror_image(tmp_path: Path) -> None:
    picture = np.full((160, 160, 3), 40, np.uint8)
    picture[:, :80] = 200
    path = save(picture, tmp_path / "a" / "half.png")
    mirrored = save(np.ascontiguousarray(cv2.flip(picture, 1)), tmp_path / "a" / "other.png")
    (tmp_path / "a" / "bad.png").write_bytes(b"no")
    photos = [PhotoFile("a", one, one.name) for one in (path, tmp_path / "a" / "bad.png", mirrored)]
    left_out: list[tuple[str, str]] = []
    steps: list[int] = []
    one, other = embed_dataset(
        Networks(), photos, aligned=True, note=lambda *told: left_out.append(told), done=steps.append
    )
    assert np.allclose(one.embedding, other.embedding) and np.linalg.norm(one.embedding) == pytest.approx(1.0)
    assert [Path(path).name for path, _ in left_out] == ["bad.png"]
    assert sum(steps) == 3


def test_pictures_of_who_is_not_the_person_are_not_of_the_dataset(tmp_path: Path) -> None:
    save(np.zeros((9, 9, 3), np.uint8), tmp_path / "Ann" / "1.png")
    save(np.ones((9, 9, 3), np.uint8), tmp_path / "Ann" / "not" / "2.png")
    [ann] = read_dataset(tmp_path, lambda line: pytest.fail(line))
    assert [photo.path.name for photo in ann.photos] == ["1.png"]


def test_the_largest_face_is_embedded_and_not_a_small_one_in_the_middle(tmp_path: Path) -> None:
    picture = np.full((360, 640, 3), 60, np.uint8)
    small, large = Box(310, 170, 335, 200), Box(400, 150, 429, 188)
    picture[140:200, 385:445] = (250, 0, 0)
    photo = PhotoFile("a", save(picture, tmp_path / "a" / "x.png"), "0")
    [one] = embed_dataset(Networks([small, large]), [photo], aligned=False, note=print, done=lambda count: None)
    assert one.height == large.height and one.embedding[0] > 10 * one.embedding[1]


def test_a_face_is_searched_for_as_it_is_and_not_mirrored(tmp_path: Path) -> None:
    picture = np.full((160, 160, 3), 40, np.uint8)
    picture[:, :80] = 200
    photo = PhotoFile("a", save(picture, tmp_path / "a" / "x.png"), "0")
    [one] = embed_dataset(Networks(), [photo], aligned=True, note=print, done=lambda count: None)
    expected = Networks().embed(picture[None])[0]
    assert np.allclose(one.single, expected) and not np.allclose(one.single, one.embedding)


def test_the_way_to_the_middle_counts_twice() -> None:
    middle, edge = Box(300, 160, 340, 200), Box(380, 160, 440, 220)  # 1600 and 3600, 90 and 10 off: 2 * 8200 / 8200
    assert main_face(BLANK, faces(edge, middle)).box == middle
    near = Box(330, 160, 390, 220)  # 3600 - 2 * (40 * 40 + 10 * 10) = 200 < 1600
    assert main_face(BLANK, faces(near, middle)).box == middle
