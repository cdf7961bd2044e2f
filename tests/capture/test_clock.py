import pytest

from camwatch.capture.clock import SETTLE, WallClock

START = 1_800_000_000.0


def test_a_step_does_not_tear_the_times_of_a_stream() -> None:
    clock = WallClock(START, 100.0)
    times = [clock.at(START + t + (3600 if t > 5 else 0), 100.0 + t) for t in range(20)]
    assert times == [START + t for t in range(20)]


@pytest.mark.parametrize("step", [3600.0, -3600.0, 1.0])
def test_a_step_that_lasts_is_followed_once(step: float) -> None:
    clock = WallClock(START, 100.0)
    times = [clock.at(START + t + step, 100.0 + t) for t in range(200)]
    jumps = [i for i in range(1, 200) if abs(times[i] - times[i - 1] - 1) > 1e-6]
    assert len(jumps) == 1
    assert abs(jumps[0] - SETTLE) <= 1
    assert times[-1] == START + 199 + step


def test_a_step_that_is_taken_back_leaves_no_trace() -> None:
    clock = WallClock(START, 0.0)
    for t in range(300):
        assert clock.at(START + t + (7200 if (t // 50) % 2 else 0), float(t)) == START + t


def test_small_differences_of_the_clocks_are_no_steps() -> None:
    clock = WallClock(START, 0.0)
    assert clock.at(START + 1000.4, 1000.0) == START + 1000
    assert clock.at(START + 2000.4, 2000.0) == START + 2000
