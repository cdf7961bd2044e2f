import numpy as np
import pytest

from camwatch.engine.stillness import LONGEST, Stillness, blocks_of
from camwatch.records import Box, Detection, Frame, Picture

FOUND = [Detection(Box(1, 2, 41, 52), ((1, 1), (2, 1), (1, 2), (1, 3), (2, 3)), 0.99)]


def scene(seed: int = 0) -> Picture:
    rough = np.random.default_rng(seed).integers(20, 230, (9, 16, 3)).astype(np.uint8)
    return rough.repeat(40, 0).repeat(40, 1)


def frame(picture: Picture, at: float = 0.0, camera: str = "door") -> Frame:
    return Frame(camera, 0, at, at, None, picture)


def ask(still: Stillness, picture: Picture, at: float, min_face: int = 40) -> list[Detection] | None:
    return still.known(frame(picture, at), blocks_of(picture, min_face), min_face)


@pytest.fixture
def still() -> Stillness:
    still = Stillness()
    still.searched(frame(scene()), blocks_of(scene(), 40), 40, FOUND)
    return still


def test_a_still_picture_needs_no_search_whatever_the_noise(still: Stillness) -> None:
    noise = np.random.default_rng(1).normal(0, 4, scene().shape)
    noisy = np.clip(scene() + noise, 0, 255).astype(np.uint8)
    assert ask(still, noisy, 1.0) == FOUND
    assert still.spared == 1


@pytest.mark.parametrize(("min_face", "side"), [(40, 20), (20, 10)])
def test_something_half_as_large_as_the_smallest_face_is_noticed(min_face: int, side: int) -> None:
    still = Stillness()
    still.searched(frame(scene()), blocks_of(scene(), min_face), min_face, [])
    for shift in range(0, 40, 7):
        changed = scene()
        spot = changed[100 + shift : 100 + shift + side, 203 + shift : 203 + shift + side]
        spot[:] = np.where(spot > 128, spot - 30, spot + 30)
        assert ask(still, changed, 0.2, min_face) is None


def test_slow_change_adds_up(still: Stillness) -> None:
    asked = [ask(still, np.clip(scene() + step, 0, 255).astype(np.uint8), 0.2 * step) for step in range(8)]
    assert asked[2] is not None
    assert asked[7] is None


def test_no_answer_is_used_for_long_or_for_something_else(still: Stillness) -> None:
    assert ask(still, scene(), LONGEST) is not None
    assert ask(still, scene(), LONGEST + 0.1) is None
    assert ask(still, scene(), -1.0) is None, "a recording began again"
    assert ask(still, scene(), 1.0, 30) is None
    assert ask(still, scene()[:, :-80].copy(), 1.0) is None
    other = frame(scene(), 1.0, "garden")
    assert still.known(other, blocks_of(other.picture, 40), 40) is None


def test_only_so_many_cameras_are_remembered(still: Stillness) -> None:
    for number in range(400):
        still.searched(frame(scene(), 0.0, f"photo {number}"), blocks_of(scene(), 40), 40, [])
    assert len(still._last) == 256
    assert ask(still, scene(), 1.0) is None


def test_tiny_pictures_have_blocks(still: Stillness) -> None:
    for shape in [(1, 1, 3), (1, 50, 3), (3, 2, 3)]:
        assert blocks_of(np.zeros(shape, np.uint8), 200).size
