"""Recordings: a video file as a source, with times that rise steadily whatever the file says."""

import time
from collections.abc import Callable, Generator
from itertools import chain

import av
from av.video.stream import VideoStream

from camwatch.capture.address import mask
from camwatch.capture.decode import RawFrame, decode, failure, first_video
from camwatch.capture.running import Running
from camwatch.errors import SourceError, SourceRefused

DEFAULT_FPS = 25.0
"""For files that tell neither times nor a believable rate, such as bare H.264."""
LONGEST_GAP = 3600.0
"""Seconds: a recording may pause between two frames, but a longer gap is a broken timestamp."""

_FINAL = frozenset({"unauthorized", "not_found", "invalid"})


class RisingTimes:
    """Presentation times of a recording: from 0, always rising, over missing, repeated and broken timestamps.

    Args:
        step: Seconds between frames, for frames that have no usable time.
    """

    def __init__(self, step: float) -> None:
        """Before the first frame."""
        self._step = step
        self._last: float | None = None
        self._shift: float | None = None

    def next(self, told: float | None) -> float:
        """The time of the next frame, for which the file tells this (seconds, None for nothing)."""
        usual = 0.0 if self._last is None else self._last + self._step
        time_ = usual
        if told is not None:
            time_ = usual if self._shift is None else told + self._shift
            if self._last is not None and not 0 < time_ - self._last <= LONGEST_GAP:
                time_ = usual
            self._shift = time_ - told
        self._last = time_
        return time_

    def restart(self) -> None:
        """The file begins again; times go on where they are."""
        self._shift = None


class FileSource(Running):
    """A `Source` that reads a video file.

    The same file gives the same frames and the same times whenever it is read, given `start_at`. What `frames()` may
    raise: `SourceRefused` where there is no such file, it cannot be read, or there is no picture in it; `SourceLost`
    where reading failed in the middle, because it is cut off or damaged (reason `invalid`) or the disk failed.

    Args:
        path: The file. A `file://` prefix is taken off.
        loop: Begin again at the end, for ever, with times that go on rising.
        realtime: Wait until each frame is due on the monotonic clock, counted from the first one.
        start_at: UTC seconds of the first frame; None is when `frames()` is called.
        on_wait: Called at least once a second while a frame is not due yet: pauses may be long.
    """

    live = False

    def __init__(
        self,
        path: str,
        *,
        loop: bool = False,
        realtime: bool = False,
        start_at: float | None = None,
        on_wait: Callable[[], None] | None = None,
    ) -> None:
        """Nothing is opened yet."""
        super().__init__()
        self._path = path.removeprefix("file://")
        self._where = mask(self._path)  # it may be a mistyped camera address
        self._loop = loop
        self._realtime = realtime
        self._start_at = start_at
        self._on_wait = on_wait

    def _deliver(self) -> Generator[RawFrame, None, None]:
        started = time.monotonic()
        start_at = time.time() if self._start_at is None else self._start_at
        times: RisingTimes | None = None
        while not self._closing.is_set():
            pictures = 0
            problem: SourceError | None = None
            try:
                # "file:" keeps FFmpeg from taking a colon in the name for a protocol.
                with av.open(f"file:{self._path}", mode="r", metadata_errors="replace") as container:
                    stream = first_video(container, self._where)
                    if times is None:
                        times = RisingTimes(_step(stream))
                    times.restart()
                    for got in chain.from_iterable(decode(container, stream)):
                        pts = times.next(got.pts)
                        if self._realtime and not self._waited_until(started + pts):
                            return
                        pictures += got.image is not None
                        yield RawFrame(pts, start_at + pts, time.monotonic(), got.corrupt, got.image)
                        if self._closing.is_set():
                            return
            except av.FFmpegError as error:
                problem = failure(error, self._where, delivering=pictures > 0, final=_FINAL)
            if problem is None and not pictures:
                problem = SourceRefused(f"{self._where}: there is no picture in it", "invalid")
            if problem is not None:
                raise problem
            if not self._loop:
                return

    def _waited_until(self, moment: float) -> bool:
        """Wait for a moment of the monotonic clock; False where the source was closed meanwhile."""
        while (left := moment - time.monotonic()) > 0:
            if self._closing.wait(min(left, 1.0)):
                return False
            if self._on_wait is not None:
                self._on_wait()
        return not self._closing.is_set()


def _step(stream: VideoStream) -> float:
    """Seconds between frames, as the file's rate tells."""
    for rate in (stream.average_rate, stream.guessed_rate):
        if rate is not None and 0.1 <= rate <= 240:
            return float(1 / rate)
    return 1 / DEFAULT_FPS
