"""Whether a camera still shows what it showed: then the faces found before are the faces to be found now.

Pictures are compared as averages of square blocks, less than half as large as the smallest face. In these, a sensor's
noise is a fraction of what it is in a pixel, while whatever comes into the picture moves several blocks by many grey
levels. The comparison is always with the last picture that was searched, so what changes slowly adds up, and no
answer is used for longer than `LONGEST`.
"""

import threading
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from camwatch.records import Detection, Frame, Picture

LARGEST_CHANGE = 3
"""Grey levels by which a block may differ in any colour: five times less than what the motion gate calls motion."""
LONGEST = 10.0
"""Seconds of captured time for which an answer is used."""
_BLOCKS_PER_FACE = 2.5
_MOST = 256  # cameras that are remembered


@dataclass(frozen=True, slots=True, eq=False)
class _Searched:
    """A picture that was searched, as blocks; when, for which faces, and what was found."""

    blocks: NDArray[np.uint8]
    captured_at: float
    min_face: int
    found: tuple[Detection, ...]


class Stillness:
    """Remembers for each camera the last picture that was searched. Threads may share it, each with cameras of its own.

    Attributes:
        spared: How many searches were not needed so far.
    """

    def __init__(self) -> None:
        """Nothing has been searched."""
        self.spared = 0
        self._last: dict[str, _Searched] = {}
        self._lock = threading.Lock()

    def known(self, frame: Frame, blocks: NDArray[np.uint8], min_face: int) -> list[Detection] | None:
        """What a search would find, where the picture is still; None where it must be searched.

        Args:
            frame: Of one camera, in the order of capture.
            blocks: `blocks_of` its picture.
            min_face: Smallest face in pixels that is wanted.
        """
        last = self._last.get(frame.camera)
        if last is None or last.min_face != min_face or last.blocks.shape != blocks.shape:
            return None
        if not 0 <= frame.captured_at - last.captured_at <= LONGEST:
            return None
        if int(cv2.absdiff(blocks, last.blocks).max()) > LARGEST_CHANGE:
            return None
        with self._lock:
            self.spared += 1
        return list(last.found)

    def searched(self, frame: Frame, blocks: NDArray[np.uint8], min_face: int, found: list[Detection]) -> None:
        """A picture was searched."""
        with self._lock:
            self._last.pop(frame.camera, None)
            self._last[frame.camera] = _Searched(blocks, frame.captured_at, min_face, tuple(found))
            while len(self._last) > _MOST:
                del self._last[next(iter(self._last))]


def blocks_of(picture: Picture, min_face: int) -> NDArray[np.uint8]:
    """Averages of blocks of 2, 4, 8 ... pixels, the largest of which at least 2.5 fit along the smallest face.

    Args:
        picture: (height, width, 3) uint8.
        min_face: Smallest face in pixels that is wanted.

    Returns:
        (height', width', 3) uint8; the picture itself where faces are very small.
    """
    blocks, side = picture, 2
    while side * _BLOCKS_PER_FACE <= min_face and min(blocks.shape[:2]) > 1:
        # averages of 2 x 2 pixels are by far the fastest; with odd sides they are not exact, but always the same
        half = blocks.shape[1] // 2, blocks.shape[0] // 2
        blocks = np.asarray(cv2.resize(blocks, half, interpolation=cv2.INTER_AREA), np.uint8)
        side *= 2
    return blocks
