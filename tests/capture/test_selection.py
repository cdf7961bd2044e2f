import itertools
from collections.abc import Iterator

import numpy as np
import pytest

from camwatch.capture.decode import RawFrame
from camwatch.capture.motion import HOLD, MotionGate
from camwatch.capture.sampling import FrameSampler
from camwatch.capture.selection import select
from camwatch.capture.synthetic import SyntheticSource
from camwatch.errors import SourceLost
from tests.rigs import clips

OFF = MotionGate(enabled=False)


class Frames:
    """A source of given frames."""

    def __init__(self, frames: list[RawFrame], *, live: bool) -> None:
        self.live = live
        self._frames = frames

    def frames(self) -> Iterator[RawFrame]:
        return iter(self._frames)

    def close(self) -> None: ...


def blank(pts: float | None, monotonic: float, *, corrupt: bool = False) -> RawFrame:
    return RawFrame(pts, monotonic, monotonic, corrupt, None)


class Untouchable(RawFrame):
    """A frame whose picture nobody may ask for."""

    def luma(self, width: int, height: int) -> np.ndarray:
        raise AssertionError("converted without need")


def test_with_the_gate_off_every_due_frame_is_analysed_and_nothing_is_converted() -> None:
    frames: list[RawFrame] = [Untouchable(i / 25, 0.0, 0.0, False, None) for i in range(250)]
    selected = list(select(Frames(frames, live=False), FrameSampler(5), OFF))
    assert [one.outcome for one in selected] == ["analyze"] * 50
    assert [one.raw.pts for one in selected] == pytest.approx([i / 5 for i in range(50)])


def test_a_still_scene_is_idle_except_at_the_floor_rate() -> None:
    scene = clips.background((320, 180))
    source = SyntheticSource(itertools.repeat(scene, 25 * 20), fps=25)
    outcomes = [one.outcome for one in select(source, FrameSampler(5), MotionGate(floor_fps=1))]
    assert len(outcomes) == 100
    later = outcomes[round(HOLD * 5) + 1 :]
    assert later.count("analyze") == pytest.approx(len(later) / 5, abs=1)
    assert set(later) == {"analyze", "idle"}


def test_what_moves_is_analysed() -> None:
    source = SyntheticSource(clips.square_pictures((320, 180), 100), fps=5)
    assert {one.outcome for one in select(source, FrameSampler(5), MotionGate(floor_fps=0))} == {"analyze"}


def test_damaged_frames_are_told_when_due_and_never_touched() -> None:
    frames: list[RawFrame] = [Untouchable(i / 5, 0.0, i / 5, True, None) for i in range(20)]
    outcomes = [one.outcome for one in select(Frames(frames, live=True), FrameSampler(5), MotionGate())]
    assert outcomes == ["decode_error"] * 20


def test_a_live_stream_without_times_is_sampled_by_arrival() -> None:
    frames = [blank(None, 50 + i / 25) for i in range(250)]
    assert len(list(select(Frames(frames, live=True), FrameSampler(5), OFF))) == 50


def test_a_live_stream_whose_first_time_is_missing_starts_without_a_double() -> None:
    frames = [blank(i / 25 if i else None, 50 + i / 25) for i in range(250)]
    assert len(list(select(Frames(frames, live=True), FrameSampler(5), OFF))) == 50


def test_a_sampler_kept_over_a_reconnection_goes_on() -> None:
    sampler = FrameSampler(5)
    for start in (100.0, 160.0, 161.0):
        frames = [blank(i / 25, start + i / 25) for i in range(25)]
        assert 4 <= len(list(select(Frames(frames, live=True), sampler, OFF))) <= 6


def test_the_source_s_error_comes_through_after_its_frames() -> None:
    source = SyntheticSource(
        [clips.background((160, 90))] * 10, live=True, fails=SourceLost("front: the stream ended", "ended")
    )
    seen = []
    with pytest.raises(SourceLost):
        seen.extend(one.outcome for one in select(source, FrameSampler(5), OFF))
