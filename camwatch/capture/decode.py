"""Compressed packets to pictures with PyAV; FFmpeg's errors to ours.

The picture of a `RawFrame` stays as the decoder left it until somebody asks for it, so frames that are only looked
at for motion, or not at all, cost no colour conversion.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

import av
import cv2
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream
from numpy.typing import NDArray

from camwatch.errors import SourceError, SourceLost, SourceRefused, SourceUnavailable
from camwatch.records import Picture

Luma = NDArray[np.uint8]
"""(height, width) uint8, brightness."""

_LUMA_PLANE = frozenset({
    "yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p", "yuv440p", "yuvj440p",
    "yuv411p", "yuvj411p", "yuv410p", "yuva420p", "nv12", "nv21", "nv16", "nv24", "gray",
})  # fmt: skip
"""Pixel formats whose first plane is 8-bit brightness."""


@dataclass(frozen=True, slots=True, eq=False)
class RawFrame:
    """One frame as the decoder gave it.

    Attributes:
        pts: Presentation time in seconds as the stream told it, None where it told none; of a recording always
            set, rising, and 0 for the first frame.
        captured_at: UTC seconds. Live: when the frame was received. Recording: its start plus `pts`.
        monotonic: Seconds of `time.monotonic()` when the frame was received.
        corrupt: The decoder found damage, or could make no picture at all (`image` is None then).
        image: PyAV's frame.
    """

    pts: float | None
    captured_at: float
    monotonic: float
    corrupt: bool
    image: av.VideoFrame | None = field(repr=False)

    @property
    def width(self) -> int:
        """Pixels across as shown, after the rotation that the recording asks for; 0 without a picture."""
        if self.image is None:
            return 0
        return self.image.height if _quarter_turns(self.image) % 2 else self.image.width

    @property
    def height(self) -> int:
        """Pixels from top to bottom as shown; 0 without a picture."""
        if self.image is None:
            return 0
        return self.image.width if _quarter_turns(self.image) % 2 else self.image.height

    def luma(self, width: int, height: int) -> Luma:
        """The brightness, reduced to (height, width) by averaging; no colour conversion where there is a luma plane.

        The range is the stream's own (16..235 or 0..255).

        Raises:
            ValueError: There is no picture.
        """
        image = self._picture()
        turns = _quarter_turns(image)
        size = (height, width) if turns % 2 else (width, height)
        if image.format.name in _LUMA_PLANE and image.planes[0].line_size > 0:
            plane = image.planes[0]
            rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
            small = cv2.resize(rows[: image.height, : image.width], size, interpolation=cv2.INTER_AREA)
        else:
            grey = image.reformat(size[0], size[1], "gray", interpolation="AREA", threads=1)
            small = grey.to_ndarray()
        return np.ascontiguousarray(np.rot90(small, turns), dtype=np.uint8)

    def rgb(self) -> Picture:
        """The full picture, a new array of (height, width, 3) uint8, RGB.

        Raises:
            ValueError: There is no picture.
        """
        image = self._picture()
        picture = image.to_ndarray(format="rgb24", threads=1)
        return np.ascontiguousarray(np.rot90(picture, _quarter_turns(image)), dtype=np.uint8)

    def _picture(self) -> av.VideoFrame:
        if self.image is None:
            raise ValueError("this frame could not be decoded and has no picture")
        return self.image


def _quarter_turns(image: av.VideoFrame) -> int:
    """How often the picture must be turned counterclockwise by 90 degrees to be shown as its display matrix says."""
    return round(image.rotation / 90)


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """A picture, or (`image` None) what the decoder gave up on; `pts` in seconds as the stream told it, if it did."""

    pts: float | None
    corrupt: bool
    image: av.VideoFrame | None


def first_video(container: InputContainer, where: str) -> VideoStream:
    """The stream to decode, set to decode in the calling thread: threads cost time and latency with many cameras.

    Raises:
        SourceRefused: There is no video, or in a coding that this FFmpeg cannot decode.
    """
    for stream in container.streams.video:
        if stream.codec_context is None:
            raise SourceRefused(f"{where}: the video's coding is not known here", "invalid")
        stream.thread_type = "NONE"
        return stream
    raise SourceRefused(f"{where}: there is no video in it", "invalid")


def decode(container: InputContainer, stream: VideoStream) -> Iterator[list[Decoded]]:
    """Read and decode to the end, one step for each packet: most give one picture, some none, some several.

    Raises:
        av.FFmpegError: Reading failed. Damage inside a packet does not raise, it is in the result.
    """
    for packet in container.demux(stream):
        try:
            images = packet.decode()
        except av.EOFError:
            return
        except av.FFmpegError:
            base = packet.time_base
            yield [Decoded(None if packet.pts is None or base is None else float(packet.pts * base), True, None)]
        else:
            yield [Decoded(image.time, image.is_corrupt, image) for image in images]


def failure(error: av.FFmpegError, where: str, *, delivering: bool, final: Collection[str]) -> SourceError:
    """The error of ours that tells the same.

    FFmpeg's own error has the whole address with its password in it: let it not be the context of what is raised,
    that is, raise the result outside the `except` block.

    Args:
        error: What PyAV raised.
        where: The masked address.
        delivering: Whether pictures had come already: then it is `SourceLost`.
        final: The reasons that trying again cannot cure here: then it is `SourceRefused`.
    """
    reason, words = _cause(error)
    message = f"{where}: {words}"
    if delivering:
        return SourceLost(message, reason)
    return SourceRefused(message, reason) if reason in final else SourceUnavailable(message, reason)


def _cause(error: av.FFmpegError) -> tuple[str, str]:
    """Reason, and words for people."""
    told = error.strerror or type(error).__name__
    match error:
        case av.error.ExitError() | av.error.TimeoutError():  # ExitError: PyAV's own timeout interrupted FFmpeg
            return "timeout", "no answer in time"
        case av.error.HTTPUnauthorizedError() | av.error.HTTPForbiddenError():
            return "unauthorized", "wrong user or password"
        case av.error.PermissionError():
            return "unauthorized", "no permission to read it"
        case av.error.HTTPNotFoundError():
            return "not_found", "the camera knows no such stream"
        case av.error.FileNotFoundError():
            return "not_found", "there is no such file or device"
        case av.error.ConnectionRefusedError():
            return "refused", "connection refused"
        case av.error.HTTPError() | av.error.HTTPClientError():
            return "refused", f"the camera answered: {told}"
        case av.error.EOFError():
            return "ended", "the stream ended"
        case av.error.InvalidDataError() | av.error.PatchWelcomeError() | av.error.LookupError():
            return "invalid", f"it cannot be read as video ({told})"
        case av.error.IsADirectoryError() | av.error.ArgumentError():
            return "invalid", f"it cannot be read as video ({told})"
        case _:
            return "network", f"it cannot be read ({told})"
