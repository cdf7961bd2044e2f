import itertools
import time

import numpy as np
import pytest

from camwatch.capture.synthetic import SyntheticSource
from camwatch.errors import SourceLost

PICTURES = [np.full((90, 160, 3), level, np.uint8) for level in (10, 120, 250)]


def test_pictures_come_back_as_given_at_a_steady_rate_and_no_clock_is_read() -> None:
    source = SyntheticSource(PICTURES, fps=5, start_at=100.0, start_monotonic=7.0)
    frames = list(source.frames())
    assert [frame.pts for frame in frames] == pytest.approx([0, 0.2, 0.4])
    assert [frame.captured_at for frame in frames] == pytest.approx([100, 100.2, 100.4])
    assert [frame.monotonic for frame in frames] == pytest.approx([7, 7.2, 7.4])
    for frame, picture in zip(frames, PICTURES, strict=True):
        assert np.abs(frame.rgb().astype(int) - picture).max() <= 1
        assert int(frame.luma(16, 9)[4, 8]) == pytest.approx(int(picture[0, 0, 0]), abs=3)


def test_it_fails_where_it_is_told_to() -> None:
    source = SyntheticSource(PICTURES, live=True, fails=SourceLost("cam: gone", "ended"))
    frames = source.frames()
    assert len(list(itertools.islice(frames, 3))) == 3
    with pytest.raises(SourceLost, match="gone"):
        next(frames)


def test_an_endless_source_ends_when_closed() -> None:
    source = SyntheticSource(itertools.cycle(PICTURES))
    seen = 0
    for _ in source.frames():
        seen += 1
        if seen == 100:
            source.close()
    assert seen == 100
    assert list(source.frames()) == []


def test_in_real_time_frames_have_the_real_clocks() -> None:
    before = time.monotonic(), time.time()
    frames = list(SyntheticSource(PICTURES, fps=100, realtime=True).frames())
    assert frames[0].monotonic >= before[0]
    assert frames[0].captured_at >= before[1] - 0.001
    assert time.monotonic() - before[0] >= 0.02
