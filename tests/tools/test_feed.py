"""Frames in batches: the same ones whoever else looks on, and never late where they are live."""

import threading

import numpy as np
import pytest

from camwatch.capture.synthetic import SyntheticSource
from camwatch.errors import SourceLost
from camwatch.tools import feed
from camwatch.tools.feed import LiveFeed, recorded

GREY = np.zeros((48, 64, 3), np.uint8)
LOST = SourceLost("clip.mp4: cut off", "invalid")


def clip(count: int, fails: SourceLost | None = None) -> SyntheticSource:
    return SyntheticSource([GREY] * count, fps=25.0, fails=fails)


def test_what_is_analysed_together_does_not_depend_on_who_looks_on() -> None:
    whole = [[taken for taken in batch if taken.due] for batch in recorded(clip(103), 5.0, whole=True)]
    due = [[taken for taken in batch if taken.due] for batch in recorded(clip(103), 5.0, whole=False)]
    assert [[taken.seq for taken in batch] for batch in whole] == [[taken.seq for taken in batch] for batch in due]
    assert max(map(len, due)) <= feed.BATCH
    assert [taken.seq for batch in due for taken in batch] == list(range(0, 103, 5))


def test_every_frame_comes_once_and_the_last_one_always() -> None:
    assert [taken.seq for batch in recorded(clip(103), 5.0, whole=True) for taken in batch] == list(range(103))
    last = list(recorded(clip(103), 5.0, whole=False))[-1][-1]
    assert last.seq == 102 and not last.due


def test_batches_are_bounded_where_hardly_any_frame_is_due() -> None:
    sizes = [len(batch) for batch in recorded(clip(200), 0.1, whole=True)]
    assert max(sizes) <= feed._MOST_FRAMES and sum(sizes) == 200


def test_what_came_before_a_damage_is_given_first() -> None:
    seen: list[int] = []
    with pytest.raises(SourceLost, match="cut off"):
        for batch in recorded(clip(12, LOST), 25.0, whole=False):
            seen += [taken.seq for taken in batch]
    assert seen == list(range(12))


def test_a_live_stream_drops_its_oldest_frames_where_nobody_is_quick_enough() -> None:
    count = feed._MOST_WAITING + 10
    source = SyntheticSource([GREY] * count, fps=5.0, live=True, fails=LOST)
    live = LiveFeed(source, 5.0, whole=False)
    live._thread.join(10.0)
    assert not live._thread.is_alive()
    seen: list[int] = []
    with pytest.raises(SourceLost):
        for batch in live.batches(lambda: False):
            assert len(batch) <= feed.BATCH
            seen += [taken.seq for taken in batch]
    live.close()
    assert live.dropped == 10 and seen == list(range(10, count))


def test_a_live_stream_stops_when_asked() -> None:
    live = LiveFeed(SyntheticSource([GREY] * 50, fps=5.0, live=True, fails=LOST), 5.0, whole=False)
    asked = threading.Event()
    for batch in live.batches(asked.is_set):
        assert batch
        asked.set()
    live.close()
