"""Compressed packets to pictures with PyAV; FFmpeg's errors to ours.

The picture of a `RawFrame` stays as the decoder left it until somebody asks for it, so frames that are only looked
at for motion, or not at all, cost no colour conversion.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

import av
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream
from numpy.typing import NDArray

from camwatch.capture.planes import LARGEST, Planes, pixels, planes_of, tell_matrix
from camwatch.errors import SourceError, SourceLost, SourceRefused, SourceUnavailable
from camwatch.records import Picture

Luma = NDArray[np.uint8]
"""(height, width) uint8, brightness."""


@dataclass(frozen=True, slots=True, eq=False)
class RawFrame:
    """One frame as the decoder gave it.

    Attributes:
        pts: Presentation time in seconds as the stream told it, None where it told none; of a recording always
            set, rising, and 0 for the first frame.
        captured_at: UTC seconds. Live: when the frame was received. Recording: its start plus `pts`.
        monotonic: Seconds of `time.monotonic()` when the frame was received.
        corrupt: Not fit to be looked at: damaged, predicted from a damaged picture (see `Damage`), or no picture
            at all (`image` is None then).
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
        """The brightness, reduced to (height, width) by averaging; no colour is touched where brightness has a plane.

        The range is the stream's own (16..235 or 0..255).

        Raises:
            ValueError: There is no picture.
        """
        image = self._picture()
        turns = _quarter_turns(image)
        tell_matrix(image)
        across, down = (height, width) if turns % 2 else (width, height)
        # Said to be of full range already, so that the levels stay: stretching them would stretch the noise as well.
        grey = image.reformat(across, down, "gray", interpolation="AREA", src_color_range="JPEG", threads=1)
        return np.ascontiguousarray(np.rot90(pixels(grey.planes[0]), turns))

    def rgb(self) -> Picture:
        """The full picture, a new array of (height, width, 3) uint8, RGB.

        Raises:
            ValueError: There is no picture.
        """
        return self.planes().rgb()

    def planes(self, limit: int = LARGEST) -> Planes:
        """The picture as the decoder left it, as far as that is I420; see `planes_of`.

        Raises:
            ValueError: There is no picture.
        """
        image = self._picture()
        return planes_of(image, turns=_quarter_turns(image), limit=limit)

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


LONGEST_DAMAGE = 10.0
"""Seconds after which damage counts as healed without a key picture: cameras with intra refresh never send one."""
_STEP = 0.04
"""Seconds between two pictures whose times do not tell."""


class Damage:
    """Which pictures of a stream are not to be trusted.

    FFmpeg fills in what is missing in a damaged picture, and all that follow are predicted from it; it marks few of
    the former and none of the latter. So damage lasts from the first sign of it, a packet that cannot be decoded or a
    picture that the decoder marks, to the next key picture, or for `LONGEST_DAMAGE` seconds of the stream after the
    last sign. What leaves no sign is not noticed: a picture lost as a whole, and with H.265 also parts of pictures.
    """

    def __init__(self) -> None:
        """Before the first picture, nothing is damaged."""
        self._lasted: float | None = None
        self._told: float | None = None

    def begin(self) -> None:
        """A packet could not be decoded."""
        self._lasted = 0.0

    def covers(self, told: float | None, *, key: bool, marked: bool) -> bool:
        """Whether the next picture is damaged; call it once for each, in the order of the decoder.

        Args:
            told: Its time in seconds, None where the stream tells none; only distances up to `LONGEST_DAMAGE` count.
            key: It is predicted from no other picture.
            marked: The decoder found damage in it.
        """
        passed = _STEP
        if told is not None:
            if self._told is not None and 0 < told - self._told <= LONGEST_DAMAGE:
                passed = told - self._told
            self._told = told
        if marked:
            self._lasted = 0.0
        elif self._lasted is not None:
            self._lasted += passed
            if key or self._lasted > LONGEST_DAMAGE:
                self._lasted = None
        return self._lasted is not None


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

    `corrupt` is set as `Damage` says.

    Raises:
        av.FFmpegError: Reading failed. Damage inside a packet does not raise, it is in the result.
    """
    damage = Damage()
    for packet in container.demux(stream):
        try:
            images = packet.decode()
        except av.EOFError:
            return
        except av.FFmpegError:
            damage.begin()
            base = packet.time_base
            yield [Decoded(None if packet.pts is None or base is None else float(packet.pts * base), True, None)]
        else:
            yield [_judged(image, damage) for image in images]


def _judged(image: av.VideoFrame, damage: Damage) -> Decoded:
    corrupt = damage.covers(image.time, key=image.key_frame, marked=image.is_corrupt)
    return Decoded(image.time, corrupt, image)


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
