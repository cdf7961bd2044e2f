import itertools
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camwatch.capture.sampling import DRIFT, FrameSampler, StreamTime


def kept(fps: float, times: list[float]) -> list[float]:
    sampler = FrameSampler(fps)
    return [t for t in times if sampler.due(t)]


def stream(fps: float, seconds: float, *, jitter: float = 0.0, seed: int = 1) -> list[float]:
    dice = random.Random(seed)
    return [i / fps + dice.uniform(-jitter, jitter) * (i > 0) for i in range(round(fps * seconds))]


@pytest.mark.parametrize("rate", [25.0, 30.0, 12.5, 24.0, 29.97, 7.0, 5.0])
@pytest.mark.parametrize("origin", [0.0, 1.7e9])
def test_keeps_the_rate_in_every_second_of_an_hour(rate: float, origin: float) -> None:
    times = [origin + t for t in stream(rate, 3600)]
    chosen = kept(5, times)
    assert abs(len(chosen) - 3600 * 5) <= 1
    if rate in (25.0, 30.0):
        for second in range(0, 3600, 100):
            assert sum(second <= t - origin + 1e-5 < second + 1 for t in chosen) == 5


@pytest.mark.parametrize("jitter", [0.005, 0.015])
def test_25_frames_a_second_give_exactly_5_whatever_the_jitter(jitter: float) -> None:
    chosen = kept(5, stream(25, 200, jitter=jitter))
    assert len(chosen) == 1000
    for index, t in enumerate(chosen):
        assert abs(t - index / 5) < 0.04  # the nearest frame to its grid point, no drift


def test_a_stream_of_the_same_rate_is_kept_whole_in_spite_of_jitter() -> None:
    times = stream(5, 100, jitter=0.04)
    assert kept(5, times) == times


@pytest.mark.parametrize("rate", [0.5, 1.0, 3.0, 4.0])
def test_a_slower_stream_is_kept_whole(rate: float) -> None:
    times = stream(rate, 60)
    assert kept(5, times) == times


def test_a_rate_that_changes_is_followed() -> None:
    fast, slow = stream(25, 10), [10 + i / 4 for i in range(40)]
    chosen = kept(5, fast + slow)
    assert len([t for t in chosen if t < 10]) == 50
    assert [t for t in chosen if t >= 11] == [t for t in slow if t >= 11]


def test_after_a_gap_the_next_frame_is_due_and_none_is_made_up_for() -> None:
    before, after = stream(25, 2), [60.03 + i / 25 for i in range(50)]
    chosen = kept(5, before + after)
    assert chosen[:10] == kept(5, before)
    assert chosen[10] == after[0]
    assert 10 <= len(chosen[10:]) <= 11


@pytest.mark.parametrize("back", [0.15, 1.0, 9.99])
def test_a_jump_back_in_time_goes_on_at_once(back: float) -> None:
    before = stream(25, 10)
    after = [before[-1] - back + i / 25 for i in range(250)]
    sampler = FrameSampler(5)
    for t in before:
        sampler.due(t)
    chosen = [t for t in after if sampler.due(t)]
    assert 49 <= len(chosen) <= 51
    assert chosen[0] - after[0] <= 0.2


@given(
    fps=st.floats(0.1, 60),
    steps=st.lists(st.floats(0, 3, allow_nan=False), min_size=1, max_size=200),
)
def test_never_more_than_the_rate(fps: float, steps: list[float]) -> None:
    times = [math.fsum(steps[:i]) for i in range(len(steps))]
    chosen = kept(fps, times)
    assert chosen[0] == times[0]
    for start in range(len(chosen)):  # in every window, not only on the whole
        assert len(chosen) - start <= (times[-1] - chosen[start]) * fps + 2.01


@pytest.mark.parametrize("fps", [0.0, -1.0, math.inf, math.nan])
def test_an_impossible_rate_is_refused(fps: float) -> None:
    with pytest.raises(ValueError, match="fps"):
        FrameSampler(fps)


class TestStreamTime:
    def test_presentation_times_are_believed_over_the_jitter_of_arrival(self) -> None:
        time = StreamTime(live=True)
        dice = random.Random(3)
        arrivals = itertools.accumulate((50 + i / 25 + dice.uniform(0, 0.2) for i in range(1000)), max)
        times = [time.at(700 + i / 25, arrival) for i, arrival in enumerate(arrivals)]
        assert all(b - a == pytest.approx(0.04, abs=0.012) for a, b in itertools.pairwise(times))
        assert len(kept(5, times)) == pytest.approx(200, abs=1)

    @pytest.mark.parametrize("speed", [0.7, 0.9, 1.1, 1.5])
    def test_a_clock_that_runs_at_a_wrong_speed_is_led(self, speed: float) -> None:
        time = StreamTime(live=True)
        times = [time.at(i / 25 * speed, i / 25) for i in range(2500)]
        assert len(kept(5, times)) == pytest.approx(500, abs=2)

    def test_a_first_frame_without_one_makes_no_jump(self) -> None:
        time = StreamTime(live=True)
        assert [time.at(pts, 9.0 + i / 10) for i, pts in enumerate([None, 0.1, 0.2, None, 0.4])] == pytest.approx(
            [9.0, 9.1, 9.2, 9.3, 9.4]
        )

    @pytest.mark.parametrize("pts", [5.0, None])
    def test_times_that_stand_still_or_are_missing_are_replaced_by_arrival(self, pts: float | None) -> None:
        time = StreamTime(live=True)
        sampler = FrameSampler(5)
        assert sum(sampler.due(time.at(pts, 3 + i / 25)) for i in range(250)) == 50

    @pytest.mark.parametrize("speed", [0.0, 0.01, 0.5, 3.0, -1.0])
    def test_a_stream_with_a_wrong_clock_is_still_sampled(self, speed: float) -> None:
        time = StreamTime(live=True)
        sampler = FrameSampler(5)
        chosen = [i / 25 for i in range(2500) if sampler.due(time.at(i / 25 * speed, i / 25))]
        assert all(b - a <= 2.5 for a, b in itertools.pairwise([0.0, *chosen, 100.0]))

    @pytest.mark.parametrize("rate", [5, 10, 25])
    @pytest.mark.parametrize("speed", [0.01, 0.1, 0.3, 0.5, 1.5, 1.6, 2.0, 3.0, 5.0, 10.0, 100.0, -1.0, -0.2])
    def test_however_wrong_the_clock_the_rate_is_the_one_asked_for(self, speed: float, rate: int) -> None:
        time, sampler, dice = StreamTime(live=True), FrameSampler(5), random.Random(1)
        arrivals = [i / rate + dice.uniform(0, 0.03) for i in range(rate * 300)]
        chosen = [t for i, t in enumerate(arrivals) if sampler.due(time.at(i / rate * speed, t))]
        assert len(chosen) == pytest.approx(1500, rel=0.01)
        for start in range(0, 300, 10):  # nor is it far more for a while: the time line gains DRIFT, once
            assert sum(start <= t < start + 10 for t in chosen) <= (10 + DRIFT) * 5 + 2

    def test_a_jump_of_hours_is_bridged(self) -> None:
        time = StreamTime(live=True)
        pts = [*(i / 25 for i in range(50)), *(95443.7 + i / 25 for i in range(50)), *(i / 25 for i in range(50))]
        times = [time.at(p, 4 + i / 25) for i, p in enumerate(pts)]
        assert all(0 < b - a < 0.081 for a, b in itertools.pairwise(times))

    def test_a_burst_at_the_start_stays_within_the_allowed_drift(self) -> None:
        time = StreamTime(live=True)
        burst = [time.at(i / 25, 10.0) for i in range(75)]
        assert max(burst) <= 10.0 + DRIFT

    def test_it_comes_back_from_a_burst_without_turning(self) -> None:
        time = StreamTime(live=True)
        pts = [i / 25 for i in range(500)]
        times = [time.at(p, max(10.0, 9.0 + p)) for p in pts]
        assert all(b > a for a, b in itertools.pairwise(times))
        assert times[-1] == pytest.approx(9.0 + pts[-1], abs=0.05)

    def test_a_recording_is_taken_at_its_word(self) -> None:
        time = StreamTime(live=False)
        assert [time.at(p, 5.0) for p in (0.0, 0.04, 500.0)] == [0.0, 0.04, 500.0]
