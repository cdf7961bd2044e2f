import cv2
import numpy as np
import pytest

from camwatch.engine.quality import quality, score, sharpness, sketch, turn
from camwatch.records import Box, Detection, Landmarks, Picture

NOISE: Picture = np.random.default_rng(1).integers(0, 256, (240, 320, 3)).astype(np.uint8)
NOISE = np.asarray(cv2.GaussianBlur(NOISE, (0, 0), 1), np.uint8)
FRONTAL: Landmarks = ((120, 90), (160, 90), (140, 110), (125, 130), (155, 130))


BOX = Box(100, 60, 180, 160)


def detection(box: Box = BOX, landmarks: Landmarks = FRONTAL) -> Detection:
    return Detection(box, landmarks, 0.99)


def nose_at(x: float, y: float = 110) -> Detection:
    left, right, _, left_mouth, right_mouth = FRONTAL
    return detection(landmarks=(left, right, (x, y), left_mouth, right_mouth))


def test_turn_grows_with_the_noses_way_from_the_middle_to_either_side() -> None:
    assert turn(nose_at(140)) == 0
    assert turn(nose_at(150)) == pytest.approx(0.25)
    assert turn(nose_at(130)) == pytest.approx(0.25)
    assert turn(nose_at(500)) == 1


def test_turn_does_not_change_when_the_head_is_tilted_or_nearer() -> None:
    angle, factor = np.deg2rad(40), 3.0
    rotation = factor * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    straight = nose_at(152)
    moved = [tuple(map(float, rotation @ point)) for point in straight.landmarks]

    tilted = detection(landmarks=(moved[0], moved[1], moved[2], moved[3], moved[4]))

    assert turn(tilted) == pytest.approx(turn(straight))


def test_eyes_in_one_place_count_as_turned_away() -> None:
    eye = (140.0, 90.0)

    assert turn(detection(landmarks=(eye, eye, (141, 110), (125, 130), (155, 130)))) == 1


def test_a_blurred_face_is_less_sharp_and_so_is_one_of_few_pixels() -> None:
    face = NOISE[60:160, 100:180]
    blurred = np.asarray(cv2.GaussianBlur(face, (0, 0), 3), np.uint8)
    small = np.asarray(cv2.resize(face, (20, 25), interpolation=cv2.INTER_AREA), np.uint8)

    assert sharpness(face) > 5 * sharpness(blurred)
    assert sharpness(face) > 5 * sharpness(small)
    assert sharpness(np.full((50, 50, 3), 90, np.uint8)) == 0


def test_quality_of_a_face_partly_and_wholly_outside() -> None:
    partly = quality(NOISE, detection(Box(-40, -50, 40, 50)))
    assert partly.height == 100
    assert partly.sharpness > 0

    wholly = quality(NOISE, detection(Box(400, 400, 480, 500)))
    assert wholly.sharpness == 0
    assert wholly.score == 0


def test_the_score_is_between_0_and_1_and_grows_with_each_part() -> None:
    assert score(400, 4000, 0) == 1
    assert score(0, 100, 0) == score(100, 0, 0) == score(100, 100, 1) == 0
    assert score(80, 60, 0.1) > score(40, 60, 0.1) > score(20, 60, 0.1)
    assert score(80, 60, 0.1) > score(80, 20, 0.1)
    assert score(80, 60, 0.1) > score(80, 60, 0.3)


def test_a_sketch_knows_a_face_again_in_other_light_and_tells_another_one_apart() -> None:
    one, other = (cv2.resize(NOISE[y : y + 12, :16], (320, 240), interpolation=cv2.INTER_CUBIC) for y in (0, 100))
    known = sketch(one, BOX)
    assert known.shape == (64,) and known.dtype == np.float32
    assert float(known @ known) == pytest.approx(1, abs=1e-5) and float(known.sum()) == pytest.approx(0, abs=1e-4)
    darker, nearly = (one // 2 + 20).astype(np.uint8), Box(102, 62, 183, 161)
    assert float(known @ sketch(darker, nearly)) > 0.9
    assert float(known @ sketch(other, BOX)) < 0.6


def test_a_sketch_of_an_even_face_and_of_one_at_the_edge_is_a_sketch() -> None:
    even = np.full((240, 320, 3), 90, np.uint8)
    assert not sketch(even, BOX).any()
    assert np.isfinite(sketch(NOISE, Box(-70, -90, 3, 3))).all()
