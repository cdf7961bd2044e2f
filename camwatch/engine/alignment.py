"""From a face box to the chip that the embedding network eats.

The face is cropped with a margin and scaled, not rotated: with FaceNet's 2018 weights, alignment by landmarks gains
nothing, and any margin between 15 and 50 % of the box does equally well.
"""

import math

import cv2
import numpy as np

from camwatch.geometry import clip, grow
from camwatch.records import Box, Picture

MARGIN = 0.28
"""Share of the box's width and height that is added in all, half of it on each side."""


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


def chip(picture: Picture, box: Box, *, margin: float = MARGIN, size: int = 160) -> Picture:
    """Cut a face out and scale it to a square.

    Args:
        picture: (h, w, 3) uint8, RGB.
        box: The face in pixels; it may leave the picture, only the visible part is used.
        margin: Share of the box that is added around it, see `MARGIN`.
        size: Side of the chip in pixels.

    Returns:
        (size, size, 3) uint8, RGB, contiguous, its own memory.

    Raises:
        ValueError: No pixel of the box lies inside the picture.
    """
    if not crop(picture, box).size:
        raise ValueError(f"box {box} lies outside the picture")
    face = crop(picture, grow(box, margin))
    # area averaging loses nothing when shrinking; enlarging with it would repeat pixels in blocks
    shrinks = min(face.shape[:2]) > size
    scaled = cv2.resize(face, (size, size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return np.array(scaled, dtype=np.uint8)
