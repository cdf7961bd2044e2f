"""All sizes of a picture in one: the image pyramid that P-Net searches, packed in a single canvas.

P-Net sees 12 x 12 pixels and moves by 2, so a picture is shown to it at several scales (Zhang et al., "Joint Face
Detection and Alignment using Multitask Cascaded Convolutional Networks", 2016). One network call on one canvas that
holds every scale costs a fraction of a call for each. Pure functions: numpy and OpenCV, no network.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from camwatch.records import Picture

CELL = 12
"""Side of P-Net's window in canvas pixels; also the smallest face that can be asked for."""
STRIDE = 2
"""Canvas pixels between neighbouring windows."""

_FACTOR = 0.709  # each level has about half the area of the one before
_BLANK = 128
_LARGER = 1.5  # halves are taken down to this multiple of a level: nearer to it, averages of averages blur


@dataclass(frozen=True, slots=True)
class Level:
    """One scale of the picture and where it lies in the canvas; lengths in canvas pixels, x and y even."""

    scale: float
    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """How the scales of pictures of one size are packed.

    Attributes:
        width: Width of the canvas, pixels.
        height: Height of the canvas, pixels.
        levels: Largest first; empty where the picture is too small for any face.
        scales: (levels,) float32, canvas pixels per picture pixel.
        origins: (levels, 2) int32, x and y of each level in P-Net cells.
        owner: (rows, columns) int16 over P-Net's output: the level a cell looks at, -1 where it straddles levels.
    """

    width: int
    height: int
    levels: tuple[Level, ...]
    scales: NDArray[np.float32]
    origins: NDArray[np.int32]
    owner: NDArray[np.int16]


def scales(width: int, height: int, min_face: int) -> list[float]:
    """Scales at which faces of `min_face` pixels and more fit P-Net's window, largest first.

    A level with less than 12 pixels on a side has no room for a window and is left out: a picture smaller than
    `min_face` has no levels.
    """
    found = []
    scale = CELL / min_face
    while _scaled(min(width, height), scale) >= CELL:
        found.append(scale)
        scale = CELL / min_face * _FACTOR ** len(found)
    return found


def plan(width: int, height: int, min_face: int) -> Layout:
    """Lay out the pyramid for pictures of one size.

    Args:
        width: Picture width in pixels.
        height: Picture height in pixels.
        min_face: Side of the smallest face to find, in picture pixels, at least 12.
    """
    sizes = [(s, _scaled(width, s), _scaled(height, s)) for s in scales(width, height, min_face)]
    if not sizes:
        nothing = np.zeros(0, np.float32)
        return Layout(0, 0, (), nothing, np.zeros((0, 2), np.int32), np.zeros((0, 0), np.int16))
    corners, total_width, total_height = _pack([(_even(w), _even(h)) for _, w, h in sizes])
    levels = tuple(Level(s, x, y, w, h) for (s, w, h), (x, y) in zip(sizes, corners, strict=True))
    owner = np.full((_cells(total_height), _cells(total_width)), -1, np.int16)
    for number, level in enumerate(levels):
        top, left = level.y // STRIDE, level.x // STRIDE
        owner[top : top + _cells(level.height), left : left + _cells(level.width)] = number
    return Layout(
        width=total_width,
        height=total_height,
        levels=levels,
        scales=np.array([level.scale for level in levels], np.float32),
        origins=np.array([(level.x // STRIDE, level.y // STRIDE) for level in levels], np.int32),
        owner=owner,
    )


def blank(layout: Layout, count: int) -> NDArray[np.uint8]:
    """Grey canvases to paint on: (count, height, width, 3) uint8."""
    return np.full((count, layout.height, layout.width, 3), _BLANK, np.uint8)


def paint(picture: Picture, layout: Layout, canvas: Picture) -> None:
    """Draw every level of a picture into its canvas, in place.

    Each level is an area average of the picture's half, quarter ... that is at least 1.5 times as large; halves are
    exact averages of 2 x 2 pixels. This costs a seventh of averaging the picture itself, and finds the same faces.

    Args:
        picture: (h, w, 3) uint8 of the size that the layout was planned for.
        layout: From `plan`.
        canvas: (layout.height, layout.width, 3) uint8.
    """
    source = picture
    for level in layout.levels:
        while _has_half(source, level):
            source = _half(source)
        region = canvas[level.y : level.y + level.height, level.x : level.x + level.width]
        cv2.resize(source, (level.width, level.height), dst=region, interpolation=cv2.INTER_AREA)
        # the network's pooling looks one pixel beyond an odd edge: let it see the edge again, not the neighbour
        if level.height % 2:
            canvas[level.y + level.height, level.x : level.x + level.width] = region[-1]
        if level.width % 2:
            canvas[level.y : level.y + level.height, level.x + level.width] = region[:, -1]


def _has_half(source: Picture, level: Level) -> bool:
    """Whether half the source is whole (even sides) and still clearly larger than the level."""
    height, width = int(source.shape[0]), int(source.shape[1])
    return height % 2 == 0 and width % 2 == 0 and width // 2 >= _LARGER * level.width


def _half(source: Picture) -> Picture:
    """Averages of 2 x 2 pixels."""
    size = source.shape[1] // 2, source.shape[0] // 2
    return np.asarray(cv2.resize(source, size, interpolation=cv2.INTER_AREA), np.uint8)


def _scaled(length: int, scale: float) -> int:
    """Whole pixels of a scaled side; a side of exactly `min_face` must not become 11 by a rounding error."""
    return int(length * scale + 1e-6)


def _even(length: int) -> int:
    return length + length % 2


def _cells(length: int) -> int:
    """Windows of P-Net along a side of this many pixels, an odd side rounded up as its pooling does."""
    return (_even(length) - CELL) // STRIDE + 1


def _pack(sizes: list[tuple[int, int]]) -> tuple[list[tuple[int, int]], int, int]:
    """Place rectangles, largest first, in a strip as wide as the first; returns corners, width and height.

    A rectangle goes into the topmost free space that it fits, and what remains of that space to its right and below
    it stays free.
    """
    width = sizes[0][0]
    unlimited = sum(height for _, height in sizes)
    free = [(0, 0, width, unlimited)]  # y, x, width, height: sorted from the top
    corners = []
    for w, h in sizes:
        space = next(space for space in free if w <= space[2] and h <= space[3])
        free.remove(space)
        y, x, space_width, space_height = space
        corners.append((x, y))
        free += [(y, x + w, space_width - w, h), (y + h, x, space_width, space_height - h)]
        free.sort()
    return corners, width, max(y + h for (_, y), (_, h) in zip(corners, sizes, strict=True))
