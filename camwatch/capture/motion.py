"""The motion gate: lets a frame through to analysis when something moves in it, and now and then anyway.

Why a plain running average: on a picture of 160 x 90 it costs a thousandth of a face detection, while mixture models
cost a tenth of one. It need not be clever, since a gate that opens too often only costs time, and faces decide.
NumPy is enough for pictures of that size, and spares a reader the 26 MB of OpenCV.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from camwatch.capture.sampling import FrameSampler

SIZE = (160, 90)
"""Width and height that the constants below are meant for."""
STEP = 15
"""Grey levels between picture and background that count as change, after a 3 x 3 blur: above a sensor's noise at
night, below a dark coat before a dark wall."""
SHARE = 0.001
"""Share of the pixels that must have changed: 14 of 160 x 90, which is a head seen over a fence."""
SCENE = 0.6
"""Share from which the whole scene is another one (the infrared light switched, the lamp, the lens turned): the
background is then taken anew and the gate stays open for `LEARNING`: it may be somebody right before the lens."""
LEARNING = 6.0
"""Time constant of the background, seconds. Who walks in and stands still counts as motion until the background has
taken him in: about 6 s at a difference of 40 grey levels."""
REMEMBERING = 300.0
"""Time constant of the older background, seconds. It still knows what was there before somebody came, so the gate
closes when he has gone, and not only when the other one has forgotten him."""
HOLD = 1.0
"""Seconds the gate stays open after the last motion."""

Polygon = Sequence[Sequence[float]]
"""At least three points (x, y), fractions of the picture's width and height."""


class MotionGate:
    """Decides for one camera which frames are worth analysing; all times come with the frames.

    Args:
        enabled: False lets everything through, and nobody needs to compute `luma`.
        floor_fps: Frames let through in a second whatever they show; 0 for none.
        masks: Polygons in which motion is ignored: a road, a tree, the clock in the picture.

    Raises:
        ValueError: A polygon has fewer than three points or a point that is no pair, or `floor_fps` is negative.
    """

    def __init__(self, *, enabled: bool = True, floor_fps: float = 0.5, masks: Sequence[Polygon] = ()) -> None:
        """Before the first picture."""
        if not 0 <= floor_fps < math.inf:
            raise ValueError(f"floor_fps must be 0 or more, not {floor_fps!r}")
        if any(len(mask) < 3 or any(len(point) != 2 for point in mask) for mask in masks):
            raise ValueError("a mask is a polygon of at least three points [x, y]")
        self.enabled = enabled
        self._floor = FrameSampler(floor_fps) if floor_fps else None
        self._masks = [np.asarray(mask, np.float64) for mask in masks]
        self._watched: NDArray[np.bool_] | None = None
        self._backgrounds: list[NDArray[np.float32]] = []  # the newer one, the older one
        self._last = 0.0
        self._open_until = -math.inf

    def open(self, luma: NDArray[np.uint8], t: float) -> bool:
        """Whether the frame should be analysed; call it for every frame that could be.

        Opens for the first picture, for a change of its size, for motion and `HOLD` seconds after it, for a change of
        the whole scene, after a jump back in time, and at the floor rate.

        Args:
            luma: (height, width) uint8, about `SIZE`, see `RawFrame.luma`.
            t: Seconds on any one clock.
        """
        if not self.enabled:
            return True
        due = self._floor is not None and self._floor.due(t)
        if self._moves(luma, t):
            self._open_until = max(self._open_until, t + HOLD)
        return due or t <= self._open_until

    def _moves(self, luma: NDArray[np.uint8], t: float) -> bool:
        picture = _blurred(luma)
        elapsed, self._last = t - self._last, t
        if not self._backgrounds or self._backgrounds[0].shape != picture.shape or elapsed < 0:
            self._backgrounds = [picture, picture.copy()]
            self._watched = self._unmasked(picture.shape[1], picture.shape[0])
            self._open_until = t  # of another time line
            return True
        assert self._watched is not None
        moved = self._watched.copy()
        for background, seconds in zip(self._backgrounds, (LEARNING, REMEMBERING), strict=True):
            change = picture - background
            moved &= np.abs(change) > STEP
            change *= np.float32(1 - math.exp(-elapsed / seconds))
            background += change
        count, watched = np.count_nonzero(moved), np.count_nonzero(self._watched)
        if watched and count >= SCENE * watched:
            self._backgrounds = [picture, picture.copy()]
            self._open_until = t + LEARNING
            return True
        return bool(count > 0 and count >= SHARE * watched)

    def _unmasked(self, width: int, height: int) -> NDArray[np.bool_]:
        """False under a mask: pixels whose centre is inside a polygon."""
        y, x = np.mgrid[:height, :width] + 0.5
        watched = np.ones((height, width), np.bool_)
        for mask in self._masks:
            corners = mask * (width, height)
            inside = np.zeros_like(watched)
            for (x1, y1), (x2, y2) in zip(corners, np.roll(corners, -1, 0), strict=True):
                if y1 != y2:  # a line to the right crosses this side
                    inside ^= ((y1 > y) != (y2 > y)) & (x < x1 + (y - y1) * (x2 - x1) / (y2 - y1))
            watched &= ~inside
        return watched


def _blurred(luma: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Means of 3 x 3 pixels; at the edges the outermost ones count twice."""
    height, width = luma.shape
    wide = np.empty((height + 2, width + 2), np.float32)
    wide[1:-1, 1:-1] = luma
    wide[0], wide[-1] = wide[1], wide[-2]
    wide[:, 0], wide[:, -1] = wide[:, 1], wide[:, -2]
    rows = wide[:-2] + wide[1:-1] + wide[2:]
    means: NDArray[np.float32] = (rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]) * np.float32(1 / 9)
    return means
