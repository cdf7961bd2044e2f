import numpy as np
import pytest

from camwatch.engine.alignment import LARGE, MARGIN, SMALL, WIDE_MARGIN, chip, crop, margin_for, views
from camwatch.records import Box

GRADIENT = np.zeros((100, 200, 3), np.uint8)
GRADIENT[..., 0] = np.arange(200)[None, :]
GRADIENT[..., 1] = np.arange(100)[:, None]


def test_a_chip_shows_the_box_and_a_margin_around_it() -> None:
    face = chip(GRADIENT, Box(60, 20, 110, 70), margin=0.2)

    assert face.shape == (160, 160, 3)
    assert face.dtype == np.uint8
    assert face.flags.c_contiguous
    assert 54 <= face[80, 0, 0] <= 56  # 10 % of 50 pixels to the left of 60
    assert 113 <= face[80, -1, 0] <= 115
    assert 14 <= face[0, 80, 1] <= 16
    assert 73 <= face[-1, 80, 1] <= 75


def test_a_box_that_leaves_the_picture_is_clipped_not_padded() -> None:
    face = chip(GRADIENT, Box(-30, -10, 40, 60), margin=0, size=40)

    assert face[20, 0, 0] == 0
    assert 38 <= face[20, -1, 0] <= 40


def test_a_box_outside_the_picture_is_refused() -> None:
    with pytest.raises(ValueError, match="outside the picture"):
        chip(GRADIENT, Box(250, 10, 290, 60))
    assert crop(GRADIENT, Box(250, 10, 290, 60)).size == 0
    assert crop(GRADIENT, Box(-20, 10, 0, 60)).size == 0


def test_a_box_of_less_than_a_pixel_still_gives_a_chip() -> None:
    assert chip(GRADIENT, Box(199.5, 99.5, 199.9, 99.9), margin=0, size=8)[4, 4, 0] == 199


def test_shrinking_averages_instead_of_skipping_pixels() -> None:
    checkered = np.zeros((640, 640, 3), np.uint8)
    checkered[::2, ::2] = checkered[1::2, 1::2] = 255

    face = chip(checkered, Box(0, 0, 640, 640), margin=0)

    assert face.min() >= 126
    assert face.max() <= 129


def test_the_chip_does_not_keep_the_picture_alive() -> None:
    picture = GRADIENT.copy()

    face = chip(picture, Box(20, 20, 180, 80), margin=0, size=60)
    picture[:] = 7

    assert not np.shares_memory(face, picture)
    assert face.max() > 100


def test_a_small_face_gets_a_wide_margin_and_none_of_them_jumps() -> None:
    margins = [margin_for(Box(0, 0, 50, height)) for height in np.arange(20, 200, 1.0)]

    assert margins[0] == margin_for(Box(0, 0, 90, SMALL)) == WIDE_MARGIN
    assert margins[-1] == margin_for(Box(0, 0, 30, LARGE)) == MARGIN
    steps = np.diff(margins)
    assert (steps <= 0).all()
    assert (steps > -0.01).all()
    small, large = Box(90, 40, 110, 60), Box(50, 0, 150, 100)
    assert np.array_equal(chip(GRADIENT, small), chip(GRADIENT, small, margin=WIDE_MARGIN))
    assert np.array_equal(chip(GRADIENT, large), chip(GRADIENT, large, margin=MARGIN))


def test_a_photo_is_seen_closely_and_widely_and_mirrored() -> None:
    large = Box(50, 0, 150, 100)
    close, mirrored, wide, wide_mirrored = views(GRADIENT, large)

    assert np.array_equal(close, chip(GRADIENT, large))
    assert np.array_equal(wide, chip(GRADIENT, large, margin=WIDE_MARGIN))
    assert wide[80, 0, 0] < close[80, 0, 0]
    assert np.array_equal(mirrored, close[:, ::-1])
    assert np.array_equal(wide_mirrored, wide[:, ::-1])


def test_a_chip_that_shrinks_is_averaged() -> None:
    board = (np.indices((640, 640)).sum(axis=0) % 2 * 255).astype(np.uint8)
    small = chip(np.repeat(board[..., None], 3, axis=2), Box(80, 80, 560, 560), margin=0.0)  # a third of its size
    assert small.std() < 20 and abs(float(small.mean()) - 127.5) < 2
