"""A reader process: one camera, connection after connection, into its ring. Never imports TensorFlow.

It owns the retrying: a source is one connection and just fails. Failures that asking again cannot cure soon (a wrong
password, an unknown path) are told apart, said once, and tried again slowly.
"""

import logging
import os
import time
from collections.abc import Callable, Iterator
from typing import Any, Literal

from camwatch.capture.decode import RawFrame
from camwatch.capture.motion import MotionGate
from camwatch.capture.sampling import FrameSampler
from camwatch.capture.selection import Selected, select
from camwatch.capture.source import Source, Trust, open_source
from camwatch.errors import SourceError, SourceLost
from camwatch.service.backoff import Backoff
from camwatch.service.histogram import Histogram
from camwatch.service.messages import Message, PipeError
from camwatch.service.ring import Counter, FrameRing
from camwatch.service.worker import Worker

log = logging.getLogger(__name__)

LOCKED_OUT_RETRY = 60.0
"""Seconds before a camera is asked again that does not let us in: some lock an account after many attempts."""


class Reader:
    """The reader of one camera; `run` returns when the end is asked for."""

    def __init__(self, worker: Worker) -> None:
        """Set up from the worker's job."""
        job = worker.job
        self._worker = worker
        self._camera: str = job["camera"]
        self._url: str = job["source"]
        self._transport: Literal["tcp", "udp"] = job["transport"]
        self._timeout: float = job["stall_timeout"]
        self._loop: bool = job["loop"]
        self._trust = Trust(**job["trust"])
        self._motion: dict[str, Any] = job["motion"]
        self._fps: float = job["fps"]
        self._sampler = FrameSampler(self._fps)
        self._ring = FrameRing(job["ring_fd"], self._camera, slot_bytes=job["slot_bytes"])
        self._bell: int = job["bell_fd"]
        self._decode = Histogram()
        self._decoding = 0.0
        self._backoff = Backoff()
        self._source: Source | None = None
        self._delivering = False
        worker.on_stop(self._close_source)

    def run(self) -> None:
        """Read until told to stop."""
        while not self._worker.stopping:
            try:
                self._read_connection()
                if self._worker.stopping:
                    return
                raise SourceLost("the recording ended", "ended")
            except SourceError as error:
                self._wait_after(error)

    def _read_connection(self) -> None:
        gate = MotionGate(**self._motion)
        self._source = open_source(
            self._url,
            transport=self._transport,
            timeout=self._timeout,
            loop=self._loop,
            realtime=True,
            start_at=time.time(),
            on_wait=self._beat,
            wanted_fps=self._fps,
            trust=self._trust,
        )
        try:
            for selected in select(_Heard(self._source, self._heard), self._sampler, gate):
                if not self._delivering and selected.outcome != "decode_error":
                    self._report_up(selected)
                self._handle(selected)
                if self._worker.stopping:
                    return
        finally:
            self._close_source()

    def _handle(self, selected: Selected) -> None:
        if selected.outcome == "decode_error":
            self._ring.add(Counter.DECODE_ERROR)
            return
        if selected.outcome == "idle":
            self._ring.add(Counter.IDLE)
            return
        raw = selected.raw
        started = time.thread_time()
        planes = raw.planes(self._ring.slot_bytes)
        self._decode.observe(self._decoding + time.thread_time() - started)
        self._decoding = 0.0
        if self._source is not None and not self._source.live:
            self._wait_for_room()
        self._ring.write(planes, captured_at=raw.captured_at, monotonic=raw.monotonic, pts=raw.pts)
        os.eventfd_write(self._bell, 1)

    def _wait_for_room(self) -> None:
        """A recording loses no frame: wait until inference has read one."""
        while self._ring.full() and not self._worker.stopping:
            self._beat()
            self._worker.wait(0.02)

    def _report_up(self, selected: Selected) -> None:
        self._delivering = True
        self._backoff.worked(time.monotonic())
        size = [selected.raw.width, selected.raw.height]
        self._worker.send(Message("source", {"up": True, "size": size}))

    def _wait_after(self, error: SourceError) -> None:
        # An unknown path is asked for like a camera that is away: while a camera starts, it knows none.
        refused = error.reason == "unauthorized"
        ended = error.reason == "ended" and not (self._source is None or self._source.live)
        delay = LOCKED_OUT_RETRY if refused else self._backoff.delay(time.monotonic())
        fields = {
            "up": False,
            "reason": error.reason,
            "error": str(error),
            "retry_in": delay,
            "lost": self._delivering,
            "refused": refused,
            "ended": ended,
        }
        self._delivering = False
        self._worker.send(Message("source", fields))
        until = time.monotonic() + delay
        while not self._worker.stopping and (ended or time.monotonic() < until):
            self._worker.wait(0.5)
            self._beat()

    def _heard(self, seconds: float) -> None:
        """A frame came, due or not; decoding it took so much of this thread's time."""
        self._decoding += seconds
        self._beat()

    def _beat(self) -> None:
        self._worker.beat(lambda: {"decode": self._decode.to_list()})

    def _close_source(self) -> None:
        if self._source is not None:
            self._source.close()


class _Heard:
    """A source that tells of every frame it decodes, also of those that nobody is going to analyse."""

    def __init__(self, source: Source, heard: Callable[[float], None]) -> None:
        self._source, self._heard = source, heard

    @property
    def live(self) -> bool:
        return self._source.live

    def frames(self) -> Iterator[RawFrame]:
        frames = self._source.frames()
        while True:
            started = time.thread_time()
            raw = next(frames, None)
            if raw is None:
                return
            self._heard(time.thread_time() - started)
            yield raw

    def close(self) -> None:
        self._source.close()


def main() -> None:
    """Entry point of the child."""
    worker = Worker.from_command_line()
    try:
        Reader(worker).run()
    except PipeError:
        log.info("main is gone, stopping")
    except Exception:
        log.exception("the reader failed")
        worker.exit(1)
    worker.exit(0)


if __name__ == "__main__":
    main()
