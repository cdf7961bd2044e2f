"""Boxes on every frame: moving between the analysed ones, and gone where nobody is followed."""

import av
import numpy as np

from camwatch.capture.decode import RawFrame
from camwatch.identification.visit import Followed
from camwatch.records import Box, Picture
from camwatch.tools import annotation
from camwatch.tools.annotation import Painter, draw


def raw(t: float) -> RawFrame:
    grey = np.full((120, 160, 3), 128, np.uint8)
    return RawFrame(t, t, t, False, av.VideoFrame.from_ndarray(grey, format="rgb24"))


def named(x: float, track: int = 1) -> Followed:
    return Followed(track, Box(x, 40.0, x + 40, 100.0), "Ann", False, 0.83)


def left_edge(picture: Picture) -> int | None:
    """Column of the first green pixel in a row below the word, None where there is none."""
    row = picture[90].astype(int)
    green = np.flatnonzero(row[:, 1] - row[:, 0] > 60)
    return int(green[0]) if len(green) else None


def painted() -> tuple[Painter, list[tuple[float, Picture]]]:
    shown: list[tuple[float, Picture]] = []
    return Painter([lambda t, picture: shown.append((t, picture))]), shown


def test_boxes_move_between_analysed_frames() -> None:
    painter, shown = painted()
    painter.analyzed(raw(0.0), [named(20.0)])
    for t in (0.1, 0.2, 0.3):
        painter.frame(raw(t))
    painter.analyzed(raw(0.4), [named(60.0)])
    painter.frame(raw(0.5))
    painter.finish()
    assert [t for t, _ in shown] == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]
    edges = [left_edge(picture) for _, picture in shown]
    assert edges == [19, 29, 39, 49, 59, 59]


def test_a_face_that_is_gone_goes_halfway_and_a_new_one_waits() -> None:
    painter, shown = painted()
    painter.analyzed(raw(0.0), [named(20.0)])
    for t in (0.1, 0.3):
        painter.frame(raw(t))
    painter.analyzed(raw(0.4), [named(100.0, track=2)])
    assert [left_edge(picture) for _, picture in shown] == [19, 19, None, 99]


def test_boxes_do_not_stay_over_a_long_gap() -> None:
    painter, shown = painted()
    painter.analyzed(raw(0.0), [named(20.0)])
    for t in (0.9, 1.1):
        painter.frame(raw(t))
    painter.analyzed(raw(3.0), [])
    assert [left_edge(picture) for _, picture in shown] == [19, 19, None, None]


def test_frames_do_not_pile_up_where_few_are_analysed() -> None:
    painter, shown = painted()
    painter.analyzed(raw(0.0), [named(20.0)])
    for number in range(100):
        painter.frame(raw(0.01 * (number + 1)))
    assert len(shown) > 100 - annotation._MOST_WAITING
    painter.frame(RawFrame(1.1, 1.1, 1.1, True, None))
    painter.finish()
    assert len(shown) == 101


def test_drawing_leaves_the_picture_alone_and_takes_any_box_and_name() -> None:
    picture = np.full((90, 120, 3), 128, np.uint8)
    wild = [
        Followed(1, Box(-500.0, -500.0, 900.0, 900.0), None, False, None),
        Followed(2, Box(110.0, 80.0, 119.0, 89.0), "a name that is far longer than the picture is wide", False, 0.7),
        Followed(3, Box(10.0, 2.0, 40.0, 30.0), "张伟 Żółć", False, None),
    ]
    drawn = draw(picture, wild)
    assert drawn.shape == picture.shape and drawn.dtype == np.uint8
    assert (picture == 128).all() and (drawn != 128).any()


def test_each_standing_has_its_own_colour() -> None:
    picture = np.full((120, 160, 3), 128, np.uint8)
    box = Box(40.0, 40.0, 120.0, 110.0)
    standings = [
        Followed(1, box, "Ann", False, 0.83),
        Followed(1, box, None, True, 0.31),
        Followed(1, box, None, False, None),
    ]
    edges = {tuple(draw(picture, [face])[90, 40].tolist()) for face in standings}
    assert len(edges) == 3
