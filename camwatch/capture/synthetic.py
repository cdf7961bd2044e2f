"""A source without a camera: frames from given pictures, for the demo and for tests."""

import time
from collections.abc import Generator, Iterable

import av

from camwatch.capture.decode import RawFrame
from camwatch.capture.running import Running
from camwatch.errors import SourceError
from camwatch.records import Picture


class SyntheticSource(Running):
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
        super().__init__()
        self.live = live
        self._pictures = pictures
        self._fps = fps
        self._start_at = start_at
        self._start_monotonic = start_monotonic
        self._realtime = realtime
        self._fails = fails

    def _deliver(self) -> Generator[RawFrame, None, None]:
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
