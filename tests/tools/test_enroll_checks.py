"""`enroll` without networks: what it decides of a photo by its likeness to others. Made-up people, a moment each."""

import io
import itertools
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from camwatch.errors import PhotoError
from camwatch.identification import faces as faces_module
from camwatch.identification.cache import read_cache
from camwatch.identification.faces import FolderScan, PhotoFile, forget, scan
from camwatch.identification.folder import locked
from camwatch.records import Box, Detection, Embedding, Picture
from camwatch.tools import enroll as enroll_module
from camwatch.tools.enroll import SOMEBODY_ELSE, enroll
from tests.identification.scene import like, person, stay
from tests.identification.test_faces import Full
from tests.tools.test_explain import watched

ANN, BOB = person(1), person(2)


class Studio:
    """Every picture shows one good face; whose it is, its first pixel says."""

    network = "scripted"

    def __init__(self, folder: Path) -> None:
        self._folder, self._looks, self._shown = folder, list[Embedding](), 0

    def photo(self, looks: Embedding) -> Path:
        number = len(self._looks)
        self._looks.append(looks)
        picture = np.random.default_rng(number).integers(0, 255, (300, 300, 3), np.uint8)
        picture[0, 0] = number
        path = self._folder / f"{number}.png"
        assert cv2.imwrite(str(path), picture)
        return path

    def detect(self, pictures: Sequence[Picture], min_face: int) -> list[list[Detection]]:
        self._shown = int(pictures[0][0, 0, 0])
        marks = ((130.0, 130.0), (170.0, 130.0), (150.0, 150.0), (135.0, 180.0), (165.0, 180.0))
        return [[Detection(Box(100, 90, 200, 210), marks, 0.99)] for _ in pictures]

    def embed(self, chips: NDArray[np.uint8] | Sequence[Picture]) -> NDArray[np.float32]:
        return np.stack([self._looks[self._shown]] * len(chips))


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio(tmp_path)


def add(studio: Studio, faces: Path, name: str, *photos: Path, **how: Any) -> tuple[int, list[str], str]:
    results, notes = io.StringIO(), io.StringIO()
    status = enroll(name, photos, faces, analyzer=studio, results=results, notes=notes, **how)
    return status, results.getvalue().splitlines(), notes.getvalue()


def test_a_photo_that_hardly_looks_like_the_others_is_hinted_at(studio: Studio, tmp_path: Path) -> None:
    faces = tmp_path / "faces"
    add(studio, faces, "Ann", studio.photo(ANN))
    odd = studio.photo(like(ANN, 0.25, 3))
    status, _, notes = add(studio, faces, "Ann", odd)
    assert (
        status == 0
        and f"{odd}: hardly looks like the other photos of Ann (0.25); if wrong, remove {faces}/ann/" in notes
    )
    status, [line], _ = add(studio, faces, "Ann", studio.photo(like(ANN, SOMEBODY_ELSE - 0.2, 4)))
    assert status == 2 and "is of somebody else than the other photos of Ann" in line
    good = add(studio, faces, "Ann", studio.photo(like(ANN, 0.7, 5)))
    assert good[0] == 0 and "hardly" not in good[2]


def test_a_photo_of_bob_may_say_that_this_is_not_ann_and_the_other_way_round(studio: Studio, tmp_path: Path) -> None:

    faces = tmp_path / "faces"
    his, hers = studio.photo(BOB), [studio.photo(like(ANN, 0.9, seed)) for seed in (1, 2)]
    add(studio, faces, "Ann", *hers)
    add(studio, faces, "Bob", his)
    assert add(studio, faces, "Ann", his, negative=True)[0] == 0
    status, [line], _ = add(studio, faces, "Ann", his)
    assert status == 2 and "is in the gallery already, as one who is not Ann: " in line
    status, [line], _ = add(studio, faces, "Bob", hers[0])
    assert status == 2 and "is in the gallery already, as a photo of Ann: " in line
    stranger = studio.photo(person(9))
    assert add(studio, faces, "Ann", stranger, negative=True)[0] == 0
    assert add(studio, faces, "Carl", stranger)[0] == 0, "whom it shows was not known before"


def test_the_denying_picture_that_is_named_is_the_one_that_denies(studio: Studio, tmp_path: Path) -> None:
    faces = tmp_path / "faces"
    add(studio, faces, "Ann", *(studio.photo(like(ANN, 0.9, seed)) for seed in (1, 2, 3)))
    one, other = person(8), person(9)
    denying = [studio.photo(one), studio.photo(other)]
    assert add(studio, faces, "Ann", *denying, negative=True)[0] == 0
    for looks, which in ((one, 0), (other, 1)):
        status, [line], _ = add(studio, faces, "Ann", studio.photo(like(looks, 0.9, 5)))
        [negative] = [p for p in scan(faces).photos if p.path.read_bytes() == denying[which].read_bytes()]
        assert status == 2 and f"remove {negative.path} first" in line


def test_a_denied_face_that_is_unlike_anyway_is_hinted_at(studio: Studio, tmp_path: Path) -> None:
    faces = tmp_path / "faces"
    add(studio, faces, "Ann", *(studio.photo(like(ANN, 0.9, seed)) for seed in (1, 2)))
    assert "is not like Ann anyway (" in add(studio, faces, "Ann", studio.photo(person(7)), negative=True)[2]
    assert "anyway" not in add(studio, faces, "Ann", studio.photo(like(ANN, 0.6, 8)), negative=True)[2]


def test_a_full_disk_or_a_busy_gallery_is_no_wrong_input(
    studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faces = tmp_path / "faces"
    photo = studio.photo(ANN)
    add(studio, faces, "Bob", studio.photo(BOB))
    monkeypatch.setattr(enroll_module, "locked", lambda folder: locked(folder, 0.1))
    with locked(faces):
        status, [line], _ = add(studio, faces, "Ann", photo)
    assert status == 1 and f"{photo}: cannot be put into {faces}: another camwatch writes there" in line
    monkeypatch.setattr(os, "fsync", Full(0))
    status, [line], _ = add(studio, faces, "Ann", photo)
    assert status == 1 and "No space left on device" in line
    monkeypatch.undo()
    assert add(studio, faces, "Ann", photo)[0] == 0 and scan(faces).people == ("Ann", "Bob")


def test_who_is_forgotten_meanwhile_does_not_come_back_as_who_is_not(studio: Studio, tmp_path: Path) -> None:
    faces = tmp_path / "faces"
    add(studio, faces, "Ann", studio.photo(ANN))
    stranger = studio.photo(person(9))
    embed = studio.embed

    def meanwhile(chips: NDArray[np.uint8] | Sequence[Picture]) -> NDArray[np.float32]:
        studio.embed = embed  # type: ignore[method-assign]
        forget(faces, "Ann")
        return embed(chips)

    studio.embed = meanwhile  # type: ignore[method-assign]
    status, [line], _ = add(studio, faces, "Ann", stranger, negative=True)
    assert status == 2 and "nobody is called 'Ann'" in line
    assert scan(faces, allow_empty=True).photos == () and not (faces / "ann").exists()


def test_what_cannot_be_used_is_told_once_however_often_the_gallery_changes(studio: Studio, tmp_path: Path) -> None:
    faces = tmp_path / "faces"
    add(studio, faces, "Bob", studio.photo(BOB))
    (faces / "bob" / "torn.png").write_bytes(b"no picture")
    embed, others = studio.embed, [studio.photo(person(30 + number)) for number in range(2)]
    ann = [studio.photo(like(ANN, 0.9, seed)) for seed in (1, 2)]

    def meanwhile(chips: NDArray[np.uint8] | Sequence[Picture]) -> NDArray[np.float32]:
        rows = embed(chips)
        if others:
            faces_module.store_photo(faces, f"P{len(others)}", others.pop().read_bytes(), ".png")
        return rows

    studio.embed = meanwhile  # type: ignore[method-assign]
    status, _, notes = add(studio, faces, "Ann", *ann)
    assert status == 0 and not others and notes.count("torn.png") == 1


def test_a_gallery_that_never_stands_still_is_given_up(
    studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faces, number = tmp_path / "faces", itertools.count()
    add(studio, faces, "Bob", studio.photo(BOB))

    def restless(folder: Path, **how: Any) -> FolderScan:
        found = scan(folder, **how)
        ghost = PhotoFile("Eve", folder / "Eve" / "x.png", f"{next(number)}")
        return replace(found, photos=(*found.photos, ghost))

    monkeypatch.setattr(enroll_module, "scan", restless)
    status, [line], _ = add(studio, faces, "Ann", studio.photo(ANN))
    assert status == 1 and "changes all the time; try again later" in line and scan(faces).people == ("Bob",)


def test_braces_in_names_stay_as_they_are(studio: Studio, tmp_path: Path) -> None:
    faces = tmp_path / "faces"
    add(studio, faces, "{Ann}", studio.photo(ANN))
    notes = add(studio, faces, "{Ann}", studio.photo(like(ANN, 0.25, 3)))[2]
    assert "hardly looks like the other photos of {Ann} (0.25)" in notes


def test_what_is_counted_and_said_of_the_number_of_photos(studio: Studio, tmp_path: Path) -> None:
    faces = tmp_path / "faces"
    first = studio.photo(like(ANN, 0.9, 1))
    status, lines, notes = add(studio, faces, "Ann", first, first)
    assert status == 0 and [line.split()[0] for line in lines] == ["added", "present"] and "Ann has 1 photo;" in notes
    notes = add(studio, faces, "Ann", studio.photo(person(7)), studio.photo(person(8)), negative=True)[2]
    assert "three to five" not in notes
    assert "Ann has 2 photos;" in add(studio, faces, "Ann", studio.photo(like(ANN, 0.9, 2)))[2]
    assert "three to five" not in add(studio, faces, "Ann", studio.photo(like(ANN, 0.9, 3)))[2]


def test_look_alikes_are_told_of_where_this_person_is_one_of_them(studio: Studio, tmp_path: Path) -> None:
    faces = tmp_path / "faces"
    add(studio, faces, "Ann", studio.photo(ANN))
    notes = add(studio, faces, "Anna", studio.photo(like(ANN, 0.95, 2)), anyway=True)[2]
    assert "Ann and Anna look the same (0.95)" in notes
    assert "look the same" not in add(studio, faces, "Bob", studio.photo(BOB))[2]


def test_photos_of_one_call_are_judged_by_each_other_and_all_are_cached(studio: Studio, tmp_path: Path) -> None:

    faces = tmp_path / "faces"
    status, lines, _ = add(studio, faces, "Ann", studio.photo(ANN), studio.photo(person(5)))
    assert status == 2 and "is of somebody else than the other photos of Ann" in lines[1]
    assert read_cache(faces, "scripted").keys() == {photo.sha256 for photo in scan(faces).photos}


def test_only_who_is_enrolled_can_be_mistaken_for(studio: Studio, tmp_path: Path) -> None:
    add(studio, tmp_path / "faces", "Ann", studio.photo(ANN))
    with pytest.raises(PhotoError, match="nobody is called 'Bob'"):
        add(studio, tmp_path / "faces", "Bob", studio.photo(BOB), negative=True)


class Closeup(Studio):
    """The face fills a chip."""

    def detect(self, pictures: Sequence[Picture], min_face: int) -> list[list[Detection]]:
        marks = ((60.0, 60.0), (100.0, 60.0), (80.0, 80.0), (65.0, 110.0), (95.0, 110.0))
        return [[Detection(Box(30, 20, 130, 140), marks, 0.99)] for _ in pictures]


def test_of_a_face_of_a_visit_the_size_before_it_was_cut_out_is_told(tmp_path: Path) -> None:
    chip = np.random.default_rng(3).integers(0, 255, (160, 160, 3), np.uint8)
    events = watched(tmp_path / "state", stay(ANN, height=61.0, cosine=1.0, chip=chip))
    studio = Closeup(tmp_path)
    studio.photo(ANN)
    _, lines, _ = add(studio, tmp_path / "faces", "Ann", from_event=events[0].event_id, state=tmp_path / "state")
    [line] = lines
    assert line.endswith("face 61 pixels high, sharpness 120")
