"""The ring: order, overwriting, accounting, and real processes that are killed."""

import os
import signal
import subprocess
import sys
import time
import tracemalloc

import numpy as np
import pytest

from camwatch.capture.planes import Layout
from camwatch.service.ring import SLOT_BYTES, SLOTS, Counter, FrameRing, create_ring
from tests.rigs.planes import grey, noise

SLOT = 64 * 64 * 3 // 2


@pytest.fixture
def fd():
    fd = create_ring("cam", slot_bytes=SLOT)
    yield fd
    os.close(fd)


@pytest.fixture
def pair(fd):
    writer, reader = FrameRing(fd, "cam", slot_bytes=SLOT), FrameRing(fd, "cam", slot_bytes=SLOT)
    yield writer, reader
    writer.close()
    reader.close()


def write(ring: FrameRing, value: int, pts: float | None = None) -> None:
    ring.write(grey(value), captured_at=100.0 + value, monotonic=float(value), pts=pts)


def test_what_is_written_is_read(pair):
    writer, reader = pair
    writer.write(grey(7, 20, 10), captured_at=12.5, monotonic=3.5, pts=None)
    frame = reader.take(0)
    assert frame is not None
    assert frame.picture.shape == (10, 20, 3)
    assert (frame.picture == 7).all()
    assert (frame.camera, frame.seq, frame.captured_at, frame.monotonic, frame.pts) == (
        "cam", 0, 12.5, 3.5, None,
    )  # fmt: skip


def test_seq_counts_captured_frames_not_written_ones(pair):
    writer, reader = pair
    writer.add(Counter.IDLE, 3)
    write(writer, 1)
    frame = reader.take(0)
    assert frame is not None
    assert frame.seq == 3


def test_frame_size_may_change(pair):
    writer, reader = pair
    writer.write(grey(1, 64, 64), captured_at=0, monotonic=0, pts=1.5)
    writer.write(grey(2, 8, 4), captured_at=0, monotonic=0, pts=2.5)
    first, second = reader.take(0), reader.take(1)
    assert first is not None
    assert second is not None
    assert (first.picture.shape, second.picture.shape) == ((64, 64, 3), (4, 8, 3))
    assert second.pts == 2.5


@pytest.mark.parametrize("size", [(64, 64), (62, 50), (33, 17)])
@pytest.mark.parametrize("meaning", [{}, {"matrix": 1, "full_range": True}, {"matrix": 9, "turns": 1}, {"turns": 2}])
def test_the_picture_read_is_the_one_that_the_planes_mean(pair, size, meaning):
    writer, reader = pair
    planes = noise(*size, **meaning)
    writer.write(planes, captured_at=0, monotonic=0, pts=None)
    frame = reader.take(0)
    assert frame is not None
    assert np.array_equal(frame.picture, planes.rgb())


def test_a_picture_goes_through_with_one_copy_of_its_planes_and_none_of_its_pixels():
    """1080p: neither side may allocate more than the picture that comes out."""
    fd = create_ring("cam")
    ring = FrameRing(fd, "cam")
    planes = noise(1920, 1080)
    tracemalloc.start()
    try:
        ring.write(planes, captured_at=0, monotonic=0, pts=None)
        written = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        frame = ring.take(0)
        taken = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert frame is not None
    assert frame.picture.flags.c_contiguous
    assert frame.picture.base is not None  # numpy only looks at what swscale wrote
    assert max(written, taken) < 100_000
    payload = ring._payload(0)
    assert all(np.shares_memory(view, payload) for view in planes.layout.views(payload))
    assert np.array_equal(planes.layout.views(payload)[0], planes.y)
    del payload
    ring.close()
    os.close(fd)


def test_a_picture_that_is_overwritten_while_it_is_converted_is_dropped(pair, monkeypatch):
    writer, reader = pair
    write(writer, 1)
    convert = Layout.rgb

    def slowly(layout, buffer):
        picture = convert(layout, buffer)
        for value in range(SLOTS):
            write(writer, value)
        return picture

    monkeypatch.setattr(Layout, "rgb", slowly)
    assert reader.take(0) is None
    assert reader.counts().dropped_stale == 1


def test_a_slot_has_room_for_4k():
    assert Layout(3840, 2160).nbytes == SLOT_BYTES == 3840 * 2160 * 3 // 2


def test_too_big_picture_is_refused_and_nothing_is_written(pair):
    writer, _ = pair
    with pytest.raises(ValueError, match="does not fit"):
        writer.write(grey(1, 65, 64), captured_at=0, monotonic=0, pts=None)
    assert writer.get(Counter.WRITTEN) == 0


def test_overwritten_slot_is_noticed_and_counted_as_stale(pair):
    writer, reader = pair
    for value in range(SLOTS + 1):
        write(writer, value)
    assert reader.take(0) is None
    assert reader.counts().dropped_stale == 1
    frame = reader.take(1)
    assert frame is not None
    assert (frame.picture == 1).all()


def test_slot_being_written_is_not_read(pair):
    writer, reader = pair
    for value in range(SLOTS):
        write(writer, value)
    writer._metas[0]["before"] = SLOTS + 1  # a writer killed in the middle of the next picture
    assert reader.take(0) is None
    write(writer, 99)  # its successor writes the same number again
    frame = reader.take(SLOTS)
    assert frame is not None
    assert (frame.picture == 99).all()


def test_passed_over_frames_are_dropped_busy_and_everything_adds_up(pair):
    writer, reader = pair
    writer.add(Counter.IDLE, 2)
    writer.add(Counter.DECODE_ERROR)
    for value in range(4):
        write(writer, value)
    assert reader.take(3) is not None
    reader.add(Counter.ANALYZED)
    counts = reader.counts()
    assert (counts.captured, counts.dropped_busy, counts.analyzed, counts.in_flight) == (7, 3, 1, 0)
    write(writer, 5)
    assert reader.counts().in_flight == 1


def test_new_inference_accounts_for_what_the_killed_one_had_taken(pair):
    writer, reader = pair
    for value in range(3):
        write(writer, value)
    reader.take(0)
    reader.take(1)
    reader.add(Counter.ANALYZED)
    assert reader.counts().in_flight == 2
    assert reader.recover() == 1
    counts = reader.counts()
    assert (counts.analyzed, counts.dropped_busy, counts.in_flight) == (1, 1, 1)
    assert reader.waiting() == range(2, 3)


def test_what_cannot_be_converted_is_dropped_and_told_once(pair, caplog):
    writer, reader = pair
    for value in range(3):
        write(writer, value)
        writer._metas[value]["matrix"] = 8 if value else 2  # swscale knows no YCgCo
    assert reader.take(0) is not None
    assert reader.take(1) is None and reader.take(2) is None
    assert (reader.counts().dropped_stale, reader.waiting()) == (2, range(3, 3))
    [record] = caplog.records
    assert record.getMessage().startswith("cam: pictures of Layout(")


WRITER = """
import sys
from camwatch.service.ring import FrameRing, Counter
from tests.rigs.planes import grey
ring = FrameRing(int(sys.argv[1]), "cam", slot_bytes=int(sys.argv[2]))
while True:
    n = ring.get(Counter.WRITTEN)
    ring.write(grey(n % 251, 64, 64), captured_at=float(n), monotonic=0.0, pts=None)
"""


def test_killed_writers_leave_no_torn_picture_and_no_gap_in_the_numbers(fd):
    ring = FrameRing(fd, "cam", slot_bytes=SLOT)
    seen: list[int] = []
    for _ in range(8):
        process = subprocess.Popen([sys.executable, "-c", WRITER, str(fd), str(SLOT)], pass_fds=[fd])
        before, read = ring.get(Counter.WRITTEN), len(seen)
        deadline = time.monotonic() + 20
        # a writer that never waits is faster than we are: fifty may be written before one of them could be read whole
        while (ring.get(Counter.WRITTEN) < before + 50 or len(seen) == read) and time.monotonic() < deadline:
            numbers = ring.waiting()
            if numbers:
                frame = ring.take(numbers[-1])
                if frame is not None:
                    assert len(np.unique(frame.picture)) == 1
                    assert int(frame.picture[0, 0, 0]) == int(frame.captured_at) % 251
                    seen.append(int(frame.captured_at))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert len(seen) >= 8
    assert seen == sorted(seen)
    counts = ring.counts()
    for _ in seen:
        ring.add(Counter.ANALYZED)
    counts = ring.counts()
    assert counts.captured == ring.get(Counter.WRITTEN)
    assert counts.in_flight == len(ring.waiting())
    ring.close()
