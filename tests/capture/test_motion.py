import itertools

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from camwatch.capture.decode import RawFrame
from camwatch.capture.motion import HOLD, LEARNING, SIZE, MotionGate

WIDTH, HEIGHT = SIZE
Luma = NDArray[np.uint8]


def scene(level: int = 90) -> Luma:
    picture = np.full((HEIGHT, WIDTH), level, np.uint8)
    picture[50:, ::20] = 40
    return picture


def person(left: int, *, top: int = 30, width: int = 10, height: int = 40, level: int = 200) -> Luma:
    picture = scene()
    picture[top : top + height, left : left + width] = level
    return picture


def settled(gate: MotionGate, until: float = 10.0, fps: float = 5.0) -> float:
    """Show the empty scene until the gate has closed; the time of the next frame."""
    for i in range(round(until * fps)):
        gate.open(scene(), i / fps)
    return until


def quiet(**settings: object) -> MotionGate:
    return MotionGate(floor_fps=0, **settings)  # type: ignore[arg-type]


def test_the_first_picture_opens_and_a_still_scene_closes() -> None:
    gate = quiet()
    opened = [gate.open(scene(), i / 5) for i in range(50)]
    assert opened[0]
    assert not any(opened[round(HOLD * 5) + 1 :])


def test_a_disabled_gate_is_always_open() -> None:
    gate = MotionGate(enabled=False, floor_fps=0)
    assert all(gate.open(scene(), i / 5) for i in range(20))


def test_the_floor_rate_opens_in_a_still_scene() -> None:
    gate = MotionGate(floor_fps=0.5)
    opened = [i / 5 for i in range(500) if gate.open(scene(), i / 5)]
    later = [t for t in opened if t >= 10]
    assert len(later) == 45  # 90 s, one in 2 s
    assert all(1.9 < b - a < 2.1 for a, b in itertools.pairwise(later))


def test_something_that_moves_keeps_it_open() -> None:
    gate = quiet()
    start = settled(gate)
    assert all(gate.open(person(5 + 3 * i), start + i / 5) for i in range(45))


def test_who_walks_in_and_stands_still_is_seen_for_some_seconds_and_then_is_background() -> None:
    gate = quiet()
    start = settled(gate)
    opened = [gate.open(person(70), start + i / 5) for i in range(200)]
    assert all(opened[: 5 * 4])
    assert not any(opened[round(5 * (LEARNING * 3 + HOLD)) :])


@pytest.mark.parametrize("stay", [3.0, 15.0])
def test_it_closes_when_a_visitor_has_gone_and_opens_for_the_next_one(stay: float) -> None:
    gate = quiet()
    start = settled(gate)
    for i in range(round(stay * 5)):
        gate.open(person(70), start + i / 5)
    left = start + stay
    after = [gate.open(scene(), left + i / 5) for i in range(50)]
    assert not any(after[round(5 * HOLD) + 1 :])
    assert gate.open(person(70), left + 10)


def test_what_stays_long_enough_is_noticed_when_it_goes() -> None:
    gate = quiet()
    start = settled(gate)
    for i in range(5 * 1000):
        gate.open(person(70), start + i / 5)
    assert gate.open(scene(), start + 1000)


def test_it_stays_open_for_a_moment_after_the_motion() -> None:
    gate = quiet()
    start = settled(gate)
    assert gate.open(person(70), start)  # one picture only
    assert gate.open(scene(), start + HOLD * 0.9)
    assert not gate.open(scene(), start + HOLD * 1.1)


def test_a_head_at_the_edge_is_enough_and_noise_is_not() -> None:
    gate = quiet()
    start = settled(gate)
    assert gate.open(person(156, top=0, width=4, height=5), start)

    gate, noise = quiet(), np.random.default_rng(1)

    def noisy() -> Luma:
        return np.clip(scene() + noise.normal(0, 6, (HEIGHT, WIDTH)), 0, 255).astype(np.uint8)

    opened = [gate.open(noisy(), i / 5) for i in range(200)]
    assert not any(opened[10:])


def test_the_noise_of_a_sensor_at_night_is_averaged_away_before_the_gate_sees_it() -> None:
    gate, noise = quiet(), np.random.default_rng(1)
    still = np.kron(noise.integers(50, 200, (18, 32)), np.ones((20, 20)))
    opened = []
    for i in range(40):
        y = np.clip(still + noise.normal(0, 20, still.shape), 16, 235).astype(np.uint8)
        image = av.VideoFrame.from_ndarray(np.vstack([y, np.full((180, 640), 128, np.uint8)]), format="yuv420p")
        opened.append(gate.open(RawFrame(None, 0.0, 0.0, False, image).luma(*SIZE), i / 5))
    assert opened[0]
    assert not any(opened[10:])


def test_a_global_change_of_brightness_opens_once_and_closes_again() -> None:
    gate = quiet()
    start = settled(gate)
    opened = [gate.open(scene(180), start + i / 5) for i in range(50)]
    assert all(opened[: round(LEARNING * 5)])
    assert not any(opened[round(LEARNING * 5) + 1 :])


def test_somebody_right_before_the_lens_is_no_more_overlooked_than_others() -> None:
    gate = quiet()
    start = settled(gate)
    near = scene()
    near[:, : round(WIDTH * 0.78)] = 40
    opened = [gate.open(near, start + i / 5) for i in range(50)]
    assert all(opened[: round(LEARNING * 5)])
    assert gate.open(scene(), start + 60)  # and he goes


def test_slow_light_is_learnt() -> None:
    gate = quiet()
    start = settled(gate)
    dusk = [
        gate.open(np.clip(scene().astype(int) - i // 10, 0, 255).astype(np.uint8), start + i / 5) for i in range(600)
    ]
    assert not any(dusk)


MASK_LEFT = [[0.0, 0.0], [0.5, 0.0], [0.5, 1.0], [0.0, 1.0]]


def test_motion_under_a_mask_is_ignored_and_beside_it_is_not() -> None:
    gate = quiet(masks=[MASK_LEFT])
    start = settled(gate)
    assert not any(gate.open(person(10 + i), start + i / 5) for i in range(50))
    assert gate.open(person(90), start + 10)


def test_masks_are_fractions_of_any_size() -> None:
    gate = quiet(masks=[MASK_LEFT, [[0.9, 0], [1, 0], [1, 0.1]]])
    small = np.full((36, 64), 90, np.uint8)
    for i in range(20):
        gate.open(small, i / 5)
    moved = small.copy()
    moved[10:20, 5:25] = 200
    assert not gate.open(moved, 4.0)
    moved[10:20, 40:50] = 200
    assert gate.open(moved, 4.2)


def test_a_mask_over_everything_leaves_the_floor() -> None:
    gate = MotionGate(floor_fps=1, masks=[[[0, 0], [1, 0], [1, 1], [0, 1]]])
    opened = [i for i in range(100) if gate.open(person(i), i / 5)]
    assert len([i for i in opened if i >= 20]) == 16


def test_a_change_of_size_opens() -> None:
    gate = quiet()
    start = settled(gate)
    assert gate.open(np.full((60, 100), 90, np.uint8), start)


def test_a_jump_back_in_time_opens_and_does_not_hold_for_ever() -> None:
    gate = quiet()
    for i in range(50):
        gate.open(person(i), 5000 + i / 5)
    opened = [gate.open(person(49), 10 + i / 5) for i in range(50)]
    assert opened[0]
    assert not any(opened[round(HOLD * 5) + 1 :])


@pytest.mark.parametrize("mask", [[[0, 0], [1, 1]], [[0, 0], [1, 1], [1]], [[0, 0, 0], [1, 1, 0], [0, 1, 0]]])
def test_a_mask_that_is_no_polygon_is_refused(mask: list[list[float]]) -> None:
    with pytest.raises(ValueError, match="polygon"):
        MotionGate(masks=[mask])


@pytest.mark.parametrize("floor", [-1.0, float("nan")])
def test_an_impossible_floor_is_refused(floor: float) -> None:
    with pytest.raises(ValueError, match="floor_fps"):
        MotionGate(floor_fps=floor)
