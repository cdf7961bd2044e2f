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


def test_videos_of_one_name_are_told_apart() -> None:
    files = [Path("a/hall.mp4"), Path("b/hall.mp4"), Path("b/hall.mkv"), Path("door.mp4"), Path("door.mp4")]
    found = material.scenes(files)
    assert found == {name: (Path(name),) for name in ("a/hall.mp4", "b/hall.mp4", "hall.mkv", "door")} | {
        "hall.mkv": (Path("b/hall.mkv"),),
        "door": (Path("door.mp4"),),
    }


def test_walls_show_each_picture_once_at_each_height(photos: list[Path]) -> None:
    walls = material.walls((320, 360), [*photos, photos[0]])
    panels = [(panel.source, panel.height) for wall in walls for panel in wall.panels]
    heights = [height for source, height in panels if source == 1]
    assert heights == list(material.LADDER[1:])  # the highest would fill more than half
    assert len(panels) == len(set(panels)) == 2 * len(heights) - 1  # the wide one has a height limit
    for wall in walls:
        drawn = np.zeros(wall.picture.shape[:2], int)
        for panel in wall.panels:
            where = np.s_[panel.top : panel.top + panel.height, panel.left : panel.left + panel.width]
            assert drawn[where].shape == (panel.height, panel.width)
            drawn[where] += 1
            assert (wall.picture[where] == ((255, 0, 0), (0, 0, 255))[panel.source]).all()
        assert drawn.max() == 1
        assert (wall.picture[drawn == 0] == 128).all()


def test_walls_of_other_sizes_have_panels_of_other_heights(photos: list[Path]) -> None:
    small, large = (
        {panel.height for wall in material.walls(size, photos[1:]) for panel in wall.panels}
        for size in ((640, 360), (1280, 720))
    )
    assert not small & large


def test_the_origin_of_a_face_is_its_place_in_the_picture_shown(photos: list[Path]) -> None:
    for wall in material.walls((320, 360), photos):
        for panel in wall.panels:
            middle = panel.left + panel.width / 2, panel.top + panel.height / 2
            found = material.origin(wall, (*(v - 1 for v in middle), *(v + 1 for v in middle), 0.9))
            assert found is not None and found.source == panel.source
            assert (found.x, found.y) == pytest.approx(((40, 10), (15, 45))[panel.source], abs=2)
            assert found.height == pytest.approx(2 / panel.scale)
    assert material.origin(wall, (319, 359, 321, 361, 0.9)) is None


def test_no_picture_of_the_footage_is_taken_twice(footage) -> None:
    footage.path("multi_face.jpg")
    shown = material.distinct()
    assert 20 <= len(shown) < 32
    for number, one in enumerate(shown):
        for other in shown[number + 1 :]:
            assert one.shape != other.shape or np.abs(one.astype(int) - other).mean() > 1


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


def test_the_walls_of_a_crowd_differ(photos: list[Path]) -> None:
    half = np.zeros((16, 16, 3), np.uint8)
    half[:, :8] = (0, 0, 255)
    cv2.imwrite(str(photos[0]), half)
    walls = material.crowds({"size": "64x64", "faces": 3, "batch": 4}, photos)
    assert len({wall.tobytes() for wall in walls}) == 4
    assert len({int((wall != 128).any(2).sum()) for wall in walls}) == 1


def test_frames_have_times_of_their_rate() -> None:
    first, second = material.frames("door", [np.zeros((4, 4, 3), np.uint8)] * 2)
    assert (first.seq, first.captured_at, second.seq, second.captured_at) == (0, 0.0, 1, 0.2)
