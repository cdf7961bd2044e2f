"""Writing an MP4 that plays in a browser: H.264, 4:2:0, times as given, the index at the front."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import av
import cv2
import numpy as np
from av.codec import Codec
from av.codec.codec import UnknownCodecError
from av.packet import Packet
from av.video.reformatter import ColorRange, Colorspace

from camwatch.errors import InputError
from camwatch.records import Picture

_ENCODER: Literal["libx264"] = "libx264"
_OPTIONS = {"preset": "veryfast", "crf": "21"}
_TICK = Fraction(1, 90_000)
_SHORTEST = 0.001
"""Seconds between two pictures at least, for sources whose times stand still."""
_USUAL = 0.04
"""Seconds for which the only picture of a video is shown."""


class Mp4Writer:
    """Writes pictures to a file that appears under its name when it is whole, readable by its owner alone.

    Leaving the `with` block by an exception leaves no file behind.

    Args:
        path: The file; its folder must exist.

    Raises:
        InputError: There is no H.264 encoder here, the folder is not there or cannot be written (later, too: the disk
            may be full), or the name does not end in `.mp4`.
    """

    def __init__(self, path: Path) -> None:
        """Check all that can be checked before the first picture."""
        try:
            Codec(_ENCODER, "w")
        except UnknownCodecError:
            raise InputError(
                f"{path}: this FFmpeg has no H.264 encoder ({_ENCODER}); the wheel of the package av has one"
            ) from None
        if path.suffix.lower() != ".mp4":
            raise InputError(f"{path}: the name of the video to write must end in .mp4")
        if path.exists() and not path.is_file():
            raise InputError(f"{path}: something that is no file is there")
        try:
            handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".new", dir=path.parent)
        except OSError as error:
            raise InputError(f"{path}: cannot be written: {error.strerror or error}") from error
        os.close(handle)
        self._path, self._part = path, Path(name)
        self._container = av.open(name, "w", format="mp4", options={"movflags": "+faststart"})
        self._stream: av.VideoStream | None = None
        self._first = 0.0
        self._last, self._step = -1, round(_USUAL / _TICK)

    def __enter__(self) -> Self:
        """Nothing more to open."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish the file, or remove what there is of it."""
        try:
            if kind is None and self._stream is not None:
                self._mux(self._stream.encode())
                with self._named():
                    self._container.close()
                descriptor = os.open(self._part, os.O_RDONLY)
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)
                self._part.replace(self._path)
        finally:
            with suppress(OSError):  # told already
                self._container.close()
            self._part.unlink(missing_ok=True)

    def write(self, seconds: float, picture: Picture) -> None:
        """Add a picture.

        Args:
            seconds: When it is shown, on any one clock; the first picture begins the video.
            picture: (h, w, 3) uint8, RGB. The first one's size is the video's, made even by repeating the last row
                or column; others are scaled to it.
        """
        stream = self._stream or self._begin(seconds, picture)
        picture = _fitted(picture, stream.width, stream.height)
        image = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(
            format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
        )
        at = round((seconds - self._first) / _TICK)
        if self._last >= 0:
            at = max(at, self._last + round(_SHORTEST / _TICK))
            self._step = at - self._last
        image.pts, image.time_base, self._last = at, _TICK, at
        self._mux(stream.encode(image))

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Errors name the file that was asked for."""
        try:
            yield
        except OSError as error:
            raise InputError(f"{self._path}: cannot be written: {error.strerror or error}") from error

    def _mux(self, packets: Sequence["Packet[av.VideoStream]"]) -> None:
        for packet in packets:
            packet.duration = self._step  # counts for the last one only: the others end where the next begins
            with self._named():
                self._container.mux(packet)

    def _begin(self, seconds: float, picture: Picture) -> av.VideoStream:
        height, width = picture.shape[:2]
        stream = self._container.add_stream(_ENCODER, rate=25, options=dict(_OPTIONS))
        stream.width, stream.height, stream.pix_fmt = width + width % 2, height + height % 2, "yuv420p"
        stream.codec_context.time_base = _TICK
        stream.codec_context.colorspace = Colorspace.ITU709
        stream.codec_context.color_range = ColorRange.MPEG
        self._stream, self._first = stream, seconds
        return stream


def _fitted(picture: Picture, width: int, height: int) -> Picture:
    down, across = height - picture.shape[0], width - picture.shape[1]
    if (down, across) == (0, 0):
        return picture
    if down in (0, 1) and across in (0, 1):
        return np.asarray(cv2.copyMakeBorder(picture, 0, down, 0, across, cv2.BORDER_REPLICATE), np.uint8)
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
