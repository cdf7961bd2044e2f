"""From a face box to the chip that the embedding network eats.

The face is cropped with a margin and scaled, not rotated: with FaceNet's 2018 weights, alignment by landmarks gains
nothing. Around a large face any margin between 15 and 60 % of the box does equally well. A small one gains from a wide
margin: it is enlarged less, so that noise and the blocks of JPEG stay finer than the features of the face, and the
outline of the head outlasts what eyes and mouth lose.
"""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from camwatch.geometry import clip, grow
from camwatch.records import Box, Picture

MARGIN = 0.28
"""Share of the box's width and height that is added in all, half of it on each side; of a large face."""
WIDE_MARGIN = 0.6
"""The same of a small face."""
SMALL, LARGE = 60.0, 100.0
"""Box heights in pixels up to which a face is small, and from which it is large; between them the margin glides, so
that somebody who comes nearer does not change from one frame to the next."""


def margin_for(box: Box) -> float:
    """The margin that a face of this size is cut out with."""
    return float(np.interp(box.height, (SMALL, LARGE), (WIDE_MARGIN, MARGIN)))


def crop(picture: Picture, box: Box) -> Picture:
    """The visible part of a box, every pixel that it touches; a view, not a copy.

    Returns:
        (h, w, 3) uint8; h or w is 0 where the box lies outside the picture.
    """
    height, width = picture.shape[:2]
    seen = clip(box, width, height)
    if seen.width <= 0 or seen.height <= 0:
        return picture[:0, :0]
    rows = slice(math.floor(seen.y1), math.ceil(seen.y2))
    return picture[rows, math.floor(seen.x1) : math.ceil(seen.x2)]


def chip(picture: Picture, box: Box, *, margin: float | None = None, size: int = 160) -> Picture:
    """Cut a face out and scale it to a square.

    Args:
        picture: (h, w, 3) uint8, RGB.
        box: The face in pixels; it may leave the picture, only the visible part is used.
        margin: Share of the box that is added around it; None for what suits its size, see `margin_for`.
        size: Side of the chip in pixels.

    Returns:
        (size, size, 3) uint8, RGB, contiguous, its own memory.

    Raises:
        ValueError: No pixel of the box lies inside the picture.
    """
    if not crop(picture, box).size:
        raise ValueError(f"box {box} lies outside the picture")
    face = crop(picture, grow(box, margin_for(box) if margin is None else margin))
    # area averaging loses nothing when shrinking; enlarging with it would repeat pixels in blocks
    shrinks = min(face.shape[:2]) > size
    scaled = cv2.resize(face, (size, size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return np.array(scaled, dtype=np.uint8)


def views(picture: Picture, box: Box) -> NDArray[np.uint8]:
    """The chips that a photo is enrolled by: with the margin of its size and with that of a small face, both mirrored.

    So a template is as near to somebody who is far away as to somebody at the door.

    Returns:
        (4, 160, 160, 3) uint8, RGB.

    Raises:
        ValueError: As `chip`.
    """
    cut = [chip(picture, box, margin=margin) for margin in (margin_for(box), WIDE_MARGIN)]
    return np.stack([view for one in cut for view in (one, one[:, ::-1])])
