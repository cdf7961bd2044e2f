"""A live source: one connection to something that sends pictures when it wants, network camera or webcam."""

import math
import time
from collections.abc import Callable, Collection, Generator

import av
from av.container import InputContainer

from camwatch.capture.clock import WallClock
from camwatch.capture.decode import RawFrame, decode, failure, first_video
from camwatch.capture.running import Running
from camwatch.capture.thrift import Thrift
from camwatch.errors import SourceError, SourceLost, SourceUnavailable

_UNTIMED = frozenset({"mpjpeg", "mjpeg", "h264", "hevc"})
"""Formats without timestamps, for which FFmpeg makes some up from a rate of 25."""


class LiveSource(Running):
    """A `Source` on top of the PyAV container that `connect` opens.

    FFmpeg cannot be interrupted while it waits for the next packet, only by its timeout: so long may `close` take.

    Args:
        where: The address as it may be shown, without credentials.
        connect: Opens the container, with its timeouts set. May raise `av.FFmpegError`.
        timeout: Seconds without a picture after which the stream counts as lost, whatever else arrives.
        final: The reasons for which trying again is of no use.
        wanted_fps: See `open_source`.
    """

    live = True

    def __init__(
        self,
        where: str,
        connect: Callable[[], InputContainer],
        *,
        timeout: float,
        final: Collection[str],
        wanted_fps: float = math.inf,
    ) -> None:
        """Nothing is opened yet."""
        super().__init__()
        self._where = where
        self._connect = connect
        self._timeout = timeout
        self._final = final
        self._wanted_fps = wanted_fps

    def _deliver(self) -> Generator[RawFrame, None, None]:
        if self._closing.is_set():
            return
        arrived, pictures = time.monotonic(), 0
        problem: SourceError | None = None
        try:
            with self._connect() as container:
                stream = first_video(container, self._where)
                arrived = time.monotonic()
                clock = WallClock(time.time(), arrived)
                timed = container.format.name not in _UNTIMED
                thrift = Thrift(self._wanted_fps)
                for step in decode(container, stream):
                    now = time.monotonic()
                    if now - arrived > self._timeout:
                        # Other data came, or FFmpeg hides its interruption by giving what it had held back.
                        problem = self._lost("timeout", f"no picture came for {self._timeout:g} s", pictures)
                        break
                    captured_at = clock.at(time.time(), now)
                    for got in step:
                        yield RawFrame(got.pts if timed else None, captured_at, now, got.corrupt, got.image)
                        if self._closing.is_set():
                            return
                    new = sum(got.image is not None for got in step)
                    if new:
                        pictures += new
                        arrived = time.monotonic()  # what the consumer took is not the camera's silence
                    stream.codec_context.skip_frame = "NONREF" if thrift.skips(now, new) else "DEFAULT"
        except av.FFmpegError as error:
            # An interruption while connecting comes out of FFmpeg as one of several errors.
            late = time.monotonic() - arrived >= self._timeout
            problem = failure(error, self._where, delivering=pictures > 0, final=self._final)
            if late and problem.reason in ("invalid", "network", "timeout"):
                problem = self._lost("timeout", f"no answer for {self._timeout:g} s", pictures)
        if not self._closing.is_set():
            raise problem or self._lost("ended", "the stream ended", pictures)

    def _lost(self, reason: str, words: str, pictures: int) -> SourceError:
        return (SourceLost if pictures else SourceUnavailable)(f"{self._where}: {words}", reason)
