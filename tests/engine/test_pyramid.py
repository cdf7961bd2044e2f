from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from camwatch.engine import pyramid
from camwatch.engine.pyramid import Layout, blank, paint, plan
from camwatch.records import Picture

sizes = st.tuples(st.integers(1, 900), st.integers(1, 900))
min_faces = st.integers(12, 200)


def smooth(width: int, height: int) -> Picture:
    """A picture whose colours tell where in it one is, and which every good reduction renders alike."""
    rows, columns = np.mgrid[0:height, 0:width]
    channels = [columns * 255 / width, rows * 255 / height, 128 + 0 * rows]
    return np.stack(channels, -1).astype(np.uint8)


def painted(picture: Picture, layout: Layout) -> Picture:
    canvas = blank(layout, 1)[0]
    paint(picture, layout, canvas)
    return canvas


def test_the_first_scale_makes_the_smallest_face_fill_the_window() -> None:
    assert pyramid.scales(640, 360, 40)[0] == 12 / 40
    assert pyramid.scales(640, 360, 12)[0] == 1


@given(sizes, min_faces)
def test_levels_shrink_until_no_window_fits(size: tuple[int, int], min_face: int) -> None:
    found = pyramid.scales(*size, min_face)
    assert all(min(size) * scale >= 11.99 for scale in found)
    following = (found[-1] if found else 12 / min_face / 0.709) * 0.709
    assert min(size) * following < 12
    assert all(later == pytest.approx(former * 0.709) for former, later in pairwise(found))


@pytest.mark.parametrize("side", range(12, 200))
def test_a_picture_as_large_as_the_smallest_face_has_one_level(side: int) -> None:
    layout = plan(side, side, side)
    assert [(level.width, level.height) for level in layout.levels] == [(12, 12)]
    assert layout.owner.tolist() == [[0]]


@pytest.mark.parametrize(("width", "height"), [(0, 0), (5, 300), (39, 39), (300, 39)])
def test_a_picture_smaller_than_the_smallest_face_has_no_levels(width: int, height: int) -> None:
    layout = plan(width, height, 40)
    assert layout.levels == ()
    assert layout.owner.size == 0


@given(sizes, min_faces)
def test_levels_lie_apart_inside_the_canvas(size: tuple[int, int], min_face: int) -> None:
    layout = plan(*size, min_face)
    taken = np.zeros((layout.height, layout.width), np.int64)
    for level in layout.levels:
        assert (level.x % 2, level.y % 2) == (0, 0)
        assert level.x + level.width <= layout.width
        assert level.y + level.height <= layout.height
        # an odd side also owns the pixel that repeats its edge
        bottom, right = level.y + level.height + level.height % 2, level.x + level.width + level.width % 2
        taken[level.y : bottom, level.x : right] += 1
    assert taken.max(initial=0) <= 1


@given(sizes, min_faces)
def test_every_window_of_every_level_is_owned_and_no_other(size: tuple[int, int], min_face: int) -> None:
    layout = plan(*size, min_face)
    for number, level in enumerate(layout.levels):
        rows, columns = np.nonzero(layout.owner == number)
        assert (columns.min(), rows.min()) == tuple(layout.origins[number])
        assert columns.max() * 2 + 12 == level.x + level.width + level.width % 2
        assert rows.max() * 2 + 12 == level.y + level.height + level.height % 2
        assert len(rows) == (np.ptp(rows) + 1) * (np.ptp(columns) + 1)
    assert layout.owner.max(initial=-1) == len(layout.levels) - 1


@pytest.mark.parametrize("width, height", [(640, 360), (1280, 720), (1920, 1080), (250, 250), (480, 800)])
def test_the_canvas_wastes_little(width: int, height: int) -> None:
    layout = plan(width, height, 40)
    used = sum(level.width * level.height for level in layout.levels)
    assert layout.width * layout.height < 1.25 * used


@pytest.mark.parametrize("width, height", [(640, 360), (641, 363), (250, 250), (200, 900)])
def test_each_level_shows_the_whole_picture(width: int, height: int) -> None:
    picture = smooth(width, height)
    layout = plan(width, height, 20)
    canvas = painted(picture, layout)
    for level in layout.levels:
        drawn = canvas[level.y : level.y + level.height, level.x : level.x + level.width].astype(int)
        expected = cv2.resize(picture, (level.width, level.height), interpolation=cv2.INTER_AREA).astype(int)
        assert np.abs(drawn - expected).max() <= 2


@pytest.mark.parametrize("width, height", [(640, 480), (641, 363), (1280, 722)])
def test_what_is_too_fine_for_a_level_becomes_even_there(width: int, height: int) -> None:
    rows, columns = np.mgrid[0:height, 0:width]
    picture = np.repeat(np.uint8(255) * ((rows + columns) % 2 == 0)[..., None].astype(np.uint8), 3, -1)
    layout = plan(width, height, 30)
    canvas = painted(picture, layout)
    for level in layout.levels:
        drawn = canvas[level.y : level.y + level.height, level.x : level.x + level.width].astype(int)
        assert np.abs(drawn - 128).max() <= (16 if (width % 4, height % 4) == (0, 0) else 64)


def test_odd_edges_are_repeated() -> None:
    layout = plan(333, 251, 12)
    level = layout.levels[0]
    assert (level.width, level.height) == (333, 251)
    canvas = painted(smooth(333, 251), layout)
    assert np.array_equal(canvas[251, :333], canvas[250, :333])
    assert np.array_equal(canvas[:251, 333], canvas[:251, 332])


def test_painting_does_not_touch_the_picture() -> None:
    picture = smooth(320, 240)
    before = picture.copy()
    painted(picture, plan(320, 240, 12))
    assert np.array_equal(picture, before)
