import numpy as np
import pytest
from numpy.typing import NDArray

from camwatch.engine import crops
from camwatch.engine.crops import OUTSIDE, cut
from camwatch.records import Picture


def cropped(pictures: list[Picture], boxes: NDArray[np.float32], owners: list[int], side: int) -> NDArray[np.uint8]:
    out = np.full((len(boxes), side, side, 3), 77, np.uint8)
    cut(pictures, boxes, np.array(owners, np.int64), side, out)
    return out


def inside(picture: Picture, count: int) -> NDArray[np.float32]:
    """Square boxes that do not leave the picture, from a few pixels to half of it."""
    random = np.random.default_rng(1)
    height, width = picture.shape[:2]
    side = random.uniform(5, min(height, width) / 2, (count, 1))
    corner = random.uniform(0, 1, (count, 2)) * (np.array([width, height]) - side)
    return np.concatenate([corner, corner + side], 1).astype(np.float32)


@pytest.mark.weights
@pytest.mark.parametrize("side", [24, 48])
def test_crops_are_those_that_the_networks_were_trained_with(photos: dict[str, Picture], side: int) -> None:
    import tensorflow as tf

    picture = photos["multi_face.jpg"]
    boxes = inside(picture, 50)
    scale = np.array([*picture.shape[:2], *picture.shape[:2]])
    expected = tf.image.crop_and_resize(
        picture[None].astype(np.float32), boxes[:, [1, 0, 3, 2]] / scale, np.zeros(50, np.int32), (side, side)
    ).numpy()
    difference = np.abs(cropped([picture], boxes, [0] * 50, side) - expected)
    # OpenCV knows 32 places between two pixels
    assert difference.mean() < 0.6
    assert difference.max() < 10


def test_a_box_of_the_whole_picture_shows_its_corners() -> None:
    picture = np.zeros((20, 30, 3), np.uint8)
    picture[0, 0], picture[0, -1], picture[-1, 0], picture[-1, -1] = 10, 20, 30, 40
    [crop] = cropped([picture], np.array([[0, 0, 30, 20]], np.float32), [0], 24)
    assert (crop[0, 0, 0], crop[0, -1, 0], crop[-1, 0, 0], crop[-1, -1, 0]) == (10, 20, 30, 40)


def test_beyond_the_edges_is_grey() -> None:
    picture = np.full((40, 60, 3), 200, np.uint8)
    boxes = np.array([[-40, 0, 0, 40], [-20, 0, 20, 40], [100, 100, 150, 150], [50, -30, 70, -10]], np.float32)
    left, half, far, above = cropped([picture], boxes, [0] * 4, 24)
    assert (left[:, :-1] == OUTSIDE).all() and (far == OUTSIDE).all() and (above == OUTSIDE).all()
    assert (half[:-1, :11] == OUTSIDE).all() and (half[:-1, 13:] == 200).all()


def test_every_crop_comes_from_its_own_picture() -> None:
    pictures = [np.full((40 + i, 50, 3), 50 * i, np.uint8) for i in range(4)]
    boxes = np.tile(np.array([[5, 5, 30, 30]], np.float32), (6, 1))
    owners = [3, 0, 1, 2, 2, 0]
    assert [int(crop.mean()) for crop in cropped(pictures, boxes, owners, 24)] == [50 * owner for owner in owners]


def test_views_give_what_copies_give() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (80, 90, 3), np.uint8)
    for view in (picture[:, ::-1], picture[::2, 10:70:3], picture[..., ::-1], np.asfortranarray(picture)):
        boxes = inside(view, 8)
        assert np.array_equal(cropped([view], boxes, [0] * 8, 24), cropped([view.copy()], boxes, [0] * 8, 24))


def test_no_boxes_touch_nothing() -> None:
    out = np.zeros((0, 24, 24, 3), np.uint8)
    cut([], np.zeros((0, 4), np.float32), np.zeros(0, np.int64), 24, out)
    assert cropped([np.zeros((9, 9, 3), np.uint8)], np.zeros((0, 4), np.float32), [], 24).shape == (0, 24, 24, 3)


def test_a_picture_of_one_pixel_and_boxes_without_size() -> None:
    dot = np.full((1, 1, 3), 90, np.uint8)
    boxes = np.array([[0, 0, 1, 1], [-5, -5, 5, 5], [0, 0, 0, 0]], np.float32)
    assert cropped([dot], boxes, [0] * 3, 24)[0, 0, 0].tolist() == [90, 90, 90]


def test_a_huge_picture_is_cut_like_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (60, 400, 3), np.uint8)
    boxes = np.concatenate([inside(picture, 30), [[-10, -10, 30, 30], [390, 40, 420, 70], [900, 0, 920, 20]]])
    boxes = boxes.astype(np.float32)
    usual = cropped([picture], boxes, [0] * 33, 24).astype(int)
    monkeypatch.setattr(crops, "_FARTHEST", 100)
    assert np.abs(cropped([picture], boxes, [0] * 33, 24) - usual).max() <= 1  # rounded from elsewhere


@pytest.mark.parametrize("shape", [(50, 40_000), (40_000, 50)])
def test_the_far_end_of_a_huge_picture_is_reached(shape: tuple[int, int]) -> None:
    picture = np.zeros((*shape, 3), np.uint8)
    picture[-50:, -50:] = 200
    end = np.array([shape[1], shape[0]], np.float32)
    [crop] = cropped([picture], np.concatenate([end - 30, end - 5])[None], [0], 24)
    assert (crop == 200).all()
