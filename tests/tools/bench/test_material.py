"""What is timed: pictures of one size, scenes, walls of faces."""

from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from camwatch.errors import InputError
from camwatch.tools.bench import material


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    """Two pictures, one red and wide, one blue and high."""
    files = []
    for name, shape, colour in (("a.png", (20, 80, 3), (0, 0, 255)), ("b.png", (90, 30, 3), (255, 0, 0))):
        cv2.imwrite(str(tmp_path / name), np.full(shape, colour, np.uint8))
        files.append(tmp_path / name)
    return files


@pytest.mark.parametrize("shape", [(20, 80, 3), (90, 30, 3), (48, 64, 3), (7, 5, 3)])
def test_cover_fills_the_size_and_keeps_the_middle(shape: tuple[int, int, int]) -> None:
    picture = np.zeros(shape, np.uint8)
    picture[shape[0] // 2, shape[1] // 2] = 255
    covered = material.cover(picture, 64, 48)
    assert covered.shape == (48, 64, 3) and covered.flags.c_contiguous
    assert covered[16:32, 20:44].max() > 0


def test_pictures_are_taken_from_all_files_in_turn(photos: list[Path]) -> None:
    half = np.zeros((9, 16, 3), np.uint8)
    half[:, :8] = (0, 0, 255)
    cv2.imwrite(str(photos[0]), half)
    shown = material.pictures((16, 9), 5, photos)
    assert [picture.shape for picture in shown] == [(9, 16, 3)] * 5
    # RGB: a half red one and a blue one; then the same mirrored; then again
    assert [picture[0, 0].tolist() for picture in shown] == [
        [255, 0, 0],
        [0, 0, 255],
        [0, 0, 0],
        [0, 0, 255],
        [255, 0, 0],
    ]


def test_a_file_that_is_no_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.jpg").write_bytes(b"no")
    with pytest.raises(InputError, match=r"x\.jpg: cannot be read as a picture"):
        material.pictures((16, 9), 1, [tmp_path / "x.jpg"])


def test_videos_of_the_user_are_scenes_of_their_own(photos: list[Path]) -> None:
    assert material.scenes([*photos, Path("hall.mp4")]) == {"hall": (Path("hall.mp4"),)}


def test_packaged_scenes(footage) -> None:
    footage.path("no_face.mp4")
    shown = {name: material.scene(clips, 40) for name, clips in material.scenes().items()}
    assert {name: (len(each), each[0].shape[0]) for name, each in shown.items()} == {
        "talk": (40, 360),
        "quiet": (40, 360),
    }
    # a clip that ends goes on backwards: no jump from the end to the beginning
    quiet = [picture.astype(int) for picture in shown["quiet"]]
    steps = [np.abs(a - b).mean() for a, b in pairwise(quiet)]
    assert max(steps) < 3 * max(steps[:18])


def test_a_wall_has_as_many_panels_as_asked_for(photos: list[Path]) -> None:
    for faces in (0, 1, 16):
        wall = material.crowd((64, 64), faces, photos)
        panels = wall.reshape(4, 16, 4, 16, 3).swapaxes(1, 2).reshape(16, -1)
        assert [bool((panel != 128).any()) for panel in panels] == [number < faces for number in range(16)]


def test_frames_have_times_of_their_rate() -> None:
    first, second = material.frames("door", [np.zeros((4, 4, 3), np.uint8)] * 2)
    assert (first.seq, first.captured_at, second.seq, second.captured_at) == (0, 0.0, 1, 0.2)
