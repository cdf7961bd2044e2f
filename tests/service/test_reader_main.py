"""The reader on recordings, in this process: what it puts into its ring."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from camwatch.capture.source import open_source
from camwatch.records import Frame
from camwatch.service.messages import Message
from camwatch.service.reader_main import Reader
from camwatch.service.ring import SLOT_BYTES, FrameRing, create_ring
from tests.rigs import clips


class Worker:
    """The child's side without a process: takes every picture at once and ends when the source does."""

    def __init__(self, job: dict[str, Any], ring: FrameRing) -> None:
        self.job, self._ring = job, ring
        self.stopping = False
        self.sent: list[Message] = []
        self.frames: list[Frame] = []
        self.statistics: dict[str, Any] = {}

    def on_stop(self, callback: Callable[[], None]) -> None:
        pass

    def wait(self, seconds: float) -> None:
        pass

    def send(self, message: Message) -> None:
        self.sent.append(message)
        self.stopping = not message.fields["up"]
        self._take()

    def beat(self, fields: Callable[[], dict[str, Any]]) -> None:
        self.statistics = fields()
        self._take()

    def _take(self) -> None:
        for number in self._ring.waiting():
            frame = self._ring.take(number)
            assert frame is not None
            self.frames.append(frame)


def read(source: Path, *, fps: float, slot_bytes: int = SLOT_BYTES) -> Worker:
    """Run a reader over a recording to its end."""
    fd, bell = create_ring("cam", slot_bytes=slot_bytes), os.eventfd(0, os.EFD_NONBLOCK)
    ring = FrameRing(fd, "cam", slot_bytes=slot_bytes)
    job = {
        "camera": "cam",
        "source": str(source),
        "transport": "tcp",
        "stall_timeout": 1.0,
        "loop": False,
        "trust": {},
        "motion": {"enabled": False},
        "fps": fps,
        "ring_fd": fd,
        "bell_fd": bell,
        "slot_bytes": slot_bytes,
    }
    worker = Worker(job, ring)
    try:
        Reader(worker).run()  # type: ignore[arg-type]
        assert os.eventfd_read(bell) == ring.counts().captured == len(worker.frames)
    finally:
        ring.close()
        os.close(fd)
        os.close(bell)
    return worker


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half a second with B pictures; 162 is no round width."""
    path = tmp_path_factory.mktemp("clips") / "b.mp4"
    return clips.moving_square(path, size=(162, 98), seconds=0.6, bframes=2)


def test_inference_gets_the_pixels_that_watch_gets(clip: Path) -> None:
    worker = read(clip, fps=25)
    expected = [raw.rgb() for raw in open_source(str(clip)).frames()]
    assert len(worker.frames) == len(expected) == 15
    assert all(np.array_equal(frame.picture, rgb) for frame, rgb in zip(worker.frames, expected, strict=True))


def test_decoding_is_measured_for_each_analysed_frame(clip: Path) -> None:
    worker = read(clip, fps=5)
    counts, total = worker.statistics["decode"][:-1], worker.statistics["decode"][-1]
    assert len(worker.frames) == 3
    assert sum(counts) in (len(worker.frames) - 1, len(worker.frames))  # the last beat may be before the last frame
    assert total > 0


def test_a_picture_too_large_for_its_slot_is_halved(clip: Path) -> None:
    worker = read(clip, fps=5, slot_bytes=16384)
    assert {frame.picture.shape for frame in worker.frames} == {(49, 81, 3)}
