"""A source without a camera: frames from given pictures, for the demo and for tests."""

import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import suppress
from threading import Event

import av

from camwatch.capture.decode import RawFrame
from camwatch.errors import SourceError
from camwatch.records import Picture


class SyntheticSource:
    """A `Source` that shows pictures at a steady rate.

    Without `realtime` no clock is read: frame i has `pts` i / fps, and both its times count on from the given starts.

    Args:
        pictures: (height, width, 3) uint8 RGB; may differ in size, and may be endless.
        fps: Pictures in a second.
        start_at: UTC seconds of the first frame.
        start_monotonic: `monotonic` of the first frame.
        live: What the source says of itself.
        realtime: Wait until each frame is due, and stamp it with the real clocks.
        fails: Raised after the last picture, instead of a plain end.
    """

    def __init__(
        self,
        pictures: Iterable[Picture],
        *,
        fps: float = 5.0,
        start_at: float = 0.0,
        start_monotonic: float = 0.0,
        live: bool = False,
        realtime: bool = False,
        fails: SourceError | None = None,
    ) -> None:
        """Nothing is shown before `frames()`."""
        self.live = live
        self._pictures = pictures
        self._fps = fps
        self._start_at = start_at
        self._start_monotonic = start_monotonic
        self._realtime = realtime
        self._fails = fails
        self._closing = Event()
        self._running: Generator[RawFrame, None, None] | None = None

    def frames(self) -> Iterator[RawFrame]:
        """See `Source.frames`."""
        self._running = self._show()
        return self._running

    def close(self) -> None:
        """See `Source.close`."""
        self._closing.set()
        if self._running is not None:
            with suppress(ValueError):  # it runs in another thread at this moment, and sees the flag itself
                self._running.close()

    def _show(self) -> Generator[RawFrame, None, None]:
        wall, monotonic = self._start_at, self._start_monotonic
        if self._realtime:
            wall, monotonic = time.time(), time.monotonic()
        for index, picture in enumerate(self._pictures):
            pts = index / self._fps
            wait = max(0.0, monotonic + pts - time.monotonic()) if self._realtime else 0.0
            if self._closing.wait(wait) if wait else self._closing.is_set():
                return
            image = av.VideoFrame.from_ndarray(picture, format="rgb24")
            yield RawFrame(pts, wall + pts, monotonic + pts, False, image)
        if self._fails is not None and not self._closing.is_set():
            raise self._fails
