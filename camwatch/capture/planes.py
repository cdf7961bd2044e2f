"""Pictures as I420 planes, the way decoders leave them, and the one way in which they become RGB.

I420 is brightness for every pixel (Y) and colour for every square of four (U, V): 1.5 bytes for a pixel where RGB has
3. Nothing is converted before somebody wants to look at the colours, and who does gets the same pixels, whether the
planes came straight from the decoder or through shared memory.

FFmpeg's swscale converts: it knows every matrix and range that a stream can name, and is faster than OpenCV here.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from camwatch.records import Picture

if TYPE_CHECKING:
    import av
    from av.video.plane import VideoPlane

Plane = NDArray[np.uint8]
"""(rows, columns) uint8, or one row of bytes."""

LARGEST = 3840 * 2160 * 3 // 2
"""Bytes of one 4K picture; larger ones are halved."""

_LINE = 64
"""Lines of a stored picture begin at multiples of this: swscale reads some bytes behind the last pixel."""
_ROWS = 4
"""A stored picture has a multiple of this many rows, as `VideoFrame.from_numpy_buffer` counts them in fours."""
_I420 = frozenset({"yuv420p", "yuvj420p"})
_JPEG = 2  # AVCOL_RANGE_JPEG: 0..255
_UNTOLD, _BT2020_CONSTANT, _BT2020 = 2, 10, 9
_MATRICES = frozenset({0, 1, _UNTOLD, 4, 5, 6, 7, _BT2020})
"""FFmpeg's numbers of what swscale converts; it refuses a picture that names another one."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How a picture lies in a run of bytes, and what the bytes mean.

    Attributes:
        width: Pixels in a line, before `turns`.
        height: Lines, before `turns`.
        matrix: FFmpeg's number for what U and V mean: 1 is BT.709, 5 and 6 BT.601, 9 BT.2020, 2 that nobody told,
            which is read as BT.601.
        full_range: Y is 0..255; if not, 16..235.
        turns: How often the picture must be turned counterclockwise by 90 degrees to be shown; 0..3.
    """

    width: int
    height: int
    matrix: int = 2
    full_range: bool = False
    turns: int = 0

    @property
    def nbytes(self) -> int:
        """Bytes that the picture takes; a little more than its pixels where its size is no round one."""
        return self._rows * self._line * 3 // 2

    def views(self, buffer: Plane) -> tuple[Plane, Plane, Plane]:
        """Where Y (height, width), U and V (half of it, rounded up) lie in `nbytes` bytes; nothing is copied."""
        rows, line = self._rows, self._line
        columns, lines = -(-self.width // 2), -(-self.height // 2)
        colours = buffer[rows * line : self.nbytes].reshape(2, rows // 2, line // 2)[:, :lines, :columns]
        return buffer[: rows * line].reshape(rows, line)[: self.height, : self.width], colours[0], colours[1]

    def rgb(self, buffer: Plane) -> Picture:
        """The picture that lies in `nbytes` bytes, a new (height, width, 3) uint8 array, RGB, turned as it is shown.

        The bytes are read once and not kept; they may be another process's to change, who then changes the picture.
        """
        import av  # here, since main holds rings only for their counters: it needs no FFmpeg

        even = self.width + self.width % 2
        stored = buffer[: self.nbytes].reshape(self._rows * 3 // 2, self._line)
        image = av.VideoFrame.from_numpy_buffer(stored, "yuv420p", width=even)
        image.colorspace = self.matrix
        image.color_range = _JPEG if self.full_range else 0
        (plane,) = image.reformat(format="rgb24", threads=1).planes
        lines = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
        picture = lines[: self.height, : self.width * 3].reshape(self.height, self.width, 3)
        return np.ascontiguousarray(np.rot90(picture, self.turns))

    @property
    def _line(self) -> int:
        return -(-self.width // _LINE) * _LINE

    @property
    def _rows(self) -> int:
        return -(-self.height // _ROWS) * _ROWS


@dataclass(frozen=True, slots=True, eq=False)
class Planes:
    """One picture as I420 planes.

    Attributes:
        y: (height, width) uint8.
        u: (height / 2, width / 2), rounded up.
        v: As `u`.
        layout: Its size and meaning.
    """

    y: Plane
    u: Plane
    v: Plane
    layout: Layout

    def copy_into(self, buffer: Plane) -> None:
        """Write the picture into the first `layout.nbytes` bytes of a buffer: one copy of every plane."""
        for place, plane in zip(self.layout.views(buffer), (self.y, self.u, self.v), strict=True):
            place[:] = plane

    def rgb(self) -> Picture:
        """As `Layout.rgb`."""
        buffer = np.empty(self.layout.nbytes, np.uint8)
        self.copy_into(buffer)
        return self.layout.rgb(buffer)


def planes_of(image: "av.VideoFrame", *, turns: int = 0, limit: int = LARGEST) -> Planes:
    """The planes of a decoded frame: its own memory where it is I420, else converted.

    Args:
        image: Stays alive as long as the planes.
        turns: See `Layout`.
        limit: Bytes; a picture that takes more is halved until it does not.
    """
    width, height = image.width, image.height
    while Layout(width, height).nbytes > limit and width * height > 1:
        width, height = max(width // 2, 1), max(height // 2, 1)
    tell_matrix(image)
    planes = image.planes
    if image.format.name not in _I420 or (width, height) != (image.width, image.height) or planes[0].line_size < 0:
        image = image.reformat(width, height, "yuv420p", interpolation="AREA", threads=1)
        planes = image.planes
    full = image.color_range == _JPEG or image.format.name == "yuvj420p"
    y, u, v = (pixels(plane) for plane in planes)
    return Planes(y, u, v, Layout(width, height, int(image.colorspace), full, turns % 4))


def tell_matrix(image: "av.VideoFrame") -> None:
    """Where a frame names a matrix that swscale refuses, let it name the nearest, or none: wrong colours are better
    than no picture, and finding faces hardly minds."""
    if int(image.colorspace) not in _MATRICES:
        image.colorspace = _BT2020 if int(image.colorspace) == _BT2020_CONSTANT else _UNTOLD


def pixels(plane: "VideoPlane") -> Plane:
    """A decoder's plane without what lies between its lines; the view keeps the frame alive."""
    lines = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
    return lines[:, : plane.width]
